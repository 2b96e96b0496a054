// SPDX-License-Identifier: BSD-3-Clause
//
// What the store does on one core: warm multi-get by burst size, keys sorted or not, present and
// absent; commits by burst size, synced and not; bulk load; scans; as-of reads; the change feed.
// Baselines in the same run: RocksDB's own write batches and SST writer with the store's sizes, and
// db_bench multireadrandom where it is installed. Then the store opened again: until the first
// right answer, with the filter read back and with one built from the store's keys. Last, reads by
// compression, block size, and with a hash table in each block.
//
// bench_store [ROWS [DIRECTORY]]: 1000000 rows of 20 + 112 bytes below TMPDIR; JSON lines to
// stdout, words for people to stderr.
#include "mr_bloom.h"
#include "mr_bytes.h"
#include "mr_hash.h"
#include "mr_store.h"
#include "mr_store_bulk.h"
#include "mr_store_feed.h"
#include "mr_units.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_keys.h"

#define KEY_BYTES 20u
#define ROW_BYTES 112u
#define SPACE 0x00010001u
#define WRITE_SPACE 0x00020001u
#define PASSES 5u
#define PASS_NS 2e8
#define BATCH_MAX 128u
#define CACHE_BYTES (512 * MR_MIB)

struct bench {
	const char *dir;
	uint64_t n_rows;
	struct mr_store *store;
	struct mr_store_reader *reader;
	struct bench_keys keys;
	uint64_t event_time_us;
	double bulk_rate;
	uint8_t key[BATCH_MAX][KEY_BYTES];
	uint8_t row[BATCH_MAX][ROW_BYTES];
	struct mr_store_get gets[BATCH_MAX];
	struct mr_store_put puts[BATCH_MAX];
};

/** One case of a kind. */
struct variant {
	unsigned batch;
	bool sorted; // keys of a burst; else as they come
	bool absent;
	bool sync;
};

// ---- rows --------------------------------------------------------------------------------------

// Row numbers in order give keys in order. Odd numbers are never written.
static void make_key(uint8_t key[KEY_BYTES], uint64_t i)
{
	memcpy(key, "customer:00\0", 12);
	mr_store_be64(key + 12, i);
}

// Half of it compresses away, as db_bench has it.
static void make_row(uint8_t row[ROW_BYTES], uint64_t i)
{
	struct mr_rng rng = {i};

	memset(row, 0, ROW_BYTES);
	for (unsigned at = 0; at < ROW_BYTES / 2; at += 8)
		mr_store_le64(row + at, mr_rng_next(&rng));
}

static void check(int ret, const struct mr_err *err)
{
	if (ret < 0)
		bench_fail("%s", err->text);
}

static void check_rocks(char *text)
{
	if (text != NULL)
		bench_fail("rocksdb: %s", text);
}

// ---- passes ------------------------------------------------------------------------------------

// One burst. @return keys or rows done.
typedef unsigned (*burst_fn)(struct bench *b, const struct variant *v);

// One pass. @return operations a second
static double measure_pass(struct bench *b, burst_fn burst, const struct variant *v)
{
	double begin = bench_now_ns(), now;
	uint64_t n = 0;

	do {
		for (unsigned i = 0; i < 8; i++)
			n += burst(b, v);
		now = bench_now_ns();
	} while (now - begin < PASS_NS);
	return (double)n / (now - begin) * 1e9;
}

static struct bench_stat measure(struct bench *b, burst_fn burst, const struct variant *v)
{
	double rates[PASSES];

