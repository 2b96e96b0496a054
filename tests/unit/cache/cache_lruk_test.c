// SPDX-License-Identifier: BSD-3-Clause
//
// Replacement against LRU-K as its authors wrote it down, slow and exact; and a cache against a
// model that remembers everything.
#include "cache_util.h"

#include <errno.h>
#include <math.h>

#define MAX_KEYS 400u

/** What exact LRU-K knows of a key. Times: accesses, from 1; 0: none. */
struct known {
	uint64_t t[3];
	bool cached;
};

struct oracle {
	unsigned k, capacity, n_cached;
	uint64_t crp;
	bool history;
	struct known keys[MAX_KEYS];
};

static bool worse(
	const struct oracle *o, const struct known *a, const struct known *b, uint64_t now)
{
	bool a_free = now - a->t[0] > o->crp, b_free = now - b->t[0] > o->crp;
	bool a_full = a->t[o->k - 1] != 0, b_full = b->t[o->k - 1] != 0;

	if (a_free != b_free)
		return a_free;
	if (a_full != b_full)
		return !a_full;
	return a_full ? a->t[o->k - 1] < b->t[o->k - 1] : a->t[0] < b->t[0];
}

static void shift(struct known *key, uint64_t now)
{
	key->t[2] = key->t[1];
	key->t[1] = key->t[0];
	key->t[0] = now;
}

static bool oracle_access(struct oracle *o, unsigned id, uint64_t now)
{
	struct known *key = &o->keys[id], *victim = NULL;

	if (key->cached) {
		if (now - key->t[0] > o->crp)
			shift(key, now);
		return true;
	}
	if (o->n_cached == o->capacity) {
		for (unsigned i = 0; i < MAX_KEYS; i++) {
			struct known *x = &o->keys[i];

			if (x->cached && (victim == NULL || worse(o, x, victim, now)))
				victim = x;
		}
		victim->cached = false;
		if (!o->history)
			memset(victim->t, 0, sizeof(victim->t));
	} else {
		o->n_cached++;
	}
	shift(key, now);
	key->cached = true;
	return false;
}

static void small_caches_are_exact(void **state)
{
	static const struct {
		unsigned k, capacity;
		double crp, history, tolerated;
	} cases[] = {
		{1, 1, 0, 0, 0},
		{1, 50, 0, 0, 0},
		{2, 1, 0, 0, 0},
		{2, 2, 0.5, 0, 0},
		{2, 10, 0, 0, 0},
		{2, 50, 0.2, 0, 0},
		{2, 127, 0.1, 0, 0},
		{2, 100, 1, 0, 0},
		{2, 10, 0.3, 1000, 0},
		{2, 60, 0, 1000, 0},
		{2, 120, 0.2, 1000, 0},
		// With K = 3 distances are logarithmic.
		{3, 50, 0, 0, 0.02},
		{3, 100, 0.2, 100, 0.02},
	};

	(void)state;
	for (unsigned c = 0; c < 4 * MR_ARRAY_SIZE(cases); c++) {
		unsigned i = c / 4, n = 12000, differ = 0, misses = 0;
		static struct oracle o;
		struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 1 << 20,
			.max_rows = cases[i].capacity,
			.k = (uint8_t)cases[i].k,
			.plain = true,
			.crp_ratio = cases[i].crp,
			.history_ratio = cases[i].history});
		struct mr_rng rng = {.state = c};

		assert_int_equal(mr_cache_tick_accesses(cache), 1);
		o = (struct oracle){.k = cases[i].k,
			.capacity = cases[i].capacity,
			.crp = (uint64_t)(cases[i].crp * cases[i].capacity),
			.history = cases[i].history > 0};
		for (uint64_t now = 1; now <= n; now++) {
			// A skew whose favourites change, and now and then a scan.
			unsigned id = (unsigned)(pow(mr_rng_unit(&rng), 3) * MAX_KEYS + now / 200) %
			              MAX_KEYS;
			struct cache_key key;
			bool hit;

			if (now % 1000 < 150)
				id = now % MAX_KEYS;
			key = cache_key(id + 1, 1, 8);
			hit = cache_hit(cache, &key, now);
			if (!hit)
				assert_int_equal(cache_fill(cache, &key, 8, 1, now), 0);
			misses += !hit;
			differ += hit != oracle_access(&o, id, now);
		}
		if (differ > cases[i].tolerated * n)
			fail_msg("case %u seed %u: %u of %u accesses differ (%u misses)", i, c,
				differ, n, misses);
		assert_int_equal(cache_stats(cache)->rows, MR_MIN(cases[i].capacity, MAX_KEYS));
		assert_int_equal(cache_stats(cache)->evictions[MR_CACHE_EVICT_BUCKET], 0);
		cache_check(cache);
		free(cache);
	}
}

