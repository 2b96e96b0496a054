// SPDX-License-Identifier: BSD-3-Clause
#include <rte_ethdev.h>

#include "mr_rx_priv.h"

// A port that takes nothing this many times in a row is full: what is left is dropped and counted.
#define TX_TRIES 8u

// Of what was not sent: how many requests it would have answered.
static unsigned count_last(struct rte_mbuf *const *mbufs, unsigned n)
{
	unsigned n_last = 0;

	for (unsigned i = 0; i < n; i++)
		n_last += mr_packet(mbufs[i])->kind == MR_PACKET_LAST;
	return n_last;
}

void mr_rx_transmit(struct mr_rx *rx, unsigned port_index)
{
	struct mr_rx_out *out = &rx->out[port_index];
	unsigned n = out->n, sent = 0, tries = 0, dropped = 0;

	if (n == 0)
		return;
	while (sent < n && tries++ < TX_TRIES)
		sent += rte_eth_tx_burst(rx->p.ports[port_index].port_id, rx->queues[port_index],
			out->mbufs + sent, (uint16_t)(n - sent));
	if (mr_unlikely(sent < n)) {
		dropped = count_last(out->mbufs + sent, n - sent);
		mr_count(&rx->counters.reasons[MR_REASON_tx_full], dropped);
		rte_pktmbuf_free_bulk(out->mbufs + sent, n - sent);
	}
	mr_count(&rx->counters.answered, n - out->n_further - dropped);
	mr_count(&rx->counters.datagrams, sent);
	out->n = out->n_further = 0;
}

void mr_rx_send_chain(struct mr_rx *rx, struct rte_mbuf *m)
{
	unsigned port_index = m->port;
	struct mr_rx_out *out = &rx->out[port_index];

	while (m != NULL) {
		struct rte_mbuf *next = mr_packet(m)->next_datagram;

		if (mr_unlikely(out->n == MR_ARRAY_SIZE(out->mbufs)))
			mr_rx_transmit(rx, port_index);
		out->mbufs[out->n++] = m;
		out->n_further += next != NULL;
		m = next;
	}
}
