// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Copies and loads of memory that another thread may be writing: the data side of a seqlock. What
 * comes out may be torn; the caller must check the sequence afterwards and must not trust a value
 * for memory safety before it has checked its bounds. Cost: a memcpy or one load.
 *
 * A seqlock's data accesses race by design (Boehm, "Can seqlocks get along with programming
 * language memory models?", 2012). In ordinary builds they are plain accesses which the compiler
 * may not repeat; under ThreadSanitizer they are relaxed atomics, so that it reports real races
 * only.
 */

#include <string.h>

#include "mr_bytes.h"
#include "mr_cc.h"

#if defined(__SANITIZE_THREAD__)
#define MR_RACY_ATOMIC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MR_RACY_ATOMIC 1
#endif
#endif

/** Copies @p bytes from (or to) memory that is written (or read) at the same time. */
static mr_always_inline void mr_racy_copy(void *dst, const void *src, size_t bytes)
{
#ifdef MR_RACY_ATOMIC
	// why relaxed: the sequence word orders them, here they only have to be atomic.
	for (size_t i = 0; i < bytes; i++)
		__atomic_store_n((uint8_t *)dst + i,
			__atomic_load_n((const uint8_t *)src + i, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
#else
	memcpy(dst, src, bytes);
#endif
}

/** Longest copy that mr_racy_copy_row() makes itself. */
#define MR_RACY_INLINE_BYTES 256u

/**
 * As mr_racy_copy(), for what is mostly 16 to 256 bytes long, and whose length only shows at run
 * time: in blocks of 32 bytes without a call, the last one overlapping.
 */
static mr_always_inline void mr_racy_copy_row(void *dst, const void *src, size_t bytes)
{
#ifndef MR_RACY_ATOMIC
	uint8_t *to = (uint8_t *)dst;
	const uint8_t *from = (const uint8_t *)src;

	if (mr_likely(bytes >= 32 && bytes <= MR_RACY_INLINE_BYTES)) {
		for (size_t at = 0; at + 32 < bytes; at += 32) {
			memcpy(to + at, from + at, 32);
			// why: else the compiler makes a call of memcpy() of the loop again.
			__asm__("" : "+r"(at));
		}
		memcpy(to + bytes - 32, from + bytes - 32, 32);
		return;
	}
	if (bytes >= 16 && bytes < 32) {
		memcpy(to, from, 16);
		memcpy(to + bytes - 16, from + bytes - 16, 16);
		return;
	}
#endif
	mr_racy_copy(dst, src, bytes);
}

/** Loads a little-endian u32, any alignment, exactly once: later uses see the same value. */
static mr_always_inline uint32_t mr_racy_load_le32(const void *p)
{
	uint32_t v;

	mr_racy_copy(&v, p, sizeof(v));
	// The compiler can no longer know where the value came from, so it cannot load it again.
	__asm__("" : "+r"(v));
	return le32toh(v);
}

/** As mr_racy_load_le32(), of a u64. */
static mr_always_inline uint64_t mr_racy_load_le64(const void *p)
{
	uint64_t v;

	mr_racy_copy(&v, p, sizeof(v));
	__asm__("" : "+r"(v));
	return le64toh(v);
}
