// SPDX-License-Identifier: BSD-3-Clause
//
// The way to an I/O lcore and back: submit, take, give, collect, in bursts. On one core it is what
// the rings cost; with the other side on a second CPU it is the round trip of a burst, with a
// core-to-core ping-pong before and after.
//
// bench_handoff [--memory]; --memory prints the MB of hugepages wanted.
#include <rte_launch.h>
#include <rte_lcore.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_dpdk.h"
#include "mr_handoff.h"

#define HEAP_MB 64u
#define DEPTH 256u
#define BURST_MAX 64u
#define ROUNDS 15u
#define TRIPS 20000u // bursts a round

struct bench {
	struct mr_handoff handoff;
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned burst;
	bool alone; // the I/O side's turns are ours, too
	_Atomic bool stop;
};

static struct bench bench;
static struct rte_mbuf storage[BURST_MAX];

static unsigned io_turn(struct mr_handoff *handoff)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned n = mr_handoff_take(handoff, 0, 0, mbufs, BURST_MAX);

	if (n > 0)
		mr_handoff_give(handoff, 0, 0, mbufs, n);
	return n;
}

static int io_lcore(void *arg)
{
	(void)arg;
	// why relaxed: it may stop a turn late.
	while (!atomic_load_explicit(&bench.stop, memory_order_relaxed))
		if (io_turn(&bench.handoff) == 0)
			mr_pause();
	return 0;
}

// @return ns a burst.
static double round_trips(unsigned trips)
{
	struct rte_mbuf *back[BURST_MAX];
	double start = bench_now_ns();

	for (unsigned i = 0; i < trips; i++) {
		unsigned n = 0;

		mr_handoff_submit(&bench.handoff, 0, 0, bench.mbufs, bench.burst);
		while (n < bench.burst) {
			if (bench.alone)
				io_turn(&bench.handoff);
			n += mr_handoff_collect(&bench.handoff, 0, 0, back, BURST_MAX);
		}
	}
	return (bench_now_ns() - start) / trips;
}

static void measure(const char *side, unsigned burst)
{
	double burst_ns[ROUNDS], request_ns[ROUNDS];
	struct bench_stat stat;
	char name[64];

	bench.burst = burst;
	round_trips(TRIPS / 10);
	for (unsigned i = 0; i < ROUNDS; i++) {
		burst_ns[i] = round_trips(TRIPS);
		request_ns[i] = burst_ns[i] / burst;
	}
	snprintf(name, sizeof(name), "%s-b%u", side, burst);
	stat = bench_stat_of(burst_ns, ROUNDS);
	bench_line_stat(name, "round-trip", &stat, "ns/burst");
	stat = bench_stat_of(request_ns, ROUNDS);
	bench_line_stat(name, "time", &stat, "ns/request");
	bench_line(name, "cycles", stat.median / bench_ns_per_cycle(), "cycles/request");
	bench_say("%-16s %8.1f ns a request (min %.1f, max %.1f)", name, stat.median, stat.min,
		stat.max);
}

static void measure_all(const char *side)
{
	static const unsigned bursts[] = {1, 8, 32, 64};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(bursts); i++)
		measure(side, bursts[i]);
}

static void measure_two_lcores(unsigned other)
{
	bench_line("two-lcores", "ping-pong-before", bench_ping_pong(other), "ns");
	bench.alone = false;
	rte_eal_remote_launch(io_lcore, NULL, other);
	measure_all("two-lcores");
	atomic_store(&bench.stop, true);
	rte_eal_wait_lcore(other);
	bench_line("two-lcores", "ping-pong-after", bench_ping_pong(other), "ns");
}

int main(int argc, char **argv)
{
	struct mr_err err = {""};
	struct mr_plan plan;
	unsigned other;

	if (argc > 1 && strcmp(argv[1], "--memory") == 0)
		return printf("%u\n", HEAP_MB) < 0;
	bench_begin("handoff");
	bench_eal(argv[0], HEAP_MB);
	if (mr_plan_make(&plan, "0", "0", "0", &err) < 0)
		bench_fail("%s", err.text);
	if (mr_handoff_init(&bench.handoff, &plan, DEPTH) < 0)
		bench_fail("no rings");
	for (unsigned i = 0; i < BURST_MAX; i++)
		bench.mbufs[i] = &storage[i];
	bench.alone = true;
	measure_all("one-core");
	other = bench_other_lcore();
	if (other != RTE_MAX_LCORE)
		measure_two_lcores(other);
	else
		bench_say("a second CPU is wanted for two lcores: left out");
	mr_handoff_done(&bench.handoff);
	return EXIT_SUCCESS;
}
