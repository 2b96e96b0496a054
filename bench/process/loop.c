// SPDX-License-Identifier: BSD-3-Clause
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <inttypes.h>

#include "mr_units.h"
#include "process.h"

#define LOST_S 0.25

static double task_seconds(const char *process, const char *task)
{
	uint64_t ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/schedstat", process, task);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(file);
	return (double)ns * 1e-9;
}

// CPU time of all threads of the processes that are charged, as the scheduler counts it.
static double charged_seconds(const struct options *o)
{
	double seconds = 0;

	for (unsigned i = 0; i < o->n_charges; i++) {
		char name[16], path[64];
		struct dirent *task;
		DIR *dir;

		snprintf(name, sizeof(name), "%d", o->charges[i]);
		snprintf(path, sizeof(path), "/proc/%s/task", name);
		dir = opendir(path);
		if (dir == NULL)
			bench_fail("process %s is gone", name);
		while ((task = readdir(dir)) != NULL)
			if (task->d_name[0] != '.')
				seconds += task_seconds(name, task->d_name);
		closedir(dir);
	}
	return seconds;
}

static double own_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t cycles(double seconds)
{
	return (uint64_t)(seconds * 1e9 / bench_ns_per_cycle());
}

void loop_begin(struct loop *loop, const struct options *o)
{
	*loop = (struct loop){.o = o, .rng = {42}};
	loop->cycles = aligned_alloc(64, MR_ALIGN_UP(sizeof(struct mr_hist), 64u));
	if (loop->cycles == NULL)
		bench_fail("no memory");
	memset(loop->cycles, 0, sizeof(struct mr_hist));
	for (unsigned i = 0; i < o->window; i++)
		loop->free[loop->n_free++] = (uint16_t)i;
	loop->pace_cycles = cycles(o->pace_us * 1e-6);
	loop->start_tsc = loop->heard_tsc = bench_tsc();
}

bool loop_is_due(struct loop *loop)
{
	uint64_t tsc;

	if (loop->pace_cycles == 0)
		return true;
	tsc = bench_tsc();
	if (loop->n_free < loop->o->window || tsc < loop->due_tsc)
		return false;
	// What was missed is not made up for: that would be other bursts.
	loop->due_tsc = tsc + loop->pace_cycles;
	return true;
}

unsigned loop_take(struct loop *loop, uint16_t *slots, unsigned n)
{
	if (n > loop->n_free)
		n = loop->n_free;
	if (loop->o->sweep && loop->next_row + (n - 1) * loop->o->n_keys >= loop->o->n_rows)
		n = MR_MIN(n, loop->next_row < loop->o->n_rows);
	loop->n_free -= n;
	memcpy(slots, loop->free + loop->n_free, n * sizeof(*slots));
	return n;
}

void loop_rows(struct loop *loop, uint64_t *ids)
{
	for (unsigned i = 0; i < loop->o->n_keys; i++) {
		ids[i] = loop->o->sweep ? loop->next_row++
		                        : mr_rng_below(&loop->rng, loop->o->n_rows);
		ids[i] = MR_MIN(ids[i], loop->o->n_rows - 1);
	}
}

// Whatever is under way this long after the last answer will not be answered.
static void give_up(struct loop *loop, uint64_t tsc)
{
	for (unsigned i = 0; i < loop->o->window; i++)
		if (loop->sent_tsc[i] != 0) {
			loop->sent_tsc[i] = 0;
			loop->free[loop->n_free++] = (uint16_t)i;
			loop->lost++;
		}
	loop->heard_tsc = tsc;
}

// The measured part begins.
static void warm(struct loop *loop)
{
	memset(loop->cycles, 0, sizeof(*loop->cycles));
	loop->wrong = loop->lost = 0;
	loop->answered_before = loop->answered;
	loop->server_s = charged_seconds(loop->o);
	loop->client_s = own_seconds();
	puts("begin");
	fflush(stdout);
	loop->first_tsc = bench_tsc();
}

bool loop_goes_on(struct loop *loop, uint64_t tsc)
{
	const struct options *o = loop->o;

	if (tsc - loop->heard_tsc > cycles(LOST_S))
		give_up(loop, tsc);
	if (loop->first_tsc == 0 && (o->sweep || tsc - loop->start_tsc > cycles(o->warmup_s)))
		warm(loop);
	loop->end_tsc = MR_MAX(tsc, loop->first_tsc);
	if (o->sweep)
		return loop->next_row < o->n_rows || loop->n_free < o->window;
	return loop->first_tsc == 0 || loop->end_tsc - loop->first_tsc < cycles(o->seconds);
}

int loop_report(struct loop *loop)
{
	double ns = bench_ns_per_cycle(), seconds;
	uint64_t requests = loop->answered - loop->answered_before;

	seconds = (double)(loop->end_tsc - loop->first_tsc) * ns * 1e-9;
	printf("{\"requests\":%" PRIu64 ",\"keys\":%" PRIu64 ",\"wrong\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"seconds\":%.6f,\"server_s\":%.6f,\"client_s\":%.6f,"
	       "\"p50_us\":%.3f,\"p99_us\":%.3f}\n",
		requests, requests * loop->o->n_keys, loop->wrong, loop->lost, seconds,
		charged_seconds(loop->o) - loop->server_s, own_seconds() - loop->client_s,
		(double)mr_hist_quantile(loop->cycles, 0.5) * ns * 1e-3,
		(double)mr_hist_quantile(loop->cycles, 0.99) * ns * 1e-3);
	fflush(stdout);
	free(loop->cycles);
	return 0;
}
