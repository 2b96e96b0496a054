// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mr_client_result *call_new(const struct mr_client *client, uint8_t op, void *user)
{
	struct mr_client_result *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->op = op;
	call->user = user;
	call->n_sets = 1;
	call->durable = true;
	call->trace_id = client->trace_id;
	call->flags = (uint16_t)((client->trace_id != 0 ? MR_WIRE_F_TRACE : 0) |
				 (client->times && op != MR_WIRE_OP_PING ? MR_WIRE_F_TIMES : 0));
	return call;
}

static void release_request(struct mr_client_result *call)
{
	free(call->asks);
	free(call->blob);
	call->asks = NULL;
	call->blob = NULL;
}

static void drop_entries(struct mr_client_result *call)
{
	for (size_t i = 0; i < call->n_entries; i++)
		mr_client_entry_drop_pieces(&call->entries[i]);
	free(call->entries);
	mr_client_slabs_free(call->slabs);
	call->entries = NULL;
	call->slabs = NULL;
	call->n_entries = 0;
}

void mr_client_result_free(struct mr_client_result *result)
{
	if (result == NULL)
		return;
	release_request(result);
	drop_entries(result);
	mr_client_def_drop(result->def);
	free(result);
}

static int make_entries(struct mr_client_result *call)
{
	struct mr_client_entry *entries = calloc(call->n_keys * call->n_sets, sizeof(*entries));

	if (entries == NULL)
		return -ENOMEM;
	drop_entries(call);
	call->entries = entries;
	call->n_entries = call->n_keys * call->n_sets;
	return 0;
}

/** Takes the view as it is now. Whatever was gathered in its earlier layout is dropped. */
static int bind_view(struct mr_client_result *call)
{
	struct mr_client_def *def = call->view->def;
	uint16_t n_sets = call->n_sets;

	call->n_sets = def->view->n_parts;
	if (make_entries(call) != 0) {
		call->n_sets = n_sets;
		return -ENOMEM;
	}
	def->refs++;
	mr_client_def_drop(call->def);
	call->def = def;
	call->cursor = 0;
	return 0;
}

/** Keys and rows of a call, as the caller gave them. */
struct request {
	const struct mr_client_key *keys; // or
	const struct mr_client_row *rows;
	size_t n;
	bool with_rows;
};

static const struct mr_client_key *request_key(const struct request *request, size_t i)
{
	return request->keys != NULL ? &request->keys[i] : &request->rows[i].key;
}

static size_t append(uint8_t *blob, size_t *used, const void *data, size_t bytes)
{
	size_t at = *used;

	if (bytes > 0)
		memcpy(blob + at, data, bytes);
	*used += bytes;
	return at;
}

static int copy_request(struct mr_client_result *call, const struct request *request)
{
	size_t total = 0, used = 0;

	for (size_t i = 0; i < request->n; i++) {
		total += request_key(request, i)->bytes;
		total += request->with_rows ? request->rows[i].row_bytes : 0;
		if (request_key(request, i)->bytes == 0)
			return -EINVAL;
	}
	call->asks = calloc(request->n, sizeof(*call->asks));
	call->blob = malloc(total);
	if (call->asks == NULL || call->blob == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < request->n; i++) {
		const struct mr_client_key *key = request_key(request, i);
		struct mr_client_ask *ask = &call->asks[i];

		ask->key_bytes = key->bytes;
		ask->key_offset = append(call->blob, &used, key->data, key->bytes);
		if (request->rows != NULL)
			ask->event_time_us = request->rows[i].event_time_us;
		if (!request->with_rows)
			continue;
		ask->row_bytes = request->rows[i].row_bytes;
		ask->row_offset = append(call->blob, &used, request->rows[i].row, ask->row_bytes);
	}
	return 0;
}

