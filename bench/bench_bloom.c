// SPDX-License-Identifier: BSD-3-Clause
//
// The Bloom filter against the memory system. One JSON object a line on stdout, text for people on
// stderr. The unit L is one random line read out of 2 MiB pages, prefetched in batches of 32 over a
// span far beyond the last-level cache, measured here before and after the filter.
//
//     bench_bloom [KEYS]...     default: 1000000 10000000; the table of goals wants 100000000 too
#include "mr_bloom.h"
#include "mr_rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SPAN_BYTES (UINT64_C(2) << 30)
#define PROBES (1u << 22) // lines touched in a pass: beyond what the caches keep
#define REPEATS 9
#define HUGE_BYTES (UINT64_C(2) << 20)
#define FPR 0.000915 // 16 bits a key

static uint64_t *probes; // PROBES hashes, read in order
static uint64_t sink;	 // keeps results alive

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t now_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return now_ns();
#endif
}

static void *huge_alloc(size_t bytes)
{
	size_t whole = MR_ALIGN_UP(bytes, HUGE_BYTES);
	void *mem = aligned_alloc(HUGE_BYTES, whole);

	if (mem == NULL) {
		fprintf(stderr, "bench_bloom: no memory for %zu bytes\n", whole);
		exit(1);
	}
	if (madvise(mem, whole, MADV_HUGEPAGE) < 0)
		fprintf(stderr, "bench_bloom: no transparent 2 MiB pages: %s\n", strerror(errno));
	return mem;
}

static void print_line(const char *name, const char *metric, double value, const char *unit)
{
	printf("{\"bench\":\"bloom\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,"
	       "\"unit\":\"%s\"}\n",
		name, metric, value, unit);
	fflush(stdout);
}

struct cost {
	double ns, cycles; // medians a key
	double spread;	   // upper quartile over lower
};

// Key i of stream 0 is in the filter; keys of stream 1 are not.
static uint64_t key_of(uint64_t stream, uint64_t i)
{
	struct mr_rng rng = {(2 * i + stream) * UINT64_C(0x9e3779b97f4a7c15)};

	return mr_rng_next(&rng);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

// Times a pass over all probes, after one that warms up.
static struct cost measure(void (*pass)(void *arg, unsigned batch), void *arg, unsigned batch)
{
	double ns[REPEATS], cycles[REPEATS];

	pass(arg, batch);
	for (unsigned i = 0; i < REPEATS; i++) {
		uint64_t t = now_ns(), c = now_cycles();

		pass(arg, batch);
		cycles[i] = (double)(now_cycles() - c) / PROBES;
		ns[i] = (double)(now_ns() - t) / PROBES;
	}
	qsort(ns, REPEATS, sizeof(ns[0]), by_value);
	qsort(cycles, REPEATS, sizeof(cycles[0]), by_value);
	return (struct cost){
		ns[REPEATS / 2], cycles[REPEATS / 2], ns[REPEATS * 3 / 4] / ns[REPEATS / 4]};
}

// Other lines in every pass, so that a large cache does not come to know them.
static void pass_lines(void *arg, unsigned batch)
{
	static uint64_t odd = 1;
	const uint64_t lines = SPAN_BYTES / MR_CACHE_LINE_BYTES;
	const uint8_t *span = arg;
	uint64_t sum = 0;

	for (unsigned at = 0; at < PROBES; at += batch) {
		const uint64_t *p = probes + at;
		const uint8_t *line[MR_BLOOM_BURST];

		for (unsigned i = 0; i < batch; i++) {
			line[i] = span +
				  (uint64_t)(((unsigned __int128)(p[i] * odd) * lines) >> 64) * 64;
			mr_prefetch(line[i]);
		}
		for (unsigned i = 0; i < batch; i++)
			sum += *(const uint64_t *)line[i];
	}
	odd += UINT64_C(0x9e3779b97f4a7c16);
	sink += sum;
}

static void pass_test(void *arg, unsigned batch)
{
	const struct mr_bloom *bloom = arg;
	uint64_t sum = 0;

	for (unsigned at = 0; at < PROBES; at += batch) {
		mr_bloom_prefetch_bulk(bloom, probes + at, batch);
		sum += (unsigned)__builtin_popcountll(
			mr_bloom_test_bulk(bloom, probes + at, batch));
	}
	sink = sum;
}

static void fill_probes(uint64_t stream, uint64_t keys)
{
	struct mr_rng rng = {42};

	for (unsigned i = 0; i < PROBES; i++)
		probes[i] = key_of(stream, stream == 0 ? mr_rng_below(&rng, keys) : i);
}

static double line_cost(void *span)
{
	fill_probes(1, 0);
	return measure(pass_lines, span, 32).ns;
}

// Adds keys [0, keys) and prints what that cost.
static void fill(struct mr_bloom *bloom, const char *name, uint64_t keys)
{
	uint64_t hashes[MR_BLOOM_BURST], t = now_ns();

	for (uint64_t i = 0; i < keys;) {
		unsigned n = 0;

		while (n < 32 && i < keys)
			hashes[n++] = key_of(0, i++);
		mr_bloom_add_bulk(bloom, hashes, n);
	}
	print_line(name, "add-b32", (double)(now_ns() - t) / (double)keys, "ns/key");
}

static void print_cost(const char *name, const char *what, unsigned batch, struct cost cost)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "%s-b%u", what, batch);
	print_line(name, metric, cost.ns, "ns/key");
	snprintf(metric, sizeof(metric), "%s-b%u-cycles", what, batch);
	print_line(name, metric, cost.cycles, "cycles/key");
	snprintf(metric, sizeof(metric), "%s-b%u-spread", what, batch);
	print_line(name, metric, cost.spread, "q3/q1");
}

