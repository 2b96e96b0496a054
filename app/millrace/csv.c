// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 4180, read strictly: a quote belongs at the start of a cell, two quotes inside are one, and
// nothing but a comma or a line's end follows the closing one. CRLF and LF both end lines.

#include "reader.h"

#include <errno.h>
#include <string.h>

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

size_t csv_record(const struct reader_input *in, struct reader_cells *cells, size_t *ret_raw_bytes,
	unsigned *ret_lines, int *ret_error, struct mr_err *err)
{
	struct csv csv = {.in = in, .cells = cells, .at = in->at, .err = err};
	const char *raw_end;

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
