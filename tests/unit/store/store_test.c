// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_blocks.h"
#include "mr_store_impl.h"
#include "mr_store_multiget.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <numaif.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

#define BURST_MAX 200u

// ---- against a model ---------------------------------------------------------------------------

static void commit_burst(struct mr_store *store, struct model *model, struct mr_rng *rng)
{
	static uint8_t rows[BURST_MAX][ROW_MAX_BYTES];
	struct mr_store_put puts[BURST_MAX];
	unsigned n = 1 + (unsigned)mr_rng_below(rng, mr_rng_below(rng, 8) == 0 ? BURST_MAX : 12);
	struct mr_err err = {""};

	for (unsigned i = 0; i < n; i++)
		puts[i] = model_change(model, rng, rows[i]);
	if (mr_store_commit(store, puts, n, mr_rng_below(rng, 20) == 0, &err) != 0)
		fail_msg("commit: %s", err.text);
}

// Present, absent and equal keys, in no order.
static void read_burst(
	struct mr_store_reader *reader, const struct model *model, struct mr_rng *rng)
{
	struct mr_store_get gets[BURST_MAX];
	const struct model_entry *want[BURST_MAX];
	unsigned n = 1 + (unsigned)mr_rng_below(rng, mr_rng_below(rng, 4) == 0 ? BURST_MAX : 40);

	for (unsigned i = 0; i < n; i++) {
		const struct model_entry *e = &model->entries[mr_rng_below(rng, MODEL_KEYS)];

		want[i] = e;
		gets[i] = model_get(e);
	}
	assert_int_equal(mr_store_read(reader, gets, n), 0);
	for (unsigned i = 0; i < n; i++)
		model_check(want[i], &gets[i]);
	if (mr_rng_below(rng, 2) == 0)
		mr_store_release(reader);
}

static void drop_one(struct mr_store *store, struct model *model, struct mr_rng *rng)
{
	mr_space_t space = model->entries[mr_rng_below(rng, MODEL_KEYS)].space;

	assert_int_equal(mr_store_drop_space(store, space, NULL), 0);
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		if (model->entries[i].space == space)
			model->entries[i].present = false;
	}
}

static void test_model(void **state)
{
	struct mr_rng rng = {test_seed("model", 0x73746f7265)};
	static struct model model;
	struct mr_store_reader *reader;
	struct mr_store *store;

	(void)state;
	model_init(&model, &rng);
	for (unsigned round = 0; round < 6; round++) {
		store = store_open(dir);
		// In turns by the C API, as where RocksDB's handles are not what we take them for.
		assert_true(store->has_multiget);
		store->has_multiget = round % 3 != 2;
		reader = mr_store_reader_create(store, BURST_MAX);
		model_check_all(&model, store);
		for (unsigned step = 0; step < 60; step++) {
			commit_burst(store, &model, &rng);
			read_burst(reader, &model, &rng);
			if (mr_rng_below(&rng, 25) == 0)
				assert_int_equal(mr_store_flush(store, NULL), 0);
			if (mr_rng_below(&rng, 40) == 0)
				drop_one(store, &model, &rng);
		}
		if (round % 2 == 1)
			assert_int_equal(mr_store_compact(store, NULL), 0);
		model_check_all(&model, store);
		mr_store_reader_free(reader);
		store_close(store);
	}
}

// ---- one thing at a time -----------------------------------------------------------------------

// What is read from disk lies in the memory that is the block cache's, and goes with the store.
static void test_blocks(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_blocks_stats stats;
	uint64_t event_time_us;

	(void)state;
	for (uint64_t key = 0; key < 100; key++)
		put_u64(store, 1, key, 7, 500, false);
	assert_int_equal(mr_store_flush(store, NULL), 0);
	assert_non_null(store->blocks);
	assert_int_equal(get_u64(store, 1, 42, &event_time_us), 0);
	assert_int_equal(event_time_us, 7);
	mr_store_blocks_stats(store->blocks, &stats);
	assert_true(stats.taken > 0);
	store_close(store);
}

