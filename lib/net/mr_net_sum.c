// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bytes.h"
#include "mr_net.h"

// Two 64-bit lanes; the compiler knows how, whatever the machine.
typedef uint64_t lanes_t __attribute__((vector_size(16)));

// why: 16-bit words may be added as the 32-bit words they form, because 2^16 = 1 modulo 65535, and
// 64-bit lanes have room for the carries of 4 G of them.
uint32_t mr_net_sum(const void *data, size_t bytes, uint32_t sum)
{
	const uint8_t *p = data;
	lanes_t low = {sum}, high = {0};
	uint64_t total, word;

	for (; bytes >= 16; bytes -= 16, p += 16) {
		lanes_t words;

		memcpy(&words, p, sizeof(words));
		low += words & UINT32_MAX;
		high += words >> 32;
	}
	low += high;
	total = low[0] + low[1];
	if (bytes >= 8) {
		memcpy(&word, p, 8);
		total += (word & UINT32_MAX) + (word >> 32);
		bytes -= 8;
		p += 8;
	}
	if (mr_unlikely(bytes > 0)) {
		word = 0;
		memcpy(&word, p, bytes);
		total += (word & UINT32_MAX) + (word >> 32);
	}
	total = (total & UINT32_MAX) + (total >> 32);
	return (uint32_t)(total + (total >> 32));
}
