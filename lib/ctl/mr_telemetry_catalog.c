// SPDX-License-Identifier: BSD-3-Clause
//
// What is registered: /millrace/sets, /millrace/views.
#include "mr_telemetry_priv.h"

#include <errno.h>

// Sets or views in one reply: what fits 16 KiB with the longest names.
#define PAGE 48u

struct page {
	uint64_t total, offset;
};

static const struct mr_tel_field page_fields[] = {
	MR_TEL(page, total, U64, "entries", "how many there are"),
	MR_TEL(page, offset, U64, "entries", "how many were left out before the first one here"),
};

static uint64_t page_end(const struct page *page)
{
	return MR_MIN(page->total, page->offset + PAGE);
}

// ---- /millrace/sets
// ------------------------------------------------------------------------------

struct set_figures {
	uint64_t id, version, key_parts, columns, ttl_us, row_fixed_bytes, layout;
	const char *durability;
};

static const struct mr_tel_field set_fields[] = {
	MR_TEL(set_figures, id, U64, "", "id"),
	MR_TEL(set_figures, version, U64, "", "current version"),
	MR_TEL(set_figures, key_parts, U64, "parts", "of a key"),
	MR_TEL(set_figures, columns, U64, "columns", "columns"),
	MR_TEL(set_figures, ttl_us, U64, "us", "time to live; 0: rows do not expire"),
	MR_TEL(set_figures, durability, POINTER, "text", "sync or wal"),
	MR_TEL(set_figures, row_fixed_bytes, U64, "bytes", "of a row without strings and bytes"),
	MR_TEL(set_figures, layout, U64, "", "hash of the row's layout"),
};

static const struct mr_tel_block sets_blocks[] = {
	{"", "", page_fields, MR_ARRAY_SIZE(page_fields)},
	{"sets/<NAME>", "the set of that name.", set_fields, MR_ARRAY_SIZE(set_fields)},
};

static int add_set(const struct mr_schema *schema, struct rte_tel_data *d)
{
	struct set_figures f = {
		.id = schema->id,
		.version = schema->version,
		.key_parts = schema->n_key_parts,
		.columns = schema->shape.n_columns,
		.ttl_us = schema->ttl_us,
		.durability = mr_durability_name(schema->durability),
		.row_fixed_bytes = schema->shape.fixed_bytes,
		.layout = schema->layout,
	};

	return mr_tel_child_fields(d, schema->name, &sets_blocks[1], &f);
}

static int add_sets(const struct mr_catalog *catalog, struct page *page, struct rte_tel_data *d)
{
	struct rte_tel_data *sets;
	int ret;

	page->total = catalog->n_sets;
	ret = mr_tel_fields(d, &sets_blocks[0], page);
	if (ret < 0)
		return ret;
	sets = mr_tel_child(d, "sets");
	if (sets == NULL)
		return -errno;
	for (uint64_t i = page->offset; ret == 0 && i < page_end(page); i++)
		ret = add_set(catalog->sets[i], sets);
	return ret;
}

static int sets_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int ret = mr_tel_number(params, &page.offset);

	if (ret < 0)
		return ret;
	page.offset = MR_MIN(page.offset, UINT64_C(1) << 32);
	ret = add_sets(mr_registry_read_begin(ctl->p.registry)->catalog, &page, d);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

const struct mr_tel_group mr_tel_sets = {
	.command = "/millrace/sets",
	.params = "OFFSET",
	.help = "Feature sets by id, 48 in one reply from number OFFSET on",
	.blocks = sets_blocks,
	.n_blocks = MR_ARRAY_SIZE(sets_blocks),
	.fill = sets_fill,
};

// ---- /millrace/views
// -----------------------------------------------------------------------------

struct view_figures {
	uint64_t id, sets, columns, layout;
};

static const struct mr_tel_field view_fields[] = {
	MR_TEL(view_figures, id, U64, "", "id as declared; on the wire, 32768 more"),
	MR_TEL(view_figures, sets, U64, "sets", "that it reads"),
	MR_TEL(view_figures, columns, U64, "columns", "that it answers with"),
	MR_TEL(view_figures, layout, U64, "", "hash of the partial rows' layout"),
};

static const struct mr_tel_block views_blocks[] = {
	{"", "", page_fields, MR_ARRAY_SIZE(page_fields)},
	{"views/<NAME>", "the view of that name.", view_fields, MR_ARRAY_SIZE(view_fields)},
};

static int add_view(const struct mr_view *view, struct rte_tel_data *d)
{
	struct view_figures f = {
		.id = view->id & ~MR_VIEW_EXPLICIT,
		.sets = view->n_parts,
		.layout = view->layout,
	};

	for (unsigned i = 0; i < view->n_parts; i++)
		f.columns += view->parts[i].shape.n_columns;
	return mr_tel_child_fields(d, view->name, &views_blocks[1], &f);
}

static int add_views(const struct mr_catalog *catalog, struct page *page, struct rte_tel_data *d)
{
	struct rte_tel_data *views;
	int ret;

	page->total = catalog->n_views;
	ret = mr_tel_fields(d, &views_blocks[0], page);
	if (ret < 0)
		return ret;
	views = mr_tel_child(d, "views");
	if (views == NULL)
		return -errno;
	for (uint64_t i = page->offset; ret == 0 && i < page_end(page); i++)
		ret = add_view(catalog->views[i], views);
	return ret;
}

static int views_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int ret = mr_tel_number(params, &page.offset);

	if (ret < 0)
		return ret;
	page.offset = MR_MIN(page.offset, UINT64_C(1) << 32);
	ret = add_views(mr_registry_read_begin(ctl->p.registry)->catalog, &page, d);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

const struct mr_tel_group mr_tel_views = {
	.command = "/millrace/views",
	.params = "OFFSET",
	.help = "Explicit views by id, 48 in one reply from number OFFSET on",
	.blocks = views_blocks,
	.n_blocks = MR_ARRAY_SIZE(views_blocks),
	.fill = views_fill,
};
