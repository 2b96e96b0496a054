// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Memory of the block cache, in huge pages where the kernel gives any on request. A read from the
 * block cache touches a few lines of a block, each block in another page of 4 KiB: with huge pages
 * it is 7 % faster, since what most often misses is not the cache but the TLB.
 *
 * Chunks of 128 KiB are cut into slots of one size each. A chunk without a block in it belongs to
 * no size. Address space is reserved once, for the cache's capacity and a part more; pages come
 * when they are first written to, and stay. What is smaller or larger than slots are, and what
 * finds no room, comes from malloc().
 *
 * Any thread; one lock, held for some tens of ns. Blocks come and go when the store reads from
 * disk, not when it finds them in the cache.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MR_STORE_BLOCKS_MIN_BYTES 1024u
#define MR_STORE_BLOCKS_MAX_BYTES (32u * 1024)

struct mr_store_blocks;

/**
 * For blocks of about @p bytes in all. Without the address space for it everything comes from
 * malloc(). @return NULL without memory.
 */
struct mr_store_blocks *mr_store_blocks_create(uint64_t bytes);

/** All must have been given back. NULL is allowed. */
void mr_store_blocks_free(struct mr_store_blocks *blocks);

/** @return memory of at least @p bytes, aligned to 16, or NULL. */
void *mr_store_blocks_take(struct mr_store_blocks *blocks, size_t bytes);
void mr_store_blocks_give(struct mr_store_blocks *blocks, void *block);

/** What a block that was taken with @p bytes costs. */
size_t mr_store_blocks_usable(
	const struct mr_store_blocks *blocks, const void *block, size_t bytes);

/** Figures for tests. */
struct mr_store_blocks_stats {
	uint64_t chunks;      //!< ever used
	uint64_t free_chunks; //!< of them
	uint64_t taken;       //!< slots
};
void mr_store_blocks_stats(struct mr_store_blocks *blocks, struct mr_store_blocks_stats *ret_stats);

#ifdef __cplusplus
}
#endif
