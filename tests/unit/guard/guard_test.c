// SPDX-License-Identifier: BSD-3-Clause
#include "guard_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mr_guard.h"
#include "mr_rng.h"
#include "mr_units.h"

#define HOUR_US (3600 * MR_US_PER_S)
#define NOW_US (UINT64_C(1700000000) * MR_US_PER_S)
#define HZ UINT64_C(2000000000)

static const struct mr_wire_keys one_secret = {.n_secrets = 1, .secrets = {{11, 12}}};
static const struct mr_wire_keys with_mac = {
	.n_secrets = 1, .secrets = {{11, 12}}, .n_mac = 1, .mac = {{1, {5, 6}}}};

static struct mr_guard_params defaults(void)
{
	return (struct mr_guard_params){
		.limit_burst_us = 1000,
		.unproven_rate = 1000,
		.rotation_us = HOUR_US,
		.n_shares = 1,
		.tsc_hz = HZ,
		.now_us = NOW_US,
		.generation = 1,
		.keys = &one_secret,
	};
}

static struct mr_guard *make(const struct mr_guard_params *params)
{
	struct mr_err err = {""};
	struct mr_guard *guard = mr_guard_create(params, &err);

	if (guard == NULL)
		fail_msg("%s", err.text);
	return guard;
}

static mr_address_t address(const char *text)
{
	uint8_t be[16];

	if (inet_pton(AF_INET, text, be) == 1)
		return mr_address_ip4(be);
	assert_int_equal(inet_pton(AF_INET6, text, be), 1);
	return mr_address_ip6(be);
}

// ---- prefixes ----------------------------------------------------------------------------------

static const struct {
	const char *text;
	bool with_rates;
	int n;
	const char *error;
} prefix_lists[] = {
	{"", false, 0, NULL},
	{"  ", false, 0, NULL},
	{"10.0.0.0/8", false, 1, NULL},
	{"10.0.0.0/8, fd00::/8 ,\t192.0.2.7", false, 3, NULL},
	{"0.0.0.0/0,::/0", false, 2, NULL},
	{"10.0.0.0/8 5, ::/0  7", true, 2, NULL},
	{"10.0.0.1/8", false, -EINVAL, "'10.0.0.1/8' has bits set behind its 8"},
	{"10.0.0.0/33", false, -EINVAL, "the length is from 0 to 32"},
	{"fd00::/129", false, -EINVAL, "the length is from 0 to 128"},
	{"10.0.0.0/", false, -EINVAL, "the length is from 0 to 32"},
	{"10.0.0/8", false, -EINVAL, "is not a prefix"},
	{"10.0.0.0/8,", false, -EINVAL, "ends in a comma"},
	{",10.0.0.0/8", false, -EINVAL, "'' is not a prefix"},
	{"10.0.0.0/8 fd00::/8", false, -EINVAL, "want a comma"},
	{"10.0.0.0/8", true, -EINVAL, "wants a rate behind it"},
	{"10.0.0.0/8 0", true, -EINVAL, "wants a rate behind it"},
	{"10.0.0.0/8 x", true, -EINVAL, "wants a rate behind it"},
	{"10.0.0.0/8, 10.0.0.0/8", false, -EINVAL, "10.0.0.0/8 stands there twice"},
};

static void test_prefixes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(prefix_lists); i++) {
		struct mr_prefix prefixes[MR_PREFIXES_MAX];
		struct mr_err err = {""};
		int n = mr_prefixes_parse(
			prefixes, prefix_lists[i].text, prefix_lists[i].with_rates, &err);

		if (n != prefix_lists[i].n ||
			(n < 0 && strstr(err.text, prefix_lists[i].error) == NULL))
			fail_msg("'%s': %d, '%s'", prefix_lists[i].text, n, err.text);
	}
}

// ---- classes -----------------------------------------------------------------------------------

