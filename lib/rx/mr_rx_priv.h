// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// State of an RX lcore and the stages that work on it; each stage is a file.

#include <rte_cycles.h>

#include "mr_probe.h"
#include "mr_reply.h"
#include "mr_rng.h"
#include "mr_rx.h"
#include "mr_slow_note.h"
#include "mr_small.h"

// A group of requests goes through probe and reply together; this many lookups keep its state in
// the L1 and L2 caches, and more in flight would not hide more latency.
#define MR_RX_GROUP_LOOKUPS 64u

// Keys of a group, copied away because replies are written over requests: those of the requests
// before the last (key, its length, optional words, rounding), and the last one's whole datagram.
#define MR_RX_SAVED_BYTES (MR_RX_GROUP_LOOKUPS * (MR_WIRE_KEY_MAX_BYTES + 1 + 16 + 8) + 65536u)

/** A request of the group in hand. */
struct mr_rx_request {
	struct rte_mbuf *m;
	const struct mr_view *view; //!< GET that memory may answer
	uint32_t first_lookup, n_lookups;
	uint32_t saved_at; //!< copy of the payload behind the header in `saved`
	uint16_t saved_bytes;
	bool to_io; //!< a write, a strong or as-of GET, or a GET with misses
	struct mr_wire_request wire;
};

/** Replies waiting to be given to a port. */
struct mr_rx_out {
	unsigned n;
	unsigned n_further; //!< of them: datagrams that are not the last of their reply
	struct rte_mbuf *mbufs[2 * MR_RX_BURST_MAX];
};

/** What is needed for frames at a port that are not requests. */
struct mr_rx_other_port {
	struct mr_guard_limit unreachable; //!< cost 0: none are sent
	uint64_t unreachable_due;
	_Atomic uint32_t router_mtu;
	const struct mr_port *kernel; //!< NULL: none
	struct mr_guard_limit kernel_limit;
	uint64_t to_kernel_due, from_kernel_due;
};

struct mr_rx {
	// Set at creation, read every turn.
	struct mr_rx_params p;
	struct mr_node *node;
	uint16_t slot; //!< in the plan: RCU
	uint16_t n_io; //!< I/O lcores that serve this one
	uint16_t io[MR_LCORES_MAX];
	_Atomic uint32_t announce;     //!< ports, one bit each; set by control
	uint16_t queues[MR_PORTS_MAX]; //!< of each port, or MR_RX_NO_QUEUE
	struct mr_rx_other_port other[MR_PORTS_MAX];

	// The burst in hand.
	struct rte_mbuf *burst[MR_RX_BURST_MAX];
	unsigned n_burst, next; //!< next: first frame that no group has taken yet
	struct mr_port *port;
	uint16_t port_index; //!< of `port`
	uint64_t burst_tsc, now_us;
	uint64_t slow_above_cycles; //!< of the slow log
	const struct mr_published *published;
	const struct mr_guard *guard; //!< NULL: anyone may do anything

	// The group in hand.
	unsigned n_requests;
	uint32_t saved_used;
	unsigned n_answered; //!< of the burst, by this lcore
	unsigned n_writes;   //!< of the group
	uint32_t n_served;   //!< hits that were answered and whose age is not counted yet
	uint32_t age_from;   //!< its low bits: the first lookup whose age is counted
	unsigned n_to_io[MR_LCORES_MAX];
	uint64_t turn_cycles[MR_STAGE_COUNT]; //!< of this turn
	uint64_t last_turn_cycles;
	uint32_t sample_in; //!< requests before the next one that is sampled
	struct mr_rng rng;

	uint64_t accesses; //!< row accesses by this lcore
	uint64_t in_flight;

	bool has_kernel;      //!< at any port
	unsigned n_to_kernel; //!< of the burst in hand
	struct rte_mbuf *to_kernel[MR_RX_BURST_MAX];

	struct mr_rx_out out[MR_PORTS_MAX];
	struct mr_rx_request requests[MR_RX_BURST_MAX];
	struct mr_rx_request *to_io[MR_LCORES_MAX][MR_RX_BURST_MAX];
	struct mr_guard_lcore senders;
	struct mr_probe probe;
	uint8_t saved[MR_RX_SAVED_BYTES];
	uint8_t scratch[MR_ROW_MAX_BYTES];
	struct mr_rx_counters counters;
	struct mr_set_counters sets[MR_SET_ID_MAX + 1]; //!< by id
};

static mr_always_inline void mr_rx_enter(struct mr_rx *rx, enum mr_stage stage)
{
	// why relaxed: the watchdog wants to know roughly where a stalled turn is.
	atomic_store_explicit(&rx->counters.stage_now, (uint32_t)stage, memory_order_relaxed);
}

