// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_cycles.h>
#include <rte_launch.h>

#include <errno.h>

#include "mr_units.h"

static struct mr_idler idler(const struct millraced *m, unsigned mode)
{
	struct mr_idler idler = {
		.mode = (enum mr_idle)mode,
		.sleep_us = (uint32_t)m->config.lcores.sleep_us,
	};

	if (mode == MR_IDLE_AUTO)
		idler.mode = m->plan.shares_cpus ? MR_IDLE_SLEEP : MR_IDLE_POLL;
	return idler;
}

static int make_rx(struct millraced *m, unsigned i)
{
	const struct mr_lcore *lcore = mr_plan_rx(&m->plan, i);
	struct mr_rx_params params = {
		.lcore = lcore,
		.plan = &m->plan,
		.tiers = &m->tiers,
		.handoff = &m->handoff,
		.ports = m->ports,
		.n_ports = m->n_ports,
		.queues = m->queues[i],
		.pool = m->pools[lcore->node_index],
		.stop = &m->stop_rx,
		.other = m->other,
		.idler = idler(m, m->config.lcores.rx_idle),
		.overrun_cycles = m->config.lcores.watchdog_us * rte_get_tsc_hz() / MR_US_PER_S,
		.slow_above_us = m->config.lcores.slow_above_us,
	};

	m->rx[i] = mr_rx_create(&params);
	if (m->rx[i] == NULL)
		return -ENOMEM;
	m->rx_counters[i] = mr_rx_counters(m->rx[i]);
	m->rx_sets[i] = mr_rx_set_counters(m->rx[i]);
	return 0;
}

static int make_io(struct millraced *m, unsigned i)
{
	const struct mr_lcore *lcore = mr_plan_io(&m->plan, i);
	struct mr_io_params params = {
		.lcore = lcore,
		.plan = &m->plan,
		.tiers = &m->tiers,
		.handoff = &m->handoff,
		.store = m->store,
		.locks = m->locks,
		.ports = m->ports,
		.n_ports = m->n_ports,
		.pools = m->pools,
		.stop = &m->stop_io,
		.idler = idler(m, m->config.lcores.io_idle),
		.breaker = &m->breaker,
		.future_max_us = m->config.writes.max_future_us,
		.age_max_us = m->config.handoff_max_age_us,
		.group_rows = (uint32_t)m->config.writes.group_rows,
		.group_age_us = m->config.writes.group_age_us,
		.slow_above_us = m->config.lcores.slow_above_us,
	};

	// I/O lcores wait for misses: polling for them by default would only burn a core.
	if (m->config.lcores.io_idle == MR_IDLE_AUTO)
		params.idler.mode = MR_IDLE_SLEEP;
	m->io[i] = mr_io_create(&params);
	if (m->io[i] == NULL)
		return -ENOMEM;
	m->io_counters[i] = mr_io_counters(m->io[i]);
	m->io_sets[i] = mr_io_set_counters(m->io[i]);
	return 0;
}

int lcores_start(struct millraced *m, struct mr_err *err)
{
	int ret = mr_handoff_init(&m->handoff, &m->plan, (unsigned)m->config.handoff_depth);

	m->locks = mr_mem_alloc("mr_io_locks", sizeof(*m->locks), 64, m->plan.nodes[0]);
	if (m->locks != NULL)
		mr_io_locks_init(m->locks);
	else
		ret = -ENOMEM;
	for (unsigned i = 0; i < m->plan.n_rx && ret == 0; i++)
		ret = make_rx(m, i);
	m->breaker.limit = (uint32_t)m->config.breaker.failures;
	m->breaker.open_us = m->config.breaker.open_us;
	for (unsigned i = 0; i < m->plan.n_io && ret == 0; i++)
		ret = make_io(m, i);
	if (ret < 0)
		return mr_fail(err, -ret,
			"no memory for lcores and rings: give more hugepages, or "
			"more total in [memory]");
	for (unsigned i = 0; i < m->plan.n_io; i++)
		rte_eal_remote_launch(mr_io_run, m->io[i], mr_plan_io(&m->plan, i)->lcore_id);
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		rte_eal_remote_launch(mr_rx_run, m->rx[i], mr_plan_rx(&m->plan, i)->lcore_id);
	m->lcores_running = true;
	return 0;
}

// RX lcores first: they wait for what is with the I/O lcores, which must still run.
void lcores_stop(struct millraced *m)
{
	if (m->lcores_running) {
		atomic_store_explicit(&m->stop_rx, true, memory_order_relaxed);
		for (unsigned i = 0; i < m->plan.n_rx; i++)
			rte_eal_wait_lcore(mr_plan_rx(&m->plan, i)->lcore_id);
		atomic_store_explicit(&m->stop_io, true, memory_order_relaxed);
		for (unsigned i = 0; i < m->plan.n_io; i++)
			rte_eal_wait_lcore(mr_plan_io(&m->plan, i)->lcore_id);
		m->lcores_running = false;
	}
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		mr_rx_free(m->rx[i]);
	for (unsigned i = 0; i < m->plan.n_io; i++)
		mr_io_free(m->io[i]);
	mr_mem_free(m->locks);
	mr_handoff_done(&m->handoff);
}
