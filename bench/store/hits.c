// SPDX-License-Identifier: BSD-3-Clause
//
// What hits notice of a store that is busy: the RX lcore answers from its cache on this CPU while
// the store does full compactions, and takes a bulk load, on the other, where the real program has
// its threads too. Quiet, compacting and loading take turns; ratios are of one turn each.
#include <rte_lcore.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_work.h"
#include "mr_store_bulk.h"
#include "store_bench.h"

#define ROWS 1000000u
#define STORE_ROWS 1000000u
#define ROUNDS 9u
#define TURN_NS 4e8
#define FRAMES 256u

enum mood { QUIET, COMPACTING, LOADING, MOODS };

static const char *const names[] = {"hits-quiet", "hits-compacting", "hits-loading"};

struct hits {
	struct bench_work work;
	struct bench_keys keys;
	enum mood mood;
	uint16_t version; // that the next load makes
	_Atomic unsigned done;
	_Atomic bool stop;
};

unsigned bench_hits_megabytes(void)
{
	return MR_MAX(bench_work_megabytes(&bench_rows_64, ROWS) + 64, PATH_MEGABYTES);
}

// Full compactions or bulk loads, one after the other, until told to stop.
static void *work_store(void *arg)
{
	struct hits *h = arg;
	struct mr_err err = {""};

	// why relaxed: figures, and it may stop late.
	do {
		if (h->mood == COMPACTING)
			check(mr_store_compact(h->work.f.store, &err), &err);
		else
			bench_work_load(&h->work, ++h->version, 0, STORE_ROWS, &h->stop);
		atomic_fetch_add_explicit(&h->done, 1, memory_order_relaxed);
	} while (!atomic_load_explicit(&h->stop, memory_order_relaxed));
	return NULL;
}

static void serve(struct hits *h, double ns)
{
	double begin = bench_now_ns();
	struct rte_mbuf *frames[FRAMES];

	do {
		unsigned n = bench_work_make(&h->work, &h->keys, frames, FRAMES);

		if (n == 0)
			bench_fail("no mbufs left");
		mr_fixture_send(&h->work.f, 0, frames, n);
		while (mr_rx_turn(h->work.f.rx[0]) > 0)
			;
		bench_work_drain(&h->work);
	} while (bench_now_ns() - begin < ns);
}

// @return the 99th percentile of the service time, ns
static double turn(struct hits *h, enum mood mood, unsigned other)
{
	static struct mr_hist from, to;
	struct mr_rx_counters *c = mr_rx_counters(h->work.f.rx[0]);
	rte_cpuset_t cpus = rte_lcore_cpuset(other);
	pthread_t thread;

	h->mood = mood;
	atomic_store(&h->stop, false);
	if (mood != QUIET && (pthread_create(&thread, NULL, work_store, h) != 0 ||
				     pthread_setaffinity_np(thread, sizeof(cpus), &cpus) != 0))
		bench_fail("no thread for the store");
	serve(h, TURN_NS / 4);
	memcpy(&from, &c->inline_cycles, sizeof(from));
	serve(h, TURN_NS);
	memcpy(&to, &c->inline_cycles, sizeof(to));
	atomic_store(&h->stop, true);
	if (mood != QUIET)
		pthread_join(thread, NULL);
	mr_hist_subtract(&to, &from);
	return (double)mr_hist_quantile(&to, 0.99) * bench_ns_per_cycle();
}

static void report(double p99[MOODS][ROUNDS])
{
	double ratios[ROUNDS];

	for (unsigned m = 0; m < MOODS; m++) {
		struct bench_stat ratio, stat;

		for (unsigned i = 0; i < ROUNDS; i++)
			ratios[i] = p99[m][i] / p99[QUIET][i];
		ratio = bench_stat_of(ratios, ROUNDS);
		if (m == QUIET)
			continue;
		stat = bench_stat_of(p99[m], ROUNDS);
		bench_line_ratio(names[m], "service-p99", stat.median, &stat, "ns",
			stat.median / ratio.median);
		bench_say("%-16s %7.0f ns at the 99th percentile, %.2f (%.2f to %.2f) of quiet",
			names[m], stat.median, ratio.median, ratio.q1, ratio.q3);
	}
	struct bench_stat quiet = bench_stat_of(p99[QUIET], ROUNDS);
	bench_line_stat(names[QUIET], "service-p99", &quiet, "ns");
}

void bench_hits(const struct bench *b)
{
	static struct hits h mr_cache_aligned;
	static double p99[MOODS][ROUNDS];
	unsigned other = bench_other_lcore();
	rte_cpuset_t cpus;
	char store[4096];

	if (other == RTE_MAX_LCORE) {
		bench_say("a second CPU is wanted for the store's threads: left out");
		return;
	}
	cpus = rte_lcore_cpuset(other);
	snprintf(store, sizeof(store), "%s/hits", b->dir);
	bench_work_open_with(&h.work, &bench_rows_64, ROWS,
		&(struct bench_work_more){.store = store, .store_cpus = &cpus});
	bench_keys_init(&h.keys, BENCH_UNIFORM, 0, ROWS, 42);
	bench_work_load(&h.work, 1, ROWS, STORE_ROWS, NULL);
	h.version = 1;
	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned m = 0; m < MOODS; m++)
			p99[m][i] = turn(&h, (enum mood)m, other);
	report(p99);
	bench_say("%u compactions and bulk loads meanwhile", atomic_load(&h.done));
	bench_work_close(&h.work);
}
