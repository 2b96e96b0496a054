// SPDX-License-Identifier: BSD-3-Clause
#include "mr_reply.h"

#include <errno.h>

#include "mr_cache_inline.h"
#include "mr_net_fast.h"

#define REP_BYTES ((unsigned)sizeof(struct mr_wire_rep))
#define ENTRY_BYTES ((unsigned)sizeof(struct mr_wire_entry))

static unsigned pad8(unsigned bytes)
{
	return MR_ALIGN_UP(bytes, 8u);
}

// Payload bytes that both the port's MTU and the mbuf's buffer have room for.
static uint16_t payload_room(const struct rte_mbuf *m, const struct mr_packet *at, uint16_t max)
{
	unsigned room = (unsigned)m->buf_len - m->data_off - at->payload_at;

	return (uint16_t)(MR_MIN(room, max) & ~7u);
}

bool mr_reply_fits_port(const struct mr_port *port)
{
	unsigned overhead = port->self.n_ip6 > 0 ? 20 : 0;

	return mr_port_max_payload(port) >= MR_REPLY_MIN_BYTES + overhead;
}

bool mr_reply_has_room(const struct rte_mbuf *m, const struct mr_port *port, unsigned bytes)
{
	const struct mr_packet *at =
		RTE_MBUF_DYNFIELD(m, mr_packet_offset, const struct mr_packet *);

	return bytes <=
	       payload_room(m, at, (uint16_t)(port->max_payload_bytes - (at->is_ip6 ? 20 : 0)));
}

void mr_reply_begin(struct mr_reply *reply, struct rte_mbuf *m, struct rte_mempool *pool,
	const struct mr_port *port, const struct mr_wire_request *req, const struct mr_view *view,
	uint8_t *scratch)
{
	const struct mr_packet *at = mr_packet(m);
	uint16_t max = (uint16_t)(mr_port_max_payload(port) - (at->is_ip6 ? 20 : 0));

	reply->first = m;
	reply->last = m;
	reply->pool = pool;
	reply->payload = mr_packet_payload(m);
	reply->at = REP_BYTES;
	reply->max = payload_room(m, at, max);
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
static mr_always_inline void put_head(const struct mr_reply *reply, uint8_t *at, unsigned frag,
	unsigned first, unsigned n_entries)
{
	mr_wire_reply_put(at, reply->req, reply->view->n_parts, reply->view->layout, frag,
		reply->n_datagrams, first, n_entries);
}

// Writes the head of the datagram in hand; how many there are is known only at the end.
static void close_datagram(struct mr_reply *reply)
{
	if (reply->last == reply->first) {
		reply->first_at = reply->at;
		reply->first_n_entries = reply->n_entries;
		return;
	}
	put_head(reply, reply->payload, reply->n_datagrams - 1u, reply->first_entry,
		reply->n_entries);
	mr_packet(reply->last)->payload_bytes = reply->at;
}

// Room for entries in a further mbuf, which may have a smaller buffer than the request's.
static uint16_t datagram_room(
	const struct mr_reply *reply, const struct rte_mbuf *m, const struct mr_packet *at)
{
	return (uint16_t)(payload_room(m, at, (uint16_t)(reply->max + reply->kept)) - reply->kept);
}

static int next_datagram(struct mr_reply *reply)
{
	const struct mr_packet *first = mr_packet(reply->first);
	struct mr_packet *at;
	struct rte_mbuf *m;

	// frag_count has no more bits.
	if (reply->n_datagrams == UINT16_MAX)
		return -ENOMEM;
	m = rte_pktmbuf_alloc(reply->pool);
	if (m == NULL)
		return -ENOMEM;
	close_datagram(reply);
	at = mr_packet(m);
	*at = *first;
	at->next_datagram = NULL;
	// The request's headers, whole until the end, serve every datagram of the reply.
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_mtod(reply->first, const uint8_t *),
		first->payload_at);
	mr_packet(reply->last)->next_datagram = m;
	reply->last = m;
	reply->payload = mr_packet_payload(m);
	reply->max = MR_MIN(reply->max, datagram_room(reply, m, at));
	reply->at = REP_BYTES;
	reply->first_entry = reply->entry;
	reply->n_entries = 0;
	reply->n_datagrams++;
	return 0;
}

static mr_always_inline void put_entry(struct mr_reply *reply, enum mr_status status,
	uint64_t event_time_us, unsigned row_bytes, unsigned offset, unsigned piece_bytes)
{
	mr_wire_entry_put(
		reply->payload + reply->at, status, event_time_us, row_bytes, offset, piece_bytes);
	// Every byte that leaves is written: what the mbuf held before is nobody's business.
	if (piece_bytes % 8 != 0)
		memset(reply->payload + reply->at + ENTRY_BYTES + piece_bytes, 0,
			8 - piece_bytes % 8);
	reply->at = (uint16_t)(reply->at + ENTRY_BYTES + pad8(piece_bytes));
	reply->n_entries++;
}

int mr_reply_status(struct mr_reply *reply, enum mr_status status, uint64_t event_time_us)
{
	if (mr_unlikely(reply->at + ENTRY_BYTES > reply->max)) {
		int ret = next_datagram(reply);

		if (ret < 0)
			return ret;
	}
	put_entry(reply, status, event_time_us, 0, 0, 0);
	reply->entry++;
	return 0;
}

