// SPDX-License-Identifier: BSD-3-Clause
#include "mr_view.h"

#include "mr_row_impl.h"

#include <string.h>

// A gap between two runs of up to this many bytes is copied with them when only variable cells of
// the partial row stand in it: those are written afterwards anyhow.
#define GAP_MAX_BYTES 64u

#define WORD_BITS 64u

// Column of the stored row behind a slot of the partial one. compile() leaves declaration indices
// in `columns`, in the partial shape's order.
static const struct mr_column *source(
	const struct mr_view_part *part, const uint16_t *columns, unsigned slot)
{
	return &part->schema->shape.columns[columns[part->shape.by_slot[slot]]];
}

static const struct mr_column *target(const struct mr_view_part *part, unsigned slot)
{
	return &part->shape.columns[part->shape.by_slot[slot]];
}

// Each of the three finds its runs; with a NULL array it only counts them.

static unsigned find_copies(
	const struct mr_view_part *part, const uint16_t *columns, struct mr_copy *copies)
{
	struct mr_copy run = {0};
	unsigned n = 0;

	for (unsigned slot = 0; slot < part->shape.n_columns; slot++) {
		const struct mr_column *from = source(part, columns, slot);
		const struct mr_column *to = target(part, slot);
		unsigned gap = to->offset - (run.to + (unsigned)run.bytes);

		if (to->is_variable)
			continue;
		if (run.bytes > 0 && gap <= GAP_MAX_BYTES &&
			from->offset == run.from + run.bytes + gap) {
			run.bytes = (uint16_t)(run.bytes + gap + to->cell_bytes);
		} else {
			n += run.bytes > 0;
			run = (struct mr_copy){from->offset, to->offset, to->cell_bytes};
		}
		if (copies != NULL)
			copies[n] = run;
	}
	return n + (run.bytes > 0);
}

static unsigned find_bit_copies(
	const struct mr_view_part *part, const uint16_t *columns, struct mr_bit_copy *copies)
{
	struct mr_bit_copy run = {0};
	unsigned n = 0, next = 0; // slot of the stored row that would lengthen the run

	for (unsigned slot = 0; slot < part->shape.n_columns; slot++) {
		unsigned from = source(part, columns, slot)->slot;
		uint64_t bit = UINT64_C(1) << slot % WORD_BITS;

		if (run.mask != 0 && from == next && from % WORD_BITS != 0 &&
			slot % WORD_BITS != 0) {
			run.mask |= bit;
		} else {
			n += run.mask != 0;
			run.mask = bit;
			run.from_word = (uint16_t)(from / WORD_BITS);
			run.to_word = (uint16_t)(slot / WORD_BITS);
			run.rotate = (uint16_t)((slot - from) % WORD_BITS);
		}
		next = from + 1;
		if (copies != NULL)
			copies[n] = run;
	}
	return n + (run.mask != 0);
}

static unsigned find_var_copies(
	const struct mr_view_part *part, const uint16_t *columns, struct mr_var_copy *copies)
{
	unsigned n = 0;

	for (unsigned slot = 0; slot < part->shape.n_columns; slot++) {
		const struct mr_column *to = target(part, slot);

		if (!to->is_variable)
			continue;
		if (copies != NULL)
			copies[n] = (struct mr_var_copy){
				source(part, columns, slot)->offset, to->offset};
		n++;
	}
	return n;
}

static int find_runs(struct mr_view_part *part, const uint16_t *columns, struct mr_arena *arena)
{
	part->n_copies = (uint16_t)find_copies(part, columns, NULL);
	part->n_bit_copies = (uint16_t)find_bit_copies(part, columns, NULL);
	part->n_var_copies = (uint16_t)find_var_copies(part, columns, NULL);
	part->copies = mr_arena_alloc(arena, part->n_copies * sizeof(*part->copies), 8);
	part->bit_copies = mr_arena_alloc(arena, part->n_bit_copies * sizeof(*part->bit_copies), 8);
	part->var_copies = mr_arena_alloc(arena, part->n_var_copies * sizeof(*part->var_copies), 8);
	if (part->copies == NULL || part->bit_copies == NULL || part->var_copies == NULL)
		return -ENOMEM;
	find_copies(part, columns, part->copies);
	find_bit_copies(part, columns, part->bit_copies);
	find_var_copies(part, columns, part->var_copies);
	return 0;
}

// Same columns at the same slots: the bytes are the same, in whatever order they were named.
static bool is_identity(const struct mr_view_part *part, const uint16_t *columns)
{
	if (part->shape.n_columns != part->schema->shape.n_columns)
		return false;
	for (unsigned slot = 0; slot < part->shape.n_columns; slot++) {
		if (source(part, columns, slot)->slot != slot)
			return false;
	}
	return true;
}

static int check_columns(
	const struct mr_schema *schema, const uint16_t *columns, unsigned n_columns)
{
	uint64_t seen[MR_SET_COLUMNS_MAX / WORD_BITS] = {0};

	if (n_columns == 0)
		return -EINVAL;
	for (unsigned i = 0; i < n_columns; i++) {
		unsigned c = columns[i];

		if (c >= schema->shape.n_columns || (seen[c / WORD_BITS] >> c % WORD_BITS & 1) != 0)
			return -EINVAL;
		seen[c / WORD_BITS] |= UINT64_C(1) << c % WORD_BITS;
	}
	return 0;
}

