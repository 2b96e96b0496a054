// SPDX-License-Identifier: BSD-3-Clause
//
// SIEVE (Zhang et al., NSDI 2024, algorithm 1): a queue in order of insertion, a bit for each row
// that was hit, and a hand that goes from old to new, clears bits, and evicts the first row that
// has none.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

#define CACHED 1u

struct sieve {
	uint32_t capacity, hand; //!< hand: SIM_NONE: at the tail
	struct sim_queues queues;
	bool *visited; //!< by key
};

static void sieve_destroy(void *state)
{
	struct sieve *sieve = state;

	if (sieve == NULL)
		return;
	sim_queues_free(&sieve->queues);
	free(sieve->visited);
	free(sieve);
}

static void *sieve_create(const struct sim_params *params)
{
	struct sieve *sieve = calloc(1, sizeof(*sieve));

	if (sieve == NULL)
		return NULL;
	sieve->capacity = params->capacity;
	sieve->hand = SIM_NONE;
	sieve->visited = calloc(params->n_keys, sizeof(*sieve->visited));
	if (sieve->visited != NULL && sim_queues_init(&sieve->queues, params->n_keys) == 0)
		return sieve;
	sieve_destroy(sieve);
	return NULL;
}

static void evict(struct sieve *sieve)
{
	uint32_t key = sieve->hand;

	for (;;) {
		if (key == SIM_NONE)
			key = sieve->queues.queue[CACHED].tail;
		if (!sieve->visited[key])
			break;
		sieve->visited[key] = false;
		key = sieve->queues.links[key].newer;
	}
	sieve->hand = sieve->queues.links[key].newer;
	sim_queues_move(&sieve->queues, key, SIM_OUT);
}

static bool sieve_access(void *state, uint32_t key)
{
	struct sieve *sieve = state;

	if (sieve->queues.where[key] == CACHED) {
		sieve->visited[key] = true;
		return true;
	}
	if (sieve->queues.queue[CACHED].n == sieve->capacity)
		evict(sieve);
	sim_queues_move(&sieve->queues, key, CACHED);
	sieve->visited[key] = false;
	return false;
}

static uint64_t sieve_metadata_bytes(const void *state)
{
	const struct sieve *sieve = state;

	return (uint64_t)sieve->capacity * (sizeof(struct sim_link) + 1);
}

const struct sim_policy sim_sieve = {
	"sieve", sieve_create, sieve_access, sieve_metadata_bytes, sieve_destroy};
