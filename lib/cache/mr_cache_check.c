// SPDX-License-Identifier: BSD-3-Clause
//
// Every invariant of a cache at rest, checked by walking all of it.
#include "mr_cache_priv.h"
#include "mr_err.h"

#include <errno.h>
#include <inttypes.h>

/** What the walk over the buckets adds up. */
struct sums {
	uint64_t rows, live_bytes, slot_bytes, guests, moved;
};

static _Atomic uint64_t *what_at(const struct mr_cache *cache, uint32_t loc)
{
	return &mr_cache_head_rw(cache, loc)->what;
}

static int check_row(struct mr_cache *cache, uint64_t bucket, unsigned way, struct sums *sums,
	struct mr_err *err)
{
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	uint64_t tags = atomic_load(&b->tags), home = mr_cache_home(cache, bucket, way);
	uint32_t loc = atomic_load(&b->loc[way]);
	uint64_t page = (loc - 1) >> cache->page_units_shift;
	struct mr_cache_row row;
	struct mr_cache_bucket *found = NULL;
	struct mr_cache_ref ref;
	unsigned span, class;

	if (page >= cache->n_pages)
		return mr_fail(
			err, EUCLEAN, "bucket %" PRIu64 ": loc %u out of memory", bucket, loc);
	if ((atomic_load(what_at(cache, loc)) & MR_CACHE_WHAT_MARK) != 0)
		return mr_fail(
			err, EUCLEAN, "bucket %" PRIu64 ": loc %u is used twice", bucket, loc);
	row = mr_cache_row_at(cache, loc);
	span = mr_cache_span(row.key_bytes, row.row_bytes);
	class = mr_cache_loc_class(cache, loc);
	if (row.key_bytes == 0 || mr_cache_class_for(cache, span) != class ||
		((uint64_t)(loc - 1 - (page << cache->page_units_shift)) << cache->unit_shift) %
				cache->class_bytes[class] !=
			0)
		return mr_fail(err, EUCLEAN, "bucket %" PRIu64 ": loc %u is no slot of a row",
			bucket, loc);
	if (mr_cache_primary(cache, row.hash) != home ||
		mr_cache_tag(row.hash) != mr_cache_way_tag(tags, way))
		return mr_fail(err, EUCLEAN, "bucket %" PRIu64 " way %u: not this row's place",
			bucket, way);
	if (mr_cache_look(cache, row.hash, row.space, row.key, row.key_bytes, &ref, &found) !=
			(int)way ||
		found != b)
		return mr_fail(err, EUCLEAN,
			"bucket %" PRIu64 " way %u: its key does not lead here", bucket, way);
	atomic_fetch_or(what_at(cache, loc), MR_CACHE_WHAT_MARK);
	sums->rows++;
	sums->live_bytes += span;
	sums->slot_bytes += cache->class_bytes[class];
	return 0;
}

static int check_moved(struct mr_cache *cache, uint64_t bucket, struct mr_err *err)
{
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	unsigned claimed = mr_cache_moved_count(atomic_load(&b->tags)), n = 0;

	if (claimed == 0 && atomic_load(&b->moved) != 0)
		return mr_fail(
			err, EUCLEAN, "bucket %" PRIu64 ": filter without moved rows", bucket);
	for (unsigned tag = 1; claimed != 0 && tag < 256; tag++) {
		uint64_t other = mr_cache_alt(cache, bucket, tag);
		uint64_t tags = atomic_load(&cache->buckets[other].tags);
		unsigned mine = 0;

		for (unsigned way = 0; way < MR_CACHE_WAYS && other != bucket; way++)
			mine += mr_cache_is_guest(tags, way) && mr_cache_way_tag(tags, way) == tag;
		n += mine;
		if (mine > 0 && !mr_cache_maybe_moved(atomic_load(&b->moved), tag))
			return mr_fail(
				err, EUCLEAN, "bucket %" PRIu64 ": filter misses a row", bucket);
	}
	if (n != claimed)
		return mr_fail(err, EUCLEAN, "bucket %" PRIu64 ": %u rows moved, %u counted",
			bucket, n, claimed);
	return 0;
}

static int check_bucket(
	struct mr_cache *cache, uint64_t bucket, struct sums *sums, struct mr_err *err)
{
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	uint64_t tags = atomic_load(&b->tags);
	int ret;

