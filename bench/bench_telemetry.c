// SPDX-License-Identifier: BSD-3-Clause
//
// What telemetry costs: hits through an in-memory port, answered by the RX lcore as it is and by
// one that was compiled without counters, histograms, samples and slow log. Both have the same
// state, cache and frames and take turns, some thousand requests at a time, on one core, so that
// both see the machine in the same mood; only turns of the loop that found work are timed. The
// median of the rounds' ratios counts.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"

#define ROUNDS 31u
#define BATCH 256u
#define REQUESTS (1u << 18)
#define SOME (1u << 12)

/** lib/rx compiled with -DMR_TELEMETRY_OFF (bare_rx.h). */
unsigned bare_rx_turn(struct mr_rx *rx);

static struct bench_work *work;
static struct bench_keys keys;

// Some requests to one of them.
static void some(unsigned (*turn)(struct mr_rx *rx), struct bench_gauge *busy)
{
	struct rte_mbuf *frames[BATCH];

	for (uint64_t end = busy->ops + SOME; busy->ops < end;) {
		unsigned n = bench_work_make(work, &keys, frames, BATCH);

		bench_work_turns(work, turn, frames, n, busy);
	}
}

// A round. @return ns a request with telemetry, and without.
static double pass(double *ret_without)
{
	static struct bench_gauge with, without;

	bench_gauge_reset(&with);
	bench_gauge_reset(&without);
	while (with.ops < REQUESTS) {
		some(bare_rx_turn, &without);
		some(mr_rx_turn, &with);
	}
	*ret_without = bench_gauge_ns(&without);
	return bench_gauge_ns(&with);
}

// What was answered without being counted was answered all the same, and the other way round.
static void check(uint64_t hits, uint64_t turned)
{
	uint64_t counted = mr_fixture_rx_count(&work->f, hits) - hits;

	if ((double)counted < 0.998 * (double)turned || (double)counted > 1.1 * (double)turned)
		bench_fail("%.0f hits were counted, %.0f were made with telemetry", (double)counted,
			(double)turned);
}

static void compare(void)
{
	double with[ROUNDS], without[ROUNDS], ratios[ROUNDS];
	struct bench_stat a, b, ratio;
	uint64_t hits;

	pass(&without[0]);
	hits = mr_fixture_rx_count(&work->f, hits);
	for (unsigned i = 0; i < ROUNDS; i++) {
		with[i] = pass(&without[i]);
		ratios[i] = without[i] / with[i];
	}
	check(hits, (uint64_t)ROUNDS * REQUESTS);
	a = bench_stat_of(with, ROUNDS);
	b = bench_stat_of(without, ROUNDS);
	ratio = bench_stat_of(ratios, ROUNDS);
	bench_line_stat("get-uniform", "time", &a, "ns/request");
	bench_line_stat("get-uniform", "time-without", &b, "ns/request");
	bench_line_stat("get-uniform", "ratio-of-passes", &ratio, "ratio");
	bench_line_ratio("get-uniform", "requests", ratio.median * 1e9 / b.median, NULL,
		"requests/s", 1e9 / b.median);
	bench_say("get-uniform %6.1f ns with telemetry, %6.1f ns without: %.3f of the rate",
		a.median, b.median, ratio.median);
}

int main(int argc, char **argv)
{
	work = bench_work_begin("telemetry", argc, argv, &keys);
	compare();
	bench_work_end(work);
	return 0;
}
