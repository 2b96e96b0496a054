// SPDX-License-Identifier: BSD-3-Clause
//
// The packet path: real frames through an in-memory port (rte_eth_from_rings), answered by a whole
// RX lcore. In local mode generator and RX lcore take turns on one core and only RX turns that
// found work are timed: what a request costs there does not depend on where CPUs are. Two-lcore
// mode runs both at once on two CPUs, with a core-to-core ping-pong before and after.
//
// bench_datapath [--rows N] [--rounds N] [--local] [--memory] [CASE...]; --local leaves two-lcore
// mode out, --memory prints the MB of hugepages wanted.
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_work.h"
#include "mr_reply.h"
#include "mr_units.h"

#define ROUNDS 15u
#define BATCH 256u // frames in the ring before the RX lcore's turns
#define BURST 32u
#define LOOKUPS_A_PASS (1u << 18)
#define ABSENT_FIRST (UINT64_C(1) << 40)
#define COLD_FIRST (UINT64_C(1) << 41) // in the store only
#define COLD_ROWS 2000000u
#define MISS_PERCENT 5u
#define IN_FLIGHT_MAX 48u
#define IDLE_TURNS_MAX 100000000u
#define TWO_LCORES_S 1.0

enum what {
	WHAT_ECHO,
	WHAT_HIT,
	WHAT_ABSENT,
	WHAT_MISS,
};

struct bench_case {
	const char *name;
	const struct bench_table *table;
	enum what what;
	enum bench_skew skew;
	unsigned n_keys;
	bool compacts; //!< the store, meanwhile
};

static const struct bench_case cases[] = {
	{"echo", &bench_rows_64, WHAT_ECHO, BENCH_UNIFORM, 1, false},
	{"get-uniform", &bench_rows_64, WHAT_HIT, BENCH_UNIFORM, 1, false},
	{"get-zipf", &bench_rows_64, WHAT_HIT, BENCH_ZIPF, 1, false},
	{"get-absent", &bench_rows_64, WHAT_ABSENT, BENCH_UNIFORM, 1, false},
	{"get16-uniform", &bench_rows_64, WHAT_HIT, BENCH_UNIFORM, 16, false},
	{"get16-zipf", &bench_rows_64, WHAT_HIT, BENCH_ZIPF, 16, false},
	{"get64-uniform", &bench_rows_64, WHAT_HIT, BENCH_UNIFORM, 64, false},
	{"get64-zipf", &bench_rows_64, WHAT_HIT, BENCH_ZIPF, 64, false},
	{"get-1k", &bench_rows_1k, WHAT_HIT, BENCH_UNIFORM, 1, false},
	{"get-250col", &bench_columns_250, WHAT_HIT, BENCH_UNIFORM, 1, false},
	{"get-4sets", &bench_sets_4, WHAT_HIT, BENCH_UNIFORM, 1, false},
	{"get-miss5", &bench_rows_64, WHAT_MISS, BENCH_UNIFORM, 1, false},
	{"get-miss5-compacting", &bench_rows_64, WHAT_MISS, BENCH_UNIFORM, 1, true},
};

/** One case being run. */
struct run {
	const struct bench_case *c;
	struct bench_work *work;
	struct bench_keys keys, cold;
	uint64_t requests;       // a pass
	double gaps;             // share of the worst pass
	struct bench_gauge busy; // of the pass
	uint64_t n_cold;         // cold keys asked for so far
	unsigned until_miss;
};

static struct bench_lines lines;
static struct mr_hist none;
static double echo_ns;        // 0: not measured
static double no_miss_p99_ns; // service time of get-uniform; 0: not measured
static bool only_local;
static unsigned rounds = ROUNDS;

// ---- the RX side -------------------------------------------------------------------------------

