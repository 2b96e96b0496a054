// SPDX-License-Identifier: BSD-3-Clause
//
// Readers and writers at once: no torn row, and no row older than the last acknowledged write.
// Rows prove themselves: their bytes follow from key and event time. To be run under
// ThreadSanitizer too.
#include "cache_util.h"

#include <pthread.h>
#include <sched.h>

#ifdef MR_CACHE_TSAN
#define STEPS 30000u
#else
#define STEPS 100000u
#endif

#define KEYS 3000u
#define WRITERS 2u
#define READERS 2u

struct shared {
	struct mr_cache *cache;
	_Atomic uint64_t stored[KEYS]; //!< event time of what the store has
	_Atomic uint64_t acked[KEYS];  //!< event time of the last acknowledged write
	_Atomic uint64_t accesses;
	_Atomic unsigned writers_left;
	_Atomic uint64_t hits, torn, stale, warmed;
	unsigned row_max;
};

struct worker {
	struct shared *s;
	unsigned number;
	pthread_t thread;
};

static unsigned length_of(const struct shared *s, uint64_t id, uint64_t event_time_us)
{
	return (unsigned)((id * 7919 + event_time_us * 104729) % (s->row_max + 1));
}

static uint64_t ticks(struct shared *s)
{
	return atomic_fetch_add_explicit(&s->accesses, 1, memory_order_relaxed) /
	       mr_cache_tick_accesses(s->cache);
}

static struct mr_cache_row make_row(const struct shared *s, const struct cache_key *key,
	uint64_t id, uint64_t event_time_us, uint8_t *bytes)
{
	unsigned n = length_of(s, id, event_time_us);

	cache_row_bytes(bytes, n, id, event_time_us);
	return cache_row(key, bytes, n, event_time_us);
}

static void *read_rows(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	struct mr_rng rng = {.state = 100 + w->number};
	uint8_t got[MR_CACHE_ROW_MAX_BYTES], want[MR_CACHE_ROW_MAX_BYTES];

	while (atomic_load(&s->writers_left) > 0) {
		uint64_t id = mr_rng_below(&rng, KEYS) * mr_rng_below(&rng, KEYS) / KEYS;
		struct cache_key key = cache_key(id, id % 3, 8);
		uint64_t acked = atomic_load(&s->acked[id]);
		struct mr_cache_ref ref;

		if (!mr_cache_get(s->cache, key.hash, key.space, key.bytes, key.n, ticks(s), got,
			    sizeof(got), &ref))
			continue;
		cache_row_bytes(want, length_of(s, id, ref.event_time_us), id, ref.event_time_us);
		atomic_fetch_add_explicit(&s->hits, 1, memory_order_relaxed);
		if (ref.row_bytes != length_of(s, id, ref.event_time_us) ||
			memcmp(got, want, ref.row_bytes) != 0)
			atomic_fetch_add(&s->torn, 1);
		if (ref.event_time_us < acked)
			atomic_fetch_add(&s->stale, 1);
	}
	return NULL;
}

// Each key's writes come from one writer, as from its home I/O lcore.
static void write_key(struct worker *w, uint64_t id, uint64_t event_time_us, uint8_t *bytes)
{
	struct shared *s = w->s;
	struct cache_key key;
	struct mr_cache_row row;

	id = id - id % WRITERS + w->number;
	if (id >= KEYS)
		return;
	key = cache_key(id, id % 3, 8);
	row = make_row(s, &key, id, event_time_us, bytes);
	atomic_store(&s->stored[id], event_time_us);
	mr_cache_update(s->cache, &row, event_time_us % 2 == 0, ticks(s));
	atomic_store(&s->acked[id], event_time_us);
}

static void fill_key(struct worker *w, uint64_t id, uint8_t *bytes)
{
	static const struct mr_cache_past past = {.age_ticks = 3, .spread = 9};
	struct shared *s = w->s;
	struct cache_key key = cache_key(id, id % 3, 8);
	struct mr_cache_lease lease;
	struct mr_cache_row row;

	if (cache_hit(s->cache, &key, ticks(s)))
		return;
	lease = mr_cache_lease(s->cache, key.hash);
	row = make_row(s, &key, id, atomic_load(&s->stored[id]), bytes);
	if (id % 2 == 0)
		mr_cache_fill(s->cache, &row, lease, ticks(s));
	else if (mr_cache_warm(s->cache, &row, lease, id % 4 == 1 ? &past : NULL, ticks(s)) == 0)
		atomic_fetch_add_explicit(&s->warmed, 1, memory_order_relaxed);
}

static bool is_old(mr_space_t space, uint64_t event_time_us, void *arg)
{
	(void)arg;
	return space == 2 && event_time_us % 5 == 0;
}

