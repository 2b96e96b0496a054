// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What lookups in the cache are compared with, on the same keys and row sizes: rte_hash, looked up
 * in bulk, with pointers to rows in a table; and maps of maps (cache_map.h). They know neither
 * expiry nor eviction, validate nothing and remember no access.
 *
 * Needs EAL with cache_peers_megabytes() of heap. One peer at a time: rows are large.
 */

#include <stdint.h>

struct cache_peer {
	const char *name;
	/** Exits on failure. @return NULL: this peer has no rows of this size. */
	void *(*open)(uint64_t n_rows, unsigned row_bytes);
	void (*put)(void *peer, uint64_t id, const void *row);
	/** Copies rows, bursts of 32 at a time. @return how many there were. */
	uint64_t (*look_up)(void *peer, const uint64_t *ids, unsigned n);
	void (*close)(void *peer);
};

#define CACHE_PEERS 3u

extern const struct cache_peer cache_peers[CACHE_PEERS];

unsigned cache_peers_megabytes(uint64_t n_rows);
