// SPDX-License-Identifier: BSD-3-Clause
//
// LRU.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

#define CACHED 1u

struct lru {
	uint32_t capacity;
	struct sim_queues queues;
};

static void lru_destroy(void *state)
{
	struct lru *lru = state;

	if (lru == NULL)
		return;
	sim_queues_free(&lru->queues);
	free(lru);
}

static void *lru_create(const struct sim_params *params)
{
	struct lru *lru = calloc(1, sizeof(*lru));

	if (lru == NULL)
		return NULL;
	lru->capacity = params->capacity;
	if (sim_queues_init(&lru->queues, params->n_keys) == 0)
		return lru;
	lru_destroy(lru);
	return NULL;
}

static bool lru_access(void *state, uint32_t key)
{
	struct lru *lru = state;
	bool hit = lru->queues.where[key] == CACHED;

	if (!hit && lru->queues.queue[CACHED].n == lru->capacity)
		sim_queues_shift(&lru->queues, CACHED, SIM_OUT);
	sim_queues_move(&lru->queues, key, CACHED);
	return hit;
}

static uint64_t lru_metadata_bytes(const void *state)
{
	const struct lru *lru = state;

	return (uint64_t)lru->capacity * sizeof(struct sim_link);
}

const struct sim_policy sim_lru = {"lru", lru_create, lru_access, lru_metadata_bytes, lru_destroy};
