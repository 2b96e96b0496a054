// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The hot path's inline forms of mr_reply.h: same results, same rules. What most replies are, one
 * datagram, is written without a call; anything else goes to the out-of-line functions.
 */

#include <errno.h>

#include "mr_cache_inline.h"
#include "mr_net_fast.h"
#include "mr_reply.h"

#define MR_REPLY_HEAD_BYTES ((unsigned)sizeof(struct mr_wire_rep))
#define MR_REPLY_ENTRY_BYTES ((unsigned)sizeof(struct mr_wire_entry))

/** Starts the next datagram of a reply. @return 0; -ENOMEM. */
int mr_reply_next_datagram(struct mr_reply *reply);

/** Adds a row that no single datagram holds, in pieces. @return 0; -ENOMEM. */
int mr_reply_put_pieces(
	struct mr_reply *reply, const uint8_t *row, unsigned row_bytes, uint64_t event_time_us);

/** mr_reply_finish() for what its inline form is not made for. */
void mr_reply_finish_other(struct mr_reply *reply, const struct mr_port *port);

static mr_always_inline unsigned mr_reply_pad8(unsigned bytes)
{
	return MR_ALIGN_UP(bytes, 8u);
}

// Payload bytes that both the port's MTU and the mbuf's buffer have room for.
static mr_always_inline uint16_t mr_reply_room(
	const struct rte_mbuf *m, const struct mr_packet *at, uint16_t max)
{
	unsigned room = (unsigned)m->buf_len - m->data_off - at->payload_at;

	return (uint16_t)(MR_MIN(room, max) & ~7u);
}

/** mr_reply_begin(), inline. */
static mr_always_inline void mr_reply_begin_inline(struct mr_reply *reply, struct rte_mbuf *m,
	struct rte_mempool *pool, const struct mr_port *port, const struct mr_wire_request *req,
	const struct mr_view *view, uint8_t *scratch)
{
	const struct mr_packet *at = mr_packet(m);
	uint16_t max = (uint16_t)(mr_port_max_payload(port) - (at->is_ip6 ? 20 : 0));

	reply->first = m;
	reply->last = m;
	reply->pool = pool;
	reply->payload = mr_packet_payload(m);
	reply->at = MR_REPLY_HEAD_BYTES;
	reply->max = mr_reply_room(m, at, max);
	reply->kept = 0;
	reply->times = false;
	// Any datagram may turn out to be the last.
	if (mr_unlikely(req->flags & MR_WIRE_F_TIMES) &&
		reply->max >= MR_REPLY_MIN_BYTES + sizeof(struct mr_wire_times))
		reply->kept = sizeof(struct mr_wire_times);
	reply->max -= reply->kept;
	reply->entry = 0;
	reply->first_entry = 0;
	reply->n_entries = 0;
	reply->n_datagrams = 1;
	reply->scratch = scratch;
	reply->req = req;
	reply->view = view;
}

// why: written from its parts each time. A head that is kept and copied would be read back in words
// right after it was written in halves, and such a load waits for the store buffer.
static mr_always_inline void mr_reply_put_head(const struct mr_reply *reply, uint8_t *at,
	unsigned frag, unsigned first, unsigned n_entries)
{
	mr_wire_reply_put(at, reply->req, reply->view->n_parts, reply->view->layout, frag,
		reply->n_datagrams, first, n_entries);
}

static mr_always_inline void mr_reply_put_entry(struct mr_reply *reply, enum mr_status status,
	uint64_t event_time_us, unsigned row_bytes, unsigned offset, unsigned piece_bytes)
{
	mr_wire_entry_put(
		reply->payload + reply->at, status, event_time_us, row_bytes, offset, piece_bytes);
	// Every byte that leaves is written: what the mbuf held before is nobody's business.
	if (piece_bytes % 8 != 0)
		memset(reply->payload + reply->at + MR_REPLY_ENTRY_BYTES + piece_bytes, 0,
			8 - piece_bytes % 8);
	reply->at = (uint16_t)(reply->at + MR_REPLY_ENTRY_BYTES + mr_reply_pad8(piece_bytes));
	reply->n_entries++;
}

