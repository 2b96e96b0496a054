// SPDX-License-Identifier: BSD-3-Clause
//
// The sorter of bulk loads against a plain model: every key once, in order, with the row that would
// win as a write, whether it fits the memory or takes many runs.
#include "sorter.h"

#include "mr_rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS 3000u
#define ROW_MAX 600u

struct model {
	bool present;
	uint64_t time;
	uint32_t bytes;
	uint8_t row[ROW_MAX];
};

static struct model models[KEYS];
static struct made_row made;

// Keys of which some begin alike, and some are the beginning of others.
static unsigned make_key(unsigned i, uint8_t *key)
{
	return (unsigned)snprintf((char *)key, MR_KEY_MAX_BYTES, "common/%u", i);
}

static int by_key(const void *a, const void *b)
{
	uint8_t ka[MR_KEY_MAX_BYTES], kb[MR_KEY_MAX_BYTES];
	unsigned na = make_key(*(const unsigned *)a, ka), nb = make_key(*(const unsigned *)b, kb);
	int order = memcmp(ka, kb, MR_MIN(na, nb));

	return order != 0 ? order : (int)na - (int)nb;
}

static void note(unsigned i)
{
	struct model *m = &models[i];
	int order = memcmp(made.row, m->row, MR_MIN(made.row_bytes, m->bytes));

	if (m->present &&
		(m->time > made.event_time_us ||
			(m->time == made.event_time_us &&
				(order < 0 || (order == 0 && made.row_bytes <= m->bytes)))))
		return;
	m->present = true;
	m->time = made.event_time_us;
	m->bytes = made.row_bytes;
	memcpy(m->row, made.row, made.row_bytes);
}

static void add_all(struct sorter *s, struct mr_rng *rng, unsigned n, unsigned n_lanes)
{
	struct mr_err err = {""};

	memset(models, 0, sizeof(models));
	for (unsigned i = 0; i < n; i++) {
		unsigned k = (unsigned)mr_rng_below(rng, KEYS);

		made.key_bytes = (uint8_t)make_key(k, made.key);
		made.event_time_us = mr_rng_below(rng, 4);
		made.row_bytes = (uint32_t)mr_rng_below(rng, ROW_MAX);
		for (unsigned b = 0; b < made.row_bytes; b++)
			made.row[b] = (uint8_t)mr_rng_below(rng, 2);
		if (sorter_add(s, (unsigned)mr_rng_below(rng, n_lanes), &made, &err) != 0)
			fail_msg("%s", err.text);
		note(k);
	}
}

static void check_row(const struct sorted_row *row, unsigned i)
{
	const struct model *m = &models[i];
	uint8_t key[MR_KEY_MAX_BYTES];

	assert_int_equal(row->key_bytes, make_key(i, key));
	assert_memory_equal(row->key, key, row->key_bytes);
	assert_int_equal(row->event_time_us, m->time);
	assert_int_equal(row->row_bytes, m->bytes);
	assert_memory_equal(row->row, m->row, m->bytes);
}

// Reads part after part; now and then stops, and goes on behind the last key.
static void check_all(struct sorter *s, struct mr_rng *rng, unsigned n_parts, uint64_t duplicates)
{
	static unsigned order[KEYS];
	struct mr_err err = {""};
	struct sorted_row row;
	unsigned n_present = 0, at = 0;
	uint64_t n_duplicates = 0;
	bool stopped = false;

	for (unsigned i = 0; i < KEYS; i++)
		if (models[i].present)
			order[n_present++] = i;
	qsort(order, n_present, sizeof(order[0]), by_key);
	assert_int_equal(sorter_split(s, n_parts, &err), 0);
	for (unsigned part = 0; part < n_parts; part++) {
		struct sorter_merge *m = sorter_merge_begin(s, part, NULL, 0, &err);
		unsigned begin = at;
		int ret;

		assert_non_null(m);
		while ((ret = sorter_merge_next(m, &row, &err)) == 1) {
			assert_true(at < n_present);
			check_row(&row, order[at++]);
			if (mr_rng_below(rng, 1000) != 0)
				continue;
			stopped = true;
			n_duplicates += sorter_merge_end(m);
			made.key_bytes = (uint8_t)make_key(order[at - 1], made.key);
			m = sorter_merge_begin(s, part, made.key, made.key_bytes, &err);
			assert_non_null(m);
		}
		assert_int_equal(ret, 0);
		n_duplicates += sorter_merge_end(m);
		// Parts are of about one size, as far as samples tell.
		if (n_present == KEYS)
			assert_true(at - begin > KEYS / n_parts / 2);
	}
	assert_int_equal(at, n_present);
	// Those of the very key that it stopped at are passed over uncounted.
	if (!stopped)
		assert_int_equal(n_duplicates, duplicates);
}

