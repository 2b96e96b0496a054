// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

// ---- history against a list of events ----------------------------------------------------------

#define EVENTS_MAX 600u
#define TIME_RANGE 400u
#define HISTORY_SPACE 0x00020001u

struct event {
	unsigned key;
	uint64_t time_us;
	bool deleted;
	uint32_t row;
};

// Keys whose bytes run into each other and into the times behind them.
static const struct {
	const char *bytes;
	uint8_t n;
} keys[] = {
	{"a", 1},
	{"a\xff", 2},
	{"a\xff\xff\xff\xff\xff\xff\xfe\x80", 9},
	{"a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x90", 17},
	{"b", 1},
	{"\xff\xff\xff\xff\xff\xff\xff\xff", 8},
	{"\0", 1},
	{"\0\0", 2},
};

struct history {
	struct event events[EVENTS_MAX];
	unsigned n;
};

static void put_event(struct mr_store *store, const struct event *e)
{
	struct mr_store_put put = {
		.space = HISTORY_SPACE,
		.key = keys[e->key].bytes,
		.key_bytes = keys[e->key].n,
		.deleted = e->deleted,
		.keep_history = true,
		.event_time_us = e->time_us,
		.row = &e->row,
		.row_bytes = sizeof(e->row),
	};

	assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
}

static void add_events(struct mr_store *store, struct history *h, struct mr_rng *rng, unsigned n)
{
	for (unsigned i = 0; i < n && h->n < EVENTS_MAX; i++) {
		struct event *e = &h->events[h->n++];

		*e = (struct event){
			.key = (unsigned)mr_rng_below(rng, MR_ARRAY_SIZE(keys)),
			.time_us = 1000 + mr_rng_below(rng, TIME_RANGE),
			.deleted = mr_rng_below(rng, 4) == 0,
			.row = (uint32_t)mr_rng_next(rng),
		};
		put_event(store, e);
	}
}

// The newest event at or before a time; of equal times the one committed last.
static const struct event *in_force(const struct history *h, unsigned key, uint64_t as_of_us)
{
	const struct event *best = NULL;

	for (unsigned i = 0; i < h->n; i++) {
		const struct event *e = &h->events[i];

		if (e->key == key && e->time_us <= as_of_us &&
			(best == NULL || e->time_us >= best->time_us))
			best = e;
	}
	return best;
}

static void check_as_of(struct mr_store_reader *reader, const struct mr_store_snapshot *snapshot,
	const struct history *h, uint64_t as_of_us)
{
	struct mr_store_get gets[MR_ARRAY_SIZE(keys) + 1];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(gets); i++)
		gets[i] = (struct mr_store_get){
			.space = HISTORY_SPACE,
			.key = keys[i % MR_ARRAY_SIZE(keys)].bytes,
			.key_bytes = keys[i % MR_ARRAY_SIZE(keys)].n,
		};
	assert_int_equal(
		mr_store_read_as_of(reader, snapshot, as_of_us, gets, MR_ARRAY_SIZE(gets)), 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(gets); i++) {
		const struct event *e = in_force(h, i % MR_ARRAY_SIZE(keys), as_of_us);

		assert_int_equal(gets[i].result, e != NULL ? 0 : -ENOENT);
		if (e == NULL)
			continue;
		assert_true(gets[i].event_time_us == e->time_us);
		assert_int_equal(gets[i].deleted, e->deleted);
		assert_int_equal(gets[i].row_bytes, e->deleted ? 0 : sizeof(e->row));
		if (!e->deleted)
			assert_memory_equal(gets[i].row, &e->row, sizeof(e->row));
	}
}

static void test_as_of(void **state)
{
	struct mr_rng rng = {test_seed("as of", 0x61736f66)};
	struct history *h = calloc(1, sizeof(*h));
	struct mr_store_reader *reader;
	struct mr_store *store;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		store = store_open(dir);
		reader = mr_store_reader_create(store, 16);
		add_events(store, h, &rng, 60);
		if (round == 1)
			assert_int_equal(mr_store_flush(store, NULL), 0);
		add_events(store, h, &rng, 60);
		if (round == 2)
			assert_int_equal(mr_store_compact(store, NULL), 0);
		for (uint64_t t = 990; t < 1000 + TIME_RANGE + 10; t += 1 + mr_rng_below(&rng, 5))
			check_as_of(reader, NULL, h, t);
		check_as_of(reader, NULL, h, 0);
		check_as_of(reader, NULL, h, UINT64_MAX);
		mr_store_reader_free(reader);
		store_close(store);
	}
	free(h);
}

