// SPDX-License-Identifier: BSD-3-Clause
//
// What a lookup in lib/cache costs, row copy and hash included, on one core: by burst size, as a
// rolling pipeline, uniform and Zipf 0.99, present and absent, and beside rte_hash and a map of
// maps; what a fill costs in a full cache; what the cache's memory holds when it is nearly full.
// Costs are given in ns and in L, one random line read with full prefetch on the same kind of
// pages in the same run.
//
// bench_cache [ROWS [ROW_BYTES [ROUNDS]]]: JSON lines to stdout, words for people to stderr.
// Without ROW_BYTES rows of 64 B, and then the main cases with rows of 256 B; cases of rows that
// are not of 64 B end in their size.
#include "bench_dpdk.h"
#include "bench_keys.h"
#include "cache_peers.h"
#include "mr_cache_inline.h"
#include "mr_units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS (1u << 20)
#define LOOKUPS_A_GAUGE 2048u
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
	void (*fn)(struct bench *b, const uint64_t *ids, unsigned n);
	unsigned burst;
	const struct cache_peer *peer;
	void *peer_state;
};

static void draw_ids(struct bench *b);

// @return ns a lookup.
static double timed(struct bench *b, void (*fn)(struct bench *b, const uint64_t *ids, unsigned n))
{
	static struct bench_gauge gauge;

	bench_gauge_reset(&gauge);
	for (unsigned i = 0; i < LOOKUPS; i += LOOKUPS_A_GAUGE) {
		uint64_t start = bench_tsc();

		fn(b, &b->ids[i], LOOKUPS_A_GAUGE);
		bench_gauge_add(&gauge, bench_tsc() - start, LOOKUPS_A_GAUGE);
	}
	b->passes++;
	return bench_gauge_ns(&gauge);
}

static double pass(void *arg)
{
	struct bench *b = arg;

	// Other ids in each pass: a million rows are little enough to stay in a large cache.
	draw_ids(b);
	return timed(b, b->fn);
}

static void run(struct bench *b, const char *name,
	void (*fn)(struct bench *b, const uint64_t *ids, unsigned n), unsigned burst)
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

