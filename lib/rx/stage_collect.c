// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include "mr_rx_priv.h"

unsigned mr_rx_collect(struct mr_rx *rx)
{
	struct rte_mbuf *mbufs[MR_RX_BURST_MAX];
	unsigned total = 0;

	for (unsigned io = 0; io < rx->p.handoff->n_io; io++) {
		unsigned n = mr_handoff_collect(
			rx->p.handoff, rx->p.lcore->index, io, mbufs, MR_RX_BURST_MAX);
		uint64_t now = n > 0 ? rte_rdtsc() : 0;

		for (unsigned i = 0; i < n; i++) {
			struct mr_packet *at = mr_packet(mbufs[i]);

			mr_hist_record(&rx->counters.handoff_cycles, now - at->rx_tsc, 1);
			if (mr_unlikely(now - at->rx_tsc > rx->slow_above_cycles))
				mr_rx_note_late(rx, mbufs[i], now);
			mr_rx_send(rx, mbufs[i]);
		}
		total += n;
	}
	rx->in_flight -= total;
	if (total > 0)
		mr_count(&rx->counters.collected, total);
	return total;
}
