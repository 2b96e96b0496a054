// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"
#include "mr_bytes.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72726f77313131)

static struct model model;
static char text[MODEL_TEXT_BYTES];
static uint8_t scratch[MR_ROW_MAX_BYTES], row[MR_ROW_MAX_BYTES], want[MR_ROW_MAX_BYTES];

static const struct mr_shape *build_shape(struct built *b)
{
	built_init(b, text, model_print(&model, "s", 1, text, sizeof(text)));
	return &b->catalog->sets[0]->shape;
}

// Sets the columns in a random order, some of them twice with something else first.
static int build_row(const struct mr_shape *shape, struct mr_rng *rng, uint8_t *out)
{
	struct mr_row_builder b;
	uint16_t order[MODEL_COLUMNS_MAX];

	assert_int_equal(mr_row_begin(&b, shape, out, MR_ROW_MAX_BYTES, scratch), 0);
	for (unsigned i = 0; i < shape->n_columns; i++)
		order[i] = (uint16_t)i;
	for (unsigned i = shape->n_columns; i > 1; i--) {
		unsigned k = (unsigned)mr_rng_below(rng, i);
		uint16_t swap = order[k];

		order[k] = order[i - 1];
		order[i - 1] = swap;
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < shape->n_columns; i++) {
			const struct mr_column *c = &shape->columns[order[i]];
			struct mr_value v = model_value(&model.columns[order[i]]);

			if (pass == 0 && mr_rng_below(rng, 2) == 0)
				continue;
			if (pass == 0 && c->is_variable)
				v.bytes /= 2, v.is_null = false;
			// Half of a string may end inside a character, which is refused.
			if (mr_row_set(&b, c, &v) < 0)
				assert_int_equal(pass, 0);
		}
	}
	return mr_row_end(&b);
}

static void check_get(const struct mr_shape *shape, const uint8_t *r, uint32_t bytes)
{
	for (unsigned i = 0; i < shape->n_columns; i++) {
		const struct model_column *m = &model.columns[i];
		struct mr_value v, w = model_value(m);

		assert_int_equal(mr_row_get(&shape->columns[i], r, bytes, &v), 0);
		assert_int_equal(v.is_null, m->is_null);
		assert_int_equal(mr_row_is_null(&shape->columns[i], r), m->is_null);
		if (m->is_null)
			continue;
		assert_int_equal(v.type, m->type);
		assert_int_equal(v.count, m->count);
		if (w.data != NULL) {
			assert_int_equal(v.bytes, w.bytes);
			assert_memory_equal(v.data, w.data, w.bytes);
		} else {
			assert_memory_equal(&v.i64, &w.i64, m->bytes);
		}
	}
}

// Prints every value and builds the row again from the texts.
static void check_text(const struct mr_shape *shape, const uint8_t *r, uint32_t bytes)
{
	static uint8_t again[MR_ROW_MAX_BYTES];
	const struct mr_value null = {.is_null = true};
	struct mr_row_builder b;
	struct mr_err err = {""};
	char value[2048];

	assert_int_equal(mr_row_begin(&b, shape, again, sizeof(again), scratch), 0);
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_value v;
		int n;

		assert_int_equal(mr_row_get(&shape->columns[i], r, bytes, &v), 0);
		n = mr_value_print(&v, value, sizeof(value));
		assert_in_range(n, 0, sizeof(value) - 1);
		assert_int_equal(strlen(value), n);
		if (v.is_null && v.type == MR_TYPE_STRING)
			assert_int_equal(mr_row_set(&b, &shape->columns[i], &null), 0);
		else if (mr_row_set_text(&b, &shape->columns[i], value, (size_t)n, &err) < 0)
			fail_msg("%s", err.text);
	}
	assert_int_equal(mr_row_end(&b), bytes);
	assert_memory_equal(again, r, bytes);
}

