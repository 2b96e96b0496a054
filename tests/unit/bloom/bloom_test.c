// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bloom_inline.h"
#include "mr_hash.h"
#include "mr_rng.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72626c6f6f6d31)

// A key that is in the filter, and one that never is: two streams of one bijection.
static uint64_t key_in(uint64_t i)
{
	struct mr_rng rng = {SEED + 2 * i * UINT64_C(0x9e3779b97f4a7c15)};

	return mr_rng_next(&rng);
}

static uint64_t key_out(uint64_t i)
{
	struct mr_rng rng = {SEED + (2 * i + 1) * UINT64_C(0x9e3779b97f4a7c15)};

	return mr_rng_next(&rng);
}

static struct mr_bloom *make(uint64_t capacity, double fpr)
{
	struct mr_bloom_params params = {.capacity_keys = capacity, .fpr = fpr};
	size_t bytes = mr_bloom_memsize(&params);
	struct mr_bloom *bloom;
	void *mem;

	assert_true(bytes > 0);
	mem = aligned_alloc(MR_CACHE_LINE_BYTES, bytes);
	assert_non_null(mem);
	// Dirty memory is allowed.
	memset(mem, 0xa5, bytes);
	bloom = mr_bloom_init(mem, bytes, &params);
	assert_ptr_equal(bloom, mem);
	return bloom;
}

static void add_range(struct mr_bloom *bloom, uint64_t from, uint64_t to, unsigned burst)
{
	uint64_t hashes[MR_BLOOM_BURST];

	while (from < to) {
		unsigned n = 0;

		while (n < burst && from < to)
			hashes[n++] = key_in(from++);
		mr_bloom_add_bulk(bloom, hashes, n);
	}
}

// How many of `count` keys of a stream are reported as perhaps present.
static uint64_t count_maybe(const struct mr_bloom *bloom, uint64_t (*key)(uint64_t), uint64_t count)
{
	uint64_t hashes[MR_BLOOM_BURST], maybe = 0;

	for (uint64_t at = 0; at < count;) {
		unsigned n = 0;

		while (n < MR_BLOOM_BURST && at < count)
			hashes[n++] = key(at++);
		mr_bloom_prefetch_bulk(bloom, hashes, n);
		maybe += (unsigned)__builtin_popcountll(mr_bloom_test_bulk(bloom, hashes, n));
	}
	return maybe;
}

static void test_no_false_negative(void **state)
{
	static const uint64_t sizes[] = {1, 2, 7, 64, 65, 1000, 20000, 1000000};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
		struct mr_bloom *bloom = make(sizes[i], 0.001);

		add_range(bloom, 0, sizes[i], 1 + i * 9);
		for (unsigned isa = 0; isa < MR_BLOOM_ISA_COUNT; isa++) {
			if (mr_bloom_set_isa(bloom, isa) < 0)
				continue;
			assert_int_equal(count_maybe(bloom, key_in, sizes[i]), sizes[i]);
		}
		free(bloom);
	}
}

// Keys added alone, or to a filter that is merged into another one, set the bits that they set.
static void test_add_alone(void **state)
{
	struct mr_bloom *want = make(5000, 0.001), *bloom = make(5000, 0.001);
	struct mr_bloom *own = make(5000, 0.001);
	uint64_t hashes[MR_BLOOM_BURST];
	size_t bytes;

	(void)state;
	add_range(want, 0, 4000, 64);
	add_range(bloom, 0, 1500, 64);
	for (uint64_t at = 1500; at < 4000; at += 50) {
		for (unsigned i = 0; i < 50; i++)
			hashes[i] = key_in(at + i);
		mr_bloom_add_alone_bulk(own, hashes, 50);
	}
	assert_int_equal(count_maybe(own, key_in, 4000) < 4000, 1);
	mr_bloom_merge(bloom, own);
	mr_bloom_bytes(bloom, &bytes);
	assert_memory_equal(bloom, mr_bloom_bytes(want, &bytes), bytes);
	free(own);
	free(bloom);
	free(want);
}

