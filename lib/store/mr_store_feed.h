// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The change feed: what was committed, in the order of commits, each change with its sequence
 * number, read from the WAL. It is what another system is fed from: remember the number of the last
 * change that went through, and open the feed at that number plus one.
 *
 * A position stays good for as long as the WAL is kept (mr_store_params.wal_keep_*); a position
 * that is too old is refused with -ESTALE, never skipped over. Changes of a commit that was not
 * synced are reported, too: a power cut may undo them, and their numbers are then used again.
 *
 * Threads: a feed belongs to one thread; it may run beside any use of the store and must be closed
 * before it. Cost: one pass over the log; opening reads the log file that holds the position.
 */

#include "mr_store.h"

struct mr_store_feed;

enum mr_store_change_kind {
	MR_STORE_CHANGE_PUT,  //!< a row or, when item.deleted, a tombstone
	MR_STORE_CHANGE_DROP, //!< all rows of item.space are gone
	/**
	 * Rows of item.space came by bulk load and are not in the feed: scan the space. After a
	 * crash during a bulk load it may be that none came.
	 */
	MR_STORE_CHANGE_BULK,
};

struct mr_store_change {
	uint64_t sequence;
	enum mr_store_change_kind kind;
	struct mr_store_item item; //!< valid until the next call
	uint64_t bulk_rows;        //!< MR_STORE_CHANGE_BULK; 0: not known
};

/**
 * Opens the feed at the first change whose number is not below @p from_sequence.
 * @return the feed, or NULL with errno and a message: ESTALE: the log no longer reaches back so far
 *   (the message tells how far); ERANGE: the number lies in the future; EIO, EUCLEAN.
 */
struct mr_store_feed *mr_store_feed_open(
	struct mr_store *store, uint64_t from_sequence, struct mr_err *err);

/**
 * The next change.
 * @return 1: a change; 0: none for now, ask again later; -ESTALE: fell behind what the log keeps;
 *   -EIO, -EUCLEAN with a message.
 */
int mr_store_feed_next(
	struct mr_store_feed *feed, struct mr_store_change *ret_change, struct mr_err *err);

/** Number to open a feed at in order to go on after the last change of this one. */
uint64_t mr_store_feed_position(const struct mr_store_feed *feed);

/** NULL is allowed. */
void mr_store_feed_close(struct mr_store_feed *feed);