// Larger caches look at samples: the hit ratio must be that of the exact algorithm.
static void large_caches_are_close(void **state)
{
	enum { KEYS = 25000, ROWS = 2500, N = 200000 };
	static uint64_t t[KEYS][2];
	static bool cached[KEYS];
	struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 4 << 20,
		.max_rows = ROWS,
		.plain = true,
		.crp_ratio = 0.1,
		.history_ratio = 20});
	uint64_t tick = mr_cache_tick_accesses(cache), hits = 0, exact_hits = 0;
	static uint32_t order[ROWS];
	unsigned n_cached = 0;
	struct mr_rng rng = {.state = 5};

	(void)state;
	for (uint64_t now = 1; now <= N; now++) {
		unsigned id = (unsigned)(pow(mr_rng_unit(&rng), 4) * KEYS);
		struct cache_key key = cache_key(id + 1, 1, 8);

		if (cache_hit(cache, &key, now / tick))
			hits++;
		else
			assert_int_equal(cache_fill(cache, &key, 8, 1, now / tick), 0);
		if (cached[id]) {
			exact_hits++;
			if (now - t[id][0] > ROWS / 10) {
				t[id][1] = t[id][0];
				t[id][0] = now;
			}
			continue;
		}
		if (n_cached == ROWS) {
			unsigned worst = 0;
			uint64_t worst_score = 0;

			for (unsigned i = 0; i < ROWS; i++) {
				const uint64_t *x = t[order[i]];
				uint64_t score =
					x[1] == 0 ? (UINT64_C(1) << 40) + now - x[0] : now - x[1];

				if (now - x[0] > ROWS / 10)
					score += UINT64_C(1) << 50;
				if (score > worst_score) {
					worst_score = score;
					worst = i;
				}
			}
			cached[order[worst]] = false;
			order[worst] = id;
		} else {
			order[n_cached++] = id;
		}
		cached[id] = true;
		t[id][1] = t[id][0];
		t[id][0] = now;
	}
	print_message("hit ratio %.4f, exact %.4f\n", (double)hits / N, (double)exact_hits / N);
	assert_true(fabs((double)hits - (double)exact_hits) / N < 0.003);
	cache_check(cache);
	free(cache);
}

// ---- the model ---------------------------------------------------------------------------------

/** What the cache may say of a key: this or nothing. */
struct truth {
	uint64_t event_time_us;
	unsigned row_bytes;
	bool maybe_cached, deleted;
	unsigned key_bytes;
	uint64_t writes; //!< breaks leases
};

struct lease_taken {
	struct mr_cache_lease lease;
	uint64_t writes;
	unsigned id;
	bool taken;
};

struct model {
	struct mr_cache *cache;
	struct truth keys[MAX_KEYS];
	struct lease_taken leases[8];
	struct mr_rng rng;
	uint64_t now, time_us;
	unsigned row_max;
	uint64_t seed;
};

static struct cache_key model_key(const struct model *m, unsigned id)
{
	return cache_key(id + 1, id % 4, m->keys[id].key_bytes);
}

static uint64_t row_id(unsigned id, unsigned key_bytes)
{
	return (uint64_t)(id + 1) << 8 | key_bytes;
}

static struct mr_cache_row model_row(
	struct model *m, unsigned id, struct cache_key *key, uint64_t event_time_us, bool deleted)
{
	static uint8_t bytes[MR_CACHE_ROW_MAX_BYTES + 1];
	unsigned n = (unsigned)pow(m->row_max + 1, mr_rng_unit(&m->rng)) - 1;
	struct mr_cache_row row;

	if (mr_rng_below(&m->rng, 200) == 0)
		n = MR_CACHE_ROW_MAX_BYTES + (unsigned)mr_rng_below(&m->rng, 2);
	*key = model_key(m, id);
	cache_row_bytes(bytes, n, row_id(id, key->n), event_time_us);
	row = cache_row(key, bytes, deleted ? 0 : n, event_time_us);
	row.deleted = deleted;
	return row;
}

