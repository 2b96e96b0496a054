// SPDX-License-Identifier: BSD-3-Clause
//
// What it costs to wake an RX lcore: the time from a frame's arrival at an in-memory port to its
// reply, after the lcore has had nothing to do for a while, by what it does when it has nothing to
// do (rx_idle = poll | pause | sleep).
//
// bench_idle [--memory] [MODE...], as poll or sleep-50us; --memory prints the MB of hugepages
// wanted.
#include <rte_launch.h>
#include <rte_lcore.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench_work.h"
#include "mr_units.h"

#define ROWS 10000u
#define SAMPLES 200u
#define WARM_UP 20u

static const struct {
	const char *name;
	struct mr_idler idler;
} modes[] = {
	{"poll", {.mode = MR_IDLE_POLL}},
	{"pause", {.mode = MR_IDLE_PAUSE}},
	{"sleep-1us", {.mode = MR_IDLE_SLEEP, .sleep_us = 1}},
	{"sleep-10us", {.mode = MR_IDLE_SLEEP, .sleep_us = 10}},
	{"sleep-50us", {.mode = MR_IDLE_SLEEP, .sleep_us = 50}},
	{"sleep-200us", {.mode = MR_IDLE_SLEEP, .sleep_us = 200}},
};

static const double quiet_ms[] = {0.1, 1, 10};

static struct bench_work work mr_cache_aligned;
static struct bench_keys keys;
static double poll_us[MR_ARRAY_SIZE(quiet_ms)];

static void wait_ms(double ms)
{
	double end = bench_now_ns() + ms * 1e6;

	while (bench_now_ns() < end)
		mr_pause();
}

// @return us from the frame's arrival to its reply.
static double ask(void)
{
	struct rte_mbuf *frame;
	uint64_t start;

	if (bench_work_make(&work, &keys, &frame, 1) == 0)
		bench_fail("no mbufs left");
	start = bench_tsc();
	mr_fixture_send(&work.f, 0, &frame, 1);
	while (bench_work_drain(&work) == 0)
		mr_pause();
	return (double)(bench_tsc() - start) * bench_ns_per_cycle() / 1e3;
}

static void measure(unsigned mode, unsigned quiet)
{
	static double us[SAMPLES];
	struct bench_stat stat;
	char name[64];

	for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
		// The first ones warm up.
		unsigned at = i >= WARM_UP ? i - WARM_UP : 0;

		// An odd rest, so that sleeps end at any moment of ours.
		wait_ms(quiet_ms[quiet] * (1 + mr_rng_unit(&keys.rng)));
		us[at] = ask();
	}
	stat = bench_stat_of(us, SAMPLES);
	if (mode == 0)
		poll_us[quiet] = stat.median;
	snprintf(name, sizeof(name), "%s-after-%gms", modes[mode].name, quiet_ms[quiet]);
	// Without polling before there is nothing to compare with.
	if (poll_us[quiet] > 0)
		bench_line_ratio(name, "wake-up", stat.median, &stat, "us", poll_us[quiet]);
	else
		bench_line_stat(name, "wake-up", &stat, "us");
	bench_line(name, "wake-up-p99", us[SAMPLES * 99 / 100], "us");
	bench_say("%-24s %8.2f us, p99 %8.2f us", name, stat.median, us[SAMPLES * 99 / 100]);
}

// Of an lcore's thread.
struct lcore_time {
	double cpu_ns, wall_ns;
};

static int rx_lcore(void *arg)
{
	struct lcore_time *ret = arg;
	struct timespec from, to;
	double start = bench_now_ns();

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	mr_rx_run(work.f.rx[0]);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	ret->wall_ns = bench_now_ns() - start;
	ret->cpu_ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	return 0;
}

static void run(unsigned mode, unsigned other)
{
	const struct bench_work_more more = {.idler = modes[mode].idler};
	struct lcore_time time;
	struct mr_rx_counters *c;

	bench_work_open_with(&work, &bench_rows_64, ROWS, &more);
	bench_keys_init(&keys, BENCH_UNIFORM, 0, ROWS, 42);
	rte_eal_remote_launch(rx_lcore, &time, other);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quiet_ms); i++)
		measure(mode, i);
	// why relaxed: it may stop a turn late.
	atomic_store_explicit(&work.f.stop, true, memory_order_relaxed);
	rte_eal_wait_lcore(other);
	c = mr_rx_counters(work.f.rx[0]);
	if (mr_counted(&c->answered) != mr_counted(&c->received))
		bench_fail("%s: requests without an answer", modes[mode].name);
	bench_line(modes[mode].name, "cpu", time.cpu_ns / time.wall_ns, "ratio");
	bench_say("%-24s %5.1f %% of a CPU", modes[mode].name, 100 * time.cpu_ns / time.wall_ns);
	bench_work_close(&work);
}

int main(int argc, char **argv)
{
	unsigned other;
	bool wanted;

	if (argc > 1 && strcmp(argv[1], "--memory") == 0)
		return printf("%u\n", bench_work_megabytes(&bench_rows_64, ROWS)) < 0;
	bench_begin("idle");
	bench_eal(argv[0], bench_work_megabytes(&bench_rows_64, ROWS));
	other = bench_other_lcore();
	if (other == RTE_MAX_LCORE) {
		bench_say("one CPU: nobody is there to wake the RX lcore");
		return 0;
	}
	for (unsigned i = 0; i < MR_ARRAY_SIZE(modes); i++) {
		wanted = argc == 1;
		for (int a = 1; a < argc; a++)
			wanted = wanted || strcmp(argv[a], modes[i].name) == 0;
		if (wanted)
			run(i, other);
	}
	return 0;
}
