// SPDX-License-Identifier: BSD-3-Clause
//
// Who goes, and how memory for new rows comes about.
//
// Plain LRU-K: rows within their correlated reference period go last; of the others, strangers
// first, by their last access, then by backward K-distance. Otherwise the period in which a row is
// left alone is the window, which adapts (mr_cache_adapt.c), rows within it go by their last
// access, and the distance of a known row is the larger of two: from its K-th last access to its
// last, and from its last until now. A row's rhythm is not held against it before it is late.
//
// A hand walks over the buckets, a few for each eviction, and keeps the worst rows that it met in
// a small pool; the worst of the pool goes. In one turn of the hand, during which a few per cent
// of the rows are evicted, every row was looked at, so that the victim is always among the worst
// few per cent. The hand walks for several evictions at once: rows are then ranked in a loop with
// next to nothing else in it. Small caches are looked through whole each time, which is exact
// LRU-K.
#include "mr_cache_worth.h"

#define HAND_BUCKETS 8u        // an eviction
#define HAND_BATCH_MAX 16u     // evictions that the hand walks for at once
#define HAND_BATCH_BUCKETS 64u // as many of the cache's buckets ask for one more
#define MET_MAX 32u
#define POOL_ENOUGH 32u // of so many only worse rows are worth keeping
#define VICTIMS_AHEAD 3u
#define EVICT_TRIES 64u
#define ALLOC_EVICTIONS_MAX 1024u
#define RELOCATE_TRIES 64u

// So that ranks of rows from before the first tick are positive.
#define RANK_EPOCH (UINT64_C(1) << 20)
#define RANK_PROTECTED (UINT64_C(1) << 63)
#define RANK_KNOWN (UINT64_C(1) << 62)

static unsigned unlog(unsigned code)
{
	return code < 16 ? code : ((code & 15) | 16) << ((code >> 4) - 1);
}

/** What the order of eviction depends on, besides stamps. */
struct order {
	unsigned k, window_ticks;
	bool plain;
	uint64_t now_ticks;
};

static struct order order_of(const struct mr_cache *cache, uint64_t now_ticks)
{
	// why relaxed: a period that is about to change a little.
	return (struct order){cache->k,
		atomic_load_explicit(&cache->window_ticks, memory_order_relaxed), cache->plain,
		now_ticks};
}

// From the K-th last access to the last; the row is no stranger.
static mr_always_inline unsigned spread_of(unsigned k, uint32_t stamp)
{
	if (mr_likely(k == 2))
		return stamp & 0xffff;
	return k == 1 ? 0 : unlog(stamp >> 8 & 0xff) + unlog(stamp & 0xff);
}

static mr_always_inline uint32_t score_of(struct order o, uint32_t stamp)
{
	unsigned age = mr_cache_stamp_age(stamp, o.now_ticks), spread = spread_of(o.k, stamp);
	uint32_t score = o.plain ? age + spread : MR_MAX(age, spread);

	// why without branches: nobody can tell what the next row is.
	score = mr_cache_is_stranger(o.k, stamp) ? MR_CACHE_SCORE_STRANGER | age : score;
	if (o.plain)
		return age > o.window_ticks ? score | MR_CACHE_SCORE_ELIGIBLE : score;
	return age > o.window_ticks ? score | MR_CACHE_SCORE_ELIGIBLE : age;
}

uint32_t mr_cache_score(const struct mr_cache *cache, uint32_t stamp, uint64_t now_ticks)
{
	return score_of(order_of(cache, now_ticks), stamp);
}

unsigned mr_cache_rank_class(
	const struct mr_cache *cache, uint32_t stamp, uint64_t now_ticks, unsigned *ret_distance)
{
	uint32_t score = mr_cache_score(cache, stamp, now_ticks);

	*ret_distance = score & ~(MR_CACHE_SCORE_ELIGIBLE | MR_CACHE_SCORE_STRANGER);
	return ((score & MR_CACHE_SCORE_ELIGIBLE) != 0 ? 2 : 0) +
	       ((score & MR_CACHE_SCORE_STRANGER) != 0 ? 1 : 0);
}

