// SPDX-License-Identifier: BSD-3-Clause
//
// The worked example of docs/rows.md is what the code does.

#include "model.h"
#include "mr_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

static char doc[65536];

static void read_doc(void)
{
	FILE *file = fopen(MR_SOURCE_ROOT "/docs/rows.md", "r");

	assert_non_null(file);
	doc[fread(doc, 1, sizeof(doc) - 1, file)] = '\0';
	fclose(file);
}

// The fenced block after "<!-- example: NAME"; copied, zero-terminated.
static void block(const char *name, char *text, size_t text_bytes)
{
	char marker[64];
	const char *start, *end;

	snprintf(marker, sizeof(marker), "<!-- example: %s", name);
	start = strstr(doc, marker);
	assert_non_null(start);
	start = strchr(strstr(start, "```"), '\n') + 1;
	end = strstr(start, "```");
	assert_true((size_t)(end - start) < text_bytes);
	memcpy(text, start, (size_t)(end - start));
	text[end - start] = '\0';
}

static unsigned hex_block(const char *name, uint8_t *bytes)
{
	char text[2048], *rest = text, *line;
	unsigned n = 0;

	block(name, text, sizeof(text));
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *pair;

		line[strcspn(line, "#")] = '\0';
		while ((pair = strsep(&line, " ")) != NULL) {
			if (*pair != '\0')
				bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
		}
	}
	return n;
}

static int build_row(const struct mr_shape *shape, uint8_t *row)
{
	static uint8_t scratch[MR_ROW_MAX_BYTES];
	char text[2048], *rest = text, *line;
	struct mr_row_builder b;
	struct mr_err err = {""};

	block("values", text, sizeof(text));
	assert_int_equal(mr_row_begin(&b, shape, row, 1024, scratch), 0);
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		char *name = strsep(&line, " ");
		const struct mr_column *column = mr_shape_column(shape, name);
		const char *value = strlen(line) > 2 ? line + 2 : "";

		assert_non_null(column);
		if (mr_row_set_text(&b, column, value, strlen(value), &err) < 0)
			fail_msg("%s", err.text);
	}
	return mr_row_end(&b);
}

static void test_example(void **state)
{
	static const char *const key_texts[] = {"eu", "-2"};
	uint8_t row[1024], want[1024], out[1024], key[MR_KEY_MAX_BYTES];
	const struct mr_schema *schema;
	struct mr_err err = {""};
	char text[2048];
	struct built b;
	unsigned n;

	(void)state;
	read_doc();
	block("schema", text, sizeof(text));
	built_init(&b, text, strlen(text));
	schema = b.catalog->sets[0];
	n = hex_block("key eu -2", want);
	assert_int_equal(mr_key_parse(schema, key_texts, 2, key, &err), n);
	assert_memory_equal(key, want, n);
	n = hex_block("row", want);
	assert_int_equal(build_row(&schema->shape, row), n);
	assert_memory_equal(row, want, n);
	assert_int_equal(mr_row_check(&schema->shape, want, n), 0);
	assert_int_equal(mr_view_part_copy(b.catalog->views[0]->parts, row, n, out, sizeof(out)),
		hex_block("partial", want));
	assert_memory_equal(out, want, hex_block("partial", want));
	built_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
