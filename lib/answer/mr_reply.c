// SPDX-License-Identifier: BSD-3-Clause
#include "mr_reply_inline.h"

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
	       mr_reply_room(m, at, (uint16_t)(port->max_payload_bytes - (at->is_ip6 ? 20 : 0)));
}

void mr_reply_begin(struct mr_reply *reply, struct rte_mbuf *m, struct rte_mempool *pool,
	const struct mr_port *port, const struct mr_wire_request *req, const struct mr_view *view,
	uint8_t *scratch)
{
	mr_reply_begin_inline(reply, m, pool, port, req, view, scratch);
}

// Writes the head of the datagram in hand; how many there are is known only at the end.
static void close_datagram(struct mr_reply *reply)
{
	if (reply->last == reply->first) {
		reply->first_at = reply->at;
		reply->first_n_entries = reply->n_entries;
		return;
	}
	mr_reply_put_head(reply, reply->payload, reply->n_datagrams - 1u, reply->first_entry,
		reply->n_entries);
	mr_packet(reply->last)->payload_bytes = reply->at;
}

// Room for entries in a further mbuf, which may have a smaller buffer than the request's.
static uint16_t datagram_room(
	const struct mr_reply *reply, const struct rte_mbuf *m, const struct mr_packet *at)
{
	return (uint16_t)(mr_reply_room(m, at, (uint16_t)(reply->max + reply->kept)) - reply->kept);
}

int mr_reply_next_datagram(struct mr_reply *reply)
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
	reply->at = MR_REPLY_HEAD_BYTES;
	reply->first_entry = reply->entry;
	reply->n_entries = 0;
	reply->n_datagrams++;
	return 0;
}

int mr_reply_status(struct mr_reply *reply, enum mr_status status, uint64_t event_time_us)
{
	return mr_reply_status_inline(reply, status, event_time_us);
}

// Each piece fills its datagram.
int mr_reply_put_pieces(
	struct mr_reply *reply, const uint8_t *row, unsigned row_bytes, uint64_t event_time_us)
{
	for (unsigned done = 0; done < row_bytes;) {
		unsigned room, piece;

		if (reply->at + MR_REPLY_ENTRY_BYTES + 8 > reply->max) {
			int ret = mr_reply_next_datagram(reply);

			if (ret < 0)
				return ret;
		}
		room = (unsigned)reply->max - reply->at - MR_REPLY_ENTRY_BYTES;
		piece = MR_MIN(room, row_bytes - done);
		memcpy(reply->payload + reply->at + MR_REPLY_ENTRY_BYTES, row + done, piece);
		mr_reply_put_entry(reply, MR_STATUS_OK, event_time_us, row_bytes, done, piece);
		done += piece;
	}
	reply->entry++;
	return 0;
}

int mr_reply_row(struct mr_reply *reply, const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint64_t event_time_us)
{
	int bytes = mr_view_part_bytes(part, row, row_bytes), ret;
	uint8_t *out;

	if (bytes < 0)
		return bytes;
	out = mr_reply_place(reply, (unsigned)bytes, &ret);
	if (ret < 0)
		return ret;
	ret = mr_reply_copy_part(
		part, row, row_bytes, out != NULL ? out : reply->scratch, (unsigned)bytes);
	if (ret < 0)
		return ret;
	if (out == NULL)
		return mr_reply_put_pieces(reply, reply->scratch, (unsigned)bytes, event_time_us);
	mr_reply_put_entry(reply, MR_STATUS_OK, event_time_us, (unsigned)bytes, 0, (unsigned)bytes);
	reply->entry++;
	return 0;
}

int mr_reply_ref(
	struct mr_reply *reply, const struct mr_view_part *part, const struct mr_cache_ref *ref)
{
	return mr_reply_ref_inline(reply, part, ref);
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

void mr_reply_finish_other(struct mr_reply *reply, const struct mr_port *port)
{
	struct mr_packet *at = mr_packet(reply->first);
	struct rte_mbuf *m = reply->first;

	close_datagram(reply);
	mr_reply_put_head(reply, mr_packet_payload(m), 0, 0, reply->first_n_entries);
	if (mr_unlikely(reply->times))
		mr_store_le16(
			reply->payload + offsetof(struct mr_wire_rep, flags), MR_WIRE_R_TIMES);
	at->payload_bytes = reply->first_at;
	for (;;) {
		mr_reply_turn_around(m, at, port, at->payload_bytes);
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

void mr_reply_finish(struct mr_reply *reply, const struct mr_port *port)
{
	mr_reply_finish_inline(reply, port);
}

void mr_reply_plain(struct rte_mbuf *m, const struct mr_port *port, unsigned payload_bytes)
{
	struct mr_packet *at = mr_packet(m);

	at->payload_bytes = (uint16_t)payload_bytes;
	at->next_datagram = NULL;
	at->kind = MR_PACKET_LAST;
	mr_reply_turn_around(m, at, port, payload_bytes);
}