static mr_always_inline uint32_t aged_stamp(
	struct mr_cache_bucket *b, unsigned way, uint64_t now_ticks)
{
	// why relaxed: as readers' stamps; one that gets lost here is one access.
	uint32_t stamp = atomic_load_explicit(&b->stamp[way], memory_order_relaxed);
	int16_t age = (int16_t)(uint16_t)(now_ticks - (stamp >> 16));

	if (mr_unlikely(age > (int)MR_CACHE_AGE_MAX || age < -MR_CACHE_CLOCK_SKEW_TICKS)) {
		stamp = (uint32_t)(uint16_t)(now_ticks - MR_CACHE_AGE_MAX) << 16 | (stamp & 0xffff);
		atomic_store_explicit(&b->stamp[way], stamp, memory_order_relaxed);
	}
	return stamp;
}

void mr_cache_age_way(struct mr_cache_bucket *b, unsigned way, uint64_t now_ticks)
{
	aged_stamp(b, way, now_ticks);
}

// ---- choosing ----------------------------------------------------------------------------------

/**
 * Order of eviction as a number, the smaller the worse: strangers by their last access, then by
 * distance, then all that are left alone. With time it stays as it is, or, for a distance that
 * does not depend on time, grows.
 */
static mr_always_inline uint64_t rank_of(struct order o, uint32_t stamp)
{
	uint32_t score = score_of(o, stamp);
	uint64_t rank = o.now_ticks + RANK_EPOCH -
	                (score & ~(MR_CACHE_SCORE_ELIGIBLE | MR_CACHE_SCORE_STRANGER));

	if ((score & MR_CACHE_SCORE_STRANGER) == 0)
		rank |= RANK_KNOWN;
	if ((score & MR_CACHE_SCORE_ELIGIBLE) == 0)
		rank |= RANK_PROTECTED;
	return rank;
}

static mr_always_inline bool candidate_at(struct mr_cache *cache, struct order o, uint64_t bucket,
	unsigned way, struct mr_cache_candidate *ret_c)
{
	struct mr_cache_bucket *b = &cache->buckets[bucket];
	// why relaxed: evict() looks again when it holds the bucket.
	uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
	uint32_t stamp;

	if (loc == 0)
		return false;
	stamp = aged_stamp(b, way, o.now_ticks);
	*ret_c = (struct mr_cache_candidate){rank_of(o, stamp), (uint32_t)bucket, way, loc, stamp};
	return true;
}

// A row of the class in need goes first if it is nearly as bad: the same kind, and a distance
// within a tenth.
static bool nearly(const struct mr_cache_candidate *c, const struct mr_cache_candidate *worst,
	uint64_t now_ticks)
{
	uint64_t kind = RANK_KNOWN | RANK_PROTECTED, now = now_ticks + RANK_EPOCH;

	return (c->rank & kind) == (worst->rank & kind) &&
	       (now - (c->rank & ~kind)) * 10 >= (now - (worst->rank & ~kind)) * 9;
}

static bool pick_exact(struct mr_cache_op *op, uint32_t class, struct mr_cache_candidate *ret_c)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_candidate c, best = {.rank = UINT64_MAX}, mine = {.rank = UINT64_MAX};
	struct order o = order_of(cache, op->now_ticks);

	for (uint64_t b = 0; b < cache->n_buckets; b++) {
		for (unsigned way = 0; way < MR_CACHE_WAYS; way++) {
			if (!candidate_at(cache, o, b, way, &c))
				continue;
			if (c.rank < best.rank)
				best = c;
			if (class != MR_CACHE_NO_PREFERENCE && c.rank < mine.rank &&
				mr_cache_loc_class(cache, c.loc) == class)
				mine = c;
		}
	}
	if (best.rank == UINT64_MAX)
		return false;
	*ret_c = mine.rank != UINT64_MAX && nearly(&mine, &best, op->now_ticks) ? mine : best;
	return true;
}

static void pool_remove(struct mr_cache *cache, unsigned at)
{
	cache->n_pool--;
	memmove(&cache->pool[at], &cache->pool[at + 1],
		(cache->n_pool - at) * sizeof(*cache->pool));
}

