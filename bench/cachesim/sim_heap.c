// SPDX-License-Identifier: BSD-3-Clause
#include "sim_heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sim_heap_init(struct sim_heap *heap, uint32_t n_keys)
{
	*heap = (struct sim_heap){
		.keys = malloc(n_keys * sizeof(*heap->keys)),
		.at = malloc(n_keys * sizeof(*heap->at)),
		.rank = malloc(n_keys * sizeof(*heap->rank)),
	};
	if (heap->keys == NULL || heap->at == NULL || heap->rank == NULL) {
		sim_heap_free(heap);
		return -ENOMEM;
	}
	memset(heap->at, 0xff, n_keys * sizeof(*heap->at));
	return 0;
}

void sim_heap_free(struct sim_heap *heap)
{
	free(heap->keys);
	free(heap->at);
	free(heap->rank);
	*heap = (struct sim_heap){.n = 0};
}

static void put(struct sim_heap *heap, uint32_t place, uint32_t key)
{
	heap->keys[place] = key;
	heap->at[key] = place;
}

static void rise(struct sim_heap *heap, uint32_t place, uint32_t key)
{
	while (place > 0 && heap->rank[heap->keys[(place - 1) / 2]] > heap->rank[key]) {
		put(heap, place, heap->keys[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(heap, place, key);
}

static void sink(struct sim_heap *heap, uint32_t place, uint32_t key)
{
	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child + 1 < heap->n &&
			heap->rank[heap->keys[child + 1]] < heap->rank[heap->keys[child]])
			child++;
		if (child >= heap->n || heap->rank[heap->keys[child]] >= heap->rank[key])
			break;
		put(heap, place, heap->keys[child]);
		place = child;
	}
	put(heap, place, key);
}

void sim_heap_push(struct sim_heap *heap, uint32_t key, uint64_t rank)
{
	heap->rank[key] = rank;
	rise(heap, heap->n++, key);
}

void sim_heap_remove(struct sim_heap *heap, uint32_t key)
{
	uint32_t place = heap->at[key], last = heap->keys[--heap->n];

	heap->at[key] = SIM_HEAP_OUT;
	if (last == key)
		return;
	if (heap->rank[last] < heap->rank[key])
		rise(heap, place, last);
	else
		sink(heap, place, last);
}
