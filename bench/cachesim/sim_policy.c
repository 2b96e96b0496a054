// SPDX-License-Identifier: BSD-3-Clause
#include "sim_policy.h"

#include "mr_cache.h"
#include "mr_units.h"

#include <string.h>

const struct sim_policy *const sim_policies[] = {&sim_millrace, &sim_millrace_plain, &sim_lru,
	&sim_lru2, &sim_2q, &sim_arc, &sim_s3fifo, &sim_sieve, &sim_wtinylfu, &sim_belady};
const unsigned sim_n_policies = MR_ARRAY_SIZE(sim_policies);

const struct sim_policy *sim_policy_by_name(const char *name)
{
	for (unsigned i = 0; i < sim_n_policies; i++) {
		if (strcmp(sim_policies[i]->name, name) == 0)
			return sim_policies[i];
	}
	return NULL;
}

void sim_params_default(struct sim_params *params)
{
	struct mr_cache_params p = {.budget_bytes = MR_MIB, .crp_ratio = -1, .history_ratio = -1};

	mr_cache_params_check(&p);
	params->crp_ratio = p.crp_ratio;
	params->history_ratio = p.history_ratio;
}