/** Copies what is asked, makes the entries and puts the call in line. Frees it on failure. */
static int enter(struct mr_client *client, struct mr_client_result *call,
	const struct request *request, struct mr_client_result **ret_call)
{
	int rc = copy_request(call, request);

	call->n_keys = request->n;
	if (rc == 0)
		rc = call->view != NULL ? bind_view(call) : make_entries(call);
	if (rc != 0) {
		mr_client_result_free(call);
		return rc;
	}
	TAILQ_INSERT_TAIL(&client->calls, call, next);
	client->n_open++;
	if (ret_call != NULL)
		*ret_call = call;
	return 0;
}

/** Whether the keys fit one request, with every optional part that it may have. */
static bool fits_one_request(
	const struct mr_client *client, const struct mr_client_key *keys, size_t n_keys)
{
	size_t bytes = sizeof(struct mr_wire_req) + 2 * sizeof(uint64_t);

	if (n_keys > MR_WIRE_KEYS_MAX)
		return false;
	for (size_t i = 0; i < n_keys; i++)
		bytes += keys[i].bytes + 1u;
	return bytes <= client->max_payload_bytes;
}

static uint16_t read_flags(const struct mr_client_read *read)
{
	if (read == NULL)
		return 0;
	return (uint16_t)((read->strong ? MR_WIRE_F_STRONG : 0) |
			  (read->as_of_us != 0 ? MR_WIRE_F_ASOF : 0));
}

int mr_client_call_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	void *user, struct mr_client_result **ret_call)
{
	struct request request = {.keys = keys, .n = n_keys};
	uint16_t flags = read_flags(read);
	struct mr_client_result *call;

	if (n_keys == 0)
		return -EINVAL;
	// A second request would see another snapshot.
	if ((flags & MR_WIRE_F_STRONG) && !fits_one_request(client, keys, n_keys))
		return -EMSGSIZE;
	call = call_new(client, MR_WIRE_OP_GET, user);
	if (call == NULL)
		return -ENOMEM;
	call->view = view;
	call->flags |= flags;
	call->as_of_us = read != NULL ? read->as_of_us : 0;
	return enter(client, call, &request, ret_call);
}

int mr_client_call_write(struct mr_client *client, uint8_t op, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user,
	struct mr_client_result **ret_call)
{
	struct request request = {.rows = rows, .n = n_rows, .with_rows = op == MR_WIRE_OP_PUT};
	struct mr_client_result *call;

	if (n_rows == 0)
		return -EINVAL;
	call = call_new(client, op, user);
	if (call == NULL)
		return -ENOMEM;
	call->set_id = schema->id;
	call->layout = op == MR_WIRE_OP_PUT ? schema->layout : 0;
	strncpy(call->set_name, schema->name, sizeof(call->set_name) - 1);
	return enter(client, call, &request, ret_call);
}

int mr_client_call_ping(struct mr_client *client, struct mr_client_result **ret_call)
{
	// One entry without a key: what comes back is its status.
	static const struct mr_client_key key = {"", 1};
	struct request request = {.keys = &key, .n = 1};
	struct mr_client_result *call = call_new(client, MR_WIRE_OP_PING, NULL);

	return call == NULL ? -ENOMEM : enter(client, call, &request, ret_call);
}

// ---- cutting into parts ------------------------------------------------------------------------

/** A request written into client->scratch. */
struct cut {
	unsigned n_keys;
	int bytes; //!< or -errno: the first row cannot be sent at all
};

/** Bytes that one key's answer takes at least: what decides how many keys go together. */
static uint32_t expected_bytes(const struct mr_view *view)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; i < view->n_parts; i++)
		bytes += sizeof(struct mr_wire_entry) +
		         MR_ALIGN_UP((uint32_t)view->parts[i].shape.fixed_bytes, 8u);
	return bytes;
}

