// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The naive model that rows are tested against: values in a list, and an encoder written from
 * docs/rows.md that knows nothing of shapes, slots or runs.
 */

#include "mr_catalog.h"
#include "mr_rng.h"
#include "mr_row.h"

#define MODEL_COLUMNS_MAX 600u
#define MODEL_VALUE_BYTES 160u
#define MODEL_TEXT_BYTES (MODEL_COLUMNS_MAX * 48u)

struct model_column {
	char name[16];
	enum mr_type type;
	bool is_array;
	unsigned count;
	bool is_null;
	unsigned bytes;
	uint8_t data[MODEL_VALUE_BYTES]; // elements little-endian, or the variable value
};

struct model {
	unsigned n_columns;
	struct model_column columns[MODEL_COLUMNS_MAX];
};

/** Memory for one catalog; freed with the test. */
struct built {
	struct mr_arena arena;
	void *mem;
	struct mr_catalog *catalog;
};

void model_random_columns(struct model *model, struct mr_rng *rng, unsigned n_columns);
void model_random_values(struct model *model, struct mr_rng *rng);

/** Writes the [set] section. @return length. */
size_t model_print(
	const struct model *model, const char *name, unsigned id, char *text, size_t text_bytes);

/** Row of the columns named by @p wanted, in that order; NULL: all. @return length. */
unsigned model_encode(
	const struct model *model, const uint16_t *wanted, unsigned n_wanted, uint8_t *out);

/** The column as mr_row_set() takes it. */
struct mr_value model_value(const struct model_column *column);

/** Builds a catalog that must be good. */
void built_init(struct built *b, const char *text, size_t text_bytes);
void built_fini(struct built *b);
