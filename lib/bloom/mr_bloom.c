// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bloom.h"

#include "mr_bloom_inline.h"
#include "mr_hash.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MAGIC UINT64_C(0x4d4f4f4c42524d1a) // "\x1aMRBLOOM" in memory on little-endian machines
#define VERSION 1
#define FPR_MIN 1e-6
#define FPR_MAX 0.5

// Far beyond any memory, and far from overflow of a size in bytes.
#define BLOCKS_MAX (UINT64_C(1) << 48)

// 0: out of range.
static uint64_t blocks_for(const struct mr_bloom_params *params)
{
	double blocks;

	// Written so that a NaN fails too.
	if (params->capacity_keys == 0 || !(params->fpr >= FPR_MIN && params->fpr <= FPR_MAX))
		return 0;
	blocks = ceil((double)params->capacity_keys / mr_bloom_keys_per_block(params->fpr));
	return blocks <= (double)BLOCKS_MAX ? (uint64_t)blocks : 0;
}

static size_t bytes_of(uint64_t blocks)
{
	return sizeof(struct mr_bloom) + blocks * sizeof(struct mr_bloom_block);
}

static bool is_aligned(const void *mem)
{
	return mem != NULL && (uintptr_t)mem % MR_CACHE_LINE_BYTES == 0;
}

static struct mr_bloom *refuse(void)
{
	errno = EINVAL;
	return NULL;
}

size_t mr_bloom_memsize(const struct mr_bloom_params *params)
{
	uint64_t blocks = blocks_for(params);

	return blocks == 0 ? 0 : bytes_of(blocks);
}

struct mr_bloom *mr_bloom_init(void *mem, size_t mem_bytes, const struct mr_bloom_params *params)
{
	struct mr_bloom *bloom = mem;
	uint64_t blocks = blocks_for(params);

	if (blocks == 0 || !is_aligned(mem) || mem_bytes < bytes_of(blocks))
		return refuse();
	memset(mem, 0, bytes_of(blocks));
	bloom->header.magic = MAGIC;
	bloom->header.version = VERSION;
	bloom->header.block_bytes = sizeof(struct mr_bloom_block);
	bloom->header.blocks = blocks;
	bloom->header.capacity_keys = params->capacity_keys;
	bloom->isa = mr_bloom_isa_best();
	return bloom;
}

static uint64_t header_check(const struct mr_bloom *bloom)
{
	return mr_hash_key(&bloom->header, sizeof(bloom->header));
}

static uint64_t blocks_check(const struct mr_bloom *bloom)
{
	return mr_hash_key(bloom->block, bloom->header.blocks * sizeof(bloom->block[0]));
}

const void *mr_bloom_bytes(struct mr_bloom *bloom, size_t *ret_bytes)
{
	// why relaxed: no add runs at the same time.
	bloom->header.sealed_keys = atomic_load_explicit(&bloom->added_keys, memory_order_relaxed);
	bloom->header.sealed_check = blocks_check(bloom);
	bloom->header_check = header_check(bloom);
	*ret_bytes = bytes_of(bloom->header.blocks);
	return bloom;
}

static bool header_holds(const struct mr_bloom *bloom, size_t mem_bytes)
{
	const struct mr_bloom_header *header = &bloom->header;

	return header->magic == MAGIC && header->version == VERSION &&
	       header->block_bytes == sizeof(struct mr_bloom_block) &&
	       bloom->header_check == header_check(bloom) && header->blocks >= 1 &&
	       header->blocks <= BLOCKS_MAX && header->capacity_keys >= 1 &&
	       mem_bytes >= bytes_of(header->blocks);
}

struct mr_bloom *mr_bloom_open(void *mem, size_t mem_bytes)
{
	struct mr_bloom *bloom = mem;

	if (!is_aligned(mem) || mem_bytes < sizeof(*bloom) || !header_holds(bloom, mem_bytes))
		return refuse();
	// A bit lost in the blocks would be a false negative, so they are checked as well.
	if (blocks_check(bloom) != bloom->header.sealed_check)
		return refuse();
	// why relaxed: nobody else has the filter yet.
	atomic_store_explicit(&bloom->added_keys, bloom->header.sealed_keys, memory_order_relaxed);
	bloom->isa = mr_bloom_isa_best();
	return bloom;
}

void mr_bloom_prefetch_bulk(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mr_prefetch(mr_bloom_line(bloom, hashes[i]));
}