static void test_handles(void **state)
{
	struct mr_store *store = store_open(dir);
	rocksdb_column_family_handle_t *cf = store->cf[MR_STORE_CF_LIVE_FAST];
	const char *name = mr_store_cf_names[MR_STORE_CF_LIVE_FAST];

	(void)state;
	assert_true(store->has_multiget);
	assert_true(mr_store_multiget_fits(store->db, store->path, cf, name));
	assert_false(mr_store_multiget_fits(store->db, "/elsewhere", cf, name));
	assert_false(mr_store_multiget_fits(
		store->db, store->path, cf, mr_store_cf_names[MR_STORE_CF_LIVE]));
	store_close(store);
}

static void test_params(void **state)
{
	static const struct {
		const char *name;
		struct mr_store_params params;
		int errnum;
		const char *says;
	} cases[] = {
		{"compression", {.compression = "gzip", .numa_node = -1}, EINVAL, "'gzip'"},
		{"node", {.numa_node = 4711}, ENODEV, "4711"},
		{"none", {.compression = "none", .numa_node = -1}, 0, ""},
		{"lz4", {.compression = "lz4", .numa_node = -1}, 0, ""},
		{"sizes",
			{.block_bytes = 4096,
				.blob_min_bytes = 1024,
				.memtable_bytes = 1 << 20,
				.background_threads = 3,
				.numa_node = -1},
			0, ""},
		{"node 0", {.numa_node = 0}, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_store_params params = cases[i].params;
		struct mr_err err = {""};
		char path[PATH_MAX];
		struct mr_store *store;
		uint64_t time_us;

		snprintf(path, sizeof(path), "%s/deep/er/%zu/", dir, i);
		params.path = path;
		store = mr_store_open(&params, &err);
		if (cases[i].errnum != 0) {
			assert_null(store);
			assert_int_equal(errno, cases[i].errnum);
			assert_non_null(strstr(err.text, cases[i].says));
			continue;
		}
		if (store == NULL)
			fail_msg("%s: %s", cases[i].name, err.text);
		put_u64(store, 1, 1, 77, 5000, true);
		assert_int_equal(get_u64(store, 1, 1, &time_us), 0);
		assert_true(time_us == 77);
		store_close(store);
	}
}

// Opening must leave the caller's thread as it was.
static void test_binding_is_undone(void **state)
{
	struct mr_store_params params = store_params(dir);
	int policy_before = -1, policy_after = -1;
	cpu_set_t before, after, one;
	unsigned cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	params.numa_node = 0;
	params.background_cpus = &one;
	get_mempolicy(&policy_before, NULL, 0, NULL, 0);
	store_close(mr_store_open(&params, NULL));
	get_mempolicy(&policy_after, NULL, 0, NULL, 0);
	assert_int_equal(policy_before, policy_after);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));

	CPU_ZERO(&one);
	CPU_SET(CPU_SETSIZE - 1, &one);
	assert_null(mr_store_open(&params, NULL));
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

static void test_tombstone(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader = mr_store_reader_create(store, 2);
	struct mr_store_get gets[] = {
		{.space = 5, .key = "k", .key_bytes = 1},
		{.space = 5, .key = "", .key_bytes = 0},
	};
	struct mr_store_put puts[] = {
		{.space = 5,
			.key = "k",
			.key_bytes = 1,
			.event_time_us = 1,
			.row = "x",
			.row_bytes = 1},
		{.space = 5,
			.key = "k",
			.key_bytes = 1,
			.event_time_us = 9,
			.deleted = true,
			.row = "ignored",
			.row_bytes = 7},
	};

	(void)state;
	assert_int_equal(mr_store_commit(store, puts, 2, false, NULL), 0);
	assert_int_equal(mr_store_flush(store, NULL), 0);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	assert_int_equal(mr_store_read(reader, gets, 2), 0);
	assert_int_equal(gets[0].result, 0);
	assert_true(gets[0].deleted);
	assert_true(gets[0].event_time_us == 9);
	assert_int_equal(gets[0].row_bytes, 0);
	assert_int_equal(gets[1].result, -ENOENT);
	assert_int_equal(mr_store_read(reader, gets, 3), -EINVAL);
	assert_int_equal(mr_store_read(reader, gets, 0), 0);
	assert_string_equal(mr_store_reader_error(reader), "");
	mr_store_reader_free(reader);
	store_close(store);
}

