// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"
#include "mr_bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72766965773131)

static struct model model;
static char text[4 * MODEL_TEXT_BYTES];
static uint8_t row[MR_ROW_MAX_BYTES], want[MR_ROW_MAX_BYTES];

// Some columns in some order: sorted ones and stretches of neighbours too, as views have them.
static unsigned random_columns(struct mr_rng *rng, unsigned n_columns, uint16_t *columns)
{
	unsigned n = 0, kind = (unsigned)mr_rng_below(rng, 3);
	unsigned keep = 1 + (unsigned)mr_rng_below(rng, 8);

	for (unsigned i = 0; i < n_columns; i++) {
		if (kind == 0 || mr_rng_below(rng, 8) < keep)
			columns[n++] = (uint16_t)i;
	}
	for (unsigned i = n; kind == 2 && i > 1; i--) {
		unsigned k = (unsigned)mr_rng_below(rng, i);
		uint16_t swap = columns[k];

		columns[k] = columns[i - 1];
		columns[i - 1] = swap;
	}
	if (n == 0)
		columns[n++] = (uint16_t)mr_rng_below(rng, n_columns);
	return n;
}

static void check_copy(const struct mr_view_part *part, uint32_t row_bytes, uint32_t want_bytes)
{
	uint8_t *from = malloc(row_bytes), *out = malloc(want_bytes);

	assert_non_null(from);
	assert_non_null(out);
	memcpy(from, row, row_bytes);
	memset(out, 0xa5, want_bytes);
	assert_int_equal(mr_view_part_bytes(part, from, row_bytes), want_bytes);
	assert_int_equal(mr_view_part_copy(part, from, row_bytes, out, want_bytes), want_bytes);
	assert_memory_equal(out, want, want_bytes);
	assert_int_equal(mr_row_check(&part->shape, out, want_bytes), 0);
	assert_int_equal(mr_view_part_copy(part, from, row_bytes, out, want_bytes - 1), -ENOSPC);
	assert_int_equal(mr_view_part_copy(part, from, row_bytes, out, 0), -ENOSPC);
	for (unsigned n = 0; n < row_bytes && n < part->row_fixed_bytes; n++)
		assert_int_equal(mr_view_part_copy(part, from, n, out, want_bytes), -EBADMSG);
	free(out);
	free(from);
}

static void test_against_model(void **state)
{
	struct mr_rng rng = {SEED};

	(void)state;
	print_message("seed %#llx\n", (unsigned long long)SEED);
	for (unsigned round = 0; round < 100; round++) {
		unsigned n = round % 10 == 0 ? 500 : 1 + (unsigned)mr_rng_below(&rng, 150);
		struct built b;

		model_random_columns(&model, &rng, n);
		built_init(&b, text, model_print(&model, "s", 1, text, sizeof(text)));
		for (unsigned k = 0; k < 10; k++) {
			uint16_t columns[MODEL_COLUMNS_MAX];
			unsigned n_wanted = random_columns(&rng, n, columns), bytes;
			struct mr_view_part part;

			model_random_values(&model, &rng);
			bytes = model_encode(&model, NULL, 0, row);
			assert_int_equal(mr_view_part_compile(&part, b.catalog->sets[0], columns,
						 n_wanted, &b.arena),
				0);
			check_copy(&part, bytes, model_encode(&model, columns, n_wanted, want));
		}
		built_fini(&b);
	}
}

