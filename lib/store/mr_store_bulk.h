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
 * Threads: a bulk belongs to one thread; several may run at once, for different spaces.
 */

#include "mr_store.h"

struct mr_store_bulk;

/** Starts a bulk load of one space. @return NULL with errno and a message. */
struct mr_store_bulk *mr_store_bulk_begin(
	struct mr_store *store, mr_space_t space, struct mr_err *err);

/**
 * Adds a row. Keys must be strictly ascending by memcmp() and then length, the space that of
 * mr_store_bulk_begin(). A row with keep_history goes to history as well.
 * @return 0; -EINVAL: out of order; -EIO, -ENOSPC; with a message. After a failure only
 *   mr_store_bulk_abort() is left.
 */
int mr_store_bulk_add(
	struct mr_store_bulk *bulk, const struct mr_store_put *put, struct mr_err *err);

/** Rows added so far. */
uint64_t mr_store_bulk_rows(const struct mr_store_bulk *bulk);

/**
 * Makes the rows visible, live rows atomically, history just before them; survives a power cut.
 * Frees the bulk in any case.
 * @return 0 or -errno with a message; then none of the live rows is visible, unless it says so.
 */
int mr_store_bulk_finish(struct mr_store_bulk *bulk, struct mr_err *err);

/** Gives up: removes the files, frees the bulk. NULL is allowed. */
void mr_store_bulk_abort(struct mr_store_bulk *bulk);