// The least that a port's user can do: look at the frame, turn its MAC addresses around, send.
static unsigned echo_turn(struct mr_fixture *f)
{
	struct rte_mbuf *frames[BURST];
	unsigned n = rte_eth_rx_burst(f->port.port_id, 0, frames, BURST), sent;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		mr_prefetch(rte_pktmbuf_mtod(frames[i], void *));
	for (unsigned i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(frames[i], struct rte_ether_hdr *);
		struct rte_ether_addr mac = eth->dst_addr;

		eth->dst_addr = eth->src_addr;
		eth->src_addr = mac;
	}
	sent = rte_eth_tx_burst(f->port.port_id, 0, frames, (uint16_t)n);
	if (sent < n)
		rte_pktmbuf_free_bulk(frames + sent, n - sent);
	return n;
}

// One timed turn. @return what it handled.
static mr_always_inline unsigned turn(struct run *run)
{
	uint64_t start = bench_tsc();
	unsigned n = run->c->what == WHAT_ECHO ? echo_turn(&run->work->f)
	                                       : mr_rx_turn(run->work->f.rx[0]);

	if (n > 0)
		bench_gauge_add(&run->busy, bench_tsc() - start, n);
	return n;
}

// ---- local mode --------------------------------------------------------------------------------

// Makes one frame in twenty ask for a row that only the store has; each such row once.
static void mix_cold(struct run *run, struct rte_mbuf **frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t id;

		if (run->until_miss-- > 0)
			continue;
		run->until_miss = 100 / MISS_PERCENT - 1;
		id = run->n_cold++ * UINT64_C(7919) % COLD_ROWS;
		id = htobe64(COLD_FIRST + id);
		memcpy(rte_pktmbuf_mtod(frames[i], uint8_t *) + run->work->keys_at, &id,
			sizeof(id));
	}
}

// A row in a hundred thousand finds no place in the cache; where nothing stands behind it, such
// requests are sent back as they are.
static void return_orphans(struct mr_fixture *f)
{
	struct rte_mbuf *frames[BURST];
	unsigned n = mr_handoff_take(&f->handoff, 0, 0, frames, BURST);

	for (unsigned i = 0; i < n; i++)
		mr_packet(frames[i])->kind = MR_PACKET_LAST;
	if (n > 0)
		mr_handoff_give(&f->handoff, 0, 0, frames, n);
}

static void serve(struct run *run, uint64_t leave_in_flight)
{
	struct mr_fixture *f = &run->work->f;
	unsigned idle = 0;

	while (idle < 2 || mr_rx_in_flight(f->rx[0]) > leave_in_flight) {
		idle = turn(run) > 0 ? 0 : idle + 1;
		if (idle > IDLE_TURNS_MAX)
			bench_fail("%s: %" PRIu64 " requests do not come back from the I/O lcore",
				run->c->name, mr_rx_in_flight(f->rx[0]));
		if (run->c->what != WHAT_MISS)
			return_orphans(f);
		bench_work_drain(run->work);
	}
}

static double local_pass(void *arg)
{
	struct run *run = arg;
	struct rte_mbuf *frames[BATCH];
	double ns;

	bench_gauge_reset(&run->busy);
	for (uint64_t done = 0; done < run->requests;) {
		unsigned n = bench_work_make(run->work, &run->keys, frames, BATCH);

		if (n == 0)
			bench_fail("no mbufs left");
		if (run->c->what == WHAT_MISS)
			mix_cold(run, frames, n);
		// With misses fewer frames at a time: the ring to the I/O lcore must not fill.
		mr_fixture_send(&run->work->f, 0, frames, n);
		serve(run, IN_FLIGHT_MAX);
		done += n;
	}
	serve(run, 0);
	// A turn handles requests and, with misses, requests that came back.
	ns = bench_gauge_ns(&run->busy) * (double)run->busy.ops /
	     (double)(run->requests * run->c->n_keys);
	run->gaps = MR_MAX(run->gaps, run->busy.gap_share);
	return ns;
}

// ---- what a run did ----------------------------------------------------------------------------

static void print_service(const char *name, const struct mr_hist *from, const struct mr_hist *to)
{
	static const struct {
		const char *metric;
		double q;
	} quantiles[] = {{"service-p50", 0.5}, {"service-p99", 0.99}, {"service-p99.9", 0.999}};
	static struct mr_hist h;

	memcpy(&h, to, sizeof(h));
	mr_hist_subtract(&h, from);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++)
		bench_line(name, quantiles[i].metric,
			(double)mr_hist_quantile(&h, quantiles[i].q) * bench_ns_per_cycle(), "ns");
}

