// SPDX-License-Identifier: BSD-3-Clause
//
// PUT and DELETE over the whole path: which write wins, what is acknowledged, and what readers see
// meanwhile. The linker puts the __wrap functions below between the I/O lcore and the store, so
// that a test can act between a read and the fill after it, and let a commit fail.
#include "path_util.h"

#include <errno.h>
#include <stdlib.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES], other[MR_ROW_MAX_BYTES];
static unsigned row_bytes, other_bytes;

// ---- between the I/O lcore and the store
// ---------------------------------------------------------

static void (*after_read)(void);
static int commit_fails_with;

int __real_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __real_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);
int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);

int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	int ret = __real_mr_store_read(reader, gets, n);
	void (*hook)(void) = after_read;

	after_read = NULL;
	if (hook != NULL)
		hook();
	return ret;
}

int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err)
{
	if (commit_fails_with != 0)
		return commit_fails_with;
	return __real_mr_store_commit(store, puts, n, sync, err);
}

// ---- fixture
// -------------------------------------------------------------------------------------

static int setup(void **state)
{
	(void)state;
	after_read = NULL;
	commit_fails_with = 0;
	path_begin(&path, &(struct mr_fixture_params){.n_io = 2});
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	other_bytes = path_row_make(&path, PATH_USER, 12, other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	path_end(&path);
	return 0;
}

static void note(unsigned set, unsigned key, uint64_t time, const uint8_t *what, unsigned bytes)
{
	struct path_row *at = &path.rows[set][key];

	free(at->row);
	*at = (struct path_row){true, what == NULL, time, bytes, malloc(bytes + 1u)};
	if (what != NULL)
		memcpy(at->row, what, bytes);
}

static void expect(unsigned set, unsigned key)
{
	path_get_checked(&path, (uint16_t)set, &key, 1);
}

// ---- which write wins
// ----------------------------------------------------------------------------

enum what {
	ROW,
	OTHER, //!< compares greater than ROW, in bytes
	GONE,
};

struct event {
	unsigned time; //!< 0: there is none
	enum what what;
};

static enum mr_status write_event(unsigned set, unsigned key, struct event e)
{
	const uint8_t *bytes = e.what == ROW ? row : other;

	return path_write_one(&path, set, key, PATH_NOW_US + e.time, e.what == GONE ? NULL : bytes,
		e.what == GONE  ? 0
		: e.what == ROW ? row_bytes
				: other_bytes);
}

static void note_event(unsigned set, unsigned key, struct event e)
{
	note(set, key, PATH_NOW_US + e.time,
		e.what == GONE  ? NULL
		: e.what == ROW ? row
				: other,
		e.what == GONE  ? 0
		: e.what == ROW ? row_bytes
				: other_bytes);
}

static const struct {
	const char *what;
	struct event first, second;
	enum mr_status status; // of the second
} orders[] = {
	{"new", {0, ROW}, {5, ROW}, MR_STATUS_OK},
	{"delete of nothing", {0, ROW}, {5, GONE}, MR_STATUS_OK},
	{"newer", {5, ROW}, {6, OTHER}, MR_STATUS_OK},
	{"older", {5, ROW}, {4, OTHER}, MR_STATUS_SUPERSEDED},
	{"newer delete", {5, ROW}, {6, GONE}, MR_STATUS_OK},
	{"older delete", {5, ROW}, {4, GONE}, MR_STATUS_SUPERSEDED},
	{"newer row after delete", {5, GONE}, {6, ROW}, MR_STATUS_OK},
	{"older row after delete", {5, GONE}, {4, ROW}, MR_STATUS_SUPERSEDED},
	{"tie, greater bytes", {5, ROW}, {5, OTHER}, MR_STATUS_OK},
	{"tie, lesser bytes", {5, OTHER}, {5, ROW}, MR_STATUS_SUPERSEDED},
	{"tie, delete", {5, OTHER}, {5, GONE}, MR_STATUS_OK},
	{"tie, row after delete", {5, GONE}, {5, OTHER}, MR_STATUS_SUPERSEDED},
	{"the same row again", {5, ROW}, {5, ROW}, MR_STATUS_OK},
	{"the same delete again", {5, GONE}, {5, GONE}, MR_STATUS_OK},
};

static void make_other_greater(void)
{
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	do
		other_bytes = path_row_make(&path, PATH_USER, 10, other);
	while (memcmp(other, row, MR_MIN(row_bytes, other_bytes)) <= 0);
}

// Whichever way the key was known before: not at all, to the store only, to the cache.
static void one_after_another(void **state)
{
	(void)state;
	make_other_greater();
	for (unsigned c = 0; c < MR_ARRAY_SIZE(orders); c++) {
		for (unsigned cached = 0; cached < 2; cached++) {
			unsigned key = 2 * c + cached;
			bool wins = orders[c].status == MR_STATUS_OK;

			print_message("%s%s\n", orders[c].what, cached ? ", cached" : "");
			if (orders[c].first.time != 0) {
				assert_int_equal(
					write_event(PATH_USER, key, orders[c].first), MR_STATUS_OK);
				note_event(PATH_USER, key, orders[c].first);
			}
			if (cached)
				expect(PATH_USER, key);
			assert_int_equal(
				write_event(PATH_USER, key, orders[c].second), orders[c].status);
			note_event(PATH_USER, key, wins ? orders[c].second : orders[c].first);
			for (unsigned turn = 0; turn < 3; turn++)
				expect(PATH_USER, key);
		}
	}
}

static unsigned put_pair(
	uint8_t *request, unsigned room, unsigned key, struct event a, struct event b)
{
	struct path_write writes[2] = {
		{key, PATH_NOW_US + a.time, a.what == ROW ? row : other,
			a.what == ROW ? row_bytes : other_bytes},
		{key, PATH_NOW_US + b.time, b.what == ROW ? row : other,
			b.what == ROW ? row_bytes : other_bytes},
	};

	return path_write(&path, request, room, MR_WIRE_OP_PUT, PATH_USER, writes, 2);
}

// The same pairs in one datagram, both ways round. A record that loses to its neighbour is
// SUPERSEDED, one that equals it shares its fate.
static void together(void **state)
{
	static uint8_t request[2048];

	(void)state;
	make_other_greater();
	for (unsigned c = 0; c < MR_ARRAY_SIZE(orders); c++) {
		struct event a = orders[c].first, b = orders[c].second;
		bool same = a.time == b.time && a.what == b.what;
		bool b_wins = orders[c].status == MR_STATUS_OK && !same;

		if (a.time == 0 || a.what == GONE || b.what == GONE)
			continue;
		for (unsigned swap = 0; swap < 2; swap++) {
			unsigned key = 2 * c + swap, n;

			n = put_pair(request, sizeof(request), key, swap ? b : a, swap ? a : b);
			assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
			assert_int_equal(path.answer.got[swap].status,
				same || !b_wins ? MR_STATUS_OK : MR_STATUS_SUPERSEDED);
			assert_int_equal(path.answer.got[!swap].status,
				same || b_wins ? MR_STATUS_OK : MR_STATUS_SUPERSEDED);
			note_event(PATH_USER, key, b_wins ? b : a);
			expect(PATH_USER, key);
		}
	}
}

// Copies of a write that lose to what the store has all say so.
static void copies_share_the_fate_of_one(void **state)
{
	static uint8_t request[2048];
	struct event newer = {9, OTHER}, older = {5, ROW};
	unsigned n;

	(void)state;
	assert_int_equal(write_event(PATH_USER, 1, newer), MR_STATUS_OK);
	note_event(PATH_USER, 1, newer);
	n = put_pair(request, sizeof(request), 1, older, older);
	assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_SUPERSEDED);
	assert_int_equal(path.answer.got[1].status, MR_STATUS_SUPERSEDED);
	expect(PATH_USER, 1);
}