static void look_up_bursts(struct bench *b, const uint64_t *all, unsigned n)
{
	uint64_t hashes[BURST_MAX];
	static uint8_t reply[BURST_MAX][MR_CACHE_ROW_MAX_BYTES];

	for (unsigned i = 0, burst = b->burst; i < n; i += burst) {
		const uint64_t *ids = &all[i];
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

static void look_up_rolling(struct bench *b, const uint64_t *ids, unsigned n)
{
	uint64_t hashes[128];
	bool second[128] = {false};
	struct mr_cache_asked asked;
	static uint8_t reply[MR_CACHE_ROW_MAX_BYTES];
	uint64_t now = 0;

	for (unsigned i = 0; i < n + 3 * ROLL; i++) {
		if (i % 32 == 0)
			now = tick(b, 32);
		if (i < n) {
			hashes[i % 128] = hash_of(&ids[i]);
			mr_cache_prefetch_inline(b->cache, hashes[i % 128]);
		}
		if (i >= ROLL && i - ROLL < n) {
			second[(i - ROLL) % 128] =
				mr_cache_locate_inline(b->cache, hashes[(i - ROLL) % 128],
					&asked) == MR_CACHE_SECOND;
			mr_cache_prefetch_asked_inline(&asked);
		}
		if (i >= 2 * ROLL && second[(i - 2 * ROLL) % 128])
			mr_cache_prefetch_second_inline(b->cache, hashes[(i - 2 * ROLL) % 128]);
		if (i >= 3 * ROLL)
			look_up(b, &ids[i - 3 * ROLL], hashes[(i - 3 * ROLL) % 128], now, reply);
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

static void fill_new(struct bench *b, const uint64_t *ids, unsigned n)
{
	static uint64_t next = UINT64_C(1) << 40;

	(void)ids;
	for (unsigned i = 0; i < n; i++)
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

// The same order of rows for the cache and its peers, and not that of their ids.
static uint64_t scattered(const struct bench *b, uint64_t i)
{
	return i * UINT64_C(2654435761) % b->n_rows;
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

// ---- peers -------------------------------------------------------------------------------------

static void look_up_peer(struct bench *b, const uint64_t *ids, unsigned n)
{
	uint64_t found = b->peer->look_up(b->peer_state, ids, n);

	if (found != n)
		bench_fail("%s has %" PRIu64 " of %u rows", b->peer->name, found, n);
}

// The same ids to both, in turns.
static void compare(struct bench *b, const char *name)
{
	double ours[BENCH_ROUNDS_MAX], theirs[BENCH_ROUNDS_MAX];
	struct bench_stat our, their;
	char metric[64];

	b->burst = 32;
	for (unsigned i = 0; i <= b->rounds; i++) {
		// The first round warms up.
		unsigned at = i > 0 ? i - 1 : 0;

		draw_ids(b);
		ours[at] = timed(b, look_up_bursts);
		theirs[at] = timed(b, look_up_peer);
	}
	our = bench_stat_of(ours, b->rounds);
	their = bench_stat_of(theirs, b->rounds);
	snprintf(metric, sizeof(metric), "against-%s", b->peer->name);
	bench_line_ratio(name, metric, our.median, &our, "ns", their.median);
	bench_say("%-24s %7.1f ns, %s %.1f ns: %.2f of it", name, our.median, b->peer->name,
		their.median, our.median / their.median);
}

static void compare_all(struct bench *b)
{
	static const uint8_t row[MR_CACHE_ROW_MAX_BYTES];

	for (unsigned i = 0; i < CACHE_PEERS; i++) {
		const struct cache_peer *peer = &cache_peers[i];

		b->peer = peer;
		b->peer_state = peer->open(b->n_rows, b->row_bytes);
		if (b->peer_state == NULL) {
			bench_say("%s: not with rows of %u B", peer->name, b->row_bytes);
			continue;
		}
		for (uint64_t id = 0; id < b->n_rows; id++)
			peer->put(b->peer_state, scattered(b, id), row);
		choose_ids(b, BENCH_UNIFORM, 0, b->n_rows);
		compare(b, "lookup-uniform");
		choose_ids(b, BENCH_ZIPF, 0, b->n_rows);
		compare(b, "lookup-zipf");
		peer->close(b->peer_state);
	}
}

// ---- memory ------------------------------------------------------------------------------------

static void print_memory(const struct mr_cache_stats *s)
{
	double rows = (double)s->rows;
	// Descriptions of pages, and what slots are larger than what is in them.
	double allocator = (double)(s->budget_bytes - s->index_bytes - s->history_bytes -
				    s->value_bytes + s->slot_bytes - s->live_bytes) /
	                   rows;
	double index = (double)s->index_bytes / rows, history = (double)s->history_bytes / rows;

	bench_line("memory-95", "index", index, "B/row");
	bench_line("memory-95", "history", history, "B/row");
	bench_line("memory-95", "allocator", allocator, "B/row");
	bench_line("memory-95", "metadata", index + history + allocator, "B/row");
	bench_line("memory-95", "live", (double)s->live_bytes / (double)s->budget_bytes, "ratio");
	bench_say("%.1f B beside each row: index %.1f, history %.1f, allocator %.1f",
		index + history + allocator, index, history, allocator);
}

static uint64_t fill_until(struct bench *b, struct mr_cache_stats *s, double occupancy)
{
	uint64_t id = 0;

	do {
		for (unsigned i = 0; i < 1000; i++)
			fill_one(b, id++);
		mr_cache_stats(b->cache, s);
	} while ((double)s->slot_bytes < occupancy * (double)s->value_bytes &&
		 s->evictions[MR_CACHE_EVICT_CAPACITY] == 0);
	return id;
}

// A cache without a limit of rows, filled until 95 % of its value memory is taken, and on.
static void fill_budget(struct bench *b, void *mem, uint64_t bytes)
{
	struct mr_cache_params params = {.budget_bytes = bytes,
		.mean_row_bytes = b->row_bytes + 8,
		.crp_ratio = -1,
		.history_ratio = -1};
	static struct mr_cache_stats s;
	uint64_t id, dropped;

	b->accesses = 0;
	b->cache = mr_cache_init(mem, bytes, &params);
	if (b->cache == NULL)
		bench_fail("no cache of %" PRIu64 " bytes", bytes);
	id = fill_until(b, &s, 0.95);
	bench_line("memory-95", "occupancy", (double)s.slot_bytes / (double)s.value_bytes, "ratio");
	print_memory(&s);
	dropped = s.evictions[MR_CACHE_EVICT_BUCKET];
	bench_line("bucket-full", "dropped", (double)dropped / (double)id, "ratio");
	bench_say("%" PRIu64 " of %" PRIu64 " rows dropped because their bucket was full", dropped,
		id);
	for (uint64_t n = s.rows; n > 0; n--)
		fill_one(b, id++);
	mr_cache_stats(b->cache, &s);
	bench_line("bucket-full-churn", "dropped",
		(double)(s.evictions[MR_CACHE_EVICT_BUCKET] - dropped) / (double)s.rows, "ratio");
}

// ---- main --------------------------------------------------------------------------------------

static void run_lookups(struct bench *b, bool all)
{
	static const unsigned bursts[] = {1, 8, 32, 64};
	char name[64];

	choose_ids(b, BENCH_UNIFORM, 0, b->n_rows);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bursts); i++) {
		snprintf(name, sizeof(name), "lookup-uniform-%u", bursts[i]);
		run(b, bursts[i] == 32 ? "lookup-uniform" : name, look_up_bursts, bursts[i]);
	}
	if (all)
		run(b, "lookup-uniform-rolling", look_up_rolling, 1);
	choose_ids(b, BENCH_ZIPF, 0, b->n_rows);
	run(b, "lookup-zipf", look_up_bursts, 32);
	if (!all)
		return;
	run(b, "lookup-zipf-rolling", look_up_rolling, 1);
	choose_ids(b, BENCH_UNIFORM, UINT64_C(1) << 50, b->n_rows);
	run(b, "lookup-absent", look_up_bursts, 32);
}

static void run_churn(struct bench *b)
{
	run(b, "fill-full", fill_new, 1);
	print_shape(b);
	choose_ids(b, BENCH_UNIFORM, UINT64_C(1) << 40, (uint64_t)LOOKUPS * (b->rounds + 1));
	b->only_present = true;
	run(b, "lookup-after-churn", look_up_bursts, 32);
}

static uint64_t budget_of(uint64_t n_rows, unsigned row_bytes)
{
	return MR_MAX(n_rows * (MR_ALIGN_UP(row_bytes + 24, 16u) * 11 / 10 + 20), (uint64_t)MR_MIB);
}

static void run_rows(struct bench *b, unsigned row_bytes, bool all)
{
	struct mr_cache_params params = {.budget_bytes = budget_of(b->n_rows, row_bytes),
		.max_rows = b->n_rows,
		.mean_row_bytes = row_bytes + 8,
		.crp_ratio = -1,
		.history_ratio = -1};
	uint64_t bytes = mr_cache_memsize(&params);
	enum bench_pages pages;
	char suffix[16] = "";
	void *mem;

	if (row_bytes != 64)
		snprintf(suffix, sizeof(suffix), "-%ub", row_bytes);
	bench_rename("cache", suffix);
	b->row_bytes = row_bytes;
	b->accesses = 0;
	mem = bench_map(params.budget_bytes, BENCH_PAGES_RESERVED, &pages);
	bench_say("rows of %u B, cache on pages of %s", row_bytes, bench_pages_names[pages]);
	b->cache = mr_cache_init(mem, bytes, &params);
	if (b->cache == NULL)
		bench_fail("no cache of %" PRIu64 " bytes", bytes);
	for (uint64_t i = 0; i < b->n_rows; i++)
		fill_one(b, scattered(b, i));
	print_shape(b);
	run_lookups(b, all);
	compare_all(b);
	if (all)
		run_churn(b);
	fill_budget(b, mem, bytes);
	bench_unmap(mem, params.budget_bytes);
}

int main(int argc, char **argv)
{
	static struct bench b;

	b.n_rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	b.rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 7;
	b.rounds = MR_MIN(MR_MAX(b.rounds, 1u), BENCH_ROUNDS_MAX);
	bench_begin("cache");
	bench_eal(argv[0], cache_peers_megabytes(b.n_rows));
	bench_lines_open(&b.lines, BENCH_PAGES_RESERVED);
	b.ids = malloc(LOOKUPS * sizeof(*b.ids));
	if (b.ids == NULL)
		return EXIT_FAILURE;
	run_rows(&b, argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 64, true);
	if (argc <= 2)
		run_rows(&b, 256, false);
	free(b.ids);
	return EXIT_SUCCESS;
}
