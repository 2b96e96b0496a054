// SPDX-License-Identifier: BSD-3-Clause
//
// Every policy of bench/cachesim against a naive model of it, access by access, on small random
// streams; and millrace's cache within reach of exact LRU and LRU-2 on streams of middling size.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cachesim_models.h"
#include "mr_cache.h"
#include "mr_rng.h"
#include "mr_units.h"
#include "sim_policy.h"

#include <string.h>

#define ROUNDS 60u
#define ACCESSES 3000u

// Popular keys, loops and bursts take turns.
static uint32_t next_key(struct mr_rng *rng, unsigned i, unsigned n_keys, uint32_t before)
{
	switch (i / 200 % 4) {
	case 0:
		return (uint32_t)(mr_rng_below(rng, n_keys) * mr_rng_below(rng, n_keys) / n_keys);
	case 1:
		return i % n_keys;
	case 2:
		return mr_rng_below(rng, 2) == 0 ? before : (uint32_t)mr_rng_below(rng, n_keys);
	default:
		return (uint32_t)mr_rng_below(rng, n_keys);
	}
}

static void look_ahead(const uint32_t *keys, uint32_t *next, unsigned n)
{
	uint32_t seen[MODEL_KEYS];

	memset(seen, 0xff, sizeof(seen));
	for (unsigned i = n; i-- > 0;) {
		// Never again, for each key at its own time: the model and the heap would break
		// ties as they like.
		next[i] = seen[keys[i]] != SIM_NEVER ? seen[keys[i]] : SIM_NEVER - 1 - keys[i];
		seen[keys[i]] = i;
	}
}

static void compare(const struct model_policy *model, uint64_t seed)
{
	static uint32_t keys[ACCESSES], next[ACCESSES];
	const struct sim_policy *policy = sim_policy_by_name(model->name);
	struct mr_rng rng = {.state = seed};
	unsigned n_keys = 2 + (unsigned)mr_rng_below(&rng, MODEL_KEYS - 1);
	unsigned capacity = 1 + (unsigned)mr_rng_below(&rng, n_keys);
	struct sim_params params = {.capacity = capacity,
		.n_keys = n_keys,
		.crp_ratio = (double)mr_rng_below(&rng, 5) / 4,
		.history_ratio = (double)mr_rng_below(&rng, 5) / 4,
		.next = next};
	struct model m = {.capacity = capacity, .next = next};
	void *state = policy->create(&params);

	assert_non_null(state);
	m.crp = (unsigned)(params.crp_ratio * capacity);
	m.n_history = (unsigned)(params.history_ratio * capacity);
	for (unsigned i = 0; i < ACCESSES; i++)
		keys[i] = next_key(&rng, i, n_keys, i > 0 ? keys[i - 1] : 0);
	look_ahead(keys, next, ACCESSES);
	for (m.now = 0; m.now < ACCESSES; m.now++) {
		bool want = model->access(&m, keys[m.now]);

		if (policy->access(state, keys[m.now]) != want)
			fail_msg("%s, seed %u, capacity %u of %u keys: access %u of key %u is %s",
				model->name, (unsigned)seed, capacity, n_keys, m.now, keys[m.now],
				want ? "a hit" : "a miss");
	}
	assert_true(policy->metadata_bytes(state) > 0);
	policy->destroy(state);
}

static void test_policies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < model_n_policies; i++) {
		for (uint64_t seed = 1; seed <= ROUNDS; seed++)
			compare(&model_policies[i], seed);
	}
}

// ---- millrace ----------------------------------------------------------------------------------

#define MILLRACE_KEYS 60000u
#define MILLRACE_ACCESSES 120000u

static uint32_t skewed_key(struct mr_rng *rng, unsigned i)
{
	double u = mr_rng_unit(rng);

	(void)i;
	return (uint32_t)(u * u * u * 20000);
}

// In turns of 2000, a scan that comes back to a key after 80000 accesses.
static uint32_t scanned_key(struct mr_rng *rng, unsigned i)
{
	return i / 2000 % 2 == 0 ? skewed_key(rng, i) : 20000 + i / 2 % 40000;
}

