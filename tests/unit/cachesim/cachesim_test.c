// SPDX-License-Identifier: BSD-3-Clause
//
// Every policy of bench/cachesim against a naive model of it, access by access, on small random
// streams; and millrace's cache within reach of exact LRU-2 on a stream of middling size.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cachesim_models.h"
#include "mr_rng.h"
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

static double hit_ratio(const struct sim_policy *policy, struct sim_params params)
{
	void *state = policy->create(&params);
	struct mr_rng rng = {.state = 7};
	unsigned n = 200000, hits = 0;

	assert_non_null(state);
	for (unsigned i = 0; i < n; i++) {
		double u = mr_rng_unit(&rng);

		hits += policy->access(state, (uint32_t)(u * u * u * params.n_keys));
	}
	policy->destroy(state);
	return hits / (double)n;
}

static void test_millrace(void **state)
{
	struct sim_params params = {.n_keys = 20000};

	(void)state;
	sim_params_default(&params);
	for (params.capacity = 200; params.capacity <= 4000; params.capacity *= 2) {
		double have = hit_ratio(&sim_millrace, params);
		double want = hit_ratio(&sim_lru2, params);

		if (have < want - 0.01)
			fail_msg("%u rows: hit ratio %.4f, exact LRU-2 has %.4f", params.capacity,
				have, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_millrace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
