// SPDX-License-Identifier: BSD-3-Clause

#include "mr_wire.h"
#include "mr_wire_span.h"

/** Where an entry stands in its datagram decides what it may be. */
struct place {
	bool may_continue; //!< first of a later datagram: its row may have begun before
	bool may_break;    //!< last of an earlier datagram: its row may go on
};

static enum mr_wire_defect decode_entry(struct mr_wire_span *in, struct place place)
{
	const uint8_t *head = mr_wire_span_take(in, sizeof(struct mr_wire_entry));
	struct mr_wire_entry entry;
	uint32_t row_bytes, offset, piece_bytes, end;
	bool pad_is_zero;

	if (head == NULL)
		return MR_WIRE_DEFECT_KEY_COUNT;
	memcpy(&entry, head, sizeof(entry));
	row_bytes = le16toh(entry.row_bytes);
	offset = le16toh(entry.piece_offset);
	piece_bytes = le16toh(entry.piece_bytes);
	end = offset + piece_bytes;
	if (entry.zero != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	if (row_bytes > MR_WIRE_ROW_MAX_BYTES || end > row_bytes)
		return MR_WIRE_DEFECT_ROW_LENGTH;
	if (row_bytes != 0 && entry.status != MR_STATUS_OK && entry.status < MR_STATUS_COUNT)
		return MR_WIRE_DEFECT_ROW_LENGTH;
	if ((offset != 0 && !place.may_continue) || (end != row_bytes && !place.may_break) ||
		(row_bytes != 0 && piece_bytes == 0))
		return MR_WIRE_DEFECT_FRAGMENT;
	if (mr_wire_span_take_padded(in, piece_bytes, &pad_is_zero) == NULL)
		return MR_WIRE_DEFECT_ROW_LENGTH;
	return pad_is_zero ? MR_WIRE_DEFECT_NONE : MR_WIRE_DEFECT_NOT_ZERO;
}

static enum mr_wire_defect decode_get(struct mr_wire_span *in, const struct mr_wire_reply *rep)
{
	uint32_t total = (uint32_t)rep->key_count * rep->set_count;
	uint32_t end = (uint32_t)rep->first_entry + rep->entry_count;
	bool first = rep->frag == 0;
	bool last = rep->frag + 1 == rep->frag_count;
	enum mr_wire_defect defect = MR_WIRE_DEFECT_NONE;

	if (rep->key_count == 0)
		return MR_WIRE_DEFECT_NO_KEYS;
	if (rep->set_count == 0 || rep->set_count > MR_WIRE_SETS_MAX || rep->entry_count == 0)
		return MR_WIRE_DEFECT_KEY_COUNT;
	if (end > total || (first && rep->first_entry != 0) || (last && end != total))
		return MR_WIRE_DEFECT_FRAGMENT;
	for (unsigned i = 0; i < rep->entry_count && defect == MR_WIRE_DEFECT_NONE; i++) {
		struct place place = {
			.may_continue = i == 0 && !first,
			.may_break = i + 1 == rep->entry_count && !last,
		};
		defect = decode_entry(in, place);
	}
	return defect;
}

static enum mr_wire_defect decode_acks(struct mr_wire_span *in, const struct mr_wire_reply *rep)
{
	const uint8_t *acks = mr_wire_span_take(in, rep->entry_count * sizeof(struct mr_wire_ack));
	struct mr_wire_ack ack;