static void model_read(struct model *m, unsigned id)
{
	static uint8_t want[MR_CACHE_ROW_MAX_BYTES], got[MR_CACHE_ROW_MAX_BYTES];
	struct cache_key key = model_key(m, id);
	struct truth *t = &m->keys[id];
	struct mr_cache_ref ref;

	if (!mr_cache_get(m->cache, key.hash, key.space, key.bytes, key.n, m->now, got, sizeof(got),
		    &ref)) {
		t->maybe_cached = false;
		return;
	}
	if (!t->maybe_cached || ref.event_time_us != t->event_time_us ||
		ref.row_bytes != t->row_bytes || ref.deleted != t->deleted)
		fail_msg("seed %lu: key %u: event time %lu, want %lu", m->seed, id,
			ref.event_time_us, t->event_time_us);
	cache_row_bytes(want, t->row_bytes, row_id(id, key.n), t->event_time_us);
	assert_memory_equal(want, got, t->row_bytes);
}

static void model_learn(struct truth *t, const struct mr_cache_row *row)
{
	t->maybe_cached = true;
	t->event_time_us = row->event_time_us;
	t->row_bytes = row->row_bytes;
	t->deleted = row->deleted;
}

// Rows of even spaces live until their event time is half of the newest.
static bool model_expired(mr_space_t space, uint64_t event_time_us, void *arg)
{
	const struct model *m = arg;

	return space % 2 == 0 && event_time_us < m->time_us / 2;
}

// Drops what is expired and idle; what it may not drop is still there.
static void model_expire(struct model *m)
{
	uint64_t cursor = 0, before = cache_stats(m->cache)->rows, dropped, gone = 0;
	bool cached[MAX_KEYS];

	for (unsigned id = 0; id < MAX_KEYS; id++) {
		struct cache_key key = model_key(m, id);

		cached[id] = mr_cache_has(m->cache, key.hash, key.space, key.bytes, key.n);
	}
	dropped = mr_cache_expire(m->cache, m->now, &cursor, UINT64_MAX, model_expired, m);
	assert_int_equal(cache_stats(m->cache)->rows, before - dropped);
	for (unsigned id = 0; id < MAX_KEYS; id++) {
		struct cache_key key = model_key(m, id);
		struct truth *t = &m->keys[id];

		if (!cached[id] || mr_cache_has(m->cache, key.hash, key.space, key.bytes, key.n))
			continue;
		if (!model_expired(key.space, t->event_time_us, m))
			fail_msg("seed %lu: key %u went before its time", m->seed, id);
		t->maybe_cached = false;
		gone++;
	}
	assert_int_equal(gone, dropped);
	// The leases of buckets that rows went from are broken: whoever holds one asks again.
	memset(m->leases, 0, sizeof(m->leases));
}

static void model_fill(struct model *m, struct lease_taken *l)
{
	struct truth *t = &m->keys[l->id];
	struct cache_key key;
	bool fresh = mr_rng_below(&m->rng, 2) == 0;
	struct mr_cache_row row = model_row(
		m, l->id, &key, MR_MAX(t->event_time_us, 1ul), mr_rng_below(&m->rng, 10) == 0);
	int ret;

	if (fresh) {
		l->lease = mr_cache_lease(m->cache, key.hash);
		l->writes = t->writes;
	}
	ret = mr_cache_fill(m->cache, &row, l->lease, m->now);
	if (row.row_bytes > MR_CACHE_ROW_MAX_BYTES) {
		assert_int_equal(ret, -E2BIG);
	} else if (l->writes != t->writes) {
		if (ret != -ESTALE)
			fail_msg("seed %lu: a late fill of key %u: %d", m->seed, l->id, ret);
	} else if (fresh) {
		if (ret != 0)
			fail_msg("seed %lu: fill of key %u: %d", m->seed, l->id, ret);
	}
	if (ret == 0) {
		model_learn(t, &row);
		t->writes++;
	}
	l->taken = false;
}

static void model_update(struct model *m, unsigned id)
{
	struct truth *t = &m->keys[id];
	struct cache_key key;
	bool insert = mr_rng_below(&m->rng, 2) == 0, late = mr_rng_below(&m->rng, 5) == 0;
	struct mr_cache_row row = model_row(m, id, &key, late ? 1 + m->time_us / 2 : ++m->time_us,
		mr_rng_below(&m->rng, 5) == 0);
	bool cached = cache_hit(m->cache, &key, m->now);
	int ret = mr_cache_update(m->cache, &row, insert, m->now);

	t->writes++;
	if (cached && t->event_time_us > row.event_time_us) {
		assert_int_equal(ret, -ESTALE);
		return;
	}
	assert_int_equal(ret, row.row_bytes > MR_CACHE_ROW_MAX_BYTES ? -E2BIG : 0);
	if (ret == 0 && (cached || insert)) {
		model_learn(t, &row);
	} else {
		t->maybe_cached = false;
		t->event_time_us = MR_MAX(t->event_time_us, row.event_time_us);
	}
}

