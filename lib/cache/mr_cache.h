// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The row cache of one NUMA node: a set-associative index over value memory, with LRU-K
 * replacement, inside one hard memory budget.
 *
 * Replacement is LRU-K (O'Neil, O'Neil, Weikum, SIGMOD 1993), K = 1, 2 or 3: the victim is the row
 * with the largest backward K-distance; rows seen fewer than K times go first, the least recent of
 * them before others. Accesses within the correlated reference period of a row's last counted one
 * are not counted. What is known of evicted keys is retained for a while (the retained information
 * period), so that a key that returns is not a stranger.
 *
 * By default two things are added to it (`plain` leaves them out, K = 1 is always plain). Rows are
 * left alone for a window after their last counted access, which grows while strangers are the
 * likelier to come back soon after their eviction, and shrinks while known rows are: between LRU-K
 * with a short period and LRU. And a known row's distance is the larger one of two, from its K-th
 * last access to its last and from there until now, instead of their sum. docs/cache.md has the
 * reasons and figures.
 *
 * Time is a coarse counter of accesses that the caller passes in (`now_ticks`), not a clock: one
 * tick is mr_cache_tick_accesses() row accesses, so that every period follows the cache's own
 * turnover. The caller adds up its lcores' accesses and divides; see mr_cache_tick_accesses().
 *
 * Readers take no lock. They find a row (mr_cache_find), copy what they want straight out of value
 * memory, and then ask whether what they copied was whole (mr_cache_valid); bytes copied before a
 * "no" are garbage and must not be used. All lengths in struct mr_cache_ref are safe to read
 * within value memory whatever writers do. The only store a reader makes is the access history,
 * at most once per row and correlated reference period.
 *
 * Writers (I/O lcores) lock one bucket through its version word; value memory has its own short
 * lock. A miss takes a lease before it reads the store; a fill under that lease fails if anything
 * wrote to the key in between, so a late fill can never hide a newer write.
 *
 * Memory is the caller's: mr_cache_memsize() (which is the budget), then mr_cache_init() on memory
 * aligned to MR_CACHE_ALIGN; nothing to free. Keys are 1 to 255 bytes within a row space, rows 0
 * to MR_CACHE_ROW_MAX_BYTES. Times are microseconds since the epoch.
 */

#include "mr_cc.h"
#include "mr_hash.h"
#include "mr_hist.h"

#include <stdbool.h>

#define MR_CACHE_ALIGN 4096u
#define MR_CACHE_ROW_MAX_BYTES 8192u
#define MR_CACHE_KEY_MAX_BYTES 255u

struct mr_cache;

struct mr_cache_params {
	uint64_t budget_bytes;   //!< everything the cache uses: index, history, values; >= 1 MiB
	uint32_t mean_row_bytes; //!< expected key + row size, sizes the index; 0: 176
	uint64_t max_rows;       //!< hard limit of rows besides the budget; 0: none
	uint8_t k;               //!< 1, 2 or 3; 0: 2
	double crp_ratio;     //!< correlated reference period in accesses over rows; < 0: default
	double history_ratio; //!< retained history entries over rows; < 0: default
	bool plain;           //!< LRU-K as its authors define it, without the window
	uint64_t seed;        //!< of the eviction sampling
};

/** A row found, to be copied and then validated. Owner: the reader. */
struct mr_cache_ref {
	const uint8_t *row; //!< first byte of the row
	uint16_t row_bytes;
	bool deleted; //!< a tombstone: the key is known to be absent (row_bytes is 0)
	uint64_t event_time_us;
	// What mr_cache_valid() compares.
	const void *bucket;
	uint32_t version;
};

/** What a fill needs to prove that it is not late. */
struct mr_cache_lease {
	uint32_t version;
};

enum mr_cache_evict_reason {
	MR_CACHE_EVICT_CAPACITY,  //!< budget, max_rows, or 90 % of row_slots
	MR_CACHE_EVICT_BUCKET,    //!< no place in the index, while the budget was not exhausted
	MR_CACHE_EVICT_OVERWRITE, //!< replaced by a newer row of the same key
	MR_CACHE_EVICT_DELETE,    //!< invalidated by its writer
	MR_CACHE_EVICT_EXPIRY,    //!< beyond its TTL
	MR_CACHE_EVICT_VERSION,   //!< its row space was dropped
	MR_CACHE_EVICT_REBALANCE, //!< its value page was given to another size
	MR_CACHE_EVICT_COUNT,
};

extern const char *const mr_cache_evict_reason_names[MR_CACHE_EVICT_COUNT];

