// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The one key hash: XXH3-64 of the entity key's bytes, mixed with the row space (set and version)
 * that the key is looked up in. A request over several sets hashes each key once and mixes per set.
 * Bloom filter, cache, home lcore and client-side placement all use this value.
 *
 * Cost: about 2 ns for keys of 8 to 32 bytes, 1 ns more for a mix.
 */

#include "mr_cc.h"

// XXH_INLINE_ALL: the call sits in the RX stages, where a function call per key is measurable.
#define XXH_INLINE_ALL
#include <xxhash.h>

/** A row space: a set's id and one of its versions. Rows of different spaces never meet. */
typedef uint32_t mr_space_t;

static mr_always_inline mr_space_t mr_space(uint16_t set_id, uint16_t version)
{
	return (mr_space_t)set_id << 16 | version;
}

static mr_always_inline uint16_t mr_space_set(mr_space_t space)
{
	return (uint16_t)(space >> 16);
}

static mr_always_inline uint16_t mr_space_version(mr_space_t space)
{
	return (uint16_t)space;
}

/** Hash of an entity key alone. @p key may be unaligned. */
static mr_always_inline uint64_t mr_hash_key(const void *key, size_t key_bytes)
{
	return XXH3_64bits(key, key_bytes);
}

/**
 * Hash of a row: a key's hash within a space. Finalizer of the MurmurHash3 family (Appleby), which
 * is a bijection for a fixed space, so no collisions are added.
 */
static mr_always_inline uint64_t mr_hash_row(uint64_t key_hash, mr_space_t space)
{
	uint64_t h = key_hash ^ (space * UINT64_C(0x9e3779b97f4a7c15));

	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h;
}
