// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_cache.h"
#include "mr_store_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <string.h>

#define LOG_HEADER_LEVEL 5 // rocksdb/env.h: HEADER_LEVEL

#define BLOOM_BITS_PER_KEY 10.0
#define MEMTABLE_BLOOM_RATIO 0.02
#define MEMTABLES_MAX 4
#define BLOCK_BYTES (4 * MR_KIB)
// Most of a bulk load is compression. Blocks of 4 KiB take 0.7 of the time of zstd's own level at
// this one, and 0.6 to 1.1 % more room.
#define BULK_ZSTD_LEVEL 2
#define ZSTD_WINDOW_BITS (-14) // RocksDB's own default

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static int compression_of(const char *name, struct mr_err *err)
{
	static const struct {
		const char *name;
		int kind;
	} kinds[] = {
		{"none", rocksdb_no_compression},
		{"lz4", rocksdb_lz4_compression},
		{"zstd", rocksdb_zstd_compression},
	};

	if (name == NULL)
		return rocksdb_zstd_compression;
	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++) {
		if (strcmp(name, kinds[i].name) == 0)
			return kinds[i].kind;
	}
	return mr_fail(err, EINVAL, "store: compression '%s': one of none, lz4, zstd", name);
}

static void set_table(rocksdb_options_t *o, rocksdb_cache_t *cache,
	const struct mr_store_params *params, uint64_t block_bytes, bool filter)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_block_based_options_set_block_size(t, block_bytes);
	rocksdb_block_based_options_set_block_restart_interval(
		t, (int)or_default(params->block_restart, 4));
	rocksdb_block_based_options_set_format_version(t, 5);
	if (!params->no_block_hash) {
		rocksdb_block_based_options_set_data_block_index_type(
			t, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
		rocksdb_block_based_options_set_data_block_hash_ratio(t, 0.75);
	}
	if (filter)
		rocksdb_block_based_options_set_filter_policy(
			t, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
	// Outside the cache they belong to the open files, and all files stay open: pinned.
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 0);
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_block_based_options_destroy(t);
}

// What holds for the whole database.
static void set_db(rocksdb_options_t *o, const struct mr_store_params *params, uint64_t memtable)
{
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_create_missing_column_families(o, 1);
	rocksdb_options_set_max_open_files(o, -1);
	rocksdb_options_set_max_background_jobs(o, (int)mr_store_threads(params));
	// Else a family that is hardly written to would keep every WAL file alive.
	rocksdb_options_set_max_total_wal_size(o, MEMTABLES_MAX * memtable);
	rocksdb_options_set_WAL_ttl_seconds(o, params->wal_keep_s);
	// RocksDB counts in whole MiB, and takes 0 for no limit.
	rocksdb_options_set_WAL_size_limit_MB(
		o, params->wal_keep_bytes / MR_MIB + (params->wal_keep_bytes % MR_MIB != 0));
	rocksdb_options_set_bytes_per_sync(o, MR_MIB);
	// RocksDB's own log gets what stands at its head, when the store is opened, and nothing
	// later: a log that a full disk fails is written to again, on which RocksDB 7.8 aborts, as
	// Debian builds it. Failures reach us as status texts.
	rocksdb_options_set_info_log_level(o, LOG_HEADER_LEVEL);
	rocksdb_options_set_keep_log_file_num(o, 4);
	rocksdb_options_set_max_log_file_size(o, 16 * MR_MIB);
}

static void set_rows(rocksdb_options_t *o, const struct mr_store_params *params, uint64_t memtable,
	int compression)
{
	rocksdb_options_set_write_buffer_size(o, memtable);
	rocksdb_options_set_max_write_buffer_number(o, MEMTABLES_MAX);
	rocksdb_options_set_max_bytes_for_level_base(o, MR_MAX(256 * MR_MIB, 4 * memtable));
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, MEMTABLE_BLOOM_RATIO);
	rocksdb_options_set_memtable_whole_key_filtering(o, 1);
	rocksdb_options_set_compression(o, compression);
	rocksdb_options_set_optimize_filters_for_hits(o, !params->filter_last_level);
	rocksdb_options_set_enable_blob_files(o, 1);
	rocksdb_options_set_min_blob_size(
		o, or_default(params->blob_min_bytes, 4 * MR_KIB) + MR_STORE_HEAD_BYTES);
	rocksdb_options_set_blob_compression_type(o, compression);
	rocksdb_options_set_enable_blob_gc(o, 1);
}