/** Figures at one moment; consistent when no writer is active. */
struct mr_cache_stats {
	uint64_t budget_bytes, index_bytes, history_bytes, value_bytes; //!< the parts of the budget
	uint64_t rows;       //!< live rows, tombstones included
	uint64_t row_slots;  //!< index capacity
	uint64_t live_bytes; //!< key + row bytes + row headers of live rows
	uint64_t slot_bytes; //!< what those rows take up in value memory
	uint64_t fills, updates, evictions[MR_CACHE_EVICT_COUNT];
	uint64_t fills_stale;   //!< refused: the lease was broken or a newer row is there
	uint64_t fills_too_big; //!< refused: row over MR_CACHE_ROW_MAX_BYTES
	uint64_t history_entries, history_hits;
	uint64_t crp_ticks, history_ticks;
	uint64_t window_ticks;       //!< rows accessed within it are evicted last
	uint64_t pages, pages_moved; //!< value pages, and how many changed their size class
	struct mr_hist age_at_eviction_ticks;
};

/** Fills in defaults. @return 0, or -EINVAL when a field is out of range. */
int mr_cache_params_check(struct mr_cache_params *params);

/** @return params->budget_bytes rounded to pages, or 0 when the parameters do not hold. */
size_t mr_cache_memsize(const struct mr_cache_params *params);

/** Makes an empty cache in @p mem. @return the cache, or NULL with errno EINVAL. */
struct mr_cache *mr_cache_init(void *mem, size_t mem_bytes, const struct mr_cache_params *params);

/** Row accesses that one tick stands for, a power of two: now_ticks = accesses / this. */
uint64_t mr_cache_tick_accesses(const struct mr_cache *cache);

// ---- readers: any lcore of the node ------------------------------------------------------------

/** Stage 1: asks for the bucket of each hash. */
void mr_cache_prefetch_bulk(const struct mr_cache *cache, const uint64_t *hashes, unsigned n);

/** Stage 2: asks for the row that the bucket's tags promise, if any. Bucket should be cached. */
void mr_cache_prefetch_row(const struct mr_cache *cache, uint64_t hash);

/**
 * Stage 2 for a burst: as mr_cache_prefetch_row() on each, and then once more for the rows that
 * live in their second bucket, whose line the first round had to ask for.
 */
void mr_cache_prefetch_row_bulk(const struct mr_cache *cache, const uint64_t *hashes, unsigned n);

/**
 * Stage 3: finds a row and records the access.
 *
 * @param hash
 *   mr_hash_row(mr_hash_key(key), space).
 * @param ret_ref
 *   Set when true is returned. Copy row[0 .. row_bytes), then call mr_cache_valid().
 * @return
 *   true: a row with this very key was there. false: not there, or a writer is at it right now.
 */
bool mr_cache_find(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, uint64_t now_ticks, struct mr_cache_ref *ret_ref);

/** @return true when everything read through @p ref since mr_cache_find() was whole. */
bool mr_cache_valid(const struct mr_cache *cache, const struct mr_cache_ref *ref);

/** Find, copy and validate in one: for tests, tools and one-off reads. @return as find. */
bool mr_cache_get(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, uint64_t now_ticks, void *row, unsigned row_capacity,
	struct mr_cache_ref *ret_ref);

// ---- writers: I/O lcores -----------------------------------------------------------------------

/** Takes a lease. To be called before the store is read. */
struct mr_cache_lease mr_cache_lease(const struct mr_cache *cache, uint64_t hash);

/** Asks for what a fill of the key will read, some time before it. */
void mr_cache_prefetch_fill(struct mr_cache *cache, uint64_t hash);

/** A row to put in. @p row may be NULL when deleted. */
struct mr_cache_row {
	uint64_t hash;
	mr_space_t space;
	const void *key;
	unsigned key_bytes;
	const void *row;
	unsigned row_bytes;
	bool deleted;
	uint64_t event_time_us;
};

/**
 * Puts in a row that a miss read from the store. Whatever comes of it, no reader finds an older row
 * of the key afterwards, not even while its writer has yet to tell the cache: what one read has
 * shown, a later one does not take back.
 *
 * @return 0; -ESTALE: the lease was broken, or a newer row is cached; -E2BIG: too large to cache;
 *   -ENOSPC: no memory could be made free.
 */
int mr_cache_fill(struct mr_cache *cache, const struct mr_cache_row *row,
	struct mr_cache_lease lease, uint64_t now_ticks);

/**
 * Write-through: makes the cache hold @p row, which the store has committed. Breaks leases on the
 * key. A row that is cached with a newer event time stays.
 *
 * @param insert
 *   false: only replace or drop a row that is cached; true: put it in if it is not.
 * @return 0; -ESTALE: a newer row is cached; -E2BIG, -ENOSPC: the key is now not cached.
 */
