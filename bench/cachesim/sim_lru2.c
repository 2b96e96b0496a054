// SPDX-License-Identifier: BSD-3-Clause
//
// LRU-2 as O'Neil, O'Neil and Weikum define it (SIGMOD 1993, figure 2.1). HIST(p, 1) and HIST(p, 2)
// are the last two uncorrelated references, LAST(p) is the last of any kind; a reference within the
// correlated reference period of LAST belongs to the burst before it, and the length of a burst is
// taken out of the distance. The victim is the page with the smallest HIST(p, 2) among those whose
// last reference is longer ago than that period; pages without a second reference come first, the
// least recently used of them before others. HIST is retained for a number of evicted pages, and
// forgotten for those first whose HIST(p, 1) is the oldest.
#include "sim_heap.h"
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

enum {
	RECENT = 1, //!< cached, within its correlated reference period
	ELIGIBLE,   //!< cached, beyond it: in the heap, too
};

#define RANK_KNOWN (UINT64_C(1) << 63)

struct page {
	uint64_t hist1, hist2, last; //!< in accesses, from 1; hist2 0: there was none
};

struct lru2 {
	uint32_t capacity, n_history;
	uint64_t crp, now;
	struct page *pages;       //!< by key
	struct sim_queues queues; //!< RECENT is in order of LAST
	struct sim_heap eligible, history;
};

static void lru2_destroy(void *state)
{
	struct lru2 *lru2 = state;

	if (lru2 == NULL)
		return;
	sim_heap_free(&lru2->eligible);
	sim_heap_free(&lru2->history);
	sim_queues_free(&lru2->queues);
	free(lru2->pages);
	free(lru2);
}

static void *lru2_create(const struct sim_params *params)
{
	struct lru2 *lru2 = calloc(1, sizeof(*lru2));

	if (lru2 == NULL)
		return NULL;
	lru2->capacity = params->capacity;
	lru2->crp = (uint64_t)(params->crp_ratio * params->capacity);
	lru2->n_history = (uint32_t)(params->history_ratio * params->capacity);
	lru2->pages = malloc(params->n_keys * sizeof(*lru2->pages));
	if (lru2->pages != NULL && sim_queues_init(&lru2->queues, params->n_keys) == 0 &&
		sim_heap_init(&lru2->eligible, params->n_keys) == 0 &&
		sim_heap_init(&lru2->history, params->n_keys) == 0)
		return lru2;
	lru2_destroy(lru2);
	return NULL;
}

// Rows whose correlated reference period is over can be chosen from now on.
static void release(struct lru2 *lru2)
{
	const struct sim_queue *recent = &lru2->queues.queue[RECENT];

	while (recent->n > 0 && lru2->now - lru2->pages[recent->tail].last > lru2->crp) {
		uint32_t key = sim_queues_shift(&lru2->queues, RECENT, ELIGIBLE);
		const struct page *page = &lru2->pages[key];

		sim_heap_push(&lru2->eligible, key,
			page->hist2 != 0 ? RANK_KNOWN | page->hist2 : page->last);
	}
}

static void evict(struct lru2 *lru2)
{
	uint32_t key = lru2->eligible.n > 0 ? sim_heap_pop(&lru2->eligible)
	                                    : lru2->queues.queue[RECENT].tail;

	sim_queues_move(&lru2->queues, key, SIM_OUT);
	sim_heap_push(&lru2->history, key, lru2->pages[key].hist1);
	if (lru2->history.n > lru2->n_history)
		sim_heap_pop(&lru2->history);
}

static void hit(struct lru2 *lru2, uint32_t key)
{
	struct page *page = &lru2->pages[key];

	if (lru2->queues.where[key] == ELIGIBLE) {
		uint64_t burst = page->last - page->hist1;

		sim_heap_remove(&lru2->eligible, key);
		page->hist2 = page->hist1 + burst;
		page->hist1 = lru2->now;
	}
	page->last = lru2->now;
}

static void miss(struct lru2 *lru2, uint32_t key)
{
	struct page *page = &lru2->pages[key];
	bool known = sim_heap_has(&lru2->history, key);

	if (known)
		sim_heap_remove(&lru2->history, key);
	if (lru2->queues.queue[RECENT].n + lru2->queues.queue[ELIGIBLE].n == lru2->capacity)
		evict(lru2);
	*page = (struct page){lru2->now, known ? page->hist1 : 0, lru2->now};
}

static bool lru2_access(void *state, uint32_t key)
{
	struct lru2 *lru2 = state;
	bool cached = lru2->queues.where[key] != SIM_OUT;

	lru2->now++;
	release(lru2);
	if (cached)
		hit(lru2, key);
	else
		miss(lru2, key);
	sim_queues_move(&lru2->queues, key, RECENT);
	return cached;
}

static uint64_t lru2_metadata_bytes(const void *state)
{
	const struct lru2 *lru2 = state;
	uint64_t place = sizeof(struct sim_link) + sizeof(uint32_t);

	return lru2->capacity * (sizeof(struct page) + place) +
	       lru2->n_history * (sizeof(uint64_t) + place);
}

const struct sim_policy sim_lru2 = {
	"lru2", lru2_create, lru2_access, lru2_metadata_bytes, lru2_destroy};