static mr_always_inline void add_one(struct mr_bloom *bloom, uint64_t hash)
{
	struct mr_bloom_block *block = &bloom->block[mr_bloom_block_at(bloom, hash)];
	uint64_t bits = mr_bloom_remix(hash);

	for (unsigned j = 0; j < MR_BLOOM_WORDS; j++)
		// why relaxed: bits are only set, and in any order; the release is in add_bulk.
		atomic_fetch_or_explicit(&block->word[j],
			UINT64_C(1) << ((bits >> mr_bloom_shift(j)) & 63), memory_order_relaxed);
}

void mr_bloom_add_bulk(struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	assert(n <= MR_BLOOM_BURST);
	// A locked OR waits for its line alone; the prefetches make the lines arrive together.
	mr_bloom_prefetch_bulk(bloom, hashes, n);
	for (unsigned i = 0; i < n; i++)
		add_one(bloom, hashes[i]);
	// why release: who sees the count (acquire) sees the bits. Publishing a key by other means
	// needs a release of the caller's own, after this call returned.
	atomic_fetch_add_explicit(&bloom->added_keys, n, memory_order_release);
}

void mr_bloom_add(struct mr_bloom *bloom, uint64_t hash)
{
	mr_bloom_add_bulk(bloom, &hash, 1);
}

static mr_always_inline void add_one_alone(struct mr_bloom *bloom, uint64_t hash)
{
	struct mr_bloom_block *block = &bloom->block[mr_bloom_block_at(bloom, hash)];
	uint64_t bits = mr_bloom_remix(hash);

	for (unsigned j = 0; j < MR_BLOOM_WORDS; j++) {
		// why relaxed, and in two steps: there is nobody else.
		uint64_t word = atomic_load_explicit(&block->word[j], memory_order_relaxed);

		word |= UINT64_C(1) << ((bits >> mr_bloom_shift(j)) & 63);
		atomic_store_explicit(&block->word[j], word, memory_order_relaxed);
	}
}

void mr_bloom_add_alone_bulk(struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	uint64_t added = atomic_load_explicit(&bloom->added_keys, memory_order_relaxed);

	assert(n <= MR_BLOOM_BURST);
	mr_bloom_prefetch_bulk(bloom, hashes, n);
	for (unsigned i = 0; i < n; i++)
		add_one_alone(bloom, hashes[i]);
	// why release: as in mr_bloom_add_bulk().
	atomic_store_explicit(&bloom->added_keys, added + n, memory_order_release);
}

void mr_bloom_merge(struct mr_bloom *bloom, const struct mr_bloom *from)
{
	// why acquire: the keys that are counted are among the bits.
	uint64_t added = atomic_load_explicit(&from->added_keys, memory_order_acquire);

	assert(bloom->header.blocks == from->header.blocks);
	for (uint64_t i = 0; i < from->header.blocks; i++) {
		for (unsigned j = 0; j < MR_BLOOM_WORDS; j++) {
			// why relaxed: as in add_one().
			uint64_t word =
				atomic_load_explicit(&from->block[i].word[j], memory_order_relaxed);

			if (word != 0)
				atomic_fetch_or_explicit(
					&bloom->block[i].word[j], word, memory_order_relaxed);
		}
	}
	// why release: as in mr_bloom_add_bulk().
	atomic_fetch_add_explicit(&bloom->added_keys, added, memory_order_release);
}

// Adds a block's set bits to bits_set. @return its false-positive rate as it stands.
static double read_block(const struct mr_bloom_block *block, uint64_t *bits_set)
{
	double rate = 1.0;

	for (unsigned j = 0; j < MR_BLOOM_WORDS; j++) {
		// why relaxed: a figure; adds that run meanwhile may or may not be in it.
		uint64_t word = atomic_load_explicit(&block->word[j], memory_order_relaxed);
		unsigned bits = (unsigned)__builtin_popcountll(word);

		*bits_set += bits;
		rate *= bits / 64.0;
	}
	return rate;
}

void mr_bloom_stats(const struct mr_bloom *bloom, struct mr_bloom_stats *ret_stats)
{
	uint64_t blocks = bloom->header.blocks, bits_set = 0;
	// why acquire: the count's keys are then among the bits.
	uint64_t added = atomic_load_explicit(&bloom->added_keys, memory_order_acquire);
	double rates = 0.0;

	for (uint64_t i = 0; i < blocks; i++)
		rates += read_block(&bloom->block[i], &bits_set);
	*ret_stats = (struct mr_bloom_stats){
		.blocks = blocks,
		.memory_bytes = bytes_of(blocks),
		.capacity_keys = bloom->header.capacity_keys,
		.added_keys = added,
		.bits_set = bits_set,
		.bits_per_key =
			8.0 * (double)bytes_of(blocks) / (double)bloom->header.capacity_keys,
		.fpr_formula = mr_bloom_fpr_at((double)added / (double)blocks),
		.fpr_load = rates / (double)blocks,
	};
}
