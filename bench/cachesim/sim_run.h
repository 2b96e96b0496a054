// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Runs a stream through policies at capacities, several at a time.
 */

#include "sim_policy.h"
#include "sim_stream.h"

#define SIM_CELLS_MAX 256u

/** One run: what goes in, and what came out. */
struct sim_cell {
	const struct sim_policy *policy;
	double percent; //!< of the stream's keys
	struct sim_params params;

	uint64_t accesses, hits;
	uint64_t quiet_accesses, quiet_hits; //!< without the noise
	uint64_t bytes, hit_bytes;
	uint64_t metadata_bytes;
	double ns; //!< an access
	int error; //!< 0 or -errno
};

/** Fills in the cells from policy, percent and the two ratios of params, on @p n_threads threads.
 */
void sim_run(const struct sim_stream *stream, struct sim_cell *cells, unsigned n_cells,
	unsigned n_threads);
