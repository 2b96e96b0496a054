// SPDX-License-Identifier: BSD-3-Clause
//
// Strong and as-of GETs over the whole path. The linker puts __wrap_mr_store_snapshot_take() behind
// the I/O lcore, so that a test can write before a snapshot and between it and the reads at it.
#include "path_util.h"

#include <stdlib.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES], other[MR_ROW_MAX_BYTES], request[4096];
static unsigned row_bytes, other_bytes;

static void (*before_snapshot)(void), (*after_snapshot)(void);
static bool no_snapshot;

struct mr_store_snapshot *__real_mr_store_snapshot_take(struct mr_store *store);
struct mr_store_snapshot *__wrap_mr_store_snapshot_take(struct mr_store *store);

static void run_once(void (**hook)(void))
{
	void (*fn)(void) = *hook;

	*hook = NULL;
	if (fn != NULL)
		fn();
}

struct mr_store_snapshot *__wrap_mr_store_snapshot_take(struct mr_store *store)
{
	struct mr_store_snapshot *snapshot;

	run_once(&before_snapshot);
	snapshot = no_snapshot ? NULL : __real_mr_store_snapshot_take(store);
	run_once(&after_snapshot);
	return snapshot;
}

static int setup(void **state)
{
	(void)state;
	before_snapshot = NULL;
	after_snapshot = NULL;
	no_snapshot = false;
	path_begin(&path, &(struct mr_fixture_params){.n_io = 2, .handoff_depth = 2});
	row_bytes = path_row_make(&path, PATH_ITEM, 10, row);
	other_bytes = path_row_make(&path, PATH_ITEM, 12, other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	path_end(&path);
	return 0;
}

static unsigned get(
	unsigned set, uint16_t flags, uint64_t as_of_us, const unsigned *keys, unsigned n)
{
	static uint8_t bytes[MR_WIRE_KEYS_MAX][MR_KEY_MAX_BYTES];
	struct mr_wire_ask ask = {.request_id = ++path.request_id,
		.view = (uint16_t)set,
		.flags = flags,
		.as_of_us = as_of_us};
	struct mr_wire_key wire[MR_WIRE_KEYS_MAX];
	int length;

	for (unsigned i = 0; i < n; i++)
		wire[i] = (struct mr_wire_key){
			bytes[i], (uint8_t)path_key(&path, set, keys[i], bytes[i])};
	length = mr_wire_get_encode(request, sizeof(request), &ask, wire, n);
	assert_true(length > 0);
	return (unsigned)length;
}

static void strong_checked(const unsigned *keys, unsigned n)
{
	assert_int_equal(path_ask(&path, request, get(PATH_ITEM, MR_WIRE_F_STRONG, 0, keys, n)),
		MR_WIRE_RESULT_OK);
	path_check(&path, PATH_ITEM, keys, n, 0);
}

// Hits, misses, deleted, expired, absent: as a fast read, but never from the cache.
static void the_store_answers(void **state)
{
	unsigned keys[] = {1, 2, 3, 4, 900};
	struct path_row *cached = &path.rows[PATH_ITEM][1];

	(void)state;
	path_put(&path, PATH_ITEM, 1, PATH_STORE, PATH_NOW_US, row, row_bytes);
	path_put(&path, PATH_ITEM, 2, PATH_STORE, PATH_NOW_US, other, other_bytes);
	path_put(&path, PATH_ITEM, 3, PATH_STORE, PATH_NOW_US, NULL, 0);
	path_put(&path, PATH_ITEM, 4, PATH_STORE, PATH_NOW_US - 2 * PATH_HOUR_US, row, row_bytes);
	for (unsigned turn = 0; turn < 3; turn++)
		strong_checked(keys, MR_ARRAY_SIZE(keys));
	assert_int_equal(mr_fixture_rx_count(&path.f, hits), 0);
	assert_int_equal(mr_fixture_io_count(&path.f, strong), 3);
	// What only the cache has is of no state of the store.
	path_put(&path, PATH_ITEM, 1, PATH_CACHE, PATH_NOW_US + 1, other, other_bytes);
	assert_int_equal(path_ask(&path, request, get(PATH_ITEM, MR_WIRE_F_STRONG, 0, keys, 1)),
		MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].event_time_us, PATH_NOW_US);
	assert_int_equal(cached->event_time_us, PATH_NOW_US + 1);
}

// An I/O lcore's turn cannot be taken inside its own: the write goes the way another lcore's would.
static void write_both(void)
{
	path_put(&path, PATH_ITEM, 1, PATH_STORE, PATH_NOW_US + 5, other, other_bytes);
	path_put(&path, PATH_ITEM, 2, PATH_STORE, PATH_NOW_US + 5, other, other_bytes);
}

