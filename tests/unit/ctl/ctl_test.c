// SPDX-License-Identifier: BSD-3-Clause
//
// The whole of lib/ctl on an appliance without lcores: telemetry over its real socket, admin verbs,
// reload, housekeeping, watchdog.
#include "ctl_eal.h"
#include "mr_churn.h"
#include "mr_ctl.h"
#include "mr_telemetry.h"
#include "mr_wire.h"
#include "mr_watchdog.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define N_RX 2u
#define N_IO 2u
#define SETS                                                                                \
	"[set user]\nid = 7\nkey = u64\nttl = 7d\ncolumn age = i32\ncolumn city = string\n" \
	"[view ages]\nid = 3\ncolumns = user.age\n"

// What makes up an appliance, with two RX and two I/O lcores that do not run.
struct whole {
	struct rig rig;
	struct mr_config config;
	char config_file[128];
	struct mr_plan plan;
	void *cache_mem[RIG_NODES];
	struct mr_port ports[MR_PORTS_MAX];
	struct mr_rx_counters *rx[N_RX];
	struct mr_io_counters *io[N_IO];
	struct mr_handoff handoff;
	struct mr_registry *registry;
	struct mr_filter *filter;
	_Atomic bool stop;
	struct mr_ctl *ctl;
};

static struct whole w;

static void write_config(const char *more)
{
	FILE *out = fopen(w.config_file, "w");

	fprintf(out, "[store]\npath = %s\n[port front]\ndevice = net_null0\n%s", w.rig.dir, more);
	fclose(out);
}

static void make_plan(void)
{
	w.plan = (struct mr_plan){
		.n_lcores = 1 + N_RX + N_IO, .n_rx = N_RX, .n_io = N_IO, .n_nodes = RIG_NODES};
	for (unsigned i = 0; i < w.plan.n_lcores; i++)
		w.plan.lcores[i] = (struct mr_lcore){
			.role = i == 0      ? MR_ROLE_CONTROL
		                : i <= N_RX ? MR_ROLE_RX
		                            : MR_ROLE_IO,
			.index = (uint16_t)(i == 0 ? 0 : (i - 1) % N_RX),
			.lcore_id = (uint16_t)i,
			.cpu = (uint16_t)i,
		};
}

static void make_caches(void)
{
	struct mr_cache_params params = {
		.budget_bytes = 1 << 20, .crp_ratio = -1, .history_ratio = -1};
	size_t bytes;

	assert_int_equal(mr_cache_params_check(&params), 0);
	bytes = mr_cache_memsize(&params);
	for (unsigned i = 0; i < RIG_NODES; i++) {
		w.cache_mem[i] = mr_mem_alloc("cache", bytes, MR_CACHE_ALIGN, 0);
		w.rig.nodes[i].cache = mr_cache_init(w.cache_mem[i], bytes, &params);
		assert_non_null(w.rig.nodes[i].cache);
	}
}

static struct mr_set_counters set_counters[N_RX + N_IO][MR_SET_ID_MAX + 1];
static struct mr_set_counters *rx_sets[N_RX], *io_sets[N_IO];

static void make_ctl(void)
{
	struct mr_ctl_params params = {
		.version = "0.1 \"test\"",
		.config_file = w.config_file,
		.config = &w.config,
		.plan = &w.plan,
		.tiers = &w.rig.tiers,
		.store = w.rig.store,
		.handoff = &w.handoff,
		.ports = w.ports,
		.n_ports = 1,
		.rx = w.rx,
		.io = w.io,
		.rx_sets = rx_sets,
		.io_sets = io_sets,
		.registry = w.registry,
		.filter = w.filter,
		.stop = &w.stop,
	};
	struct mr_err err = {""};

	memset(set_counters, 0, sizeof(set_counters));
	for (unsigned i = 0; i < N_RX; i++)
		rx_sets[i] = set_counters[i];
	for (unsigned i = 0; i < N_IO; i++)
		io_sets[i] = set_counters[N_RX + i];
	w.ctl = mr_ctl_create(&params, &err);
	if (w.ctl == NULL)
		fail_msg("%s", err.text);
}

static int set_up(void **state)
{
	struct mr_filter_params filter;
	struct mr_err err = {""};

	(void)state;
	memset(&w, 0, sizeof(w));
	rig_make(&w.rig);
	snprintf(w.config_file, sizeof(w.config_file), "%s/millrace.ini", w.rig.dir);
	write_config("");
	assert_int_equal(mr_config_load(&w.config, w.config_file, &err), 0);
	make_plan();
	make_caches();
	for (unsigned i = 0; i < N_RX; i++)
		w.rx[i] = mr_mem_alloc("rx", sizeof(*w.rx[i]), MR_CACHE_LINE_BYTES, 0);
	for (unsigned i = 0; i < N_IO; i++)
		w.io[i] = mr_mem_alloc("io", sizeof(*w.io[i]), MR_CACHE_LINE_BYTES, 0);
	assert_int_equal(mr_handoff_init(&w.handoff, &w.plan, 64), 0);
	w.registry = mr_registry_create(&w.rig.tiers, w.rig.store, 0, &err);
	assert_non_null(w.registry);
	assert_int_equal(mr_registry_apply(w.registry, "f", SETS, strlen(SETS), NULL, &err), 0);
	filter = (struct mr_filter_params){.tiers = &w.rig.tiers,
		.store = w.rig.store,
		.path = w.rig.dir,
		.keys = 1000,
		.fpr = 0.001,
		.rebuild_above = 0.01};
	w.filter = mr_filter_create(&filter, &err);
	assert_non_null(w.filter);
	snprintf(w.ports[0].name, sizeof(w.ports[0].name), "front");
	w.ports[0].port_id = 77; // no such port: its figures are zero
	make_ctl();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mr_ctl_free(w.ctl);
	mr_ctl_free(NULL);
	mr_filter_free(w.filter);
	mr_registry_free(w.registry);
	mr_handoff_done(&w.handoff);
	for (unsigned i = 0; i < N_RX; i++)
		mr_mem_free(w.rx[i]);
	for (unsigned i = 0; i < N_IO; i++)
		mr_mem_free(w.io[i]);
	for (unsigned i = 0; i < RIG_NODES; i++)
		mr_mem_free(w.cache_mem[i]);
	rig_done(&w.rig);
	return 0;
}

