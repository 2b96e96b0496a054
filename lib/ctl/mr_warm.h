// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Warm restart of the row caches. At a clean stop each node's cache writes the keys of its rows, in
 * order of worth and with what is known of their accesses, to a file of its own beside the store.
 * After the next start a thread reads those rows from the store in batches, the best first, and
 * puts them into the room that is free, while the lcores answer.
 *
 * The file names keys and no values, so nothing stale can come from it: rows are read from the
 * store under a lease, as an I/O lcore's fill is, and a set or version that is gone, a row that is
 * missing, expired or of another layout is passed over. A batch holds the catalog, so that a
 * version is not dropped halfway through it. A file that is damaged is used up to the damage; keys
 * that were not read back when the appliance stops again are carried over into the next file.
 *
 * Threads: one of its own reads. mr_warm_stats() and mr_warm_set_rate() may be called by any thread
 * that is not an lcore, the rest by the control lcore. Memory: 100 KiB for each node while it runs;
 * 8 bytes for each row while it saves.
 */

#include <sched.h>

#include "mr_registry.h"
#include "mr_store.h"
#include "mr_tiers.h"

#define MR_WARM_FILE "cache.%u.bin" //!< in the store's directory, by node index

struct mr_warm;

struct mr_warm_params {
	struct mr_tiers *tiers;
	struct mr_store *store;
	struct mr_registry *registry;
	const char *path;      //!< of the store's directory
	uint64_t keys_per_s;   //!< of all nodes together; 0: as fast as the store answers
	const cpu_set_t *cpus; //!< where its thread runs; NULL: where the caller does
};

enum mr_warm_state {
	MR_WARM_OFF,     //!< switched off, or nothing was saved
	MR_WARM_READING, //!< rows are being read back
	MR_WARM_DONE,    //!< all that was saved was looked at
	MR_WARM_FULL,    //!< the cache has no room for the rest
	MR_WARM_REFUSED, //!< the file, or the rest of it, is damaged or of another version
	MR_WARM_FAILED,  //!< the store cannot be read, or there is no memory
	MR_WARM_STOPPED, //!< by mr_warm_stop()
	MR_WARM_STATE_COUNT,
};

const char *mr_warm_state_name(enum mr_warm_state state);

/** How far one node is. */
struct mr_warm_stats {
	enum mr_warm_state state;
	uint64_t keys; //!< saved
	uint64_t done; //!< of them, looked at so far
	uint64_t rows; //!< of them, put into the cache
	uint64_t us;   //!< since it began, or how long it took
};

/** @return NULL with errno and a message (ENOMEM). */
struct mr_warm *mr_warm_create(const struct mr_warm_params *params, struct mr_err *err);

/**
 * Starts the thread that reads back. From here on mr_warm_save() saves.
 *
 * @param load
 *   false: no thread; caches start empty.
 * @return 0 or -errno with a message.
 */
int mr_warm_start(struct mr_warm *warm, bool load, struct mr_err *err);

/** A reloaded rate. */
void mr_warm_set_rate(struct mr_warm *warm, uint64_t keys_per_s);

/** Ends the thread, whatever it has done. */
void mr_warm_stop(struct mr_warm *warm);

/**
 * Saves every node's keys. After mr_warm_stop(), with no lcore running. Nothing is done without
 * mr_warm_start(), so that a start that failed does not replace what the last stop saved.
 * @return 0 or -errno with a message; the files of nodes before the one that failed are replaced.
 */
int mr_warm_save(struct mr_warm *warm, struct mr_err *err);

/** Frees everything; stopped or not. NULL is allowed. */
void mr_warm_free(struct mr_warm *warm);

/** Any node index below tiers->n_nodes. @p warm NULL: all zero. */
void mr_warm_stats(struct mr_warm *warm, unsigned node_index, struct mr_warm_stats *ret_stats);
