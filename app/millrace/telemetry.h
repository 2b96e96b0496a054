// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A client of DPDK's telemetry socket (version 2: SOCK_SEQPACKET, JSON). Owner: the caller.
 */

#include "mr_err.h"

#include <jansson.h>

#define TELEMETRY_DEFAULT_PATH "/var/run/dpdk/millrace/dpdk_telemetry.v2"

struct telemetry {
	int fd;
	char *buffer;
	size_t buffer_bytes; //!< the longest answer that DPDK gives
};

/** The socket's path: @p option (--telemetry; may be NULL), $MILLRACE_TELEMETRY, or the default. */
const char *telemetry_path(const char *option);

/** Connects and reads the greeting. @return 0 or -errno with a message. */
int telemetry_open(struct telemetry *telemetry, const char *path, struct mr_err *err);
void telemetry_close(struct telemetry *telemetry);

/**
 * Asks for "/path[,parameters]".
 * @return what stands under that name in the answer (the caller's to decref; JSON null when DPDK
 *   does not know it), or NULL with a message.
 */
json_t *telemetry_ask(struct telemetry *telemetry, const char *question, struct mr_err *err);
