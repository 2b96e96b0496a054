// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/** @file What the cache's tests share: a cache on the heap, keys and rows made from numbers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mr_cache.h"
#include "mr_cache_inline.h"
#include "mr_err.h"
#include "mr_rng.h"

static inline struct mr_cache *cache_new(struct mr_cache_params params)
{
	size_t bytes = mr_cache_memsize(&params);
	void *mem = aligned_alloc(MR_CACHE_ALIGN, bytes);
	struct mr_cache *cache;

	assert_non_null(mem);
	// Memory may come dirty.
	memset(mem, 0xa5, bytes);
	cache = mr_cache_init(mem, bytes, &params);
	assert_non_null(cache);
	return cache;
}

static inline void cache_check(struct mr_cache *cache)
{
	struct mr_err err = {.text = ""};

	if (mr_cache_check(cache, &err) != 0)
		fail_msg("check: %s", err.text);
}

static inline struct mr_cache_stats *cache_stats(const struct mr_cache *cache)
{
	static struct mr_cache_stats stats;

	mr_cache_stats(cache, &stats);
	return &stats;
}

/** How many times as long a random test is to run: MR_TEST_LONG in the environment, or once. */
static inline unsigned cache_test_times(void)
{
	const char *text = getenv("MR_TEST_LONG");
	unsigned times = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 1;

	return times > 0 ? times : 1;
}

/** A key of 8 bytes, or of more: `bytes` is at most 255. */
struct cache_key {
	uint8_t bytes[256];
	unsigned n;
	uint64_t hash;
	mr_space_t space;
};

static inline struct cache_key cache_key(uint64_t id, mr_space_t space, unsigned n)
{
	struct cache_key key = {.n = n, .space = space};

	memset(key.bytes, (int)(id * 31), sizeof(key.bytes));
	memcpy(key.bytes, &id, n < 8 ? n : 8);
	key.hash = mr_hash_row(mr_hash_key(key.bytes, n), space);
	return key;
}

/** Bytes that only this id and event time have. */
static inline void cache_row_bytes(uint8_t *to, unsigned n, uint64_t id, uint64_t event_time_us)
{
	uint64_t x = id * UINT64_C(0x9e3779b97f4a7c15) + event_time_us;

	for (unsigned i = 0; i < n; i++) {
		if (i % 8 == 0)
			x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + i;
		to[i] = (uint8_t)(x >> (i % 8 * 8));
	}
}

static inline struct mr_cache_row cache_row(
	const struct cache_key *key, const uint8_t *bytes, unsigned n, uint64_t event_time_us)
{
	return (struct mr_cache_row){.hash = key->hash,
		.space = key->space,
		.key = key->bytes,
		.key_bytes = key->n,
		.row = bytes,
		.row_bytes = n,
		.event_time_us = event_time_us};
}

static inline bool cache_hit(struct mr_cache *cache, const struct cache_key *key, uint64_t now)
{
	struct mr_cache_ref ref;

	return mr_cache_find(cache, key->hash, key->space, key->bytes, key->n, now, &ref);
}

/** Fills a row of @p n bytes under a fresh lease. */
static inline int cache_fill(struct mr_cache *cache, const struct cache_key *key, unsigned n,
	uint64_t event_time_us, uint64_t now)
{
	static _Thread_local uint8_t bytes[MR_CACHE_ROW_MAX_BYTES + 1];
	struct mr_cache_row row;
	uint64_t id = 0;

	memcpy(&id, key->bytes, key->n < 8 ? key->n : 8);
	cache_row_bytes(bytes, n, id, event_time_us);
	row = cache_row(key, bytes, n, event_time_us);
	return mr_cache_fill(cache, &row, mr_cache_lease(cache, key->hash), now);
}
