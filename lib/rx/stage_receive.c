// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "mr_rx_priv.h"

// Histogram cell of a burst: 0, 1, 2-3, 4-7, ... 64 and more.
static unsigned burst_cell(unsigned n)
{
	return n == 0 ? 0 : MR_MIN(32u - (unsigned)__builtin_clz(n), 7u);
}

unsigned mr_rx_receive(struct mr_rx *rx, struct mr_port *port)
{
	unsigned n = rte_eth_rx_burst(
		port->port_id, rx->queues[port - rx->p.ports], rx->burst, (uint16_t)rx->p.burst);

	mr_count(&rx->counters.burst[burst_cell(n)], 1);
	if (n == 0)
		return 0;
	rx->burst_tsc = rte_rdtsc();
	for (unsigned i = 0; i < n; i++)
		mr_prefetch(rte_pktmbuf_mtod(rx->burst[i], const void *));
	rx->now_us = mr_clock_us(rx->p.tiers->clock, rx->burst_tsc);
	rx->published = mr_tiers_published(rx->p.tiers);
	rx->guard = mr_tiers_guard(rx->p.tiers);
	if (rx->guard != NULL)
		mr_guard_begin(rx->guard, &rx->senders);
	rx->n_burst = n;
	rx->next = 0;
	rx->n_answered = 0;
	rx->port = port;
	rx->port_index = (uint16_t)(port - rx->p.ports);
	mr_count(&rx->counters.received, n);
	return n;
}
