// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Replays a checked-in corpus through a fuzz target, without a fuzzer: a finding stays found.
 */

#include "mr_cc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/** Runs every file of tests/fuzz/corpus/@p name. @return how many there were. */
static inline unsigned corpus_replay(
	const char *name, int (*target)(const uint8_t *data, size_t size))
{
	static uint8_t data[1 << 17];
	char path[1024];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), MR_SOURCE_ROOT "/tests/fuzz/corpus/%s", name);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		size_t bytes;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), MR_SOURCE_ROOT "/tests/fuzz/corpus/%s/%s", name,
			entry->d_name);
		file = fopen(path, "rb");
		if (file == NULL)
			abort();
		bytes = fread(data, 1, sizeof(data), file);
		fclose(file);
		target(data, bytes);
		n++;
	}
	closedir(dir);
	return n;
}
