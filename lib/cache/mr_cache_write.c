// SPDX-License-Identifier: BSD-3-Clause
//
// The writers' calls. A row is put in in three steps: make room (nothing held, evicting what must
// go), write the row into a slot that nobody can find, then hold the key's primary bucket just long
// enough to look again and swap. What was made room for in vain is given back.
#include "mr_cache_priv.h"

#include <errno.h>

enum put_mode {
	PUT_FILL,
	PUT_UPDATE,
	PUT_UPDATE_CACHED, //!< only if the key is cached
	PUT_WARM,          //!< only if it is not, and there is free room
};

/** A row on its way in. */
struct put {
	struct mr_cache_op op;
	struct mr_cache_row row;
	enum put_mode mode;
	uint32_t lease;
	unsigned class;
	bool counted; //!< in cache->rows
	bool stamped;
	uint32_t stamp;
	uint32_t loc; //!< its slot, 0: none yet
};

static uint32_t version_of(const struct mr_cache *cache, uint64_t bucket)
{
	// why acquire: what the store is asked afterwards is asked after the version was read.
	return atomic_load_explicit(&cache->buckets[bucket].version, memory_order_acquire);
}

struct mr_cache_lease mr_cache_lease(const struct mr_cache *cache, uint64_t hash)
{
	// A writer may be at it: its end is a change, so an odd version never holds.
	return (struct mr_cache_lease){version_of(cache, mr_cache_primary(cache, hash))};
}

void mr_cache_prefetch_fill(struct mr_cache *cache, uint64_t hash)
{
	mr_cache_prefetch_inline(cache, hash);
	mr_cache_history_prefetch(cache, hash);
}

static bool lease_holds(const struct put *put, uint32_t version)
{
	return (put->mode != PUT_FILL && put->mode != PUT_WARM) ||
	       version == put->lease + put->op.own_bumps;
}

// Looks without a lock at what will probably be met under it. @return 0 or -ENOSPC.
static int make_room(struct put *put)
{
	struct mr_cache *cache = put->op.cache;
	const struct mr_cache_row *row = &put->row;
	struct mr_cache_bucket *b;
	struct mr_cache_ref ref;
	bool cached, in_place;

	cached = mr_cache_look(cache, row->hash, row->space, row->key, row->key_bytes, &ref, &b) >=
	         0;
	in_place = cached &&
	           mr_cache_class_for(cache,
			   mr_cache_span(row->key_bytes,
				   MR_MIN(ref.row_bytes, MR_CACHE_ROW_MAX_BYTES))) == put->class;
	if (cached && put->mode == PUT_WARM)
		return -EEXIST;
	if (in_place || (!cached && put->mode == PUT_UPDATE_CACHED))
		return 0;
	if (put->loc == 0) {
		put->loc = put->mode == PUT_WARM ? mr_cache_take_slot(cache, put->class)
		                                 : mr_cache_alloc(&put->op, put->class);
		if (put->loc == 0)
			return -ENOSPC;
		mr_cache_write_row(cache, put->loc, row);
	}
	// After the slot: a row that went for it leaves its count.
	if (!cached && !put->counted) {
		put->counted = put->mode == PUT_WARM ? mr_cache_reserve_free(cache)
		                                     : mr_cache_reserve_row(&put->op);
		if (!put->counted)
			return -ENOSPC;
	}
	return 0;
}

static uint64_t event_time_at(const struct mr_cache *cache, uint32_t loc)
{
	return atomic_load_explicit(
		&mr_cache_head(cache, loc)->event_time_us, memory_order_relaxed);
}

