// SPDX-License-Identifier: BSD-3-Clause
//
// W-TinyLFU (Einziger, Friedman, Manes, ACM ToS 2017) with its authors' fixed sizes: an LRU window
// of 1 % of the rows, and a segmented LRU of the others, 80 % of it protected. What leaves the
// window is let in when a count-min sketch of 4-bit counters says that it was asked for more often
// than what the main part would evict. The sketch is halved every 10 capacities of accesses.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

#define ROWS 4u
#define COUNTERS_A_ROW 4u
#define COUNTERS_MIN 256u
#define COUNT_MAX 15u
#define SAMPLE_RATIO 10u

enum {
	OUT = SIM_OUT,
	WINDOW,
	PROBATION,
	PROTECTED,
};

struct wtinylfu {
	uint32_t capacity, window_max, protected_max;
	struct sim_queues queues;
	uint8_t *counts; //!< ROWS rows of mask + 1 counters, one a byte here
	uint32_t mask;
	uint64_t n_added;
};

static void wtinylfu_destroy(void *state)
{
	struct wtinylfu *w = state;

	if (w == NULL)
		return;
	sim_queues_free(&w->queues);
	free(w->counts);
	free(w);
}

static void *wtinylfu_create(const struct sim_params *params)
{
	struct wtinylfu *w = calloc(1, sizeof(*w));
	uint32_t counters = COUNTERS_MIN;

	if (w == NULL)
		return NULL;
	while (counters < COUNTERS_A_ROW * params->capacity)
		counters *= 2;
	w->capacity = params->capacity;
	w->window_max = MR_MAX(params->capacity / 100, 1u);
	w->protected_max = (uint32_t)((uint64_t)(w->capacity - w->window_max) * 4 / 5);
	w->mask = counters - 1;
	w->counts = calloc((size_t)ROWS * counters, sizeof(*w->counts));
	if (sim_queues_init(&w->queues, params->n_keys) == 0 && w->counts != NULL)
		return w;
	wtinylfu_destroy(w);
	return NULL;
}

static uint8_t *counter(struct wtinylfu *w, uint32_t key, unsigned row)
{
	uint64_t h = (key + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32) * (UINT64_C(0xd6e8feb86659fd93) + 2 * row);
	return &w->counts[(size_t)row * (w->mask + 1) + (h >> 32 & w->mask)];
}

static unsigned frequency(struct wtinylfu *w, uint32_t key)
{
	unsigned least = COUNT_MAX;

	for (unsigned row = 0; row < ROWS; row++)
		least = MR_MIN(least, *counter(w, key, row));
	return least;
}

static void count(struct wtinylfu *w, uint32_t key)
{
	bool added = false;

	for (unsigned row = 0; row < ROWS; row++) {
		uint8_t *c = counter(w, key, row);

		if (*c < COUNT_MAX) {
			++*c;
			added = true;
		}
	}
	if (!added || ++w->n_added < (uint64_t)SAMPLE_RATIO * w->capacity)
		return;
	for (size_t i = 0; i < (size_t)ROWS * (w->mask + 1); i++)
		w->counts[i] /= 2;
	w->n_added /= 2;
}

static void hit(struct wtinylfu *w, uint32_t key)
{
	unsigned where = w->queues.where[key];

	sim_queues_move(&w->queues, key, where == PROBATION ? PROTECTED : where);
	if (w->queues.queue[PROTECTED].n > w->protected_max)
		sim_queues_shift(&w->queues, PROTECTED, PROBATION);
}

// The oldest of the window asks to be let in.
static void admit(struct wtinylfu *w)
{
	uint32_t candidate = w->queues.queue[WINDOW].tail, victim;
	uint32_t n_main = w->queues.queue[PROBATION].n + w->queues.queue[PROTECTED].n;

	if (n_main < w->capacity - w->window_max) {
		sim_queues_move(&w->queues, candidate, PROBATION);
		return;
	}
	victim = w->queues.queue[PROBATION].n > 0 ? w->queues.queue[PROBATION].tail
	                                          : w->queues.queue[PROTECTED].tail;
	if (victim != SIM_NONE && frequency(w, candidate) > frequency(w, victim)) {
		sim_queues_move(&w->queues, victim, OUT);
		sim_queues_move(&w->queues, candidate, PROBATION);
	} else {
		sim_queues_move(&w->queues, candidate, OUT);
	}
}

static bool wtinylfu_access(void *state, uint32_t key)
{
	struct wtinylfu *w = state;

	count(w, key);
	if (w->queues.where[key] != OUT) {
		hit(w, key);
		return true;
	}
	sim_queues_move(&w->queues, key, WINDOW);
	if (w->queues.queue[WINDOW].n > w->window_max)
		admit(w);
	return false;
}

static uint64_t wtinylfu_metadata_bytes(const void *state)
{
	const struct wtinylfu *w = state;

	return (uint64_t)w->capacity * (sizeof(struct sim_link) + 1) +
	       (uint64_t)ROWS * (w->mask + 1) / 2;
}

const struct sim_policy sim_wtinylfu = {
	"wtinylfu", wtinylfu_create, wtinylfu_access, wtinylfu_metadata_bytes, wtinylfu_destroy};
