// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>

#include "mr_bytes.h"
#include "mr_wire.h"
#include "process.h"

#define MEMCACHED_HEADER 8u
#define MILLRACE_ENTRY (sizeof(struct mr_wire_entry) + VALUE_BYTES)
#define MILLRACE_VIEW 1u // all columns of set 1
#define REDIS_VALUE 71u  // $64, the value, and line ends

const char *const peer_names[PEER_COUNT] = {"millrace", "echo", "memcached", "redis"};

static void millrace(struct question *q, uint64_t cookie)
{
	static const uint64_t zero;
	struct mr_wire_ask ask = {.view = MILLRACE_VIEW, .cookie = cookie};
	struct mr_wire_key keys[KEYS_MAX];

	for (unsigned i = 0; i < q->n_keys; i++)
		keys[i] = (struct mr_wire_key){&zero, sizeof(zero)};
	q->bytes = (unsigned)mr_wire_get_encode(q->data, sizeof(q->data), &ask, keys, q->n_keys);
	q->key_at = sizeof(struct mr_wire_req);
	q->key_stride = sizeof(zero);
	q->reply_bytes = (unsigned)(sizeof(struct mr_wire_rep) + q->n_keys * MILLRACE_ENTRY);
	if (q->peer == PEER_ECHO)
		q->reply_bytes = q->bytes;
}

// Request id, number and count of datagrams, zero: big-endian, 16 bits each; then the text.
static void memcached(struct question *q)
{
	unsigned at = MEMCACHED_HEADER + 3;

	memcpy(q->data, "\0\0\0\0\0\1\0\0get", at);
	q->key_at = at + 1;
	q->key_stride = 1 + DIGITS;
	for (unsigned i = 0; i < q->n_keys; i++, at += 1 + DIGITS)
		memcpy(q->data + at, " 0000000", 1 + DIGITS);
	memcpy(q->data + at, "\r\n", 2);
	q->bytes = at + 2;
	q->reply_bytes = MEMCACHED_HEADER + VALUE_BYTES +
	                 (unsigned)(sizeof("VALUE 0000000 0 64\r\n\r\nEND\r\n") - 1);
	q->n_pieces = q->n_keys;
}

static void redis(struct question *q)
{
	char *text = (char *)q->data;
	int at = q->n_keys == 1 ? sprintf(text, "*2\r\n$3\r\nGET\r\n")
	                        : sprintf(text, "*%u\r\n$4\r\nMGET\r\n", q->n_keys + 1);

	q->key_at = (unsigned)at + 4;
	q->key_stride = 4 + DIGITS + 2;
	for (unsigned i = 0; i < q->n_keys; i++)
		at += sprintf(text + at, "$7\r\n0000000\r\n");
	q->bytes = (unsigned)at;
	q->reply_bytes = q->n_keys * REDIS_VALUE;
	if (q->n_keys > 1)
		q->reply_bytes += (unsigned)snprintf(NULL, 0, "*%u\r\n", q->n_keys);
}

void question_init(struct question *q, enum peer peer, unsigned n_keys, uint64_t cookie)
{
	*q = (struct question){
		.peer = peer, .n_keys = n_keys, .n_pieces = 1, .tag = bench_tsc() << 16};
	if (peer == PEER_MEMCACHED)
		memcached(q);
	else if (peer == PEER_REDIS)
		redis(q);
	else
		millrace(q, cookie);
}

static void put_digits(uint8_t *at, uint64_t id)
{
	for (unsigned i = DIGITS; i-- > 0; id /= 10)
		at[i] = (uint8_t)('0' + id % 10);
}

void question_put(const struct question *q, uint8_t *data, unsigned slot, const uint64_t *ids)
{
	uint8_t *key = data + q->key_at;

	if (q->peer == PEER_MEMCACHED)
		memcpy(data, &(uint16_t){(uint16_t)slot}, sizeof(uint16_t));
	else if (q->peer != PEER_REDIS)
		mr_store_le64(data + offsetof(struct mr_wire_req, request_id), q->tag | slot);
	for (unsigned i = 0; i < q->n_keys; i++, key += q->key_stride)
		if (q->peer == PEER_MILLRACE || q->peer == PEER_ECHO)
			memcpy(key, &(uint64_t){htobe64(ids[i])}, sizeof(uint64_t));
		else
			put_digits(key, ids[i]);
}

unsigned question_slot(const struct question *q, const uint8_t *reply, unsigned bytes)
{
	uint64_t slot_id;
	uint16_t slot;

	if (q->peer == PEER_MEMCACHED && bytes >= MEMCACHED_HEADER) {
		memcpy(&slot, reply, sizeof(slot));
		return slot;
	}
	// Both headers have the id at the same place.
	static_assert(offsetof(struct mr_wire_req, request_id) ==
			      offsetof(struct mr_wire_rep, request_id),
		"an echo is no reply");
	if (bytes < sizeof(struct mr_wire_rep))
		return WINDOW_MAX;
	slot_id = mr_load_le64(reply + offsetof(struct mr_wire_rep, request_id)) - q->tag;
	return (unsigned)MR_MIN(slot_id, WINDOW_MAX);
}

bool question_is_piece(const struct question *q, const uint8_t *reply, unsigned bytes)
{
	return q->n_pieces > 1 && bytes > 5 && memcmp(reply + bytes - 5, "END\r\n", 5) != 0;
}

bool question_found(const struct question *q, const uint8_t *reply, unsigned bytes)
{
	const uint8_t *entry = reply + sizeof(struct mr_wire_rep);
	unsigned bad = 0;

	if (bytes != q->reply_bytes)
		return false;
	if (q->peer != PEER_MILLRACE)
		return true;
	bad = reply[offsetof(struct mr_wire_rep, result)];
	for (unsigned i = 0; i < q->n_keys; i++)
		bad |= entry[i * MILLRACE_ENTRY + offsetof(struct mr_wire_entry, status)];
	return bad == 0;
}
