// SPDX-License-Identifier: BSD-3-Clause
//
// GETs over the whole path: every outcome, batches, views, replies in many datagrams.
#include "path_util.h"

#include <stdio.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES];

static int teardown(void **state)
{
	(void)state;
	path_end(&path);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	path_begin(&path, &(struct mr_fixture_params){.n_io = 2, .n_mbufs = 2048});
	return 0;
}

static void each_outcome(void **state)
{
	struct {
		const char *what;
		unsigned set, key;
		enum path_where where;
		bool put, deleted;
		uint64_t age_us;
		enum mr_status status;
		unsigned hits, misses, negatives; // on the RX lcore
	} cases[] = {
		{"absent", PATH_USER, 1, PATH_STORE, false, false, 0, MR_STATUS_NOT_FOUND, 0, 0, 1},
		{"hit", PATH_USER, 2, PATH_CACHE, true, false, 0, MR_STATUS_OK, 1, 0, 0},
		{"miss", PATH_USER, 3, PATH_STORE, true, false, 0, MR_STATUS_OK, 0, 1, 0},
		{"tombstone", PATH_USER, 4, PATH_STORE, true, true, 0, MR_STATUS_NOT_FOUND, 0, 1,
			0},
		{"expired hit", PATH_ITEM, 5, PATH_CACHE, true, false, 2 * PATH_HOUR_US,
			MR_STATUS_EXPIRED, 1, 0, 0},
		{"expired miss", PATH_ITEM, 6, PATH_STORE, true, false, 2 * PATH_HOUR_US,
			MR_STATUS_EXPIRED, 0, 1, 0},
		{"last moment", PATH_ITEM, 7, PATH_CACHE, true, false, PATH_HOUR_US, MR_STATUS_OK,
			1, 0, 0},
		{"a moment later", PATH_ITEM, 8, PATH_CACHE, true, false, PATH_HOUR_US + 1,
			MR_STATUS_EXPIRED, 1, 0, 0},
		{"event in the future", PATH_ITEM, 9, PATH_STORE, true, false, -PATH_HOUR_US,
			MR_STATUS_OK, 0, 1, 0},
		{"string key", PATH_TEXT, 10, PATH_STORE, true, false, 0, MR_STATUS_OK, 0, 1, 0},
		{"composite key", PATH_PAIR, 11, PATH_CACHE, true, false, 0, MR_STATUS_OK, 1, 0, 0},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_rx_counters *n = mr_rx_counters(path.f.rx[0]);
		uint64_t hits = mr_counted(&n->hits), misses = mr_counted(&n->misses);
		uint64_t negatives = mr_counted(&n->negatives);
		unsigned bytes = path_row_make(&path, cases[c].set, 10, row);

		print_message("%s\n", cases[c].what);
		if (cases[c].put)
			path_put(&path, cases[c].set, cases[c].key, cases[c].where,
				PATH_NOW_US - cases[c].age_us, cases[c].deleted ? NULL : row,
				cases[c].deleted ? 0 : bytes);
		assert_int_equal(path_get_one(&path, cases[c].set, cases[c].key), cases[c].status);
		path_check(&path, (uint16_t)cases[c].set, &cases[c].key, 1, 0);
		assert_int_equal(mr_counted(&n->hits) - hits, cases[c].hits);
		assert_int_equal(mr_counted(&n->misses) - misses, cases[c].misses);
		assert_int_equal(mr_counted(&n->negatives) - negatives, cases[c].negatives);
	}
}

// The same when the filter is asked first, as it is once most of what is asked for is absent.
static void each_outcome_after_many_absent(void **state)
{
	unsigned keys[150];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys); i++)
		keys[i] = 20 + i;
	for (unsigned turn = 0; turn < 3; turn++)
		path_get_checked(&path, PATH_USER, keys, MR_ARRAY_SIZE(keys));
	each_outcome(state);
}