	measure_pass(b, burst, v);
	for (unsigned pass = 0; pass < PASSES; pass++)
		rates[pass] = measure_pass(b, burst, v);
	return bench_stat_of(rates, PASSES);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void choose_keys(struct bench *b, const struct variant *v)
{
	uint64_t numbers[BATCH_MAX];

	for (unsigned i = 0; i < v->batch; i++)
		numbers[i] = 2 * bench_keys_next(&b->keys) + v->absent;
	if (v->sorted)
		qsort(numbers, v->batch, sizeof(numbers[0]), compare_numbers);
	for (unsigned i = 0; i < v->batch; i++)
		make_key(b->key[i], numbers[i]);
}

static unsigned read_burst(struct bench *b, const struct variant *v)
{
	choose_keys(b, v);
	if (mr_store_read(b->reader, b->gets, v->batch) < 0)
		bench_fail("read");
	for (unsigned i = 0; i < v->batch; i++) {
		if (b->gets[i].result != (v->absent ? -ENOENT : 0))
			bench_fail("read: %d: %s", b->gets[i].result,
				mr_store_reader_error(b->reader));
		if (!v->absent)
			bench_keep(b->gets[i].row + b->gets[i].row_bytes - 1);
	}
	mr_store_release(b->reader);
	return v->batch;
}

static unsigned as_of_burst(struct bench *b, const struct variant *v)
{
	choose_keys(b, v);
	if (mr_store_read_as_of(b->reader, NULL, UINT64_MAX, b->gets, v->batch) < 0)
		bench_fail("as-of read");
	for (unsigned i = 0; i < v->batch; i++) {
		if (b->gets[i].result != 0)
			bench_fail("as-of read: %d", b->gets[i].result);
	}
	mr_store_release(b->reader);
	return v->batch;
}

static void choose_rows(struct bench *b, const struct variant *v)
{
	choose_keys(b, v);
	b->event_time_us++;
	for (unsigned i = 0; i < v->batch; i++) {
		make_row(b->row[i], b->event_time_us * BATCH_MAX + i);
		b->puts[i].event_time_us = b->event_time_us;
	}
}

static unsigned commit_burst(struct bench *b, const struct variant *v)
{
	struct mr_err err = {""};

	choose_rows(b, v);
	check(mr_store_commit(b->store, b->puts, v->batch, v->sync, &err), &err);
	return v->batch;
}

// ---- RocksDB alone -----------------------------------------------------------------------------

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

static unsigned raw_commit_burst(struct bench *b, const struct variant *v)
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

// Rows a second of the SST writer, the file's sync included, as in a bulk load.
static double raw_sst_rate(struct bench *b)
{
	rocksdb_envoptions_t *env = rocksdb_envoptions_create();
	rocksdb_options_t *options = raw_options();
	rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(env, options);
	uint8_t key[4 + KEY_BYTES] = {0}, value[16 + ROW_BYTES] = {0};
	double begin = bench_now_ns();
	char path[PATH_MAX];
	char *text = NULL;

	snprintf(path, sizeof(path), "%s/raw.sst", b->dir);
	rocksdb_sstfilewriter_open(writer, path, &text);
	check_rocks(text);
	for (uint64_t i = 0; i < b->n_rows; i++) {
		make_key(key + 4, 2 * i);
		make_row(value + 16, i);
		rocksdb_sstfilewriter_put(writer, (const char *)key, sizeof(key),
			(const char *)value, sizeof(value), &text);
		check_rocks(text);
	}
	rocksdb_sstfilewriter_finish(writer, &text);
	check_rocks(text);
	begin = bench_now_ns() - begin;
	rocksdb_sstfilewriter_destroy(writer);
	rocksdb_options_destroy(options);
	rocksdb_envoptions_destroy(env);
	unlink(path);
	return (double)b->n_rows / begin * 1e9;
}

// Keys a second of db_bench on data of the same shape, 0 where it is not installed.
static double db_bench_rate(struct bench *b, unsigned batch)
{
	char command[PATH_MAX + 512], line[512];
	double rate = 0;
	const char *at;
	FILE *f;

	snprintf(command, sizeof(command),
		"command -v db_bench >/dev/null && db_bench --db=%s/db_bench "
		"--benchmarks=fillseq,compact,multireadrandom,multireadrandom --multiread_batched "
		"--batch_size=%u --num=%llu --reads=500000 --key_size=24 --value_size=128 "
		"--compression_type=zstd --block_size=16384 --bloom_bits=10 --cache_size=%llu "
		"--seed=1 2>/dev/null",
		b->dir, batch, (unsigned long long)b->n_rows, (unsigned long long)CACHE_BYTES);
	f = popen(command, "r");
	if (f == NULL)
		return 0;
	// The last line counts: the first pass warms the cache.
	while (fgets(line, sizeof(line), f) != NULL) {
		at = strstr(line, "micros/op ");
		if (strncmp(line, "multireadrandom", 15) == 0 && at != NULL)
			rate = strtod(at + strlen("micros/op "), NULL);
	}
	pclose(f);
	return rate;
}

// ---- cases -------------------------------------------------------------------------------------

/** A range of the rows, loaded by a thread of its own. */
struct bulk_part {
	const struct bench *b;
	struct mr_store_bulk *bulk;
	unsigned index, n_parts;
	pthread_t thread;
};

static void *run_bulk_part(void *arg)
{
	struct bulk_part *p = arg;
	uint64_t begin = p->b->n_rows * p->index / p->n_parts;
	uint64_t end = p->b->n_rows * (p->index + 1) / p->n_parts;
	uint8_t key[KEY_BYTES], row[ROW_BYTES];
	struct mr_err err = {""};

	for (uint64_t i = begin; i < end; i++) {
		struct mr_store_put put = {
			.space = SPACE,
			.key = key,
			.key_bytes = KEY_BYTES,
			.event_time_us = 1,
			.row = row,
			.row_bytes = ROW_BYTES,
		};

		make_key(key, 2 * i);
		make_row(row, i);
		check(mr_store_bulk_add(p->bulk, p->index, &put, &err), &err);
	}
	check(mr_store_bulk_part_end(p->bulk, p->index, &err), &err);
	return NULL;
}

// As many parts as `millrace load --bulk` would make.
static double bulk_rate(struct bench *b)
{
	struct bulk_part parts[MR_STORE_BULK_PARTS_MAX];
	unsigned n_parts = (unsigned)MR_MIN(sysconf(_SC_NPROCESSORS_ONLN), 8L);
	struct mr_err err = {""};
	struct mr_store_bulk *bulk = mr_store_bulk_begin(b->store, SPACE, &err);
	double begin = bench_now_ns();

	if (bulk == NULL)
		bench_fail("%s", err.text);
	for (unsigned i = 0; i < n_parts; i++) {
		parts[i] = (struct bulk_part){b, bulk, i, n_parts, 0};
		if (pthread_create(&parts[i].thread, NULL, run_bulk_part, &parts[i]) != 0)
			bench_fail("no thread");
	}
	for (unsigned i = 0; i < n_parts; i++)
		pthread_join(parts[i].thread, NULL);
	check(mr_store_bulk_finish(bulk, &err), &err);
	return (double)b->n_rows / (bench_now_ns() - begin) * 1e9;
}

// In turns, so that both see the machine and the disk in the same mood. The last load is what the
// reads find.
static void bench_bulk(struct bench *b)
{
	enum { ROUNDS = 3 };
	double rates[ROUNDS], base[ROUNDS];
	struct bench_stat stat;

	for (unsigned i = 0; i < ROUNDS; i++) {
		base[i] = raw_sst_rate(b);
		rates[i] = bulk_rate(b);
	}
	stat = bench_stat_of(rates, ROUNDS);
	b->bulk_rate = stat.median;
	bench_line_ratio("bulk-load", "rate", stat.median, &stat, "rows/s",
		bench_stat_of(base, ROUNDS).median);
}

// The way to the rows, once through.
static void warm_up(struct bench *b)
{
	static const struct variant v = {.batch = BATCH_MAX};
	struct mr_err err = {""};

	check(mr_store_compact(b->store, &err), &err);
	for (uint64_t n = 0; n < 2 * b->n_rows; n += BATCH_MAX)
		read_burst(b, &v);
}

static void bench_reads(struct bench *b)
{
	static const struct {
		const char *name;
		struct variant variant;
	} cases[] = {
		{"read 1", {.batch = 1}},
		{"read 32, sorted", {.batch = 32, .sorted = true}},
		{"read 32, unsorted", {.batch = 32}},
		{"read 64, sorted", {.batch = 64, .sorted = true}},
		{"read 64, unsorted", {.batch = 64}},
		{"read 1, absent", {.batch = 1, .absent = true}},
		{"read 64, absent", {.batch = 64, .absent = true}},
	};
	double reference = db_bench_rate(b, 64);

	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->gets[i] = (struct mr_store_get){
			.space = SPACE, .key = b->key[i], .key_bytes = KEY_BYTES};
	warm_up(b);
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		const struct variant *v = &cases[i].variant;
		struct bench_stat stat = measure(b, read_burst, v);

		if (reference > 0 && v->batch == 64 && !v->absent)
			bench_line_ratio(
				cases[i].name, "rate", stat.median, &stat, "keys/s", reference);
		else
			bench_line_stat(cases[i].name, "rate", &stat, "keys/s");
	}
}