// The key is cached, in a bucket that is held. Its access history stays as it is.
static int replace(struct put *put, const struct mr_cache_place *place)
{
	struct mr_cache *cache = put->op.cache;
	struct mr_cache_bucket *b = &cache->buckets[place->bucket];
	uint32_t old = atomic_load_explicit(&b->loc[place->way], memory_order_relaxed);
	uint64_t what =
		atomic_load_explicit(&mr_cache_head(cache, old)->what, memory_order_relaxed);
	unsigned span = mr_cache_span(mr_cache_what_key_bytes(what), mr_cache_what_row_bytes(what));

	if (put->mode == PUT_WARM)
		return -EEXIST;
	if (event_time_at(cache, old) > put->row.event_time_us)
		return -ESTALE;
	if (put->loc == 0 && mr_cache_class_for(cache, span) != put->class)
		return -EAGAIN;
	put->op.live_bytes += mr_cache_span(put->row.key_bytes, put->row.row_bytes);
	put->op.live_bytes -= span;
	mr_cache_count(&cache->evictions[MR_CACHE_EVICT_OVERWRITE], 1);
	if (put->loc == 0) {
		mr_cache_write_row(cache, old, &put->row);
		return 0;
	}
	atomic_store_explicit(&b->loc[place->way], put->loc, memory_order_relaxed);
	// What is left over in `loc` is given back at the end.
	put->loc = old;
	return 0;
}

static int put_new(struct put *put)
{
	struct mr_cache *cache = put->op.cache;
	int ret;

	if (put->mode == PUT_UPDATE_CACHED)
		return -ENOENT;
	if (!put->counted || put->loc == 0)
		return -EAGAIN;
	if (!put->stamped)
		put->stamp = mr_cache_history_take(cache, put->row.hash, put->op.now_ticks);
	put->stamped = true;
	ret = mr_cache_insert(&put->op, mr_cache_tag(put->row.hash), put->loc, put->stamp);
	if (ret == 0) {
		put->op.live_bytes += mr_cache_span(put->row.key_bytes, put->row.row_bytes);
		put->counted = false;
		put->loc = 0;
	}
	return ret;
}

// @return 0; -ENOENT: not cached, and not wanted; -ESTALE; -EAGAIN: make room and try again.
static int commit(struct put *put)
{
	struct mr_cache *cache = put->op.cache;
	uint64_t primary = put->op.primary;
	struct mr_cache_place place;
	int ret;

	mr_cache_lock(cache, primary);
	if (!lease_holds(put, version_of(cache, primary) - 1)) {
		mr_cache_unlock_unchanged(cache, primary);
		return -ESTALE;
	}
	ret = mr_cache_locate(cache, &put->row, &place);
	if (ret == 0) {
		ret = replace(put, &place);
		if (place.bucket != primary && ret == 0)
			mr_cache_unlock(&put->op, place.bucket);
		else if (place.bucket != primary)
			mr_cache_unlock_unchanged(cache, place.bucket);
	} else if (ret == -ENOENT) {
		ret = put_new(put);
	}
	if (ret == -EAGAIN || ret == -EEXIST)
		mr_cache_unlock_unchanged(cache, primary);
	else
		mr_cache_unlock(&put->op, primary);
	return ret;
}

static int put_row(struct put *put)
{
	struct mr_cache *cache = put->op.cache;
	unsigned tries = 0;
	int ret;

	put->class =
		mr_cache_class_for(cache, mr_cache_span(put->row.key_bytes, put->row.row_bytes));
	do {
		if (tries++ > 0)
			mr_cache_back_off();
		// Spares the work for a lease that is broken already; commit() asks again.
		ret = lease_holds(put, version_of(cache, put->op.primary) & ~1u) ? make_room(put)
		                                                                 : -ESTALE;
		if (ret == 0)
			ret = commit(put);
	} while (ret == -EAGAIN);
	if (put->loc != 0)
		mr_cache_free_slot(cache, put->loc);
	put->op.rows_left += put->counted;
	return ret;
}

static struct mr_cache_op begin(struct mr_cache *cache, uint64_t hash, uint64_t now_ticks)
{
	// why relaxed: a hint for calls that are not told the time.
	atomic_store_explicit(&cache->now_ticks, now_ticks, memory_order_relaxed);
	return (struct mr_cache_op){
		.cache = cache, .now_ticks = now_ticks, .primary = mr_cache_primary(cache, hash)};
}

static struct put prepare(struct mr_cache *cache, const struct mr_cache_row *row,
	enum put_mode mode, uint64_t now_ticks)
{
	struct put put = {.op = begin(cache, row->hash, now_ticks), .row = *row, .mode = mode};