static void end_all(struct sorter *s, unsigned n_lanes)
{
	struct mr_err err = {""};

	for (unsigned i = 0; i < n_lanes; i++)
		assert_int_equal(sorter_end(s, i, &err), 0);
}

static unsigned count_present(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEYS; i++)
		n += models[i].present;
	return n;
}

static void against_a_model(void **state)
{
	static const struct {
		uint64_t memory_bytes;
		unsigned n, n_lanes, n_parts;
		bool in_memory;
	} cases[] = {{16 << 20, 0, 1, 1, true}, {16 << 20, 1, 1, 2, true},
		{16 << 20, 10000, 1, 1, true}, {1, 1, 1, 1, true}, {1, 10000, 1, 1, false},
		{1 << 20, 20000, 1, 1, false}, {16 << 20, 0, 3, 4, true},
		{32 << 20, 30000, 3, 4, true}, {1 << 20, 30000, 3, 4, false},
		{1, 30000, 2, 16, false}};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_rng rng = {.state = c + 1};
		struct sorter_params params = {
			cases[c].memory_bytes, cases[c].n_lanes, "/tmp", false};
		struct sorter *s = sorter_new(&params);

		assert_non_null(s);
		print_message("case %u, seed %u\n", c, c + 1);
		add_all(s, &rng, cases[c].n, cases[c].n_lanes);
		end_all(s, cases[c].n_lanes);
		assert_int_equal(sorter_rows(s), cases[c].n);
		check_all(s, &rng, cases[c].n_parts, cases[c].n - count_present());
		// Again: reading changes nothing.
		check_all(s, &rng, cases[c].n_parts, cases[c].n - count_present());
		assert_int_equal(sorter_runs(s) == 0, cases[c].in_memory);
		sorter_free(s);
	}
}

// What one sorter has saved, another takes up, and goes on with.
static void kept(void **state)
{
	char dir[] = "/tmp/sorter-test-XXXXXX", *text = NULL, path[64];
	struct sorter_params params = {1 << 20, 2, dir, true};
	struct mr_rng rng = {.state = 99};
	struct mr_err err = {""};
	struct sorter *s;
	size_t bytes;
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	s = sorter_new(&params);
	add_all(s, &rng, 20000, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sorter_flush(s, i, &err), 0);
	out = open_memstream(&text, &bytes);
	sorter_save(s, out);
	fclose(out);
	// Rows that came after it was saved are not wanted back.
	made.key_bytes = (uint8_t)make_key(KEYS + 1, made.key);
	made.row_bytes = ROW_MAX;
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(sorter_add(s, 0, &made, &err), 0);
	sorter_free(s);

	s = sorter_new(&params);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (sorter_restore(s, line, &err) != 0)
			fail_msg("%s", err.text);
	assert_int_equal(sorter_restore(s, "run 0 12 13 14 15", &err), -EINVAL);
	assert_int_equal(sorter_restore(s, "nonsense", &err), -EINVAL);
	check_all(s, &rng, 2, 20000 - count_present());
	sorter_free(s);
	free(text);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/rows-%u", dir, i);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void nowhere_to_write(void **state)
{
	struct sorter_params params = {1, 1, "/nonexistent", false};
	struct sorter *s = sorter_new(&params);
	struct mr_err err = {""};
	int ret = 0;

	(void)state;
	made = (struct made_row){.row_bytes = 500, .key_bytes = 8};
	for (unsigned i = 0; i < 10000 && ret == 0; i++)
		ret = sorter_add(s, 0, &made, &err);
	assert_int_equal(ret, -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/"));
	sorter_free(s);
	sorter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(kept),
		cmocka_unit_test(nowhere_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
