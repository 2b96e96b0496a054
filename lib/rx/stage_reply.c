// SPDX-License-Identifier: BSD-3-Clause
#include "mr_reply_inline.h"
#include "mr_rx_priv.h"

// A row that a writer keeps changing is looked up this often before the store is asked.
#define TORN_RETRIES 3u

// Counts the age of a row that was answered, for so many hits.
static void count_age(struct mr_rx *rx, const struct mr_lookup *lookup, uint32_t weight)
{
	uint64_t event_us = lookup->ref.event_time_us;
	uint64_t age_us = rx->now_us > event_us ? rx->now_us - event_us : 0;

	if (lookup->outcome != MR_OUTCOME_HIT || lookup->ref.deleted ||
		mr_schema_expired(lookup->part->schema, event_us, rx->now_us))
		return;
	mr_hist_record(&rx->counters.served_age, age_us / MR_AGE_UNIT_US, weight);
	rx->n_served -= weight;
}

// How fresh what was answered is. Afterwards, because a look at every so many'th lookup costs less
// than a decision at each.
void mr_rx_ages(struct mr_rx *rx)
{
#ifndef MR_TELEMETRY_OFF
	unsigned n = rx->probe.n, every = n > MR_AGE_SAMPLE ? MR_AGE_SAMPLE : 1;

	static_assert((MR_AGE_SAMPLE & (MR_AGE_SAMPLE - 1)) == 0, "no division");
	for (unsigned i = rx->age_from++ & (every - 1); i < n && rx->n_served > 0; i += every)
		count_age(rx, &rx->probe.lookups[i], MR_MIN(every, rx->n_served));
	// Where they were looked for were too few.
	for (unsigned i = 0; i < n && rx->n_served >= MR_AGE_SAMPLE; i++)
		count_age(rx, &rx->probe.lookups[i], rx->n_served);
#else
	(void)rx;
	(void)count_age;
#endif
}

static mr_always_inline void count_hit(
	struct mr_rx *rx, const struct mr_schema *schema, uint64_t event_time_us)
{
#ifndef MR_TELEMETRY_OFF
	rx->n_served++;
#endif
	mr_count_event(&rx->sets[schema->id], event_time_us);
}

// Answers a hit. Returns 0, -ENOMEM, or -EBADMSG when the row was torn.
static mr_always_inline int reply_hit(
	struct mr_rx *rx, struct mr_reply *reply, const struct mr_lookup *lookup)
{
	const struct mr_cache_ref *ref = &lookup->ref;
	enum mr_status status;

	if (mr_likely(!ref->deleted &&
		      !mr_schema_expired(lookup->part->schema, ref->event_time_us, rx->now_us))) {
		int ret = mr_reply_ref_inline(reply, lookup->part, ref);

		if (mr_likely(ret == 0))
			count_hit(rx, lookup->part->schema, ref->event_time_us);
		return ret;
	}
	// What the row says of itself counts only if it was read whole.
	status = ref->deleted ? MR_STATUS_NOT_FOUND : MR_STATUS_EXPIRED;
	if (!mr_cache_valid(rx->node->cache, ref))
		return -EBADMSG;
	if (status == MR_STATUS_EXPIRED)
		mr_count(&rx->counters.expired, 1);
	return mr_reply_status(reply, status, ref->deleted ? 0 : ref->event_time_us);
}

static mr_always_inline int reply_lookup(
	struct mr_rx *rx, struct mr_reply *reply, unsigned i, bool shed)
{
	const struct mr_lookup *lookup = &rx->probe.lookups[i];
	unsigned tries = 0;

	while (lookup->outcome == MR_OUTCOME_HIT) {
		int ret = reply_hit(rx, reply, lookup);

		if (mr_likely(ret != -EBADMSG))
			return ret;
		mr_count(&rx->counters.torn, 1);
		if (++tries == TORN_RETRIES)
			return -EBADMSG;
		mr_probe_again(&rx->probe, i, rx->node, mr_node_ticks(rx->node));
	}
	if (lookup->outcome == MR_OUTCOME_NEGATIVE)
		return mr_reply_status_inline(reply, MR_STATUS_NOT_FOUND, 0);
	if (lookup->outcome == MR_OUTCOME_BAD_KEY)
		return mr_reply_status(reply, MR_STATUS_BAD_KEY, 0);
	return shed ? mr_reply_status(reply, MR_STATUS_BUSY, 0) : -EBADMSG;
}

static void restore(struct mr_rx *rx, struct mr_rx_request *request)
{
	memcpy(mr_packet_payload(request->m) + sizeof(struct mr_wire_req),
		rx->saved + request->saved_at, request->saved_bytes);
}

// Inline, because a call a request is measurable: see mr_rx_reply_get().
static mr_always_inline bool reply_get(struct mr_rx *rx, struct mr_rx_request *request, bool shed)
{
	unsigned end = request->first_lookup + request->n_lookups;
	struct mr_reply reply;

	mr_reply_begin_inline(&reply, request->m, rx->p.pool, rx->port, &request->wire,
		request->view, rx->scratch);
	for (unsigned i = request->first_lookup; i < end; i++) {
		int ret = reply_lookup(rx, &reply, i, shed);

		if (ret == -EBADMSG && shed)
			ret = mr_reply_status(&reply, MR_STATUS_BUSY, 0);
		if (mr_likely(ret == 0))
			continue;
		mr_reply_abandon(&reply);
		if (ret == -ENOMEM) {
			mr_rx_drop(rx, request->m, MR_REASON_no_mbuf);
			return true;
		}
		restore(rx, request);
		return false;
	}
	if (mr_unlikely(request->wire.flags & MR_WIRE_F_TIMES)) {
		struct mr_wire_times times = mr_rx_times(rx, &request->wire);

		mr_reply_times(&reply, &times);
	}
	mr_reply_finish_inline(&reply, rx->port);
	rx->n_answered++;
	mr_rx_send(rx, request->m);
	return true;
}

bool mr_rx_reply_get(struct mr_rx *rx, struct mr_rx_request *request, bool shed)
{
	return reply_get(rx, request, shed);
}

unsigned mr_rx_reply(struct mr_rx *rx)
{
	unsigned answered = rx->n_answered, n_left = 0;

	for (unsigned i = 0; i < rx->n_requests; i++) {
		struct mr_rx_request *request = &rx->requests[i];

		if (!request->to_io)
			request->to_io = !reply_get(rx, request, false);
		n_left += request->to_io;
	}
	mr_count(&rx->counters.results[MR_WIRE_RESULT_OK], rx->n_answered - answered);
	mr_rx_ages(rx);
	return n_left;
}