static void bench_as_of(struct bench *b)
{
	static const struct variant v = {.batch = 64};
	struct bench_keys all = b->keys;
	struct bench_stat stat;

	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->gets[i].space = WRITE_SPACE;
	// Only these rows have history for sure; see bench_commits().
	b->keys.n = 4096;
	stat = measure(b, as_of_burst, &v);
	bench_line_stat("read as of 64, unsorted", "rate", &stat, "keys/s");
	b->keys = all;
}

static void bench_commits(struct bench *b)
{
	static const unsigned batches[] = {1, 32, 128};
	char name[64];

	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->puts[i] = (struct mr_store_put){
			.space = WRITE_SPACE,
			.key = b->key[i],
			.key_bytes = KEY_BYTES,
			.row = b->row[i],
			.row_bytes = ROW_BYTES,
		};
	for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(batches); i++) {
		struct variant v = {.batch = batches[i / 2], .sync = i % 2 == 1};
		double rates[PASSES], base[PASSES];
		struct bench_stat stat;

		for (unsigned pass = 0; pass < PASSES; pass++) {
			base[pass] = measure_pass(b, raw_commit_burst, &v);
			rates[pass] = measure_pass(b, commit_burst, &v);
		}
		stat = bench_stat_of(rates, PASSES);

		snprintf(name, sizeof(name), "commit %u, %s", v.batch,
			v.sync ? "synced" : "unsynced");
		bench_line_ratio(name, "rate", stat.median, &stat, "rows/s",
			bench_stat_of(base, PASSES).median);
		if (v.sync && v.batch == BATCH_MAX)
			bench_line_ratio("bulk-load-against-commits", "rate", b->bulk_rate, NULL,
				"rows/s", stat.median);
	}
	// Rows with history for the as-of reads.
	for (uint64_t i = 0; i < 4096; i++) {
		struct mr_store_put put = b->puts[0];
		struct mr_err err = {""};

		make_key(b->key[0], 2 * i);
		put.keep_history = true;
		check(mr_store_commit(b->store, &put, 1, false, &err), &err);
	}
}

