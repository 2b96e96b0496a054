// SPDX-License-Identifier: BSD-3-Clause

#include "mr_wire.h"
#include "mr_wire_span.h"

#include <errno.h>

/** @return the next @p bytes of the request, zeroed, or NULL when it is full. */
static uint8_t *put(struct mr_wire_writer *w, size_t bytes)
{
	uint8_t *at = w->data + w->bytes;

	if (bytes > w->capacity_bytes - w->bytes)
		return NULL;
	memset(at, 0, bytes);
	w->bytes += bytes;
	return at;
}

static int put_word(struct mr_wire_writer *w, uint64_t word)
{
	uint8_t *at = put(w, sizeof(word));

	if (at == NULL)
		return -EMSGSIZE;
	mr_store_le64(at, word);
	return 0;
}

/** Header and optional words; room for a MAC is taken off the capacity. */
static int begin(struct mr_wire_writer *w, void *data, size_t capacity_bytes, enum mr_wire_op op,
	const struct mr_wire_ask *ask)
{
	size_t mac_bytes = ask->flags & MR_WIRE_F_MAC ? sizeof(struct mr_wire_mac) : 0;
	struct mr_wire_req head = {
		.magic = htole32(MR_WIRE_MAGIC_REQUEST),
		.version = MR_WIRE_VERSION,
		.op = (uint8_t)op,
		.flags = htole16(ask->flags),
		.request_id = htole64(ask->request_id),
		.cookie = htole64(ask->cookie),
		.deadline_us = htole32(ask->deadline_us),
	};
	uint8_t *at;

	if (ask->flags & MR_WIRE_F_CRITICAL & ~mr_wire_op_flags(op))
		return -EINVAL;
	capacity_bytes = MR_MIN(capacity_bytes, (size_t)UINT16_MAX);
	if (capacity_bytes < sizeof(head) + mac_bytes)
		return -EMSGSIZE;
	if (op == MR_WIRE_OP_GET || op == MR_WIRE_OP_PUT || op == MR_WIRE_OP_DELETE)
		head.view = htole16(ask->view);
	*w = (struct mr_wire_writer){
		.data = data,
		.capacity_bytes = capacity_bytes - mac_bytes,
		.op = (uint8_t)op,
	};
	at = put(w, sizeof(head));
	memcpy(at, &head, sizeof(head));
	if ((ask->flags & MR_WIRE_F_ASOF) && put_word(w, ask->as_of_us) != 0)
		return -EMSGSIZE;
	if ((ask->flags & MR_WIRE_F_TRACE) && put_word(w, ask->trace_id) != 0)
		return -EMSGSIZE;
	return 0;
}

/** Padding, room for the MAC. @return bytes of the whole request. */
static int end(struct mr_wire_writer *w)
{
	uint16_t flags = mr_load_le16(w->data + offsetof(struct mr_wire_req, flags));

	if (flags & MR_WIRE_F_PADDED)
		put(w, w->capacity_bytes - w->bytes);
	if (flags & MR_WIRE_F_MAC) {
		w->capacity_bytes += sizeof(struct mr_wire_mac);
		put(w, sizeof(struct mr_wire_mac));
	}
	return (int)w->bytes;
}

/** @return whether all keys are of one length; *ret_bytes: of all of them; 0: one is empty. */
static bool measure(const struct mr_wire_key *keys, unsigned n_keys, size_t *ret_bytes)
{
	bool same = true;
	size_t sum = 0;

	for (unsigned i = 0; i < n_keys; i++) {
		if (keys[i].bytes == 0) {
			*ret_bytes = 0;
			return false;
		}
		same &= keys[i].bytes == keys[0].bytes;
		sum += keys[i].bytes;
	}
	*ret_bytes = sum;
	return same;
}

int mr_wire_get_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask,
	const struct mr_wire_key *keys, unsigned n_keys)
{
	struct mr_wire_writer w;
	size_t keys_bytes = 0;
	bool same = measure(keys, n_keys, &keys_bytes);
	uint8_t *lens = NULL, *at;
	int err;

	if (keys_bytes == 0)
		return -EINVAL;
	if (n_keys > MR_WIRE_KEYS_MAX)
		return -EMSGSIZE;
	err = begin(&w, data, capacity_bytes, MR_WIRE_OP_GET, ask);
	if (err != 0)
		return err;
	if (!same && (lens = put(&w, n_keys)) == NULL)
		return -EMSGSIZE;
	if ((at = put(&w, keys_bytes)) == NULL)
		return -EMSGSIZE;
	for (unsigned i = 0; i < n_keys; i++) {
		memcpy(at, keys[i].data, keys[i].bytes);
		at += keys[i].bytes;
		if (lens != NULL)
			lens[i] = keys[i].bytes;
	}
	w.data[offsetof(struct mr_wire_req, key_count)] = (uint8_t)n_keys;
	w.data[offsetof(struct mr_wire_req, key_bytes)] = same ? keys[0].bytes : 0;
	return end(&w);
}

