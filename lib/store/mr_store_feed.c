// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mr_store_batch.h"

struct mr_store_feed {
	struct mr_store *store;
	rocksdb_wal_iterator_t *it; // NULL: to be opened at position
	rocksdb_writebatch_t *held; // owns the bytes that batch points to
	struct mr_store_batch batch;
	uint64_t position; // everything below it was reported
};

static void drop_iterator(struct mr_store_feed *feed)
{
	if (feed->it != NULL)
		rocksdb_wal_iter_destroy(feed->it);
	feed->it = NULL;
}

static void drop_batch(struct mr_store_feed *feed)
{
	if (feed->held != NULL)
		rocksdb_writebatch_destroy(feed->held);
	feed->held = NULL;
}

// ---- positioning -------------------------------------------------------------------------------

// Sequence number of the oldest batch in the log. @return false when the log is empty.
static bool oldest_in_log(struct mr_store *store, uint64_t *ret_sequence)
{
	rocksdb_wal_iterator_t *it;
	char *text = NULL;
	bool valid;

	it = rocksdb_get_updates_since(store->db, 0, NULL, &text);
	if (text != NULL) {
		rocksdb_free(text);
		return false;
	}
	valid = rocksdb_wal_iter_valid(it);
	if (valid)
		rocksdb_writebatch_destroy(rocksdb_wal_iter_get_batch(it, ret_sequence));
	rocksdb_wal_iter_destroy(it);
	return valid;
}

// Numbers are missing at the position. Bulk loads take numbers without logging anything, so within
// the log that is fine; before its begin, changes are lost.
static int check_reach(struct mr_store_feed *feed, struct mr_err *err)
{
	uint64_t oldest;

	if (!oldest_in_log(feed->store, &oldest))
		return mr_fail(err, ESTALE,
			"store %s: change feed: change %llu is no longer in the log, which is "
			"empty; copy the sets anew and go on at %llu",
			feed->store->path, (unsigned long long)feed->position,
			(unsigned long long)mr_store_sequence(feed->store) + 1);
	if (oldest <= feed->position)
		return 0;
	return mr_fail(err, ESTALE,
		"store %s: change feed: change %llu is no longer in the log, which begins at %llu; "
		"copy the sets anew, and keep more of the log",
		feed->store->path, (unsigned long long)feed->position, (unsigned long long)oldest);
}

// Takes the iterator's batch. @return 1 or -EUCLEAN.
static int take_batch(struct mr_store_feed *feed, struct mr_err *err)
{
	const char *bytes;
	uint64_t sequence;
	size_t n;

	feed->held = rocksdb_wal_iter_get_batch(feed->it, &sequence);
	bytes = rocksdb_writebatch_data(feed->held, &n);
	if (mr_store_batch_init(&feed->batch, bytes, n, sequence) == 0)
		return 1;
	drop_batch(feed);
	return mr_fail(err, EUCLEAN, "store %s: change feed: the log is damaged at change %llu",
		feed->store->path, (unsigned long long)sequence);
}

// Opens the iterator at the position. @return 1: a batch is there; 0: none yet; or an error.
static int reposition(struct mr_store_feed *feed, struct mr_err *err)
{
	char *text = NULL;
	int ret;

	drop_iterator(feed);
	if (mr_store_sequence(feed->store) < feed->position)
		return 0;
	feed->it = rocksdb_get_updates_since(feed->store->db, feed->position, NULL, &text);
	if (text != NULL) {
		feed->it = NULL;
		// A log file can go between being listed and being opened.
		ret = mr_store_errnum(text) == ENOENT ? check_reach(feed, err) : 0;
		if (ret < 0) {
			rocksdb_free(text);
			return ret;
		}
		return mr_store_fail(feed->store, err, text, "read the change feed");
	}
	if (!rocksdb_wal_iter_valid(feed->it)) {
		drop_iterator(feed);
		return check_reach(feed, err);
	}
	ret = take_batch(feed, err);
	if (ret == 1 && feed->batch.sequence > feed->position) {
		ret = check_reach(feed, err);
		if (ret == 0)
			return 1;
		drop_batch(feed);
	}
	return ret;
}

static int next_batch(struct mr_store_feed *feed, struct mr_err *err)
{
	drop_batch(feed);
	if (mr_store_sequence(feed->store) < feed->position)
		return 0;
	if (feed->it != NULL) {
		// At the end of the log this goes on where the last call stopped; it stays
		// invalid at a gap and when the log went on in a file begun later.
		rocksdb_wal_iter_next(feed->it);
		if (rocksdb_wal_iter_valid(feed->it))
			return take_batch(feed, err);
	}
	return reposition(feed, err);
}