static void test_classes(void **state)
{
	static const struct {
		const char *address;
		mr_guard_class_t class;
	} cases[] = {
		{"10.0.0.1", MR_GUARD_ALLOWED | MR_GUARD_WRITE},
		{"10.1.0.1", MR_GUARD_ALLOWED | 1u << MR_GUARD_LIMIT_SHIFT},
		{"10.1.2.1", 0},
		{"10.1.2.3", MR_GUARD_ALLOWED | 2u << MR_GUARD_LIMIT_SHIFT},
		{"10.9.0.0", MR_GUARD_ALLOWED | MR_GUARD_TRUSTED},
		{"10.9.255.255", MR_GUARD_ALLOWED | MR_GUARD_TRUSTED},
		{"10.10.0.0", MR_GUARD_ALLOWED},
		{"9.255.255.255", 0},
		{"11.0.0.0", 0},
		{"0.0.0.0", 0},
		{"255.255.255.255", 0},
		{"2001:db8::1", MR_GUARD_ALLOWED},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MR_GUARD_ALLOWED},
		{"::", 0},
		{"::1", 0},
		{"::2:0:0:0", 0},
		{"0:0:0:1::", MR_GUARD_ALLOWED},
	};
	struct mr_guard_params params = defaults();
	struct mr_guard *guard;

	(void)state;
	params.allow = "10.0.0.0/8, ::/0, 10.1.2.3";
	params.trusted = "10.9.0.0/16";
	params.refuse = "10.1.2.0/24";
	params.writers = "10.0.0.0/24";
	params.limits = "10.1.0.0/16 100, 10.1.2.0/24 50";
	guard = make(&params);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++)
		if (mr_guard_classify(guard, address(cases[i].address)) != cases[i].class)
			fail_msg("%s: class %x", cases[i].address,
				mr_guard_classify(guard, address(cases[i].address)));
	mr_guard_free(guard);
}

static unsigned print_prefix(struct mr_rng *rng, char *text, bool rate)
{
	unsigned bits = (unsigned)mr_rng_below(rng, 33);
	uint32_t a = (uint32_t)mr_rng_next(rng) & 0x0f0f00ff;

	a &= bits == 0 ? 0 : UINT32_MAX << (32 - bits);
	return (unsigned)sprintf(text, "%u.%u.%u.%u/%u%s", a >> 24, a >> 16 & 255, a >> 8 & 255,
		a & 255, bits, rate ? " 10" : "");
}

// The answer by looking at every prefix of every list.
static mr_guard_class_t oracle(
	struct mr_prefix lists[5][MR_PREFIXES_MAX], const int *n, mr_address_t a)
{
	int best_bits = -1, limit_bits = -1;
	mr_guard_class_t class = 0, extra = 0;

	for (unsigned list = 0; list < 5; list++)
		for (int i = 0; i < n[list]; i++) {
			struct mr_prefix *p = &lists[list][i];

			if (a < p->first || a > p->last)
				continue;
			if (list < 3 && p->bits > best_bits) {
				best_bits = p->bits;
				class = list == 0 ? 1 : list == 1 ? 3 : 0;
			}
			if (list == 3)
				extra |= MR_GUARD_WRITE;
			if (list == 4 && p->bits > limit_bits) {
				limit_bits = p->bits;
				extra = (extra & 0xff) | (unsigned)(i + 1) << 8;
			}
		}
	return class == 0 ? 0 : class | extra;
}

static void random_policy(uint64_t seed)
{
	static struct mr_prefix lists[5][MR_PREFIXES_MAX];
	struct mr_guard_params params = defaults();
	struct mr_rng rng = {seed};
	static char texts[5][1024];
	struct mr_err err = {""};
	struct mr_guard *guard;
	int n[5];

	for (unsigned list = 0; list < 5; list++) {
		unsigned at = 0, items = (unsigned)mr_rng_below(&rng, 9);

		texts[list][0] = '\0';
		for (unsigned i = 0; i < items; i++) {
			at += (unsigned)sprintf(texts[list] + at, i > 0 ? "," : "");
			at += print_prefix(&rng, texts[list] + at, list == 4);
		}
		n[list] = mr_prefixes_parse(lists[list], texts[list], list == 4, &err);
		if (n[list] < 0)
			return; // the same twice
	}
	params.allow = texts[0];
	params.trusted = texts[1];
	params.refuse = texts[2];
	params.writers = texts[3];
	params.limits = texts[4];
	params.unsafe = true;
	guard = mr_guard_create(&params, &err);
	if (guard == NULL)
		return; // the same in two lists
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t ip = (uint32_t)mr_rng_next(&rng) & 0x0f0f00ff;
		mr_address_t a = MR_ADDRESS_IP4 | ip;

		if (mr_guard_classify(guard, a) != oracle(lists, n, a))
			fail_msg("seed %lu: %08x: %x, want %x", seed, ip,
				mr_guard_classify(guard, a), oracle(lists, n, a));
	}
	mr_guard_free(guard);
}