/** Announces the addresses of the ports that control asked for. */
void mr_rx_announce_asked(struct mr_rx *rx);

/** Receives a burst from a port. @return frames. */
unsigned mr_rx_receive(struct mr_rx *rx, struct mr_port *port);

/** What anyone is where there is no policy. */
#define MR_RX_ANYONE (MR_GUARD_ALLOWED | MR_GUARD_TRUSTED | MR_GUARD_WRITE | MR_GUARD_PROVEN)

/** Source address of an IP header. */
static mr_always_inline mr_address_t mr_rx_address(const uint8_t *ip, bool is_ip6)
{
	return mr_unlikely(is_ip6) ? mr_address_ip6(ip + 8) : mr_address_ip4(ip + 12);
}

/** May this write be done? Counts why not. */
bool mr_rx_may_write(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	mr_guard_class_t sender);

/** What a HELLO from this sender is told. Before the reply is written over it. */
struct mr_small_terms mr_rx_terms(struct mr_rx *rx, struct rte_mbuf *m,
	const struct mr_wire_request *wire, mr_guard_class_t sender);

/** Parses frames of the burst until a group is full or the burst ends. */
void mr_rx_parse(struct mr_rx *rx);

/** Looks up the group's keys and decides which requests stay here. */
void mr_rx_probe(struct mr_rx *rx);

/** Counts how old the rows were that have been answered. */
void mr_rx_ages(struct mr_rx *rx);

/** Writes the replies of requests that need no I/O lcore. @return how many do. */
unsigned mr_rx_reply(struct mr_rx *rx);

/** Writes one GET's reply from its lookups. @param shed misses are answered BUSY.
 *  @return false: the request is whole again and needs an I/O lcore. */
bool mr_rx_reply_get(struct mr_rx *rx, struct mr_rx_request *request, bool shed);

/** Gives the group's other requests to I/O lcores, or answers BUSY. */
void mr_rx_handoff(struct mr_rx *rx);

/** Takes finished requests back and queues their replies. @return how many. */
unsigned mr_rx_collect(struct mr_rx *rx);

/** Queues a finished reply, all its datagrams, for the port it came from. */
void mr_rx_send_chain(struct mr_rx *rx, struct rte_mbuf *m);

/** The same; a reply of one datagram without a call. */
static mr_always_inline void mr_rx_send(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_rx_out *out = &rx->out[m->port];

	if (mr_likely(mr_packet(m)->next_datagram == NULL && out->n < MR_ARRAY_SIZE(out->mbufs)))
		out->mbufs[out->n++] = m;
	else
		mr_rx_send_chain(rx, m);
}

/** Drops a frame under a reason. */
void mr_rx_drop(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason);

/** Takes the limits over from the parameters. */
void mr_rx_other_init(struct mr_rx *rx);

/** Does with a frame what is to be done with those that are refused under @p reason. */
void mr_rx_other(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason);

/** Gives the kernel its frames of the burst. */
void mr_rx_to_kernel(struct mr_rx *rx);

/** Sends what the kernel has for the ports, within its rate. @return frames. */
unsigned mr_rx_from_kernel(struct mr_rx *rx);

/** Queues a frame that answers ARP, neighbour discovery, echo and the like. */
void mr_rx_send_control(struct mr_rx *rx, struct rte_mbuf *m, unsigned bytes);

/** Gives a port what is queued for it. */
void mr_rx_transmit(struct mr_rx *rx, unsigned port_index);

/** Samples who asks for what in the group in hand. */
void mr_rx_sample(struct mr_rx *rx);

/** Notes the burst in hand as slow. @param is_sent  its replies are with the port already. */
void mr_rx_note_slow(struct mr_rx *rx, uint64_t now_tsc, bool is_sent);

/** Notes a request that came back from an I/O lcore late. */
void mr_rx_note_late(struct mr_rx *rx, struct rte_mbuf *m, uint64_t now_tsc);

/** Notes a request that is being refused or dropped, before its datagram is written over.
 *  @param wire  NULL: not decoded. */
void mr_rx_note_refused(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	enum mr_wire_result result, enum mr_reason reason);

/** Whether a refusal is to be noted now. */
static mr_always_inline bool mr_rx_samples(const struct mr_rx *rx)
{
	return mr_slowlog_samples(&rx->counters.slowlog, rx->burst_tsc);
}

/** What a client that asks is told of the time its request took. */
struct mr_wire_times mr_rx_times(const struct mr_rx *rx, const struct mr_wire_request *wire);

/** Notes a turn that took longer than the watchdog allows. */
void mr_rx_overran(struct mr_rx *rx, uint64_t cycles);
