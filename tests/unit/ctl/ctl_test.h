// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the ctl tests share: a directory of their own and documents that are held against the
 * program. With MR_WRITE_DOCS set in the environment, the documents are written instead.
 */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/** Makes a fresh directory. */
static inline void dir_make(char *path, size_t path_bytes)
{
	snprintf(path, path_bytes, "/tmp/mr-ctl-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void dir_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** The whole of a file, to be freed; NULL when there is none. */
static inline char *file_read(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t n = 0;

	if (in == NULL)
		return NULL;
	// An empty file leaves an empty buffer.
	if (getdelim(&text, &n, '\0', in) < 0 && text != NULL)
		text[0] = '\0';
	fclose(in);
	return text;
}

/** Fails when the document at @p name in the source tree is not what @p print writes. */
static inline void document_check(const char *name, void (*print)(FILE *out))
{
	char path[512], *want = NULL, *have;
	size_t bytes;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", MR_SOURCE_ROOT, name);
	if (getenv("MR_WRITE_DOCS") != NULL) {
		out = fopen(path, "w");
		assert_non_null(out);
		print(out);
		assert_int_equal(fclose(out), 0);
		return;
	}
	out = open_memstream(&want, &bytes);
	assert_non_null(out);
	print(out);
	fclose(out);
	have = file_read(path);
	if (have == NULL || strcmp(have, want) != 0)
		fail_msg("%s is not what the program prints: run this test with MR_WRITE_DOCS=1",
			path);
	free(have);
	free(want);
}
