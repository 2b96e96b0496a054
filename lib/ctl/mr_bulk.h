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
 * A chunk is records one behind the other, not padded: struct mr_bulk_record, key, row; keys
 * strictly ascending over all chunks.
 *
 * Threads: the admin socket's. One load at a time; a load that nobody feeds for a minute makes room
 * for the next.
 */

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
	// The load under way.
	struct mr_store_bulk *load; //!< NULL: none
	uint64_t token, last_us;
	char set[MR_NAME_MAX_BYTES + 1];
	uint16_t version;
	uint32_t layout;
	mr_space_t space;
	uint64_t rows;
};

/**
 * Starts a load into a version that does not exist; 0: the one after the greatest.
 * @return 0; -ENOENT: no such set; -EEXIST: the version exists; -ESTALE: another layout; -EBUSY:
 *   another load is under way; -EAGAIN: the filter is being built; each with a message.
 */
int mr_bulk_begin(struct mr_bulk *bulk, const char *set, uint16_t version, uint32_t layout,
	uint64_t now_us, struct mr_err *err);

/** Takes a chunk. After a failure the load is gone. */
int mr_bulk_rows(
	struct mr_bulk *bulk, const void *chunk, size_t bytes, uint64_t now_us, struct mr_err *err);

/** Makes the rows a version of the set, and with @p activate the current one. */
int mr_bulk_finish(struct mr_bulk *bulk, bool activate, FILE *out, struct mr_err *err);

/** Gives up a load; none is no error. */
void mr_bulk_abort(struct mr_bulk *bulk);