	if (row->deleted)
		put.row.row_bytes = 0;
	return put;
}

static bool too_big(const struct mr_cache_row *row)
{
	return row->row_bytes > MR_CACHE_ROW_MAX_BYTES || row->key_bytes == 0 ||
	       row->key_bytes > MR_CACHE_KEY_MAX_BYTES;
}

// Holds a key's primary bucket, and the one it is cached in. @return 0 or -ENOENT: it is not.
static int hold(
	struct mr_cache_op *op, const struct mr_cache_row *row, struct mr_cache_place *place)
{
	for (;;) {
		int ret;

		mr_cache_lock(op->cache, op->primary);
		ret = mr_cache_locate(op->cache, row, place);
		if (ret != -EAGAIN)
			return ret;
		mr_cache_unlock_unchanged(op->cache, op->primary);
		mr_cache_back_off();
	}
}

static uint32_t loc_at(const struct mr_cache *cache, const struct mr_cache_place *place)
{
	return atomic_load_explicit(
		&cache->buckets[place->bucket].loc[place->way], memory_order_relaxed);
}

// Removes what is cached of a key that is held, and lets go of both buckets.
static void remove_held(struct mr_cache_op *op, const struct mr_cache_place *place,
	enum mr_cache_evict_reason reason)
{
	const struct mr_cache_bucket *b = &op->cache->buckets[place->bucket];
	uint32_t loc = loc_at(op->cache, place);
	uint32_t stamp = atomic_load_explicit(&b->stamp[place->way], memory_order_relaxed);

	mr_cache_remove(op->cache, place->bucket, place->way);
	if (place->bucket != op->primary)
		mr_cache_unlock(op, place->bucket);
	mr_cache_unlock(op, op->primary);
	mr_cache_release_row(op, loc, stamp, reason);
}

int mr_cache_warm(struct mr_cache *cache, const struct mr_cache_row *row,
	struct mr_cache_lease lease, const struct mr_cache_past *past, uint64_t now_ticks)
{
	struct put put = prepare(cache, row, PUT_WARM, now_ticks);

	int ret;

	if (too_big(&put.row))
		return -E2BIG;
	put.lease = lease.version;
	if (past != NULL) {
		put.stamp = mr_cache_stamp_of(past, now_ticks);
		put.stamped = true;
	}
	ret = put_row(&put);
	mr_cache_op_end(&put.op);
	return ret;
}

// Drops a key unless what is cached is newer than @p limit_us. @return 0, -ENOENT or -ESTALE.
static int drop(struct mr_cache_op *op, const struct mr_cache_row *row, uint64_t limit_us,
	enum mr_cache_evict_reason reason)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_place place;
	int ret = hold(op, row, &place);

	if (ret == 0 && event_time_at(cache, loc_at(cache, &place)) <= limit_us) {
		remove_held(op, &place, reason);
		return 0;
	}
	if (ret == 0 && place.bucket != op->primary)
		mr_cache_unlock(op, place.bucket);
	mr_cache_unlock(op, op->primary);
	return ret == 0 ? -ESTALE : ret;
}

// Whether what is cached is @p row itself or newer.
static bool is_no_older(const struct mr_cache *cache, const struct mr_cache_place *place,
	const struct mr_cache_row *row)
{
	struct mr_cache_row cached = mr_cache_row_at(cache, loc_at(cache, place));

	if (cached.event_time_us != row->event_time_us)
		return cached.event_time_us > row->event_time_us;
	return cached.deleted == row->deleted &&
	       (cached.deleted || (cached.row_bytes == row->row_bytes &&
					  memcmp(cached.row, row->row, row->row_bytes) == 0));
}

// Of a row that a reader has seen and that is not going to be cached: from here on nobody shall
// find an older one. Drops it, and breaks the leases of readers that may have read it; a row that
// is no older has done so when it came.
static void supersede(struct mr_cache_op *op, const struct mr_cache_row *row)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_place place;
	int ret = hold(op, row, &place);

	if (ret != 0) {
		mr_cache_unlock(op, op->primary);
		return;
	}
	if (!is_no_older(cache, &place, row)) {
		remove_held(op, &place, MR_CACHE_EVICT_OVERWRITE);
		return;
	}
	if (place.bucket != op->primary)
		mr_cache_unlock_unchanged(cache, place.bucket);
	mr_cache_unlock_unchanged(cache, op->primary);
}

