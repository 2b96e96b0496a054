// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_feed.h"

#include "mr_bytes.h"
#include "mr_store_batch.h"
#include "mr_store_bulk.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

static struct mr_store *open_keeping_wal(void)
{
	struct mr_store_params params = store_params(dir);
	struct mr_err err = {""};
	struct mr_store *store;

	params.wal_keep_s = 3600;
	store = mr_store_open(&params, &err);
	if (store == NULL)
		fail_msg("open: %s", err.text);
	return store;
}

static struct mr_store_feed *feed_open(struct mr_store *store, uint64_t from)
{
	struct mr_err err = {""};
	struct mr_store_feed *feed = mr_store_feed_open(store, from, &err);

	if (feed == NULL)
		fail_msg("feed from %llu: %s", (unsigned long long)from, err.text);
	return feed;
}

static int feed_next(struct mr_store_feed *feed, struct mr_store_change *change)
{
	struct mr_err err = {""};
	int ret = mr_store_feed_next(feed, change, &err);

	if (ret < 0)
		fail_msg("feed: %d: %s", ret, err.text);
	return ret;
}

// ---- against what was committed ----------------------------------------------------------------

#define EXPECTED_MAX 4000u

struct expected {
	enum mr_store_change_kind kind;
	struct model_entry entry;
};

struct log {
	struct expected *items;
	unsigned n;
	struct model model;
	struct mr_rng rng;
};

static void commit_some(struct mr_store *store, struct log *log)
{
	static uint8_t rows[16][ROW_MAX_BYTES];
	struct mr_store_put puts[16];
	unsigned n = 1 + (unsigned)mr_rng_below(&log->rng, MR_ARRAY_SIZE(puts));

	for (unsigned i = 0; i < n; i++) {
		const struct model_entry *e;

		puts[i] = model_change(&log->model, &log->rng, rows[i]);
		puts[i].keep_history = mr_rng_below(&log->rng, 3) == 0;
		e = (const struct model_entry *)((const char *)puts[i].key -
						 offsetof(struct model_entry, key));
		log->items[log->n++] = (struct expected){MR_STORE_CHANGE_PUT, *e};
	}
	assert_int_equal(
		mr_store_commit(store, puts, n, mr_rng_below(&log->rng, 10) == 0, NULL), 0);
}

static void drop_some(struct mr_store *store, struct log *log)
{
	mr_space_t space = log->model.entries[mr_rng_below(&log->rng, MODEL_KEYS)].space;

	log->items[log->n++] = (struct expected){MR_STORE_CHANGE_DROP, {.space = space}};
	assert_int_equal(mr_store_drop_space(store, space, NULL), 0);
}

// A bulk load between the model's spaces: nothing of it is in the log but that it happened. A
// snapshot makes RocksDB give it a sequence number of its own, which no log record has.
static void bulk_some(struct mr_store *store, struct log *log)
{
	struct mr_store_snapshot *snapshot = NULL;
	struct mr_store_bulk *bulk = mr_store_bulk_begin(store, 77, false, NULL);
	struct mr_store_put put = {.space = 77, .key = "bulk", .key_bytes = 4};

	assert_non_null(bulk);
	if (mr_rng_below(&log->rng, 2) == 0)
		snapshot = mr_store_snapshot_take(store);
	assert_int_equal(mr_store_bulk_add(bulk, 0, &put, NULL), 0);
	assert_int_equal(mr_store_bulk_finish(bulk, NULL), 0);
	mr_store_snapshot_release(snapshot);
	log->items[log->n++] = (struct expected){MR_STORE_CHANGE_BULK, {.space = 77}};
}

static void step(struct mr_store *store, struct log *log)
{
	uint64_t dice = mr_rng_below(&log->rng, 60);

	if (dice == 0)
		drop_some(store, log);
	else if (dice == 1)
		assert_int_equal(mr_store_flush(store, NULL), 0);
	else if (dice == 2)
		assert_int_equal(mr_store_meta_put(store, "key", "value", 5, NULL), 0);
	else if (dice == 3)
		bulk_some(store, log);
	else
		commit_some(store, log);
}

static void check_change(const struct expected *want, const struct mr_store_change *got)
{
	static uint8_t row[ROW_MAX_BYTES];
	const struct model_entry *e = &want->entry;

	assert_int_equal(got->kind, want->kind);
	assert_int_equal(got->item.space, e->space);
	if (want->kind == MR_STORE_CHANGE_BULK)
		assert_int_equal(got->bulk_rows, 1);
	if (want->kind != MR_STORE_CHANGE_PUT)
		return;
	assert_int_equal(got->item.key_bytes, e->key_bytes);
	assert_memory_equal(got->item.key, e->key, e->key_bytes);
	assert_int_equal(got->item.deleted, e->deleted);
	assert_true(got->item.event_time_us == e->event_time_us);
	assert_int_equal(got->item.row_bytes, e->row_bytes);
	row_fill(row, e->row_bytes, e->row_seed);
	if (e->row_bytes > 0)
		assert_memory_equal(got->item.row, row, e->row_bytes);
}

