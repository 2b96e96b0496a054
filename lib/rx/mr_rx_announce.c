// SPDX-License-Identifier: BSD-3-Clause
#include <rte_ethdev.h>

#include "mr_rx_priv.h"

void mr_rx_announce(struct mr_rx *rx, unsigned port_index)
{
	// why relaxed: nothing but the bit is passed on.
	atomic_fetch_or_explicit(&rx->announce, UINT32_C(1) << port_index, memory_order_relaxed);
}

// Sends announcement number @p i of a port: of its IPv4 addresses, then of its IPv6 addresses.
static void send_one(struct mr_rx *rx, unsigned port_index, unsigned i)
{
	const struct mr_port *port = &rx->p.ports[port_index];
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx->p.pool);
	uint8_t *frame;
	unsigned bytes;

	// Neighbours then find the address when they next ask.
	if (m == NULL)
		return;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	bytes = i < port->self.n_ip4 ? mr_net_announce(&port->self, i, frame)
	                             : mr_net_announce6(&port->self, i - port->self.n_ip4, frame);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->ol_flags = 0;
	if (rte_eth_tx_burst(port->port_id, rx->queues[port_index], &m, 1) == 1)
		mr_count(&rx->counters.announced, 1);
	else
		rte_pktmbuf_free(m);
}

void mr_rx_announce_asked(struct mr_rx *rx)
{
	uint32_t ports = atomic_exchange_explicit(&rx->announce, 0, memory_order_relaxed);

	for (; ports != 0; ports &= ports - 1) {
		unsigned port_index = (unsigned)__builtin_ctz(ports);
		const struct mr_net_self *self = &rx->p.ports[port_index].self;

		for (unsigned i = 0; i < (unsigned)self->n_ip4 + self->n_ip6; i++)
			send_one(rx, port_index, i);
	}
}
