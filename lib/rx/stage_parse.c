// SPDX-License-Identifier: BSD-3-Clause
#include "mr_net_fast.h"
#include "mr_rx_priv.h"

// Frames ahead of the one being parsed whose second line is asked for: keys start there.
#define PARSE_AHEAD 4u

void mr_rx_drop(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason)
{
	mr_count(&rx->counters.reasons[reason], 1);
	rte_pktmbuf_free(m);
}

static void answer(struct mr_rx *rx, struct rte_mbuf *m)
{
	rx->n_answered++;
	mr_rx_send(rx, m);
}

static void refuse(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	enum mr_wire_result result)
{
	mr_count(&rx->counters.refused, 1);
	mr_count(&rx->counters.results[result], 1);
	if (mr_rx_samples(rx))
		mr_rx_note_refused(rx, m, wire, result, MR_REASON_NONE);
	mr_small_refuse(m, rx->port, wire, result);
	answer(rx, m);
}

// Drops a request of a sender that may not ask, or not so often.
static void turn_away(struct mr_rx *rx, struct rte_mbuf *m, enum mr_reason reason)
{
	if (mr_packet(m)->kind == MR_NET_UDP && mr_rx_samples(rx))
		mr_rx_note_refused(rx, m, NULL, MR_WIRE_RESULT_OK, reason);
	mr_rx_drop(rx, m, reason);
}

// Class of a frame's sender, by its address and its cookie; 0: refused, dropped and counted.
static mr_always_inline mr_guard_class_t admit(
	struct mr_rx *rx, struct rte_mbuf *m, const struct mr_net_frame *frame, uint64_t cookie)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + frame->l2_bytes;
	const struct mr_guard *guard = rx->guard;
	mr_guard_class_t sender;

	if (guard == NULL)
		return MR_RX_ANYONE;
	sender = mr_guard_admit(guard, &rx->senders, mr_rx_address(ip, frame->is_ip6), cookie);
	if (mr_unlikely(sender == 0)) {
		turn_away(rx, m, MR_REASON_acl_refused);
		return 0;
	}
	if (mr_unlikely((sender & MR_GUARD_PROVEN) &&
			!mr_guard_within(guard, &rx->senders, sender, rx->burst_tsc))) {
		if (!guard->dry_run) {
			turn_away(rx, m, MR_REASON_rate_limited);
			return 0;
		}
		mr_count(&rx->counters.would_limit, 1);
	}
	return sender;
}

// Whether a reply may go to this sender. Whoever has proved nothing may be somebody else's victim:
// such replies are never longer than their requests, and there are only so many of them.
static bool may_answer(struct mr_rx *rx, struct rte_mbuf *m, mr_guard_class_t sender)
{
	if (mr_likely(sender & MR_GUARD_PROVEN) ||
		mr_guard_within_unproven(rx->guard, &rx->senders, rx->burst_tsc))
		return true;
	turn_away(rx, m, MR_REASON_unproven_limited);
	return false;
}

void mr_rx_send_control(struct mr_rx *rx, struct rte_mbuf *m, unsigned bytes)
{
	struct mr_packet *at = mr_packet(m);

	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->ol_flags = 0;
	at->next_datagram = NULL;
	at->payload_bytes = 0;
	at->kind = MR_PACKET_LAST;
	mr_count(&rx->counters.control, 1);
	answer(rx, m);
}

static void control(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_net_frame *frame)
{
	mr_guard_class_t sender;

	mr_packet(m)->kind = frame->kind;
	// Neighbours must find us whoever they are: a router may send for those that may ask.
	if (frame->kind == MR_NET_ICMP || frame->kind == MR_NET_ICMP6) {
		sender = admit(rx, m, frame, 0);
		if (sender == 0 || !may_answer(rx, m, sender))
			return;
	}
	mr_rx_send_control(rx, m,
		mr_net_reply_control(&rx->port->self, rte_pktmbuf_mtod(m, uint8_t *), frame));
}

// Adds the request whose decoded form, at its place in `requests`, parse_datagram() has filled.
static struct mr_rx_request *add_request(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_rx_request *request = &rx->requests[rx->n_requests++];

	request->m = m;
	request->view = NULL;
	request->n_lookups = 0;
	request->to_io = false;
	return request;
}

