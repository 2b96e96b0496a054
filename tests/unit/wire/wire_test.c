// SPDX-License-Identifier: BSD-3-Clause
//
// The codec against random input: round trips, truncation, mutation, full buffers.

#include "mr_rng.h"
#include "vectors.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72776972653031)

static struct mr_rng rng = {SEED};

static unsigned below(unsigned n)
{
	return (unsigned)mr_rng_below(&rng, n);
}

static void fill(uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)mr_rng_next(&rng);
}

// ---- names --------------------------------------------------------------------------------------

static void test_defect_names_are_the_enumerators(void **state)
{
	static const char *const enumerators[] = {
#define X(name, help) #name,
		MR_WIRE_DEFECTS(X)
#undef X
	};

	(void)state;
	for (unsigned d = 0; d < MR_WIRE_DEFECT_COUNT; d++) {
		const char *name = mr_wire_defect_name(d);

		assert_int_equal(strlen(name), strlen(enumerators[d]));
		for (size_t i = 0; name[i] != '\0'; i++)
			assert_int_equal(toupper((unsigned char)name[i]), enumerators[d][i]);
		assert_true(strlen(mr_wire_defect_help(d)) > 0);
	}
}

static void test_every_value_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_WIRE_RESULT_COUNT; i++)
		assert_string_not_equal(mr_wire_result_name(i), "unknown");
	for (unsigned i = 0; i < MR_STATUS_COUNT; i++)
		assert_string_not_equal(mr_status_name(i), "unknown");
	for (unsigned i = 1; i < MR_WIRE_OP_COUNT; i++)
		assert_string_not_equal(mr_wire_op_name(i), "unknown");
	assert_string_equal(mr_wire_op_name(0), "unknown");
	assert_string_equal(mr_wire_op_name(MR_WIRE_OP_COUNT), "unknown");
	assert_string_equal(mr_wire_result_name(255), "unknown");
	assert_string_equal(mr_status_name(255), "unknown");
	assert_string_equal(mr_wire_defect_name(255), "unknown");
	assert_string_equal(mr_wire_defect_help(255), "unknown");
}

static void test_defects_have_results(void **state)
{
	(void)state;
	for (unsigned d = 0; d < MR_WIRE_DEFECT_COUNT; d++) {
		enum mr_wire_result want = MR_WIRE_RESULT_MALFORMED;

		if (d == MR_WIRE_DEFECT_NONE)
			want = MR_WIRE_RESULT_OK;
		else if (d == MR_WIRE_DEFECT_BAD_VERSION)
			want = MR_WIRE_RESULT_BAD_VERSION;
		else if (d == MR_WIRE_DEFECT_UNKNOWN_OP)
			want = MR_WIRE_RESULT_UNKNOWN_OP;
		else if (d == MR_WIRE_DEFECT_BAD_FLAGS)
			want = MR_WIRE_RESULT_UNSUPPORTED;
		assert_int_equal(mr_wire_defect_result(d), want);
	}
}

// ---- hostile input ------------------------------------------------------------------------------

/** Decodes a copy that ends where its allocation ends, both ways, and walks through it. */
static void decode_hostile(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = exact_copy(data, bytes);
	struct mr_wire_request fast, any;

	// Fields that a wrong path forgets to write must not be equal by chance.
	memset(&fast, 0xa5, sizeof(fast));
	memset(&any, 0, sizeof(any));
	assert_int_equal(mr_wire_request_decode(copy, bytes, &fast),
		mr_wire_request_decode_any(copy, bytes, &any));
	assert_int_equal(fast.request_id, any.request_id);
	assert_int_equal(fast.cookie, any.cookie);
	assert_int_equal(fast.as_of_us, any.as_of_us);
	assert_int_equal(fast.trace_id, any.trace_id);
	assert_int_equal(fast.deadline_us, any.deadline_us);
	assert_int_equal(fast.flags, any.flags);
	assert_int_equal(fast.view, any.view);
	assert_int_equal(fast.op, any.op);
	assert_int_equal(fast.key_count, any.key_count);
	assert_int_equal(fast.key_bytes, any.key_bytes);
	assert_ptr_equal(fast.key_lens, any.key_lens);
	assert_ptr_equal(fast.keys, any.keys);
	assert_int_equal(fast.body_bytes, any.body_bytes);
	assert_int_equal(fast.layout, any.layout);
	assert_int_equal(fast.version, any.version);
	assert_ptr_equal(fast.mac, any.mac);
	LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
}

