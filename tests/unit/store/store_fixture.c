// SPDX-License-Identifier: BSD-3-Clause
#include "store_fixture.h"

#include "mr_bytes.h"
#include "mr_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char dir[DIR_MAX_BYTES];

int dir_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/mr-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int dir_teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ? 0 : -1;
}

struct mr_store_params store_params(const char *path)
{
	return (struct mr_store_params){
		.path = path,
		.block_cache_bytes = 8u << 20,
		.memtable_bytes = 4u << 20,
		.numa_node = -1,
	};
}

struct mr_store *store_try_open(const char *path, struct mr_err *err)
{
	struct mr_store_params params = store_params(path);

	return mr_store_open(&params, err);
}

struct mr_store *store_open(const char *path)
{
	struct mr_err err = {""};
	struct mr_store *store = store_try_open(path, &err);

	if (store == NULL)
		fail_msg("open: %s", err.text);
	return store;
}

void store_close(struct mr_store *store)
{
	struct mr_err err = {""};

	if (mr_store_close(store, &err) != 0)
		fail_msg("close: %s", err.text);
}

void file_find(const char *pattern, char path[FILE_PATH_MAX_BYTES])
{
	char glob_pattern[FILE_PATH_MAX_BYTES];
	glob_t found;

	snprintf(glob_pattern, sizeof(glob_pattern), "%s/%s", dir, pattern);
	assert_int_equal(glob(glob_pattern, 0, NULL, &found), 0);
	snprintf(path, FILE_PATH_MAX_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

void file_damage(const char *path, off_t at, const char *bytes, bool cut)
{
	size_t n = strlen(bytes);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	if (cut)
		assert_int_equal(ftruncate(fd, at + (off_t)n), 0);
	close(fd);
}

void row_fill(uint8_t *row, uint32_t row_bytes, uint64_t seed)
{
	struct mr_rng rng = {seed};
	uint64_t word = 0;

	for (uint32_t i = 0; i < row_bytes; i++) {
		if (i % 8 == 0)
			word = mr_rng_next(&rng);
		row[i] = (uint8_t)(word >> (i % 8 * 8));
	}
}

uint64_t test_seed(const char *name, uint64_t otherwise)
{
	const char *text = getenv("MR_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : otherwise;

	print_message("%s: MR_TEST_SEED=%#llx\n", name, (unsigned long long)seed);
	return seed;
}

// ---- the model ---------------------------------------------------------------------------------

static int compare_entries(const void *a, const void *b)
{
	const struct model_entry *x = a, *y = b;
	int c;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	c = memcmp(x->key, y->key, MR_MIN(x->key_bytes, y->key_bytes));
	return c != 0 ? c : (int)x->key_bytes - (int)y->key_bytes;
}

static bool is_new(const struct model *model, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (compare_entries(&model->entries[i], &model->entries[n]) == 0)
			return false;
	}
	return true;
}

// Few letters, lengths from 1 to 255: keys that are prefixes of each other and differ late.
static void make_key(struct model_entry *e, struct mr_rng *rng)
{
	static const uint8_t letters[] = {0x00, 0xff, 'a'};
	static const uint8_t lengths[] = {1, 2, 3, 4, 5, 8, 16, 100, 255};
	static const mr_space_t spaces[MODEL_SPACES] = {1, 0x00010002, 0x00010100, UINT32_MAX};

	memset(e, 0, sizeof(*e));
	e->space = spaces[mr_rng_below(rng, MODEL_SPACES)];
	e->key_bytes = lengths[mr_rng_below(rng, sizeof(lengths))];
	for (unsigned i = 0; i < e->key_bytes; i++)
		e->key[i] = letters[mr_rng_below(rng, 8) == 0 ? mr_rng_below(rng, 3) : 1];
}

void model_init(struct model *model, struct mr_rng *rng)
{
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		do
			make_key(&model->entries[i], rng);
		while (!is_new(model, i));
	}
	qsort(model->entries, MODEL_KEYS, sizeof(model->entries[0]), compare_entries);
}

struct mr_store_put model_change(struct model *model, struct mr_rng *rng, uint8_t *row)
{
	static const uint32_t sizes[] = {0, 1, 16, 120, 4095, 4096, 4097, ROW_MAX_BYTES};
	struct model_entry *e = &model->entries[mr_rng_below(rng, MODEL_KEYS)];

	e->present = true;
	e->deleted = mr_rng_below(rng, 5) == 0;
	e->event_time_us = mr_rng_next(rng);
	e->layout = (uint32_t)mr_rng_next(rng);
	e->row_seed = mr_rng_next(rng);
	e->row_bytes = e->deleted ? 0 : sizes[mr_rng_below(rng, MR_ARRAY_SIZE(sizes))];
	row_fill(row, e->row_bytes, e->row_seed);
	return (struct mr_store_put){
		.space = e->space,
		.key = e->key,
		.key_bytes = e->key_bytes,
		.fast = model_fast(e->space),
		.deleted = e->deleted,
		.event_time_us = e->event_time_us,
		.layout = e->layout,
		.row = row,
		.row_bytes = e->row_bytes,
	};
}

static void check_row(const struct model_entry *e, const uint8_t *row, uint32_t row_bytes)
{
	static uint8_t want[ROW_MAX_BYTES];

	assert_int_equal(row_bytes, e->row_bytes);
	row_fill(want, e->row_bytes, e->row_seed);
	if (row_bytes > 0)
		assert_memory_equal(row, want, row_bytes);
}

void model_check(const struct model_entry *e, const struct mr_store_get *get)
{
	if (!e->present) {
		assert_int_equal(get->result, -ENOENT);
		return;
	}
	assert_int_equal(get->result, 0);
	assert_int_equal(get->deleted, e->deleted);
	assert_true(get->event_time_us == e->event_time_us);
	assert_int_equal(get->layout, e->layout);
	check_row(e, get->row, get->row_bytes);
}

static void check_item(const struct model_entry *e, const struct mr_store_item *item)
{
	assert_int_equal(item->space, e->space);
	assert_int_equal(item->key_bytes, e->key_bytes);
	assert_memory_equal(item->key, e->key, e->key_bytes);
	assert_int_equal(item->deleted, e->deleted);
	assert_true(item->event_time_us == e->event_time_us);
	assert_int_equal(item->layout, e->layout);
	check_row(e, item->row, item->row_bytes);
}

// The same keys, as what a filter wants of them.
static void check_hashes(const struct model *model, struct mr_store *store, mr_space_t space)
{
	struct mr_store_scan *scan = mr_store_scan_begin(store, space);
	uint64_t hashes[2 * MODEL_KEYS + 1];
	struct mr_err err = {""};
	unsigned n = 0, burst = 1;
	int ret;

	assert_non_null(scan);
	while ((ret = mr_store_scan_hashes(
			scan, hashes + n, MR_MIN(burst, MODEL_KEYS + 1 - n), &err)) > 0) {
		n += (unsigned)ret;
		burst = burst % 7 + 1;
	}
	assert_int_equal(ret, 0);
	for (unsigned i = 0, k = 0; i < 2 * MODEL_KEYS || k != n; i++) {
		const struct model_entry *e = &model->entries[i % MODEL_KEYS];

		assert_true(i < 2 * MODEL_KEYS);
		if (e->present && (space == 0 || e->space == space) &&
			model_fast(e->space) == (i >= MODEL_KEYS))
			assert_true(hashes[k++] ==
				    mr_hash_row(mr_hash_key(e->key, e->key_bytes), e->space));
	}
	mr_store_scan_end(scan);
}

static void check_scan(const struct model *model, struct mr_store *store, mr_space_t space)
{
	struct mr_store_scan *scan = mr_store_scan_begin(store, space);
	struct mr_store_item item;
	struct mr_err err = {""};

	assert_non_null(scan);
	// One family after the other, each by key.
	for (unsigned i = 0; i < 2 * MODEL_KEYS; i++) {
		const struct model_entry *e = &model->entries[i % MODEL_KEYS];

		if (!e->present || (space != 0 && e->space != space) ||
			model_fast(e->space) != (i >= MODEL_KEYS))
			continue;
		assert_int_equal(mr_store_scan_next(scan, &item, &err), 1);
		check_item(e, &item);
	}
	assert_int_equal(mr_store_scan_next(scan, &item, &err), 0);
	assert_int_equal(mr_store_scan_next(scan, &item, &err), 0);
	mr_store_scan_end(scan);
	check_hashes(model, store, space);
}

void model_check_all(const struct model *model, struct mr_store *store)
{
	struct mr_store_reader *reader = mr_store_reader_create(store, MODEL_KEYS);
	struct mr_store_get gets[MODEL_KEYS];

	assert_non_null(reader);
	for (unsigned i = 0; i < MODEL_KEYS; i++) {
		const struct model_entry *e = &model->entries[i];

		gets[i] = model_get(e);
	}
	assert_int_equal(mr_store_read(reader, gets, MODEL_KEYS), 0);
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		model_check(&model->entries[i], &gets[i]);
	mr_store_reader_free(reader);

	check_scan(model, store, 0);
	for (unsigned i = 0; i < MODEL_KEYS; i += MODEL_KEYS / 8)
		check_scan(model, store, model->entries[i].space);
}

// ---- single rows -------------------------------------------------------------------------------

void put_u64(struct mr_store *store, mr_space_t space, uint64_t key, uint64_t event_time_us,
	uint32_t row_bytes, bool sync)
{
	uint8_t row[ROW_MAX_BYTES], be[8];
	struct mr_err err = {""};
	struct mr_store_put put = {
		.space = space,
		.key = be,
		.key_bytes = sizeof(be),
		.event_time_us = event_time_us,
		.row = row,
		.row_bytes = row_bytes,
	};

	mr_store_be64(be, key);
	row_fill(row, row_bytes, key ^ event_time_us);
	if (mr_store_commit(store, &put, 1, sync, &err) != 0)
		fail_msg("put: %s", err.text);
}

int get_u64(struct mr_store *store, mr_space_t space, uint64_t key, uint64_t *ret_event_time_us)
{
	struct mr_store_reader *reader = mr_store_reader_create(store, 1);
	uint8_t want[ROW_MAX_BYTES], be[8];
	struct mr_store_get get = {.space = space, .key = be, .key_bytes = sizeof(be)};

	assert_non_null(reader);
	mr_store_be64(be, key);
	assert_int_equal(mr_store_read(reader, &get, 1), 0);
	*ret_event_time_us = 0;
	if (get.result == 0) {
		*ret_event_time_us = get.event_time_us;
		row_fill(want, get.row_bytes, key ^ get.event_time_us);
		assert_memory_equal(get.row, want, get.row_bytes);
	}
	mr_store_reader_free(reader);
	return get.result;
}
