// SPDX-License-Identifier: BSD-3-Clause
//
// Faults of the disk, frame in and frame out: the n-th open, read, write or sync that RocksDB asks
// of the kernel fails, or a read returns a turned bit, while the appliance is opened, serves,
// flushes and closes. Whatever n is, there is an answer to every request, none is wrong, and after
// a restart on a sound disk all that was acknowledged is there.
//
// RocksDB's own log (LOG) is left out: what fails there while a store is opened aborts RocksDB 7.8
// as Debian builds it, with its assertions, and later nothing is written there.
//
// Every n with MR_FAULTS=all in the environment; otherwise the first ones, and then ever fewer.
#include "../../sim/model.h"
#include "../store/store_disk.h"
#include "mr_answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 6u
#define NOW_US UINT64_C(1800000000000000)
#define ALL_LATER UINT64_MAX

// Set 1 is synced and keeps history, set 2 is neither.
static const char catalog[] = "[set s]\nid = 1\nkey = u64\nhistory = 1h\ncolumn b = bytes\n"
			      "[set w]\nid = 2\nkey = u64\ndurability = wal\ncolumn b = bytes\n";

static struct mr_fixture f;
static struct mr_answer answer;
static struct model model;
static uint64_t now_us, request_id;
static uint32_t n_writes, n_acked, n_refused, n_unopened;
static char dir[64];

static bool begin(void)
{
	struct mr_fixture_params params = {
		.catalog = catalog,
		.store_path = dir,
		.cache_bytes = 1 << 20,
		.filter_keys = 1000,
		.n_mbufs = 2048,
		.breaker_failures = 3,
		.no_filter = true,
	};

	if (mr_fixture_init(&f, &params) < 0)
		return false;
	mr_fixture_set_time(&f, now_us);
	return true;
}

static void ask(const uint8_t *request, int bytes)
{
	assert_true(bytes > 0);
	assert_int_equal(mr_fixture_ask(&f, request, (unsigned)bytes, &answer), 1);
	assert_int_equal(answer.request_id, request_id);
	assert_int_equal(answer.result, MR_WIRE_RESULT_OK);
	assert_true(mr_fixture_balanced(&f));
}

static void write_keys(unsigned set, bool deletes)
{
	static uint8_t request[1400], row[300];
	const struct mr_schema *schema = mr_catalog_set_by_id(f.catalog, (uint16_t)set);
	struct mr_wire_ask to = {.request_id = ++request_id, .view = (uint16_t)set};
	unsigned noted[KEYS];
	int floors[KEYS];
	struct mr_wire_writer w;

	mr_wire_write_begin(&w, request, sizeof(request),
		deletes ? MR_WIRE_OP_DELETE : MR_WIRE_OP_PUT, &to, deletes ? 0 : schema->layout, 0);
	for (unsigned k = 0; k < KEYS; k++) {
		struct model_write write = {.event_time_us = now_us,
			.number = ++n_writes,
			.bytes = deletes ? 0 : 20 + n_writes % 150,
			.deleted = deletes};
		uint8_t key[8];
		struct mr_wire_row record = {
			.event_time_us = now_us, .key = key, .key_bytes = 8, .row = row};

		mr_store_be64(key, k);
		if (!deletes)
			model_row(&write, row);
		record.row_bytes = (uint16_t)write.bytes;
		assert_int_equal(mr_wire_write_add(&w, &record), 0);
		floors[k] = model.keys[set - 1][0][k].floor;
		noted[k] = model_send(&model.keys[set - 1][0][k], &write);
	}
	ask(request, mr_wire_write_end(&w));
	for (unsigned k = 0; k < KEYS; k++) {
		enum mr_status status = (enum mr_status)answer.got[k].status;
		const char *wrong;

		n_acked += status == MR_STATUS_OK;
		n_refused += status != MR_STATUS_OK;
		if (status == MR_STATUS_ERROR || status == MR_STATUS_DEGRADED)
			continue;
		wrong = model_acknowledge(&model.keys[set - 1][0][k], noted[k], floors[k], status);
		if (wrong != NULL)
			fail_msg("key %u of set %u: %s", k, set, wrong);
	}
	now_us += 1000;
	mr_fixture_set_time(&f, now_us);
}

