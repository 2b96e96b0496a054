// SPDX-License-Identifier: BSD-3-Clause
//
// 2Q, full version (Johnson, Shasha, VLDB 1994), with its authors' sizes: a FIFO of a quarter of
// the rows for new keys, a memory of half as many evicted keys as there are rows, and LRU for keys
// that come back while they are in that memory.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

enum {
	OUT = SIM_OUT,
	A1_IN,
	A1_OUT,
	A_M,
};

struct two_q {
	uint32_t capacity, in_max, out_max;
	struct sim_queues queues;
};

static void two_q_destroy(void *state)
{
	struct two_q *q = state;

	if (q == NULL)
		return;
	sim_queues_free(&q->queues);
	free(q);
}

static void *two_q_create(const struct sim_params *params)
{
	struct two_q *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->capacity = params->capacity;
	q->in_max = MR_MAX(params->capacity / 4, 1u);
	q->out_max = MR_MAX(params->capacity / 2, 1u);
	if (sim_queues_init(&q->queues, params->n_keys) == 0)
		return q;
	two_q_destroy(q);
	return NULL;
}

// The paper's "reclaimfor".
static void make_room(struct two_q *q)
{
	if (q->queues.queue[A1_IN].n + q->queues.queue[A_M].n < q->capacity)
		return;
	if (q->queues.queue[A1_IN].n > q->in_max || q->queues.queue[A_M].n == 0) {
		sim_queues_shift(&q->queues, A1_IN, A1_OUT);
		if (q->queues.queue[A1_OUT].n > q->out_max)
			sim_queues_shift(&q->queues, A1_OUT, OUT);
	} else {
		sim_queues_shift(&q->queues, A_M, OUT);
	}
}

static bool two_q_access(void *state, uint32_t key)
{
	struct two_q *q = state;
	unsigned where = q->queues.where[key];

	if (where == A1_IN)
		return true;
	if (where == A_M) {
		sim_queues_move(&q->queues, key, A_M);
		return true;
	}
	// Taken out first, so that making room cannot push it out of the memory.
	sim_queues_move(&q->queues, key, OUT);
	make_room(q);
	sim_queues_move(&q->queues, key, where == A1_OUT ? A_M : A1_IN);
	return false;
}

static uint64_t two_q_metadata_bytes(const void *state)
{
	const struct two_q *q = state;

	return (uint64_t)q->capacity * (sizeof(struct sim_link) + 1) +
	       q->out_max * (sizeof(struct sim_link) + sizeof(uint64_t) + 1);
}

const struct sim_policy sim_2q = {
	"2q", two_q_create, two_q_access, two_q_metadata_bytes, two_q_destroy};
