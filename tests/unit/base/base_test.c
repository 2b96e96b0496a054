// SPDX-License-Identifier: BSD-3-Clause
#include "mr_arena.h"
#include "mr_bytes.h"
#include "mr_err.h"
#include "mr_hash.h"
#include "mr_rng.h"
#include "mr_sort.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72626173653131)

static void test_arena_layout(void **state)
{
	struct mr_arena arena;
	uint8_t *mem = malloc(1001), *last = mem + 1;
	struct mr_rng rng = {SEED};

	(void)state;
	// An odd start: alignment is of addresses, not of offsets.
	memset(mem, 0xa5, 1001);
	mr_arena_init(&arena, mem + 1, 1000);
	for (;;) {
		size_t bytes = mr_rng_below(&rng, 20), align = (size_t)1 << mr_rng_below(&rng, 6);
		uint8_t *p = mr_arena_alloc(&arena, bytes, align);

		if (p == NULL)
			break;
		assert_int_equal((uintptr_t)p % align, 0);
		assert_true(p >= last && (size_t)(p - last) < align);
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, bytes);
		last = p + bytes;
		assert_true(last <= mem + 1001);
	}
	assert_true(arena.used_bytes > 900);
	free(mem);
}

static void test_arena_full(void **state)
{
	struct mr_arena arena;
	uint8_t *mem = aligned_alloc(64, 64);

	(void)state;
	mr_arena_init(&arena, mem, 64);
	assert_null(mr_arena_alloc(&arena, 65, 1));
	assert_null(mr_arena_alloc(&arena, SIZE_MAX, 1));
	assert_int_equal(arena.used_bytes, 0);
	assert_ptr_equal(mr_arena_alloc(&arena, 60, 1), mem);
	// Alignment pushes it over the end; what fits is still served.
	assert_null(mr_arena_alloc(&arena, 1, 64));
	assert_null(mr_arena_alloc(&arena, 5, 4));
	assert_ptr_equal(mr_arena_alloc(&arena, 4, 4), mem + 60);
	assert_null(mr_arena_alloc(&arena, 1, 1));
	assert_non_null(mr_arena_alloc(&arena, 0, 1));
	free(mem);
}

static void test_arena_strdup(void **state)
{
	struct mr_arena arena;
	char *mem = malloc(8), *copy;

	(void)state;
	memset(mem, 'x', 8);
	mr_arena_init(&arena, mem, 8);
	copy = mr_arena_strdup(&arena, "abcdef", 3);
	assert_string_equal(copy, "abc");
	assert_null(mr_arena_strdup(&arena, "abcd", 4));
	assert_null(mr_arena_strdup(&arena, "", SIZE_MAX));
	assert_string_equal(mr_arena_strdup(&arena, "def", 3), "def");
	assert_string_equal(copy, "abc");
	assert_null(mr_arena_strdup(&arena, "", 0));
	free(mem);
}

static void test_err(void **state)
{
	struct mr_err err;
	char text[2 * MR_ERR_TEXT_BYTES];

	(void)state;
	assert_int_equal(mr_fail(&err, ENOENT, "%s: %d", "file", 7), -ENOENT);
	assert_string_equal(err.text, "file: 7");
	assert_int_equal(mr_fail(NULL, EIO, "%s", "dropped"), -EIO);
	mr_err_prefix(&err, "%s:%u: ", "a.ini", 3u);
	assert_string_equal(err.text, "a.ini:3: file: 7");
	mr_err_prefix(NULL, "nobody");
	// Its own text may be part of the prefix.
	mr_err_prefix(&err, "(%s) ", err.text);
	assert_string_equal(err.text, "(a.ini:3: file: 7) a.ini:3: file: 7");
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	mr_fail(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.text), MR_ERR_TEXT_BYTES - 1);
	mr_err_prefix(&err, "place: ");
	assert_int_equal(strlen(err.text), MR_ERR_TEXT_BYTES - 1);
	assert_memory_equal(err.text, "place: y", 8);
	// A prefix with no room for any message is dropped, not the message.
	mr_err_prefix(&err, "%s", text);
	assert_memory_equal(err.text, "place: y", 8);
}

