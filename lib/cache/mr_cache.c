// SPDX-License-Identifier: BSD-3-Clause
//
// Parameters, layout of the memory, figures, and the readers' calls for those who do not inline.
#include "mr_cache.h"

#include "mr_cache_priv.h"
#include "mr_units.h"

#include <errno.h>

#define BUDGET_MIN_BYTES MR_MIB
#define MEAN_ROW_BYTES_DEFAULT 176u
#define CRP_RATIO_DEFAULT 0.2
#define HISTORY_RATIO_DEFAULT 1.5
#define RATIO_MAX 1000.0
// Index slots that are taken when the expected rows are in, and at most: above it, rows would have
// to go because of where they are and not because they are the worst.
#define INDEX_LOAD 0.8
#define INDEX_LOAD_MAX 0.9
#define INDEX_SPARE_BUCKETS 8u
// What size classes round up, on average.
#define CLASS_OVERHEAD 1.04
#define TICKS_PER_TURNOVER 128u
#define PAGE_SHIFT_SMALL 15u
#define PAGE_SHIFT_LARGE 16u
#define LARGE_BUDGET_BYTES (128 * MR_MIB)
// A header that is torn by a writer may claim a key beyond the last slot.
#define TAIL_BYTES 512u

const char *const mr_cache_evict_reason_names[MR_CACHE_EVICT_COUNT] = {
	[MR_CACHE_EVICT_CAPACITY] = "capacity",
	[MR_CACHE_EVICT_BUCKET] = "bucket",
	[MR_CACHE_EVICT_OVERWRITE] = "overwrite",
	[MR_CACHE_EVICT_DELETE] = "delete",
	[MR_CACHE_EVICT_EXPIRY] = "expiry",
	[MR_CACHE_EVICT_VERSION] = "version",
	[MR_CACHE_EVICT_REBALANCE] = "rebalance",
};

/** Where the parts are. */
struct layout {
	uint64_t expected_rows;
	uint64_t n_buckets, n_history_sets, n_pages;
	size_t buckets_at, history_at, pages_at, lines_at, values_at;
	size_t bytes;
	unsigned page_shift, unit_shift;
};

int mr_cache_params_check(struct mr_cache_params *params)
{
	struct mr_cache_params p = *params;

	if (p.mean_row_bytes == 0)
		p.mean_row_bytes = MEAN_ROW_BYTES_DEFAULT;
	if (p.k == 0)
		p.k = 2;
	// Plain LRU knows no correlated references and no K-th access to remember.
	if (p.crp_ratio < 0)
		p.crp_ratio = p.k == 1 ? 0.0 : CRP_RATIO_DEFAULT;
	if (p.history_ratio < 0)
		p.history_ratio = p.k == 1 ? 0.0 : HISTORY_RATIO_DEFAULT;
	if (p.budget_bytes < BUDGET_MIN_BYTES || p.k > 3 ||
		p.mean_row_bytes > MR_CACHE_ROW_MAX_BYTES + MR_CACHE_KEY_MAX_BYTES ||
		!(p.crp_ratio <= RATIO_MAX) || !(p.history_ratio <= RATIO_MAX))
		return -EINVAL;
	*params = p;
	return 0;
}

static unsigned history_entry_bytes(const struct mr_cache_params *p)
{
	return p->k == 3 ? 8 : 4;
}

static uint64_t expected_rows(const struct mr_cache_params *p, uint64_t usable_bytes)
{
	double slot = MR_ALIGN_UP(p->mean_row_bytes, 16u) + sizeof(struct mr_cache_row_head);
	double cost = slot * CLASS_OVERHEAD + MR_CACHE_LINE_BYTES / (MR_CACHE_WAYS * INDEX_LOAD) +
	              p->history_ratio * history_entry_bytes(p);
	uint64_t rows = MR_MAX((uint64_t)((double)usable_bytes / cost), UINT64_C(1));

	return p->max_rows != 0 ? MR_MIN(rows, p->max_rows) : rows;
}

