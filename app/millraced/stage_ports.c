// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

// NUMA node of a card that EAL has found; -1: unknown, or a device that is made when it is opened.
static int node_of(const char *device)
{
	uint16_t port_id;

	return rte_eth_dev_get_port_by_name(device, &port_id) == 0 ? rte_eth_dev_socket_id(port_id)
	                                                           : -1;
}

// The RX lcore for a port's next queue: of the card's own node if there is one left, and of those
// the one that serves the fewest ports.
static unsigned choose_lcore(const struct millraced *m, unsigned port, int node)
{
	unsigned best = 0, best_cost = UINT_MAX;

	for (unsigned i = 0; i < m->plan.n_rx; i++) {
		unsigned cost = 0;

		if (m->queues[i][port] != MR_RX_NO_QUEUE)
			continue;
		for (unsigned p = 0; p < port; p++)
			cost += m->queues[i][p] != MR_RX_NO_QUEUE;
		if (node >= 0 && mr_plan_rx(&m->plan, i)->node != (unsigned)node)
			cost += MR_PORTS_MAX;
		if (cost < best_cost) {
			best = i;
			best_cost = cost;
		}
	}
	return best;
}

static int open_port(struct millraced *m, const struct mr_config_port *port, struct mr_err *err)
{
	struct mr_port_params params;
	int node = node_of(port->device), ret;

	mr_config_port_params(port, m->plan.n_rx, m->drivers_dir, &params);
	if (params.n_queues > m->plan.n_rx)
		return mr_fail(err, EINVAL,
			"port %s: %u queues for %u RX lcores: a queue needs an RX lcore of its own",
			port->name, params.n_queues, m->plan.n_rx);
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		m->queues[i][m->n_ports] = MR_RX_NO_QUEUE;
	for (uint16_t q = 0; q < params.n_queues; q++) {
		unsigned rx = choose_lcore(m, m->n_ports, node);

		m->queues[rx][m->n_ports] = q;
		params.pools[q] = m->pools[mr_plan_rx(&m->plan, rx)->node_index];
	}
	m->other[m->n_ports].unreachable_rate = port->unreachable_rate;
	ret = mr_port_open(&m->ports[m->n_ports], &params, err);
	if (ret == 0)
		m->n_ports++;
	return ret;
}

// A card far from the lcores that serve it costs every packet a trip between nodes.
static void report_distance(const struct millraced *m, const struct mr_port *port)
{
	for (unsigned i = 0; i < m->plan.n_rx; i++) {
		const struct mr_lcore *lcore = mr_plan_rx(&m->plan, i);

		if (m->queues[i][port - m->ports] != MR_RX_NO_QUEUE && port->numa_node >= 0 &&
			(unsigned)port->numa_node != lcore->node)
			mr_log(MR_LOG_WARNING, port->name,
				"device is on NUMA node %d, its RX lcore %u on node %u: move the "
				"lcore to a CPU of node %d",
				port->numa_node, lcore->lcore_id, lcore->node, port->numa_node);
	}
}

// The port by which the kernel gets what is not for us.
static int open_kernel(
	struct millraced *m, unsigned i, const struct mr_config_port *config, struct mr_err *err)
{
	struct rte_mempool *pools[MR_PORT_QUEUES_MAX];
	struct mr_port *kernel = &m->kernels[i];
	int ret;

	if (config->kernel_device[0] == '\0')
		return 0;
	for (unsigned k = 0; k < m->plan.n_rx; k++)
		if (m->queues[k][i] != MR_RX_NO_QUEUE)
			pools[m->queues[k][i]] = m->pools[mr_plan_rx(&m->plan, k)->node_index];
	ret = mr_port_open_kernel(
		kernel, &m->ports[i], config->kernel_device, m->drivers_dir, pools, err);
	if (ret == 0)
		ret = mr_port_start(kernel, err);
	if (ret < 0)
		return ret;
	m->other[i].kernel = kernel;
	m->other[i].kernel_rate = config->kernel_rate;
	mr_log(MR_LOG_INFO, m->ports[i].name,
		"what is not for millrace goes to the kernel by %s, %" PRIu64 " frames/s at most",
		config->kernel_device, config->kernel_rate);
	return 0;
}

int ports_start(struct millraced *m, struct mr_err *err)
{
	char text[2048];

	for (unsigned i = 0; i < m->config.n_ports; i++) {
		int ret = open_port(m, &m->config.ports[i], err);

		if (ret == 0)
			ret = mr_port_start(&m->ports[i], err);
		if (ret == 0)
			ret = open_kernel(m, i, &m->config.ports[i], err);
		if (ret < 0)
			return ret;
		report_distance(m, &m->ports[i]);
		if (m->ports[i].steering == MR_PORT_STEERING_REFUSED)
			mr_log(MR_LOG_WARNING, m->ports[i].name,
				"no steering by key: the device says '%s'; keys go to any queue",
				m->ports[i].steering_error);
		mr_port_describe(&m->ports[i], text, sizeof(text));
		mr_log(MR_LOG_DEBUG, m->ports[i].name, "%s", text);
	}
	return 0;
}

void ports_stop(struct millraced *m)
{
	while (m->n_ports > 0) {
		struct mr_port *port = &m->ports[--m->n_ports];

		mr_port_stop(&m->kernels[m->n_ports]);
		mr_port_close(&m->kernels[m->n_ports]);
		mr_port_stop(port);
		mr_port_close(port);
	}
}