// What misses do to the hits beside them.
static void compare_service(const struct bench_case *c, const struct mr_hist *h)
{
	double p99_ns = (double)mr_hist_quantile(h, 0.99) * bench_ns_per_cycle();

	if (strcmp(c->name, "get-uniform") == 0)
		no_miss_p99_ns = p99_ns;
	if (c->what != WHAT_MISS || no_miss_p99_ns == 0)
		return;
	bench_line_ratio(c->name, "service-p99-against-hits", p99_ns, NULL, "ns", no_miss_p99_ns);
	bench_say("%-24s %7.0f ns at the 99th percentile, %.2f of get-uniform's", c->name, p99_ns,
		p99_ns / no_miss_p99_ns);
}

// Every request must have been answered as the case means it, or its cost means nothing.
static void check(struct run *run, const struct mr_rx_counters *c, uint64_t lookups)
{
	uint64_t hits = mr_counted(&c->hits), negatives = mr_counted(&c->negatives);
	uint64_t want = run->c->what == WHAT_ABSENT ? negatives : hits;
	double share = (double)want / (double)lookups, least = 0.998;

	if (run->c->what == WHAT_MISS)
		least = 0.94;
	if (!mr_fixture_balanced(&run->work->f) || share < least)
		bench_fail("%s: only %.2f %% of lookups went as they should (torn %" PRIu64 ")",
			run->c->name, 100 * share, mr_counted(&c->torn));
	bench_line(
		run->c->name, run->c->what == WHAT_ABSENT ? "negatives" : "hits", share, "ratio");
}

static void begin(struct run *run, const struct bench_case *c, struct bench_work *work)
{
	uint64_t first = c->what == WHAT_ABSENT ? ABSENT_FIRST : 0;

	run->c = c;
	run->work = work;
	run->n_cold = 0;
	run->until_miss = 0;
	run->gaps = 0;
	bench_gauge_reset(&run->busy);
	bench_work_shape(work, c->n_keys);
	bench_keys_init(&run->keys, c->skew, first, work->n_rows, 42);
	run->requests = LOOKUPS_A_PASS / c->n_keys / work->table->n_sets / BATCH * BATCH;
	if (work->table->n_columns > 64)
		run->requests /= 4;
	memset(mr_rx_counters(work->f.rx[0]), 0, sizeof(struct mr_rx_counters));
}

static void print_rates(const struct run *run, double key_ns)
{
	double requests = 1e9 / (key_ns * run->c->n_keys);

	bench_line(run->c->name, "requests", requests, "requests/s");
	bench_line(run->c->name, "keys", requests * run->c->n_keys * run->work->table->n_sets,
		"keys/s");
	bench_line(run->c->name, "busy", key_ns * run->c->n_keys / bench_ns_per_cycle(),
		"cycles/request");
}

static void run_local(const struct bench_case *c, struct bench_work *work)
{
	struct mr_rx_counters *counters = mr_rx_counters(work->f.rx[0]);
	struct bench_cost cost;
	static struct run run;

	begin(&run, c, work);
	cost = bench_measure(&lines, local_pass, &run, rounds);
	bench_line_cost(c->name, &cost);
	print_rates(&run, cost.ns.median);
	if (c->what == WHAT_ECHO) {
		echo_ns = cost.ns.median;
		return;
	}
	if (echo_ns > 0)
		bench_line_ratio(c->name, "against-echo", cost.ns.median * c->n_keys, NULL,
			"ns/request", echo_ns);
	print_service(c->name, &none, &counters->inline_cycles);
	compare_service(c, &counters->inline_cycles);
	bench_line(c->name, "gaps", run.gaps, "ratio");
	if (mr_counted(&counters->shed) > 0)
		bench_line(c->name, "shed", (double)mr_counted(&counters->shed), "requests");
	check(&run, counters,
		UINT64_C(2) * rounds * run.requests * c->n_keys * work->table->n_sets);
}

