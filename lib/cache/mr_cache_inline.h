// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Layout of the cache and the readers' path as inline functions, for the RX stages, where a call
 * per key is measurable. Everything else includes mr_cache.h. Fields are private to lib/cache.
 *
 * Index: buckets of one cache line with six ways. A key has two buckets: the primary, from its
 * hash, and a second one computed from primary and tag, in either direction (alt = C(tag) - bucket
 * mod n), for any number of buckets. Rows go to the primary if they can. A filter in the primary
 * tells whether a row with this tag lives in its second bucket, so that most lookups, absent keys
 * included, read one line (after Cuckoo++, Le Scouarnec, ANCS 2018).
 *
 * The version word is a seqlock: odd while a writer holds the bucket. The primary's version stands
 * for all keys of that bucket, wherever they live: whoever writes a key bumps it. A row is read
 * under the version of the bucket that it was found in.
 *
 * A way's stamp holds the tick of the last counted access and the distance back to the K-th:
 * K = 1: t1 << 16; K = 2: t1 << 16 | (t1 - t2); K = 3: t1 << 16 | log(t1 - t2) << 8 | log(t2 - t3).
 * All ones in a distance: there was none.
 */

#include "mr_cache.h"

#include <stdatomic.h>
#include <string.h>

#define MR_CACHE_WAYS 6u
#define MR_CACHE_CLASSES 96u
#define MR_CACHE_GROUPS 4u
#define MR_CACHE_POOL 64u
#define MR_CACHE_HISTORY_LOCKS 64u
#define MR_CACHE_FIND_TRIES 16u
#define MR_CACHE_TAG_BYTES UINT64_C(0x0000ffffffffffff)
#define MR_CACHE_PREFETCH_LINES 8u

#if defined(__SANITIZE_THREAD__)
#define MR_CACHE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MR_CACHE_TSAN 1
#endif
#endif

/** One line of the index. W: who made the version odd; stamps: readers too. R: anyone, relaxed. */
struct mr_cache_bucket {
	_Atomic uint32_t version; //!< seqlock; odd: a writer is at it
	_Atomic uint32_t moved;   //!< 16 counters of 2 bits: rows of mine in their second bucket
	_Atomic uint64_t tags;    //!< bytes 0-5: tags, 0: empty; 6: number moved; 7: guests' mask
	_Atomic uint32_t loc[MR_CACHE_WAYS];   //!< where the row is, in units; 0: empty
	_Atomic uint32_t stamp[MR_CACHE_WAYS]; //!< access history
} mr_cache_aligned;

static_assert(sizeof(struct mr_cache_bucket) == MR_CACHE_LINE_BYTES, "a bucket is a cache line");

/** In front of each row in value memory; the key, padded with zeros to 8 bytes, and the row follow.
 */
struct mr_cache_row_head {
	_Atomic uint64_t event_time_us; //!< in a free slot: the number of the next free one
	_Atomic uint64_t what;          //!< space, row bytes << 32, key bytes << 48, flags << 56
};

static_assert(sizeof(struct mr_cache_row_head) == 16, "row header");

#define MR_CACHE_WHAT_KEY UINT64_C(0x00ff0000ffffffff) //!< the part that a lookup compares
#define MR_CACHE_WHAT_DELETED (UINT64_C(1) << 56)
#define MR_CACHE_WHAT_MARK (UINT64_C(1) << 57) //!< of mr_cache_check()

/** A page of value memory. W, R: under alloc_lock. */
struct mr_cache_page {
	uint32_t prev, next;   //!< in its list; page number + 1, 0: none
	uint16_t n_live;       //!< slots handed out
	uint16_t free_head;    //!< first of the freed slots; slot number + 1, 0: none
	uint16_t n_carved;     //!< slots that were ever handed out
	_Atomic uint8_t class; //!< R: anyone, as a hint
	uint8_t group;         //!< list it is in, by how empty it is, or MR_CACHE_PAGE_*
};

static_assert(sizeof(struct mr_cache_page) == 16, "page");

/** A row that the hand found worth evicting. */
struct mr_cache_candidate {
	uint64_t rank; //!< the smaller, the worse
	uint32_t bucket, way, loc, stamp;
};

