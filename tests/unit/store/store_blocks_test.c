// SPDX-License-Identifier: BSD-3-Clause
//
// Memory of the block cache: blocks of all sizes come and go, by several threads, beyond its end
// too, and each keeps what was written to it.
#include "mr_store_blocks.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "mr_units.h"
#include "store_fixture.h"

#define HELD_MAX 3000u
#define THREADS 3u

struct held {
	uint8_t *block;
	size_t bytes;
	uint8_t mark;
};

struct user {
	struct mr_store_blocks *blocks;
	struct mr_rng rng;
	unsigned n_held, steps;
	size_t least, most;
	struct held held[HELD_MAX];
	pthread_t thread;
};

static bool is_whole(const struct held *h)
{
	for (size_t i = 0; i < h->bytes; i++)
		if (h->block[i] != h->mark)
			return false;
	return true;
}

// @return false: something is wrong; asserts are not for threads.
static bool take(struct user *u)
{
	struct held *h = &u->held[u->n_held++];

	h->bytes = u->least + mr_rng_below(&u->rng, u->most - u->least + 1);
	h->mark = (uint8_t)mr_rng_next(&u->rng);
	h->block = mr_store_blocks_take(u->blocks, h->bytes);
	if (h->block == NULL || ((uintptr_t)h->block & 15) != 0 ||
		mr_store_blocks_usable(u->blocks, h->block, h->bytes) < h->bytes)
		return false;
	memset(h->block, h->mark, h->bytes);
	return true;
}

static bool give(struct user *u)
{
	struct held *h = &u->held[mr_rng_below(&u->rng, u->n_held)];
	bool whole = is_whole(h);

	mr_store_blocks_give(u->blocks, h->block);
	*h = u->held[--u->n_held];
	return whole;
}

static void *run(void *arg)
{
	struct user *u = arg;

	for (unsigned step = 0; step < u->steps; step++) {
		// Mostly one way for a while, so that chunks fill and become empty.
		bool taking = u->n_held == 0 ||
		              (u->n_held < HELD_MAX &&
				      mr_rng_below(&u->rng, 8) < (step / 2000 % 2 == 0 ? 6 : 2));

		if (!(taking ? take(u) : give(u)))
			return u;
	}
	while (u->n_held > 0)
		if (!give(u))
			return u;
	return NULL;
}

static void check_empty(struct mr_store_blocks *blocks)
{
	struct mr_store_blocks_stats stats;

	mr_store_blocks_stats(blocks, &stats);
	assert_int_equal(stats.taken, 0);
	assert_int_equal(stats.free_chunks, stats.chunks);
}

static void test_sizes(void **state)
{
	static const struct {
		size_t least, most;
	} cases[] = {{1, 70000}, {4000, 4400}, {1000, 1100}, {32000, 33000}, {16384, 16384}};
	uint64_t seed = test_seed("sizes", 0x626c6f636b);
	static struct user u;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_store_blocks *blocks = mr_store_blocks_create(256 * MR_MIB);

		assert_non_null(blocks);
		u = (struct user){.blocks = blocks,
			.rng = {seed + i},
			.steps = 12000,
			.least = cases[i].least,
			.most = cases[i].most};
		assert_null(run(&u));
		check_empty(blocks);
		mr_store_blocks_free(blocks);
	}
}

// What one size has left another one takes: the chunks do not grow in number.
static void test_sizes_shift(void **state)
{
	struct mr_store_blocks *blocks = mr_store_blocks_create(64 * MR_MIB);
	struct mr_store_blocks_stats stats;
	static void *held[8192];
	unsigned n = 0;

	(void)state;
	assert_non_null(blocks);
	for (size_t bytes = 1024; bytes <= 32768; bytes += 1024) {
		n = (unsigned)(8 * MR_MIB / bytes);
		for (unsigned i = 0; i < n; i++)
			held[i] = mr_store_blocks_take(blocks, bytes);
		mr_store_blocks_stats(blocks, &stats);
		assert_int_equal(stats.taken, n);
		assert_in_range(stats.chunks, 64, 96);
		for (unsigned i = 0; i < n; i++)
			mr_store_blocks_give(blocks, held[i]);
		check_empty(blocks);
	}
	mr_store_blocks_free(blocks);
}

static void test_beyond_the_end(void **state)
{
	struct mr_store_blocks *blocks = mr_store_blocks_create(MR_MIB);
	struct mr_store_blocks_stats stats;
	static struct user u;

	(void)state;
	u = (struct user){.blocks = blocks, .rng = {1}, .least = 16000, .most = 16384};
	while (u.n_held < HELD_MAX)
		assert_true(take(&u));
	mr_store_blocks_stats(blocks, &stats);
	assert_in_range(stats.taken, 1, HELD_MAX - 1);
	while (u.n_held > 0)
		assert_true(give(&u));
	check_empty(blocks);
	mr_store_blocks_free(blocks);
}

static void test_threads(void **state)
{
	struct mr_store_blocks *blocks = mr_store_blocks_create(64 * MR_MIB);
	uint64_t seed = test_seed("threads", 0x74687265616473);
	static struct user users[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		users[i] = (struct user){.blocks = blocks,
			.rng = {seed + i},
			.steps = 20000,
			.least = 2000,
			.most = 6000};
		assert_int_equal(pthread_create(&users[i].thread, NULL, run, &users[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(users[i].thread, &wrong);
		assert_null(wrong);
	}
	check_empty(blocks);
	mr_store_blocks_free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_sizes_shift),
		cmocka_unit_test(test_beyond_the_end),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("store_blocks", tests, NULL, NULL);
}
