// SPDX-License-Identifier: BSD-3-Clause
#include "mr_schema.h"

#include "mr_hash.h"
#include "mr_row_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[MR_TYPE_COUNT] = {
	[MR_TYPE_BOOL] = "bool",
	[MR_TYPE_I32] = "i32",
	[MR_TYPE_I64] = "i64",
	[MR_TYPE_U64] = "u64",
	[MR_TYPE_F32] = "f32",
	[MR_TYPE_F64] = "f64",
	[MR_TYPE_TIMESTAMP] = "timestamp",
	[MR_TYPE_STRING] = "string",
	[MR_TYPE_BYTES] = "bytes",
};

static const uint8_t type_bytes[MR_TYPE_COUNT] = {
	[MR_TYPE_BOOL] = 1,
	[MR_TYPE_I32] = 4,
	[MR_TYPE_I64] = 8,
	[MR_TYPE_U64] = 8,
	[MR_TYPE_F32] = 4,
	[MR_TYPE_F64] = 8,
	[MR_TYPE_TIMESTAMP] = 8,
	[MR_TYPE_STRING] = 4,
	[MR_TYPE_BYTES] = 4,
};

const char *mr_type_name(enum mr_type type)
{
	return (unsigned)type < MR_TYPE_COUNT ? type_names[type] : "unknown";
}

const char *mr_durability_name(enum mr_durability durability)
{
	return durability == MR_DURABILITY_WAL ? "wal" : "sync";
}

const char *mr_tables_name(enum mr_tables tables)
{
	return tables == MR_TABLES_FAST ? "fast" : "compact";
}

unsigned mr_type_cell_bytes(enum mr_type type)
{
	return type_bytes[type];
}

const struct mr_column *mr_shape_column(const struct mr_shape *shape, const char *name)
{
	for (unsigned i = 0; i < shape->n_columns; i++) {
		if (strcmp(shape->columns[i].name, name) == 0)
			return &shape->columns[i];
	}
	return NULL;
}

// Gives slots and offsets to the columns whose elements have this many bytes.
static uint32_t lay_out_class(
	struct mr_shape *shape, unsigned element_bytes, uint16_t *slot, uint32_t offset)
{
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_column *c = &shape->columns[i];

		if (type_bytes[c->type] != element_bytes)
			continue;
		c->slot = *slot;
		c->offset = (uint16_t)offset;
		c->cell_bytes = (uint16_t)(element_bytes * c->count);
		shape->by_slot[(*slot)++] = (uint16_t)i;
		offset += element_bytes * c->count;
	}
	return offset;
}

static uint64_t fixed_bytes_wanted(const struct mr_shape *shape)
{
	uint64_t bytes = MR_ALIGN_UP((shape->n_columns + 7u) / 8, 8u);

	for (unsigned i = 0; i < shape->n_columns; i++)
		bytes += (uint64_t)type_bytes[shape->columns[i].type] * shape->columns[i].count;
	return bytes;
}

int mr_shape_lay_out(struct mr_shape *shape, struct mr_arena *arena, struct mr_err *err)
{
	uint64_t wanted = fixed_bytes_wanted(shape);
	uint32_t offset;
	uint16_t slot = 0;

	if (wanted > MR_ROW_MAX_BYTES)
		return mr_fail(err, E2BIG,
			"fixed part of a row takes %llu bytes, at most %u: "
			"use fewer columns or shorter arrays",
			(unsigned long long)wanted, MR_ROW_MAX_BYTES);
	shape->by_slot = mr_arena_alloc(arena, shape->n_columns * sizeof(uint16_t), 8);
	if (shape->by_slot == NULL)
		return -ENOMEM;
	shape->n_variable = 0;
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_column *c = &shape->columns[i];

		c->index = (uint16_t)i;
		c->is_variable = c->type == MR_TYPE_STRING || c->type == MR_TYPE_BYTES;
		shape->n_variable += c->is_variable;
	}
	shape->fixed_offset = (uint16_t)MR_ALIGN_UP((shape->n_columns + 7u) / 8, 8u);
	offset = lay_out_class(shape, 8, &slot, shape->fixed_offset);
	offset = lay_out_class(shape, 4, &slot, offset);
	shape->fixed_bytes = (uint16_t)lay_out_class(shape, 1, &slot, offset);
	return 0;
}

const char *mr_column_type_text(const struct mr_column *column, char *text, unsigned text_bytes)
{
	if (column->is_array)
		snprintf(text, text_bytes, "%s[%u]", mr_type_name(column->type), column->count);
	else
		snprintf(text, text_bytes, "%s", mr_type_name(column->type));
	return text;
}

bool mr_schema_same_key(const struct mr_schema *a, const struct mr_schema *b)
{
	if (a->n_key_parts != b->n_key_parts)
		return false;
	for (unsigned i = 0; i < a->n_key_parts; i++) {
		if (a->key_parts[i].type != b->key_parts[i].type)
			return false;
	}
	return true;
}

uint64_t mr_layout_add(uint64_t hash, const void *data, size_t bytes)
{
	return XXH3_64bits_withSeed(data, bytes, hash);
}

uint64_t mr_layout_add_keys(uint64_t hash, const struct mr_schema *schema)
{
	uint8_t types[1 + MR_KEY_PARTS_MAX] = {schema->n_key_parts};

	for (unsigned i = 0; i < schema->n_key_parts; i++)
		types[1 + i] = (uint8_t)schema->key_parts[i].type;
	return mr_layout_add(hash, types, 1u + schema->n_key_parts);
}

uint64_t mr_layout_add_columns(uint64_t hash, const struct mr_shape *shape)
{
	for (unsigned i = 0; i < shape->n_columns; i++) {
		const struct mr_column *c = &shape->columns[i];
		uint8_t what[4] = {(uint8_t)c->type, c->is_array};

		mr_store_le16(what + 2, c->count);
		hash = mr_layout_add(hash, c->name, strlen(c->name));
		hash = mr_layout_add(hash, what, sizeof(what));
	}
	return hash;
}

uint32_t mr_layout_end(uint64_t hash)
{
	uint32_t layout = (uint32_t)(hash ^ hash >> 32);

	// 0 on the wire means "no layout stated".
	return layout != 0 ? layout : 1;
}
