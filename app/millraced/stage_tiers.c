// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>

#include "mr_units.h"

static int make_cache(struct millraced *m, unsigned i, struct mr_err *err)
{
	struct mr_cache_params params;
	struct mr_node *node = &m->nodes[i];
	size_t bytes;

	mr_config_cache_params(&m->config, rte_rdtsc(), &params);
	bytes = mr_cache_memsize(&params);
	node->node = m->plan.nodes[i];
	if (bytes != 0)
		m->cache_mem[i] = mr_mem_alloc("mr_cache", bytes, MR_CACHE_ALIGN, node->node);
	if (m->cache_mem[i] == NULL)
		return mr_fail(err, ENOMEM,
			"node %u: no memory for a cache of %" PRIu64
			" MiB: lower memory in [cache], "
			"or give more hugepages (scripts/hugepages.sh)",
			node->node, m->config.cache.memory_bytes / MR_MIB);
	node->cache = mr_cache_init(m->cache_mem[i], bytes, &params);
	if (node->cache == NULL)
		return mr_fail(err, errno, "node %u: cache of %" PRIu64 " bytes: %s", node->node,
			m->config.cache.memory_bytes, strerror(errno));
	node->tick_shift = (uint32_t)__builtin_ctzll(mr_cache_tick_accesses(node->cache));
	return 0;
}

static int make_filter(struct millraced *m, struct mr_err *err)
{
	struct mr_filter_params params = {
		.cpus = CPU_COUNT(&m->background) > 0 ? &m->background : NULL,
		.tiers = &m->tiers,
		.store = m->store,
		.path = m->config.store.path,
		.keys = m->config.filter.keys,
		.fpr = m->config.filter.fpr,
		.rebuild_above = m->config.filter.rebuild_above,
	};

	m->filter = mr_filter_create(&params, err);
	return m->filter != NULL ? 0 : -errno;
}

static int make_warm(struct millraced *m, struct mr_err *err)
{
	struct mr_warm_params params = {
		.tiers = &m->tiers,
		.store = m->store,
		.registry = m->registry,
		.path = m->config.store.path,
		.keys_per_s = m->config.cache.warm_rate,
		.cpus = CPU_COUNT(&m->background) > 0 ? &m->background : NULL,
	};

	m->warm = mr_warm_create(&params, err);
	return m->warm != NULL ? 0 : -errno;
}

int tiers_start(struct millraced *m, struct mr_err *err)
{
	int ret = 0;

	m->tiers.clock = &m->clock;
	m->tiers.rcu = &m->rcu;
	m->tiers.n_nodes = m->plan.n_nodes;
	m->tiers.nodes = m->nodes;
	for (unsigned i = 0; i < m->plan.n_nodes && ret == 0; i++)
		ret = make_cache(m, i, err);
	if (ret == 0)
		ret = make_filter(m, err);
	if (ret < 0)
		return ret;
	m->registry = mr_registry_create(&m->tiers, m->store, m->plan.nodes[0], err);
	return m->registry != NULL ? make_warm(m, err) : -errno;
}

static void save_keys(struct millraced *m)
{
	struct mr_err err = {0};

	if (m->warm != NULL && m->config.cache.warm && mr_warm_save(m->warm, &err) < 0)
		mr_log(MR_LOG_WARNING, "cache", "%s: the next start begins with less", err.text);
	mr_warm_free(m->warm);
}

// The lcores have stopped, the store is still open: the moment at which filter and store agree.
void tiers_stop(struct millraced *m)
{
	struct mr_err err = {0};
	int ret;

	save_keys(m);
	mr_registry_free(m->registry);
	if (m->filter != NULL && m->config.filter.save) {
		ret = mr_filter_save(m->filter, &err);
		if (ret < 0 && ret != -ENOENT)
			mr_log(MR_LOG_WARNING, "filter",
				"not saved: %s: the next start rebuilds it", err.text);
	}
	mr_filter_free(m->filter);
	for (unsigned i = 0; i < m->plan.n_nodes; i++)
		mr_mem_free(m->cache_mem[i]);
}
