// SPDX-License-Identifier: BSD-3-Clause
//
// What lies where: /millrace/memory. Packet buffers and rings are DPDK's memzones, which
// /eal/memzone_info shows.
#include "mr_telemetry_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct region {
	char address[20];
	uint64_t node, bytes;
};

static const struct mr_tel_field region_fields[] = {
	MR_TEL(region, node, U64, "", "NUMA node that the plan wants it on"),
	MR_TEL(region, address, TEXT, "text", "first byte, hexadecimal, as in /proc/PID/numa_maps"),
	MR_TEL(region, bytes, U64, "bytes", "length"),
};

static const struct mr_tel_block memory_blocks[] = {
	{"cache_node<N>", "the cache of the plan's NUMA node number N.", region_fields,
		MR_ARRAY_SIZE(region_fields)},
	{"counters_rx<N>", "counters and histograms of RX lcore number N.", region_fields,
		MR_ARRAY_SIZE(region_fields)},
	{"counters_io<N>", "the same of I/O lcore number N.", region_fields,
		MR_ARRAY_SIZE(region_fields)},
};

static int add_region(struct rte_tel_data *d, const struct mr_tel_block *block, const char *what,
	unsigned index, unsigned node, const void *mem, size_t bytes)
{
	struct region r = {.node = node, .bytes = bytes};
	char name[32];

	snprintf(name, sizeof(name), "%s%u", what, index);
	snprintf(r.address, sizeof(r.address), "%p", mem);
	return mr_tel_child_fields(d, name, block, &r);
}

static int add_caches(struct mr_ctl *ctl, struct rte_tel_data *d)
{
	struct mr_cache_stats *stats =
		aligned_alloc(_Alignof(struct mr_cache_stats), sizeof(*stats));
	int ret = stats != NULL ? 0 : -ENOMEM;

	for (unsigned i = 0; ret == 0 && i < ctl->p.tiers->n_nodes; i++) {
		const struct mr_node *node = &ctl->p.tiers->nodes[i];

		mr_cache_stats(node->cache, stats);
		ret = add_region(d, &memory_blocks[0], "cache_node", i, node->node, node->cache,
			stats->budget_bytes);
	}
	free(stats);
	return ret;
}

static int memory_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	const struct mr_plan *plan = ctl->p.plan;
	int ret = add_caches(ctl, d);

	(void)params;
	for (unsigned i = 0; ret == 0 && ctl->p.rx != NULL && i < plan->n_rx; i++)
		ret = add_region(d, &memory_blocks[1], "counters_rx", i, mr_plan_rx(plan, i)->node,
			ctl->p.rx[i], sizeof(*ctl->p.rx[i]));
	for (unsigned i = 0; ret == 0 && ctl->p.io != NULL && i < plan->n_io; i++)
		ret = add_region(d, &memory_blocks[2], "counters_io", i, mr_plan_io(plan, i)->node,
			ctl->p.io[i], sizeof(*ctl->p.io[i]));
	return ret;
}

const struct mr_tel_group mr_tel_memory = {
	.command = "/millrace/memory",
	.params = "",
	.help = "Caches, counters and histograms: node of the plan, address, length",
	.blocks = memory_blocks,
	.n_blocks = MR_ARRAY_SIZE(memory_blocks),
	.fill = memory_fill,
};
