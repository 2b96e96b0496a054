// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_fault.h"

#include "mr_bytes.h"
#include "mr_store_bulk.h"
#include "mr_store_feed.h"
#include "mr_store_trouble.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_disk.h"
#include "store_fixture.h"

// ---- a disk that fails -------------------------------------------------------------------------

static int try_put(
	struct mr_store *store, uint64_t key, uint64_t time_us, bool sync, struct mr_err *err)
{
	uint8_t row[100], be[8];
	struct mr_store_put put = {
		.space = 1,
		.key = be,
		.key_bytes = sizeof(be),
		.event_time_us = time_us,
		.row = row,
		.row_bytes = sizeof(row),
	};

	mr_store_be64(be, key);
	row_fill(row, sizeof(row), key ^ time_us);
	return mr_store_commit(store, &put, 1, sync, err);
}

// Promise 11: after a failed sync nothing is acknowledged any more, though the disk recovers.
static void test_failed_sync_is_final(void **state)
{
	static const int errnums[] = {EIO, ENOSPC};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(errnums); i++) {
		struct mr_store *store = store_open(dir);
		struct mr_err err = {""};
		uint64_t time_us;

		assert_int_equal(try_put(store, 1, 1, true, &err), 0);
		disk_fail(".log", errnums[i], 0);
		assert_int_equal(try_put(store, 1, 2, true, &err), -errnums[i]);
		assert_non_null(strstr(err.text, "sync"));
		disk_heal();
		for (unsigned j = 0; j < 3; j++) {
			assert_int_equal(try_put(store, 1, 3, j != 0, &err), -EROFS);
			assert_int_equal(mr_store_check_writable(store, &err), -EROFS);
			assert_non_null(strstr(err.text, "restart"));
		}
		assert_int_equal(mr_store_meta_put(store, "k", "v", 1, &err), -EROFS);
		assert_int_equal(mr_store_commit(store, NULL, 0, true, &err), -EROFS);
		assert_null(mr_store_bulk_begin(store, 1, false, &err));
		assert_int_equal(errno, EROFS);
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == 1);
		assert_int_equal(mr_store_close(store, &err), -EIO);

		store = store_open(dir);
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == 1 || time_us == 2);
		assert_int_equal(try_put(store, 1, 4, true, &err), 0);
		store_close(store);
	}
}

static void test_full_disk(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_err err = {""};
	uint64_t time_us;

	(void)state;
	assert_int_equal(try_put(store, 1, 1, true, &err), 0);
	disk_fail(".log", 0, ENOSPC);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(try_put(store, 1, 2, true, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "free space"));
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == 1);
	}
	disk_heal();
	mr_store_close(store, NULL);
	store = store_open(dir);
	assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
	assert_true(time_us == 1);
	assert_int_equal(try_put(store, 1, 3, true, &err), 0);
	store_close(store);
}

// Writes until one is taken, for @p seconds at most. @return whether one was.
static bool put_again(struct mr_store *store, uint64_t time_us, unsigned seconds)
{
	struct mr_err err = {""};

	for (unsigned i = 0; i < seconds * 100; i++) {
		int ret = try_put(store, 1, time_us, i % 2 == 0, &err);

		if (ret == 0)
			return true;
		assert_int_equal(ret, -ENOSPC);
		assert_non_null(strstr(err.text, "free space"));
		usleep(10000);
		mr_store_watch(store);
	}
	return false;
}

// RocksDB recovers by itself from a log that met a full disk: with rows to flush it begins another,
// without any it may go on with the broken one (7.8), which nothing may reach then.
static void test_full_log(void **state)
{
	(void)state;
	for (unsigned rows = 0; rows < 2; rows++) {
		struct mr_store *store = store_open(dir);
		uint64_t time_us, acked = rows * 10 + 1;

		assert_int_equal(try_put(store, 1, acked, true, NULL), 0);
		if (rows == 0) {
			store_close(store);
			store = store_open(dir);
		}
		disk_fail(".log", 0, ENOSPC);
		assert_int_equal(try_put(store, 1, acked + 1, false, NULL), -ENOSPC);
		disk_heal();
		if (put_again(store, acked + 2, rows == 0 ? 1 : 60))
			acked += 2;
		else
			assert_int_equal(rows, 0);
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == acked);
		assert_int_equal(mr_store_flush(store, NULL), 0);
		mr_store_commit(store, NULL, 0, true, NULL);
		mr_store_close(store, NULL);

		store = store_open(dir);
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == acked);
		assert_int_equal(try_put(store, 1, acked + 3, true, NULL), 0);
		store_close(store);
	}
}

