// SPDX-License-Identifier: BSD-3-Clause
#include "mr_probe.h"

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

static void add_key(
	struct mr_probe *probe, const struct mr_view *view, const uint8_t *key, unsigned key_bytes)
{
	uint64_t key_hash = mr_hash_key(key, key_bytes);
	bool bad = is_bad_key(view, key, key_bytes);

	for (unsigned p = 0; p < view->n_parts; p++) {
		const struct mr_view_part *part = &view->parts[p];
		struct mr_lookup *lookup = &probe->lookups[probe->n];

		lookup->key = key;
		lookup->key_bytes = (uint8_t)key_bytes;
		lookup->part = part;
		lookup->space = mr_space(part->schema->id, part->schema->version);
		lookup->outcome = bad ? MR_OUTCOME_BAD_KEY : MR_OUTCOME_MISS;
		probe->hashes[probe->n++] = mr_hash_row(key_hash, lookup->space);
	}
}

void mr_probe_add(struct mr_probe *probe, const struct mr_wire_request *req,
	const struct mr_view *view, const uint8_t *keys)
{
	for (unsigned i = 0; i < req->key_count; i++) {
		unsigned key_bytes = req->key_bytes != 0 ? req->key_bytes : req->key_lens[i];

		add_key(probe, view, keys, key_bytes);
		keys += key_bytes;
	}
}

// Which of n lookups the filter cannot rule out; without a filter, all of them.
static uint64_t filter_test(const struct mr_bloom *bloom, const uint64_t *hashes, unsigned n)
{
	return bloom != NULL ? mr_bloom_test_bulk(bloom, hashes, n) : UINT64_MAX;
}

static void find_chunk(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	const struct mr_bloom *bloom, uint64_t now_ticks)
{
	uint64_t absent_hashes[PROBE_CHUNK], maybe;
	uint16_t absent[PROBE_CHUNK];
	unsigned n_absent = 0;

	for (unsigned i = first; i < end; i++) {
		struct mr_lookup *lookup = &probe->lookups[i];

		if (lookup->outcome == MR_OUTCOME_BAD_KEY)
			continue;
		if (mr_cache_find_inline(node->cache, probe->hashes[i], lookup->space, lookup->key,
			    lookup->key_bytes, now_ticks, &lookup->ref)) {
			lookup->outcome = MR_OUTCOME_HIT;
			continue;
		}
		absent[n_absent] = (uint16_t)i;
		absent_hashes[n_absent++] = probe->hashes[i];
	}
	// The filter is asked only for what the cache does not have: hits save its line.
	if (n_absent == 0)
		return;
	if (bloom != NULL)
		mr_bloom_prefetch_bulk(bloom, absent_hashes, n_absent);
	maybe = filter_test(bloom, absent_hashes, n_absent);
	for (unsigned i = 0; i < n_absent; i++)
		if (!(maybe >> i & 1))
			probe->lookups[absent[i]].outcome = MR_OUTCOME_NEGATIVE;
}

// Asks for the buckets of lookups [first, first + PROBE_CHUNK) or up to end.
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

		prefetch_buckets(probe, next, end, node->cache);
		mr_cache_prefetch_row_bulk_inline(node->cache, &probe->hashes[first], next - first);
		find_chunk(probe, first, next, node, bloom, now_ticks);
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
