// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Rows: building, checking, and reaching one column in O(1) without touching its neighbours.
 * Reading takes any alignment. Stateless but for the builder, which belongs to its caller.
 */

#include "mr_schema.h"

/** A column's value. Pointers go into the row. */
struct mr_value {
	enum mr_type type;
	bool is_null;
	uint16_t count; //!< elements of an array, else 1
	union {
		bool b;
		int32_t i32;
		int64_t i64; //!< timestamp too
		float f32;
		double f64;
	};
	const uint8_t *data; //!< string, bytes: the bytes; arrays: the elements, little-endian
	uint32_t bytes;      //!< of data
};

/**
 * Checks bytes that claim to be a row of this shape: length, canonical tail, zero cells of nulls,
 * zero unused bits and padding, bools of 0 or 1.
 * @return 0, or -EBADMSG. O(columns).
 */
int mr_row_check(const struct mr_shape *shape, const uint8_t *row, uint32_t row_bytes);

/** @return true when the column is null. The row has passed mr_row_check(). */
static mr_always_inline bool mr_row_is_null(const struct mr_column *column, const uint8_t *row)
{
	return row[column->slot / 8] >> (column->slot % 8) & 1;
}

/**
 * Reads a column. Safe for unchecked rows too: never reads past row_bytes.
 * @return 0, or -EBADMSG when the cell does not lie inside the row.
 */
int mr_row_get(const struct mr_column *column, const uint8_t *row, uint32_t row_bytes,
	struct mr_value *ret_value);

/** Builds one row at a time in the caller's memory; starts with every column null. */
struct mr_row_builder {
	const struct mr_shape *shape;
	uint8_t *row;
	uint32_t capacity_bytes;
	uint8_t *var; //!< scratch for variable values until the row is ended
	uint32_t var_capacity_bytes, var_bytes;
};

/** Bytes of scratch that a builder of this shape needs besides the row itself. */
size_t mr_row_builder_scratch_bytes(const struct mr_shape *shape);

/**
 * Starts a row. @p row has room for capacity_bytes >= shape->fixed_bytes, @p scratch for
 * mr_row_builder_scratch_bytes(). @return 0 or -ENOSPC.
 */
int mr_row_begin(struct mr_row_builder *b, const struct mr_shape *shape, void *row,
	uint32_t capacity_bytes, void *scratch);

/**
 * Sets a column (again, if called twice).
 * @return 0; -EINVAL: wrong type or element count, a string that is not UTF-8, a bool element above
 *   1; -E2BIG: the row would be too long.
 */
int mr_row_set(
	struct mr_row_builder *b, const struct mr_column *column, const struct mr_value *value);

/**
 * Sets a column from text: numbers in C form ("-3", "1e-3", "nan", "inf"), bool true/false/1/0,
 * timestamp as integer microseconds or RFC 3339 ("2026-01-02T03:04:05.678Z"), string as it is,
 * bytes as 0x-hex or as they are, arrays as elements parted by ';' or blanks, in optional brackets.
 * A number out of the type's range is an error, not clipped. Empty text is null, but for strings,
 * where it is the empty string. An array that fails is left null.
 * @return 0, or -errno with a message "column NAME: TYPE expected, got 'VALUE'".
 */
int mr_row_set_text(struct mr_row_builder *b, const struct mr_column *column, const char *text,
	size_t text_bytes, struct mr_err *err);

/** Ends the row. @return its length, or -E2BIG. */
int mr_row_end(struct mr_row_builder *b);

/**
 * Prints a value in a form that mr_row_set_text() reads back to the same bits ("" for null).
 * @return length as snprintf does.
 */
int mr_value_print(const struct mr_value *value, char *text, size_t text_bytes);