// ---- telemetry
// -----------------------------------------------------------------------------------

/** What the socket answers to @p request: the value under the command's name. */
static json_t *ask(const char *request)
{
	static char reply[32768];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char command[64];
	json_error_t error;
	json_t *whole, *value;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/dpdk_telemetry.v2",
		rte_eal_get_runtime_dir());
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(recv(fd, reply, sizeof(reply), 0) > 0);
	assert_true(send(fd, request, strlen(request), 0) > 0);
	n = recv(fd, reply, sizeof(reply) - 1, 0);
	close(fd);
	assert_true(n > 0);
	reply[n] = '\0';
	whole = json_loads(reply, 0, &error);
	if (whole == NULL)
		fail_msg("%s: %s at %d of %zd: %s", request, error.text, error.position, n, reply);
	snprintf(command, sizeof(command), "%.*s", (int)strcspn(request, ","), request);
	value = json_incref(json_object_get(whole, command));
	json_decref(whole);
	assert_non_null(value);
	return value;
}

/** The number at "a.b" of a reply. */
static uint64_t number(json_t *reply, const char *block, const char *field)
{
	json_t *at = block != NULL ? json_object_get(reply, block) : reply;

	at = json_object_get(at, field);
	if (!json_is_integer(at))
		fail_msg("no number %s/%s", block != NULL ? block : "", field);
	return (uint64_t)json_integer_value(at);
}

static void test_counters(void **state)
{
	json_t *reply;

	(void)state;
	mr_count(&w.rx[0]->received, 10);
	mr_count(&w.rx[1]->received, 5);
	mr_count(&w.rx[1]->answered, 12);
	mr_count(&w.rx[0]->reasons[MR_REASON_udp_port], 1);
	mr_count(&w.rx[0]->reasons[MR_REASON_stopping], 1);
	mr_count(&w.io[1]->requests, 4);
	mr_count(&w.rx[0]->burst[3], 6);
	mr_count(&w.rx[1]->burst[3], 1);
	mr_count(&w.rx[1]->results[MR_WIRE_RESULT_DENIED], 3);
	reply = ask("/millrace/lcores");
	assert_int_equal(number(reply, "bursts", "of_4"), 7);
	assert_int_equal(number(reply, "results", "denied"), 3);
	assert_int_equal(number(reply, "rx", "received"), 15);
	assert_int_equal(number(reply, "io", "requests"), 4);
	assert_int_equal(json_array_size(json_object_get(reply, "lcores")), 5);
	assert_string_equal(json_string_value(json_array_get(json_object_get(reply, "lcores"), 4)),
		"io1 cpu 4 node 0");
	json_decref(reply);
	reply = ask("/millrace/lcores,rx1");
	assert_int_equal(number(reply, "rx", "received"), 5);
	assert_null(json_object_get(reply, "io"));
	json_decref(reply);
	reply = ask("/millrace/lcores,io0");
	assert_int_equal(number(reply, "io", "requests"), 0);
	json_decref(reply);

	reply = ask("/millrace/drops");
	assert_int_equal(number(reply, "sum", "received"), 15);
	assert_int_equal(number(reply, "sum", "answered"), 12);
	assert_int_equal(number(reply, "sum", "reasons"), 2);
	assert_int_equal(number(reply, "sum", "missing"), 1);
	assert_int_equal(number(reply, "sum", "surplus"), 0);
	assert_int_equal(number(reply, "reasons", "udp_port"), 1);
	assert_int_equal(number(reply, "reasons", "stopping"), 1);
	assert_int_equal(json_object_size(json_object_get(reply, "reasons")), MR_REASON_COUNT);
	json_decref(reply);
	reply = ask("/millrace/drops,rx1");
	assert_int_equal(number(reply, "sum", "surplus"), 7);
	json_decref(reply);
}

// Addresses are those of what counts, and of the caches.
static void test_memory(void **state)
{
	json_t *reply = ask("/millrace/memory");
	char name[32], address[32];

	(void)state;
	assert_int_equal(json_object_size(reply), N_RX + N_IO + RIG_NODES);
	for (unsigned i = 0; i < N_RX + N_IO + RIG_NODES; i++) {
		const void *mem;

		if (i < N_RX)
			snprintf(name, sizeof(name), "counters_rx%u", i), mem = w.rx[i];
		else if (i < N_RX + N_IO)
			snprintf(name, sizeof(name), "counters_io%u", i - N_RX),
				mem = w.io[i - N_RX];
		else
			snprintf(name, sizeof(name), "cache_node%u", i - N_RX - N_IO),
				mem = w.rig.nodes[i - N_RX - N_IO].cache;
		snprintf(address, sizeof(address), "%p", mem);
		assert_string_equal(
			json_string_value(json_object_get(json_object_get(reply, name), "address")),
			address);
		assert_int_equal(number(reply, name, "node"), 0);
	}
	assert_int_equal(number(reply, "counters_rx1", "bytes"), sizeof(*w.rx[1]));
	assert_int_equal(number(reply, "counters_io1", "bytes"), sizeof(*w.io[1]));
	assert_int_equal(number(reply, "cache_node0", "bytes"), 1 << 20);
	json_decref(reply);
}

