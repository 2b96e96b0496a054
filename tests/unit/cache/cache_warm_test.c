// SPDX-License-Identifier: BSD-3-Clause
//
// What a warm restart asks of the cache: the order of worth, and fills that displace nothing.
#include "cache_util.h"

#include <errno.h>
#include <math.h>

#define ROWS 400u

static uint64_t id_of(const struct mr_cache_row *row)
{
	uint64_t id = 0;

	memcpy(&id, row->key, 8);
	return id;
}

static struct mr_cache *make(uint64_t max_rows, unsigned k, bool plain, double crp)
{
	return cache_new((struct mr_cache_params){.budget_bytes = 1 << 20,
		.max_rows = max_rows,
		.k = (uint8_t)k,
		.plain = plain,
		.crp_ratio = crp,
		.history_ratio = -1});
}

/** The cache's rows by worth, best first. */
struct order {
	void *mem;
	const struct mr_cache_ranked *rows;
	uint64_t n;
};

static struct order order_of(const struct mr_cache *cache, uint64_t now)
{
	struct order o = {.mem = malloc(mr_cache_rank_memsize(cache))};

	assert_non_null(o.mem);
	o.rows = mr_cache_rank(cache, now, o.mem, &o.n);
	assert_int_equal(o.n, cache_stats(cache)->rows);
	return o;
}

static struct mr_cache_row row_at(const struct mr_cache *cache, const struct order *o, uint64_t i)
{
	struct mr_cache_row row;

	mr_cache_ranked_prefetch(cache, &o->rows[i]);
	mr_cache_ranked_row(cache, &o->rows[i], &row);
	return row;
}

// A skew, so that there are strangers, known rows and rows that are left alone.
static uint64_t traffic(struct mr_cache *cache, uint64_t now, unsigned n, struct mr_rng *rng)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t id = 1 + (uint64_t)(pow(mr_rng_unit(rng), 2) * 4 * ROWS);
		struct cache_key key = cache_key(id, 1, 8);

		if (!cache_hit(cache, &key, ++now))
			assert_int_equal(cache_fill(cache, &key, id % 50, id, now), 0);
	}
	return now;
}

// Whatever is evicted next are the last of the ranked rows. Where there is a window, it moves.
static void worth_is_the_order_of_eviction(void **state)
{
	static const struct {
		unsigned k;
		bool plain;
		double crp;
	} cases[] = {{1, true, 0}, {2, true, 0}, {2, true, 0.2}, {2, false, 0.1}, {3, false, 0.1}};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_cache *cache = make(ROWS, cases[c].k, cases[c].plain, cases[c].crp);
		struct mr_rng rng = {.state = c};
		uint64_t now = traffic(cache, 1, 20000, &rng), others = 0;
		struct order o = order_of(cache, now);
		struct cache_key keys[ROWS];

		for (uint64_t i = 0; i < o.n; i++) {
			struct mr_cache_row row = row_at(cache, &o, i);

			keys[i] = cache_key(id_of(&row), 1, 8);
		}
		for (uint64_t i = 0; i < 50; i++) {
			struct cache_key new = cache_key(1000000 + i, 1, 8);

			assert_int_equal(cache_fill(cache, &new, 8, 1, now), 0);
		}
		for (uint64_t i = 0; i < o.n - 55; i++)
			others += !mr_cache_has(cache, keys[i].hash, 1, keys[i].bytes, 8);
		if (others > (cases[c].plain ? 0 : 10))
			fail_msg("case %u: %lu of 50 evictions were of better rows", c, others);
		free(o.mem);
		free(cache);
	}
}

static int warm(struct mr_cache *cache, uint64_t id, const struct mr_cache_past *past, uint64_t now)
{
	struct cache_key key = cache_key(id, 1, 8);
	uint8_t bytes[64];
	struct mr_cache_row row;

	cache_row_bytes(bytes, id % 50, id, id);
	row = cache_row(&key, bytes, id % 50, id);
	return mr_cache_warm(cache, &row, mr_cache_lease(cache, key.hash), past, now);
}

// Out of one cache and into another: the same rows with the same past.
static void a_copy_is_alike(void **state)
{
	static struct mr_cache_past pasts[4 * ROWS + 2];

	(void)state;
	for (unsigned k = 1; k <= 3; k++) {
		struct mr_cache *from = make(ROWS, k, false, -1), *to = make(ROWS, k, false, -1);
		struct mr_rng rng = {.state = k};
		uint64_t now = traffic(from, 1, 20000, &rng);
		struct order o = order_of(from, now), copy;

		assert_true(mr_cache_past_form(from) == mr_cache_past_form(to));
		for (uint64_t i = 0; i < o.n; i++) {
			struct mr_cache_row row = row_at(from, &o, i);

			assert_int_equal(warm(to, id_of(&row), &o.rows[i].past, 0), 0);
		}
		copy = order_of(to, 0);
		assert_int_equal(copy.n, o.n);
		memset(pasts, 0xff, sizeof(pasts));
		for (uint64_t i = 0; i < o.n; i++)
			pasts[id_of((struct mr_cache_row[]){row_at(from, &o, i)})] = o.rows[i].past;
		for (uint64_t i = 0; i < o.n; i++)
			assert_memory_equal(
				&pasts[id_of((struct mr_cache_row[]){row_at(to, &copy, i)})],
				&copy.rows[i].past, sizeof(*pasts));
		cache_check(to);
		free(o.mem);
		free(copy.mem);
		free(from);
		free(to);
	}
}

