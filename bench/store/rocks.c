// SPDX-License-Identifier: BSD-3-Clause
//
// RocksDB alone, with the store's sizes: what the store is compared with.
#include "store_bench.h"

#include <limits.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_COLUMNS 14u
#define TABLE_ROW_BYTES (8 + 4 * TABLE_COLUMNS)

static void check_rocks(char *text)
{
	if (text != NULL)
		bench_fail("rocksdb: %s", text);
}

static rocksdb_t *raw;
static rocksdb_writeoptions_t *raw_write;

static rocksdb_options_t *raw_options(void)
{
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_compression(o, rocksdb_zstd_compression);
	rocksdb_options_set_max_write_buffer_number(o, 4);
	rocksdb_block_based_options_set_block_size(t, 16 * MR_KIB);
	rocksdb_block_based_options_set_filter_policy(
		t, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_block_based_options_destroy(t);
	return o;
}

unsigned rocks_commit_burst(struct bench *b, const struct variant *v)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	uint8_t value[16 + ROW_BYTES] = {0};
	char *text = NULL;

	choose_rows(b, v);
	for (unsigned i = 0; i < v->batch; i++) {
		memcpy(value + 16, b->row[i], ROW_BYTES);
		rocksdb_writebatch_put(batch, (const char *)b->key[i], KEY_BYTES,
			(const char *)value, sizeof(value));
	}
	rocksdb_writeoptions_set_sync(raw_write, v->sync);
	rocksdb_write(raw, raw_write, batch, &text);
	check_rocks(text);
	rocksdb_writebatch_destroy(batch);
	return v->batch;
}

void rocks_open(const struct bench *b)
{
	rocksdb_options_t *options = raw_options();
	char path[PATH_MAX], *text = NULL;

	snprintf(path, sizeof(path), "%s/raw", b->dir);
	raw = rocksdb_open(options, path, &text);
	check_rocks(text);
	rocksdb_options_destroy(options);
	raw_write = rocksdb_writeoptions_create();
}

void rocks_close(void)
{
	rocksdb_writeoptions_destroy(raw_write);
	rocksdb_close(raw);
}

// ---- the SST writer ----------------------------------------------------------------------------

static uint32_t column_of(uint64_t id, unsigned c)
{
	struct mr_rng rng = {id * TABLE_COLUMNS + c};

	return (uint32_t)(mr_rng_next(&rng) % 1000000);
}

void print_table(uint64_t n_rows)
{
	printf("id");
	for (unsigned c = 0; c < TABLE_COLUMNS; c++)
		printf(",c%u", c);
	for (uint64_t id = 0; id < n_rows; id++) {
		printf("\n%llu", (unsigned long long)id);
		for (unsigned c = 0; c < TABLE_COLUMNS; c++)
			printf(",%u", column_of(id, c));
	}
	printf("\n");
}

static unsigned make_sst_row(uint8_t *key, uint8_t *value, uint64_t i)
{
	make_key(key, 2 * i);
	make_row(value, i);
	return KEY_BYTES;
}

// As print_table() prints them.
static unsigned make_table_row(uint8_t *key, uint8_t *value, uint64_t i)
{
	mr_store_be64(key, i);
	memset(value, 0, 8);
	for (unsigned c = 0; c < TABLE_COLUMNS; c++) {
		float f = (float)column_of(i, c);

		memcpy(value + 8 + 4 * c, &f, sizeof(f));
	}
	return 8;
}

// What it takes to make the rows is not the writer's.
static double sst_rate(const struct bench *b,
	unsigned (*make)(uint8_t *key, uint8_t *value, uint64_t i), unsigned row_bytes)
{
	enum { CHUNK = 4096 };
	static uint8_t keys[CHUNK][4 + KEY_BYTES], values[CHUNK][16 + ROW_BYTES];
	rocksdb_envoptions_t *env = rocksdb_envoptions_create();
	rocksdb_options_t *options = raw_options();
	rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(env, options);
	char path[PATH_MAX], *text = NULL;
	unsigned key_bytes = 0;
	double ns = 0, begin;

	snprintf(path, sizeof(path), "%s/raw.sst", b->dir);
	rocksdb_sstfilewriter_open(writer, path, &text);
	check_rocks(text);
	for (uint64_t at = 0; at < b->n_rows; at += CHUNK) {
		unsigned n = (unsigned)MR_MIN((uint64_t)CHUNK, b->n_rows - at);

		for (unsigned i = 0; i < n; i++)
			key_bytes = make(keys[i] + 4, values[i] + 16, at + i);
		begin = bench_now_ns();
		for (unsigned i = 0; i < n; i++) {
			rocksdb_sstfilewriter_put(writer, (const char *)keys[i], 4 + key_bytes,
				(const char *)values[i], 16 + row_bytes, &text);
			check_rocks(text);
		}
		ns += bench_now_ns() - begin;
	}
	begin = bench_now_ns();
	rocksdb_sstfilewriter_finish(writer, &text);
	check_rocks(text);
	ns += bench_now_ns() - begin;
	rocksdb_sstfilewriter_destroy(writer);
	rocksdb_options_destroy(options);
	rocksdb_envoptions_destroy(env);
	unlink(path);
	return (double)b->n_rows / ns * 1e9;
}

double rocks_sst_rate(const struct bench *b)
{
	return sst_rate(b, make_sst_row, ROW_BYTES);
}

double rocks_table_rate(const struct bench *b)
{
	return sst_rate(b, make_table_row, TABLE_ROW_BYTES);
}

// ---- db_bench ----------------------------------------------------------------------------------

double db_bench_rate(const struct bench *b, unsigned batch)
{
	char command[PATH_MAX + 512], line[512], path[PATH_MAX];
	double rate = 0;
	const char *at;
	bool filled;
	FILE *f;

	snprintf(path, sizeof(path), "%s/db_bench/CURRENT", b->dir);
	filled = access(path, F_OK) == 0;
	// Tables as the store makes them, and keys: 16 bytes that all begin with, then a number.
	// The last line counts: the first pass warms the cache.
	snprintf(command, sizeof(command),
		"command -v db_bench >/dev/null && db_bench --db=%s/db_bench %s "
		"--benchmarks=%smultireadrandom,multireadrandom --multiread_batched "
		"--batch_size=%u --num=%llu --reads=300000 --key_size=24 --value_size=128 "
		"--compression_type=zstd --bloom_bits=10 --cache_size=%llu --seed=1 "
		"--block_size=4096 --block_restart_interval=4 --use_data_block_hash_index=1 "
		"--optimize_filters_for_hits=1 --prefix_size=16 --keys_per_prefix=%llu "
		"2>/dev/null",
		b->dir, filled ? "--use_existing_db=1" : "", filled ? "" : "fillseq,compact,",
		batch, (unsigned long long)b->n_rows, (unsigned long long)CACHE_BYTES,
		(unsigned long long)b->n_rows);
	f = popen(command, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		at = strstr(line, "micros/op ");
		if (strncmp(line, "multireadrandom", 15) == 0 && at != NULL)
			rate = strtod(at + strlen("micros/op "), NULL);
	}
	pclose(f);
	return rate;
}