static void test_flush_to_a_bad_disk(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_err err = {""};
	uint64_t time_us;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(try_put(store, i, 1, true, &err), 0);
	disk_fail(".sst", 0, EIO);
	assert_int_equal(mr_store_flush(store, &err), -EIO);
	assert_non_null(strstr(err.text, ".sst"));
	disk_heal();
	mr_store_close(store, NULL);
	store = store_open(dir);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(get_u64(store, 1, i, &time_us), 0);
	store_close(store);
}

// Whatever fails, the operator can read what it was, where, and what to do.
static void test_messages(void **state)
{
	static const struct {
		enum mr_store_fault_point point;
		int errnum, want;
		const char *what, *hint;
	} cases[] = {
		{MR_STORE_FAULT_COMMIT, ENOSPC, -ENOSPC, "cannot write 1 rows", "free space"},
		{MR_STORE_FAULT_COMMIT, EIO, -EIO, "cannot write 1 rows", "dmesg"},
		{MR_STORE_FAULT_COMMIT, EROFS, -EROFS, "cannot write 1 rows", "remount"},
		{MR_STORE_FAULT_COMMIT, EMFILE, -EMFILE, "cannot write 1 rows", "LimitNOFILE"},
		{MR_STORE_FAULT_READ, EIO, -EIO, "cannot read", "dmesg"},
		{MR_STORE_FAULT_READ, EUCLEAN, -EUCLEAN, "1.sst", "restore a backup"},
		{MR_STORE_FAULT_SYNC, EIO, -EIO, "fdatasync", "dmesg"},
	};
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader = mr_store_reader_create(store, 1);
	struct mr_store_get get = {.space = 1, .key = "k", .key_bytes = 1};
	struct mr_err err = {"as it was"};

	(void)state;
	assert_true(mr_store_trouble(store, &err) == 0);
	assert_string_equal(err.text, "as it was");
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		int ret = 0;

		mr_store_fault_arm(cases[i].point, 1, 1, cases[i].errnum);
		if (cases[i].point != MR_STORE_FAULT_READ)
			ret = try_put(store, 1, i + 1, true, NULL);
		else if (mr_store_read(reader, &get, 1) == 0)
			ret = get.result;
		assert_int_equal(ret, cases[i].want);
		assert_true(mr_store_trouble(store, &err) == i + 1);
		assert_non_null(strstr(err.text, dir));
		assert_non_null(strstr(err.text, cases[i].what));
		assert_non_null(strstr(err.text, cases[i].hint));
		mr_store_fault_arm(cases[i].point, 1, 0, 0);
	}
	mr_store_reader_free(reader);
	mr_store_close(store, NULL);
}

// A bulk load that a crash cut short is told of at the next open, as one that may have come.
static void test_bulk_cut_short(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_bulk *bulk = mr_store_bulk_begin(store, 9, false, NULL);
	struct mr_store_put put = {.space = 9, .key = "k", .key_bytes = 1};
	struct mr_store_change change;
	struct mr_store_feed *feed;
	struct mr_err err = {""};
	uint64_t newest, saved;

	(void)state;
	assert_int_equal(try_put(store, 1, 1, true, &err), 0);
	newest = mr_store_sequence(store);
	mr_store_fault_arm(MR_STORE_FAULT_BULK, 2, 1, EIO);
	assert_int_equal(mr_store_bulk_add(bulk, 0, &put, &err), 0);
	assert_int_equal(mr_store_bulk_finish(bulk, &err), -EIO);
	mr_store_fault_arm(MR_STORE_FAULT_BULK, 1, 0, 0);
	// Whatever was saved with the number from before must not be taken for current.
	saved = mr_store_sequence(store);
	assert_true(saved > newest);
	store_close(store);

	store = store_open(dir);
	assert_true(mr_store_sequence(store) > saved);
	feed = mr_store_feed_open(store, saved + 1, &err);
	assert_non_null(feed);
	assert_int_equal(mr_store_feed_next(feed, &change, &err), 1);
	assert_int_equal(change.kind, MR_STORE_CHANGE_BULK);
	assert_int_equal(change.item.space, 9);
	assert_true(change.bulk_rows == 0);
	mr_store_feed_close(feed);
	saved = mr_store_sequence(store);
	store_close(store);
	store = store_open(dir);
	assert_true(mr_store_sequence(store) == saved);
	store_close(store);
}

// ---- a fault at every point, at every hit ------------------------------------------------------

