// SPDX-License-Identifier: BSD-3-Clause

#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int set_key_columns(struct binding *b, const char *key_columns, struct mr_err *err)
{
	char *text = strdup(key_columns);
	char *at = text;
	unsigned n = 0;

	if (text == NULL)
		return -ENOMEM;
	for (;;) {
		char *comma = strchr(at, ',');

		if (comma != NULL)
			*comma = '\0';
		if (n < MR_KEY_PARTS_MAX)
			b->key_names[n] = strdup(at);
		n++;
		if (comma == NULL)
			break;
		at = comma + 1;
	}
	free(text);
	for (unsigned i = 0; i < MR_MIN(n, MR_KEY_PARTS_MAX); i++)
		if (b->key_names[i] == NULL)
			return -ENOMEM;
	if (n != b->schema->n_key_parts)
		return mr_fail(err, EINVAL,
			"the key of set %s has %u part%s, but %u column%s given", b->schema->name,
			b->schema->n_key_parts, b->schema->n_key_parts == 1 ? "" : "s", n,
			n == 1 ? " is" : "s are");
	return 0;
}

static bool has_name(const char *const *header, unsigned n_header, const char *name)
{
	for (unsigned i = 0; i < n_header; i++)
		if (strcmp(header[i], name) == 0)
			return true;
	return false;
}

/** The parts' own names where the file has all of them, or has no header; else its first columns.*/
static int default_key_columns(
	struct binding *b, const char *const *header, unsigned n_header, struct mr_err *err)
{
	unsigned n = b->schema->n_key_parts;
	bool by_name = true;