// Live rows without keep_history leave no trace in history, and a drop takes both.
static void test_history_is_chosen_and_dropped(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader = mr_store_reader_create(store, 1);
	struct mr_store_get get = {.space = 9, .key = "k", .key_bytes = 1};
	struct mr_store_put put = {.space = 9, .key = "k", .key_bytes = 1, .event_time_us = 5};

	(void)state;
	assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
	assert_int_equal(mr_store_read_as_of(reader, NULL, 5, &get, 1), 0);
	assert_int_equal(get.result, -ENOENT);
	put.keep_history = true;
	assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
	assert_int_equal(mr_store_read_as_of(reader, NULL, 5, &get, 1), 0);
	assert_int_equal(get.result, 0);
	assert_int_equal(mr_store_read_as_of(reader, NULL, 5, &get, 2), -EINVAL);
	assert_int_equal(mr_store_drop_space(store, 9, NULL), 0);
	assert_int_equal(mr_store_read_as_of(reader, NULL, 5, &get, 1), 0);
	assert_int_equal(get.result, -ENOENT);
	mr_store_reader_free(reader);
	store_close(store);
}

// ---- snapshots ---------------------------------------------------------------------------------

static void test_snapshot(void **state)
{
	struct mr_rng rng = {test_seed("snapshot", 0x736e6170)};
	static struct model now, then;
	static uint8_t row[ROW_MAX_BYTES];
	struct history *h = calloc(2, sizeof(*h));
	struct mr_store *store = store_open(dir);
	struct mr_store_reader *reader = mr_store_reader_create(store, MODEL_KEYS);
	struct mr_store_snapshot *snapshot = NULL;
	struct mr_store_get gets[MODEL_KEYS];
	struct mr_store_scan *scan;
	struct mr_store_item item;
	unsigned n = 0, n_present = 0;

	(void)state;
	model_init(&now, &rng);
	for (unsigned step = 0; step < 600; step++) {
		struct mr_store_put put = model_change(&now, &rng, row);

		assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
		if (step != 300)
			continue;
		add_events(store, h, &rng, 100);
		snapshot = mr_store_snapshot_take(store);
		assert_non_null(snapshot);
		then = now;
		h[1] = h[0];
		add_events(store, h, &rng, 100);
	}
	assert_int_equal(mr_store_drop_space(store, now.entries[0].space, NULL), 0);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		n_present += then.entries[i].present;
		gets[i] = model_get(&then.entries[i]);
	}
	assert_int_equal(mr_store_read_at(reader, snapshot, gets, MODEL_KEYS), 0);
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		model_check(&then.entries[i], &gets[i]);
	for (uint64_t t = 1000; t < 1000 + TIME_RANGE; t += 37) {
		check_as_of(reader, snapshot, &h[1], t);
		check_as_of(reader, NULL, &h[0], t);
	}
	scan = mr_store_scan_begin_at(store, 0, snapshot);
	while (mr_store_scan_next(scan, &item, NULL) == 1)
		n += item.space != HISTORY_SPACE;
	mr_store_scan_end(scan);
	assert_int_equal(n, n_present);
	mr_store_snapshot_release(snapshot);
	mr_store_snapshot_release(NULL);
	mr_store_reader_free(reader);
	store_close(store);
	free(h);
}

// ---- live, history and metadata in one batch ---------------------------------------------------

static void test_commit_with_meta(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_put put = {
		.space = 1, .key = "k", .key_bytes = 1, .event_time_us = 3, .keep_history = true};
	struct mr_store_meta metas[] = {{"a", "1", 1}, {"gone", "x", 1}, {"gone", NULL, 0}};
	uint64_t before = mr_store_sequence(store);
	size_t bytes;
	void *value;

	(void)state;
	assert_int_equal(mr_store_commit_with_meta(store, &put, 1, metas, 3, true, NULL), 0);
	assert_true(mr_store_sequence(store) == before + 5);
	value = mr_store_meta_get(store, "a", &bytes);
	assert_non_null(value);
	free(value);
	assert_null(mr_store_meta_get(store, "gone", &bytes));
	assert_int_equal(mr_store_commit(store, NULL, 0, true, NULL), 0);
	assert_true(mr_store_sequence(store) == before + 5);
	store_close(store);
}

