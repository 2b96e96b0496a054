// SPDX-License-Identifier: BSD-3-Clause
//
// How the packet path grows: cost of a key as rows, keys in a request and frames in a burst grow;
// throughput of each RX lcore as there are more of them, over all rows and when all ask for the
// same ten keys (hot-keys), or each for ten of its own (own-keys). Local mode on every lcore: a
// generator and an RX lcore take turns, each pair has queues of its own, and only the RX lcore's
// turns are timed. Where several lcores are compared, they meet before these turns, so that they
// are at it at the same time.
//
// bench_scale [--rows N] [--memory] [rows|keys|bursts|lcores|hot]...; rows are N / 10, N / 2, N and
// 5 N, N by default 10 million; --memory prints the MB of hugepages wanted.
#include <rte_launch.h>
#include <rte_lcore.h>

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "mr_reply.h"
#include "mr_units.h"

#define ROUNDS 15u
#define ROUNDS_LCORES 9u
#define BATCH 256u // frames in the ring before the RX lcore's turns
#define BURST 32u
#define LOOKUPS_A_PASS (1u << 18)
#define LOOKUPS_A_PASS_LCORES (1u << 17)
#define HOT_KEYS 10u
#define SPINS_MAX 10000u
#define ROWS_DEFAULT 10000000u
#define OTHER_MB 1024u // beside heap and lines

/** One RX lcore, and the generator on the same CPU. */
struct side {
	struct bench_work *work;
	unsigned index, n_sides, batch;
	struct bench_keys keys;
	uint64_t next_request;
	uint64_t requests; // a pass
	double ns;         // a key, of the last pass
	struct bench_gauge busy;
} mr_cache_aligned;

static struct bench_lines lines;
static struct bench_work work mr_cache_aligned;
static struct side sides[BENCH_LCORES_MAX];
static _Atomic uint64_t arrivals mr_cache_aligned;

// ---- a side ------------------------------------------------------------------------------------

// Waits until all sides are here for the @p nth time.
static void meet(const struct side *side, uint64_t nth)
{
	if (side->n_sides == 1)
		return;
	atomic_fetch_add(&arrivals, 1);
	for (unsigned spins = 0; atomic_load(&arrivals) < nth * side->n_sides; spins++)
		if (spins < SPINS_MAX)
			mr_pause();
		else
			sched_yield(); // a CPU is somewhere else
}

// A row in a hundred thousand finds no place in the cache, and nothing stands behind it.
static void return_orphans(struct side *side)
{
	struct mr_handoff *handoff = &side->work->f.handoff;
	struct rte_mbuf *frames[BURST];
	unsigned n = mr_handoff_take(handoff, 0, side->index, frames, BURST);

	for (unsigned i = 0; i < n; i++)
		mr_packet(frames[i])->kind = MR_PACKET_LAST;
	if (n > 0)
		mr_handoff_give(handoff, 0, side->index, frames, n);
}

static void serve(struct side *side)
{
	struct mr_rx *rx = side->work->f.rx[side->index];
	unsigned idle = 0;

	while (idle < 2 || mr_rx_in_flight(rx) > 0) {
		uint64_t start = bench_tsc();
		unsigned n = mr_rx_turn(rx);

		if (n > 0)
			bench_gauge_add(&side->busy, bench_tsc() - start, n);
		idle = n > 0 ? 0 : idle + 1;
		return_orphans(side);
		bench_work_drain_lcore(side->work, side->index);
	}
}

static int side_pass(void *arg)
{
	struct side *side = arg;
	struct rte_mbuf *frames[BATCH];
	uint64_t nth = 0;

	bench_gauge_reset(&side->busy);
	for (uint64_t done = 0; done < side->requests; done += side->batch) {
		if (bench_work_make_from(
			    side->work, &side->next_request, &side->keys, frames, side->batch) == 0)
			bench_fail("no mbufs left");
		mr_fixture_send(&side->work->f, side->index, frames, side->batch);
		meet(side, ++nth);
		serve(side);
	}
	return 0;
}

// bench_gauge_ns() is not for several threads.
static void account(struct side *side)
{
	side->ns = bench_gauge_ns(&side->busy) * (double)side->busy.ops /
	           (double)(side->requests * side->work->n_keys);
}

static double one_pass(void *arg)
{
	struct side *side = arg;

	side_pass(side);
	account(side);
	return side->ns;
}

static void begin(
	unsigned index, unsigned n_sides, unsigned batch, uint64_t n_ids, unsigned lookups)
{
	struct side *side = &sides[index];

	side->work = &work;
	side->index = index;
	side->n_sides = n_sides;
	side->batch = batch;
	side->requests = MR_MAX(lookups / work.n_keys / batch, 1u) * batch;
	bench_keys_init(&side->keys, BENCH_UNIFORM, 0, n_ids, 42 + index);
}

