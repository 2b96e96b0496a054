// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Bump allocation in the caller's memory, for things that are built once and dropped whole (parsed
 * schemas, catalogs). Nothing is freed singly. Owner: the caller; not thread-safe; O(1) a call.
 */

#include "mr_cc.h"

struct mr_arena {
	uint8_t *mem;
	size_t size_bytes;
	size_t used_bytes;
};

/** Starts an arena over @p size_bytes of @p mem, which stays the caller's. */
void mr_arena_init(struct mr_arena *arena, void *mem, size_t size_bytes);

/** @return zeroed memory aligned to @p align (a power of two), or NULL when the arena is full. */
void *mr_arena_alloc(struct mr_arena *arena, size_t bytes, size_t align);

/** @return a zero-terminated copy of @p len bytes of @p text, or NULL when the arena is full. */
char *mr_arena_strdup(struct mr_arena *arena, const char *text, size_t len);