// Into a list that is sorted, the worst row last.
static void insert_sorted(
	struct mr_cache_candidate *list, unsigned n, const struct mr_cache_candidate *c)
{
	unsigned at;

	for (at = n; at > 0 && list[at - 1].rank < c->rank; at--)
		list[at] = list[at - 1];
	list[at] = *c;
}

/** Rows that the hand has met just now, and that may be worse than some of the pool. */
struct met {
	struct order o;
	uint64_t limit; // only smaller ranks are worth keeping
	unsigned n;
	struct mr_cache_candidate c[MET_MAX];
};

static uint64_t limit_of(const struct mr_cache *cache)
{
	return cache->n_pool >= POOL_ENOUGH ? cache->pool[0].rank : UINT64_MAX;
}

// A rank in the upper bits, and where it comes from: as ranks are, none equal to another.
static int32_t word_of(const struct met *met, unsigned i)
{
	uint64_t rank = met->c[i].rank, kind = rank >> 62, farthest = (1 << 24) - 1;
	uint64_t distance = met->o.now_ticks + RANK_EPOCH - (rank & (RANK_KNOWN - 1));

	return (int32_t)((kind << 24 | (farthest - MR_MIN(distance, farthest))) * MET_MAX + i);
}

// The worst last: each goes where there are as many better ones. why: no branch, and side by side.
static void sort_met(struct met *met)
{
	struct mr_cache_candidate sorted[MET_MAX];
	int32_t words[MET_MAX];

	for (unsigned i = 0; i < MET_MAX; i++)
		words[i] = i < met->n ? word_of(met, i) : -1;
	for (unsigned i = 0; i < met->n; i++) {
		int32_t at = 0;

		for (unsigned k = 0; k < MET_MAX; k++)
			at += words[k] > words[i];
		sorted[at] = met->c[i];
	}
	memcpy(met->c, sorted, met->n * sizeof(sorted[0]));
}

// The worst of both lists become the pool.
static void pool_merge(struct mr_cache *cache, struct met *met)
{
	unsigned a = cache->n_pool, b = met->n, n = MR_MIN(a + b, MR_CACHE_POOL);
	struct mr_cache_candidate other[MR_CACHE_POOL], *pool = cache->pool;

	sort_met(met);
	// The worst come first: where all have room, none is overwritten before its turn.
	if (a + b > MR_CACHE_POOL)
		pool = memcpy(other, pool, a * sizeof(*pool));
	for (unsigned at = n; at > 0 && (b > 0 || pool == other);) {
		bool from_pool = b == 0 || (a > 0 && pool[a - 1].rank <= met->c[b - 1].rank);

		cache->pool[--at] = *(from_pool ? &pool[a - 1] : &met->c[b - 1]);
		a -= from_pool;
		b -= !from_pool;
	}
	cache->n_pool = n;
	met->n = 0;
	met->limit = limit_of(cache);
}

// why not inline: few buckets come here, and what the others need stays in registers.
static mr_noinline void meet(
	struct mr_cache *cache, struct met *met, uint64_t bucket, unsigned ways)
{
	for (; ways != 0; ways &= ways - 1) {
		struct mr_cache_candidate c;

		if (!candidate_at(cache, met->o, bucket, (unsigned)__builtin_ctz(ways), &c) ||
			c.rank >= met->limit)
			continue;
		met->c[met->n++] = c;
		if (met->n == MET_MAX)
			pool_merge(cache, met);
	}
}

// The score that a row must exceed for a rank below the limit.
static struct mr_cache_bar bar_of(const struct met *met)
{
	uint64_t kind = RANK_KNOWN | RANK_PROTECTED, limit = met->limit;
	int64_t distance = (int64_t)(met->o.now_ticks + RANK_EPOCH - (limit & ~kind));
	int32_t score = -1;

	if (limit != UINT64_MAX)
		score = (int32_t)MR_MAX(MR_MIN(distance, INT64_C(0x10000)), INT64_C(-1));
	if (limit != UINT64_MAX && score >= 0)
		score |= ((limit & RANK_KNOWN) == 0 ? MR_CACHE_LANE_STRANGER : 0) |
		         ((limit & RANK_PROTECTED) == 0 ? MR_CACHE_LANE_ELIGIBLE : 0);
	return (struct mr_cache_bar){
		(uint32_t)met->o.now_ticks << 16, (int32_t)met->o.window_ticks, score};
}

