// SPDX-License-Identifier: BSD-3-Clause
#include "mr_probe.h"

#include "mr_bloom_inline.h"
#include "mr_key.h"

// Lookups in flight between two prefetch steps: a whole burst, so that its latency is waited for
// once.
#define PROBE_CHUNK 64u

// Lookups after which what is asked first may change.
#define LEAD_MAX 256

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

static mr_always_inline uint64_t first_n(unsigned n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

// Asks for what lookups [first, end), at most PROBE_CHUNK of them, read first: a line of the filter
// or of the cache's index. Here and not as each key is hashed: a prefetch whose translation is not
// at hand holds up what follows it, and only next to others of its kind it holds up nothing else.
static mr_always_inline void prefetch_first(const struct mr_probe *probe, unsigned first,
	unsigned end, const struct mr_cache *cache, const struct mr_bloom *filter_first)
{
	end = MR_MIN(end, first + PROBE_CHUNK);
	for (unsigned i = first; i < end; i++)
		mr_prefetch(filter_first != NULL ? mr_bloom_line(filter_first, probe->hashes[i])
						 : mr_cache_bucket_line(cache, probe->hashes[i]));
}

// Asks for the rows of lookups first + i, bit i of `which`, or, where one has none here and `bloom`
// is given, for its line of the filter.
//
// why located first and asked for after that: a prefetch whose translation is not at hand stays in
// the reorder buffer until it has been walked. With little between one and the next many walks
// overlap there; with the work of locating between them few do.
static mr_always_inline void prefetch_rows(struct mr_probe *probe, unsigned first, uint64_t which,
	const struct mr_cache *cache, const struct mr_bloom *bloom)
{
	const struct mr_cache_asked *located[PROBE_CHUNK];
	unsigned n_located = 0;
	uint64_t second = 0;

	for (; which != 0; which &= which - 1) {
		unsigned i = (unsigned)__builtin_ctzll(which);
		uint64_t hash = probe->hashes[first + i];
		struct mr_cache_asked *asked = &probe->lookups[first + i].asked;
		enum mr_cache_promise promise = mr_cache_locate_inline(cache, hash, asked);

		located[n_located] = asked;
		n_located += promise == MR_CACHE_LOCATED;
		second |= (uint64_t)(promise == MR_CACHE_SECOND) << i;
		if (promise == MR_CACHE_ABSENT && bloom != NULL)
			mr_prefetch(mr_bloom_line(bloom, hash));
	}
	for (unsigned i = 0; i < n_located; i++)
		mr_cache_prefetch_asked_inline(located[i]);
	for (; second != 0; second &= second - 1)
		mr_cache_prefetch_second_inline(
			cache, probe->hashes[first + (unsigned)__builtin_ctzll(second)]);
}

// Looks lookups first + i, bit i of `which`, up in the cache. @return those that are not there.
static mr_always_inline uint64_t find_rows(struct mr_probe *probe, unsigned first, uint64_t which,
	struct mr_node *node, uint64_t now_ticks)
{
	uint64_t absent = 0;

	for (; which != 0; which &= which - 1) {
		unsigned i = (unsigned)__builtin_ctzll(which);
		struct mr_lookup *lookup = &probe->lookups[first + i];

		if (mr_unlikely(lookup->outcome == MR_OUTCOME_BAD_KEY))
			continue;
		if (mr_cache_find_asked_inline(node->cache, probe->hashes[first + i], lookup->space,
			    lookup->key, lookup->key_bytes, now_ticks, lookup->asked, &lookup->ref))
			lookup->outcome = MR_OUTCOME_HIT;
		else
			absent |= UINT64_C(1) << i;
	}
	return absent;
}

// Marks what the filter rules out among lookups first + i, bit i of `which`. @return the others.
static mr_always_inline uint64_t filter_rows(
	struct mr_probe *probe, unsigned first, uint64_t which, const struct mr_bloom *bloom)
{
	uint64_t hashes[PROBE_CHUNK] = {0}, maybe, left = 0;
	uint8_t at[PROBE_CHUNK];
	unsigned n = 0;

	for (; which != 0; which &= which - 1) {
		at[n] = (uint8_t)__builtin_ctzll(which);
		hashes[n] = probe->hashes[first + at[n]];
		n++;
	}
	maybe = mr_bloom_test_bulk(bloom, hashes, n);
	for (unsigned i = 0; i < n; i++) {
		struct mr_lookup *lookup = &probe->lookups[first + at[i]];

		if (maybe >> i & 1)
			left |= UINT64_C(1) << at[i];
		else if (mr_likely(lookup->outcome != MR_OUTCOME_BAD_KEY))
			lookup->outcome = MR_OUTCOME_NEGATIVE;
	}
	return left;
}

// Cache, then filter: hits save the filter's line.
static mr_always_inline void run_cache_first(struct mr_probe *probe, unsigned first, unsigned n,
	struct mr_node *node, const struct mr_bloom *bloom, uint64_t now_ticks)
{
	uint64_t absent;

	prefetch_rows(probe, first, first_n(n), node->cache, bloom);
	absent = find_rows(probe, first, first_n(n), node, now_ticks);
	probe->absent_lead += 2 * __builtin_popcountll(absent) - (int)n;
	if (absent != 0 && bloom != NULL)
		filter_rows(probe, first, absent, bloom);
}

// Filter, then cache: what is absent saves the index's line.
static mr_always_inline void run_filter_first(struct mr_probe *probe, unsigned first, unsigned n,
	struct mr_node *node, const struct mr_bloom *bloom, uint64_t now_ticks)
{
	uint64_t maybe = filter_rows(probe, first, first_n(n), bloom), which;

	probe->absent_lead += (int)n - 2 * __builtin_popcountll(maybe);
	for (which = maybe; which != 0; which &= which - 1)
		mr_cache_prefetch_inline(
			node->cache, probe->hashes[first + (unsigned)__builtin_ctzll(which)]);
	prefetch_rows(probe, first, maybe, node->cache, NULL);
	find_rows(probe, first, maybe, node, now_ticks);
}

void mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks)
{
	const struct mr_bloom *bloom = mr_node_bloom(node);
	// Whichever has settled more lookups lately goes first: the other is then seldom read.
	const struct mr_bloom *filter_first = probe->absent_lead > 0 ? bloom : NULL;

	prefetch_first(probe, first, end, node->cache, filter_first);
	for (; first < end; first += PROBE_CHUNK) {
		unsigned n = MR_MIN(end - first, PROBE_CHUNK);

		prefetch_first(probe, first + n, end, node->cache, filter_first);
		if (filter_first != NULL)
			run_filter_first(probe, first, n, node, bloom, now_ticks);
		else
			run_cache_first(probe, first, n, node, bloom, now_ticks);
	}
	probe->absent_lead = MR_MAX(MR_MIN(probe->absent_lead, LEAD_MAX), -LEAD_MAX);
}

bool mr_probe_again(struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks)
{
	struct mr_lookup *lookup = &probe->lookups[i];

	if (!mr_cache_find(node->cache, probe->hashes[i], lookup->space, lookup->key,
		    lookup->key_bytes, now_ticks, &lookup->ref))
		lookup->outcome = MR_OUTCOME_MISS;
	return lookup->outcome == MR_OUTCOME_HIT;
}
