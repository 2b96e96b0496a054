// SPDX-License-Identifier: BSD-3-Clause
#include "sim_queues.h"

#include <errno.h>
#include <stdlib.h>

int sim_queues_init(struct sim_queues *queues, uint32_t n_keys)
{
	*queues = (struct sim_queues){
		.links = calloc(n_keys, sizeof(*queues->links)),
		.where = calloc(n_keys, sizeof(*queues->where)),
	};
	if (queues->links == NULL || queues->where == NULL) {
		sim_queues_free(queues);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < SIM_QUEUES_MAX; i++)
		queues->queue[i] = (struct sim_queue){SIM_NONE, SIM_NONE, 0};
	return 0;
}

void sim_queues_free(struct sim_queues *queues)
{
	free(queues->links);
	free(queues->where);
	*queues = (struct sim_queues){.links = NULL};
}
