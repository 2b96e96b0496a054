// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of both decoders: what they accept is walked through to the last byte, and a request
// is encoded again and must come out as it came in. Built with clang -fsanitize=fuzzer,address it
// is a libFuzzer program; tests/unit/wire replays its corpus without clang.

#include <stdlib.h>

#include "mr_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/** Reads every byte, so that a sanitizer sees a pointer that is wrong. */
static void touch(const uint8_t *p, size_t bytes, const uint8_t *data, size_t size)
{
	static unsigned sink;

	MUST(p >= data && bytes <= size && p + bytes <= data + size);
	for (size_t i = 0; i < bytes; i++)
		sink += p[i];
}

static struct mr_wire_ask ask_of(const struct mr_wire_request *req)
{
	return (struct mr_wire_ask){
		.request_id = req->request_id,
		.cookie = req->cookie,
		.as_of_us = req->as_of_us,
		.trace_id = req->trace_id,
		.deadline_us = req->deadline_us,
		.flags = req->flags,
		.view = req->view,
	};
}

static int again_get(
	const struct mr_wire_request *req, uint8_t *out, const uint8_t *data, size_t size)
{
	struct mr_wire_ask ask = ask_of(req);
	struct mr_wire_key keys[MR_WIRE_KEYS_MAX];
	const uint8_t *key;
	uint32_t cursor = 0;
	unsigned n = 0, key_bytes;

	while ((key = mr_wire_key_next(req, &cursor, &key_bytes)) != NULL) {
		MUST(n < req->key_count);
		touch(key, key_bytes, data, size);
		keys[n++] = (struct mr_wire_key){key, (uint8_t)key_bytes};
	}
	MUST(n == req->key_count);
	return mr_wire_get_encode(out, size, &ask, keys, n);
}

static int again_write(
	const struct mr_wire_request *req, uint8_t *out, const uint8_t *data, size_t size)
{
	struct mr_wire_ask ask = ask_of(req);
	struct mr_wire_writer w;
	struct mr_wire_row row;
	uint32_t cursor = 0;
	unsigned n = 0;

	MUST(mr_wire_write_begin(&w, out, size, (enum mr_wire_op)req->op, &ask, req->layout,
		     req->version) == 0);
	while (mr_wire_record_next(req, &cursor, &row)) {
		touch(row.key, row.key_bytes, data, size);
		touch(row.row, row.row_bytes, data, size);
		MUST(mr_wire_write_add(&w, &row) == 0);
		n++;
	}
	MUST(n == req->key_count);
	return mr_wire_write_end(&w);
}

static int again_other(
	const struct mr_wire_request *req, uint8_t *out, const uint8_t *data, size_t size)
{
	struct mr_wire_ask ask = ask_of(req);
	struct mr_wire_hello hello;
	struct mr_wire_describe describe;
	const char *name;

	if (req->op == MR_WIRE_OP_PING)
		return mr_wire_ping_encode(out, size, &ask);
	if (req->op == MR_WIRE_OP_HELLO) {
		mr_wire_hello_get(req, &hello);
		return mr_wire_hello_encode(out, size, &ask, hello.nonce);
	}
	mr_wire_describe_get(req, &describe, &name);
	touch((const uint8_t *)name, describe.name_bytes, data, size);
	return 0;
}

/** Whether a request has one form only: what the encoder wrote must then be what came in. */
static int canonical(const struct mr_wire_request *req)
{
	if (req->flags & (MR_WIRE_F_MAC | MR_WIRE_F_PADDED))
		return 0; // bytes that the encoder does not know
	if (req->op == MR_WIRE_OP_HELLO)
		return 0; // versions that the encoder does not speak
	if (req->op == MR_WIRE_OP_GET && req->key_bytes == 0)
		return 0; // a table of equal lengths
	return 1;
}

static void fuzz_request(const uint8_t *data, size_t size)
{
	struct mr_wire_request req;
	enum mr_wire_defect defect = mr_wire_request_decode(data, size, &req);
	uint8_t *out;
	int bytes;

	MUST(mr_wire_defect_name(defect)[0] != '\0');
	if (defect != MR_WIRE_DEFECT_NONE) {
		MUST(req.keys == NULL && req.key_count == 0);
		return;
	}
	touch(req.keys, req.body_bytes, data, size);
	if (req.mac != NULL)
		touch((const uint8_t *)req.mac, sizeof(*req.mac), data, size);
	out = malloc(size);
	MUST(out != NULL);
	if (req.op == MR_WIRE_OP_GET)
		bytes = again_get(&req, out, data, size);
	else if (req.op == MR_WIRE_OP_PUT || req.op == MR_WIRE_OP_DELETE)
		bytes = again_write(&req, out, data, size);
	else
		bytes = again_other(&req, out, data, size);
	MUST(bytes >= 0);
	if (bytes > 0 && canonical(&req))
		MUST((size_t)bytes == size && memcmp(out, data, size) == 0);
	free(out);
}

static void fuzz_reply(const uint8_t *data, size_t size)
{
	struct mr_wire_reply rep;
	struct mr_wire_value value;
	struct mr_wire_hello_reply hello;
	struct mr_wire_describe_reply describe;
	const char *text;
	uint32_t cursor = 0;
	unsigned n = 0;

	if (mr_wire_reply_decode(data, size, &rep) != MR_WIRE_DEFECT_NONE) {
		MUST(rep.body == NULL && rep.entry_count == 0);
		return;
	}
	touch(rep.body, rep.body_bytes, data, size);
	if (rep.result != MR_WIRE_RESULT_OK)
		return;
	switch (rep.op) {
	case MR_WIRE_OP_GET:
		while (mr_wire_entry_next(&rep, &cursor, &value)) {
			touch(value.piece, value.piece_bytes, data, size);
			MUST(value.entry < rep.key_count * rep.set_count);
			MUST(value.piece_offset + value.piece_bytes <= value.row_bytes);
			MUST(value.status < MR_STATUS_COUNT);
			n++;
		}
		MUST(n == rep.entry_count);
		break;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		for (unsigned i = 0; i < rep.entry_count; i++)
			MUST(mr_wire_ack_status(&rep, i) < MR_STATUS_COUNT);
		break;
	case MR_WIRE_OP_HELLO:
		mr_wire_hello_reply_get(&rep, &hello);
		break;
	case MR_WIRE_OP_DESCRIBE:
		mr_wire_describe_reply_get(&rep, &describe, &text);
		touch((const uint8_t *)text, describe.bytes, data, size);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_request(data, size);
	fuzz_reply(data, size);
	return 0;
}
