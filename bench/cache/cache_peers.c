// SPDX-License-Identifier: BSD-3-Clause
#include "cache_peers.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_memory.h>

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cache_map.h"
#include "mr_cache.h"
#include "mr_units.h"

#define BURST 32u
#define SPACE 65537u
#define KEY_SLOT_BYTES 32u

// ---- rte_hash ----------------------------------------------------------------------------------

/** 16 bytes: rte_hash compares them with one instruction. */
struct key {
	uint64_t space, id;
};

struct hashed {
	struct rte_hash *hash;
	uint8_t *rows;
	uint64_t rows_bytes, n;
	unsigned row_bytes;
};

unsigned cache_peers_megabytes(uint64_t n_rows)
{
	// A key, and for each of a power of two of slots a bucket's share and a free-list entry.
	return (unsigned)(n_rows * KEY_SLOT_BYTES / MR_MIB +
			  rte_align64pow2(n_rows + 1) * 12 / MR_MIB) +
	       128;
}

static void *hashed_open(uint64_t n_rows, unsigned row_bytes)
{
	struct rte_hash_parameters params = {
		.name = "bench_cache",
		.entries = (uint32_t)n_rows,
		.key_len = sizeof(struct key),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
	};
	struct hashed *h = malloc(sizeof(*h));
	enum bench_pages pages;

	if (h == NULL)
		bench_fail("no memory");
	h->n = 0;
	h->row_bytes = row_bytes;
	h->rows_bytes = n_rows * row_bytes;
	h->rows = bench_map(h->rows_bytes, BENCH_PAGES_RESERVED, &pages);
	h->hash = rte_hash_create(&params);
	if (h->hash == NULL)
		bench_fail("no rte_hash of %u entries", params.entries);
	return h;
}

static void hashed_put(void *peer, uint64_t id, const void *row)
{
	struct hashed *h = peer;
	struct key key = {SPACE, id};
	uint8_t *at = h->rows + h->n++ * h->row_bytes;

	memcpy(at, row, h->row_bytes);
	if (rte_hash_add_key_data(h->hash, &key, at) < 0)
		bench_fail("rte_hash does not take a key");
}

static uint64_t hashed_burst(struct hashed *h, const uint64_t *ids, unsigned n)
{
	static uint8_t to[BURST][MR_CACHE_ROW_MAX_BYTES];
	struct key keys[BURST];
	const void *at[BURST];
	void *rows[BURST];
	uint64_t found = 0;

	for (unsigned i = 0; i < n; i++) {
		keys[i] = (struct key){SPACE, ids[i]};
		at[i] = &keys[i];
	}
	rte_hash_lookup_bulk_data(h->hash, at, n, &found, rows);
	for (uint64_t left = found; left != 0; left &= left - 1) {
		uint8_t *row = rows[__builtin_ctzll(left)];

		for (unsigned at_byte = 0; at_byte < h->row_bytes; at_byte += MR_CACHE_LINE_BYTES)
			mr_prefetch(row + at_byte);
	}
	for (uint64_t left = found; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (mr_likely(h->row_bytes == 64))
			memcpy(to[i], rows[i], 64);
		else
			memcpy(to[i], rows[i], h->row_bytes);
	}
	bench_keep(to);
	return (uint64_t)__builtin_popcountll(found);
}

static uint64_t hashed_look_up(void *peer, const uint64_t *ids, unsigned n)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < n; i += BURST)
		found += hashed_burst(peer, ids + i, MR_MIN(n - i, BURST));
	return found;
}

static void hashed_close(void *peer)
{
	struct hashed *h = peer;

	rte_hash_free(h->hash);
	bench_unmap(h->rows, h->rows_bytes);
	free(h);
}

// ---- the map of maps ---------------------------------------------------------------------------

struct mapped {
	struct cache_map *map;
	void *mem;
	size_t bytes;
};

static void *mapped_open_keys(uint64_t n_rows, unsigned row_bytes, enum cache_map_keys keys)
{
	size_t bytes = cache_map_memsize(n_rows, row_bytes);
	struct mapped *m = bytes != 0 ? malloc(sizeof(*m)) : NULL;
	enum bench_pages pages;

	if (m == NULL)
		return NULL;
	m->bytes = bytes;
	m->mem = bench_map(bytes, BENCH_PAGES_RESERVED, &pages);
	m->map = cache_map_open(m->mem, bytes, n_rows, row_bytes, keys);
	if (m->map == NULL)
		bench_fail("no memory");
	return m;
}

static void *mapped_open(uint64_t n_rows, unsigned row_bytes)
{
	return mapped_open_keys(n_rows, row_bytes, CACHE_MAP_STRINGS);
}

static void *mapped_open_integers(uint64_t n_rows, unsigned row_bytes)
{
	return mapped_open_keys(n_rows, row_bytes, CACHE_MAP_INTEGERS);
}

static void mapped_put(void *peer, uint64_t id, const void *row)
{
	struct mapped *m = peer;

	cache_map_put(m->map, SPACE, id, row);
}

static uint64_t mapped_look_up(void *peer, const uint64_t *ids, unsigned n)
{
	static uint8_t to[MR_CACHE_ROW_MAX_BYTES];
	struct mapped *m = peer;

	return cache_map_look_up(m->map, SPACE, ids, n, to);
}

static void mapped_close(void *peer)
{
	struct mapped *m = peer;

	cache_map_close(m->map);
	bench_unmap(m->mem, m->bytes);
	free(m);
}

const struct cache_peer cache_peers[CACHE_PEERS] = {
	{"rte_hash", hashed_open, hashed_put, hashed_look_up, hashed_close},
	{"map", mapped_open, mapped_put, mapped_look_up, mapped_close},
	{"map_of_integers", mapped_open_integers, mapped_put, mapped_look_up, mapped_close},
};
