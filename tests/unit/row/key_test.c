// SPDX-License-Identifier: BSD-3-Clause
#include "mr_key.h"
#include "mr_rng.h"

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

#define SEED UINT64_C(0x6d726b6579313131)

static struct mr_schema schema_of(const char *types)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct mr_schema s = {.name = "s"};
	unsigned fixed = 0;

	for (; types[s.n_key_parts] != '\0'; s.n_key_parts++) {
		char c = types[s.n_key_parts];

		s.key_parts[s.n_key_parts].name = names[s.n_key_parts];
		s.key_parts[s.n_key_parts].type = c == 'u'   ? MR_TYPE_U64
		                                  : c == 'i' ? MR_TYPE_I64
		                                  : c == 's' ? MR_TYPE_STRING
		                                             : MR_TYPE_BYTES;
		fixed += c == 'u' || c == 'i' ? 8 : 1000;
	}
	s.key_fixed_bytes = fixed < 1000 ? (uint8_t)fixed : 0;
	return s;
}

static uint64_t random_number(struct mr_rng *rng)
{
	uint64_t v = mr_rng_next(rng) >> mr_rng_below(rng, 64);

	return mr_rng_below(rng, 2) == 0 ? v : UINT64_C(0) - v;
}

static int compare_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_order(void **state)
{
	const struct mr_schema i = schema_of("i"), u = schema_of("u"), iu = schema_of("iu");
	struct mr_rng rng = {SEED};

	(void)state;
	print_message("seed %#llx\n", (unsigned long long)SEED);
	for (unsigned round = 0; round < 20000; round++) {
		struct mr_key_value a[2], b[2];
		uint8_t x[MR_KEY_MAX_BYTES], y[MR_KEY_MAX_BYTES];
		int want;

		for (unsigned k = 0; k < 2; k++) {
			a[k] = (struct mr_key_value){.u64 = random_number(&rng)};
			b[k] = mr_rng_below(&rng, 4) == 0
			               ? a[k]
			               : (struct mr_key_value){.u64 = random_number(&rng)};
		}
		assert_int_equal(mr_key_encode(&i, a, 1, x), 8);
		assert_int_equal(mr_key_encode(&i, b, 1, y), 8);
		assert_int_equal(sign(memcmp(x, y, 8)), compare_i64(a->i64, b->i64));
		assert_int_equal(mr_key_encode(&u, a, 1, x), 8);
		assert_int_equal(mr_key_encode(&u, b, 1, y), 8);
		assert_int_equal(sign(memcmp(x, y, 8)), (a->u64 > b->u64) - (a->u64 < b->u64));
		assert_int_equal(mr_key_encode(&iu, a, 2, x), 16);
		assert_int_equal(mr_key_encode(&iu, b, 2, y), 16);
		want = compare_i64(a[0].i64, b[0].i64);
		if (want == 0)
			want = (a[1].u64 > b[1].u64) - (a[1].u64 < b[1].u64);
		assert_int_equal(sign(memcmp(x, y, 16)), want);
	}
}

static void check_same(
	const struct mr_schema *s, const struct mr_key_value *a, const struct mr_key_value *b)
{
	for (unsigned i = 0; i < s->n_key_parts; i++) {
		if (s->key_parts[i].type == MR_TYPE_U64 || s->key_parts[i].type == MR_TYPE_I64) {
			assert_int_equal(a[i].u64, b[i].u64);
			continue;
		}
		assert_int_equal(a[i].bytes, b[i].bytes);
		assert_memory_equal(a[i].data, b[i].data, a[i].bytes);
	}
}

// Any bytes: decode and check agree, and what decodes encodes to the same bytes.
static void check_bytes(const struct mr_schema *s, const uint8_t *key, unsigned bytes)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX];
	uint8_t *exact = malloc(bytes + 1), again[MR_KEY_MAX_BYTES];
	int n;

	assert_non_null(exact);
	memcpy(exact + 1, key, bytes);
	n = mr_key_decode(s, exact + 1, bytes, parts);
	assert_int_equal(mr_key_check(s, exact + 1, bytes), n > 0);
	if (n > 0) {
		assert_int_equal(n, s->n_key_parts);
		assert_int_equal(mr_key_encode(s, parts, (unsigned)n, again), bytes);
		assert_memory_equal(again, exact + 1, bytes);
	} else {
		assert_int_equal(n, -EBADMSG);
	}
	free(exact);
}