struct mr_cache {
	// Read by everyone, written at init (crp_ticks: rarely).
	struct mr_cache_bucket *buckets;
	uint64_t n_buckets;
	const uint8_t *values_less_unit; //!< so that loc counts from 1
	const uint8_t *values_end;
	_Atomic uint8_t *page_lines; //!< by page: lines to prefetch
	uint8_t unit_shift;          //!< of loc
	uint8_t page_units_shift;
	uint8_t k;
	bool plain; //!< as in the parameters
	_Atomic uint16_t crp_ticks;

	// Read by writers, written at init.
	uint8_t *values mr_cache_aligned;
	struct mr_cache_page *pages;
	uint32_t *history; //!< under history_locks
	uint64_t n_history_sets;
	uint64_t n_pages;
	uint64_t max_rows;         //!< of the parameters, or what the index can take
	_Atomic uint64_t dropping; //!< space + 1 whose rows are not moved now; 0: none
	uint64_t expected_rows;
	uint64_t tick_accesses;
	uint64_t budget_bytes, index_bytes, history_bytes;
	double crp_ratio;
	uint32_t page_bytes;
	uint32_t n_classes;
	uint32_t class_bytes[MR_CACHE_CLASSES];
	uint16_t class_slots[MR_CACHE_CLASSES];
	uint8_t class_of[(MR_CACHE_ROW_MAX_BYTES + 512) / 16];

	// Value memory; under alloc_lock.
	_Atomic uint32_t alloc_lock mr_cache_aligned;
	uint32_t free_pages;   //!< list of pages without a class
	uint64_t n_pages_used; //!< pages ever taken
	uint32_t groups[MR_CACHE_CLASSES][MR_CACHE_GROUPS];
	uint64_t free_slots[MR_CACHE_CLASSES];
	uint64_t class_pages[MR_CACHE_CLASSES];
	_Atomic uint64_t slot_bytes;           //!< what rows take up. R: anyone
	_Atomic bool has_pages;                //!< some belong to no class. R: anyone
	_Atomic bool is_dry[MR_CACHE_CLASSES]; //!< no slot is free. R: anyone

	// Choice of victims; under hand_lock.
	_Atomic uint32_t hand_lock mr_cache_aligned;
	uint32_t n_pool;      //!< sorted, the worst last
	uint32_t hand_credit; //!< evictions that the hand has walked for
	uint64_t hand;
	struct mr_cache_candidate pool[MR_CACHE_POOL];

	// The window; under adapt_lock. R: anyone where atomic. [2]: strangers, known.
	_Atomic uint32_t adapt_lock mr_cache_aligned;
	_Atomic uint16_t window_ticks;  //!< rows accessed within it go last
	_Atomic uint16_t soon_ticks[2]; //!< since the last access: back soon after eviction
	uint64_t adapt_evictions;       //!< how often the window is looked at again
	uint64_t adapted_at_ticks;
	double window_turnovers;                      //!< 1: as many evictions as there are rows
	double pace;                                  //!< accesses an eviction, averaged
	double evicted[2], returned[2], age_ticks[2]; //!< averaged
	uint64_t n_evicted[2], n_age_ticks[2];        //!< since then
	_Atomic uint64_t n_returned[2];               //!< W: without the lock
	_Atomic uint64_t evicted_for_room[MR_CACHE_EVICT_COUNT]; //!< by reason
	struct mr_hist age_at_eviction;

	_Atomic uint32_t history_locks[MR_CACHE_HISTORY_LOCKS] mr_cache_aligned;
	_Atomic uint32_t rebalance_lock mr_cache_aligned;
	_Atomic uint64_t age_cursor, age_history_cursor;
	_Atomic uint64_t now_ticks; //!< the last that a writer was told

	// Counters: writers, relaxed.
	_Atomic uint64_t rows mr_cache_aligned; //!< live, and being put in
	_Atomic uint64_t live_bytes;
	_Atomic uint64_t fills, updates, fills_stale, fills_too_big;
	_Atomic uint64_t history_entries, history_hits, history_age_ticks;
	_Atomic uint64_t pages_moved;
	_Atomic uint64_t evictions[MR_CACHE_EVICT_COUNT]; //!< but for evicted_for_room
};