static void forms_differ(void **state)
{
	struct mr_cache *caches[3] = {
		make(ROWS, 1, false, -1), make(ROWS, 2, false, -1), make(4 * ROWS, 2, false, -1)};

	(void)state;
	assert_true(mr_cache_past_form(caches[0]) != mr_cache_past_form(caches[1]));
	assert_true(mr_cache_past_form(caches[1]) != mr_cache_past_form(caches[2]));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(caches); i++)
		free(caches[i]);
}

static void nothing_is_displaced(void **state)
{
	struct mr_cache *cache = make(10, 2, false, -1);
	struct mr_cache_past past = {.age_ticks = 1, .spread = 2};
	struct cache_key key = cache_key(1, 1, 8);
	uint8_t got[64];
	struct mr_cache_ref ref;

	(void)state;
	for (uint64_t id = 9; id > 0; id--) {
		key = cache_key(id, 1, 8);
		assert_int_equal(cache_fill(cache, &key, 8, 5, 1), 0);
	}
	// What is cached stays as it is, its history included.
	assert_int_equal(warm(cache, 1, &past, 1), -EEXIST);
	assert_true(mr_cache_get(cache, key.hash, 1, key.bytes, 8, 1, got, sizeof(got), &ref));
	assert_int_equal(ref.event_time_us, 5);
	assert_int_equal(warm(cache, 20, &past, 1), 0);
	assert_int_equal(warm(cache, 21, NULL, 1), -ENOSPC);
	assert_int_equal(cache_stats(cache)->rows, 10);
	for (unsigned i = 0; i < MR_CACHE_EVICT_COUNT; i++)
		if (i != MR_CACHE_EVICT_OVERWRITE)
			assert_int_equal(cache_stats(cache)->evictions[i], 0);
	free(cache);
	// The same where memory ends before the number of rows.
	cache = make(0, 2, false, -1);
	for (uint64_t id = 1;; id++) {
		static uint8_t bytes[4000];
		struct mr_cache_row row;
		int ret;

		key = cache_key(id, 1, 8);
		row = cache_row(&key, bytes, sizeof(bytes), id);
		ret = mr_cache_warm(cache, &row, mr_cache_lease(cache, key.hash), &past, 1);
		if (ret != 0) {
			assert_int_equal(ret, -ENOSPC);
			assert_true(id > 150);
			break;
		}
	}
	assert_int_equal(cache_stats(cache)->evictions[MR_CACHE_EVICT_CAPACITY], 0);
	cache_check(cache);
	free(cache);
}

static void late_rows_are_refused(void **state)
{
	struct mr_cache *cache = make(10, 2, false, -1);
	struct cache_key key = cache_key(1, 1, 8);
	struct mr_cache_lease lease = mr_cache_lease(cache, key.hash);
	struct mr_cache_row row = cache_row(&key, (const uint8_t *)"12345678", 8, 1);
	static uint8_t large[MR_CACHE_ROW_MAX_BYTES + 1];

	(void)state;
	// A write that does not put its row in breaks the lease all the same.
	row.event_time_us = 2;
	assert_int_equal(mr_cache_update(cache, &row, false, 1), 0);
	row.event_time_us = 1;
	assert_int_equal(mr_cache_warm(cache, &row, lease, NULL, 1), -ESTALE);
	assert_false(mr_cache_has(cache, key.hash, 1, key.bytes, 8));
	lease = mr_cache_lease(cache, key.hash);
	mr_cache_invalidate(cache, key.hash, 1, key.bytes, 8, MR_CACHE_EVICT_DELETE);
	assert_int_equal(mr_cache_warm(cache, &row, lease, NULL, 1), -ESTALE);
	row.row = large;
	row.row_bytes = sizeof(large);
	lease = mr_cache_lease(cache, key.hash);
	assert_int_equal(mr_cache_warm(cache, &row, lease, NULL, 1), -E2BIG);
	row.row_bytes = 8;
	assert_int_equal(mr_cache_warm(cache, &row, lease, NULL, 1), 0);
	assert_true(mr_cache_has(cache, key.hash, 1, key.bytes, 8));
	free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worth_is_the_order_of_eviction),
		cmocka_unit_test(a_copy_is_alike),
		cmocka_unit_test(forms_differ),
		cmocka_unit_test(nothing_is_displaced),
		cmocka_unit_test(late_rows_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
