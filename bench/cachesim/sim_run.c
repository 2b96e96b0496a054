// SPDX-License-Identifier: BSD-3-Clause
#include "sim_run.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define THREADS_MAX 64u

struct run {
	const struct sim_stream *stream;
	struct sim_cell *cells;
	unsigned n_cells;
	_Atomic unsigned next;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void add_up(const struct sim_stream *stream, const uint8_t *hit, struct sim_cell *cell)
{
	cell->accesses = stream->n_accesses;
	for (uint32_t i = 0; i < stream->n_accesses; i++) {
		unsigned bytes = stream->row_bytes[stream->keys[i]];
		bool quiet = stream->noise == NULL || !stream->noise[i];

		cell->hits += hit[i];
		cell->bytes += bytes;
		cell->hit_bytes += hit[i] ? bytes : 0;
		cell->quiet_accesses += quiet;
		cell->quiet_hits += quiet && hit[i];
	}
}

static void run_cell(const struct sim_stream *stream, struct sim_cell *cell)
{
	uint8_t *hit = malloc(stream->n_accesses);
	void *state;
	double start;

	cell->params.capacity = (uint32_t)fmax(lround(stream->n_keys * cell->percent / 100), 1);
	cell->params.n_keys = stream->n_keys;
	cell->params.next = stream->next;
	errno = ENOMEM;
	state = hit != NULL ? cell->policy->create(&cell->params) : NULL;
	cell->error = state != NULL ? 0 : -errno;
	if (state != NULL) {
		start = now_ns();
		for (uint32_t i = 0; i < stream->n_accesses; i++)
			hit[i] = cell->policy->access(state, stream->keys[i]);
		cell->ns = (now_ns() - start) / stream->n_accesses;
		cell->metadata_bytes = cell->policy->metadata_bytes(state);
		add_up(stream, hit, cell);
		cell->policy->destroy(state);
	}
	free(hit);
}

static void *worker(void *arg)
{
	struct run *run = arg;
	unsigned i;

	// why relaxed: the number is all that is shared; results are read after the threads ended.
	while ((i = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed)) < run->n_cells)
		run_cell(run->stream, &run->cells[i]);
	return NULL;
}

void sim_run(const struct sim_stream *stream, struct sim_cell *cells, unsigned n_cells,
	unsigned n_threads)
{
	struct run run = {.stream = stream, .cells = cells, .n_cells = n_cells};
	pthread_t threads[THREADS_MAX];
	unsigned started = 0;

	while (started + 1 < MR_MIN(n_threads, THREADS_MAX) &&
		pthread_create(&threads[started], NULL, worker, &run) == 0)
		started++;
	worker(&run);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}