// Bytes that are no row, as a reader of a slot that is being rewritten may see them.
static void test_torn_rows(void **state)
{
	struct mr_rng rng = {SEED + 1};
	struct built b;

	(void)state;
	model_random_columns(&model, &rng, 60);
	built_init(&b, text, model_print(&model, "s", 1, text, sizeof(text)));
	for (unsigned round = 0; round < 4000; round++) {
		uint32_t capacity = (uint32_t)mr_rng_below(&rng, 1500), bytes;
		uint16_t columns[MODEL_COLUMNS_MAX];
		struct mr_view_part part;
		size_t used = b.arena.used_bytes;
		uint8_t *from, *out = malloc(capacity + 1);
		int ret, length;

		model_random_values(&model, &rng);
		bytes = model_encode(&model, NULL, 0, row);
		if (mr_rng_below(&rng, 2) == 0)
			bytes = (uint32_t)mr_rng_below(&rng, bytes + 1);
		from = malloc(bytes + 1);
		assert_non_null(from);
		assert_non_null(out);
		memcpy(from + 1, row, bytes);
		for (unsigned i = 0; bytes > 0 && i < mr_rng_below(&rng, 200); i++)
			from[1 + mr_rng_below(&rng, bytes)] = (uint8_t)mr_rng_next(&rng);
		assert_int_equal(mr_view_part_compile(&part, b.catalog->sets[0], columns,
					 random_columns(&rng, 60, columns), &b.arena),
			0);
		length = mr_view_part_bytes(&part, from + 1, bytes);
		ret = mr_view_part_copy(&part, from + 1, bytes, out + 1, capacity);
		if (ret >= 0)
			assert_int_equal(ret, length);
		else
			assert_true(ret == -ENOSPC ? capacity < (uint32_t)length || length < 0
						   : length == ret || capacity < 1500);
		free(from);
		free(out);
		b.arena.used_bytes = used;
	}
	built_fini(&b);
}

// One byte too far on either side of where values may stand, in memory of exactly that size.
static void test_cell_bounds(void **state)
{
	uint16_t columns[] = {1, 0};
	uint8_t *exact = malloc(20), out[64];
	struct mr_view_part part;
	struct built b;

	(void)state;
	assert_non_null(exact);
	snprintf(text, sizeof(text),
		"[set s]\nid = 1\nkey = u64\ncolumn a = bytes\ncolumn b = bytes\n");
	built_init(&b, text, strlen(text));
	assert_int_equal(mr_view_part_compile(&part, b.catalog->sets[0], columns, 2, &b.arena), 0);
	assert_false(part.is_identity);
	for (unsigned offset = 0; offset < 24; offset++) {
		for (unsigned bytes = 0; bytes < 8; bytes++) {
			bool is_null = offset == 0 && bytes == 0;
			bool good = is_null || (offset >= 16 && offset + bytes <= 20);
			int length = good ? 16 + (int)bytes : -EBADMSG;

			memset(exact, 0, 20);
			mr_store_le16(exact + 12, (uint16_t)offset);
			mr_store_le16(exact + 14, (uint16_t)bytes);
			assert_int_equal(mr_view_part_bytes(&part, exact, 20), length);
			assert_int_equal(
				mr_view_part_copy(&part, exact, 20, out, sizeof(out)), length);
		}
	}
	free(exact);
	built_fini(&b);
}

// Every variable cell claims the whole row: the answer would be far longer than any row.
static void test_overlong_claims(void **state)
{
	static uint8_t out[65536];
	uint16_t columns[] = {3, 2, 1};
	struct mr_view_part part;
	struct built b;

	(void)state;
	snprintf(text, sizeof(text),
		"[set s]\nid = 1\nkey = u64\ncolumn a = bytes\ncolumn b = bytes\n"
		"column c = bytes\ncolumn d = bytes\n");
	built_init(&b, text, strlen(text));
	assert_int_equal(mr_view_part_compile(&part, b.catalog->sets[0], columns, 3, &b.arena), 0);
	memset(row, 0, sizeof(row));
	for (unsigned i = 0; i < 4; i++) {
		mr_store_le16(row + 8 + 4 * i, 24);
		mr_store_le16(row + 10 + 4 * i, MR_ROW_MAX_BYTES - 24);
	}
	assert_int_equal(mr_view_part_bytes(&part, row, MR_ROW_MAX_BYTES), -EBADMSG);
	assert_int_equal(
		mr_view_part_copy(&part, row, MR_ROW_MAX_BYTES, out, sizeof(out)), -EBADMSG);
	assert_int_equal(mr_view_part_bytes(&part, row, MR_ROW_MAX_BYTES + 1), -EBADMSG);
	built_fini(&b);
}