// A commit that failed is acknowledged to nobody, copies included, and nothing of it is cached.
static void a_commit_that_fails(void **state)
{
	static const struct {
		int error;
		enum mr_status status;
	} cases[] = {
		{-EIO, MR_STATUS_ERROR}, {-ENOSPC, MR_STATUS_ERROR}, {-EROFS, MR_STATUS_DEGRADED}};
	static uint8_t request[2048];
	struct event before = {1, ROW}, after = {5, OTHER};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		unsigned n;

		assert_int_equal(write_event(PATH_USER, c, before), MR_STATUS_OK);
		note_event(PATH_USER, c, before);
		expect(PATH_USER, c);
		commit_fails_with = cases[c].error;
		n = put_pair(request, sizeof(request), c, after, after);
		assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
		assert_int_equal(path.answer.got[0].status, cases[c].status);
		assert_int_equal(path.answer.got[1].status, cases[c].status);
		commit_fails_with = 0;
		expect(PATH_USER, c);
	}
	// Nor is what is behind such a record superseded: nothing newer is there.
	commit_fails_with = -EIO;
	assert_int_equal(
		path_ask(&path, request, put_pair(request, sizeof(request), 20, before, after)),
		MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_ERROR);
	assert_int_equal(path.answer.got[1].status, MR_STATUS_ERROR);
	commit_fails_with = 0;
	expect(PATH_USER, 20);
	assert_int_equal(mr_fixture_io_count(&path.f, commit_errors), 4);
}

