// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_keys.h"

#include <errno.h>
#include <stdlib.h>

#include "mr_sort.h"

int mr_store_keys_init(struct mr_store_keys *keys, unsigned n_max)
{
	*keys = (struct mr_store_keys){
		.n_max = n_max,
		.key = calloc(n_max, sizeof(*keys->key)),
		.fast = calloc(n_max, sizeof(*keys->fast)),
		.slot = calloc(n_max, sizeof(*keys->slot)),
		.bytes = malloc((size_t)n_max * MR_STORE_KEY_MAX_BYTES),
		.wanted = calloc(n_max, sizeof(*keys->wanted)),
		.sort = calloc(n_max, sizeof(*keys->sort)),
		.merge = calloc(n_max, sizeof(*keys->merge)),
	};
	if (keys->key == NULL || keys->fast == NULL || keys->slot == NULL || keys->bytes == NULL ||
		keys->wanted == NULL || keys->sort == NULL || keys->merge == NULL)
		return -ENOMEM;
	return 0;
}

void mr_store_keys_free(struct mr_store_keys *keys)
{
	free(keys->key);
	free(keys->fast);
	free(keys->slot);
	free(keys->bytes);
	free(keys->wanted);
	free(keys->sort);
	free(keys->merge);
}

// Bytes that two keys begin with alike, of the first @p n; only whole words count.
static unsigned common_bytes(const uint8_t *a, const uint8_t *b, unsigned n)
{
	unsigned at = 0;

	while (at + 8 <= n && mr_load_le64(a + at) == mr_load_le64(b + at))
		at += 8;
	return at;
}

// Big-endian, zero-padded.
static mr_always_inline uint64_t first8_of(const uint8_t *key, uint32_t key_bytes)
{
	uint8_t padded[8] = {0};

	if (mr_likely(key_bytes >= 8))
		return mr_load_be64(key);
	memcpy(padded, key, key_bytes);
	return mr_load_be64(padded);
}

static int compare_whole(const struct mr_store_wanted *a, const struct mr_store_wanted *b)
{
	int c = memcmp(a->key, b->key, MR_MIN(a->key_bytes, b->key_bytes));

	return c != 0 ? c : (int)a->key_bytes - (int)b->key_bytes;
}

/** What is sorted: bits that tell most keys apart, above a key's index. */
struct order {
	const struct mr_store_wanted *wanted;
	uint64_t index_mask;
};

static mr_always_inline const struct mr_store_wanted *wanted_of(struct order o, uint64_t word)
{
	return &o.wanted[word & o.index_mask];
}

static mr_always_inline bool is_tie(struct order o, uint64_t a, uint64_t b)
{
	return (a ^ b) <= o.index_mask;
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;

	return compare_whole(
		wanted_of(*o, *(const uint64_t *)a), wanted_of(*o, *(const uint64_t *)b));
}

static const uint64_t *sort(struct mr_store_keys *keys, struct order o, unsigned n)
{
	uint64_t *words = mr_sort_u64(keys->sort, keys->merge, n);

	for (unsigned first = 0, end; first < n; first = end) {
		end = first + 1;
		while (end < n && is_tie(o, words[first], words[end]))
			end++;
		if (mr_unlikely(end - first > 1))
			qsort_r(words + first, end - first, sizeof(*words), by_key, &o);
	}
	return words;
}

// Packs the keys. @return how many bytes all of them begin with, in whole words.
static unsigned pack(struct mr_store_keys *keys, const struct mr_store_get *gets, unsigned n)
{
	unsigned common = MR_STORE_KEY_MAX_BYTES;
	uint8_t *at = keys->bytes;

	for (unsigned i = 0; i < n; i++) {
		uint32_t bytes =
			mr_store_put_key(at, gets[i].space, gets[i].key, gets[i].key_bytes);

		keys->wanted[i] = (struct mr_store_wanted){at, bytes};
		common = common_bytes(keys->bytes, at, MR_MIN(common, bytes));
		at += bytes;
	}
	return common;
}

// What all begin with tells them not apart, nor do the bits that are alike in what follows.
static struct order make_words(struct mr_store_keys *keys, unsigned n, unsigned common)
{
	unsigned index_bits = n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 1;
	struct order o = {keys->wanted, (UINT64_C(1) << index_bits) - 1};
	uint64_t differ = 0;
	unsigned alike;

	for (unsigned i = 0; i < n; i++) {
		const struct mr_store_wanted *w = &keys->wanted[i];

		keys->sort[i] = first8_of(w->key + common, w->key_bytes - common);
		differ |= keys->sort[i] ^ keys->sort[0];
	}
	alike = differ != 0 ? (unsigned)__builtin_clzll(differ) : 63;
	for (unsigned i = 0; i < n; i++)
		keys->sort[i] = (keys->sort[i] << alike & ~o.index_mask) | i;
	return o;
}

void mr_store_keys_set(struct mr_store_keys *keys, const struct mr_store_get *gets, unsigned n)
{
	struct order o = make_words(keys, n, pack(keys, gets, n));
	const uint64_t *words = sort(keys, o, n);

	keys->n = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct mr_store_wanted *w = wanted_of(o, words[i]);
		unsigned index = (unsigned)(words[i] & o.index_mask);

		if (i == 0 || !is_tie(o, words[i - 1], words[i]) ||
			compare_whole(wanted_of(o, words[i - 1]), w) != 0) {
			keys->key[keys->n] =
				(struct mr_store_slice){(const char *)w->key, w->key_bytes};
			keys->fast[keys->n] = gets[index].fast;
			keys->n++;
		}
		keys->slot[index] = keys->n - 1;
	}
}
