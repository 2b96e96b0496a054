// SPDX-License-Identifier: BSD-3-Clause
//
// Steering by key: senders put a key's hash into the low bits of their source port, and the device
// is told which queue each value goes to.
#include "mr_port_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_flow.h>

// Values of the low bits: enough for every queue to have one.
static unsigned n_values(const struct mr_port *port)
{
	unsigned n = 1;

	while (n < port->n_queues)
		n *= 2;
	return n;
}

// Datagrams to our port whose source port ends in @p value: to a queue.
static int add_rule(
	const struct mr_port *port, bool is_ip6, unsigned value, struct rte_flow_error *error)
{
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_item_udp spec = {0}, mask = {0};
	struct rte_flow_action_queue queue = {.index = (uint16_t)(value % port->n_queues)};
	struct rte_flow_item items[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = is_ip6 ? RTE_FLOW_ITEM_TYPE_IPV6 : RTE_FLOW_ITEM_TYPE_IPV4},
		{.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &spec, .mask = &mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};

	spec.hdr.src_port = rte_cpu_to_be_16((uint16_t)value);
	mask.hdr.src_port = rte_cpu_to_be_16((uint16_t)(n_values(port) - 1));
	spec.hdr.dst_port = rte_cpu_to_be_16(port->self.udp_port);
	mask.hdr.dst_port = UINT16_MAX;
	return rte_flow_create(port->port_id, &attr, items, actions, error) != NULL ? 0 : -EINVAL;
}

void mr_port_steer(struct mr_port *port)
{
	struct rte_flow_error error = {.message = NULL}, ignored;
	int ret = 0;

	if (port->steering != MR_PORT_STEERING_WANTED || port->n_queues == 1)
		return;
	for (unsigned i = 0; i < n_values(port) && ret == 0; i++) {
		if (port->self.n_ip4 > 0)
			ret = add_rule(port, false, i, &error);
		if (ret == 0 && port->self.n_ip6 > 0)
			ret = add_rule(port, true, i, &error);
	}
	if (ret == 0) {
		port->steering = MR_PORT_STEERING_KEY;
		return;
	}
	// All or none: half of the keys on their lcores would be hard to understand.
	rte_flow_flush(port->port_id, &ignored);
	port->steering = MR_PORT_STEERING_REFUSED;
	snprintf(port->steering_error, sizeof(port->steering_error), "%s",
		error.message != NULL ? error.message : strerror(rte_errno));
}