static void test_runs_are_few(void **state)
{
	uint16_t columns[250];
	struct mr_view_part part;
	struct built b;
	size_t at;

	(void)state;
	at = (size_t)snprintf(text, sizeof(text), "[set s]\nid = 1\nkey = u64\n");
	for (unsigned i = 0; i < 300; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "column c%u = %s\n", i,
			i % 10 == 9 ? "string" : "f32");
	built_init(&b, text, at);
	for (unsigned i = 0; i < 250; i++)
		columns[i] = (uint16_t)(i + 20);
	assert_int_equal(
		mr_view_part_compile(&part, b.catalog->sets[0], columns, 250, &b.arena), 0);
	// One run of cells across the strings between them; bits from 20 on cut at both rows'
	// words.
	assert_int_equal(part.n_copies, 1);
	assert_int_equal(part.n_bit_copies, 8);
	assert_int_equal(part.n_var_copies, 25);
	assert_false(part.is_identity);
	built_fini(&b);
}

static void test_compile_errors(void **state)
{
	static const uint16_t twice[] = {0, 1, 0}, outside[] = {0, 2}, good[] = {1, 0};
	struct mr_view_part part;
	struct mr_arena arena;
	uint8_t mem[512];
	struct built b;
	size_t size = 0;

	(void)state;
	snprintf(text, sizeof(text),
		"[set s]\nid = 1\nkey = u64\ncolumn a = i32\ncolumn b = string\n");
	built_init(&b, text, strlen(text));
	assert_int_equal(
		mr_view_part_compile(&part, b.catalog->sets[0], twice, 3, &b.arena), -EINVAL);
	assert_int_equal(
		mr_view_part_compile(&part, b.catalog->sets[0], outside, 2, &b.arena), -EINVAL);
	assert_int_equal(
		mr_view_part_compile(&part, b.catalog->sets[0], good, 0, &b.arena), -EINVAL);
	for (;; size++) {
		int ret;

		mr_arena_init(&arena, mem, size);
		ret = mr_view_part_compile(&part, b.catalog->sets[0], good, 2, &arena);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
	}
	assert_in_range(size, 2 * sizeof(struct mr_column), sizeof(mem));
	built_fini(&b);
}

// Four sets, 250 columns of each, through the catalog.
static void test_four_sets(void **state)
{
	struct mr_rng rng = {SEED + 2};
	static struct model models[4];
	const struct mr_view *view;
	struct built b;
	size_t at = 0;

	(void)state;
	for (unsigned s = 0; s < 4; s++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", s);
		model_random_columns(&models[s], &rng, 280);
		at += model_print(&models[s], name, s + 1, text + at, sizeof(text) - at);
	}
	at += (size_t)snprintf(text + at, sizeof(text) - at, "[view v]\nid = 9\n");
	for (unsigned i = 0; i < 250; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"columns = s0.c%u, s1.c%u, s2.c%u\n", i, i + 30, 279 - i);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "columns = s3.*\n");
	built_init(&b, text, at);
	view = mr_catalog_view(b.catalog, MR_VIEW_EXPLICIT | 9);
	assert_non_null(view);
	assert_int_equal(view->n_parts, 4);
	for (unsigned s = 0; s < 4; s++) {
		uint16_t columns[280];
		unsigned n = s < 3 ? 250 : 280, bytes;

		for (unsigned i = 0; i < n; i++)
			columns[i] = (uint16_t)(s == 1 ? i + 30 : s == 2 ? 279 - i : i);
		model = models[s];
		model_random_values(&model, &rng);
		bytes = model_encode(&model, NULL, 0, row);
		assert_int_equal(view->parts[s].is_identity, s == 3);
		assert_int_equal(view->parts[s].shape.n_columns, n);
		check_copy(&view->parts[s], bytes, model_encode(&model, columns, n, want));
	}
	built_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_torn_rows),
		cmocka_unit_test(test_cell_bounds),
		cmocka_unit_test(test_overlong_claims),
		cmocka_unit_test(test_runs_are_few),
		cmocka_unit_test(test_compile_errors),
		cmocka_unit_test(test_four_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
