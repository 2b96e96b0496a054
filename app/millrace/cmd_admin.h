// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the commands that use the admin socket share.
 */

#include "admin.h"
#include "command.h"

#define ADMIN_OPTION                                                                \
	{                                                                           \
		"admin", "PATH",                                                    \
			"admin socket of millraced; default $MILLRACE_ADMIN, else " \
			"/run/millrace/admin.sock"                                  \
	}

/**
 * Asks; on an error, prints it.
 * @param ret_reply
 *   Set when EXIT_OK is returned; its text is the caller's to free.
 * @return exit code.
 */
int ask(const struct invocation *inv, const char *verb, const char *path,
	struct admin_reply *ret_reply);

/**
 * Asks, prints the answer: on stdout when it is ok, else on stderr.
 * @param verb
 *   With arguments.
 * @param path
 *   File with the payload; NULL: none.
 * @return exit code.
 */
int ask_and_print(const struct invocation *inv, const char *verb, const char *path);
