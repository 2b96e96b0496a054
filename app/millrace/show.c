// SPDX-License-Identifier: BSD-3-Clause

#include "show.h"
#include "mr_bytes.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// ---- tables ------------------------------------------------------------------------------------

int table_add(struct table *table, const char *text)
{
	if (table->n_cells == table->capacity) {
		size_t capacity = table->capacity * 2 + 64;
		char **grown = realloc(table->cells, capacity * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		table->cells = grown;
		table->capacity = capacity;
	}
	table->cells[table->n_cells] = strdup(text != NULL ? text : "");
	if (table->cells[table->n_cells] == NULL)
		return -ENOMEM;
	table->n_cells++;
	return 0;
}

/** Columns on a terminal that UTF-8 text takes, as far as one a character is right. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/** Control characters would move the cursor. */
static void print_cell(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text, out);
}

void table_print(const struct table *table, FILE *out)
{
	size_t *widths = calloc(table->n_columns, sizeof(*widths));

	for (size_t i = 0; i < table->n_cells && widths != NULL; i++)
		widths[i % table->n_columns] =
			MR_MAX(widths[i % table->n_columns], width_of(table->cells[i]));
	for (size_t i = 0; i < table->n_cells; i++) {
		unsigned column = (unsigned)(i % table->n_columns);
		const char *text = table->cells[i];

		print_cell(text, out);
		if (column + 1 == table->n_columns)
			fputc('\n', out);
		else
			fprintf(out, "%*s",
				widths != NULL ? (int)(widths[column] - width_of(text) + 2) : 2,
				"");
	}
	free(widths);
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
}

// ---- values ------------------------------------------------------------------------------------

char *value_text(const struct mr_value *value)
{
	int bytes = mr_value_print(value, NULL, 0);
	char *text;

	if (value->is_null)
		return strdup("null");
	text = malloc((size_t)bytes + 1);
	if (text != NULL)
		mr_value_print(value, text, (size_t)bytes + 1);
	return text;
}

static json_t *real_json(double value)
{
	if (isfinite(value))
		return json_real(value);
	return json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

/** A float in the shortest decimal form that gives the same float, not the same double. */
static json_t *float_json(float value)
{
	char text[32];

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value)
			break;
	}
	return isfinite(value) ? json_real(strtod(text, NULL)) : real_json((double)value);
}

static float load_f32(const uint8_t *data)
{
	uint32_t bits = mr_load_le32(data);
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static double load_f64(const uint8_t *data)
{
	uint64_t bits = mr_load_le64(data);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static json_t *text_json(const struct mr_value *value)
{
	char *text = value_text(value);
	json_t *json = text != NULL ? json_string(text) : NULL;

	free(text);
	return json;
}

static json_t *element_json(enum mr_type type, const uint8_t *data)
{
	switch (type) {
	case MR_TYPE_BOOL:
		return json_boolean(data[0]);
	case MR_TYPE_I32:
		return json_integer((int32_t)mr_load_le32(data));
	case MR_TYPE_F32:
		return float_json(load_f32(data));
	case MR_TYPE_F64:
		return real_json(load_f64(data));
	default:
		return json_integer((int64_t)mr_load_le64(data));
	}
}

static json_t *array_json(const struct mr_value *value)
{
	json_t *array = json_array();
	uint32_t element_bytes = value->count > 0 ? value->bytes / value->count : 0;

	for (unsigned i = 0; i < value->count; i++)
		json_array_append_new(
			array, element_json(value->type, value->data + i * element_bytes));
	return array;
}

json_t *value_json(const struct mr_value *value)
{
	if (value->is_null)
		return json_null();
	switch (value->type) {
	case MR_TYPE_STRING:
		return json_stringn((const char *)value->data, value->bytes);
	case MR_TYPE_BYTES:
		return text_json(value);
	default:
		break;
	}
	if (value->data != NULL)
		return array_json(value);
	switch (value->type) {
	case MR_TYPE_BOOL:
		return json_boolean(value->b);
	case MR_TYPE_I32:
		return json_integer(value->i32);
	case MR_TYPE_F32:
		return float_json(value->f32);
	case MR_TYPE_F64:
		return real_json(value->f64);
	default:
		return json_integer(value->i64);
	}
}

static json_t *part_json(enum mr_type type, const struct mr_key_value *part)
{
	struct mr_value value = {
		.type = type, .count = 1, .data = part->data, .bytes = part->bytes};
	char text[24];

	switch (type) {
	case MR_TYPE_U64:
		// JSON integers end at 2^63 here, and at 2^53 for many readers.
		if (part->u64 <= INT64_MAX)
			return json_integer((json_int_t)part->u64);
		snprintf(text, sizeof(text), "%" PRIu64, part->u64);
		return json_string(text);
	case MR_TYPE_I64:
		return json_integer(part->i64);
	default:
		return value_json(&value);
	}
}

json_t *key_json(const struct mr_schema *schema, const void *key, unsigned key_bytes)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX];
	int n = mr_key_decode(schema, key, key_bytes, parts);
	json_t *array;

	if (n <= 0)
		return json_null();
	if (n == 1)
		return part_json(schema->key_parts[0].type, &parts[0]);
	array = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(array, part_json(schema->key_parts[i].type, &parts[i]));
	return array;
}

// ---- pairs -------------------------------------------------------------------------------------

/** A leaf's line: name, value, and the rate when there is a reading before. */
static void print_pair(
	const char *name, const json_t *json, const json_t *before, double interval_s, FILE *out)
{
	fprintf(out, "%-44s ", name);
	if (json_is_string(json))
		fprintf(out, "%20s", json_string_value(json));
	else if (json_is_integer(json))
		fprintf(out, "%20" JSON_INTEGER_FORMAT, json_integer_value(json));
	else if (json_is_real(json))
		fprintf(out, "%20.6g", json_real_value(json));
	else
		fprintf(out, "%20s",
			json_is_true(json)    ? "true"
			: json_is_false(json) ? "false"
					      : "null");
	if (json_is_integer(json) && json_is_integer(before) && interval_s > 0)
		fprintf(out, " %14.1f/s",
			(double)(json_integer_value(json) - json_integer_value(before)) /
				interval_s);
	fputc('\n', out);
}

static void print_level(
	const char *name, const json_t *json, const json_t *before, double interval_s, FILE *out)
{
	char longer[512];
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		json_object_foreach((json_t *)(uintptr_t)json, key, value)
		{
			snprintf(longer, sizeof(longer), "%s%s%s", name, name[0] != '\0' ? "." : "",
				key);
			print_level(longer, value, json_object_get(before, key), interval_s, out);
		}
	} else if (json_is_array(json)) {
		json_array_foreach(json, i, value)
		{
			snprintf(longer, sizeof(longer), "%s.%zu", name, i);
			print_level(longer, value, json_array_get(before, i), interval_s, out);
		}
	} else
		print_pair(name, json, before, interval_s, out);
}

void print_json_as_pairs(const json_t *json, const json_t *before, double interval_s, FILE *out)
{
	print_level("", json, before, interval_s, out);
}