// ---- policies ----------------------------------------------------------------------------------

static uint64_t fixed_now(void *arg)
{
	return *(uint64_t *)arg;
}

static struct mr_store *open_at(uint64_t *now_us)
{
	struct mr_store_params params = store_params(dir);
	struct mr_store *store;

	params.now_us = fixed_now;
	params.now_arg = now_us;
	store = mr_store_open(&params, NULL);
	assert_non_null(store);
	return store;
}

static void test_policy_on_live_rows(void **state)
{
	static const struct {
		struct mr_store_policy policy;
		bool deleted;
		uint64_t event_time_us;
		bool stays;
	} cases[] = {
		{{.ttl_us = 100}, false, 901, true},
		{{.ttl_us = 100}, false, 900, false},
		{{.ttl_us = 100}, true, 900, false},
		{{.ttl_us = 100}, false, 5000, true},
		{{.ttl_us = 5000}, false, 0, true},
		{{.ttl_us = 0}, false, 0, true},
		{{.tombstone_keep_us = 50}, true, 950, false},
		{{.tombstone_keep_us = 50}, true, 951, true},
		{{.tombstone_keep_us = 50}, false, 950, true},
		{{.dropped = true}, false, 5000, false},
	};
	struct mr_store_policy policies[MR_ARRAY_SIZE(cases)];
	uint64_t now_us = 1000, time_us;
	struct mr_store *store = open_at(&now_us);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		// Descending: the store has to sort them.
		mr_space_t space = 100 - i;
		uint8_t be[8] = {0};
		struct mr_store_put put = {
			.space = space,
			.key = be,
			.key_bytes = sizeof(be),
			.deleted = cases[i].deleted,
			.event_time_us = cases[i].event_time_us,
		};

		policies[i] = cases[i].policy;
		policies[i].space = space;
		assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
		put_u64(store, 1000 + i, 0, 0, 5000, false);
	}
	assert_int_equal(mr_store_flush(store, NULL), 0);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++)
		assert_int_equal(get_u64(store, 100 - i, 0, &time_us), 0);
	assert_int_equal(mr_store_set_policy(store, policies, MR_ARRAY_SIZE(cases)), 0);
	policies[0].space = policies[1].space;
	assert_int_equal(mr_store_set_policy(store, policies, MR_ARRAY_SIZE(cases)), -EINVAL);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		if (get_u64(store, 100 - i, 0, &time_us) != (cases[i].stays ? 0 : -ENOENT))
			fail_msg("case %u", i);
		assert_int_equal(get_u64(store, 1000 + i, 0, &time_us), 0);
	}
	assert_int_equal(mr_store_set_policy(store, NULL, 0), 0);
	store_close(store);
}

// What is past its time goes, but every question about the kept period has its old answer.
static void test_policy_on_history(void **state)
{
	struct mr_rng rng = {test_seed("history policy", 0x6b656570)};
	struct mr_store_policy policy = {.space = HISTORY_SPACE, .history_keep_us = 100};
	struct history *h = calloc(1, sizeof(*h));
	uint64_t now_us = 1000 + TIME_RANGE;
	struct mr_store *store = open_at(&now_us);
	struct mr_store_reader *reader = mr_store_reader_create(store, 16);
	struct mr_store_verified before, after;

	(void)state;
	add_events(store, h, &rng, 200);
	assert_int_equal(mr_store_flush(store, NULL), 0);
	add_events(store, h, &rng, 200);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	assert_int_equal(mr_store_verify(store, NULL, &before, NULL), 0);
	assert_int_equal(mr_store_set_policy(store, &policy, 1), 0);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	assert_int_equal(mr_store_verify(store, NULL, &after, NULL), 0);
	assert_true(after.entries < before.entries / 2);
	for (uint64_t t = now_us - 100; t <= now_us; t++)
		check_as_of(reader, NULL, h, t);
	mr_store_reader_free(reader);
	store_close(store);
	free(h);
}

// ---- figures, backup, verify -------------------------------------------------------------------

