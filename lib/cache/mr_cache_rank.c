// SPDX-License-Identifier: BSD-3-Clause
//
// The order of worth of all rows, for a warm restart: a counting sort over what eviction compares.
// A cache at rest; nothing here is locked.
#include "mr_cache_priv.h"

// Four classes of 2^16 distances each; larger ones are alike.
#define DISTANCE_MAX 0xffffu
#define RANKS (4u * (DISTANCE_MAX + 1))

uint64_t mr_cache_past_form(const struct mr_cache *cache)
{
	return cache->tick_accesses << 2 | cache->k;
}

uint32_t mr_cache_stamp_of(const struct mr_cache_past *past, uint64_t now_ticks)
{
	uint16_t age = MR_MIN(past->age_ticks, (uint16_t)MR_CACHE_AGE_MAX);

	return (uint32_t)(uint16_t)(now_ticks - age) << 16 | past->spread;
}

static struct mr_cache_past past_of(uint32_t stamp, uint64_t now_ticks)
{
	return (struct mr_cache_past){
		.age_ticks = (uint16_t)mr_cache_stamp_age(stamp, now_ticks),
		.spread = (uint16_t)stamp,
	};
}

static uint64_t rows_of(const struct mr_cache *cache)
{
	// why relaxed, here and below: no writer is active.
	return atomic_load_explicit(&cache->rows, memory_order_relaxed);
}

size_t mr_cache_rank_memsize(const struct mr_cache *cache)
{
	return RANKS * sizeof(uint64_t) + rows_of(cache) * sizeof(struct mr_cache_ranked);
}

static unsigned rank_at(const struct mr_cache *cache, uint32_t stamp, uint64_t now_ticks)
{
	unsigned distance;
	unsigned class = mr_cache_rank_class(cache, stamp, now_ticks, &distance);

	return class * (DISTANCE_MAX + 1) + MR_MIN(distance, DISTANCE_MAX);
}

// One walk: counts the rows of each rank, or with @p ranked puts each where its rank begins.
static void walk(const struct mr_cache *cache, uint64_t now_ticks, uint64_t *ranks,
	struct mr_cache_ranked *ranked)
{
	for (uint64_t at = 0; at < cache->n_buckets; at++) {
		const struct mr_cache_bucket *b = &cache->buckets[at];

		for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
			uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
			uint32_t stamp = atomic_load_explicit(&b->stamp[way], memory_order_relaxed);
			uint64_t *rank = &ranks[rank_at(cache, stamp, now_ticks)];

			if (loc == 0)
				continue;
			if (ranked != NULL)
				ranked[*rank] =
					(struct mr_cache_ranked){loc, past_of(stamp, now_ticks)};
			++*rank;
		}
	}
}

const struct mr_cache_ranked *mr_cache_rank(
	const struct mr_cache *cache, uint64_t now_ticks, void *mem, uint64_t *ret_n)
{
	uint64_t *ranks = mem, n = 0;
	struct mr_cache_ranked *ranked = (struct mr_cache_ranked *)(void *)(ranks + RANKS);

	memset(ranks, 0, RANKS * sizeof(*ranks));
	walk(cache, now_ticks, ranks, NULL);
	for (unsigned i = 0; i < RANKS; i++) {
		uint64_t count = ranks[i];

		ranks[i] = n;
		n += count;
	}
	walk(cache, now_ticks, ranks, ranked);
	*ret_n = n;
	return ranked;
}

void mr_cache_ranked_prefetch(const struct mr_cache *cache, const struct mr_cache_ranked *ranked)
{
	mr_prefetch(mr_cache_head(cache, ranked->loc));
}

void mr_cache_ranked_row(const struct mr_cache *cache, const struct mr_cache_ranked *ranked,
	struct mr_cache_row *ret_row)
{
	*ret_row = mr_cache_row_at(cache, ranked->loc);
}