// Writes of one key in datagrams of their own that one burst carries, to one or two I/O lcores.
static void one_burst(void **state)
{
	static uint8_t request[2048];
	struct rte_mbuf *frames[32], *m;
	unsigned newest = 0, n_ok = 0;

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		struct event e = {1 + i * 7 % 32, i % 2 ? ROW : OTHER};
		struct path_write write = {3, PATH_NOW_US + e.time, i % 2 ? row : other,
			i % 2 ? row_bytes : other_bytes};
		unsigned n = path_write(
			&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, &write, 1);

		frames[i] = mr_fixture_frame(&path.f, request, n);
		if (e.time > newest) {
			newest = e.time;
			note_event(PATH_USER, 3, e);
		}
	}
	assert_int_equal(mr_fixture_send(&path.f, 0, frames, 32), 32);
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		unsigned bytes;
		const uint8_t *payload = mr_fixture_payload(m, &bytes);

		mr_answer_clear(&path.answer);
		assert_int_equal(mr_answer_take(&path.answer, payload, bytes), 0);
		n_ok += path.answer.got[0].status == MR_STATUS_OK;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(n_ok, 1);
	expect(PATH_USER, 3);
}

// ---- group commit
// --------------------------------------------------------------------------------

static int setup_group(void **state)
{
	(void)state;
	after_read = NULL;
	commit_fails_with = 0;
	path_begin(&path, &(struct mr_fixture_params){.group_rows = 8, .group_age_us = 1000000});
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	return 0;
}

static unsigned take_acknowledgements(void)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		unsigned bytes;
		const uint8_t *payload = mr_fixture_payload(m, &bytes);

		mr_answer_clear(&path.answer);
		assert_int_equal(mr_answer_take(&path.answer, payload, bytes), 0);
		assert_int_equal(path.answer.got[0].status, MR_STATUS_OK);
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

// A lone write is not kept waiting. Writes that come one behind the other are, until they are as
// many as a group may be or the oldest has waited for long enough; reads overtake them.
static void a_group(void **state)
{
	enum { WRITES = 60 };
	static uint8_t request[2048];
	unsigned n_acknowledged = 0;

	(void)state;
	assert_int_equal(
		path_write_one(&path, PATH_USER, 0, PATH_NOW_US, row, row_bytes), MR_STATUS_OK);
	assert_int_equal(mr_fixture_io_count(&path.f, commits_waited), 0);
	note(PATH_USER, 0, PATH_NOW_US, row, row_bytes);
	for (unsigned i = 1; i <= WRITES; i++) {
		struct path_write write = {i, PATH_NOW_US, row, row_bytes};
		unsigned n = path_write(
			&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, &write, 1);
		struct rte_mbuf *m = mr_fixture_frame(&path.f, request, n);

		assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
		mr_rx_turn(path.f.rx[0]);
		mr_io_turn(path.f.io[0]);
		mr_rx_turn(path.f.rx[0]);
		n_acknowledged += take_acknowledgements();
		note(PATH_USER, i, PATH_NOW_US, row, row_bytes);
	}
	assert_true(n_acknowledged < WRITES);
	assert_true(mr_fixture_io_count(&path.f, commits_of_8) > 0);
	assert_int_equal(mr_fixture_io_count(&path.f, commits_of_64), 0);
	// What is left goes when its time is up.
	mr_fixture_settle(&path.f);
	n_acknowledged += take_acknowledgements();
	assert_int_equal(n_acknowledged, WRITES);
	assert_int_equal(mr_fixture_io_count(&path.f, rows_written), WRITES + 1);
	for (unsigned i = 0; i <= WRITES; i++)
		expect(PATH_USER, i);
}

// ---- what is refused
// -----------------------------------------------------------------------------