static void test_classes_of_random_policies(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++)
		random_policy(seed);
}

// ---- cookies -----------------------------------------------------------------------------------

static void test_cookies(void **state)
{
	struct mr_guard_params params = defaults();
	struct mr_guard *guard, *next, *later, *other, *both;
	struct mr_wire_keys second = {.n_secrets = 1, .secrets = {{21, 22}}};
	struct mr_wire_keys two = {.n_secrets = 2, .secrets = {{21, 22}, {11, 12}}};
	mr_address_t a = address("10.0.0.1"), b = address("10.0.0.2");
	uint64_t cookie;

	(void)state;
	params.allow = "10.0.0.0/8";
	guard = make(&params);
	params.now_us += HOUR_US;
	next = make(&params);
	params.now_us += HOUR_US;
	later = make(&params);
	params.now_us = NOW_US;
	params.keys = &second;
	other = make(&params);
	params.keys = &two;
	both = make(&params);

	for (uint64_t nonce = 0; nonce < 600; nonce++) {
		cookie = mr_guard_cookie(guard, a, nonce);
		assert_true(cookie != 0);
		assert_true(mr_guard_cookie_holds(guard, a, cookie));
		assert_true(mr_guard_cookie_holds(next, a, cookie));
		assert_false(mr_guard_cookie_holds(later, a, cookie));
		assert_false(mr_guard_cookie_holds(guard, b, cookie));
		assert_false(mr_guard_cookie_holds(other, a, cookie));
		assert_true(mr_guard_cookie_holds(both, a, cookie));
		assert_false(mr_guard_cookie_holds(guard, a, 0));
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_false(mr_guard_cookie_holds(guard, a, cookie ^ UINT64_C(1) << bit));
	// A cookie of the coming period is none of ours yet.
	assert_false(mr_guard_cookie_holds(guard, a, mr_guard_cookie(next, a, 1)));
	assert_false(mr_guard_is_old(guard, NOW_US));
	assert_true(mr_guard_is_old(guard, NOW_US + HOUR_US));
	assert_in_range(mr_guard_cookie_valid_s(guard, NOW_US), 3600, 7200);
	assert_int_equal(mr_guard_cookie_valid_s(guard, NOW_US + 9 * HOUR_US), 1);
	mr_guard_free(guard);
	mr_guard_free(next);
	mr_guard_free(later);
	mr_guard_free(other);
	mr_guard_free(both);
}

static void test_admit(void **state)
{
	struct mr_guard_lcore *lcore = aligned_alloc(64, sizeof(*lcore));
	struct mr_guard_params params = defaults();
	mr_address_t a = address("10.0.0.1"), b = address("10.0.0.2");
	struct mr_guard *guard, *after;
	uint64_t cookie;

	(void)state;
	memset(lcore, 0, sizeof(*lcore));
	params.allow = "10.0.0.0/24";
	params.trusted = "10.0.1.0/24";
	params.writers = "10.0.0.1";
	guard = make(&params);
	cookie = mr_guard_cookie(guard, a, 77);
	// Twice each: as a stranger, and as one that is known.
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(mr_guard_admit(guard, lcore, a, cookie),
			MR_GUARD_ALLOWED | MR_GUARD_WRITE | MR_GUARD_PROVEN);
		assert_int_equal(mr_guard_admit(guard, lcore, a, cookie ^ 1 << 20),
			MR_GUARD_ALLOWED | MR_GUARD_WRITE);
		assert_int_equal(
			mr_guard_admit(guard, lcore, a, 0), MR_GUARD_ALLOWED | MR_GUARD_WRITE);
		assert_int_equal(mr_guard_admit(guard, lcore, b, cookie), MR_GUARD_ALLOWED);
		assert_int_equal(mr_guard_admit(guard, lcore, address("10.0.1.9"), 0),
			MR_GUARD_ALLOWED | MR_GUARD_TRUSTED | MR_GUARD_PROVEN);
		assert_int_equal(mr_guard_admit(guard, lcore, address("10.0.2.1"), cookie), 0);
	}
	// What is known is forgotten with its policy: here the address is refused now.
	params.allow = "10.0.0.2";
	params.generation++;
	after = make(&params);
	assert_int_equal(mr_guard_admit(after, lcore, a, cookie), 0);
	assert_int_equal(mr_guard_admit(after, lcore, address("0.0.0.0"), 0), 0);
	mr_guard_free(guard);
	mr_guard_free(after);
	free(lcore);
}