static struct cut cut_get(struct mr_client *client, const struct mr_client_result *call,
	const struct mr_wire_ask *ask)
{
	struct mr_wire_key keys[MR_WIRE_KEYS_MAX];
	uint32_t expected = expected_bytes(call->def->view);
	uint32_t reply_bytes = 0;
	uint32_t bytes = sizeof(struct mr_wire_req) + 2 * sizeof(uint64_t);
	bool is_one = (call->flags & MR_WIRE_F_STRONG) != 0;
	size_t left = call->n_keys - call->cursor;
	struct cut cut = {0};

	while (cut.n_keys < MR_MIN(left, (size_t)MR_WIRE_KEYS_MAX)) {
		const struct mr_client_ask *key = &call->asks[call->cursor + cut.n_keys];

		// One byte more for the table of lengths, which is there when lengths differ.
		bytes += key->key_bytes + 1u;
		reply_bytes += expected;
		if (cut.n_keys > 0 && !is_one &&
			(bytes > client->max_payload_bytes ||
				reply_bytes >
					MR_CLIENT_REPLY_DATAGRAMS * client->max_payload_bytes))
			break;
		keys[cut.n_keys].data = call->blob + key->key_offset;
		keys[cut.n_keys].bytes = key->key_bytes;
		cut.n_keys++;
	}
	cut.bytes = mr_wire_get_encode(
		client->scratch, MR_CLIENT_DATAGRAM_BYTES - 1, ask, keys, cut.n_keys);
	return cut;
}

static struct cut cut_write(struct mr_client *client, const struct mr_client_result *call,
	const struct mr_wire_ask *ask)
{
	struct mr_wire_writer writer;
	struct cut cut = {0};
	int rc = mr_wire_write_begin(&writer, client->scratch, client->max_payload_bytes,
		(enum mr_wire_op)call->op, ask, call->layout,
		(uint16_t)client->options.write_version);

	while (rc == 0 && cut.n_keys < MR_WIRE_KEYS_MAX &&
		call->cursor + cut.n_keys < call->n_keys) {
		const struct mr_client_ask *asked = &call->asks[call->cursor + cut.n_keys];
		struct mr_wire_row row = {
			.event_time_us = asked->event_time_us,
			.key = call->blob + asked->key_offset,
			.row = call->blob + asked->row_offset,
			.row_bytes = (uint16_t)asked->row_bytes,
			.key_bytes = asked->key_bytes,
		};

		rc = asked->row_bytes > MR_WIRE_ROW_MAX_BYTES ? -EINVAL
		                                              : mr_wire_write_add(&writer, &row);
		if (rc == 0)
			cut.n_keys++;
	}
	cut.bytes = cut.n_keys > 0 ? mr_wire_write_end(&writer) : rc;
	return cut;
}

static struct cut cut_part(struct mr_client *client, const struct mr_client_result *call)
{
	struct mr_wire_ask ask = {
		.request_id = mr_client_next_id(client),
		.deadline_us = client->options.deadline_us,
		.as_of_us = call->as_of_us,
		.trace_id = call->trace_id,
		.flags = call->flags,
		.view = call->op == MR_WIRE_OP_GET ? call->def->view->id : call->set_id,
	};

	if (call->op == MR_WIRE_OP_GET)
		return cut_get(client, call, &ask);
	if (call->op != MR_WIRE_OP_PING && client->mac_key.id != 0)
		ask.flags |= MR_WIRE_F_MAC;
	if (call->op == MR_WIRE_OP_PING)
		return (struct cut){
			1, mr_wire_ping_encode(client->scratch, MR_CLIENT_MIN_PAYLOAD, &ask)};
	return cut_write(client, call, &ask);
}

static void end_entry(struct mr_client_result *call, size_t key, enum mr_client_status status)
{
	struct mr_client_entry *entry = &call->entries[key * call->n_sets];

	for (unsigned set = 0; set < call->n_sets; set++) {
		entry[set].status = (uint8_t)status;
		entry[set].state = MR_CLIENT_ENTRY_DONE;
	}
}

static void start_part(struct mr_client *client, struct mr_client_result *call)
{
	struct cut cut = cut_part(client, call);
	struct mr_client_part *part = NULL;

	if (cut.bytes < 0) {
		end_entry(call, call->cursor++,
			cut.bytes == -EMSGSIZE ? MR_CLIENT_TOO_LONG : MR_CLIENT_BAD_ROW);
		return;
	}
	part = mr_client_part_new(client, call->op, client->scratch, (uint32_t)cut.bytes);
	if (part == NULL) {
		// Out of memory: these keys have no answer, the call still ends.
		for (unsigned i = 0; i < cut.n_keys; i++)
			end_entry(call, call->cursor++, MR_CLIENT_LOST);
		client->stats.lost += (uint64_t)cut.n_keys * call->n_sets;
		return;
	}
	part->call = call;
	part->first_key = call->cursor;
	part->n_keys = (uint8_t)cut.n_keys;
	part->entries_left = (size_t)cut.n_keys * call->n_sets;
	call->cursor += cut.n_keys;
	call->parts_open++;
	mr_client_part_queue(client, part);
}

