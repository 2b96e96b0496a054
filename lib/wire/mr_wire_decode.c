// SPDX-License-Identifier: BSD-3-Clause

#include "mr_wire.h"
#include "mr_wire_span.h"

static const uint16_t op_flags[MR_WIRE_OP_COUNT] = {
	[MR_WIRE_OP_HELLO] = MR_WIRE_F_TRACE | MR_WIRE_F_PADDED,
	[MR_WIRE_OP_PING] = MR_WIRE_F_TRACE | MR_WIRE_F_PADDED,
	[MR_WIRE_OP_GET] = MR_WIRE_F_STRONG | MR_WIRE_F_ASOF | MR_WIRE_F_TRACE | MR_WIRE_F_PADDED |
                           MR_WIRE_F_TIMES,
	[MR_WIRE_OP_PUT] = MR_WIRE_F_TRACE | MR_WIRE_F_MAC | MR_WIRE_F_PADDED | MR_WIRE_F_TIMES,
	[MR_WIRE_OP_DELETE] = MR_WIRE_F_TRACE | MR_WIRE_F_MAC | MR_WIRE_F_PADDED | MR_WIRE_F_TIMES,
	[MR_WIRE_OP_DESCRIBE] = MR_WIRE_F_TRACE | MR_WIRE_F_PADDED,
};

uint16_t mr_wire_op_flags(unsigned op)
{
	return op < MR_WIRE_OP_COUNT ? op_flags[op] : 0;
}

/** What follows is the body, up to the end of the datagram. */
static void body_starts(const struct mr_wire_span *in, struct mr_wire_request *req)
{
	req->keys = in->at;
	req->body_bytes = (uint16_t)in->left;
}

/** The words and the MAC that flags ask for. */
static enum mr_wire_defect decode_options(struct mr_wire_span *in, struct mr_wire_request *req)
{
	const uint8_t *word;