// Reads on until nothing is left; checks everything from index @p at on. @return the new index.
static unsigned follow(struct mr_store_feed *feed, const struct log *log, unsigned at,
	uint64_t *last, uint64_t *seqs)
{
	struct mr_store_change change;

	while (feed_next(feed, &change) == 1) {
		assert_true(at < log->n);
		assert_true(change.sequence > *last);
		*last = change.sequence;
		check_change(&log->items[at], &change);
		seqs[at++] = change.sequence;
	}
	assert_int_equal(at, log->n);
	return at;
}

static void test_feed(void **state)
{
	struct log log = {.rng = {test_seed("feed", 0x66656564)}};
	uint64_t *seqs = calloc(EXPECTED_MAX, sizeof(*seqs));
	struct mr_store *store = open_keeping_wal();
	struct mr_store_feed *feed;
	struct mr_store_change change;
	uint64_t last = 0;
	unsigned at = 0;

	(void)state;
	log.items = calloc(EXPECTED_MAX, sizeof(*log.items));
	model_init(&log.model, &log.rng);
	feed = feed_open(store, 0);
	assert_int_equal(feed_next(feed, &change), 0);
	for (unsigned round = 0; round < 12; round++) {
		for (unsigned i = 0; i < 20; i++) {
			step(store, &log);
			if (i % 7 == 0)
				at = follow(feed, &log, at, &last, seqs);
		}
		at = follow(feed, &log, at, &last, seqs);
		if (round % 4 == 3) {
			last = mr_store_feed_position(feed) - 1;
			mr_store_feed_close(feed);
			store_close(store);
			store = open_keeping_wal();
			feed = feed_open(store, last + 1);
		}
	}
	mr_store_feed_close(feed);

	// From any place on, also from within a batch and from numbers that are no change.
	for (unsigned i = 0; i < 30; i++) {
		unsigned from = (unsigned)mr_rng_below(&log.rng, log.n);
		uint64_t lower = from == 0 ? 0 : seqs[from - 1];

		last = lower;
		feed = feed_open(store, lower + 1 + mr_rng_below(&log.rng, seqs[from] - lower));
		follow(feed, &log, from, &last, seqs);
		mr_store_feed_close(feed);
	}
	mr_store_feed_close(NULL);
	store_close(store);
	free(log.items);
	free(seqs);
}

// ---- positions out of reach --------------------------------------------------------------------

static void test_feed_is_stale(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_feed *feed;
	struct mr_store_change change;
	struct mr_err err = {""};
	uint64_t newest;

	(void)state;
	put_u64(store, 1, 1, 1, 10, false);
	feed = feed_open(store, 1);
	for (uint64_t i = 2; i < 5; i++) {
		put_u64(store, 1, i, 1, 10, false);
		// Nobody keeps the log once its rows are in table files.
		assert_int_equal(mr_store_flush(store, NULL), 0);
	}
	newest = mr_store_sequence(store);
	assert_null(mr_store_feed_open(store, 1, &err));
	assert_int_equal(errno, ESTALE);
	assert_non_null(strstr(err.text, "change 1 "));
	assert_null(mr_store_feed_open(store, newest + 2, &err));
	assert_int_equal(errno, ERANGE);
	mr_store_feed_close(feed);

	feed = feed_open(store, newest + 1);
	assert_int_equal(feed_next(feed, &change), 0);
	put_u64(store, 1, 9, 1, 10, false);
	assert_int_equal(feed_next(feed, &change), 1);
	assert_true(change.sequence == newest + 1);
	mr_store_feed_close(feed);
	store_close(store);

	store = store_open(dir);
	assert_null(mr_store_feed_open(store, 1, &err));
	assert_int_equal(errno, ESTALE);
	mr_store_feed_close(feed_open(store, mr_store_sequence(store) + 1));
	store_close(store);
}

