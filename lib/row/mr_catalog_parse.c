// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog_parse.h"
#include "mr_units.h"

#include <errno.h>

// Text is read once into drafts, one a section; sets are finished when their section ends, views
// when the text ends, since they may name sets that come later.

// Keys of a set that may be given once; of a view, its id.
enum set_key {
	KEY_ID,
	KEY_KEY,
	KEY_VERSION,
	KEY_BESIDE,
	KEY_TTL,
	KEY_DURABILITY,
	KEY_TABLES,
	KEY_HISTORY,
	KEY_COUNT,
};

static int fail_name(const struct mr_ini_item *item, struct mr_text name, struct mr_err *err)
{
	char shown[MR_TEXT_SHOWN_BYTES];

	return mr_ini_fail(item, err, EINVAL,
		"'%s': a name is 1 to %u letters, digits and '_', and starts with no digit",
		mr_text_shown(name, shown, sizeof(shown)), MR_NAME_MAX_BYTES);
}

static bool parse_type(struct mr_text text, enum mr_type *ret_type)
{
	for (unsigned type = 0; type < MR_TYPE_COUNT; type++) {
		if (mr_text_is(text, mr_type_name(type))) {
			*ret_type = type;
			return true;
		}
	}
	return false;
}

static int parse_id(
	const struct mr_ini_item *item, unsigned max, uint16_t *ret_value, struct mr_err *err)
{
	uint64_t v;

	if (mr_parse_u64(item->value, &v) < 0 || v < 1 || v > max)
		return mr_ini_fail(item, err, EINVAL, "a number from 1 to %u", max);
	*ret_value = (uint16_t)v;
	return 0;
}

// "key = u64" or "key = user:u64, site:string".
static int parse_key_part(const struct mr_ini_item *item, struct mr_parser *p, struct mr_text text,
	bool is_only, struct mr_err *err)
{
	struct mr_schema *schema = p->current->schema;
	const char *colon = memchr(text.data, ':', text.bytes);
	struct mr_text name = {"key", 3}, type = text;
	char shown[MR_TEXT_SHOWN_BYTES];
	struct mr_key_part part;

	if (colon != NULL) {
		name = mr_text_trim(text.data, (size_t)(colon - text.data));
		type = mr_text_trim(colon + 1, text.bytes - (size_t)(colon - text.data) - 1);
	} else if (!is_only) {
		return mr_ini_fail(item, err, EINVAL,
			"name each part of a composite key, as in \"user:u64, site:string\"");
	}
	if (!mr_text_is_name(name))
		return fail_name(item, name, err);
	if (!parse_type(type, &part.type) ||
		(part.type != MR_TYPE_U64 && part.type != MR_TYPE_I64 &&
			part.type != MR_TYPE_STRING && part.type != MR_TYPE_BYTES))
		return mr_ini_fail(item, err, EINVAL,
			"'%s' is no key type: u64, i64, string or bytes",
			mr_text_shown(type, shown, sizeof(shown)));
	for (unsigned i = 0; i < schema->n_key_parts; i++) {
		if (mr_text_is(name, schema->key_parts[i].name))
			return mr_ini_fail(item, err, EINVAL, "key part %.*s twice",
				(int)name.bytes, name.data);
	}
	if (schema->n_key_parts == MR_KEY_PARTS_MAX)
		return mr_ini_fail(
			item, err, EINVAL, "a key has at most %u parts", MR_KEY_PARTS_MAX);
	part.name = mr_parser_text(p, name.data, name.bytes);
	if (part.name == NULL)
		return -ENOMEM;
	schema->key_parts[schema->n_key_parts++] = part;
	return 0;
}

static int parse_key(const struct mr_ini_item *item, struct mr_parser *p, struct mr_err *err)
{
	struct mr_schema *schema = p->current->schema;
	bool is_only = strchr(item->value, ',') == NULL;
	const char *rest = item->value;
	unsigned fixed_bytes = 0;

	while (rest != NULL) {
		int ret = parse_key_part(item, p, mr_next_of_list(&rest), is_only, err);

		if (ret < 0)
			return ret;
	}
	for (unsigned i = 0; i < schema->n_key_parts; i++) {
		enum mr_type type = schema->key_parts[i].type;

		if (type == MR_TYPE_STRING || type == MR_TYPE_BYTES)
			return 0;
		fixed_bytes += 8;
	}
	schema->key_fixed_bytes = (uint8_t)fixed_bytes;
	return 0;
}

