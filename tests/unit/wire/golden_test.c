// SPDX-License-Identifier: BSD-3-Clause
//
// The golden vectors: frozen, decoded to what they say, and encoded again to the same bytes.

#include "golden_v1.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define RID UINT64_C(0x1122334455667788)
#define T UINT64_C(1700000000000000)
#define MAC_AT_END UINT64_C(0x8877665544332211)
#define KEY_42                          \
	{                               \
		"\0\0\0\0\0\0\0\x2a", 8 \
	}

// ---- requests -----------------------------------------------------------------------------------

struct request_case {
	const char *name;
	enum mr_wire_op op;
	struct mr_wire_ask ask;
	struct mr_wire_key keys[3]; // GET
	struct mr_wire_row rows[2]; // PUT, DELETE
	unsigned count;
	uint32_t layout;
	uint16_t version;
	uint64_t nonce;       // HELLO
	const char *describe; // DESCRIBE
	uint32_t offset;
};

#define ROW(event, k, kb, r, rb)                                                          \
	{                                                                                 \
		.event_time_us = (event), .key = (const uint8_t *)(k), .key_bytes = (kb), \
		.row = (const uint8_t *)(r), .row_bytes = (rb)                            \
	}

static uint8_t long_key[255];

static const struct request_case request_cases[] = {
	{"request-get-one", MR_WIRE_OP_GET, {.view = 7}, {KEY_42}, .count = 1},
	{"request-get-fixed-three", MR_WIRE_OP_GET,
		{.view = 258, .cookie = UINT64_C(0xfeedfacecafebeef), .deadline_us = 2500},
		{{"aaaa", 4}, {"bbbb", 4}, {"cccc", 4}}, .count = 3},
	{"request-get-table", MR_WIRE_OP_GET, {.view = 7}, {{"x", 1}, {"abcd", 4}, {"yz", 2}},
		.count = 3},
	{"request-get-longest-key", MR_WIRE_OP_GET, {.view = 7}, {{long_key, 255}}, .count = 1},
	{"request-get-asof-trace", MR_WIRE_OP_GET,
		{.view = 7,
			.flags = MR_WIRE_F_STRONG | MR_WIRE_F_ASOF | MR_WIRE_F_TRACE,
			.as_of_us = T,
			.trace_id = 0xabcdef},
		{KEY_42}, .count = 1},
	{"request-get-padded", MR_WIRE_OP_GET, {.view = 7, .flags = MR_WIRE_F_PADDED}, {KEY_42},
		.count = 1},
	{"request-get-hint", MR_WIRE_OP_GET, {.view = 7, .flags = 0x8000}, {KEY_42}, .count = 1},
	{"request-get-times", MR_WIRE_OP_GET,
		{.view = 7, .flags = MR_WIRE_F_TRACE | MR_WIRE_F_TIMES, .trace_id = 0xabcdef},
		{KEY_42}, .count = 1},
	{"request-put-two", MR_WIRE_OP_PUT, {.view = 5},
		.rows = {ROW(T, "\0\0\0\0\0\0\0\x2a", 8,
				 "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10", 16),
			ROW(T + 1, "user:0001", 9, "row bytes", 9)},
		.count = 2, .layout = 0xa1b2c3d4},
	{"request-put-mac", MR_WIRE_OP_PUT, {.view = 5, .flags = MR_WIRE_F_MAC},
		.rows = {ROW(T, "\0\0\0\0\0\0\0\x2a", 8, "\1\2\3\4\5\6\7\x8", 8)}, .count = 1,
		.layout = 0xa1b2c3d4, .version = 3},
	{"request-put-padded-mac", MR_WIRE_OP_PUT,
		{.view = 5, .flags = MR_WIRE_F_MAC | MR_WIRE_F_PADDED},
		.rows = {ROW(T, "\0\0\0\0\0\0\0\x2a", 8, "12345678", 8)}, .count = 1, .layout = 1},
	{"request-delete-one", MR_WIRE_OP_DELETE, {.view = 5}, .rows = {ROW(T, "abc", 3, NULL, 0)},
		.count = 1},
	{"request-hello", MR_WIRE_OP_HELLO, .nonce = UINT64_C(0x0123456789abcdef)},
	{"request-ping", MR_WIRE_OP_PING, .ask = {0}},
	{"request-ping-trace", MR_WIRE_OP_PING,
		.ask = {.flags = MR_WIRE_F_TRACE, .trace_id = 0xabcdef}},
	{"request-describe", MR_WIRE_OP_DESCRIBE, {.flags = MR_WIRE_F_PADDED}, .describe = "risk"},
	{"request-describe-offset", MR_WIRE_OP_DESCRIBE, {.flags = MR_WIRE_F_PADDED},
		.describe = "a-name-of-twenty-four-by", .offset = 1000},
};

