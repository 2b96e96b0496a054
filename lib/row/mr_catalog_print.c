// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog_impl.h"
#include "mr_units.h"

#include <string.h>

// A line of text has at most 4095 bytes: 16 names of a set and a column always fit.
#define COLUMNS_PER_LINE 16u

static void put_text(struct mr_sink *sink, const char *text)
{
	mr_sink_put(sink, text, strlen(text));
}

void mr_catalog_put_key(struct mr_sink *sink, const struct mr_schema *schema)
{
	bool is_plain = schema->n_key_parts == 1 && strcmp(schema->key_parts[0].name, "key") == 0;

	for (unsigned i = 0; i < schema->n_key_parts; i++) {
		if (i > 0)
			put_text(sink, ", ");
		if (!is_plain)
			mr_sink_printf(sink, "%s:", schema->key_parts[i].name);
		put_text(sink, mr_type_name(schema->key_parts[i].type));
	}
}

void mr_catalog_put_set(struct mr_sink *sink, const struct mr_schema *schema)
{
	char text[32];

	mr_sink_printf(sink, "[set %s]\nid = %u\nkey = ", schema->name, schema->id);
	mr_catalog_put_key(sink, schema);
	mr_sink_printf(sink, "\nversion = %u\n", schema->version);
	for (unsigned i = 0; i < schema->n_beside; i++)
		mr_sink_printf(sink, "%s%u%s", i == 0 ? "beside = " : ", ", schema->beside[i],
			i + 1u == schema->n_beside ? "\n" : "");
	mr_sink_printf(sink, "ttl = %s\ndurability = %s\n",
		mr_format_duration_us(schema->ttl_us, text, sizeof(text)),
		mr_durability_name(schema->durability));
	if (schema->history_us != 0)
		mr_sink_printf(sink, "history = %s\n",
			mr_format_duration_us(schema->history_us, text, sizeof(text)));
	if (schema->tables != MR_TABLES_COMPACT)
		mr_sink_printf(sink, "tables = %s\n", mr_tables_name(schema->tables));
	for (unsigned i = 0; i < schema->shape.n_columns; i++) {
		const struct mr_column *c = &schema->shape.columns[i];

		mr_sink_printf(sink, "column %s = %s\n", c->name,
			mr_column_type_text(c, text, sizeof(text)));
	}
	put_text(sink, "\n");
}

// Whether the part is what "set.*" means.
static bool is_whole_set(const struct mr_view_part *part)
{
	if (!part->is_identity)
		return false;
	for (unsigned i = 0; i < part->shape.n_columns; i++) {
		if (part->shape.columns[i].slot != part->schema->shape.columns[i].slot)
			return false;
	}
	return true;
}

static void put_part(struct mr_sink *sink, const struct mr_view_part *part)
{
	if (is_whole_set(part)) {
		mr_sink_printf(sink, "columns = %s.*\n", part->schema->name);
		return;
	}
	for (unsigned i = 0; i < part->shape.n_columns; i++) {
		bool is_last = i + 1u == part->shape.n_columns;

		if (i % COLUMNS_PER_LINE == 0)
			put_text(sink, "columns = ");
		mr_sink_printf(sink, "%s.%s", part->schema->name, part->shape.columns[i].name);
		put_text(sink, is_last || (i + 1) % COLUMNS_PER_LINE == 0 ? "\n" : ", ");
	}
}

void mr_catalog_put_view(struct mr_sink *sink, const struct mr_view *view)
{
	if ((view->id & MR_VIEW_EXPLICIT) == 0)
		return;
	mr_sink_printf(
		sink, "[view %s]\nid = %u\n", view->name, (unsigned)(view->id & ~MR_VIEW_EXPLICIT));
	for (unsigned i = 0; i < view->n_parts; i++)
		put_part(sink, &view->parts[i]);
	put_text(sink, "\n");
}

size_t mr_catalog_print(const struct mr_catalog *catalog, char *text, size_t text_bytes)
{
	struct mr_sink sink = {text, text_bytes, 0};

	mr_sink_put(&sink, "", 0);
	for (unsigned i = 0; i < catalog->n_sets; i++)
		mr_catalog_put_set(&sink, catalog->sets[i]);
	for (unsigned i = 0; i < catalog->n_views; i++)
		mr_catalog_put_view(&sink, catalog->views[i]);
	return sink.bytes;
}

size_t mr_catalog_print_set(const struct mr_schema *schema, char *text, size_t text_bytes)
{
	struct mr_sink sink = {text, text_bytes, 0};

	mr_catalog_put_set(&sink, schema);
	return sink.bytes;
}

size_t mr_catalog_print_view(const struct mr_view *view, char *text, size_t text_bytes)
{
	struct mr_sink sink = {text, text_bytes, 0};

	for (unsigned i = 0; i < view->n_parts; i++)
		mr_catalog_put_set(&sink, view->parts[i].schema);
	mr_catalog_put_view(&sink, view);
	return sink.bytes;
}
