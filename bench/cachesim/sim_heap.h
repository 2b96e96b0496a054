// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A binary heap of keys with the smallest rank on top, which knows where each key is, so that any
 * of them can be taken out. O(log n); top: O(1).
 */

#include "mr_cc.h"

#include <stdbool.h>

#define SIM_HEAP_OUT UINT32_MAX

struct sim_heap {
	uint32_t *keys; //!< in heap order
	uint32_t *at;   //!< by key: its place, or SIM_HEAP_OUT
	uint64_t *rank; //!< by key
	uint32_t n;
};

/** @return 0, or -ENOMEM with an empty heap, which may be freed. */
int sim_heap_init(struct sim_heap *heap, uint32_t n_keys);
void sim_heap_free(struct sim_heap *heap);

/** @p key must not be in the heap. */
void sim_heap_push(struct sim_heap *heap, uint32_t key, uint64_t rank);
/** @p key must be in the heap. */
void sim_heap_remove(struct sim_heap *heap, uint32_t key);

static inline bool sim_heap_has(const struct sim_heap *heap, uint32_t key)
{
	return heap->at[key] != SIM_HEAP_OUT;
}

/** The heap is not empty. */
static inline uint32_t sim_heap_pop(struct sim_heap *heap)
{
	uint32_t key = heap->keys[0];

	sim_heap_remove(heap, key);
	return key;
}
