// SPDX-License-Identifier: BSD-3-Clause
//
// JSON lines: one object a line, its members are the columns.

#include "reader.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static int number_text(const json_t *value, char *text, size_t text_bytes)
{
	if (json_is_integer(value))
		return snprintf(
			text, text_bytes, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_real(value))
		return snprintf(text, text_bytes, "%.17g", json_real_value(value));
	return snprintf(text, text_bytes, "%s", json_is_true(value) ? "true" : "false");
}

static int add_number(struct reader_cells *cells, const json_t *value)
{
	char text[64];
	int bytes = number_text(value, text, sizeof(text));

	return reader_cell_add(cells, text, (size_t)bytes);
}

static int add_array(struct reader_cells *cells, const json_t *value)
{
	const json_t *element;
	size_t i;
	int rc = 0;

	json_array_foreach(value, i, element)
	{
		if (!json_is_number(element) && !json_is_boolean(element))
			return -EINVAL;
		if (i > 0)
			rc = reader_cell_add(cells, ";", 1);
		if (rc == 0)
			rc = add_number(cells, element);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int add_member(struct reader_cells *cells, const json_t *value, enum cell_kind *ret_kind)
{
	switch (json_typeof(value)) {
	case JSON_NULL:
		*ret_kind = CELL_NULL;
		return 0;
	case JSON_STRING:
		*ret_kind = CELL_TEXT;
		return reader_cell_add(cells, json_string_value(value), json_string_length(value));
	case JSON_ARRAY:
		*ret_kind = CELL_ARRAY;
		return add_array(cells, value);
	case JSON_OBJECT:
		return -EINVAL;
	default:
		*ret_kind = CELL_NUMBER;
		return add_number(cells, value);
	}
}

/** Names are kept in front of the cell's text, so that they live as long as the record. */
static int add_cell(struct reader_cells *cells, const char *name, const json_t *value)
{
	enum cell_kind kind = CELL_NULL;
	int rc = reader_cell_begin(cells);

	if (rc == 0)
		rc = add_member(cells, value, &kind);
	if (rc == 0)
		rc = reader_cell_end(cells, kind);
	if (rc == 0)
		rc = reader_cell_add(cells, name, strlen(name) + 1);
	return rc;
}

static int object_cells(const struct reader_input *in, const json_t *object,
	struct reader_cells *cells, struct mr_err *err)
{
	const char *name;
	json_t *value;
	int rc;

	if (!json_is_object(object))
		return mr_fail(err, EINVAL, "%s:%u: expected one JSON object on the line", in->name,
			in->line);
	if (json_object_size(object) == 0)
		return mr_fail(err, EINVAL, "%s:%u: the object is empty", in->name, in->line);
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		rc = add_cell(cells, name, value);
		if (rc == -EINVAL)
			return mr_fail(err, EINVAL,
				"%s:%u: column %s: an object, or an array of other things than "
				"numbers, is not a value of any type",
				in->name, in->line, name);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool is_blank(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

size_t jsonl_record(const struct reader_input *in, struct reader_cells *cells,
	size_t *ret_raw_bytes, unsigned *ret_lines, int *ret_error, struct mr_err *err)
{
	const char *end = memchr(in->at, '\n', (size_t)(in->end - in->at));
	json_error_t json_error;
	json_t *object;
	size_t raw_bytes;

	if (end == NULL && !in->is_last)
		return 0;
	raw_bytes = (size_t)((end != NULL ? end : in->end) - in->at);
	*ret_raw_bytes = raw_bytes - (raw_bytes > 0 && in->at[raw_bytes - 1] == '\r');
	*ret_lines = end != NULL;
	*ret_error = 0;
	if (is_blank(in->at, raw_bytes))
		return raw_bytes + (end != NULL);
	object = json_loadb(in->at, raw_bytes, JSON_REJECT_DUPLICATES, &json_error);
	if (object == NULL)
		*ret_error = mr_fail(err, EINVAL, "%s:%u: character %d: %s", in->name, in->line,
			json_error.column, json_error.text);
	else
		*ret_error = object_cells(in, object, cells, err);
	json_decref(object);
	return raw_bytes + (end != NULL);
}