// ---- changes -----------------------------------------------------------------------------------

static int note_change(const struct mr_store_record *r, struct mr_store_change *ret_change)
{
	static const char done[] = MR_STORE_NOTE_DONE;
	struct mr_store_bulk_note note;

	if (r->kind != MR_STORE_RECORD_PUT || r->key_bytes < sizeof(done) - 1 ||
		memcmp(r->key, done, sizeof(done) - 1) != 0 || r->value_bytes != sizeof(note))
		return 0;
	memcpy(&note, r->value, sizeof(note));
	*ret_change = (struct mr_store_change){
		.sequence = r->sequence,
		.kind = MR_STORE_CHANGE_BULK,
		.item.space = le32toh(note.space),
		.bulk_rows = le64toh(note.rows),
	};
	return 1;
}

static int live_change(const struct mr_store_record *r, struct mr_store_change *ret_change)
{
	struct mr_store_change change = {.sequence = r->sequence};

	if (r->kind == MR_STORE_RECORD_PUT) {
		if (mr_store_parse_item(
			    r->key, r->key_bytes, r->value, r->value_bytes, &change.item) < 0)
			return -EUCLEAN;
		change.kind = MR_STORE_CHANGE_PUT;
	} else if (r->kind == MR_STORE_RECORD_DELETE_RANGE &&
		   r->key_bytes == MR_STORE_PREFIX_BYTES) {
		change.kind = MR_STORE_CHANGE_DROP;
		change.item.space = mr_load_be32(r->key);
	} else {
		return -EUCLEAN;
	}
	*ret_change = change;
	return 1;
}

// @return 1: it is a change; 0: none of the feed's; -EUCLEAN
static int change_of(const struct mr_store_feed *feed, const struct mr_store_record *r,
	struct mr_store_change *ret_change)
{
	if (r->sequence < feed->position)
		return 0;
	if (r->cf == feed->store->cf_id[MR_STORE_CF_LIVE])
		return live_change(r, ret_change);
	// Ranges are dropped from both, and told of once.
	if (r->cf == feed->store->cf_id[MR_STORE_CF_LIVE_FAST])
		return r->kind == MR_STORE_RECORD_DELETE_RANGE ? 0 : live_change(r, ret_change);
	return r->cf == feed->store->cf_id[MR_STORE_CF_DEFAULT] ? note_change(r, ret_change) : 0;
}

int mr_store_feed_next(
	struct mr_store_feed *feed, struct mr_store_change *ret_change, struct mr_err *err)
{
	struct mr_store_record record;
	int ret;

	for (;;) {
		ret = feed->held != NULL ? mr_store_batch_next(&feed->batch, &record) : 0;
		if (ret == 0) {
			if (feed->held != NULL)
				feed->position = MR_MAX(feed->position, feed->batch.limit);
			ret = next_batch(feed, err);
			if (ret <= 0)
				return ret;
			continue;
		}
		if (ret == 1)
			ret = change_of(feed, &record, ret_change);
		if (ret < 0)
			return mr_fail(err, EUCLEAN,
				"store %s: change feed: the log is damaged after change %llu",
				feed->store->path, (unsigned long long)feed->position);
		feed->position = MR_MAX(feed->position, record.sequence + 1);
		if (ret == 1)
			return 1;
	}
}

uint64_t mr_store_feed_position(const struct mr_store_feed *feed)
{
	return feed->position;
}

struct mr_store_feed *mr_store_feed_open(
	struct mr_store *store, uint64_t from_sequence, struct mr_err *err)
{
	uint64_t newest = mr_store_sequence(store);
	struct mr_store_feed *feed;
	int ret;

	if (from_sequence > newest + 1) {
		errno = -mr_fail(err, ERANGE,
			"store %s: change feed: change %llu lies in the future; the newest is %llu",
			store->path, (unsigned long long)from_sequence, (unsigned long long)newest);
		return NULL;
	}
	feed = calloc(1, sizeof(*feed));
	if (feed == NULL) {
		mr_fail(err, ENOMEM, "store %s: change feed: no memory", store->path);
		return NULL;
	}
	feed->store = store;
	// The first change has number 1.
	feed->position = MR_MAX(from_sequence, UINT64_C(1));
	ret = reposition(feed, err);
	if (ret >= 0)
		return feed;
	mr_store_feed_close(feed);
	errno = -ret;
	return NULL;
}

void mr_store_feed_close(struct mr_store_feed *feed)
{
	if (feed == NULL)
		return;
	drop_batch(feed);
	drop_iterator(feed);
	free(feed);
}
