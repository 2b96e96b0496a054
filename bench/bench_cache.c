// SPDX-License-Identifier: BSD-3-Clause
//
// What a lookup in lib/cache costs, row copy and hash included, on one core: by burst size, as a
// rolling pipeline, uniform and Zipf 0.99, present and absent; and what a fill costs in a full
// cache. Costs are given in ns and in L, one random line read with full prefetch on the same kind
// of pages in the same run.
//
// bench_cache [ROWS [ROW_BYTES [ROUNDS]]]: JSON lines to stdout, words for people to stderr.
#include "bench.h"
#include "bench_keys.h"
#include "mr_cache_inline.h"
#include "mr_units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS (1u << 20)
#define BURST_MAX 64u
#define SPACE 65537u
#define ROLL 24u

struct bench {
	struct mr_cache *cache;
	uint64_t n_rows;
	unsigned row_bytes;
	unsigned rounds;
	uint64_t accesses;
	struct bench_lines lines;
	struct bench_keys keys;
	bool only_present; // draw ids until one is cached
	uint64_t *ids;
	uint64_t hits;
	unsigned passes;
	void (*fn)(struct bench *b, unsigned burst);
	unsigned burst;
};

static void draw_ids(struct bench *b);

static double pass(void *arg)
{
	struct bench *b = arg;
	double start;

	// Other ids in each pass: a million rows are little enough to stay in a large cache.
	draw_ids(b);
	start = bench_now_ns();
	b->fn(b, b->burst);
	b->passes++;
	return (bench_now_ns() - start) / LOOKUPS;
}

static void run(struct bench *b, const char *name, void (*fn)(struct bench *b, unsigned burst),
	unsigned burst)
{
	struct bench_cost cost;

	b->fn = fn;
	b->burst = burst;
	b->hits = b->passes = 0;
	cost = bench_measure(&b->lines, pass, b, b->rounds);
	bench_line_cost(name, &cost);
	bench_line(name, "hits", (double)b->hits / LOOKUPS / b->passes, "ratio");
}

// ---- lookups -----------------------------------------------------------------------------------

static uint64_t hash_of(const uint64_t *id)
{
	return mr_hash_row(mr_hash_key(id, sizeof(*id)), SPACE);
}

static mr_always_inline void look_up(
	struct bench *b, const uint64_t *id, uint64_t hash, uint64_t now, uint8_t *to)
{
	struct mr_cache_ref ref;

	if (!mr_cache_find_inline(b->cache, hash, SPACE, id, sizeof(*id), now, &ref))
		return;
	// The length is data, as it is for the RX lcore.
	if (mr_likely(ref.row_bytes == 64))
		memcpy(to, ref.row, 64);
	else
		memcpy(to, ref.row, ref.row_bytes);
	b->hits += mr_cache_valid_inline(&ref);
}

static uint64_t tick(struct bench *b, unsigned n)
{
	b->accesses += n;
	return b->accesses / mr_cache_tick_accesses(b->cache);
}

static void look_up_bursts(struct bench *b, unsigned burst)
{
	uint64_t hashes[BURST_MAX];
	static uint8_t reply[BURST_MAX][MR_CACHE_ROW_MAX_BYTES];

	for (unsigned i = 0; i < LOOKUPS; i += burst) {
		const uint64_t *ids = &b->ids[i];
		uint64_t now = tick(b, burst);

		for (unsigned j = 0; j < burst; j++) {
			hashes[j] = hash_of(&ids[j]);
			mr_cache_prefetch_inline(b->cache, hashes[j]);
		}
		mr_cache_prefetch_row_bulk_inline(b->cache, hashes, burst);
		for (unsigned j = 0; j < burst; j++)
			look_up(b, &ids[j], hashes[j], now, reply[j]);
	}
}

static void look_up_rolling(struct bench *b, unsigned burst)
{
	uint64_t hashes[128];
	bool second[128] = {false};
	static uint8_t reply[MR_CACHE_ROW_MAX_BYTES];
	uint64_t now = 0;

	(void)burst;
	for (unsigned i = 0; i < LOOKUPS + 3 * ROLL; i++) {
		if (i % 32 == 0)
			now = tick(b, 32);
		if (i < LOOKUPS) {
			hashes[i % 128] = hash_of(&b->ids[i]);
			mr_cache_prefetch_inline(b->cache, hashes[i % 128]);
		}
		if (i >= ROLL && i - ROLL < LOOKUPS)
			second[(i - ROLL) % 128] =
				mr_cache_prefetch_row_inline(b->cache, hashes[(i - ROLL) % 128]);
		if (i >= 2 * ROLL && second[(i - 2 * ROLL) % 128])
			mr_cache_prefetch_second_inline(b->cache, hashes[(i - 2 * ROLL) % 128]);
		if (i >= 3 * ROLL)
			look_up(b, &b->ids[i - 3 * ROLL], hashes[(i - 3 * ROLL) % 128], now, reply);
	}
}

// ---- fills -------------------------------------------------------------------------------------