static void test_latency(void **state)
{
	uint64_t us = w.rig.clock.hz / 1000000;
	json_t *reply;

	(void)state;
	mr_hist_record(&w.rx[0]->inline_cycles, 10 * us, 90);
	mr_hist_record(&w.rx[1]->handoff_cycles, 500 * us, 10);
	mr_hist_record(&w.rx[1]->stage_cycles[MR_STAGE_probe], 2 * us, 7);
	mr_hist_record(&w.io[0]->read_cycles, 100 * us, 3);
	reply = ask("/millrace/latency");
	assert_int_equal(number(reply, "total", "count"), 100);
	assert_in_range(number(reply, "total", "mean_ns"), 58000, 60000);
	assert_in_range(number(reply, "total", "p50_ns"), 9900, 10100);
	assert_in_range(number(reply, "total", "p99_ns"), 495000, 505000);
	assert_in_range(number(reply, "total", "max_ns"), 499000, 501000);
	assert_int_equal(number(reply, "inline", "count"), 90);
	assert_int_equal(number(reply, "handoff", "count"), 10);
	assert_int_equal(number(reply, "stage_probe", "count"), 7);
	assert_int_equal(number(reply, "stage_parse", "count"), 0);
	assert_int_equal(number(reply, "io_read", "count"), 3);
	json_decref(reply);
	reply = ask("/millrace/latency,rx0");
	assert_int_equal(number(reply, "total", "count"), 90);
	assert_null(json_object_get(reply, "io_read"));
	json_decref(reply);
	reply = ask("/millrace/latency,io0");
	assert_int_equal(number(reply, "io_read", "count"), 3);
	assert_null(json_object_get(reply, "total"));
	json_decref(reply);
}

/** Collects all pages of /millrace/cells. */
static void ask_cells(const char *what, struct mr_hist *hist, uint64_t *ret_sum)
{
	uint64_t next = 0;

	memset(hist, 0, sizeof(*hist));
	do {
		char request[64];
		json_t *reply, *cells;

		snprintf(request, sizeof(request), "/millrace/cells,%s,%" PRIu64, what, next);
		reply = ask(request);
		cells = json_object_get(reply, "cells");
		for (size_t i = 0; i + 1 < json_array_size(cells); i += 2)
			hist->count[json_integer_value(json_array_get(cells, i))] =
				(uint64_t)json_integer_value(json_array_get(cells, i + 1));
		*ret_sum = number(reply, NULL, "sum_cycles");
		next = number(reply, NULL, "next");
		json_decref(reply);
	} while (next != 0);
}

// More cells than a reply holds, and each of them arrives.
static void test_cells(void **state)
{
	static struct mr_hist want, got;
	uint64_t sum, value = 1;
	json_t *reply;

	(void)state;
	mr_hist_merge(&want, &w.rx[0]->handoff_cycles);
	mr_hist_merge(&want, &w.rx[1]->handoff_cycles);
	for (unsigned i = 0; i < 900; i++, value += value / 50 + 1) {
		mr_hist_record(&w.rx[i % 2]->handoff_cycles, value, i + 1);
		mr_hist_record(&want, value, i + 1);
	}
	ask_cells("handoff", &got, &sum);
	assert_int_equal(sum, atomic_load(&want.sum));
	assert_int_equal(mr_hist_total(&got), mr_hist_total(&want));
	assert_memory_equal(got.count, want.count, sizeof(got.count));
	ask_cells("stage_reply", &got, &sum);
	assert_int_equal(mr_hist_total(&got), 0);
	reply = ask("/millrace/cells,nothing");
	assert_true(json_is_null(reply));
	json_decref(reply);
}

static struct mr_cache_row cached_row(uint64_t *key, mr_space_t space, uint64_t event_time_us)
{
	return (struct mr_cache_row){.hash = mr_hash_row(mr_hash_key(key, 8), space),
		.space = space,
		.key = key,
		.key_bytes = 8,
		.row = "12345678",
		.row_bytes = 8,
		.event_time_us = event_time_us};
}

static void fill_rows(
	mr_space_t space, uint64_t first, unsigned n, uint64_t event_time_us, uint64_t now)
{
	struct mr_cache *cache = w.rig.nodes[0].cache;

	for (uint64_t key = first; key < first + n; key++) {
		struct mr_cache_row row = cached_row(&key, space, event_time_us);

		assert_int_equal(
			mr_cache_fill(cache, &row, mr_cache_lease(cache, row.hash), now), 0);
	}
}

