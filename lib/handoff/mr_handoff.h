// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The rings between RX and I/O lcores: one single-producer single-consumer pair for each (RX, I/O)
 * couple, carrying mbufs that hold whole, untouched requests one way and finished replies the
 * other.
 *
 * Who owns what when: after mr_handoff_submit() accepted an mbuf, the RX lcore must not touch it
 * until mr_handoff_collect() gives it back; in between it belongs to the I/O lcore that took it.
 * Back-pressure: a full ring refuses, and the RX lcore answers BUSY. The way back cannot be full:
 * mr_handoff_take() takes no more than there is room for on it.
 *
 * Cost: a few ns per mbuf in bursts of 8 and more; an empty ring costs one line read.
 */

#include <stdatomic.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include "mr_env.h"
#include "mr_net.h"

/**
 * What travels with an mbuf of ours, in a dynamic field: where things are in the frame, when it
 * came, and the next datagram of the same reply.
 */
struct mr_packet {
	struct rte_mbuf *next_datagram; //!< chain of a reply's datagrams; NULL ends it
	uint64_t rx_tsc;                //!< when its burst was received
	uint16_t payload_at;            //!< as in struct mr_net_frame
	uint16_t payload_bytes;
	uint8_t kind, is_ip6, l2_bytes, l3_bytes;
};
static_assert(sizeof(struct mr_packet) == 24, "fits the dynamic field area of an mbuf");

extern int mr_packet_offset; //!< set by mr_packet_register()

/** Reserves the dynamic field. Control lcore, once, before mbufs are in use. @return 0 or -errno.
 */
int mr_packet_register(void);

static mr_always_inline struct mr_packet *mr_packet(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, mr_packet_offset, struct mr_packet *);
}

/** Rings of one appliance. Read-only but for the rings themselves. */
struct mr_handoff {
	unsigned n_rx, n_io;
	struct rte_ring **to_io; //!< [rx * n_io + io]
	struct rte_ring **to_rx; //!< [io * n_rx + rx]
	_Atomic uint32_t *peaks; //!< [rx * n_io + io]: most that ever waited; W: that RX lcore
};

/**
 * Makes the rings, each on the node of its RX lcore.
 * @param depth
 *   Requests that may wait for one I/O lcore from one RX lcore; a power of two.
 * @return 0 or -errno.
 */
int mr_handoff_init(struct mr_handoff *h, const struct mr_plan *plan, unsigned depth);
void mr_handoff_done(struct mr_handoff *h);

/** RX lcore: hands requests over. @return how many were taken; the rest stays the caller's. */
static mr_always_inline unsigned mr_handoff_submit(
	struct mr_handoff *h, unsigned rx, unsigned io, struct rte_mbuf **mbufs, unsigned n)
{
	struct rte_ring *ring = h->to_io[rx * h->n_io + io];
	_Atomic uint32_t *peak = &h->peaks[rx * h->n_io + io];
	unsigned free, taken = rte_ring_sp_enqueue_burst(ring, (void **)mbufs, n, &free);
	unsigned waiting = rte_ring_get_capacity(ring) - free;

	// why relaxed: one writer, and a figure for people.
	if (mr_unlikely(waiting > atomic_load_explicit(peak, memory_order_relaxed)))
		atomic_store_explicit(peak, waiting, memory_order_relaxed);
	return taken;
}

/** RX lcore: takes finished requests back from one I/O lcore. @return how many. */
static mr_always_inline unsigned mr_handoff_collect(
	struct mr_handoff *h, unsigned rx, unsigned io, struct rte_mbuf **mbufs, unsigned n)
{
	return rte_ring_sc_dequeue_burst(h->to_rx[io * h->n_rx + rx], (void **)mbufs, n, NULL);
}

/** I/O lcore: takes requests of one RX lcore, as many as can be given back. @return how many. */
unsigned mr_handoff_take(
	struct mr_handoff *h, unsigned io, unsigned rx, struct rte_mbuf **mbufs, unsigned n);

/** I/O lcore: gives finished requests back. Always takes all that were taken before. */
void mr_handoff_give(
	struct mr_handoff *h, unsigned io, unsigned rx, struct rte_mbuf **mbufs, unsigned n);

/** Requests waiting for I/O lcore @p io. Any thread; a figure, not a guarantee. */
unsigned mr_handoff_waiting(const struct mr_handoff *h, unsigned io);

/** The most that ever waited for it in one RX lcore's ring, of @p *ret_slots. Any thread. */
unsigned mr_handoff_peak(const struct mr_handoff *h, unsigned io, unsigned *ret_slots);