static void bench_scan(struct bench *b)
{
	double rates[3];

	for (unsigned pass = 0; pass < MR_ARRAY_SIZE(rates); pass++) {
		struct mr_store_scan *scan = mr_store_scan_begin(b->store, SPACE);
		struct mr_store_item item;
		struct mr_err err = {""};
		double begin = bench_now_ns();
		uint64_t n = 0;
		int ret;

		while ((ret = mr_store_scan_next(scan, &item, &err)) == 1)
			n++;
		check(ret, &err);
		if (n != b->n_rows)
			bench_fail("scan: %llu rows", (unsigned long long)n);
		rates[pass] = (double)n / (bench_now_ns() - begin) * 1e9;
		mr_store_scan_end(scan);
	}
	struct bench_stat stat = bench_stat_of(rates, MR_ARRAY_SIZE(rates));
	bench_line_stat("scan", "rate", &stat, "keys/s");
}

static void bench_feed(struct bench *b, uint64_t from)
{
	struct mr_err err = {""};
	struct mr_store_feed *feed = mr_store_feed_open(b->store, from, &err);
	struct mr_store_change change;
	double begin = bench_now_ns();
	uint64_t n = 0;
	int ret;

	if (feed == NULL)
		bench_fail("%s", err.text);
	while ((ret = mr_store_feed_next(feed, &change, &err)) == 1)
		n++;
	check(ret, &err);
	bench_line("change feed", "rate", (double)n / (bench_now_ns() - begin) * 1e9, "changes/s");
	mr_store_feed_close(feed);
}

// ---- start -------------------------------------------------------------------------------------

// As lib/ctl rebuilds its filter. @return keys
static uint64_t build_filter(struct mr_store *store, struct mr_bloom *bloom)
{
	struct mr_store_scan *scan = mr_store_scan_begin(store, 0);
	uint64_t hashes[MR_BLOOM_BURST], keys = 0;
	struct mr_store_item item;
	struct mr_err err = {""};
	unsigned n = 0;
	int ret;

	while ((ret = mr_store_scan_next(scan, &item, &err)) == 1) {
		hashes[n++] = mr_hash_row(mr_hash_key(item.key, item.key_bytes), item.space);
		if (n == MR_BLOOM_BURST) {
			mr_bloom_add_bulk(bloom, hashes, n);
			n = 0;
		}
		keys++;
	}
	check(ret, &err);
	mr_bloom_add_bulk(bloom, hashes, n);
	mr_store_scan_end(scan);
	return keys;
}

