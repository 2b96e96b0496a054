// SPDX-License-Identifier: BSD-3-Clause
#include "mr_hash.h"
#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <stdlib.h>

struct mr_store_scan {
	struct mr_store *store;
	struct mr_store_snapshot *own; // NULL: the caller's
	rocksdb_readoptions_t *options;
	rocksdb_iterator_t *it;
	bool fast;   // the family that it is in
	bool at_row; // it was given; the next step goes on from it
	mr_space_t space;
	uint8_t limit[MR_STORE_LIMIT_MAX_BYTES]; // RocksDB keeps a pointer to it
};

static void enter_family(struct mr_store_scan *scan, bool fast)
{
	uint8_t from[MR_STORE_PREFIX_BYTES];

	if (scan->it != NULL)
		rocksdb_iter_destroy(scan->it);
	scan->fast = fast;
	scan->at_row = false;
	scan->it = rocksdb_create_iterator_cf(
		scan->store->db, scan->options, scan->store->cf[mr_store_live_cf(fast)]);
	rocksdb_iter_seek(scan->it, (const char *)from, mr_store_put_prefix(from, scan->space));
}

struct mr_store_scan *mr_store_scan_begin(struct mr_store *store, mr_space_t space)
{
	// Both families as of one moment.
	struct mr_store_snapshot *own = mr_store_snapshot_take(store);
	struct mr_store_scan *scan = own != NULL ? mr_store_scan_begin_at(store, space, own) : NULL;

	if (scan != NULL)
		scan->own = own;
	else
		mr_store_snapshot_release(own);
	return scan;
}

struct mr_store_scan *mr_store_scan_begin_at(
	struct mr_store *store, mr_space_t space, const struct mr_store_snapshot *snapshot)
{
	struct mr_store_scan *scan = calloc(1, sizeof(*scan));

	if (scan == NULL)
		return NULL;
	// RocksDB counts every comparison otherwise, in this thread, where nobody looks.
	rocksdb_set_perf_level(rocksdb_disable);
	scan->store = store;
	scan->space = space;
	scan->options = rocksdb_readoptions_create();
	mr_store_use_snapshot(scan->options, snapshot);
	rocksdb_readoptions_set_total_order_seek(scan->options, 1);
	// A scan passes once over everything: it must not push hot blocks out.
	rocksdb_readoptions_set_fill_cache(scan->options, 0);
	// As much as stays in the second-level cache until it is decompressed.
	rocksdb_readoptions_set_readahead_size(scan->options, 512 * MR_KIB);
	if (space != 0)
		rocksdb_readoptions_set_iterate_upper_bound(scan->options,
			(const char *)scan->limit, mr_store_put_limit(scan->limit, space));
	enter_family(scan, false);
	return scan;
}

int mr_store_parse_item(const char *key, size_t key_bytes, const char *value, size_t value_bytes,
	struct mr_store_item *ret_item)
{
	struct mr_store_head head;

	if (key_bytes < MR_STORE_PREFIX_BYTES || key_bytes > MR_STORE_KEY_MAX_BYTES ||
		!mr_store_parse_head(value, value_bytes, &head))
		return -EUCLEAN;
	*ret_item = (struct mr_store_item){
		.space = mr_load_be32(key),
		.key = (const uint8_t *)key + MR_STORE_PREFIX_BYTES,
		.key_bytes = (uint8_t)(key_bytes - MR_STORE_PREFIX_BYTES),
		.deleted = (head.flags & MR_STORE_DELETED) != 0,
		.event_time_us = head.event_time_us,
		.layout = head.layout,
		.row = (const uint8_t *)value + sizeof(head),
		.row_bytes = (uint32_t)(value_bytes - sizeof(head)),
	};
	return 0;
}

// @return 1: the iterator is at a row; 0: the end; -EIO with a message
static int step(struct mr_store_scan *scan, struct mr_err *err)
{
	char *text = mr_store_fault(MR_STORE_FAULT_SCAN);

	if (text == NULL) {
		if (scan->at_row)
			rocksdb_iter_next(scan->it);
		scan->at_row = rocksdb_iter_valid(scan->it);
		if (scan->at_row)
			return 1;
		rocksdb_iter_get_error(scan->it, &text);
	}
	return mr_store_fail(scan->store, err, text, "scan") < 0 ? -EIO : 0;
}

// As step(), and on to the second family.
static int step_on(struct mr_store_scan *scan, struct mr_err *err)
{
	int ret = step(scan, err);

	if (ret == 0 && !scan->fast) {
		enter_family(scan, true);
		ret = step(scan, err);
	}
	return ret;
}

static int damaged(const struct mr_store_scan *scan, const char *what, struct mr_err *err)
{
	return mr_fail(err, EIO, "store %s: scan: %s; restore a backup", scan->store->path, what);
}

int mr_store_scan_next(
	struct mr_store_scan *scan, struct mr_store_item *ret_item, struct mr_err *err)
{
	const char *key, *value;
	size_t key_bytes, value_bytes;
	int ret = step_on(scan, err);

	if (ret <= 0)
		return ret;
	key = rocksdb_iter_key(scan->it, &key_bytes);
	value = rocksdb_iter_value(scan->it, &value_bytes);
	if (mr_store_parse_item(key, key_bytes, value, value_bytes, ret_item) < 0)
		return damaged(scan, "a value is not a row", err);
	return 1;
}

int mr_store_scan_hashes(
	struct mr_store_scan *scan, uint64_t *hashes, unsigned n, struct mr_err *err)
{
	const char *key;
	size_t key_bytes;
	unsigned i;
	int ret;

	for (i = 0; i < n; i++) {
		ret = step_on(scan, err);
		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
		key = rocksdb_iter_key(scan->it, &key_bytes);
		if (key_bytes < MR_STORE_PREFIX_BYTES || key_bytes > MR_STORE_KEY_MAX_BYTES)
			return damaged(scan, "a key is not one of a row", err);
		hashes[i] = mr_hash_row(
			mr_hash_key(key + MR_STORE_PREFIX_BYTES, key_bytes - MR_STORE_PREFIX_BYTES),
			mr_load_be32(key));
	}
	return (int)i;
}

void mr_store_scan_end(struct mr_store_scan *scan)
{
	if (scan == NULL)
		return;
	rocksdb_iter_destroy(scan->it);
	rocksdb_readoptions_destroy(scan->options);
	mr_store_snapshot_release(scan->own);
	free(scan);
}