// A miss fills the cache: the second time the RX lcore answers by itself, tombstones included.
static void a_miss_becomes_a_hit(void **state)
{
	unsigned bytes = path_row_make(&path, PATH_USER, 10, row);

	(void)state;
	path_put(&path, PATH_USER, 1, PATH_STORE, PATH_NOW_US, row, bytes);
	path_put(&path, PATH_USER, 2, PATH_STORE, PATH_NOW_US, NULL, 0);
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_OK);
		assert_int_equal(path_get_one(&path, PATH_USER, 2), MR_STATUS_NOT_FOUND);
		assert_int_equal(mr_fixture_rx_count(&path.f, misses), 2);
	}
	assert_int_equal(mr_fixture_io_count(&path.f, fills), 2);
	assert_int_equal(mr_fixture_rx_count(&path.f, hits), 4);
}

static void batches(struct path *p, unsigned rounds, unsigned max_keys)
{
	static const uint16_t views[] = {PATH_VIEW_FOUR, PATH_VIEW_PART, PATH_USER, PATH_ITEM,
		PATH_BLOB, PATH_TEXT, PATH_PAIR, PATH_WIDE, PATH_VIEW_WIDE};
	static const unsigned sizes[] = {1, 2, 16, 64, 255};

	for (unsigned round = 0; round < rounds; round++) {
		uint16_t view = views[mr_rng_below(&p->rng, MR_ARRAY_SIZE(views))];
		unsigned n = sizes[mr_rng_below(&p->rng, MR_ARRAY_SIZE(sizes))];
		unsigned keys[MR_WIRE_KEYS_MAX];

		if (view == PATH_TEXT || view == PATH_PAIR)
			n = MR_MIN(n, max_keys / 16);
		n = MR_MAX(MR_MIN(n, max_keys), 1);
		for (unsigned i = 0; i < n; i++)
			keys[i] = (unsigned)mr_rng_below(&p->rng, PATH_KEYS + PATH_KEYS / 8);
		path_get_checked(p, view, keys, n);
	}
	path_assert_at_rest(p);
}

// Random batches over all views against the model, at several MTUs.
static void replies_of_any_length(void **state)
{
	static const struct {
		uint16_t mtu_bytes;
		unsigned max_keys, tail, rounds;
	} cases[] = {
		{1500, 170, 40, 150},
		{576, 60, 300, 80},
		{92, 20, 30, 60},
		{9000, 255, 500, 80},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_fixture_params params = {.mtu_bytes = cases[c].mtu_bytes,
			.n_io = 2,
			.ring_slots = 8192,
			.n_mbufs = 12000};

		print_message("MTU %u\n", cases[c].mtu_bytes);
		path_begin(&path, &params);
		path.rng.state = c + 1;
		for (unsigned set = PATH_USER; set <= PATH_WIDE; set++)
			path_populate(&path, set, set == PATH_WIDE ? 10 : cases[c].tail);
		batches(&path, cases[c].rounds, cases[c].max_keys);
		path_end(&path);
	}
}

// Rows that fit no datagram, alone and among others, from the store and from the cache.
static void rows_in_pieces(void **state)
{
	static const unsigned tails[] = {0, 1, 1370, 1380, 1390, 1400, 1401, 1402, 1403, 1404, 1405,
		1406, 1407, 1408, 1409, 1410, 1411, 1412, 1413, 1414, 1415, 1416, 1417, 1418, 1419,
		1420, 1430, 1440, 2830, 2840, 8150, 8192, 32740, 32752};
	unsigned keys[MR_ARRAY_SIZE(tails)], n = MR_ARRAY_SIZE(tails);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		unsigned bytes = path_row_make(&path, PATH_BLOB, tails[i], row);

		path_put(&path, PATH_BLOB, i, PATH_STORE, PATH_NOW_US, row, bytes);
		keys[i] = i;
	}
	for (unsigned i = 0; i < n; i++) {
		path_get_checked(&path, PATH_BLOB, &keys[i], 1);
		path_get_checked(&path, PATH_BLOB, &keys[i], 1); // now cached, if it may be
		path_get_checked(&path, PATH_VIEW_FOUR, &keys[i], MR_MIN(n - i, 3));
	}
	path_get_checked(&path, PATH_BLOB, keys, n);
	assert_true(path.answer.n_datagrams > 70);
}

