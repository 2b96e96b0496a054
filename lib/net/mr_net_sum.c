// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bytes.h"
#include "mr_net.h"

// why: 16-bit words may be added as the 32-bit words they form, because 2^16 = 1 modulo 65535. The
// loop adds 16 bytes a turn into independent 64-bit sums, which compilers turn into SIMD.
uint32_t mr_net_sum(const void *data, size_t bytes, uint32_t sum)
{
	const uint8_t *p = data;
	uint64_t acc[4] = {sum};
	uint64_t total;

	for (; bytes >= 16; bytes -= 16, p += 16) {
		uint32_t word[4];

		memcpy(word, p, sizeof(word));
		for (unsigned i = 0; i < 4; i++)
			acc[i] += word[i];
	}
	total = acc[0] + acc[1] + acc[2] + acc[3];
	if (bytes > 0) {
		uint32_t word[4] = {0};

		memcpy(word, p, bytes);
		total += (uint64_t)word[0] + word[1] + word[2] + word[3];
	}
	total = (total & UINT32_MAX) + (total >> 32);
	return (uint32_t)(total + (total >> 32));
}
