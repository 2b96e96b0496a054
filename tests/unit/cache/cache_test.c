// SPDX-License-Identifier: BSD-3-Clause
//
// Shape, budget, replacement: what the cache promises, case by case.
#include "cache_util.h"
#include "mr_cache_worth.h"
#include "mr_rng.h"

#include <errno.h>
#include <math.h>

static void params_are_checked(void **state)
{
	static const struct {
		struct mr_cache_params params;
		bool ok;
	} cases[] = {
		{{.budget_bytes = 1 << 20, .crp_ratio = -1, .history_ratio = -1}, true},
		{{.budget_bytes = (1 << 20) - 1}, false},
		{{.budget_bytes = 1 << 20, .k = 3}, true},
		{{.budget_bytes = 1 << 20, .k = 4}, false},
		{{.budget_bytes = 1 << 20, .mean_row_bytes = 9000}, false},
		{{.budget_bytes = 1 << 20, .crp_ratio = 1e9}, false},
		{{.budget_bytes = 1 << 20, .history_ratio = NAN}, false},
		{{.budget_bytes = 1 << 20, .max_rows = 1}, true},
		{{.budget_bytes = 1 << 20, .max_rows = UINT64_MAX}, true},
		{{.budget_bytes = UINT64_C(1) << 40}, true},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_cache_params p = cases[i].params;

		assert_int_equal(mr_cache_params_check(&p), cases[i].ok ? 0 : -EINVAL);
		assert_int_equal(mr_cache_memsize(&cases[i].params) != 0, cases[i].ok);
	}
	struct mr_cache_params p = cases[0].params;

	assert_int_equal(mr_cache_params_check(&p), 0);
	assert_int_equal(p.k, 2);
	assert_true(p.crp_ratio > 0 && p.history_ratio > 0 && p.mean_row_bytes > 0);
	assert_null(mr_cache_init(NULL, 100, &cases[0].params));
	assert_int_equal(errno, EINVAL);
}

static void sizes_come_back_whole(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 4 << 20});
	static uint8_t want[MR_CACHE_ROW_MAX_BYTES + 1], got[MR_CACHE_ROW_MAX_BYTES];
	static const unsigned keys[] = {1, 3, 7, 8, 9, 15, 16, 17, 100, 255};
	static const unsigned rows[] = {0, 1, 7, 8, 15, 16, 63, 64, 65, 1000, 4096, 8191, 8192};
	struct mr_cache_ref ref;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys) * MR_ARRAY_SIZE(rows); i++) {
		struct cache_key key = cache_key(i + 1, i % 3, keys[i % MR_ARRAY_SIZE(keys)]);
		unsigned n = rows[i / MR_ARRAY_SIZE(keys)];
		uint64_t id = 0;

		memcpy(&id, key.bytes, MR_MIN(key.n, 8u));
		assert_int_equal(cache_fill(cache, &key, n, 1000 + i, i), 0);
		assert_true(mr_cache_get(
			cache, key.hash, key.space, key.bytes, key.n, i, got, sizeof(got), &ref));
		cache_row_bytes(want, n, id, 1000 + i);
		assert_int_equal(ref.row_bytes, n);
		assert_int_equal(ref.event_time_us, 1000 + i);
		assert_memory_equal(got, want, n);
		key.space += 100;
		assert_false(cache_hit(cache, &key, i));
	}
	struct cache_key key = cache_key(1, 1, 8);

	assert_int_equal(cache_fill(cache, &key, MR_CACHE_ROW_MAX_BYTES + 1, 1, 1), -E2BIG);
	assert_int_equal(cache_stats(cache)->fills_too_big, 1);
	cache_check(cache);
	free(cache);
}