// "i32" or "f32[16]".
static int parse_column_type(
	const struct mr_ini_item *item, struct mr_column *column, struct mr_err *err)
{
	const char *bracket = strchr(item->value, '[');
	size_t bytes = bracket != NULL ? (size_t)(bracket - item->value) : strlen(item->value);
	struct mr_text text = mr_text_trim(item->value, bytes), count;
	char shown[MR_TEXT_SHOWN_BYTES];
	uint64_t n = 1;

	if (!parse_type(text, &column->type))
		return mr_ini_fail(item, err, EINVAL,
			"unknown type '%s': bool, i32, i64, f32, f64, timestamp, string, bytes, "
			"or an array such as f32[16]",
			mr_text_shown(text, shown, sizeof(shown)));
	if (column->type == MR_TYPE_U64)
		return mr_ini_fail(item, err, EINVAL, "u64 is for keys: use i64");
	column->count = 1;
	if (bracket == NULL)
		return 0;
	if (column->type == MR_TYPE_STRING || column->type == MR_TYPE_BYTES)
		return mr_ini_fail(
			item, err, EINVAL, "no arrays of %s", mr_type_name(column->type));
	count = mr_text_trim(bracket + 1, strlen(bracket + 1));
	if (count.bytes < 2 || count.data[count.bytes - 1] != ']' ||
		mr_text_u64((struct mr_text){count.data, count.bytes - 1}, &n) < 0 || n < 1 ||
		n > MR_ROW_MAX_BYTES / mr_type_cell_bytes(column->type))
		return mr_ini_fail(item, err, EINVAL,
			"an array has 1 to %u elements of this type, as in %s[16]",
			MR_ROW_MAX_BYTES / mr_type_cell_bytes(column->type),
			mr_type_name(column->type));
	column->count = (uint16_t)n;
	column->is_array = true;
	return 0;
}

static int parse_column(const struct mr_ini_item *item, struct mr_parser *p, struct mr_err *err)
{
	struct mr_text name = mr_text_trim(item->key + 6, strlen(item->key + 6));
	struct mr_section *s = p->current;
	struct mr_column_draft *draft;
	int ret;

	if (!mr_text_is_name(name))
		return fail_name(item, name, err);
	for (draft = s->columns; draft != NULL; draft = draft->next) {
		if (mr_text_is(name, draft->column.name))
			return mr_ini_fail(
				item, err, EINVAL, "column %s twice", draft->column.name);
	}
	if (s->n_columns == MR_SET_COLUMNS_MAX)
		return mr_ini_fail(
			item, err, EINVAL, "a set has at most %u columns", MR_SET_COLUMNS_MAX);
	draft = mr_parser_alloc(p, sizeof(*draft));
	if (draft == NULL)
		return -ENOMEM;
	ret = parse_column_type(item, &draft->column, err);
	if (ret < 0)
		return ret;
	draft->column.name = mr_parser_text(p, name.data, name.bytes);
	if (draft->column.name == NULL)
		return -ENOMEM;
	*s->columns_end = draft;
	s->columns_end = &draft->next;
	s->n_columns++;
	return 0;
}

// "beside = 2, 3".
static int parse_beside(
	const struct mr_ini_item *item, struct mr_schema *schema, struct mr_err *err)
{
	const char *rest = item->value;

	while (rest != NULL) {
		struct mr_text text = mr_next_of_list(&rest);
		uint64_t v;

		if (mr_text_u64(text, &v) < 0 || v < 1 || v > UINT16_MAX)
			return mr_ini_fail(
				item, err, EINVAL, "versions from 1 to 65535, parted by commas");
		for (unsigned i = 0; i < schema->n_beside; i++)
			if (schema->beside[i] == v)
				return mr_ini_fail(
					item, err, EINVAL, "version %u twice", schema->beside[i]);
		if (schema->n_beside == MR_SET_BESIDE_MAX)
			return mr_ini_fail(item, err, EINVAL,
				"at most %u versions beside the current one", MR_SET_BESIDE_MAX);
		schema->beside[schema->n_beside++] = (uint16_t)v;
	}
	return 0;
}

static int parse_ttl(const struct mr_ini_item *item, struct mr_schema *schema, struct mr_err *err)
{
	if (mr_parse_duration_us(item->value, &schema->ttl_us) < 0)
		return mr_ini_fail(item, err, EINVAL,
			"a duration such as 7d, 12h, 30m or 45s; 0: never expires");
	return 0;
}

static int parse_history(
	const struct mr_ini_item *item, struct mr_schema *schema, struct mr_err *err)
{
	if (mr_parse_duration_us(item->value, &schema->history_us) < 0)
		return mr_ini_fail(
			item, err, EINVAL, "a duration such as 30d or 12h; 0: no history is kept");
	return 0;
}

