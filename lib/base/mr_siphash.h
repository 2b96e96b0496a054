// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * SipHash-2-4 (Aumasson, Bernstein, INDOCRYPT 2012): a keyed 64-bit hash that nobody without the
 * key can compute or tell from chance. Address cookies and the MACs of writes are made of it.
 * Inline, because a cookie's 24 bytes cost less than a call into a library does; tests hold it
 * against libsodium's. About 15 ns for 24 bytes, 0.5 ns a byte of long input.
 */

#include "mr_bytes.h"

#include <stdbool.h>

#define MR_SIPHASH_KEY_BYTES 16u

struct mr_siphash_key {
	uint64_t k0, k1; //!< the 16 bytes as two little-endian words
};

static mr_always_inline struct mr_siphash_key mr_siphash_key_load(const void *bytes)
{
	return (struct mr_siphash_key){
		mr_load_le64(bytes), mr_load_le64((const uint8_t *)bytes + 8)};
}

static mr_always_inline uint64_t mr_siphash_rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static mr_always_inline void mr_siphash_rounds(uint64_t v[4], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = mr_siphash_rotate(v[1], 13) ^ v[0];
		v[3] = mr_siphash_rotate(v[3], 16) ^ v[2];
		v[0] = mr_siphash_rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[1] = mr_siphash_rotate(v[1], 17) ^ v[2];
		v[3] = mr_siphash_rotate(v[3], 21) ^ v[0];
		v[2] = mr_siphash_rotate(v[2], 32);
	}
}

static mr_always_inline void mr_siphash_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mr_siphash_rounds(v, 2);
	v[0] ^= word;
}

/** The hash of @p bytes at @p data, which may be unaligned. */
static mr_always_inline uint64_t mr_siphash(
	const struct mr_siphash_key *key, const void *data, size_t bytes)
{
	const uint8_t *p = (const uint8_t *)data;
	uint64_t v[4] = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)bytes << 56;
	size_t whole = bytes & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		mr_siphash_word(v, mr_load_le64(p + i));
	for (size_t i = whole; i < bytes; i++)
		last |= (uint64_t)p[i] << (8 * (i - whole));
	mr_siphash_word(v, last);
	v[2] ^= 0xff;
	mr_siphash_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/** Are two hashes equal? Takes the same time wherever they differ. */
static mr_always_inline bool mr_siphash_equal(uint64_t a, uint64_t b)
{
	uint64_t differ = a ^ b;

	// The compiler must not know that only zero matters, or it could compare in steps.
	__asm__("" : "+r"(differ));
	return differ == 0;
}
