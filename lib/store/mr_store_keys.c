// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_keys.h"

#include <errno.h>
#include <stdlib.h>

int mr_store_keys_init(struct mr_store_keys *keys, unsigned n_max)
{
	*keys = (struct mr_store_keys){
		.n_max = n_max,
		.key = calloc(n_max, sizeof(*keys->key)),
		.key_bytes = calloc(n_max, sizeof(*keys->key_bytes)),
		.fast = calloc(n_max, sizeof(*keys->fast)),
		.slot = calloc(n_max, sizeof(*keys->slot)),
		.bytes = malloc((size_t)n_max * MR_STORE_KEY_MAX_BYTES),
		.wanted = calloc(n_max, sizeof(*keys->wanted)),
		.merge = calloc(n_max, sizeof(*keys->merge)),
	};
	if (keys->key == NULL || keys->key_bytes == NULL || keys->fast == NULL ||
		keys->slot == NULL || keys->bytes == NULL || keys->wanted == NULL ||
		keys->merge == NULL)
		return -ENOMEM;
	return 0;
}

void mr_store_keys_free(struct mr_store_keys *keys)
{
	free(keys->key);
	free(keys->key_bytes);
	free(keys->fast);
	free(keys->slot);
	free(keys->bytes);
	free(keys->wanted);
	free(keys->merge);
}

static uint64_t first8_of(const uint8_t *key, uint32_t key_bytes)
{
	uint8_t padded[8] = {0};

	memcpy(padded, key, MR_MIN(key_bytes, 8u));
	return mr_load_be64(padded);
}

// Bytes that two keys begin with alike, of the first @p n; only whole words count.
static unsigned common_bytes(const uint8_t *a, const uint8_t *b, unsigned n)
{
	unsigned at = 0;

	while (at + 8 <= n && memcmp(a + at, b + at, 8) == 0)
		at += 8;
	return at;
}

static mr_always_inline int compare(
	const struct mr_store_wanted *a, const struct mr_store_wanted *b)
{
	int c;

	if (a->first8 != b->first8)
		return a->first8 < b->first8 ? -1 : 1;
	c = memcmp(a->key, b->key, MR_MIN(a->key_bytes, b->key_bytes));
	return c != 0 ? c : (int)a->key_bytes - (int)b->key_bytes;
}

static void insertion_sort(struct mr_store_wanted *w, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct mr_store_wanted it = w[i];
		unsigned at = i;

		for (; at > 0 && compare(&it, &w[at - 1]) < 0; at--)
			w[at] = w[at - 1];
		w[at] = it;
	}
}

static void merge_runs(
	struct mr_store_wanted *to, const struct mr_store_wanted *from, unsigned mid, unsigned n)
{
	unsigned a = 0, b = mid;

	// why no branch on who is first: nobody can tell in advance.
	while (a < mid && b < n) {
		unsigned second = from[b].first8 < from[a].first8;

		if (mr_unlikely(from[b].first8 == from[a].first8))
			second = compare(&from[b], &from[a]) < 0;
		*to++ = from[a + second * (b - a)];
		a += 1 - second;
		b += second;
	}
	memcpy(to, from + a, (mid - a) * sizeof(*to));
	memcpy(to + (mid - a), from + b, (n - b) * sizeof(*to));
}

// Merge sort in memory of our own: qsort() would take some from the heap.
static const struct mr_store_wanted *sort(struct mr_store_keys *keys, unsigned n)
{
	enum { RUN = 4 };
	struct mr_store_wanted *from = keys->wanted, *to = keys->merge;

	for (unsigned i = 0; i < n; i += RUN)
		insertion_sort(from + i, MR_MIN((unsigned)RUN, n - i));
	for (unsigned run = RUN; run < n; run *= 2) {
		struct mr_store_wanted *swap = from;

		for (unsigned i = 0; i < n; i += 2 * run)
			merge_runs(to + i, from + i, MR_MIN(run, n - i), MR_MIN(2 * run, n - i));
		from = to;
		to = swap;
	}
	return from;
}

void mr_store_keys_set(struct mr_store_keys *keys, const struct mr_store_get *gets, unsigned n)
{
	const struct mr_store_wanted *w;
	uint8_t *at = keys->bytes;
	unsigned common = MR_STORE_KEY_MAX_BYTES;

	for (unsigned i = 0; i < n; i++) {
		uint32_t bytes =
			mr_store_put_key(at, gets[i].space, gets[i].key, gets[i].key_bytes);

		keys->wanted[i] = (struct mr_store_wanted){
			.key = at, .key_bytes = (uint16_t)bytes, .index = i};
		common = common_bytes(keys->bytes, at, MR_MIN(common, bytes));
		at += bytes;
	}
	// What all begin with tells them not apart.
	for (unsigned i = 0; i < n; i++)
		keys->wanted[i].first8 =
			first8_of(keys->wanted[i].key + common, keys->wanted[i].key_bytes - common);
	w = sort(keys, n);
	keys->n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || compare(&w[i - 1], &w[i]) != 0) {
			keys->key[keys->n] = (const char *)w[i].key;
			keys->key_bytes[keys->n] = w[i].key_bytes;
			keys->fast[keys->n] = gets[w[i].index].fast;
			keys->n++;
		}
		keys->slot[w[i].index] = keys->n - 1;
	}
}
