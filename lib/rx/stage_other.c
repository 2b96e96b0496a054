// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that mr_net_parse() refused, and what is made of some of them. Off the requests' path.
#include <rte_ethdev.h>

#include "mr_rx_priv.h"

// Frames that the kernel may send in one turn.
#define KERNEL_BURST 16u

// What the kernel may make something of: whole frames for our MAC address or a group, of protocols
// or to addresses and ports that are not ours. What is damaged or forged stays here.
#define BIT(reason) (UINT64_C(1) << MR_REASON_##reason)
#define FOR_KERNEL                                                                                \
	(BIT(eth_group) | BIT(eth_type) | BIT(arp_not_ours) | BIT(nd_not_ours) | BIT(ip_header) | \
		BIT(ip_fragment) | BIT(ip_not_ours) | BIT(ip_protocol) | BIT(icmp_other) |        \
		BIT(udp_port))
static_assert(MR_REASON_COUNT <= 64, "a bit for each reason");

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
		if (params->kernel == NULL || rx->queues[i] == MR_RX_NO_QUEUE)
			continue;
		other->kernel = params->kernel;
		other->kernel_limit = limit_of(params->kernel_rate, rx->p.ports[i].n_queues);
		rx->has_kernel = true;
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

// Takes a frame for the kernel, or drops it for lack of rate.
static void keep_for_kernel(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_rx_other_port *other = &rx->other[m->port];

	if (!mr_guard_take(&other->to_kernel_due, &other->kernel_limit, rx->burst_tsc)) {
		mr_rx_drop(rx, m, MR_REASON_kernel_limited);
		return;
	}
	m->ol_flags = 0;
	rx->to_kernel[rx->n_to_kernel++] = m;
}

void mr_rx_to_kernel(struct mr_rx *rx)
{
	unsigned port_index = (unsigned)(rx->port - rx->p.ports), n = rx->n_to_kernel;
	unsigned sent = rte_eth_tx_burst(rx->other[port_index].kernel->port_id,
		rx->queues[port_index], rx->to_kernel, (uint16_t)n);

	if (sent < n)
		rte_pktmbuf_free_bulk(rx->to_kernel + sent, n - sent);
	mr_count(&rx->counters.reasons[MR_REASON_to_kernel], sent);
	mr_count(&rx->counters.reasons[MR_REASON_kernel_full], n - sent);
	rx->n_to_kernel = 0;
}

// Frames from the kernel's side of a port. What is beyond the rate waits there.
static unsigned receive_from_kernel(
	struct mr_rx *rx, unsigned port_index, struct rte_mbuf *mbufs[KERNEL_BURST])
{
	struct mr_rx_other_port *other = &rx->other[port_index];
	uint64_t tsc = rte_rdtsc();
	unsigned may = 0, n;

	while (may < KERNEL_BURST &&
		mr_guard_take(&other->from_kernel_due, &other->kernel_limit, tsc))
		may++;
	if (may == 0)
		return 0;
	n = rte_eth_rx_burst(other->kernel->port_id, rx->queues[port_index], mbufs, (uint16_t)may);
	other->from_kernel_due -= (may - n) * other->kernel_limit.cost;
	for (unsigned i = 0; i < n; i++)
		mbufs[i]->ol_flags = 0;
	return n;
}

unsigned mr_rx_from_kernel(struct mr_rx *rx)
{
	struct rte_mbuf *mbufs[KERNEL_BURST];
	unsigned total = 0;

	for (unsigned i = 0; i < rx->p.n_ports; i++) {
		unsigned n, sent;

		if (rx->other[i].kernel == NULL)
			continue;
		n = receive_from_kernel(rx, i, mbufs);
		if (n == 0)
			continue;
		sent = rte_eth_tx_burst(rx->p.ports[i].port_id, rx->queues[i], mbufs, (uint16_t)n);
		if (sent < n)
			rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
		mr_count(&rx->counters.from_kernel, sent);
		mr_count(&rx->counters.from_kernel_full, n - sent);
		total += n;
	}
	return total;
}

void mr_rx_other(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason)
{
	if (reason == MR_REASON_nd_not_ours)
		hear_router(rx, m);
	// The kernel knows better than we do what listens on other ports.
	if (rx->other[m->port].kernel != NULL && (FOR_KERNEL >> reason & 1) != 0)
		keep_for_kernel(rx, m);
	else if (reason != MR_REASON_udp_port || !unreachable(rx, m))
		mr_rx_drop(rx, m, reason);
}