// All batches over the probes at hand. @return the cost at 32.
static double measure_batches(struct mr_bloom *bloom, const char *name, const char *what)
{
	static const unsigned batches[] = {1, 8, 32, 64};
	double at_32 = 0;

	for (unsigned i = 0; i < MR_ARRAY_SIZE(batches); i++) {
		struct cost cost = measure(pass_test, bloom, batches[i]);

		print_cost(name, what, batches[i], cost);
		if (batches[i] == 32)
			at_32 = cost.ns;
	}
	return at_32;
}

static void compare_isas(struct mr_bloom *bloom, const char *name)
{
	for (unsigned isa = 0; isa < MR_BLOOM_ISA_COUNT; isa++)
		if (mr_bloom_set_isa(bloom, isa) == 0)
			print_cost(name, mr_bloom_isa_name(isa), 32, measure(pass_test, bloom, 32));
	mr_bloom_set_isa(bloom, mr_bloom_isa_best());
}

// The worse of present and absent at batch 32 is what the goal is held against.
static void bench_keys(uint64_t keys, void *span)
{
	struct mr_bloom_params params = {.capacity_keys = keys, .fpr = FPR};
	size_t bytes = mr_bloom_memsize(&params);
	void *mem = huge_alloc(bytes);
	struct mr_bloom *bloom = mr_bloom_init(mem, bytes, &params);
	struct mr_bloom_stats stats;
	double line_before, line_after, line, present, absent;
	char name[32];

	snprintf(name, sizeof(name), keys % 1000000 == 0 ? "test-%jum" : "test-%ju-keys",
		(uintmax_t)(keys % 1000000 == 0 ? keys / 1000000 : keys));
	fill(bloom, name, keys);
	mr_bloom_stats(bloom, &stats);
	line_before = line_cost(span);
	fill_probes(1, keys);
	absent = measure_batches(bloom, name, "absent");
	print_line(name, "fpr", 100.0 * (double)sink / PROBES, "%");
	print_line(name, "fpr-formula", 100.0 * stats.fpr_formula, "%");
	print_line(name, "bits", stats.bits_per_key, "bits/key");
	compare_isas(bloom, name);
	fill_probes(0, keys);
	present = measure_batches(bloom, name, "present");
	if (sink != PROBES)
		fprintf(stderr, "bench_bloom: %u false negatives\n", (unsigned)(PROBES - sink));
	line_after = line_cost(span);
	line = (line_before + line_after) / 2;
	print_line(name, "line", line, "ns");
	print_line(name, "line-drift", line_after / line_before, "after/before");
	print_line(name, "cost", MR_MAX(present, absent) / line, "L");
	free(mem);
}

int main(int argc, char **argv)
{
	static const uint64_t usual[] = {1000000, 10000000};
	void *span = huge_alloc(SPAN_BYTES);

	probes = huge_alloc(PROBES * sizeof(probes[0]));
	memset(span, 1, SPAN_BYTES);
	fprintf(stderr, "bench_bloom: best kind %s, %u probes a pass, median of %u passes\n",
		mr_bloom_isa_name(mr_bloom_isa_best()), PROBES, REPEATS);
	for (unsigned i = 0; argc == 1 && i < MR_ARRAY_SIZE(usual); i++)
		bench_keys(usual[i], span);
	for (int i = 1; i < argc; i++) {
		uint64_t keys = strtoull(argv[i], NULL, 10);

		if (keys == 0) {
			fprintf(stderr, "bench_bloom: '%s' is no number of keys\n", argv[i]);
			return 2;
		}
		bench_keys(keys, span);
	}
	return 0;
}