static int parse_durability(
	const struct mr_ini_item *item, struct mr_schema *schema, struct mr_err *err)
{
	for (unsigned d = 0; d < MR_DURABILITY_COUNT; d++) {
		if (strcmp(item->value, mr_durability_name(d)) == 0) {
			schema->durability = d;
			return 0;
		}
	}
	return mr_ini_fail(item, err, EINVAL, "sync or wal");
}

static int parse_tables(
	const struct mr_ini_item *item, struct mr_schema *schema, struct mr_err *err)
{
	for (unsigned t = 0; t < MR_TABLES_COUNT; t++) {
		if (strcmp(item->value, mr_tables_name(t)) == 0) {
			schema->tables = t;
			return 0;
		}
	}
	return mr_ini_fail(item, err, EINVAL, "compact or fast");
}

// Notes that a key was given; it may be given once.
static int once(
	const struct mr_ini_item *item, struct mr_section *s, enum set_key key, struct mr_err *err)
{
	if ((s->given & 1u << key) != 0)
		return mr_ini_fail(item, err, EINVAL, "%s twice in one section", item->key);
	s->given |= 1u << key;
	return 0;
}

static int parse_set_value(
	const struct mr_ini_item *item, struct mr_parser *p, enum set_key key, struct mr_err *err)
{
	struct mr_schema *schema = p->current->schema;

	switch (key) {
	case KEY_ID:
		return parse_id(item, MR_SET_ID_MAX, &p->current->id, err);
	case KEY_KEY:
		return parse_key(item, p, err);
	case KEY_VERSION:
		schema->has_version = true;
		return parse_id(item, UINT16_MAX, &schema->version, err);
	case KEY_BESIDE:
		schema->has_beside = true;
		return parse_beside(item, schema, err);
	case KEY_TTL:
		return parse_ttl(item, schema, err);
	case KEY_DURABILITY:
		return parse_durability(item, schema, err);
	case KEY_TABLES:
		return parse_tables(item, schema, err);
	case KEY_HISTORY:
		return parse_history(item, schema, err);
	case KEY_COUNT:
		break;
	}
	return -EINVAL;
}

static int parse_set_key(const struct mr_ini_item *item, struct mr_parser *p, struct mr_err *err)
{
	static const char *const names[KEY_COUNT] = {
		"id", "key", "version", "beside", "ttl", "durability", "tables", "history"};
	int ret;

	if (strncmp(item->key, "column", 6) == 0 && mr_text_is_blank(item->key[6]))
		return parse_column(item, p, err);
	for (unsigned k = 0; k < KEY_COUNT; k++) {
		if (strcmp(item->key, names[k]) != 0)
			continue;
		ret = once(item, p->current, k, err);
		return ret < 0 ? ret : parse_set_value(item, p, k, err);
	}
	return mr_ini_fail(item, err, EINVAL,
		"unknown key: id, key, version, beside, ttl, durability, tables, history or column "
		"NAME");
}

static int parse_view_key(const struct mr_ini_item *item, struct mr_parser *p, struct mr_err *err)
{
	struct mr_section *s = p->current;
	struct mr_line_draft *line;
	int ret;

	if (strcmp(item->key, "id") == 0) {
		ret = once(item, s, KEY_ID, err);
		return ret < 0 ? ret : parse_id(item, MR_SET_ID_MAX, &s->id, err);
	}
	if (strcmp(item->key, "columns") != 0)
		return mr_ini_fail(item, err, EINVAL, "unknown key: id or columns");
	line = mr_parser_alloc(p, sizeof(*line));
	if (line == NULL)
		return -ENOMEM;
	line->line = item->line;
	line->value = mr_parser_text(p, item->value, strlen(item->value));
	if (line->value == NULL)
		return -ENOMEM;
	*s->lines_end = line;
	s->lines_end = &line->next;
	return 0;
}

static int section_fail(
	const struct mr_parser *p, const struct mr_section *s, struct mr_err *err, const char *what)
{
	struct mr_ini_item item = {.file = p->file, .line = s->line, .section = s->title};

	return mr_ini_fail(&item, err, EINVAL, "%s", what);
}

static int finish_set(struct mr_parser *p, struct mr_section *s, struct mr_err *err)
{
	struct mr_schema *schema = s->schema;
	struct mr_err why = {""};
	unsigned i = 0;
	uint64_t hash;
	int ret;

	if ((s->given & 1u << KEY_KEY) == 0)
		return section_fail(p, s, err, "no key: add one such as \"key = u64\"");
	if (s->n_columns == 0)
		return section_fail(p, s, err, "no columns: add one such as \"column age = i32\"");
	schema->id = s->id;
	schema->shape.n_columns = (uint16_t)s->n_columns;
	schema->shape.columns = mr_parser_alloc(p, s->n_columns * sizeof(struct mr_column));
	if (schema->shape.columns == NULL)
		return -ENOMEM;
	for (struct mr_column_draft *c = s->columns; c != NULL; c = c->next)
		schema->shape.columns[i++] = c->column;
	ret = mr_shape_lay_out(&schema->shape, p->arena, &why);
	if (ret == -E2BIG)
		return section_fail(p, s, err, why.text);
	if (ret < 0)
		return ret;
	hash = mr_layout_add_keys(0, schema);
	schema->layout = mr_layout_end(mr_layout_add_columns(hash, &schema->shape));
	return 0;
}