/** Copies what a writer may be changing; whether it was whole, mr_cache_valid() tells. */
static mr_always_inline void mr_cache_copy(void *to, const void *from, size_t n)
{
#ifdef MR_CACHE_TSAN
	// why relaxed words: a seqlock's reads race by design; ThreadSanitizer must see them as
	// atomic.
	const _Atomic uint64_t *src = (const _Atomic uint64_t *)((uintptr_t)from & ~(uintptr_t)7);
	size_t skip = (uintptr_t)from & 7;
	uint8_t *dst = to;

	while (n > 0) {
		uint64_t word = atomic_load_explicit(src++, memory_order_relaxed);
		size_t part = MR_MIN(n, 8 - skip);

		memcpy(dst, (const uint8_t *)&word + skip, part);
		dst += part;
		n -= part;
		skip = 0;
	}
#else
	memcpy(to, from, n);
#endif
}

/** Orders reads of rows before the second read of a version. */
static mr_always_inline void mr_cache_fence_acquire(void)
{
#ifdef MR_CACHE_TSAN
	// why: ThreadSanitizer knows no fences; with it, every access above is an atomic call.
	atomic_signal_fence(memory_order_acquire);
#else
	atomic_thread_fence(memory_order_acquire);
#endif
}

static mr_always_inline uint64_t mr_cache_primary(const struct mr_cache *cache, uint64_t hash)
{
	return (uint64_t)(((unsigned __int128)hash * cache->n_buckets) >> 64);
}

static mr_always_inline unsigned mr_cache_tag(uint64_t hash)
{
	unsigned tag = (unsigned)hash & 0xff;

	return tag != 0 ? tag : 0x80;
}

/** The other bucket of a row with this tag that is in, or belongs to, @p bucket. */
static mr_always_inline uint64_t mr_cache_alt(
	const struct mr_cache *cache, uint64_t bucket, unsigned tag)
{
	uint64_t sum = ((uint64_t)(tag * 0x9e3779b1u) * cache->n_buckets) >> 32;

	return sum >= bucket ? sum - bucket : sum + cache->n_buckets - bucket;
}

/** Marks (0x80) the bytes of @p tags that equal @p tag; exact. */
static mr_always_inline uint64_t mr_cache_match(uint64_t tags, unsigned tag)
{
	const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t x = tags ^ (tag * UINT64_C(0x0101010101010101));

	return ~(((x & low7) + low7) | x | low7) & MR_CACHE_TAG_BYTES;
}

static mr_always_inline bool mr_cache_maybe_moved(uint32_t moved, unsigned tag)
{
	return (moved >> (2 * (tag & 15)) & 3) != 0;
}

static mr_always_inline const struct mr_cache_row_head *mr_cache_head(
	const struct mr_cache *cache, uint32_t loc)
{
	return (const struct mr_cache_row_head *)(const void *)(cache->values_less_unit +
								((uint64_t)loc
									<< cache->unit_shift));
}

static mr_always_inline unsigned mr_cache_key_span(unsigned key_bytes)
{
	return (key_bytes + 7) & ~7u;
}

static mr_always_inline bool mr_cache_key_equals(
	const _Atomic uint64_t *have, const void *key, unsigned key_bytes)
{
	const uint8_t *want = key;
	uint64_t word;

	if (mr_likely(key_bytes == 8)) {
		memcpy(&word, want, 8);
		// why relaxed: the version check orders it.
		return atomic_load_explicit(have, memory_order_relaxed) == word;
	}
	for (; key_bytes >= 8; key_bytes -= 8, want += 8) {
		memcpy(&word, want, 8);
		// why relaxed: as above.
		if (atomic_load_explicit(have++, memory_order_relaxed) != word)
			return false;
	}
	if (key_bytes == 0)
		return true;
	word = 0;
	memcpy(&word, want, key_bytes);
	return atomic_load_explicit(have, memory_order_relaxed) == word;
}

// 8 bits for a distance: exact below 16, then within 1/16.
static mr_always_inline unsigned mr_cache_log(unsigned d)
{
	unsigned shift;

	if (d < 16)
		return d;
	shift = 27u - (unsigned)__builtin_clz(d);
	return (shift << 4) + (d >> shift);
}