// The parameters are checked. @return false when there is no place for values.
static bool lay_out(const struct mr_cache_params *p, struct layout *l)
{
	uint64_t budget = p->budget_bytes / MR_CACHE_ALIGN * MR_CACHE_ALIGN;
	size_t at = MR_ALIGN_UP(sizeof(struct mr_cache), (size_t)MR_CACHE_LINE_BYTES);
	uint64_t rest;

	l->bytes = budget;
	l->page_shift = budget < LARGE_BUDGET_BYTES ? PAGE_SHIFT_SMALL : PAGE_SHIFT_LARGE;
	l->expected_rows = expected_rows(p, budget - at - TAIL_BYTES - (1u << l->page_shift));
	l->n_buckets = (uint64_t)((double)l->expected_rows / (MR_CACHE_WAYS * INDEX_LOAD)) +
	               INDEX_SPARE_BUCKETS;
	l->n_history_sets = (uint64_t)((double)l->expected_rows * p->history_ratio +
				       MR_CACHE_HISTORY_WAYS - 1) /
	                    MR_CACHE_HISTORY_WAYS;
	l->buckets_at = at;
	l->history_at = l->buckets_at + l->n_buckets * sizeof(struct mr_cache_bucket);
	l->pages_at =
		l->history_at + l->n_history_sets * MR_CACHE_HISTORY_WAYS * history_entry_bytes(p);
	if (l->pages_at + TAIL_BYTES + 2 * MR_CACHE_LINE_BYTES >= budget ||
		l->n_buckets > UINT32_MAX)
		return false;
	rest = budget - l->pages_at - TAIL_BYTES - 2 * MR_CACHE_LINE_BYTES;
	l->n_pages = rest / ((UINT64_C(1) << l->page_shift) + sizeof(struct mr_cache_page) + 1);
	l->lines_at = l->pages_at + l->n_pages * sizeof(struct mr_cache_page);
	l->values_at = MR_ALIGN_UP(l->lines_at + l->n_pages, (size_t)MR_CACHE_LINE_BYTES);
	l->unit_shift = 4;
	while ((l->n_pages << (l->page_shift - l->unit_shift)) >= UINT32_MAX)
		l->unit_shift++;
	return l->n_pages > 0;
}

size_t mr_cache_memsize(const struct mr_cache_params *params)
{
	struct mr_cache_params p = *params;
	struct layout l;

	return mr_cache_params_check(&p) == 0 && lay_out(&p, &l) ? l.bytes : 0;
}

static void set_up(struct mr_cache *cache, const struct mr_cache_params *p, const struct layout *l)
{
	uint8_t *mem = (uint8_t *)cache;

	cache->buckets = (struct mr_cache_bucket *)(void *)(mem + l->buckets_at);
	cache->n_buckets = l->n_buckets;
	cache->history = (uint32_t *)(void *)(mem + l->history_at);
	cache->n_history_sets = l->n_history_sets;
	cache->pages = (struct mr_cache_page *)(void *)(mem + l->pages_at);
	cache->page_lines = (_Atomic uint8_t *)(mem + l->lines_at);
	cache->n_pages = l->n_pages;
	cache->values = mem + l->values_at;
	cache->values_less_unit = cache->values - (UINT64_C(1) << l->unit_shift);
	cache->values_end = cache->values + (l->n_pages << l->page_shift) + TAIL_BYTES;
	cache->unit_shift = (uint8_t)l->unit_shift;
	cache->page_units_shift = (uint8_t)(l->page_shift - l->unit_shift);
	cache->page_bytes = 1u << l->page_shift;
	cache->k = p->k;
	cache->max_rows = (uint64_t)((double)(l->n_buckets * MR_CACHE_WAYS) * INDEX_LOAD_MAX);
	if (p->max_rows != 0)
		cache->max_rows = MR_MIN(cache->max_rows, p->max_rows);
	cache->expected_rows = l->expected_rows;
	// A power of two: lcores turn accesses into ticks by shifting.
	cache->tick_accesses =
		UINT64_C(1) << (63 - __builtin_clzll(MR_MAX(
					     l->expected_rows / TICKS_PER_TURNOVER, UINT64_C(1))));
	cache->crp_ratio = p->crp_ratio;
	cache->plain = p->plain || p->k == 1;
	cache->budget_bytes = l->bytes;
	cache->index_bytes = l->n_buckets * sizeof(struct mr_cache_bucket);
	cache->history_bytes = l->pages_at - l->history_at;
	cache->hand = (uint64_t)(((unsigned __int128)p->seed * l->n_buckets) >> 64);
}

struct mr_cache *mr_cache_init(void *mem, size_t mem_bytes, const struct mr_cache_params *params)
{
	struct mr_cache_params p = *params;
	struct mr_cache *cache = mem;
	struct layout l;

