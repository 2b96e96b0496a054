// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog_parse.h"

#include <errno.h>
#include <stdio.h>

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

static const struct mr_schema *find_set(struct mr_parser *p, const char *name)
{
	const struct mr_section *s = mr_parser_section(p, name, false);

	if (s != NULL)
		return s->schema;
	return p->base != NULL ? mr_catalog_set_by_name(p->base, name) : NULL;
}

// The view's part for a set, made when the set is first named.
static int part_for(struct mr_parser *p, const struct mr_ini_item *item, struct view_draft *view,
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
	part->columns = mr_parser_alloc(p, schema->shape.n_columns * sizeof(*part->columns));
	part->wanted = mr_parser_alloc(p, schema->shape.n_columns * sizeof(*part->wanted));
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
static int add_reference(struct mr_parser *p, const struct mr_ini_item *item,
	struct view_draft *view, struct mr_text text, struct mr_err *err)
{
	char set[MR_NAME_MAX_BYTES + 1], name[MR_NAME_MAX_BYTES + 1];
	char shown[MR_TEXT_SHOWN_BYTES];
	const char *dot = memchr(text.data, '.', text.bytes);
	size_t set_bytes = dot != NULL ? (size_t)(dot - text.data) : 0;
	struct mr_text column = {text.data + set_bytes + 1, text.bytes - set_bytes - 1};
	bool is_all = dot != NULL && mr_text_is(column, "*");
	const struct mr_schema *schema;
	const struct mr_column *found;
	struct part_draft *part = NULL;
	int ret;

	if (!mr_text_is_name((struct mr_text){text.data, set_bytes}) ||
		(!is_all && !mr_text_is_name(column)))
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
	struct mr_parser *p, const char *name, uint16_t wire_id, unsigned n_parts)
{
	struct mr_view *view = mr_parser_alloc(p, sizeof(*view));

	if (view == NULL)
		return NULL;
	view->name = name;
	view->id = wire_id;
	view->n_parts = (uint16_t)n_parts;
	view->parts = mr_parser_alloc(p, n_parts * sizeof(*view->parts));
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

static struct mr_view *make_set_view(struct mr_parser *p, const struct mr_schema *schema)
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

static int make_view(struct mr_parser *p, const struct mr_section *s, struct mr_view **ret_view,
	struct mr_err *err)
{
	struct view_draft draft = {.n_parts = 0};
	struct mr_view *view;
	int ret = 0;

	for (const struct mr_line_draft *line = s->lines; line != NULL; line = line->next) {
		struct mr_ini_item item = {p->file, line->line, s->title, "columns", line->value};
		const char *rest = line->value;

		while (rest != NULL) {
			ret = add_reference(p, &item, &draft, mr_next_of_list(&rest), err);
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

static int id_fail(const struct mr_parser *p, const struct mr_section *s,
	const struct mr_view *holder, struct mr_err *err)
{
	struct mr_ini_item item = {.file = p->file, .line = s->line, .section = s->title};

	return mr_ini_fail(&item, err, EINVAL, "id = %u belongs to %s %s: ids are unique", s->id,
		s->is_view ? "view" : "set", holder->name);
}

// Puts the views of one kind where their ids say.
static int place_views(struct mr_parser *p, bool is_view, struct mr_err *err)
{
	struct mr_catalog *catalog = p->catalog;

	for (struct mr_section *s = p->sections; s != NULL; s = s->next) {
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
static int list_all(struct mr_parser *p)
{
	struct mr_catalog *catalog = p->catalog;
	unsigned n_sets = 0, n_views = 0;

	catalog->sets = mr_parser_alloc(p, catalog->n_sets * sizeof(*catalog->sets));
	catalog->set_views = mr_parser_alloc(p, catalog->n_sets * sizeof(*catalog->set_views));
	catalog->views = mr_parser_alloc(p, catalog->n_views * sizeof(*catalog->views));
	if (catalog->sets == NULL || catalog->set_views == NULL || catalog->views == NULL)
		return -ENOMEM;
	for (unsigned id = 1; id <= MR_SET_ID_MAX; id++) {
		if (catalog->by_wire_id[id] != NULL)
			catalog->set_views[n_sets++] = catalog->by_wire_id[id];
		if (catalog->by_wire_id[id | MR_VIEW_EXPLICIT] != NULL)
			catalog->views[n_views++] = catalog->by_wire_id[id | MR_VIEW_EXPLICIT];
	}
	for (const struct mr_section *s = p->sections; s != NULL; s = s->next) {
		if (!s->is_view)
			catalog->sets[rank_of(catalog, s->id)] = s->schema;
	}
	return 0;
}

int mr_catalog_make_views(struct mr_parser *p, struct mr_err *err)
{
	int ret = place_views(p, false, err);

	if (ret == 0)
		ret = place_views(p, true, err);
	return ret < 0 ? ret : list_all(p);
}
