// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_batch.h"
#include "mr_store_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t mr_store_put_limit(uint8_t *to, mr_space_t space)
{
	if (space != UINT32_MAX)
		return mr_store_put_prefix(to, space + 1);
	// Nothing follows the last prefix, so the limit is longer than any key under it.
	memset(to, 0xff, MR_STORE_LIMIT_MAX_BYTES);
	return MR_STORE_LIMIT_MAX_BYTES;
}

static void batch_put(
	struct mr_store *store, struct mr_store_batch_maker *maker, const struct mr_store_put *put)
{
	uint8_t key[MR_STORE_HISTORY_KEY_MAX_BYTES];
	uint32_t key_bytes = mr_store_put_key(key, put->space, put->key, put->key_bytes);
	uint32_t row_bytes = put->deleted ? 0 : put->row_bytes;
	struct mr_store_head head = mr_store_head_of(put);

	mr_store_batch_put(maker, store->cf_id[mr_store_live_cf(put->fast)], key, key_bytes, &head,
		put->row, row_bytes);
	if (!put->keep_history)
		return;
	key_bytes = mr_store_put_history_key(
		key, put->space, put->key, put->key_bytes, put->event_time_us);
	mr_store_batch_put(maker, store->cf_id[MR_STORE_CF_HISTORICAL], key, key_bytes, &head,
		put->row, row_bytes);
}

// @return a batch of the rows, or NULL without memory
static rocksdb_writebatch_t *make_batch(
	struct mr_store *store, const struct mr_store_put *puts, unsigned n)
{
	size_t room = MR_STORE_BATCH_HEADER_BYTES;
	struct mr_store_batch_maker maker;
	rocksdb_writebatch_t *batch;
	void *bytes;

	for (unsigned i = 0; i < n; i++)
		room += (size_t)(1 + puts[i].keep_history) *
		        (MR_STORE_BATCH_PUT_BYTES + puts[i].row_bytes);
	bytes = malloc(room);
	if (bytes == NULL)
		return NULL;
	mr_store_batch_begin(&maker, bytes);
	for (unsigned i = 0; i < n; i++)
		batch_put(store, &maker, &puts[i]);
	batch = rocksdb_writebatch_create_from(bytes, mr_store_batch_end(&maker));
	free(bytes);
	return batch;
}

static void batch_meta(
	struct mr_store *store, rocksdb_writebatch_t *batch, const struct mr_store_meta *meta)
{
	rocksdb_column_family_handle_t *cf = store->cf[MR_STORE_CF_METADATA];

	if (meta->value != NULL)
		rocksdb_writebatch_put_cf(
			batch, cf, meta->key, strlen(meta->key), meta->value, meta->value_bytes);
	else
		rocksdb_writebatch_delete_cf(batch, cf, meta->key, strlen(meta->key));
}

static char *write_batch(struct mr_store *store, rocksdb_writebatch_t *batch, bool sync)
{
	char *text = mr_store_fault(MR_STORE_FAULT_COMMIT);

	if (text != NULL)
		return text;
	rocksdb_write(store->db, sync ? store->write_synced : store->write_unsynced, batch, &text);
	if (text != NULL)
		mr_store_wal_look_at_failure(store, text);
	else if (sync)
		text = mr_store_fault(MR_STORE_FAULT_SYNC);
	return text;
}

int mr_store_write_batch(struct mr_store *store, rocksdb_writebatch_t *batch, bool sync,
	const char *what, struct mr_err *err)
{
	int ret = mr_store_wal_check(store, err);

	if (ret == 0) {
		ret = mr_store_fail(store, err, write_batch(store, batch, sync), what);
		if (sync)
			mr_store_count(&store->syncs, 1);
	}
	rocksdb_writebatch_destroy(batch);
	return ret;
}

static int sync_wal(struct mr_store *store, struct mr_err *err)
{
	int ret = mr_store_wal_check(store, err);
	char *text;

	if (ret < 0)
		return ret;
	text = mr_store_fault(MR_STORE_FAULT_SYNC);
	if (text == NULL)
		rocksdb_flush_wal(store->db, 1, &text);
	mr_store_count(&store->syncs, 1);
	return mr_store_fail(store, err, text, "sync the WAL");
}