// Every way out of the cache, so many rows each.
static void test_cache_figures(void **state)
{
	struct mr_cache *cache = w.rig.nodes[0].cache;
	uint64_t now_us = mr_clock_us(&w.rig.clock, rte_rdtsc()), cursor = 0;
	mr_space_t user = mr_space(7, 1);
	json_t *reply;

	(void)state;
	fill_rows(user, 0, 100, now_us, 0);
	fill_rows(user, 1000, 30, now_us - UINT64_C(8) * 86400 * 1000000, 0);
	fill_rows(mr_space(7, 2), 2000, 20, now_us, 0);
	for (uint64_t key = 0; key < 7; key++) {
		struct mr_cache_row row = cached_row(&key, user, now_us + 1);

		assert_int_equal(mr_cache_update(cache, &row, false, 0), 0);
	}
	for (uint64_t key = 50; key < 55; key++) {
		struct mr_cache_row row = cached_row(&key, user, 0);

		assert_true(
			mr_cache_invalidate(cache, row.hash, user, &key, 8, MR_CACHE_EVICT_DELETE));
	}
	mr_cache_drop_space(cache, mr_space(7, 2), &cursor, UINT64_MAX);
	// Beyond the window, so that expired rows may go.
	atomic_store(&w.rig.nodes[0].accesses, UINT64_C(5000) << w.rig.nodes[0].tick_shift);
	mr_ctl_housekeeping(w.ctl);
	reply = ask("/millrace/cache");
	assert_int_equal(number(reply, "node0", "fills"), 150);
	assert_int_equal(number(reply, "node0", "updates"), 7);
	assert_int_equal(number(reply, "node0", "evictions_overwrite"), 7);
	assert_int_equal(number(reply, "node0", "evictions_delete"), 5);
	assert_int_equal(number(reply, "node0", "evictions_version"), 20);
	assert_int_equal(number(reply, "node0", "evictions_expiry"), 30);
	assert_int_equal(number(reply, "node0", "evictions_capacity"), 0);
	assert_int_equal(number(reply, "node0", "rows"), 95);
	// Of what went, versions that were dropped are not remembered.
	assert_int_equal(number(reply, "node0", "history_entries"), 35);
	assert_int_equal(number(reply, "node0", "now_ticks"), 5000);
	assert_int_equal(number(reply, "node0", "tick_accesses"), mr_cache_tick_accesses(cache));
	assert_true(number(reply, "node0", "window_ticks") > 0);
	assert_int_equal(number(reply, "node1", "fills"), 0);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(reply, "node0"), "warm_state")),
		"off");
	json_decref(reply);

	// More rows than there is room for: each row in is one out, and ages are those of the
	// ticks.
	fill_rows(user, 10000, 30000, now_us, 5000);
	fill_rows(user, 50000, 1, now_us, 5000);
	reply = ask("/millrace/cache");
	assert_true(number(reply, "node0", "evictions_capacity") > 10000);
	assert_int_equal(number(reply, "node0", "fills") - 55 - number(reply, "node0", "rows"),
		number(reply, "node0", "evictions_capacity") +
			number(reply, "node0", "evictions_bucket") +
			number(reply, "node0", "evictions_rebalance"));
	assert_int_equal(number(reply, "node0", "age_at_eviction_p50_ticks"), 0);
	assert_in_range(number(reply, "node0", "age_at_eviction_p99_ticks"), 0, 5000);
	json_decref(reply);
}

static void test_churn(void **state)
{
	static struct mr_cache_stats stats;
	struct mr_churn churn = {0};

	(void)state;
	assert_true(mr_churn_due(&churn, 1000 * MR_US_PER_S));
	stats.fills = 500;
	mr_churn_note(&churn, &stats, 100, 1000 * MR_US_PER_S);
	assert_int_equal(atomic_load(&churn.fills_per_s), 0);
	assert_false(mr_churn_due(&churn, 1009 * MR_US_PER_S));
	assert_true(mr_churn_due(&churn, 1010 * MR_US_PER_S));
	stats.fills = 2500;
	stats.evictions[MR_CACHE_EVICT_CAPACITY] = 1000;
	stats.evictions[MR_CACHE_EVICT_BUCKET] = 300;
	stats.evictions[MR_CACHE_EVICT_REBALANCE] = 200;
	stats.evictions[MR_CACHE_EVICT_OVERWRITE] = 9999;
	mr_churn_note(&churn, &stats, 120, 1010 * MR_US_PER_S);
	assert_int_equal(atomic_load(&churn.fills_per_s), 200);
	assert_int_equal(atomic_load(&churn.evictions_per_s), 150);
	assert_int_equal(atomic_load(&churn.tick_us), 500000);
	// Nothing for a while.
	mr_churn_note(&churn, &stats, 120, 1030 * MR_US_PER_S);
	assert_int_equal(atomic_load(&churn.fills_per_s), 0);
	assert_int_equal(atomic_load(&churn.tick_us), 0);
}

// Of a set, and of the rows that were answered.
static void test_sets(void **state)
{
	uint64_t now_us = mr_clock_us(&w.rig.clock, rte_rdtsc()), id;
	json_t *reply, *sets;

	(void)state;
	reply = ask("/millrace/sets");
	sets = json_object_get(reply, "sets");
	id = number(sets, "user", "id");
	assert_int_equal(number(sets, "user", "hits"), 0);
	assert_int_equal(number(sets, "user", "freshness_us"), 0);
	json_decref(reply);
	mr_count(&rx_sets[0][id].hits, 60);
	mr_count(&rx_sets[1][id].hits, 15);
	mr_count(&rx_sets[1][id].misses, 25);
	mr_count(&rx_sets[0][id].negatives, 7);
	mr_count(&io_sets[1][id].rows_written, 3);
	mr_count_event(&rx_sets[0][id], now_us - 9000000);
	mr_count_event(&io_sets[0][id], now_us - 5000000);
	mr_count_event(&io_sets[0][id], now_us - 7000000);
	mr_count(&rx_sets[0][id + 1].hits, 1000);
	reply = ask("/millrace/sets");
	sets = json_object_get(reply, "sets");
	assert_int_equal(number(sets, "user", "hits"), 75);
	assert_int_equal(number(sets, "user", "misses"), 25);
	assert_int_equal(number(sets, "user", "negatives"), 7);
	assert_int_equal(number(sets, "user", "rows_written"), 3);
	assert_int_equal(number(sets, "user", "hit_ppm"), 750000);
	assert_int_equal(number(sets, "user", "newest_event_us"), now_us - 5000000);
	assert_in_range(number(sets, "user", "freshness_us"), 5000000, 8000000);
	json_decref(reply);

	mr_hist_record(&w.rx[0]->served_age, 1000000 / MR_AGE_UNIT_US, 99);
	mr_hist_record(&w.io[1]->served_age, 3600000000 / MR_AGE_UNIT_US, 1);
	reply = ask("/millrace/ages");
	assert_int_equal(number(reply, NULL, "count"), 100);
	assert_in_range(number(reply, NULL, "p50_us"), 990000, 1010000);
	assert_in_range(number(reply, NULL, "p99_us"), 990000, 1010000);
	assert_in_range(number(reply, NULL, "max_us"), 3590000000, 3600000000);
	json_decref(reply);
}

