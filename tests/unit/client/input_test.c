// SPDX-License-Identifier: BSD-3-Clause
//
// The readers of CSV and JSON lines, and what becomes of their records: tables of files and
// answers.

#include "mr_catalog.h"
#include "mr_hash.h"
#include "mr_rng.h"
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

static void append(char *out, size_t size, const char *text, size_t bytes)
{
	size_t at = strlen(out);

	assert_true(at + bytes + 1 < size);
	memcpy(out + at, text, bytes);
	out[at + bytes] = '\0';
}

/**
 * Reads all of a file: "LINE:cell|cell\n" for a record, where null is ~ and a quoted cell begins
 * with '; "!message\n" for a bad one.
 */
static void read_all(
	const char *text, size_t bytes, enum reader_format format, char *out, size_t out_bytes)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, bytes, "r");
	struct mr_err err = {""};
	struct reader *reader = reader_open(file, "f", format, &err);
	struct record record;
	int rc;

	out[0] = '\0';
	if (reader == NULL) {
		append(out, out_bytes, "!", 1);
		append(out, out_bytes, err.text, strlen(err.text));
		fclose(file);
		return;
	}
	while ((rc = reader_next(reader, &record, &err)) != 0) {
		char line[32];

		if (rc < 0) {
			append(out, out_bytes, "!", 1);
			append(out, out_bytes, err.text, strlen(err.text));
		} else {
			snprintf(line, sizeof(line), "%u:", record.line);
			append(out, out_bytes, line, strlen(line));
		}
		for (unsigned i = 0; i < record.n_cells && rc > 0; i++) {
			const struct cell *cell = &record.cells[i];

			assert_int_equal(strlen(cell->text), cell->bytes);
			append(out, out_bytes, "|", i > 0);
			if (format == READER_JSONL) {
				append(out, out_bytes, cell->name, strlen(cell->name));
				append(out, out_bytes, "=", 1);
			}
			append(out, out_bytes, "~", cell->kind == CELL_NULL);
			append(out, out_bytes, "'", cell->kind == CELL_QUOTED);
			append(out, out_bytes, "#", cell->kind == CELL_NUMBER);
			append(out, out_bytes, "[", cell->kind == CELL_ARRAY);
			append(out, out_bytes, cell->text, cell->bytes);
		}
		append(out, out_bytes, "\n", 1);
	}
	assert_int_equal(reader_bytes(reader), bytes);
	reader_close(reader);
	fclose(file);
}

struct read_case {
	const char *name, *text, *want;
	size_t bytes; //!< 0: strlen(text)
};

static void run_cases(const struct read_case *cases, size_t n, enum reader_format format)
{
	char out[4096];

	for (size_t i = 0; i < n; i++) {
		const struct read_case *c = &cases[i];

		read_all(c->text, c->bytes != 0 ? c->bytes : strlen(c->text), format, out,
			sizeof(out));
		if (strcmp(out, c->want) != 0)
			print_error("%s\n", c->name);
		assert_string_equal(out, c->want);
	}
}

#define NO_HEADER "!f:1: no header: the first line must name the columns"