// Requests that are not answered cost nothing.
static void check(const char *name)
{
	uint64_t hits = mr_fixture_rx_count(&work.f, hits);
	uint64_t lookups = mr_fixture_rx_count(&work.f, lookups);
	double share = (double)hits / (double)lookups;

	if (!mr_fixture_balanced(&work.f) || share < 0.998)
		bench_fail("%s: only %.2f %% of %" PRIu64 " lookups are hits", name, 100 * share,
			lookups);
}

// ---- rows, keys, bursts ------------------------------------------------------------------------

static struct bench_cost measure(const char *name, unsigned batch)
{
	struct bench_cost cost;

	if (lines.span == NULL)
		bench_lines_open(&lines, BENCH_PAGES_RESERVED);
	begin(0, 1, batch, work.n_rows, LOOKUPS_A_PASS);
	cost = bench_measure(&lines, one_pass, &sides[0], ROUNDS);
	bench_line_cost(name, &cost);
	check(name);
	return cost;
}

// "50m", "500k".
static const char *short_number(uint64_t n, char *text, size_t bytes)
{
	if (n % 1000000 == 0)
		snprintf(text, bytes, "%" PRIu64 "m", n / 1000000);
	else if (n % 1000 == 0)
		snprintf(text, bytes, "%" PRIu64 "k", n / 1000);
	else
		snprintf(text, bytes, "%" PRIu64, n);
	return text;
}

static void row_counts(uint64_t rows, uint64_t ret[4])
{
	const uint64_t counts[] = {rows / 10, rows / 2, rows, rows * 5};

	memcpy(ret, counts, sizeof(counts));
}

static bool has_room(uint64_t rows)
{
	uint64_t want = (uint64_t)bench_work_megabytes(&bench_rows_64, rows) + OTHER_MB;

	return want * MR_MIB + 4 * MR_GIB < bench_memory_available();
}

static void compare_rows(
	const char *name, uint64_t few, double few_cost, uint64_t many, double cost)
{
	char text[96], a[24], b[24];

	snprintf(text, sizeof(text), "%s-%s-against-%s", name, short_number(many, a, sizeof(a)),
		short_number(few, b, sizeof(b)));
	bench_line_ratio(text, "cost", cost, NULL, "L", few_cost);
	bench_say("%-32s %.2f", text, cost / few_cost);
}

static void run_rows(uint64_t rows, uint64_t most_rows)
{
	static const struct {
		const char *name;
		unsigned n_keys;
	} shapes[] = {{"get-uniform", 1}, {"get64-uniform", 64}};
	double cost[4][MR_ARRAY_SIZE(shapes)];
	char name[64], number[24];
	uint64_t counts[4];

	row_counts(rows, counts);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(counts); i++) {
		if (counts[i] > most_rows) {
			bench_say("no memory for %" PRIu64 " rows: left out", counts[i]);
			continue;
		}
		bench_work_open(&work, &bench_rows_64, counts[i], NULL);
		for (unsigned s = 0; s < MR_ARRAY_SIZE(shapes); s++) {
			bench_work_shape(&work, shapes[s].n_keys);
			snprintf(name, sizeof(name), "%s-%s", shapes[s].name,
				short_number(counts[i], number, sizeof(number)));
			cost[i][s] = measure(name, BATCH).cost.median;
			if (i == 3)
				compare_rows(shapes[s].name, counts[1], cost[1][s], counts[3],
					cost[3][s]);
		}
		bench_work_close(&work);
	}
}

static void run_keys(void)
{
	static const unsigned n_keys[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
	char name[32];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(n_keys); i++) {
		bench_work_shape(&work, n_keys[i]);
		snprintf(name, sizeof(name), "keys-%u", n_keys[i]);
		// Replies to a burst of large requests must find room in the port's ring.
		measure(name, n_keys[i] > 32 ? BURST : BATCH);
	}
	bench_work_shape(&work, 1);
}

static void run_bursts(void)
{
	static const unsigned bursts[] = {1, 2, 4, 8, 16, 32};
	char name[32];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(bursts); i++) {
		snprintf(name, sizeof(name), "burst-%u", bursts[i]);
		measure(name, bursts[i]);
	}
}

// ---- lcores ------------------------------------------------------------------------------------

// One pass of the sides [first, first + n) at once; the first of all is on this lcore.
static void together(unsigned first, unsigned n)
{
	unsigned index = 0, lcore;

	atomic_store(&arrivals, 0);
	for (unsigned i = first; i < first + n; i++)
		sides[i].n_sides = n;
	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		index++;
		if (index >= first && index < first + n)
			rte_eal_remote_launch(side_pass, &sides[index], lcore);
	}
	if (first == 0)
		side_pass(&sides[0]);
	rte_eal_mp_wait_lcore();
	for (unsigned i = first; i < first + n; i++)
		account(&sides[i]);
}

