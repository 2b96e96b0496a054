// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Output for people (aligned tables) and for programs (JSON).
 */

#include "mr_client.h"

#include <jansson.h>
#include <stdio.h>

/** Rows of texts whose columns are aligned when printed. Owner: the caller. */
struct table {
	unsigned n_columns;
	size_t n_cells, capacity;
	char **cells; //!< owned
};

/** Adds the next cell, row by row; a copy is taken. NULL is "". @return 0 or -ENOMEM. */
int table_add(struct table *table, const char *text);
/** Prints all rows; the first is the header when @p has_header. */
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

/** A value as text, in a buffer of its own for the caller to free; "null" for null. NULL: no
 * memory. */
char *value_text(const struct mr_value *value);

/** A value as JSON. Numbers that JSON cannot hold (nan, inf) and bytes are strings. */
json_t *value_json(const struct mr_value *value);

/** A key as JSON: a number, a string, or an array for composite keys. */
json_t *key_json(const struct mr_schema *schema, const void *key, unsigned key_bytes);

/** Prints names and values of any JSON, one a line, nested names joined by '.'. */
void print_json_as_pairs(const json_t *json, const json_t *before, double interval_s, FILE *out);