static void test_feed_falls_behind(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_feed *feed = feed_open(store, 1);
	struct mr_store_change change;
	struct mr_err err = {""};
	uint64_t last = 0;
	int ret;

	(void)state;
	for (uint64_t i = 0; i < 40; i++) {
		put_u64(store, 1, i, 1, 100, false);
		if (i % 10 == 9)
			assert_int_equal(mr_store_flush(store, NULL), 0);
	}
	put_u64(store, 1, 99, 1, 100, false);
	// It may still hold the file it was reading, but must never leave anything out.
	while ((ret = mr_store_feed_next(feed, &change, &err)) == 1) {
		assert_true(change.sequence == last + 1);
		last = change.sequence;
	}
	assert_int_equal(ret, -ESTALE);
	assert_true(err.text[0] != '\0');
	mr_store_feed_close(feed);
	store_close(store);
}

#define FOLLOWED 3000u

static void *put_many(void *arg)
{
	for (uint64_t i = 0; i < FOLLOWED; i++)
		put_u64(arg, 1, i, 1, 200, false);
	return NULL;
}

static void test_feed_beside_a_writer(void **state)
{
	struct mr_store *store = open_keeping_wal();
	struct mr_store_feed *feed = feed_open(store, 1);
	struct mr_store_change change;
	pthread_t thread;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, put_many, store), 0);
	while (n < FOLLOWED) {
		if (feed_next(feed, &change) == 0)
			continue;
		assert_true(mr_load_be64(change.item.key) == n++);
		if (n % 1000 == 0)
			assert_int_equal(mr_store_flush(store, NULL), 0);
	}
	pthread_join(thread, NULL);
	assert_int_equal(feed_next(feed, &change), 0);
	mr_store_feed_close(feed);
	store_close(store);
}

// ---- batches that nobody wrote -----------------------------------------------------------------

static void test_batch_is_bounded(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t n;
		int records; // -1: damaged
	} cases[] = {
		{"short", "1234567\0\0\0", 11, -1},
		{"empty", "12345678\0\0\0\0", 12, 0},
		{"put", "12345678\1\0\0\0\1\1k\1v", 17, 1},
		{"put in a family", "12345678\1\0\0\0\5\2\1k\1v", 18, 1},
		{"delete", "12345678\1\0\0\0\0\1k", 15, 1},
		{"noop before", "12345678\1\0\0\0\15\0\1k", 16, 1},
		{"range", "12345678\1\0\0\0\17\1a\1b", 17, 1},
		{"count too high", "12345678\2\0\0\0\0\1k", 15, -1},
		{"count too low", "12345678\0\0\0\0\0\1k", 15, -1},
		{"key overruns", "12345678\1\0\0\0\0\2k", 15, -1},
		{"value overruns", "12345678\1\0\0\0\1\1k\5v", 17, -1},
		{"no length", "12345678\1\0\0\0\1", 13, -1},
		{"length without end", "12345678\1\0\0\0\0\xff\xff\xff\xff\xff\xff", 19, -1},
		{"length past 32 bits", "12345678\1\0\0\0\0\xff\xff\xff\xff\x1f", 18, -1},
		{"merge", "12345678\1\0\0\0\2\1k\1v", 17, -1},
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		// Exactly as much memory as there is: reading past it shows.
		char *bytes = malloc(cases[i].n);
		struct mr_store_batch batch;
		struct mr_store_record record;
		int ret, n = 0;

		memcpy(bytes, cases[i].bytes, cases[i].n);
		ret = mr_store_batch_init(&batch, bytes, cases[i].n, 7);
		while (ret == 0 && (ret = mr_store_batch_next(&batch, &record)) == 1) {
			assert_true(record.sequence == 7u + (unsigned)n++);
			ret = 0;
		}
		free(bytes);
		if (cases[i].records < 0 ? ret != -EUCLEAN : n != cases[i].records || ret != 0)
			fail_msg("%s: %d after %d", cases[i].name, ret, n);
	}
}

static void test_batch_of_noise(void **state)
{
	struct mr_rng rng = {test_seed("batch", 0x62617463)};

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = 12 + mr_rng_below(&rng, 40);
		char *bytes = malloc(n);
		struct mr_store_batch batch;
		struct mr_store_record record;

		row_fill((uint8_t *)bytes, (uint32_t)n, mr_rng_next(&rng));
		for (size_t i = 12; i < n; i++)
			bytes[i] = (char)(bytes[i] & (mr_rng_below(&rng, 2) == 0 ? 0x07 : 0xff));
		assert_int_equal(mr_store_batch_init(&batch, bytes, n, 1), 0);
		while (mr_store_batch_next(&batch, &record) == 1)
			assert_true(
				record.key >= bytes && record.key + record.key_bytes <= bytes + n);
		free(bytes);
	}
}