static void test_round_trip(void **state)
{
	struct mr_rng rng = {SEED};

	(void)state;
	print_message("seed %#llx\n", (unsigned long long)SEED);
	for (unsigned round = 0; round < 120; round++) {
		unsigned n = round % 20 == 0 ? 250 : 1 + (unsigned)mr_rng_below(&rng, 70);
		const struct mr_shape *shape;
		struct built b;

		model_random_columns(&model, &rng, n);
		shape = build_shape(&b);
		for (unsigned k = 0; k < 4; k++) {
			unsigned bytes;

			model_random_values(&model, &rng);
			bytes = model_encode(&model, NULL, 0, want);
			assert_int_equal(build_row(shape, &rng, row), bytes);
			assert_memory_equal(row, want, bytes);
			assert_int_equal(mr_row_check(shape, row, bytes), 0);
			check_get(shape, row, bytes);
			check_text(shape, row, bytes);
		}
		built_fini(&b);
	}
}

// What mr_row_check() lets through must be canonical: taken apart and built again it is the same.
static void check_canonical(const struct mr_shape *shape, const uint8_t *r, uint32_t bytes)
{
	struct mr_row_builder b;

	assert_int_equal(mr_row_begin(&b, shape, row, sizeof(row), scratch), 0);
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_value v;

		assert_int_equal(mr_row_get(&shape->columns[i], r, bytes, &v), 0);
		assert_int_equal(mr_row_set(&b, &shape->columns[i], &v), 0);
	}
	assert_int_equal(mr_row_end(&b), bytes);
	assert_memory_equal(row, r, bytes);
}

static void probe(const struct mr_shape *shape, const uint8_t *from, uint32_t bytes,
	struct mr_rng *rng, bool mutate)
{
	uint8_t *exact = malloc(bytes + (bytes == 0));
	struct mr_value v;

	assert_non_null(exact);
	memcpy(exact, from, bytes);
	for (unsigned i = 0; mutate && bytes > 0 && i <= mr_rng_below(rng, 3); i++)
		exact[mr_rng_below(rng, bytes)] ^= (uint8_t)(1u << mr_rng_below(rng, 8));
	for (unsigned i = 0; i < shape->n_columns; i++)
		mr_row_get(&shape->columns[i], exact, bytes, &v);
	if (mr_row_check(shape, exact, bytes) == 0)
		check_canonical(shape, exact, bytes);
	free(exact);
}

static void test_hostile_rows(void **state)
{
	struct mr_rng rng = {SEED + 1};

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		const struct mr_shape *shape;
		struct built b;
		unsigned bytes;

		model_random_columns(&model, &rng, 1 + (unsigned)mr_rng_below(&rng, 30));
		model_random_values(&model, &rng);
		shape = build_shape(&b);
		bytes = model_encode(&model, NULL, 0, want);
		for (unsigned n = 0; n < bytes; n++) {
			assert_int_equal(mr_row_check(shape, want, n), -EBADMSG);
			probe(shape, want, n, &rng, true);
		}
		for (unsigned i = 0; i < 500; i++)
			probe(shape, want, bytes, &rng, true);
		built_fini(&b);
	}
}

// One schema, one good row, and each rule broken once.
static void test_check_rules(void **state)
{
	static const char schema[] = "[set s]\nid = 1\nkey = u64\ncolumn a = bool\n"
				     "column s = string\ncolumn t = string\ncolumn i = i64\n";
	// 0: nulls, 8: i, 16: s, 20: t, 24: a, 25: "hi" "yo"
	static const uint8_t good[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 2,
		0, 27, 0, 2, 0, 1, 'h', 'i', 'y', 'o'};
	static const struct {
		const char *what;
		uint8_t at, value;
	} bad[] = {
		{"unused null bit", 0, 0x10},
		{"padding", 7, 1},
		{"null with a cell", 0, 0x01},
		{"null variable with a cell", 0, 0x02},
		{"value before its place", 16, 24},
		{"gap in the tail", 20, 28},
		{"values in the wrong order", 16, 27},
		{"length beyond the row", 22, 3},
		{"byte left over", 22, 1},
		{"length far beyond the row", 23, 0xff},
		{"bool of 2", 24, 2},
		{"not UTF-8", 26, 0xc3},
	};
	const struct mr_shape *shape;
	uint8_t r[sizeof(good)];
	struct built b;

	(void)state;
	built_init(&b, schema, strlen(schema));
	shape = &b.catalog->sets[0]->shape;
	assert_int_equal(mr_row_check(shape, good, sizeof(good)), 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bad); i++) {
		memcpy(r, good, sizeof(good));
		r[bad[i].at] = bad[i].value;
		if (mr_row_check(shape, r, sizeof(r)) != -EBADMSG)
			fail_msg("%s is let through", bad[i].what);
	}
	built_fini(&b);
}

