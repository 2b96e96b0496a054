// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Records from a file of rows, one at a time, whatever its format: CSV (RFC 4180) or JSON lines.
 * A record is good, or bad with a message that names file and line; reading goes on behind a bad
 * one, except after an unterminated quote, which has no end to go on from.
 *
 * Owner: the caller. A record and its texts live until the next call. Memory: one buffer of at
 * least 1 MiB, and the longest record, which may have READER_RECORD_MAX_BYTES.
 */

#include "mr_err.h"

#include <stdbool.h>
#include <stdio.h>

#define READER_RECORD_MAX_BYTES (64u << 20)

enum cell_kind {
	CELL_NULL,   //!< CSV: nothing between the commas; JSON: null
	CELL_TEXT,   //!< CSV: anything else; JSON: a string
	CELL_QUOTED, //!< CSV: in quotes
	CELL_NUMBER, //!< JSON: number or bool
	CELL_ARRAY,  //!< JSON: array of these, as text "1;2;3"
};

struct cell {
	const char *name; //!< of its column
	const char *text; //!< zero-terminated, "" for null
	size_t bytes;
	enum cell_kind kind;
};

struct record {
	unsigned line; //!< of its first byte, from 1
	unsigned n_cells;
	struct cell *cells;
	const char *raw; //!< as it stands in the file, without the line's end
	size_t raw_bytes;
};

enum reader_format { READER_CSV, READER_JSONL };

struct reader;

/**
 * Opens a reader over @p file, which stays the caller's.
 * @param name
 *   For messages.
 * @return NULL with a message (EINVAL: no header, not text) or errno.
 */
struct reader *reader_open(
	FILE *file, const char *name, enum reader_format format, struct mr_err *err);
void reader_close(struct reader *reader);

/** Names in the header of a CSV file, in order; 0 for JSON lines. */
unsigned reader_header(const struct reader *reader, const char *const **ret_names);
/** The header as it stands in the file. */
const char *reader_header_raw(const struct reader *reader, size_t *ret_bytes);

/**
 * Reads the next record.
 * @return 1: *ret_record is filled; 0: end of file; -EINVAL: a bad record, with a message; line
 *   and raw of *ret_record are set; -E2BIG, -EIO, -ENOMEM: give up, with a message.
 */
int reader_next(struct reader *reader, struct record *ret_record, struct mr_err *err);

/** Bytes of the file consumed so far. */
size_t reader_bytes(const struct reader *reader);

// ---- several threads on one file ---------------------------------------------------------------

/** Whole records, to be parsed by a reader of reader_open_block(). */
struct reader_block {
	char *text;
	size_t bytes, capacity;
	unsigned line; //!< of its first byte
};

/**
 * Takes the next whole records off the file, about a MiB, unparsed: much faster than parsing them.
 * @param block
 *   Overwritten; its text is the caller's to free in the end.
 * @return 1; 0: end of file; -E2BIG, -EIO, -ENOMEM with a message.
 */
int reader_cut(struct reader *reader, struct reader_block *block, struct mr_err *err);

/** Goes on at a place between records, as reader_bytes() and a block's line told. @return 0 or
 * -EIO. */
int reader_seek(struct reader *reader, size_t bytes, unsigned line, struct mr_err *err);
unsigned reader_line(const struct reader *reader);

/** A reader of blocks of @p parent's file, for one thread. @return NULL: no memory. */
struct reader *reader_open_block(const struct reader *parent);

/** Gives it a block, which must live while it is read; reader_next() ends with it. */
void reader_set_block(struct reader *reader, const struct reader_block *block);

// ---- between reader.c and the formats ----------------------------------------------------------

/** Where a format parser stands. Bytes [at, end) are in memory. */
struct reader_input {
	const char *name;
	const char *at, *end;
	bool is_last; //!< nothing follows `end` in the file
	unsigned line;
};

/** Texts and cells of one record; grows as needed. */
struct reader_cells {
	char *text;
	size_t text_bytes, text_capacity;
	struct cell *cells;
	size_t *offsets; //!< of the texts; pointers are set when the record is whole
	unsigned n, capacity;
};

/** Makes room for more cells, and for a text of so many bytes. @return 0 or -ENOMEM. */
int reader_cells_grow(struct reader_cells *cells);
int reader_cells_room(struct reader_cells *cells, size_t text_bytes);

/** Starts a cell. @return 0 or -ENOMEM. */
int reader_cell_begin(struct reader_cells *cells);
/** Adds text to it. */
int reader_cell_add(struct reader_cells *cells, const char *text, size_t bytes);
/** Ends it. */
int reader_cell_end(struct reader_cells *cells, enum cell_kind kind);

/**
 * Parses one record at in->at.
 * @return bytes of the record with its line's end, and *ret_raw_bytes without; 0: more input is
 *   needed. *ret_error is 0, or -EINVAL with a message, or -ENOMEM. *ret_lines counts the line
 * ends.
 */
size_t csv_record(const struct reader_input *in, struct reader_cells *cells, size_t *ret_raw_bytes,
	unsigned *ret_lines, int *ret_error, struct mr_err *err);

/** As csv_record() for a line of JSON. Names of cells are set when it returns. */
size_t jsonl_record(const struct reader_input *in, struct reader_cells *cells,
	size_t *ret_raw_bytes, unsigned *ret_lines, int *ret_error, struct mr_err *err);