static mr_always_inline void walk_by(
	struct mr_cache *cache, struct met *met, unsigned n, mr_cache_ways_fn ways_of)
{
	bool plain = cache->plain || cache->k != 2;
	struct mr_cache_bar bar = bar_of(met);
	unsigned ways = (1u << MR_CACHE_WAYS) - 1;
	uint64_t limit = met->limit;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = cache->hand;

		cache->hand = at + 1 == cache->n_buckets ? 0 : at + 1;
		mr_prefetch(
			&cache->buckets[MR_MIN(cache->hand + HAND_BUCKETS, cache->n_buckets - 1)]);
		if (!plain)
			ways = ways_of(&cache->buckets[at], &bar);
		if (mr_likely(ways == 0))
			continue;
		meet(cache, met, at, ways);
		if (met->limit != limit) {
			limit = met->limit;
			bar = bar_of(met);
		}
	}
}

#ifdef __x86_64__
MR_CACHE_AVX2 static void walk_wide(struct mr_cache *cache, struct met *met, unsigned n)
{
	walk_by(cache, met, n, mr_cache_ways_worth_wide);
}
#endif

static void walk(struct mr_cache *cache, struct met *met, unsigned n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		walk_wide(cache, met, n);
		return;
	}
#endif
	walk_by(cache, met, n, mr_cache_ways_worth);
}

// Forgets the rows of @p n buckets from the hand on: it is about to meet them again.
static void pool_forget(struct mr_cache *cache, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cache->n_pool; i++) {
		uint64_t at = cache->pool[i].bucket;
		uint64_t ahead =
			at >= cache->hand ? at - cache->hand : at + cache->n_buckets - cache->hand;

		if (ahead >= n)
			cache->pool[kept++] = cache->pool[i];
	}
	cache->n_pool = kept;
}

static void sweep(struct mr_cache_op *op, unsigned n)
{
	struct mr_cache *cache = op->cache;
	struct met met = {.o = order_of(cache, op->now_ticks)};

	pool_forget(cache, n);
	met.n = 0;
	met.limit = limit_of(cache);
	walk(cache, &met, n);
	pool_merge(cache, &met);
}

// Walks for some evictions, and on until there is a row at all.
static void refill(struct mr_cache_op *op)
{
	struct mr_cache *cache = op->cache;
	unsigned batch = (unsigned)MR_MIN(
		1 + cache->n_buckets / HAND_BATCH_BUCKETS, (uint64_t)HAND_BATCH_MAX);
	unsigned n = (unsigned)MR_MIN(HAND_BUCKETS * (uint64_t)batch, cache->n_buckets);

	cache->hand_credit = batch;
	for (uint64_t seen = 0; seen < cache->n_buckets; seen += n) {
		sweep(op, n);
		if (cache->n_pool > 0)
			return;
	}
}

// Accessed, or away, since the hand met it.
static bool gone(const struct mr_cache *cache, const struct mr_cache_candidate *c)
{
	const struct mr_cache_bucket *b = &cache->buckets[c->bucket];

	return atomic_load_explicit(&b->loc[c->way], memory_order_relaxed) != c->loc ||
	       atomic_load_explicit(&b->stamp[c->way], memory_order_relaxed) != c->stamp;
}

// Makes the last of the pool the worst of it as of now: ranks may have grown.
static void pool_settle(struct mr_cache *cache, uint64_t now_ticks)
{
	struct order o = order_of(cache, now_ticks);

	while (cache->n_pool > 0) {
		struct mr_cache_candidate c = cache->pool[--cache->n_pool];
		uint64_t rank = rank_of(o, c.stamp);

		if (gone(cache, &c))
			continue;
		// Whatever is ranked as of now is not ranked again.
		if (rank <= c.rank || cache->n_pool == 0 ||
			rank <= cache->pool[cache->n_pool - 1].rank) {
			cache->n_pool++;
			return;
		}
		c.rank = rank;
		insert_sorted(cache->pool, cache->n_pool++, &c);
	}
}

