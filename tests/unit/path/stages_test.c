// SPDX-License-Identifier: BSD-3-Clause
//
// What only shows between two stages: rows that change while they are copied, I/O lcores that many
// RX lcores want, replies longer than the protocol can count, ports too narrow for any reply. The
// linker puts __wrap_mr_probe_run() between the RX lcore and the probe, so that a row can change
// right behind a lookup.
#include "path_util.h"

#include "mr_rx_priv.h"

#include <errno.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES], newer[MR_ROW_MAX_BYTES], request[65536];
static unsigned row_bytes, newer_bytes;

// ---- rows that change while they are read
// --------------------------------------------------------

static unsigned torn_key;
static unsigned torn_left; // lookups of torn_key after which the row changes

void __real_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end,
	struct mr_node *node, uint64_t now_ticks);
void __wrap_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end,
	struct mr_node *node, uint64_t now_ticks);
bool __real_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks);
bool __wrap_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks);

// Changes the row of lookup i right after it was found, if it is torn_key's.
static void change_row(struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks)
{
	const struct mr_lookup *lookup = &probe->lookups[i];
	uint8_t torn[MR_KEY_MAX_BYTES];
	struct mr_cache_row update = {
		.hash = probe->hashes[i],
		.space = lookup->space,
		.key = lookup->key,
		.key_bytes = lookup->key_bytes,
		.row = newer,
		.row_bytes = newer_bytes,
		.event_time_us = PATH_NOW_US,
	};

	if (lookup->outcome != MR_OUTCOME_HIT || torn_left == 0 ||
		path_key(&path, mr_space_set(lookup->space), torn_key, torn) !=
			lookup->key_bytes ||
		memcmp(torn, lookup->key, lookup->key_bytes) != 0)
		return;
	torn_left--;
	assert_int_equal(mr_cache_update(node->cache, &update, false, now_ticks), 0);
}

void __wrap_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end,
	struct mr_node *node, uint64_t now_ticks)
{
	__real_mr_probe_run(probe, first, end, node, now_ticks);
	for (unsigned i = first; i < end; i++)
		change_row(probe, i, node, now_ticks);
}

bool __wrap_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks)
{
	bool found = __real_mr_probe_again(probe, i, node, now_ticks);

	change_row(probe, i, node, now_ticks);
	return found;
}

static int setup(void **state)
{
	(void)state;
	torn_left = 0;
	path_begin(&path, &(struct mr_fixture_params){.handoff_depth = 2});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	torn_left = 0;
	path_end(&path);
	return 0;
}

#define TORN_KEYS 40u

// Forty hits whose replies run over their own request and into further datagrams; one of them
// changes under the reader.
static void tear(unsigned key, unsigned times)
{
	torn_key = key;
	for (unsigned i = 0; i < TORN_KEYS; i++) {
		row_bytes = path_row_make(&path, PATH_BLOB, 100 + i, row);
		path_put(&path, PATH_BLOB, i, PATH_CACHE, PATH_NOW_US - 5, row, row_bytes);
	}
	newer_bytes = path_row_make(&path, PATH_BLOB, 300, newer);
	torn_left = times;
}

static void rows_that_change(void **state)
{
	static const struct {
		unsigned times, torn, handed_off;
	} cases[] = {{0, 0, 0}, {1, 1, 0}, {2, 2, 0}, {3, 3, 1}, {4, 3, 1}, {20, 3, 1}};
	unsigned keys[TORN_KEYS];

	(void)state;
	for (unsigned i = 0; i < TORN_KEYS; i++)
		keys[i] = i;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		for (unsigned key = 0; key < TORN_KEYS; key += TORN_KEYS - 1) {
			uint64_t torn = mr_fixture_rx_count(&path.f, torn);
			uint64_t handed = mr_fixture_rx_count(&path.f, handed_off);
			unsigned n = path_get(
				&path, request, sizeof(request), PATH_BLOB, keys, TORN_KEYS);
			bool from_store = cases[c].times > 3;

			tear(key, cases[c].times);
			// What I/O lcores cannot read whole from the cache, they ask the store.
			if (from_store)
				path_put(&path, PATH_BLOB, key, PATH_STORE, PATH_NOW_US, newer,
					newer_bytes);
			assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
			if (cases[c].times > 0)
				path_put(&path, PATH_BLOB, key, PATH_STORE, PATH_NOW_US, newer,
					newer_bytes);
			path_check(&path, PATH_BLOB, keys, TORN_KEYS, 0);
			torn = mr_fixture_rx_count(&path.f, torn) - torn;
			// A neighbour in the same bucket is torn once, too.
			assert_true(torn >= cases[c].torn && torn <= 2 * cases[c].torn);
			assert_int_equal(mr_fixture_rx_count(&path.f, handed_off) - handed,
				cases[c].handed_off);
			path_assert_at_rest(&path);
			path_end(&path);
			path_begin(&path, &(struct mr_fixture_params){.handoff_depth = 2});
		}
	}
}

