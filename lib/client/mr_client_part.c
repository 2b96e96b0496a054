// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// Of a cookie's life, after which the next one is asked for.
#define RENEW_QUARTERS 3u

void mr_client_part_move(struct mr_client_part *part, struct mr_client_parts *list)
{
	if (part->list != NULL)
		TAILQ_REMOVE(part->list, part, next);
	part->list = list;
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, part, next);
}

/** Id that the next part will have: the request is encoded before the slot is taken. */
uint64_t mr_client_next_id(const struct mr_client *client)
{
	uint64_t counter = client->id_counter << MR_CLIENT_SLOT_BITS;

	// Zero marks a free slot.
	if (counter == 0)
		counter = UINT64_C(1) << MR_CLIENT_SLOT_BITS;
	return counter | client->free_slots[client->n_free - 1];
}

struct mr_client_part *mr_client_part_new(
	struct mr_client *client, uint8_t op, const void *data, uint32_t bytes)
{
	uint64_t id = mr_client_next_id(client);
	struct mr_client_part *part = &client->slots[client->free_slots[client->n_free - 1]];
	uint8_t *copy = malloc(bytes);

	if (copy == NULL)
		return NULL;
	memcpy(copy, data, bytes);
	memset(part, 0, sizeof(*part));
	part->request_id = id;
	part->op = op;
	part->data = copy;
	part->bytes = bytes;
	client->id_counter = (id >> MR_CLIENT_SLOT_BITS) + 1;
	client->n_free--;
	client->n_user_parts += mr_client_is_user_op(op);
	return part;
}

void mr_client_part_free(struct mr_client *client, struct mr_client_part *part)
{
	mr_client_part_move(part, NULL);
	client->n_user_parts -= mr_client_is_user_op(part->op);
	free(part->data);
	part->data = NULL;
	part->request_id = 0;
	client->free_slots[client->n_free++] = (uint32_t)(part - client->slots);
}

// FNV-1a: which socket a key goes by is the client's own affair.
static uint32_t hash_of(const uint8_t *key, unsigned bytes)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < bytes; i++)
		hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 32);
}

static unsigned choose_socket(struct mr_client *client, const struct mr_client_part *part)
{
	const struct mr_client_ask *ask;

	if (!client->options.steer_by_key || part->n_keys == 0)
		return client->next_link++ % client->options.n_sockets;
	ask = &part->call->asks[part->first_key];
	return hash_of(part->call->blob + ask->key_offset, ask->key_bytes) &
	       (client->options.n_sockets - 1);
}

void mr_client_part_queue(struct mr_client *client, struct mr_client_part *part)
{
	if (part->op != MR_WIRE_OP_HELLO) {
		unsigned socket = choose_socket(client, part);

		part->link = &client->links[client->server * client->options.n_sockets + socket];
	}
	mr_client_part_move(part, &part->link->sendq);
}

static void fail_over(struct mr_client *client, const struct mr_client_part *part)
{
	unsigned server = part->link->server;

	if (client->n_servers == 1 || client->server != server ||
		client->servers[server].last_rx_ns >= part->sent_ns)
		return;
	client->server = (server + 1) % client->n_servers;
	client->stats.failovers++;
}

// What a strong read is asked again for is of another snapshot: nothing that came, or may still
// come, for the attempt before it may stand beside that.
static void start_anew(struct mr_client *client, struct mr_client_part *part)
{
	struct mr_client_result *call = part->call;
	size_t first = part->first_key * call->n_sets;
	size_t n = (size_t)part->n_keys * call->n_sets;

	for (size_t i = first; i < first + n; i++) {
		mr_client_entry_drop_pieces(&call->entries[i]);
		call->entries[i] = (struct mr_client_entry){0};
	}
	part->entries_left = n;
	if (client->id_counter << MR_CLIENT_SLOT_BITS == 0)
		client->id_counter = 1;
	part->request_id =
		client->id_counter++ << MR_CLIENT_SLOT_BITS | (uint64_t)(part - client->slots);
	mr_store_le64(part->data + offsetof(struct mr_wire_req, request_id), part->request_id);
}

void mr_client_part_timeout(struct mr_client *client, struct mr_client_part *part)
{
	client->stats.timeouts++;
	fail_over(client, part);
	if (part->attempts >= client->options.attempts) {
		mr_client_part_end(client, part, MR_CLIENT_LOST);
		return;
	}
	client->stats.retries++;
	if (part->call != NULL && (part->call->flags & MR_WIRE_F_STRONG))
		start_anew(client, part);
	mr_client_part_queue(client, part);
}