// The layout in words that do not share code with the library: which bits a key sets.
static void test_bits_of_a_key(void **state)
{
	struct mr_bloom *bloom = make(1000, 0.001);

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t hash = key_in(i), mixed = hash * UINT64_C(0x9fb21c651e98df25);
		uint64_t at = (uint64_t)(((unsigned __int128)hash * bloom->header.blocks) >> 64);

		memset(bloom->block, 0, bloom->header.blocks * 64);
		mr_bloom_add(bloom, hash);
		for (unsigned j = 0; j < 8; j++) {
			uint64_t bit = (mixed << (42 - 6 * j)) >> 58;

			assert_true(at < bloom->header.blocks);
			assert_true(bloom->block[at].word[j] == UINT64_C(1) << bit);
		}
		assert_true(mr_bloom_test(bloom, hash));
	}
	free(bloom);
}

// A key whose bits are set but for one, whichever word it is in, is absent for every kind.
static void test_each_bit_counts(void **state)
{
	struct mr_bloom *bloom = make(100, 0.001);
	uint64_t hash = key_in(4);

	(void)state;
	mr_bloom_add(bloom, hash);
	for (unsigned isa = 0; isa < MR_BLOOM_ISA_COUNT; isa++) {
		if (mr_bloom_set_isa(bloom, isa) < 0)
			continue;
		for (uint64_t w = 0; w < bloom->header.blocks * MR_BLOOM_WORDS; w++) {
			_Atomic uint64_t *word = &bloom->block[w / 8].word[w % 8];
			uint64_t old = *word;

			*word = 0;
			assert_int_equal(mr_bloom_test(bloom, hash), old == 0);
			*word = old;
		}
	}
	free(bloom);
}

static void test_isas_agree(void **state)
{
	struct mr_rng rng = {SEED};
	struct mr_bloom *bloom = make(3000, 0.3);
	uint64_t hashes[MR_BLOOM_BURST], kinds = 0;

	(void)state;
	add_range(bloom, 0, 3000, 64);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned n = round % (MR_BLOOM_BURST + 1);
		uint64_t want;

		for (unsigned i = 0; i < n; i++)
			hashes[i] = mr_rng_next(&rng);
		assert_int_equal(mr_bloom_set_isa(bloom, MR_BLOOM_ISA_SCALAR), 0);
		want = mr_bloom_test_bulk(bloom, hashes, n);
		assert_true(n == 64 || want >> n == 0);
		for (unsigned isa = 0; isa < MR_BLOOM_ISA_COUNT; isa++) {
			uint64_t got;

			if (mr_bloom_set_isa(bloom, isa) < 0)
				continue;
			kinds |= UINT64_C(1) << isa;
			got = mr_bloom_test_bulk(bloom, hashes, n);
			if (got != want)
				fail_msg("%s: %#jx, scalar %#jx, seed %#jx, round %u",
					mr_bloom_isa_name(isa), (uintmax_t)got, (uintmax_t)want,
					(uintmax_t)SEED, round);
		}
	}
	assert_true(kinds >> mr_bloom_isa_best() & 1);
	free(bloom);
}

static void test_isa_names(void **state)
{
	struct mr_bloom *bloom = make(10, 0.01);

	(void)state;
	assert_string_equal(mr_bloom_isa_name(MR_BLOOM_ISA_SCALAR), "scalar");
	assert_string_equal(mr_bloom_isa_name(MR_BLOOM_ISA_AVX512), "avx512");
	assert_string_equal(mr_bloom_isa_name(MR_BLOOM_ISA_COUNT), "unknown");
	assert_int_equal(bloom->isa, mr_bloom_isa_best());
	assert_int_equal(mr_bloom_set_isa(bloom, MR_BLOOM_ISA_COUNT), -ENOTSUP);
#if defined(__x86_64__)
	assert_int_equal(mr_bloom_set_isa(bloom, MR_BLOOM_ISA_NEON), -ENOTSUP);
#endif
	assert_int_equal(bloom->isa, mr_bloom_isa_best());
	free(bloom);
}

// Measured against the formula and against the bits that are set, at several bits a key.
static void test_rate(void **state)
{
	static const double bits_per_key[] = {4, 6, 8, 12, 16, 20};
	const uint64_t keys = 100000, probes = 2000000;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bits_per_key); i++) {
		double want = mr_bloom_fpr(bits_per_key[i]), slack, measured;
		struct mr_bloom *bloom = make(keys, want);
		struct mr_bloom_stats stats;

		add_range(bloom, 0, keys, 64);
		mr_bloom_stats(bloom, &stats);
		measured = (double)count_maybe(bloom, key_out, probes) / (double)probes;
		// Four deviations of the count, and 2 % for the filter's own luck.
		slack = 4 * sqrt(want / (double)probes) + 0.02 * want;
		if (fabs(measured - want) > slack || fabs(stats.fpr_load - want) > 0.02 * want)
			fail_msg("%g bits: formula %g, load %g, measured %g", bits_per_key[i], want,
				stats.fpr_load, measured);
		assert_true(fabs(stats.fpr_formula - want) < 0.01 * want);
		assert_true(fabs(stats.bits_per_key - bits_per_key[i]) < 0.02);
		assert_int_equal(stats.added_keys, keys);
		assert_int_equal(stats.capacity_keys, keys);
		free(bloom);
	}
}

