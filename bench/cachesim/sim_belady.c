// SPDX-License-Identifier: BSD-3-Clause
//
// Belady's MIN (1966): evicts the row whose next access is the farthest. Every miss is cached. It
// needs the future, and is the upper limit of all others.
#include "sim_heap.h"
#include "sim_policy.h"

#include <stdlib.h>

struct belady {
	uint32_t capacity;
	uint64_t now;
	const uint32_t *next;
	struct sim_heap cached;
};

static void belady_destroy(void *state)
{
	struct belady *belady = state;

	if (belady == NULL)
		return;
	sim_heap_free(&belady->cached);
	free(belady);
}

static void *belady_create(const struct sim_params *params)
{
	struct belady *belady = calloc(1, sizeof(*belady));

	if (belady == NULL)
		return NULL;
	belady->capacity = params->capacity;
	belady->next = params->next;
	if (sim_heap_init(&belady->cached, params->n_keys) == 0)
		return belady;
	belady_destroy(belady);
	return NULL;
}

static bool belady_access(void *state, uint32_t key)
{
	struct belady *belady = state;
	bool hit = sim_heap_has(&belady->cached, key);

	if (hit)
		sim_heap_remove(&belady->cached, key);
	else if (belady->cached.n == belady->capacity)
		sim_heap_pop(&belady->cached);
	// The smallest rank is on top: the farthest next access.
	sim_heap_push(&belady->cached, key, UINT32_MAX - belady->next[belady->now++]);
	return hit;
}

static uint64_t belady_metadata_bytes(const void *state)
{
	const struct belady *belady = state;

	return (uint64_t)belady->capacity * (2 * sizeof(uint32_t) + sizeof(uint64_t));
}

const struct sim_policy sim_belady = {
	"belady", belady_create, belady_access, belady_metadata_bytes, belady_destroy};