/** mr_reply_status(), inline. */
static mr_always_inline int mr_reply_status_inline(
	struct mr_reply *reply, enum mr_status status, uint64_t event_time_us)
{
	if (mr_unlikely(reply->at + MR_REPLY_ENTRY_BYTES > reply->max)) {
		int ret = mr_reply_next_datagram(reply);

		if (ret < 0)
			return ret;
	}
	mr_reply_put_entry(reply, status, event_time_us, 0, 0, 0);
	reply->entry++;
	return 0;
}

// Where a row of `bytes` goes: NULL with *ret 0 means that it must go in pieces.
static mr_always_inline uint8_t *mr_reply_place(struct mr_reply *reply, unsigned bytes, int *ret)
{
	unsigned need = MR_REPLY_ENTRY_BYTES + mr_reply_pad8(bytes);

	*ret = 0;
	if (mr_unlikely(reply->at + need > reply->max)) {
		if (MR_REPLY_HEAD_BYTES + need > reply->max)
			return NULL;
		*ret = mr_reply_next_datagram(reply);
		if (*ret < 0)
			return NULL;
	}
	return reply->payload + reply->at + MR_REPLY_ENTRY_BYTES;
}

static mr_always_inline int mr_reply_copy_part(const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint8_t *out, unsigned bytes)
{
	int n = mr_view_part_copy(part, row, row_bytes, out, bytes);

	// A torn row may shrink or grow between measuring and copying.
	return n == (int)bytes ? 0 : -EBADMSG;
}

/** mr_reply_ref(), inline. */
static mr_always_inline int mr_reply_ref_inline(
	struct mr_reply *reply, const struct mr_view_part *part, const struct mr_cache_ref *ref)
{
	int bytes = mr_view_part_bytes(part, ref->row, ref->row_bytes), ret;
	uint8_t *out;

	if (mr_unlikely(bytes < 0 || bytes > (int)MR_ROW_MAX_BYTES))
		return -EBADMSG;
	out = mr_reply_place(reply, (unsigned)bytes, &ret);
	if (mr_unlikely(ret < 0))
		return ret;
	ret = mr_reply_copy_part(part, ref->row, ref->row_bytes, out != NULL ? out : reply->scratch,
		(unsigned)bytes);
	if (mr_unlikely(ret < 0 || !mr_cache_valid_inline(ref)))
		return -EBADMSG;
	if (mr_unlikely(out == NULL))
		return mr_reply_put_pieces(
			reply, reply->scratch, (unsigned)bytes, ref->event_time_us);
	mr_reply_put_entry(
		reply, MR_STATUS_OK, ref->event_time_us, (unsigned)bytes, 0, (unsigned)bytes);
	reply->entry++;
	return 0;
}

// Sends the frame's headers the way they came, and leaves to the port what it can fill in.
static mr_always_inline void mr_reply_turn_around(struct rte_mbuf *m, const struct mr_packet *at,
	const struct mr_port *port, unsigned payload_bytes)
{
	struct mr_net_frame frame = {
		.kind = MR_NET_UDP,
		.is_ip6 = at->is_ip6,
		.l2_bytes = at->l2_bytes,
		.l3_bytes = at->l3_bytes,
		.payload_at = at->payload_at,
	};
	unsigned bytes = mr_net_reply_udp_fast(
		rte_pktmbuf_mtod(m, uint8_t *), &frame, payload_bytes, port->tx_cksum);

	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->ol_flags = 0;
	if (port->tx_cksum == 0)
		return;
	m->l2_len = at->l2_bytes;
	m->l3_len = at->l3_bytes;
	if (at->is_ip6)
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	else
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	if (!at->is_ip6 && (port->tx_cksum & MR_NET_TX_IP_CKSUM))
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (port->tx_cksum & MR_NET_TX_UDP_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
}

/** mr_reply_finish(), inline. */
static mr_always_inline void mr_reply_finish_inline(
	struct mr_reply *reply, const struct mr_port *port)
{
	struct rte_mbuf *m = reply->first;
	struct mr_packet *at = mr_packet(m);

	if (mr_unlikely(reply->last != m || reply->times)) {
		mr_reply_finish_other(reply, port);
		return;
	}
	mr_reply_put_head(reply, reply->payload, 0, 0, reply->n_entries);
	at->payload_bytes = reply->at;
	mr_reply_turn_around(m, at, port, reply->at);
	at->kind = MR_PACKET_LAST;
}