// Takes the worst row, or one of the class in need that is nearly as bad.
static bool pool_take(struct mr_cache_op *op, uint32_t class, struct mr_cache_candidate *ret_c)
{
	struct mr_cache *cache = op->cache;
	unsigned at;

	pool_settle(cache, op->now_ticks);
	if (cache->n_pool == 0)
		return false;
	at = cache->n_pool - 1;
	for (unsigned i = at; class != MR_CACHE_NO_PREFERENCE; i--) {
		if (!nearly(&cache->pool[i], &cache->pool[cache->n_pool - 1], op->now_ticks))
			break;
		if (mr_cache_loc_class(cache, cache->pool[i].loc) == class) {
			at = i;
			break;
		}
		if (i == 0)
			break;
	}
	*ret_c = cache->pool[at];
	pool_remove(cache, at);
	return true;
}

// The bucket and the row of one of the next to go are cold, and all of the row's memory, where
// another one is going to be written. Those before it were asked for when it was their turn.
static void ask_for_next(const struct mr_cache *cache)
{
	const struct mr_cache_candidate *next;

	if (cache->n_pool < VICTIMS_AHEAD)
		return;
	next = &cache->pool[cache->n_pool - VICTIMS_AHEAD];
	mr_prefetch(&cache->buckets[next->bucket]);
	mr_cache_prefetch_lines(mr_cache_head(cache, next->loc), mr_cache_lines(cache, next->loc));
}

static bool pick_by_hand(struct mr_cache_op *op, uint32_t class, struct mr_cache_candidate *ret_c)
{
	struct mr_cache *cache = op->cache;
	bool found;

	mr_cache_spin_lock(&cache->hand_lock);
	if (cache->hand_credit == 0)
		refill(op);
	cache->hand_credit--;
	found = pool_take(op, class, ret_c);
	if (!found) {
		// All that the pool had was accessed since.
		refill(op);
		found = pool_take(op, class, ret_c);
	}
	ask_for_next(cache);
	mr_cache_spin_unlock(&cache->hand_lock);
	return found;
}

// ---- evicting ----------------------------------------------------------------------------------

struct mr_cache_row mr_cache_row_at(const struct mr_cache *cache, uint32_t loc)
{
	const struct mr_cache_row_head *head = mr_cache_head(cache, loc);
	// why relaxed: the caller owns the row.
	uint64_t what = atomic_load_explicit(&head->what, memory_order_relaxed);
	struct mr_cache_row row = {
		.space = (mr_space_t)what,
		.key = head + 1,
		.key_bytes = mr_cache_what_key_bytes(what),
		.row_bytes = mr_cache_what_row_bytes(what),
		.deleted = (what & MR_CACHE_WHAT_DELETED) != 0,
		.event_time_us = atomic_load_explicit(&head->event_time_us, memory_order_relaxed),
	};

	row.row = (const uint8_t *)row.key + mr_cache_key_span(row.key_bytes);
	row.hash = mr_hash_row(mr_hash_key(row.key, row.key_bytes), row.space);
	return row;
}

// To whoever evicts for want of just such a slot it is handed over as it is: there was no other one
// free, and a lock and two turns of its page's lists are spared.
static void leave_slot(struct mr_cache_op *op, uint32_t loc)
{
	if (op->slot != 0 || op->want != mr_cache_loc_class(op->cache, loc) + 1) {
		mr_cache_free_slot(op->cache, loc);
		return;
	}
	mr_cache_mark_free(op->cache, loc);
	op->slot = loc;
}

static bool is_for_room(enum mr_cache_evict_reason reason)
{
	return reason == MR_CACHE_EVICT_CAPACITY || reason == MR_CACHE_EVICT_BUCKET ||
	       reason == MR_CACHE_EVICT_REBALANCE;
}

void mr_cache_op_end(struct mr_cache_op *op)
{
	if (op->rows_left != 0)
		mr_cache_uncount(&op->cache->rows, op->rows_left);
	if (op->live_bytes != 0)
		mr_cache_count(&op->cache->live_bytes, (uint64_t)op->live_bytes);
	op->rows_left = 0;
	op->live_bytes = 0;
}

