// SPDX-License-Identifier: BSD-3-Clause
//
// ARC (Megiddo, Modha, FAST 2003, figure 4). T1: cached, seen once lately; T2: seen more often; B1
// and B2: what was evicted from each. Hits in B1 and B2 move the size that T1 aims at.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

enum {
	OUT = SIM_OUT,
	T1,
	T2,
	B1,
	B2,
};

struct arc {
	uint32_t capacity, target; //!< target: of T1, the paper's p
	struct sim_queues queues;
};

static void arc_destroy(void *state)
{
	struct arc *arc = state;

	if (arc == NULL)
		return;
	sim_queues_free(&arc->queues);
	free(arc);
}

static void *arc_create(const struct sim_params *params)
{
	struct arc *arc = calloc(1, sizeof(*arc));

	if (arc == NULL)
		return NULL;
	arc->capacity = params->capacity;
	if (sim_queues_init(&arc->queues, params->n_keys) == 0)
		return arc;
	arc_destroy(arc);
	return NULL;
}

// The paper's REPLACE.
static void replace(struct arc *arc, bool in_b2)
{
	uint32_t n = arc->queues.queue[T1].n;

	if (n > 0 && (n > arc->target || (in_b2 && n == arc->target)))
		sim_queues_shift(&arc->queues, T1, B1);
	else if (arc->queues.queue[T2].n > 0)
		sim_queues_shift(&arc->queues, T2, B2);
	else
		sim_queues_shift(&arc->queues, T1, B1);
}

static void adapt(struct arc *arc, bool in_b2)
{
	uint32_t b1 = arc->queues.queue[B1].n, b2 = arc->queues.queue[B2].n;

	if (in_b2) {
		uint32_t step = MR_MAX(b1 / b2, 1u);

		arc->target = arc->target > step ? arc->target - step : 0;
	} else {
		arc->target = MR_MIN(arc->target + MR_MAX(b2 / b1, 1u), arc->capacity);
	}
}

static void make_room(struct arc *arc)
{
	uint32_t l1 = arc->queues.queue[T1].n + arc->queues.queue[B1].n;
	uint32_t l2 = arc->queues.queue[T2].n + arc->queues.queue[B2].n;

	if (l1 == arc->capacity) {
		if (arc->queues.queue[T1].n < arc->capacity) {
			sim_queues_shift(&arc->queues, B1, OUT);
			replace(arc, false);
		} else {
			sim_queues_shift(&arc->queues, T1, OUT);
		}
	} else if (l1 + l2 >= arc->capacity) {
		if (l1 + l2 == 2 * arc->capacity)
			sim_queues_shift(&arc->queues, B2, OUT);
		replace(arc, false);
	}
}

static bool arc_access(void *state, uint32_t key)
{
	struct arc *arc = state;
	unsigned where = arc->queues.where[key];

	switch (where) {
	case T1:
	case T2:
		sim_queues_move(&arc->queues, key, T2);
		return true;
	case B1:
	case B2:
		adapt(arc, where == B2);
		replace(arc, where == B2);
		sim_queues_move(&arc->queues, key, T2);
		return false;
	default:
		make_room(arc);
		sim_queues_move(&arc->queues, key, T1);
		return false;
	}
}

static uint64_t arc_metadata_bytes(const void *state)
{
	const struct arc *arc = state;

	return (uint64_t)arc->capacity * (2 * (sizeof(struct sim_link) + 1) + sizeof(uint64_t));
}

const struct sim_policy sim_arc = {"arc", arc_create, arc_access, arc_metadata_bytes, arc_destroy};
