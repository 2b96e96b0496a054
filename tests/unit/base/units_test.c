// SPDX-License-Identifier: BSD-3-Clause
#include "mr_cc.h"
#include "mr_rng.h"
#include "mr_units.h"

#include <errno.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72756e69747331)
#define UNTOUCHED UINT64_C(0xabcdef)

struct parse_case {
	const char *text;
	int ret;
	uint64_t value;
};

static void check(
	int (*parse)(const char *, uint64_t *), const struct parse_case *cases, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t want = cases[i].ret == 0 ? cases[i].value : UNTOUCHED, got = UNTOUCHED;
		int ret = parse(cases[i].text, &got);

		if (ret != cases[i].ret || got != want)
			fail_msg("'%s': %d, %ju, want %d, %ju", cases[i].text, ret, (uintmax_t)got,
				cases[i].ret, (uintmax_t)want);
	}
}

static void test_parse_bytes(void **state)
{
	static const struct parse_case cases[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"007", 0, 7},
		{"12B", 0, 12},
		{"1K", 0, 1024},
		{"1KiB", 0, 1024},
		{"512M", 0, 512 * MR_MIB},
		{"3MiB", 0, 3 * MR_MIB},
		{"2G", 0, 2 * MR_GIB},
		{"2GiB", 0, 2 * MR_GIB},
		{"5T", 0, 5 * 1024 * MR_GIB},
		{"5TiB", 0, 5 * 1024 * MR_GIB},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"18446744073709551620", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"16777215T", 0, UINT64_C(16777215) << 40},
		{"16777216T", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"1k", -EINVAL, 0},
		{"1KB", -EINVAL, 0},
		{"1.5G", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1Ki", -EINVAL, 0},
	};

	(void)state;
	check(mr_parse_bytes, cases, MR_ARRAY_SIZE(cases));
}

static void test_parse_duration(void **state)
{
	static const struct parse_case cases[] = {
		{"0", 0, 0},
		{"0s", 0, 0},
		{"5us", 0, 5},
		{"5ms", 0, 5000},
		{"5s", 0, 5 * MR_US_PER_S},
		{"5m", 0, 300 * MR_US_PER_S},
		{"5h", 0, 18000 * MR_US_PER_S},
		{"5d", 0, 432000 * MR_US_PER_S},
		{"2w", 0, 14 * 86400 * MR_US_PER_S},
		{"18446744073709551615us", 0, UINT64_MAX},
		{"18446744073709551615ms", -ERANGE, 0},
		{"30500569w", -ERANGE, 0},
		{"30500568w", 0, UINT64_C(30500568) * 604800000000},
		{"5", -EINVAL, 0},
		{"00", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
		{"5S", -EINVAL, 0},
		{"5ns", -EINVAL, 0},
		{"5sec", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
	};

	(void)state;
	check(mr_parse_duration_us, cases, MR_ARRAY_SIZE(cases));
}

static void test_parse_u64(void **state)
{
	static const struct parse_case cases[] = {
		{"0", 0, 0},
		{"42", 0, 42},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"4x", -EINVAL, 0},
		{"4B", -EINVAL, 0},
		{"-4", -EINVAL, 0},
	};

	(void)state;
	check(mr_parse_u64, cases, MR_ARRAY_SIZE(cases));
}

static void test_format_duration(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "1us"},
		{1500, "1500us"},
		{2000, "2ms"},
		{1500000, "1500ms"},
		{60000000, "1m"},
		{90000000, "90s"},
		{2 * 86400 * MR_US_PER_S, "2d"},
		{7 * 86400 * MR_US_PER_S, "1w"},
		{UINT64_MAX, "18446744073709551615us"},
	};
	char text[32], narrow[4];

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++)
		assert_string_equal(
			mr_format_duration_us(cases[i].us, text, sizeof(text)), cases[i].text);
	assert_string_equal(mr_format_duration_us(1500, narrow, sizeof(narrow)), "150");
}

// What is written can be read, and means the same.
static void test_round_trip(void **state)
{
	struct mr_rng rng = {SEED};

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t us = mr_rng_next(&rng) >> mr_rng_below(&rng, 64), back = UNTOUCHED;
		char text[32];

		if (i % 2 == 0)
			us = us % 1000 * 3600 * MR_US_PER_S;
		mr_format_duration_us(us, text, sizeof(text));
		if (mr_parse_duration_us(text, &back) != 0 || back != us)
			fail_msg("%ju: '%s': %ju", (uintmax_t)us, text, (uintmax_t)back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_bytes),
		cmocka_unit_test(test_parse_duration),
		cmocka_unit_test(test_parse_u64),
		cmocka_unit_test(test_format_duration),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