void mr_client_calls_start(struct mr_client *client)
{
	struct mr_client_result *call;

	while ((call = TAILQ_FIRST(&client->calls)) != NULL &&
		client->n_user_parts < client->options.max_in_flight) {
		start_part(client, call);
		if (call->cursor < call->n_keys)
			continue;
		TAILQ_REMOVE(&client->calls, call, next);
		TAILQ_INSERT_TAIL(&client->busy, call, next);
		mr_client_call_check_done(client, call);
	}
}

void mr_client_call_check_done(struct mr_client *client, struct mr_client_result *call)
{
	if (call->cursor < call->n_keys || call->parts_open > 0)
		return;
	TAILQ_REMOVE(&client->busy, call, next);
	TAILQ_INSERT_TAIL(&client->done, call, next);
	release_request(call);
	call->is_done = true;
	client->n_open--;
	client->n_done++;
}

/** Takes back all parts of a call, and the call from its list. */
static void recall(struct mr_client *client, struct mr_client_result *call)
{
	for (uint32_t i = 0; i < client->n_slots && call->parts_open > 0; i++) {
		struct mr_client_part *part = &client->slots[i];

		if (part->request_id == 0 || part->call != call)
			continue;
		mr_client_part_free(client, part);
		call->parts_open--;
	}
	if (call->cursor < call->n_keys)
		TAILQ_REMOVE(&client->calls, call, next);
	else
		TAILQ_REMOVE(&client->busy, call, next);
}

void mr_client_call_fail(struct mr_client *client, struct mr_client_result *call,
	enum mr_client_status status, uint8_t refusal)
{
	for (size_t i = 0; i < call->n_entries; i++) {
		struct mr_client_entry *entry = &call->entries[i];

		if (entry->state == MR_CLIENT_ENTRY_DONE)
			continue;
		mr_client_entry_drop_pieces(entry);
		*entry = (struct mr_client_entry){
			.status = (uint8_t)status,
			.state = MR_CLIENT_ENTRY_DONE,
		};
		client->stats.lost += status == MR_CLIENT_LOST;
	}
	if (refusal != MR_WIRE_RESULT_OK)
		call->refusal = refusal;
	call->cursor = call->n_keys;
	TAILQ_INSERT_TAIL(&client->busy, call, next);
	mr_client_call_check_done(client, call);
}

void mr_client_call_resume(struct mr_client *client, struct mr_client_result *call)
{
	if (bind_view(call) == 0)
		TAILQ_INSERT_TAIL(&client->calls, call, next);
	else
		mr_client_call_fail(client, call, MR_CLIENT_ERROR, MR_WIRE_RESULT_OK);
}

void mr_client_call_restart(struct mr_client *client, struct mr_client_result *call)
{
	struct mr_client_view *view = call->view;

	recall(client, call);
	if (++call->restarts > MR_CLIENT_RESTARTS_MAX) {
		mr_client_call_fail(client, call, MR_CLIENT_STALE, MR_WIRE_RESULT_OK);
		return;
	}
	// Rows in the earlier layout must not stay beside rows in the new one.
	for (size_t i = 0; i < call->n_entries; i++) {
		mr_client_entry_drop_pieces(&call->entries[i]);
		call->entries[i] = (struct mr_client_entry){0};
	}
	if (view->def != call->def && !view->is_stale) {
		mr_client_call_resume(client, call);
		return;
	}
	view->is_stale = true;
	TAILQ_INSERT_TAIL(&view->waiters, call, next);
	mr_client_describe(client, view);
}
