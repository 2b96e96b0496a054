// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that mr_net_parse() refused, and what is made of some of them. Off the requests' path.
#include "mr_rx_priv.h"

// GCRA: a rate, shared by so many lcores, of which a hundredth of a second may come at once.
static struct mr_guard_limit limit_of(uint64_t per_s, unsigned n_shares)
{
	uint64_t second = rte_get_tsc_hz() << 4;

	return (struct mr_guard_limit){
		.cost = MR_MAX(second / per_s * n_shares, 1u),
		.burst = second / 100,
	};
}

void mr_rx_other_init(struct mr_rx *rx)
{
	for (unsigned i = 0; rx->p.other != NULL && i < rx->p.n_ports; i++) {
		const struct mr_rx_other *params = &rx->p.other[i];
		struct mr_rx_other_port *other = &rx->other[i];

		if (params->unreachable_rate != 0)
			other->unreachable =
				limit_of(params->unreachable_rate, rx->p.ports[i].n_queues);
	}
}

// May this sender ask at all? Others get no answer of any kind.
static bool is_known(const struct mr_rx *rx, const uint8_t *frame)
{
	const uint8_t *ip = mr_net_packet(frame);

	return rx->guard == NULL ||
	       mr_guard_classify(rx->guard, mr_rx_address(ip, ip[0] >> 4 == 6)) != 0;
}

// @return true: the frame is answered.
static bool unreachable(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_rx_other_port *other = &rx->other[m->port];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	unsigned bytes;

	if (other->unreachable.cost == 0 || !is_known(rx, frame) ||
		!mr_guard_take(&other->unreachable_due, &other->unreachable, rx->burst_tsc))
		return false;
	bytes = mr_net_reply_unreachable(frame);
	if (bytes == 0)
		return false;
	mr_count(&rx->counters.unreachable, 1);
	mr_rx_send_control(rx, m, bytes);
	return true;
}

static void hear_router(struct mr_rx *rx, const struct rte_mbuf *m)
{
	_Atomic uint32_t *heard = &rx->other[m->port].router_mtu;
	uint32_t mtu = mr_net_router_mtu(rte_pktmbuf_mtod(m, const uint8_t *));

	// why relaxed: a figure that stands for itself.
	if (mtu != 0)
		atomic_store_explicit(heard, mtu, memory_order_relaxed);
}

uint32_t mr_rx_router_mtu(const struct mr_rx *rx, unsigned port_index)
{
	return atomic_load_explicit(&rx->other[port_index].router_mtu, memory_order_relaxed);
}

void mr_rx_other(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason)
{
	if (reason == MR_REASON_udp_port && unreachable(rx, m))
		return;
	if (reason == MR_REASON_nd_not_ours)
		hear_router(rx, m);
	mr_rx_drop(rx, m, reason);
}
