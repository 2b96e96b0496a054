// SPDX-License-Identifier: BSD-3-Clause
#include "mr_row.h"
#include "mr_row_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static mr_noinline int fail_text(const struct mr_column *column, struct mr_text text, int ret,
	const char *why, struct mr_err *err)
{
	char type[32], shown[MR_TEXT_SHOWN_BYTES];

	if (why == NULL)
		why = ret == -ERANGE ? ": out of range" : "";
	return mr_fail(err, -ret, "column %s: %s expected, got '%s'%s", column->name,
		mr_column_type_text(column, type, sizeof(type)),
		mr_text_shown(text, shown, sizeof(shown)), why);
}

// Writes one element in its little-endian form, if it is one.
static int parse_element(enum mr_type type, struct mr_text text, uint8_t *cell)
{
	int64_t i = 0;
	uint64_t d;
	uint32_t w;
	float f;
	double g;
	bool b;
	int ret;

	switch (type) {
	case MR_TYPE_BOOL:
		ret = mr_text_bool(text, &b);
		if (ret == 0)
			*cell = b;
		return ret;
	case MR_TYPE_F32:
		ret = mr_text_float(text, &f);
		if (ret < 0)
			return ret;
		memcpy(&w, &f, sizeof(w));
		mr_store_le32(cell, w);
		return 0;
	case MR_TYPE_F64:
		ret = mr_text_double(text, &g);
		if (ret < 0)
			return ret;
		memcpy(&d, &g, sizeof(d));
		mr_store_le64(cell, d);
		return 0;
	default:
		ret = type == MR_TYPE_TIMESTAMP ? mr_text_timestamp(text, &i)
		                                : mr_text_i64(text, &i);
		if (ret < 0)
			return ret;
		if (type == MR_TYPE_I32 && (i < INT32_MIN || i > INT32_MAX))
			return -ERANGE;
		if (type == MR_TYPE_I32)
			mr_store_le32(cell, (uint32_t)i);
		else
			mr_store_le64(cell, (uint64_t)i);
		return 0;
	}
}

// Takes the next element off the front: up to a ';' or blanks, or blanks with one ';' among them.
// A ';' promises that another element follows.
static struct mr_text next_element(struct mr_text *rest, bool *ret_more)
{
	struct mr_text element = {rest->data, 0};
	size_t at = 0;

	// A timestamp may have a blank between date and time, but not in an array.
	while (at < rest->bytes && !mr_text_is_blank(rest->data[at]) && rest->data[at] != ';')
		at++;
	element.bytes = at;
	while (at < rest->bytes && mr_text_is_blank(rest->data[at]))
		at++;
	*ret_more = at < rest->bytes;
	if (at < rest->bytes && rest->data[at] == ';')
		at++;
	while (at < rest->bytes && mr_text_is_blank(rest->data[at]))
		at++;
	rest->data += at;
	rest->bytes -= at;
	return element;
}

// Parses the elements straight into the cell. What is wrong, if anything, goes into why.
static int parse_array(const struct mr_column *column, struct mr_text text, uint8_t *cell,
	char *why, size_t why_bytes)
{
	struct mr_text rest = mr_text_trim(text.data, text.bytes), element;
	unsigned step = column->cell_bytes / column->count, n = 0;
	char shown[MR_TEXT_SHOWN_BYTES];
	bool more = true;

	if (rest.bytes >= 2 && rest.data[0] == '[' && rest.data[rest.bytes - 1] == ']')
		rest = mr_text_trim(rest.data + 1, rest.bytes - 2);
	for (; more && n < column->count; n++) {
		int ret;

		element = next_element(&rest, &more);
		ret = parse_element(column->type, element, cell + n * step);
		if (ret < 0) {
			snprintf(why, why_bytes, ": element %u is '%s'%s", n + 1,
				mr_text_shown(element, shown, sizeof(shown)),
				ret == -ERANGE ? ", out of range" : "");
			return ret;
		}
	}
	if (n == column->count && !more)
		return 0;
	snprintf(why, why_bytes, more ? ": more than %u elements" : ": %u elements", n);
	return -EINVAL;
}

// On failure the column is null: its cell may hold some of the new elements.
static int set_array_text(struct mr_row_builder *b, const struct mr_column *column,
	struct mr_text text, struct mr_err *err)
{
	const struct mr_value null = {.type = column->type, .is_null = true};
	char why[MR_TEXT_SHOWN_BYTES + 64];
	int ret = parse_array(column, text, b->row + column->offset, why, sizeof(why));

	if (ret < 0) {
		mr_row_set(b, column, &null);
		return fail_text(column, text, ret, why, err);
	}
	b->row[column->slot / 8u] &= (uint8_t) ~(1u << column->slot % 8u);
	return 0;
}

static int fail_too_long(const struct mr_column *column, struct mr_text text,
	const struct mr_row_builder *b, struct mr_err *err)
{
	return mr_fail(err, E2BIG, "column %s: %zu bytes make the row longer than %u bytes",
		column->name, text.bytes, b->capacity_bytes);
}

