// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What fuzz_csv.c and fuzz_json.c share: a file of any bytes is read to its end, each record is
 * good or told to be bad, and a row made of it is one that a server would take.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mr_catalog.h"
#include "rows.h"

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const struct mr_schema *fuzz_schema(void)
{
	static const char text[] = "[set s]\nid = 1\nkey = a: string, b: i64\ncolumn n = i32\n"
				   "column x = f64\ncolumn name = string\ncolumn raw = bytes\n"
				   "column t = timestamp\ncolumn ok = bool\ncolumn v = f32[3]\n";
	static uint8_t mem[1 << 20];
	static struct mr_catalog *catalog;
	struct mr_arena arena;

	if (catalog == NULL) {
		mr_arena_init(&arena, mem, sizeof(mem));
		catalog = mr_catalog_build(&arena, "s", text, sizeof(text) - 1, NULL);
	}
	MUST(catalog != NULL);
	return catalog->sets[0];
}

static void fuzz_record(struct binding *binding, const struct record *record)
{
	static struct made_row made;
	struct mr_err err = {""};

	for (unsigned i = 0; i < record->n_cells; i++)
		MUST(strlen(record->cells[i].text) == record->cells[i].bytes);
	if (binding == NULL)
		return;
	if (binding_make(binding, record, &made, &err) != 0) {
		MUST(err.text[0] != '\0');
		return;
	}
	MUST(mr_row_check(&binding->schema->shape, made.row, made.row_bytes) == 0);
	MUST(mr_key_check(binding->schema, made.key, made.key_bytes));
}

/** Reads all of it. @p check sees every good record. */
static void fuzz_file(const uint8_t *data, size_t size, enum reader_format format,
	void (*check)(const struct record *record))
{
	FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	struct mr_err err = {""};
	struct reader *reader;
	struct binding binding;
	struct record record;
	const char *const *header;
	unsigned n_header;
	int rc, bound;

	if (file == NULL)
		return;
	reader = reader_open(file, "f", format, &err);
	if (reader == NULL) {
		MUST(err.text[0] != '\0');
		fclose(file);
		return;
	}
	n_header = reader_header(reader, &header);
	bound = binding_init(
		&binding, fuzz_schema(), NULL, size % 2 ? "t" : NULL, true, header, n_header, &err);
	while ((rc = reader_next(reader, &record, &err)) != 0) {
		MUST(rc > 0 || err.text[0] != '\0');
		MUST(record.line >= 1);
		if (rc < 0)
			continue;
		if (check != NULL)
			check(&record);
		fuzz_record(bound == 0 ? &binding : NULL, &record);
	}
	MUST(reader_bytes(reader) == size);
	binding_free(&binding);
	reader_close(reader);
	fclose(file);
}