	for (unsigned i = 0; i < n && n_header > 0; i++)
		by_name &= has_name(header, n_header, b->schema->key_parts[i].name);
	if (!by_name && n_header < n)
		return mr_fail(err, EINVAL,
			"the file has %u column%s, the key of set %s has %u parts", n_header,
			n_header == 1 ? "" : "s", b->schema->name, n);
	for (unsigned i = 0; i < n; i++) {
		b->key_names[i] = strdup(by_name ? b->schema->key_parts[i].name : header[i]);
		if (b->key_names[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int find_target(
	const struct binding *b, const char *name, struct target *ret_target, struct mr_err *err)
{
	const struct mr_column *column = mr_shape_column(&b->schema->shape, name);

	*ret_target = (struct target){.column = column, .key_part = -1};
	for (unsigned i = 0; i < b->schema->n_key_parts; i++)
		if (strcmp(b->key_names[i], name) == 0)
			ret_target->key_part = (int16_t)i;
	ret_target->is_time = b->time_name != NULL && strcmp(b->time_name, name) == 0;
	ret_target->is_value = column != NULL && ret_target->key_part < 0 && !ret_target->is_time;
	if (column != NULL || ret_target->key_part >= 0 || ret_target->is_time || b->ignore_unknown)
		return 0;
	return mr_fail(err, EINVAL,
		"column %s: set %s has no column of that name (--ignore-unknown leaves it out)",
		name, b->schema->name);
}

static int bind_header(
	struct binding *b, const char *const *header, unsigned n_header, struct mr_err *err)
{
	int rc = 0;

	b->header = calloc(n_header + 1, sizeof(*b->header));
	if (b->header == NULL)
		return -ENOMEM;
	b->n_header = n_header;
	for (unsigned i = 0; i < n_header && rc == 0; i++)
		rc = find_target(b, header[i], &b->header[i], err);
	for (unsigned i = 0; i < b->schema->n_key_parts && n_header > 0 && rc == 0; i++)
		if (!has_name(header, n_header, b->key_names[i]))
			rc = mr_fail(
				err, EINVAL, "the header has no key column '%s'", b->key_names[i]);
	if (rc == 0 && n_header > 0 && b->time_name != NULL &&
		!has_name(header, n_header, b->time_name))
		rc = mr_fail(err, EINVAL, "the header has no time column '%s'", b->time_name);
	return rc;
}

int binding_init(struct binding *binding, const struct mr_schema *schema, const char *key_columns,
	const char *time_column, bool ignore_unknown, const char *const *header, unsigned n_header,
	struct mr_err *err)
{
	int rc;

	memset(binding, 0, sizeof(*binding));
	binding->schema = schema;
	binding->time_name = time_column;
	binding->ignore_unknown = ignore_unknown;
	binding->scratch = malloc(mr_row_builder_scratch_bytes(&schema->shape) + 1);
	if (binding->scratch == NULL)
		return -ENOMEM;
	rc = key_columns != NULL ? set_key_columns(binding, key_columns, err)
	                         : default_key_columns(binding, header, n_header, err);
	return rc == 0 ? bind_header(binding, header, n_header, err) : rc;
}

void binding_free(struct binding *binding)
{
	for (unsigned i = 0; i < MR_KEY_PARTS_MAX; i++)
		free((char *)(uintptr_t)binding->key_names[i]);
	for (unsigned i = 0; i < binding->n_cache; i++)
		free(binding->cache[i].name);
	free(binding->cache);
	free(binding->header);
	free(binding->scratch);
}

/** Target of cell @p i: by the header, or mostly the one that the record before had there. */
static int target_of(struct binding *b, unsigned i, const char *name, struct target *ret_target,
	struct mr_err *err)
{
	char *copy;
	int rc;

	if (mr_likely(i < b->n_header)) {
		*ret_target = b->header[i];
		return 0;
	}
	if (i < b->n_cache && b->cache[i].name != NULL && strcmp(b->cache[i].name, name) == 0) {
		*ret_target = b->cache[i].target;
		return 0;
	}
	rc = find_target(b, name, ret_target, err);
	if (rc != 0)
		return rc;
	if (i >= b->n_cache) {
		void *grown = realloc(b->cache, (i + 1) * sizeof(*b->cache));

		if (grown == NULL)
			return -ENOMEM;
		b->cache = grown;
		memset(&b->cache[b->n_cache], 0, (i + 1 - b->n_cache) * sizeof(*b->cache));
		b->n_cache = i + 1;
	}
	copy = strdup(name);
	if (copy == NULL)
		return -ENOMEM;
	free(b->cache[i].name);
	b->cache[i].name = copy;
	b->cache[i].target = *ret_target;
	return 0;
}

static bool is_text(enum mr_type type)
{
	return type == MR_TYPE_STRING || type == MR_TYPE_BYTES;
}

/** A JSON number for a text column has lost its leading zeros already: not taken. */
static int check_kind(enum mr_type type, bool is_array, const struct cell *cell, struct mr_err *err)
{
	if (is_text(type) && (cell->kind == CELL_NUMBER || cell->kind == CELL_ARRAY))
		return mr_fail(err, EINVAL, "column %s: %s expected, got %.60s without quotes",
			cell->name, mr_type_name(type), cell->text);
	if (cell->kind == CELL_ARRAY && !is_array)
		return mr_fail(err, EINVAL, "column %s: %s expected, got an array", cell->name,
			mr_type_name(type));
	return 0;
}

static bool is_null(enum mr_type type, const struct cell *cell)
{
	// Files with quotes around everything write "" for a number that is not there.
	return cell->kind == CELL_NULL ||
	       (cell->kind == CELL_QUOTED && cell->bytes == 0 && !is_text(type));
}

static int set_column(struct mr_row_builder *builder, const struct mr_column *column,
	const struct cell *cell, struct mr_err *err)
{
	int rc;

	if (is_null(column->type, cell))
		return 0;
	rc = check_kind(column->type, column->is_array, cell, err);
	if (rc == 0)
		rc = mr_row_set_text(builder, column, cell->text, cell->bytes, err);
	return rc;
}

/** One column of type timestamp: how lib/row reads a time. */
int parse_time(const char *text, size_t bytes, uint64_t *ret_us, struct mr_err *err)
{
	struct mr_column column = {.name = "time", .type = MR_TYPE_TIMESTAMP, .count = 1};
	struct mr_shape shape = {.n_columns = 1, .columns = &column};
	uint8_t mem[256], scratch[256], row[64];
	struct mr_row_builder builder;
	struct mr_arena arena;
	struct mr_value value;
	int rc;

	mr_arena_init(&arena, mem, sizeof(mem));
	rc = mr_shape_lay_out(&shape, &arena, NULL);
	if (rc == 0)
		rc = mr_row_begin(&builder, &shape, row, sizeof(row), scratch);
	if (rc == 0)
		rc = mr_row_set_text(&builder, &column, text, bytes, NULL);
	if (rc == 0)
		rc = mr_row_end(&builder);
	if (rc >= 0)
		rc = mr_row_get(&column, row, (uint32_t)rc, &value);
	if (rc != 0 || value.is_null || value.i64 < 0)
		return mr_fail(err, EINVAL,
			"a time since 1970 expected (microseconds, or 2026-01-02T03:04:05Z), got "
			"'%.*s'",
			(int)MR_MIN(bytes, (size_t)60), text);
	*ret_us = (uint64_t)value.i64;
	return 0;
}

static int check_key_parts(const struct binding *b, const char *const *texts, struct mr_err *err)
{
	for (unsigned i = 0; i < b->schema->n_key_parts; i++)
		if (texts[i] == NULL)
			return mr_fail(
				err, EINVAL, "column %s: a key cannot be empty", b->key_names[i]);
	return 0;
}

static int apply_cell(struct binding *b, struct mr_row_builder *builder, unsigned i,
	const struct cell *cell, const char **key_texts, struct made_row *row, bool *has_time,
	struct mr_err *err)
{
	struct target target;
	int rc = target_of(b, i, cell->name, &target, err);

	if (rc == 0 && target.key_part >= 0 && cell->kind != CELL_NULL) {
		key_texts[target.key_part] = cell->text;
		rc = check_kind(b->schema->key_parts[target.key_part].type, false, cell, err);
	}
	if (rc == 0 && target.column != NULL)
		rc = set_column(builder, target.column, cell, err);
	if (rc == 0 && target.is_time) {
		*has_time = true;
		rc = parse_time(cell->text, cell->bytes, &row->event_time_us, err);
		if (rc != 0)
			mr_err_prefix(err, "column %s: ", cell->name);
	}
	return rc;
}

int binding_make(struct binding *binding, const struct record *record, struct made_row *ret_row,
	struct mr_err *err)
{
	const char *key_texts[MR_KEY_PARTS_MAX] = {NULL};
	struct mr_row_builder builder;
	bool has_time = binding->time_name == NULL;
	int rc = mr_row_begin(&builder, &binding->schema->shape, ret_row->row, sizeof(ret_row->row),
		binding->scratch);

	ret_row->event_time_us = binding->time_us;
	for (unsigned i = 0; i < record->n_cells && rc == 0; i++) {
		const struct cell *cell = &record->cells[i];

		// As nearly all are.
		if (i < binding->n_header && binding->header[i].is_value && cell->kind == CELL_TEXT)
			rc = mr_row_set_text(
				&builder, binding->header[i].column, cell->text, cell->bytes, err);
		else
			rc = apply_cell(
				binding, &builder, i, cell, key_texts, ret_row, &has_time, err);
	}
	if (rc == 0 && !has_time)
		rc = mr_fail(err, EINVAL, "column %s: no event time", binding->time_name);
	if (rc == 0)
		rc = check_key_parts(binding, key_texts, err);
	if (rc == 0)
		rc = mr_key_parse(binding->schema, key_texts, binding->schema->n_key_parts,
			ret_row->key, err);
	if (rc < 0)
		return rc;
	ret_row->key_bytes = (uint8_t)rc;
	rc = mr_row_end(&builder);
	if (rc < 0)
		return mr_fail(err, -rc, "the row is longer than %u bytes", MR_ROW_MAX_BYTES);
	ret_row->row_bytes = (uint32_t)rc;
	return 0;
}

int parse_key(const struct mr_schema *schema, const char *text, uint8_t *key, struct mr_err *err)
{
	const char *texts[MR_KEY_PARTS_MAX];
	char *copy = strdup(text);
	unsigned n = 0;
	char *at = copy;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	// The last part takes what is left: a comma is no separator there.
	while (n + 1 < schema->n_key_parts && strchr(at, ',') != NULL) {
		texts[n++] = at;
		at = strchr(at, ',');
		*at++ = '\0';
	}
	texts[n++] = at;
	rc = mr_key_parse(schema, texts, n, key, err);
	free(copy);
	return rc;
}