static void refusals(void **state)
{
	const struct mr_schema *schema = path_schema(&path, PATH_USER);
	const struct {
		const char *what;
		uint16_t set;
		uint32_t layout;
		uint16_t version;
		unsigned key_bytes, row_cut;
		enum mr_wire_result result;
		enum mr_status status;
	} cases[] = {
		{"good", 1, schema->layout, 0, 8, 0, MR_WIRE_RESULT_OK, MR_STATUS_OK},
		{"its version named", 1, schema->layout, 1, 8, 0, MR_WIRE_RESULT_OK, MR_STATUS_OK},
		{"another version", 1, schema->layout, 2, 8, 0, MR_WIRE_RESULT_UNKNOWN_VIEW, 0},
		{"no such set", 99, schema->layout, 0, 8, 0, MR_WIRE_RESULT_UNKNOWN_VIEW, 0},
		{"a view", PATH_VIEW_FOUR, schema->layout, 0, 8, 0, MR_WIRE_RESULT_UNKNOWN_VIEW, 0},
		{"stale layout", 1, schema->layout ^ 1, 0, 8, 0, MR_WIRE_RESULT_STALE_LAYOUT, 0},
		{"short key", 1, schema->layout, 0, 7, 0, MR_WIRE_RESULT_OK, MR_STATUS_BAD_KEY},
		{"long key", 1, schema->layout, 0, 255, 0, MR_WIRE_RESULT_OK, MR_STATUS_BAD_KEY},
		{"short row", 1, schema->layout, 0, 8, 1, MR_WIRE_RESULT_OK, MR_STATUS_BAD_ROW},
		{"no row", 1, schema->layout, 0, 8, 10000, MR_WIRE_RESULT_OK, MR_STATUS_BAD_ROW},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_wire_ask ask = {.request_id = c, .view = cases[c].set};
		static const uint8_t key[255] = {1};
		struct mr_wire_row good = {
			PATH_NOW_US + c, (const uint8_t *)"neighbor", row, (uint16_t)row_bytes, 8};
		struct mr_wire_row record = {PATH_NOW_US + c, key, row,
			(uint16_t)(row_bytes - MR_MIN(row_bytes, cases[c].row_cut)),
			(uint8_t)cases[c].key_bytes};
		uint8_t request[1024];
		struct mr_wire_writer w;

		print_message("%s\n", cases[c].what);
		mr_wire_write_begin(&w, request, sizeof(request), MR_WIRE_OP_PUT, &ask,
			cases[c].layout, cases[c].version);
		assert_int_equal(mr_wire_write_add(&w, &record), 0);
		assert_int_equal(mr_wire_write_add(&w, &good), 0);
		assert_int_equal(
			path_ask(&path, request, (unsigned)mr_wire_write_end(&w)), cases[c].result);
		if (cases[c].result != MR_WIRE_RESULT_OK)
			continue;
		assert_int_equal(path.answer.got[0].status, cases[c].status);
		// Its neighbour is written all the same.
		assert_int_equal(path.answer.got[1].status, MR_STATUS_OK);
	}
	assert_int_equal(mr_fixture_io_count(&path.f, rows_refused), 4);
}

static void all_the_records_there_may_be(void **state)
{
	static uint8_t request[65535];
	struct path_write writes[MR_WIRE_KEYS_MAX];
	unsigned keys[MR_WIRE_KEYS_MAX], n;

	(void)state;
	path_end(&path);
	path_begin(&path, &(struct mr_fixture_params){.mtu_bytes = 32000, .n_mbufs = 1200});
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	for (unsigned i = 0; i < MR_WIRE_KEYS_MAX; i++) {
		keys[i] = i;
		writes[i] = (struct path_write){i, PATH_NOW_US, row, row_bytes};
		note(PATH_USER, i, PATH_NOW_US, row, row_bytes);
	}
	n = path_write(&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, writes, 255);
	assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.n, 255);
	assert_int_equal(path.answer.flags, MR_WIRE_R_DURABLE);
	for (unsigned i = 0; i < 255; i++)
		assert_int_equal(path.answer.got[i].status, MR_STATUS_OK);
	path_get_checked(&path, PATH_USER, keys, 255);
	for (unsigned i = 0; i < 255; i++) {
		writes[i] = (struct path_write){i, PATH_NOW_US + 1, NULL, 0};
		note(PATH_USER, i, PATH_NOW_US + 1, NULL, 0);
	}
	n = path_write(&path, request, sizeof(request), MR_WIRE_OP_DELETE, PATH_USER, writes, 255);
	assert_int_equal(path_ask(&path, request, n), MR_WIRE_RESULT_OK);
	path_get_checked(&path, PATH_USER, keys, 255);
}

// What the acknowledgement says of durability is what the set asked for.
static void durability(void **state)
{
	static const struct {
		unsigned set;
		uint16_t flags;
	} cases[] = {{PATH_USER, MR_WIRE_R_DURABLE}, {PATH_WAL, 0}};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		unsigned bytes = path_row_make(&path, cases[c].set, 10, row);

		assert_int_equal(path_write_one(&path, cases[c].set, 1, PATH_NOW_US, row, bytes),
			MR_STATUS_OK);
		assert_int_equal(path.answer.flags, cases[c].flags);
	}
}

