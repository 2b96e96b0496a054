// SPDX-License-Identifier: BSD-3-Clause
//
// What a lookup in lib/cache costs, row copy and hash included, on one core: by burst size, as a
// rolling pipeline, uniform and Zipf 0.99, present and absent; and what a fill costs in a full
// cache. Costs are given in ns and in L, one random line read with full prefetch on the same kind
// of pages in the same run.
//
// bench_cache [ROWS [ROW_BYTES [ROUNDS]]]: JSON lines to stdout, words for people to stderr.
#include "mr_cache_inline.h"
#include "mr_rng.h"
#include "mr_units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define LOOKUPS (1u << 20)
#define BURST_MAX 64u
#define ROUNDS_MAX 31u
#define LINES_SPAN_BYTES (2 * MR_GIB)
#define SPACE 65537u
#define ROLL 24u

struct bench {
	struct mr_cache *cache;
	uint64_t n_rows;
	unsigned row_bytes;
	unsigned rounds;
	uint64_t accesses;
	const void *mem;
	uint64_t *ids;
	uint64_t sink;
	uint64_t hits;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *map(size_t bytes, const char **ret_pages)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem = mmap(NULL, MR_ALIGN_UP(bytes, (size_t)2 * MR_MIB), PROT_READ | PROT_WRITE,
		flags | MAP_HUGETLB, -1, 0);

	*ret_pages = "2 MiB, reserved";
	if (mem != MAP_FAILED)
		return mem;
	mem = mmap(NULL, bytes + 2 * MR_MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem == MAP_FAILED) {
		perror("bench_cache: mmap");
		exit(EXIT_FAILURE);
	}
	mem = (void *)MR_ALIGN_UP((uintptr_t)mem, (uintptr_t)(2 * MR_MIB));
	*ret_pages = madvise(mem, bytes, MADV_HUGEPAGE) == 0 ? "2 MiB, transparent" : "4 KiB";
	return mem;
}

