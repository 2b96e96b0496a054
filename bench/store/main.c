// SPDX-License-Identifier: BSD-3-Clause
//
// What the store does: multi-get by burst size, keys sorted or not, present and absent; commits by
// burst size, synced and not; bulk load; scans; as-of reads; the change feed; the same through an
// I/O lcore; the store opened again; kinds of tables; hits beside compactions and bulk loads.
// Baselines in the same run: RocksDB's own write batches and SST writer with the store's sizes, and
// db_bench multireadrandom where it is installed.
//
// bench_store [--memory] [--rows N] [--dir DIR] [CASE...]: 1000000 rows of 20 + 112 bytes below
// TMPDIR, all cases; JSON lines to stdout, words for people to stderr. --memory prints the MB of
// hugepages wanted. Beside the cases: `table` prints rows as CSV for the tool, `table-rate` what
// RocksDB's SST writer makes of them.
#include "mr_hash.h"
#include "mr_store_bulk.h"
#include "mr_store_feed.h"
#include "store_bench.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_dpdk.h"

// ---- passes ------------------------------------------------------------------------------------

double measure_pass(struct bench *b, burst_fn burst, const struct variant *v)
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

struct bench_stat measure(struct bench *b, burst_fn burst, const struct variant *v)
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

void choose_keys(struct bench *b, const struct variant *v)
{
	uint64_t numbers[BATCH_MAX];

	for (unsigned i = 0; i < v->batch; i++)
		numbers[i] = 2 * bench_keys_next(&b->keys) + v->absent;
	if (v->sorted)
		qsort(numbers, v->batch, sizeof(numbers[0]), compare_numbers);
	for (unsigned i = 0; i < v->batch; i++)
		make_key(b->key[i], numbers[i]);
}

unsigned read_burst(struct bench *b, const struct variant *v)
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

void choose_rows(struct bench *b, const struct variant *v)
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

// ---- the store ---------------------------------------------------------------------------------

void open_store(struct bench *b)
{
	struct mr_err err = {""};

	b->store = mr_store_open(&b->params, &err);
	if (b->store == NULL)
		bench_fail("%s", err.text);
	b->reader = mr_store_reader_create(b->store, BATCH_MAX);
	if (b->reader == NULL)
		bench_fail("no memory");
	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->gets[i] = (struct mr_store_get){
			.space = SPACE, .key = b->key[i], .key_bytes = KEY_BYTES};
	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->puts[i] = (struct mr_store_put){
			.space = WRITE_SPACE,
			.key = b->key[i],
			.key_bytes = KEY_BYTES,
			.row = b->row[i],
			.row_bytes = ROW_BYTES,
			.layout = b->layout,
		};
}

void close_store(struct bench *b)
{
	mr_store_reader_free(b->reader);
	mr_store_close(b->store, NULL);
	b->reader = NULL;
	b->store = NULL;
}

uint64_t build_filter(struct mr_store *store, struct mr_bloom *bloom)
{
	struct mr_store_scan *scan = mr_store_scan_begin(store, 0);
	uint64_t hashes[MR_BLOOM_BURST], keys = 0;
	struct mr_err err = {""};
	int n;

	while ((n = mr_store_scan_hashes(scan, hashes, MR_BLOOM_BURST, &err)) > 0) {
		mr_bloom_add_bulk(bloom, hashes, (unsigned)n);
		keys += (unsigned)n;
	}
	check(n, &err);
	mr_store_scan_end(scan);
	return keys;
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
			.layout = p->b->layout,
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

double bulk_rate(struct bench *b)
{
	struct bulk_part parts[MR_STORE_BULK_PARTS_MAX];
	unsigned n_parts = (unsigned)MR_MIN(sysconf(_SC_NPROCESSORS_ONLN), 8L);
	struct mr_err err = {""};
	struct mr_store_bulk *bulk = mr_store_bulk_begin(b->store, SPACE, false, &err);
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
		base[i] = rocks_sst_rate(b);
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
		{"read 16, sorted", {.batch = 16, .sorted = true}},
		{"read 32, sorted", {.batch = 32, .sorted = true}},
		{"read 32, unsorted", {.batch = 32}},
		{"read 64, sorted", {.batch = 64, .sorted = true}},
		{"read 64, unsorted", {.batch = 64}},
		{"read 128, sorted", {.batch = 128, .sorted = true}},
		{"read 1, absent", {.batch = 1, .absent = true}},
		{"read 64, absent", {.batch = 64, .absent = true}},
	};
	static double rates[MR_ARRAY_SIZE(cases)][PASSES];
	double base[PASSES];
	struct bench_stat reference;

	warm_up(b);
	// In turns, so that all see the machine in the same mood.
	for (unsigned pass = 0; pass < PASSES; pass++) {
		base[pass] = db_bench_rate(b, 64);
		for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
			rates[i][pass] = measure_pass(b, read_burst, &cases[i].variant);
	}
	reference = bench_stat_of(base, PASSES);
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct bench_stat stat = bench_stat_of(rates[i], PASSES);

		if (reference.median > 0 && !cases[i].variant.absent)
			bench_line_ratio(cases[i].name, "rate", stat.median, &stat, "keys/s",
				reference.median);
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
	for (unsigned i = 0; i < BATCH_MAX; i++)
		b->gets[i].space = SPACE;
}

