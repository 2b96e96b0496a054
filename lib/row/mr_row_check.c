// SPDX-License-Identifier: BSD-3-Clause
#include "mr_row.h"
#include "mr_row_impl.h"

#include <errno.h>
#include <string.h>

static bool all_zero(const uint8_t *p, size_t bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < bytes; i++)
		any |= p[i];
	return any == 0;
}

// Null bits above the last column, and the bytes up to the fixed part.
static bool check_unused(const struct mr_shape *shape, const uint8_t *row)
{
	unsigned used = shape->n_columns / 8u, rest = shape->n_columns % 8u;

	if (rest != 0 && row[used++] >> rest != 0)
		return false;
	return all_zero(row + used, shape->fixed_offset - used);
}

static bool check_bools(const uint8_t *cell, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		if (cell[i] > 1)
			return false;
	}
	return true;
}

// A variable value starts where the one before it ended.
static bool check_variable(
	const struct mr_column *column, const uint8_t *row, uint32_t row_bytes, uint32_t *tail)
{
	struct mr_cell cell = mr_cell_unpack(mr_load_le32(row + column->offset));

	if (cell.offset != *tail || cell.bytes > row_bytes - *tail)
		return false;
	*tail += cell.bytes;
	return column->type != MR_TYPE_STRING || mr_utf8_check(row + cell.offset, cell.bytes);
}

int mr_row_check(const struct mr_shape *shape, const uint8_t *row, uint32_t row_bytes)
{
	uint32_t tail = shape->fixed_bytes;
	bool ok = true;

	if (row_bytes < tail || row_bytes > MR_ROW_MAX_BYTES || !check_unused(shape, row))
		return -EBADMSG;
	for (unsigned slot = 0; slot < shape->n_columns && ok; slot++) {
		const struct mr_column *c = &shape->columns[shape->by_slot[slot]];

		if (mr_row_is_null(c, row))
			ok = all_zero(row + c->offset, c->cell_bytes);
		else if (c->is_variable)
			ok = check_variable(c, row, row_bytes, &tail);
		else if (c->type == MR_TYPE_BOOL)
			ok = check_bools(row + c->offset, c->cell_bytes);
	}
	return ok && tail == row_bytes ? 0 : -EBADMSG;
}

static void get_scalar(enum mr_type type, const uint8_t *cell, struct mr_value *ret_value)
{
	uint32_t w;
	uint64_t d;

	switch (mr_type_cell_bytes(type)) {
	case 1:
		ret_value->b = *cell != 0;
		return;
	case 4:
		// The bits, whether they are an integer's or a float's.
		w = mr_load_le32(cell);
		memcpy(&ret_value->i32, &w, sizeof(w));
		return;
	default:
		d = mr_load_le64(cell);
		memcpy(&ret_value->i64, &d, sizeof(d));
		return;
	}
}

int mr_row_get(const struct mr_column *column, const uint8_t *row, uint32_t row_bytes,
	struct mr_value *ret_value)
{
	struct mr_value v = {.type = column->type, .count = column->count};
	struct mr_cell cell;

	if (column->slot / 8u >= row_bytes ||
		column->offset + (uint32_t)column->cell_bytes > row_bytes)
		return -EBADMSG;
	v.is_null = mr_row_is_null(column, row);
	if (v.is_null) {
		*ret_value = v;
		return 0;
	}
	if (column->is_variable) {
		cell = mr_cell_unpack(mr_load_le32(row + column->offset));
		if (cell.offset + (uint32_t)cell.bytes > row_bytes)
			return -EBADMSG;
		v.data = row + cell.offset;
		v.bytes = cell.bytes;
	} else if (column->is_array) {
		v.data = row + column->offset;
		v.bytes = column->cell_bytes;
	} else {
		get_scalar(column->type, row + column->offset, &v);
	}
	*ret_value = v;
	return 0;
}
