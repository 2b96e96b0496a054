// SPDX-License-Identifier: BSD-3-Clause
//
// The buckets, as writers change them. A guest is a row in its second bucket.
#include "mr_cache_priv.h"

#include <errno.h>

static uint64_t tags_of(const struct mr_cache_bucket *b)
{
	// why relaxed, here and below: the bucket is held, or the answer is only a hint.
	return atomic_load_explicit(&b->tags, memory_order_relaxed);
}

static void set_tags(struct mr_cache_bucket *b, uint64_t tags)
{
	atomic_store_explicit(&b->tags, tags, memory_order_relaxed);
}

uint64_t mr_cache_home(const struct mr_cache *cache, uint64_t bucket, unsigned way)
{
	uint64_t tags = tags_of(&cache->buckets[bucket]);

	if (!mr_cache_is_guest(tags, way))
		return bucket;
	return mr_cache_alt(cache, bucket, mr_cache_way_tag(tags, way));
}

// Two-bit counters: one that reaches 3 stays there until no row is moved at all.
static void moved_add(struct mr_cache_bucket *b, unsigned tag)
{
	uint32_t moved = atomic_load_explicit(&b->moved, memory_order_relaxed);

	if ((moved >> (2 * (tag & 15)) & 3) < 3)
		atomic_store_explicit(
			&b->moved, moved + (1u << (2 * (tag & 15))), memory_order_relaxed);
	set_tags(b, tags_of(b) + (UINT64_C(1) << 48));
}

static void moved_remove(struct mr_cache_bucket *b, unsigned tag)
{
	uint32_t moved = atomic_load_explicit(&b->moved, memory_order_relaxed);

	set_tags(b, tags_of(b) - (UINT64_C(1) << 48));
	if (mr_cache_moved_count(tags_of(b)) == 0)
		moved = 0;
	else if ((moved >> (2 * (tag & 15)) & 3) < 3)
		moved -= 1u << (2 * (tag & 15));
	atomic_store_explicit(&b->moved, moved, memory_order_relaxed);
}

static void set_way(struct mr_cache_bucket *b, unsigned way, unsigned tag, bool guest, uint32_t loc,
	uint32_t stamp)
{
	uint64_t tags = tags_of(b);

	tags &= ~(UINT64_C(0xff) << (8 * way) | UINT64_C(1) << (56 + way));
	tags |= (uint64_t)tag << (8 * way) | (uint64_t)guest << (56 + way);
	set_tags(b, tags);
	atomic_store_explicit(&b->loc[way], loc, memory_order_relaxed);
	atomic_store_explicit(&b->stamp[way], stamp, memory_order_relaxed);
}

static int free_way(const struct mr_cache_bucket *b)
{
	uint64_t empty = mr_cache_match(tags_of(b), 0);

	return empty == 0 ? -1 : __builtin_ctzll(empty) >> 3;
}

uint32_t mr_cache_remove(struct mr_cache *cache, uint64_t bucket, unsigned way)
{
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
	uint64_t tags = tags_of(b);

	if (mr_cache_is_guest(tags, way))
		moved_remove(&cache->buckets[mr_cache_home(cache, bucket, way)],
			mr_cache_way_tag(tags, way));
	set_way(b, way, 0, false, 0, 0);
	return loc;
}

int mr_cache_locate(
	struct mr_cache *cache, const struct mr_cache_row *row, struct mr_cache_place *ret_place)
{
	uint64_t primary = mr_cache_primary(cache, row->hash);
	struct mr_cache_bucket *b = &cache->buckets[primary];
	uint64_t want = mr_cache_want(row->space, row->key_bytes), second;
	unsigned tag = mr_cache_tag(row->hash);
	struct mr_cache_ref ref;
	int way = mr_cache_probe(cache, b, want, row->key, row->key_bytes, tag, &ref);

	if (way >= 0) {
		*ret_place = (struct mr_cache_place){primary, (unsigned)way};
		return 0;
	}
	second = mr_cache_alt(cache, primary, tag);
	if (second == primary ||
		!mr_cache_maybe_moved(atomic_load_explicit(&b->moved, memory_order_relaxed), tag))
		return -ENOENT;
	if (!mr_cache_trylock(cache, second))
		return -EAGAIN;
	way = mr_cache_probe(
		cache, &cache->buckets[second], want, row->key, row->key_bytes, tag, &ref);
	if (way >= 0) {
		*ret_place = (struct mr_cache_place){second, (unsigned)way};
		return 0;
	}
	mr_cache_unlock_unchanged(cache, second);
	return -ENOENT;
}

// Moves a row to its other bucket, both held, the other with a free way.
static void move_way(struct mr_cache *cache, uint64_t from, unsigned way, uint64_t to)
{
	struct mr_cache_bucket *f = &cache->buckets[from], *t = &cache->buckets[to];
	uint64_t tags = tags_of(f);
	unsigned tag = mr_cache_way_tag(tags, way);
	bool guest = mr_cache_is_guest(tags, way);

	set_way(t, (unsigned)free_way(t), tag, !guest,
		atomic_load_explicit(&f->loc[way], memory_order_relaxed),
		atomic_load_explicit(&f->stamp[way], memory_order_relaxed));
	set_way(f, way, 0, false, 0, 0);
	if (guest)
		moved_remove(t, tag);
	else
		moved_add(f, tag);
}