static void end_hello(struct mr_client *client, struct mr_client_part *part)
{
	struct mr_client_link *link = part->link;
	struct mr_client_part *waiter;

	mr_client_part_free(client, part);
	link->hello_pending = false;
	while ((waiter = TAILQ_FIRST(&link->hello_waiters)) != NULL) {
		// Where the cookie is new: another socket may have an old one.
		if (link->hello_done)
			mr_client_part_move(waiter, &link->sendq);
		else
			mr_client_part_timeout(client, waiter);
	}
}

static void end_describe(
	struct mr_client *client, struct mr_client_part *part, enum mr_client_status status)
{
	struct mr_client_view *view = part->view;

	mr_client_part_free(client, part);
	mr_client_describe_fail(client, view, status == MR_CLIENT_LOST ? -ETIMEDOUT : -EPROTO);
}

static void end_call_part(
	struct mr_client *client, struct mr_client_part *part, enum mr_client_status status)
{
	struct mr_client_result *call = part->call;
	size_t first = part->first_key * call->n_sets;
	size_t n = (size_t)part->n_keys * call->n_sets;

	for (size_t i = first; i < first + n; i++) {
		struct mr_client_entry *entry = &call->entries[i];

		if (entry->state == MR_CLIENT_ENTRY_DONE)
			continue;
		mr_client_entry_drop_pieces(entry);
		entry->event_time_us = 0;
		entry->row_bytes = 0;
		entry->status = (uint8_t)status;
		entry->state = MR_CLIENT_ENTRY_DONE;
		client->stats.lost += status == MR_CLIENT_LOST;
	}
	mr_client_part_free(client, part);
	call->parts_open--;
	mr_client_call_check_done(client, call);
}

void mr_client_part_end(
	struct mr_client *client, struct mr_client_part *part, enum mr_client_status status)
{
	if (part->op == MR_WIRE_OP_HELLO)
		end_hello(client, part);
	else if (part->op == MR_WIRE_OP_DESCRIBE)
		end_describe(client, part, status);
	else
		end_call_part(client, part, status);
}

void mr_client_expire(struct mr_client *client, uint64_t now_ns)
{
	struct mr_client_part *part;

	while ((part = TAILQ_FIRST(&client->flying)) != NULL && part->deadline_ns <= now_ns)
		mr_client_part_timeout(client, part);
}

void mr_client_server_gone(struct mr_client *client, unsigned server)
{
	struct mr_client_part *part, *after;
	uint32_t n = client->n_slots;

	// With one server there is nowhere else to go, and it may be starting: the timeout decides.
	if (client->n_servers == 1)
		return;
	// A part that ends may end others (of its call, of its link): start over, at most so often.
	for (part = TAILQ_FIRST(&client->flying); part != NULL && n-- > 0; part = after) {
		after = TAILQ_NEXT(part, next);
		if (part->link->server != server)
			continue;
		mr_client_part_timeout(client, part);
		after = TAILQ_FIRST(&client->flying);
	}
}

void mr_client_hello(struct mr_client *client, struct mr_client_link *link)
{
	struct mr_wire_ask ask = {0};
	struct mr_client_part *part = NULL;
	uint64_t nonce;
	int bytes;

	if (link->hello_pending || client->n_free == 0)
		return;
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		nonce = mr_client_now_ns();
	ask.request_id = mr_client_next_id(client);
	bytes = mr_wire_hello_encode(client->scratch, MR_CLIENT_MIN_PAYLOAD, &ask, nonce);
	if (bytes > 0)
		part = mr_client_part_new(
			client, MR_WIRE_OP_HELLO, client->scratch, (uint32_t)bytes);
	if (part == NULL)
		return;
	part->link = link;
	link->hello_pending = true;
	link->hello_done = false;
	mr_client_part_queue(client, part);
}

void mr_client_hello_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	struct mr_client_link *link = part->link;
	struct mr_wire_hello_reply hello;
	uint32_t payload;

	mr_wire_hello_reply_get(reply, &hello);
	payload = MR_MIN(hello.max_payload_bytes, mr_client_path_payload(link));
	if (MR_WIRE_VERSION < hello.version_min || MR_WIRE_VERSION > hello.version_max)
		client->bad_version = true;
	else if (payload < MR_CLIENT_MIN_PAYLOAD)
		client->stats.malformed++;
	else {
		link->cookie = hello.cookie;
		// Well before it runs out, and not all clients at once: they ask when they first
		// send.
		link->renew_ns = UINT64_MAX;
		if (hello.cookie_valid_s != 0)
			link->renew_ns = mr_client_now_ns() +
			                 hello.cookie_valid_s * MR_NS_PER_S / 4 * RENEW_QUARTERS;
		link->hello_done = true;
		client->max_payload_bytes = MR_MIN(client->max_payload_bytes, payload);
	}
	mr_client_part_end(client, part, MR_CLIENT_OK);
}