static void test_scan_is_a_snapshot(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_scan *scan;
	struct mr_store_item item;
	unsigned n = 0;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		put_u64(store, 3, i, 1, 20, false);
	scan = mr_store_scan_begin(store, 3);
	for (uint64_t i = 0; i < 200; i++)
		put_u64(store, 3, i, 2, 20, false);
	assert_int_equal(mr_store_drop_space(store, 3, NULL), 0);
	while (mr_store_scan_next(scan, &item, NULL) == 1) {
		assert_true(item.event_time_us == 1);
		n++;
	}
	assert_int_equal(n, 100);
	mr_store_scan_end(scan);
	scan = mr_store_scan_begin(store, 3);
	assert_int_equal(mr_store_scan_next(scan, &item, NULL), 0);
	mr_store_scan_end(scan);
	mr_store_scan_end(NULL);
	store_close(store);
}

static void test_metadata(void **state)
{
	struct mr_store *store = store_open(dir);
	size_t bytes;
	char *value;

	(void)state;
	assert_null(mr_store_meta_get(store, "registry", &bytes));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mr_store_meta_put(store, "registry", "a\0b", 3, NULL), 0);
	assert_int_equal(mr_store_meta_put(store, "empty", "", 0, NULL), 0);
	store_close(store);

	store = store_open(dir);
	value = mr_store_meta_get(store, "registry", &bytes);
	assert_non_null(value);
	assert_int_equal(bytes, 3);
	assert_memory_equal(value, "a\0b\0", 4);
	free(value);
	value = mr_store_meta_get(store, "empty", &bytes);
	assert_non_null(value);
	assert_int_equal(bytes, 0);
	free(value);
	assert_int_equal(mr_store_meta_put(store, "registry", NULL, 0, NULL), 0);
	assert_null(mr_store_meta_get(store, "registry", &bytes));
	store_close(store);
}

static void test_read_only(void **state)
{
	struct mr_store_params params = store_params(dir);
	struct mr_err err = {""};
	struct mr_store *store;
	struct mr_store_put put = {.space = 1, .key = "k", .key_bytes = 1};
	uint64_t time_us;

	(void)state;
	params.read_only = true;
	assert_null(mr_store_open(&params, &err));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "no store"));

	store = store_open(dir);
	put_u64(store, 1, 42, 7, 100, false);
	store_close(store);
	store = mr_store_open(&params, &err);
	assert_non_null(store);
	assert_int_equal(get_u64(store, 1, 42, &time_us), 0);
	assert_true(time_us == 7);
	assert_int_equal(mr_store_commit(store, &put, 1, true, &err), -EROFS);
	assert_non_null(strstr(err.text, "read-only"));
	assert_int_equal(mr_store_meta_put(store, "k", "v", 1, &err), -EROFS);
	assert_int_equal(mr_store_drop_space(store, 1, &err), -EROFS);
	store_close(store);
}

static void test_sequence_and_stats(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_stats stats;
	uint64_t before = mr_store_sequence(store), time_us;

	(void)state;
	put_u64(store, 1, 1, 1, 100, true);
	assert_true(mr_store_sequence(store) > before);
	before = mr_store_sequence(store);
	for (uint64_t i = 0; i < 300; i++)
		put_u64(store, 1, i, 1, 8000, false);
	get_u64(store, 1, 1, &time_us);
	mr_store_stats(store, &stats);
	assert_true(stats.wal_bytes > 300 * 8000);
	assert_true(stats.memtable_bytes > 0);
	assert_int_equal(mr_store_flush(store, NULL), 0);
	mr_store_stats(store, &stats);
	assert_int_equal(stats.commits, 301);
	assert_int_equal(stats.rows_written, 301);
	assert_int_equal(stats.syncs, 1);
	assert_int_equal(stats.reads, 1);
	assert_int_equal(stats.keys_read, 1);
	assert_int_equal(stats.errors, 0);
	assert_true(stats.blob_bytes > 300 * 8000);
	assert_true(stats.sst_bytes > 0 && stats.sst_bytes < 300 * 8000);
	assert_true(stats.levels_files[0] >= 1);
	assert_true(stats.estimated_keys >= 300);
	assert_true(mr_store_sequence(store) == stats.sequence);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	before = mr_store_sequence(store);
	store_close(store);
	store = store_open(dir);
	assert_true(mr_store_sequence(store) == before);
	mr_store_stats(store, &stats);
	assert_int_equal(stats.estimated_keys, 300);
	store_close(store);
}