int mr_wire_write_begin(struct mr_wire_writer *w, void *data, size_t capacity_bytes,
	enum mr_wire_op op, const struct mr_wire_ask *ask, uint32_t layout, uint16_t version)
{
	uint8_t *head;
	int err;

	if ((op != MR_WIRE_OP_PUT && op != MR_WIRE_OP_DELETE) ||
		(op == MR_WIRE_OP_DELETE && layout != 0))
		return -EINVAL;
	err = begin(w, data, capacity_bytes, op, ask);
	if (err != 0)
		return err;
	head = put(w, sizeof(struct mr_wire_write));
	if (head == NULL)
		return -EMSGSIZE;
	mr_store_le32(head + offsetof(struct mr_wire_write, layout), layout);
	mr_store_le16(head + offsetof(struct mr_wire_write, version), version);
	return 0;
}

int mr_wire_write_add(struct mr_wire_writer *w, const struct mr_wire_row *row)
{
	struct mr_wire_record record = {
		.event_time_us = htole64(row->event_time_us),
		.row_bytes = htole16(row->row_bytes),
		.key_bytes = row->key_bytes,
	};
	uint32_t key_room = mr_wire_padded(row->key_bytes);
	uint8_t *at;

	if (row->key_bytes == 0 ||
		row->row_bytes > (w->op == MR_WIRE_OP_PUT ? MR_WIRE_ROW_MAX_BYTES : 0))
		return -EINVAL;
	if (w->key_count == MR_WIRE_KEYS_MAX)
		return -EMSGSIZE;
	at = put(w, sizeof(record) + key_room + mr_wire_padded(row->row_bytes));
	if (at == NULL)
		return -EMSGSIZE;
	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), row->key, row->key_bytes);
	if (row->row_bytes != 0)
		memcpy(at + sizeof(record) + key_room, row->row, row->row_bytes);
	w->key_count++;
	return 0;
}

int mr_wire_write_end(struct mr_wire_writer *w)
{
	if (w->key_count == 0)
		return -EINVAL;
	w->data[offsetof(struct mr_wire_req, key_count)] = w->key_count;
	return end(w);
}

int mr_wire_hello_encode(
	void *data, size_t capacity_bytes, const struct mr_wire_ask *ask, uint64_t nonce)
{
	struct mr_wire_writer w;
	struct mr_wire_hello hello = {
		.version_min = MR_WIRE_VERSION,
		.version_max = MR_WIRE_VERSION,
		.nonce = htole64(nonce),
	};
	uint8_t *at;
	int err = begin(&w, data, capacity_bytes, MR_WIRE_OP_HELLO, ask);

	if (err != 0)
		return err;
	at = put(&w, sizeof(hello));
	if (at == NULL)
		return -EMSGSIZE;
	memcpy(at, &hello, sizeof(hello));
	return end(&w);
}

int mr_wire_ping_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask)
{
	struct mr_wire_writer w;
	int err = begin(&w, data, capacity_bytes, MR_WIRE_OP_PING, ask);

	return err != 0 ? err : end(&w);
}

int mr_wire_describe_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask,
	const char *name, uint32_t offset)
{
	struct mr_wire_writer w;
	struct mr_wire_ask padded = *ask;
	struct mr_wire_describe describe = {.offset = htole32(offset)};
	size_t name_bytes = strlen(name);
	uint8_t *at;
	int err;

	if (name_bytes == 0 || name_bytes > MR_WIRE_NAME_MAX_BYTES)
		return -EINVAL;
	if (capacity_bytes < MR_WIRE_DESCRIBE_MIN_BYTES)
		return -EMSGSIZE;
	padded.flags |= MR_WIRE_F_PADDED;
	err = begin(&w, data, capacity_bytes, MR_WIRE_OP_DESCRIBE, &padded);
	if (err != 0)
		return err;
	at = put(&w, sizeof(describe) + name_bytes);
	if (at == NULL)
		return -EMSGSIZE;
	describe.name_bytes = (uint8_t)name_bytes;
	memcpy(at, &describe, sizeof(describe));
	memcpy(at + sizeof(describe), name, name_bytes);
	return end(&w);
}
