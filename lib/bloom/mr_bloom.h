// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Cache-line-blocked Bloom filter: the tier that answers "certainly absent".
 *
 * Each key belongs to one 512-bit block (Putze, Sanders, Singler, "Cache-, Hash- and Space-
 * Efficient Bloom Filters", WEA 2007) and sets one bit in each of the block's eight 64-bit words,
 * so that a test is one line read and one SIMD compare. The block is chosen by the upper half of
 * hash * blocks (no power of two needed), the bit positions by 48 bits of a remixed hash.
 *
 * Memory is the caller's: mr_bloom_memsize(), then mr_bloom_init() on zeroed or dirty memory that
 * is aligned to 64 bytes; there is nothing to free. The object is position-independent: its bytes
 * may be saved and read back on a machine of the same byte order.
 *
 * Threads: any number may test and add at once. A key whose add returned before a test began is
 * never reported absent (the caller's own synchronisation makes "before" visible).
 * Cost: one cache line a key; with prefetch about one random memory read.
 */

#include "mr_cc.h"

#include <stdbool.h>

#define MR_BLOOM_BURST 64 //!< most keys in one bulk call

struct mr_bloom;

/** What the filter is for. */
struct mr_bloom_params {
	uint64_t capacity_keys; //!< keys at which the rate below holds; at least 1
	double fpr;             //!< wanted false-positive rate, 1e-6 to 0.5
};

/** How tests are computed; all kinds give equal answers (a test proves it). */
enum mr_bloom_isa {
	MR_BLOOM_ISA_SCALAR,
	MR_BLOOM_ISA_AVX2,
	MR_BLOOM_ISA_AVX512,
	MR_BLOOM_ISA_NEON,
	MR_BLOOM_ISA_COUNT,
};

/** Figures of a filter; bits_set is counted by walking it (milliseconds for large ones). */
struct mr_bloom_stats {
	uint64_t blocks;
	uint64_t memory_bytes;
	uint64_t capacity_keys;
	uint64_t added_keys; //!< adds, repeated keys counted each time
	uint64_t bits_set;
	double bits_per_key; //!< memory over capacity
	double fpr_formula;  //!< expected for added_keys, by the Poisson block-load sum
	double fpr_load;     //!< expected from the bits that are set, block by block
};

/**
 * @return bytes needed, header included; 0 when the parameters are out of range.
 */
size_t mr_bloom_memsize(const struct mr_bloom_params *params);

/**
 * Makes an empty filter in @p mem (64-byte aligned, @p mem_bytes >= memsize).
 * @return the filter, or NULL with errno EINVAL.
 */
struct mr_bloom *mr_bloom_init(void *mem, size_t mem_bytes, const struct mr_bloom_params *params);

/**
 * Takes over bytes that were saved from a filter (mr_bloom_bytes()).
 * The blocks are checked as well as the header (a lost bit would be a false negative), which reads
 * all of the memory once.
 * @return the filter, or NULL with errno EINVAL when either does not hold.
 */
struct mr_bloom *mr_bloom_open(void *mem, size_t mem_bytes);

/**
 * The bytes to save; calls for no concurrent add. Seals the checksums, O(memory); a later add
 * breaks the seal, so that the bytes have to be asked for again before they can be opened.
 */
const void *mr_bloom_bytes(struct mr_bloom *bloom, size_t *ret_bytes);

/** Best kind for this CPU, chosen once at init; tests may force another. @return 0 or -ENOTSUP. */
int mr_bloom_set_isa(struct mr_bloom *bloom, enum mr_bloom_isa isa);
const char *mr_bloom_isa_name(enum mr_bloom_isa isa);
enum mr_bloom_isa mr_bloom_isa_best(void);

/** Prefetches the block of each hash. */
void mr_bloom_prefetch_bulk(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n);

/**
 * Tests @p n hashes (at most MR_BLOOM_BURST), whose blocks should have been prefetched.
 * @return bit i set: hashes[i] may be present; clear: certainly absent.
 */
uint64_t mr_bloom_test_bulk(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n);

/** One key; a wrapper of the bulk call. */
bool mr_bloom_test(const struct mr_bloom *bloom, uint64_t hash);

/**
 * Adds at most MR_BLOOM_BURST keys with atomic ORs; safe against tests and other adds. Prefetches
 * by itself. Ends with a release of the count of added keys; who learns of the keys by another way
 * needs the release and acquire of that way.
 */
void mr_bloom_add_bulk(struct mr_bloom *bloom, const uint64_t *hashes, unsigned n);
void mr_bloom_add(struct mr_bloom *bloom, uint64_t hash);

/**
 * As mr_bloom_add_bulk() on a filter that nobody else adds to or tests meanwhile: a tenth of the
 * time, for the eight atomic ORs of a key wait for each other.
 */
void mr_bloom_add_alone_bulk(struct mr_bloom *bloom, const uint64_t *hashes, unsigned n);

/**
 * Adds all keys of @p from, which has as many blocks and which nobody adds to meanwhile, with
 * atomic ORs, as mr_bloom_add_bulk() would; O(memory).
 */
void mr_bloom_merge(struct mr_bloom *bloom, const struct mr_bloom *from);

/** Fills @p stats; O(memory). */
void mr_bloom_stats(const struct mr_bloom *bloom, struct mr_bloom_stats *ret_stats);

/** Expected rate of a filter of @p bits_per_key at its capacity: Poisson sum over block loads. */
double mr_bloom_fpr(double bits_per_key);
