// SPDX-License-Identifier: BSD-3-Clause
//
// The retained information of evicted keys: sets of 16 entries in a line, fingerprint << 17 |
// whether it was known << 16 | tick of the last counted access, the last evicted first. With K = 3
// a second line holds the distance to the access before that. Only writers come here; a few locks
// are shared out over the sets.
#include "mr_cache_priv.h"

#define PRINT_SHIFT 17u
#define PRINT_MASK 0x7fffu
#define ENTRY_KNOWN (1u << 16)

static unsigned words_of_set(const struct mr_cache *cache)
{
	return MR_CACHE_HISTORY_WAYS * (cache->k == 3 ? 2 : 1);
}

/** Where a key's entry is, if it is. */
struct spot {
	uint32_t *set;
	_Atomic uint32_t *lock;
	uint32_t print;
};

static struct spot set_at(struct mr_cache *cache, uint64_t number)
{
	return (struct spot){.set = cache->history + number * words_of_set(cache),
		.lock = &cache->history_locks[number % MR_CACHE_HISTORY_LOCKS]};
}

static struct spot spot_of(struct mr_cache *cache, uint64_t hash)
{
	// Mixed again: the upper bits have chosen the bucket, the lower ones the tag.
	uint64_t h = hash * UINT64_C(0x9e3779b97f4a7c15);
	struct spot spot =
		set_at(cache, (uint64_t)(((unsigned __int128)h * cache->n_history_sets) >> 64));

	spot.print = MR_MAX((uint32_t)(h >> 16) & PRINT_MASK, 1u);
	return spot;
}

static unsigned age_of(uint32_t entry, uint64_t now_ticks)
{
	return mr_cache_stamp_age(entry << 16, now_ticks);
}

// A moving average over 64 entries: how old one is when it is pushed out.
static void note_age(struct mr_cache *cache, unsigned age)
{
	uint64_t mean = atomic_load_explicit(&cache->history_age_ticks, memory_order_relaxed);

	mean = mean == 0 ? (uint64_t)age << 6 : mean - (mean >> 6) + age;
	atomic_store_explicit(&cache->history_age_ticks, mean, memory_order_relaxed);
}

// Entries before @p at move up by one, over it.
static void make_first(
	const struct mr_cache *cache, uint32_t *set, unsigned at, uint32_t entry, uint32_t extra)
{
	memmove(&set[1], &set[0], at * sizeof(*set));
	set[0] = entry;
	if (cache->k != 3)
		return;
	set += MR_CACHE_HISTORY_WAYS;
	memmove(&set[1], &set[0], at * sizeof(*set));
	set[0] = extra;
}

void mr_cache_history_add(struct mr_cache *cache, uint64_t hash, uint32_t stamp, uint64_t now_ticks)
{
	struct spot spot;
	unsigned at = 0;
	uint32_t old;

	if (cache->n_history_sets == 0)
		return;
	spot = spot_of(cache, hash);
	mr_cache_spin_lock(spot.lock);
	while (at < MR_CACHE_HISTORY_WAYS - 1 && spot.set[at] != 0 &&
		spot.set[at] >> PRINT_SHIFT != spot.print)
		at++;
	old = spot.set[at];
	make_first(cache, spot.set, at,
		spot.print << PRINT_SHIFT |
			(mr_cache_is_stranger(cache->k, stamp) ? 0 : ENTRY_KNOWN) | stamp >> 16,
		stamp >> 8 & 0xff);
	mr_cache_spin_unlock(spot.lock);
	if (old == 0)
		mr_cache_count(&cache->history_entries, 1);
	else if (old >> PRINT_SHIFT != spot.print)
		note_age(cache, age_of(old, now_ticks));
}

uint32_t mr_cache_history_take(struct mr_cache *cache, uint64_t hash, uint64_t now_ticks)
{
	uint32_t stranger = (uint32_t)(uint16_t)now_ticks << 16 | 0xffff, entry = 0, extra = 0;
	unsigned at = 0;
	struct spot spot;

	if (cache->n_history_sets == 0)
		return stranger;
	spot = spot_of(cache, hash);
	mr_cache_spin_lock(spot.lock);
	while (at < MR_CACHE_HISTORY_WAYS && spot.set[at] >> PRINT_SHIFT != spot.print)
		at++;
	if (at < MR_CACHE_HISTORY_WAYS) {
		entry = spot.set[at];
		spot.set[at] = 0;
		if (cache->k == 3)
			extra = spot.set[MR_CACHE_HISTORY_WAYS + at];
	}
	mr_cache_spin_unlock(spot.lock);
	if (entry == 0)
		return stranger;
	mr_cache_uncount(&cache->history_entries, 1);
	mr_cache_count(&cache->history_hits, 1);
	mr_cache_adapt_returned(cache, (entry & ENTRY_KNOWN) != 0, age_of(entry, now_ticks));
	return mr_cache_touched(
		cache->k, extra << 8, (uint16_t)now_ticks, MR_MAX(age_of(entry, now_ticks), 1u));
}

void mr_cache_history_prefetch(struct mr_cache *cache, uint64_t hash)
{
	if (cache->n_history_sets != 0)
		mr_prefetch(spot_of(cache, hash).set);
}

void mr_cache_history_age(struct mr_cache *cache, uint64_t now_ticks, uint64_t n_sets)
{
	uint64_t first;

	if (cache->n_history_sets == 0)
		return;
	n_sets = MR_MIN(n_sets, cache->n_history_sets);
	first = mr_cache_count(&cache->age_history_cursor, n_sets);
	for (uint64_t i = 0; i < n_sets; i++) {
		struct spot spot = set_at(cache, (first + i) % cache->n_history_sets);

		mr_cache_spin_lock(spot.lock);
		for (unsigned way = 0; way < MR_CACHE_HISTORY_WAYS; way++) {
			if (spot.set[way] == 0 ||
				age_of(spot.set[way], now_ticks) <= MR_CACHE_AGE_MAX)
				continue;
			spot.set[way] = 0;
			mr_cache_uncount(&cache->history_entries, 1);
		}
		mr_cache_spin_unlock(spot.lock);
	}
}
