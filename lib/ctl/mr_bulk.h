// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Bulk loads over the admin socket: sorted rows come in chunks, go into table files beside the
 * store, and become a new version of a set all at once. While one is under way the Bloom filter is
 * not rebuilt, and every key goes into the filter in force before its row is visible. The version
 * is registered after its rows are in the store, and a note that a start goes by removes them if a
 * crash comes between the two.
 *
 * A chunk is records one behind the other, not padded: struct mr_bulk_record, key, row. A load has
 * parts, each a range of keys of its own, so that several threads compress at once; keys are
 * strictly ascending over all chunks of a part.
 *
 * Resuming: whoever begins a load gives it a number. Beginning it again with that number goes on
 * with the load under way: the answer names the rows of each part and the last key it took.
 *
 * Threads: any; chunks of different parts go in side by side. One load at a time; a load that
 * nobody feeds for a minute makes room for another.
 */

#include <pthread.h>

#include "mr_filter.h"
#include "mr_registry.h"
#include "mr_store_bulk.h"

/** In front of each row. Little-endian. */
struct mr_bulk_record {
	uint64_t event_time_us; // 0
	uint32_t row_bytes;     // 8
	uint8_t key_bytes;      // 12
	uint8_t zero[3];        // 13
};
static_assert(sizeof(struct mr_bulk_record) == 16, "layout of a chunk");

struct mr_bulk {
	struct mr_registry *registry;
	struct mr_filter *filter;
	struct mr_store *store;
	uint64_t future_max_us; //!< 0: any event time is taken
	// What follows is the library's. Write-locked: while a load begins or ends.
	pthread_rwlock_t lock;
	struct mr_store_bulk *load; // NULL: none
	uint64_t id, token;
	_Atomic uint64_t last_us;                        // somebody fed it
	_Atomic bool part_busy[MR_STORE_BULK_PARTS_MAX]; // a chunk is going in
	const struct mr_schema *schema;                  // a copy of the set's
	void *schema_mem;
	uint16_t version;
	mr_space_t space;
};

/** Prepares @p bulk, whose first four members are set. */
void mr_bulk_init(struct mr_bulk *bulk);

/** Gives up the load under way, if there is one. */
void mr_bulk_done(struct mr_bulk *bulk);

/**
 * Starts a load into a version that does not exist; 0: the one after the greatest. Prints "VERSION
 * TOKEN", and when it goes on with load @p id (not 0) a line "PART ROWS KEY" for each part with
 * rows, KEY in hex.
 * @return 0; -ENOENT: no such set; -EEXIST: the version exists; -ESTALE: another layout; -EBUSY:
 *   another load is under way; -EAGAIN: the filter is being built; each with a message.
 */
int mr_bulk_begin(struct mr_bulk *bulk, const char *set, uint16_t version, uint32_t layout,
	uint64_t id, uint64_t now_us, FILE *out, struct mr_err *err);

/** Takes a chunk of a part. Prints the part's rows. After a failure the load is gone. */
int mr_bulk_rows(struct mr_bulk *bulk, uint64_t token, unsigned part, const void *chunk,
	size_t bytes, uint64_t now_us, FILE *out, struct mr_err *err);

/** Writes out what a part has in memory: all its rows have come. */
int mr_bulk_part_end(struct mr_bulk *bulk, uint64_t token, unsigned part, struct mr_err *err);

/** Makes the rows a version of the set, and with @p activate the current one. */
int mr_bulk_finish(
	struct mr_bulk *bulk, uint64_t token, bool activate, FILE *out, struct mr_err *err);

/** Gives up a load. */
int mr_bulk_abort(struct mr_bulk *bulk, uint64_t token, struct mr_err *err);
