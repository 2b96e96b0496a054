// SPDX-License-Identifier: BSD-3-Clause
//
// The Bloom filter against the memory system: tests of absent and of present keys by burst size,
// the kinds of SIMD, and adds. The worse of absent and present at burst 32 is the cost that the
// goal is held against.
//
// bench_bloom [KEYS]...     default: 1000000 10000000 100000000
#include "bench.h"
#include "mr_bloom.h"
#include "mr_rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBES (1u << 20)
#define ROUNDS 11u
#define FPR 0.000915 // 16 bits a key

struct bench {
	struct bench_lines lines;
	struct mr_bloom *bloom;
	uint64_t n_keys;
	bool present;      // ask for keys that are there
	uint64_t next;     // of the keys that are not
	struct mr_rng rng; // of the keys that are
	unsigned batch;
	uint64_t maybe, tests;
	uint64_t *probes; // PROBES hashes, read in order
};

// Key i of stream 0 is in the filter; keys of stream 1 are not.
static uint64_t key_of(uint64_t stream, uint64_t i)
{
	struct mr_rng rng = {(2 * i + stream) * UINT64_C(0x9e3779b97f4a7c15)};

	return mr_rng_next(&rng);
}

static double pass(void *arg)
{
	struct bench *b = arg;
	uint64_t maybe = 0;
	double start;

	for (unsigned i = 0; i < PROBES; i++)
		b->probes[i] = b->present ? key_of(0, mr_rng_below(&b->rng, b->n_keys))
		                          : key_of(1, b->next++);
	start = bench_now_ns();
	for (unsigned at = 0; at < PROBES; at += b->batch) {
		mr_bloom_prefetch_bulk(b->bloom, b->probes + at, b->batch);
		maybe += (unsigned)__builtin_popcountll(
			mr_bloom_test_bulk(b->bloom, b->probes + at, b->batch));
	}
	start = bench_now_ns() - start;
	b->maybe += maybe;
	b->tests += PROBES;
	return start / PROBES;
}

// Adds all keys and prints what that cost.
static void fill(struct bench *b, const char *name)
{
	uint64_t hashes[MR_BLOOM_BURST];
	double start = bench_now_ns();

	for (uint64_t i = 0; i < b->n_keys;) {
		unsigned n = 0;

		while (n < 32 && i < b->n_keys)
			hashes[n++] = key_of(0, i++);
		mr_bloom_add_bulk(b->bloom, hashes, n);
	}
	bench_line(name, "add", (bench_now_ns() - start) / (double)b->n_keys, "ns/key");
}

static struct bench_cost measure(struct bench *b, const char *name, bool present, unsigned batch)
{
	struct bench_cost cost;

	b->present = present;
	b->batch = batch;
	cost = bench_measure(&b->lines, pass, b, ROUNDS);
	bench_line_cost(name, &cost);
	return cost;
}

// By burst size. @return the cost at 32.
static struct bench_cost measure_batches(struct bench *b, const char *of, bool present)
{
	static const unsigned batches[] = {1, 8, 32, 64};
	struct bench_cost at_32 = {.cost = {0}};

	b->maybe = b->tests = 0;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(batches); i++) {
		struct bench_cost cost;
		char name[64];

		snprintf(name, sizeof(name), "%s-%s-b%u", of, present ? "present" : "absent",
			batches[i]);
		cost = measure(b, name, present, batches[i]);
		if (batches[i] == 32)
			at_32 = cost;
	}
	return at_32;
}

static void compare_isas(struct bench *b, const char *of)
{
	for (unsigned isa = 0; isa < MR_BLOOM_ISA_COUNT; isa++) {
		char name[64];

		if (mr_bloom_set_isa(b->bloom, isa) < 0)
			continue;
		snprintf(name, sizeof(name), "%s-%s", of, mr_bloom_isa_name(isa));
		measure(b, name, false, 32);
	}
	mr_bloom_set_isa(b->bloom, mr_bloom_isa_best());
}

static void bench_keys(struct bench *b, uint64_t keys)
{
	struct mr_bloom_params params = {.capacity_keys = keys, .fpr = FPR};
	size_t bytes = mr_bloom_memsize(&params);
	struct bench_cost absent, present;
	struct mr_bloom_stats stats;
	enum bench_pages pages;
	void *mem = bench_map(bytes, BENCH_PAGES_RESERVED, &pages);
	char name[32];

	snprintf(name, sizeof(name), keys % 1000000 == 0 ? "test-%" PRIu64 "m" : "test-%" PRIu64,
		keys % 1000000 == 0 ? keys / 1000000 : keys);
	b->n_keys = keys;
	b->bloom = mr_bloom_init(mem, bytes, &params);
	fill(b, name);
	mr_bloom_stats(b->bloom, &stats);
	absent = measure_batches(b, name, false);
	bench_line(name, "fpr", 100.0 * (double)b->maybe / (double)b->tests, "%");
	bench_line(name, "fpr-formula", 100.0 * stats.fpr_formula, "%");
	bench_line(name, "bits", stats.bits_per_key, "bits/key");
	present = measure_batches(b, name, true);
	if (b->maybe != b->tests)
		bench_fail("%" PRIu64 " false negatives", b->tests - b->maybe);
	bench_line_cost(name, present.cost.median > absent.cost.median ? &present : &absent);
	compare_isas(b, name);
	bench_unmap(mem, bytes);
}

int main(int argc, char **argv)
{
	static const uint64_t usual[] = {1000000, 10000000, 100000000};
	struct bench b = {.probes = malloc(PROBES * sizeof(uint64_t))};

	if (b.probes == NULL)
		return EXIT_FAILURE;
	bench_begin("bloom");
	bench_lines_open(&b.lines, BENCH_PAGES_RESERVED);
	bench_say("best kind is %s", mr_bloom_isa_name(mr_bloom_isa_best()));
	for (unsigned i = 0; argc == 1 && i < MR_ARRAY_SIZE(usual); i++)
		bench_keys(&b, usual[i]);
	for (int i = 1; i < argc; i++) {
		uint64_t keys = strtoull(argv[i], NULL, 10);

		if (keys == 0)
			bench_fail("'%s' is no number of keys", argv[i]);
		bench_keys(&b, keys);
	}
	free(b.probes);
	return EXIT_SUCCESS;
}
