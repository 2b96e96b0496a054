// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the cache is compared with: a map of sets of maps of keys, rows in its nodes, the way one
 * would write it first (std::unordered_map). It is given its final size before the first row, and
 * the caller's memory, from which nodes come one behind another. Keys are strings of bytes, as the
 * cache's are, or, what such a map is fastest with, integers that hash to themselves.
 *
 * One thread. Rows of 64 or 256 bytes.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cache_map;

enum cache_map_keys {
	CACHE_MAP_STRINGS,
	CACHE_MAP_INTEGERS,
};

/** Most bytes that so many rows take. @return 0: not of this row size. */
size_t cache_map_memsize(uint64_t n_rows, unsigned row_bytes);

/** @return NULL when the heap has no memory. */
struct cache_map *cache_map_open(
	void *mem, size_t mem_bytes, uint64_t n_rows, unsigned row_bytes, enum cache_map_keys keys);

/** The memory stays the caller's. */
void cache_map_close(struct cache_map *map);

void cache_map_put(struct cache_map *map, uint64_t space, uint64_t id, const void *row);

/** Copies the rows of @p n ids to @p to, one over another. @return how many there were. */
uint64_t cache_map_look_up(
	const struct cache_map *map, uint64_t space, const uint64_t *ids, unsigned n, void *to);

#ifdef __cplusplus
}
#endif