	if (rep->key_count == 0)
		return MR_WIRE_DEFECT_NO_KEYS;
	if (acks == NULL || rep->entry_count != rep->key_count)
		return MR_WIRE_DEFECT_KEY_COUNT;
	for (unsigned i = 0; i < rep->entry_count; i++) {
		memcpy(&ack, acks + i * sizeof(ack), sizeof(ack));
		if (!mr_wire_all_zero(ack.zero, sizeof(ack.zero)))
			return MR_WIRE_DEFECT_NOT_ZERO;
	}
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_hello(struct mr_wire_span *in)
{
	const uint8_t *body = mr_wire_span_take(in, sizeof(struct mr_wire_hello_reply));
	struct mr_wire_hello_reply hello;

	if (body == NULL)
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&hello, body, sizeof(hello));
	if (hello.zero0 != 0 || hello.zero1 != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_describe(struct mr_wire_span *in)
{
	const uint8_t *body = mr_wire_span_take(in, sizeof(struct mr_wire_describe_reply));
	struct mr_wire_describe_reply describe;
	uint64_t end;

	if (body == NULL)
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&describe, body, sizeof(describe));
	end = (uint64_t)le32toh(describe.offset) + le16toh(describe.bytes);
	if (end > le32toh(describe.total_bytes) ||
		mr_wire_span_take(in, le16toh(describe.bytes)) == NULL)
		return MR_WIRE_DEFECT_ROW_LENGTH;
	return MR_WIRE_DEFECT_NONE;
}

/** Anything but the answer to a GET is one datagram, and numbers no entries beyond its keys. */
static enum mr_wire_defect decode_single(struct mr_wire_span *in, const struct mr_wire_reply *rep)
{
	bool write = rep->op == MR_WIRE_OP_PUT || rep->op == MR_WIRE_OP_DELETE;

