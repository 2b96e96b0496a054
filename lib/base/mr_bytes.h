// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Unaligned loads and stores in a named byte order. Reading through these is the only way the tree
 * touches bytes it did not lay out itself. Cost: one instruction, or two where the order differs.
 */

#include <endian.h>
#include <string.h>

#include "mr_cc.h"

#define MR_BYTES_DEFINE(bits, order, to_host, from_host)                               \
	static mr_always_inline uint##bits##_t mr_load_##order##bits(const void *p)    \
	{                                                                              \
		uint##bits##_t v;                                                      \
		memcpy(&v, p, sizeof(v));                                              \
		return to_host(v);                                                     \
	}                                                                              \
	static mr_always_inline void mr_store_##order##bits(void *p, uint##bits##_t v) \
	{                                                                              \
		v = from_host(v);                                                      \
		memcpy(p, &v, sizeof(v));                                              \
	}

MR_BYTES_DEFINE(16, le, le16toh, htole16)
MR_BYTES_DEFINE(32, le, le32toh, htole32)
MR_BYTES_DEFINE(64, le, le64toh, htole64)
MR_BYTES_DEFINE(16, be, be16toh, htobe16)
MR_BYTES_DEFINE(32, be, be32toh, htobe32)
MR_BYTES_DEFINE(64, be, be64toh, htobe64)

#undef MR_BYTES_DEFINE

/** memcpy() for what is nearly always short, as keys are: up to 32 bytes without a call. */
static mr_always_inline void mr_copy_short(void *to, const void *from, size_t n)
{
	uint8_t *t = (uint8_t *)to;
	const uint8_t *f = (const uint8_t *)from;

	if (mr_unlikely(n > 32)) {
		memcpy(t, f, n);
	} else if (n > 16) {
		uint64_t first = mr_load_le64(f), second = mr_load_le64(f + 8);
		uint64_t third = mr_load_le64(f + n - 16), last = mr_load_le64(f + n - 8);

		mr_store_le64(t, first);
		mr_store_le64(t + 8, second);
		mr_store_le64(t + n - 16, third);
		mr_store_le64(t + n - 8, last);
	} else if (n >= 8) {
		// The two halves may overlap, and are read before either is written.
		uint64_t first = mr_load_le64(f), last = mr_load_le64(f + n - 8);

		mr_store_le64(t, first);
		mr_store_le64(t + n - 8, last);
	} else {
		for (size_t i = 0; i < n; i++)
			t[i] = f[i];
	}
}