static void test_formula(void **state)
{
	double last = 1.0;

	(void)state;
	for (double bits = 1; bits < 100; bits++) {
		double fpr = mr_bloom_fpr(bits);

		assert_true(fpr > 0 && fpr < last);
		last = fpr;
	}
	assert_true(mr_bloom_fpr(16) > 0.00088 && mr_bloom_fpr(16) < 0.00094);
	assert_true(mr_bloom_fpr(0) == 1.0 && mr_bloom_fpr(-1) == 1.0 && mr_bloom_fpr(NAN) == 1.0);
	assert_true(mr_bloom_fpr(1e-9) == 1.0);
	assert_true(mr_bloom_fpr(0.5) > 0.999);
	assert_true(mr_bloom_fpr(INFINITY) == 0.0);
	assert_true(mr_bloom_fpr(1e9) < 1e-15);
}

static void test_sizes(void **state)
{
	static const double rates[] = {1e-6, 1e-5, 1e-3, 0.01, 0.5};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(rates); i++) {
		struct mr_bloom_params params = {10000000, rates[i]};
		double bits = 8.0 * (double)mr_bloom_memsize(&params) / 1e7;

		// Enough, and not more than enough.
		assert_true(mr_bloom_fpr(bits) <= rates[i] * 1.0001);
		assert_true(mr_bloom_fpr(bits * 0.999) > rates[i]);
	}
}

static void test_bad_params(void **state)
{
	static const struct mr_bloom_params bad[] = {
		{0, 0.001},
		{100, 0.0},
		{100, -0.1},
		{100, 0.9e-6},
		{100, 0.51},
		{100, 1.0},
		{100, NAN},
		{100, INFINITY},
		{UINT64_MAX, 1e-6},
		{UINT64_MAX, 0.5},
	};
	static _Alignas(64) uint8_t mem[4096];
	struct mr_bloom_params good = {32, 0.001};
	size_t bytes = mr_bloom_memsize(&good);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bad); i++) {
		assert_int_equal(mr_bloom_memsize(&bad[i]), 0);
		errno = 0;
		assert_null(mr_bloom_init(mem, sizeof(mem), &bad[i]));
		assert_int_equal(errno, EINVAL);
	}
	assert_true(bytes > 0 && bytes < sizeof(mem) - 64);
	assert_null(mr_bloom_init(mem, bytes - 1, &good));
	assert_null(mr_bloom_init(mem + 8, bytes, &good));
	assert_null(mr_bloom_init(NULL, bytes, &good));
	assert_non_null(mr_bloom_init(mem, bytes, &good));
}

static void test_small(void **state)
{
	struct mr_bloom *bloom = make(1, 0.5);
	struct mr_bloom_stats stats;
	uint64_t hashes[MR_BLOOM_BURST];

	(void)state;
	assert_int_equal(mr_bloom_test_bulk(bloom, hashes, 0), 0);
	mr_bloom_prefetch_bulk(bloom, hashes, 0);
	mr_bloom_add_bulk(bloom, hashes, 0);
	mr_bloom_stats(bloom, &stats);
	assert_int_equal(stats.blocks, 1);
	assert_int_equal(stats.bits_set, 0);
	assert_true(stats.fpr_formula == 0.0 && stats.fpr_load == 0.0);
	for (unsigned i = 0; i < MR_BLOOM_BURST; i++)
		hashes[i] = i % 2 == 0 ? key_in(0) : key_out(i);
	// The first and the last block of the range are reached by these.
	hashes[0] = 0;
	hashes[63] = UINT64_MAX;
	mr_bloom_add(bloom, key_in(0));
	mr_bloom_add(bloom, 0);
	mr_bloom_add(bloom, UINT64_MAX);
	assert_int_equal(mr_bloom_test_bulk(bloom, hashes, 64), UINT64_C(0xd555555555555555));
	// Far too many keys: everything is present, nothing breaks.
	add_range(bloom, 0, 20000, 64);
	mr_bloom_stats(bloom, &stats);
	assert_int_equal(stats.bits_set, 512);
	assert_int_equal(stats.added_keys, 20003);
	assert_true(stats.fpr_formula == 1.0 && stats.fpr_load == 1.0);
	assert_int_equal(count_maybe(bloom, key_out, 1000), 1000);
	free(bloom);
}

