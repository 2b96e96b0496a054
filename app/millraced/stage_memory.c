// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_mbuf.h>

#include <errno.h>

int memory_start(struct millraced *m, struct mr_err *err)
{
	unsigned n = (unsigned)m->config.memory.per_node_mbufs;

	if (mr_packet_register() < 0)
		return mr_fail(err, ENOSPC,
			"no room in DPDK's mbufs for millrace's own field: a "
			"driver or another user of dynamic fields takes it");
	mr_clock_init(&m->clock);
	if (mr_rcu_init(&m->rcu, m->plan.n_lcores) < 0)
		return mr_fail(err, ENOMEM, "no memory for RCU");
	for (unsigned i = 0; i < m->plan.n_nodes; i++) {
		char name[32];

		snprintf(name, sizeof(name), "mr_mbufs_%u", m->plan.nodes[i]);
		m->pools[i] = rte_pktmbuf_pool_create(
			name, n, 256, 0, plan_mbuf_bytes(m), m->plan.nodes[i]);
		if (m->pools[i] == NULL)
			return mr_fail(err, ENOMEM,
				"node %u: no memory for %u packet buffers of %u bytes: lower "
				"per_node_mbufs in [memory], or give more hugepages",
				m->plan.nodes[i], n, plan_mbuf_bytes(m));
	}
	return 0;
}

void memory_stop(struct millraced *m)
{
	for (unsigned i = 0; i < m->plan.n_nodes; i++)
		rte_mempool_free(m->pools[i]);
	mr_rcu_done(&m->rcu);
}
