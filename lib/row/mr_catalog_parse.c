// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog_impl.h"
#include "mr_hash.h"
#include "mr_ini.h"
#include "mr_units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Text is read once into drafts, one a section; sets are finished when their section ends, views
// when the text ends, since they may name sets that come later.

#define BUCKETS 1024u

struct column_draft {
	struct column_draft *next;
	struct mr_column column;
};

// A "columns =" line of a view, kept until all sets are known.
struct line_draft {
	struct line_draft *next;
	unsigned line;
	const char *value;
};

struct section {
	struct section *next, *next_in_bucket;
	const char *title; // "set user"
	const char *name;  // "user"
	unsigned line;
	bool is_view, has_id, has_key, has_ttl, has_durability, has_history;
	uint16_t id;
	struct mr_schema *schema;
	unsigned n_columns;
	struct column_draft *columns, **columns_end;
	struct line_draft *lines, **lines_end;
};

struct parser {
	struct mr_arena *arena;
	const char *file;
	const struct mr_catalog *base; // NULL: none
	struct mr_catalog *catalog;
	struct section *sections, **sections_end;
	struct section *current;
	struct section **buckets; // by name
};

static void *alloc(struct parser *p, size_t bytes)
{
	return mr_arena_alloc(p->arena, bytes, 8);
}

static const char *copy_text(struct parser *p, const char *text, size_t bytes)
{
	return mr_arena_strdup(p->arena, text, bytes);
}

static bool text_is(struct mr_text text, const char *word)
{
	return strlen(word) == text.bytes && memcmp(text.data, word, text.bytes) == 0;
}