// Bytes from the header's end to the last key's: what a reply would overwrite and a miss needs.
static unsigned keys_end(const struct mr_wire_request *wire, const uint8_t *body)
{
	unsigned bytes = (unsigned)(wire->keys - body);

	if (mr_likely(wire->key_bytes != 0))
		return bytes + (unsigned)wire->key_count * wire->key_bytes;
	for (unsigned i = 0; i < wire->key_count; i++)
		bytes += wire->key_lens[i];
	return bytes;
}

static void parse_get(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire)
{
	const struct mr_view *view = mr_catalog_view(rx->published->catalog, wire->view);
	const uint8_t *body = mr_packet_payload(m) + sizeof(struct mr_wire_req);
	struct mr_rx_request *request;

	if (mr_unlikely(view == NULL)) {
		mr_count(&rx->counters.requests_get, 1);
		refuse(rx, m, wire, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return;
	}
	request = add_request(rx, m);
	// What is in memory is of no one state of the store: only the store can answer these.
	if (mr_unlikely(wire->flags & (MR_WIRE_F_STRONG | MR_WIRE_F_ASOF))) {
		request->to_io = true;
		return;
	}
	request->view = view;
	request->saved_at = rx->saved_used;
	request->saved_bytes = (uint16_t)keys_end(wire, body);
	if (mr_likely(request->saved_bytes == 8))
		memcpy(rx->saved + rx->saved_used, body, 8);
	else
		memcpy(rx->saved + rx->saved_used, body, request->saved_bytes);
	rx->saved_used += MR_ALIGN_UP(request->saved_bytes, 8u);
	request->first_lookup = rx->probe.n;
	mr_probe_add(&rx->probe, wire, view, rx->saved + request->saved_at + (wire->keys - body));
	request->n_lookups = rx->probe.n - request->first_lookup;
}

static void parse_write(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	mr_guard_class_t sender)
{
	mr_count(&rx->counters.requests_write, 1);
	if (mr_likely(mr_rx_may_write(rx, m, wire, sender))) {
		add_request(rx, m)->to_io = true;
		rx->n_writes++;
	} else {
		refuse(rx, m, wire, MR_WIRE_RESULT_DENIED);
	}
}

static void parse_other(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	mr_guard_class_t sender)
{
	enum mr_wire_result result = MR_WIRE_RESULT_OK;
	struct mr_small_terms terms;

	mr_count(&rx->counters.requests_other, 1);
	switch (wire->op) {
	case MR_WIRE_OP_HELLO:
		terms = mr_rx_terms(rx, m, wire, sender);
		mr_small_hello(m, rx->port, wire, &terms, rx->now_us);
		break;
	case MR_WIRE_OP_PING:
		mr_small_ping(m, rx->port, wire);
		break;
	default:
		result = mr_small_describe(m, rx->port, wire, rx->published);
		break;
	}
	if (result != MR_WIRE_RESULT_OK)
		mr_count(&rx->counters.refused, 1);
	mr_count(&rx->counters.results[result], 1);
	answer(rx, m);
}

static void defective(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	enum mr_wire_defect defect, mr_guard_class_t sender)
{
	// Without a header there is nobody to answer: no id, perhaps no client of ours at all.
	if (defect == MR_WIRE_DEFECT_BAD_MAGIC)
		mr_rx_drop(rx, m, MR_REASON_wire_magic);
	else if (mr_packet(m)->payload_bytes < sizeof(struct mr_wire_req))
		mr_rx_drop(rx, m, MR_REASON_wire_truncated);
	else if (may_answer(rx, m, sender))
		refuse(rx, m, wire, mr_wire_defect_result(defect));
}

// The sender has not proved its address: HELLO is how it does.
static void unproven(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	mr_guard_class_t sender)
{
	if (!may_answer(rx, m, sender)) {
		mr_count(&rx->counters.requests_other, 1);
		return;
	}
	if (wire->op == MR_WIRE_OP_HELLO) {
		parse_other(rx, m, wire, sender);
		return;
	}
	mr_count(&rx->counters.requests_other, 1);
	refuse(rx, m, wire, MR_WIRE_RESULT_COOKIE_NEEDED);
}

static mr_always_inline void parse_datagram(
	struct mr_rx *rx, struct rte_mbuf *m, const struct mr_net_frame *frame)
{
	struct mr_packet *at = mr_packet(m);
	// Where add_request() will want it.
	struct mr_wire_request *wire = &rx->requests[rx->n_requests].wire;
	enum mr_wire_defect defect;
	mr_guard_class_t sender;
	uint64_t cookie = 0;

	at->next_datagram = NULL;
	at->rx_tsc = rx->burst_tsc;
	at->payload_at = frame->payload_at;
	at->payload_bytes = frame->payload_bytes;
	at->kind = MR_NET_UDP;
	at->is_ip6 = frame->is_ip6;
	at->l2_bytes = frame->l2_bytes;
	at->l3_bytes = frame->l3_bytes;
	if (mr_likely(frame->payload_bytes >= sizeof(struct mr_wire_req)))
		cookie = mr_load_le64(mr_packet_payload(m) + offsetof(struct mr_wire_req, cookie));
	sender = admit(rx, m, frame, cookie);
	if (mr_unlikely(sender == 0))
		return;
	defect = mr_wire_request_decode(mr_packet_payload(m), frame->payload_bytes, wire);
	if (mr_unlikely(defect != MR_WIRE_DEFECT_NONE)) {
		defective(rx, m, wire, defect, sender);
		return;
	}
	if (mr_unlikely((sender & MR_GUARD_PROVEN) == 0))
		unproven(rx, m, wire, sender);
	else if (mr_likely(wire->op == MR_WIRE_OP_GET))
		parse_get(rx, m, wire);
	else if (wire->op == MR_WIRE_OP_PUT || wire->op == MR_WIRE_OP_DELETE)
		parse_write(rx, m, wire, sender);
	else
		parse_other(rx, m, wire, sender);
}

// A frame of its own: that of the fast path stays in registers.
static mr_noinline void other_frame(struct mr_rx *rx, struct rte_mbuf *m, struct mr_net_frame frame)
{
	control(rx, m, &frame);
}

static mr_always_inline void parse_frame(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_net_frame frame;
	enum mr_reason reason;

	// From here on `port` is the place in our own list: I/O lcores and transmit go by it.
	m->port = rx->port_index;
	// Pools hold whole frames, so a chained one comes from a port that was set up wrongly.
	if (mr_unlikely(m->nb_segs != 1)) {
		mr_rx_drop(rx, m, MR_REASON_mbuf_chained);
		return;
	}
	reason = mr_net_parse_fast(&rx->port->self, rte_pktmbuf_mtod(m, const uint8_t *),
		m->data_len, mr_port_rx_checked(rx->port, m->ol_flags), &frame);
	if (mr_unlikely(reason != MR_REASON_NONE))
		mr_rx_other(rx, m, reason);
	else if (mr_likely(frame.kind == MR_NET_UDP))
		parse_datagram(rx, m, &frame);
	else
		other_frame(rx, m, frame);
}

// What need not be counted one by one.
static void count_requests(struct mr_rx *rx)
{
	struct mr_rx_counters *c = &rx->counters;

	mr_count(&c->requests_get, rx->n_requests - rx->n_writes);
	mr_count(&c->requests, mr_counted(&c->requests_get) + mr_counted(&c->requests_write) +
				       mr_counted(&c->requests_other) - mr_counted(&c->requests));
}

void mr_rx_parse(struct mr_rx *rx)
{
	rx->n_requests = 0;
	rx->n_writes = 0;
	rx->saved_used = 0;
	rx->probe.n = 0;
	// A request that starts in a group is in it with all its keys, however many they are: the
	// group is full once it has MR_RX_GROUP_LOOKUPS.
	while (rx->next < rx->n_burst && rx->probe.n < MR_RX_GROUP_LOOKUPS) {
		if (rx->next + PARSE_AHEAD < rx->n_burst)
			mr_prefetch(rte_pktmbuf_mtod(
					    rx->burst[rx->next + PARSE_AHEAD], const uint8_t *) +
				    MR_CACHE_LINE_BYTES);
		parse_frame(rx, rx->burst[rx->next++]);
	}
	count_requests(rx);
}
