// SPDX-License-Identifier: BSD-3-Clause
//
// The keys of a burst against qsort(): sorted, equal ones once, each of the caller's at its slot.
#include "mr_store_keys.h"

#include <stdlib.h>

#include "store_fixture.h"

#define BURST_MAX 700u

/** How a burst's keys are made. */
static const struct kind {
	const char *name;
	unsigned key_bytes;  // 0: any
	unsigned same_bytes; // that all begin with
	unsigned values;     // of a byte behind them: few make ties and equal keys
	unsigned spaces;
} kinds[] = {
	{"random", 16, 0, 256, 1},
	{"of any length", 0, 0, 256, 3},
	{"numbers", 8, 4, 256, 1},
	{"alike for long", 20, 12, 256, 1},
	{"alike to their ends", 40, 39, 256, 2},
	{"zeros and ones", 0, 0, 2, 2},
	{"nothing but zeros", 0, 0, 1, 1},
	{"all equal", 24, 24, 1, 1},
};

static uint8_t bytes[BURST_MAX][255];
static struct mr_store_get gets[BURST_MAX];

static void make_gets(const struct kind *kind, struct mr_rng *rng, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned key_bytes = kind->key_bytes != 0 ? kind->key_bytes
		                     : mr_rng_below(rng, 4) == 0
		                             ? 1 + (unsigned)mr_rng_below(rng, 255)
		                             : 1 + (unsigned)mr_rng_below(rng, 9);

		for (unsigned at = 0; at < key_bytes; at++)
			bytes[i][at] = at < kind->same_bytes
			                       ? (uint8_t)('a' + at)
			                       : (uint8_t)mr_rng_below(rng, kind->values);
		gets[i] = (struct mr_store_get){
			.space = 0x10001u + ((uint32_t)mr_rng_below(rng, kind->spaces) << 16),
			.key = bytes[i],
			.key_bytes = (uint8_t)key_bytes,
		};
		gets[i].fast = gets[i].space >> 16 == 2;
	}
}

static int compare(const void *a, const void *b)
{
	const struct mr_store_get *x = *(struct mr_store_get *const *)a,
				  *y = *(struct mr_store_get *const *)b;
	int c;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	c = memcmp(x->key, y->key, MR_MIN(x->key_bytes, y->key_bytes));
	return c != 0 ? c : (int)x->key_bytes - (int)y->key_bytes;
}

static void check_key(
	const struct mr_store_keys *keys, unsigned slot, const struct mr_store_get *get)
{
	uint8_t want[MR_STORE_KEY_MAX_BYTES];
	uint32_t want_bytes = mr_store_put_key(want, get->space, get->key, get->key_bytes);

	assert_true(slot < keys->n);
	assert_int_equal(keys->key[slot].bytes, want_bytes);
	assert_memory_equal(keys->key[slot].data, want, want_bytes);
	assert_int_equal(keys->fast[slot], get->fast);
}

static void check_burst(struct mr_store_keys *keys, unsigned n)
{
	struct mr_store_get *sorted[BURST_MAX];
	unsigned different = 0;

	mr_store_keys_set(keys, gets, n);
	for (unsigned i = 0; i < n; i++) {
		sorted[i] = &gets[i];
		check_key(keys, keys->slot[i], &gets[i]);
	}
	qsort(sorted, n, sizeof(sorted[0]), compare);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || compare(&sorted[i - 1], &sorted[i]) != 0)
			check_key(keys, different++, sorted[i]);
	assert_int_equal(keys->n, different);
}

static void test_sorted(void **state)
{
	struct mr_rng rng = {test_seed("sorted", 0x6b657973)};
	struct mr_store_keys keys;

	(void)state;
	assert_int_equal(mr_store_keys_init(&keys, BURST_MAX), 0);
	for (size_t k = 0; k < MR_ARRAY_SIZE(kinds); k++) {
		for (unsigned n = 1; n <= BURST_MAX; n += n < 40 ? 1 : 1 + n / 3) {
			make_gets(&kinds[k], &rng, n);
			check_burst(&keys, n);
		}
	}
	make_gets(&kinds[0], &rng, BURST_MAX);
	check_burst(&keys, BURST_MAX);
	mr_store_keys_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
	};

	return cmocka_run_group_tests_name("store_keys", tests, NULL, NULL);
}