/** The stamp of a row with @p stamp that is accessed @p age ticks after its last counted access. */
static mr_always_inline uint32_t mr_cache_touched(
	unsigned k, uint32_t stamp, uint16_t now, unsigned age)
{
	uint32_t t1 = (uint32_t)now << 16;

	if (mr_likely(k == 2))
		return t1 | MR_MIN(age, 0xfffeu);
	if (k == 1)
		return t1;
	return t1 | mr_cache_log(age) << 8 | (stamp >> 8 & 0xff);
}

/** Ticks since the last counted access; 0 when clocks of lcores are a little apart. */
static mr_always_inline unsigned mr_cache_stamp_age(uint32_t stamp, uint64_t now_ticks)
{
	int16_t age = (int16_t)(uint16_t)(now_ticks - (stamp >> 16));

	return age > 0 ? (unsigned)age : 0;
}

static mr_always_inline void mr_cache_record(
	struct mr_cache *cache, struct mr_cache_bucket *b, unsigned way, uint64_t now_ticks)
{
	// why relaxed: a lost or misplaced access costs nothing but precision.
	uint32_t stamp = atomic_load_explicit(&b->stamp[way], memory_order_relaxed);
	unsigned age = mr_cache_stamp_age(stamp, now_ticks);

	if (age > atomic_load_explicit(&cache->crp_ticks, memory_order_relaxed))
		atomic_store_explicit(&b->stamp[way],
			mr_cache_touched(cache->k, stamp, (uint16_t)now_ticks, age),
			memory_order_relaxed);
}

/** Whether the row at @p head is this key's; then where it is goes to @p ret_ref. */
static mr_always_inline bool mr_cache_row_is(const struct mr_cache *cache,
	const struct mr_cache_row_head *head, uint64_t want, const void *key, unsigned key_bytes,
	struct mr_cache_ref *ret_ref)
{
	uint64_t what = atomic_load_explicit(&head->what, memory_order_relaxed);
	const uint8_t *keys = (const uint8_t *)(head + 1);

	if (((what ^ want) & MR_CACHE_WHAT_KEY) != 0 ||
		!mr_cache_key_equals((const _Atomic uint64_t *)(const void *)keys, key, key_bytes))
		return false;
	ret_ref->row = keys + mr_cache_key_span(key_bytes);
	ret_ref->row_bytes = (uint16_t)(what >> 32);
	ret_ref->deleted = (what & MR_CACHE_WHAT_DELETED) != 0;
	ret_ref->event_time_us = atomic_load_explicit(&head->event_time_us, memory_order_relaxed);
	// A header torn by a writer must not lead outside.
	return mr_likely(ret_ref->row_bytes <= (size_t)(cache->values_end - ret_ref->row));
}

/** Looks for the key among the ways of @p b whose tags match. @return the way, or -1. */
static mr_always_inline int mr_cache_probe(const struct mr_cache *cache,
	const struct mr_cache_bucket *b, uint64_t want, const void *key, unsigned key_bytes,
	unsigned tag, struct mr_cache_ref *ret_ref)
{
	uint64_t match = mr_cache_match(atomic_load_explicit(&b->tags, memory_order_relaxed), tag);

	for (; match != 0; match &= match - 1) {
		unsigned way = (unsigned)__builtin_ctzll(match) >> 3;
		uint32_t loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
		if (mr_cache_row_is(
			    cache, mr_cache_head(cache, loc), want, key, key_bytes, ret_ref))
			return (int)way;
	}
	return -1;
}

static mr_always_inline uint64_t mr_cache_want(mr_space_t space, unsigned key_bytes)
{
	return space | (uint64_t)key_bytes << 48;
}

/**
 * Probes both buckets once, without recording the access.
 * @return the way in *ret_bucket; -1: not there; -2: a writer was there.
 */
static mr_always_inline int mr_cache_look(const struct mr_cache *cache, uint64_t hash,
	mr_space_t space, const void *key, unsigned key_bytes, struct mr_cache_ref *ret_ref,
	struct mr_cache_bucket **ret_bucket)
{
	unsigned tag = mr_cache_tag(hash);
	uint64_t primary = mr_cache_primary(cache, hash), want = mr_cache_want(space, key_bytes);
	struct mr_cache_bucket *b = &cache->buckets[primary];
	// why acquire: what the bucket says is read after its version.
	uint32_t first = atomic_load_explicit(&b->version, memory_order_acquire);
	uint32_t version = first;
	int way;