	if (req->flags & MR_WIRE_F_ASOF) {
		word = mr_wire_span_take(in, sizeof(uint64_t));
		if (word == NULL)
			return MR_WIRE_DEFECT_TRUNCATED;
		req->as_of_us = mr_load_le64(word);
	}
	if (req->flags & MR_WIRE_F_TRACE) {
		word = mr_wire_span_take(in, sizeof(uint64_t));
		if (word == NULL)
			return MR_WIRE_DEFECT_TRUNCATED;
		req->trace_id = mr_load_le64(word);
	}
	if (req->flags & MR_WIRE_F_MAC) {
		if (in->left < sizeof(struct mr_wire_mac))
			return MR_WIRE_DEFECT_TRUNCATED;
		in->left -= sizeof(struct mr_wire_mac);
		req->mac = (const struct mr_wire_mac *)(in->at + in->left);
		if (mr_load_le32(in->at + in->left + offsetof(struct mr_wire_mac, reserved)) != 0)
			return MR_WIRE_DEFECT_NOT_ZERO;
	}
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_key_table(struct mr_wire_span *in, struct mr_wire_request *req)
{
	const uint8_t *lens = mr_wire_span_take(in, req->key_count);
	uint32_t sum = 0;
	bool empty = false;

	if (lens == NULL)
		return MR_WIRE_DEFECT_KEY_COUNT;
	for (unsigned i = 0; i < req->key_count; i++) {
		sum += lens[i];
		empty |= lens[i] == 0;
	}
	req->key_lens = lens;
	body_starts(in, req);
	if (empty || mr_wire_span_take(in, sum) == NULL)
		return MR_WIRE_DEFECT_KEY_LENGTH;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_get(struct mr_wire_span *in, struct mr_wire_request *req)
{
	if (req->key_count == 0)
		return MR_WIRE_DEFECT_NO_KEYS;
	if (req->key_bytes == 0)
		return decode_key_table(in, req);
	body_starts(in, req);
	if (mr_wire_span_take(in, (uint32_t)req->key_count * req->key_bytes) == NULL)
		return MR_WIRE_DEFECT_KEY_COUNT;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_record(struct mr_wire_span *in, uint8_t op)
{
	const uint8_t *head = mr_wire_span_take(in, sizeof(struct mr_wire_record));
	struct mr_wire_record record;
	uint32_t row_bytes;
	bool key_pad_is_zero, row_pad_is_zero;

	if (head == NULL)
		return MR_WIRE_DEFECT_KEY_COUNT;
	memcpy(&record, head, sizeof(record));
	if (record.zero0 != 0 || record.zero1 != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	if (record.key_bytes == 0 ||
		mr_wire_span_take_padded(in, record.key_bytes, &key_pad_is_zero) == NULL)
		return MR_WIRE_DEFECT_KEY_LENGTH;
	row_bytes = le16toh(record.row_bytes);
	if (row_bytes > (op == MR_WIRE_OP_PUT ? MR_WIRE_ROW_MAX_BYTES : 0) ||
		mr_wire_span_take_padded(in, row_bytes, &row_pad_is_zero) == NULL)
		return MR_WIRE_DEFECT_ROW_LENGTH;
	if (!key_pad_is_zero || !row_pad_is_zero)
		return MR_WIRE_DEFECT_NOT_ZERO;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_write(struct mr_wire_span *in, struct mr_wire_request *req)
{
	const uint8_t *head = mr_wire_span_take(in, sizeof(struct mr_wire_write));
	struct mr_wire_write write;
	enum mr_wire_defect defect = MR_WIRE_DEFECT_NONE;

	if (head == NULL)
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&write, head, sizeof(write));
	if (req->key_bytes != 0 || write.zero != 0 ||
		(req->op == MR_WIRE_OP_DELETE && write.layout != 0))
		return MR_WIRE_DEFECT_NOT_ZERO;
	if (req->key_count == 0)
		return MR_WIRE_DEFECT_NO_KEYS;
	req->layout = le32toh(write.layout);
	req->version = le16toh(write.version);
	body_starts(in, req);
	for (unsigned i = 0; i < req->key_count && defect == MR_WIRE_DEFECT_NONE; i++)
		defect = decode_record(in, req->op);
	return defect;
}

static enum mr_wire_defect decode_hello(struct mr_wire_span *in)
{
	const uint8_t *body = mr_wire_span_take(in, sizeof(struct mr_wire_hello));
	struct mr_wire_hello hello;

	if (body == NULL)
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&hello, body, sizeof(hello));
	if (!mr_wire_all_zero(hello.zero0, sizeof(hello.zero0)) ||
		!mr_wire_all_zero(hello.zero1, sizeof(hello.zero1)))
		return MR_WIRE_DEFECT_NOT_ZERO;
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_describe(struct mr_wire_span *in, size_t bytes)
{
	const uint8_t *body = mr_wire_span_take(in, sizeof(struct mr_wire_describe));
	struct mr_wire_describe describe;

	if (body == NULL || bytes < MR_WIRE_DESCRIBE_MIN_BYTES)
		return MR_WIRE_DEFECT_TRUNCATED;
	memcpy(&describe, body, sizeof(describe));
	if (!mr_wire_all_zero(describe.zero, sizeof(describe.zero)))
		return MR_WIRE_DEFECT_NOT_ZERO;
	if (describe.name_bytes == 0 || describe.name_bytes > MR_WIRE_NAME_MAX_BYTES ||
		mr_wire_span_take(in, describe.name_bytes) == NULL)
		return MR_WIRE_DEFECT_KEY_LENGTH;
	return MR_WIRE_DEFECT_NONE;
}

/** HELLO, PING and DESCRIBE: no view, no keys, a fixed body. */
static enum mr_wire_defect decode_other(
	struct mr_wire_span *in, size_t bytes, struct mr_wire_request *req)
{
	if (req->view != 0 || req->key_count != 0 || req->key_bytes != 0)
		return MR_WIRE_DEFECT_NOT_ZERO;
	body_starts(in, req);
	if (req->op == MR_WIRE_OP_HELLO)
		return decode_hello(in);
	if (req->op == MR_WIRE_OP_DESCRIBE)
		return decode_describe(in, bytes);
	return MR_WIRE_DEFECT_NONE;
}

static enum mr_wire_defect decode_body(
	struct mr_wire_span *in, size_t bytes, struct mr_wire_request *req)
{
	enum mr_wire_defect defect = decode_options(in, req);

	if (defect != MR_WIRE_DEFECT_NONE)
		return defect;
	if (req->op == MR_WIRE_OP_GET)
		defect = decode_get(in, req);
	else if (req->op == MR_WIRE_OP_PUT || req->op == MR_WIRE_OP_DELETE)
		defect = decode_write(in, req);
	else
		defect = decode_other(in, bytes, req);
	if (defect == MR_WIRE_DEFECT_NONE && in->left != 0 && !(req->flags & MR_WIRE_F_PADDED))
		defect = MR_WIRE_DEFECT_TRAILING;
	return defect;
}

/** Leaves what an error reply needs, and nothing that could be taken for a request. */
static enum mr_wire_defect refuse(
	struct mr_wire_request *ret, uint64_t request_id, uint8_t op, enum mr_wire_defect defect)
{
	*ret = (struct mr_wire_request){.request_id = request_id, .op = op};
	return defect;
}

enum mr_wire_defect mr_wire_request_decode_any(
	const void *data, size_t bytes, struct mr_wire_request *ret)
{
	enum mr_wire_defect defect = MR_WIRE_DEFECT_NONE;
	struct mr_wire_req head;
	struct mr_wire_span in;
	uint64_t request_id;

	if (bytes < sizeof(head))
		return refuse(ret, 0, 0, MR_WIRE_DEFECT_TRUNCATED);
	memcpy(&head, data, sizeof(head));
	if (le32toh(head.magic) != MR_WIRE_MAGIC_REQUEST)
		return refuse(ret, 0, 0, MR_WIRE_DEFECT_BAD_MAGIC);
	request_id = le64toh(head.request_id);
	if (head.version != MR_WIRE_VERSION)
		defect = MR_WIRE_DEFECT_BAD_VERSION;
	else if (head.op == 0 || head.op >= MR_WIRE_OP_COUNT)
		defect = MR_WIRE_DEFECT_UNKNOWN_OP;
	else if (le16toh(head.flags) & MR_WIRE_F_CRITICAL & ~mr_wire_op_flags(head.op))
		defect = MR_WIRE_DEFECT_BAD_FLAGS;
	else if (bytes > UINT16_MAX)
		defect = MR_WIRE_DEFECT_TRAILING;
	if (defect != MR_WIRE_DEFECT_NONE)
		return refuse(ret, request_id, head.op, defect);

	*ret = (struct mr_wire_request){
		.request_id = request_id,
		.cookie = le64toh(head.cookie),
		.deadline_us = le32toh(head.deadline_us),
		.flags = le16toh(head.flags),
		.view = le16toh(head.view),
		.op = head.op,
		.key_count = head.key_count,
		.key_bytes = head.key_bytes,
	};
	in.at = (const uint8_t *)data + sizeof(head);
	in.left = (uint32_t)(bytes - sizeof(head));
	defect = decode_body(&in, bytes, ret);
	return defect == MR_WIRE_DEFECT_NONE ? defect : refuse(ret, request_id, head.op, defect);
}

bool mr_wire_record_next(
	const struct mr_wire_request *req, uint32_t *cursor, struct mr_wire_row *ret_row)
{
	// The number of the next record above, its offset below, as in mr_wire_key_next().
	unsigned i = *cursor >> 16;
	uint32_t offset = *cursor & 0xffffu;
	struct mr_wire_record record;

	if (i == req->key_count)
		return false;
	memcpy(&record, req->keys + offset, sizeof(record));
	offset += sizeof(record);
	ret_row->event_time_us = le64toh(record.event_time_us);
	ret_row->row_bytes = le16toh(record.row_bytes);
	ret_row->key_bytes = record.key_bytes;
	ret_row->key = req->keys + offset;
	offset += mr_wire_padded(record.key_bytes);
	ret_row->row = req->keys + offset;
	offset += mr_wire_padded(ret_row->row_bytes);
	*cursor = (i + 1) << 16 | offset;
	return true;
}

void mr_wire_hello_get(const struct mr_wire_request *req, struct mr_wire_hello *ret)
{
	memcpy(ret, req->keys, sizeof(*ret));
	ret->nonce = le64toh(ret->nonce);
}

void mr_wire_describe_get(
	const struct mr_wire_request *req, struct mr_wire_describe *ret, const char **ret_name)
{
	memcpy(ret, req->keys, sizeof(*ret));
	ret->offset = le32toh(ret->offset);
	*ret_name = (const char *)req->keys + sizeof(*ret);
}
