// SPDX-License-Identifier: BSD-3-Clause
#include "mr_arena.h"

#include <string.h>

void mr_arena_init(struct mr_arena *arena, void *mem, size_t size_bytes)
{
	arena->mem = mem;
	arena->size_bytes = size_bytes;
	arena->used_bytes = 0;
}

void *mr_arena_alloc(struct mr_arena *arena, size_t bytes, size_t align)
{
	uintptr_t base = (uintptr_t)arena->mem;
	size_t at = MR_ALIGN_UP(base + arena->used_bytes, (uintptr_t)align) - base;

	if (at > arena->size_bytes || bytes > arena->size_bytes - at)
		return NULL;
	arena->used_bytes = at + bytes;
	return memset(arena->mem + at, 0, bytes);
}

char *mr_arena_strdup(struct mr_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? mr_arena_alloc(arena, len + 1, 1) : NULL;

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}
