// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A replacement policy under simulation: fully associative, exact, over rows of one size. Keys are
 * numbers below n_keys, so that a policy's tables are arrays; what a policy would need outside of
 * a simulator, a node for each cached and each remembered key, metadata_bytes() tells.
 *
 * Owner: the thread that runs the stream. Every access costs O(1), with lru2 and belady O(log n).
 */

#include "mr_cc.h"

#include <stdbool.h>

#define SIM_NEVER UINT32_MAX

struct sim_params {
	uint32_t capacity; //!< rows, at least 1
	uint32_t n_keys;
	double crp_ratio;     //!< millrace, lru2: correlated reference period over capacity
	double history_ratio; //!< millrace, lru2: remembered keys over capacity
	const uint32_t *next; //!< belady: by access, when its key comes again, or SIM_NEVER
};

struct sim_policy {
	const char *name;
	/** @return the policy's state, or NULL with errno. */
	void *(*create)(const struct sim_params *params);
	/** One request for @p key, filling on a miss. @return true: it was a hit. */
	bool (*access)(void *state, uint32_t key);
	/** What the policy remembers besides keys and rows, at its fullest. */
	uint64_t (*metadata_bytes)(const void *state);
	/** NULL is allowed. */
	void (*destroy)(void *state);
};

extern const struct sim_policy sim_millrace, sim_millrace_plain, sim_lru, sim_lru2, sim_2q, sim_arc,
	sim_s3fifo, sim_sieve, sim_wtinylfu, sim_belady;

/** All of the above, in the order in which they are reported. */
extern const struct sim_policy *const sim_policies[];
extern const unsigned sim_n_policies;

/** @return NULL when there is no policy of this name. */
const struct sim_policy *sim_policy_by_name(const char *name);

/** What millrace does by default, as lru2 is told to do. */
void sim_params_default(struct sim_params *params);