static const struct read_case csv_cases[] = {
	{"plain", "a,b\n1,2\n3,4\n", "2:1|2\n3:3|4\n", 0},
	{"no end of the last line", "a,b\n1,2\n3,4", "2:1|2\n3:3|4\n", 0},
	{"CRLF", "a,b\r\n1,2\r\n3,\r\n", "2:1|2\n3:3|~\n", 0},
	{"CRLF behind quotes", "a,b\r\n1,\"x\"\r\n", "2:1|'x\n", 0},
	{"a carriage return inside", "a,b\n1,x\ry\n", "2:1|x\ry\n", 0},
	{"mark",
		"\xef\xbb\xbf"
		"a,b\n1,2\n",
		"2:1|2\n", 0},
	{"UTF-8", "a,b\n\xc3\xa9,\xe6\x97\xa5\n", "2:\xc3\xa9|\xe6\x97\xa5\n", 0},
	{"UTF-16",
		"\xff\xfe"
		"a",
		"!f: UTF-16: turn it into UTF-8 first (iconv -f UTF-16 -t UTF-8)", 0},
	{"null, empty, blank", "a,b,c\n,\"\", \n", "2:~|'| \n", 0},
	{"all null", "a,b\n,\n", "2:~|~\n", 0},
	{"quotes", "a,b\n\"x,y\",\"he said \"\"no\"\"\"\n", "2:'x,y|'he said \"no\"\n", 0},
	{"only quotes", "a\n\"\"\"\"\n", "2:'\"\n", 0},
	{"lines in quotes", "a,b\n\"x\ny\r\nz\",2\n3,4\n", "2:'x\ny\r\nz|2\n5:3|4\n", 0},
	{"blank lines", "a,b\n\n1,2\n\r\n\n3,4\n\n", "3:1|2\n6:3|4\n", 0},
	{"header in quotes", "\"a\",\"b,c\"\n1,2\n", "2:1|2\n", 0},
	{"only a header", "a,b\n", "", 0},
	{"nothing", "\n", NO_HEADER, 0},
	{"too few", "a,b\n1\n2,3\n", "!f:2: 1 cells, but the header has 2 columns\n3:2|3\n", 0},
	{"too many", "a,b\n1,2,3\n4,5\n", "!f:2: 3 cells, but the header has 2 columns\n3:4|5\n",
		0},
	{"quote inside", "a,b\n1,5\" pipe\n2,3\n",
		"!f:2: column 2: a quote inside a cell that does not begin with one\n3:2|3\n", 0},
	{"text behind quotes", "a,b\n\"1\"x,2\n2,3\n",
		"!f:2: column 1: text behind the closing quote; a quote inside quotes is written "
		"twice\n3:2|3\n",
		0},
	{"quote not closed", "a,b\n1,2\n3,\"x\ny,z\n",
		"2:1|2\n!f:3: column 2: the quote that opens on line 3 is never closed\n", 0},
	{"quote not closed at the end", "a,b\n1,\"",
		"!f:2: column 2: the quote that opens on line 2 is never closed\n", 0},
	{"NUL", "a,b\n1,\0\n2,3\n", "!f:2: column 2: a NUL byte: is this a text file?\n3:2|3\n",
		12},
	{"NUL in quotes", "a,b\n1,\"\0\"\n2,3\n",
		"!f:2: column 2: a NUL byte: is this a text file?\n3:2|3\n", 14},
	{"no name", "a,,b\n1,2,3\n", "!f:1: column 2 has no name in the header", 0},
	{"name twice", "a,b,a\n", "!f:1: column 'a' stands twice in the header", 0},
};

static const struct read_case json_cases[] = {
	{"plain", "{\"a\":1,\"b\":\"x\"}\n{\"b\":null}\n", "1:a=#1|b=x\n2:b=~\n", 0},
	{"no end of the last line", "{\"a\":true}", "1:a=#true\n", 0},
	{"CRLF and blank lines", "\r\n{\"a\":-1.5}\r\n  \n{\"a\":1e15}\n",
		"2:a=#-1.5\n4:a=#1000000000000000\n", 0},
	{"mark", "\xef\xbb\xbf{\"a\":1}\n", "1:a=#1\n", 0},
	{"array", "{\"a\":[1,2.5,3],\"b\":[]}\n", "1:a=[1;2.5;3|b=[\n", 0},
	{"escapes", "{\"a\":\"\\u00e9\\n\\\"\"}\n", "1:a=\xc3\xa9\n\"\n", 0},
	{"big integers", "{\"a\":9223372036854775807}\n", "1:a=#9223372036854775807\n", 0},
	{"bad, then good", "{\"a\":}\n{\"a\":1}\n",
		"!f:1: character 6: unexpected token near '}'\n2:a=#1\n", 0},
	{"not an object", "[1]\n{\"a\":1}\n",
		"!f:1: expected one JSON object on the line\n2:a=#1\n", 0},
	{"two on a line", "{\"a\":1} {\"a\":2}\n",
		"!f:1: character 9: end of file expected near '{'\n", 0},
	{"empty object", "{}\n", "!f:1: the object is empty\n", 0},
	{"object inside", "{\"a\":{\"b\":1}}\n",
		"!f:1: column a: an object, or an array of other things than numbers, is not a "
		"value of any type\n",
		0},
	{"name twice", "{\"a\":1,\"a\":2}\n",
		"!f:1: character 10: duplicate object key near '\"a\"'\n", 0},
};

