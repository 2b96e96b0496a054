// SPDX-License-Identifier: BSD-3-Clause

#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (1u << 20)

typedef size_t (*record_fn)(const struct reader_input *in, struct reader_cells *cells,
	size_t *ret_raw_bytes, unsigned *ret_lines, int *ret_error, struct mr_err *err);

struct reader {
	FILE *file;
	char *name;
	enum reader_format format;
	record_fn parse;
	char *buffer;
	size_t capacity, at, end;
	bool is_last, failed;
	unsigned line;
	size_t consumed;
	struct reader_cells cells;
	char *header_raw;
	size_t header_raw_bytes;
	char **header;
	unsigned n_header;
	bool is_block; //!< name, header and buffer are somebody else's
};

// ---- cells -------------------------------------------------------------------------------------

int reader_cells_grow(struct reader_cells *cells)
{
	unsigned capacity = cells->capacity * 2 + 64;
	struct cell *grown = realloc(cells->cells, capacity * sizeof(*grown));
	size_t *offsets;

	if (grown == NULL)
		return -ENOMEM;
	cells->cells = grown;
	offsets = realloc(cells->offsets, capacity * sizeof(*offsets));
	if (offsets == NULL)
		return -ENOMEM;
	cells->offsets = offsets;
	cells->capacity = capacity;
	return 0;
}

int reader_cells_room(struct reader_cells *cells, size_t text_bytes)
{
	char *grown;

	if (mr_likely(text_bytes <= cells->text_capacity))
		return 0;
	grown = realloc(cells->text, 2 * text_bytes);
	if (grown == NULL)
		return -ENOMEM;
	cells->text = grown;
	cells->text_capacity = 2 * text_bytes;
	return 0;
}

int reader_cell_begin(struct reader_cells *cells)
{
	if (cells->n == cells->capacity && reader_cells_grow(cells) != 0)
		return -ENOMEM;
	cells->offsets[cells->n] = cells->text_bytes;
	cells->cells[cells->n] = (struct cell){0};
	cells->n++;
	return reader_cell_add(cells, "", 0);
}

int reader_cell_add(struct reader_cells *cells, const char *text, size_t bytes)
{
	// One more than asked: the terminator always fits.
	if (reader_cells_room(cells, cells->text_bytes + bytes + 1) != 0)
		return -ENOMEM;
	if (bytes > 0)
		memcpy(cells->text + cells->text_bytes, text, bytes);
	cells->text_bytes += bytes;
	return 0;
}

int reader_cell_end(struct reader_cells *cells, enum cell_kind kind)
{
	struct cell *cell = &cells->cells[cells->n - 1];

	cell->kind = kind;
	cell->bytes = cells->text_bytes - cells->offsets[cells->n - 1];
	return reader_cell_add(cells, "", 1);
}

/** Texts have stopped moving: points the cells at them. */
static void place_cells(const struct reader *reader, struct reader_cells *cells)
{
	unsigned n_named = reader->format == READER_CSV ? MR_MIN(cells->n, reader->n_header) : 0;

	for (unsigned i = 0; i < cells->n; i++)
		cells->cells[i].text = cells->text + cells->offsets[i];
	for (unsigned i = 0; i < n_named; i++)
		cells->cells[i].name = reader->header[i];
	// A JSON cell's name follows its text.
	for (unsigned i = n_named; i < cells->n; i++)
		cells->cells[i].name = reader->format == READER_JSONL
		                               ? cells->cells[i].text + cells->cells[i].bytes + 1
		                               : "";
}

// ---- input -------------------------------------------------------------------------------------

/** Reads more behind what is there. @return 0 or -errno with a message. */
static int refill(struct reader *reader, struct mr_err *err)
{
	size_t n;

	if (reader->at > 0) {
		memmove(reader->buffer, reader->buffer + reader->at, reader->end - reader->at);
		reader->end -= reader->at;
		reader->at = 0;
	}
	if (reader->end == reader->capacity) {
		size_t capacity = reader->capacity * 2;
		char *grown;

		if (reader->capacity >= READER_RECORD_MAX_BYTES) {
			reader->failed = true;
			return mr_fail(err, E2BIG,
				"%s:%u: a record of more than %u MiB begins here: is a quote "
				"never closed?",
				reader->name, reader->line, READER_RECORD_MAX_BYTES >> 20);
		}
		grown = realloc(reader->buffer, capacity);
		if (grown == NULL)
			return mr_fail(err, ENOMEM, "%s: out of memory", reader->name);
		reader->buffer = grown;
		reader->capacity = capacity;
	}
	n = fread(reader->buffer + reader->end, 1, reader->capacity - reader->end, reader->file);
	reader->end += n;
	reader->is_last = n == 0;
	if (n == 0 && ferror(reader->file))
		return mr_fail(err, EIO, "%s: read: %s", reader->name, strerror(errno));
	return 0;
}