static void first_answer(struct bench *b, const struct mr_bloom *bloom)
{
	static const struct variant v = {.batch = 1};

	if (!mr_bloom_test(bloom, mr_hash_row(mr_hash_key(b->key[0], KEY_BYTES), SPACE)))
		bench_fail("the filter has lost a key");
	if (read_burst(b, &v) != 1)
		bench_fail("no answer");
}

// From the store's opening to the first right answer. @return seconds
static double start_once(struct bench *b, const struct mr_store_params *params,
	struct mr_bloom **bloom, void *mem, size_t bytes, const char *saved)
{
	struct mr_bloom_params sizes = {.capacity_keys = b->n_rows + b->n_rows / 5, .fpr = 0.001};
	double begin = bench_now_ns();
	struct mr_err err = {""};
	FILE *file;

	b->store = mr_store_open(params, &err);
	if (b->store == NULL)
		bench_fail("%s", err.text);
	b->reader = mr_store_reader_create(b->store, BATCH_MAX);
	if (saved == NULL) {
		double scan = bench_now_ns();
		uint64_t keys;

		*bloom = mr_bloom_init(mem, bytes, &sizes);
		keys = build_filter(b->store, *bloom);
		bench_line("start-rebuild-keys", "rate",
			(double)keys / (bench_now_ns() - scan) * 1e9, "keys/s per core");
	} else {
		file = fopen(saved, "r");
		if (file == NULL || fread(mem, 1, bytes, file) != bytes)
			bench_fail("%s", saved);
		fclose(file);
		*bloom = mr_bloom_open(mem, bytes);
		if (*bloom == NULL)
			bench_fail("the saved filter is damaged");
	}
	make_key(b->key[0], 0);
	first_answer(b, *bloom);
	return (bench_now_ns() - begin) / 1e9;
}

static void close_store(struct bench *b)
{
	mr_store_reader_free(b->reader);
	mr_store_close(b->store, NULL);
	b->reader = NULL;
	b->store = NULL;
}

static void bench_start(struct bench *b, const struct mr_store_params *params)
{
	struct mr_bloom_params sizes = {.capacity_keys = b->n_rows + b->n_rows / 5, .fpr = 0.001};
	size_t bytes = mr_bloom_memsize(&sizes);
	void *mem = aligned_alloc(64, MR_ALIGN_UP(bytes, (size_t)64));
	struct mr_bloom *bloom;
	const void *sealed;
	size_t saved_bytes;
	char saved[PATH_MAX];
	FILE *file;

	if (mem == NULL)
		bench_fail("no memory");
	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->gets[i] = (struct mr_store_get){
			.space = SPACE, .key = b->key[i], .key_bytes = KEY_BYTES};
	close_store(b);
	bench_line("start-rebuild", "time", start_once(b, params, &bloom, mem, bytes, NULL), "s");
	close_store(b);
	snprintf(saved, sizeof(saved), "%s/filter", b->dir);
	sealed = mr_bloom_bytes(bloom, &saved_bytes);
	file = fopen(saved, "w");
	if (file == NULL || fwrite(sealed, 1, saved_bytes, file) != saved_bytes ||
		fclose(file) != 0)
		bench_fail("%s", saved);
	bench_line(
		"start-saved", "time", start_once(b, params, &bloom, mem, saved_bytes, saved), "s");
	free(mem);
}

// ---- kinds of tables ---------------------------------------------------------------------------