static void one_snapshot(void **state)
{
	unsigned keys[] = {1, 2};

	(void)state;
	path_put(&path, PATH_ITEM, 1, PATH_STORE, PATH_NOW_US, row, row_bytes);
	path_put(&path, PATH_ITEM, 2, PATH_STORE, PATH_NOW_US, row, row_bytes);
	after_snapshot = write_both;
	assert_int_equal(path_ask(&path, request, get(PATH_ITEM, MR_WIRE_F_STRONG, 0, keys, 2)),
		MR_WIRE_RESULT_OK);
	assert_null(after_snapshot);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(path.answer.got[i].event_time_us, PATH_NOW_US);
	strong_checked(keys, 2);
}

// One key is there, the other is new: the filter may rule it out only for what the snapshot sees.
static void one_snapshot_of_new_keys(void **state)
{
	unsigned keys[] = {1, 2, 3};

	(void)state;
	path_put(&path, PATH_ITEM, 1, PATH_STORE, PATH_NOW_US, row, row_bytes);
	before_snapshot = write_both;
	strong_checked(keys, 3);
	assert_null(before_snapshot);
	assert_int_equal(path.answer.got[0].event_time_us, PATH_NOW_US + 5);
	assert_int_equal(path.answer.got[1].event_time_us, PATH_NOW_US + 5);
	assert_int_equal(path.answer.got[2].status, MR_STATUS_NOT_FOUND);
	assert_int_equal(mr_fixture_io_count(&path.f, negatives), 1);
}

// A strong read that follows an acknowledgement sees the write, wherever it lands.
static void behind_an_acknowledgement(void **state)
{
	unsigned keys[20];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		keys[i] = i;
		path_put(&path, PATH_ITEM, i, PATH_STORE, PATH_NOW_US, row, row_bytes);
		path_get_checked(&path, PATH_ITEM, &i, 1);
		assert_int_equal(path_write_one(&path, PATH_ITEM, i, PATH_NOW_US + i + 1, other,
					 other_bytes),
			MR_STATUS_OK);
		path.rows[PATH_ITEM][i].event_time_us = PATH_NOW_US + i + 1;
		path.rows[PATH_ITEM][i].row = realloc(path.rows[PATH_ITEM][i].row, other_bytes);
		memcpy(path.rows[PATH_ITEM][i].row, other, other_bytes);
		path.rows[PATH_ITEM][i].bytes = other_bytes;
		strong_checked(keys, i + 1);
		path_get_checked(&path, PATH_ITEM, keys, i + 1);
	}
}

static void without_memory_for_a_snapshot(void **state)
{
	unsigned keys[] = {1, 2};

	(void)state;
	path_put(&path, PATH_ITEM, 1, PATH_STORE, PATH_NOW_US, row, row_bytes);
	path_put(&path, PATH_ITEM, 2, PATH_STORE, PATH_NOW_US, row, row_bytes);
	no_snapshot = true;
	assert_int_equal(path_ask(&path, request, get(PATH_ITEM, MR_WIRE_F_STRONG, 0, keys, 2)),
		MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_ERROR);
	assert_int_equal(path.answer.got[1].status, MR_STATUS_ERROR);
	no_snapshot = false;
	strong_checked(keys, 2);
}

// ---- as of a time
// --------------------------------------------------------------------------------

#define LONG_AGO (PATH_NOW_US - 10 * PATH_HOUR_US)

static void as_of(void **state)
{
	static const struct {
		uint64_t as_of_us;
		enum mr_status status;
		uint64_t event_time_us;
	} cases[] = {
		{LONG_AGO - 1, MR_STATUS_NOT_FOUND, 0},
		{LONG_AGO, MR_STATUS_OK, LONG_AGO},
		{LONG_AGO + 9, MR_STATUS_OK, LONG_AGO},
		{LONG_AGO + 10, MR_STATUS_OK, LONG_AGO + 10},
		{LONG_AGO + 20, MR_STATUS_NOT_FOUND, 0},
		{LONG_AGO + 30, MR_STATUS_OK, LONG_AGO + 30},
		{LONG_AGO + 30 + PATH_HOUR_US, MR_STATUS_OK, LONG_AGO + 30},
		{LONG_AGO + 31 + PATH_HOUR_US, MR_STATUS_EXPIRED, LONG_AGO + 30},
		{PATH_NOW_US, MR_STATUS_EXPIRED, LONG_AGO + 30},
		{UINT64_MAX, MR_STATUS_EXPIRED, LONG_AGO + 30},
	};
	unsigned key = 7;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(path_write_one(&path, PATH_ITEM, key, LONG_AGO + 10 * i,
					 i == 2  ? NULL
					 : i % 2 ? other
						 : row,
					 i == 2  ? 0
					 : i % 2 ? other_bytes
						 : row_bytes),
			MR_STATUS_OK);
	assert_int_equal(path_write_one(&path, PATH_ITEM, key, LONG_AGO + 15, row, row_bytes),
		MR_STATUS_SUPERSEDED);
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		assert_int_equal(
			path_ask(&path, request,
				get(PATH_ITEM, MR_WIRE_F_ASOF, cases[c].as_of_us, &key, 1)),
			MR_WIRE_RESULT_OK);
		assert_int_equal(path.answer.got[0].status, cases[c].status);
		assert_int_equal(path.answer.got[0].event_time_us, cases[c].event_time_us);
	}
	// The cache has learned nothing from the past.
	assert_int_equal(path_get_one(&path, PATH_ITEM, key), MR_STATUS_EXPIRED);
}