void mr_cache_release_row(
	struct mr_cache_op *op, uint32_t loc, uint32_t stamp, enum mr_cache_evict_reason reason)
{
	struct mr_cache *cache = op->cache;
	struct mr_cache_row row = mr_cache_row_at(cache, loc);

	// Cold: asked for now, and wanted last.
	if (reason != MR_CACHE_EVICT_VERSION)
		mr_cache_history_prefetch(cache, row.hash);
	op->live_bytes -= mr_cache_span(row.key_bytes, row.row_bytes);
	leave_slot(op, loc);
	if (is_for_room(reason))
		mr_cache_adapt_evicted(cache, stamp, reason, op->now_ticks);
	else
		mr_cache_count(&cache->evictions[reason], 1);
	op->rows_left++;
	if (reason != MR_CACHE_EVICT_VERSION)
		mr_cache_history_add(cache, row.hash, stamp, op->now_ticks);
}

bool mr_cache_hold_way(struct mr_cache *cache, uint64_t bucket, unsigned way, uint64_t *ret_home)
{
	uint64_t home = mr_cache_home(cache, bucket, way);

	if (!mr_cache_trylock(cache, home))
		return false;
	if (home != bucket && !mr_cache_trylock(cache, bucket)) {
		mr_cache_unlock_unchanged(cache, home);
		return false;
	}
	*ret_home = home;
	if (mr_cache_home(cache, bucket, way) == home)
		return true;
	if (home != bucket)
		mr_cache_unlock_unchanged(cache, bucket);
	mr_cache_unlock_unchanged(cache, home);
	return false;
}

void mr_cache_unhold_way(struct mr_cache_op *op, uint64_t bucket, uint64_t home, bool changed)
{
	if (!changed) {
		if (home != bucket)
			mr_cache_unlock_unchanged(op->cache, bucket);
		mr_cache_unlock_unchanged(op->cache, home);
		return;
	}
	if (home != bucket)
		mr_cache_unlock(op, bucket);
	mr_cache_unlock(op, home);
}

// The candidate was seen without a lock: evicts it if it is still as it was.
static bool evict(struct mr_cache_op *op, const struct mr_cache_candidate *c)
{
	uint64_t home;
	bool same;

	if (!mr_cache_hold_way(op->cache, c->bucket, c->way, &home))
		return false;
	same = !gone(op->cache, c);
	if (same)
		mr_cache_remove(op->cache, c->bucket, c->way);
	mr_cache_unhold_way(op, c->bucket, home, same);
	if (same)
		mr_cache_release_row(op, c->loc, c->stamp, MR_CACHE_EVICT_CAPACITY);
	return same;
}

bool mr_cache_evict_one(struct mr_cache_op *op, uint32_t class)
{
	bool exact = op->cache->n_buckets <= MR_CACHE_EXACT_BUCKETS;

	for (unsigned i = 0; i < EVICT_TRIES; i++) {
		struct mr_cache_candidate c;

		if (exact ? !pick_exact(op, class, &c) : !pick_by_hand(op, class, &c))
			return false;
		if (evict(op, &c))
			return true;
	}
	return false;
}