// As above, with the ring full: the torn row alone is BUSY.
static void torn_and_shed(void **state)
{
	unsigned keys[TORN_KEYS], n, left = 1;
	struct rte_mbuf *waiting[2], *m;

	(void)state;
	for (unsigned i = 0; i < TORN_KEYS; i++)
		keys[i] = i;
	for (unsigned i = 0; i < 2; i++) {
		unsigned other = 300 + i;

		row_bytes = path_row_make(&path, PATH_USER, 10, row);
		path_put(&path, PATH_USER, other, PATH_STORE, PATH_NOW_US, row, row_bytes);
		n = path_get(&path, request, sizeof(request), PATH_USER, &other, 1);
		waiting[i] = mr_fixture_frame(&path.f, request, n);
	}
	assert_int_equal(mr_fixture_send(&path.f, 0, waiting, 2), 2);
	mr_rx_turn(path.f.rx[0]);
	n = path_get(&path, request, sizeof(request), PATH_BLOB, keys, TORN_KEYS);
	tear(TORN_KEYS - 1, 20);
	m = mr_fixture_frame(&path.f, request, n);
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, left), 1);
	mr_rx_turn(path.f.rx[0]);
	mr_answer_clear(&path.answer);
	assert_int_equal(mr_fixture_hear(&path.f, &path.answer), 1);
	path_check(&path, PATH_BLOB, keys, TORN_KEYS, 1u << MR_STATUS_BUSY);
	assert_int_equal(path.answer.got[TORN_KEYS - 1].status, MR_STATUS_BUSY);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_OK);
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1)
		rte_pktmbuf_free(m);
}

// An expired row and a tombstone say so only if they were read whole.
static void torn_without_a_row(void **state)
{
	unsigned key = 1;

	(void)state;
	torn_key = key;
	row_bytes = path_row_make(&path, PATH_ITEM, 10, row);
	newer_bytes = path_row_make(&path, PATH_ITEM, 30, newer);
	path_put(&path, PATH_ITEM, key, PATH_CACHE, PATH_NOW_US - 2 * PATH_HOUR_US, row, row_bytes);
	torn_left = 1;
	assert_int_equal(path_get_one(&path, PATH_ITEM, key), MR_STATUS_OK);
	assert_int_equal(path.answer.got[0].event_time_us, PATH_NOW_US);
	path_put(&path, PATH_ITEM, 2, PATH_STORE, PATH_NOW_US - 5, NULL, 0);
	assert_int_equal(path_get_one(&path, PATH_ITEM, 2), MR_STATUS_NOT_FOUND);
	torn_key = 2;
	torn_left = 1;
	assert_int_equal(path_get_one(&path, PATH_ITEM, 2), MR_STATUS_OK);
	assert_int_equal(mr_fixture_rx_count(&path.f, torn), 2);
}

// ---- fairness
// ------------------------------------------------------------------------------------

static void ask_for_misses(unsigned rx, unsigned n)
{
	static unsigned key;

	while (n-- > 0) {
		unsigned at = key++ % PATH_KEYS;
		unsigned bytes = path_get(&path, request, sizeof(request), PATH_USER, &at, 1);
		struct rte_mbuf *m = mr_fixture_frame(&path.f, request, bytes);

		assert_int_equal(mr_fixture_send(&path.f, rx, &m, 1), 1);
	}
	mr_rx_turn(path.f.rx[rx]);
}

