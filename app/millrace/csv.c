// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 4180, read strictly: a quote belongs at the start of a cell, two quotes inside are one, and
// nothing but a comma or a line's end follows the closing one. CRLF and LF both end lines.

#include "mr_bytes.h"
#include "reader.h"

#include <errno.h>
#include <string.h>

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define LOW_BITS (0x7f * EACH_BYTE)

/** One record being parsed. */
struct csv {
	const struct reader_input *in;
	struct reader_cells *cells;
	const char *at;
	unsigned lines;
	int error;
	struct mr_err *err;
};

static void bad(struct csv *csv, const char *what)
{
	if (csv->error == 0)
		csv->error = mr_fail(csv->err, EINVAL, "%s:%u: column %u: %s", csv->in->name,
			csv->in->line, csv->cells->n, what);
}

static void oom(struct csv *csv, int rc)
{
	if (rc != 0 && csv->error == 0)
		csv->error = rc;
}

/** Inside quotes, behind the opening one. @return false: the input ends here. */
static bool quoted_cell(struct csv *csv)
{
	const char *end = csv->in->end;
	unsigned first_line = csv->in->line + csv->lines;

	for (;;) {
		const char *quote = memchr(csv->at, '"', (size_t)(end - csv->at));
		const char *stop = quote != NULL ? quote : end;

		oom(csv, reader_cell_add(csv->cells, csv->at, (size_t)(stop - csv->at)));
		for (const char *p = csv->at; p < stop; p++)
			csv->lines += *p == '\n';
		csv->at = stop;
		if (quote == NULL) {
			if (csv->in->is_last && csv->error == 0)
				csv->error = mr_fail(csv->err, EINVAL,
					"%s:%u: column %u: the quote that opens on line %u is "
					"never closed",
					csv->in->name, csv->in->line, csv->cells->n, first_line);
			return false;
		}
		csv->at++;
		if (csv->at == end && !csv->in->is_last)
			return false;
		if (csv->at == end || *csv->at != '"')
			return true;
		oom(csv, reader_cell_add(csv->cells, "\"", 1));
		csv->at++;
	}
}

/** Up to the next comma or line's end. A quote inside is an error, which is told once. */
static void plain_cell(struct csv *csv, const char *what_of_quotes)
{
	const char *start = csv->at;
	const char *end = csv->in->end;

	while (csv->at < end && *csv->at != ',' && *csv->at != '\n') {
		if (*csv->at == '"')
			bad(csv, what_of_quotes);
		if (*csv->at == '\0')
			bad(csv, "a NUL byte: is this a text file?");
		csv->at++;
	}
	// A carriage return belongs to the line's end only in front of it.
	if (csv->at > start && csv->at[-1] == '\r' && (csv->at == end || *csv->at == '\n'))
		oom(csv, reader_cell_add(csv->cells, start, (size_t)(csv->at - 1 - start)));
	else
		oom(csv, reader_cell_add(csv->cells, start, (size_t)(csv->at - start)));
}

/** What stands between a closing quote and the next comma or line's end: nothing. */
static void after_quotes(struct csv *csv)
{
	const char *end = csv->in->end;

	if (csv->at < end && *csv->at == '\r' && (csv->at + 1 == end || csv->at[1] == '\n'))
		csv->at++;
	if (csv->at < end && *csv->at != ',' && *csv->at != '\n') {
		bad(csv, "text behind the closing quote; a quote inside quotes is written twice");
		while (csv->at < end && *csv->at != ',' && *csv->at != '\n')
			csv->at++;
	}
}

/** One cell. @return false: the input ends before the cell does. */
static bool cell(struct csv *csv)
{
	const char *start = csv->at;
	size_t before = csv->cells->text_bytes;

	oom(csv, reader_cell_begin(csv->cells));
	if (start < csv->in->end && *start == '"') {
		csv->at++;
		if (!quoted_cell(csv))
			return csv->in->is_last;
		if (csv->error == 0 && memchr(csv->cells->text + before, '\0',
					       csv->cells->text_bytes - before) != NULL)
			bad(csv, "a NUL byte: is this a text file?");
		after_quotes(csv);
		oom(csv, reader_cell_end(csv->cells, CELL_QUOTED));
		return csv->at < csv->in->end || csv->in->is_last;
	}
	plain_cell(csv, "a quote inside a cell that does not begin with one");
	oom(csv, reader_cell_end(
			 csv->cells, csv->cells->text_bytes == before ? CELL_NULL : CELL_TEXT));
	return csv->at < csv->in->end || csv->in->is_last;
}

