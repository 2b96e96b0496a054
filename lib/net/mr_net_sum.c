// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bytes.h"
#include "mr_net.h"

// why: 16-bit words may be added as the 64-bit words they form, because 2^16 = 1 modulo 65535; the
// carries are the upper word of a 128-bit sum, an add and an add with carry for 8 bytes.
uint32_t mr_net_sum(const void *data, size_t bytes, uint32_t sum)
{
	const uint8_t *p = data;
	unsigned __int128 acc = sum;
	uint64_t low, total;

	for (; bytes >= 32; bytes -= 32, p += 32) {
		uint64_t word[4];

		memcpy(word, p, sizeof(word));
		for (unsigned i = 0; i < 4; i++)
			acc += word[i];
	}
	for (; bytes >= 8; bytes -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		acc += word;
	}
	if (bytes > 0) {
		uint64_t word = 0;

		memcpy(&word, p, bytes);
		acc += word;
	}
	low = (uint64_t)acc;
	total = (low & UINT32_MAX) + (low >> 32) + (uint64_t)(acc >> 64);
	total = (total & UINT32_MAX) + (total >> 32);
	return (uint32_t)(total + (total >> 32));
}