static void test_subjects(void **state)
{
	struct rte_mbuf *mbufs[8] = {NULL};
	json_t *reply;

	(void)state;
	reply = ask("/millrace/info");
	assert_int_equal(number(reply, NULL, "rx_lcores"), 2);
	assert_int_equal(number(reply, NULL, "sets"), 1);
	assert_string_equal(json_string_value(json_object_get(reply, "version")), "0.1 'test'");
	json_decref(reply);
	reply = ask("/millrace/cache");
	assert_true(number(reply, "node0", "budget_bytes") >= 1 << 20);
	assert_int_equal(number(reply, "node1", "rows"), 0);
	json_decref(reply);
	reply = ask("/millrace/bloom");
	assert_string_equal(json_string_value(json_object_get(reply, "state")), "none");
	assert_null(json_object_get(reply, "node0"));
	json_decref(reply);
	reply = ask("/millrace/store");
	assert_true(number(reply, NULL, "sequence") > 0);
	assert_int_equal(number(reply, NULL, "level6_files"), 0);
	assert_int_equal(
		number(json_object_get(reply, "families"), "feature_live", "write_stopped"), 0);
	json_decref(reply);
	reply = ask("/millrace/handoff");
	assert_int_equal(number(reply, "io1", "waiting"), 0);
	assert_int_equal(number(reply, "io1", "peak"), 0);
	assert_int_equal(number(reply, "io1", "slots"), 64);
	json_decref(reply);
	// What is handed over here is not looked at.
	mr_handoff_submit(&w.handoff, 0, 1, mbufs, 3);
	mr_handoff_submit(&w.handoff, 0, 1, mbufs, 5);
	assert_int_equal(mr_handoff_take(&w.handoff, 1, 0, mbufs, 6), 6);
	mr_handoff_submit(&w.handoff, 1, 1, mbufs, 4);
	reply = ask("/millrace/handoff");
	assert_int_equal(number(reply, "io1", "waiting"), 6);
	assert_int_equal(number(reply, "io1", "peak"), 8);
	assert_int_equal(number(reply, "io0", "peak"), 0);
	json_decref(reply);
	reply = ask("/millrace/sets");
	assert_int_equal(number(reply, NULL, "total"), 1);
	assert_int_equal(number(json_object_get(reply, "sets"), "user", "columns"), 2);
	json_decref(reply);
	reply = ask("/millrace/views");
	assert_int_equal(number(json_object_get(reply, "views"), "ages", "id"), 3);
	json_decref(reply);
	reply = ask("/millrace/ports");
	assert_int_equal(number(reply, "front", "port_id"), 77);
	json_decref(reply);
	reply = ask("/millrace/config");
	assert_string_equal(json_string_value(json_object_get(reply, "cache/memory")), "64M");
	assert_string_equal(
		json_string_value(json_object_get(reply, "port/front/device")), "net_null0");
	json_decref(reply);
}

static void test_bad_params(void **state)
{
	static const char *const requests[] = {"/millrace/lcores,rx2", "/millrace/lcores,7",
		"/millrace/lcores,rx", "/millrace/lcores,rx-1", "/millrace/drops,io0",
		"/millrace/latency,io99999999999999999999", "/millrace/sets,x",
		"/millrace/views,-1", "/millrace/slow,fastest", "/millrace/slow,refused,x"};
	json_t *reply;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(requests); i++) {
		reply = ask(requests[i]);
		if (!json_is_null(reply))
			fail_msg("%s: %s", requests[i], json_dumps(reply, 0));
		json_decref(reply);
	}
	// An appliance that has stopped answers null too, and one that starts again is found.
	mr_ctl_free(w.ctl);
	reply = ask("/millrace/info");
	assert_true(json_is_null(reply));
	json_decref(reply);
	make_ctl();
	reply = ask("/millrace/info");
	assert_true(json_is_object(reply));
	json_decref(reply);
}

// The longest replies there can be still fit DPDK's 16 KiB.
static void test_long_replies(void **state)
{
	char *text = malloc(1 << 20);
	struct mr_err err = {""};
	size_t n = 0;
	json_t *reply;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		n += (size_t)sprintf(text + n,
			"[set s%02u_%059u]\nid = %u\nkey = u64\nttl = 100000000d\n"
			"column age = f32[8000]\n"
			"[view v%02u_%059u]\nid = %u\ncolumns = s%02u_%059u.age\n",
			i, 0, 32000 + i, i, 0, 32000 + i, i, 0);
	if (mr_registry_apply(w.registry, "f", text, n, NULL, &err) < 0)
		fail_msg("%s", err.text);
	free(text);
	// The longest numbers, as far as sums over lcores do not overflow.
	memset(set_counters[0], 0x7f, sizeof(set_counters[0]));
	reply = ask("/millrace/sets");
	assert_int_equal(json_object_size(json_object_get(reply, "sets")), 32);
	json_decref(reply);
	reply = ask("/millrace/sets,32");
	assert_int_equal(json_object_size(json_object_get(reply, "sets")), 29);
	json_decref(reply);
	reply = ask("/millrace/sets,18446744073709551615");
	assert_int_equal(json_object_size(json_object_get(reply, "sets")), 0);
	json_decref(reply);
	reply = ask("/millrace/views");
	assert_int_equal(json_object_size(json_object_get(reply, "views")), 48);
	json_decref(reply);

	w.config.n_ports = MR_PORTS_MAX;
	for (unsigned i = 0; i < MR_PORTS_MAX; i++) {
		struct mr_config_port *port = &w.config.ports[i];

		*port = w.config.ports[0];
		snprintf(port->name, sizeof(port->name), "port_%026u", i);
		memset(port->device, 'd', 255);
		memset(port->address.text, '1', sizeof(port->address.text) - 1);
	}
	memset(w.config.store.path, 'p', sizeof(w.config.store.path) - 1);
	memset(w.config.memory.eal_args, 'e', sizeof(w.config.memory.eal_args) - 1);
	reply = ask("/millrace/config");
	assert_true(json_object_size(reply) >= 16 * 5 + 20);
	json_decref(reply);
	for (unsigned i = 0; i < N_RX; i++)
		memset(w.rx[i], 1, offsetof(struct mr_rx_counters, stage_cycles));
	for (unsigned i = 0; i < N_IO; i++)
		memset(w.io[i], 1, offsetof(struct mr_io_counters, read_cycles));
	json_decref(ask("/millrace/latency"));
	json_decref(ask("/millrace/lcores"));
	json_decref(ask("/millrace/drops"));
}