static void keys_that_are_none(void **state)
{
	static const uint8_t some[300];
	static const struct {
		uint16_t view;
		uint8_t bytes;
		uint8_t first;
		enum mr_status status;
	} cases[] = {
		{PATH_USER, 7, 0, MR_STATUS_BAD_KEY},
		{PATH_USER, 9, 0, MR_STATUS_BAD_KEY},
		{PATH_USER, 255, 0, MR_STATUS_BAD_KEY},
		{PATH_USER, 8, 0, MR_STATUS_NOT_FOUND},
		{PATH_VIEW_FOUR, 1, 0, MR_STATUS_BAD_KEY},
		{PATH_TEXT, 1, 0, MR_STATUS_NOT_FOUND},
		{PATH_TEXT, 255, 0, MR_STATUS_NOT_FOUND},
		{PATH_PAIR, 9, 0, MR_STATUS_NOT_FOUND},
		{PATH_PAIR, 12, 3, MR_STATUS_NOT_FOUND},
		{PATH_PAIR, 12, 4, MR_STATUS_BAD_KEY},
		{PATH_PAIR, 8, 0, MR_STATUS_BAD_KEY},
		{PATH_PAIR, 1, 200, MR_STATUS_BAD_KEY},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_wire_ask ask = {.request_id = c, .view = cases[c].view};
		struct mr_wire_key key = {some, cases[c].bytes};
		uint8_t bytes[300], request[512];
		unsigned n_parts = path_view(&path, cases[c].view)->n_parts;
		int n;

		memcpy(bytes, some, sizeof(bytes));
		bytes[0] = cases[c].first;
		key.data = bytes;
		n = mr_wire_get_encode(request, sizeof(request), &ask, &key, 1);
		assert_int_equal(path_ask(&path, request, (unsigned)n), MR_WIRE_RESULT_OK);
		assert_int_equal(path.answer.n, n_parts);
		for (unsigned i = 0; i < n_parts; i++)
			assert_int_equal(path.answer.got[i].status, cases[c].status);
	}
}

// One bad key spoils nothing for the others.
static void one_bad_key(void **state)
{
	struct mr_wire_ask ask = {.request_id = 5, .view = PATH_USER};
	uint8_t a[MR_KEY_MAX_BYTES], b[MR_KEY_MAX_BYTES], request[512];
	struct mr_wire_key keys[3] = {{a, 8}, {"short", 5}, {b, 8}};
	unsigned bytes = path_row_make(&path, PATH_USER, 10, row);
	int n;

	(void)state;
	path_put(&path, PATH_USER, 1, PATH_STORE, PATH_NOW_US, row, bytes);
	path_key(&path, PATH_USER, 1, a);
	path_key(&path, PATH_USER, 2, b);
	n = mr_wire_get_encode(request, sizeof(request), &ask, keys, 3);
	assert_int_equal(path_ask(&path, request, (unsigned)n), MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_OK);
	assert_int_equal(path.answer.got[1].status, MR_STATUS_BAD_KEY);
	assert_int_equal(path.answer.got[2].status, MR_STATUS_NOT_FOUND);
}

// What the store has of another layout, or has damaged, is an error of its key alone.
static void rows_of_another_layout(void **state)
{
	struct mr_store_put put = {.event_time_us = PATH_NOW_US, .row = row};
	const struct mr_schema *schema = path_schema(&path, PATH_USER);
	uint8_t key[MR_KEY_MAX_BYTES];
	unsigned keys[] = {1, 2, 3};

	(void)state;
	put.row_bytes = path_row_make(&path, PATH_USER, 10, row);
	path_put(&path, PATH_USER, 3, PATH_STORE, PATH_NOW_US, row, put.row_bytes);
	put.space = mr_space(schema->id, schema->version);
	put.key = key;
	for (unsigned i = 1; i <= 2; i++) {
		put.key_bytes = (uint8_t)path_key(&path, PATH_USER, i, key);
		put.layout = i == 1 ? schema->layout + 1 : schema->layout;
		if (i == 2)
			put.row_bytes = 3;
		mr_bloom_add(mr_node_bloom(&path.f.node),
			mr_hash_row(mr_hash_key(key, put.key_bytes), put.space));
		assert_int_equal(mr_store_commit(path.f.store, &put, 1, false, NULL), 0);
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		uint8_t request[512];
		unsigned n = path_get(&path, request, sizeof(request), PATH_USER, keys, 3);

		assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
		assert_int_equal(path.answer.got[0].status, MR_STATUS_ERROR);
		assert_int_equal(path.answer.got[1].status, MR_STATUS_ERROR);
		assert_int_equal(path.answer.got[2].status, MR_STATUS_OK);
	}
}

