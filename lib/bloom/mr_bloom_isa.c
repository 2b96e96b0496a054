// SPDX-License-Identifier: BSD-3-Clause
//
// The test, once for each instruction set. The scalar one is the reference; tests prove the others
// equal to it. Vector loads read words that adders change with atomic ORs: the ISAs here never tear
// an aligned 64-bit lane, bits are only ever set, and a key's words need no order among themselves.
#include "mr_bloom_inline.h"

#include <errno.h>

#if MR_BLOOM_SIMD && defined(__x86_64__)
#include <immintrin.h>
#elif MR_BLOOM_SIMD && defined(__aarch64__)
#include <arm_neon.h>
#endif

static uint64_t test_scalar(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	uint64_t maybe = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct mr_bloom_block *block =
			&bloom->block[mr_bloom_block_at(bloom, hashes[i])];
		uint64_t bits = mr_bloom_remix(hashes[i]), all = 1;

		for (unsigned j = 0; j < MR_BLOOM_WORDS; j++)
			// why relaxed: the caller's synchronisation orders an add before a test.
			all &= atomic_load_explicit(&block->word[j], memory_order_relaxed) >>
			       ((bits >> mr_bloom_shift(j)) & 63);
		maybe |= all << i;
	}
	return maybe;
}

#if MR_BLOOM_SIMD && defined(__x86_64__)

__attribute__((target("avx2"))) static uint64_t test_avx2(
	const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	const __m256i shift_lo = _mm256_setr_epi64x(16, 22, 28, 34);
	const __m256i shift_hi = _mm256_setr_epi64x(40, 46, 52, 58);
	const __m256i low6 = _mm256_set1_epi64x(63), one = _mm256_set1_epi64x(1);
	uint64_t maybe = 0;

	for (unsigned i = 0; i < n; i++) {
		const __m256i *block =
			(const __m256i *)&bloom->block[mr_bloom_block_at(bloom, hashes[i])];
		__m256i bits = _mm256_set1_epi64x((long long)mr_bloom_remix(hashes[i]));
		__m256i lo = _mm256_and_si256(_mm256_srlv_epi64(bits, shift_lo), low6);
		__m256i hi = _mm256_srlv_epi64(bits, shift_hi);
		__m256i miss_lo =
			_mm256_andnot_si256(_mm256_load_si256(block), _mm256_sllv_epi64(one, lo));
		__m256i miss_hi = _mm256_andnot_si256(_mm256_load_si256(block + 1),
			_mm256_sllv_epi64(one, _mm256_and_si256(hi, low6)));
		__m256i miss = _mm256_or_si256(miss_lo, miss_hi);

		maybe |= (uint64_t)(unsigned)_mm256_testz_si256(miss, miss) << i;
	}
	return maybe;
}

__attribute__((target("avx512f"))) static uint64_t test_avx512(
	const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	const __m512i shift = _mm512_setr_epi64(16, 22, 28, 34, 40, 46, 52, 58);
	const __m512i one = _mm512_set1_epi64(1);
	uint64_t maybe = 0;

	for (unsigned i = 0; i < n; i++) {
		const void *block = &bloom->block[mr_bloom_block_at(bloom, hashes[i])];
		__m512i bits = _mm512_set1_epi64((long long)mr_bloom_remix(hashes[i]));
		// A rotation takes its count modulo 64, which saves the mask.
		__m512i want = _mm512_rolv_epi64(one, _mm512_srlv_epi64(bits, shift));
		__mmask8 miss = _mm512_testn_epi64_mask(_mm512_load_si512(block), want);

		maybe |= (uint64_t)(miss == 0) << i;
	}
	return maybe;
}

#elif MR_BLOOM_SIMD && defined(__aarch64__)

static uint64_t test_neon(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	const uint64x2_t low6 = vdupq_n_u64(63), one = vdupq_n_u64(1);
	uint64_t maybe = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint64_t *block =
			(const uint64_t *)&bloom->block[mr_bloom_block_at(bloom, hashes[i])];
		uint64x2_t bits = vdupq_n_u64(mr_bloom_remix(hashes[i]));
		uint64x2_t hit = vdupq_n_u64(UINT64_MAX);

		for (unsigned j = 0; j < MR_BLOOM_WORDS; j += 2) {
			// NEON shifts right by a negative count.
			const int64_t down[2] = {
				-(int64_t)mr_bloom_shift(j), -(int64_t)mr_bloom_shift(j + 1)};
			uint64x2_t at = vandq_u64(vshlq_u64(bits, vld1q_s64(down)), low6);
			uint64x2_t want = vshlq_u64(one, vreinterpretq_s64_u64(at));

			hit = vandq_u64(hit, vtstq_u64(vld1q_u64(block + j), want));
		}
		maybe |= (vgetq_lane_u64(hit, 0) & vgetq_lane_u64(hit, 1) & 1) << i;
	}
	return maybe;
}

#endif

typedef uint64_t (*test_fn)(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n);

// NULL: not in this build. Indexed by number, as a filter's bytes may hold no pointer.
static const test_fn test_table[MR_BLOOM_ISA_COUNT] = {
	[MR_BLOOM_ISA_SCALAR] = test_scalar,
#if MR_BLOOM_SIMD && defined(__x86_64__)
	[MR_BLOOM_ISA_AVX2] = test_avx2,
	[MR_BLOOM_ISA_AVX512] = test_avx512,
#elif MR_BLOOM_SIMD && defined(__aarch64__)
	[MR_BLOOM_ISA_NEON] = test_neon,
#endif
};

static bool cpu_can(enum mr_bloom_isa isa)
{
	switch (isa) {
#if defined(__x86_64__)
	case MR_BLOOM_ISA_AVX2:
		return __builtin_cpu_supports("avx2");
	case MR_BLOOM_ISA_AVX512:
		return __builtin_cpu_supports("avx512f");
#endif
	default:
		// Part of the base architecture wherever the table has it.
		return true;
	}
}

static bool can_run(enum mr_bloom_isa isa)
{
	return (unsigned)isa < MR_BLOOM_ISA_COUNT && test_table[isa] != NULL && cpu_can(isa);
}

enum mr_bloom_isa mr_bloom_isa_best(void)
{
	static const enum mr_bloom_isa wish[] = {
		MR_BLOOM_ISA_AVX512, MR_BLOOM_ISA_AVX2, MR_BLOOM_ISA_NEON};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(wish); i++)
		if (can_run(wish[i]))
			return wish[i];
	return MR_BLOOM_ISA_SCALAR;
}

const char *mr_bloom_isa_name(enum mr_bloom_isa isa)
{
	static const char *const names[MR_BLOOM_ISA_COUNT] = {
		[MR_BLOOM_ISA_SCALAR] = "scalar",
		[MR_BLOOM_ISA_AVX2] = "avx2",
		[MR_BLOOM_ISA_AVX512] = "avx512",
		[MR_BLOOM_ISA_NEON] = "neon",
	};

	return (unsigned)isa < MR_BLOOM_ISA_COUNT ? names[isa] : "unknown";
}

int mr_bloom_set_isa(struct mr_bloom *bloom, enum mr_bloom_isa isa)
{
	if (!can_run(isa))
		return -ENOTSUP;
	bloom->isa = isa;
	return 0;
}

uint64_t mr_bloom_test_bulk(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	assert(n <= MR_BLOOM_BURST);
	return test_table[bloom->isa](bloom, hashes, n);
}

bool mr_bloom_test(const struct mr_bloom *bloom, uint64_t hash)
{
	return mr_bloom_test_bulk(bloom, &hash, 1) != 0;
}