// ---- slow log

/** A request of 10.1.2.3:4000 for user 42. */
static struct mr_slow a_slow(uint64_t request_id, uint64_t cycles)
{
	return (struct mr_slow){
		.tsc = rte_rdtsc(),
		.cycles = cycles,
		.request_id = request_id,
		.address = {10, 1, 2, 3},
		.port = 4000,
		.view = 7,
		.op = MR_WIRE_OP_GET,
		.n_keys = 3,
		.key_bytes = 8,
		.key = {[7] = 42},
	};
}

static const char *text_of(json_t *request, const char *field)
{
	return json_string_value(json_object_get(request, field));
}

static void test_slow(void **state)
{
	double ns = w.rig.tiers.clock->ns_per_cycle;
	struct mr_slow slow;
	json_t *reply, *requests;

	(void)state;
	for (unsigned i = 0; i < N_RX; i++)
		mr_slowlog_init(&w.rx[i]->slowlog, 1000, rte_get_tsc_hz());
	for (unsigned i = 0; i < N_IO; i++)
		mr_slowlog_init(&w.io[i]->slowlog, 1000, rte_get_tsc_hz());
	// The I/O lcore knows why, the RX lcore how long in all.
	slow = a_slow(100, 9000000);
	slow.spent[MR_SPENT_read] = 8000000;
	slow.met = MR_WIRE_MET_IO | MR_WIRE_MET_COMPACTION;
	mr_slowlog_add(&w.io[1]->slowlog, &slow);
	slow = (struct mr_slow){.tsc = rte_rdtsc(),
		.cycles = 10000000,
		.request_id = 100,
		.address = {10, 1, 2, 3},
		.port = 4000};
	mr_slowlog_add(&w.rx[0]->slowlog, &slow);
	slow = a_slow(101, 20000000);
	slow.op = MR_WIRE_OP_PUT;
	slow.key_bytes = 200;
	slow.trace_id = 77;
	mr_slowlog_add(&w.rx[1]->slowlog, &slow);
	reply = ask("/millrace/slow");
	assert_int_equal(number(reply, NULL, "total"), 2);
	assert_int_equal(number(reply, NULL, "above_us"), 1000);
	requests = json_object_get(reply, "requests");
	assert_string_equal(text_of(json_object_get(requests, "0"), "request_id"), "65");
	assert_string_equal(text_of(json_object_get(requests, "0"), "trace_id"), "4d");
	assert_string_equal(text_of(json_object_get(requests, "0"), "view"), "user");
	assert_int_equal(strlen(text_of(json_object_get(requests, "0"), "key")), 123);
	assert_int_equal(number(requests, "1", "total_ns"), (uint64_t)(10000000 * ns));
	assert_int_equal(number(requests, "1", "read_ns"), (uint64_t)(8000000 * ns));
	assert_int_equal(number(requests, "1", "n_keys"), 3);
	requests = json_object_get(requests, "1");
	assert_string_equal(text_of(requests, "client"), "10.1.2.3:4000");
	assert_string_equal(text_of(requests, "key"), "42");
	assert_string_equal(text_of(requests, "waited_for"), "read, store compacting");
	assert_string_equal(text_of(requests, "lcore"), "io1");
	assert_string_equal(text_of(requests, "result"), "ok");
	json_decref(reply);

	slow = a_slow(102, 500);
	slow.is_ip6 = 1;
	slow.result = MR_WIRE_RESULT_BUSY;
	mr_slowlog_sample(&w.rx[0]->slowlog, &slow);
	slow.tsc++;
	slow.op = 0;
	slow.view = 0;
	slow.key_bytes = 0;
	slow.result = 0;
	slow.reason = MR_REASON_acl_refused + 1;
	mr_slowlog_sample(&w.rx[0]->slowlog, &slow);
	reply = ask("/millrace/slow,refused");
	requests = json_object_get(reply, "requests");
	assert_string_equal(text_of(json_object_get(requests, "0"), "reason"), "acl_refused");
	assert_string_equal(text_of(json_object_get(requests, "1"), "result"), "busy");
	assert_string_equal(text_of(json_object_get(requests, "1"), "client"), "[a01:203::]:4000");
	json_decref(reply);

	// The longest records there can be, a page of them.
	memset(&slow, 0xfe, sizeof(slow));
	slow.tsc = rte_rdtsc();
	slow.reason = slow.result = 1;
	slow.is_ip6 = 1;
	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++) {
		slow.request_id++;
		mr_slowlog_add(&w.rx[0]->slowlog, &slow);
	}
	reply = ask("/millrace/slow,slowest,20");
	assert_int_equal(number(reply, NULL, "offset"), 20);
	assert_int_equal(json_object_size(json_object_get(reply, "requests")), 10);
	json_decref(reply);
}

static void test_document(void **state)
{
	(void)state;
	document_check("docs/telemetry.md", mr_telemetry_print_markdown);
}

// ---- admin verbs
// ---------------------------------------------------------------------------------

