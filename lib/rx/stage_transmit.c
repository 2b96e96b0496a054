// SPDX-License-Identifier: BSD-3-Clause
#include <rte_ethdev.h>

#include "mr_rx_priv.h"

// A port that takes nothing this many times in a row is full: what is left is dropped and counted.
#define TX_TRIES 8u

// Bit i: mbufs[i] is the datagram by which a request counts as answered.
static void last_datagrams(struct rte_mbuf *const *mbufs, unsigned n, uint64_t ret_last[2])
{
	ret_last[0] = ret_last[1] = 0;
	for (unsigned i = 0; i < n; i++)
		if (mr_packet(mbufs[i])->kind == MR_PACKET_LAST)
			ret_last[i / 64] |= UINT64_C(1) << (i % 64);
}

static unsigned count_first(const uint64_t last[2], unsigned n)
{
	uint64_t low = n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
	uint64_t high = n <= 64 ? 0 : n >= 128 ? UINT64_MAX : (UINT64_C(1) << (n - 64)) - 1;

	return (unsigned)(__builtin_popcountll(last[0] & low) +
			  __builtin_popcountll(last[1] & high));
}

void mr_rx_transmit(struct mr_rx *rx, unsigned port_index)
{
	struct mr_rx_out *out = &rx->out[port_index];
	unsigned n = out->n, sent = 0, tries = 0, answered, dropped;
	uint64_t last[2];

	static_assert(MR_ARRAY_SIZE(out->mbufs) <= 128, "two words of marks");
	if (n == 0)
		return;
	last_datagrams(out->mbufs, n, last);
	while (sent < n && tries++ < TX_TRIES)
		sent += rte_eth_tx_burst(rx->p.ports[port_index].port_id, rx->queues[port_index],
			out->mbufs + sent, (uint16_t)(n - sent));
	answered = count_first(last, sent);
	dropped = count_first(last, n) - answered;
	if (mr_unlikely(sent < n))
		rte_pktmbuf_free_bulk(out->mbufs + sent, n - sent);
	if (mr_unlikely(dropped > 0))
		mr_count(&rx->counters.reasons[MR_REASON_tx_full], dropped);
	mr_count(&rx->counters.answered, answered);
	mr_count(&rx->counters.datagrams, sent);
	out->n = 0;
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
		m = next;
	}
}