// @param sound The disk is: no answer may be an error.
static void read_keys(unsigned set, uint16_t flags, bool sound)
{
	static uint8_t request[1400];
	struct mr_wire_ask to = {.request_id = ++request_id,
		.view = (uint16_t)set,
		.flags = flags,
		.as_of_us = now_us};
	struct mr_wire_key keys[KEYS];
	uint8_t bytes[KEYS][8];

	for (unsigned k = 0; k < KEYS; k++) {
		mr_store_be64(bytes[k], k);
		keys[k] = (struct mr_wire_key){bytes[k], 8};
	}
	ask(request, mr_wire_get_encode(request, sizeof(request), &to, keys, KEYS));
	for (unsigned k = 0; k < KEYS; k++) {
		const struct mr_got *got = &answer.got[k];
		struct model_answer seen = {
			.status = (enum mr_status)got->status,
			.event_time_us = got->event_time_us,
			.row = got->row,
			.row_bytes = got->row_bytes,
			.floor = model.keys[set - 1][0][k].floor,
		};
		const char *wrong;

		if (!sound && (got->status == MR_STATUS_ERROR || got->status == MR_STATUS_DEGRADED))
			continue;
		wrong = model_read(&model.keys[set - 1][0][k], &seen);
		if (wrong != NULL)
			fail_msg("key %u of set %u, flags 0x%x: %s", k, set, flags, wrong);
		if (got->status == MR_STATUS_OK)
			model_show(&model.keys[set - 1][0][k], &seen);
	}
}

static void read_all(bool sound)
{
	for (unsigned set = 1; set <= 2; set++) {
		read_keys(set, 0, sound);
		read_keys(set, MR_WIRE_F_STRONG, sound);
	}
	read_keys(1, MR_WIRE_F_ASOF, sound);
}

// Some of everything, from the start to the end of an appliance.
static void live(bool deletes)
{
	if (!begin()) {
		n_unopened++;
		return;
	}
	read_all(false);
	for (unsigned round = 0; round < 2; round++) {
		write_keys(1, deletes && round == 1);
		write_keys(2, deletes && round == 0);
		read_all(false);
		mr_store_flush(f.store, NULL);
	}
	assert_int_equal(mr_fixture_missing_mbufs(&f), 0);
	mr_fixture_done(&f);
}

static void check_after(void)
{
	disk_heal();
	assert_true(begin());
	read_all(true);
	mr_fixture_done(&f);
}

static uint64_t after(uint64_t nth)
{
	const char *which = getenv("MR_FAULTS");

	return which != NULL && strcmp(which, "all") == 0 ? nth + 1 : nth + 1 + nth / 3;
}

static void run(enum disk_call call, uint64_t times, int errnum)
{
	uint64_t nth = 1, calls;

	n_acked = n_refused = n_unopened = 0;
	for (;; nth = after(nth)) {
		disk_fault(call, dir, nth, times, errnum);
		live(nth % 2 == 0);
		calls = disk_calls();
		check_after();
		if (calls < nth)
			break;
	}
	print_message("%u calls; %u writes acknowledged, %u refused; not opened %u times\n",
		(unsigned)calls, n_acked, n_refused, n_unopened);
	assert_true(calls > 3 && n_acked > 0);
}

// One directory through all of it: what was acknowledged long ago must be there as well.
static void faults_everywhere(void **state)
{
	static const struct {
		enum disk_call call;
		uint64_t times;
		int errnum;
	} cases[] = {
		{DISK_OPEN, 1, EIO},
		{DISK_OPEN, ALL_LATER, EMFILE},
		{DISK_READ, 1, EIO},
		{DISK_READ, ALL_LATER, EIO},
		{DISK_READ, 1, EUCLEAN},
		{DISK_WRITE, 1, EIO},
		{DISK_WRITE, ALL_LATER, EIO},
		{DISK_WRITE, 1, ENOSPC},
		{DISK_WRITE, ALL_LATER, ENOSPC},
		{DISK_SYNC, 1, EIO},
		{DISK_SYNC, ALL_LATER, EIO},
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		print_message("%u, %s, %s: ", cases[i].call, strerror(cases[i].errnum),
			cases[i].times == 1 ? "once" : "from then on");
		run(cases[i].call, cases[i].times, cases[i].errnum);
	}
}

static int setup(void **state)
{
	(void)state;
	model_clear(&model);
	now_us = NOW_US;
	snprintf(dir, sizeof(dir), "/tmp/mr-fault-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	disk_heal();
	mr_answer_clear(&answer);
	model_clear(&model);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(faults_everywhere, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