// Cookies of many senders through the same table: what one proved never helps another.
static void test_known_senders_do_not_mix(void **state)
{
	struct mr_guard_lcore *lcore = aligned_alloc(64, sizeof(*lcore));
	struct mr_guard_params params = defaults();
	struct mr_rng rng = {3};
	struct mr_guard *guard;
	mr_address_t a[64];
	uint64_t cookies[64];

	(void)state;
	memset(lcore, 0, sizeof(*lcore));
	params.allow = "10.0.0.0/8, fd00::/8";
	guard = make(&params);
	for (unsigned i = 0; i < 64; i++) {
		a[i] = i % 2 ? MR_ADDRESS_IP4 | 10u << 24 | (mr_rng_next(&rng) & 0xffffff)
		             : (mr_address_t)0xfd << 120 | mr_rng_next(&rng);
		cookies[i] = mr_guard_cookie(guard, a[i], i);
	}
	for (unsigned i = 0; i < 100000; i++) {
		unsigned x = (unsigned)mr_rng_below(&rng, 64), y = (unsigned)mr_rng_below(&rng, 64);
		bool proven = mr_guard_admit(guard, lcore, a[x], cookies[y]) & MR_GUARD_PROVEN;

		assert_true(proven == (x == y));
	}
	mr_guard_free(guard);
	free(lcore);
}

// ---- limits ------------------------------------------------------------------------------------

static unsigned take_for(struct mr_guard *guard, struct mr_guard_lcore *lcore,
	mr_guard_class_t class, double rate, double seconds)
{
	double step = (double)HZ / rate;
	unsigned n = 0;

	for (double tsc = 1e12; tsc < 1e12 + seconds * (double)HZ; tsc += step)
		n += mr_guard_within(guard, lcore, class, (uint64_t)tsc);
	return n;
}

static void test_limits(void **state)
{
	static struct mr_guard_lcore lcore;
	struct mr_guard_params params = defaults();
	mr_guard_class_t class;
	struct mr_guard *guard;
	unsigned n;

	(void)state;
	params.allow = "10.0.0.0/8";
	params.limits = "10.1.0.0/16 10000, 10.2.0.0/16 3";
	params.n_shares = 2;
	guard = make(&params);
	mr_guard_begin(guard, &lcore);
	class = mr_guard_classify(guard, address("10.1.0.1"));
	// This lcore's share is half of it; a burst of 1 ms on top.
	n = take_for(guard, &lcore, class, 1e6, 1);
	assert_in_range(n, 5000, 5010);
	n = take_for(guard, &lcore, mr_guard_classify(guard, address("10.0.0.1")), 1e4, 1);
	assert_in_range(n, 9999, 10001);
	// Slower than a burst is long: one at a time.
	n = take_for(guard, &lcore, mr_guard_classify(guard, address("10.2.0.1")), 1e4, 2);
	assert_in_range(n, 3, 4);
	// Below the limit nothing is lost.
	memset(&lcore, 0, sizeof(lcore));
	n = take_for(guard, &lcore, class, 4000, 1);
	assert_in_range(n, 3999, 4001);
	mr_guard_free(guard);
}

// ---- insecure by accident ----------------------------------------------------------------------