static void as_of_refused(void **state)
{
	static const struct {
		unsigned set;
		uint64_t as_of_us;
		enum mr_wire_result result;
	} cases[] = {
		{PATH_USER, PATH_NOW_US, MR_WIRE_RESULT_UNSUPPORTED},
		{PATH_ITEM, PATH_NOW_US - 24 * PATH_HOUR_US - 1, MR_WIRE_RESULT_UNSUPPORTED},
		{PATH_ITEM, PATH_NOW_US - 24 * PATH_HOUR_US, MR_WIRE_RESULT_OK},
		{PATH_ITEM, 0, MR_WIRE_RESULT_UNSUPPORTED},
		{PATH_VIEW_FOUR, PATH_NOW_US, MR_WIRE_RESULT_UNSUPPORTED},
	};
	unsigned key = 7;

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		unsigned n = get(PATH_ITEM, MR_WIRE_F_ASOF, cases[c].as_of_us, &key, 1);

		mr_store_le16(request + offsetof(struct mr_wire_req, view), (uint16_t)cases[c].set);
		assert_int_equal(path_ask(&path, request, n), cases[c].result);
	}
}

// Fast, strong and as-of requests and writes in one burst: each is answered by its own rules.
static void mixed_burst(void **state)
{
	struct rte_mbuf *frames[40], *m;
	unsigned keys[] = {3, 4, 5}, answers = 0;
	uint64_t first = path.request_id + 1;

	(void)state;
	path_end(&path);
	path_begin(&path, &(struct mr_fixture_params){.n_io = 1});
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			path_write_one(&path, PATH_ITEM, keys[i], PATH_NOW_US - 10, row, row_bytes),
			MR_STATUS_OK);
	first = path.request_id + 1;
	for (unsigned i = 0; i < 40; i++) {
		struct path_write write = {3, PATH_NOW_US + i, other, other_bytes};
		unsigned n = i % 4 == 3 ? path_write(&path, request, sizeof(request),
						  MR_WIRE_OP_PUT, PATH_ITEM, &write, 1)
		                        : get(PATH_ITEM,
						  i % 4 == 0   ? 0
						  : i % 4 == 1 ? MR_WIRE_F_STRONG
							       : MR_WIRE_F_ASOF,
						  PATH_NOW_US - 10 + i % 3 - 1, keys, 3);

		frames[i] = mr_fixture_frame(&path.f, request, n);
	}
	assert_int_equal(mr_fixture_send(&path.f, 0, frames, 40), 40);
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		unsigned bytes, i;
		const uint8_t *payload = mr_fixture_payload(m, &bytes);
		bool past;

		mr_answer_clear(&path.answer);
		assert_int_equal(mr_answer_take(&path.answer, payload, bytes), 0);
		i = (unsigned)(path.answer.request_id - first);
		past = i % 4 == 2 && i % 3 == 0;
		assert_int_equal(path.answer.result, MR_WIRE_RESULT_OK);
		for (unsigned k = 1; k < path.answer.n; k++)
			assert_int_equal(path.answer.got[k].status,
				past ? MR_STATUS_NOT_FOUND : MR_STATUS_OK);
		if (i % 4 == 2 && !past)
			assert_int_equal(path.answer.got[0].event_time_us, PATH_NOW_US - 10);
		answers++;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(answers, 40);
}

// A full ring: the whole request is shed, since half of a snapshot is none.
static void shed(void **state)
{
	struct rte_mbuf *frames[32], *m;
	unsigned keys[] = {1, 2}, busy = 0, ok = 0;

	(void)state;
	path_put(&path, PATH_ITEM, 1, PATH_CACHE, PATH_NOW_US, row, row_bytes);
	for (unsigned i = 0; i < 32; i++) {
		unsigned n = get(PATH_ITEM, MR_WIRE_F_STRONG, 0, keys, 2);

		frames[i] = mr_fixture_frame(&path.f, request, n);
	}
	assert_int_equal(mr_fixture_send(&path.f, 0, frames, 32), 32);
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		unsigned bytes;
		const uint8_t *payload = mr_fixture_payload(m, &bytes);

		mr_answer_clear(&path.answer);
		assert_int_equal(mr_answer_take(&path.answer, payload, bytes), 0);
		busy += path.answer.result == MR_WIRE_RESULT_BUSY;
		ok += path.answer.result == MR_WIRE_RESULT_OK;
		rte_pktmbuf_free(m);
	}
	assert_true(busy > 0);
	assert_int_equal(busy + ok, 32);
	assert_int_equal(mr_fixture_rx_count(&path.f, shed), busy);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_store_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(one_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(one_snapshot_of_new_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_an_acknowledgement, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_for_a_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(as_of, setup, teardown),
		cmocka_unit_test_setup_teardown(as_of_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(mixed_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(shed, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
