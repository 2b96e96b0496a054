// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the writers' files share. Lock order: a key's primary bucket, waited for while nothing else
 * is held; any further bucket only by mr_cache_trylock(); then at most one of hand_lock,
 * alloc_lock, adapt_lock and history_locks.
 */

#include "mr_cache_inline.h"

#define MR_CACHE_NO_PREFERENCE UINT32_MAX
#define MR_CACHE_EXACT_BUCKETS 128u //!< up to here every eviction looks at every row
#define MR_CACHE_AGE_MAX 24576u     //!< ticks; older stamps are clamped before they wrap
#define MR_CACHE_HISTORY_WAYS 16u

enum {
	MR_CACHE_PAGE_FULL = 0xff,
	MR_CACHE_PAGE_DRAINING = 0xfe,
	MR_CACHE_PAGE_FREE = 0xfd,
};

/** One writer's call. */
struct mr_cache_op {
	struct mr_cache *cache;
	uint64_t now_ticks;
	uint64_t primary;   //!< of the key that the call is about
	uint32_t own_bumps; //!< what this call added to that bucket's version by evicting around it
	uint32_t want; //!< class + 1 of which the next row evicted leaves its slot here; 0: none
	uint32_t slot; //!< so left: taken, without a row; 0: none
	uint32_t rows_left; //!< by rows that went: still in cache->rows
	int64_t live_bytes; //!< still to be added to the cache's
};

/** Tells the cache what a call has left. */
void mr_cache_op_end(struct mr_cache_op *op);