	if (rep->frag_count != 1 || rep->first_entry != 0)
		return MR_WIRE_DEFECT_FRAGMENT;
	if (rep->result == MR_WIRE_RESULT_OK && write)
		return decode_acks(in, rep);
	if (rep->entry_count != 0)
		return MR_WIRE_DEFECT_KEY_COUNT;
	if (rep->result == MR_WIRE_RESULT_OK && rep->op == MR_WIRE_OP_HELLO)
		return decode_hello(in);
	if (rep->result == MR_WIRE_RESULT_OK && rep->op == MR_WIRE_OP_DESCRIBE)
		return decode_describe(in);
	return MR_WIRE_DEFECT_NONE;
}

// The times that end a datagram: of the last of a reply, answered OK.
static enum mr_wire_defect decode_times(struct mr_wire_span *in, struct mr_wire_reply *rep)
{
	if ((rep->flags & MR_WIRE_R_TIMES) == 0 || rep->result != MR_WIRE_RESULT_OK)
		return MR_WIRE_DEFECT_NONE;
	if (in->left < sizeof(struct mr_wire_times))
		return MR_WIRE_DEFECT_TRUNCATED;
	in->left -= sizeof(struct mr_wire_times);
	rep->times = in->at + in->left;
	rep->body_bytes = (uint16_t)in->left;
	if (mr_load_le32(rep->times + offsetof(struct mr_wire_times, zero)) != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_body(struct mr_wire_span *in, const struct mr_wire_reply *rep)
{
	bool get = rep->op == MR_WIRE_OP_GET && rep->result == MR_WIRE_RESULT_OK;
	enum mr_wire_defect defect;

	if (rep->frag >= rep->frag_count)
		return MR_WIRE_DEFECT_FRAGMENT;
	if (!get && rep->set_count != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	defect = get ? decode_get(in, rep) : decode_single(in, rep);
	if (defect == MR_WIRE_DEFECT_NONE && in->left != 0)
		defect = MR_WIRE_DEFECT_TRAILING;
	return defect;
}

enum mr_wire_defect mr_wire_reply_decode(const void *data, size_t bytes, struct mr_wire_reply *ret)
{
	struct mr_wire_rep head;

	memset(ret, 0, sizeof(*ret));
	if (bytes < sizeof(head))
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&head, data, sizeof(head));
	if (le32toh(head.magic) != MR_WIRE_MAGIC_REPLY)
		return MR_WIRE_DEFECT_BAD_MAGIC;
	ret->request_id = le64toh(head.request_id);
	ret->version = head.version;
	ret->op = head.op;
	ret->result = head.result;
	if (head.version != MR_WIRE_VERSION)
		return MR_WIRE_DEFECT_BAD_VERSION;
	// A refusal echoes whatever operation it refuses.
	if (head.result == MR_WIRE_RESULT_OK && (head.op == 0 || head.op >= MR_WIRE_OP_COUNT))
		return MR_WIRE_DEFECT_UNKNOWN_OP;
	if (head.zero != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	if (bytes > UINT16_MAX)
		return MR_WIRE_DEFECT_TRAILING;

	struct mr_wire_span in = {
		(const uint8_t *)data + sizeof(head), (uint32_t)(bytes - sizeof(head))};
	struct mr_wire_reply rep = {
		.request_id = ret->request_id,
		.layout = le32toh(head.layout),
		.flags = le16toh(head.flags),
		.frag = le16toh(head.frag),
		.frag_count = le16toh(head.frag_count),
		.first_entry = le16toh(head.first_entry),
		.entry_count = le16toh(head.entry_count),
		.version = head.version,
		.op = head.op,
		.result = head.result,
		.key_count = head.key_count,
		.set_count = head.set_count,
		.body = in.at,
		.body_bytes = (uint16_t)in.left,
	};
	enum mr_wire_defect defect = decode_times(&in, &rep);

	if (defect == MR_WIRE_DEFECT_NONE)
		defect = decode_body(&in, &rep);
	if (defect == MR_WIRE_DEFECT_NONE)
		*ret = rep;
	return defect;
}

#define TIMES_WORDS(X) X(total) X(parse) X(probe) X(ring) X(queue) X(lock) X(read) X(commit)

void mr_wire_times_put(void *at, const struct mr_wire_times *times)
{
	struct mr_wire_times le = {
		.trace_id = htole64(times->trace_id), .met = htole32(times->met)};

#define X(name) le.name##_ns = htole32(times->name##_ns);
	TIMES_WORDS(X)
#undef X
	memcpy(at, &le, sizeof(le));
}

bool mr_wire_times_get(const struct mr_wire_reply *rep, struct mr_wire_times *ret)
{
	if (rep->times == NULL)
		return false;
	memcpy(ret, rep->times, sizeof(*ret));
	ret->trace_id = le64toh(ret->trace_id);
	ret->met = le32toh(ret->met);
#define X(name) ret->name##_ns = le32toh(ret->name##_ns);
	TIMES_WORDS(X)
#undef X
	return true;
}

static uint8_t known_status(uint8_t status)
{
	return status < MR_STATUS_COUNT ? status : MR_STATUS_ERROR;
}

bool mr_wire_entry_next(
	const struct mr_wire_reply *rep, uint32_t *cursor, struct mr_wire_value *ret_value)
{
	// The number of the next entry above, its offset below.
	unsigned i = *cursor >> 16;
	uint32_t offset = *cursor & 0xffffu;
	struct mr_wire_entry entry;

	if (i == rep->entry_count)
		return false;
	memcpy(&entry, rep->body + offset, sizeof(entry));
	offset += sizeof(entry);
	ret_value->event_time_us = le64toh(entry.event_time_us);
	ret_value->piece = rep->body + offset;
	ret_value->entry = (uint16_t)(rep->first_entry + i);
	ret_value->row_bytes = le16toh(entry.row_bytes);
	ret_value->piece_offset = le16toh(entry.piece_offset);
	ret_value->piece_bytes = le16toh(entry.piece_bytes);
	ret_value->status = known_status(entry.status);
	offset += mr_wire_padded(ret_value->piece_bytes);
	*cursor = (i + 1) << 16 | offset;
	return true;
}

enum mr_status mr_wire_ack_status(const struct mr_wire_reply *rep, unsigned i)
{
	const uint8_t *ack = rep->body + i * sizeof(struct mr_wire_ack);

	return (enum mr_status)known_status(ack[offsetof(struct mr_wire_ack, status)]);
}

void mr_wire_hello_reply_get(const struct mr_wire_reply *rep, struct mr_wire_hello_reply *ret)
{
	memcpy(ret, rep->body, sizeof(*ret));
	ret->flags = le16toh(ret->flags);
	ret->max_payload_bytes = le16toh(ret->max_payload_bytes);
	ret->cookie = le64toh(ret->cookie);
	ret->cookie_valid_s = le32toh(ret->cookie_valid_s);
	ret->server_time_us = le64toh(ret->server_time_us);
}

void mr_wire_describe_reply_get(
	const struct mr_wire_reply *rep, struct mr_wire_describe_reply *ret, const char **ret_text)
{
	memcpy(ret, rep->body, sizeof(*ret));
	ret->view = le16toh(ret->view);
	ret->bytes = le16toh(ret->bytes);
	ret->layout = le32toh(ret->layout);
	ret->offset = le32toh(ret->offset);
	ret->total_bytes = le32toh(ret->total_bytes);
	*ret_text = (const char *)rep->body + sizeof(*ret);
}