	if (mr_unlikely(version & 1))
		return -2;
	way = mr_cache_probe(cache, b, want, key, key_bytes, tag, ret_ref);
	if (way < 0 &&
		mr_cache_maybe_moved(atomic_load_explicit(&b->moved, memory_order_relaxed), tag)) {
		b = &cache->buckets[mr_cache_alt(cache, primary, tag)];
		version = atomic_load_explicit(&b->version, memory_order_acquire);
		if (mr_unlikely(version & 1))
			return -2;
		way = mr_cache_probe(cache, b, want, key, key_bytes, tag, ret_ref);
	}
	if (mr_likely(way >= 0)) {
		ret_ref->bucket = b;
		ret_ref->version = version;
		*ret_bucket = b;
		return way;
	}
	mr_cache_fence_acquire();
	b = &cache->buckets[primary];
	return atomic_load_explicit(&b->version, memory_order_relaxed) == first ? -1 : -2;
}

/** mr_cache_find(), inline. */
static mr_always_inline bool mr_cache_find_inline(struct mr_cache *cache, uint64_t hash,
	mr_space_t space, const void *key, unsigned key_bytes, uint64_t now_ticks,
	struct mr_cache_ref *ret_ref)
{
	struct mr_cache_bucket *b;

	for (unsigned i = 0; i < MR_CACHE_FIND_TRIES; i++) {
		int way = mr_cache_look(cache, hash, space, key, key_bytes, ret_ref, &b);

		if (mr_likely(way >= 0)) {
			mr_cache_record(cache, b, (unsigned)way, now_ticks);
			return true;
		}
		if (way == -1)
			return false;
		mr_pause();
	}
	return false;
}

/** mr_cache_valid(), inline. */
static mr_always_inline bool mr_cache_valid_inline(const struct mr_cache_ref *ref)
{
	const struct mr_cache_bucket *b = ref->bucket;

	mr_cache_fence_acquire();
	return atomic_load_explicit(&b->version, memory_order_relaxed) == ref->version;
}

/** The line of the index that a lookup reads first. */
static mr_always_inline const void *mr_cache_bucket_line(
	const struct mr_cache *cache, uint64_t hash)
{
	return &cache->buckets[mr_cache_primary(cache, hash)];
}

static mr_always_inline void mr_cache_prefetch_inline(const struct mr_cache *cache, uint64_t hash)
{
	mr_prefetch(mr_cache_bucket_line(cache, hash));
}

/** Lines to ask for of a row at @p loc. */
static mr_always_inline unsigned mr_cache_lines(const struct mr_cache *cache, uint32_t loc)
{
	return atomic_load_explicit(
		&cache->page_lines[(loc - 1) >> cache->page_units_shift], memory_order_relaxed);
}

static mr_always_inline void mr_cache_prefetch_lines(const void *row, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		mr_prefetch((const uint8_t *)row + i * MR_CACHE_LINE_BYTES);
}

/** What a bucket, which was asked for before, promises of a row. */
enum mr_cache_promise {
	MR_CACHE_ABSENT,  //!< it is not in the cache, for now
	MR_CACHE_LOCATED, //!< where it is was told
	MR_CACHE_SECOND,  //!< its second bucket is asked for: mr_cache_prefetch_second_inline()
};

/** Where a row very probably is. To be kept until mr_cache_find_asked_inline(). */
struct mr_cache_asked {
	struct mr_cache_bucket *bucket; //!< NULL: nothing is known
	const struct mr_cache_row_head *head;
	uint32_t version; //!< of the bucket, before the rest was read from it
	uint16_t way;
	uint16_t lines; //!< to ask for
};

/** Tells where the row is that this bucket promises; asks for its second bucket when it may be
 *  there. */