// ---- reads around a write
// ------------------------------------------------------------------------

// Every read behind the acknowledgement finds the row, whatever memory knew of the key before.
static void read_after_acknowledgement(void **state)
{
	static const char *const known[] = {"absent", "stored", "cached", "tombstone cached"};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(known); c++) {
		print_message("%s\n", known[c]);
		if (c == 1 || c == 2)
			path_put(&path, PATH_USER, c, PATH_STORE, PATH_NOW_US, row, row_bytes);
		else if (c == 3)
			path_put(&path, PATH_USER, c, PATH_STORE, PATH_NOW_US, NULL, 0);
		if (c != 1)
			expect(PATH_USER, c);
		assert_int_equal(
			path_write_one(&path, PATH_USER, c, PATH_NOW_US + 1, other, other_bytes),
			MR_STATUS_OK);
		note(PATH_USER, c, PATH_NOW_US + 1, other, other_bytes);
		expect(PATH_USER, c);
		assert_int_equal(path_write_one(&path, PATH_USER, c, PATH_NOW_US + 2, NULL, 0),
			MR_STATUS_OK);
		note(PATH_USER, c, PATH_NOW_US + 2, NULL, 0);
		expect(PATH_USER, c);
		expect(PATH_USER, c);
	}
}

static void submit(const uint8_t *request, unsigned bytes)
{
	struct rte_mbuf *m = mr_fixture_frame(&path.f, request, bytes);

	assert_non_null(m);
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_rx_turn(path.f.rx[0]);
}

static unsigned io_of_waiting(void)
{
	return mr_handoff_waiting(&path.f.handoff, 0) > 0 ? 0 : 1;
}

static unsigned writer;

// Runs while the reader holds what it read and has not filled it in yet.
static void write_newer(void)
{
	assert_int_equal(mr_io_turn(path.f.io[writer]), 1);
}

// The reader's lcore reads the old row; before it fills the cache, the other lcore writes a newer
// one and is done. The late fill must be dropped: behind the acknowledgement nobody sees the old.
static void a_late_fill(void **state)
{
	uint8_t get[512], put[2048];
	unsigned stale = 0;

	(void)state;
	for (unsigned key = 0; key < 40; key++) {
		struct path_write write = {key, PATH_NOW_US + 1, other, other_bytes};
		bool delete = key % 2;
		unsigned n_get = path_get(&path, get, sizeof(get), PATH_USER, &key, 1), n_put;
		unsigned reader;

		if (delete)
			write = (struct path_write){key, PATH_NOW_US + 1, NULL, 0};
		n_put = path_write(&path, put, sizeof(put),
			delete ? MR_WIRE_OP_DELETE : MR_WIRE_OP_PUT, PATH_USER, &write, 1);
		path_put(&path, PATH_USER, key, PATH_STORE, PATH_NOW_US, row, row_bytes);
		submit(get, n_get);
		reader = io_of_waiting();
		submit(put, n_put);
		writer = !reader;
		if (mr_handoff_waiting(&path.f.handoff, reader) > 1) {
			mr_fixture_settle(&path.f); // both went to one lcore: not this test's case
		} else {
			after_read = write_newer;
			assert_int_equal(mr_io_turn(path.f.io[reader]), 1);
			assert_null(after_read);
			stale++;
			mr_fixture_settle(&path.f);
		}
		mr_answer_clear(&path.answer);
		for (struct rte_mbuf *m; mr_fixture_receive(&path.f, &m, 1) == 1;)
			rte_pktmbuf_free(m);
		note(PATH_USER, key, PATH_NOW_US + 1, delete ? NULL : other,
			delete ? 0 : other_bytes);
		expect(PATH_USER, key);
		expect(PATH_USER, key);
	}
	assert_true(stale > 4);
	assert_int_equal(mr_fixture_io_count(&path.f, fills_stale), stale);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_after_another, setup, teardown),
		cmocka_unit_test_setup_teardown(together, setup, teardown),
		cmocka_unit_test_setup_teardown(copies_share_the_fate_of_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(one_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(a_group, setup_group, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(all_the_records_there_may_be, setup, teardown),
		cmocka_unit_test_setup_teardown(durability, setup, teardown),
		cmocka_unit_test_setup_teardown(read_after_acknowledgement, setup, teardown),
		cmocka_unit_test_setup_teardown(a_late_fill, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