static int encode_write(
	const struct request_case *c, const struct mr_wire_ask *ask, uint8_t *out, size_t capacity)
{
	struct mr_wire_writer w;
	int bytes;

	assert_int_equal(
		mr_wire_write_begin(&w, out, capacity, c->op, ask, c->layout, c->version), 0);
	for (unsigned i = 0; i < c->count; i++)
		assert_int_equal(mr_wire_write_add(&w, &c->rows[i]), 0);
	bytes = mr_wire_write_end(&w);
	if (bytes > 0 && (ask->flags & MR_WIRE_F_MAC)) {
		uint8_t *mac = out + bytes - sizeof(struct mr_wire_mac);

		mr_store_le32(mac + offsetof(struct mr_wire_mac, key_id), 9);
		mr_store_le64(mac + offsetof(struct mr_wire_mac, mac), MAC_AT_END);
	}
	return bytes;
}

static int encode(const struct request_case *c, uint8_t *out, size_t capacity)
{
	struct mr_wire_ask ask = c->ask;

	ask.request_id = RID;
	switch (c->op) {
	case MR_WIRE_OP_GET:
		return mr_wire_get_encode(out, capacity, &ask, c->keys, c->count);
	case MR_WIRE_OP_HELLO:
		return mr_wire_hello_encode(out, capacity, &ask, c->nonce);
	case MR_WIRE_OP_PING:
		return mr_wire_ping_encode(out, capacity, &ask);
	case MR_WIRE_OP_DESCRIBE:
		return mr_wire_describe_encode(out, capacity, &ask, c->describe, c->offset);
	default:
		return encode_write(c, &ask, out, capacity);
	}
}

static void check_keys(const struct request_case *c, const struct mr_wire_request *req)
{
	uint32_t cursor = 0;
	unsigned key_bytes;

	for (unsigned i = 0; i < c->count; i++) {
		const uint8_t *key = mr_wire_key_next(req, &cursor, &key_bytes);

		assert_non_null(key);
		assert_int_equal(key_bytes, c->keys[i].bytes);
		assert_memory_equal(key, c->keys[i].data, key_bytes);
	}
	assert_null(mr_wire_key_next(req, &cursor, &key_bytes));
}

static void check_rows(const struct request_case *c, const struct mr_wire_request *req)
{
	struct mr_wire_row row;
	uint32_t cursor = 0;

	assert_int_equal(req->layout, c->layout);
	assert_int_equal(req->version, c->version);
	for (unsigned i = 0; i < c->count; i++) {
		assert_true(mr_wire_record_next(req, &cursor, &row));
		assert_int_equal(row.event_time_us, c->rows[i].event_time_us);
		assert_int_equal(row.key_bytes, c->rows[i].key_bytes);
		assert_memory_equal(row.key, c->rows[i].key, row.key_bytes);
		assert_int_equal(row.row_bytes, c->rows[i].row_bytes);
		if (row.row_bytes != 0)
			assert_memory_equal(row.row, c->rows[i].row, row.row_bytes);
	}
	assert_false(mr_wire_record_next(req, &cursor, &row));
}

