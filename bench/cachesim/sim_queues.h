// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The queues of a policy: doubly linked lists of keys over one array of links. A key is in one
 * queue at most; number 0, SIM_OUT, stands for none. The head is where keys come in, the tail is
 * the oldest. O(1).
 */

#include "mr_cc.h"

#define SIM_NONE UINT32_MAX
#define SIM_OUT 0u
#define SIM_QUEUES_MAX 5u

struct sim_link {
	uint32_t newer, older;
};

struct sim_queue {
	uint32_t head, tail, n;
};

struct sim_queues {
	struct sim_queue queue[SIM_QUEUES_MAX];
	struct sim_link *links; //!< by key
	uint8_t *where;         //!< by key: number of its queue
};

/** All keys are out. @return 0, or -ENOMEM with queues that may be freed. */
int sim_queues_init(struct sim_queues *queues, uint32_t n_keys);
void sim_queues_free(struct sim_queues *queues);

/** Takes a key out of its queue, if any, and puts it at the head of queue @p to. */
static inline void sim_queues_move(struct sim_queues *queues, uint32_t key, unsigned to)
{
	struct sim_link *links = queues->links, at = links[key];
	struct sim_queue *queue = &queues->queue[queues->where[key]];

	if (queues->where[key] != SIM_OUT) {
		*(at.newer != SIM_NONE ? &links[at.newer].older : &queue->head) = at.older;
		*(at.older != SIM_NONE ? &links[at.older].newer : &queue->tail) = at.newer;
		queue->n--;
	}
	queues->where[key] = (uint8_t)to;
	if (to == SIM_OUT)
		return;
	queue = &queues->queue[to];
	links[key] = (struct sim_link){SIM_NONE, queue->head};
	*(queue->head != SIM_NONE ? &links[queue->head].newer : &queue->tail) = key;
	queue->head = key;
	queue->n++;
}

/** Moves the oldest key of a queue that is not empty. @return the key. */
static inline uint32_t sim_queues_shift(struct sim_queues *queues, unsigned from, unsigned to)
{
	uint32_t key = queues->queue[from].tail;

	sim_queues_move(queues, key, to);
	return key;
}
