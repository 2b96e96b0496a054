// SPDX-License-Identifier: BSD-3-Clause
#include "mr_probe.h"

#include "mr_bloom_inline.h"
#include "mr_cache_inline.h"
#include "mr_key.h"

// Lookups in flight between two prefetch steps: 16 hide uniform misses, skewed keys want 32.
#define PROBE_CHUNK 32u

// Whether these bytes can be no key of the view's sets, which are all keyed alike.
static bool is_bad_key(const struct mr_view *view, const uint8_t *key, unsigned key_bytes)
{
	const struct mr_schema *schema = view->parts[0].schema;

	if (mr_likely(view->key_fixed_bytes != 0))
		return view->key_fixed_bytes != key_bytes;
	// A single string can be anything.
	return schema->n_key_parts > 1 && !mr_key_check(schema, key, key_bytes);
}

static mr_always_inline void add_lookup(struct mr_probe *probe, const struct mr_view_part *part,
	const uint8_t *key, unsigned key_bytes, uint64_t key_hash, bool bad)
{
	struct mr_lookup *lookup = &probe->lookups[probe->n];

	lookup->key = key;
	lookup->key_bytes = (uint8_t)key_bytes;
	lookup->part = part;
	lookup->space = mr_space(part->schema->id, part->schema->version);
	lookup->outcome = bad ? MR_OUTCOME_BAD_KEY : MR_OUTCOME_MISS;
	probe->hashes[probe->n++] = mr_hash_row(key_hash, lookup->space);
}

static mr_noinline void add_keys(struct mr_probe *probe, const struct mr_wire_request *req,
	const struct mr_view *view, const uint8_t *keys)
{
	for (unsigned i = 0; i < req->key_count; i++) {
		unsigned key_bytes = req->key_bytes != 0 ? req->key_bytes : req->key_lens[i];
		uint64_t key_hash = mr_hash_key(keys, key_bytes);
		bool bad = is_bad_key(view, keys, key_bytes);

		for (unsigned p = 0; p < view->n_parts; p++)
			add_lookup(probe, &view->parts[p], keys, key_bytes, key_hash, bad);
		keys += key_bytes;
	}
}

void mr_probe_add(struct mr_probe *probe, const struct mr_wire_request *req,
	const struct mr_view *view, const uint8_t *keys)
{
	// One key of one set is what most requests ask for.
	if (mr_likely(req->key_count == 1 && view->n_parts == 1 && req->key_bytes == 8 &&
		      view->key_fixed_bytes == 8))
		add_lookup(probe, &view->parts[0], keys, 8, mr_hash_key(keys, 8), false);
	else
		add_keys(probe, req, view, keys);
}

// Which of n lookups the filter cannot rule out; without a filter, all of them.
static uint64_t filter_test(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	return bloom != NULL ? mr_bloom_test_bulk(bloom, hashes, n) : UINT64_MAX;
}

// Asks for the rows of lookups [first, end), or, where one has none here, for its line of the
// filter.
static mr_always_inline void prefetch_rows(const struct mr_probe *probe, unsigned first,
	unsigned end, const struct mr_cache *cache, const struct mr_bloom *bloom)
{
	uint64_t second = 0;

	for (unsigned i = first; i < end; i++) {
		enum mr_cache_promise promise =
			mr_cache_prefetch_row_inline(cache, probe->hashes[i]);

		second |= (uint64_t)(promise == MR_CACHE_SECOND) << (i - first);
		if (promise == MR_CACHE_ABSENT && bloom != NULL)
			mr_prefetch(mr_bloom_line(bloom, probe->hashes[i]));
	}
	for (; second != 0; second &= second - 1)
		mr_cache_prefetch_second_inline(
			cache, probe->hashes[first + (unsigned)__builtin_ctzll(second)]);
}

// Looks lookups [first, end) up in the cache. @return bit i: lookup first + i is not there.
static mr_always_inline uint64_t find_chunk(struct mr_probe *probe, unsigned first, unsigned end,
	struct mr_node *node, uint64_t now_ticks)
{
	uint64_t absent = 0;

	for (unsigned i = first; i < end; i++) {
		struct mr_lookup *lookup = &probe->lookups[i];

		if (mr_unlikely(lookup->outcome == MR_OUTCOME_BAD_KEY))
			continue;
		if (mr_cache_find_inline(node->cache, probe->hashes[i], lookup->space, lookup->key,
			    lookup->key_bytes, now_ticks, &lookup->ref))
			lookup->outcome = MR_OUTCOME_HIT;
		else
			absent |= UINT64_C(1) << (i - first);
	}
	return absent;
}

// The filter is asked only for what the cache does not have: hits save its line.
static void filter_chunk(
	struct mr_probe *probe, unsigned first, uint64_t absent, const struct mr_bloom *bloom)
{
	uint64_t hashes[PROBE_CHUNK] = {0}, maybe;
	uint8_t at[PROBE_CHUNK];
	unsigned n = 0;

	for (; absent != 0; absent &= absent - 1) {
		at[n] = (uint8_t)__builtin_ctzll(absent);
		hashes[n] = probe->hashes[first + at[n]];
		n++;
	}
	maybe = filter_test(bloom, hashes, n);
	for (unsigned i = 0; i < n; i++)
		if (!(maybe >> i & 1))
			probe->lookups[first + at[i]].outcome = MR_OUTCOME_NEGATIVE;
}

// Asks for the buckets of lookups [first, first + PROBE_CHUNK) or up to end. Here and not as each
// key is hashed: a prefetch whose translation is not at hand holds up what follows it, and only
// next to others of its kind it holds up nothing else.
static mr_always_inline void prefetch_buckets(
	const struct mr_probe *probe, unsigned first, unsigned end, const struct mr_cache *cache)
{
	end = MR_MIN(end, first + PROBE_CHUNK);
	for (unsigned i = first; i < end; i++)
		mr_cache_prefetch_inline(cache, probe->hashes[i]);
}

void mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks)
{
	const struct mr_bloom *bloom = mr_node_bloom(node);

	prefetch_buckets(probe, first, end, node->cache);
	for (; first < end; first += PROBE_CHUNK) {
		unsigned next = MR_MIN(first + PROBE_CHUNK, end);
		uint64_t absent;

		prefetch_buckets(probe, next, end, node->cache);
		prefetch_rows(probe, first, next, node->cache, bloom);
		absent = find_chunk(probe, first, next, node, now_ticks);
		if (absent != 0)
			filter_chunk(probe, first, absent, bloom);
	}
}

bool mr_probe_again(struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks)
{
	struct mr_lookup *lookup = &probe->lookups[i];

	if (!mr_cache_find(node->cache, probe->hashes[i], lookup->space, lookup->key,
		    lookup->key_bytes, now_ticks, &lookup->ref))
		lookup->outcome = MR_OUTCOME_MISS;
	return lookup->outcome == MR_OUTCOME_HIT;
}
