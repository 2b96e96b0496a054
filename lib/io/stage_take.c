// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include "mr_io_priv.h"

unsigned mr_io_take(struct mr_io *io)
{
	struct mr_handoff *h = io->p.handoff;
	unsigned n = 0;

	for (unsigned k = 0; k < h->n_rx && n < MR_IO_BURST; k++) {
		unsigned rx = (io->first_rx + k) % h->n_rx;
		unsigned share = MR_MIN(MR_IO_BURST - n, MR_IO_BURST / 2);
		unsigned taken = mr_handoff_take(h, io->p.lcore->index, rx, io->mbufs + n, share);

		for (unsigned i = n; i < n + taken; i++)
			io->from[i] = (uint16_t)rx;
		n += taken;
	}
	// Another one next time: two full rings make a burst, and would be all that is ever taken.
	io->first_rx = (io->first_rx + 1) % h->n_rx;
	io->n_mbufs = n;
	io->next = 0;
	if (n == 0)
		return 0;
	io->now_tsc = rte_rdtsc();
	io->now_us = mr_clock_us(io->p.tiers->clock, io->now_tsc);
	io->published = mr_tiers_published(io->p.tiers);
	mr_count(&io->counters.bursts, 1);
	mr_count(&io->counters.requests, n);
	for (unsigned i = 0; i < n; i++)
		mr_hist_record(&io->counters.ring_cycles,
			io->now_tsc - mr_packet(io->mbufs[i])->rx_tsc, 1);
	return n;
}

void mr_io_give(struct mr_io *io)
{
	unsigned first = 0;

	while (first < io->n_mbufs) {
		unsigned end = first + 1;

		while (end < io->n_mbufs && io->from[end] == io->from[first])
			end++;
		mr_handoff_give(io->p.handoff, io->p.lcore->index, io->from[first],
			io->mbufs + first, end - first);
		first = end;
	}
}
