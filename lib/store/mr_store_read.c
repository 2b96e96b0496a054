// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_store_keys.h"

// What RocksDB looks up side by side; of more in one call it takes memory from the heap, and copies
// them when that grows.
#define C_BATCH 32u

struct mr_store_snapshot {
	struct mr_store *store;
	const rocksdb_snapshot_t *rocks;
};

// A row read from history: a place in the reader's memory, which may move while it grows.
struct found {
	size_t at;
	size_t bytes;
	bool present;
};

struct mr_store_reader {
	struct mr_store *store;
	rocksdb_readoptions_t *options;
	rocksdb_readoptions_t *seek_options;
	struct mr_store_keys keys;
	unsigned n_pinned;
	struct mr_store_multiget *multiget; // NULL: see multi_get_by_c()
	rocksdb_pinnableslice_t **pinned;   // of that
	struct mr_store_slice *values;
	char **errors;
	struct found *found;
	uint8_t *copies;
	size_t copies_bytes, copies_room;
	struct mr_err error;
};

struct mr_store_reader *mr_store_reader_create(struct mr_store *store, unsigned burst_max)
{
	struct mr_store_reader *r;

	if (burst_max == 0) {
		errno = EINVAL;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->store = store;
	r->options = rocksdb_readoptions_create();
	r->seek_options = rocksdb_readoptions_create();
	rocksdb_readoptions_set_prefix_same_as_start(r->seek_options, 1);
	if (store->has_multiget)
		r->multiget = mr_store_multiget_create(burst_max);
	r->pinned = calloc(burst_max, sizeof(*r->pinned));
	r->values = calloc(burst_max, sizeof(*r->values));
	r->errors = calloc(burst_max, sizeof(*r->errors));
	r->found = calloc(burst_max, sizeof(*r->found));
	if (mr_store_keys_init(&r->keys, burst_max) == 0 && r->pinned != NULL &&
		r->values != NULL && r->errors != NULL && r->found != NULL &&
		(r->multiget != NULL || !store->has_multiget))
		return r;
	mr_store_reader_free(r);
	errno = ENOMEM;
	return NULL;
}

void mr_store_reader_free(struct mr_store_reader *reader)
{
	if (reader == NULL)
		return;
	mr_store_release(reader);
	rocksdb_readoptions_destroy(reader->options);
	rocksdb_readoptions_destroy(reader->seek_options);
	mr_store_keys_free(&reader->keys);
	mr_store_multiget_free(reader->multiget);
	free(reader->pinned);
	free(reader->values);
	free(reader->errors);
	free(reader->found);
	free(reader->copies);
	free(reader);
}

void mr_store_release(struct mr_store_reader *reader)
{
	if (reader->multiget != NULL)
		mr_store_multiget_release(reader->multiget, reader->n_pinned);
	for (unsigned i = 0; reader->multiget == NULL && i < reader->n_pinned; i++) {
		if (reader->pinned[i] != NULL)
			rocksdb_pinnableslice_destroy(reader->pinned[i]);
	}
	reader->n_pinned = 0;
	reader->copies_bytes = 0;
}

const char *mr_store_reader_error(const struct mr_store_reader *reader)
{
	return reader->error.text;
}

// ---- snapshots ---------------------------------------------------------------------------------

struct mr_store_snapshot *mr_store_snapshot_take(struct mr_store *store)
{
	struct mr_store_snapshot *snapshot = malloc(sizeof(*snapshot));

	if (snapshot == NULL)
		return NULL;
	snapshot->store = store;
	snapshot->rocks = rocksdb_create_snapshot(store->db);
	return snapshot;
}

void mr_store_snapshot_release(struct mr_store_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	rocksdb_release_snapshot(snapshot->store->db, snapshot->rocks);
	free(snapshot);
}

void mr_store_use_snapshot(rocksdb_readoptions_t *options, const struct mr_store_snapshot *snapshot)
{
	rocksdb_readoptions_set_snapshot(options, snapshot != NULL ? snapshot->rocks : NULL);
}

// ---- outcomes ----------------------------------------------------------------------------------

static int note_error(struct mr_store_reader *r, const char *text)
{
	int errnum = mr_store_errnum(text);
	const char *hint = mr_store_advice(errnum);
	int ret = mr_fail(&r->error, errnum == EUCLEAN ? EUCLEAN : EIO,
		"store %s: cannot read: %.300s%s%s", r->store->path, text, hint != NULL ? "; " : "",
		hint != NULL ? hint : "");

	mr_store_note_failure(r->store, &r->error);
	return ret;
}

static void deliver_result(struct mr_store_get *get, int result)
{
	get->result = (int8_t)result;
	get->deleted = false;
	get->row = NULL;
	get->row_bytes = 0;
}

static void deliver_value(
	struct mr_store_reader *r, const char *value, size_t value_bytes, struct mr_store_get *get)
{
	struct mr_store_head head;