static void test_csv(void **state)
{
	(void)state;
	run_cases(csv_cases, sizeof(csv_cases) / sizeof(csv_cases[0]), READER_CSV);
}

static void test_json(void **state)
{
	(void)state;
	run_cases(json_cases, sizeof(json_cases) / sizeof(json_cases[0]), READER_JSONL);
}

/** A file of several buffers: records of all lengths across every edge. */
static void test_long_files(void **state)
{
	size_t bytes = 0, capacity = 6u << 20;
	char *text = malloc(capacity);
	struct mr_err err = {""};
	struct reader *reader;
	struct record record;
	unsigned n = 0, want = 0, line = 2;
	FILE *file;

	(void)state;
	assert_non_null(text);
	bytes += (size_t)sprintf(text, "id,pad\r\n");
	while (bytes < capacity - 70000) {
		size_t pad = (want * 7919u) % (want % 50 == 0 ? 60000 : 90);

		bytes += (size_t)sprintf(text + bytes, "%u,\"", want);
		memset(text + bytes, want % 3 == 0 ? '\n' : 'p', pad);
		bytes += pad;
		bytes += (size_t)sprintf(text + bytes, want % 2 ? "\"\r\n" : "\"\n");
		want++;
	}
	file = fmemopen(text, bytes, "r");
	reader = reader_open(file, "f", READER_CSV, &err);
	assert_non_null(reader);
	while (reader_next(reader, &record, &err) == 1) {
		size_t pad = (n * 7919u) % (n % 50 == 0 ? 60000 : 90);

		assert_int_equal(atoi(record.cells[0].text), n);
		assert_int_equal(record.cells[1].bytes, pad);
		assert_int_equal(record.line, line);
		line += 1 + (n % 3 == 0 ? (unsigned)pad : 0);
		n++;
	}
	assert_int_equal(n, want);
	assert_int_equal(reader_bytes(reader), bytes);
	reader_close(reader);
	fclose(file);
	free(text);
}

#define TABLE_COLUMNS_MAX 90u

/** Cells of 0 to 20 bytes, by their number alone. @return the length */
static size_t table_cell(uint64_t seed, unsigned row, unsigned column, char *cell)
{
	static const char alphabet[] = "0123456789.-+eE abcxyz;\r\t\x7f\x80\xff!#+-/";
	struct mr_rng rng = {.state = (seed << 32 | row) * TABLE_COLUMNS_MAX + column};
	size_t bytes = mr_rng_below(&rng, 21);

	for (size_t i = 0; i < bytes; i++)
		cell[i] = alphabet[mr_rng_below(&rng, sizeof(alphabet) - 1)];
	// At a line's end it would belong to the end.
	if (bytes > 0 && cell[bytes - 1] == '\r')
		cell[bytes - 1] = 'r';
	return bytes;
}

static size_t write_table(
	struct mr_rng *rng, unsigned n_rows, unsigned n_columns, uint64_t seed, char *text)
{
	char *at = text;

