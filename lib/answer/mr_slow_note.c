// SPDX-License-Identifier: BSD-3-Clause
#include "mr_slow_note.h"

#include "mr_reply.h"

void mr_slow_client(struct mr_slow *slow, struct rte_mbuf *m, bool is_reply)
{
	const struct mr_packet *at = mr_packet(m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, at->l2_bytes);
	const uint8_t *udp = ip + at->l3_bytes;

	slow->is_ip6 = at->is_ip6;
	if (at->is_ip6)
		memcpy(slow->address, ip + (is_reply ? 24 : 8), 16);
	else
		memcpy(slow->address, ip + (is_reply ? 16 : 12), 4);
	udp += is_reply ? 2 : 0;
	slow->port = (uint16_t)(udp[0] << 8 | udp[1]);
}

void mr_slow_request(struct mr_slow *slow, const struct mr_wire_request *wire)
{
	slow->request_id = wire->request_id;
	slow->trace_id = wire->trace_id;
	slow->op = wire->op;
	slow->view = wire->view;
	slow->n_keys = wire->key_count;
}

void mr_slow_key(struct mr_slow *slow, const void *key, unsigned key_bytes)
{
	slow->key_bytes = (uint8_t)key_bytes;
	memcpy(slow->key, key, MR_MIN(key_bytes, MR_SLOW_KEY_BYTES));
}

void mr_slow_first_key(struct mr_slow *slow, const struct mr_wire_request *wire)
{
	struct mr_wire_row row;
	uint32_t cursor = 0;
	unsigned bytes;

	if (wire->op == MR_WIRE_OP_GET) {
		const uint8_t *key = mr_wire_key_next(wire, &cursor, &bytes);

		if (key != NULL)
			mr_slow_key(slow, key, bytes);
	} else if (wire->op == MR_WIRE_OP_PUT || wire->op == MR_WIRE_OP_DELETE) {
		if (mr_wire_record_next(wire, &cursor, &row))
			mr_slow_key(slow, row.key, row.key_bytes);
	}
}

static uint32_t ns(const struct mr_clock *clock, uint64_t cycles)
{
	double value = (double)cycles * clock->ns_per_cycle;

	return value >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

struct mr_wire_times mr_slow_times(const struct mr_slow *slow, const struct mr_clock *clock)
{
	return (struct mr_wire_times){
		.trace_id = slow->trace_id,
		.total_ns = ns(clock, slow->cycles),
		.parse_ns = ns(clock, slow->spent[MR_SPENT_parse]),
		.probe_ns = ns(clock, slow->spent[MR_SPENT_probe]),
		.ring_ns = ns(clock, slow->spent[MR_SPENT_ring]),
		.queue_ns = ns(clock, slow->spent[MR_SPENT_queue]),
		.lock_ns = ns(clock, slow->spent[MR_SPENT_lock]),
		.read_ns = ns(clock, slow->spent[MR_SPENT_read]),
		.commit_ns = ns(clock, slow->spent[MR_SPENT_commit]),
		.met = slow->met,
	};
}
