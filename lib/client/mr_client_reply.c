// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"

// A status of the protocol is one of ours by number.
#define SAME(name) static_assert((int)MR_CLIENT_##name == (int)MR_STATUS_##name, "statuses")
SAME(OK);
SAME(NOT_FOUND);
SAME(EXPIRED);
SAME(BUSY);
SAME(DEGRADED);
SAME(ERROR);
SAME(SUPERSEDED);
SAME(BAD_KEY);
SAME(BAD_ROW);
#define SAME_MET(name) static_assert(MR_CLIENT_MET_##name == MR_WIRE_MET_##name, "bits of met")
SAME_MET(IO);
SAME_MET(COMPACTION);
SAME_MET(STALL);
SAME_MET(BREAKER);
SAME_MET(LOOP);
static_assert((int)MR_CLIENT_LOST == (int)MR_STATUS_COUNT, "statuses");

static struct mr_client_part *find_part(struct mr_client *client, uint64_t request_id)
{
	uint32_t slot = (uint32_t)(request_id & ((1u << MR_CLIENT_SLOT_BITS) - 1));

	if (request_id == 0 || slot >= client->n_slots ||
		client->slots[slot].request_id != request_id)
		return NULL;
	return &client->slots[slot];
}

/** Remembers that the set's schema is not what we hold: the next resolve asks again. */
static void mark_stale(struct mr_client *client, const struct mr_client_result *call)
{
	struct mr_client_view *view = mr_client_view_find(client, call->set_name);

	if (view != NULL)
		view->is_stale = true;
}

static void cookie_needed(
	struct mr_client *client, struct mr_client_part *part, struct mr_client_link *link)
{
	part->link = link;
	mr_client_hello(client, link);
	if (++part->cookie_rounds > MR_CLIENT_COOKIE_ROUNDS_MAX || !link->hello_pending) {
		if (part->call != NULL)
			part->call->refusal = MR_WIRE_RESULT_COOKIE_NEEDED;
		mr_client_part_end(client, part, MR_CLIENT_REFUSED);
		return;
	}
	// The server was heard: this attempt does not count against the part.
	part->attempts -= part->attempts > 0;
	mr_client_part_move(part, &link->hello_waiters);
}

static void refuse(struct mr_client *client, struct mr_client_part *part, uint8_t result)
{
	struct mr_client_result *call = part->call;

	client->stats.refused++;
	if (part->op == MR_WIRE_OP_DESCRIBE && result == MR_WIRE_RESULT_UNKNOWN_VIEW) {
		struct mr_client_view *view = part->view;

		mr_client_part_free(client, part);
		mr_client_describe_fail(client, view, -ENOENT);
		return;
	}
	if (call != NULL)
		call->refusal = result;
	mr_client_part_end(client, part, MR_CLIENT_REFUSED);
}

/** The server refused the whole request. */
static void refused(struct mr_client *client, struct mr_client_part *part,
	struct mr_client_link *link, uint8_t result)
{
	bool write = part->op == MR_WIRE_OP_PUT || part->op == MR_WIRE_OP_DELETE;

	switch (result) {
	case MR_WIRE_RESULT_COOKIE_NEEDED:
		if (part->op == MR_WIRE_OP_HELLO)
			refuse(client, part, result);
		else
			cookie_needed(client, part, link);
		return;
	case MR_WIRE_RESULT_BUSY:
	case MR_WIRE_RESULT_TOO_LATE:
		// Shed; a DESCRIBE or HELLO is simply tried again by its timeout.
		if (part->call != NULL)
			mr_client_part_end(client, part, MR_CLIENT_BUSY);
		return;
	case MR_WIRE_RESULT_STALE_LAYOUT:
	case MR_WIRE_RESULT_UNKNOWN_VIEW:
		if (part->op == MR_WIRE_OP_GET) {
			mr_client_call_restart(client, part->call);
			return;
		}
		if (write)
			mark_stale(client, part->call);
		if (write && result == MR_WIRE_RESULT_STALE_LAYOUT) {
			mr_client_part_end(client, part, MR_CLIENT_STALE);
			return;
		}
		break;
	case MR_WIRE_RESULT_BAD_VERSION:
		client->bad_version = true;
		break;
	default:
		break;
	}
	refuse(client, part, result);
}

