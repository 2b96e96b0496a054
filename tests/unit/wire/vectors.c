// SPDX-License-Identifier: BSD-3-Clause
#include "vectors.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

struct vectors vectors;

uint8_t *exact_copy(const void *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes);

	assert_true(copy != NULL || bytes == 0);
	if (bytes != 0)
		memcpy(copy, data, bytes);
	return copy;
}

static void parse_line(struct vector *v, const char *line, uint8_t *out)
{
	unsigned byte;
	int n;

	if (sscanf(line, "# defect: %23s", v->defect) == 1)
		return;
	if (strncmp(line, "# kind: ", 8) == 0)
		v->is_reply = strncmp(line + 8, "reply", 5) == 0;
	while (sscanf(line, " %2x%n", &byte, &n) == 1) {
		out[v->bytes++] = (uint8_t)byte;
		line += n;
	}
}

static void load_one(const char *dir, const char *file, struct vector *v)
{
	static char text[65536];
	static uint8_t out[sizeof(text)];
	uint8_t hash[crypto_hash_sha256_BYTES];
	char path[4096];
	size_t bytes;
	char *line, *save;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "rb");
	assert_non_null(f);
	bytes = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[bytes] = '\0';
	crypto_hash_sha256(hash, (const uint8_t *)text, bytes);
	sodium_bin2hex(v->sha256, sizeof(v->sha256), hash, sizeof(hash));
	snprintf(v->name, sizeof(v->name), "%.*s", (int)(strlen(file) - strlen(".hex")), file);
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		parse_line(v, line, out);
	v->data = exact_copy(out, v->bytes);
}

static int is_hex(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".hex") == 0;
}

int vectors_setup(void **state)
{
	struct dirent **names;
	char dir[3072];
	int n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/v%u", MR_GOLDEN_DIR, MR_WIRE_VERSION);
	n = scandir(dir, &names, is_hex, alphasort);
	if (n <= 0)
		fail_msg("no golden vectors in %s", dir);
	assert_in_range(n, 1, VECTORS_MAX);
	for (int i = 0; i < n; i++) {
		load_one(dir, names[i]->d_name, &vectors.at[vectors.count++]);
		free(names[i]);
	}
	free(names);
	return 0;
}

int vectors_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vectors.count; i++)
		free(vectors.at[i].data);
	vectors.count = 0;
	return 0;
}

const struct vector *vectors_find(const char *name)
{
	for (unsigned i = 0; i < vectors.count; i++)
		if (strcmp(vectors.at[i].name, name) == 0)
			return &vectors.at[i];
	return NULL;
}