// Whether a row in a held bucket may be moved: not while its space is being dropped, because it
// could go from a bucket that the drop has yet to see to one that it has seen. Both buckets are
// held: a drop that has seen the other one was announced before that, and what it did then happened
// before this looks.
static bool may_move(const struct mr_cache *cache, const struct mr_cache_bucket *b, unsigned way)
{
	// why relaxed: the other bucket's lock, taken after the drop let go of it, orders it.
	uint64_t dropping = atomic_load_explicit(&cache->dropping, memory_order_relaxed);
	uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);

	return dropping == 0 ||
	       (mr_space_t)atomic_load_explicit(
		       &mr_cache_head(cache, loc)->what, memory_order_relaxed) != dropping - 1;
}

/**
 * Frees a way of a full bucket by moving one of its rows to that row's other bucket.
 *
 * @param guests
 *   Which rows to move: guests, who go home, or the others.
 * @param not_to
 *   A bucket that is held as well, and full.
 * @return the way, or -1
 */
static int make_way(struct mr_cache_op *op, uint64_t bucket, bool guests, uint64_t not_to)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	uint64_t tags = tags_of(b), other[MR_CACHE_WAYS];

	for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
		other[way] = mr_cache_alt(cache, bucket, mr_cache_way_tag(tags, way));
		if (mr_cache_is_guest(tags, way) == guests)
			mr_prefetch(&cache->buckets[other[way]]);
	}
	for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
		if (mr_cache_is_guest(tags, way) != guests || other[way] == bucket ||
			other[way] == not_to || free_way(&cache->buckets[other[way]]) < 0 ||
			!mr_cache_trylock(cache, other[way]))
			continue;
		if (free_way(&cache->buckets[other[way]]) >= 0 && may_move(cache, b, way)) {
			move_way(cache, bucket, way, other[way]);
			mr_cache_unlock(op, other[way]);
			return (int)way;
		}
		mr_cache_unlock_unchanged(cache, other[way]);
	}
	return -1;
}

// Both buckets held and full, and no row can move: one has to go.
static int evict_in_set(struct mr_cache_op *op, uint64_t second, struct mr_cache_place *ret_place)
{
	struct mr_cache *cache = op->cache;
	uint64_t set[2] = {op->primary, second};
	bool tried[2 * MR_CACHE_WAYS] = {false};

	for (unsigned n = 0; n < 2 * MR_CACHE_WAYS; n++) {
		uint32_t worst = 0, stamp = 0, loc;
		int victim = -1;
		uint64_t bucket, home;

		for (unsigned i = 0; i < (second == op->primary ? 1 : 2) * MR_CACHE_WAYS; i++) {
			uint32_t s = atomic_load_explicit(
				&cache->buckets[set[i / MR_CACHE_WAYS]].stamp[i % MR_CACHE_WAYS],
				memory_order_relaxed);
			uint32_t score = mr_cache_score(cache, s, op->now_ticks) + 1;

			if (!tried[i] && score > worst) {
				worst = score;
				stamp = s;
				victim = (int)i;
			}
		}
		if (victim < 0)
			return -EAGAIN;
		tried[victim] = true;
		bucket = set[(unsigned)victim / MR_CACHE_WAYS];
		home = mr_cache_home(cache, bucket, (unsigned)victim % MR_CACHE_WAYS);
		if (home != op->primary && home != second && !mr_cache_trylock(cache, home))
			continue;
		loc = mr_cache_remove(cache, bucket, (unsigned)victim % MR_CACHE_WAYS);
		if (home != op->primary && home != second)
			mr_cache_unlock(op, home);
		mr_cache_release_row(op, loc, stamp, MR_CACHE_EVICT_BUCKET);
		*ret_place = (struct mr_cache_place){bucket, (unsigned)victim % MR_CACHE_WAYS};
		return 0;
	}
	return -EAGAIN;
}

// Finds a way for a key whose second bucket, if it is another, is held too.
static int find_way(struct mr_cache_op *op, uint64_t second, struct mr_cache_place *ret_place)
{
	struct mr_cache *cache = op->cache;
	int way = -1;

	if (second != op->primary) {
		*ret_place = (struct mr_cache_place){second, 0};
		way = free_way(&cache->buckets[second]);
		if (way < 0)
			way = make_way(op, second, true, op->primary);
	}
	if (way < 0) {
		*ret_place = (struct mr_cache_place){op->primary, 0};
		way = make_way(op, op->primary, false, second);
	}
	if (way < 0 && second != op->primary) {
		*ret_place = (struct mr_cache_place){second, 0};
		way = make_way(op, second, false, op->primary);
	}
	if (way < 0)
		return evict_in_set(op, second, ret_place);
	ret_place->way = (unsigned)way;
	return 0;
}

int mr_cache_insert(struct mr_cache_op *op, unsigned tag, uint32_t loc, uint32_t stamp)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_bucket *b = &cache->buckets[op->primary];
	uint64_t second = mr_cache_alt(cache, op->primary, tag);
	struct mr_cache_place place;
	int way = free_way(b), ret;

	if (way < 0)
		way = make_way(op, op->primary, true, op->primary);
	if (way >= 0) {
		set_way(b, (unsigned)way, tag, false, loc, stamp);
		return 0;
	}
	if (second != op->primary && !mr_cache_trylock(cache, second))
		return -EAGAIN;
	ret = find_way(op, second, &place);
	if (ret == 0) {
		bool guest = place.bucket != op->primary;

		set_way(&cache->buckets[place.bucket], place.way, tag, guest, loc, stamp);
		if (guest)
			moved_add(b, tag);
	}
	if (second != op->primary)
		mr_cache_unlock(op, second);
	return ret;
}