// Of all requests of a call, the times of the one that took longest are kept.
static void take_times(struct mr_client_result *call, const struct mr_wire_reply *reply)
{
	struct mr_wire_times times;

	if (!mr_wire_times_get(reply, &times) ||
		(call->has_times && times.total_ns <= call->times.total_ns))
		return;
	call->has_times = true;
	call->times = (struct mr_client_times){
		.trace_id = times.trace_id,
		.total_ns = times.total_ns,
		.parse_ns = times.parse_ns,
		.probe_ns = times.probe_ns,
		.ring_ns = times.ring_ns,
		.queue_ns = times.queue_ns,
		.lock_ns = times.lock_ns,
		.read_ns = times.read_ns,
		.commit_ns = times.commit_ns,
		.met = times.met,
	};
}

static void get_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	struct mr_client_result *call = part->call;

	if (reply->layout != call->def->view->layout) {
		mr_client_call_restart(client, call);
		return;
	}
	if (reply->key_count != part->n_keys || reply->set_count != call->n_sets) {
		client->stats.malformed++;
		return;
	}
	take_times(call, reply);
	mr_client_gather(client, part, reply);
}

static void ack_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	struct mr_client_result *call = part->call;

	if (reply->key_count != part->n_keys) {
		client->stats.malformed++;
		return;
	}
	take_times(call, reply);
	call->durable &= (reply->flags & MR_WIRE_R_DURABLE) != 0;
	for (unsigned i = 0; i < part->n_keys; i++) {
		struct mr_client_entry *entry = &call->entries[part->first_key + i];

		entry->status = (uint8_t)mr_wire_ack_status(reply, i);
		entry->state = MR_CLIENT_ENTRY_DONE;
	}
	mr_client_part_end(client, part, MR_CLIENT_OK);
}

static void ping_reply(struct mr_client *client, struct mr_client_part *part)
{
	part->call->rtt_ns = mr_client_now_ns() - part->sent_ns;
	mr_client_part_end(client, part, MR_CLIENT_OK);
}

static void dispatch(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	switch (part->op) {
	case MR_WIRE_OP_GET:
		get_reply(client, part, reply);
		return;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		ack_reply(client, part, reply);
		return;
	case MR_WIRE_OP_PING:
		ping_reply(client, part);
		return;
	case MR_WIRE_OP_HELLO:
		mr_client_hello_reply(client, part, reply);
		return;
	default:
		mr_client_describe_reply(client, part, reply);
	}
}

void mr_client_datagram(
	struct mr_client *client, struct mr_client_link *link, const void *data, size_t bytes)
{
	struct mr_wire_reply reply;
	enum mr_wire_defect defect = mr_wire_reply_decode(data, bytes, &reply);
	bool other_version =
		defect == MR_WIRE_DEFECT_BAD_VERSION && reply.result == MR_WIRE_RESULT_BAD_VERSION;
	struct mr_client_part *part;

	client->stats.received++;
	if (defect != MR_WIRE_DEFECT_NONE && !other_version) {
		client->stats.malformed++;
		return;
	}
	client->servers[link->server].last_rx_ns = mr_client_now_ns();
	part = find_part(client, reply.request_id);
	if (part == NULL) {
		client->stats.late++;
		return;
	}
	if (reply.result != MR_WIRE_RESULT_OK) {
		// While it waits for a cookie, only the cookie matters.
		if (part->list != &link->hello_waiters)
			refused(client, part, link, reply.result);
		return;
	}
	if (reply.op != part->op) {
		client->stats.malformed++;
		return;
	}
	dispatch(client, part, &reply);
}