	if (mr_cache_params_check(&p) != 0 || !lay_out(&p, &l) || mem_bytes < l.bytes ||
		(uintptr_t)mem % MR_CACHE_ALIGN != 0) {
		errno = EINVAL;
		return NULL;
	}
	// Value memory stays untouched: its pages are there when rows come.
	memset(mem, 0, l.values_at);
	set_up(cache, &p, &l);
	mr_cache_values_init(cache);
	mr_cache_adapt_init(cache);
	return cache;
}

uint64_t mr_cache_tick_accesses(const struct mr_cache *cache)
{
	return cache->tick_accesses;
}

// ---- readers -----------------------------------------------------------------------------------

void mr_cache_prefetch_bulk(const struct mr_cache *cache, const uint64_t *hashes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mr_cache_prefetch_inline(cache, hashes[i]);
}

void mr_cache_prefetch_row(const struct mr_cache *cache, uint64_t hash)
{
	struct mr_cache_asked asked;

	mr_cache_locate_inline(cache, hash, &asked);
	mr_cache_prefetch_asked_inline(&asked);
}

void mr_cache_prefetch_row_bulk(const struct mr_cache *cache, const uint64_t *hashes, unsigned n)
{
	mr_cache_prefetch_row_bulk_inline(cache, hashes, n);
}

bool mr_cache_find(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, uint64_t now_ticks, struct mr_cache_ref *ret_ref)
{
	return mr_cache_find_inline(cache, hash, space, key, key_bytes, now_ticks, ret_ref);
}

bool mr_cache_valid(const struct mr_cache *cache, const struct mr_cache_ref *ref)
{
	(void)cache;
	return mr_cache_valid_inline(ref);
}

bool mr_cache_get(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, uint64_t now_ticks, void *row, unsigned row_capacity,
	struct mr_cache_ref *ret_ref)
{
	for (unsigned i = 0; i < MR_CACHE_FIND_TRIES; i++) {
		if (!mr_cache_find_inline(cache, hash, space, key, key_bytes, now_ticks, ret_ref))
			return false;
		mr_cache_copy(row, ret_ref->row, MR_MIN(ret_ref->row_bytes, row_capacity));
		if (mr_cache_valid_inline(ret_ref))
			return true;
		mr_pause();
	}
	return false;
}

bool mr_cache_has(const struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes)
{
	struct mr_cache_bucket *b;
	struct mr_cache_ref ref;

	return mr_cache_look(cache, hash, space, key, key_bytes, &ref, &b) >= 0;
}

// ---- figures -----------------------------------------------------------------------------------

static uint64_t get(const _Atomic uint64_t *counter)
{
	// why relaxed: figures of one moment, more or less.
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void mr_cache_stats(const struct mr_cache *cache, struct mr_cache_stats *ret_stats)
{
	memset(ret_stats, 0, sizeof(*ret_stats));
	ret_stats->budget_bytes = cache->budget_bytes;
	ret_stats->index_bytes = cache->index_bytes;
	ret_stats->history_bytes = cache->history_bytes;
	ret_stats->value_bytes = cache->n_pages * cache->page_bytes;
	ret_stats->rows = get(&cache->rows);
	ret_stats->row_slots = cache->n_buckets * MR_CACHE_WAYS;
	ret_stats->live_bytes = get(&cache->live_bytes);
	ret_stats->slot_bytes = get(&cache->slot_bytes);
	ret_stats->fills = get(&cache->fills);
	ret_stats->updates = get(&cache->updates);
	for (unsigned i = 0; i < MR_CACHE_EVICT_COUNT; i++)
		ret_stats->evictions[i] =
			get(&cache->evictions[i]) + get(&cache->evicted_for_room[i]);
	ret_stats->fills_stale = get(&cache->fills_stale);
	ret_stats->fills_too_big = get(&cache->fills_too_big);
	ret_stats->history_entries = get(&cache->history_entries);
	ret_stats->history_hits = get(&cache->history_hits);
	ret_stats->window_ticks = atomic_load_explicit(&cache->window_ticks, memory_order_relaxed);
	ret_stats->crp_ticks = atomic_load_explicit(&cache->crp_ticks, memory_order_relaxed);
	ret_stats->history_ticks = get(&cache->history_age_ticks) >> 6;
	ret_stats->pages = cache->n_pages;
	ret_stats->pages_moved = get(&cache->pages_moved);
	mr_hist_merge(&ret_stats->age_at_eviction_ticks, &cache->age_at_eviction);
}