// The same exchange over IPv6, in several datagrams.
static void over_ip6(void **state)
{
	static uint8_t request[2048];
	unsigned keys[] = {1, 2, 3}, n;
	struct rte_mbuf *m;

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		unsigned bytes = path_row_make(&path, PATH_BLOB, 1395 + i, row);

		path_put(&path, PATH_BLOB, i, i == 1 ? PATH_CACHE : PATH_STORE, PATH_NOW_US, row,
			bytes);
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		n = path_get(&path, request, sizeof(request), PATH_BLOB, keys, 3);
		m = mr_fixture_frame6(&path.f, request, n);
		assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
		mr_fixture_settle(&path.f);
		mr_answer_clear(&path.answer);
		assert_int_equal(mr_fixture_hear(&path.f, &path.answer), 1);
		path_check(&path, PATH_BLOB, keys, 3, 0);
		assert_true(path.answer.n_datagrams >= 2);
		assert_true(path.answer.longest_bytes <= path.f.port.max_payload_bytes - 20u);
	}
}

// Flags: padding and a trace id change nothing, as-of reads of a set without history are refused.
static void flags(void **state)
{
	static const struct {
		uint16_t flags;
		enum mr_wire_result result;
	} cases[] = {
		{0, MR_WIRE_RESULT_OK},
		{MR_WIRE_F_PADDED, MR_WIRE_RESULT_OK},
		{MR_WIRE_F_TRACE, MR_WIRE_RESULT_OK},
		{MR_WIRE_F_TRACE | MR_WIRE_F_PADDED, MR_WIRE_RESULT_OK},
		{0x8000, MR_WIRE_RESULT_OK},
		{MR_WIRE_F_ASOF, MR_WIRE_RESULT_UNSUPPORTED},
		{MR_WIRE_F_ASOF | MR_WIRE_F_STRONG | MR_WIRE_F_TRACE, MR_WIRE_RESULT_UNSUPPORTED},
	};
	unsigned bytes = path_row_make(&path, PATH_TEXT, 10, row), keys[] = {1, 2, 3, 900};

	(void)state;
	path_put(&path, PATH_TEXT, 1, PATH_CACHE, PATH_NOW_US, row, bytes);
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		// A miss in each case, so that the request crosses the ring with its flags.
		uint8_t key[4][MR_KEY_MAX_BYTES], request[1024];
		struct mr_wire_key wire[4];
		struct mr_wire_ask ask = {.request_id = ++path.request_id,
			.view = PATH_TEXT,
			.flags = cases[c].flags,
			.trace_id = 77,
			.as_of_us = 5};
		int n;

		keys[1] = 20 + c;
		path_put(&path, PATH_TEXT, 20 + c, PATH_STORE, PATH_NOW_US, row, bytes);
		for (unsigned i = 0; i < 4; i++)
			wire[i] = (struct mr_wire_key){
				key[i], (uint8_t)path_key(&path, PATH_TEXT, keys[i], key[i])};
		n = mr_wire_get_encode(request, sizeof(request), &ask, wire, 4);
		assert_int_equal(path_ask(&path, request, (unsigned)n), cases[c].result);
		if (cases[c].result == MR_WIRE_RESULT_OK)
			path_check(&path, PATH_TEXT, keys, 4, 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_outcome, setup, teardown),
		cmocka_unit_test_setup_teardown(each_outcome_after_many_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_miss_becomes_a_hit, setup, teardown),
		cmocka_unit_test(replies_of_any_length),
		cmocka_unit_test_setup_teardown(rows_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(one_bad_key, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_of_another_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(over_ip6, setup, teardown),
		cmocka_unit_test_setup_teardown(flags, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
