// SPDX-License-Identifier: BSD-3-Clause
//
// What an I/O lcore does not do: write rows of the far future, wait for a store that fails, serve
// requests that waited too long. The linker puts the __wrap functions between it and the store.
#include "path_util.h"

#include <errno.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES];
static unsigned row_bytes;

// ---- between the I/O lcore and the store
// ---------------------------------------------------------

static int reads_fail_with;
static unsigned n_reads, n_commits;

int __real_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __real_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);
int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);

int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	int ret = __real_mr_store_read(reader, gets, n);

	n_reads++;
	for (unsigned i = 0; i < n && reads_fail_with != 0; i++)
		gets[i].result = (int8_t)reads_fail_with;
	return ret;
}

int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err)
{
	n_commits++;
	return __real_mr_store_commit(store, puts, n, sync, err);
}

static void begin(const struct mr_fixture_params *params)
{
	reads_fail_with = 0;
	n_reads = 0;
	n_commits = 0;
	path_begin(&path, params);
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
}

// ---- event times
// ---------------------------------------------------------------------------------

static void the_far_future(void **state)
{
	const struct {
		uint64_t event_time_us;
		enum mr_status status;
	} cases[] = {
		{0, MR_STATUS_OK},
		{PATH_NOW_US, MR_STATUS_OK},
		{PATH_NOW_US + PATH_HOUR_US, MR_STATUS_OK},
		{PATH_NOW_US + PATH_HOUR_US + 1, MR_STATUS_BAD_ROW},
		{UINT64_MAX, MR_STATUS_BAD_ROW},
	};

	(void)state;
	begin(&(struct mr_fixture_params){.future_max_us = PATH_HOUR_US});
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		bool taken = cases[c].status == MR_STATUS_OK;

		assert_int_equal(
			path_write_one(&path, PATH_USER, c, cases[c].event_time_us, row, row_bytes),
			cases[c].status);
		assert_int_equal(path_get_one(&path, PATH_USER, c),
			taken ? MR_STATUS_OK : MR_STATUS_NOT_FOUND);
		// A delete of the far future would be as hard to undo.
		assert_int_equal(
			path_write_one(&path, PATH_USER, 10 + c, cases[c].event_time_us, NULL, 0),
			cases[c].status);
	}
	assert_int_equal(mr_fixture_io_count(&path.f, rows_future), 4);
	assert_int_equal(mr_fixture_io_count(&path.f, rows_refused), 4);
	path_end(&path);
}

// ---- breaker
// -------------------------------------------------------------------------------------

#define FAILURES 3u

static void stored(unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		path_put(&path, PATH_USER, i, PATH_STORE, PATH_NOW_US, row, row_bytes);
}

static void breaker(void **state)
{
	unsigned cached = 50, absent = 300, before;

	(void)state;
	begin(&(struct mr_fixture_params){.breaker_failures = FAILURES});
	stored(0, 60);
	assert_int_equal(path_get_one(&path, PATH_USER, cached), MR_STATUS_OK);
	reads_fail_with = -EIO;
	for (unsigned i = 0; i < FAILURES; i++)
		assert_int_equal(path_get_one(&path, PATH_USER, i), MR_STATUS_ERROR);
	// Open: misses and writes that need a row are turned away, memory serves on.
	before = n_reads;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(path_get_one(&path, PATH_USER, i), MR_STATUS_DEGRADED);
		assert_int_equal(path_get_one(&path, PATH_USER, cached), MR_STATUS_OK);
		assert_int_equal(path_get_one(&path, PATH_USER, absent), MR_STATUS_NOT_FOUND);
		assert_int_equal(
			path_write_one(&path, PATH_USER, i, PATH_NOW_US + 1, row, row_bytes),
			MR_STATUS_DEGRADED);
	}
	assert_int_equal(n_reads, before);
	assert_int_equal(n_commits, 60);
	assert_int_equal(mr_fixture_io_count(&path.f, breaker_opened), 1);
	// A probe that fails keeps it open for as long again.
	mr_fixture_set_time(&path.f, PATH_NOW_US + 1000000);
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_ERROR);
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_DEGRADED);
	assert_int_equal(n_reads, before + 1);
	// One that succeeds closes it.
	reads_fail_with = 0;
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_DEGRADED);
	mr_fixture_set_time(&path.f, PATH_NOW_US + 2000000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(path_get_one(&path, PATH_USER, i), MR_STATUS_OK);
	assert_int_equal(mr_fixture_io_count(&path.f, breaker_opened), 1);
	path_end(&path);
}

// Damaged rows, and failures with successes between them, do not open it.
static void not_for_damage(void **state)
{
	(void)state;
	begin(&(struct mr_fixture_params){.breaker_failures = FAILURES});
	stored(0, 60);
	reads_fail_with = -EUCLEAN;
	for (unsigned i = 0; i < 3 * FAILURES; i++)
		assert_int_equal(path_get_one(&path, PATH_USER, i), MR_STATUS_ERROR);
	for (unsigned i = 0; i < 10 * FAILURES; i++) {
		reads_fail_with = i % FAILURES == 0 ? 0 : -EIO;
		assert_int_equal(path_get_one(&path, PATH_USER, 20 + i),
			reads_fail_with == 0 ? MR_STATUS_OK : MR_STATUS_ERROR);
	}
	assert_int_equal(mr_fixture_io_count(&path.f, breaker_opened), 0);
	path_end(&path);
}

// ---- age
// -----------------------------------------------------------------------------------------

static void too_old(void **state)
{
	unsigned keys[] = {1, 2, 300};
	uint8_t request[1024];

	(void)state;
	begin(&(struct mr_fixture_params){.age_max_us = 1});
	stored(1, 1);
	stored(2, 1);
	assert_int_equal(path_get_one(&path, PATH_USER, 2), MR_STATUS_OK);
	// From now on a cycle is a microsecond: every request is old when it arrives.
	path.f.clock.us_per_cycle = 1;
	assert_int_equal(path_ask(&path, request,
				 path_get(&path, request, sizeof(request), PATH_USER, keys, 3)),
		MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.got[0].status, MR_STATUS_BUSY);
	assert_int_equal(path.answer.got[1].status, MR_STATUS_OK);
	assert_int_equal(path.answer.got[2].status, MR_STATUS_NOT_FOUND);
	assert_int_equal(path_write_one(&path, PATH_USER, 1, PATH_NOW_US + 1, row, row_bytes),
		MR_STATUS_BUSY);
	path.f.clock.us_per_cycle = 0;
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_OK);
	assert_int_equal(mr_fixture_io_count(&path.f, shed), 2);
	path_end(&path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_far_future),
		cmocka_unit_test(breaker),
		cmocka_unit_test(not_for_damage),
		cmocka_unit_test(too_old),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