static bool is_name(struct mr_text text)
{
	if (text.bytes == 0 || text.bytes > MR_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < text.bytes; i++) {
		char c = text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return true;
}

static int fail_name(const struct mr_ini_item *item, struct mr_text name, struct mr_err *err)
{
	char shown[MR_TEXT_SHOWN_BYTES];

	return mr_ini_fail(item, err, EINVAL,
		"'%s': a name is 1 to %u letters, digits and '_', and starts with no digit",
		mr_text_shown(name, shown, sizeof(shown)), MR_NAME_MAX_BYTES);
}

// Takes the text up to the next comma off a list. A list ends without a comma.
static struct mr_text next_of_list(const char **list)
{
	const char *comma = strchr(*list, ',');
	size_t bytes = comma != NULL ? (size_t)(comma - *list) : strlen(*list);
	struct mr_text text = mr_text_trim(*list, bytes);

	*list = comma != NULL ? comma + 1 : NULL;
	return text;
}

static bool parse_type(struct mr_text text, enum mr_type *ret_type)
{
	for (unsigned type = 0; type < MR_TYPE_COUNT; type++) {
		if (text_is(text, mr_type_name(type))) {
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
static int parse_key_part(const struct mr_ini_item *item, struct parser *p, struct mr_text text,
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
	if (!is_name(name))
		return fail_name(item, name, err);
	if (!parse_type(type, &part.type) ||
		(part.type != MR_TYPE_U64 && part.type != MR_TYPE_I64 &&
			part.type != MR_TYPE_STRING && part.type != MR_TYPE_BYTES))
		return mr_ini_fail(item, err, EINVAL,
			"'%s' is no key type: u64, i64, string or bytes",
			mr_text_shown(type, shown, sizeof(shown)));
	for (unsigned i = 0; i < schema->n_key_parts; i++) {
		if (text_is(name, schema->key_parts[i].name))
			return mr_ini_fail(item, err, EINVAL, "key part %.*s twice",
				(int)name.bytes, name.data);
	}
	if (schema->n_key_parts == MR_KEY_PARTS_MAX)
		return mr_ini_fail(
			item, err, EINVAL, "a key has at most %u parts", MR_KEY_PARTS_MAX);
	part.name = copy_text(p, name.data, name.bytes);
	if (part.name == NULL)
		return -ENOMEM;
	schema->key_parts[schema->n_key_parts++] = part;
	return 0;
}

static int parse_key(const struct mr_ini_item *item, struct parser *p, struct mr_err *err)
{
	struct mr_schema *schema = p->current->schema;
	bool is_only = strchr(item->value, ',') == NULL;
	const char *rest = item->value;
	unsigned fixed_bytes = 0;

	while (rest != NULL) {
		int ret = parse_key_part(item, p, next_of_list(&rest), is_only, err);

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

static int parse_column(const struct mr_ini_item *item, struct parser *p, struct mr_err *err)
{
	struct mr_text name = mr_text_trim(item->key + 6, strlen(item->key + 6));
	struct section *s = p->current;
	struct column_draft *draft;
	int ret;

	if (!is_name(name))
		return fail_name(item, name, err);
	for (draft = s->columns; draft != NULL; draft = draft->next) {
		if (text_is(name, draft->column.name))
			return mr_ini_fail(
				item, err, EINVAL, "column %s twice", draft->column.name);
	}
	if (s->n_columns == MR_SET_COLUMNS_MAX)
		return mr_ini_fail(
			item, err, EINVAL, "a set has at most %u columns", MR_SET_COLUMNS_MAX);
	draft = alloc(p, sizeof(*draft));
	if (draft == NULL)
		return -ENOMEM;
	ret = parse_column_type(item, &draft->column, err);
	if (ret < 0)
		return ret;
	draft->column.name = copy_text(p, name.data, name.bytes);
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
		struct mr_text text = next_of_list(&rest);
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

// Notes that a key was given; it may be given once.
static int once(const struct mr_ini_item *item, bool *given, struct mr_err *err)
{
	if (*given)
		return mr_ini_fail(item, err, EINVAL, "%s twice in one section", item->key);
	*given = true;
	return 0;
}

static int parse_set_key(const struct mr_ini_item *item, struct parser *p, struct mr_err *err)
{
	struct section *s = p->current;
	int ret;

	if (strncmp(item->key, "column", 6) == 0 && mr_text_is_blank(item->key[6]))
		return parse_column(item, p, err);
	if (strcmp(item->key, "id") == 0) {
		ret = once(item, &s->has_id, err);
		return ret < 0 ? ret : parse_id(item, MR_SET_ID_MAX, &s->id, err);
	}
	if (strcmp(item->key, "key") == 0) {
		ret = once(item, &s->has_key, err);
		return ret < 0 ? ret : parse_key(item, p, err);
	}
	if (strcmp(item->key, "version") == 0) {
		ret = once(item, &s->schema->has_version, err);
		return ret < 0 ? ret : parse_id(item, UINT16_MAX, &s->schema->version, err);
	}
	if (strcmp(item->key, "beside") == 0) {
		ret = once(item, &s->schema->has_beside, err);
		return ret < 0 ? ret : parse_beside(item, s->schema, err);
	}
	if (strcmp(item->key, "ttl") == 0) {
		ret = once(item, &s->has_ttl, err);
		return ret < 0 ? ret : parse_ttl(item, s->schema, err);
	}
	if (strcmp(item->key, "durability") == 0) {
		ret = once(item, &s->has_durability, err);
		return ret < 0 ? ret : parse_durability(item, s->schema, err);
	}
	if (strcmp(item->key, "history") == 0) {
		ret = once(item, &s->has_history, err);
		return ret < 0 ? ret : parse_history(item, s->schema, err);
	}
	return mr_ini_fail(item, err, EINVAL,
		"unknown key: id, key, version, beside, ttl, durability, history or column NAME");
}

static int parse_view_key(const struct mr_ini_item *item, struct parser *p, struct mr_err *err)
{
	struct section *s = p->current;
	struct line_draft *line;
	int ret;

	if (strcmp(item->key, "id") == 0) {
		ret = once(item, &s->has_id, err);
		return ret < 0 ? ret : parse_id(item, MR_SET_ID_MAX, &s->id, err);
	}
	if (strcmp(item->key, "columns") != 0)
		return mr_ini_fail(item, err, EINVAL, "unknown key: id or columns");
	line = alloc(p, sizeof(*line));
	if (line == NULL)
		return -ENOMEM;
	line->line = item->line;
	line->value = copy_text(p, item->value, strlen(item->value));
	if (line->value == NULL)
		return -ENOMEM;
	*s->lines_end = line;
	s->lines_end = &line->next;
	return 0;
}

static int section_fail(
	const struct parser *p, const struct section *s, struct mr_err *err, const char *what)
{
	struct mr_ini_item item = {.file = p->file, .line = s->line, .section = s->title};

	return mr_ini_fail(&item, err, EINVAL, "%s", what);
}

static struct section **bucket_of(struct parser *p, const char *name)
{
	return &p->buckets[mr_hash_key(name, strlen(name)) % BUCKETS];
}

static struct section *find_section(struct parser *p, const char *name, bool is_view)
{
	for (struct section *s = *bucket_of(p, name); s != NULL; s = s->next_in_bucket) {
		if (s->is_view == is_view && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static int finish_set(struct parser *p, struct section *s, struct mr_err *err)
{
	struct mr_schema *schema = s->schema;
	struct mr_err why = {""};
	unsigned i = 0;
	uint64_t hash;
	int ret;

	if (!s->has_key)
		return section_fail(p, s, err, "no key: add one such as \"key = u64\"");
	if (s->n_columns == 0)
		return section_fail(p, s, err, "no columns: add one such as \"column age = i32\"");
	schema->id = s->id;
	schema->shape.n_columns = (uint16_t)s->n_columns;
	schema->shape.columns = alloc(p, s->n_columns * sizeof(struct mr_column));
	if (schema->shape.columns == NULL)
		return -ENOMEM;
	for (struct column_draft *c = s->columns; c != NULL; c = c->next)
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

static int finish_section(struct parser *p, struct mr_err *err)
{
	struct section *s = p->current;

	p->current = NULL;
	if (s == NULL)
		return 0;
	if (!s->has_id)
		return section_fail(p, s, err, "no id: add one such as \"id = 1\"");
	if (!s->is_view)
		return finish_set(p, s, err);
	if (s->lines == NULL)
		return section_fail(p, s, err, "no columns: add some such as \"columns = user.*\"");
	return 0;
}

static int start_section(const struct mr_ini_item *item, struct parser *p, struct mr_err *err)
{
	size_t kind = strcspn(item->section, " \t");
	bool is_view = text_is((struct mr_text){item->section, kind}, "view");
	struct mr_text name = mr_text_trim(item->section + kind, strlen(item->section + kind));
	struct section *s, **bucket;

	if (!is_view && !text_is((struct mr_text){item->section, kind}, "set"))
		return mr_ini_fail(item, err, EINVAL, "unknown section: [set NAME] or [view NAME]");
	if (!is_name(name))
		return fail_name(item, name, err);
	s = alloc(p, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->is_view = is_view;
	s->line = item->line;
	s->title = copy_text(p, item->section, strlen(item->section));
	s->name = copy_text(p, name.data, name.bytes);
	s->schema = is_view ? NULL : alloc(p, sizeof(*s->schema));
	if (s->title == NULL || s->name == NULL || (!is_view && s->schema == NULL))
		return -ENOMEM;
	if (find_section(p, s->name, is_view) != NULL)
		return mr_ini_fail(item, err, EINVAL, "%s %s is already at line %u",
			is_view ? "view" : "set", s->name, find_section(p, s->name, is_view)->line);
	if (!is_view) {
		s->schema->name = s->name;
		s->schema->version = 1;
	}
	s->columns_end = &s->columns;
	s->lines_end = &s->lines;
	bucket = bucket_of(p, s->name);
	s->next_in_bucket = *bucket;
	*bucket = s;
	*p->sections_end = s;
	p->sections_end = &s->next;
	p->current = s;
	return 0;
}

static int on_item(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct parser *p = arg;

	if (item->key == NULL) {
		int ret = finish_section(p, err);

		return ret < 0 ? ret : start_section(item, p, err);
	}
	return p->current->is_view ? parse_view_key(item, p, err) : parse_set_key(item, p, err);
}

// Views, once every set is known.

struct part_draft {
	const struct mr_schema *schema;
	uint16_t *columns;
	unsigned n_columns;
	bool *wanted; // by declaration index
};

struct view_draft {
	struct part_draft parts[MR_VIEW_SETS_MAX];
	unsigned n_parts;
};

static const struct mr_schema *find_set(struct parser *p, const char *name)
{
	const struct section *s = find_section(p, name, false);

	if (s != NULL)
		return s->schema;
	return p->base != NULL ? mr_catalog_set_by_name(p->base, name) : NULL;
}

// The view's part for a set, made when the set is first named.
static int part_for(struct parser *p, const struct mr_ini_item *item, struct view_draft *view,
	const struct mr_schema *schema, struct part_draft **ret_part, struct mr_err *err)
{
	struct part_draft *part;

	for (unsigned i = 0; i < view->n_parts; i++) {
		if (view->parts[i].schema == schema) {
			*ret_part = &view->parts[i];
			return 0;
		}
	}
	if (view->n_parts == MR_VIEW_SETS_MAX)
		return mr_ini_fail(
			item, err, EINVAL, "a view has at most %u sets", MR_VIEW_SETS_MAX);
	if (view->n_parts > 0 && !mr_schema_same_key(view->parts[0].schema, schema))
		return mr_ini_fail(item, err, EINVAL,
			"sets of a view have the same key types; those of %s and %s differ",
			view->parts[0].schema->name, schema->name);
	part = &view->parts[view->n_parts];
	part->schema = schema;
	part->columns = alloc(p, schema->shape.n_columns * sizeof(*part->columns));
	part->wanted = alloc(p, schema->shape.n_columns * sizeof(*part->wanted));
	if (part->columns == NULL || part->wanted == NULL)
		return -ENOMEM;
	view->n_parts++;
	*ret_part = part;
	return 0;
}

static int add_column(
	const struct mr_ini_item *item, struct part_draft *part, unsigned index, struct mr_err *err)
{
	if (part->wanted[index])
		return mr_ini_fail(item, err, EINVAL, "column %s.%s twice", part->schema->name,
			part->schema->shape.columns[index].name);
	part->wanted[index] = true;
	part->columns[part->n_columns++] = (uint16_t)index;
	return 0;
}

// "user.age" or "user.*".
static int add_reference(struct parser *p, const struct mr_ini_item *item, struct view_draft *view,
	struct mr_text text, struct mr_err *err)
{
	char set[MR_NAME_MAX_BYTES + 1], name[MR_NAME_MAX_BYTES + 1];
	char shown[MR_TEXT_SHOWN_BYTES];
	const char *dot = memchr(text.data, '.', text.bytes);
	size_t set_bytes = dot != NULL ? (size_t)(dot - text.data) : 0;
	struct mr_text column = {text.data + set_bytes + 1, text.bytes - set_bytes - 1};
	bool is_all = dot != NULL && text_is(column, "*");
	const struct mr_schema *schema;
	const struct mr_column *found;
	struct part_draft *part = NULL;
	int ret;

	if (!is_name((struct mr_text){text.data, set_bytes}) || (!is_all && !is_name(column)))
		return mr_ini_fail(item, err, EINVAL, "'%s' is neither SET.COLUMN nor SET.*",
			mr_text_shown(text, shown, sizeof(shown)));
	snprintf(set, sizeof(set), "%.*s", (int)set_bytes, text.data);
	snprintf(name, sizeof(name), "%.*s", (int)column.bytes, column.data);
	schema = find_set(p, set);
	if (schema == NULL)
		return mr_ini_fail(item, err, EINVAL, "no set %s", set);
	found = mr_shape_column(&schema->shape, name);
	if (!is_all && found == NULL)
		return mr_ini_fail(item, err, EINVAL, "set %s has no column %s", set, name);
	ret = part_for(p, item, view, schema, &part, err);
	if (ret < 0 || !is_all)
		return ret < 0 ? ret : add_column(item, part, found->index, err);
	for (unsigned i = 0; i < schema->shape.n_columns && ret == 0; i++)
		ret = add_column(item, part, i, err);
	return ret;
}

static struct mr_view *start_view(
	struct parser *p, const char *name, uint16_t wire_id, unsigned n_parts)
{
	struct mr_view *view = alloc(p, sizeof(*view));

	if (view == NULL)
		return NULL;
	view->name = name;
	view->id = wire_id;
	view->n_parts = (uint16_t)n_parts;
	view->parts = alloc(p, n_parts * sizeof(*view->parts));
	return view->parts != NULL ? view : NULL;
}

static void finish_view(struct mr_view *view)
{
	uint64_t hash = mr_layout_add_keys(0, view->parts[0].schema);

	view->key_fixed_bytes = view->parts[0].schema->key_fixed_bytes;
	for (unsigned i = 0; i < view->n_parts; i++) {
		const char *set = view->parts[i].schema->name;

		hash = mr_layout_add(hash, set, strlen(set));
		hash = mr_layout_add_columns(hash, &view->parts[i].shape);
	}
	view->layout = mr_layout_end(hash);
}

static struct mr_view *make_set_view(struct parser *p, const struct mr_schema *schema)
{
	struct mr_view *view = start_view(p, schema->name, schema->id, 1);

	if (view == NULL)
		return NULL;
	view->parts[0] = (struct mr_view_part){
		.schema = schema,
		.shape = schema->shape,
		.is_identity = true,
		.row_fixed_bytes = schema->shape.fixed_bytes,
	};
	view->key_fixed_bytes = schema->key_fixed_bytes;
	// What DESCRIBE says of a set is what a PUT has to name.
	view->layout = schema->layout;
	return view;
}

static int make_view(
	struct parser *p, const struct section *s, struct mr_view **ret_view, struct mr_err *err)
{
	struct view_draft draft = {.n_parts = 0};
	struct mr_view *view;
	int ret = 0;

	for (const struct line_draft *line = s->lines; line != NULL; line = line->next) {
		struct mr_ini_item item = {p->file, line->line, s->title, "columns", line->value};
		const char *rest = line->value;

		while (rest != NULL) {
			ret = add_reference(p, &item, &draft, next_of_list(&rest), err);
			if (ret < 0)
				return ret;
		}
	}
	view = start_view(p, s->name, s->id | MR_VIEW_EXPLICIT, draft.n_parts);
	if (view == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < draft.n_parts; i++) {
		ret = mr_view_part_compile(&view->parts[i], draft.parts[i].schema,
			draft.parts[i].columns, draft.parts[i].n_columns, p->arena);
		if (ret < 0)
			return ret;
	}
	finish_view(view);
	*ret_view = view;
	return 0;
}

static int id_fail(const struct parser *p, const struct section *s, const struct mr_view *holder,
	struct mr_err *err)
{
	struct mr_ini_item item = {.file = p->file, .line = s->line, .section = s->title};

	return mr_ini_fail(&item, err, EINVAL, "id = %u belongs to %s %s: ids are unique", s->id,
		s->is_view ? "view" : "set", holder->name);
}

// Puts the views of one kind where their ids say.
static int place_views(struct parser *p, bool is_view, struct mr_err *err)
{
	struct mr_catalog *catalog = p->catalog;

	for (struct section *s = p->sections; s != NULL; s = s->next) {
		struct mr_view **place =
			&catalog->by_wire_id[s->id | (is_view ? MR_VIEW_EXPLICIT : 0)];
		int ret;

		if (s->is_view != is_view)
			continue;
		if (*place != NULL)
			return id_fail(p, s, *place, err);
		if (is_view) {
			ret = make_view(p, s, place, err);
			if (ret < 0)
				return ret;
			catalog->n_views++;
		} else {
			*place = make_set_view(p, s->schema);
			if (*place == NULL)
				return -ENOMEM;
			catalog->n_sets++;
		}
	}
	return 0;
}

// Place of a set among the set views, which are sorted by id.
static unsigned rank_of(const struct mr_catalog *catalog, uint16_t id)
{
	unsigned low = 0, high = catalog->n_sets;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (catalog->set_views[middle]->id <= id)
			low = middle;
		else
			high = middle;
	}
	return low;
}

// Lists what by_wire_id holds, which is in the order of ids.
static int list_all(struct parser *p)
{
	struct mr_catalog *catalog = p->catalog;
	unsigned n_sets = 0, n_views = 0;

	catalog->sets = alloc(p, catalog->n_sets * sizeof(*catalog->sets));
	catalog->set_views = alloc(p, catalog->n_sets * sizeof(*catalog->set_views));
	catalog->views = alloc(p, catalog->n_views * sizeof(*catalog->views));
	if (catalog->sets == NULL || catalog->set_views == NULL || catalog->views == NULL)
		return -ENOMEM;
	for (unsigned id = 1; id <= MR_SET_ID_MAX; id++) {
		if (catalog->by_wire_id[id] != NULL)
			catalog->set_views[n_sets++] = catalog->by_wire_id[id];
		if (catalog->by_wire_id[id | MR_VIEW_EXPLICIT] != NULL)
			catalog->views[n_views++] = catalog->by_wire_id[id | MR_VIEW_EXPLICIT];
	}
	for (const struct section *s = p->sections; s != NULL; s = s->next) {
		if (!s->is_view)
			catalog->sets[rank_of(catalog, s->id)] = s->schema;
	}
	return 0;
}

static int build(struct parser *p, const char *text, size_t text_bytes, struct mr_err *err)
{
	int ret;

	p->catalog = alloc(p, sizeof(*p->catalog));
	p->buckets = alloc(p, BUCKETS * sizeof(*p->buckets));
	if (p->catalog == NULL || p->buckets == NULL)
		return -ENOMEM;
	p->catalog->by_wire_id = alloc(p, 65536 * sizeof(*p->catalog->by_wire_id));
	if (p->catalog->by_wire_id == NULL)
		return -ENOMEM;
	p->sections_end = &p->sections;
	ret = mr_ini_read(p->file, text, text_bytes, on_item, p, err);
	if (ret == 0)
		ret = finish_section(p, err);
	if (ret == 0)
		ret = place_views(p, false, err);
	if (ret == 0)
		ret = place_views(p, true, err);
	return ret < 0 ? ret : list_all(p);
}

struct mr_catalog *mr_catalog_build_change(struct mr_arena *arena, const struct mr_catalog *base,
	const char *file, const char *text, size_t text_bytes, struct mr_err *err)
{
	struct parser p = {.arena = arena, .file = file, .base = base};
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
