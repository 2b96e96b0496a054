// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (4u << 20)

static const enum mr_type column_types[] = {MR_TYPE_BOOL, MR_TYPE_I32, MR_TYPE_I64, MR_TYPE_F32,
	MR_TYPE_F64, MR_TYPE_TIMESTAMP, MR_TYPE_STRING, MR_TYPE_BYTES};

static bool is_variable(enum mr_type type)
{
	return type == MR_TYPE_STRING || type == MR_TYPE_BYTES;
}

static unsigned element_bytes(enum mr_type type)
{
	if (type == MR_TYPE_BOOL)
		return 1;
	return type == MR_TYPE_I32 || type == MR_TYPE_F32 || is_variable(type) ? 4 : 8;
}

void model_random_columns(struct model *model, struct mr_rng *rng, unsigned n_columns)
{
	model->n_columns = n_columns;
	for (unsigned i = 0; i < n_columns; i++) {
		struct model_column *c = &model->columns[i];

		snprintf(c->name, sizeof(c->name), "c%u", i);
		c->type = column_types[mr_rng_below(rng, MR_ARRAY_SIZE(column_types))];
		c->is_array = !is_variable(c->type) && mr_rng_below(rng, 4) == 0;
		c->count = c->is_array ? 1 + (unsigned)mr_rng_below(rng, 20) : 1;
	}
}

static unsigned random_string(struct mr_rng *rng, uint8_t *out)
{
	static const char *const pieces[] = {"a", "Zz", "plain words", "\xc3\xa9", "\xe6\xbc\xa2",
		"\xf0\x9f\x98\x80", ",\"", "\n"};
	unsigned n = (unsigned)mr_rng_below(rng, 12), at = 0;

	for (unsigned i = 0; i < n; i++) {
		const char *piece = pieces[mr_rng_below(rng, MR_ARRAY_SIZE(pieces))];

		memcpy(out + at, piece, strlen(piece));
		at += (unsigned)strlen(piece);
	}
	return at;
}

void model_random_values(struct model *model, struct mr_rng *rng)
{
	for (unsigned i = 0; i < model->n_columns; i++) {
		struct model_column *c = &model->columns[i];

		c->is_null = mr_rng_below(rng, 4) == 0;
		if (c->type == MR_TYPE_STRING) {
			c->bytes = random_string(rng, c->data);
			continue;
		}
		c->bytes = c->type == MR_TYPE_BYTES ? (unsigned)mr_rng_below(rng, 40)
		                                    : element_bytes(c->type) * c->count;
		for (unsigned k = 0; k < c->bytes; k++)
			c->data[k] =
				(uint8_t)mr_rng_next(rng) & (c->type == MR_TYPE_BOOL ? 1 : 0xff);
	}
}

size_t model_print(
	const struct model *model, const char *name, unsigned id, char *text, size_t text_bytes)
{
	size_t at = (size_t)snprintf(text, text_bytes, "[set %s]\nid = %u\nkey = u64\n", name, id);

	for (unsigned i = 0; i < model->n_columns; i++) {
		const struct model_column *c = &model->columns[i];

		at += (size_t)snprintf(text + at, text_bytes - at, "column %s = %s", c->name,
			mr_type_name(c->type));
		if (c->is_array)
			at += (size_t)snprintf(text + at, text_bytes - at, "[%u]", c->count);
		at += (size_t)snprintf(text + at, text_bytes - at, "\n");
	}
	return at;
}

unsigned model_encode(
	const struct model *model, const uint16_t *wanted, unsigned n_wanted, uint8_t *out)
{
	unsigned n = wanted != NULL ? n_wanted : model->n_columns;
	unsigned fixed = (n + 63) / 64 * 8, cell_of[MODEL_COLUMNS_MAX], slot_of[MODEL_COLUMNS_MAX];
	unsigned cell = fixed, slot = 0, order[MODEL_COLUMNS_MAX];

	for (unsigned width = 8; width > 0; width = width == 8 ? 4 : width == 4 ? 1 : 0) {
		for (unsigned i = 0; i < n; i++) {
			const struct model_column *c =
				&model->columns[wanted != NULL ? wanted[i] : i];

			if (element_bytes(c->type) != width)
				continue;
			order[slot] = i;
			slot_of[i] = slot++;
			cell_of[i] = cell;
			cell += width * c->count;
		}
	}
	memset(out, 0, cell);
	for (slot = 0; slot < n; slot++) {
		unsigned i = order[slot];
		const struct model_column *c = &model->columns[wanted != NULL ? wanted[i] : i];

		if (c->is_null) {
			out[slot_of[i] / 8] |= (uint8_t)(1 << slot_of[i] % 8);
		} else if (!is_variable(c->type)) {
			memcpy(out + cell_of[i], c->data, c->bytes);
		} else {
			out[cell_of[i]] = (uint8_t)cell;
			out[cell_of[i] + 1] = (uint8_t)(cell >> 8);
			out[cell_of[i] + 2] = (uint8_t)c->bytes;
			out[cell_of[i] + 3] = (uint8_t)(c->bytes >> 8);
			memcpy(out + cell, c->data, c->bytes);
			cell += c->bytes;
		}
	}
	return cell;
}

struct mr_value model_value(const struct model_column *c)
{
	struct mr_value v = {.type = c->type, .is_null = c->is_null, .count = (uint16_t)c->count};

	if (c->is_array || is_variable(c->type)) {
		v.data = c->data;
		v.bytes = c->bytes;
	} else {
		memcpy(&v.i64, c->data, c->bytes);
	}
	return v;
}

void built_init(struct built *b, const char *text, size_t text_bytes)
{
	struct mr_err err = {""};

	b->mem = malloc(ARENA_BYTES);
	assert(b->mem != NULL);
	mr_arena_init(&b->arena, b->mem, ARENA_BYTES);
	b->catalog = mr_catalog_build(&b->arena, "test.ini", text, text_bytes, &err);
	if (b->catalog == NULL) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
}

void built_fini(struct built *b)
{
	free(b->mem);
}
