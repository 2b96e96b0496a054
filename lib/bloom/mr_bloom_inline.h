// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Inside of the Bloom filter: its layout in memory, and where a hash's bits are; for the files of
 * this folder, and for a hot path that prefetches. Ownership, threads and cost: see mr_bloom.h.
 */

#include "mr_bloom.h"

#include <stdatomic.h>

#define MR_BLOOM_WORDS 8 //!< words in a block; a key sets one bit in each

// Under ThreadSanitizer only the scalar path runs: vector loads are no C11 atomics.
#if defined(__SANITIZE_THREAD__)
#define MR_BLOOM_SIMD 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MR_BLOOM_SIMD 0
#endif
#endif
#ifndef MR_BLOOM_SIMD
#define MR_BLOOM_SIMD 1
#endif

/** One cache line, all that a key's test reads. */
struct mr_bloom_block {
	_Atomic uint64_t word[MR_BLOOM_WORDS];
} mr_cache_aligned;

/** What the checksum of the header covers. Native byte order; the magic tells another one. */
struct mr_bloom_header {
	uint64_t magic;
	uint32_t version;
	uint32_t block_bytes;
	uint64_t blocks;
	uint64_t capacity_keys;
	uint64_t sealed_keys;  //!< added_keys when the bytes were sealed
	uint64_t sealed_check; //!< hash of the blocks when the bytes were sealed
};

/** W: init, open, bytes. R: everyone; the first line never changes while tests run. */
struct mr_bloom {
	struct mr_bloom_header header;
	uint64_t header_check;
	uint32_t isa; //!< enum mr_bloom_isa of this machine; not part of what is saved
	uint32_t reserved;
	// On a line of its own: every add writes it, and tests read the line above.
	_Atomic uint64_t added_keys mr_cache_aligned;
	struct mr_bloom_block block[];
} mr_cache_aligned;

static_assert(sizeof(struct mr_bloom_header) == 48, "saved layout");
static_assert(offsetof(struct mr_bloom, added_keys) == MR_CACHE_LINE_BYTES, "line of its own");
static_assert(sizeof(struct mr_bloom) == 2 * MR_CACHE_LINE_BYTES, "saved layout");
static_assert(sizeof(struct mr_bloom_block) == MR_CACHE_LINE_BYTES, "one line a block");
static_assert(sizeof(_Atomic uint64_t) == 8, "bits are shared with vector loads");

/** Upper half of hash * blocks: uses the hash's upper bits, needs no power of two. */
static mr_always_inline uint64_t mr_bloom_block_at(const struct mr_bloom *bloom, uint64_t hash)
{
	return (uint64_t)(((unsigned __int128)hash * bloom->header.blocks) >> 64);
}

/** The line that a test of this hash reads. */
static mr_always_inline const void *mr_bloom_line(const struct mr_bloom *bloom, uint64_t hash)
{
	return &bloom->block[mr_bloom_block_at(bloom, hash)];
}

/**
 * Source of the bit numbers: word j takes 6 bits from bit 16 + 6 * j on. The product's upper bits
 * depend on all bits of the hash, so they do not follow from the block's index.
 */
static mr_always_inline uint64_t mr_bloom_remix(uint64_t hash)
{
	return hash * UINT64_C(0x9fb21c651e98df25);
}

static mr_always_inline unsigned mr_bloom_shift(unsigned word)
{
	return 16 + 6 * word;
}

/** Expected rate when a block holds @p keys_per_block keys on average (Poisson). */
double mr_bloom_fpr_at(double keys_per_block);

/** Inverse of mr_bloom_fpr_at(): the largest load whose rate is at most @p fpr. */
double mr_bloom_keys_per_block(double fpr);