	for (unsigned c = 0; c < n_columns; c++)
		at += sprintf(at, "%sh%u", c > 0 ? "," : "", c);
	for (unsigned r = 0; r < n_rows; r++) {
		// Only some records have quotes at all.
		bool quotes = mr_rng_below(rng, 4) == 0;

		at += sprintf(at, mr_rng_below(rng, 3) == 0 ? "\r\n" : "\n");
		for (unsigned c = 0; c < n_columns; c++) {
			bool quoted = quotes && mr_rng_below(rng, 8) == 0;

			at += sprintf(at, "%s%s", c > 0 ? "," : "", quoted ? "\"" : "");
			at += table_cell(seed, r, c, at);
			at += sprintf(at, "%s", quoted ? "\"" : "");
		}
	}
	return (size_t)(at - text);
}

static void check_record(const struct record *record, uint64_t seed, unsigned row)
{
	char cell[32];

	assert_int_equal(record->line, row + 2);
	for (unsigned c = 0; c < record->n_cells; c++) {
		const struct cell *got = &record->cells[c];
		size_t bytes = table_cell(seed, row, c, cell);

		if (got->bytes != bytes || memcmp(got->text, cell, bytes) != 0 ||
			got->text[bytes] != '\0' || (got->kind == CELL_NULL && bytes > 0) ||
			(got->kind == CELL_TEXT && bytes == 0) ||
			(unsigned)atoi(got->name + 1) != c)
			fail_msg("seed %u, row %u, cell %u: '%s'", (unsigned)seed, row, c,
				got->text);
	}
}

// Commas at every place of the eight bytes that are looked at together, quotes among them or not.
static void test_tables(void **state)
{
	char *text = malloc(1u << 20);

	(void)state;
	assert_non_null(text);
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct mr_rng rng = {.state = seed};
		// More than two, so that no record is an empty line.
		unsigned n_columns = 3 + (unsigned)mr_rng_below(&rng, TABLE_COLUMNS_MAX - 3);
		unsigned n_rows = 100, n = 0;
		size_t bytes = write_table(&rng, n_rows, n_columns, seed, text);
		FILE *file = fmemopen(text, bytes, "r");
		struct reader *reader = reader_open(file, "f", READER_CSV, NULL);
		struct mr_err err = {""};
		struct record record;
		int rc;

		assert_non_null(reader);
		while ((rc = reader_next(reader, &record, &err)) == 1) {
			assert_int_equal(record.n_cells, n_columns);
			check_record(&record, seed, n++);
		}
		if (rc != 0 || n != n_rows)
			fail_msg("seed %u: %u records: %s", (unsigned)seed, n, err.text);
		reader_close(reader);
		fclose(file);
	}
	free(text);
}

// ---- rows --------------------------------------------------------------------------------------

/** What a record came to, as a number: line, content, verdict and message. */
static uint64_t digest(uint64_t before, int rc, const struct record *r, const struct mr_err *err)
{
	uint64_t d = before ^ mr_hash_key(r->raw, r->raw_bytes);

	d = d * 31 + r->line * 7 + (uint64_t)rc * 3;
	for (unsigned i = 0; rc == 1 && i < r->n_cells; i++)
		d = d * 31 + r->cells[i].bytes + (uint64_t)r->cells[i].kind;
	return rc < 0 ? d ^ mr_hash_key(err->text, strlen(err->text)) : d;
}

static uint64_t read_records(struct reader *reader, uint64_t d)
{
	struct record record;
	struct mr_err err;
	int rc;

	while ((rc = reader_next(reader, &record, &err)) != 0)
		d = digest(d, rc, &record, &err);
	return d;
}

static uint64_t read_blocks(struct reader *reader, unsigned *ret_blocks)
{
	struct reader *lane = reader_open_block(reader);
	struct reader_block block = {0};
	struct mr_err err;
	uint64_t d = 0;

	*ret_blocks = 0;
	while (reader_cut(reader, &block, &err) == 1) {
		reader_set_block(lane, &block);
		d = read_records(lane, d);
		(*ret_blocks)++;
	}
	free(block.text);
	reader_close(lane);
	return d;
}