struct text_case {
	const char *type, *text;
	int ret;
	const char *printed; // or a part of the message
};

static const struct text_case texts[] = {
	{"bool", "true", 0, "true"},
	{"bool", "0", 0, "false"},
	{"bool", "yes", -EINVAL, "column x: bool expected, got 'yes'"},
	{"i32", "-2147483648", 0, "-2147483648"},
	{"i32", "2147483648", -ERANGE, "column x: i32 expected, got '2147483648': out of range"},
	{"i32", "12 ", -EINVAL, "got '12 '"},
	{"i32", "1.0", -EINVAL, "i32 expected, got '1.0'"},
	{"i32", "-", -EINVAL, "got '-'"},
	{"i32", "-+1", -EINVAL, "got '-+1'"},
	{"i32", "", 0, ""},
	{"i64", "-9223372036854775808", 0, "-9223372036854775808"},
	{"i64", "9223372036854775807", 0, "9223372036854775807"},
	{"i64", "9223372036854775808", -ERANGE, "out of range"},
	{"i64", "-9223372036854775809", -ERANGE, "out of range"},
	{"i64", "99999999999999999999999", -ERANGE, "out of range"},
	{"i64", "99999999999999999999999x", -EINVAL, "i64 expected"},
	{"f32", "0.1", 0, "0.1"},
	{"f32", "1e39", -ERANGE, "out of range"},
	{"f32", "3.4028235e38", 0, "3.4028235e+38"},
	{"f32", "1e-50", 0, "0"},
	{"f32", "-inf", 0, "-inf"},
	{"f64", "1e-3", 0, "0.001"},
	{"f64", "-0", 0, "-0"},
	{"f64", "nan", 0, "nan"},
	{"f64", "-NaN", 0, "-nan"},
	{"f64", "nan(0x1)", 0, "nan(0x1)"},
	{"f64", "nan(0x0)", -EINVAL, "got 'nan(0x0)'"},
	{"f64", "nan(0x10000000000000)", -EINVAL, "f64 expected"},
	{"f64", "5e-324", 0, "5e-324"},
	{"f64", "1e309", -ERANGE, "out of range"},
	{"f64", "1,5", -EINVAL, "f64 expected, got '1,5'"},
	{"f64", " 1", -EINVAL, "f64 expected"},
	{"f64", "0x10", -EINVAL, "f64 expected"},
	{"f64", ".", -EINVAL, "f64 expected"},
	{"f64", "1e", -EINVAL, "f64 expected"},
	{"f64", ".5", 0, "0.5"},
	{"timestamp", "-1", 0, "-1"},
	{"timestamp", "1970-01-01T00:00:00Z", 0, "0"},
	{"timestamp", "2026-01-02T03:04:05.678Z", 0, "1767323045678000"},
	{"timestamp", "2026-01-02 03:04:05.678901+02:30", 0, "1767314045678901"},
	{"timestamp", "2000-02-29T12:00:00-00:01", 0, "951825660000000"},
	{"timestamp", "1969-12-31t23:59:59.999999z", 0, "-1"},
	{"timestamp", "0000-01-01T00:00:00Z", 0, "-62167219200000000"},
	{"timestamp", "2026-01-02T03:04:05.1234567Z", -ERANGE, "out of range"},
	{"timestamp", "2026-01-02T03:04:05.1234560Z", 0, "1767323045123456"},
	{"timestamp", "2026-02-29T00:00:00Z", -EINVAL, "timestamp expected"},
	{"timestamp", "2026-13-01T00:00:00Z", -EINVAL, "timestamp expected"},
	{"timestamp", "2026-01-02T24:00:00Z", -EINVAL, "timestamp expected"},
	{"timestamp", "2026-01-02T03:04:05", -EINVAL, "timestamp expected"},
	{"timestamp", "2026-01-02T03:04:05.Z", -EINVAL, "timestamp expected"},
	{"timestamp", "2026-01-02T03:04:05+2:00", -EINVAL, "timestamp expected"},
	{"string", "", 0, ""},
	{"string", "Z\xc3\xbcrich", 0, "Z\xc3\xbcrich"},
	{"string", "\xff\xfe", -EINVAL, "column x: string expected, got '?\?': not UTF-8"},
	{"string", "\xed\xa0\x80", -EINVAL, "not UTF-8"},
	{"string", "\xc0\x80", -EINVAL, "not UTF-8"},
	{"string", "12345678\xe2\x82", -EINVAL, "not UTF-8"},
	{"string", "\xf4\x90\x80\x80", -EINVAL, "not UTF-8"},
	{"bytes", "0xDEADbeef", 0, "0xdeadbeef"},
	{"bytes", "0x", 0, "0x"},
	{"bytes", "", 0, ""},
	{"bytes", "raw", 0, "0x726177"},
	{"bytes", "0xabc", -EINVAL, "an even number of hex digits"},
	{"bytes", "0xgg", -EINVAL, "got '0xgg'"},
	{"f32[3]", "[1;2.5;-3]", 0, "[1;2.5;-3]"},
	{"f32[3]", "1 2 3", 0, "[1;2;3]"},
	{"f32[3]", " [ 1 ; 2 ;3 ] ", 0, "[1;2;3]"},
	{"f32[3]", "1;2", -EINVAL, "f32[3] expected, got '1;2': 2 elements"},
	{"f32[3]", "1;2;3;4", -EINVAL, ": more than 3 elements"},
	{"f32[3]", "1;2;3;", -EINVAL, ": more than 3 elements"},
	{"f32[3]", "1;;3", -EINVAL, "f32[3] expected"},
	{"f32[3]", "1;x;3", -EINVAL, "got '1;x;3': element 2 is 'x'"},
	{"f32[3]", "[1;2;3", -EINVAL, "f32[3] expected"},
	{"f32[3]", "[]", -EINVAL, "f32[3] expected"},
	{"f32[3]", "1;1e99;2", -ERANGE, "element 2 is '1e99', out of range"},
	{"bool[2]", "1;false", 0, "[true;false]"},
	{"i64[1]", "7", 0, "[7]"},
	{"timestamp[2]", "1970-01-01T00:00:01Z 5", 0, "[1000000;5]"},
};