static int finish_section(struct mr_parser *p, struct mr_err *err)
{
	struct mr_section *s = p->current;

	p->current = NULL;
	if (s == NULL)
		return 0;
	if ((s->given & 1u << KEY_ID) == 0)
		return section_fail(p, s, err, "no id: add one such as \"id = 1\"");
	if (!s->is_view)
		return finish_set(p, s, err);
	if (s->lines == NULL)
		return section_fail(p, s, err, "no columns: add some such as \"columns = user.*\"");
	return 0;
}

static int start_section(const struct mr_ini_item *item, struct mr_parser *p, struct mr_err *err)
{
	size_t kind = strcspn(item->section, " \t");
	bool is_view = mr_text_is((struct mr_text){item->section, kind}, "view");
	struct mr_text name = mr_text_trim(item->section + kind, strlen(item->section + kind));
	struct mr_section *s, **bucket;

	if (!is_view && !mr_text_is((struct mr_text){item->section, kind}, "set"))
		return mr_ini_fail(item, err, EINVAL, "unknown section: [set NAME] or [view NAME]");
	if (!mr_text_is_name(name))
		return fail_name(item, name, err);
	s = mr_parser_alloc(p, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->is_view = is_view;
	s->line = item->line;
	s->title = mr_parser_text(p, item->section, strlen(item->section));
	s->name = mr_parser_text(p, name.data, name.bytes);
	s->schema = is_view ? NULL : mr_parser_alloc(p, sizeof(*s->schema));
	if (s->title == NULL || s->name == NULL || (!is_view && s->schema == NULL))
		return -ENOMEM;
	if (mr_parser_section(p, s->name, is_view) != NULL)
		return mr_ini_fail(item, err, EINVAL, "%s %s is already at line %u",
			is_view ? "view" : "set", s->name,
			mr_parser_section(p, s->name, is_view)->line);
	if (!is_view) {
		s->schema->name = s->name;
		s->schema->version = 1;
	}
	s->columns_end = &s->columns;
	s->lines_end = &s->lines;
	bucket = mr_parser_bucket(p, s->name);
	s->next_in_bucket = *bucket;
	*bucket = s;
	*p->sections_end = s;
	p->sections_end = &s->next;
	p->current = s;
	return 0;
}

static int on_item(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct mr_parser *p = arg;

	if (item->key == NULL) {
		int ret = finish_section(p, err);

		return ret < 0 ? ret : start_section(item, p, err);
	}
	return p->current->is_view ? parse_view_key(item, p, err) : parse_set_key(item, p, err);
}
static int build(struct mr_parser *p, const char *text, size_t text_bytes, struct mr_err *err)
{
	int ret;

	p->catalog = mr_parser_alloc(p, sizeof(*p->catalog));
	p->buckets = mr_parser_alloc(p, MR_PARSER_BUCKETS * sizeof(*p->buckets));
	if (p->catalog == NULL || p->buckets == NULL)
		return -ENOMEM;
	p->catalog->by_wire_id = mr_parser_alloc(p, 65536 * sizeof(*p->catalog->by_wire_id));
	if (p->catalog->by_wire_id == NULL)
		return -ENOMEM;
	p->sections_end = &p->sections;
	ret = mr_ini_read(p->file, text, text_bytes, on_item, p, err);
	if (ret == 0)
		ret = finish_section(p, err);
	return ret < 0 ? ret : mr_catalog_make_views(p, err);
}

struct mr_catalog *mr_catalog_build_change(struct mr_arena *arena, const struct mr_catalog *base,
	const char *file, const char *text, size_t text_bytes, struct mr_err *err)
{
	struct mr_parser p = {.arena = arena, .file = file, .base = base};
	size_t used_bytes = arena->used_bytes;
	int ret = build(&p, text, text_bytes, err);

	if (ret < 0) {
		arena->used_bytes = used_bytes;
		errno = -ret;
		return NULL;
	}
	return p.catalog;
}

struct mr_catalog *mr_catalog_build(struct mr_arena *arena, const char *file, const char *text,
	size_t text_bytes, struct mr_err *err)
{
	return mr_catalog_build_change(arena, NULL, file, text, text_bytes, err);
}