// ---- many threads ------------------------------------------------------------------------------

#define WRITERS 4u
#define ROWS_EACH 1500u

struct writer {
	struct mr_store *store;
	mr_space_t space;
};

static void *write_and_read(void *arg)
{
	const struct writer *w = arg;
	uint64_t time_us;

	for (uint64_t i = 0; i < ROWS_EACH; i++) {
		put_u64(w->store, w->space, i, i + 1, 30, i % 100 == 0);
		// What was committed is seen at once.
		assert_int_equal(get_u64(w->store, w->space, i, &time_us), 0);
		assert_true(time_us == i + 1);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct mr_store *store = store_open(dir);
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	struct mr_store_scan *scan;
	struct mr_store_item item;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){store, 10 + i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	scan = mr_store_scan_begin(store, 0);
	while (mr_store_scan_next(scan, &item, NULL) == 1)
		n++;
	mr_store_scan_end(scan);
	assert_int_equal(n, WRITERS * ROWS_EACH);
	store_close(store);
}

// ---- damage ------------------------------------------------------------------------------------

static void test_damage_at_open(void **state)
{
	static const struct {
		const char *pattern;
		const char *bytes; // NULL: the file is removed
		bool cut;
	} cases[] = {
		{"CURRENT", "garbage", true},
		{"CURRENT", "MANIFEST-999999\n", true},
		{"MANIFEST-*", "this is no manifest, and never was", false},
		{"*.sst", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_store_params params = store_params(dir);
		struct mr_err err = {""};
		struct mr_store *store = store_open(dir);
		char path[FILE_PATH_MAX_BYTES];

		put_u64(store, 1, i, 1, 100, true);
		store_close(store);
		file_find(cases[i].pattern, path);
		if (cases[i].bytes == NULL)
			assert_int_equal(unlink(path), 0);
		else
			file_damage(path, 0, cases[i].bytes, cases[i].cut);
		assert_null(mr_store_open(&params, &err));
		if (errno != EUCLEAN)
			fail_msg("case %zu: errno %d: %s", i, errno, err.text);
		assert_non_null(strstr(err.text, dir));
		assert_non_null(strstr(err.text, "backup"));
		dir_teardown(NULL);
	}
}

static void test_damaged_block(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader;
	struct mr_store_get get = {.space = 1, .key = "\0\0\0\0\0\0\0\1", .key_bytes = 8};
	struct mr_store_scan *scan;
	struct mr_store_item item;
	struct mr_err err = {""};
	char path[FILE_PATH_MAX_BYTES];
	int ret;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		put_u64(store, 1, i, 1, 100, false);
	store_close(store);
	file_find("*.sst", path);
	file_damage(path, 100, "XXXXXXXX", false);

	store = store_open(dir);
	reader = mr_store_reader_create(store, 1);
	assert_int_equal(mr_store_read(reader, &get, 1), 0);
	assert_int_equal(get.result, -EUCLEAN);
	assert_non_null(strstr(mr_store_reader_error(reader), ".sst"));
	mr_store_reader_free(reader);
	scan = mr_store_scan_begin(store, 0);
	while ((ret = mr_store_scan_next(scan, &item, &err)) == 1)
		;
	assert_int_equal(ret, -EIO);
	assert_non_null(strstr(err.text, ".sst"));
	mr_store_scan_end(scan);
	mr_store_close(store, NULL);
}

static void test_no_directory(void **state)
{
	struct mr_store_params params = store_params("/proc/self/nowhere/store");
	char path[PATH_MAX];
	struct mr_err err = {""};
	int fd;

	(void)state;
	assert_null(mr_store_open(&params, &err));
	assert_non_null(strstr(err.text, "/proc/self/nowhere"));

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	params.path = path;
	assert_null(mr_store_open(&params, &err));
	assert_true(err.text[0] != '\0');
	params.path = "";
	assert_null(mr_store_open(&params, &err));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mr_store_close(NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_handles, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_blocks, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_params, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_binding_is_undone, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_tombstone, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_scan_is_a_snapshot, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_metadata, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_sequence_and_stats, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_threads, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_damage_at_open, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_block, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_no_directory, dir_setup, dir_teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