// However a number is read: the value that the C library finds, and nothing that it does not read.
static void check_number(const struct mr_shape *shape, const char *number)
{
	const struct mr_column *column = &shape->columns[0];
	bool is_float = column->type == MR_TYPE_F32, is_inf = strpbrk(number, "iI") != NULL;
	struct mr_row_builder rb;
	struct mr_err err = {""};
	struct mr_value v;
	char *end;
	double d = strtod(number, &end);
	float f = strtof(number, NULL);
	int n, ret, right = 0;

	if (*end != '\0' || strpbrk(number, "xX ") != NULL)
		right = -EINVAL;
	else if ((is_float ? isinf(f) : isinf(d)) && !is_inf)
		right = -ERANGE;
	assert_int_equal(mr_row_begin(&rb, shape, row, sizeof(row), scratch), 0);
	ret = mr_row_set_text(&rb, column, number, strlen(number), &err);
	if (ret != right)
		fail_msg("'%s' gives %d, not %d: %s", number, ret, right, err.text);
	n = mr_row_end(&rb);
	assert_int_equal(mr_row_get(column, row, (uint32_t)n, &v), 0);
	if (ret == 0 && number[0] != '\0' &&
		(is_float ? memcmp(&v.f32, &f, sizeof(f)) : memcmp(&v.f64, &d, sizeof(d))) != 0)
		fail_msg("%s is read as %.17g", number, is_float ? (double)v.f32 : v.f64);
}