static void fill_one(struct bench *b, uint64_t id)
{
	static uint8_t bytes[MR_CACHE_ROW_MAX_BYTES];
	struct mr_cache_row row = {.hash = hash_of(&id),
		.space = SPACE,
		.key = &id,
		.key_bytes = sizeof(id),
		.row = bytes,
		.row_bytes = b->row_bytes,
		.event_time_us = 1};

	mr_cache_fill(b->cache, &row, mr_cache_lease(b->cache, row.hash), tick(b, 1));
}

static void fill_new(struct bench *b, unsigned burst)
{
	static uint64_t next = UINT64_C(1) << 40;

	(void)burst;
	for (unsigned i = 0; i < LOOKUPS; i++)
		fill_one(b, next++);
}

// ---- keys --------------------------------------------------------------------------------------

static bool is_cached(struct bench *b, const uint64_t *id)
{
	struct mr_cache_ref ref;

	return mr_cache_find(b->cache, hash_of(id), SPACE, id, sizeof(*id), tick(b, 0), &ref);
}

static void draw_ids(struct bench *b)
{
	for (unsigned i = 0; i < LOOKUPS; i++)
		do
			b->ids[i] = bench_keys_next(&b->keys);
		while (b->only_present && !is_cached(b, &b->ids[i]));
}

static void choose_ids(struct bench *b, enum bench_skew skew, uint64_t first, uint64_t n)
{
	bench_keys_init(&b->keys, skew, first, n, 1);
	b->only_present = false;
}

static void print_shape(struct bench *b)
{
	static struct mr_cache_stats s;
	uint64_t guests = 0;

	mr_cache_stats(b->cache, &s);
	for (uint64_t i = 0; i < b->cache->n_buckets; i++)
		guests += (uint64_t)__builtin_popcountll(
			atomic_load_explicit(&b->cache->buckets[i].tags, memory_order_relaxed) >>
			56);
	fprintf(stderr,
		"%" PRIu64 " rows, %.1f %% of slots, %.1f %% in their second bucket, %.1f B of "
		"index and history a row, %" PRIu64 " bucket evictions\n",
		s.rows, 100.0 * (double)s.rows / (double)s.row_slots,
		100.0 * (double)guests / (double)s.rows,
		(double)(s.index_bytes + s.history_bytes) / (double)s.rows,
		s.evictions[MR_CACHE_EVICT_BUCKET]);
}

int main(int argc, char **argv)
{
	static const unsigned bursts[] = {1, 8, 32, 64};
	struct bench b = {.n_rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000,
		.row_bytes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 64,
		.rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 7};
	struct mr_cache_params params = {
		.mean_row_bytes = b.row_bytes + 8, .crp_ratio = -1, .history_ratio = -1};
	enum bench_pages pages;
	char name[64];
	void *mem;

	b.rounds = MR_MAX(b.rounds, 1u);
	params.budget_bytes = b.n_rows * (MR_ALIGN_UP(b.row_bytes + 24, 16u) * 11 / 10 + 20);
	params.budget_bytes = MR_MAX(params.budget_bytes, (uint64_t)MR_MIB);
	params.max_rows = b.n_rows;
	bench_begin("cache");
	mem = bench_map(params.budget_bytes, BENCH_PAGES_RESERVED, &pages);
	bench_say("cache on pages of %s", bench_pages_names[pages]);
	bench_lines_open(&b.lines, BENCH_PAGES_RESERVED);
	b.ids = malloc(LOOKUPS * sizeof(*b.ids));
	if (b.ids == NULL)
		return EXIT_FAILURE;
	b.cache = mr_cache_init(mem, mr_cache_memsize(&params), &params);
	if (b.cache == NULL) {
		perror("bench_cache: mr_cache_init");
		return EXIT_FAILURE;
	}
	for (uint64_t id = 0; id < b.n_rows; id++)
		fill_one(&b, id * UINT64_C(2654435761) % b.n_rows);
	print_shape(&b);
	choose_ids(&b, BENCH_UNIFORM, 0, b.n_rows);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bursts); i++) {
		snprintf(name, sizeof(name), "lookup-uniform-%u", bursts[i]);
		run(&b, bursts[i] == 32 ? "lookup-uniform" : name, look_up_bursts, bursts[i]);
	}
	run(&b, "lookup-uniform-rolling", look_up_rolling, 1);
	choose_ids(&b, BENCH_ZIPF, 0, b.n_rows);
	run(&b, "lookup-zipf", look_up_bursts, 32);
	run(&b, "lookup-zipf-rolling", look_up_rolling, 1);
	choose_ids(&b, BENCH_UNIFORM, UINT64_C(1) << 50, b.n_rows);
	run(&b, "lookup-absent", look_up_bursts, 32);
	run(&b, "fill-full", fill_new, 1);
	print_shape(&b);
	choose_ids(&b, BENCH_UNIFORM, UINT64_C(1) << 40, (uint64_t)LOOKUPS * (b.rounds + 1));
	b.only_present = true;
	run(&b, "lookup-after-churn", look_up_bursts, 32);
	free(b.ids);
	return EXIT_SUCCESS;
}