static void check_body(const struct request_case *c, const struct mr_wire_request *req)
{
	struct mr_wire_hello hello;
	struct mr_wire_describe describe;
	const char *name;

	switch (c->op) {
	case MR_WIRE_OP_GET:
		check_keys(c, req);
		break;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		check_rows(c, req);
		break;
	case MR_WIRE_OP_HELLO:
		mr_wire_hello_get(req, &hello);
		assert_int_equal(hello.nonce, c->nonce);
		assert_int_equal(hello.version_min, 1);
		assert_int_equal(hello.version_max, 1);
		break;
	case MR_WIRE_OP_DESCRIBE:
		mr_wire_describe_get(req, &describe, &name);
		assert_int_equal(describe.offset, c->offset);
		assert_int_equal(describe.name_bytes, strlen(c->describe));
		assert_memory_equal(name, c->describe, describe.name_bytes);
		break;
	default:
		break;
	}
}

static void test_requests(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(long_key); i++)
		long_key[i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < MR_ARRAY_SIZE(request_cases); i++) {
		const struct request_case *c = &request_cases[i];
		const struct vector *v = vectors_find(c->name);
		struct mr_wire_request req;
		uint8_t *out;

		print_message("%s\n", c->name);
		assert_non_null(v);
		out = malloc(v->bytes);
		memset(out, 0xee, v->bytes);
		assert_int_equal(encode(c, out, v->bytes), v->bytes);
		assert_memory_equal(out, v->data, v->bytes);
		free(out);

		assert_int_equal(mr_wire_request_decode(v->data, v->bytes, &req), 0);
		assert_int_equal(req.request_id, RID);
		assert_int_equal(req.op, c->op);
		assert_int_equal(req.flags, c->ask.flags);
		assert_int_equal(req.cookie, c->ask.cookie);
		assert_int_equal(req.view, c->ask.view);
		assert_int_equal(req.deadline_us, c->ask.deadline_us);
		assert_int_equal(req.as_of_us, c->ask.as_of_us);
		assert_int_equal(req.trace_id, c->ask.trace_id);
		assert_int_equal(req.key_count, c->count);
		assert_int_equal(req.mac != NULL, (c->ask.flags & MR_WIRE_F_MAC) != 0);
		if (req.mac != NULL)
			assert_int_equal(mr_load_le64(&req.mac->mac), MAC_AT_END);
		check_body(c, &req);
	}
}

// ---- replies ------------------------------------------------------------------------------------

struct reply_case {
	const char *name;
	uint8_t op, result, key_count, set_count;
	uint16_t flags, frag, frag_count, first_entry, entry_count;
	uint32_t layout;
	struct mr_wire_value values[6]; // GET
	uint8_t acks[2];                // PUT, DELETE
	const char *body;               // HELLO, DESCRIBE: as on the wire
	size_t body_bytes;
	struct mr_wire_times times; // with MR_WIRE_R_TIMES
};

#define VALUE(st, event, bytes, whole, offset, number)                                            \
	{                                                                                         \
		.status = (st), .event_time_us = (event), .piece = (const uint8_t *)(bytes),      \
		.piece_bytes = sizeof(bytes) - 1, .row_bytes = (whole), .piece_offset = (offset), \
		.entry = (number)                                                                 \
	}
#define ROW_20 "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23"
#define BIG_0 "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
#define BIG_16                                                             \
	"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f" \
	"\x20\x21\x22\x23\x24\x25\x26\x27"
#define BIG_40 "\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b"
#define HELLO_BODY                         \
	"\x01\x01\x00\x00\xc0\x05\xff\x00" \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	"\x00\x40\x1e\x18\x24\x0a\x06\x00"
#define DESCRIBE_BODY \
	"\x07\x00\x0f\x00\x01\x00\xed\x5e\x00\x00\x00\x00\x2c\x01\x00\x00[set users]\nid="

