// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog_impl.h"

#include <errno.h>
#include <string.h>

static int fail_key(const struct mr_schema *old, const struct mr_schema *new, struct mr_err *err)
{
	char was[MR_TEXT_SHOWN_BYTES], is[MR_TEXT_SHOWN_BYTES];
	struct mr_sink old_sink = {was, sizeof(was), 0}, new_sink = {is, sizeof(is), 0};

	mr_catalog_put_key(&old_sink, old);
	mr_catalog_put_key(&new_sink, new);
	return mr_fail(err, EINVAL,
		"set %s: key changes from '%s' to '%s', but has rows with the old one: "
		"register a new set",
		old->name, was, is);
}

static bool same_column(const struct mr_column *a, const struct mr_column *b)
{
	return strcmp(a->name, b->name) == 0 && a->type == b->type && a->count == b->count &&
	       a->is_array == b->is_array;
}

static const char *column_text(
	const struct mr_schema *schema, unsigned i, char *text, size_t text_bytes)
{
	struct mr_sink sink = {text, text_bytes, 0};
	const struct mr_column *c = &schema->shape.columns[i];
	char type[32];

	if (i >= schema->shape.n_columns)
		mr_sink_printf(&sink, "nothing");
	else
		mr_sink_printf(
			&sink, "'%s = %s'", c->name, mr_column_type_text(c, type, sizeof(type)));
	return text;
}

static int check_columns(
	const struct mr_schema *old, const struct mr_schema *new, struct mr_err *err)
{
	unsigned n_old = old->shape.n_columns, n_new = new->shape.n_columns, i = 0;
	char was[MR_TEXT_SHOWN_BYTES], is[MR_TEXT_SHOWN_BYTES];

	while (i < MR_MIN(n_old, n_new) &&
		same_column(&old->shape.columns[i], &new->shape.columns[i]))
		i++;
	if (i == n_old && i == n_new)
		return 0;
	return mr_fail(err, EINVAL,
		"set %s: column number %u changes from %s to %s, but has rows of the old layout: "
		"register a new set",
		old->name, i + 1, column_text(old, i, was, sizeof(was)),
		column_text(new, i, is, sizeof(is)));
}

static uint16_t merged_version(const struct mr_schema *old, const struct mr_schema *new)
{
	return new->has_version ? new->version : old->version;
}

static int check_versions(
	const struct mr_schema *old, const struct mr_schema *new, struct mr_err *err)
{
	uint16_t version = merged_version(old, new);

	for (unsigned i = 0; new->has_beside &&i < new->n_beside; i++)
		if (new->beside[i] == version)
			return mr_fail(err, EINVAL,
				"set %s: beside names version %u, which is the current one",
				new->name, version);
	if (!new->has_beside && old->n_beside == MR_SET_BESIDE_MAX &&
		!mr_schema_has_version(old, version))
		return mr_fail(err, EINVAL,
			"set %s: version %u would be one more than the %u that may exist: drop one",
			new->name, version, MR_SET_BESIDE_MAX + 1);
	return 0;
}

static int check_set(const struct mr_catalog *base, const struct mr_schema *new, struct mr_err *err)
{
	const struct mr_schema *old = mr_catalog_set_by_name(base, new->name);
	const struct mr_schema *holder = mr_catalog_set_by_id(base, new->id);

	if (old != NULL && old->id != new->id)
		return mr_fail(err, EINVAL,
			"set %s: id changes from %u to %u, but its rows are stored under %u: "
			"keep the id, or register a new set",
			old->name, old->id, new->id, old->id);
	if (old == NULL && holder != NULL)
		return mr_fail(err, EINVAL, "set %s: id = %u belongs to set %s: choose another",
			new->name, new->id, holder->name);
	if (old == NULL)
		return check_versions(new, new, err);
	if (!mr_schema_same_key(old, new))
		return fail_key(old, new, err);
	if (check_columns(old, new, err) < 0)
		return -EINVAL;
	if (old->tables != new->tables)
		return mr_fail(err, EINVAL,
			"set %s: tables changes from %s to %s, but has rows in the old ones: "
			"register a new set",
			old->name, mr_tables_name(old->tables), mr_tables_name(new->tables));
	return check_versions(old, new, err);
}

static const struct mr_view *find_view(const struct mr_catalog *catalog, const char *name)
{
	const struct mr_view *view = mr_catalog_view_by_name(catalog, name);

	return view != NULL && (view->id & MR_VIEW_EXPLICIT) != 0 ? view : NULL;
}

// An explicit view's id may move, but not onto one that stays with another view.
static int check_view(const struct mr_catalog *base, const struct mr_catalog *change,
	const struct mr_view *new, struct mr_err *err)
{
	const struct mr_view *holder = mr_catalog_view(base, new->id);

	if (holder == NULL || strcmp(holder->name, new->name) == 0 ||
		find_view(change, holder->name) != NULL)
		return 0;
	return mr_fail(err, EINVAL, "view %s: id = %u belongs to view %s: choose another",
		new->name, (unsigned)(new->id & ~MR_VIEW_EXPLICIT), holder->name);
}

// Those that were there, and the current one if it no longer is; not the one that is now.
static void merge_beside(struct mr_schema *merged, const struct mr_schema *old)
{
	unsigned n = 0;

	for (unsigned i = 0; i < old->n_beside; i++)
		if (old->beside[i] != merged->version)
			merged->beside[n++] = old->beside[i];
	// check_versions() has seen to it that there is room.
	if (old->version != merged->version)
		merged->beside[n++] = old->version;
	merged->n_beside = (uint8_t)n;
}

static void put_set(struct mr_sink *sink, const struct mr_schema *old, const struct mr_schema *new)
{
	struct mr_schema merged = new != NULL ? *new : *old;

	if (old != NULL && new != NULL) {
		merged.version = merged_version(old, new);
		if (!new->has_beside)
			merge_beside(&merged, old);
	}
	mr_catalog_put_set(sink, &merged);
}

static void put_merged(
	struct mr_sink *sink, const struct mr_catalog *base, const struct mr_catalog *change)
{
	for (unsigned i = 0; i < base->n_sets; i++)
		put_set(sink, base->sets[i], mr_catalog_set_by_name(change, base->sets[i]->name));
	for (unsigned i = 0; i < change->n_sets; i++) {
		if (mr_catalog_set_by_name(base, change->sets[i]->name) == NULL)
			put_set(sink, NULL, change->sets[i]);
	}
	for (unsigned i = 0; i < base->n_views; i++) {
		const struct mr_view *new = find_view(change, base->views[i]->name);

		mr_catalog_put_view(sink, new != NULL ? new : base->views[i]);
	}
	for (unsigned i = 0; i < change->n_views; i++) {
		if (find_view(base, change->views[i]->name) == NULL)
			mr_catalog_put_view(sink, change->views[i]);
	}
}

int64_t mr_catalog_merge(const struct mr_catalog *base, const struct mr_catalog *change, char *text,
	size_t text_bytes, struct mr_err *err)
{
	struct mr_sink sink = {text, text_bytes, 0};
	int ret = 0;

	for (unsigned i = 0; i < change->n_sets && ret == 0; i++)
		ret = check_set(base, change->sets[i], err);
	for (unsigned i = 0; i < change->n_views && ret == 0; i++)
		ret = check_view(base, change, change->views[i], err);
	if (ret < 0)
		return ret;
	mr_sink_put(&sink, "", 0);
	put_merged(&sink, base, change);
	return (int64_t)sink.bytes;
}