int mr_cache_fill(struct mr_cache *cache, const struct mr_cache_row *row,
	struct mr_cache_lease lease, uint64_t now_ticks)
{
	struct put put = prepare(cache, row, PUT_FILL, now_ticks);
	int ret;

	if (too_big(&put.row)) {
		mr_cache_count(&cache->fills_too_big, 1);
		ret = -E2BIG;
	} else {
		put.lease = lease.version;
		ret = put_row(&put);
	}
	if (ret == 0)
		mr_cache_count(&cache->fills, 1);
	else if (ret == -ESTALE)
		mr_cache_count(&cache->fills_stale, 1);
	if (ret < 0)
		supersede(&put.op, row);
	mr_cache_op_end(&put.op);
	return ret;
}

int mr_cache_update(
	struct mr_cache *cache, const struct mr_cache_row *row, bool insert, uint64_t now_ticks)
{
	struct put put = prepare(cache, row, insert ? PUT_UPDATE : PUT_UPDATE_CACHED, now_ticks);
	int ret = too_big(&put.row) ? -E2BIG : put_row(&put);

	if (ret == 0)
		mr_cache_count(&cache->updates, 1);
	if (ret == -E2BIG || ret == -ENOSPC) {
		// The older row must not be seen any more.
		if (drop(&put.op, row, row->event_time_us, MR_CACHE_EVICT_OVERWRITE) == -ESTALE)
			ret = -ESTALE;
	}
	mr_cache_op_end(&put.op);
	return ret == -ENOENT ? 0 : ret;
}

bool mr_cache_invalidate(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, enum mr_cache_evict_reason reason)
{
	struct mr_cache_op op =
		begin(cache, hash, atomic_load_explicit(&cache->now_ticks, memory_order_relaxed));
	struct mr_cache_row row = {
		.hash = hash, .space = space, .key = key, .key_bytes = key_bytes};

	bool dropped = drop(&op, &row, UINT64_MAX, reason) == 0;

	mr_cache_op_end(&op);
	return dropped;
}

// ---- walks -------------------------------------------------------------------------------------

/** Which rows a walk drops, and why. */
struct sweep {
	struct mr_cache_op op;
	bool (*goes)(
		const struct sweep *s, mr_space_t space, uint64_t event_time_us, uint32_t stamp);
	enum mr_cache_evict_reason reason;
	mr_space_t space;
	mr_cache_expired_fn expired;
	void *arg;
};

// Exact while the bucket is held, else a hint.
static bool goes(const struct sweep *s, const struct mr_cache_bucket *b, unsigned way)
{
	uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
	const struct mr_cache_row_head *head;

	if (loc == 0)
		return false;
	head = mr_cache_head(s->op.cache, loc);
	return s->goes(s, (mr_space_t)atomic_load_explicit(&head->what, memory_order_relaxed),
		atomic_load_explicit(&head->event_time_us, memory_order_relaxed),
		atomic_load_explicit(&b->stamp[way], memory_order_relaxed));
}

static unsigned ways_to_go(const struct sweep *s, uint64_t bucket)
{
	unsigned ways = 0;

	for (unsigned way = 0; way < MR_CACHE_WAYS; way++)
		ways |= (unsigned)goes(s, &s->op.cache->buckets[bucket], way) << way;
	return ways;
}

static bool drop_way(struct sweep *s, uint64_t bucket, unsigned way)
{
	struct mr_cache *cache = s->op.cache;
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	uint32_t loc, stamp;
	uint64_t home;
	bool same;

	while (!mr_cache_hold_way(cache, bucket, way, &home))
		mr_cache_back_off();
	same = goes(s, b, way);
	loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
	stamp = atomic_load_explicit(&b->stamp[way], memory_order_relaxed);
	if (same)
		mr_cache_remove(cache, bucket, way);
	mr_cache_unhold_way(&s->op, bucket, home, same);
	if (same)
		mr_cache_release_row(&s->op, loc, stamp, s->reason);
	return same;
}