static const struct reply_case reply_cases[] = {
	{"reply-get-one", MR_WIRE_OP_GET, 0, 1, 1, .frag_count = 1, .entry_count = 1,
		.layout = 0x5eed0001, .values = {VALUE(MR_STATUS_OK, T, ROW_20, 20, 0, 0)}},
	{"reply-get-mixed", MR_WIRE_OP_GET, 0, 3, 2, .frag_count = 1, .entry_count = 6,
		.layout = 0x5eed0002,
		.values = {VALUE(MR_STATUS_OK, T, ROW_20, 20, 0, 0),
			VALUE(MR_STATUS_NOT_FOUND, 0, "", 0, 0, 1),
			VALUE(MR_STATUS_EXPIRED, T - 1, "", 0, 0, 2),
			VALUE(MR_STATUS_OK, T + 1, "12345678", 8, 0, 3),
			VALUE(MR_STATUS_BUSY, 0, "", 0, 0, 4),
			VALUE(MR_STATUS_OK, T + 2, "", 0, 0, 5)}},
	{"reply-get-pieces-0", MR_WIRE_OP_GET, 0, 2, 1, .frag_count = 3, .entry_count = 2,
		.layout = 3,
		.values = {VALUE(MR_STATUS_OK, T, "12345678", 8, 0, 0),
			VALUE(MR_STATUS_OK, T, BIG_0, 60, 0, 1)}},
	{"reply-get-pieces-1", MR_WIRE_OP_GET, 0, 2, 1, .frag = 1, .frag_count = 3,
		.first_entry = 1, .entry_count = 1, .layout = 3,
		.values = {VALUE(MR_STATUS_OK, T, BIG_16, 60, 16, 1)}},
	{"reply-get-pieces-2", MR_WIRE_OP_GET, 0, 2, 1, .frag = 2, .frag_count = 3,
		.first_entry = 1, .entry_count = 1, .layout = 3,
		.values = {VALUE(MR_STATUS_OK, T, BIG_40, 60, 40, 1)}},
	{"reply-get-future-status", MR_WIRE_OP_GET, 0, 1, 1, .frag_count = 1, .entry_count = 1,
		.values = {VALUE(77, 0, "", 0, 0, 0)}},
	{"reply-get-times", MR_WIRE_OP_GET, 0, 1, 1, .flags = MR_WIRE_R_TIMES, .frag_count = 1,
		.entry_count = 1, .layout = 0x5eed0001,
		.values = {VALUE(MR_STATUS_OK, T, ROW_20, 20, 0, 0)},
		.times = {0xabcdef, 250000, 0, 0, 9000, 1000, 0, 230000, 0,
			MR_WIRE_MET_IO | MR_WIRE_MET_COMPACTION, 0}},
	{"reply-put-times", MR_WIRE_OP_PUT, 0, 1, 0, .flags = MR_WIRE_R_DURABLE | MR_WIRE_R_TIMES,
		.frag_count = 1, .entry_count = 1, .acks = {MR_STATUS_OK},
		.times = {0, 5000000, 0, 0, 0x7fff, 12, 34, 56, UINT32_MAX, 0x80000001, 0}},
	{"reply-put-two", MR_WIRE_OP_PUT, 0, 2, 0, .flags = MR_WIRE_R_DURABLE, .frag_count = 1,
		.entry_count = 2, .acks = {MR_STATUS_OK, MR_STATUS_SUPERSEDED}},
	{"reply-delete-one", MR_WIRE_OP_DELETE, 0, 1, 0, .frag_count = 1, .entry_count = 1,
		.acks = {MR_STATUS_OK}},
	{"reply-hello", MR_WIRE_OP_HELLO, 0, 0, 0, .frag_count = 1, .body = HELLO_BODY,
		.body_bytes = sizeof(HELLO_BODY) - 1},
	{"reply-ping", MR_WIRE_OP_PING, 0, 0, 0, .frag_count = 1},
	{"reply-describe", MR_WIRE_OP_DESCRIBE, 0, 0, 0, .frag_count = 1, .body = DESCRIBE_BODY,
		.body_bytes = sizeof(DESCRIBE_BODY) - 1},
	{"reply-refusal", MR_WIRE_OP_GET, MR_WIRE_RESULT_UNKNOWN_VIEW, 1, 0, .frag_count = 1},
	{"reply-refusal-future", 99, 200, 0, 0, .frag_count = 1},
};

