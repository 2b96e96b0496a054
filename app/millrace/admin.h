// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * One question to the admin socket of millraced: "VERB [ARG...] BYTES\n" and so many bytes of
 * payload; the answer is "ok BYTES\n" or "error BYTES\n" and so many bytes of text.
 */

#include "mr_err.h"

#include <stdbool.h>

#define ADMIN_DEFAULT_PATH "/run/millrace/admin.sock"
#define ADMIN_REPLY_MAX_BYTES (64u << 20)

struct admin_reply {
	bool is_ok;
	char *text; //!< zero-terminated; the caller's to free
	size_t bytes;
};

/**
 * @param verb
 *   With its arguments, parted by blanks.
 * @return 0; -errno with a message: the socket cannot be reached, or what comes is no answer.
 */
int admin_ask(const char *path, const char *verb, const void *payload, size_t payload_bytes,
	struct admin_reply *ret_reply, struct mr_err *err);

/** Opens a connection for any number of questions. @return a descriptor or -errno with a message.
 */
int admin_open(const char *path, struct mr_err *err);

/** As admin_ask(), over a connection; after a failure only closing it is left. */
int admin_ask_on(int fd, const char *path, const char *verb, const void *payload,
	size_t payload_bytes, struct admin_reply *ret_reply, struct mr_err *err);

/** Reads a whole file (- is stdin); zero-terminated. @return 0 or -errno with a message. */
int read_file(const char *path, char **ret_text, size_t *ret_bytes, struct mr_err *err);