static void test_batch_put_together(void **state)
{
	static const uint32_t row_bytes[] = {0, 1, 103, 111, 112, 127, 128, 16367, 16368, 70000};
	static const uint32_t key_bytes[] = {5, 12, 24, 127, 128, MR_STORE_KEY_MAX_BYTES};
	enum { N = MR_ARRAY_SIZE(row_bytes) * MR_ARRAY_SIZE(key_bytes) };
	static uint8_t row[70000], key[MR_STORE_KEY_MAX_BYTES];
	struct mr_store_head head = {.event_time_us = 77, .format = MR_STORE_FORMAT};
	size_t room = MR_STORE_BATCH_HEADER_BYTES;
	struct mr_store_batch_maker maker;
	struct mr_store_record record;
	struct mr_store_batch batch;
	size_t n_bytes;
	void *bytes;

	(void)state;
	row_fill(row, sizeof(row), 1);
	row_fill(key, sizeof(key), 2);
	for (unsigned i = 0; i < N; i++)
		room += MR_STORE_BATCH_PUT_BYTES + row_bytes[i % MR_ARRAY_SIZE(row_bytes)];
	bytes = malloc(room);
	mr_store_batch_begin(&maker, bytes);
	for (unsigned i = 0; i < N; i++)
		mr_store_batch_put(&maker, i * 1000, key, key_bytes[i / MR_ARRAY_SIZE(row_bytes)],
			&head, row, row_bytes[i % MR_ARRAY_SIZE(row_bytes)]);
	n_bytes = mr_store_batch_end(&maker);
	assert_true(n_bytes <= room);
	assert_int_equal(mr_store_batch_init(&batch, bytes, n_bytes, 5), 0);
	for (unsigned i = 0; i < N; i++) {
		uint32_t of_key = key_bytes[i / MR_ARRAY_SIZE(row_bytes)];
		uint32_t of_row = row_bytes[i % MR_ARRAY_SIZE(row_bytes)];

		assert_int_equal(mr_store_batch_next(&batch, &record), 1);
		assert_int_equal(record.kind, MR_STORE_RECORD_PUT);
		assert_int_equal(record.cf, i * 1000);
		assert_int_equal(record.sequence, 5 + i);
		assert_int_equal(record.key_bytes, of_key);
		assert_memory_equal(record.key, key, of_key);
		assert_int_equal(record.value_bytes, sizeof(head) + of_row);
		assert_memory_equal(record.value, &head, sizeof(head));
		assert_memory_equal(record.value + sizeof(head), row, of_row);
	}
	assert_int_equal(mr_store_batch_next(&batch, &record), 0);
	free(bytes);
}

// ---- bulk loads --------------------------------------------------------------------------------

static bool has_bulk_dirs(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool found = false;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		found = found || strncmp(entry->d_name, "bulk-", 5) == 0;
	closedir(d);
	return found;
}

// Loads the model's present entries of one space, in order.
static void bulk_model(struct mr_store *store, const struct model *model, mr_space_t space)
{
	static uint8_t row[ROW_MAX_BYTES];
	struct mr_store_bulk *bulk = mr_store_bulk_begin(store, space, model_fast(space), NULL);
	struct mr_err err = {""};
	uint64_t n = 0;

	assert_non_null(bulk);
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		const struct model_entry *e = &model->entries[i];
		struct mr_store_put put = {
			.space = space,
			.key = e->key,
			.key_bytes = e->key_bytes,
			.deleted = e->deleted,
			.keep_history = true,
			.event_time_us = e->event_time_us,
			.layout = e->layout,
			.row = row,
			.row_bytes = e->row_bytes,
		};

		if (e->space != space || !e->present)
			continue;
		row_fill(row, e->row_bytes, e->row_seed);
		if (mr_store_bulk_add(bulk, 0, &put, &err) != 0)
			fail_msg("bulk add: %s", err.text);
		n++;
	}
	assert_true(mr_store_bulk_rows(bulk) == n);
	if (mr_store_bulk_finish(bulk, &err) != 0)
		fail_msg("bulk: %s", err.text);
}

static void check_history(struct mr_store *store, const struct model *model, unsigned want)
{
	struct mr_store_reader *reader = mr_store_reader_create(store, 1);

	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		const struct model_entry *e = &model->entries[i];
		struct mr_store_get get = model_get(e);

		assert_int_equal(mr_store_read_as_of(reader, NULL, UINT64_MAX, &get, 1), 0);
		model_check(e, &get);
		want -= get.result == 0;
	}
	assert_int_equal(want, 0);
	mr_store_reader_free(reader);
}