	if (!mr_store_parse_head(value, value_bytes, &head)) {
		deliver_result(get, note_error(r, "Corruption: a value is not a row"));
		return;
	}
	get->result = 0;
	get->deleted = (head.flags & MR_STORE_DELETED) != 0;
	get->event_time_us = head.event_time_us;
	get->layout = head.layout;
	get->row = (const uint8_t *)value + sizeof(head);
	get->row_bytes = (uint32_t)(value_bytes - sizeof(head));
}

static void deliver(struct mr_store_reader *r, unsigned slot, struct mr_store_get *get)
{
	const struct mr_store_slice *value = &r->values[slot];

	if (r->errors[slot] != NULL)
		deliver_result(get, note_error(r, r->errors[slot]));
	else if (value->data == NULL)
		deliver_result(get, -ENOENT);
	else
		deliver_value(r, value->data, value->bytes, get);
}

static bool fails_on_purpose(struct mr_store_reader *r, struct mr_store_get *gets, unsigned n)
{
	char *text = mr_store_fault(MR_STORE_FAULT_READ);

	if (text == NULL)
		return false;
	for (unsigned i = 0; i < n; i++)
		deliver_result(&gets[i], note_error(r, text));
	rocksdb_free(text);
	return true;
}

// @return 1: the keys are set, go on; 0: that was all; -EINVAL: more than the reader was made for
static int begin_burst(struct mr_store_reader *r, struct mr_store_get *gets, unsigned n)
{
	mr_store_release(r);
	r->error.text[0] = '\0';
	if (n > r->keys.n_max)
		return -EINVAL;
	if (n == 0 || fails_on_purpose(r, gets, n))
		return 0;
	// RocksDB counts every comparison otherwise, in this thread, where nobody looks.
	rocksdb_set_perf_level(rocksdb_disable);
	mr_store_keys_set(&r->keys, gets, n);
	return 1;
}

static void end_burst(struct mr_store_reader *r, unsigned n)
{
	for (unsigned i = 0; i < r->keys.n; i++) {
		if (r->errors[i] != NULL)
			rocksdb_free(r->errors[i]);
	}
	mr_store_count(&r->store->reads, 1);
	mr_store_count(&r->store->keys_read, n);
}

// ---- live rows ---------------------------------------------------------------------------------

static void multi_get_by_c(
	struct mr_store_reader *r, rocksdb_column_family_handle_t *cf, unsigned first, unsigned n)
{
	const char *keys[C_BATCH];
	size_t keys_bytes[C_BATCH];

	for (unsigned i = 0; i < n; i++) {
		keys[i] = r->keys.key[first + i].data;
		keys_bytes[i] = r->keys.key[first + i].bytes;
	}
	rocksdb_batched_multi_get_cf(r->store->db, r->options, cf, n, keys, keys_bytes,
		r->pinned + first, r->errors + first, true);
	for (unsigned i = first; i < first + n; i++) {
		r->values[i] = (struct mr_store_slice){NULL, 0};
		if (r->pinned[i] != NULL)
			r->values[i].data =
				rocksdb_pinnableslice_value(r->pinned[i], &r->values[i].bytes);
	}
}

static void get_some(
	struct mr_store_reader *r, rocksdb_column_family_handle_t *cf, unsigned first, unsigned n)
{
	if (r->multiget != NULL) {
		mr_store_multiget_run(r->multiget, r->store->db, r->options, cf, first, n,
			r->keys.key + first, r->values + first, r->errors + first);
		return;
	}
	for (unsigned some; n > 0; first += some, n -= some) {
		some = MR_MIN(n, C_BATCH);
		multi_get_by_c(r, cf, first, some);
	}
}

// Keys lie by space, and a space is in one family: as many multi-gets as families take turns.
static void multi_get(struct mr_store_reader *reader)
{
	struct mr_store *store = reader->store;
	struct mr_store_keys *keys = &reader->keys;
	unsigned end;

	for (unsigned i = 0; i < keys->n; i = end) {
		for (end = i + 1; end < keys->n && keys->fast[end] == keys->fast[i];)
			end++;
		get_some(reader, store->cf[mr_store_live_cf(keys->fast[i])], i, end - i);
	}
	reader->n_pinned = keys->n;
}

int mr_store_read_at(struct mr_store_reader *reader, const struct mr_store_snapshot *snapshot,
	struct mr_store_get *gets, unsigned n)
{
	int ret;