// A tenth of the rows, in a store of its own that is warm. @return median rate
static void bench_kind(const struct bench *b, const char *name, const char *compression,
	uint32_t block_bytes, bool hash)
{
	static struct bench kind;
	static const struct variant v = {.batch = 64};
	struct mr_store_params params = {
		.path = NULL,
		.block_cache_bytes = CACHE_BYTES,
		.compression = compression,
		.block_bytes = block_bytes,
		.block_hash_index = hash,
		.numa_node = -1,
	};
	struct mr_store_stats stats;
	struct mr_err err = {""};
	struct bench_stat stat;
	char path[PATH_MAX], line[64];

	snprintf(path, sizeof(path), "%s/kind-%s", b->dir, name);
	params.path = path;
	kind = (struct bench){.dir = b->dir, .n_rows = MR_MAX(b->n_rows / 10, 4096u)};
	kind.store = mr_store_open(&params, &err);
	if (kind.store == NULL)
		bench_fail("%s", err.text);
	kind.reader = mr_store_reader_create(kind.store, BATCH_MAX);
	bench_keys_init(&kind.keys, BENCH_UNIFORM, 0, kind.n_rows, 1);
	for (unsigned i = 0; i < BATCH_MAX; i++)
		kind.gets[i] = (struct mr_store_get){
			.space = SPACE, .key = kind.key[i], .key_bytes = KEY_BYTES};
	snprintf(line, sizeof(line), "load, %s", name);
	bench_line(line, "rate", bulk_rate(&kind), "rows/s");
	for (uint64_t n = 0; n < 2 * kind.n_rows; n += v.batch)
		read_burst(&kind, &v);
	stat = measure(&kind, read_burst, &v);
	snprintf(line, sizeof(line), "read 64, %s", name);
	bench_line_stat(line, "rate", &stat, "keys/s");
	mr_store_stats(kind.store, &stats);
	snprintf(line, sizeof(line), "disk, %s", name);
	bench_line(line, "size", (double)stats.sst_bytes / (double)kind.n_rows, "B/row");
	close_store(&kind);
}

static void bench_kinds(const struct bench *b)
{
	static const struct {
		const char *name, *compression;
		uint32_t block_bytes;
		bool hash;
	} kinds[] = {
		{"none-16k", "none", 16 * MR_KIB, false},
		{"lz4-16k", "lz4", 16 * MR_KIB, false},
		{"zstd-16k", "zstd", 16 * MR_KIB, false},
		{"zstd-4k", "zstd", 4 * MR_KIB, false},
		{"zstd-64k", "zstd", 64 * MR_KIB, false},
		{"zstd-16k-hash", "zstd", 16 * MR_KIB, true},
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++)
		bench_kind(b, kinds[i].name, kinds[i].compression, kinds[i].block_bytes,
			kinds[i].hash);
}

// ---- the run -----------------------------------------------------------------------------------

static void open_all(struct bench *b, struct mr_store_params *ret_params)
{
	static char path[PATH_MAX], raw_path[PATH_MAX];
	struct mr_store_params params = {
		.path = path,
		.block_cache_bytes = CACHE_BYTES,
		.wal_keep_s = 3600,
		.numa_node = -1,
	};
	rocksdb_options_t *options = raw_options();
	struct mr_err err = {""};
	char *text = NULL;

	snprintf(path, sizeof(path), "%s/store", b->dir);
	snprintf(raw_path, sizeof(raw_path), "%s/raw", b->dir);
	*ret_params = params;
	b->store = mr_store_open(&params, &err);
	if (b->store == NULL)
		bench_fail("%s", err.text);
	b->reader = mr_store_reader_create(b->store, BATCH_MAX);
	if (b->reader == NULL)
		bench_fail("no memory");
	raw = rocksdb_open(options, raw_path, &text);
	check_rocks(text);
	rocksdb_options_destroy(options);
	raw_write = rocksdb_writeoptions_create();
	bench_keys_init(&b->keys, BENCH_UNIFORM, 0, b->n_rows, 1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct mr_store_params params;
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_MAX];
	uint64_t from;

	b.n_rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	snprintf(dir, sizeof(dir), "%s/bench-store-XXXXXX",
		argc > 2      ? argv[2]
		: tmp != NULL ? tmp
			      : "/tmp");
	bench_begin("store");
	if (b.n_rows < 4096 || mkdtemp(dir) == NULL)
		bench_fail("at least 4096 rows, and a directory to write to (%s)", dir);
	b.dir = dir;
	bench_say("%llu rows of %u + %u bytes in %s", (unsigned long long)b.n_rows, KEY_BYTES,
		ROW_BYTES, dir);
	open_all(&b, &params);
	bench_bulk(&b);
	bench_reads(&b);
	bench_scan(&b);
	from = mr_store_sequence(b.store) + 1;
	bench_commits(&b);
	bench_feed(&b, from);
	bench_as_of(&b);
	bench_start(&b, &params);
	bench_kinds(&b);
	close_store(&b);
	rocksdb_writeoptions_destroy(raw_write);
	rocksdb_close(raw);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
