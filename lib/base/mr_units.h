// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Factors between units of time and size, and the text forms that people write ("7d", "512M").
 */

#include <stdint.h>

#define MR_NS_PER_US UINT64_C(1000)
#define MR_NS_PER_MS UINT64_C(1000000)
#define MR_NS_PER_S UINT64_C(1000000000)
#define MR_US_PER_MS UINT64_C(1000)
#define MR_US_PER_S UINT64_C(1000000)
#define MR_KIB UINT64_C(1024)
#define MR_MIB (UINT64_C(1024) * MR_KIB)
#define MR_GIB (UINT64_C(1024) * MR_MIB)

/**
 * Parses a size: digits and an optional K, M, G or T (powers of 1024; "KiB" forms accepted).
 *
 * @return 0, -EINVAL when the text is not a size, -ERANGE when it overflows 64 bits.
 */
int mr_parse_bytes(const char *text, uint64_t *ret_bytes);

/**
 * Parses a duration: digits and a unit of us, ms, s, m, h, d or w; "0" needs no unit.
 *
 * @return 0, -EINVAL when the text is not a duration, -ERANGE when it overflows 64 bits.
 */
int mr_parse_duration_us(const char *text, uint64_t *ret_us);

/** Parses a decimal u64 that fills the whole text. @return 0, -EINVAL or -ERANGE. */
int mr_parse_u64(const char *text, uint64_t *ret_value);

/** Writes a duration as the largest unit that divides it ("2d", "1w", "1500ms"). @return text. */
const char *mr_format_duration_us(uint64_t us, char *text, unsigned text_bytes);
