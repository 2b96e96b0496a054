// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Captures of requests, for packet generators.
 */

#include "command.h"
#include "mr_catalog.h"

/**
 * Writes the capture that a command line asks for.
 * @param catalog  Where the view is described; NULL: the server is asked.
 * @return an exit code, having said why.
 */
int pcap_write(const struct invocation *inv, const struct mr_catalog *catalog);