static void newer_writes_win(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 1 << 20});
	struct cache_key key = cache_key(7, 1, 8);
	uint8_t bytes[9000] = {1};
	struct mr_cache_row row = cache_row(&key, bytes, 64, 100);
	struct mr_cache_lease lease = mr_cache_lease(cache, key.hash);
	struct mr_cache_ref ref;

	(void)state;
	// Not cached: nothing goes in, but the lease is gone.
	assert_int_equal(mr_cache_update(cache, &row, false, 1), 0);
	assert_false(cache_hit(cache, &key, 1));
	assert_int_equal(mr_cache_fill(cache, &row, lease, 1), -ESTALE);
	lease = mr_cache_lease(cache, key.hash);
	assert_int_equal(mr_cache_fill(cache, &row, lease, 1), 0);
	assert_int_equal(mr_cache_fill(cache, &row, lease, 1), -ESTALE);
	row.event_time_us = 99;
	assert_int_equal(mr_cache_update(cache, &row, true, 1), -ESTALE);
	row.event_time_us = 101;
	row.row_bytes = 500;
	assert_int_equal(mr_cache_update(cache, &row, false, 1), 0);
	assert_true(mr_cache_find(cache, key.hash, 1, key.bytes, 8, 1, &ref));
	assert_int_equal(ref.event_time_us, 101);
	assert_int_equal(ref.row_bytes, 500);
	// A tombstone is an answer.
	row = (struct mr_cache_row){.hash = key.hash,
		.space = 1,
		.key = key.bytes,
		.key_bytes = 8,
		.row_bytes = 5,
		.deleted = true,
		.event_time_us = 102};
	assert_int_equal(mr_cache_update(cache, &row, true, 1), 0);
	assert_true(mr_cache_find(cache, key.hash, 1, key.bytes, 8, 1, &ref));
	assert_true(ref.deleted);
	assert_int_equal(ref.row_bytes, 0);
	// Too big to cache: the older row must be gone.
	row = cache_row(&key, bytes, sizeof(bytes), 103);
	assert_int_equal(mr_cache_update(cache, &row, true, 1), -E2BIG);
	assert_false(cache_hit(cache, &key, 1));
	lease = mr_cache_lease(cache, key.hash);
	assert_false(mr_cache_invalidate(cache, key.hash, 1, key.bytes, 8, MR_CACHE_EVICT_DELETE));
	row = cache_row(&key, bytes, 64, 104);
	assert_int_equal(mr_cache_fill(cache, &row, lease, 1), -ESTALE);
	assert_int_equal(mr_cache_update(cache, &row, true, 1), 0);
	assert_true(mr_cache_invalidate(cache, key.hash, 1, key.bytes, 8, MR_CACHE_EVICT_DELETE));
	assert_int_equal(cache_stats(cache)->rows, 0);
	cache_check(cache);
	free(cache);
}

// A reader that comes too late to fill has shown its row all the same.
static void what_was_read_is_not_taken_back(void **state)
{
	static const struct {
		uint64_t cached_time_us; // 0: nothing is cached
		uint8_t cached_byte;
		unsigned row_bytes;
		bool stays; // what is cached
	} cases[] = {
		{0, 0, 64, false},
		{99, 1, 64, false},
		{100, 1, 64, true},  // the very row
		{100, 2, 64, false}, // another of that time: nobody knows which is newer
		{101, 1, 64, true},
		{99, 1, 9000, false},
		{101, 1, 9000, true},
	};

	(void)state;
	for (size_t c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_cache *cache =
			cache_new((struct mr_cache_params){.budget_bytes = 1 << 20});
		struct cache_key key = cache_key(7, 1, 8);
		uint8_t old[64] = {cases[c].cached_byte}, bytes[9000] = {1};
		struct mr_cache_row cached = cache_row(&key, old, 64, cases[c].cached_time_us);
		struct mr_cache_row row = cache_row(&key, bytes, cases[c].row_bytes, 100);
		struct mr_cache_lease broken, behind;
		int ret;

		if (cases[c].cached_time_us != 0)
			assert_int_equal(mr_cache_update(cache, &cached, true, 1), 0);
		broken = mr_cache_lease(cache, key.hash);
		assert_int_equal(mr_cache_invalidate(cache, key.hash, 2, key.bytes, 8, 0), false);
		// A reader that is behind: its row is older, its lease is not.
		behind = mr_cache_lease(cache, key.hash);
		ret = mr_cache_fill(cache, &row, broken, 1);
		assert_int_equal(ret, row.row_bytes > 64 ? -E2BIG : -ESTALE);
		assert_int_equal(cache_hit(cache, &key, 1), cases[c].stays);
		cached.event_time_us = 98;
		assert_int_equal(mr_cache_fill(cache, &cached, behind, 1), -ESTALE);
		assert_int_equal(cache_hit(cache, &key, 1), cases[c].stays);
		cache_check(cache);
		free(cache);
	}
}