static uint64_t drop_ways(struct sweep *s, uint64_t bucket, unsigned ways)
{
	uint64_t dropped = 0;

	for (; ways != 0; ways &= ways - 1)
		dropped += drop_way(s, bucket, (unsigned)__builtin_ctz(ways));
	mr_cache_op_end(&s->op);
	return dropped;
}

static bool is_of_space(
	const struct sweep *s, mr_space_t space, uint64_t event_time_us, uint32_t stamp)
{
	(void)event_time_us, (void)stamp;
	return space == s->space;
}

// Waits for whoever is at the bucket: a row that was on its way when the drop began is here or
// there now, and whoever comes later knows of the drop.
static unsigned ways_for_certain(const struct sweep *s, uint64_t bucket)
{
	unsigned ways;

	mr_cache_lock(s->op.cache, bucket);
	ways = ways_to_go(s, bucket);
	mr_cache_unlock_unchanged(s->op.cache, bucket);
	return ways;
}

uint64_t mr_cache_drop_space(
	struct mr_cache *cache, mr_space_t space, uint64_t *cursor, uint64_t n_buckets)
{
	struct sweep s = {
		.op = {.cache = cache,
			.primary = UINT64_MAX,
			.now_ticks = atomic_load_explicit(&cache->now_ticks, memory_order_relaxed)},
		.goes = is_of_space,
		.reason = MR_CACHE_EVICT_VERSION,
		.space = space,
	};
	uint64_t dropped = 0;

	// why relaxed: the locks of the buckets, taken from here on, order it.
	atomic_store_explicit(&cache->dropping, (uint64_t)space + 1, memory_order_relaxed);
	for (; n_buckets > 0 && *cursor < cache->n_buckets; n_buckets--, ++*cursor)
		dropped += drop_ways(&s, *cursor, ways_for_certain(&s, *cursor));
	if (*cursor >= cache->n_buckets) {
		*cursor = MR_CACHE_CURSOR_END;
		atomic_store_explicit(&cache->dropping, 0, memory_order_relaxed);
	}
	return dropped;
}

static bool is_expired(
	const struct sweep *s, mr_space_t space, uint64_t event_time_us, uint32_t stamp)
{
	return mr_cache_stamp_age(stamp, s->op.now_ticks) >
	               atomic_load_explicit(&s->op.cache->window_ticks, memory_order_relaxed) &&
	       s->expired(space, event_time_us, s->arg);
}

uint64_t mr_cache_expire(struct mr_cache *cache, uint64_t now_ticks, uint64_t *cursor,
	uint64_t n_buckets, mr_cache_expired_fn expired, void *arg)
{
	struct sweep s = {
		.op = {.cache = cache, .primary = UINT64_MAX, .now_ticks = now_ticks},
		.goes = is_expired,
		.reason = MR_CACHE_EVICT_EXPIRY,
		.expired = expired,
		.arg = arg,
	};
	uint64_t dropped = 0;

	for (n_buckets = MR_MIN(n_buckets, cache->n_buckets); n_buckets > 0; n_buckets--) {
		uint64_t bucket = *cursor < cache->n_buckets ? *cursor : 0;

		dropped += drop_ways(&s, bucket, ways_to_go(&s, bucket));
		*cursor = bucket + 1;
	}
	return dropped;
}

void mr_cache_age(struct mr_cache *cache, uint64_t now_ticks, uint64_t n_buckets)
{
	uint64_t first;

	n_buckets = MR_MIN(n_buckets, cache->n_buckets);
	first = mr_cache_count(&cache->age_cursor, n_buckets);
	for (uint64_t i = 0; i < n_buckets; i++) {
		struct mr_cache_bucket *b = &cache->buckets[(first + i) % cache->n_buckets];

		for (unsigned way = 0; way < MR_CACHE_WAYS; way++)
			mr_cache_age_way(b, way, now_ticks);
	}
	mr_cache_history_age(cache, now_ticks,
		(n_buckets * cache->n_history_sets + cache->n_buckets - 1) / cache->n_buckets);
}
