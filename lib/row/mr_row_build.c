// SPDX-License-Identifier: BSD-3-Clause
#include "mr_row.h"
#include "mr_row_impl.h"

#include <errno.h>
#include <string.h>

// While a row is built, a variable column's cell says where its value is in the scratch.

size_t mr_row_builder_scratch_bytes(const struct mr_shape *shape)
{
	return shape->n_variable > 0 ? MR_ROW_MAX_BYTES - shape->fixed_bytes : 0;
}

int mr_row_begin(struct mr_row_builder *b, const struct mr_shape *shape, void *row,
	uint32_t capacity_bytes, void *scratch)
{
	if (capacity_bytes < shape->fixed_bytes)
		return -ENOSPC;
	*b = (struct mr_row_builder){
		.shape = shape,
		.row = row,
		.capacity_bytes = MR_MIN(capacity_bytes, MR_ROW_MAX_BYTES),
		.var = scratch,
	};
	b->var_capacity_bytes = shape->n_variable > 0 ? b->capacity_bytes - shape->fixed_bytes : 0;
	memset(b->row, 0, shape->fixed_bytes);
	memset(b->row, 0xff, shape->n_columns / 8u);
	if (shape->n_columns % 8u != 0)
		b->row[shape->n_columns / 8u] = (uint8_t)((1u << shape->n_columns % 8u) - 1);
	return 0;
}

static void set_null_bit(uint8_t *row, const struct mr_column *column, bool is_null)
{
	uint8_t bit = (uint8_t)(1u << column->slot % 8u);

	if (is_null)
		row[column->slot / 8u] |= bit;
	else
		row[column->slot / 8u] &= (uint8_t)~bit;
}

static struct mr_cell cell_get(const uint8_t *row, const struct mr_column *column)
{
	return mr_cell_unpack(mr_load_le32(row + column->offset));
}

// Takes a column's earlier value out of the scratch, so that setting twice costs no room.
static void drop_variable(struct mr_row_builder *b, const struct mr_column *column)
{
	struct mr_cell old = cell_get(b->row, column);
	uint32_t end = (uint32_t)old.offset + old.bytes;

	memmove(b->var + old.offset, b->var + end, b->var_bytes - end);
	b->var_bytes -= old.bytes;
	for (unsigned i = 0; i < b->shape->n_columns; i++) {
		const struct mr_column *c = &b->shape->columns[i];
		struct mr_cell cell;

		if (!c->is_variable || mr_row_is_null(c, b->row))
			continue;
		cell = cell_get(b->row, c);
		if (cell.offset >= end)
			mr_store_le32(b->row + c->offset,
				mr_cell_pack((uint32_t)cell.offset - old.bytes, cell.bytes));
	}
}

static void set_null(struct mr_row_builder *b, const struct mr_column *column)
{
	if (column->is_variable && !mr_row_is_null(column, b->row))
		drop_variable(b, column);
	set_null_bit(b->row, column, true);
	memset(b->row + column->offset, 0, column->cell_bytes);
}

static int set_variable(
	struct mr_row_builder *b, const struct mr_column *column, const struct mr_value *value)
{
	uint32_t taken = b->var_bytes;

	if (column->type == MR_TYPE_STRING && !mr_utf8_check(value->data, value->bytes))
		return -EINVAL;
	if (!mr_row_is_null(column, b->row))
		taken -= cell_get(b->row, column).bytes;
	if (value->bytes > b->var_capacity_bytes - taken)
		return -E2BIG;
	set_null(b, column);
	if (value->bytes > 0)
		// A value may already be where it goes: hex text is decoded there.
		memmove(b->var + b->var_bytes, value->data, value->bytes);
	mr_store_le32(b->row + column->offset, mr_cell_pack(b->var_bytes, value->bytes));
	b->var_bytes += value->bytes;
	set_null_bit(b->row, column, false);
	return 0;
}

static int set_array(
	struct mr_row_builder *b, const struct mr_column *column, const struct mr_value *value)
{
	if (value->count != column->count || value->data == NULL ||
		value->bytes != column->cell_bytes)
		return -EINVAL;
	for (uint32_t i = 0; column->type == MR_TYPE_BOOL && i < value->bytes; i++) {
		if (value->data[i] > 1)
			return -EINVAL;
	}
	memcpy(b->row + column->offset, value->data, value->bytes);
	set_null_bit(b->row, column, false);
	return 0;
}

static void set_scalar(
	struct mr_row_builder *b, const struct mr_column *column, const struct mr_value *value)
{
	uint8_t *cell = b->row + column->offset;
	uint32_t w;
	uint64_t d;

	if (column->cell_bytes == 1) {
		*cell = value->b;
	} else if (column->cell_bytes == 4) {
		memcpy(&w, &value->i32, sizeof(w));
		mr_store_le32(cell, w);
	} else {
		memcpy(&d, &value->i64, sizeof(d));
		mr_store_le64(cell, d);
	}
	set_null_bit(b->row, column, false);
}

int mr_row_set(
	struct mr_row_builder *b, const struct mr_column *column, const struct mr_value *value)
{
	if (value->is_null) {
		set_null(b, column);
		return 0;
	}
	if (value->type != column->type)
		return -EINVAL;
	if (column->is_variable)
		return set_variable(b, column, value);
	if (column->is_array)
		return set_array(b, column, value);
	if (value->count != 1)
		return -EINVAL;
	set_scalar(b, column, value);
	return 0;
}

int mr_row_end(struct mr_row_builder *b)
{
	const struct mr_shape *shape = b->shape;
	uint32_t tail = shape->fixed_bytes;

	if (b->var_bytes > b->capacity_bytes - tail)
		return -E2BIG;
	for (unsigned slot = 0; slot < shape->n_columns; slot++) {
		const struct mr_column *c = &shape->columns[shape->by_slot[slot]];
		struct mr_cell cell;

		if (!c->is_variable || mr_row_is_null(c, b->row))
			continue;
		cell = cell_get(b->row, c);
		memcpy(b->row + tail, b->var + cell.offset, cell.bytes);
		mr_store_le32(b->row + c->offset, mr_cell_pack(tail, cell.bytes));
		tail += cell.bytes;
	}
	return (int)tail;
}