// Keys are asked for a few times, at distances of some thousands, and never again.
static uint32_t fading_key(struct mr_rng *rng, unsigned i)
{
	return (uint32_t)(i / 4 + mr_rng_below(rng, 1500) + mr_rng_below(rng, 1500));
}

// Favourites change while a scan goes on.
static uint32_t moving_key(struct mr_rng *rng, unsigned i)
{
	return i % 5 == 0 ? 20000 + i / 5 % 40000 : (skewed_key(rng, i) + i / 20) % 20000;
}

static double hit_ratio(const char *name, uint32_t capacity, const uint32_t *keys)
{
	struct sim_params params = {.capacity = capacity, .n_keys = MILLRACE_KEYS};
	const struct sim_policy *policy = sim_policy_by_name(name);
	unsigned hits = 0;
	void *state;

	sim_params_default(&params);
	state = policy->create(&params);
	assert_non_null(state);
	for (unsigned i = 0; i < MILLRACE_ACCESSES; i++)
		hits += policy->access(state, keys[i]);
	policy->destroy(state);
	return hits / (double)MILLRACE_ACCESSES;
}

// Plain, it is exact LRU-2 but for the sampling; by default, it is not behind LRU or LRU-2.
static void test_millrace(void **state)
{
	static const struct {
		const char *name;
		uint32_t (*key)(struct mr_rng *rng, unsigned i);
	} streams[] = {{"skewed", skewed_key}, {"scanned", scanned_key}, {"fading", fading_key},
		{"moving", moving_key}};
	static uint32_t keys[MILLRACE_ACCESSES];

	(void)state;
	for (unsigned s = 0; s < MR_ARRAY_SIZE(streams); s++) {
		struct mr_rng rng = {.state = s};

		for (unsigned i = 0; i < MILLRACE_ACCESSES; i++)
			keys[i] = streams[s].key(&rng, i);
		for (uint32_t capacity = 300; capacity <= 4800; capacity *= 4) {
			double have = hit_ratio("millrace", capacity, keys);
			double plain = hit_ratio("millrace-plain", capacity, keys);
			double lru = hit_ratio("lru", capacity, keys);
			double lru2 = hit_ratio("lru2", capacity, keys);

			print_message("%s, %u rows: %.4f, plain %.4f, exact LRU-2 %.4f, LRU %.4f\n",
				streams[s].name, capacity, have, plain, lru2, lru);
			assert_true(plain > lru2 - 0.008);
			assert_true(have > MR_MAX(lru, lru2) - 0.01);
		}
	}
}

// One request at a tick of its own.
static bool request(struct mr_cache *cache, uint32_t id, uint64_t now)
{
	uint64_t hash = mr_hash_row(mr_hash_key(&id, sizeof(id)), 1);
	struct mr_cache_row row = {.hash = hash,
		.space = 1,
		.key = &id,
		.key_bytes = sizeof(id),
		.row = "",
		.row_bytes = 1};
	struct mr_cache_ref ref;

	if (mr_cache_find(cache, hash, 1, &id, sizeof(id), now, &ref))
		return true;
	assert_int_equal(mr_cache_fill(cache, &row, mr_cache_lease(cache, hash), now), 0);
	return false;
}

// Key 1 has waited for 35 ticks after an interval of 20, key 2 for 2 after one of 40. By the larger
// of both key 2 goes, by their sum (and by age) key 1.
static void test_distance(void **state)
{
	(void)state;
	for (unsigned plain = 0; plain < 2; plain++) {
		struct mr_cache_params params = {.budget_bytes = MR_MIB,
			.max_rows = 2,
			.plain = plain,
			.crp_ratio = -1,
			.history_ratio = -1};
		size_t bytes = mr_cache_memsize(&params);
		void *mem = aligned_alloc(MR_CACHE_ALIGN, bytes);
		struct mr_cache *cache;

		assert_non_null(mem);
		cache = mr_cache_init(mem, bytes, &params);
		assert_non_null(cache);
		assert_int_equal(mr_cache_tick_accesses(cache), 1);
		assert_false(request(cache, 1, 1));
		assert_false(request(cache, 2, 14));
		assert_true(request(cache, 1, 21));
		assert_true(request(cache, 2, 54));
		assert_false(request(cache, 3, 56));
		assert_true(request(cache, plain ? 2 : 1, 57));
		free(mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_millrace),
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
