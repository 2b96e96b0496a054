// SPDX-License-Identifier: BSD-3-Clause
#include "mr_handoff.h"

#include <rte_errno.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdio.h>

int mr_packet_offset = -1;

int mr_packet_register(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "mr_packet",
		.size = sizeof(struct mr_packet),
		.align = __alignof__(struct mr_packet),
	};

	mr_packet_offset = rte_mbuf_dynfield_register(&field);
	return mr_packet_offset >= 0 ? 0 : -rte_errno;
}

static struct rte_ring *make_ring(
	const char *way, unsigned rx, unsigned io, unsigned slots, unsigned node)
{
	char name[RTE_RING_NAMESIZE];

	// Both indices are below MR_LCORES_MAX: two digits each.
	snprintf(name, sizeof(name), "mr_%s_%u_%u", way, rx % 100, io % 100);
	return rte_ring_create(
		name, slots, (int)node, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

int mr_handoff_init(struct mr_handoff *h, const struct mr_plan *plan, unsigned depth)
{
	unsigned n = plan->n_rx * plan->n_io;

	h->n_rx = plan->n_rx;
	h->n_io = plan->n_io;
	h->to_io = rte_zmalloc("mr_handoff", n * sizeof(*h->to_io), 0);
	h->to_rx = rte_zmalloc("mr_handoff", n * sizeof(*h->to_rx), 0);
	h->peaks = rte_zmalloc("mr_handoff", n * sizeof(*h->peaks), 0);
	if (h->to_io == NULL || h->to_rx == NULL || h->peaks == NULL)
		goto fail;
	for (unsigned rx = 0; rx < h->n_rx; rx++) {
		unsigned node = mr_plan_rx(plan, rx)->node;

		for (unsigned io = 0; io < h->n_io; io++) {
			struct rte_ring **there = &h->to_io[rx * h->n_io + io];
			struct rte_ring **back = &h->to_rx[io * h->n_rx + rx];

			*there = make_ring("there", rx, io, depth, node);
			*back = make_ring("back", rx, io, 2 * depth, node);
			if (*there == NULL || *back == NULL)
				goto fail;
		}
	}
	return 0;
fail:
	mr_handoff_done(h);
	return -ENOMEM;
}

void mr_handoff_done(struct mr_handoff *h)
{
	for (unsigned i = 0; i < h->n_rx * h->n_io; i++) {
		if (h->to_io != NULL)
			rte_ring_free(h->to_io[i]);
		if (h->to_rx != NULL)
			rte_ring_free(h->to_rx[i]);
	}
	rte_free(h->to_io);
	rte_free(h->to_rx);
	rte_free(h->peaks);
	h->peaks = NULL;
	h->to_io = NULL;
	h->to_rx = NULL;
	h->n_rx = 0;
	h->n_io = 0;
}

unsigned mr_handoff_take(
	struct mr_handoff *h, unsigned io, unsigned rx, struct rte_mbuf **mbufs, unsigned n)
{
	unsigned room = rte_ring_free_count(h->to_rx[io * h->n_rx + rx]);

	return rte_ring_sc_dequeue_burst(
		h->to_io[rx * h->n_io + io], (void **)mbufs, MR_MIN(n, room), NULL);
}

void mr_handoff_give(
	struct mr_handoff *h, unsigned io, unsigned rx, struct rte_mbuf **mbufs, unsigned n)
{
	unsigned given =
		rte_ring_sp_enqueue_burst(h->to_rx[io * h->n_rx + rx], (void **)mbufs, n, NULL);

	// A caller that gives back more than it took has lost count of mbufs: stop before they
	// leak.
	assert(given == n);
	(void)given;
}

unsigned mr_handoff_waiting(const struct mr_handoff *h, unsigned io)
{
	unsigned n = 0;

	for (unsigned rx = 0; rx < h->n_rx; rx++)
		n += rte_ring_count(h->to_io[rx * h->n_io + io]);
	return n;
}

unsigned mr_handoff_peak(const struct mr_handoff *h, unsigned io, unsigned *ret_slots)
{
	unsigned peak = 0;

	*ret_slots = 0;
	for (unsigned rx = 0; rx < h->n_rx; rx++) {
		// why relaxed: a figure for people.
		unsigned of_ring =
			atomic_load_explicit(&h->peaks[rx * h->n_io + io], memory_order_relaxed);

		peak = MR_MAX(peak, of_ring);
		*ret_slots = rte_ring_get_capacity(h->to_io[rx * h->n_io + io]);
	}
	return peak;
}
