// SPDX-License-Identifier: BSD-3-Clause
//
// What is registered: /millrace/sets, /millrace/views.
#include "mr_telemetry_priv.h"

#include <rte_cycles.h>

#include <errno.h>

// In one reply: what fits 16 KiB with the longest names and numbers.
#define SETS_PAGE 32u
#define VIEWS_PAGE 48u

struct page {
	uint64_t total, offset;
};

static const struct mr_tel_field page_fields[] = {
	MR_TEL(page, total, U64, "entries", "how many there are"),
	MR_TEL(page, offset, U64, "entries", "how many were left out before the first one here"),
};

static uint64_t page_end(const struct page *page, unsigned size)
{
	return MR_MIN(page->total, page->offset + size);
}

// ---- /millrace/sets
// ------------------------------------------------------------------------------

struct set_figures {
	uint64_t id, version, key_parts, columns, ttl_us, row_fixed_bytes, layout;
	const char *durability, *tables;
#define X(name, unit, help) uint64_t name;
	MR_SET_COUNTERS(X)
#undef X
	uint64_t hit_ppm, freshness_us;
};

static const struct mr_tel_field set_fields[] = {
	MR_TEL(set_figures, id, U64, "", "id"),
	MR_TEL(set_figures, version, U64, "", "current version"),
	MR_TEL(set_figures, key_parts, U64, "parts", "of a key"),
	MR_TEL(set_figures, columns, U64, "columns", "columns"),
	MR_TEL(set_figures, ttl_us, U64, "us", "time to live; 0: rows do not expire"),
	MR_TEL(set_figures, durability, POINTER, "text", "sync or wal"),
	MR_TEL(set_figures, tables, POINTER, "text", "compact or fast"),
	MR_TEL(set_figures, row_fixed_bytes, U64, "bytes", "of a row without strings and bytes"),
	MR_TEL(set_figures, layout, U64, "", "hash of the row's layout"),
#define X(name, unit, help) MR_TEL(set_figures, name, U64, unit, help),
	MR_SET_COUNTERS(X)
#undef X
		MR_TEL(set_figures, hit_ppm, U64, "ppm",
			"of the lookups that the filter let through, those answered from the "
			"cache"),
	MR_TEL(set_figures, freshness_us, U64, "us",
		"now minus the newest event time; 0: none is known, or it lies ahead"),
};

static const struct mr_tel_block sets_blocks[] = {
	{"", "", page_fields, MR_ARRAY_SIZE(page_fields)},
	{"sets/<NAME>", "the set of that name.", set_fields, MR_ARRAY_SIZE(set_fields)},
};

static void add_counters(struct set_figures *f, struct mr_set_counters *const *lcores, unsigned n)
{
	for (unsigned i = 0; lcores != NULL && i < n; i++) {
		const struct mr_set_counters *c = lcores[i];

		if (c == NULL)
			continue;
		c += f->id;
		f->hits += mr_counted(&c->hits);
		f->negatives += mr_counted(&c->negatives);
		f->misses += mr_counted(&c->misses);
		f->rows_written += mr_counted(&c->rows_written);
		f->newest_event_us = MR_MAX(f->newest_event_us, mr_counted(&c->newest_event_us));
	}
}

static int add_set(const struct mr_ctl *ctl, const struct mr_schema *schema, struct rte_tel_data *d)
{
	uint64_t now_us = mr_clock_us(ctl->p.tiers->clock, rte_rdtsc());
	struct set_figures f = {
		.id = schema->id,
		.version = schema->version,
		.key_parts = schema->n_key_parts,
		.columns = schema->shape.n_columns,
		.ttl_us = schema->ttl_us,
		.durability = mr_durability_name(schema->durability),
		.tables = mr_tables_name(schema->tables),
		.row_fixed_bytes = schema->shape.fixed_bytes,
		.layout = schema->layout,
	};

	add_counters(&f, ctl->p.rx_sets, ctl->p.plan->n_rx);
	add_counters(&f, ctl->p.io_sets, ctl->p.plan->n_io);
	f.hit_ppm = mr_ppm(f.hits, f.hits + f.misses);
	if (f.newest_event_us != 0 && now_us > f.newest_event_us)
		f.freshness_us = now_us - f.newest_event_us;
	return mr_tel_child_fields(d, schema->name, &sets_blocks[1], &f);
}

static int add_sets(const struct mr_ctl *ctl, const struct mr_catalog *catalog, struct page *page,
	struct rte_tel_data *d)
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
	for (uint64_t i = page->offset; ret == 0 && i < page_end(page, SETS_PAGE); i++)
		ret = add_set(ctl, catalog->sets[i], sets);
	return ret;
}

static int sets_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct page page;
	int ret = mr_tel_number(params, &page.offset);

	if (ret < 0)
		return ret;
	page.offset = MR_MIN(page.offset, UINT64_C(1) << 32);
	ret = add_sets(ctl, mr_registry_read_begin(ctl->p.registry)->catalog, &page, d);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

const struct mr_tel_group mr_tel_sets = {
	.command = "/millrace/sets",
	.params = "OFFSET",
	.help = "Feature sets by id, 32 in one reply from number OFFSET on",
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
	for (uint64_t i = page->offset; ret == 0 && i < page_end(page, VIEWS_PAGE); i++)
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