static void *write_rows(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	struct mr_rng rng = {.state = w->number};
	uint8_t bytes[MR_CACHE_ROW_MAX_BYTES];
	uint64_t cursor = 0, expire = 0;

	for (unsigned i = 1; i <= STEPS * cache_test_times(); i++) {
		uint64_t id = mr_rng_below(&rng, KEYS) * mr_rng_below(&rng, KEYS) / KEYS;
		unsigned what = (unsigned)mr_rng_below(&rng, 1000);
		struct cache_key key = cache_key(id, id % 3, 8);

		if (what < 300)
			write_key(w, id, i + 1, bytes);
		else if (what < 970)
			fill_key(w, id, bytes);
		else if (what < 990)
			mr_cache_invalidate(s->cache, key.hash, key.space, key.bytes, key.n,
				MR_CACHE_EVICT_EXPIRY);
		else if (what < 993)
			mr_cache_age(s->cache, ticks(s), 5);
		else if (what < 997)
			mr_cache_expire(s->cache, ticks(s), &expire, 3, is_old, s);
		else if (w->number == 0) {
			mr_cache_drop_space(s->cache, 1, &cursor, 1);
			if (cursor == MR_CACHE_CURSOR_END)
				cursor = 0;
		}
	}
	atomic_fetch_sub(&s->writers_left, 1);
	return NULL;
}

static void readers_see_whole_and_new_rows(void **state)
{
	static const struct {
		uint64_t max_rows;
		unsigned row_max, k;
	} cases[] = {{0, 4000, 2}, {3, 60, 2}, {100, 200, 3}, {2500, 100, 2}};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		static struct shared s;
		struct worker workers[WRITERS + READERS];

		memset(&s, 0, sizeof(s));
		s.cache = cache_new((struct mr_cache_params){.budget_bytes = 1 << 20,
			.max_rows = cases[c].max_rows,
			.k = (uint8_t)cases[c].k,
			.crp_ratio = -1,
			.history_ratio = -1});
		s.row_max = cases[c].row_max;
		s.writers_left = WRITERS;
		for (unsigned i = 0; i < WRITERS + READERS; i++) {
			workers[i] =
				(struct worker){.s = &s, .number = i < WRITERS ? i : i - WRITERS};
			assert_int_equal(pthread_create(&workers[i].thread, NULL,
						 i < WRITERS ? write_rows : read_rows, &workers[i]),
				0);
		}
		for (unsigned i = 0; i < WRITERS + READERS; i++)
			pthread_join(workers[i].thread, NULL);
		assert_int_equal(s.torn, 0);
		assert_int_equal(s.stale, 0);
		assert_true(s.hits > 0 && s.warmed > 0);
		print_message(
			"hits %lu, fills %lu, stale fills %lu, updates %lu, pages moved %lu\n",
			(uint64_t)s.hits, cache_stats(s.cache)->fills,
			cache_stats(s.cache)->fills_stale, cache_stats(s.cache)->updates,
			cache_stats(s.cache)->pages_moved);
		cache_check(s.cache);
		free(s.cache);
	}
}

// ---- dropping a space while its rows would be moved ---------------------------------------------

#define DROP_ROWS 1500u

struct mover {
	struct mr_cache *cache;
	_Atomic bool stop;
	pthread_t thread;
};

// Fills of other spaces into a full index: rows move between buckets all the time.
static void *move_rows(void *arg)
{
	struct mover *m = arg;

	for (uint64_t id = 1; !atomic_load(&m->stop); id++) {
		struct cache_key key = cache_key(id, 2, 8);

		cache_fill(m->cache, &key, 8, id, 1);
		// Away again before anything has to be evicted for it.
		if (id > 300) {
			key = cache_key(id - 300, 2, 8);
			mr_cache_invalidate(
				m->cache, key.hash, 2, key.bytes, 8, MR_CACHE_EVICT_DELETE);
		}
	}
	return NULL;
}

static void one_pass_drops_a_space(void **state)
{
	unsigned left = 0;

	(void)state;
	for (unsigned round = 0; round < STEPS / 1000 * cache_test_times(); round++) {
		struct mover m = {.cache = cache_new((struct mr_cache_params){
					  .budget_bytes = 1 << 20, .max_rows = 2100})};
		uint64_t cursor = 0;

		for (uint64_t id = 1; id <= DROP_ROWS; id++) {
			struct cache_key key = cache_key(id, 1, 8);

			assert_int_equal(cache_fill(m.cache, &key, 8, id, 1), 0);
		}
		assert_int_equal(pthread_create(&m.thread, NULL, move_rows, &m), 0);
		while (cache_stats(m.cache)->fills < DROP_ROWS + 400)
			sched_yield();
		while (cursor != MR_CACHE_CURSOR_END)
			mr_cache_drop_space(m.cache, 1, &cursor, 50);
		for (uint64_t id = 1; id <= DROP_ROWS; id++) {
			struct cache_key key = cache_key(id, 1, 8);

			left += mr_cache_has(m.cache, key.hash, 1, key.bytes, 8);
		}
		atomic_store(&m.stop, true);
		pthread_join(m.thread, NULL);
		cache_check(m.cache);
		free(m.cache);
	}
	assert_int_equal(left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_whole_and_new_rows),
		cmocka_unit_test(one_pass_drops_a_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
