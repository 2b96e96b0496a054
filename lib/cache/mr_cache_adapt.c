// SPDX-License-Identifier: BSD-3-Clause
//
// How long rows are left alone.
//
// A row is evicted either as a stranger, because the window after its last access was over, or as a
// known one, because its accesses are far apart. Which of the two is the mistake shows when keys
// come back soon after: the window grows while a stranger that was evicted is the likelier one to
// come back soon, and shrinks while a known row is. At its largest nothing outlives it, and the
// cache is LRU; at its smallest it keeps strangers just long enough to be asked for again.
//
// The window is counted in turnovers, one being as many evictions as there are rows, so that it
// means the same at any hit ratio.
#include "mr_cache_priv.h"

#define WINDOW_MIN 0.05
#define WINDOW_MAX 1.0
#define WINDOW_START 0.1
#define WINDOW_STEP 1.1
// A part of a turnover: between two looks, and for which a return is soon.
#define ADAPT_EVERY 0.05
#define ADAPT_EVERY_MIN 16u
#define SOON 0.25
// So much more likely strangers must be before the window grows.
#define MARGIN 0.02
#define KEEP 0.8
#define TICKS_MAX (MR_CACHE_AGE_MAX / 2.0)

// @return rows accesses, in ticks.
static double ticks_of(const struct mr_cache *cache, double ratio, uint64_t rows)
{
	return MR_MIN(ratio * (double)rows / (double)cache->tick_accesses, TICKS_MAX);
}

static void set_window(struct mr_cache *cache, uint64_t rows)
{
	// why relaxed: nothing hangs on when another writer sees the change.
	if (cache->plain)
		atomic_store_explicit(&cache->window_ticks,
			atomic_load_explicit(&cache->crp_ticks, memory_order_relaxed),
			memory_order_relaxed);
	else
		atomic_store_explicit(&cache->window_ticks,
			(uint16_t)ticks_of(cache, cache->window_turnovers * cache->pace, rows),
			memory_order_relaxed);
}

// How long after its last access a key that was evicted SOON ago comes back.
static void set_soon(struct mr_cache *cache, uint64_t rows)
{
	double soon = ticks_of(cache, SOON * cache->pace, rows);

	for (unsigned i = 0; i < 2; i++) {
		double age = cache->evicted[i] > 0 ? cache->age_ticks[i] / cache->evicted[i] : 0;

		// why relaxed: nothing hangs on when another writer sees the change.
		atomic_store_explicit(&cache->soon_ticks[i],
			(uint16_t)MR_MIN(age + soon + 0.5, TICKS_MAX), memory_order_relaxed);
	}
}

void mr_cache_adapt_init(struct mr_cache *cache)
{
	uint64_t rows = cache->expected_rows;

	cache->window_turnovers = WINDOW_START;
	cache->pace = 1;
	cache->adapt_evictions = MR_MAX((uint64_t)(ADAPT_EVERY * (double)rows), ADAPT_EVERY_MIN);
	atomic_store_explicit(&cache->crp_ticks, (uint16_t)ticks_of(cache, cache->crp_ratio, rows),
		memory_order_relaxed);
	set_window(cache, rows);
	set_soon(cache, rows);
}

// The correlated reference period follows the number of rows.
static void follow_rows(struct mr_cache *cache, uint64_t rows)
{
	double ticks = ticks_of(cache, cache->crp_ratio, rows);
	// why relaxed: nothing hangs on when a reader sees the change.
	double old = atomic_load_explicit(&cache->crp_ticks, memory_order_relaxed);

	// Every reader has this line: a count that wavers by one tick must not be written each
	// time.
	if (ticks < old - 0.5 || ticks >= old + 1.5)
		atomic_store_explicit(&cache->crp_ticks, (uint16_t)ticks, memory_order_relaxed);
}

static void follow_pace(struct mr_cache *cache, uint64_t evictions, uint64_t now_ticks)
{
	uint64_t since = cache->adapted_at_ticks;
	double pace;

	cache->adapted_at_ticks = now_ticks;
	// Before the first look, the cache was filling up; lcores' clocks may be a little apart.
	if (since == 0 || now_ticks < since)
		return;
	pace = (double)((now_ticks - since) * cache->tick_accesses) / (double)evictions;
	cache->pace = cache->pace * KEEP + MR_MAX(pace, 1.0) * (1 - KEEP);
}

static double likelihood(const struct mr_cache *cache, bool known)
{
	return cache->evicted[known] > 0 ? cache->returned[known] / cache->evicted[known] : 0;
}

static uint64_t take(uint64_t *count)
{
	uint64_t n = *count;

	*count = 0;
	return n;
}

static void average(double *sum, uint64_t n)
{
	*sum = *sum * KEEP + (double)n;
}

static void adapt(struct mr_cache *cache, uint64_t now_ticks)
{
	uint64_t rows = atomic_load_explicit(&cache->rows, memory_order_relaxed), evictions = 0;
	double stranger, known;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t n = take(&cache->n_evicted[i]);

		evictions += n;
		average(&cache->evicted[i], n);
		// why relaxed: a count.
		average(&cache->returned[i],
			atomic_exchange_explicit(&cache->n_returned[i], 0, memory_order_relaxed));
		average(&cache->age_ticks[i], take(&cache->n_age_ticks[i]));
	}
	stranger = likelihood(cache, false);
	known = likelihood(cache, true);
	if (stranger > known + MARGIN)
		cache->window_turnovers = MR_MIN(cache->window_turnovers * WINDOW_STEP, WINDOW_MAX);
	else if (stranger < known)
		cache->window_turnovers = MR_MAX(cache->window_turnovers / WINDOW_STEP, WINDOW_MIN);
	follow_rows(cache, rows);
	follow_pace(cache, MR_MAX(evictions, UINT64_C(1)), now_ticks);
	set_window(cache, rows);
	set_soon(cache, rows);
	cache->adapt_evictions = MR_MAX((uint64_t)(ADAPT_EVERY * (double)rows), ADAPT_EVERY_MIN);
}

// One lock for all of it: each counter by itself would cost as much.
void mr_cache_adapt_evicted(struct mr_cache *cache, uint32_t stamp,
	enum mr_cache_evict_reason reason, uint64_t now_ticks)
{
	bool known = !mr_cache_is_stranger(cache->k, stamp);
	unsigned age = mr_cache_stamp_age(stamp, now_ticks);

	mr_cache_spin_lock(&cache->adapt_lock);
	mr_cache_bump(&cache->evicted_for_room[reason], 1);
	mr_hist_record(&cache->age_at_eviction, age, 1);
	if (reason == MR_CACHE_EVICT_CAPACITY) {
		cache->n_evicted[known]++;
		cache->n_age_ticks[known] += age;
		if (cache->n_evicted[0] + cache->n_evicted[1] >= cache->adapt_evictions)
			adapt(cache, now_ticks);
	}
	mr_cache_spin_unlock(&cache->adapt_lock);
}

void mr_cache_adapt_returned(struct mr_cache *cache, bool known, unsigned age_ticks)
{
	if (age_ticks <= atomic_load_explicit(&cache->soon_ticks[known], memory_order_relaxed))
		mr_cache_count(&cache->n_returned[known], 1);
}