static mr_always_inline enum mr_cache_promise mr_cache_locate_inline(
	const struct mr_cache *cache, uint64_t hash, struct mr_cache_asked *ret_asked)
{
	unsigned tag = mr_cache_tag(hash);
	uint64_t primary = mr_cache_primary(cache, hash);
	struct mr_cache_bucket *b = &cache->buckets[primary];
	// why acquire: what the bucket says is read after its version.
	uint32_t version = atomic_load_explicit(&b->version, memory_order_acquire), loc;
	uint64_t match = mr_cache_match(atomic_load_explicit(&b->tags, memory_order_relaxed), tag);
	unsigned way = (unsigned)__builtin_ctzll(match | UINT64_C(1) << 47) >> 3;

	ret_asked->bucket = NULL;
	ret_asked->lines = 0;
	if (mr_likely(match != 0)) {
		loc = atomic_load_explicit(&b->loc[way], memory_order_relaxed);
		if (mr_unlikely(loc == 0 || (version & 1) != 0))
			return MR_CACHE_LOCATED;
		*ret_asked = (struct mr_cache_asked){b, mr_cache_head(cache, loc), version,
			(uint16_t)way, (uint16_t)mr_cache_lines(cache, loc)};
		return MR_CACHE_LOCATED;
	}
	if (mr_likely(!mr_cache_maybe_moved(
		    atomic_load_explicit(&b->moved, memory_order_relaxed), tag)))
		return MR_CACHE_ABSENT;
	mr_prefetch(&cache->buckets[mr_cache_alt(cache, primary, tag)]);
	return MR_CACHE_SECOND;
}

/** Asks for a row that was located. */
static mr_always_inline void mr_cache_prefetch_asked_inline(const struct mr_cache_asked *asked)
{
	mr_cache_prefetch_lines(asked->head, asked->lines);
}

/** Asks for the row that the second bucket, which was asked for before, promises. */
static mr_always_inline void mr_cache_prefetch_second_inline(
	const struct mr_cache *cache, uint64_t hash)
{
	unsigned tag = mr_cache_tag(hash);
	uint64_t second = mr_cache_alt(cache, mr_cache_primary(cache, hash), tag);
	const struct mr_cache_bucket *b = &cache->buckets[second];
	uint64_t match = mr_cache_match(atomic_load_explicit(&b->tags, memory_order_relaxed), tag);
	uint32_t loc;

	if (match == 0)
		return;
	loc = atomic_load_explicit(
		&b->loc[(unsigned)__builtin_ctzll(match) >> 3], memory_order_relaxed);
	if (loc != 0)
		mr_cache_prefetch_lines(mr_cache_head(cache, loc), mr_cache_lines(cache, loc));
}

/** As mr_cache_find_inline(), and looks first at what was asked for. */
static mr_always_inline bool mr_cache_find_asked_inline(struct mr_cache *cache, uint64_t hash,
	mr_space_t space, const void *key, unsigned key_bytes, uint64_t now_ticks,
	struct mr_cache_asked asked, struct mr_cache_ref *ret_ref)
{
	if (mr_unlikely(asked.bucket == NULL ||
			!mr_cache_row_is(cache, asked.head, mr_cache_want(space, key_bytes), key,
				key_bytes, ret_ref)))
		return mr_cache_find_inline(cache, hash, space, key, key_bytes, now_ticks, ret_ref);
	ret_ref->bucket = asked.bucket;
	ret_ref->version = asked.version;
	mr_cache_record(cache, asked.bucket, asked.way, now_ticks);
	return true;
}

/** mr_cache_prefetch_row_bulk(), inline. */
static mr_always_inline void mr_cache_prefetch_row_bulk_inline(
	const struct mr_cache *cache, const uint64_t *hashes, unsigned n)
{
	for (unsigned base = 0; base < n; base += 64) {
		unsigned end = MR_MIN(base + 64, n);
		struct mr_cache_asked asked[64];
		uint64_t moved = 0;

		// why two loops: see prefetch_rows() of lib/answer.
		for (unsigned i = base; i < end; i++)
			moved |= (uint64_t)(mr_cache_locate_inline(cache, hashes[i],
						    &asked[i - base]) == MR_CACHE_SECOND)
			         << (i - base);
		for (unsigned i = base; i < end; i++)
			mr_cache_prefetch_asked_inline(&asked[i - base]);
		for (; moved != 0; moved &= moved - 1)
			mr_cache_prefetch_second_inline(
				cache, hashes[base + (unsigned)__builtin_ctzll(moved)]);
	}
}
