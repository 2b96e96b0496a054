// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>

static int open_port(struct millraced *m, const struct mr_config_port *port, struct mr_err *err)
{
	struct mr_port_params params;
	int ret;

	mr_config_port_params(port, m->plan.n_rx, m->drivers_dir, &params);
	if (params.n_queues != m->plan.n_rx)
		return mr_fail(err, EINVAL,
			"port %s: %u queues for %u RX lcores: each RX lcore needs one of its own",
			port->name, params.n_queues, m->plan.n_rx);
	for (unsigned q = 0; q < params.n_queues; q++)
		params.pools[q] = m->pools[mr_plan_rx(&m->plan, q)->node_index];
	ret = mr_port_open(&m->ports[m->n_ports], &params, err);
	if (ret == 0)
		m->n_ports++;
	return ret;
}

// A card far from the lcores that serve it costs every packet a trip between nodes.
static void report_distance(const struct millraced *m, const struct mr_port *port)
{
	for (unsigned q = 0; q < port->n_queues; q++) {
		const struct mr_lcore *lcore = mr_plan_rx(&m->plan, q);

		if (port->numa_node >= 0 && (unsigned)port->numa_node != lcore->node)
			mr_log(MR_LOG_WARNING, port->name,
				"device is on NUMA node %d, its RX lcore %u on node %u: move the "
				"lcore to a CPU of node %d",
				port->numa_node, lcore->lcore_id, lcore->node, port->numa_node);
	}
}

int ports_start(struct millraced *m, struct mr_err *err)
{
	char text[2048];

	for (unsigned i = 0; i < m->config.n_ports; i++) {
		int ret = open_port(m, &m->config.ports[i], err);

		if (ret == 0)
			ret = mr_port_start(&m->ports[i], err);
		if (ret < 0)
			return ret;
		report_distance(m, &m->ports[i]);
		mr_port_describe(&m->ports[i], text, sizeof(text));
		mr_log(MR_LOG_DEBUG, m->ports[i].name, "%s", text);
	}
	return 0;
}

void ports_stop(struct millraced *m)
{
	while (m->n_ports > 0) {
		struct mr_port *port = &m->ports[--m->n_ports];

		mr_port_stop(port);
		mr_port_close(port);
	}
}
