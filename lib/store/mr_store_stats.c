// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t mr_store_figure(struct mr_store *store, enum mr_store_cf cf, const char *name)
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
		total += mr_store_figure(store, (enum mr_store_cf)cf, name);
	return total;
}

static uint64_t sum_live(struct mr_store *store, const char *name)
{
	return mr_store_figure(store, MR_STORE_CF_LIVE, name) +
	       mr_store_figure(store, MR_STORE_CF_LIVE_FAST, name);
}

static uint64_t files_at_level(struct mr_store *store, enum mr_store_cf cf, unsigned level)
{
	char name[48], *text;
	uint64_t n;

	snprintf(name, sizeof(name), "rocksdb.num-files-at-level%u", level);
	text = rocksdb_property_value_cf(store->db, store->cf[cf], name);
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
	return sum_live(store, "rocksdb.estimate-num-keys");
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
			mr_store_figure(store, MR_STORE_CF_LIVE, "rocksdb.num-running-compactions"),
		.running_flushes =
			mr_store_figure(store, MR_STORE_CF_LIVE, "rocksdb.num-running-flushes"),
		.write_stopped = sum_live(store, "rocksdb.is-write-stopped") > 0,
		.delayed_write_bytes_per_s = mr_store_figure(
			store, MR_STORE_CF_LIVE, "rocksdb.actual-delayed-write-rate"),
		.reads = load(&store->reads),
		.keys_read = load(&store->keys_read),
		.commits = load(&store->commits),
		.rows_written = load(&store->rows_written),
		.syncs = load(&store->syncs),
		.errors = load(&store->errors),
	};
	for (unsigned i = 0; i < MR_ARRAY_SIZE(ret_stats->levels_files); i++)
		ret_stats->levels_files[i] = files_at_level(store, MR_STORE_CF_LIVE, i) +
		                             files_at_level(store, MR_STORE_CF_LIVE_FAST, i);
}

void mr_store_watch(struct mr_store *store)
{
	uint32_t weather = 0;

	mr_store_look_at_room(store);
	mr_store_wal_watch(store);
	if (mr_store_figure(store, MR_STORE_CF_LIVE, "rocksdb.num-running-compactions") > 0)
		weather |= MR_STORE_COMPACTING;
	// The rate is the database's; which writes are stopped, a family's.
	if (sum_live(store, "rocksdb.is-write-stopped") > 0 ||
		mr_store_figure(store, MR_STORE_CF_LIVE, "rocksdb.actual-delayed-write-rate") > 0)
		weather |= MR_STORE_STALLING;
	atomic_store_explicit(&store->weather, weather, memory_order_relaxed);
}

uint32_t mr_store_weather(const struct mr_store *store)
{
	return atomic_load_explicit(&store->weather, memory_order_relaxed);
}

// ---- figures that RocksDB only tells in a text -------------------------------------------------

// The value of a column of the row "Sum" of the compaction table. Sizes take two words in a row
// ("1.2 MB"), but one in the head.
static double sum_column(const char *table, const char *name)
{
	const char *head = strstr(table, "\nLevel "), *row = strstr(table, "\n Sum ");
	char word[32];
	unsigned column = 0;
	int used;

	if (head == NULL || row == NULL)
		return 0;
	for (head++; sscanf(head, "%31s%n", word, &used) == 1 && strcmp(word, name) != 0;
		head += used)
		column += strcmp(word, "Size") == 0 ? 2 : 1;
	for (row++; sscanf(row, "%31s%n", word, &used) == 1; row += used) {
		if (column-- == 0)
			return strtod(word, NULL);
	}
	return 0;
}

// The number in front of a label, as 7.x writes it: "3 level0_slowdown, ".
static uint64_t before(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	if (at == NULL || at == text)
		return 0;
	for (at--; at > text && at[-1] >= '0' && at[-1] <= '9'; at--)
		;
	return strtoull(at, NULL, 10);
}

// The number behind a label, as 8.x and later write it: "total-stops: 3".
static uint64_t behind(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at != NULL ? strtoull(at + strlen(label), NULL, 10) : 0;
}

static void text_figures(
	struct mr_store *store, enum mr_store_cf cf, struct mr_store_family_stats *stats)
{
	char *text = rocksdb_property_value_cf(
		store->db, store->cf[cf], "rocksdb.cfstats-no-file-histogram");

	if (text == NULL)
		return;
	stats->write_amplification = sum_column(text, "W-Amp");
	stats->stall_delays = before(text, " level0_slowdown,") +
	                      before(text, " slowdown for pending_compaction_bytes,") +
	                      before(text, " memtable_slowdown,") + behind(text, "total-delays: ");
	stats->stall_stops = before(text, " level0_numfiles,") +
	                     before(text, " stop for pending_compaction_bytes,") +
	                     before(text, " memtable_compaction,") + behind(text, "total-stops: ");
	rocksdb_free(text);
}

int mr_store_family_stats(
	struct mr_store *store, unsigned family, struct mr_store_family_stats *ret_stats)
{
	static const enum mr_store_cf families[MR_STORE_FAMILIES] = {MR_STORE_CF_LIVE,
		MR_STORE_CF_LIVE_FAST, MR_STORE_CF_HISTORICAL, MR_STORE_CF_METADATA};
	struct mr_store_family_stats stats;
	enum mr_store_cf cf;

	if (family >= MR_STORE_FAMILIES)
		return -EINVAL;
	cf = families[family];
	stats = (struct mr_store_family_stats){
		.name = mr_store_cf_names[cf],
		.estimated_keys = mr_store_figure(store, cf, "rocksdb.estimate-num-keys"),
		.sst_bytes = mr_store_figure(store, cf, "rocksdb.live-sst-files-size"),
		.blob_bytes = mr_store_figure(store, cf, "rocksdb.live-blob-file-size"),
		.blob_garbage_bytes =
			mr_store_figure(store, cf, "rocksdb.live-blob-file-garbage-size"),
		.memtable_bytes = mr_store_figure(store, cf, "rocksdb.cur-size-all-mem-tables"),
		.memtables_unflushed =
			mr_store_figure(store, cf, "rocksdb.num-immutable-mem-table"),
		.table_readers_bytes =
			mr_store_figure(store, cf, "rocksdb.estimate-table-readers-mem"),
		.pending_compaction_bytes =
			mr_store_figure(store, cf, "rocksdb.estimate-pending-compaction-bytes"),
		.write_stopped = mr_store_figure(store, cf, "rocksdb.is-write-stopped"),
	};
	for (unsigned i = 0; i < MR_ARRAY_SIZE(stats.levels_files); i++)
		stats.levels_files[i] = files_at_level(store, cf, i);
	text_figures(store, cf, &stats);
	*ret_stats = stats;
	return 0;
}