static const struct {
	const char *allow, *trusted, *writers, *refuse;
	bool macs;
	const char *error; // NULL: accepted
	unsigned n_warnings;
} combinations[] = {
	{"10.0.0.0/8", "", "", "", false, NULL, 0},
	{"0.0.0.0/0, ::/0", "", "", "", false, NULL, 0},
	{"", "", "", "", false, NULL, 1},
	{"10.0.0.0/8", "10.0.0.0/24", "", "", false, NULL, 1},
	{"10.0.0.0/8", "0.0.0.0/0", "", "", true, "trusted = 0.0.0.0/0: whoever forges", 0},
	{"10.0.0.0/8", "::/0", "", "", true, "trusted = ::/0: whoever forges", 0},
	{"10.0.0.0/8", "11.0.0.0/8", "", "", true, "trusted = 11.0.0.0/8: whoever forges", 0},
	{"10.0.0.0/8", "fd00::/8", "", "", true, NULL, 1},
	{"10.0.0.0/8", "", "10.0.0.0/8", "", false, NULL, 1},
	{"0.0.0.0/0", "", "0.0.0.0/0", "", false, "writers = 0.0.0.0/0, without MAC keys", 0},
	{"0.0.0.0/0", "", "0.0.0.0/0", "", true, NULL, 0},
	{"10.0.0.0/8", "10.0.0.1", "10.0.0.0/24", "", false,
		"writers = 10.0.0.0/24 and trusted = 10.0.0.1/32, without MAC keys", 0},
	{"10.0.0.0/8", "10.0.0.1", "10.0.0.0/24", "", true, NULL, 1},
	{"10.0.0.0/8", "10.0.0.0/8", "", "", false, "10.0.0.0/8 is in allow and in trusted", 0},
	{"10.0.0.0/8", "", "", "10.0.0.0/8", false, "10.0.0.0/8 is in allow and in refuse", 0},
	{"10.0.0.0/9 x", "", "", "", false, "[security] allow: '10.0.0.0/9' is followed by", 0},
};

static void test_insecure_combinations(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(combinations); i++) {
		struct mr_guard_params params = defaults();
		struct mr_err err = {""};
		struct mr_guard *guard;

		params.allow = combinations[i].allow;
		params.trusted = combinations[i].trusted;
		params.writers = combinations[i].writers;
		params.refuse = combinations[i].refuse;
		params.keys = combinations[i].macs ? &with_mac : &one_secret;
		guard = mr_guard_create(&params, &err);
		if ((guard == NULL) != (combinations[i].error != NULL) ||
			(guard == NULL && (errno != EINVAL ||
						  strstr(err.text, combinations[i].error) == NULL)))
			fail_msg("%u: '%s'", i, err.text);
		if (guard != NULL)
			assert_int_equal(guard->n_warnings, combinations[i].n_warnings);
		mr_guard_free(guard);
	}
}

static void test_unsafe_is_said_loudly(void **state)
{
	struct mr_guard_params params = defaults();
	struct mr_guard *guard;

	(void)state;
	params.trusted = "0.0.0.0/0";
	params.writers = "0.0.0.0/0";
	params.unsafe = true;
	guard = make(&params);
	assert_int_equal(guard->n_warnings, 5);
	assert_non_null(strstr(guard->warnings[0], "UNSAFE: trusted = 0.0.0.0/0"));
	assert_non_null(strstr(guard->warnings[1], "TRUSTED"));
	assert_non_null(strstr(guard->warnings[4], "WITHOUT a MAC"));
	mr_guard_free(guard);
}

static void test_describe(void **state)
{
	static const char want[] =
		"10.0.0.0 to 10.0.255.255: allowed, with a cookie, reads only\n"
		"10.1.0.0 to 10.1.255.255: trusted, reads only, limit 1\n"
		"10.2.0.0 to 10.255.255.255: allowed, with a cookie, reads only\n"
		"all other senders: refused\n"
		"cookies: 1 secret, turned every 1h; MAC keys: 0\n";
	struct mr_guard_params params = defaults();
	struct mr_guard *guard;
	char text[1024], small[16];

	(void)state;
	params.allow = "10.0.0.0/8";
	params.trusted = "10.1.0.0/16";
	params.limits = "10.1.0.0/16 5";
	guard = make(&params);
	assert_int_equal(mr_guard_describe(guard, text, sizeof(text)), sizeof(want) - 1);
	assert_string_equal(text, want);
	assert_int_equal(mr_guard_describe(guard, small, sizeof(small)), sizeof(want) - 1);
	mr_guard_free(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_is_libsodiums),
		cmocka_unit_test(test_keys_file),
		cmocka_unit_test(test_keys_file_is_private),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_classes_of_random_policies),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_known_senders_do_not_mix),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_insecure_combinations),
		cmocka_unit_test(test_unsafe_is_said_loudly),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