int mr_store_commit_with_meta(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	const struct mr_store_meta *metas, unsigned n_metas, bool sync, struct mr_err *err)
{
	rocksdb_writebatch_t *batch;
	char what[64];
	int ret;

	ret = mr_store_check_writable(store, err);
	// Metadata alone may be what frees space.
	if (ret == 0 && n > 0)
		ret = mr_store_check_room(store, err);
	if (ret < 0)
		return ret;
	if (n == 0 && n_metas == 0)
		return sync ? sync_wal(store, err) : 0;
	batch = make_batch(store, puts, n);
	if (batch == NULL)
		return mr_fail(
			err, ENOMEM, "store %s: no memory for a batch of %u rows", store->path, n);
	for (unsigned i = 0; i < n_metas; i++)
		batch_meta(store, batch, &metas[i]);
	snprintf(what, sizeof(what), "write %u rows, %u metadata entries", n, n_metas);
	ret = mr_store_write_batch(store, batch, sync, what, err);
	if (ret < 0)
		return ret;
	mr_store_count(&store->commits, 1);
	mr_store_count(&store->rows_written, n);
	return 0;
}

int mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n, bool sync,
	struct mr_err *err)
{
	return mr_store_commit_with_meta(store, puts, n, NULL, 0, sync, err);
}

int mr_store_meta_put(struct mr_store *store, const char *key, const void *value,
	size_t value_bytes, struct mr_err *err)
{
	struct mr_store_meta meta = {.key = key, .value = value, .value_bytes = value_bytes};

	return mr_store_commit_with_meta(store, NULL, 0, &meta, 1, true, err);
}

void *mr_store_meta_get(struct mr_store *store, const char *key, size_t *ret_bytes)
{
	char *text = NULL, *value, *copy;
	size_t bytes;

	value = rocksdb_get_cf(store->db, store->read_newest, store->cf[MR_STORE_CF_METADATA], key,
		strlen(key), &bytes, &text);
	if (text != NULL) {
		mr_store_fail(store, NULL, text, "read metadata");
		errno = EIO;
		return NULL;
	}
	if (value == NULL) {
		errno = ENOENT;
		return NULL;
	}
	copy = malloc(bytes + 1);
	if (copy != NULL) {
		memcpy(copy, value, bytes);
		copy[bytes] = '\0';
		*ret_bytes = bytes;
	}
	rocksdb_free(value);
	if (copy == NULL)
		errno = ENOMEM;
	return copy;
}

// Whether a read could find anything of the space.
static bool has_rows(struct mr_store *store, enum mr_store_cf cf, mr_space_t space)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	uint8_t from[MR_STORE_PREFIX_BYTES], limit[MR_STORE_LIMIT_MAX_BYTES];
	rocksdb_iterator_t *it;
	char *text = NULL;
	bool found;

	rocksdb_readoptions_set_total_order_seek(options, 1);
	rocksdb_readoptions_set_iterate_upper_bound(
		options, (const char *)limit, mr_store_put_limit(limit, space));
	it = rocksdb_create_iterator_cf(store->db, options, store->cf[cf]);
	rocksdb_iter_seek(it, (const char *)from, mr_store_put_prefix(from, space));
	rocksdb_iter_get_error(it, &text);
	// What cannot be read is there.
	found = rocksdb_iter_valid(it) || text != NULL;
	rocksdb_free(text);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(options);
	return found;
}

int mr_store_drop_space(struct mr_store *store, mr_space_t space, struct mr_err *err)
{
	static const enum mr_store_cf families[] = {
		MR_STORE_CF_LIVE, MR_STORE_CF_LIVE_FAST, MR_STORE_CF_HISTORICAL};
	uint8_t from[MR_STORE_PREFIX_BYTES], limit[MR_STORE_LIMIT_MAX_BYTES];
	uint32_t from_bytes = mr_store_put_prefix(from, space);
	uint32_t limit_bytes = mr_store_put_limit(limit, space);
	bool has[MR_ARRAY_SIZE(families)], any = false;
	rocksdb_writebatch_t *batch;
	char what[48];
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret < 0)
		return ret;
	// Without rows nothing is written: a bulk load's files go to the last level at once only
	// where no range was deleted, and are compacted down to it otherwise.
	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++)
		any |= has[i] = has_rows(store, families[i], space);
	if (!any)
		return 0;
	// By this one the change feed tells of the drop.
	has[0] = true;
	batch = rocksdb_writebatch_create();
	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++)
		if (has[i])
			rocksdb_writebatch_delete_range_cf(batch, store->cf[families[i]],
				(const char *)from, from_bytes, (const char *)limit, limit_bytes);
	snprintf(what, sizeof(what), "drop set %u version %u", mr_space_set(space),
		mr_space_version(space));
	return mr_store_write_batch(store, batch, true, what, err);
}
