// SPDX-License-Identifier: BSD-3-Clause
//
// Telemetry over its real socket, admin verbs and reload of an appliance without lcores.
#include "ctl_whole.h"
#include "mr_churn.h"
#include "mr_telemetry.h"
#include "mr_wire.h"

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
	whole_make_ctl();
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
	whole_write_config("[lcores]\nwatchdog = 1ms\n[log]\nlevel = error\n[cache]\nk = 1\n");
	assert_int_equal(call("reload", "", "", said, sizeof(said)), 0);
	assert_string_equal(said, "[lcores] watchdog = 1ms (was 20ms)\n"
				  "[cache] k = 1 (was 2): at the next start\n"
				  "[log] level = error (was info)\n");
	assert_int_equal(w.config.lcores.watchdog_us, 1000);
	assert_int_equal(w.config.cache.k, 2);
	whole_write_config("[lcores]\nwatchdog = 1\n");
	assert_int_equal(call("reload", "", "", said, sizeof(said)), -EINVAL);
	assert_int_equal(w.config.lcores.watchdog_us, 1000);
	mr_ctl_housekeeping(w.ctl);
}

static const struct CMUnitTest tests[] = {
	WHOLE_TEST(test_counters),
	WHOLE_TEST(test_memory),
	WHOLE_TEST(test_latency),
	WHOLE_TEST(test_cache_figures),
	WHOLE_TEST(test_churn),
	WHOLE_TEST(test_sets),
	WHOLE_TEST(test_cells),
	WHOLE_TEST(test_subjects),
	WHOLE_TEST(test_bad_params),
	WHOLE_TEST(test_long_replies),
	cmocka_unit_test(test_document),
	WHOLE_TEST(test_verbs),
	WHOLE_TEST(test_reload),
};

WHOLE_MAIN(tests)
