// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the parts of the filter share: mr_filter.c (thread and triggers), mr_filter_build.c (one
 * rebuild), mr_filter_file.c (saving and loading).
 */

#include <pthread.h>

#include "mr_filter.h"

/** Filters of all nodes that belong together. */
struct mr_filter_generation {
	struct mr_bloom **blooms; //!< by node index; memory from mr_mem_alloc()
	unsigned n_nodes;
};

struct mr_filter {
	struct mr_filter_params p;
	struct mr_filter_generation now; //!< W: build, under the lock. Empty: none

	_Atomic bool stop;
	_Atomic int state; //!< enum mr_filter_state
	_Atomic uint64_t done_keys, estimate_keys;

	pthread_t thread;
	bool has_thread;

	pthread_mutex_t lock; //!< what follows, and the memory of `now` against being freed
	pthread_cond_t wake;
	bool wanted;    //!< a rebuild was asked for
	unsigned holds; //!< while there are any, none starts
	bool loaded;
	double rebuild_above;
	uint64_t rebuilds, failures, build_us, build_cpu_us;
	uint64_t look_us;     //!< how long the last look at all its bits took
	uint64_t built_keys;  //!< keys that the last scan found; 0: none yet
	uint64_t added_after; //!< added_keys of the filter when it was published
	char last_error[256];
	struct mr_bloom_stats *node_stats; //!< by node, as of the last check
	bool has_stats;
};

/** Makes empty filters for @p capacity_keys on each node. @return 0 or -ENOMEM with a message. */
int mr_filter_generation_make(const struct mr_filter *f, uint64_t capacity_keys,
	struct mr_filter_generation *ret, struct mr_err *err);
void mr_filter_generation_free(struct mr_filter_generation *generation);

/** Makes a generation the one in force; the one before is freed when no lcore holds it. */
void mr_filter_generation_publish(struct mr_filter *f, struct mr_filter_generation *next);

/** One rebuild from the store. @return 0; -ECANCELED: told to stop; -errno with a message. */
int mr_filter_build(struct mr_filter *f, struct mr_err *err);

/** Takes the file over, and deletes it. @return true when filters were published from it. */
bool mr_filter_file_load(struct mr_filter *f);