static void test_stats_bits(void **state)
{
	struct mr_bloom *bloom = make(500, 0.01);
	struct mr_bloom_stats stats;
	uint64_t bits = 0;

	(void)state;
	add_range(bloom, 0, 500, 3);
	add_range(bloom, 0, 500, 5);
	for (uint64_t w = 0; w < bloom->header.blocks * 8; w++)
		for (unsigned b = 0; b < 64; b++)
			bits += bloom->block[w / 8].word[w % 8] >> b & 1;
	mr_bloom_stats(bloom, &stats);
	assert_int_equal(stats.bits_set, bits);
	// Repeated keys count again and set nothing new.
	assert_int_equal(stats.added_keys, 1000);
	assert_true(stats.fpr_load < stats.fpr_formula);
	free(bloom);
}

static void *save(struct mr_bloom *bloom, size_t *ret_bytes)
{
	const void *bytes = mr_bloom_bytes(bloom, ret_bytes);
	void *copy = aligned_alloc(MR_CACHE_LINE_BYTES, *ret_bytes);

	assert_non_null(copy);
	return memcpy(copy, bytes, *ret_bytes);
}

static void test_save_open(void **state)
{
	struct mr_bloom *bloom = make(5000, 0.01), *again;
	struct mr_bloom_stats before, after;
	size_t bytes;
	void *copy;

	(void)state;
	add_range(bloom, 0, 4000, 64);
	mr_bloom_stats(bloom, &before);
	copy = save(bloom, &bytes);
	assert_int_equal(bytes, before.memory_bytes);
	free(bloom);
	again = mr_bloom_open(copy, bytes);
	assert_ptr_equal(again, copy);
	mr_bloom_stats(again, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(count_maybe(again, key_in, 4000), 4000);
	// It goes on as a filter, and may be saved again.
	add_range(again, 4000, 5000, 64);
	assert_int_equal(count_maybe(again, key_in, 5000), 5000);
	copy = save(again, &bytes);
	free(again);
	again = mr_bloom_open(copy, bytes);
	assert_non_null(again);
	assert_int_equal(count_maybe(again, key_in, 5000), 5000);
	free(again);
}

static void test_open_refuses(void **state)
{
	struct mr_bloom *bloom = make(300, 0.01);
	size_t bytes;
	uint8_t *copy, *shifted;

	(void)state;
	add_range(bloom, 0, 300, 64);
	copy = save(bloom, &bytes);
	for (size_t at = 0; at < bytes; at++) {
		// Neither the kind nor the running count are part of what is saved.
		bool checked = at < offsetof(struct mr_bloom, isa) || at >= sizeof(*bloom);

		copy[at] ^= 0x10;
		errno = 0;
		if (checked) {
			assert_null(mr_bloom_open(copy, bytes));
			assert_int_equal(errno, EINVAL);
			copy[at] ^= 0x10;
		} else {
			assert_non_null(mr_bloom_open(copy, bytes));
			assert_int_equal(count_maybe((void *)copy, key_in, 300), 300);
		}
	}
	assert_null(mr_bloom_open(copy, bytes - 1));
	assert_null(mr_bloom_open(copy, sizeof(*bloom) - 1));
	assert_null(mr_bloom_open(copy, 0));
	assert_null(mr_bloom_open(NULL, bytes));
	shifted = aligned_alloc(64, MR_ALIGN_UP(bytes + 8, (size_t)64));
	memcpy(shifted + 8, copy, bytes);
	assert_null(mr_bloom_open(shifted + 8, bytes));
	free(shifted);
	free(copy);
	// Added to after the seal: the saved sum no longer holds, until it is sealed again.
	mr_bloom_add(bloom, key_out(1));
	assert_null(mr_bloom_open(bloom, bytes));
	mr_bloom_bytes(bloom, &bytes);
	assert_non_null(mr_bloom_open(bloom, bytes));
	free(bloom);
}

// A header whose own sum holds but whose figures are impossible.
static void test_open_impossible(void **state)
{
	static const struct {
		uint32_t version, block_bytes;
		uint64_t blocks, capacity;
	} cases[] = {
		{2, 64, 1, 1},
		{1, 32, 1, 1},
		{1, 64, 0, 1},
		{1, 64, 1, 0},
		{1, 64, 1000000, 1},
		{1, 64, UINT64_C(1) << 58, 1},
		{1, 64, UINT64_MAX, 1},
	};
	struct mr_bloom *bloom = make(1, 0.5);
	size_t bytes;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		mr_bloom_bytes(bloom, &bytes);
		bloom->header.version = cases[i].version;
		bloom->header.block_bytes = cases[i].block_bytes;
		bloom->header.blocks = cases[i].blocks;
		bloom->header.capacity_keys = cases[i].capacity;
		bloom->header_check = mr_hash_key(&bloom->header, sizeof(bloom->header));
		assert_null(mr_bloom_open(bloom, bytes));
		bloom->header.version = 1;
		bloom->header.block_bytes = 64;
		bloom->header.blocks = 1;
		bloom->header.capacity_keys = 1;
	}
	mr_bloom_bytes(bloom, &bytes);
	assert_non_null(mr_bloom_open(bloom, bytes));
	free(bloom);
}