int mr_cache_update(
	struct mr_cache *cache, const struct mr_cache_row *row, bool insert, uint64_t now_ticks);

/** Drops the key and breaks leases on it. @return true when it was cached. */
bool mr_cache_invalidate(struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes, enum mr_cache_evict_reason reason);

#define MR_CACHE_CURSOR_END UINT64_MAX

/**
 * Drops the rows of a space, @p n_buckets at a time from *cursor on (first 0), which becomes
 * MR_CACHE_CURSOR_END after the last bucket. From the first call to the last no row of the space is
 * moved, so one pass finds all that were there before it; nobody may put one in meanwhile. One drop
 * at a time. @return rows dropped.
 */
uint64_t mr_cache_drop_space(
	struct mr_cache *cache, mr_space_t space, uint64_t *cursor, uint64_t n_buckets);

/** Whether a row of a space with this event time is beyond its TTL now. */
typedef bool (*mr_cache_expired_fn)(mr_space_t space, uint64_t event_time_us, void *arg);

/**
 * Drops rows that are expired and that nobody has asked for within the window, in @p n_buckets from
 * *cursor on; starts over after the last. Expired rows that are asked for stay, and spare the store
 * the question. @return rows dropped.
 */
uint64_t mr_cache_expire(struct mr_cache *cache, uint64_t now_ticks, uint64_t *cursor,
	uint64_t n_buckets, mr_cache_expired_fn expired, void *arg);

/**
 * Housekeeping, to be called now and then by one writer: clamps access stamps that would wrap.
 * O(n_buckets).
 */
void mr_cache_age(struct mr_cache *cache, uint64_t now_ticks, uint64_t n_buckets);

// ---- warm restart ------------------------------------------------------------------------------

/**
 * What a cache knows of a row's accesses, apart from its own time. Means the same to every cache
 * with an equal mr_cache_past_form().
 */
struct mr_cache_past {
	uint16_t age_ticks; //!< since the last counted access
	uint16_t spread;    //!< how far back of it the others are, in the cache's own code
};

/** Two caches with equal forms count accesses alike. */
uint64_t mr_cache_past_form(const struct mr_cache *cache);

/** A row in the order of worth. */
struct mr_cache_ranked {
	uint32_t loc; //!< for mr_cache_ranked_row()
	struct mr_cache_past past;
};

/** Bytes of memory that mr_cache_rank() needs: 8 for each row and 2 MiB. */
size_t mr_cache_rank_memsize(const struct mr_cache *cache);

/**
 * Ranks all rows by the order of eviction, the one that would go last first. No writer may be
 * active. O(rows), and a walk over the index.
 *
 * @param mem
 *   mr_cache_rank_memsize() bytes, aligned to 8; what is returned lies in it.
 */
const struct mr_cache_ranked *mr_cache_rank(
	const struct mr_cache *cache, uint64_t now_ticks, void *mem, uint64_t *ret_n);

/** Asks for the row of @p ranked. */
void mr_cache_ranked_prefetch(const struct mr_cache *cache, const struct mr_cache_ranked *ranked);

/** The row itself, in value memory: valid until a writer is active again. */
void mr_cache_ranked_row(const struct mr_cache *cache, const struct mr_cache_ranked *ranked,
	struct mr_cache_row *ret_row);

/** Whether the key is cached; records no access. For writers: a store read to be spared. */
bool mr_cache_has(const struct mr_cache *cache, uint64_t hash, mr_space_t space, const void *key,
	unsigned key_bytes);

/**
 * As mr_cache_fill(), for a row that was cached before a restart: takes only room that is free, so
 * that nothing that was asked for since has to go, and leaves a row that is cached alone.
 *
 * @param past
 *   What was known of it, its age as of now; NULL: nothing.
 * @return 0; -EEXIST: cached already; -ENOSPC: no room of this size is free; -ESTALE, -E2BIG as
 *   mr_cache_fill().
 */
int mr_cache_warm(struct mr_cache *cache, const struct mr_cache_row *row,
	struct mr_cache_lease lease, const struct mr_cache_past *past, uint64_t now_ticks);

// ---- figures -----------------------------------------------------------------------------------

void mr_cache_stats(const struct mr_cache *cache, struct mr_cache_stats *ret_stats);

/** Walks everything and checks every invariant; for tests. @return 0, or -EUCLEAN with why. */
struct mr_err;
int mr_cache_check(struct mr_cache *cache, struct mr_err *err);