static void print(const char *name, const char *metric, double value, const char *unit)
{
	printf("{\"bench\":\"cache\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,"
	       "\"unit\":\"%s\"}\n",
		name, metric, value, unit);
	fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** Medians over the rounds, and the spread. */
struct result {
	double ns, spread_ns, line_ns, cost_lines;
};

static double time_once(
	struct bench *b, void (*fn)(struct bench *b, unsigned burst), unsigned burst)
{
	double start = now_ns();

	fn(b, burst);
	return (now_ns() - start) / LOOKUPS;
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static void read_lines(struct bench *b, unsigned burst);

// Random lines are read in turn with the lookups: neighbours on the machine disturb both alike.
static struct result measure(
	struct bench *b, void (*fn)(struct bench *b, unsigned burst), unsigned burst)
{
	double ns[ROUNDS_MAX], lines[ROUNDS_MAX], costs[ROUNDS_MAX];
	struct result r;

	fn(b, burst);
	b->hits = 0;
	for (unsigned i = 0; i < b->rounds; i++) {
		lines[i] = time_once(b, read_lines, 32);
		ns[i] = time_once(b, fn, burst);
		costs[i] = ns[i] / lines[i];
	}
	r.ns = median(ns, b->rounds);
	r.spread_ns = ns[b->rounds - 1] - ns[0];
	r.line_ns = median(lines, b->rounds);
	r.cost_lines = median(costs, b->rounds);
	return r;
}

static void run(struct bench *b, const char *name, void (*fn)(struct bench *b, unsigned burst),
	unsigned burst)
{
	struct result r = measure(b, fn, burst);

	print(name, "time", r.ns, "ns");
	print(name, "spread", r.spread_ns, "ns");
	print(name, "line", r.line_ns, "ns");
	print(name, "cost", r.cost_lines, "L");
	fprintf(stderr, "%-24s %6.1f ns +-%5.1f  %6.2f L of %4.1f ns  hits %.3f\n", name, r.ns,
		r.spread_ns / 2, r.cost_lines, r.line_ns, (double)b->hits / LOOKUPS / b->rounds);
}

// ---- one random line ---------------------------------------------------------------------------

static void read_lines(struct bench *b, unsigned burst)
{
	const uint8_t *span = b->mem;
	uint64_t n_lines = LINES_SPAN_BYTES / MR_CACHE_LINE_BYTES, at[BURST_MAX];
	struct mr_rng rng = {.state = b->accesses++};

	for (unsigned i = 0; i < LOOKUPS; i += burst) {
		for (unsigned j = 0; j < burst; j++) {
			at[j] = mr_rng_below(&rng, n_lines) * MR_CACHE_LINE_BYTES;
			mr_prefetch(span + at[j]);
		}
		for (unsigned j = 0; j < burst; j++)
			b->sink += span[at[j]];
	}
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

static void uniform_ids(struct bench *b, uint64_t first)
{
	struct mr_rng rng = {.state = 1};

	for (unsigned i = 0; i < LOOKUPS; i++)
		b->ids[i] = first + mr_rng_below(&rng, b->n_rows);
}

// Zipf 0.99 by the method of Gray et al. (SIGMOD 1994); ranks are scattered over the ids.
static void zipf_ids(struct bench *b)
{
	const double theta = 0.99;
	double n = (double)b->n_rows, zeta = 0, two = 1 + pow(0.5, theta), eta;
	struct mr_rng rng = {.state = 2};

	for (uint64_t i = 1; i <= b->n_rows; i++)
		zeta += pow(1 / (double)i, theta);
	eta = (1 - pow(2 / n, 1 - theta)) / (1 - two / zeta);
	for (unsigned i = 0; i < LOOKUPS; i++) {
		double u = mr_rng_unit(&rng), uz = u * zeta;
		uint64_t rank = uz < 1 ? 0
		                : uz < two
		                        ? 1
		                        : (uint64_t)(n * pow(eta * u - eta + 1, 1 / (1 - theta)));

		b->ids[i] = MR_MIN(rank, b->n_rows - 1) * UINT64_C(2654435761) % b->n_rows;
	}
}

// Only keys that are cached.
static void present_ids(struct bench *b, uint64_t first, uint64_t n)
{
	struct mr_rng rng = {.state = 3};
	struct mr_cache_ref ref;

	for (unsigned i = 0; i < LOOKUPS;) {
		b->ids[i] = first + mr_rng_below(&rng, n);
		i += mr_cache_find(b->cache, hash_of(&b->ids[i]), SPACE, &b->ids[i],
			sizeof(b->ids[i]), tick(b, 0), &ref);
	}
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
	const char *pages;
	char name[64];
	void *mem;

	b.rounds = MR_MAX(MR_MIN(b.rounds, ROUNDS_MAX), 1u);
	params.budget_bytes = b.n_rows * (MR_ALIGN_UP(b.row_bytes + 24, 16u) * 11 / 10 + 20);
	params.budget_bytes = MR_MAX(params.budget_bytes, (uint64_t)MR_MIB);
	params.max_rows = b.n_rows;
	mem = map(MR_MAX(params.budget_bytes, LINES_SPAN_BYTES), &pages);
	b.ids = malloc(LOOKUPS * sizeof(*b.ids));
	if (b.ids == NULL)
		return EXIT_FAILURE;
	memset(mem, 1, MR_MAX(params.budget_bytes, LINES_SPAN_BYTES));
	b.mem = mem;
	fprintf(stderr, "pages: %s\n", pages);
	b.cache = mr_cache_init(mem, mr_cache_memsize(&params), &params);
	if (b.cache == NULL) {
		perror("bench_cache: mr_cache_init");
		return EXIT_FAILURE;
	}
	for (uint64_t id = 0; id < b.n_rows; id++)
		fill_one(&b, id * UINT64_C(2654435761) % b.n_rows);
	print_shape(&b);
	run(&b, "line", read_lines, 32);
	uniform_ids(&b, 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bursts); i++) {
		snprintf(name, sizeof(name), "lookup-uniform-%u", bursts[i]);
		run(&b, bursts[i] == 32 ? "lookup-uniform" : name, look_up_bursts, bursts[i]);
	}
	run(&b, "lookup-uniform-rolling", look_up_rolling, 1);
	zipf_ids(&b);
	run(&b, "lookup-zipf", look_up_bursts, 32);
	run(&b, "lookup-zipf-rolling", look_up_rolling, 1);
	uniform_ids(&b, UINT64_C(1) << 50);
	run(&b, "lookup-absent", look_up_bursts, 32);
	run(&b, "fill-full", fill_new, 1);
	print_shape(&b);
	present_ids(&b, UINT64_C(1) << 40, (uint64_t)LOOKUPS * (b.rounds + 1));
	run(&b, "lookup-after-churn", look_up_bursts, 32);
	free(b.ids);
	return b.sink == 42 ? EXIT_FAILURE : EXIT_SUCCESS;
}