// Hex is decoded at the end of the scratch, behind which the value is then put: the free part of
// the scratch is what the value may take at most.
static int set_hex_text(struct mr_row_builder *b, const struct mr_column *column,
	struct mr_text text, struct mr_err *err)
{
	struct mr_value v = {.type = column->type, .count = 1};
	const struct mr_value null = {.type = column->type, .is_null = true};
	int ret;

	ret = mr_row_set(b, column, &null);
	if (ret < 0)
		return ret;
	if (text.bytes / 2 - 1 > b->var_capacity_bytes - b->var_bytes)
		return fail_too_long(column, text, b, err);
	v.data = b->var + b->var_bytes;
	ret = mr_text_hex(text, b->var + b->var_bytes);
	if (ret < 0)
		return fail_text(column, text, ret, ": an even number of hex digits after 0x", err);
	v.bytes = (uint32_t)ret;
	return mr_row_set(b, column, &v);
}

static int set_variable_text(struct mr_row_builder *b, const struct mr_column *column,
	struct mr_text text, struct mr_err *err)
{
	struct mr_value v = {.type = column->type, .count = 1};
	int ret;

	if (column->type == MR_TYPE_BYTES && mr_text_is_hex(text))
		return set_hex_text(b, column, text, err);
	if (text.bytes > MR_ROW_MAX_BYTES)
		return fail_too_long(column, text, b, err);
	v.data = (const uint8_t *)text.data;
	v.bytes = (uint32_t)text.bytes;
	ret = mr_row_set(b, column, &v);
	if (ret == -E2BIG)
		return fail_too_long(column, text, b, err);
	return ret < 0 ? fail_text(column, text, ret, ": not UTF-8", err) : 0;
}

int mr_row_set_text(struct mr_row_builder *b, const struct mr_column *column, const char *text,
	size_t text_bytes, struct mr_err *err)
{
	struct mr_text t = {text, text_bytes};
	int ret;

	if (text_bytes == 0 && column->type != MR_TYPE_STRING) {
		const struct mr_value null = {.type = column->type, .is_null = true};

		return mr_row_set(b, column, &null);
	}
	if (column->is_variable)
		return set_variable_text(b, column, t, err);
	if (column->is_array)
		return set_array_text(b, column, t, err);
	ret = parse_element(column->type, t, b->row + column->offset);
	if (ret < 0)
		return fail_text(column, t, ret, NULL, err);
	b->row[column->slot / 8u] &= (uint8_t) ~(1u << column->slot % 8u);
	return 0;
}

static void put_element(struct mr_sink *sink, enum mr_type type, const uint8_t *cell)
{
	uint32_t w;
	uint64_t d;
	float f;
	double g;

	switch (type) {
	case MR_TYPE_BOOL:
		mr_sink_printf(sink, "%s", *cell != 0 ? "true" : "false");
		return;
	case MR_TYPE_I32:
		mr_sink_printf(sink, "%" PRId32, (int32_t)mr_load_le32(cell));
		return;
	case MR_TYPE_F32:
		w = mr_load_le32(cell);
		memcpy(&f, &w, sizeof(f));
		mr_sink_float(sink, f);
		return;
	case MR_TYPE_F64:
		d = mr_load_le64(cell);
		memcpy(&g, &d, sizeof(g));
		mr_sink_double(sink, g);
		return;
	default:
		mr_sink_printf(sink, "%" PRId64, (int64_t)mr_load_le64(cell));
		return;
	}
}

static void put_scalar(struct mr_sink *sink, const struct mr_value *value)
{
	uint8_t cell[8];
	uint32_t w;
	uint64_t d;

	if (value->type == MR_TYPE_BOOL) {
		cell[0] = value->b;
	} else if (mr_type_cell_bytes(value->type) == 4) {
		memcpy(&w, &value->i32, sizeof(w));
		mr_store_le32(cell, w);
	} else {
		memcpy(&d, &value->i64, sizeof(d));
		mr_store_le64(cell, d);
	}
	put_element(sink, value->type, cell);
}

static void put_array(struct mr_sink *sink, const struct mr_value *value)
{
	unsigned step = mr_type_cell_bytes(value->type);

	mr_sink_put(sink, "[", 1);
	for (unsigned i = 0; i < value->count; i++) {
		if (i > 0)
			mr_sink_put(sink, ";", 1);
		put_element(sink, value->type, value->data + (size_t)i * step);
	}
	mr_sink_put(sink, "]", 1);
}

int mr_value_print(const struct mr_value *value, char *text, size_t text_bytes)
{
	struct mr_sink sink = {text, text_bytes, 0};

	mr_sink_put(&sink, "", 0);
	if (value->is_null)
		return 0;
	if (value->type == MR_TYPE_STRING)
		mr_sink_put(&sink, value->data, value->bytes);
	else if (value->type == MR_TYPE_BYTES)
		mr_sink_hex(&sink, value->data, value->bytes);
	else if (value->data != NULL)
		put_array(&sink, value);
	else
		put_scalar(&sink, value);
	return (int)sink.bytes;
}