static void test_bulk(void **state)
{
	struct mr_rng rng = {test_seed("bulk", 0x62756c6b)};
	static struct model model;
	static uint8_t row[ROW_MAX_BYTES];
	struct mr_store *store = store_open(dir);
	unsigned n_present = 0;
	uint64_t before;

	(void)state;
	model_init(&model, &rng);
	// Rows that the load is to replace.
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		struct mr_store_put put = model_change(&model, &rng, row);

		assert_int_equal(mr_store_commit(store, &put, 1, false, NULL), 0);
	}
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		model_change(&model, &rng, row);
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		n_present += model.entries[i].present;
	before = mr_store_sequence(store);
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		if (i == 0 || model.entries[i].space != model.entries[i - 1].space)
			bulk_model(store, &model, model.entries[i].space);
	}
	assert_true(mr_store_sequence(store) > before);
	assert_false(has_bulk_dirs());
	model_check_all(&model, store);
	check_history(store, &model, n_present);
	store_close(store);
	store = store_open(dir);
	model_check_all(&model, store);
	assert_int_equal(mr_store_compact(store, NULL), 0);
	model_check_all(&model, store);
	check_history(store, &model, n_present);
	store_close(store);
}

static void test_bulk_refuses(void **state)
{
	static const struct {
		const char *name;
		const char *first;
		mr_space_t space;
		const char *second;
		const char *says;
	} cases[] = {
		{"descending", "b", 1, "a", "sorts before"},
		{"equal", "b", 1, "b", "has the key"},
		{"shorter", "ab", 1, "a", "sorts before"},
		{"other space", "a", 2, "b", "is of 0/2"},
	};
	struct mr_store *store = store_open(dir);
	uint64_t before = mr_store_sequence(store);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_store_bulk *bulk = mr_store_bulk_begin(store, 1, false, NULL);
		struct mr_store_put put = {.space = 1, .key = cases[i].first};
		struct mr_err err = {""};

		put.key_bytes = (uint8_t)strlen(cases[i].first);
		assert_int_equal(mr_store_bulk_add(bulk, 0, &put, &err), 0);
		assert_true(has_bulk_dirs());
		put.key = cases[i].second;
		put.key_bytes = (uint8_t)strlen(cases[i].second);
		put.space = cases[i].space;
		assert_int_equal(mr_store_bulk_add(bulk, 0, &put, &err), -EINVAL);
		if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, "row 2") == NULL)
			fail_msg("%s: %s", cases[i].name, err.text);
		mr_store_bulk_abort(bulk);
	}
	assert_false(has_bulk_dirs());
	assert_int_equal(mr_store_bulk_finish(mr_store_bulk_begin(store, 1, false, NULL), NULL), 0);
	mr_store_bulk_abort(NULL);
	assert_true(mr_store_sequence(store) == before);
	store_close(store);
}

// Until it is finished, a load is invisible; what a dead process left behind goes at the next open.
static void test_bulk_is_invisible(void **state)
{
	struct mr_store *store = store_open(dir);
	struct mr_store_bulk *bulk = mr_store_bulk_begin(store, 1, false, NULL);
	struct mr_store_put put = {.space = 1, .key_bytes = 8};
	char path[DIR_MAX_BYTES + 32];
	uint64_t time_us;
	uint8_t be[8];

	(void)state;
	put.key = be;
	for (uint64_t i = 0; i < 20000; i++) {
		mr_store_be64(be, i);
		assert_int_equal(mr_store_bulk_add(bulk, 0, &put, NULL), 0);
		if (i % 5000 == 0)
			assert_int_equal(get_u64(store, 1, i, &time_us), -ENOENT);
	}
	assert_int_equal(mr_store_bulk_finish(bulk, NULL), 0);
	for (uint64_t i = 0; i < 20000; i += 999)
		assert_int_equal(get_u64(store, 1, i, &time_us), 0);
	store_close(store);

	snprintf(path, sizeof(path), "%s/bulk-dead00", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/bulk-dead00/000000.sst", dir);
	fclose(fopen(path, "w"));
	assert_true(has_bulk_dirs());
	store_close(store_open(dir));
	assert_false(has_bulk_dirs());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_feed, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_feed_is_stale, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_feed_falls_behind, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_feed_beside_a_writer, dir_setup, dir_teardown),
		cmocka_unit_test(test_batch_is_bounded),
		cmocka_unit_test(test_batch_of_noise),
		cmocka_unit_test(test_batch_put_together),
		cmocka_unit_test_setup_teardown(test_bulk, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_bulk_refuses, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_bulk_is_invisible, dir_setup, dir_teardown),
	};

	return cmocka_run_group_tests_name("store_feed", tests, NULL, NULL);
}
