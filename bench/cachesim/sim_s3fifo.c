// SPDX-License-Identifier: BSD-3-Clause
//
// S3-FIFO (Yang et al., SOSP 2023, algorithm 1): a small FIFO of a tenth of the rows for new keys,
// a main FIFO with reinsertion for those that were hit more than once in it or come back while they
// are remembered, and a memory of as many evicted keys as the main FIFO has rows.
#include "sim_policy.h"
#include "sim_queues.h"

#include <stdlib.h>

#define FREQUENCY_MAX 3u

enum {
	OUT = SIM_OUT,
	SMALL,
	MAIN,
	GHOST,
};

struct s3fifo {
	uint32_t capacity, small_max, ghost_max;
	struct sim_queues queues;
	uint8_t *frequency; //!< by key
};

static void s3fifo_destroy(void *state)
{
	struct s3fifo *s3 = state;

	if (s3 == NULL)
		return;
	sim_queues_free(&s3->queues);
	free(s3->frequency);
	free(s3);
}

static void *s3fifo_create(const struct sim_params *params)
{
	struct s3fifo *s3 = calloc(1, sizeof(*s3));

	if (s3 == NULL)
		return NULL;
	s3->capacity = params->capacity;
	s3->small_max = MR_MAX(params->capacity / 10, 1u);
	s3->ghost_max = MR_MAX(params->capacity - s3->small_max, 1u);
	s3->frequency = calloc(params->n_keys, sizeof(*s3->frequency));
	if (sim_queues_init(&s3->queues, params->n_keys) == 0 && s3->frequency != NULL)
		return s3;
	s3fifo_destroy(s3);
	return NULL;
}

static bool evict_main(struct s3fifo *s3)
{
	while (s3->queues.queue[MAIN].n > 0) {
		uint32_t key = s3->queues.queue[MAIN].tail;

		if (s3->frequency[key] == 0) {
			sim_queues_move(&s3->queues, key, OUT);
			return true;
		}
		s3->frequency[key]--;
		sim_queues_move(&s3->queues, key, MAIN);
	}
	return false;
}

static bool evict_small(struct s3fifo *s3)
{
	while (s3->queues.queue[SMALL].n > 0) {
		uint32_t key = s3->queues.queue[SMALL].tail;

		if (s3->frequency[key] > 1) {
			s3->frequency[key] = 0;
			sim_queues_move(&s3->queues, key, MAIN);
			continue;
		}
		if (s3->queues.queue[GHOST].n == s3->ghost_max)
			sim_queues_shift(&s3->queues, GHOST, OUT);
		sim_queues_move(&s3->queues, key, GHOST);
		return true;
	}
	return false;
}

static void make_room(struct s3fifo *s3)
{
	while (s3->queues.queue[SMALL].n + s3->queues.queue[MAIN].n >= s3->capacity) {
		bool small = s3->queues.queue[SMALL].n >= s3->small_max;

		if (small ? evict_small(s3) : evict_main(s3))
			return;
		// One that is empty, or moved all it had to the other, leaves it to the other.
		if (small ? evict_main(s3) : evict_small(s3))
			return;
	}
}

static bool s3fifo_access(void *state, uint32_t key)
{
	struct s3fifo *s3 = state;
	bool known;

	if (s3->queues.where[key] == SMALL || s3->queues.where[key] == MAIN) {
		s3->frequency[key] = (uint8_t)MR_MIN(s3->frequency[key] + 1u, FREQUENCY_MAX);
		return true;
	}
	known = s3->queues.where[key] == GHOST;
	sim_queues_move(&s3->queues, key, OUT);
	make_room(s3);
	s3->frequency[key] = 0;
	sim_queues_move(&s3->queues, key, known ? MAIN : SMALL);
	return false;
}

static uint64_t s3fifo_metadata_bytes(const void *state)
{
	const struct s3fifo *s3 = state;

	// FIFOs are rings of slots, frequency and queue fit a byte; a ghost is a fingerprint and a
	// time.
	return (uint64_t)s3->capacity * (sizeof(uint32_t) + 1) +
	       s3->ghost_max * 2 * sizeof(uint32_t);
}

const struct sim_policy sim_s3fifo = {
	"s3fifo", s3fifo_create, s3fifo_access, s3fifo_metadata_bytes, s3fifo_destroy};
