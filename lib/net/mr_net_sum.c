// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bytes.h"
#include "mr_net.h"

#define BLOCK_BYTES 32u

struct block {
	uint8_t bytes[BLOCK_BYTES];
};

// why: 16-bit words may be added as the 64-bit words they form, because 2^16, and with it 2^64, is
// 1 modulo 65535: what is carried out of a word is added to it again (RFC 1071, 2).
static mr_always_inline uint64_t add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

static mr_always_inline uint64_t load(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static mr_always_inline uint64_t add_block(uint64_t sum, const uint8_t *p)
{
#ifdef __x86_64__
	// why: no C is compiled to one addition with carry a word, half the instructions.
	__asm__("addq 0(%[p]), %[sum]\n\t"
		"adcq 8(%[p]), %[sum]\n\t"
		"adcq 16(%[p]), %[sum]\n\t"
		"adcq 24(%[p]), %[sum]\n\t"
		"adcq $0, %[sum]"
		: [sum] "+r"(sum)
		: [p] "r"(p), "m"(*(const struct block *)p)
		: "cc");
	return sum;
#else
	return add(add(add(add(sum, load(p)), load(p + 8)), load(p + 16)), load(p + 24));
#endif
}

uint32_t mr_net_sum(const void *data, size_t bytes, uint64_t sum)
{
	const uint8_t *p = data, *end = p + (bytes & ~(size_t)(BLOCK_BYTES - 1));

	for (; p < end; p += BLOCK_BYTES)
		sum = add_block(sum, p);
	if (bytes & 16)
		sum = add(add(sum, load(p)), load(p + 8)), p += 16;
	if (bytes & 8)
		sum = add(sum, load(p)), p += 8;
	if (mr_unlikely(bytes & 7)) {
		uint64_t word = 0;

		memcpy(&word, p, bytes & 7);
		sum = add(sum, word);
	}
	return mr_net_fold64(sum);
}