// Of digits and exponents of all lengths, and what is none.
static void random_number(struct mr_rng *rng, char *number)
{
	static const char *const pieces[] = {"1", "0", "00", "9", "5", "25", "7", "184467440737",
		"9007199254740993", "16777217", ".", ".", "e", "E-", "e+1", "e-2", "+", "-",
		"0.000", "inf", "infinity", "0x", " ", "e30", "e-45", "e400", ","};
	unsigned n = 1 + (unsigned)mr_rng_below(rng, 7);

	number[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		strcat(number, pieces[mr_rng_below(rng, MR_ARRAY_SIZE(pieces))]);
}

// In the middle between two numbers, or next to it: where rounding goes wrong first.
static void middle_number(struct mr_rng *rng, bool is_float, char *number)
{
	int power = (int)mr_rng_below(rng, is_float ? 150 : 200) - (is_float ? 75 : 100);
	unsigned bits = is_float ? 24 : 53;
	uint64_t m = (mr_rng_next(rng) >> (64 - bits) | UINT64_C(1) << (bits - 1)) * 2 + 1;
	int digits = 10 + (int)mr_rng_below(rng, 15);
	// What is cut off of a mantissa of 54 bits is far below what a long double holds.
	long double middle = ldexpl((long double)m, power - (int)bits);

	snprintf(number, 64, mr_rng_below(rng, 2) ? "%.*Lg" : "%.*Le", digits, middle);
}

static void check_numbers(const struct mr_shape *shape, struct mr_rng *rng)
{
	static const char *const more[] = {"-0", "0", "0e0", "-0e99", "0e-400", "5.", ".5", "+.5",
		"16777217", "16777216.000000001", "33554434.999999999", "9007199254740993",
		"9007199254740992.9999", "18446744073709551615", "18446744073709551616",
		"9999999999999999999", "99999999999999999999", "1e22", "1e23", "1e27", "1e28",
		"9007199254740993e22", "3.4028235e38", "3.4028235677973366e38",
		"3.40282356779733661637e38", "3.4028236e38", "1.7976931348623157e308", "1e309",
		"1.1754944e-38", "1.4e-45", "0.7e-45", "7.006492321624085e-46", "4.9e-324",
		"2.4e-324", "1e-27", "1e-28", "-1.17549430e-38", "0.1e", "e5", ".", "-", "+", "--1",
		"+-1", "1e+", "1e5x", "1_0", "0x10", "0x1p3", " 1", "1 ", "1,5", "infin", "in",
		"1e99999", "1e-99999", "1e2147483648", "1e-18446744073709551616",
		"0.30000000000000004", "1.00000005960464477539"};
	char number[256];

	for (size_t i = 0; i < MR_ARRAY_SIZE(more); i++)
		check_number(shape, more[i]);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t digits = mr_rng_next(rng) >> (mr_rng_next(rng) & 63);

		snprintf(number, sizeof(number), "%s%.*f", mr_rng_next(rng) & 1 ? "-" : "",
			(int)(mr_rng_next(rng) % 14),
			(double)digits / (double)(1 + mr_rng_next(rng) % 1000000));
		check_number(shape, number);
		snprintf(number, sizeof(number), "%llu.%llue%d",
			(unsigned long long)(mr_rng_next(rng) >> (mr_rng_next(rng) & 63)),
			(unsigned long long)(mr_rng_next(rng) >> (mr_rng_next(rng) & 63)),
			(int)mr_rng_below(rng, 90) - 60);
		check_number(shape, number);
		random_number(rng, number);
		check_number(shape, number);
		middle_number(rng, mr_rng_below(rng, 2) != 0, number);
		check_number(shape, number);
	}
}