bool mr_cache_reserve_free(struct mr_cache *cache)
{
	uint64_t rows = atomic_load_explicit(&cache->rows, memory_order_relaxed);

	while (rows < cache->max_rows)
		// why relaxed: a count, nothing hangs on it.
		if (atomic_compare_exchange_weak_explicit(&cache->rows, &rows, rows + 1,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

bool mr_cache_reserve_row(struct mr_cache_op *op)
{
	for (unsigned failed = 0; failed < EVICT_TRIES;) {
		if (op->rows_left > 0) {
			op->rows_left--;
			return true;
		}
		if (mr_cache_reserve_free(op->cache))
			return true;
		if (!mr_cache_evict_one(op, MR_CACHE_NO_PREFERENCE)) {
			failed++;
			mr_cache_back_off();
		}
	}
	return false;
}

// ---- moving pages between classes --------------------------------------------------------------

// Moves a row to another slot of its class, or evicts it. Slots that are free, or that a writer is
// still filling, are passed over.
static void relocate(struct mr_cache_op *op, uint32_t loc)
{
	struct mr_cache *cache = op->cache;
	const struct mr_cache_row_head *head = mr_cache_head(cache, loc);
	uint64_t what = atomic_load_explicit(&head->what, memory_order_relaxed), home;
	uint8_t key[MR_CACHE_KEY_MAX_BYTES + 1];
	struct mr_cache_row row = {
		.space = (mr_space_t)what, .key = key, .key_bytes = mr_cache_what_key_bytes(what)};
	unsigned class = mr_cache_loc_class(cache, loc);
	struct mr_cache_place place;
	struct mr_cache_bucket *b;
	uint32_t to, stamp;
	int ret = -1;

	if (row.key_bytes == 0)
		return;
	mr_cache_copy(key, head + 1, row.key_bytes);
	row.hash = mr_hash_row(mr_hash_key(key, row.key_bytes), row.space);
	home = mr_cache_primary(cache, row.hash);
	for (unsigned i = 0; i < RELOCATE_TRIES; i++) {
		mr_cache_lock(cache, home);
		ret = mr_cache_locate(cache, &row, &place);
		if (ret == 0)
			break;
		mr_cache_unlock_unchanged(cache, home);
		mr_cache_back_off();
	}
	if (ret != 0)
		return;
	b = &cache->buckets[place.bucket];
	if (atomic_load_explicit(&b->loc[place.way], memory_order_relaxed) != loc) {
		if (place.bucket != home)
			mr_cache_unlock_unchanged(cache, place.bucket);
		mr_cache_unlock_unchanged(cache, home);
		return;
	}
	stamp = atomic_load_explicit(&b->stamp[place.way], memory_order_relaxed);
	to = mr_cache_take_slot(cache, class);
	if (to != 0) {
		mr_cache_copy_row(cache, to, loc);
		atomic_store_explicit(&b->loc[place.way], to, memory_order_relaxed);
	} else {
		mr_cache_remove(cache, place.bucket, place.way);
	}
	if (place.bucket != home)
		mr_cache_unlock(op, place.bucket);
	mr_cache_unlock(op, home);
	if (to != 0)
		mr_cache_free_slot(cache, loc);
	else
		mr_cache_release_row(op, loc, stamp, MR_CACHE_EVICT_REBALANCE);
}

static bool rebalance(struct mr_cache_op *op, unsigned needy, bool forced)
{
	struct mr_cache *cache = op->cache;
	uint32_t number;
	unsigned n_carved;
	bool given = false;

	if (!mr_cache_spin_trylock(&cache->rebalance_lock))
		return false;
	number = mr_cache_drain_begin(cache, needy, forced);
	if (number != 0) {
		// No slot of a draining page is handed out, so this number stays.
		n_carved = cache->pages[number - 1].n_carved;
		for (unsigned slot = 0; slot < n_carved; slot++)
			relocate(op, mr_cache_slot_loc(cache, number - 1, slot));
		given = mr_cache_drain_end(cache, number, needy);
	}
	mr_cache_spin_unlock(&cache->rebalance_lock);
	return given;
}

static bool evict_for_slot(struct mr_cache_op *op, unsigned class, uint32_t *ret_loc)
{
	bool any;

	op->want = class + 1;
	any = mr_cache_evict_one(op, class);
	*ret_loc = op->slot;
	op->want = op->slot = 0;
	return any;
}

uint32_t mr_cache_alloc(struct mr_cache_op *op, unsigned class)
{
	bool any = true;

	for (unsigned n = 0;; n++) {
		uint32_t loc = mr_cache_take_slot(op->cache, class);

		if (loc != 0)
			return loc;
		if (n > 0 && rebalance(op, class, false))
			continue;
		if (any && n < ALLOC_EVICTIONS_MAX) {
			any = evict_for_slot(op, class, &loc);
			if (loc != 0)
				return loc;
			continue;
		}
		if (n > 2 * ALLOC_EVICTIONS_MAX)
			return 0;
		if (!rebalance(op, class, true))
			mr_cache_back_off();
		any = true;
	}
}