/** Runs a verb; @return its result, what it said in @p said. */
static int call(
	const char *name, const char *args, const char *payload, char *said, size_t said_bytes)
{
	struct mr_admin_request r = {name, args, payload, strlen(payload)};
	struct mr_err err = {""};
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	int ret = -ENOENT;

	for (unsigned i = 0; i < mr_ctl_n_verbs; i++)
		if (strcmp(mr_ctl_verbs[i].verb, name) == 0)
			ret = mr_ctl_verbs[i].fn(&r, out, &err, w.ctl);
	fclose(out);
	snprintf(said, said_bytes, "%s", ret < 0 ? err.text : text);
	free(text);
	return ret;
}

static void test_verbs(void **state)
{
	static char said[16384];
	json_t *json, *set;

	(void)state;
	assert_int_equal(call("sets-list", "", "", said, sizeof(said)), 0);
	json = json_loads(said, 0, NULL);
	set = json_array_get(json_object_get(json, "sets"), 0);
	assert_string_equal(json_string_value(json_object_get(set, "name")), "user");
	assert_int_equal(number(set, NULL, "id"), 7);
	assert_int_equal(json_array_size(json_object_get(set, "columns")), 2);
	json_decref(json);
	assert_int_equal(call("sets-show", "user", "", said, sizeof(said)), 0);
	assert_non_null(strstr(said, "[set user]"));
	assert_int_equal(call("sets-show", "nobody", "", said, sizeof(said)), -ENOENT);
	assert_string_equal(said, "there is no set or view called 'nobody'");
	assert_int_equal(
		call("sets-apply", "x.ini", "[set y]\nid = 0\n", said, sizeof(said)), -EINVAL);
	assert_memory_equal(said, "x.ini:2: ", 9);
	assert_int_equal(call("sets-apply", "x.ini", "[set y]\nid = 9\nkey = u64\ncolumn a = i32\n",
				 said, sizeof(said)),
		0);
	assert_non_null(strstr(said, "set y: added\n"));
	assert_int_equal(call("status", "", "", said, sizeof(said)), 0);
	json = json_loads(said, 0, NULL);
	assert_int_equal(number(json, NULL, "sets"), 2);
	assert_int_equal(number(json, "packets", "missing"), 0);
	json_decref(json);
	assert_int_equal(call("config", "", "", said, sizeof(said)), 0);
	assert_non_null(strstr(said, "\n[port front]\ndevice = net_null0\n"));
	assert_int_equal(call("filter-rebuild", "", "", said, sizeof(said)), 0);
	assert_false(atomic_load(&w.stop));
	assert_int_equal(call("stop", "", "", said, sizeof(said)), 0);
	assert_true(atomic_load(&w.stop));
}

static void test_reload(void **state)
{
	static char said[4096];

	(void)state;
	assert_int_equal(call("reload", "", "", said, sizeof(said)), 0);
	assert_string_equal(said, "nothing changed\n");
	write_config("[lcores]\nwatchdog = 1ms\n[log]\nlevel = error\n[cache]\nk = 1\n");
	assert_int_equal(call("reload", "", "", said, sizeof(said)), 0);
	assert_string_equal(said, "[lcores] watchdog = 1ms (was 20ms)\n"
				  "[cache] k = 1 (was 2): at the next start\n"
				  "[log] level = error (was info)\n");
	assert_int_equal(w.config.lcores.watchdog_us, 1000);
	assert_int_equal(w.config.cache.k, 2);
	write_config("[lcores]\nwatchdog = 1\n");
	assert_int_equal(call("reload", "", "", said, sizeof(said)), -EINVAL);
	assert_int_equal(w.config.lcores.watchdog_us, 1000);
	mr_ctl_housekeeping(w.ctl);
}

// ---- watchdog
// ------------------------------------------------------------------------------------

static void test_watchdog(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_overrun o[N_RX];
	struct mr_watchdog dog = {0};
	// Turn started at, now, in us; what is reported, 0: nothing.
	static const struct {
		uint64_t start_us, now_us, limit_us, want_us;
	} steps[] = {
		{0, 500, 100, 0},                             // no turn yet
		{1000, 1050, 100, 0},                         // within the limit
		{1000, 1100, 100, 100}, {1000, 1150, 100, 0}, // said already
		{1000, 1200, 100, 200}, {1000, 1399, 100, 0}, {1000, 1400, 100, 400},
		{1500, 1599, 100, 0},                         // a new turn
		{1500, 1650, 0, 0},                           // no watchdog
		{1500, 1650, 100, 150}, {1700, 1690, 100, 0}, // started after `now` was read
	};

	(void)state;
	atomic_store(&w.rx[1]->stage_now, MR_STAGE_reply);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(steps); i++) {
		unsigned n;

		atomic_store(&w.rx[1]->turn_start_tsc, steps[i].start_us * 1000);
		n = mr_watchdog_check(
			&dog, w.rx, N_RX, &clock, steps[i].now_us * 1000, steps[i].limit_us, o);
		if (n != (steps[i].want_us != 0))
			fail_msg("step %u: %u reports", i, n);
		if (n == 0)
			continue;
		assert_int_equal(o[0].rx, 1);
		assert_int_equal(o[0].stage, MR_STAGE_reply);
		assert_in_range(o[0].us, steps[i].want_us - 1, steps[i].want_us);
	}
}

// An overrun that has ended is told once, with what the lcore noted of it.
static void test_watchdog_ended(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_watchdog dog = {0};
	struct mr_overrun o[N_RX];

	(void)state;
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 0);
	mr_count(&w.rx[1]->overruns, 3);
	atomic_store(&w.rx[1]->overrun_stage, MR_STAGE_transmit);
	atomic_store(&w.rx[1]->overrun_cycles, 30000000);
	atomic_store(&w.rx[1]->overrun_stage_cycles, 29000000);
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 1);
	assert_int_equal(o[0].rx, 1);
	assert_int_equal(o[0].stage, MR_STAGE_transmit);
	assert_int_equal(o[0].us, 30000);
	assert_int_equal(o[0].stage_us, 29000);
	assert_int_equal(o[0].n, 3);
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 0);
}