static void test_truncation_at_every_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.at[i];
		bool padded = !v->is_reply && v->bytes > 6 && (v->data[6] & MR_WIRE_F_PADDED);

		for (size_t bytes = 0; bytes < v->bytes; bytes++) {
			uint8_t *copy = exact_copy(v->data, bytes);
			struct mr_wire_request req;
			struct mr_wire_reply rep;
			enum mr_wire_defect defect =
				v->is_reply ? mr_wire_reply_decode(copy, bytes, &rep)
					    : mr_wire_request_decode(copy, bytes, &req);

			if (strcmp(v->defect, "none") == 0 && !padded)
				assert_int_not_equal(defect, MR_WIRE_DEFECT_NONE);
			if (bytes < 32)
				assert_int_equal(defect, MR_WIRE_DEFECT_TRUNCATED);
			free(copy);
			decode_hostile(v->data, bytes);
		}
	}
}

/** Changes a few bytes, with a taste for fields that matter and for edges. */
static void mutate(uint8_t *data, size_t bytes)
{
	static const uint8_t edges[] = {0, 1, 2, 7, 8, 9, 0x10, 0x7f, 0x80, 0xfe, 0xff};

	for (unsigned n = 1 + below(4); n > 0; n--) {
		size_t at = below(2) ? below((unsigned)bytes) : below(MR_MIN(64u, (unsigned)bytes));

		switch (below(3)) {
		case 0:
			data[at] ^= (uint8_t)(1u << below(8));
			break;
		case 1:
			data[at] = edges[below(sizeof(edges))];
			break;
		default:
			data[at] = (uint8_t)mr_rng_next(&rng);
			break;
		}
	}
}

static void test_mutation(void **state)
{
	uint8_t data[1024];

	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		const struct vector *v = &vectors.at[below(vectors.count)];
		size_t bytes = v->bytes;

		assert_true(bytes + 64 <= sizeof(data));
		memcpy(data, v->data, bytes);
		fill(data + bytes, 64);
		if (below(4) == 0)
			bytes += below(64);
		else if (below(4) == 0)
			bytes = 1 + below((unsigned)bytes);
		mutate(data, bytes);
		decode_hostile(data, bytes);
	}
}

static void test_noise(void **state)
{
	uint8_t data[256];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t bytes = below(sizeof(data) + 1);

		fill(data, bytes);
		if (bytes >= 8 && below(2))
			mr_store_le64(data, MR_WIRE_GET_PLAIN);
		decode_hostile(data, bytes);
	}
}

static void test_longer_than_any_datagram(void **state)
{
	const struct vector *v = vectors_find("request-get-padded");
	const struct vector *reply = vectors_find("reply-ping");
	struct mr_wire_request req;
	struct mr_wire_reply rep;
	uint8_t *data = calloc(1, 65536);

	(void)state;
	assert_non_null(data);
	memcpy(data, v->data, v->bytes);
	assert_int_equal(mr_wire_request_decode(data, 65535, &req), MR_WIRE_DEFECT_NONE);
	assert_int_equal(req.body_bytes, 65535 - 32);
	assert_int_equal(mr_wire_request_decode(data, 65536, &req), MR_WIRE_DEFECT_TRAILING);
	memcpy(data, reply->data, reply->bytes);
	assert_int_equal(mr_wire_reply_decode(data, 65536, &rep), MR_WIRE_DEFECT_TRAILING);
	free(data);
}

static void test_row_too_long(void **state)
{
	uint8_t *data = calloc(1, 65535);
	struct mr_wire_ask ask = {.view = 1};
	struct mr_wire_row row = {.key = (const uint8_t *)"key", .key_bytes = 3};
	struct mr_wire_request req;
	struct mr_wire_writer w;
	int bytes;

	(void)state;
	assert_non_null(data);
	row.row = calloc(1, MR_WIRE_ROW_MAX_BYTES);
	assert_non_null(row.row);
	row.row_bytes = MR_WIRE_ROW_MAX_BYTES;
	assert_int_equal(mr_wire_write_begin(&w, data, 65535, MR_WIRE_OP_PUT, &ask, 1, 0), 0);
	assert_int_equal(mr_wire_write_add(&w, &row), 0);
	bytes = mr_wire_write_end(&w);
	assert_int_equal(mr_wire_request_decode(data, (size_t)bytes, &req), MR_WIRE_DEFECT_NONE);
	mr_store_le16(data + 40 + 8, MR_WIRE_ROW_MAX_BYTES + 1);
	assert_int_equal(
		mr_wire_request_decode(data, (size_t)bytes + 8, &req), MR_WIRE_DEFECT_ROW_LENGTH);
	free((void *)(uintptr_t)row.row);
	free(data);
}

