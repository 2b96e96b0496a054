// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_impl.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <string.h>

// Threads inherit affinity and memory policy from the thread that creates them. RocksDB would make
// them lazily, from whichever thread happens to fill a memtable: from an I/O lcore, say, pinned to
// one CPU. So they are all started here, while this thread is bound as they shall be.

static int save_cpus(struct mr_store_binding *binding)
{
	binding->cpus = numa_allocate_cpumask();
	if (binding->cpus == NULL)
		return -ENOMEM;
	if (numa_sched_getaffinity(0, binding->cpus) >= 0)
		return 0;
	numa_free_cpumask(binding->cpus);
	binding->cpus = NULL;
	return -errno;
}

// The CPUs asked for: those on the node, if there are any.
static void take_cpus(const struct mr_store_params *params, struct bitmask *cpus)
{
	struct bitmask *node = numa_allocate_cpumask();
	bool on_node = false;

	if (node != NULL && params->numa_node >= 0 && numa_available() >= 0 &&
		numa_node_to_cpus(params->numa_node, node) == 0)
		for (unsigned i = 0; i < CPU_SETSIZE && i < cpus->size; i++)
			on_node |= CPU_ISSET(i, params->background_cpus) &&
			           numa_bitmask_isbitset(node, i);
	for (unsigned i = 0; i < CPU_SETSIZE && i < cpus->size; i++)
		if (CPU_ISSET(i, params->background_cpus) &&
			(!on_node || numa_bitmask_isbitset(node, i)))
			numa_bitmask_setbit(cpus, i);
	if (node != NULL)
		numa_free_cpumask(node);
}

static int bind_cpus(const struct mr_store_params *params, struct mr_err *err)
{
	struct bitmask *cpus = numa_allocate_cpumask();
	int ret = 0;

	if (cpus == NULL)
		return mr_fail(err, ENOMEM, "store: no memory for a CPU mask");
	if (params->background_cpus != NULL) {
		take_cpus(params, cpus);
	} else if (numa_node_to_cpus(params->numa_node, cpus) < 0) {
		ret = mr_fail(err, ENODEV, "store: NUMA node %d: its CPUs are not known",
			params->numa_node);
		goto out;
	}
	if (numa_sched_setaffinity(0, cpus) < 0)
		ret = mr_fail(err, errno,
			"store: cannot run background threads on the CPUs asked for (%s); "
			"check the CPU list and the cgroup's cpuset",
			strerror(errno));
out:
	numa_free_cpumask(cpus);
	return ret;
}

static int bind_memory(int node, struct mr_store_binding *binding, struct mr_err *err)
{
	struct bitmask *nodes;

	if (node > numa_max_node() || !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node))
		return mr_fail(
			err, ENODEV, "store: NUMA node %d does not exist or is not allowed", node);
	nodes = numa_allocate_nodemask();
	if (nodes == NULL)
		return mr_fail(err, ENOMEM, "store: no memory for a node mask");
	// Containers commonly forbid the call; memory is then placed by first touch, on the same
	// node, since the threads are bound to its CPUs.
	if (get_mempolicy(&binding->mode, nodes->maskp, nodes->size + 1, NULL, 0) < 0) {
		numa_free_nodemask(nodes);
		return 0;
	}
	binding->nodes = nodes;
	// Preferred, not bound: a full node must not kill the process.
	numa_set_preferred(node);
	return 0;
}

static void start_threads(unsigned n_threads)
{
	rocksdb_env_t *env = rocksdb_create_default_env();
	int n_flush = (int)MR_MAX(1u, n_threads / 4);
	int n_compact = (int)MR_MAX(1u, n_threads - (unsigned)n_flush);

	// The pools are shared by all stores of the process: only ever enlarge them.
	if (rocksdb_env_get_high_priority_background_threads(env) < n_flush)
		rocksdb_env_set_high_priority_background_threads(env, n_flush);
	if (rocksdb_env_get_background_threads(env) < n_compact)
		rocksdb_env_set_background_threads(env, n_compact);
	rocksdb_env_destroy(env);
}

int mr_store_bind(const struct mr_store_params *params, unsigned n_threads,
	struct mr_store_binding *ret_binding, struct mr_err *err)
{
	// A kernel without NUMA has one node, 0, and nothing to bind to it.
	bool numa = params->numa_node >= 0 && numa_available() >= 0;
	int ret;

	*ret_binding = (struct mr_store_binding){0};
	if (params->numa_node > 0 && !numa)
		return mr_fail(err, ENODEV, "store: NUMA node %d: this kernel has no NUMA",
			params->numa_node);
	if (numa) {
		ret = bind_memory(params->numa_node, ret_binding, err);
		if (ret < 0)
			return ret;
	}
	if (numa || params->background_cpus != NULL) {
		ret = save_cpus(ret_binding);
		if (ret < 0)
			return mr_fail(err, -ret, "store: cannot read the CPU affinity");
		ret = bind_cpus(params, err);
		if (ret < 0)
			return ret;
	}
	start_threads(n_threads);
	return 0;
}

void mr_store_unbind(struct mr_store_binding *binding)
{
	if (binding->cpus != NULL) {
		numa_sched_setaffinity(0, binding->cpus);
		numa_free_cpumask(binding->cpus);
	}
	if (binding->nodes != NULL) {
		set_mempolicy(binding->mode, binding->nodes->maskp, binding->nodes->size + 1);
		numa_free_nodemask(binding->nodes);
	}
	*binding = (struct mr_store_binding){0};
}
