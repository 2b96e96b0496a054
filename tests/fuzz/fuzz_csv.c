// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the CSV reader. What it read is written again, with quotes around everything, and
// must read the same.

#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t put_quoted(char *out, const struct cell *cell)
{
	size_t at = 0;

	out[at++] = '"';
	for (size_t i = 0; i < cell->bytes; i++) {
		if (cell->text[i] == '"')
			out[at++] = '"';
		out[at++] = cell->text[i];
	}
	out[at++] = '"';
	return at;
}

static void read_again(const struct record *record)
{
	struct reader_cells cells = {0};
	struct reader_input in = {.name = "g", .is_last = true, .line = 1};
	size_t bytes = 0, raw_bytes;
	unsigned lines;
	int error;
	char *text;

	for (unsigned i = 0; i < record->n_cells; i++)
		bytes += 2 * record->cells[i].bytes + 3;
	text = malloc(bytes + 1);
	MUST(text != NULL);
	bytes = 0;
	for (unsigned i = 0; i < record->n_cells; i++) {
		if (i > 0)
			text[bytes++] = ',';
		bytes += put_quoted(text + bytes, &record->cells[i]);
	}
	in.at = text;
	in.end = text + bytes;
	MUST(csv_record(&in, &cells, &raw_bytes, &lines, &error, NULL) == bytes);
	MUST(error == 0 && cells.n == record->n_cells);
	for (unsigned i = 0; i < cells.n; i++) {
		MUST(cells.cells[i].bytes == record->cells[i].bytes);
		MUST(memcmp(cells.text + cells.offsets[i], record->cells[i].text,
			     cells.cells[i].bytes) == 0);
	}
	free(cells.text);
	free(cells.cells);
	free(cells.offsets);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_file(data, size, READER_CSV, read_again);
	return 0;
}