static unsigned replay(const char *dir)
{
	char path[4096];
	static uint8_t data[65536];
	struct dirent *entry;
	unsigned count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", MR_CORPUS_DIR, dir);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", MR_CORPUS_DIR, dir, entry->d_name);
		f = fopen(path, "rb");
		assert_non_null(f);
		decode_hostile(data, fread(data, 1, sizeof(data), f));
		fclose(f);
		count++;
	}
	closedir(d);
	return count;
}

static void test_corpus(void **state)
{
	(void)state;
	assert_true(replay("wire-request") >= 50);
	assert_true(replay("wire-reply") >= 40);
}

// ---- round trips --------------------------------------------------------------------------------

static struct mr_wire_ask random_ask(enum mr_wire_op op)
{
	struct mr_wire_ask ask = {
		.request_id = mr_rng_next(&rng),
		.cookie = mr_rng_next(&rng),
		.deadline_us = (uint32_t)mr_rng_next(&rng),
		.view = (uint16_t)mr_rng_next(&rng),
	};

	if (below(2))
		ask.flags = (uint16_t)(mr_rng_next(&rng) & (mr_wire_op_flags(op) | 0xff00));
	if (ask.flags & MR_WIRE_F_ASOF)
		ask.as_of_us = mr_rng_next(&rng);
	if (ask.flags & MR_WIRE_F_TRACE)
		ask.trace_id = mr_rng_next(&rng);
	return ask;
}

static void check_ask(const struct mr_wire_ask *ask, const struct mr_wire_request *req)
{
	assert_int_equal(req->request_id, ask->request_id);
	assert_int_equal(req->cookie, ask->cookie);
	assert_int_equal(req->deadline_us, ask->deadline_us);
	assert_int_equal(req->view, ask->view);
	assert_int_equal(req->flags, ask->flags);
	assert_int_equal(req->as_of_us, ask->as_of_us);
	assert_int_equal(req->trace_id, ask->trace_id);
	assert_int_equal(req->mac != NULL, (ask->flags & MR_WIRE_F_MAC) != 0);
}

static void test_random_gets(void **state)
{
	static uint8_t pool[255 * 255], out[65535];
	struct mr_wire_key keys[MR_WIRE_KEYS_MAX];

	(void)state;
	fill(pool, sizeof(pool));
	for (unsigned round = 0; round < 3000; round++) {
		struct mr_wire_ask ask = random_ask(MR_WIRE_OP_GET);
		unsigned n = 1 + below(below(2) ? 3 : MR_WIRE_KEYS_MAX);
		unsigned most = 1 + below(255), fixed = below(2) ? 1 + below(255) : 0;
		struct mr_wire_request req;
		uint32_t cursor = 0;
		size_t capacity;
		uint8_t *copy;
		int bytes;

		for (unsigned i = 0; i < n; i++) {
			keys[i].bytes = (uint8_t)(fixed ? fixed : 1 + below(most));
			keys[i].data = pool + below(sizeof(pool) - 255);
		}
		bytes = mr_wire_get_encode(out, sizeof(out), &ask, keys, n);
		assert_true(bytes > 32);
		// A buffer of exactly that many bytes is enough, one of a byte less is not.
		capacity = (size_t)bytes;
		if (!(ask.flags & MR_WIRE_F_PADDED))
			assert_int_equal(
				mr_wire_get_encode(out, capacity - 1, &ask, keys, n), -EMSGSIZE);
		assert_int_equal(mr_wire_get_encode(out, capacity, &ask, keys, n), bytes);
		copy = exact_copy(out, capacity);
		assert_int_equal(mr_wire_request_decode(copy, capacity, &req), 0);
		check_ask(&ask, &req);
		assert_int_equal(req.op, MR_WIRE_OP_GET);
		assert_int_equal(req.key_count, n);
		for (unsigned i = 0; i < n; i++) {
			unsigned key_bytes;
			const uint8_t *key = mr_wire_key_next(&req, &cursor, &key_bytes);

			assert_non_null(key);
			assert_int_equal(key_bytes, keys[i].bytes);
			assert_memory_equal(key, keys[i].data, key_bytes);
		}
		free(copy);
	}
}