// Blocks end where records do, however quotes and ends of lines stand: read in blocks, a file is
// what it is when read through.
static void test_blocks(void **state)
{
	static const char alphabet[] = "aaab,,,\"\"\n\n\r";
	const size_t bytes = 3u << 20;
	char *text = malloc(bytes + 2);

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mr_rng rng = {.state = seed};
		enum reader_format format = seed % 3 == 0 ? READER_JSONL : READER_CSV;
		struct reader *reader;
		unsigned n_blocks;
		uint64_t whole;
		FILE *file;

		memcpy(text, "h\n", 2);
		for (size_t i = 0; i < bytes; i++)
			text[2 + i] = alphabet[mr_rng_below(&rng, sizeof(alphabet) - 1)];
		file = fmemopen(text, bytes + 2, "r");
		reader = reader_open(file, "f", format, NULL);
		whole = read_records(reader, 0);
		reader_close(reader);
		rewind(file);
		reader = reader_open(file, "f", format, NULL);
		if (read_blocks(reader, &n_blocks) != whole || n_blocks < 3)
			fail_msg("seed %u: %u blocks differ from the file", (unsigned)seed,
				n_blocks);
		reader_close(reader);
		fclose(file);
	}
	free(text);
}

static const char schema_text[] =
	"[set s]\nid = 1\nkey = u64\ncolumn n = i32\ncolumn x = f64\n"
	"column name = string\ncolumn raw = bytes\ncolumn t = timestamp\n"
	"column ok = bool\ncolumn v = f32[3]\n"
	"[set pair]\nid = 2\nkey = who: string, site: i64\ncolumn n = i32\n";

static struct mr_catalog *catalog(void)
{
	static uint8_t mem[1 << 20];
	struct mr_arena arena;
	struct mr_err err = {""};
	struct mr_catalog *built;

	mr_arena_init(&arena, mem, sizeof(mem));
	built = mr_catalog_build(&arena, "s", schema_text, strlen(schema_text), &err);
	if (built == NULL)
		print_error("%s\n", err.text);
	assert_non_null(built);
	return built;
}

struct row_case {
	const char *set, *text, *key_columns, *time_column;
	enum reader_format format;
	const char *want; //!< key, time and values; or the message
	bool ignore_unknown;
};

static void print_made(
	const struct mr_schema *schema, const struct made_row *made, char *out, size_t out_bytes)
{
	char text[256];

	mr_key_print(schema, made->key, made->key_bytes, text, sizeof(text));
	append(out, out_bytes, text, strlen(text));
	snprintf(text, sizeof(text), "@%llu", (unsigned long long)made->event_time_us);
	append(out, out_bytes, text, strlen(text));
	assert_int_equal(mr_row_check(&schema->shape, made->row, made->row_bytes), 0);
	for (unsigned i = 0; i < schema->shape.n_columns; i++) {
		const struct mr_column *column = &schema->shape.columns[i];
		struct mr_value value;

		assert_int_equal(mr_row_get(column, made->row, made->row_bytes, &value), 0);
		if (value.is_null)
			continue;
		mr_value_print(&value, text, sizeof(text));
		append(out, out_bytes, " ", 1);
		append(out, out_bytes, column->name, strlen(column->name));
		append(out, out_bytes, "=", 1);
		append(out, out_bytes, text, strlen(text));
	}
	append(out, out_bytes, "\n", 1);
}