static void test_round_trip(void **state)
{
	static const char *const types[] = {
		"u", "i", "s", "b", "us", "su", "sbs", "isub", "uuuuuuuu", "ssssssss"};
	struct mr_rng rng = {SEED + 1};

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct mr_schema s = schema_of(types[round % MR_ARRAY_SIZE(types)]);
		struct mr_key_value parts[MR_KEY_PARTS_MAX], back[MR_KEY_PARTS_MAX];
		uint8_t key[MR_KEY_MAX_BYTES + 1], data[MR_KEY_PARTS_MAX][32];
		int n;

		for (unsigned i = 0; i < s.n_key_parts; i++) {
			for (unsigned k = 0; k < sizeof(data[i]); k++)
				data[i][k] = (uint8_t)mr_rng_next(&rng);
			parts[i] = (struct mr_key_value){.u64 = random_number(&rng),
				.data = data[i],
				.bytes = (uint32_t)mr_rng_below(&rng, 28)};
		}
		n = mr_key_encode(&s, parts, s.n_key_parts, key);
		if (n == -EINVAL && s.n_key_parts == 1 && parts[0].bytes == 0)
			continue;
		assert_in_range(n, 1, MR_KEY_MAX_BYTES);
		assert_int_equal(mr_key_decode(&s, key, (unsigned)n, back), s.n_key_parts);
		check_same(&s, parts, back);
		for (unsigned cut = 0; cut <= (unsigned)n; cut++)
			check_bytes(&s, key, cut);
		key[mr_rng_below(&rng, (uint64_t)n)] = (uint8_t)mr_rng_next(&rng);
		check_bytes(&s, key, (unsigned)n);
	}
}

static void test_limits(void **state)
{
	struct mr_schema s = schema_of("s"), su = schema_of("su"), ss = schema_of("ss");
	char long_text[300];
	uint8_t key[MR_KEY_MAX_BYTES];
	struct mr_key_value parts[2] = {{.data = long_text, .bytes = 255}, {.u64 = 1}};

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	assert_int_equal(mr_key_encode(&s, parts, 1, key), 255);
	assert_int_equal(mr_key_encode(&s, parts, 2, key), -EINVAL);
	parts[0].bytes = 256;
	assert_int_equal(mr_key_encode(&s, parts, 1, key), -E2BIG);
	parts[0].bytes = 246;
	assert_int_equal(mr_key_encode(&su, parts, 2, key), 255);
	parts[0].bytes = 247;
	assert_int_equal(mr_key_encode(&su, parts, 2, key), -E2BIG);
	parts[0].bytes = UINT32_MAX;
	assert_int_equal(mr_key_encode(&su, parts, 2, key), -E2BIG);
	parts[0].bytes = 0;
	assert_int_equal(mr_key_encode(&s, parts, 1, key), -EINVAL);
	parts[1] = parts[0];
	assert_int_equal(mr_key_encode(&ss, parts, 2, key), 1);
	assert_false(mr_key_check(&ss, key, 0));
	assert_false(mr_key_check(&s, key, 256));
}

static void test_parse_and_print(void **state)
{
	static char long_text[300];
	static const struct {
		const char *types, *texts[2];
		unsigned n_texts;
		int ret;
		const char *want; // printed, or a part of the message
	} cases[] = {
		{"u", {"42"}, 1, 8, "42"},
		{"u", {"007"}, 1, 8, "7"},
		{"u", {"18446744073709551615"}, 1, 8, "18446744073709551615"},
		{"u", {"18446744073709551616"}, 1, -ERANGE,
			"key part a: u64 expected, got '18446744073709551616': out of range"},
		{"u", {"-1"}, 1, -EINVAL, "key part a: u64 expected, got '-1'"},
		{"u", {""}, 1, -EINVAL, "key part a: u64 expected, got ''"},
		{"i", {"-9223372036854775808"}, 1, 8, "-9223372036854775808"},
		{"i", {"1x"}, 1, -EINVAL, "key part a: i64 expected, got '1x'"},
		{"s", {"0x41"}, 1, 4, "0x41"},
		{"s", {"\xff"}, 1, -EINVAL, "key part a: string expected, got '?': not UTF-8"},
		{"s", {""}, 1, -EINVAL, "empty key"},
		{"s", {long_text}, 1, -E2BIG, "a key has at most 255 bytes"},
		{"b", {"0x00Ff"}, 1, 2, "0x00ff"},
		{"b", {"raw"}, 1, 3, "0x726177"},
		{"b", {"0x1"}, 1, -EINVAL, "an even number of hex digits"},
		{"us", {"5", "site"}, 2, 12, "5,site"},
		{"su", {"site", "x"}, 2, -EINVAL, "key part b: u64 expected, got 'x'"},
		{"ss", {long_text + 60, long_text + 200}, 2, -E2BIG, "key longer than 255 bytes"},
		{"us", {"5"}, 1, -EINVAL, "set s: key has 2 parts, got 1"},
	};

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_schema s = schema_of(cases[i].types);
		uint8_t key[MR_KEY_MAX_BYTES];
		struct mr_err err = {""};
		char printed[128], cut[4];
		int ret = mr_key_parse(&s, cases[i].texts, cases[i].n_texts, key, &err);

		if (ret != cases[i].ret)
			fail_msg("case %u: %d, not %d: %s", i, ret, cases[i].ret, err.text);
		if (ret < 0) {
			if (strstr(err.text, cases[i].want) == NULL)
				fail_msg("case %u: %s", i, err.text);
			continue;
		}
		assert_int_equal(mr_key_print(&s, key, (unsigned)ret, printed, sizeof(printed)),
			strlen(cases[i].want));
		assert_string_equal(printed, cases[i].want);
		assert_int_equal(mr_key_print(&s, key, (unsigned)ret, cut, sizeof(cut)),
			strlen(cases[i].want));
		assert_memory_equal(cut, cases[i].want, strlen(cut));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_parse_and_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