// History is sought by entity, so its filters hold entities: the key without the time.
static char *entity_of(void *arg, const char *key, size_t key_bytes, size_t *ret_bytes)
{
	(void)arg;
	*ret_bytes = key_bytes - MR_STORE_HISTORY_TIME_BYTES;
	return (char *)(uintptr_t)key;
}

static unsigned char has_entity(void *arg, const char *key, size_t key_bytes)
{
	(void)arg;
	(void)key;
	return key_bytes > MR_STORE_PREFIX_BYTES + MR_STORE_HISTORY_TIME_BYTES;
}

static const char *entity_name(void *arg)
{
	(void)arg;
	return "millrace.entity";
}

static void no_state(void *arg)
{
	(void)arg;
}

static rocksdb_slicetransform_t *prefix_of(enum mr_store_cf cf)
{
	if (mr_store_cf_is_live(cf))
		return rocksdb_slicetransform_create_fixed_prefix(MR_STORE_PREFIX_BYTES);
	return rocksdb_slicetransform_create(
		NULL, no_state, entity_of, has_entity, NULL, entity_name);
}

static void make_cache(struct mr_store *store, uint64_t bytes)
{
	store->blocks = mr_store_blocks_create(bytes);
	if (store->blocks != NULL)
		store->block_cache = mr_store_cache_create(bytes, store->blocks);
	if (store->block_cache != NULL)
		return;
	store->blocks = NULL;
	store->block_cache = rocksdb_cache_create_lru(bytes);
}

// Of a bulk load's files. They go to the last level at once, and RocksDB does not know.
static rocksdb_options_t *bulk_options(const struct mr_store *store,
	const struct mr_store_params *params, rocksdb_options_t *rows, uint64_t block_bytes)
{
	rocksdb_options_t *o = rocksdb_options_create_copy(rows);

	set_table(o, store->block_cache, params, block_bytes, params->filter_last_level);
	if (rocksdb_options_get_compression(o) == rocksdb_zstd_compression)
		rocksdb_options_set_compression_options(o, ZSTD_WINDOW_BITS, BULK_ZSTD_LEVEL, 0, 0);
	return o;
}

int mr_store_make_options(
	struct mr_store *store, const struct mr_store_params *params, struct mr_err *err)
{
	uint64_t memtable = or_default(params->memtable_bytes, 64 * MR_MIB);
	int compression = compression_of(params->compression, err);

	if (compression < 0)
		return compression;
	store->policies = mr_store_policies_create(params);
	if (store->policies == NULL)
		return mr_fail(err, ENOMEM, "store: no memory");
	make_cache(store, or_default(params->block_cache_bytes, 256 * MR_MIB));
	for (int i = 0; i < MR_STORE_CF_COUNT; i++) {
		rocksdb_options_t *o = rocksdb_options_create();
		bool fast = i == MR_STORE_CF_LIVE_FAST;
		// What `tables = fast` means: nothing to decompress, and little to read, for a row.
		uint64_t block_bytes =
			fast ? BLOCK_BYTES : or_default(params->block_bytes, BLOCK_BYTES);

		store->options[i] = o;
		set_db(o, params, memtable);
		set_table(o, store->block_cache, params, block_bytes, true);
		if (i == MR_STORE_CF_DEFAULT || i == MR_STORE_CF_METADATA)
			continue;
		set_rows(o, params, memtable, fast ? rocksdb_no_compression : compression);
		rocksdb_options_set_blob_cache(o, store->block_cache);
		rocksdb_options_set_prefix_extractor(o, prefix_of((enum mr_store_cf)i));
		rocksdb_options_set_compaction_filter_factory(
			o, mr_store_filter_factory(store->policies, (enum mr_store_cf)i));
		store->bulk_options[i] = bulk_options(store, params, o, block_bytes);
	}
	return 0;
}

void mr_store_free_options(struct mr_store *store)
{
	for (int i = 0; i < MR_STORE_CF_COUNT; i++) {
		if (store->options[i] != NULL)
			rocksdb_options_destroy(store->options[i]);
		if (store->bulk_options[i] != NULL)
			rocksdb_options_destroy(store->bulk_options[i]);
	}
	if (store->block_cache != NULL)
		rocksdb_cache_destroy(store->block_cache);
	mr_store_policies_free(store->policies);
}