// Fills rows until the index has turned over twice. @return fraction of budget that is rows.
static double occupancy(struct mr_cache *cache, uint64_t *id, unsigned low, unsigned high,
	double fulls, struct mr_rng *rng)
{
	uint64_t budget = cache_stats(cache)->budget_bytes;
	double bytes = 0;

	while (bytes < fulls * (double)budget) {
		// Log-uniform: as many bytes in small rows as there are rows in large ones.
		unsigned n = (unsigned)(low * pow((double)high / low, mr_rng_unit(rng)));
		struct cache_key key = cache_key(++*id, 1, 8);

		assert_int_equal(
			cache_fill(cache, &key, n, 1, *id / mr_cache_tick_accesses(cache)), 0);
		bytes += n + 24;
	}
	return (double)cache_stats(cache)->live_bytes / (double)budget;
}

static void budget_holds_rows_of_mixed_sizes(void **state)
{
	static const struct {
		uint64_t budget;
		unsigned low, high, mean;
		double least;
	} cases[] = {
		{16 << 20, 64, 4096, 970, 0.85},
		{130 << 20, 64, 4096, 970, 0.87},
		{2 << 20, 0, 8192, 900, 0.6},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_cache *cache =
			cache_new((struct mr_cache_params){.budget_bytes = cases[i].budget,
				.mean_row_bytes = cases[i].mean,
				.crp_ratio = -1,
				.history_ratio = -1});
		struct mr_rng rng = {.state = 1};
		uint64_t id = 0;
		double got =
			occupancy(cache, &id, MR_MAX(cases[i].low, 1u), cases[i].high, 1.2, &rng);
		struct mr_cache_stats *s = cache_stats(cache);

		print_message(
			"occupancy %.3f, rows %lu of %lu slots, moved pages %lu, rebalanced %lu, "
			"bucket %lu\n",
			got, s->rows, s->row_slots, s->pages_moved,
			s->evictions[MR_CACHE_EVICT_REBALANCE],
			s->evictions[MR_CACHE_EVICT_BUCKET]);
		if (got < cases[i].least)
			fail_msg("case %u: only %.3f of the budget are rows", i, got);
		cache_check(cache);
		free(cache);
	}
}

static void index_drops_hardly_a_row(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 20 << 20,
		.mean_row_bytes = 72,
		.crp_ratio = -1,
		.history_ratio = -1});
	struct mr_cache_stats *s;
	uint64_t id = 0;
	struct mr_rng rng = {.state = 2};

	(void)state;
	occupancy(cache, &id, 64, 64, 2.0, &rng);
	s = cache_stats(cache);
	print_message(
		"rows %lu, slots %lu, bucket evictions %lu of %lu fills, metadata %.1f B a row\n",
		s->rows, s->row_slots, s->evictions[MR_CACHE_EVICT_BUCKET], s->fills,
		(double)(s->budget_bytes - s->value_bytes) / ((double)s->rows * 0.95));
	assert_true((double)s->evictions[MR_CACHE_EVICT_BUCKET] < 0.001 * (double)s->fills);
	assert_true((double)(s->budget_bytes - s->value_bytes) < 20.0 * 0.95 * (double)s->rows);
	cache_check(cache);
	free(cache);
}