struct reader {
	int fifo;
	_Atomic int syscall_file;
};

static void *read_for_ever(void *arg)
{
	struct reader *reader = arg;
	char byte;

	atomic_store(&reader->syscall_file, open("/proc/thread-self/syscall", O_RDONLY));
	while (read(reader->fifo, &byte, 1) == 1 && byte != 'q')
		;
	return NULL;
}

// A thread that is stuck in a read is named with the file.
static void test_watchdog_io(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_watchdog dog = {0};
	struct mr_stuck stuck[N_IO];
	struct reader reader = {.syscall_file = -1};
	char path[160];
	pthread_t thread;

	(void)state;
	snprintf(path, sizeof(path), "%s/000017.sst", w.rig.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader.fifo = open(path, O_RDWR);
	assert_int_equal(pthread_create(&thread, NULL, read_for_ever, &reader), 0);
	while (atomic_load(&reader.syscall_file) < 0)
		usleep(1000);
	atomic_store(&w.io[1]->syscall_file, atomic_load(&reader.syscall_file) + 1);
	atomic_store(&w.io[1]->stage_now, MR_IO_STAGE_read);
	atomic_store(&w.io[1]->turn_start_tsc, 1000000);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 1999000, 1000, stuck), 0);
	do {
		memset(&dog, 0, sizeof(dog));
		assert_int_equal(
			mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 3000000, 1000, stuck), 1);
	} while (strstr(stuck[0].where, "000017.sst") == NULL);
	assert_int_equal(strncmp(stuck[0].where, "read of /", 9), 0);
	assert_int_equal(stuck[0].io, 1);
	assert_int_equal(stuck[0].stage, MR_IO_STAGE_read);
	assert_int_equal(stuck[0].us, 2000);
	// Said, until it has taken twice as long; an lcore without a burst is not stuck.
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 4000000, 1000, stuck), 0);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 5000000, 1000, stuck), 1);
	atomic_store(&w.io[1]->turn_start_tsc, 0);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 90000000, 1000, stuck), 0);
	assert_int_equal(write(reader.fifo, "q", 1), 1);
	pthread_join(thread, NULL);
	close(reader.fifo);
	close(atomic_load(&reader.syscall_file));
	mr_watchdog_where(-1, path, sizeof(path));
	assert_string_equal(path, "");
}

// ---- clients

static void test_clients(void **state)
{
	json_t *reply, *clients;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		mr_sketch_add(&w.rx[0]->clients, 0x0a010200, 7);
	for (unsigned i = 0; i < 100; i++)
		mr_sketch_add(&w.rx[1]->clients, 0x0a010200, 7);
	for (unsigned i = 0; i < 50; i++)
		mr_sketch_add(&w.rx[1]->clients, UINT64_C(0xfd00000000000001),
			99 | MR_CLIENTS_IP6 | MR_CLIENTS_WRITE);
	reply = ask("/millrace/clients");
	assert_int_equal(number(reply, NULL, "total"), 2);
	assert_int_equal(number(reply, NULL, "sampled"), 450);
	assert_int_equal(number(reply, NULL, "missed_at_most"), 0);
	clients = json_object_get(reply, "clients");
	assert_int_equal(number(clients, "0", "requests"), 400 * MR_CLIENTS_EVERY);
	assert_int_equal(number(clients, "0", "share_ppm"), 888888);
	assert_string_equal(text_of(json_object_get(clients, "0"), "prefix"), "10.1.2.0/24");
	assert_string_equal(text_of(json_object_get(clients, "0"), "set"), "user");
	assert_string_equal(text_of(json_object_get(clients, "0"), "access"), "read");
	assert_string_equal(text_of(json_object_get(clients, "1"), "prefix"), "fd00:0:0:1::/64");
	assert_string_equal(text_of(json_object_get(clients, "1"), "set"), "99");
	assert_string_equal(text_of(json_object_get(clients, "1"), "access"), "write");
	json_decref(reply);

	// More than there is room for: counts are never too small, and too large as said at most.
	for (unsigned i = 0; i < 20000; i++)
		mr_sketch_add(&w.rx[0]->clients,
			UINT64_C(0xfedcba9800000000) + (i % 10 < 3 ? 1 : i * 77 % 500 + 2),
			0x7fff | MR_CLIENTS_IP6);
	reply = ask("/millrace/clients");
	assert_true(number(reply, NULL, "missed_at_most") > 0);
	clients = json_object_get(reply, "clients");
	assert_int_equal(json_object_size(clients), 48);
	assert_string_equal(text_of(json_object_get(clients, "0"), "prefix"), "fedc:ba98:0:1::/64");
	assert_true(number(clients, "0", "requests") >= 6000 * MR_CLIENTS_EVERY);
	assert_true(number(clients, "0", "requests") - number(clients, "0", "over_at_most") <=
		    6000 * MR_CLIENTS_EVERY);
	json_decref(reply);
	json_decref(ask("/millrace/clients,100"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_latency, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cache_figures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_churn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subjects, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_params, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_replies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
		cmocka_unit_test(test_document),
		cmocka_unit_test_setup_teardown(test_verbs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog_io, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clients, set_up, tear_down),
	};
	char prefix[32], runtime[256];
	int failed;

	snprintf(prefix, sizeof(prefix), "--file-prefix=mrt%d", (int)getpid());
	if (eal_start(prefix) < 0)
		return 1;
	snprintf(runtime, sizeof(runtime), "%s", rte_eal_get_runtime_dir());
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	dir_remove(runtime);
	return failed;
}