// Two RX lcores that keep their rings full do not lock the others out.
static void every_rx_lcore_is_served(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	path_end(&path);
	path_begin(&path,
		&(struct mr_fixture_params){.n_rx = 4, .handoff_depth = 64, .n_mbufs = 6000});
	// Never in memory: rows that are too long to be cached.
	row_bytes = path_row_make(&path, PATH_USER, MR_CACHE_ROW_MAX_BYTES, row);
	for (unsigned i = 0; i < PATH_KEYS; i++)
		path_put(&path, PATH_USER, i, PATH_STORE, PATH_NOW_US, row, row_bytes);
	ask_for_misses(2, 10);
	ask_for_misses(3, 10);
	for (unsigned turn = 0; turn < 4; turn++) {
		ask_for_misses(0, 32);
		ask_for_misses(1, 32);
		mr_io_turn(path.f.io[0]);
		for (unsigned rx = 0; rx < 4; rx++)
			mr_rx_turn(path.f.rx[rx]);
		while (mr_fixture_receive(&path.f, &m, 1) == 1)
			rte_pktmbuf_free(m);
	}
	for (unsigned rx = 2; rx < 4; rx++)
		assert_int_equal(mr_rx_in_flight(path.f.rx[rx]), 0);
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1)
		rte_pktmbuf_free(m);
}

// ---- replies of too many datagrams
// ---------------------------------------------------------------

// frag_count has 16 bits: a reply that needs more is refused while there still are mbufs.
static void more_datagrams_than_there_are_numbers(void **state)
{
	struct mr_wire_request wire = {.op = MR_WIRE_OP_GET, .key_count = 255};
	static uint8_t scratch[MR_ROW_MAX_BYTES];
	struct mr_reply reply;
	struct rte_mbuf *m;
	int ret = 0;

	(void)state;
	path_end(&path);
	path_begin(&path, &(struct mr_fixture_params){.mtu_bytes = 92, .n_mbufs = 70000});
	row_bytes = path_row_make(&path, PATH_BLOB, 32700, row);
	m = mr_fixture_frame(&path.f, request, 64);
	*mr_packet(m) = (struct mr_packet){.payload_at = 42, .l2_bytes = 14, .l3_bytes = 20};
	mr_reply_begin(
		&reply, m, path.f.pool, &path.f.port, &wire, path_view(&path, PATH_BLOB), scratch);
	for (unsigned i = 0; i < 255 && ret == 0; i++)
		ret = mr_reply_row(
			&reply, path_view(&path, PATH_BLOB)->parts, row, row_bytes, PATH_NOW_US);
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(reply.n_datagrams, UINT16_MAX);
	assert_true(rte_mempool_avail_count(path.f.pool) > 1000);
	mr_reply_abandon(&reply);
	rte_pktmbuf_free(m);
}

// ---- what cannot work is refused when it is made
// -------------------------------------------------

static void narrow_ports_and_wide_bursts(void **state)
{
	static const struct {
		uint16_t payload_bytes;
		uint8_t n_ip6;
		uint32_t burst;
		int error;
	} cases[] = {
		{64, 0, 0, 0},
		{63, 0, 0, EMSGSIZE},
		{40, 0, 0, EMSGSIZE}, // MTU 68, the least that a port takes
		{84, 1, 0, 0},
		{83, 1, 0, EMSGSIZE},
		{1472, 1, MR_RX_BURST_MAX, 0},
		{1472, 1, MR_RX_BURST_MAX + 1, EINVAL},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_port port = path.f.port;
		struct mr_rx_params params = path.f.rx[0]->p;
		struct mr_rx *rx;

		port.max_payload_bytes = cases[c].payload_bytes;
		port.self.n_ip6 = cases[c].n_ip6;
		params.ports = &port;
		params.burst = cases[c].burst;
		errno = 0;
		rx = mr_rx_create(&params);
		assert_int_equal(rx == NULL, cases[c].error != 0);
		assert_int_equal(rx == NULL ? errno : 0, cases[c].error);
		mr_rx_free(rx);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_that_change, setup, teardown),
		cmocka_unit_test_setup_teardown(torn_and_shed, setup, teardown),
		cmocka_unit_test_setup_teardown(torn_without_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(every_rx_lcore_is_served, setup, teardown),
		cmocka_unit_test_setup_teardown(
			more_datagrams_than_there_are_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(narrow_ports_and_wide_bursts, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
