// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Feature sets: what a row of one looks like, and where each column sits in it.
 *
 * A schema is built once (from INI text, see mr_catalog.h) in the caller's arena and then read by
 * any thread; nothing in it changes. Looking a column up by name is O(columns); everything that
 * runs per row goes by index.
 *
 * Row layout (normative: docs/rows.md). Little-endian.
 *
 *     null bits     one per column, bit i of byte i/8 set: column at slot i is null; unused bits 0
 *     fixed part    from the next multiple of 8: 8-byte cells, then 4-byte, then 1-byte ones, in
 *                   declaration order within each; a string or bytes column is a 4-byte cell
 *                   {u16 offset from the row's start, u16 length}
 *     tail          bytes of the variable columns, in slot order, without gaps
 *
 * "Slot" is the place in that order. A null column's cell is all zero. So equal values make equal
 * bytes, and runs of neighbouring columns can be copied at once.
 */

#include "mr_arena.h"
#include "mr_cc.h"
#include "mr_err.h"

#include <stdbool.h>

#define MR_NAME_MAX_BYTES 63u //!< of a set, view or column: [A-Za-z_][A-Za-z0-9_]*
#define MR_SET_COLUMNS_MAX 1024u
#define MR_KEY_PARTS_MAX 8u
#define MR_KEY_MAX_BYTES 255u
#define MR_ROW_MAX_BYTES 32768u
#define MR_SET_BESIDE_MAX 15u //!< versions beside the current one
#define MR_SET_ID_MAX 0x7fffu //!< set ids and explicit view ids: 1 to this

enum mr_type {
	MR_TYPE_BOOL,
	MR_TYPE_I32,
	MR_TYPE_I64,
	MR_TYPE_U64, //!< key parts only
	MR_TYPE_F32,
	MR_TYPE_F64,
	MR_TYPE_TIMESTAMP, //!< i64, microseconds since the epoch
	MR_TYPE_STRING,    //!< UTF-8
	MR_TYPE_BYTES,
	MR_TYPE_COUNT,
};

const char *mr_type_name(enum mr_type type);

enum mr_durability {
	MR_DURABILITY_SYNC, //!< WAL synced before the acknowledgement; the default
	MR_DURABILITY_WAL,  //!< WAL written, synced by the kernel: survives a kill, not a power cut
	MR_DURABILITY_COUNT,
};

const char *mr_durability_name(enum mr_durability durability);

/** How the store keeps a set's rows on disk. */
enum mr_tables {
	MR_TABLES_COMPACT, //!< as `[store]` says for all sets; the default
	MR_TABLES_FAST, //!< uncompressed, in small blocks: more disk, cheaper to write and to read
	MR_TABLES_COUNT,
};

const char *mr_tables_name(enum mr_tables tables);

struct mr_column {
	const char *name;
	enum mr_type type;
	uint16_t count;      //!< elements; 1 unless an array
	bool is_array;       //!< declared as type[count]
	bool is_variable;    //!< string or bytes
	uint16_t index;      //!< place in the declaration
	uint16_t slot;       //!< place in the layout; also its null bit
	uint16_t offset;     //!< of its cell in the row
	uint16_t cell_bytes; //!< of the whole cell, arrays included
};

struct mr_key_part {
	const char *name; //!< as declared ("user_id:u64"), or "key"
	enum mr_type type;
};

/**
 * The shape of a row: columns and offsets, without what makes it a feature set. Rows of a set and
 * the partial rows that a view answers with both have one.
 */
struct mr_shape {
	uint16_t n_columns;
	uint16_t n_variable;
	uint16_t fixed_offset; //!< end of the null bits, rounded up to 8
	uint16_t fixed_bytes;  //!< null bits and fixed part: where the tail starts; shortest row
	struct mr_column *columns; //!< by declaration index
	uint16_t *by_slot;         //!< slot -> declaration index
};

struct mr_schema {
	const char *name;
	uint16_t id;
	uint16_t version; //!< the current one, from 1
	bool has_version; //!< the text said so; otherwise it is 1 until mr_catalog_merge() knows
	                  //!< better
	bool has_beside;  //!< likewise for `beside`
	uint8_t n_beside;
	uint16_t beside[MR_SET_BESIDE_MAX]; //!< versions that exist beside the current one
	uint64_t ttl_us;                    //!< 0: rows do not expire
	uint64_t history_us; //!< for how long earlier rows can be read as of then; 0: none are kept
	enum mr_durability durability;
	enum mr_tables tables;
	uint8_t n_key_parts;
	struct mr_key_part key_parts[MR_KEY_PARTS_MAX];
	uint8_t key_fixed_bytes; //!< length of every key, or 0 when it varies
	struct mr_shape shape;
	uint32_t layout; //!< hash of key types, column names, types and order: same value, same
	                 //!< bytes
};

/** @return the column, or NULL. O(columns). */
const struct mr_column *mr_shape_column(const struct mr_shape *shape, const char *name);

/**
 * Lays the columns out: fills slot, offset, cell_bytes of shape->columns (name, type, count,
 * is_array given) and the rest of @p shape.
 * @return 0; -E2BIG: the fixed part exceeds MR_ROW_MAX_BYTES; -ENOMEM: the arena is full.
 */
int mr_shape_lay_out(struct mr_shape *shape, struct mr_arena *arena, struct mr_err *err);

/** @return true when a row of @p row_bytes written at @p event_time_us has outlived the TTL. */
static mr_always_inline bool mr_schema_expired(
	const struct mr_schema *schema, uint64_t event_time_us, uint64_t now_us)
{
	return schema->ttl_us != 0 && now_us > event_time_us &&
	       now_us - event_time_us > schema->ttl_us;
}

/** Whether rows of a version can be written: it is the current one, or one beside it. */
static inline bool mr_schema_has_version(const struct mr_schema *schema, uint16_t version)
{
	for (unsigned i = 0; i < schema->n_beside; i++)
		if (schema->beside[i] == version)
			return true;
	return schema->version == version;
}

/** "i32", "f32[16]". @return text. */
const char *mr_column_type_text(const struct mr_column *column, char *text, unsigned text_bytes);