// A row that no single datagram holds: each piece fills its datagram.
static int put_pieces(
	struct mr_reply *reply, const uint8_t *row, unsigned row_bytes, uint64_t event_time_us)
{
	for (unsigned done = 0; done < row_bytes;) {
		unsigned room, piece;

		if (reply->at + ENTRY_BYTES + 8 > reply->max) {
			int ret = next_datagram(reply);

			if (ret < 0)
				return ret;
		}
		room = (unsigned)reply->max - reply->at - ENTRY_BYTES;
		piece = MR_MIN(room, row_bytes - done);
		memcpy(reply->payload + reply->at + ENTRY_BYTES, row + done, piece);
		put_entry(reply, MR_STATUS_OK, event_time_us, row_bytes, done, piece);
		done += piece;
	}
	reply->entry++;
	return 0;
}

// Where a row of `bytes` goes: NULL with *ret 0 means that it must go in pieces.
static mr_always_inline uint8_t *place(struct mr_reply *reply, unsigned bytes, int *ret)
{
	unsigned need = ENTRY_BYTES + pad8(bytes);

	*ret = 0;
	if (mr_unlikely(reply->at + need > reply->max)) {
		if (REP_BYTES + need > reply->max)
			return NULL;
		*ret = next_datagram(reply);
		if (*ret < 0)
			return NULL;
	}
	return reply->payload + reply->at + ENTRY_BYTES;
}

static mr_always_inline int copy_part(const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint8_t *out, unsigned bytes)
{
	int n = mr_view_part_copy(part, row, row_bytes, out, bytes);

	// A torn row may shrink or grow between measuring and copying.
	return n == (int)bytes ? 0 : -EBADMSG;
}

int mr_reply_row(struct mr_reply *reply, const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint64_t event_time_us)
{
	int bytes = mr_view_part_bytes(part, row, row_bytes), ret;
	uint8_t *out;

	if (bytes < 0)
		return bytes;
	out = place(reply, (unsigned)bytes, &ret);
	if (ret < 0)
		return ret;
	ret = copy_part(part, row, row_bytes, out != NULL ? out : reply->scratch, (unsigned)bytes);
	if (ret < 0)
		return ret;
	if (out == NULL)
		return put_pieces(reply, reply->scratch, (unsigned)bytes, event_time_us);
	put_entry(reply, MR_STATUS_OK, event_time_us, (unsigned)bytes, 0, (unsigned)bytes);
	reply->entry++;
	return 0;
}

int mr_reply_ref(
	struct mr_reply *reply, const struct mr_view_part *part, const struct mr_cache_ref *ref)
{
	int bytes = mr_view_part_bytes(part, ref->row, ref->row_bytes), ret;
	uint8_t *out;

	if (mr_unlikely(bytes < 0 || bytes > (int)MR_ROW_MAX_BYTES))
		return -EBADMSG;
	out = place(reply, (unsigned)bytes, &ret);
	if (mr_unlikely(ret < 0))
		return ret;
	ret = copy_part(part, ref->row, ref->row_bytes, out != NULL ? out : reply->scratch,
		(unsigned)bytes);
	if (mr_unlikely(ret < 0 || !mr_cache_valid_inline(ref)))
		return -EBADMSG;
	if (mr_unlikely(out == NULL))
		return put_pieces(reply, reply->scratch, (unsigned)bytes, ref->event_time_us);
	put_entry(reply, MR_STATUS_OK, ref->event_time_us, (unsigned)bytes, 0, (unsigned)bytes);
	reply->entry++;
	return 0;
}

void mr_reply_times(struct mr_reply *reply, const struct mr_wire_times *times)
{
	if (reply->kept == 0)
		return;
	mr_wire_times_put(reply->payload + reply->at, times);
	reply->at = (uint16_t)(reply->at + sizeof(*times));
	reply->times = true;
}

void mr_reply_abandon(struct mr_reply *reply)
{
	struct rte_mbuf *m = mr_packet(reply->first)->next_datagram;

	while (m != NULL) {
		struct rte_mbuf *next = mr_packet(m)->next_datagram;

		rte_pktmbuf_free(m);
		m = next;
	}
	mr_packet(reply->first)->next_datagram = NULL;
}

// Sends the frame's headers the way they came, and leaves to the port what it can fill in.
static mr_always_inline void turn_around(struct rte_mbuf *m, const struct mr_packet *at,
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

void mr_reply_finish(struct mr_reply *reply, const struct mr_port *port)
{
	struct mr_packet *at = mr_packet(reply->first);
	struct rte_mbuf *m = reply->first;

	close_datagram(reply);
	put_head(reply, mr_packet_payload(m), 0, 0, reply->first_n_entries);
	if (mr_unlikely(reply->times))
		mr_store_le16(
			reply->payload + offsetof(struct mr_wire_rep, flags), MR_WIRE_R_TIMES);
	at->payload_bytes = reply->first_at;
	for (;;) {
		turn_around(m, at, port, at->payload_bytes);
		if (mr_likely(at->next_datagram == NULL))
			break;
		at->kind = 0;
		m = at->next_datagram;
		at = mr_packet(m);
		mr_store_le16(mr_packet_payload(m) + offsetof(struct mr_wire_rep, frag_count),
			reply->n_datagrams);
	}
	at->kind = MR_PACKET_LAST;
}

void mr_reply_plain(struct rte_mbuf *m, const struct mr_port *port, unsigned payload_bytes)
{
	struct mr_packet *at = mr_packet(m);

	at->payload_bytes = (uint16_t)payload_bytes;
	at->next_datagram = NULL;
	at->kind = MR_PACKET_LAST;
	turn_around(m, at, port, payload_bytes);
}