int mr_view_part_compile(struct mr_view_part *part, const struct mr_schema *schema,
	const uint16_t *columns, unsigned n_columns, struct mr_arena *arena)
{
	struct mr_view_part p = {.schema = schema, .row_fixed_bytes = schema->shape.fixed_bytes};
	int ret = check_columns(schema, columns, n_columns);

	if (ret < 0)
		return ret;
	p.shape.n_columns = (uint16_t)n_columns;
	p.shape.columns = mr_arena_alloc(arena, n_columns * sizeof(struct mr_column), 8);
	if (p.shape.columns == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n_columns; i++)
		p.shape.columns[i] = schema->shape.columns[columns[i]];
	ret = mr_shape_lay_out(&p.shape, arena, NULL);
	if (ret < 0)
		return ret;
	ret = find_runs(&p, columns, arena);
	if (ret < 0)
		return ret;
	p.is_identity = is_identity(&p, columns);
	*part = p;
	return 0;
}

int mr_view_part_bytes_runs(const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes)
{
	uint32_t bytes = part->shape.fixed_bytes;

	for (unsigned i = 0; i < part->n_var_copies; i++) {
		uint32_t packed = mr_racy_load_le32(row + part->var_copies[i].from);
		struct mr_cell cell = mr_cell_unpack(packed);

		if (packed == 0)
			continue;
		if (mr_unlikely(cell.offset < part->row_fixed_bytes ||
				cell.offset + (uint32_t)cell.bytes > row_bytes))
			return -EBADMSG;
		bytes += cell.bytes;
	}
	return mr_likely(bytes <= MR_ROW_MAX_BYTES) ? (int)bytes : -EBADMSG;
}

// Most runs are one cell, and stand together by size; a call of memcpy() for each would cost more
// than the copy.
static void copy_cells(const struct mr_view_part *part, const uint8_t *row, uint8_t *out)
{
	const struct mr_copy *copies = part->copies;
	unsigned n = part->n_copies;

	for (unsigned i = 0; i < n; i++) {
		const struct mr_copy c = copies[i];

		if (c.bytes == 4)
			mr_racy_copy(out + c.to, row + c.from, 4);
		else if (c.bytes == 8)
			mr_racy_copy(out + c.to, row + c.from, 8);
		else if (c.bytes == 1)
			mr_racy_copy(out + c.to, row + c.from, 1);
		else
			mr_racy_copy(out + c.to, row + c.from, c.bytes);
	}
}

// Runs come in the order of the partial row's slots, which fill all its words: each word is put
// together in a register and stored once.
static void copy_null_bits(const struct mr_view_part *part, const uint8_t *row, uint8_t *out)
{
	const struct mr_bit_copy *copies = part->bit_copies;
	unsigned n = part->n_bit_copies, at = 0;
	uint64_t word = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct mr_bit_copy *c = &copies[i];
		uint64_t bits = mr_racy_load_le64(row + 8 * c->from_word);

		if (c->to_word != at) {
			mr_store_le64(out + 8 * at, word);
			word = 0;
			at = c->to_word;
		}
		word |= (bits << c->rotate | bits >> (-c->rotate & 63)) & c->mask;
	}
	mr_store_le64(out + 8 * at, word);
}

// Values that are neighbours in both rows are copied together. Cells are loaded once each: the row
// may change while this runs, and what was checked must be what is used.
static int copy_variable(const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes,
	uint8_t *out, uint32_t capacity_bytes)
{
	uint32_t tail = part->shape.fixed_bytes, run_from = 0, run_bytes = 0;

	for (unsigned i = 0; i < part->n_var_copies; i++) {
		uint32_t packed = mr_racy_load_le32(row + part->var_copies[i].from);
		struct mr_cell cell = mr_cell_unpack(packed);

		if (packed == 0) {
			mr_store_le32(out + part->var_copies[i].to, 0);
			continue;
		}
		if (mr_unlikely(cell.offset < part->row_fixed_bytes ||
				cell.offset + (uint32_t)cell.bytes > row_bytes ||
				tail + cell.bytes > MR_ROW_MAX_BYTES))
			return -EBADMSG;
		if (mr_unlikely(tail + cell.bytes > capacity_bytes))
			return -ENOSPC;
		mr_store_le32(out + part->var_copies[i].to, mr_cell_pack(tail, cell.bytes));
		if (cell.offset != run_from + run_bytes) {
			mr_racy_copy(out + tail - run_bytes, row + run_from, run_bytes);
			run_from = cell.offset;
			run_bytes = 0;
		}
		run_bytes += cell.bytes;
		tail += cell.bytes;
	}
	mr_racy_copy(out + tail - run_bytes, row + run_from, run_bytes);
	return (int)tail;
}

int mr_view_part_copy_runs(const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes,
	uint8_t *out, uint32_t capacity_bytes)
{
	if (mr_unlikely(part->shape.fixed_bytes > capacity_bytes))
		return -ENOSPC;
	copy_null_bits(part, row, out);
	copy_cells(part, row, out);
	return copy_variable(part, row, row_bytes, out, capacity_bytes);
}