// The value is part of the protocol between processes and of saved filters: it must not change.
static void test_hash_values(void **state)
{
	char unaligned[40] = "?user:1234567890";

	(void)state;
	assert_true(mr_hash_key("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(mr_hash_key("user:1234567890", 15) == mr_hash_key(unaligned + 1, 15));
	assert_true(mr_hash_key("user:1", 6) != mr_hash_key("user:2", 6));
	assert_true(mr_hash_key("user:1", 6) != mr_hash_key("user:1", 5));
	assert_true(mr_hash_row(0, 0) == 0);
	assert_true(mr_hash_row(1, mr_space(2, 3)) == UINT64_C(0x9234bec7c8bcdcaa));
}

static void test_space(void **state)
{
	static const uint16_t values[] = {0, 1, 0x7fff, 0x8000, 0xffff};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(values); i++) {
		for (unsigned j = 0; j < MR_ARRAY_SIZE(values); j++) {
			mr_space_t space = mr_space(values[i], values[j]);

			assert_int_equal(space, values[i] * UINT64_C(65536) + values[j]);
			assert_int_equal(mr_space_set(space), values[i]);
			assert_int_equal(mr_space_version(space), values[j]);
		}
	}
}

// One bit more in a key's hash or in its space turns over about half of the row's hash.
static void test_hash_row_mixes(void **state)
{
	struct mr_rng rng = {SEED};
	double flips[96] = {0};
	const unsigned rounds = 2000;

	(void)state;
	for (unsigned r = 0; r < rounds; r++) {
		uint64_t key = mr_rng_next(&rng);
		mr_space_t space = (mr_space_t)mr_rng_next(&rng);
		uint64_t row = mr_hash_row(key, space);

		for (unsigned b = 0; b < 96; b++) {
			uint64_t changed = b < 64 ? mr_hash_row(key ^ UINT64_C(1) << b, space)
			                          : mr_hash_row(key, space ^ 1u << (b - 64));

			assert_true(changed != row);
			flips[b] += __builtin_popcountll(changed ^ row);
		}
	}
	for (unsigned b = 0; b < 96; b++)
		if (flips[b] / rounds < 16 || flips[b] / rounds > 48)
			fail_msg("bit %u turns over %g bits of 64", b, flips[b] / rounds);
}

// Upper bits choose Bloom block and home lcore: neighbouring spaces must spread there.
static void test_hash_row_spreads(void **state)
{
	unsigned load[256] = {0};
	const unsigned rows = 256 * 400;

	(void)state;
	for (unsigned i = 0; i < rows; i++) {
		uint32_t id = i / 16;
		uint64_t row =
			mr_hash_row(mr_hash_key(&id, sizeof(id)), mr_space(1 + i % 4, i / 4 % 4));

		load[row >> 56]++;
	}
	// Mean 400, deviation 20.
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(load[i], 400 - 120, 400 + 120);
}

static void test_bytes(void **state)
{
	static const uint8_t bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t out[9];

	(void)state;
	assert_int_equal(mr_load_le16(bytes + 1), 0x0201);
	assert_int_equal(mr_load_be16(bytes + 1), 0x0102);
	assert_int_equal(mr_load_le32(bytes + 1), 0x04030201);
	assert_int_equal(mr_load_be32(bytes + 1), 0x01020304);
	assert_true(mr_load_le64(bytes + 1) == UINT64_C(0x0807060504030201));
	assert_true(mr_load_be64(bytes + 1) == UINT64_C(0x0102030405060708));
	memset(out, 0, sizeof(out));
	mr_store_be64(out + 1, UINT64_C(0x0102030405060708));
	assert_memory_equal(out, bytes, 9);
	mr_store_le64(out + 1, UINT64_C(0x0807060504030201));
	assert_memory_equal(out, bytes, 9);
	mr_store_be32(out + 1, 0x01020304);
	mr_store_le32(out + 5, 0x08070605);
	assert_memory_equal(out, bytes, 9);
	mr_store_be16(out + 1, 0x0102);
	mr_store_le16(out + 3, 0x0403);
	assert_memory_equal(out, bytes, 9);
}

// Every length, between bytes that must stay as they are.
static void test_copy_short(void **state)
{
	uint8_t from[64], to[64], want[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i + 1);
	for (unsigned n = 0; n <= 40; n++) {
		memset(to, 0xee, sizeof(to));
		memset(want, 0xee, sizeof(want));
		memcpy(want + 5, from + 3, n);
		mr_copy_short(to + 5, from + 3, n);
		assert_memory_equal(to, want, sizeof(to));
	}
}

static void test_rng(void **state)
{
	struct mr_rng rng = {0};

	(void)state;
	// First values of the published generator from state 0.
	assert_true(mr_rng_next(&rng) == UINT64_C(0xe220a8397b1dcdaf));
	assert_true(mr_rng_next(&rng) == UINT64_C(0x6e789e6aa1b965f4));
	for (unsigned i = 0; i < 10000; i++) {
		double unit = mr_rng_unit(&rng);

		assert_true(unit >= 0 && unit < 1);
		assert_true(mr_rng_below(&rng, 7) < 7);
		assert_int_equal(mr_rng_below(&rng, 1), 0);
	}
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_sort(void **state)
{
	enum { MOST = 300 };
	struct mr_rng rng = {SEED};

	(void)state;
	for (unsigned n = 0; n <= MOST; n++) {
		// Exactly as much memory as there is: writing past it shows.
		size_t bytes = n * sizeof(uint64_t);
		uint64_t *v = malloc(bytes + 1), *spare = malloc(bytes + 1), want[MOST];
		uint64_t limit = n % 3 == 0 ? 5 : UINT64_MAX;
		const uint64_t *sorted;

		for (unsigned i = 0; i < n; i++)
			want[i] = v[i] = mr_rng_below(&rng, limit);
		qsort(want, n, sizeof(want[0]), by_number);
		sorted = mr_sort_u64(v, spare, n);
		assert_true(sorted == v || sorted == spare);
		assert_memory_equal(sorted, want, bytes);
		free(v);
		free(spare);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_layout),
		cmocka_unit_test(test_arena_full),
		cmocka_unit_test(test_arena_strdup),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_hash_values),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_hash_row_mixes),
		cmocka_unit_test(test_hash_row_spreads),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_copy_short),
		cmocka_unit_test(test_rng),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