/** Binds and makes every row of a text: what print_made() says, or "!message". */
static void make_all(const struct row_case *c, char *out, size_t out_bytes)
{
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog(), c->set);
	FILE *file = fmemopen((void *)(uintptr_t)c->text, strlen(c->text), "r");
	struct mr_err err = {""};
	struct reader *reader = reader_open(file, "f", c->format, &err);
	const char *const *header = NULL;
	unsigned n_header = reader_header(reader, &header);
	static struct made_row made;
	struct binding binding;
	struct record record;
	int rc = binding_init(&binding, schema, c->key_columns, c->time_column, c->ignore_unknown,
		header, n_header, &err);

	out[0] = '\0';
	binding.time_us = 5;
	while (rc == 0 && reader_next(reader, &record, &err) == 1) {
		rc = binding_make(&binding, &record, &made, &err);
		if (rc == 0)
			print_made(schema, &made, out, out_bytes);
	}
	if (rc != 0) {
		append(out, out_bytes, "!", 1);
		append(out, out_bytes, err.text, strlen(err.text));
	}
	binding_free(&binding);
	reader_close(reader);
	fclose(file);
}

static const struct row_case row_cases[] = {
	{"s", "key,n,x,name\n1,-5,1e3,bob\n", NULL, NULL, READER_CSV, "1@5 n=-5 x=1000 name=bob\n",
		false},
	{"s", "id,n\n7,1\n", NULL, NULL, READER_CSV, "7@5 n=1\n", false},
	{"s", "n,id\n1,7\n", "id", NULL, READER_CSV, "7@5 n=1\n", false},
	{"s", "n,x\n1,7\n", "n", NULL, READER_CSV, "1@5 n=1 x=7\n", false},
	{"s", "key,name,n\n1,,\n2,\"\",\"\"\n", NULL, NULL, READER_CSV, "1@5\n2@5 name=\n", false},
	{"s", "key,v,ok,raw\n1,1;2;3,true,0x00ff\n", NULL, NULL, READER_CSV,
		"1@5 raw=0x00ff ok=true v=[1;2;3]\n", false},
	{"s", "key,t\n1,2\n3,4\n", NULL, "t", READER_CSV, NULL, false},
	{"s", "key,when,n\n1,99,4\n", NULL, "when", READER_CSV, "1@99 n=4\n", false},
	{"s", "key,when\n1,\n", NULL, "when", READER_CSV, NULL, false},
	{"s", "key,other\n1,2\n", NULL, NULL, READER_CSV,
		"!column other: set s has no column of that name (--ignore-unknown leaves it out)",
		false},
	{"s", "key,other,n\n1,2,3\n", NULL, NULL, READER_CSV, "1@5 n=3\n", true},
	{"s", "key,n\n,3\n", NULL, NULL, READER_CSV, "!column key: a key cannot be empty", false},
	{"s", "n\n3\n", "id", NULL, READER_CSV, "!the header has no key column 'id'", false},
	{"s", "key\n3\n", NULL, "when", READER_CSV, "!the header has no time column 'when'", false},
	{"s", "key\n3\n", "a,b", NULL, READER_CSV,
		"!the key of set s has 1 part, but 2 columns are given", false},
	{"pair", "site,who,n\n-3,ann,1\n", NULL, NULL, READER_CSV, "ann,-3@5 n=1\n", false},
	{"pair", "a,b,n\nann,-3,1\n", NULL, NULL, READER_CSV, "ann,-3@5 n=1\n", false},
	{"pair", "n,b,a\n1,-3,007\n", "a,b", NULL, READER_CSV, "007,-3@5 n=1\n", false},
	{"s",
		"{\"key\":1,\"n\":2,\"name\":\"x\",\"v\":[1,2,3],\"ok\":false}\n{\"n\":3,\"key\":2}"
		"\n",
		NULL, NULL, READER_JSONL, "1@5 n=2 name=x ok=false v=[1;2;3]\n2@5 n=3\n", false},
	{"s", "{\"key\":1,\"name\":12}\n", NULL, NULL, READER_JSONL,
		"!column name: string expected, got 12 without quotes", false},
	{"pair", "{\"who\":7,\"site\":1}\n", NULL, NULL, READER_JSONL,
		"!column who: string expected, got 7 without quotes", false},
	{"s", "{\"key\":1,\"n\":[1]}\n", NULL, NULL, READER_JSONL,
		"!column n: i32 expected, got an array", false},
	{"s", "{\"n\":1}\n", NULL, NULL, READER_JSONL, "!column key: a key cannot be empty", false},
	{"s", "{\"key\":1,\"nn\":1}\n", NULL, NULL, READER_JSONL,
		"!column nn: set s has no column of that name (--ignore-unknown leaves it out)",
		false},
	{"s", "{\"key\":1}\n", NULL, "t", READER_JSONL, "!column t: no event time", false},
};

