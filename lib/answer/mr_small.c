// SPDX-License-Identifier: BSD-3-Clause
#include "mr_small.h"

#define REP_BYTES ((unsigned)sizeof(struct mr_wire_rep))

void mr_small_hello(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, const struct mr_small_terms *terms, uint64_t now_us)
{
	uint8_t *payload = mr_packet_payload(m);
	unsigned overhead = mr_packet(m)->is_ip6 ? 20 : 0;
	struct mr_wire_hello_reply body = {
		.version_min = MR_WIRE_VERSION,
		.version_max = MR_WIRE_VERSION,
		.flags = htole16(terms->flags),
		.max_payload_bytes = htole16((uint16_t)(mr_port_max_payload(port) - overhead)),
		.max_keys = MR_WIRE_KEYS_MAX,
		.cookie = htole64(terms->cookie),
		.cookie_valid_s = htole32(terms->cookie_valid_s),
		.server_time_us = htole64(now_us),
	};

	mr_wire_reply_begin(payload, req, MR_WIRE_RESULT_OK);
	memcpy(payload + REP_BYTES, &body, sizeof(body));
	mr_reply_plain(m, port, REP_BYTES + sizeof(body));
}

void mr_small_ping(
	struct rte_mbuf *m, const struct mr_port *port, const struct mr_wire_request *req)
{
	mr_small_refuse(m, port, req, MR_WIRE_RESULT_OK);
}

void mr_small_refuse(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, enum mr_wire_result result)
{
	mr_wire_reply_begin(mr_packet_payload(m), req, result);
	mr_reply_plain(m, port, REP_BYTES);
}

enum mr_wire_result mr_small_describe(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, const struct mr_published *published)
{
	unsigned room = mr_packet(m)->payload_bytes, fixed, bytes;
	uint8_t *payload = mr_packet_payload(m);
	struct mr_wire_describe_reply body = {0};
	const struct mr_description *d;
	struct mr_wire_describe ask;
	const char *name;

	mr_wire_describe_get(req, &ask, &name);
	d = mr_published_find(published, name, ask.name_bytes);
	fixed = REP_BYTES + sizeof(body);
	if (d == NULL || ask.offset > d->text_bytes) {
		mr_small_refuse(m, port, req, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return MR_WIRE_RESULT_UNKNOWN_VIEW;
	}
	if (room < fixed) {
		mr_small_refuse(m, port, req, MR_WIRE_RESULT_MALFORMED);
		return MR_WIRE_RESULT_MALFORMED;
	}
	bytes = MR_MIN(room - fixed, d->text_bytes - ask.offset);
	body.view = htole16(d->view->id);
	body.bytes = htole16((uint16_t)bytes);
	body.layout = htole32(d->view->layout);
	body.offset = htole32(ask.offset);
	body.total_bytes = htole32(d->text_bytes);
	mr_wire_reply_begin(payload, req, MR_WIRE_RESULT_OK);
	memcpy(payload + REP_BYTES, &body, sizeof(body));
	memcpy(payload + fixed, d->text + ask.offset, bytes);
	mr_reply_plain(m, port, fixed + bytes);
	return MR_WIRE_RESULT_OK;
}

void mr_small_ack(struct rte_mbuf *m, const struct mr_port *port, const struct mr_wire_request *req,
	const uint8_t *statuses, bool durable, const struct mr_wire_times *times)
{
	unsigned bytes = REP_BYTES + req->key_count * (unsigned)sizeof(struct mr_wire_ack);
	uint8_t *payload = mr_packet_payload(m);
	struct mr_wire_rep head;
	uint16_t flags = durable ? MR_WIRE_R_DURABLE : 0;

	mr_wire_reply_begin(&head, req, MR_WIRE_RESULT_OK);
	head.entry_count = htole16(req->key_count);
	// Acknowledgements are always shorter than their request; with times they may not be.
	if (times != NULL && mr_reply_has_room(m, port, bytes + (unsigned)sizeof(*times)))
		flags |= MR_WIRE_R_TIMES;
	head.flags = htole16(flags);
	memcpy(payload, &head, sizeof(head));
	for (unsigned i = 0; i < req->key_count; i++) {
		struct mr_wire_ack ack = {.status = statuses[i]};

		memcpy(payload + REP_BYTES + i * sizeof(ack), &ack, sizeof(ack));
	}
	if (flags & MR_WIRE_R_TIMES) {
		mr_wire_times_put(payload + bytes, times);
		bytes += (unsigned)sizeof(*times);
	}
	mr_reply_plain(m, port, bytes);
}