static void model_step(struct model *m)
{
	unsigned id = (unsigned)(pow(mr_rng_unit(&m->rng), 2) * MAX_KEYS);
	unsigned what = (unsigned)mr_rng_below(&m->rng, 100);
	struct lease_taken *l = &m->leases[mr_rng_below(&m->rng, MR_ARRAY_SIZE(m->leases))];
	struct cache_key key = model_key(m, id);

	m->now += mr_rng_below(&m->rng, 3) / 2;
	if (what < 40) {
		model_read(m, id);
	} else if (what < 55) {
		*l = (struct lease_taken){
			mr_cache_lease(m->cache, key.hash), m->keys[id].writes, id, true};
	} else if (what < 80) {
		if (l->taken)
			model_fill(m, l);
	} else if (what < 94) {
		model_update(m, id);
	} else if (what < 98) {
		mr_cache_invalidate(
			m->cache, key.hash, key.space, key.bytes, key.n, MR_CACHE_EVICT_EXPIRY);
		m->keys[id].maybe_cached = false;
		m->keys[id].writes++;
		assert_false(cache_hit(m->cache, &key, m->now));
	} else if (what == 98 && mr_rng_below(&m->rng, 20) == 0) {
		model_expire(m);
	} else if (what == 98) {
		mr_cache_age(m->cache, m->now, 10);
	} else if (mr_rng_below(&m->rng, 20) == 0) {
		uint64_t cursor = 0;

		mr_cache_drop_space(m->cache, id % 4, &cursor, UINT64_MAX);
		for (unsigned i = id % 4; i < MAX_KEYS; i += 4)
			m->keys[i].maybe_cached = false;
	}
}

static void cache_agrees_with_model(void **state)
{
	static const struct {
		uint64_t budget, max_rows;
		unsigned k, row_max, steps;
	} cases[] = {
		{1 << 20, 0, 2, 8192, 60000},
		{1 << 20, 1, 2, 100, 20000},
		{1 << 20, 20, 1, 1000, 40000},
		{1 << 20, 200, 2, 8192, 60000},
		{1 << 20, 0, 3, 4000, 60000},
		{4 << 20, 0, 2, 200, 60000},
	};

	(void)state;
	// Odd rounds evict as plain LRU-K does.
	for (uint64_t seed = 0; seed < 2 * MR_ARRAY_SIZE(cases) * cache_test_times(); seed++) {
		static struct model m;
		unsigned c = seed % MR_ARRAY_SIZE(cases);

		m = (struct model){.rng.state = seed,
			.seed = seed,
			.row_max = cases[c].row_max,
			.now = 1,
			.time_us = 1};
		m.cache = cache_new((struct mr_cache_params){.budget_bytes = cases[c].budget,
			.max_rows = cases[c].max_rows,
			.k = (uint8_t)cases[c].k,
			.plain = seed / MR_ARRAY_SIZE(cases) % 2 != 0,
			.crp_ratio = -1,
			.history_ratio = -1});
		for (unsigned i = 0; i < MAX_KEYS; i++)
			m.keys[i].key_bytes =
				2 + (unsigned)mr_rng_below(&m.rng, i % 8 == 0 ? 254 : 20);
		for (unsigned i = 0; i < cases[c].steps; i++) {
			model_step(&m);
			if (i % 2000 == 0)
				cache_check(m.cache);
		}
		cache_check(m.cache);
		free(m.cache);
	}
}

// With more room than keys nothing may be lost.
static void nothing_is_lost_below_the_budget(void **state)
{
	struct mr_cache *cache = cache_new((struct mr_cache_params){.budget_bytes = 8 << 20,
		.mean_row_bytes = 128,
		.crp_ratio = -1,
		.history_ratio = -1});

	(void)state;
	for (uint64_t id = 1; id <= 30000; id++) {
		struct cache_key key = cache_key(id, 1, 8);

		assert_int_equal(cache_fill(cache, &key, id % 100, id, id / 100), 0);
	}
	for (uint64_t id = 1; id <= 30000; id++) {
		struct cache_key key = cache_key(id, 1, 8);

		if (!cache_hit(cache, &key, 400))
			fail_msg("key %lu is lost", id);
	}
	cache_check(cache);
	free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_caches_are_exact),
		cmocka_unit_test(large_caches_are_close),
		cmocka_unit_test(cache_agrees_with_model),
		cmocka_unit_test(nothing_is_lost_below_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