static void test_rows(void **state)
{
	char out[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(row_cases) / sizeof(row_cases[0]); i++) {
		make_all(&row_cases[i], out, sizeof(out));
		if (row_cases[i].want != NULL)
			assert_string_equal(out, row_cases[i].want);
	}
}

static void test_times(void **state)
{
	static const struct row_case by_column = {
		"s", "key,t\n1,1970-01-01T00:00:01Z\n", NULL, "t", READER_CSV, NULL, false};
	static const struct row_case none = {
		"s", "key,when\n1,\n", NULL, "when", READER_CSV, NULL, false};
	static const struct row_case early = {
		"s", "key,when\n1,-1\n", NULL, "when", READER_CSV, NULL, false};
	uint64_t time_us;
	char out[4096];

	(void)state;
	make_all(&by_column, out, sizeof(out));
	assert_non_null(strstr(out, "1@1000000 t="));
	make_all(&none, out, sizeof(out));
	assert_non_null(strstr(out, "!column when: "));
	make_all(&early, out, sizeof(out));
	assert_non_null(strstr(out, "a time since 1970 expected"));
	assert_int_equal(parse_time("123", 3, &time_us, NULL), 0);
	assert_int_equal(time_us, 123);
	assert_int_not_equal(parse_time("soon", 4, &time_us, NULL), 0);
}

static void test_bad_number_names_column_and_value(void **state)
{
	static const struct row_case c = {
		"s", "key,n\n1,2\n2,x3\n", NULL, NULL, READER_CSV, NULL, false};
	char out[4096];

	(void)state;
	make_all(&c, out, sizeof(out));
	assert_string_equal(out, "1@5 n=2\n!column n: i32 expected, got 'x3'");
}

static void test_keys_of_text(void **state)
{
	const struct mr_schema *pair = mr_catalog_set_by_name(catalog(), "pair");
	const struct mr_schema *one = mr_catalog_set_by_name(catalog(), "s");
	uint8_t key[MR_KEY_MAX_BYTES];
	struct mr_err err;

	(void)state;
	assert_int_equal(parse_key(pair, "ann,-3", key, &err), 12);
	assert_int_equal(parse_key(pair, "ann", key, &err), -EINVAL);
	assert_int_equal(parse_key(pair, "ann,3,4", key, &err), -EINVAL);
	assert_int_equal(parse_key(one, "18446744073709551615", key, &err), 8);
	assert_true(parse_key(one, "18446744073709551616", key, &err) < 0);
}

static void write_seed(const char *dir, const char *name, size_t i, const char *text, size_t bytes)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/seed-%03zu", dir, name, i);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(text, 1, bytes, file) != bytes || fclose(file) != 0)
		perror(path);
}

/** Writes the table's texts where a fuzzer starts from. */
static int write_corpus(const char *dir)
{
	for (size_t i = 0; i < sizeof(csv_cases) / sizeof(csv_cases[0]); i++)
		write_seed(dir, "csv", i, csv_cases[i].text,
			csv_cases[i].bytes != 0 ? csv_cases[i].bytes : strlen(csv_cases[i].text));
	for (size_t i = 0; i < sizeof(json_cases) / sizeof(json_cases[0]); i++)
		write_seed(dir, "json", i, json_cases[i].text, strlen(json_cases[i].text));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_files),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_bad_number_names_column_and_value),
		cmocka_unit_test(test_keys_of_text),
	};

	if (getenv("MR_WRITE_CORPUS") != NULL)
		return write_corpus(getenv("MR_WRITE_CORPUS"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