static void bench_commits(struct bench *b)
{
	static const unsigned batches[] = {1, 32, 128};
	char name[64];

	for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(batches); i++) {
		struct variant v = {.batch = batches[i / 2], .sync = i % 2 == 1};
		double rates[PASSES], base[PASSES];
		struct bench_stat stat;

		for (unsigned pass = 0; pass < PASSES; pass++) {
			base[pass] = measure_pass(b, rocks_commit_burst, &v);
			rates[pass] = measure_pass(b, commit_burst, &v);
		}
		stat = bench_stat_of(rates, PASSES);

		snprintf(name, sizeof(name), "commit %u, %s", v.batch,
			v.sync ? "synced" : "unsynced");
		bench_line_ratio(name, "rate", stat.median, &stat, "rows/s",
			bench_stat_of(base, PASSES).median);
		if (v.sync && v.batch == BATCH_MAX && b->bulk_rate > 0)
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

// ---- the run -----------------------------------------------------------------------------------

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static const char *const case_names[] = {"bulk", "reads", "scan", "commits", "feed", "as-of",
	"io-reads", "io-writes", "start", "kinds", "hits"};

struct options {
	uint64_t n_rows;
	const char *dir;
	int n_cases;
	char **cases;
	bool memory;
};

static bool is_wanted(const struct options *o, const char *name)
{
	for (int i = 0; i < o->n_cases; i++)
		if (strcmp(o->cases[i], name) == 0)
			return true;
	return o->n_cases == 0;
}

static void parse(struct options *o, int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	int at = 1;

	*o = (struct options){.n_rows = 1000000, .dir = tmp != NULL ? tmp : "/tmp"};
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--memory") == 0)
			o->memory = true;
		else if (strcmp(argv[at], "--rows") == 0 && at + 1 < argc)
			o->n_rows = strtoull(argv[++at], NULL, 10);
		else if (strcmp(argv[at], "--dir") == 0 && at + 1 < argc)
			o->dir = argv[++at];
		else
			bench_fail("what is %s?", argv[at]);
	}
	o->n_cases = argc - at;
	o->cases = argv + at;
}

static void begin(struct bench *b, const struct options *o)
{
	static char dir[PATH_MAX], path[PATH_MAX + 16];

	snprintf(dir, sizeof(dir), "%s/bench-store-XXXXXX", o->dir);
	if (o->n_rows < 4096 || mkdtemp(dir) == NULL)
		bench_fail("at least 4096 rows, and a directory to write to (%s)", dir);
	snprintf(path, sizeof(path), "%s/store", dir);
	b->n_rows = o->n_rows;
	b->dir = dir;
	b->layout = catalog_layout();
	b->params = (struct mr_store_params){
		.path = path,
		.block_cache_bytes = CACHE_BYTES,
		.wal_keep_s = 3600,
		.numa_node = -1,
	};
	bench_keys_init(&b->keys, BENCH_UNIFORM, 0, b->n_rows, 1);
	open_store(b);
	rocks_open(b);
	bench_say("%llu rows of %u + %u bytes in %s", (unsigned long long)b->n_rows, KEY_BYTES,
		ROW_BYTES, dir);
}

static void run(struct bench *b, const struct options *o)
{
	bool io_reads = is_wanted(o, "io-reads"), io_writes = is_wanted(o, "io-writes");
	uint64_t from;

	if (is_wanted(o, "bulk"))
		bench_bulk(b);
	else
		bulk_rate(b);
	if (is_wanted(o, "reads"))
		bench_reads(b);
	if (is_wanted(o, "scan"))
		bench_scan(b);
	from = mr_store_sequence(b->store) + 1;
	if (is_wanted(o, "commits") || is_wanted(o, "feed") || is_wanted(o, "as-of"))
		bench_commits(b);
	if (is_wanted(o, "feed"))
		bench_feed(b, from);
	if (is_wanted(o, "as-of"))
		bench_as_of(b);
	if (io_reads || io_writes)
		bench_path(b, io_reads, io_writes);
	if (is_wanted(o, "start"))
		bench_start(b);
	if (is_wanted(o, "kinds"))
		bench_kinds(b);
	if (is_wanted(o, "hits"))
		bench_hits(b);
}

static void check_names(const struct options *o)
{
	for (int i = 0; i < o->n_cases; i++) {
		bool known = false;

		for (size_t k = 0; k < MR_ARRAY_SIZE(case_names); k++)
			known = known || strcmp(o->cases[i], case_names[k]) == 0;
		if (!known)
			bench_fail("no case is named %s", o->cases[i]);
	}
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct options o;

	parse(&o, argc, argv);
	if (o.memory)
		return printf("%u\n", bench_hits_megabytes()) < 0;
	if (o.n_cases == 1 && strcmp(o.cases[0], "table") == 0)
		return print_table(o.n_rows), 0;
	bench_begin("store");
	if (o.n_cases == 1 && strcmp(o.cases[0], "table-rate") == 0) {
		b = (struct bench){.dir = o.dir, .n_rows = o.n_rows};
		bench_line("sst-writer", "rate", rocks_table_rate(&b), "rows/s");
		return 0;
	}
	check_names(&o);
	bench_eal(argv[0], bench_hits_megabytes());
	begin(&b, &o);
	run(&b, &o);
	close_store(&b);
	rocks_close();
	nftw(b.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