/** Builds the reply as a server does. @return bytes. */
static size_t build(const struct reply_case *c, uint8_t *out)
{
	struct mr_wire_request req = {.request_id = RID, .op = c->op, .key_count = c->key_count};
	size_t bytes = sizeof(struct mr_wire_rep);

	mr_wire_reply_begin(out, &req, (enum mr_wire_result)c->result);
	mr_wire_reply_fragment(out, c->frag, c->frag_count, c->first_entry, c->entry_count);
	if (c->set_count != 0)
		mr_wire_reply_view(out, c->set_count, c->layout);
	mr_store_le16(out + offsetof(struct mr_wire_rep, flags), c->flags);
	for (unsigned i = 0; i < c->entry_count; i++) {
		const struct mr_wire_value *value = &c->values[i];

		if (c->op != MR_WIRE_OP_GET) {
			memset(out + bytes, 0, sizeof(struct mr_wire_ack));
			out[bytes] = c->acks[i];
			bytes += sizeof(struct mr_wire_ack);
			continue;
		}
		mr_wire_entry_put(out + bytes, (enum mr_status)value->status, value->event_time_us,
			value->row_bytes, value->piece_offset, value->piece_bytes);
		bytes += sizeof(struct mr_wire_entry);
		memset(out + bytes, 0, MR_ALIGN_UP(value->piece_bytes, 8u));
		memcpy(out + bytes, value->piece, value->piece_bytes);
		bytes += MR_ALIGN_UP(value->piece_bytes, 8u);
	}
	if (c->body_bytes != 0)
		memcpy(out + bytes, c->body, c->body_bytes);
	bytes += c->body_bytes;
	if (c->flags & MR_WIRE_R_TIMES) {
		mr_wire_times_put(out + bytes, &c->times);
		bytes += sizeof(c->times);
	}
	return bytes;
}

static void check_values(const struct reply_case *c, const struct mr_wire_reply *rep)
{
	struct mr_wire_value got;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < c->entry_count; i++) {
		const struct mr_wire_value *want = &c->values[i];
		uint8_t status = want->status < MR_STATUS_COUNT ? want->status : MR_STATUS_ERROR;

		assert_true(mr_wire_entry_next(rep, &cursor, &got));
		assert_int_equal(got.status, status);
		assert_int_equal(got.event_time_us, want->event_time_us);
		assert_int_equal(got.entry, want->entry);
		assert_int_equal(got.row_bytes, want->row_bytes);
		assert_int_equal(got.piece_offset, want->piece_offset);
		assert_int_equal(got.piece_bytes, want->piece_bytes);
		assert_memory_equal(got.piece, want->piece, got.piece_bytes);
	}
	assert_false(mr_wire_entry_next(rep, &cursor, &got));
}

static void check_reply_body(const struct reply_case *c, const struct mr_wire_reply *rep)
{
	struct mr_wire_hello_reply hello;
	struct mr_wire_describe_reply describe;
	struct mr_wire_times times;
	const char *text;

	assert_int_equal(mr_wire_times_get(rep, &times), (c->flags & MR_WIRE_R_TIMES) != 0);
	if (c->flags & MR_WIRE_R_TIMES)
		assert_memory_equal(&times, &c->times, sizeof(times));
	if (c->result != MR_WIRE_RESULT_OK)
		return;
	switch (c->op) {
	case MR_WIRE_OP_GET:
		check_values(c, rep);
		break;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		for (unsigned i = 0; i < c->entry_count; i++)
			assert_int_equal(mr_wire_ack_status(rep, i), c->acks[i]);
		break;
	case MR_WIRE_OP_HELLO:
		mr_wire_hello_reply_get(rep, &hello);
		assert_int_equal(hello.version_min, 1);
		assert_int_equal(hello.version_max, 1);
		assert_int_equal(hello.max_payload_bytes, 1472);
		assert_int_equal(hello.max_keys, 255);
		assert_int_equal(hello.cookie, 0);
		assert_int_equal(hello.server_time_us, T);
		break;
	case MR_WIRE_OP_DESCRIBE:
		mr_wire_describe_reply_get(rep, &describe, &text);
		assert_int_equal(describe.view, 7);
		assert_int_equal(describe.layout, 0x5eed0001);
		assert_int_equal(describe.offset, 0);
		assert_int_equal(describe.total_bytes, 300);
		assert_int_equal(describe.bytes, 15);
		assert_memory_equal(text, "[set users]\nid=", 15);
		break;
	default:
		break;
	}
}

