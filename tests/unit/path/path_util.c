// SPDX-License-Identifier: BSD-3-Clause
#include "path_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char head[] =
	"[set user]\nid = 1\nkey = u64\ncolumn age = i32\ncolumn city = string\n"
	"column score = f64\ncolumn vec = f32[4]\ncolumn flag = bool\n"
	"[set item]\nid = 2\nkey = u64\nttl = 1h\nhistory = 1d\ncolumn price = f64\n"
	"column name = string\n"
	"[set note]\nid = 3\nkey = u64\ndurability = wal\ncolumn a = i64\n"
	"[set blob]\nid = 4\nkey = u64\ncolumn n = i32\ncolumn b = bytes\n"
	"[set text]\nid = 5\nkey = string\ncolumn v = i64\ncolumn t = string\n"
	"[set pair]\nid = 6\nkey = who:string, n:u64\ncolumn v = i64\n"
	"[view four]\nid = 1\n"
	"columns = user.*, item.*, note.*, blob.*\n"
	"[view part]\nid = 2\ncolumns = user.city, item.price, user.age\n";

static char *make_catalog(void)
{
	static const char *const types[] = {"i32", "f64", "string", "bool", "i64", "f32"};
	size_t room = 32768, n;
	char *text = malloc(room);

	n = (size_t)snprintf(text, room, "%s[set wide]\nid = 7\nkey = u64\n", head);
	for (unsigned i = 0; i < 250; i++)
		n += (size_t)snprintf(text + n, room - n, "column c%u = %s\n", i, types[i % 6]);
	n += (size_t)snprintf(text + n, room - n, "[view wide250]\nid = 3\n");
	// Not in the set's order, so that it is not one copy.
	for (unsigned i = 0; i < 250; i++)
		n += (size_t)snprintf(text + n, room - n, "columns = wide.c%u\n", (i * 7) % 250);
	assert(n < room);
	return text;
}

