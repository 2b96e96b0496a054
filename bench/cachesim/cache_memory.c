// SPDX-License-Identifier: BSD-3-Clause
//
// What becomes of the cache's memory: how much of the budget holds rows when their sizes are mixed,
// and whether the hit ratio comes back after all sizes have changed. A stream of skewed requests
// fills what it misses; a cache-full is as many bytes filled as the budget has.
#include "bench.h"
#include "mr_cache.h"
#include "mr_rng.h"
#include "mr_units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SPACE 65537u
#define BUDGET_BYTES (64 * MR_MIB)
#define FULLS 3

/** A cache and the requests that it gets: ids from @p first, sizes uniform in the logarithm. */
struct load {
	struct mr_cache *cache;
	uint64_t accesses;
	uint64_t first, n_keys;
	unsigned min_bytes, max_bytes;
	struct mr_rng rng;
};

static void open_cache(struct load *load, unsigned mean_row_bytes)
{
	struct mr_cache_params params = {.budget_bytes = BUDGET_BYTES,
		.mean_row_bytes = mean_row_bytes,
		.crp_ratio = -1,
		.history_ratio = -1,
		.seed = 1};
	size_t bytes = mr_cache_memsize(&params);
	void *mem = aligned_alloc(MR_CACHE_ALIGN, bytes);

	load->cache = mem != NULL ? mr_cache_init(mem, bytes, &params) : NULL;
	if (load->cache == NULL)
		bench_fail("no memory for a cache of %zu bytes", bytes);
	load->accesses = 0;
}

static unsigned row_bytes_of(const struct load *load, uint64_t id)
{
	struct mr_rng rng = {.state = id};
	double range = (double)load->max_bytes / load->min_bytes;

	return (unsigned)(load->min_bytes * pow(range, mr_rng_unit(&rng)));
}

static void request(struct load *load, uint64_t *hits, uint64_t *filled_bytes)
{
	static const uint8_t bytes[MR_CACHE_ROW_MAX_BYTES];
	uint64_t id =
		load->first + (uint64_t)(pow(mr_rng_unit(&load->rng), 3) * (double)load->n_keys);
	uint64_t hash = mr_hash_row(mr_hash_key(&id, sizeof(id)), SPACE);
	uint64_t now = load->accesses++ / mr_cache_tick_accesses(load->cache);
	struct mr_cache_row row = {.hash = hash,
		.space = SPACE,
		.key = &id,
		.key_bytes = sizeof(id),
		.row = bytes,
		.row_bytes = row_bytes_of(load, id)};
	struct mr_cache_ref ref;
	int ret;

	if (mr_cache_find(load->cache, hash, SPACE, &id, sizeof(id), now, &ref)) {
		++*hits;
		return;
	}
	ret = mr_cache_fill(load->cache, &row, mr_cache_lease(load->cache, hash), now);
	if (ret != 0)
		bench_fail("a fill failed: %d", ret);
	*filled_bytes += row.row_bytes;
	mr_cache_age(load->cache, now, 1);
}

/** Goes on until a cache-full was filled. @return the hit ratio meanwhile. */
static double fill_once(struct load *load)
{
	uint64_t hits = 0, filled = 0, before = load->accesses;

	while (filled < BUDGET_BYTES)
		request(load, &hits, &filled);
	return (double)hits / (double)(load->accesses - before);
}

static uint64_t keys_of(double mean_bytes)
{
	return (uint64_t)(4 * (double)BUDGET_BYTES / mean_bytes);
}

static void occupancy(const char *name, unsigned min_bytes, unsigned max_bytes, unsigned mean)
{
	// Of sizes that are uniform in the logarithm.
	double log_mean = min_bytes == max_bytes
	                          ? min_bytes
	                          : (max_bytes - min_bytes) / log((double)max_bytes / min_bytes);
	struct load load = {.first = 1,
		.n_keys = keys_of(log_mean),
		.min_bytes = min_bytes,
		.max_bytes = max_bytes,
		.rng = {.state = 1}};
	struct mr_cache_stats *s = calloc(1, sizeof(*s));
	double lowest = 1;

	if (s == NULL)
		bench_fail("not enough memory");
	open_cache(&load, mean);
	for (unsigned i = 0; i < 2 * FULLS; i++) {
		fill_once(&load);
		mr_cache_stats(load.cache, s);
		if (i >= FULLS)
			lowest = fmin(lowest, (double)s->live_bytes / (double)s->budget_bytes);
	}
	bench_line(name, "occupancy", lowest, "ratio");
	bench_line(name, "metadata", (double)(s->index_bytes + s->history_bytes) / (double)s->rows,
		"B/row");
	bench_line(name, "slot_waste", 1 - (double)s->live_bytes / (double)s->slot_bytes, "ratio");
	bench_line(name, "pages_moved", (double)s->pages_moved, "pages");
	bench_say("%-28s %.1f %% of the budget holds rows, %.1f B a row of index and history", name,
		100 * lowest, (double)(s->index_bytes + s->history_bytes) / (double)s->rows);
	free(load.cache);
	free(s);
}

static void shift(void)
{
	static const unsigned sizes[] = {64, 1024, 64};
	struct load load = {.rng = {.state = 1}};

	open_cache(&load, 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
		struct load fresh;
		double before = 0, after = 0;
		char name[32];

		load.first = (i + 1) << 28;
		load.n_keys = keys_of(sizes[i]);
		load.min_bytes = load.max_bytes = sizes[i];
		fresh = load;
		open_cache(&fresh, 0);
		// The last one shows what three have led to.
		for (unsigned full = 0; full < FULLS + 1; full++) {
			before = fill_once(&fresh);
			after = fill_once(&load);
		}
		snprintf(name, sizeof(name), "shift-%u-to-%u", i > 0 ? sizes[i - 1] : 0, sizes[i]);
		if (i > 0) {
			bench_line_ratio(name, "hit_ratio", after, NULL, "ratio", before);
			bench_say(
				"%-28s hit ratio %.4f, of a fresh cache %.4f", name, after, before);
		}
		free(fresh.cache);
	}
	free(load.cache);
}

int main(void)
{
	bench_begin("cache-memory");
	occupancy("mixed-64-4096", 64, 4096, 0);
	occupancy("mixed-64-4096-mean-set", 64, 4096, 970);
	occupancy("all-64", 64, 64, 72);
	occupancy("all-1024", 1024, 1024, 0);
	shift();
	return EXIT_SUCCESS;
}