// Requests keys with a skew; misses are filled. @p fulls: bytes to fill, in budgets.
// @return the hit ratio of the last budget filled.
static double hot_ratio(struct mr_cache *cache, uint64_t *now, uint64_t first, unsigned n_keys,
	unsigned row_bytes, double fulls)
{
	uint64_t budget = cache_stats(cache)->budget_bytes, tick = mr_cache_tick_accesses(cache);
	struct mr_rng rng = {.state = 3};
	double bytes = 0;
	uint64_t hits = 0, all = 0;

	while (bytes < fulls * (double)budget) {
		uint64_t id = first + (uint64_t)(pow(mr_rng_unit(&rng), 3) * n_keys);
		struct cache_key key = cache_key(id, 1, 8);
		bool hit = cache_hit(cache, &key, *now / tick);

		if (!hit) {
			assert_int_equal(cache_fill(cache, &key, row_bytes, 1, *now / tick), 0);
			bytes += row_bytes;
		}
		++*now;
		if (bytes > (fulls - 1) * (double)budget) {
			hits += hit;
			all++;
		}
	}
	return (double)hits / (double)all;
}

static void sizes_may_shift(void **state)
{
	struct mr_cache_params params = {.budget_bytes = 4 << 20,
		.mean_row_bytes = 128,
		.crp_ratio = -1,
		.history_ratio = -1};
	static const unsigned sizes[] = {64, 1024, 64};
	struct mr_cache *shifted = cache_new(params);
	uint64_t now = 0;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
		struct mr_cache *fresh = cache_new(params);
		unsigned n_keys = (unsigned)(4 * params.budget_bytes / sizes[i]);
		uint64_t fresh_now = 0;
		double a = hot_ratio(shifted, &now, i * 10000000ul + 1, n_keys, sizes[i], 4);
		double b = hot_ratio(fresh, &fresh_now, i * 10000000ul + 1, n_keys, sizes[i], 4);

		print_message("%u B: %.4f, fresh %.4f, pages moved %lu, rebalanced %lu\n", sizes[i],
			a, b, cache_stats(shifted)->pages_moved,
			cache_stats(shifted)->evictions[MR_CACHE_EVICT_REBALANCE]);
		if (a < b - 0.01)
			fail_msg("size %u: %.3f after the shift, %.3f fresh", sizes[i], a, b);
		cache_check(shifted);
		free(fresh);
	}
	free(shifted);
}

static void reader_stores_once_a_period(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){
		.budget_bytes = 1 << 20, .max_rows = 1000, .crp_ratio = 0.1, .history_ratio = -1});
	uint64_t tick = mr_cache_tick_accesses(cache), crp = cache_stats(cache)->crp_ticks;
	size_t bytes = cache_stats(cache)->index_bytes;
	struct mr_cache_bucket *before = malloc(bytes);
	struct cache_key keys[10];
	uint64_t now = 1000, stores = 0;

	(void)state;
	assert_int_equal(crp, 100 / tick);
	for (unsigned i = 0; i < 10; i++) {
		keys[i] = cache_key(i + 1, 1, 8);
		assert_int_equal(cache_fill(cache, &keys[i], 64, 1, now), 0);
	}
	for (unsigned t = 0; t < 10 * (crp + 1); t++) {
		for (unsigned i = 0; i < 100; i++) {
			memcpy(before, cache->buckets, bytes);
			assert_true(cache_hit(cache, &keys[i % 10], now + t));
			stores += memcmp(before, cache->buckets, bytes) != 0;
			if (t <= crp)
				assert_int_equal(stores, 0);
		}
	}
	assert_int_equal(stores, 10 * 9);
	free(before);
	free(cache);
}

static void spaces_are_dropped(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){
		.budget_bytes = 1 << 20, .max_rows = 1000, .crp_ratio = 0});
	uint64_t cursor = 0, dropped = 0;

	(void)state;
	for (uint64_t id = 1; id < 200; id++) {
		struct cache_key key = cache_key(id, (mr_space_t)(id % 2), 8);

		assert_int_equal(cache_fill(cache, &key, id % 100, id, 1), 0);
		if (id % 4 == 0)
			assert_true(cache_hit(cache, &key, 100));
	}
	while (cursor != MR_CACHE_CURSOR_END)
		dropped += mr_cache_drop_space(cache, 1, &cursor, 5);
	assert_int_equal(dropped, 100);
	assert_int_equal(cache_stats(cache)->evictions[MR_CACHE_EVICT_VERSION], 100);
	for (uint64_t id = 1; id < 200; id++) {
		struct cache_key key = cache_key(id, (mr_space_t)(id % 2), 8);

		assert_int_equal(cache_hit(cache, &key, 201), id % 2 == 0);
	}
	cache_check(cache);
	free(cache);
}