/** Fills a datagram with random rows until it is full or has enough. @return rows added. */
static unsigned random_rows(
	struct mr_wire_writer *w, struct mr_wire_row *rows, uint8_t *pool, unsigned pool_bytes)
{
	unsigned n = 0, wanted = 1 + below(MR_WIRE_KEYS_MAX);

	while (n < wanted) {
		struct mr_wire_row *row = &rows[n];
		int err;

		row->event_time_us = mr_rng_next(&rng);
		row->key_bytes = (uint8_t)(1 + below(255));
		row->key = pool + below(pool_bytes - 255);
		row->row_bytes = (uint16_t)(w->op == MR_WIRE_OP_PUT ? below(600) : 0);
		row->row = pool + below(pool_bytes - 600);
		err = mr_wire_write_add(w, row);
		if (err != 0) {
			assert_int_equal(err, -EMSGSIZE);
			break;
		}
		n++;
	}
	return n;
}

static void test_random_writes(void **state)
{
	static uint8_t pool[8192];
	static struct mr_wire_row rows[MR_WIRE_KEYS_MAX];

	(void)state;
	fill(pool, sizeof(pool));
	for (unsigned round = 0; round < 3000; round++) {
		enum mr_wire_op op = below(2) ? MR_WIRE_OP_PUT : MR_WIRE_OP_DELETE;
		struct mr_wire_ask ask = random_ask(op);
		uint32_t layout = op == MR_WIRE_OP_PUT ? (uint32_t)mr_rng_next(&rng) : 0;
		uint16_t version = (uint16_t)mr_rng_next(&rng);
		size_t capacity = 960 + below(9000);
		uint8_t *out = malloc(capacity), *copy;
		struct mr_wire_request req;
		struct mr_wire_writer w;
		struct mr_wire_row got;
		uint32_t cursor = 0;
		unsigned n;
		int bytes;

		assert_non_null(out);
		assert_int_equal(
			mr_wire_write_begin(&w, out, capacity, op, &ask, layout, version), 0);
		n = random_rows(&w, rows, pool, sizeof(pool));
		bytes = mr_wire_write_end(&w);
		assert_true(bytes > 0 && (size_t)bytes <= capacity);
		copy = exact_copy(out, (size_t)bytes);
		assert_int_equal(mr_wire_request_decode(copy, (size_t)bytes, &req), 0);
		check_ask(&ask, &req);
		assert_int_equal(req.op, op);
		assert_int_equal(req.key_count, n);
		assert_int_equal(req.layout, layout);
		assert_int_equal(req.version, version);
		for (unsigned i = 0; i < n; i++) {
			assert_true(mr_wire_record_next(&req, &cursor, &got));
			assert_int_equal(got.event_time_us, rows[i].event_time_us);
			assert_int_equal(got.key_bytes, rows[i].key_bytes);
			assert_int_equal(got.row_bytes, rows[i].row_bytes);
			assert_memory_equal(got.key, rows[i].key, got.key_bytes);
			assert_memory_equal(got.row, rows[i].row, got.row_bytes);
		}
		assert_false(mr_wire_record_next(&req, &cursor, &got));
		free(copy);
		free(out);
	}
}