static void test_numbers(void **state)
{
	static const char *const types[] = {"f32", "f64"};
	struct mr_rng rng = {SEED + 5};
	struct built b;

	(void)state;
	for (unsigned t = 0; t < MR_ARRAY_SIZE(types); t++) {
		snprintf(text, sizeof(text), "[set s]\nid = 1\nkey = u64\ncolumn x = %s\n",
			types[t]);
		built_init(&b, text, strlen(text));
		check_numbers(&b.catalog->sets[0]->shape, &rng);
		built_fini(&b);
	}
}

static void run_text_case(const struct text_case *c)
{
	struct mr_err err = {""};
	struct mr_row_builder rb;
	char printed[256];
	struct mr_value v;
	struct built b;
	int n, ret;

	snprintf(text, sizeof(text), "[set s]\nid = 1\nkey = u64\ncolumn x = %s\n", c->type);
	built_init(&b, text, strlen(text));
	assert_int_equal(
		mr_row_begin(&rb, &b.catalog->sets[0]->shape, row, sizeof(row), scratch), 0);
	ret = mr_row_set_text(&rb, &rb.shape->columns[0], c->text, strlen(c->text), &err);
	if (ret != c->ret)
		fail_msg("%s '%s': %d, not %d: %s", c->type, c->text, ret, c->ret, err.text);
	n = mr_row_end(&rb);
	assert_int_equal(mr_row_check(rb.shape, row, (uint32_t)n), 0);
	assert_int_equal(mr_row_get(&rb.shape->columns[0], row, (uint32_t)n, &v), 0);
	mr_value_print(&v, printed, sizeof(printed));
	if (ret == 0 && strcmp(printed, c->printed) != 0)
		fail_msg("%s '%s': printed '%s', not '%s'", c->type, c->text, printed, c->printed);
	if (ret < 0 && (!v.is_null || strstr(err.text, c->printed) == NULL))
		fail_msg("%s '%s': null %d, message: %s", c->type, c->text, v.is_null, err.text);
	built_fini(&b);
}

static void test_texts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(texts); i++)
		run_text_case(&texts[i]);
}

static void test_texts_in_a_comma_locale(void **state)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
	bool found = false;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(names) && !found; i++)
		found = setlocale(LC_ALL, names[i]) != NULL;
	if (!found)
		skip();
	test_texts(NULL);
	setlocale(LC_ALL, "C");
}

// Any bits survive, and no shorter digits would do.
static void check_float_text(uint64_t bits, bool is_double)
{
	struct mr_value v = {.type = is_double ? MR_TYPE_F64 : MR_TYPE_F32, .count = 1};
	char printed[64], shorter[64];
	int n, digits = 0;
	double d, s;

	memcpy(&v.i64, &bits, is_double ? 8 : 4);
	d = is_double ? v.f64 : (double)v.f32;
	n = mr_value_print(&v, printed, sizeof(printed));
	assert_in_range(n, 1, 32);
	if (!isfinite(d))
		return;
	s = is_double ? strtod(printed, NULL) : (double)strtof(printed, NULL);
	assert_memory_equal(&s, &d, sizeof(d));
	for (const char *p = printed; *p != '\0' && *p != 'e'; p++)
		digits += *p >= '0' && *p <= '9';
	snprintf(shorter, sizeof(shorter), "%.*e", digits > 18 ? 16 : digits - 2, d);
	s = is_double ? strtod(shorter, NULL) : (double)strtof(shorter, NULL);
	// "0.001" and "1500" have digits that only place the point; for those the form is short
	// anyhow.
	if (digits > 1 && strchr(printed, 'e') != NULL && s == d)
		fail_msg("'%s' could be '%s'", printed, shorter);
}

