// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Compiler words and limits that the whole tree shares. No state, no cost.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CACHE_LINE_BYTES 64u

#define mr_likely(x) __builtin_expect(!!(x), 1)
#define mr_unlikely(x) __builtin_expect(!!(x), 0)
#define mr_aligned(n) __attribute__((aligned(n)))
#define mr_cache_aligned mr_aligned(64)
#define mr_always_inline inline __attribute__((always_inline))
#define mr_noinline __attribute__((noinline))
#define mr_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define mr_unused __attribute__((unused))

#define MR_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define MR_MAX(a, b) ((a) > (b) ? (a) : (b))
#define MR_ALIGN_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))

/** Hints the CPU to bring the line of @p p into all cache levels. Never faults. */
static mr_always_inline void mr_prefetch(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

/** Tells a hyperthread sibling that this is a spin. */
static mr_always_inline void mr_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}