static void test_replies(void **state)
{
	uint8_t out[1024];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(reply_cases); i++) {
		const struct reply_case *c = &reply_cases[i];
		const struct vector *v = vectors_find(c->name);
		struct mr_wire_reply rep;

		print_message("%s\n", c->name);
		assert_non_null(v);
		memset(out, 0xee, sizeof(out));
		assert_int_equal(build(c, out), v->bytes);
		assert_memory_equal(out, v->data, v->bytes);

		assert_int_equal(mr_wire_reply_decode(v->data, v->bytes, &rep), 0);
		assert_int_equal(rep.request_id, RID);
		assert_int_equal(rep.version, 1);
		assert_int_equal(rep.op, c->op);
		assert_int_equal(rep.result, c->result);
		assert_int_equal(rep.flags, c->flags);
		assert_int_equal(rep.key_count, c->key_count);
		assert_int_equal(rep.set_count, c->set_count);
		assert_int_equal(rep.frag, c->frag);
		assert_int_equal(rep.frag_count, c->frag_count);
		assert_int_equal(rep.first_entry, c->first_entry);
		assert_int_equal(rep.entry_count, c->entry_count);
		assert_int_equal(rep.layout, c->layout);
		check_reply_body(c, &rep);
	}
}

// ---- all of them --------------------------------------------------------------------------------

static void test_every_vector_decodes_to_its_defect(void **state)
{
	bool seen[2][MR_WIRE_DEFECT_COUNT] = {{false}};
	unsigned valid = 0;

	(void)state;
	for (unsigned i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.at[i];
		struct mr_wire_request req;
		struct mr_wire_reply rep;
		enum mr_wire_defect defect =
			v->is_reply ? mr_wire_reply_decode(v->data, v->bytes, &rep)
				    : mr_wire_request_decode(v->data, v->bytes, &req);

		if (strcmp(mr_wire_defect_name(defect), v->defect) != 0)
			fail_msg("%s: decodes to %s, the file says %s", v->name,
				mr_wire_defect_name(defect), v->defect);
		seen[v->is_reply][defect] = true;
		valid += defect == MR_WIRE_DEFECT_NONE;
		if (defect > MR_WIRE_DEFECT_BAD_MAGIC)
			assert_int_equal(v->is_reply ? rep.request_id : req.request_id, RID);
	}
	assert_int_equal(valid, MR_ARRAY_SIZE(request_cases) + MR_ARRAY_SIZE(reply_cases));
	for (unsigned d = 0; d < MR_WIRE_DEFECT_COUNT; d++) {
		// Requests have no fragments; replies no lists of keys, and flags that may be
		// ignored.
		bool in_request = d != MR_WIRE_DEFECT_FRAGMENT;
		bool in_reply = d != MR_WIRE_DEFECT_KEY_LENGTH && d != MR_WIRE_DEFECT_BAD_FLAGS;

		assert_int_equal(seen[0][d], in_request);
		assert_int_equal(seen[1][d], in_reply);
	}
}

static void test_vectors_are_frozen(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(golden_seals); i++) {
		const struct vector *v = vectors_find(golden_seals[i].name);

		if (v == NULL)
			fail_msg("golden vector %s is gone: what version %u has once said it says "
				 "for ever",
				golden_seals[i].name, MR_WIRE_VERSION);
		if (strcmp(v->sha256, golden_seals[i].sha256) != 0)
			fail_msg(
				"golden vector %s changed: bytes of version %u are frozen; another "
				"meaning needs MR_WIRE_VERSION %u and tests/golden/v%u",
				v->name, MR_WIRE_VERSION, MR_WIRE_VERSION + 1, MR_WIRE_VERSION + 1);
	}
	for (unsigned i = 0; i < vectors.count; i++) {
		size_t j = 0;

		while (j < MR_ARRAY_SIZE(golden_seals) &&
			strcmp(golden_seals[j].name, vectors.at[i].name) != 0)
			j++;
		if (j == MR_ARRAY_SIZE(golden_seals))
			fail_msg("golden vector %s has no seal: add {\"%s\", \"%s\"} to "
				 "golden_v%u.h",
				vectors.at[i].name, vectors.at[i].name, vectors.at[i].sha256,
				MR_WIRE_VERSION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_are_frozen),
		cmocka_unit_test(test_every_vector_decodes_to_its_defect),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, vectors_setup, vectors_teardown);
}