/** The high bit of each byte that is zero. */
static inline uint64_t zero_bytes(uint64_t w)
{
	return ~(((w & LOW_BITS) + LOW_BITS) | w | LOW_BITS);
}

/**
 * Cuts text at its commas, eight bytes at a time. Eight bytes of any kind but zeros, quotes and
 * commas follow it. @return 0; -EINVAL: there are quotes or NULs in it; -ENOMEM.
 */
static int cut_cells(struct reader_cells *cells, char *text, size_t bytes)
{
	struct cell *cell = cells->cells;
	size_t *offset = cells->offsets;
	size_t start = 0;
	unsigned n = 0;

	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t w = mr_load_le64((const uint8_t *)text + at);
		uint64_t commas = zero_bytes(w ^ ',' * EACH_BYTE);

		if (mr_unlikely((zero_bytes(w) | zero_bytes(w ^ '"' * EACH_BYTE)) != 0))
			return -EINVAL;
		if (mr_unlikely(n + 8 > cells->capacity)) {
			if (reader_cells_grow(cells) != 0)
				return -ENOMEM;
			cell = cells->cells;
			offset = cells->offsets;
		}
		for (; commas != 0; commas &= commas - 1, n++) {
			size_t stop = at + (unsigned)__builtin_ctzll(commas) / 8;

			offset[n] = start;
			cell[n].bytes = stop - start;
			cell[n].kind = stop == start ? CELL_NULL : CELL_TEXT;
			text[stop] = '\0';
			start = stop + 1;
		}
	}
	cells->n = n;
	return 0;
}

/**
 * A record as most are: no quotes in it, and its end in sight.
 * @return its bytes with the line's end; 0: it is another, which nothing was made of.
 */
static size_t plain_record(const struct reader_input *in, struct reader_cells *cells,
	size_t *ret_raw_bytes, unsigned *ret_lines, int *ret_error)
{
	const char *line = memchr(in->at, '\n', (size_t)(in->end - in->at));
	size_t bytes = (size_t)((line != NULL ? line : in->end) - in->at), raw_bytes = bytes;
	int ret;

	if (line == NULL && !in->is_last)
		return 0;
	raw_bytes -= bytes > 0 && in->at[bytes - 1] == '\r';
	ret = reader_cells_room(cells, raw_bytes + 9);
	if (ret == 0) {
		memcpy(cells->text, in->at, raw_bytes);
		memcpy(cells->text + raw_bytes, ",        ", 9);
		ret = cut_cells(cells, cells->text, raw_bytes + 1);
	}
	if (ret == -EINVAL) {
		cells->n = 0;
		return 0;
	}
	cells->text_bytes = raw_bytes + 1;
	*ret_raw_bytes = raw_bytes;
	*ret_lines = line != NULL;
	*ret_error = ret;
	return bytes + (line != NULL);
}

size_t csv_record(const struct reader_input *in, struct reader_cells *cells, size_t *ret_raw_bytes,
	unsigned *ret_lines, int *ret_error, struct mr_err *err)
{
	struct csv csv = {.in = in, .cells = cells, .at = in->at, .err = err};
	const char *raw_end;
	size_t plain = plain_record(in, cells, ret_raw_bytes, ret_lines, ret_error);

	if (mr_likely(plain > 0))
		return plain;
	for (;;) {
		if (!cell(&csv))
			return 0;
		if (csv.at == in->end || *csv.at == '\n')
			break;
		csv.at++;
	}
	raw_end = csv.at;
	if (raw_end > in->at && raw_end[-1] == '\r')
		raw_end--;
	if (csv.at < in->end) {
		csv.at++;
		csv.lines++;
	}
	*ret_raw_bytes = (size_t)(raw_end - in->at);
	*ret_lines = csv.lines;
	*ret_error = csv.error;
	return (size_t)(csv.at - in->at);
}