/** Parses the next record, reading as much as it takes. @return 1, 0 at the end, or -errno. */
static int take(struct reader *reader, struct record *ret_record, struct mr_err *err)
{
	for (;;) {
		struct reader_input in = {
			.name = reader->name,
			.at = reader->buffer + reader->at,
			.end = reader->buffer + reader->end,
			.is_last = reader->is_last,
			.line = reader->line,
		};
		size_t bytes = 0, raw_bytes = 0;
		unsigned lines = 0;
		int error = 0;

		reader->cells.n = 0;
		reader->cells.text_bytes = 0;
		if (in.at < in.end)
			bytes = reader->parse(&in, &reader->cells, &raw_bytes, &lines, &error, err);
		else if (in.is_last)
			return 0;
		if (bytes == 0) {
			int rc = refill(reader, err);

			*ret_record = (struct record){.line = reader->line, .raw = ""};
			if (rc != 0)
				return rc;
			continue;
		}
		*ret_record =
			(struct record){.line = in.line, .raw = in.at, .raw_bytes = raw_bytes};
		reader->at += bytes;
		reader->consumed += bytes;
		reader->line += lines;
		if (error == -ENOMEM)
			return mr_fail(err, ENOMEM, "%s: out of memory", reader->name);
		if (error != 0)
			return error;
		place_cells(reader, &reader->cells);
		ret_record->n_cells = reader->cells.n;
		ret_record->cells = reader->cells.cells;
		return 1;
	}
}

static bool is_empty_line(const struct record *record)
{
	return record->raw_bytes == 0 || record->n_cells == 0;
}

int reader_next(struct reader *reader, struct record *ret_record, struct mr_err *err)
{
	int rc;

	if (reader->failed)
		return 0;
	do
		rc = take(reader, ret_record, err);
	while (rc == 1 && is_empty_line(ret_record));
	if (rc == 1 && reader->format == READER_CSV && ret_record->n_cells != reader->n_header) {
		unsigned n = ret_record->n_cells;

		ret_record->n_cells = 0;
		return mr_fail(err, EINVAL, "%s:%u: %u cells, but the header has %u columns",
			reader->name, ret_record->line, n, reader->n_header);
	}
	return rc;
}

// ---- opening -----------------------------------------------------------------------------------

/** A byte order mark is no part of the first column's name. */
static int skip_mark(struct reader *reader, struct mr_err *err)
{
	const unsigned char *p;
	int rc;

	while (reader->end < 3 && !reader->is_last) {
		rc = refill(reader, err);
		if (rc != 0)
			return rc;
	}
	p = (const unsigned char *)reader->buffer;
	if (reader->end >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) {
		reader->at = 3;
		reader->consumed = 3;
	}
	if (reader->end >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
		return mr_fail(err, EINVAL,
			"%s: UTF-16: turn it into UTF-8 first (iconv -f UTF-16 -t UTF-8)",
			reader->name);
	return 0;
}

static int check_header(const struct reader *reader, struct mr_err *err)
{
	for (unsigned i = 0; i < reader->n_header; i++) {
		if (reader->header[i][0] == '\0')
			return mr_fail(err, EINVAL, "%s:1: column %u has no name in the header",
				reader->name, i + 1);
		for (unsigned k = 0; k < i; k++)
			if (strcmp(reader->header[i], reader->header[k]) == 0)
				return mr_fail(err, EINVAL,
					"%s:1: column '%s' stands twice in the header",
					reader->name, reader->header[i]);
	}
	return 0;
}

static int read_header(struct reader *reader, struct mr_err *err)
{
	struct record record;
	int rc = take(reader, &record, err);

	if (rc == 0 || (rc == 1 && record.raw_bytes == 0))
		return mr_fail(err, EINVAL, "%s:1: no header: the first line must name the columns",
			reader->name);
	if (rc < 0)
		return rc;
	reader->header = calloc(record.n_cells, sizeof(*reader->header));
	reader->header_raw = strndup(record.raw, record.raw_bytes);
	if (reader->header == NULL || reader->header_raw == NULL)
		return -ENOMEM;
	reader->header_raw_bytes = record.raw_bytes;
	for (unsigned i = 0; i < record.n_cells; i++) {
		reader->header[i] = strdup(record.cells[i].text);
		if (reader->header[i] == NULL)
			return -ENOMEM;
		reader->n_header++;
	}
	return check_header(reader, err);
}

struct reader *reader_open(
	FILE *file, const char *name, enum reader_format format, struct mr_err *err)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int rc = -ENOMEM;

	if (reader == NULL)
		return NULL;
	reader->file = file;
	reader->format = format;
	reader->parse = format == READER_CSV ? csv_record : jsonl_record;
	reader->line = 1;
	reader->name = strdup(name);
	reader->buffer = malloc(BUFFER_BYTES);
	reader->capacity = BUFFER_BYTES;
	if (reader->name != NULL && reader->buffer != NULL)
		rc = skip_mark(reader, err);
	if (rc == 0 && format == READER_CSV)
		rc = read_header(reader, err);
	if (rc == 0)
		return reader;
	reader_close(reader);
	errno = -rc;
	return NULL;
}

