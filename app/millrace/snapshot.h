// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What `top` and `exporter` read from the telemetry socket in one go: the answers to a list of
 * questions, each lcore's own counters, and histograms in whole, of which two give an interval's
 * percentiles. Owner: the caller.
 */

#include "mr_hist.h"
#include "telemetry.h"

#define SNAPSHOT_LCORES_MAX 128u

/** Histograms that are read cell by cell; names as in /millrace/latency. */
enum snapshot_hist {
	SNAPSHOT_TOTAL,
	SNAPSHOT_INLINE,
	SNAPSHOT_HANDOFF,
	SNAPSHOT_IO_RING,
	SNAPSHOT_IO_READ,
	SNAPSHOT_IO_COMMIT,
	SNAPSHOT_HISTS,
};

const char *snapshot_hist_name(enum snapshot_hist hist);

struct snapshot {
	uint64_t at_ns; //!< clock_ns()
	json_t *info, *lcores, *drops, *cache, *bloom, *store, *handoff, *ports, *latency, *ages;
	json_t *sets;                       //!< by name, of all pages
	json_t *lcore[SNAPSHOT_LCORES_MAX]; //!< in the order of lcores/lcores; NULL: no counters
	unsigned n_lcores;
	struct mr_hist *hists; //!< SNAPSHOT_HISTS, in TSC cycles
	double ns_per_cycle;
};

/** Reads everything. @return 0 or -errno with a message. Free it in either case. */
int snapshot_take(struct snapshot *snapshot, struct telemetry *telemetry, struct mr_err *err);
void snapshot_free(struct snapshot *snapshot);

/** Number at "a/b/c"; 0 when it is not there. */
uint64_t snapshot_number(const json_t *json, const char *path);

/** Name of lcore @p i ("rx0"); "" when there is none. */
void snapshot_lcore_name(const struct snapshot *snapshot, unsigned i, char *name, size_t bytes);