#define KEYS 4u

struct oracle {
	uint64_t acked[KEYS]; // event time of the newest acknowledged row, 0: none
	uint64_t tried[KEYS]; // of the newest row tried, acknowledged or not
	bool bulk_acked;
};

// What is read must be what was acknowledged, or a later try that failed half-way.
static void check_key(struct mr_store *store, const struct oracle *o, uint64_t key, bool may_fail)
{
	uint64_t time_us;
	int ret = get_u64(store, 1, key, &time_us);

	if (may_fail && (ret == -EIO || ret == -EUCLEAN))
		return;
	assert_true(ret == 0 || ret == -ENOENT);
	assert_true(time_us >= o->acked[key] && time_us <= o->tried[key]);
}

static void try_bulk(struct mr_store *store, struct oracle *o)
{
	struct mr_store_bulk *bulk = mr_store_bulk_begin(store, 2, false, NULL);
	struct mr_store_put put = {.space = 2, .key = "k", .key_bytes = 1, .keep_history = true};

	if (bulk == NULL)
		return;
	if (mr_store_bulk_add(bulk, 0, &put, NULL) < 0)
		mr_store_bulk_abort(bulk);
	else
		o->bulk_acked |= mr_store_bulk_finish(bulk, NULL) == 0;
}

static void try_scan(struct mr_store *store, const struct oracle *o)
{
	struct mr_store_scan *scan = mr_store_scan_begin(store, 1);
	struct mr_store_item item;
	int ret;

	assert_non_null(scan);
	while ((ret = mr_store_scan_next(scan, &item, NULL)) == 1)
		assert_true(item.event_time_us <= o->tried[mr_load_be64(item.key)]);
	assert_true(ret == 0 || ret == -EIO);
	mr_store_scan_end(scan);
}

// Some of everything. @return false when the store could not even be opened.
static bool run_scenario(struct oracle *o)
{
	struct mr_err err = {""};
	struct mr_store *store = store_try_open(dir, &err);
	int refused = 0;

	if (store == NULL) {
		assert_true(errno > 0 && err.text[0] != '\0');
		return false;
	}
	for (uint64_t t = 1; t <= 2; t++) {
		for (uint64_t key = 0; key < KEYS; key++) {
			bool sync = key % 2 == 0;
			int ret = try_put(store, key, ++o->tried[key], sync, &err);

			assert_true(refused == 0 || ret == -EROFS);
			if (ret == 0)
				o->acked[key] = o->tried[key];
			else if (ret == -EROFS)
				refused = ret;
			check_key(store, o, key, true);
		}
		mr_store_flush(store, &err);
		try_scan(store, o);
	}
	try_bulk(store, o);
	mr_store_close(store, &err);
	return true;
}

static void check_after(const struct oracle *o)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader = mr_store_reader_create(store, 1);
	struct mr_store_get get = {.space = 2, .key = "k", .key_bytes = 1};

	for (uint64_t key = 0; key < KEYS; key++)
		check_key(store, o, key, false);
	assert_int_equal(mr_store_read(reader, &get, 1), 0);
	assert_true(!o->bulk_acked || get.result == 0);
	mr_store_reader_free(reader);
	store_close(store);
}

static void test_faults_everywhere(void **state)
{
	static const int errnums[] = {EIO, ENOSPC, EUCLEAN};
	// One directory through all of it: what was acknowledged long ago must be there as well.
	struct oracle oracle = {0};

	(void)state;
	for (int point = 0; point < MR_STORE_FAULT_POINTS; point++) {
		uint64_t nth = 0, hits;

		// It can only be slow, and RocksDB begins compactions when it likes.
		if (point == MR_STORE_FAULT_COMPACT)
			continue;

		do {
			nth++;
			mr_store_fault_arm((enum mr_store_fault_point)point, nth,
				nth % 3 == 0 ? 1000 : 1, errnums[nth % 3]);
			run_scenario(&oracle);
			hits = mr_store_fault_hits((enum mr_store_fault_point)point);
			mr_store_fault_arm((enum mr_store_fault_point)point, 1, 0, 0);
			check_after(&oracle);
		} while (hits >= nth);
		// A point that nothing passes tests nothing.
		assert_true(nth > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failed_sync_is_final, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_full_log, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_flush_to_a_bad_disk, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_messages, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_bulk_cut_short, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_faults_everywhere, dir_setup, dir_teardown),
	};

	return cmocka_run_group_tests_name("store_fault", tests, NULL, NULL);
}
