// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// A figure of one column family, 0 where this RocksDB does not know it.
static uint64_t figure(struct mr_store *store, enum mr_store_cf cf, const char *name)
{
	uint64_t value = 0;

	if (rocksdb_property_int_cf(store->db, store->cf[cf], name, &value) != 0)
		return 0;
	return value;
}

static uint64_t sum(struct mr_store *store, const char *name)
{
	uint64_t total = 0;

	for (int cf = 0; cf < MR_STORE_CF_COUNT; cf++)
		total += figure(store, (enum mr_store_cf)cf, name);
	return total;
}

static uint64_t files_at_level(struct mr_store *store, unsigned level)
{
	char name[48], *text;
	uint64_t n;

	snprintf(name, sizeof(name), "rocksdb.num-files-at-level%u", level);
	text = rocksdb_property_value_cf(store->db, store->cf[MR_STORE_CF_LIVE], name);
	if (text == NULL)
		return 0;
	n = strtoull(text, NULL, 10);
	rocksdb_free(text);
	return n;
}

// Bytes of the log files in the directory: RocksDB tells of them only through C++.
static uint64_t wal_bytes(const struct mr_store *store)
{
	DIR *dir = opendir(store->path);
	uint64_t total = 0;
	struct dirent *entry;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');
		struct stat st;

		if (dot != NULL && strcmp(dot, ".log") == 0 &&
			fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
			total += (uint64_t)st.st_size;
	}
	closedir(dir);
	return total;
}

uint64_t mr_store_sequence(struct mr_store *store)
{
	return rocksdb_get_latest_sequence_number(store->db);
}

uint64_t mr_store_estimated_keys(struct mr_store *store)
{
	return figure(store, MR_STORE_CF_LIVE, "rocksdb.estimate-num-keys");
}

static uint64_t load(_Atomic uint64_t *counter)
{
	// why: a figure; nothing is derived from its order
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void mr_store_stats(struct mr_store *store, struct mr_store_stats *ret_stats)
{
	*ret_stats = (struct mr_store_stats){
		.sequence = mr_store_sequence(store),
		.estimated_keys = mr_store_estimated_keys(store),
		.sst_bytes = sum(store, "rocksdb.total-sst-files-size"),
		.blob_bytes = sum(store, "rocksdb.total-blob-file-size"),
		.memtable_bytes = sum(store, "rocksdb.size-all-mem-tables"),
		.block_cache_bytes = rocksdb_cache_get_usage(store->block_cache),
		.wal_bytes = wal_bytes(store),
		.pending_compaction_bytes = sum(store, "rocksdb.estimate-pending-compaction-bytes"),
		.running_compactions =
			figure(store, MR_STORE_CF_LIVE, "rocksdb.num-running-compactions"),
		.running_flushes = figure(store, MR_STORE_CF_LIVE, "rocksdb.num-running-flushes"),
		.write_stopped = figure(store, MR_STORE_CF_LIVE, "rocksdb.is-write-stopped"),
		.delayed_write_bytes_per_s =
			figure(store, MR_STORE_CF_LIVE, "rocksdb.actual-delayed-write-rate"),
		.reads = load(&store->reads),
		.keys_read = load(&store->keys_read),
		.commits = load(&store->commits),
		.rows_written = load(&store->rows_written),
		.syncs = load(&store->syncs),
		.errors = load(&store->errors),
	};
	for (unsigned i = 0; i < MR_ARRAY_SIZE(ret_stats->levels_files); i++)
		ret_stats->levels_files[i] = files_at_level(store, i);
}

int mr_store_flush(struct mr_store *store, struct mr_err *err)
{
	rocksdb_flushoptions_t *options;
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret < 0)
		return ret;
	options = rocksdb_flushoptions_create();
	for (int cf = 0; cf < MR_STORE_CF_COUNT && ret == 0; cf++) {
		char *text = NULL;

		rocksdb_flush_cf(store->db, options, store->cf[cf], &text);
		ret = mr_store_fail(store, err, text, "flush");
	}
	rocksdb_flushoptions_destroy(options);
	return ret;
}

int mr_store_compact(struct mr_store *store, struct mr_err *err)
{
	uint64_t errors_before;
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret < 0)
		return ret;
	errors_before = figure(store, MR_STORE_CF_DEFAULT, "rocksdb.background-errors");
	for (int cf = 0; cf < MR_STORE_CF_COUNT; cf++)
		rocksdb_compact_range_cf(store->db, store->cf[cf], NULL, 0, NULL, 0);
	// The C API has no status here.
	if (figure(store, MR_STORE_CF_DEFAULT, "rocksdb.background-errors") == errors_before)
		return 0;
	mr_store_count(&store->errors, 1);
	return mr_fail(
		err, EIO, "store %s: a compaction failed; its LOG file says why", store->path);
}