// ---- two lcores --------------------------------------------------------------------------------

static _Atomic bool stop_other;

static int rx_lcore(void *arg)
{
	struct run *run = arg;

	// why relaxed: it may stop a turn late.
	while (!atomic_load_explicit(&stop_other, memory_order_relaxed))
		turn(run);
	return 0;
}

// Generates for some time. @return requests sent.
static uint64_t generate(struct run *run, double seconds)
{
	double end = bench_now_ns() + seconds * 1e9;
	uint64_t sent = 0;

	while (bench_now_ns() < end) {
		struct rte_mbuf *frames[BURST];
		unsigned n = 0, room = rte_ring_free_count(run->work->f.to_port[0]);

		if (room >= BURST)
			n = bench_work_make(run->work, &run->keys, frames, BURST);
		if (n > 0)
			sent += mr_fixture_send(&run->work->f, 0, frames, n);
		bench_work_drain(run->work);
	}
	return sent;
}

static void run_two_lcores(const struct bench_case *c, struct bench_work *work, unsigned other)
{
	double ping = bench_ping_pong(other), start, seconds;
	uint64_t sent, answered;
	static struct run run;
	char name[64];

	begin(&run, c, work);
	atomic_store(&stop_other, false);
	rte_eal_remote_launch(rx_lcore, &run, other);
	start = bench_now_ns();
	sent = generate(&run, TWO_LCORES_S);
	seconds = (bench_now_ns() - start) / 1e9;
	atomic_store(&stop_other, true);
	rte_eal_wait_lcore(other);
	answered =
		c->what == WHAT_ECHO ? sent : mr_counted(&mr_rx_counters(work->f.rx[0])->answered);
	serve(&run, 0);
	snprintf(name, sizeof(name), "%s-2lcores", c->name);
	bench_line(name, "requests", (double)answered / seconds, "requests/s");
	bench_line(
		name, "busy", bench_gauge_ns(&run.busy) / bench_ns_per_cycle(), "cycles/request");
	bench_line(name, "ping-pong-before", ping, "ns");
	bench_line(name, "ping-pong-after", bench_ping_pong(other), "ns");
	if (c->what != WHAT_ECHO)
		print_service(name, &none, &mr_rx_counters(work->f.rx[0])->inline_cycles);
	bench_say("%-24s %7.2f M requests/s on two lcores, ping-pong %.0f ns", name,
		(double)answered / seconds / 1e6, ping);
}

// ---- misses ------------------------------------------------------------------------------------

static int io_lcore(void *arg)
{
	struct mr_fixture *f = arg;

	// why relaxed: it may stop a turn late.
	while (!atomic_load_explicit(&stop_other, memory_order_relaxed))
		if (mr_io_turn(f->io[0]) == 0)
			mr_pause();
	return 0;
}

// Reads all of it once, so that blocks are in RocksDB's cache or the kernel's.
static void warm_up(struct bench_work *work)
{
	struct mr_store_scan *scan = mr_store_scan_begin(work->f.store, 0);
	struct mr_store_item item;
	struct mr_err err;

	while (mr_store_scan_next(scan, &item, &err) > 0)
		;
	mr_store_scan_end(scan);
}

// Full compactions, one after the other, on the I/O lcore's CPU as the real program has it.
static void *compact(void *arg)
{
	struct bench_work *work = arg;
	struct mr_err err = {""};

	// why relaxed: it may stop a compaction late.
	while (!atomic_load_explicit(&stop_other, memory_order_relaxed))
		if (mr_store_compact(work->f.store, &err) < 0)
			bench_fail("%s", err.text);
	return NULL;
}

