// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The admin socket: a Unix stream socket with one thread that serves it. Its permissions are its
 * security: it is made with mode 0600.
 *
 *     request    VERB [ARG...] BYTES\n  and then BYTES bytes of payload
 *     reply      ok BYTES\n             and then BYTES bytes of text
 *                error BYTES\n          and then BYTES bytes of message
 *
 * ARG is what stands between the verb and the last blank, blanks included. A connection carries any
 * number of requests, one after the other. After a line that is not a request, the reply is an
 * error and the connection is closed, because nobody can say where the next request starts. A
 * client that is slower than the timeout, for one request or for taking its reply, is dropped; one
 * that closed its sending side still gets its reply.
 *
 * Threads: verbs run on the socket's thread, one at a time, and may block; those that take long say
 * so and run each on a thread of its own, while the socket serves others. mr_admin_create() and
 * mr_admin_free() belong to the control lcore.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#include "mr_cc.h"
#include "mr_err.h"

#define MR_ADMIN_LINE_MAX_BYTES 1024u
#define MR_ADMIN_PAYLOAD_MAX_BYTES (16u << 20)
#define MR_ADMIN_CLIENTS_MAX 16u

/** One request, whole. Lives during the call. */
struct mr_admin_request {
	const char *verb;
	const char *args;    //!< "" when there are none
	const char *payload; //!< zero-terminated beyond its bytes
	size_t payload_bytes;
};

/**
 * Serves a verb.
 * @param out
 *   Takes the reply's text.
 * @return 0, or -errno with a message, which is then the reply; what went to @p out is dropped.
 */
typedef int (*mr_admin_fn)(
	const struct mr_admin_request *request, FILE *out, struct mr_err *err, void *arg);

struct mr_admin_verb {
	const char *verb;
	const char *args;   //!< what it takes, for the message: "FILENAME"; "": no arguments
	bool takes_payload; //!< others refuse one
	mr_admin_fn fn;
	const char *help;
	bool own_thread; //!< takes long: must not make other requests wait, and may run beside them
};

struct mr_admin_params {
	const char *path; //!< its directory is made if missing, with mode 0755
	const struct mr_admin_verb *verbs;
	unsigned n_verbs;
	void *arg;             //!< handed to verbs
	uint32_t timeout_ms;   //!< for a request to arrive, and for a reply to be taken; 0: 30000
	const cpu_set_t *cpus; //!< where its threads run; NULL: where the caller does
	_Atomic bool *cancel;  //!< set by mr_admin_free(), for verbs that take long; NULL: none
};

struct mr_admin;

/**
 * Opens the socket and starts its thread. A socket file that nobody answers on is replaced.
 * @return NULL with errno and a message: EADDRINUSE: somebody answers, or the file is no socket;
 *   ENAMETOOLONG; EACCES; ...
 */
struct mr_admin *mr_admin_create(const struct mr_admin_params *params, struct mr_err *err);

/**
 * Stops: waits for verbs on threads of their own, replies that are ready still go out (for at most
 * a second), then the thread ends and the socket file is removed. NULL is allowed.
 */
void mr_admin_free(struct mr_admin *admin);