static inline uint64_t mr_cache_count(_Atomic uint64_t *counter, uint64_t n)
{
	return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void mr_cache_uncount(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

/** Adds to a counter that others read, and that nobody else writes meanwhile. */
static mr_always_inline void mr_cache_bump(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/** Bytes of a row in value memory, header included. */
static inline unsigned mr_cache_span(unsigned key_bytes, unsigned row_bytes)
{
	return (unsigned)sizeof(struct mr_cache_row_head) + mr_cache_key_span(key_bytes) +
	       row_bytes;
}

static inline unsigned mr_cache_what_row_bytes(uint64_t what)
{
	return (uint16_t)(what >> 32);
}

static inline unsigned mr_cache_what_key_bytes(uint64_t what)
{
	return (uint8_t)(what >> 48);
}

static inline struct mr_cache_row_head *mr_cache_head_rw(const struct mr_cache *cache, uint32_t loc)
{
	return (struct mr_cache_row_head *)(void *)(cache->values +
						    ((uint64_t)(loc - 1) << cache->unit_shift));
}

static inline unsigned mr_cache_class_for(const struct mr_cache *cache, unsigned bytes)
{
	return cache->class_of[(bytes + 15) / 16];
}

static inline bool mr_cache_is_guest(uint64_t tags, unsigned way)
{
	return (tags >> (56 + way) & 1) != 0;
}

static inline unsigned mr_cache_way_tag(uint64_t tags, unsigned way)
{
	return (uint8_t)(tags >> (8 * way));
}

static inline unsigned mr_cache_moved_count(uint64_t tags)
{
	return (uint8_t)(tags >> 48);
}

// ---- mr_cache_lock.c: bucket and spin locks ----

static inline bool mr_cache_spin_trylock(_Atomic uint32_t *lock)
{
	// why acquire: what the last holder did is seen. The load first: no line is taken in vain.
	return atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
	       atomic_exchange_explicit(lock, 1, memory_order_acquire) == 0;
}

void mr_cache_spin_wait(_Atomic uint32_t *lock);

static inline void mr_cache_spin_lock(_Atomic uint32_t *lock)
{
	if (mr_unlikely(!mr_cache_spin_trylock(lock)))
		mr_cache_spin_wait(lock);
}

static inline void mr_cache_spin_unlock(_Atomic uint32_t *lock)
{
	// why release: what was done under the lock is seen by the next holder.
	atomic_store_explicit(lock, 0, memory_order_release);
}

/** Waits for a bucket; hold no other. */
void mr_cache_lock(struct mr_cache *cache, uint64_t bucket);
/** Tries for a short while. */
bool mr_cache_trylock(struct mr_cache *cache, uint64_t bucket);
/** Ends a change. */
void mr_cache_unlock(struct mr_cache_op *op, uint64_t bucket);
/** Ends a hold that changed nothing: versions, and so leases, stay. */
void mr_cache_unlock_unchanged(struct mr_cache *cache, uint64_t bucket);
/** After a lock was not to be had: lets its holder run. */
void mr_cache_back_off(void);

// ---- mr_cache_index.c: the buckets ----

/** Where a key is. */
struct mr_cache_place {
	uint64_t bucket;
	unsigned way;
};

/**
 * Looks for a key whose primary bucket is held. A second bucket that has it is held on return.
 * @return 0, -ENOENT, or -EAGAIN: the second bucket could not be locked.
 */
int mr_cache_locate(
	struct mr_cache *cache, const struct mr_cache_row *row, struct mr_cache_place *ret_place);

/**
 * Puts a row into the index; its primary bucket is held.
 * @return 0, or -EAGAIN: other writers held what was needed.
 */
int mr_cache_insert(struct mr_cache_op *op, unsigned tag, uint32_t loc, uint32_t stamp);

/** Empties a way; bucket and the row's primary bucket are held. @return its loc. */
uint32_t mr_cache_remove(struct mr_cache *cache, uint64_t bucket, unsigned way);

/** The primary bucket of the row in a way. */
uint64_t mr_cache_home(const struct mr_cache *cache, uint64_t bucket, unsigned way);

// ---- mr_cache_values.c: value memory ----

void mr_cache_values_init(struct mr_cache *cache);
/** Takes a slot if there is one. @return loc, or 0. */
uint32_t mr_cache_take_slot(struct mr_cache *cache, unsigned class);
void mr_cache_free_slot(struct mr_cache *cache, uint32_t loc);
/** Marks a slot as one without a row, which stays taken. */
void mr_cache_mark_free(struct mr_cache *cache, uint32_t loc);
void mr_cache_write_row(struct mr_cache *cache, uint32_t loc, const struct mr_cache_row *row);
/** Copies a row, whose bucket is held, to a slot of the same class. */
void mr_cache_copy_row(struct mr_cache *cache, uint32_t to, uint32_t from);
unsigned mr_cache_loc_class(const struct mr_cache *cache, uint32_t loc);
/** Takes a page from its class so that it can be emptied. @return page number + 1, or 0. */
uint32_t mr_cache_drain_begin(struct mr_cache *cache, unsigned needy, bool forced);
/** Gives a drained page to @p needy, or back if rows are left. @return true: given. */
bool mr_cache_drain_end(struct mr_cache *cache, uint32_t page, unsigned needy);

static inline uint32_t mr_cache_slot_loc(const struct mr_cache *cache, uint64_t page, unsigned slot)
{
	uint64_t bytes = (uint64_t)slot * cache->class_bytes[cache->pages[page].class];

	return (uint32_t)((page << cache->page_units_shift) + (bytes >> cache->unit_shift) + 1);
}

// ---- mr_cache_evict.c: victims and memory for new rows ----

/** Order of eviction: the larger goes first. */
uint32_t mr_cache_score(const struct mr_cache *cache, uint32_t stamp, uint64_t now_ticks);
/**
 * The same order in two parts. @return 2 when it is not left alone, and 1 more for a stranger: the
 * larger goes first, and of equal ones the larger distance.
 */
unsigned mr_cache_rank_class(
	const struct mr_cache *cache, uint32_t stamp, uint64_t now_ticks, unsigned *ret_distance);
/** Clamps a way's stamp if it would wrap. */
void mr_cache_age_way(struct mr_cache_bucket *b, unsigned way, uint64_t now_ticks);

/** Evicts one row, of @p class if there is one nearly as bad. @return false: there is none. */
bool mr_cache_evict_one(struct mr_cache_op *op, uint32_t class);

/**
 * Tries to hold a way's bucket and the primary bucket of the row in it, for a row seen without a
 * lock: look again. Ends with mr_cache_unhold_way(), which bumps the versions when @p changed.
 */
bool mr_cache_hold_way(struct mr_cache *cache, uint64_t bucket, unsigned way, uint64_t *ret_home);
void mr_cache_unhold_way(struct mr_cache_op *op, uint64_t bucket, uint64_t home, bool changed);

/** Gives back what a removed row had, and remembers its accesses. */
void mr_cache_release_row(
	struct mr_cache_op *op, uint32_t loc, uint32_t stamp, enum mr_cache_evict_reason reason);

/** Memory for a row of a class, evicting what must go. @return loc, or 0. */
uint32_t mr_cache_alloc(struct mr_cache_op *op, unsigned class);

/** Counts one more row in, evicting one if max_rows or the index say so. @return false: impossible.
 */
bool mr_cache_reserve_row(struct mr_cache_op *op);
/** The same without evicting. @return false: there is no room. */
bool mr_cache_reserve_free(struct mr_cache *cache);

/** The row in a slot that its owner may read. Points into value memory. */
struct mr_cache_row mr_cache_row_at(const struct mr_cache *cache, uint32_t loc);

// ---- mr_cache_adapt.c: how long rows are left alone ----

void mr_cache_adapt_init(struct mr_cache *cache);
/** Counts a row that went to make room, and adapts the periods now and then. */
void mr_cache_adapt_evicted(struct mr_cache *cache, uint32_t stamp,
	enum mr_cache_evict_reason reason, uint64_t now_ticks);
/** Counts a key that came back, this long after its last access, if that was soon. */
void mr_cache_adapt_returned(struct mr_cache *cache, bool known, unsigned age_ticks);

// ---- mr_cache_rank.c: the order of worth ----

/** The stamp of a row that comes in now with a past. */
uint32_t mr_cache_stamp_of(const struct mr_cache_past *past, uint64_t now_ticks);

/** A row that was accessed fewer than K times. */
static mr_always_inline bool mr_cache_is_stranger(unsigned k, uint32_t stamp)
{
	return k == 2 ? (stamp & 0xffff) == 0xffff : k == 3 && (stamp & 0xff) == 0xff;
}

// ---- mr_cache_history.c: what is known of evicted keys ----

void mr_cache_history_add(
	struct mr_cache *cache, uint64_t hash, uint32_t stamp, uint64_t now_ticks);
/** The stamp of a row that comes in now; what was known of its key is used and forgotten. */
uint32_t mr_cache_history_take(struct mr_cache *cache, uint64_t hash, uint64_t now_ticks);
void mr_cache_history_prefetch(struct mr_cache *cache, uint64_t hash);
/** Forgets entries whose ticks would wrap. */
void mr_cache_history_age(struct mr_cache *cache, uint64_t now_ticks, uint64_t n_sets);
