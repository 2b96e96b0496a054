// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The Bloom filters of all NUMA nodes: made at start from a saved file or from the store's keys,
 * and rebuilt in the background when they have filled up. Every node has a replica of the same
 * content, in its own memory.
 *
 * A rebuild makes the next generation on each node and publishes it as mr_node.bloom_next; after a
 * quiescent state of every lcore, whatever is written goes into both generations, so a scan of the
 * store that starts then and the writes together make the next one complete. It is then published
 * as mr_node.bloom, and the old one is freed when no lcore can hold it any more. For this to hold,
 * an I/O lcore must read bloom_next, add to it and commit within one turn, that is without passing
 * a quiescent state in between.
 *
 * Tombstones count as keys: a filter that says "absent" then also says that there is no event that
 * a new one could be older than.
 *
 * Threads: one thread of its own scans, checks and publishes. mr_filter_stats() and
 * mr_filter_rebuild() may be called by any thread that is not an lcore; the rest by the control
 * lcore. Memory: while a rebuild runs, both generations.
 */

#include <sched.h>

#include "mr_store.h"
#include "mr_tiers.h"

#define MR_FILTER_FILE "filter.bin" //!< in the store's directory

struct mr_filter;

struct mr_filter_params {
	struct mr_tiers *tiers; //!< its nodes' filters are owned from here on
	struct mr_store *store;
	const char *path;      //!< of the store's directory
	uint64_t keys;         //!< sized for at least these
	double fpr;            //!< wanted at that size
	double rebuild_above;  //!< rate, estimated from the bits set, that starts a rebuild
	uint64_t check_ms;     //!< between looks at that rate; 0: 5000
	const cpu_set_t *cpus; //!< where its thread runs; NULL: where the caller does
};

enum mr_filter_state {
	MR_FILTER_NONE,     //!< no filter: every key may be present
	MR_FILTER_BUILDING, //!< being built or rebuilt; the one before, if any, is in force
	MR_FILTER_READY,
	MR_FILTER_STATE_COUNT,
};

const char *mr_filter_state_name(enum mr_filter_state state);

struct mr_filter_stats {
	enum mr_filter_state state;
	bool in_force;          //!< lookups are filtered
	bool loaded;            //!< the one in force came from the file
	uint64_t done_keys;     //!< of the scan that is running, or of the last one
	uint64_t estimate_keys; //!< what it expected
	uint64_t rebuilds;      //!< finished since start, the first build included
	uint64_t failures;      //!< rebuilds that were given up
	uint64_t build_us;      //!< how long the last one took
	uint64_t build_cpu_us;  //!< of that, what its thread ran; the rest it waited, for a CPU or
	                        //!< disk
	char last_error[256];   //!< why the last failure; "" when there was none
	unsigned n_nodes;
};

/**
 * Takes the file over if it fits the store, else leaves it to mr_filter_start() to build.
 * @return the filter, or NULL with errno and a message (ENOMEM). A file that does not fit is no
 *   error: it is deleted.
 */
struct mr_filter *mr_filter_create(const struct mr_filter_params *params, struct mr_err *err);

/** Starts the thread, and with it the build unless the file was taken over. @return 0 or -errno. */
int mr_filter_start(struct mr_filter *filter, struct mr_err *err);

/** Asks for a rebuild now. */
void mr_filter_rebuild(struct mr_filter *filter);

/**
 * Keeps rebuilds from starting, so that keys added by mr_filter_add() cannot be missed by one.
 * @return 0; -EAGAIN: one is running.
 */
int mr_filter_hold(struct mr_filter *filter);
void mr_filter_release(struct mr_filter *filter);

/** Adds keys to the filters in force, if there are any. Between hold and release. */
void mr_filter_add(struct mr_filter *filter, const uint64_t *hashes, unsigned n);

/** A reloaded threshold. */
void mr_filter_set_rebuild_above(struct mr_filter *filter, double rate);

/** Ends the thread; a running rebuild is given up, the filter in force stays. */
void mr_filter_stop(struct mr_filter *filter);

/**
 * Writes the filter beside the store with the store's sequence number. After mr_filter_stop(), with
 * no lcore running and before the store is closed; nothing may be written afterwards.
 * @return 0; -ENOENT: there is no complete filter; -errno with a message.
 */
int mr_filter_save(struct mr_filter *filter, struct mr_err *err);

/** Frees everything; no lcore may be running. NULL is allowed. */
void mr_filter_free(struct mr_filter *filter);

void mr_filter_stats(struct mr_filter *filter, struct mr_filter_stats *ret_stats);

/**
 * Figures of one node's filter in force, as of the last check (at most check_ms old).
 * @return false when there is none.
 */
bool mr_filter_node_stats(
	struct mr_filter *filter, unsigned node_index, struct mr_bloom_stats *ret_stats);
