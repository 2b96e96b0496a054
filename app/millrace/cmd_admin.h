// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the commands that use the admin socket share.
 */

#include "command.h"

#define ADMIN_OPTION                                                                \
	{                                                                           \
		"admin", "PATH",                                                    \
			"admin socket of millraced; default $MILLRACE_ADMIN, else " \
			"/run/millrace/admin.sock"                                  \
	}

/**
 * Asks, prints the answer: on stdout when it is ok, else on stderr.
 * @param verb
 *   With arguments.
 * @param path
 *   File with the payload; NULL: none.
 * @return exit code.
 */
int ask_and_print(const struct invocation *inv, const char *verb, const char *path);