static void test_encoders_refuse(void **state)
{
	uint8_t out[4096];
	struct mr_wire_ask ask = {0}, mac = {.flags = MR_WIRE_F_MAC}, bit5 = {.flags = 0x20};
	struct mr_wire_key keys[256], empty = {"", 0};
	struct mr_wire_row row = {.key = (const uint8_t *)"k", .key_bytes = 1};
	struct mr_wire_writer w;
	char name[65];

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		keys[i] = (struct mr_wire_key){"k", 1};
	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &ask, keys, 0), -EINVAL);
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &ask, &empty, 1), -EINVAL);
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &ask, keys, 256), -EMSGSIZE);
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &ask, keys, 255), 32 + 255);
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &mac, keys, 1), -EINVAL);
	assert_int_equal(mr_wire_get_encode(out, sizeof(out), &bit5, keys, 1), -EINVAL);
	assert_int_equal(mr_wire_ping_encode(out, 31, &ask), -EMSGSIZE);
	assert_int_equal(mr_wire_ping_encode(out, 32, &ask), 32);
	assert_int_equal(mr_wire_hello_encode(out, 63, &ask, 1), -EMSGSIZE);
	assert_int_equal(mr_wire_hello_encode(out, 64, &ask, 1), 64);
	assert_int_equal(mr_wire_describe_encode(out, 63, &ask, "n", 0), -EMSGSIZE);
	assert_int_equal(mr_wire_describe_encode(out, 64, &ask, "", 0), -EINVAL);
	assert_int_equal(mr_wire_describe_encode(out, 1000, &ask, name, 0), -EINVAL);
	assert_int_equal(mr_wire_describe_encode(out, 102, &ask, name + 1, 0), -EMSGSIZE);
	assert_int_equal(mr_wire_describe_encode(out, 103, &ask, name + 1, 0), 103);
	assert_int_equal(mr_wire_write_begin(&w, out, 39, MR_WIRE_OP_PUT, &ask, 1, 0), -EMSGSIZE);
	assert_int_equal(mr_wire_write_begin(&w, out, 55, MR_WIRE_OP_PUT, &mac, 1, 0), -EMSGSIZE);
	assert_int_equal(mr_wire_write_begin(&w, out, 99, MR_WIRE_OP_GET, &ask, 1, 0), -EINVAL);
	assert_int_equal(mr_wire_write_begin(&w, out, 99, MR_WIRE_OP_DELETE, &ask, 1, 0), -EINVAL);
	assert_int_equal(mr_wire_write_begin(&w, out, 80, MR_WIRE_OP_DELETE, &mac, 0, 0), 0);
	assert_int_equal(mr_wire_write_end(&w), -EINVAL);
	row.row_bytes = 1;
	row.row = (const uint8_t *)"r";
	assert_int_equal(mr_wire_write_add(&w, &row), -EINVAL);
	row.row_bytes = 0;
	row.key_bytes = 0;
	assert_int_equal(mr_wire_write_add(&w, &row), -EINVAL);
	row.key_bytes = 1;
	assert_int_equal(mr_wire_write_add(&w, &row), 0);
	assert_int_equal(mr_wire_write_add(&w, &row), -EMSGSIZE);
	assert_int_equal(mr_wire_write_end(&w), 80);
}

static void test_a_write_takes_255_rows(void **state)
{
	static uint8_t out[65535];
	struct mr_wire_ask ask = {0};
	struct mr_wire_row row = {.key = (const uint8_t *)"k", .key_bytes = 1};
	struct mr_wire_writer w;

	(void)state;
	assert_int_equal(
		mr_wire_write_begin(&w, out, sizeof(out), MR_WIRE_OP_DELETE, &ask, 0, 0), 0);
	for (unsigned i = 0; i < 255; i++)
		assert_int_equal(mr_wire_write_add(&w, &row), 0);
	assert_int_equal(mr_wire_write_add(&w, &row), -EMSGSIZE);
	assert_int_equal(mr_wire_write_end(&w), 32 + 8 + 255 * 24);
}

// ---- replies of several datagrams ---------------------------------------------------------------

struct model_entry {
	uint8_t status;
	uint64_t event_time_us;
	uint16_t row_bytes;
	const uint8_t *row;
};

#define MODEL_MAX 64u
#define FRAGS_MAX 4096u

struct datagram {
	uint8_t data[1500];
	size_t bytes;
	unsigned first_entry, entry_count;
};

static struct datagram frags[FRAGS_MAX];

/** Cuts the entries into datagrams of at most @p payload bytes. @return how many. */
static unsigned cut(const struct model_entry *entries, unsigned n, size_t payload)
{
	const size_t head = sizeof(struct mr_wire_rep), entry_head = sizeof(struct mr_wire_entry);
	struct datagram *d = &frags[0];

	*d = (struct datagram){.bytes = head};
	for (unsigned i = 0; i < n; i++) {
		unsigned offset = 0;

		do {
			unsigned left = entries[i].row_bytes - offset;
			size_t least = entry_head + (left != 0 ? 8 : 0);
			unsigned piece;

			if (d->bytes + least > payload) {
				d++;
				assert_true(d < frags + FRAGS_MAX);
				*d = (struct datagram){.bytes = head, .first_entry = i};
			}
			piece = (unsigned)((payload - d->bytes - entry_head) & ~(size_t)7);
			piece = MR_MIN(piece, left);
			mr_wire_entry_put(d->data + d->bytes, (enum mr_status)entries[i].status,
				entries[i].event_time_us, entries[i].row_bytes, offset, piece);
			memcpy(d->data + d->bytes + entry_head, entries[i].row + offset, piece);
			d->bytes += entry_head + MR_ALIGN_UP(piece, 8u);
			d->entry_count++;
			offset += piece;
		} while (offset < entries[i].row_bytes);
	}
	return (unsigned)(d - frags) + 1;
}

