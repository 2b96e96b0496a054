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

static void add_all(struct sorter *s, struct mr_rng *rng, unsigned n)
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
		if (sorter_add(s, &made, &err) != 0)
			fail_msg("%s", err.text);
		note(k);
	}
}

static void check_all(struct sorter *s, unsigned n)
{
	static unsigned order[KEYS];
	struct mr_err err = {""};
	struct sorted_row row;
	unsigned n_present = 0;

	for (unsigned i = 0; i < KEYS; i++)
		if (models[i].present)
			order[n_present++] = i;
	qsort(order, n_present, sizeof(order[0]), by_key);
	assert_int_equal(sorter_rewind(s, &err), 0);
	for (unsigned i = 0; i < n_present; i++) {
		const struct model *m = &models[order[i]];
		uint8_t key[MR_KEY_MAX_BYTES];

		assert_int_equal(sorter_next(s, &row, &err), 1);
		assert_int_equal(row.key_bytes, make_key(order[i], key));
		assert_memory_equal(row.key, key, row.key_bytes);
		assert_int_equal(row.event_time_us, m->time);
		assert_int_equal(row.row_bytes, m->bytes);
		assert_memory_equal(row.row, m->row, m->bytes);
	}
	assert_int_equal(sorter_next(s, &row, &err), 0);
	assert_int_equal(sorter_duplicates(s), n - n_present);
}

static void against_a_model(void **state)
{
	static const struct {
		uint64_t memory_bytes;
		unsigned n;
		bool in_memory;
	} cases[] = {{16 << 20, 0, true}, {16 << 20, 1, true}, {16 << 20, 10000, true},
		{1, 1, true}, {1, 10000, false}, {1 << 20, 20000, false}};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_rng rng = {.state = c + 1};
		struct sorter *s = sorter_new(cases[c].memory_bytes, "/tmp");

		assert_non_null(s);
		print_message("case %u, seed %u\n", c, c + 1);
		add_all(s, &rng, cases[c].n);
		check_all(s, cases[c].n);
		assert_int_equal(sorter_runs(s) == 0, cases[c].in_memory);
		sorter_free(s);
	}
}

static void nowhere_to_write(void **state)
{
	struct sorter *s = sorter_new(1, "/nonexistent");
	struct mr_err err = {""};
	int ret = 0;

	(void)state;
	made = (struct made_row){.row_bytes = 500, .key_bytes = 8};
	for (unsigned i = 0; i < 10000 && ret == 0; i++)
		ret = sorter_add(s, &made, &err);
	assert_int_equal(ret, -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/"));
	sorter_free(s);
	sorter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(nowhere_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
