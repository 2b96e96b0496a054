// SPDX-License-Identifier: BSD-3-Clause
//
// The retained information of evicted keys: sets of 16 entries in a line, fingerprint << 16 | tick
// of the last counted access. With K = 3 a second line holds the distance to the access before
// that. Only writers come here. Entries are single words changed by compare and swap: no lock.
#include "mr_cache_priv.h"

static unsigned words_of_set(const struct mr_cache *cache)
{
	return MR_CACHE_HISTORY_WAYS * (cache->k == 3 ? 2 : 1);
}

static _Atomic uint32_t *set_of(const struct mr_cache *cache, uint64_t hash, uint32_t *ret_print)
{
	// Other bits than those that chose bucket and tag would be gone otherwise: mix again.
	uint64_t h = hash * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t print = (uint32_t)h >> 16;
	uint64_t set = (uint64_t)(((unsigned __int128)h * cache->n_history_sets) >> 64);

	*ret_print = print != 0 ? print : 1;
	return cache->history + set * words_of_set(cache);
}

static uint32_t load(_Atomic uint32_t *entry)
{
	// why relaxed: an entry is one word and stands for itself.
	return atomic_load_explicit(entry, memory_order_relaxed);
}

static bool replace(_Atomic uint32_t *entry, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(
		entry, &from, to, memory_order_relaxed, memory_order_relaxed);
}

static unsigned age_of(uint32_t entry, uint64_t now_ticks)
{
	return mr_cache_stamp_age(entry << 16, now_ticks);
}

// A moving average over 64 entries: how long one lives before it is overwritten.
static void note_age(struct mr_cache *cache, unsigned age)
{
	uint64_t mean = atomic_load_explicit(&cache->history_age_ticks, memory_order_relaxed);

	mean = mean == 0 ? (uint64_t)age << 6 : mean - (mean >> 6) + age;
	atomic_store_explicit(&cache->history_age_ticks, mean, memory_order_relaxed);
}

void mr_cache_history_add(struct mr_cache *cache, uint64_t hash, uint32_t stamp, uint64_t now_ticks)
{
	_Atomic uint32_t *set;
	uint32_t print, entry, old = 0;
	unsigned at = 0, oldest = 0;

	if (cache->n_history_sets == 0)
		return;
	set = set_of(cache, hash, &print);
	entry = print << 16 | stamp >> 16;
	for (unsigned i = 0; i < MR_CACHE_HISTORY_WAYS; i++) {
		uint32_t e = load(&set[i]);

		if (e == 0 || e >> 16 == print) {
			at = i;
			old = e;
			break;
		}
		if (i == 0 || age_of(e, now_ticks) > oldest) {
			at = i;
			old = e;
			oldest = age_of(e, now_ticks);
		}
	}
	if (!replace(&set[at], old, entry))
		return;
	if (cache->k == 3)
		atomic_store_explicit(
			&set[MR_CACHE_HISTORY_WAYS + at], stamp >> 8 & 0xff, memory_order_relaxed);
	if (old == 0)
		mr_cache_count(&cache->history_entries, 1);
	else if (old >> 16 != print)
		note_age(cache, oldest);
}

uint32_t mr_cache_history_take(struct mr_cache *cache, uint64_t hash, uint64_t now_ticks)
{
	uint32_t stranger = (uint32_t)(uint16_t)now_ticks << 16 | 0xffff, print;
	_Atomic uint32_t *set;

	if (cache->n_history_sets == 0)
		return stranger;
	set = set_of(cache, hash, &print);
	for (unsigned i = 0; i < MR_CACHE_HISTORY_WAYS; i++) {
		uint32_t e = load(&set[i]), extra;

		if (e >> 16 != print)
			continue;
		extra = cache->k == 3 ? load(&set[MR_CACHE_HISTORY_WAYS + i]) : 0;
		if (!replace(&set[i], e, 0))
			break;
		mr_cache_uncount(&cache->history_entries, 1);
		mr_cache_count(&cache->history_hits, 1);
		return mr_cache_touched(cache->k, extra << 8, (uint16_t)now_ticks,
			MR_MAX(age_of(e, now_ticks), 1u));
	}
	return stranger;
}

void mr_cache_history_prefetch(const struct mr_cache *cache, uint64_t hash)
{
	uint32_t print;

	if (cache->n_history_sets != 0)
		mr_prefetch(set_of(cache, hash, &print));
}

void mr_cache_history_age(struct mr_cache *cache, uint64_t now_ticks, uint64_t n_sets)
{
	uint64_t first;

	if (cache->n_history_sets == 0)
		return;
	n_sets = MR_MIN(n_sets, cache->n_history_sets);
	first = mr_cache_count(&cache->age_history_cursor, n_sets);
	for (uint64_t i = 0; i < n_sets; i++) {
		_Atomic uint32_t *set =
			cache->history + (first + i) % cache->n_history_sets * words_of_set(cache);

		for (unsigned way = 0; way < MR_CACHE_HISTORY_WAYS; way++) {
			uint32_t e = load(&set[way]);

			if (e != 0 && age_of(e, now_ticks) > MR_CACHE_AGE_MAX &&
				replace(&set[way], e, 0))
				mr_cache_uncount(&cache->history_entries, 1);
		}
	}
}
