// SPDX-License-Identifier: BSD-3-Clause
//
// Records of slow and refused requests, and of turns that took too long. All of it is off the path
// that is taken often.
#include <rte_cycles.h>

#include "mr_rx_priv.h"

static void spent_so_far(const struct mr_rx *rx, struct mr_slow *slow)
{
	slow->spent[MR_SPENT_parse] = rx->turn_cycles[MR_STAGE_parse];
	slow->spent[MR_SPENT_probe] = rx->turn_cycles[MR_STAGE_probe];
	slow->spent[MR_SPENT_reply] = rx->turn_cycles[MR_STAGE_reply];
	slow->spent[MR_SPENT_handoff] = rx->turn_cycles[MR_STAGE_handoff];
	slow->spent[MR_SPENT_transmit] = rx->turn_cycles[MR_STAGE_transmit];
}

static void from_reply(struct mr_slow *slow, struct rte_mbuf *m)
{
	const uint8_t *rep = mr_packet_payload(m);

	if (mr_packet(m)->kind != MR_PACKET_LAST ||
		mr_packet(m)->payload_bytes < sizeof(struct mr_wire_rep))
		return;
	slow->op = rep[offsetof(struct mr_wire_rep, op)];
	slow->result = rep[offsetof(struct mr_wire_rep, result)];
	slow->n_keys = rep[offsetof(struct mr_wire_rep, key_count)];
	slow->request_id = mr_load_le64(rep + offsetof(struct mr_wire_rep, request_id));
	mr_slow_client(slow, m, true);
}

static bool is_queued(const struct mr_rx *rx, const struct rte_mbuf *m)
{
	const struct mr_rx_out *out = &rx->out[rx->port_index];

	for (unsigned i = 0; i < out->n; i++)
		if (out->mbufs[i] == m)
			return true;
	return false;
}

// All requests of a burst take as long; the one with the most lookups stands for them.
static const struct mr_rx_request *largest(const struct mr_rx *rx, bool is_sent)
{
	const struct mr_rx_request *found = NULL;

	for (unsigned i = 0; i < rx->n_requests; i++) {
		const struct mr_rx_request *request = &rx->requests[i];

		if (!request->to_io && (is_sent || is_queued(rx, request->m)) &&
			(found == NULL || request->n_lookups > found->n_lookups))
			found = request;
	}
	return found;
}

void mr_rx_note_slow(struct mr_rx *rx, uint64_t now_tsc, bool is_sent)
{
	const struct mr_rx_out *out = &rx->out[rx->port_index];
	struct mr_slow slow = {.tsc = now_tsc, .cycles = now_tsc - rx->burst_tsc};
	const struct mr_rx_request *request;

	if (rx->n_answered == 0 || !mr_slowlog_wants(&rx->counters.slowlog, slow.cycles, now_tsc))
		return;
	request = largest(rx, is_sent);
	spent_so_far(rx, &slow);
	slow.others = (uint16_t)(rx->n_answered - 1);
	// What has been sent belongs to the port.
	if (!is_sent && request != NULL)
		from_reply(&slow, request->m);
	else if (!is_sent && out->n > 0)
		from_reply(&slow, out->mbufs[0]);
	if (request != NULL) {
		mr_slow_request(&slow, &request->wire);
		if (request->n_lookups > 0)
			mr_slow_key(&slow, rx->probe.lookups[request->first_lookup].key,
				rx->probe.lookups[request->first_lookup].key_bytes);
	}
	mr_slowlog_add(&rx->counters.slowlog, &slow);
}

void mr_rx_note_late(struct mr_rx *rx, struct rte_mbuf *m, uint64_t now_tsc)
{
	struct mr_slow slow = {.tsc = now_tsc, .cycles = now_tsc - mr_packet(m)->rx_tsc};

	if (!mr_slowlog_wants(&rx->counters.slowlog, slow.cycles, now_tsc))
		return;
	from_reply(&slow, m);
	slow.met = MR_WIRE_MET_IO;
	// It may have been ready all the time that the turn before took.
	if (rx->last_turn_cycles > rx->slow_above_cycles) {
		slow.spent[MR_SPENT_loop] = MR_MIN(rx->last_turn_cycles, slow.cycles);
		slow.met |= MR_WIRE_MET_LOOP;
	}
	mr_slowlog_add(&rx->counters.slowlog, &slow);
}

void mr_rx_note_refused(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	enum mr_wire_result result, enum mr_reason reason)
{
	uint64_t now_tsc = rte_rdtsc();
	struct mr_slow slow = {
		.tsc = now_tsc,
		.cycles = now_tsc - rx->burst_tsc,
		.result = (uint8_t)result,
		.reason = (uint8_t)(reason == MR_REASON_NONE ? 0 : reason + 1),
	};

	spent_so_far(rx, &slow);
	mr_slow_client(&slow, m, false);
	if (wire != NULL) {
		mr_slow_request(&slow, wire);
		mr_slow_first_key(&slow, wire);
	}
	mr_slowlog_sample(&rx->counters.slowlog, &slow);
}

struct mr_wire_times mr_rx_times(const struct mr_rx *rx, const struct mr_wire_request *wire)
{
	struct mr_slow slow = {.cycles = rte_rdtsc() - rx->burst_tsc, .trace_id = wire->trace_id};

	spent_so_far(rx, &slow);
	return mr_slow_times(&slow, rx->p.tiers->clock);
}

void mr_rx_overran(struct mr_rx *rx, uint64_t cycles)
{
	struct mr_rx_counters *c = &rx->counters;
	unsigned longest = 0;

	mr_count(&c->overruns, 1);
	for (unsigned i = 1; i < MR_STAGE_COUNT; i++)
		if (rx->turn_cycles[i] > rx->turn_cycles[longest])
			longest = i;
	// What no stage took was spent receiving, or the CPU was taken away.
	if (rx->turn_cycles[longest] < cycles / 2)
		longest = MR_STAGE_COUNT;
	mr_count(&c->overrun_stages[longest], 1);
	// why relaxed: each is a figure by itself; the count, stored last, says that they changed.
	atomic_store_explicit(&c->overrun_stage, longest, memory_order_relaxed);
	atomic_store_explicit(&c->overrun_stage_cycles,
		longest < MR_STAGE_COUNT ? rx->turn_cycles[longest] : 0, memory_order_relaxed);
	atomic_store_explicit(&c->overrun_cycles, cycles, memory_order_relaxed);
	// Transmit comes after requests were looked at: what waited for it is known here only.
	if (longest == MR_STAGE_transmit && cycles > rx->slow_above_cycles)
		mr_rx_note_slow(rx, rte_rdtsc(), true);
}