// Millions of keys a second and lcore, in the mean.
static double mean_rate(unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += 1e3 / sides[i].ns;
	return sum / n;
}

// Each lcore alone and all at once, in turns. Lcore i asks for rows [i * apart, i * apart + n_ids).
static void compare_lcores(const char *name, unsigned n, uint64_t n_ids, uint64_t apart)
{
	double alone[ROUNDS_LCORES], all[ROUNDS_LCORES];
	struct bench_stat one, many;

	for (unsigned i = 0; i < n; i++) {
		begin(i, n, BATCH, n_ids, LOOKUPS_A_PASS_LCORES);
		sides[i].keys.first = i * apart;
	}
	// The first round warms up.
	for (unsigned round = 0; round <= ROUNDS_LCORES; round++) {
		unsigned at = round > 0 ? round - 1 : 0;

		for (unsigned i = 0; i < n; i++)
			together(i, 1);
		alone[at] = mean_rate(n);
		together(0, n);
		all[at] = mean_rate(n);
	}
	check(name);
	one = bench_stat_of(alone, ROUNDS_LCORES);
	many = bench_stat_of(all, ROUNDS_LCORES);
	bench_line_ratio(name, "throughput", many.median, &many, "Mkeys/s/lcore", one.median);
	bench_say("%-24s %u lcores: %.2f M keys/s on each, alone %.2f: %.3f of it", name, n,
		many.median, one.median, many.median / one.median);
}

static void run_lcores(unsigned n_lcores)
{
	char name[32];

	if (n_lcores < 2)
		bench_say("one CPU: nothing to compare as RX lcores grow");
	for (unsigned n = 2; n <= n_lcores; n = n < n_lcores && 2 * n > n_lcores ? n_lcores : 2 * n)
		for (unsigned n_keys = 1; n_keys <= 64; n_keys *= 64) {
			bench_work_shape(&work, n_keys);
			snprintf(name, sizeof(name), "lcores-%u-get%s-uniform", n,
				n_keys > 1 ? "64" : "");
			compare_lcores(name, n, work.n_rows, 0);
		}
	bench_work_shape(&work, 1);
}

static void run_hot(unsigned n_lcores)
{
	char name[32];

	if (n_lcores < 2) {
		bench_say("one CPU: no line is shared, hot keys are left out");
		return;
	}
	for (unsigned n_keys = 1; n_keys <= 64; n_keys *= 64) {
		const char *shape = n_keys > 1 ? "-get64" : "";

		bench_work_shape(&work, n_keys);
		snprintf(name, sizeof(name), "hot-keys%s", shape);
		compare_lcores(name, n_lcores, HOT_KEYS, 0);
		// What lcores cost each other when they share no row.
		snprintf(name, sizeof(name), "own-keys%s", shape);
		compare_lcores(name, n_lcores, HOT_KEYS, HOT_KEYS);
	}
	bench_work_shape(&work, 1);
}

// ---- main --------------------------------------------------------------------------------------

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc == 0;
}

static void run_all(uint64_t rows, uint64_t most_rows, int argc, char **argv)
{
	unsigned n_lcores = rte_lcore_count();
	const struct bench_work_more more = {.n_rx = n_lcores, .mtu_bytes = BENCH_MTU_255_KEYS};

	if (is_wanted("rows", argc, argv))
		run_rows(rows, most_rows);
	bench_say("%u RX lcores, as many as CPUs", n_lcores);
	bench_work_open_with(&work, &bench_rows_64, rows, &more);
	if (is_wanted("keys", argc, argv))
		run_keys();
	if (is_wanted("bursts", argc, argv))
		run_bursts();
	if (is_wanted("lcores", argc, argv))
		run_lcores(n_lcores);
	if (is_wanted("hot", argc, argv))
		run_hot(n_lcores);
	bench_work_close(&work);
}

int main(int argc, char **argv)
{
	uint64_t rows = ROWS_DEFAULT, most, counts[4];
	bool only_memory = false;
	unsigned heap_mb;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--memory") == 0)
			only_memory = true;
		else if (strcmp(argv[at], "--rows") == 0 && at + 1 < argc)
			rows = strtoull(argv[++at], NULL, 10);
		else
			return fprintf(stderr, "bench_scale: what is %s?\n", argv[at]), 2;
	}
	most = rows;
	row_counts(rows, counts);
	if (is_wanted("rows", argc - at, argv + at) && has_room(counts[3]))
		most = counts[3];
	// Each lcore has mbufs of its own.
	heap_mb = bench_work_megabytes(&bench_rows_64, most) + 32 * BENCH_LCORES_MAX;
	if (only_memory)
		return printf("%u\n", heap_mb) < 0;
	bench_begin("scale");
	bench_eal_lcores(argv[0], heap_mb, BENCH_LCORES_MAX);
	run_all(rows, most, argc - at, argv + at);
	return 0;
}