static void test_random_replies_cut_and_joined(void **state)
{
	static uint8_t pool[40000], joined[MR_WIRE_ROW_MAX_BYTES];
	struct model_entry entries[MODEL_MAX];

	(void)state;
	fill(pool, sizeof(pool));
	for (unsigned round = 0; round < 500; round++) {
		unsigned sets = 1 + below(4), keys = 1 + below(MODEL_MAX / sets), n = sets * keys;
		size_t payload = 64 + below(1400);
		unsigned most = below(8) ? 1500 : MR_WIRE_ROW_MAX_BYTES + 1;
		struct mr_wire_request req = {.op = MR_WIRE_OP_GET, .key_count = (uint8_t)keys};
		unsigned count, next = 0, joined_bytes = 0;

		for (unsigned i = 0; i < n; i++) {
			bool ok = below(3) != 0;

			entries[i] = (struct model_entry){
				.status = (uint8_t)(ok ? 0 : 1 + below(MR_STATUS_COUNT - 1)),
				.event_time_us = mr_rng_next(&rng),
				.row_bytes = (uint16_t)(ok ? below(below(16) ? 200 : most) : 0),
				.row = pool + below(1000),
			};
		}
		count = cut(entries, n, payload);
		for (unsigned f = 0; f < count; f++) {
			struct datagram *d = &frags[f];
			struct mr_wire_reply rep;
			struct mr_wire_value value;
			uint32_t cursor = 0;
			uint8_t *copy;

			mr_wire_reply_begin(d->data, &req, MR_WIRE_RESULT_OK);
			mr_wire_reply_view(d->data, sets, 0x1234);
			mr_wire_reply_fragment(d->data, f, count, d->first_entry, d->entry_count);
			assert_true(d->bytes <= payload);
			copy = exact_copy(d->data, d->bytes);
			assert_int_equal(mr_wire_reply_decode(copy, d->bytes, &rep), 0);
			while (mr_wire_entry_next(&rep, &cursor, &value)) {
				const struct model_entry *want = &entries[next];

				assert_int_equal(value.entry, next);
				assert_int_equal(value.piece_offset, joined_bytes);
				assert_int_equal(value.status, want->status);
				assert_int_equal(value.event_time_us, want->event_time_us);
				assert_int_equal(value.row_bytes, want->row_bytes);
				memcpy(joined + joined_bytes, value.piece, value.piece_bytes);
				joined_bytes += value.piece_bytes;
				if (joined_bytes < want->row_bytes)
					continue;
				assert_memory_equal(joined, want->row, want->row_bytes);
				joined_bytes = 0;
				next++;
			}
			free(copy);
		}
		assert_int_equal(next, n);
	}
}

static void test_reply_in_place_of_its_request(void **state)
{
	const struct vector *v = vectors_find("request-get-one");
	uint8_t *data = malloc(v->bytes + 1);
	struct mr_wire_request req;
	struct mr_wire_reply rep;

	(void)state;
	assert_non_null(data);
	// At an odd address, as after the headers of a frame.
	memcpy(data + 1, v->data, v->bytes);
	assert_int_equal(mr_wire_request_decode(data + 1, v->bytes, &req), 0);
	mr_wire_reply_begin(data + 1, &req, MR_WIRE_RESULT_BUSY);
	assert_int_equal(mr_wire_reply_decode(data + 1, sizeof(struct mr_wire_rep), &rep), 0);
	assert_int_equal(rep.request_id, UINT64_C(0x1122334455667788));
	assert_int_equal(rep.result, MR_WIRE_RESULT_BUSY);
	assert_int_equal(rep.op, MR_WIRE_OP_GET);
	assert_int_equal(rep.key_count, 1);
	assert_int_equal(rep.frag, 0);
	assert_int_equal(rep.frag_count, 1);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defect_names_are_the_enumerators),
		cmocka_unit_test(test_every_value_has_a_name),
		cmocka_unit_test(test_defects_have_results),
		cmocka_unit_test(test_truncation_at_every_length),
		cmocka_unit_test(test_mutation),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_longer_than_any_datagram),
		cmocka_unit_test(test_row_too_long),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_random_gets),
		cmocka_unit_test(test_random_writes),
		cmocka_unit_test(test_encoders_refuse),
		cmocka_unit_test(test_a_write_takes_255_rows),
		cmocka_unit_test(test_random_replies_cut_and_joined),
		cmocka_unit_test(test_reply_in_place_of_its_request),
	};

	print_message("seed %#llx\n", (unsigned long long)SEED);
	return cmocka_run_group_tests(tests, vectors_setup, vectors_teardown);
}