#define ADDERS 2
#define TESTERS 2
#define KEYS_PER_ADDER UINT64_C(60000)

struct race {
	struct mr_bloom *bloom;
	_Atomic uint64_t added[ADDERS]; // keys whose add returned
	_Atomic uint64_t missed;
	_Atomic unsigned next;
};

static void *race_add(void *arg)
{
	struct race *race = arg;
	unsigned me = atomic_fetch_add(&race->next, 1);
	uint64_t base = me * KEYS_PER_ADDER;

	for (uint64_t i = 0; i < KEYS_PER_ADDER; i += 30) {
		add_range(race->bloom, base + i, base + i + 30, 30);
		atomic_store_explicit(&race->added[me], i + 30, memory_order_release);
	}
	return NULL;
}

static void *race_test(void *arg)
{
	struct race *race = arg;
	struct mr_rng rng = {SEED};
	uint64_t hashes[MR_BLOOM_BURST], slowest;

	do {
		slowest = KEYS_PER_ADDER;
		for (unsigned a = 0; a < ADDERS; a++) {
			uint64_t known =
				atomic_load_explicit(&race->added[a], memory_order_acquire);

			slowest = MR_MIN(slowest, known);
			if (known == 0)
				continue;
			// The newest key of all, and random older ones.
			hashes[0] = key_in(a * KEYS_PER_ADDER + known - 1);
			for (unsigned i = 1; i < MR_BLOOM_BURST; i++)
				hashes[i] = key_in(a * KEYS_PER_ADDER + mr_rng_below(&rng, known));
			if (mr_bloom_test_bulk(race->bloom, hashes, MR_BLOOM_BURST) != UINT64_MAX)
				atomic_fetch_add(&race->missed, 1);
		}
	} while (slowest < KEYS_PER_ADDER);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[ADDERS + TESTERS];
	struct race race = {.bloom = make(ADDERS * KEYS_PER_ADDER, 0.001)};
	struct mr_bloom_stats stats;

	(void)state;
	for (unsigned i = 0; i < ADDERS + TESTERS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, i < ADDERS ? race_add : race_test, &race),
			0);
	for (unsigned i = 0; i < ADDERS + TESTERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(race.missed, 0);
	mr_bloom_stats(race.bloom, &stats);
	assert_int_equal(stats.added_keys, ADDERS * KEYS_PER_ADDER);
	assert_int_equal(
		count_maybe(race.bloom, key_in, ADDERS * KEYS_PER_ADDER), ADDERS * KEYS_PER_ADDER);
	free(race.bloom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_false_negative),
		cmocka_unit_test(test_add_alone),
		cmocka_unit_test(test_bits_of_a_key),
		cmocka_unit_test(test_each_bit_counts),
		cmocka_unit_test(test_isas_agree),
		cmocka_unit_test(test_isa_names),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_formula),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_params),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_stats_bits),
		cmocka_unit_test(test_save_open),
		cmocka_unit_test(test_open_refuses),
		cmocka_unit_test(test_open_impossible),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
