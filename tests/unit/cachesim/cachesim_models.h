// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The policies of bench/cachesim once more, written from their papers with nothing but arrays in
 * order of age: slow, and short enough to be seen to be right.
 */

#include "mr_cc.h"

#include <stdbool.h>

#define MODEL_KEYS 64u

/** Keys in order, the oldest first. */
struct row_of_keys {
	uint32_t key[2 * MODEL_KEYS];
	unsigned n;
};

/** Everything that any of the models remembers. */
struct model {
	unsigned capacity;
	unsigned crp, n_history;       //!< lru2
	const uint32_t *next;          //!< belady
	uint32_t now;                  //!< accesses before this one
	struct row_of_keys a, b, c, d; //!< what they are is each model's business
	unsigned target;               //!< arc
	unsigned hand;                 //!< sieve: place in a
	unsigned added;                //!< wtinylfu
	unsigned count[MODEL_KEYS];
	uint32_t t1[MODEL_KEYS], t2[MODEL_KEYS], last[MODEL_KEYS];
};

struct model_policy {
	const char *name;
	bool (*access)(struct model *m, uint32_t key);
};

extern const struct model_policy model_policies[];
extern const unsigned model_n_policies;