static void test_family_stats(void **state)
{
	static const char *const names[] = {
		"feature_live", "feature_live_fast", "feature_historical", "feature_metadata"};
	struct mr_store *store = store_open(dir);
	struct mr_store_family_stats stats;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 1000; i++)
			put_u64(store, 1, i, round, i < 20 ? 6000 : 500, false);
		assert_int_equal(mr_store_flush(store, NULL), 0);
	}
	assert_int_equal(mr_store_compact(store, NULL), 0);
	for (unsigned i = 0; i < MR_STORE_FAMILIES; i++) {
		assert_int_equal(mr_store_family_stats(store, i, &stats), 0);
		assert_string_equal(stats.name, names[i]);
	}
	assert_int_equal(mr_store_family_stats(store, MR_STORE_FAMILIES, &stats), -EINVAL);
	assert_int_equal(mr_store_family_stats(store, 0, &stats), 0);
	assert_true(stats.sst_bytes > 0 && stats.blob_bytes > 20 * 6000);
	assert_true(stats.table_readers_bytes > 0);
	assert_int_equal(stats.estimated_keys, 1000);
	// Flushed three times, then merged into one third of that.
	if (!(stats.write_amplification > 1.0 && stats.write_amplification < 3.0))
		fail_msg("write amplification %f", stats.write_amplification);
	assert_int_equal(stats.write_stopped, 0);
	assert_int_equal(stats.stall_stops, 0);
	store_close(store);
}

static void test_checkpoint(void **state)
{
	struct mr_store *store = store_open(dir), *copy;
	struct mr_store_params params;
	struct mr_store_verified verified;
	struct mr_err err = {""};
	char path[DIR_MAX_BYTES + 16];
	uint64_t time_us;

	(void)state;
	snprintf(path, sizeof(path), "%s/backup", dir);
	for (uint64_t i = 0; i < 50; i++)
		put_u64(store, 1, i, 1, i % 2 == 0 ? 9000 : 100, false);
	assert_int_equal(mr_store_checkpoint(store, path, &err), 0);
	assert_int_equal(mr_store_checkpoint(store, path, &err), -EEXIST);
	assert_non_null(strstr(err.text, path));
	assert_int_not_equal(mr_store_checkpoint(store, "/proc/nowhere/backup", &err), 0);
	put_u64(store, 1, 7, 2, 100, false);
	params = store_params(path);
	copy = mr_store_open(&params, &err);
	assert_non_null(copy);
	assert_int_equal(mr_store_verify(copy, NULL, &verified, &err), 0);
	assert_int_equal(verified.entries, 50);
	assert_true(verified.files >= 1 && verified.bytes > 25 * 9000);
	assert_int_equal(get_u64(copy, 1, 7, &time_us), 0);
	assert_true(time_us == 1);
	store_close(copy);
	store_close(store);
}

static void test_verify_finds_damage(void **state)
{
	static const struct {
		const char *pattern;
		off_t cut;
		const char *says; // NULL: the name of the file
	} cases[] = {
		{"*.sst", 0, NULL},
		{"*.blob", 0, "feature_live, after entry"}, // RocksDB does not tell which
		{"*.sst", 1, NULL},
		{"*.blob", 1, "feature_live, after entry"},
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_store *store = store_open(dir);
		struct mr_store_verified verified;
		struct mr_err err = {""};
		char path[FILE_PATH_MAX_BYTES];
		const char *says;

		for (uint64_t k = 0; k < 60; k++)
			put_u64(store, 1, k, 1, k % 2 == 0 ? 9000 : 100, false);
		assert_int_equal(mr_store_flush(store, NULL), 0);
		assert_int_equal(mr_store_verify(store, NULL, &verified, &err), 0);
		file_find(cases[i].pattern, path);
		// An open store only notices what it has not read yet: damage first, then open.
		store_close(store);
		file_damage(path, 200, "XXXXXXXX", cases[i].cut != 0);
		store = store_try_open(dir, &err);
		if (store != NULL) {
			assert_int_equal(mr_store_verify(store, NULL, &verified, &err), -EUCLEAN);
			mr_store_close(store, NULL);
		} else {
			assert_int_equal(errno, EUCLEAN);
		}
		says = cases[i].says != NULL ? cases[i].says : strrchr(path, '/') + 1;
		if (strstr(err.text, says) == NULL)
			fail_msg("case %zu, %s: %s", i, path, err.text);
		dir_teardown(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_as_of, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(
			test_history_is_chosen_and_dropped, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_snapshot, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_commit_with_meta, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_policy_on_live_rows, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_policy_on_history, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_family_stats, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_checkpoint, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_verify_finds_damage, dir_setup, dir_teardown),
	};

	return cmocka_run_group_tests_name("store_history", tests, NULL, NULL);
}
