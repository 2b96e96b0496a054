// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Views: which columns of which sets a request wants, compiled once into a list of copies.
 *
 * Each part of a view covers one set and answers with a partial row of its own shape, made from
 * the stored row by copying runs of cells, runs of null bits and variable values. A part that wants
 * every column in order is one memcpy. Compiled parts are read-only: any thread.
 */

#include "mr_racy.h"
#include "mr_row.h"
#include "mr_schema.h"

#include <errno.h>

#define MR_VIEW_SETS_MAX 16u
#define MR_VIEW_EXPLICIT 0x8000u //!< wire id of explicit view n: this | n; of set n's own view: n

/** A run of cells. */
struct mr_copy {
	uint16_t from, to, bytes; //!< offsets in the stored and the partial row
};

/** A run of null bits that crosses no 64-bit word of either row: rotate, mask, or into the word. */
struct mr_bit_copy {
	uint64_t mask; //!< of the partial row's word
	uint16_t from_word, to_word;
	uint16_t rotate; //!< left, 0 to 63
};

/** A variable column: its cell in the stored and in the partial row, in partial slot order. */
struct mr_var_copy {
	uint16_t from, to;
};

struct mr_view_part {
	const struct mr_schema *schema;
	struct mr_shape shape;    //!< of the partial row; column names as in the set
	bool is_identity;         //!< stored rows are answered as they are
	uint16_t row_fixed_bytes; //!< shortest stored row
	uint16_t n_copies, n_bit_copies, n_var_copies;
	struct mr_copy *copies;
	struct mr_bit_copy *bit_copies;
	struct mr_var_copy *var_copies;
};

struct mr_view {
	const char *name;
	uint16_t id; //!< as on the wire
	uint8_t key_fixed_bytes;
	uint16_t n_parts;
	uint32_t layout; //!< hash over the parts: same value, same bytes
	struct mr_view_part *parts;
};

/**
 * Compiles a part: @p columns are declaration indices of @p schema, in the order wanted.
 * @return 0, -ENOMEM (arena) or -EINVAL (an index out of range or twice).
 */
int mr_view_part_compile(struct mr_view_part *part, const struct mr_schema *schema,
	const uint16_t *columns, unsigned n_columns, struct mr_arena *arena);

// For the two functions below, which check the row's length: parts that are not the identity.
int mr_view_part_bytes_runs(
	const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes);
int mr_view_part_copy_runs(const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes,
	uint8_t *out, uint32_t capacity_bytes);

/**
 * Length of the partial row that mr_view_part_copy() would write.
 * @return bytes, or -EBADMSG when the row's variable cells do not lie inside it.
 */
static mr_always_inline int mr_view_part_bytes(
	const struct mr_view_part *part, const uint8_t *row, uint32_t row_bytes)
{
	if (mr_unlikely(row_bytes < part->row_fixed_bytes || row_bytes > MR_ROW_MAX_BYTES))
		return -EBADMSG;
	return part->is_identity ? (int)row_bytes : mr_view_part_bytes_runs(part, row, row_bytes);
}

/**
 * Writes the partial row of @p row. Reads only row[0, row_bytes), writes only
 * out[0, capacity_bytes), whatever the bytes of the row are: it may be torn.
 * @return bytes written; -ENOSPC; -EBADMSG as above.
 */
static mr_always_inline int mr_view_part_copy(const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint8_t *out, uint32_t capacity_bytes)
{
	if (mr_unlikely(row_bytes < part->row_fixed_bytes || row_bytes > MR_ROW_MAX_BYTES))
		return -EBADMSG;
	if (!part->is_identity)
		return mr_view_part_copy_runs(part, row, row_bytes, out, capacity_bytes);
	if (mr_unlikely(row_bytes > capacity_bytes))
		return -ENOSPC;
	mr_racy_copy_row(out, row, row_bytes);
	return (int)row_bytes;
}
