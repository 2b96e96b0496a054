// SPDX-License-Identifier: BSD-3-Clause
#include "mr_churn.h"

#include "mr_units.h"

uint64_t mr_churn_evictions(const struct mr_cache_stats *stats)
{
	return stats->evictions[MR_CACHE_EVICT_CAPACITY] + stats->evictions[MR_CACHE_EVICT_BUCKET] +
	       stats->evictions[MR_CACHE_EVICT_REBALANCE];
}

bool mr_churn_due(const struct mr_churn *churn, uint64_t now_us)
{
	return now_us >= churn->noted_us + MR_CHURN_PERIOD_US;
}

static uint64_t per_s(uint64_t n, uint64_t us)
{
	return (uint64_t)((double)n * MR_US_PER_S / (double)us + 0.5);
}

// why relaxed, here: figures for people.
void mr_churn_note(
	struct mr_churn *churn, const struct mr_cache_stats *stats, uint64_t ticks, uint64_t now_us)
{
	uint64_t evictions = mr_churn_evictions(stats), us = now_us - churn->noted_us;

	if (churn->noted_us != 0 && us != 0) {
		atomic_store_explicit(&churn->fills_per_s, per_s(stats->fills - churn->fills, us),
			memory_order_relaxed);
		atomic_store_explicit(&churn->evictions_per_s,
			per_s(evictions - churn->evictions, us), memory_order_relaxed);
		atomic_store_explicit(&churn->tick_us,
			ticks > churn->ticks ? us / (ticks - churn->ticks) : 0,
			memory_order_relaxed);
	}
	churn->noted_us = now_us;
	churn->fills = stats->fills;
	churn->evictions = evictions;
	churn->ticks = ticks;
}
