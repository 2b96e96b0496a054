// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Bulk load: sorted rows of one space written into table files beside the store, then taken in all
 * at once. Nothing is visible before mr_store_bulk_finish(), everything after it. The rows replace
 * what the space has, whatever the event times: load a version that nobody writes to, then switch.
 *
 * Memory: a few blocks per open file and the keys' index, a few MB per 256 MiB file, whatever the
 * number of rows. Disk: the files lie in the store's directory, so taking them in costs no copy.
 * Leftovers of a process that died are removed when the store is opened.
 *
 * Writing table files is what a load spends its time on, most of it in compression. So a load has
 * parts, ranges of keys that do not overlap, which threads can write side by side.
 *
 * Threads: a part belongs to one thread at a time; the bulk as a whole to the one that ends it,
 * when no part is being added to. Several bulks may run at once, for different spaces.
 */

#include "mr_store.h"

struct mr_store_bulk;

/**
 * Starts a bulk load of one space.
 * @param fast
 *   Its rows belong into feature_live_fast. @return NULL with errno and a message.
 */
struct mr_store_bulk *mr_store_bulk_begin(
	struct mr_store *store, mr_space_t space, bool fast, struct mr_err *err);

#define MR_STORE_BULK_PARTS_MAX 16u

/**
 * Adds a row to a part. Keys of a part must be strictly ascending by memcmp() and then length, the
 * space that of mr_store_bulk_begin(). A row with keep_history goes to history as well.
 * @return 0; -EINVAL: out of order; -EIO, -ENOSPC; with a message. After a failure only
 *   mr_store_bulk_abort() is left.
 */
int mr_store_bulk_add(struct mr_store_bulk *bulk, unsigned part, const struct mr_store_put *put,
	struct mr_err *err);

/**
 * Writes out what a part still has in memory, with its sync: optional, but threads can do it side
 * by side, and mr_store_bulk_finish() has less left. More rows may follow.
 */
int mr_store_bulk_part_end(struct mr_store_bulk *bulk, unsigned part, struct mr_err *err);

/** Rows added so far. No part may be being added to. */
uint64_t mr_store_bulk_rows(const struct mr_store_bulk *bulk);

/**
 * Rows of one part so far, and the last key that it took, valid until the next one.
 * @param ret_last_bytes
 *   0: it has no rows.
 */
uint64_t mr_store_bulk_part(const struct mr_store_bulk *bulk, unsigned part,
	const uint8_t **ret_last, uint32_t *ret_last_bytes);

/**
 * Makes the rows visible, live rows atomically, history just before them; survives a power cut.
 * Frees the bulk in any case.
 * @return 0 or -errno with a message (-EINVAL: parts overlap); then none of the live rows is
 * visible, unless it says so.
 */
int mr_store_bulk_finish(struct mr_store_bulk *bulk, struct mr_err *err);

/** Gives up: removes the files, frees the bulk. NULL is allowed. */
void mr_store_bulk_abort(struct mr_store_bulk *bulk);