	ret = begin_burst(reader, gets, n);
	if (ret <= 0)
		return ret;
	mr_store_use_snapshot(reader->options, snapshot);
	multi_get(reader);
	for (unsigned i = 0; i < n; i++)
		deliver(reader, reader->keys.slot[i], &gets[i]);
	end_burst(reader, n);
	return 0;
}

int mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	return mr_store_read_at(reader, NULL, gets, n);
}

// ---- history -----------------------------------------------------------------------------------

// Keeps a value for as long as the reader pins. @return 0 or -ENOMEM.
static int keep_copy(struct mr_store_reader *r, unsigned slot, const char *value, size_t bytes)
{
	if (r->copies_room - r->copies_bytes < bytes) {
		size_t room = MR_MAX(2 * r->copies_room, r->copies_bytes + bytes);
		uint8_t *copies = realloc(r->copies, room);

		if (copies == NULL)
			return -ENOMEM;
		r->copies = copies;
		r->copies_room = room;
	}
	memcpy(r->copies + r->copies_bytes, value, bytes);
	r->found[slot] = (struct found){.at = r->copies_bytes, .bytes = bytes, .present = true};
	r->copies_bytes += bytes;
	return 0;
}

// Newest first: the first row at or after the key of (entity, as of) is the one, if it is the
// entity's at all.
static int seek_one(
	struct mr_store_reader *r, rocksdb_iterator_t *it, unsigned slot, uint64_t as_of_us)
{
	const char *live = r->keys.key[slot].data, *key, *value;
	uint8_t from[MR_STORE_HISTORY_KEY_MAX_BYTES];
	size_t key_bytes, value_bytes;
	uint32_t from_bytes =
		mr_store_put_history_key(from, mr_load_be32(live), live + MR_STORE_PREFIX_BYTES,
			(uint8_t)(r->keys.key[slot].bytes - MR_STORE_PREFIX_BYTES), as_of_us);

	r->errors[slot] = NULL;
	r->found[slot].present = false;
	rocksdb_iter_seek(it, (const char *)from, from_bytes);
	if (!rocksdb_iter_valid(it)) {
		rocksdb_iter_get_error(it, &r->errors[slot]);
		return 0;
	}
	key = rocksdb_iter_key(it, &key_bytes);
	if (key_bytes != from_bytes ||
		memcmp(key, from, from_bytes - MR_STORE_HISTORY_TIME_BYTES) != 0)
		return 0;
	value = rocksdb_iter_value(it, &value_bytes);
	return keep_copy(r, slot, value, value_bytes);
}

static void deliver_found(struct mr_store_reader *r, unsigned slot, struct mr_store_get *get)
{
	const struct found *f = &r->found[slot];

	if (r->errors[slot] != NULL)
		deliver_result(get, note_error(r, r->errors[slot]));
	else if (!f->present)
		deliver_result(get, -ENOENT);
	else
		deliver_value(r, (const char *)r->copies + f->at, f->bytes, get);
}

int mr_store_read_as_of(struct mr_store_reader *reader, const struct mr_store_snapshot *snapshot,
	uint64_t as_of_us, struct mr_store_get *gets, unsigned n)
{
	struct mr_store *store = reader->store;
	struct mr_store_keys *keys = &reader->keys;
	rocksdb_iterator_t *it;
	int ret;

	ret = begin_burst(reader, gets, n);
	if (ret <= 0)
		return ret;
	mr_store_use_snapshot(reader->seek_options, snapshot);
	it = rocksdb_create_iterator_cf(
		store->db, reader->seek_options, store->cf[MR_STORE_CF_HISTORICAL]);
	ret = 0;
	for (unsigned i = 0; i < keys->n; i++) {
		// After a failure the others still need their error texts cleared.
		if (seek_one(reader, it, i, as_of_us) < 0)
			ret = -ENOMEM;
	}
	rocksdb_iter_destroy(it);
	for (unsigned i = 0; i < n && ret == 0; i++)
		deliver_found(reader, keys->slot[i], &gets[i]);
	end_burst(reader, n);
	return ret;
}