void reader_close(struct reader *reader)
{
	if (reader == NULL)
		return;
	if (!reader->is_block) {
		for (unsigned i = 0; i < reader->n_header; i++)
			free(reader->header[i]);
		free(reader->header);
		free(reader->header_raw);
		free(reader->buffer);
		free(reader->name);
	}
	free(reader->cells.text);
	free(reader->cells.cells);
	free(reader->cells.offsets);
	free(reader);
}

unsigned reader_header(const struct reader *reader, const char *const **ret_names)
{
	*ret_names = (const char *const *)reader->header;
	return reader->n_header;
}

const char *reader_header_raw(const struct reader *reader, size_t *ret_bytes)
{
	*ret_bytes = reader->header_raw_bytes;
	return reader->header_raw;
}

size_t reader_bytes(const struct reader *reader)
{
	return reader->consumed;
}

// ---- blocks ------------------------------------------------------------------------------------

/** Behind the quote that closes a cell. @return 0: it is not here */
static size_t behind_quoted(const char *text, size_t at, size_t bytes)
{
	for (;;) {
		const char *quote = memchr(text + at, '"', bytes - at);

		at = quote != NULL ? (size_t)(quote - text) + 1 : bytes;
		if (at == bytes)
			return 0;
		// Two quotes are one of the text.
		if (text[at] != '"')
			return at;
		at++;
	}
}

/** Where the last whole record ends, as csv_record() would find it: quotes hide ends of lines. */
static size_t last_record_end(const char *text, size_t bytes)
{
	size_t at = 0, end = 0;

	for (;;) {
		const char *quote = memchr(text + at, '"', bytes - at);
		size_t stop = quote != NULL ? (size_t)(quote - text) : bytes;
		const char *line = memrchr(text + at, '\n', stop - at);

		if (line != NULL)
			end = (size_t)(line - text) + 1;
		if (quote == NULL)
			return end;
		at = stop + 1;
		// Elsewhere than at a cell's start it is a mistake, and means nothing.
		if (stop == 0 || text[stop - 1] == ',' || text[stop - 1] == '\n')
			at = behind_quoted(text, at, bytes);
		if (at == 0)
			return end;
	}
}

static size_t whole_records(const struct reader *reader)
{
	const char *text = reader->buffer + reader->at, *end;
	size_t bytes = reader->end - reader->at;

	if (reader->is_last || bytes == 0)
		return bytes;
	if (reader->format == READER_CSV && memchr(text, '"', bytes) != NULL)
		return last_record_end(text, bytes);
	end = memrchr(text, '\n', bytes);
	return end != NULL ? (size_t)(end - text) + 1 : 0;
}

static unsigned count_lines(const char *text, size_t bytes)
{
	const char *end = text + bytes;
	unsigned n = 0;

	while ((text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		text++;
		n++;
	}
	return n;
}

int reader_cut(struct reader *reader, struct reader_block *block, struct mr_err *err)
{
	size_t bytes = 0;
	int rc = 0;

	if (reader->failed)
		return 0;
	// The buffer's rest of the header may be all that is there.
	while (reader->end - reader->at < BUFFER_BYTES && !reader->is_last && rc == 0)
		rc = refill(reader, err);
	// A record that is longer than the buffer makes it grow.
	while (rc == 0 && (bytes = whole_records(reader)) == 0 && !reader->is_last)
		rc = refill(reader, err);
	if (rc != 0)
		return rc;
	if (bytes == 0)
		return 0;
	if (bytes > block->capacity) {
		char *grown = realloc(block->text, bytes);

		if (grown == NULL)
			return mr_fail(err, ENOMEM, "%s: out of memory", reader->name);
		block->text = grown;
		block->capacity = bytes;
	}
	memcpy(block->text, reader->buffer + reader->at, bytes);
	block->bytes = bytes;
	block->line = reader->line;
	reader->at += bytes;
	reader->consumed += bytes;
	reader->line += count_lines(block->text, bytes);
	return 1;
}

int reader_seek(struct reader *reader, size_t bytes, unsigned line, struct mr_err *err)
{
	if (fseeko(reader->file, (off_t)bytes, SEEK_SET) != 0)
		return mr_fail(err, EIO, "%s: %s", reader->name, strerror(errno));
	reader->at = 0;
	reader->end = 0;
	reader->is_last = false;
	reader->consumed = bytes;
	reader->line = line;
	return 0;
}

unsigned reader_line(const struct reader *reader)
{
	return reader->line;
}

struct reader *reader_open_block(const struct reader *parent)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->is_block = true;
	reader->is_last = true;
	reader->format = parent->format;
	reader->parse = parent->parse;
	reader->name = parent->name;
	reader->header_raw = parent->header_raw;
	reader->header_raw_bytes = parent->header_raw_bytes;
	reader->header = parent->header;
	reader->n_header = parent->n_header;
	return reader;
}

void reader_set_block(struct reader *reader, const struct reader_block *block)
{
	reader->buffer = block->text;
	reader->at = 0;
	reader->end = block->bytes;
	reader->line = block->line;
}