static bool is_old(mr_space_t space, uint64_t event_time_us, void *arg)
{
	return space == 1 && event_time_us < *(uint64_t *)arg;
}

// Expired rows go, unless somebody asks for them.
static void expired_rows_go(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){
		.budget_bytes = 1 << 20, .max_rows = 1000, .crp_ratio = 0.1, .history_ratio = 1});
	uint64_t cursor = 0, limit = 60, dropped = 0;
	uint64_t now = 2000;

	(void)state;
	for (uint64_t id = 1; id <= 200; id++) {
		struct cache_key key = cache_key(id, (mr_space_t)(id % 2), 8);

		assert_int_equal(cache_fill(cache, &key, id % 100, id, 1), 0);
		if (id <= 10)
			assert_true(cache_hit(cache, &key, now));
	}
	for (unsigned i = 0; i < 100; i++)
		dropped +=
			mr_cache_expire(cache, now, &cursor, cache->n_buckets / 50, is_old, &limit);
	// Of space 1, ids 1 to 59 but those asked for, 1 to 10.
	assert_int_equal(dropped, 25);
	assert_int_equal(cache_stats(cache)->evictions[MR_CACHE_EVICT_EXPIRY], 25);
	assert_int_equal(cache_stats(cache)->rows, 175);
	for (uint64_t id = 1; id <= 200; id++) {
		struct cache_key key = cache_key(id, (mr_space_t)(id % 2), 8);

		assert_int_equal(mr_cache_has(cache, key.hash, key.space, key.bytes, 8),
			id % 2 == 0 || id <= 10 || id >= 60);
	}
	cache_check(cache);
	free(cache);
}

// Between asking for a row and looking at it a writer may move it, drop it, or both: what is found
// then is the new row, nothing, or does not hold; never the old one.
static void a_row_asked_for_may_change(void **state)
{
	static const unsigned sizes[] = {0, 8, 64, 1000};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes) * 2; i++) {
		struct mr_cache *cache = cache_new((struct mr_cache_params){
			.budget_bytes = 1 << 20, .max_rows = 100, .crp_ratio = 0.1});
		struct cache_key key = cache_key(7, 3, 8);
		uint8_t bytes[1000] = {0};
		unsigned n = sizes[i / 2];
		struct mr_cache_row row = cache_row(&key, bytes, n, 2);
		struct mr_cache_asked asked;
		struct mr_cache_ref ref;
		bool found, drops = i % 2 != 0;

		assert_int_equal(cache_fill(cache, &key, 200, 1, 1), 0);
		assert_int_equal(mr_cache_locate_inline(cache, key.hash, &asked), MR_CACHE_LOCATED);
		assert_non_null(asked.bucket);
		if (drops)
			assert_true(mr_cache_invalidate(cache, key.hash, key.space, key.bytes,
				key.n, MR_CACHE_EVICT_OVERWRITE));
		else
			assert_int_equal(mr_cache_update(cache, &row, false, 1), 0);
		found = mr_cache_find_asked_inline(
			cache, key.hash, key.space, key.bytes, key.n, 1, asked, &ref);
		if (found && mr_cache_valid(cache, &ref))
			assert_true(!drops && ref.event_time_us == 2 && ref.row_bytes == n);
		free(cache);
	}
}