	if ((atomic_load(&b->version) & 1) != 0)
		return mr_fail(err, EUCLEAN, "bucket %" PRIu64 " is locked", bucket);
	for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
		bool used = atomic_load(&b->loc[way]) != 0;

		if (used != (mr_cache_way_tag(tags, way) != 0) ||
			(!used && mr_cache_is_guest(tags, way)))
			return mr_fail(
				err, EUCLEAN, "bucket %" PRIu64 " way %u: half empty", bucket, way);
		sums->guests += mr_cache_is_guest(tags, way);
		ret = used ? check_row(cache, bucket, way, sums, err) : 0;
		if (ret != 0)
			return ret;
	}
	sums->moved += mr_cache_moved_count(tags);
	return check_moved(cache, bucket, err);
}

// Slots that hold a row but that no bucket refers to are lost memory.
static int check_page(
	struct mr_cache *cache, uint64_t number, uint64_t *free_slots, struct mr_err *err)
{
	struct mr_cache_page *page = &cache->pages[number];
	unsigned live = 0;

	if (page->group == MR_CACHE_PAGE_FREE)
		return 0;
	if (page->group == MR_CACHE_PAGE_DRAINING)
		return mr_fail(err, EUCLEAN, "page %" PRIu64 " is draining", number);
	for (unsigned slot = 0; slot < page->n_carved; slot++) {
		uint64_t what = atomic_load(what_at(cache, mr_cache_slot_loc(cache, number, slot)));

		live += (what & MR_CACHE_WHAT_MARK) != 0;
		if ((what & MR_CACHE_WHAT_MARK) == 0 && mr_cache_what_key_bytes(what) != 0)
			return mr_fail(
				err, EUCLEAN, "page %" PRIu64 " slot %u: a lost row", number, slot);
	}
	if (live != page->n_live)
		return mr_fail(err, EUCLEAN, "page %" PRIu64 ": %u rows, %u counted", number, live,
			page->n_live);
	free_slots[page->class] += cache->class_slots[page->class] - live;
	return 0;
}

static int check_sums(const struct mr_cache *cache, const struct sums *sums, struct mr_err *err)
{
	const struct {
		const char *name;
		uint64_t want, have;
	} same[] = {
		{"rows", sums->rows, atomic_load(&cache->rows)},
		{"live bytes", sums->live_bytes, atomic_load(&cache->live_bytes)},
		{"slot bytes", sums->slot_bytes, atomic_load(&cache->slot_bytes)},
		{"moved rows", sums->guests, sums->moved},
	};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(same); i++) {
		if (same[i].want != same[i].have)
			return mr_fail(err, EUCLEAN, "%s: %" PRIu64 " found, %" PRIu64 " counted",
				same[i].name, same[i].want, same[i].have);
	}
	if (sums->rows > cache->max_rows)
		return mr_fail(err, EUCLEAN, "%" PRIu64 " rows, max_rows is %" PRIu64, sums->rows,
			cache->max_rows);
	return 0;
}

static void clear_marks(struct mr_cache *cache)
{
	for (uint64_t b = 0; b < cache->n_buckets; b++) {
		for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
			uint32_t loc = atomic_load(&cache->buckets[b].loc[way]);

			if (loc != 0 && (loc - 1) >> cache->page_units_shift < cache->n_pages)
				atomic_fetch_and(what_at(cache, loc), ~MR_CACHE_WHAT_MARK);
		}
	}
}

int mr_cache_check(struct mr_cache *cache, struct mr_err *err)
{
	uint64_t free_slots[MR_CACHE_CLASSES] = {0};
	struct sums sums = {0};
	int ret = 0;

	for (uint64_t b = 0; b < cache->n_buckets && ret == 0; b++)
		ret = check_bucket(cache, b, &sums, err);
	for (uint64_t p = 0; p < cache->n_pages_used && ret == 0; p++)
		ret = check_page(cache, p, free_slots, err);
	for (unsigned c = 0; c < cache->n_classes && ret == 0; c++) {
		if (free_slots[c] != cache->free_slots[c])
			ret = mr_fail(err, EUCLEAN,
				"class %u: %" PRIu64 " free, %" PRIu64 " counted", c, free_slots[c],
				cache->free_slots[c]);
	}
	if (ret == 0)
		ret = check_sums(cache, &sums, err);
	clear_marks(cache);
	return ret;
}