void path_begin(struct path *p, const struct mr_fixture_params *params)
{
	struct mr_fixture_params with = *params;

	memset(p, 0, sizeof(*p));
	snprintf(p->dir, sizeof(p->dir), "/tmp/mr-path-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->catalog = make_catalog();
	p->rng.state = 1;
	p->request_id = 1000;
	with.catalog = p->catalog;
	with.store_path = p->dir;
	assert_int_equal(mr_fixture_init(&p->f, &with), 0);
	mr_fixture_set_time(&p->f, PATH_NOW_US);
}

void path_assert_at_rest(struct path *p)
{
	struct mr_err err = {0};

	assert_true(mr_fixture_balanced(&p->f));
	assert_int_equal(mr_fixture_missing_mbufs(&p->f), 0);
	if (mr_cache_check(p->f.node.cache, &err) < 0)
		fail_msg("%s", err.text);
}

void path_end(struct path *p)
{
	char command[96];

	path_assert_at_rest(p);
	mr_answer_clear(&p->answer);
	mr_fixture_done(&p->f);
	for (unsigned s = 0; s < PATH_SETS; s++)
		for (unsigned i = 0; i < PATH_KEYS; i++)
			free(p->rows[s][i].row);
	free(p->catalog);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
}

const struct mr_schema *path_schema(const struct path *p, unsigned set)
{
	const struct mr_schema *schema = mr_catalog_set_by_id(p->f.catalog, (uint16_t)set);

	assert_non_null(schema);
	return schema;
}

const struct mr_view *path_view(const struct path *p, uint16_t view)
{
	const struct mr_view *v = mr_catalog_view(p->f.catalog, view);

	assert_non_null(v);
	return v;
}

unsigned path_key(const struct path *p, unsigned set, unsigned i, uint8_t *key)
{
	char text[MR_KEY_MAX_BYTES + 1];
	struct mr_key_value parts[2] = {{.u64 = i * UINT64_C(0x9e3779b97f4a7c15)}, {.u64 = i}};
	unsigned n = 1;
	int bytes;

	if (set == PATH_TEXT || set == PATH_PAIR) {
		// Lengths from 7 bytes to nearly all that there may be.
		bytes = snprintf(text, sizeof(text), "k%06u%.*s", i, (int)(i * 13 % 200),
			".........................................................................."
			"......"
			".........................................................................."
			"......"
			"........................................");
		parts[0] = (struct mr_key_value){.data = text, .bytes = (uint32_t)bytes};
		n = set == PATH_PAIR ? 2 : 1;
	}
	bytes = mr_key_encode(path_schema(p, set), parts, n, key);
	assert_true(bytes > 0);
	return (unsigned)bytes;
}

static struct mr_value random_value(
	struct path *p, const struct mr_column *column, unsigned tail, uint8_t *room)
{
	struct mr_value v = {.type = column->type, .count = column->count};

	if (column->is_variable) {
		for (unsigned i = 0; i < tail; i++)
			room[i] = (uint8_t)('a' + mr_rng_below(&p->rng, 26));
		v.data = room;
		v.bytes = tail;
	} else if (column->is_array) {
		for (unsigned i = 0; i < column->cell_bytes; i++)
			room[i] = (uint8_t)(mr_rng_next(&p->rng) & 0x3f);
		v.data = room;
		v.bytes = column->cell_bytes;
	} else if (column->type == MR_TYPE_BOOL) {
		v.b = mr_rng_below(&p->rng, 2) != 0;
	} else if (column->type == MR_TYPE_I32) {
		v.i32 = (int32_t)mr_rng_next(&p->rng);
	} else if (column->type == MR_TYPE_F32) {
		v.f32 = (float)mr_rng_unit(&p->rng);
	} else if (column->type == MR_TYPE_F64) {
		v.f64 = mr_rng_unit(&p->rng);
	} else {
		v.i64 = (int64_t)mr_rng_next(&p->rng);
	}
	return v;
}

unsigned path_row_make(struct path *p, unsigned set, unsigned tail, uint8_t *row)
{
	static uint8_t scratch[MR_ROW_MAX_BYTES], room[MR_ROW_MAX_BYTES];
	const struct mr_shape *shape = &path_schema(p, set)->shape;
	struct mr_row_builder b;
	int bytes;

	assert_true(mr_row_builder_scratch_bytes(shape) <= sizeof(scratch));
	assert_int_equal(mr_row_begin(&b, shape, row, MR_ROW_MAX_BYTES, scratch), 0);
	for (unsigned i = 0; i < shape->n_columns; i++) {
		const struct mr_column *column = &shape->columns[i];
		struct mr_value v = random_value(p, column, tail, room);

		if (mr_rng_below(&p->rng, 5) == 0 && !(column->is_variable && tail > 64))
			continue; // stays null
		assert_int_equal(mr_row_set(&b, column, &v), 0);
	}
	bytes = mr_row_end(&b);
	assert_true(bytes > 0);
	return (unsigned)bytes;
}

static void note(struct path *p, unsigned set, unsigned i, uint64_t event_time_us,
	const uint8_t *row, unsigned bytes)
{
	struct path_row *at = &p->rows[set][i];

	free(at->row);
	*at = (struct path_row){.present = true,
		.deleted = row == NULL,
		.event_time_us = event_time_us,
		.bytes = bytes,
		.row = malloc(bytes + 1u)};
	if (row != NULL)
		memcpy(at->row, row, bytes);
}

void path_put(struct path *p, unsigned set, unsigned i, enum path_where where,
	uint64_t event_time_us, const uint8_t *row, unsigned bytes)
{
	const struct mr_schema *schema = path_schema(p, set);
	uint8_t key[MR_KEY_MAX_BYTES];
	unsigned key_bytes = path_key(p, set, i, key);
	mr_space_t space = mr_space(schema->id, schema->version);
	struct mr_store_put put = {
		.space = space,
		.key = key,
		.key_bytes = (uint8_t)key_bytes,
		.deleted = row == NULL,
		.event_time_us = event_time_us,
		.layout = schema->layout,
		.row = row,
		.row_bytes = bytes,
	};

	note(p, set, i, event_time_us, row, bytes);
	if (where == PATH_CACHE) {
		assert_int_equal(
			mr_fixture_cache(&p->f, space, key, key_bytes, row, bytes, event_time_us),
			0);
		return;
	}
	mr_bloom_add(mr_node_bloom(&p->f.node), mr_hash_row(mr_hash_key(key, key_bytes), space));
	assert_int_equal(mr_store_commit(p->f.store, &put, 1, false, NULL), 0);
}

void path_populate(struct path *p, unsigned set, unsigned max_tail)
{
	static uint8_t row[MR_ROW_MAX_BYTES];

	for (unsigned i = 0; i < PATH_KEYS; i++) {
		unsigned kind = (unsigned)mr_rng_below(&p->rng, 8);
		unsigned tail = (unsigned)mr_rng_below(&p->rng, max_tail + 1);
		uint64_t time = PATH_NOW_US - mr_rng_below(&p->rng, PATH_HOUR_US / 2);
		unsigned bytes;

		if (kind == 0)
			continue;
		if (kind == 1) {
			path_put(p, set, i, PATH_STORE, time, NULL, 0);
			continue;
		}
		if (kind == 2)
			time = PATH_NOW_US - 2 * PATH_HOUR_US;
		bytes = path_row_make(p, set, tail, row);
		path_put(p, set, i,
			kind < 5 || bytes > MR_CACHE_ROW_MAX_BYTES ? PATH_STORE : PATH_CACHE, time,
			row, bytes);
	}
}

unsigned path_get(struct path *p, uint8_t *request, unsigned room, uint16_t view,
	const unsigned *keys, unsigned n)
{
	static uint8_t bytes[MR_WIRE_KEYS_MAX][MR_KEY_MAX_BYTES];
	struct mr_wire_ask ask = {.request_id = ++p->request_id, .view = view};
	struct mr_wire_key wire[MR_WIRE_KEYS_MAX];
	unsigned set = path_view(p, view)->parts[0].schema->id;
	int length;

	for (unsigned i = 0; i < n; i++)
		wire[i] = (struct mr_wire_key){
			bytes[i], (uint8_t)path_key(p, set, keys[i], bytes[i])};
	length = mr_wire_get_encode(request, room, &ask, wire, n);
	assert_true(length > 0);
	return (unsigned)length;
}

// Columns of a partial row against the stored row they were made from.
static void check_columns(
	const struct mr_view_part *part, const struct mr_got *got, const struct path_row *row)
{
	assert_int_equal(mr_row_check(&part->shape, got->row, got->row_bytes), 0);
	for (unsigned c = 0; c < part->shape.n_columns; c++) {
		const struct mr_column *to = &part->shape.columns[c];
		const struct mr_column *from = mr_shape_column(&part->schema->shape, to->name);
		struct mr_value a, b;

		assert_non_null(from);
		assert_int_equal(mr_row_get(to, got->row, got->row_bytes, &a), 0);
		assert_int_equal(mr_row_get(from, row->row, row->bytes, &b), 0);
		assert_int_equal(a.type, b.type);
		assert_int_equal(a.is_null, b.is_null);
		assert_int_equal(a.bytes, b.bytes);
		if (!a.is_null && a.bytes > 0)
			assert_memory_equal(a.data, b.data, a.bytes);
		else if (!a.is_null && !to->is_variable && !to->is_array)
			assert_memory_equal(
				got->row + to->offset, row->row + from->offset, to->cell_bytes);
	}
}

static void check_entry(struct path *p, const struct mr_view_part *part, const struct mr_got *got,
	unsigned key, unsigned also)
{
	static const struct path_row none;
	const struct path_row *row = key < PATH_KEYS ? &p->rows[part->schema->id][key] : &none;
	bool present = row->present && !row->deleted;

	assert_true(got->seen);
	if (also >> got->status & 1)
		return;
	if (!present) {
		assert_int_equal(got->status, MR_STATUS_NOT_FOUND);
		return;
	}
	assert_int_equal(got->event_time_us, row->event_time_us);
	if (mr_schema_expired(part->schema, row->event_time_us, PATH_NOW_US)) {
		assert_int_equal(got->status, MR_STATUS_EXPIRED);
		return;
	}
	assert_int_equal(got->status, MR_STATUS_OK);
	check_columns(part, got, row);
}

void path_check(struct path *p, uint16_t view, const unsigned *keys, unsigned n, unsigned also)
{
	const struct mr_view *v = path_view(p, view);

	assert_int_equal(p->answer.request_id, p->request_id);
	assert_int_equal(p->answer.result, MR_WIRE_RESULT_OK);
	assert_int_equal(p->answer.layout, v->layout);
	assert_int_equal(p->answer.key_count, n);
	assert_int_equal(p->answer.set_count, v->n_parts);
	assert_true(p->answer.longest_bytes <= p->f.port.max_payload_bytes);
	for (unsigned i = 0; i < n; i++)
		for (unsigned s = 0; s < v->n_parts; s++)
			check_entry(
				p, &v->parts[s], &p->answer.got[i * v->n_parts + s], keys[i], also);
}

enum mr_wire_result path_ask(struct path *p, const uint8_t *request, unsigned bytes)
{
	int ret = mr_fixture_ask(&p->f, request, bytes, &p->answer);

	if (ret != 1)
		fail_msg("asked and got %d: %s", ret, p->answer.wrong ? p->answer.wrong : "");
	return (enum mr_wire_result)p->answer.result;
}

void path_get_checked(struct path *p, uint16_t view, const unsigned *keys, unsigned n)
{
	static uint8_t request[65536];
	unsigned bytes = path_get(p, request, sizeof(request), view, keys, n);

	assert_int_equal(path_ask(p, request, bytes), MR_WIRE_RESULT_OK);
	path_check(p, view, keys, n, 0);
}

unsigned path_write(struct path *p, uint8_t *request, unsigned room, enum mr_wire_op op,
	unsigned set, const struct path_write *writes, unsigned n)
{
	struct mr_wire_ask ask = {.request_id = ++p->request_id, .view = (uint16_t)set};
	uint32_t layout = op == MR_WIRE_OP_PUT ? path_schema(p, set)->layout : 0;
	struct mr_wire_writer w;
	int bytes;

	assert_int_equal(mr_wire_write_begin(&w, request, room, op, &ask, layout, 0), 0);
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[MR_KEY_MAX_BYTES];
		struct mr_wire_row row = {
			.event_time_us = writes[i].event_time_us,
			.key = key,
			.key_bytes = (uint8_t)path_key(p, set, writes[i].key, key),
			.row = writes[i].row,
			.row_bytes = (uint16_t)writes[i].bytes,
		};

		assert_int_equal(mr_wire_write_add(&w, &row), 0);
	}
	bytes = mr_wire_write_end(&w);
	assert_true(bytes > 0);
	return (unsigned)bytes;
}

enum mr_status path_write_one(struct path *p, unsigned set, unsigned key, uint64_t event_time_us,
	const uint8_t *row, unsigned bytes)
{
	static uint8_t request[MR_ROW_MAX_BYTES + 512];
	struct path_write write = {key, event_time_us, row, bytes};
	unsigned length = path_write(p, request, sizeof(request),
		row != NULL ? MR_WIRE_OP_PUT : MR_WIRE_OP_DELETE, set, &write, 1);

	assert_int_equal(path_ask(p, request, length), MR_WIRE_RESULT_OK);
	assert_int_equal(p->answer.n, 1);
	return (enum mr_status)p->answer.got[0].status;
}

enum mr_status path_get_one(struct path *p, unsigned set, unsigned i)
{
	uint8_t request[512];
	unsigned bytes = path_get(p, request, sizeof(request), (uint16_t)set, &i, 1);

	assert_int_equal(path_ask(p, request, bytes), MR_WIRE_RESULT_OK);
	assert_int_equal(p->answer.n, 1);
	return (enum mr_status)p->answer.got[0].status;
}
