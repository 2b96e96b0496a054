// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * /millrace/... on DPDK's telemetry socket: read-only figures of a running appliance. Every field
 * is in a table with its unit and meaning; replies and docs/telemetry.md both come from those
 * tables.
 *
 * Made for the limits of DPDK 22.11: no fractions (ratios are parts per million), no booleans (0
 * and 1), replies of 16 KiB (what may be longer takes a parameter).
 *
 * Threads: commands run on threads of DPDK's telemetry; they read counters relaxed and take the
 * locks of registry, filter and mr_ctl.
 */

#include "mr_ctl.h"

/** Registers the commands, the first time, and points them at @p ctl. @return 0 or -errno. */
int mr_telemetry_start(struct mr_ctl *ctl, struct mr_err *err);

/** Commands answer null from here on; returns when none is running. DPDK cannot forget them. */
void mr_telemetry_stop(void);

/** Writes docs/telemetry.md. */
void mr_telemetry_print_markdown(FILE *out);