static void run_beside_io(const struct bench_case *c, struct bench_work *work, unsigned other)
{
	rte_cpuset_t cpus = rte_lcore_cpuset(other);
	pthread_t compactor;

	atomic_store(&stop_other, false);
	if (c->compacts && (pthread_create(&compactor, NULL, compact, work) != 0 ||
				   pthread_setaffinity_np(compactor, sizeof(cpus), &cpus) != 0))
		bench_fail("no thread for compactions");
	rte_eal_remote_launch(io_lcore, &work->f, other);
	run_local(c, work);
	atomic_store(&stop_other, true);
	rte_eal_wait_lcore(other);
	if (c->compacts)
		pthread_join(compactor, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void run_misses(const struct bench_case *c, uint64_t n_rows, unsigned other)
{
	char store[] = "/tmp/bench_datapath.XXXXXX";
	struct bench_work *work;
	rte_cpuset_t cpus;

	if (other == RTE_MAX_LCORE) {
		bench_say("%s needs a second CPU for the I/O lcore: left out", c->name);
		return;
	}
	work = aligned_alloc(64, MR_ALIGN_UP(sizeof(*work), 64));
	if (work == NULL || mkdtemp(store) == NULL)
		bench_fail("no memory or no directory in /tmp");
	cpus = rte_lcore_cpuset(other);
	bench_work_open_with(work, c->table, n_rows,
		&(struct bench_work_more){.store = store, .store_cpus = &cpus});
	bench_work_load(work, 1, COLD_FIRST, COLD_ROWS, NULL);
	warm_up(work);
	run_beside_io(c, work, other);
	bench_work_close(work);
	free(work);
	nftw(store, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// ---- main --------------------------------------------------------------------------------------

static bool is_wanted(const struct bench_case *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], c->name) == 0)
			return true;
	return argc == 0;
}

static uint64_t rows_of(const struct bench_case *c, uint64_t rows)
{
	return rows != 0 ? MR_MAX(rows * c->table->rows / bench_rows_64.rows, 1000u)
	                 : c->table->rows;
}

static unsigned megabytes(uint64_t rows, int argc, char **argv)
{
	unsigned most = 64;

	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++)
		if (is_wanted(&cases[i], argc, argv))
			most = MR_MAX(most,
				bench_work_megabytes(cases[i].table, rows_of(&cases[i], rows)));
	return most;
}

static void run_all(uint64_t rows, int argc, char **argv)
{
	unsigned other = bench_other_lcore();
	struct bench_work *work = aligned_alloc(64, MR_ALIGN_UP(sizeof(*work), 64));
	const struct bench_table *open = NULL;

	for (unsigned i = 0; work != NULL && i < MR_ARRAY_SIZE(cases); i++) {
		const struct bench_case *c = &cases[i];

		if (!is_wanted(c, argc, argv))
			continue;
		if (open != NULL && (open != c->table || c->what == WHAT_MISS)) {
			bench_work_close(work);
			open = NULL;
		}
		if (c->what == WHAT_MISS) {
			run_misses(c, rows_of(c, rows), other);
			continue;
		}
		if (open == NULL)
			bench_work_open(work, c->table, rows_of(c, rows), NULL);
		open = c->table;
		run_local(c, work);
		if (other != RTE_MAX_LCORE && c->skew == BENCH_UNIFORM && !only_local)
			run_two_lcores(c, work, other);
	}
	if (open != NULL)
		bench_work_close(work);
	free(work);
}

int main(int argc, char **argv)
{
	bool only_memory = false;
	uint64_t rows = 0;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--memory") == 0)
			only_memory = true;
		else if (strcmp(argv[at], "--local") == 0)
			only_local = true;
		else if (strcmp(argv[at], "--rows") == 0 && at + 1 < argc)
			rows = strtoull(argv[++at], NULL, 10);
		else if (strcmp(argv[at], "--rounds") == 0 && at + 1 < argc)
			rounds = (unsigned)strtoul(argv[++at], NULL, 10);
		else
			return fprintf(stderr, "bench_datapath: what is %s?\n", argv[at]), 2;
	}
	rounds = MR_MAX(rounds, 1u);
	if (only_memory)
		return printf("%u\n", megabytes(rows, argc - at, argv + at)) < 0;
	bench_begin("datapath");
	bench_eal(argv[0], megabytes(rows, argc - at, argv + at));
	bench_lines_open(&lines, BENCH_PAGES_RESERVED);
	run_all(rows, argc - at, argv + at);
	bench_lines_close(&lines);
	return 0;
}