static void test_float_text(void **state)
{
	struct mr_rng rng = {SEED + 2};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		check_float_text(mr_rng_next(&rng), true);
		check_float_text(mr_rng_next(&rng) >> (mr_rng_next(&rng) & 63), true);
		check_float_text((uint32_t)mr_rng_next(&rng), false);
		check_float_text((uint32_t)mr_rng_next(&rng) >> (mr_rng_next(&rng) & 31), false);
	}
}

static void test_set_refuses(void **state)
{
	static const char schema[] = "[set s]\nid = 1\nkey = u64\ncolumn i = i32\n"
				     "column a = i32[2]\ncolumn b = bool[2]\ncolumn t = bytes\n";
	static const uint8_t elements[8] = {2};
	struct mr_value v = {.type = MR_TYPE_I64, .count = 1};
	struct mr_row_builder rb;
	const struct mr_column *c;
	struct built b;

	(void)state;
	built_init(&b, schema, strlen(schema));
	c = b.catalog->sets[0]->shape.columns;
	assert_int_equal(mr_row_builder_scratch_bytes(&b.catalog->sets[0]->shape),
		MR_ROW_MAX_BYTES - b.catalog->sets[0]->shape.fixed_bytes);
	assert_int_equal(mr_row_begin(&rb, &b.catalog->sets[0]->shape, row, 25, scratch), -ENOSPC);
	assert_int_equal(mr_row_begin(&rb, &b.catalog->sets[0]->shape, row, 40, scratch), 0);
	assert_int_equal(mr_row_set(&rb, &c[0], &v), -EINVAL);
	v = (struct mr_value){.type = MR_TYPE_I32, .count = 3, .data = elements, .bytes = 8};
	assert_int_equal(mr_row_set(&rb, &c[1], &v), -EINVAL);
	v.count = 2;
	assert_int_equal(mr_row_set(&rb, &c[0], &v), -EINVAL);
	assert_int_equal(mr_row_set(&rb, &c[1], &v), 0);
	v = (struct mr_value){.type = MR_TYPE_BOOL, .count = 2, .data = elements, .bytes = 2};
	assert_int_equal(mr_row_set(&rb, &c[2], &v), -EINVAL);
	// fixed part is 26 bytes: 14 are left of 40.
	v = (struct mr_value){.type = MR_TYPE_BYTES, .count = 1, .data = want, .bytes = 15};
	assert_int_equal(rb.shape->fixed_bytes, 26);
	assert_int_equal(mr_row_set(&rb, &c[3], &v), -E2BIG);
	v.bytes = 14;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(mr_row_set(&rb, &c[3], &v), 0);
	assert_int_equal(mr_row_end(&rb), 40);
	built_fini(&b);
}

// The longest row there can be.
static void test_longest_row(void **state)
{
	static const char schema[] = "[set s]\nid = 1\nkey = u64\ncolumn t = bytes\n";
	struct mr_value v = {
		.type = MR_TYPE_BYTES, .count = 1, .data = want, .bytes = MR_ROW_MAX_BYTES - 12};
	struct mr_row_builder rb;
	struct built b;

	(void)state;
	built_init(&b, schema, strlen(schema));
	assert_int_equal(mr_row_begin(&rb, &b.catalog->sets[0]->shape, row, 65536, scratch), 0);
	assert_int_equal(mr_row_set(&rb, rb.shape->columns, &v), 0);
	assert_int_equal(mr_row_end(&rb), MR_ROW_MAX_BYTES);
	assert_int_equal(mr_row_check(rb.shape, row, MR_ROW_MAX_BYTES), 0);
	v.bytes++;
	assert_int_equal(mr_row_set(&rb, rb.shape->columns, &v), -E2BIG);
	built_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hostile_rows),
		cmocka_unit_test(test_check_rules),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_texts_in_a_comma_locale),
		cmocka_unit_test(test_float_text),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_set_refuses),
		cmocka_unit_test(test_longest_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
