// SPDX-License-Identifier: BSD-3-Clause
//
// millrace's own cache library, by default and as plain LRU-2, as the appliance drives it: find,
// and after a miss a fill under a lease; time in ticks of accesses; housekeeping in between. The
// budget is ample, so that rows, and not bytes, are what there is too little of.
#include "mr_cache.h"
#include "sim_policy.h"

#include "mr_units.h"

#include <errno.h>
#include <stdlib.h>

#define SPACE 65537u
#define ROW_BYTES 8u
// Index, history and value memory of a row, with much to spare.
#define BYTES_A_ROW 192u
// Buckets are looked at for stamps that would wrap, this part of them each tick.
#define AGE_TICKS 4096u

struct millrace {
	struct mr_cache *cache;
	uint64_t n_accesses, now_ticks;
	uint64_t tick_accesses, n_buckets;
};

static void millrace_destroy(void *state)
{
	struct millrace *m = state;

	if (m == NULL)
		return;
	free(m->cache);
	free(m);
}

static void *create(const struct sim_params *params, bool plain)
{
	struct mr_cache_params p = {
		.budget_bytes = 4 * MR_MIB + (uint64_t)params->capacity * BYTES_A_ROW,
		.mean_row_bytes = sizeof(uint32_t) + ROW_BYTES,
		.max_rows = params->capacity,
		.plain = plain,
		.crp_ratio = params->crp_ratio,
		.history_ratio = params->history_ratio,
		.seed = 1,
	};
	size_t bytes = mr_cache_memsize(&p);
	struct millrace *m = calloc(1, sizeof(*m));
	struct mr_cache_stats stats;
	void *mem;

	if (m == NULL)
		return NULL;
	mem = aligned_alloc(MR_CACHE_ALIGN, bytes);
	m->cache = mem != NULL ? mr_cache_init(mem, bytes, &p) : NULL;
	if (m->cache == NULL) {
		free(mem);
		free(m);
		return NULL;
	}
	mr_cache_stats(m->cache, &stats);
	m->tick_accesses = mr_cache_tick_accesses(m->cache);
	m->n_buckets = stats.row_slots / AGE_TICKS + 1;
	return m;
}

static void *millrace_create(const struct sim_params *params)
{
	return create(params, false);
}

static void *plain_create(const struct sim_params *params)
{
	return create(params, true);
}

static bool millrace_access(void *state, uint32_t key)
{
	struct millrace *m = state;
	uint64_t hash = mr_hash_row(mr_hash_key(&key, sizeof(key)), SPACE);
	static const uint8_t row_bytes[ROW_BYTES];
	struct mr_cache_row row = {.hash = hash,
		.space = SPACE,
		.key = &key,
		.key_bytes = sizeof(key),
		.row = row_bytes,
		.row_bytes = ROW_BYTES};
	struct mr_cache_ref ref;

	if (++m->n_accesses % m->tick_accesses == 0) {
		m->now_ticks++;
		mr_cache_age(m->cache, m->now_ticks, m->n_buckets);
	}
	if (mr_cache_find(m->cache, hash, SPACE, &key, sizeof(key), m->now_ticks, &ref))
		return true;
	mr_cache_fill(m->cache, &row, mr_cache_lease(m->cache, hash), m->now_ticks);
	return false;
}

static uint64_t millrace_metadata_bytes(const void *state)
{
	const struct millrace *m = state;
	struct mr_cache_stats stats;

	mr_cache_stats(m->cache, &stats);
	return stats.index_bytes + stats.history_bytes;
}

const struct sim_policy sim_millrace = {
	"millrace", millrace_create, millrace_access, millrace_metadata_bytes, millrace_destroy};
const struct sim_policy sim_millrace_plain = {
	"millrace-plain", plain_create, millrace_access, millrace_metadata_bytes, millrace_destroy};
