// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * An appliance's insides without lcores: EAL in ordinary memory, a store in a directory of its own,
 * tiers of two nodes that both live on NUMA node 0.
 */

#include "ctl_test.h"
#include "mr_log.h"
#include "mr_store.h"
#include "mr_tiers.h"
#include "mr_units.h"

#include <rte_eal.h>

#define RIG_NODES 2u

struct rig {
	char dir[64];
	struct mr_store *store;
	struct mr_rcu rcu;
	struct mr_clock clock;
	struct mr_node nodes[RIG_NODES];
	struct mr_tiers tiers;
};

static inline int eal_start(const char *telemetry)
{
	const char *const given[] = {"ctl_test", "--no-huge", "-m", "256", "--no-shconf",
		"--no-pci", "--lcores", "0", "--log-level=3", telemetry};
	static char copies[MR_ARRAY_SIZE(given)][32];
	char *args[MR_ARRAY_SIZE(given)];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(given); i++) {
		snprintf(copies[i], sizeof(copies[i]), "%s", given[i]);
		args[i] = copies[i];
	}
	mr_log_set_level(MR_LOG_ERROR);
	return rte_eal_init((int)MR_ARRAY_SIZE(args), args) < 0 ? -1 : 0;
}

static inline void rig_open_store(struct rig *rig)
{
	struct mr_store_params params = {
		.path = rig->dir,
		.block_cache_bytes = 4 << 20,
		.memtable_bytes = 4 << 20,
		.numa_node = -1,
	};
	struct mr_err err = {""};

	rig->store = mr_store_open(&params, &err);
	if (rig->store == NULL)
		fail_msg("%s", err.text);
}

static inline void rig_close_store(struct rig *rig)
{
	struct mr_err err = {""};

	if (mr_store_close(rig->store, &err) < 0)
		fail_msg("%s", err.text);
	rig->store = NULL;
}

static inline void rig_make(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	dir_make(rig->dir, sizeof(rig->dir));
	rig_open_store(rig);
	assert_int_equal(mr_rcu_init(&rig->rcu, 4), 0);
	mr_clock_init(&rig->clock);
	rig->tiers = (struct mr_tiers){
		.clock = &rig->clock,
		.rcu = &rig->rcu,
		.n_nodes = RIG_NODES,
		.nodes = rig->nodes,
	};
}

static inline void rig_done(struct rig *rig)
{
	rig_close_store(rig);
	mr_rcu_done(&rig->rcu);
	dir_remove(rig->dir);
}