// Stamps hold 16 bits of the tick: old ones are clamped, and stay old.
static void old_stamps_stay_old(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){
		.budget_bytes = 1 << 20, .max_rows = 2, .crp_ratio = 0, .history_ratio = 1});
	struct cache_key old = cache_key(1, 1, 8), young = cache_key(2, 1, 8);
	struct cache_key other = cache_key(3, 1, 8);
	uint64_t now = 1;

	(void)state;
	assert_int_equal(cache_fill(cache, &old, 8, 1, now), 0);
	for (; now < 200000; now += 5000)
		mr_cache_age(cache, now, cache->n_buckets);
	assert_int_equal(cache_fill(cache, &young, 8, 1, now), 0);
	assert_int_equal(cache_fill(cache, &other, 8, 1, now + 1), 0);
	assert_false(cache_hit(cache, &old, now + 2));
	assert_true(cache_hit(cache, &young, now + 2));
	for (; now < 400000; now += 5000)
		mr_cache_age(cache, now, cache->n_buckets);
	assert_int_equal(cache_stats(cache)->history_entries, 0);
	free(cache);
}

static void prefetch_changes_nothing(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){
		.budget_bytes = 1 << 20, .max_rows = 3000, .crp_ratio = 0});
	uint64_t hashes[150];

	(void)state;
	for (uint64_t id = 1; id < 2500; id++) {
		struct cache_key key = cache_key(id, 1, 8);

		assert_int_equal(cache_fill(cache, &key, 64, id, 1), 0);
	}
	for (uint64_t base = 1; base < 5000; base += 150) {
		for (unsigned i = 0; i < 150; i++)
			hashes[i] = cache_key(base + i, 1, 8).hash;
		mr_cache_prefetch_bulk(cache, hashes, 150);
		mr_cache_prefetch_row_bulk(cache, hashes, 150);
		mr_cache_prefetch_row(cache, hashes[0]);
	}
	cache_check(cache);
	free(cache);
}

// What all ways at once come to, and what four at a time do.
static void test_ways_worth(void **state)
{
	(void)state;
#ifdef __x86_64__
	struct mr_rng rng = {0x776f727468};
	static struct mr_cache_bucket bucket;
	unsigned worth = 0;

	if (!__builtin_cpu_supports("avx2"))
		skip();
	for (unsigned round = 0; round < 100000; round++) {
		uint16_t now = (uint16_t)mr_rng_next(&rng);
		struct mr_cache_bar bar = {(uint32_t)now << 16, (int32_t)mr_rng_below(&rng, 2000),
			(int32_t)mr_rng_below(&rng, 4000) - 1};
		unsigned ways;

		bar.score |= mr_rng_below(&rng, 2) != 0 ? MR_CACHE_LANE_STRANGER : 0;
		bar.score |= mr_rng_below(&rng, 2) != 0 ? MR_CACHE_LANE_ELIGIBLE : 0;
		for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
			uint32_t age = (uint32_t)mr_rng_below(&rng, 4000) - 1100;
			uint32_t spread = mr_rng_below(&rng, 3) == 0
			                          ? 0xffff
			                          : (uint32_t)mr_rng_below(&rng, 4000);

			atomic_store(&bucket.loc[way], (uint32_t)mr_rng_below(&rng, 4));
			atomic_store(&bucket.stamp[way], (now - age) << 16 | spread);
		}
		ways = mr_cache_ways_worth(&bucket, &bar);
		assert_int_equal(mr_cache_ways_worth_wide(&bucket, &bar), ways);
		worth += (unsigned)__builtin_popcount(ways);
	}
	assert_in_range(worth, 1, 100000 * MR_CACHE_WAYS - 1);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_worth),
		cmocka_unit_test(params_are_checked),
		cmocka_unit_test(sizes_come_back_whole),
		cmocka_unit_test(newer_writes_win),
		cmocka_unit_test(a_row_asked_for_may_change),
		cmocka_unit_test(what_was_read_is_not_taken_back),
		cmocka_unit_test(budget_holds_rows_of_mixed_sizes),
		cmocka_unit_test(index_drops_hardly_a_row),
		cmocka_unit_test(sizes_may_shift),
		cmocka_unit_test(reader_stores_once_a_period),
		cmocka_unit_test(spaces_are_dropped),
		cmocka_unit_test(expired_rows_go),
		cmocka_unit_test(old_stamps_stay_old),
		cmocka_unit_test(prefetch_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
