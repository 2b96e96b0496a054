// SPDX-License-Identifier: BSD-3-Clause
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
	mr_small_refuse(m, rx->port, wire, result);
	answer(rx, m);
}

static void control(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_net_frame *frame)
{
	struct mr_packet *at = mr_packet(m);
	unsigned bytes =
		mr_net_reply_control(&rx->port->self, rte_pktmbuf_mtod(m, uint8_t *), frame);

	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->ol_flags = 0;
	at->next_datagram = NULL;
	at->kind = MR_PACKET_LAST;
	mr_count(&rx->counters.control, 1);
	answer(rx, m);
}

static struct mr_rx_request *add_request(
	struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire)
{
	struct mr_rx_request *request = &rx->requests[rx->n_requests++];

	request->m = m;
	request->wire = *wire;
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

	mr_count(&rx->counters.requests_get, 1);
	if (mr_unlikely(view == NULL)) {
		refuse(rx, m, wire, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return;
	}
	if (mr_unlikely(wire->flags & (MR_WIRE_F_STRONG | MR_WIRE_F_ASOF))) {
		refuse(rx, m, wire, MR_WIRE_RESULT_UNSUPPORTED);
		return;
	}
	request = add_request(rx, m, wire);
	request->view = view;
	request->saved_at = rx->saved_used;
	request->saved_bytes = (uint16_t)keys_end(wire, body);
	memcpy(rx->saved + rx->saved_used, body, request->saved_bytes);
	rx->saved_used += MR_ALIGN_UP(request->saved_bytes, 8u);
	request->first_lookup = rx->probe.n;
	mr_probe_add(&rx->probe, wire, view, rx->saved + request->saved_at + (wire->keys - body));
	request->n_lookups = rx->probe.n - request->first_lookup;
}

static void parse_other(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire)
{
	enum mr_wire_result result = MR_WIRE_RESULT_OK;

	mr_count(&rx->counters.requests_other, 1);
	switch (wire->op) {
	case MR_WIRE_OP_HELLO:
		mr_small_hello(m, rx->port, wire, rx->now_us);
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
	enum mr_wire_defect defect)
{
	// Without a header there is nobody to answer: no id, perhaps no client of ours at all.
	if (defect == MR_WIRE_DEFECT_BAD_MAGIC)
		mr_rx_drop(rx, m, MR_REASON_wire_magic);
	else if (mr_packet(m)->payload_bytes < sizeof(struct mr_wire_req))
		mr_rx_drop(rx, m, MR_REASON_wire_truncated);
	else
		refuse(rx, m, wire, mr_wire_defect_result(defect));
}

static mr_always_inline void parse_datagram(
	struct mr_rx *rx, struct rte_mbuf *m, const struct mr_net_frame *frame)
{
	struct mr_packet *at = mr_packet(m);
	struct mr_wire_request wire;
	enum mr_wire_defect defect;

	at->next_datagram = NULL;
	at->rx_tsc = rx->burst_tsc;
	at->payload_at = frame->payload_at;
	at->payload_bytes = frame->payload_bytes;
	at->kind = MR_NET_UDP;
	at->is_ip6 = frame->is_ip6;
	at->l2_bytes = frame->l2_bytes;
	at->l3_bytes = frame->l3_bytes;
	defect = mr_wire_request_decode(mr_packet_payload(m), frame->payload_bytes, &wire);
	if (mr_unlikely(defect != MR_WIRE_DEFECT_NONE)) {
		defective(rx, m, &wire, defect);
		return;
	}
	mr_count(&rx->counters.requests, 1);
	if (mr_likely(wire.op == MR_WIRE_OP_GET)) {
		parse_get(rx, m, &wire);
	} else if (wire.op == MR_WIRE_OP_PUT || wire.op == MR_WIRE_OP_DELETE) {
		mr_count(&rx->counters.requests_write, 1);
		add_request(rx, m, &wire)->to_io = true;
	} else {
		parse_other(rx, m, &wire);
	}
}

static mr_always_inline void parse_frame(struct mr_rx *rx, struct rte_mbuf *m)
{
	struct mr_net_frame frame;
	enum mr_reason reason;

	// From here on `port` is the place in our own list: I/O lcores and transmit go by it.
	m->port = (uint16_t)(rx->port - rx->p.ports);
	// Pools hold whole frames, so a chained one comes from a port that was set up wrongly.
	if (mr_unlikely(m->nb_segs != 1)) {
		mr_rx_drop(rx, m, MR_REASON_mbuf_chained);
		return;
	}
	reason = mr_net_parse(&rx->port->self, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len,
		mr_port_rx_checked(rx->port, m->ol_flags), &frame);
	if (mr_unlikely(reason != MR_REASON_NONE))
		mr_rx_drop(rx, m, reason);
	else if (mr_likely(frame.kind == MR_NET_UDP))
		parse_datagram(rx, m, &frame);
	else
		control(rx, m, &frame);
}

void mr_rx_parse(struct mr_rx *rx)
{
	rx->n_requests = 0;
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
}
