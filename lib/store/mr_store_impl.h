// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the store's own files share: the handle, the layout of keys and values on disk, and the one
 * way from RocksDB's error texts to errno values and messages.
 */

#include "mr_bytes.h"
#include "mr_store.h"

#include <pthread.h>
#include <limits.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

/** Column families, in the order in which they are opened. */
enum mr_store_cf {
	MR_STORE_CF_DEFAULT, //!< the store's own notes
	MR_STORE_CF_LIVE,
	MR_STORE_CF_LIVE_FAST, //!< live rows of sets with `tables = fast`
	MR_STORE_CF_HISTORICAL,
	MR_STORE_CF_METADATA,
	MR_STORE_CF_COUNT,
};

extern const char *const mr_store_cf_names[MR_STORE_CF_COUNT];

#define MR_STORE_PREFIX_BYTES 4u
#define MR_STORE_HEAD_BYTES ((uint32_t)sizeof(struct mr_store_head))

struct mr_store_blocks;
struct mr_store_policies;

/** The family of a set's live rows. */
static inline enum mr_store_cf mr_store_live_cf(bool fast)
{
	return fast ? MR_STORE_CF_LIVE_FAST : MR_STORE_CF_LIVE;
}

static inline bool mr_store_cf_is_live(enum mr_store_cf cf)
{
	return cf == MR_STORE_CF_LIVE || cf == MR_STORE_CF_LIVE_FAST;
}

struct mr_store {
	rocksdb_t *db;
	rocksdb_column_family_handle_t *cf[MR_STORE_CF_COUNT];
	uint32_t cf_id[MR_STORE_CF_COUNT]; // RocksDB's numbers of them, as in its log
	rocksdb_options_t *options[MR_STORE_CF_COUNT];
	rocksdb_options_t *bulk_options[MR_STORE_CF_COUNT]; // of bulk loads' files; NULL: no rows
	rocksdb_cache_t *block_cache;
	struct mr_store_blocks *blocks; // the block cache's; NULL: its memory is malloc's
	rocksdb_readoptions_t *read_newest;
	rocksdb_writeoptions_t *write_synced;
	rocksdb_writeoptions_t *write_unsynced;
	char path[PATH_MAX];
	bool read_only;
	bool has_multiget;        // mr_store_multiget.h fits this RocksDB
	_Atomic bool sync_failed; // set once, never cleared: promise 11
	_Atomic bool full; // too little is free on the file system: see mr_store_look_at_room()
	_Atomic uint64_t full_log; // number of a WAL that met a full disk, 0: mr_store_wal_check()
	uint64_t room_min_bytes;
	pthread_mutex_t trouble_lock;
	struct mr_err trouble; // of the newest failure
	struct mr_store_policies *policies;

	// Figures. Relaxed everywhere: they order nothing.
	_Atomic uint32_t weather;
	_Atomic uint64_t reads, keys_read, commits, rows_written, syncs, errors;
};

/** Counts a failure and keeps its words for mr_store_trouble(). */
void mr_store_note_failure(struct mr_store *store, const struct mr_err *err);

/**
 * Looks at what is free on the file system. Below what flushes may need, writes are refused before
 * RocksDB meets a full disk: as Debian builds 7.8, it aborts when it recovers from one in its log.
 */
void mr_store_look_at_room(struct mr_store *store);

/** @return 0, or -ENOSPC with a message while too little is free to take rows. */
int mr_store_check_room(struct mr_store *store, struct mr_err *err);

/**
 * After a failed append RocksDB 7.8 must not be given anything for the same WAL: built as Debian
 * builds it, it aborts. It recovers from a full disk by itself with a flush, and so begins another
 * WAL, but not when there is nothing to flush. Writes are therefore refused until there is one.
 *
 * @return 0, or -ENOSPC with a message.
 */
int mr_store_wal_check(struct mr_store *store, struct mr_err *err);

/** Takes note where RocksDB's error @p text tells of a WAL that met a full disk. */
void mr_store_wal_look_at_failure(struct mr_store *store, const char *text);

/** Looks whether there is another WAL since. Control. */
void mr_store_wal_watch(struct mr_store *store);

/** What the operator can do about a failure, or NULL. */
const char *mr_store_advice(int errnum);

// ---- layout on disk ----------------------------------------------------------------------------

/** Writes the key's prefix. @return its length. */
static inline uint32_t mr_store_put_prefix(uint8_t *to, mr_space_t space)
{
	mr_store_be32(to, space);
	return MR_STORE_PREFIX_BYTES;
}

/** Writes a live key to @p to (MR_STORE_KEY_MAX_BYTES). @return its length. */
static inline uint32_t mr_store_put_key(
	uint8_t *to, mr_space_t space, const void *key, uint8_t key_bytes)
{
	uint32_t n = mr_store_put_prefix(to, space);

	mr_copy_short(to + n, key, key_bytes);
	return n + key_bytes;
}

/** The time at the end of a history key. */
#define MR_STORE_HISTORY_TIME_BYTES 8u
#define MR_STORE_HISTORY_KEY_MAX_BYTES (MR_STORE_KEY_MAX_BYTES + 1 + MR_STORE_HISTORY_TIME_BYTES)

/** Writes a history key to @p to (MR_STORE_HISTORY_KEY_MAX_BYTES). @return its length. */
static inline uint32_t mr_store_put_history_key(
	uint8_t *to, mr_space_t space, const void *key, uint8_t key_bytes, uint64_t event_time_us)
{
	uint32_t n = mr_store_put_prefix(to, space);

	to[n++] = key_bytes;
	memcpy(to + n, key, key_bytes);
	n += key_bytes;
	mr_store_be64(to + n, ~event_time_us);
	return n + MR_STORE_HISTORY_TIME_BYTES;
}

/** A value taken apart. @return false when it is not a row of this format. */
static inline bool mr_store_parse_head(
	const char *value, size_t value_bytes, struct mr_store_head *ret_head)
{
	struct mr_store_head h;

	if (value_bytes < sizeof(h) || value_bytes - sizeof(h) > UINT32_MAX)
		return false;
	memcpy(&h, value, sizeof(h));
	h.event_time_us = le64toh(h.event_time_us);
	h.layout = le32toh(h.layout);
	if (h.format != MR_STORE_FORMAT || (h.flags & ~MR_STORE_DELETED) != 0 || h.zero != 0)
		return false;
	*ret_head = h;
	return true;
}

/** The head of a put, as it goes to disk. */
static inline struct mr_store_head mr_store_head_of(const struct mr_store_put *put)
{
	return (struct mr_store_head){
		.event_time_us = htole64(put->event_time_us),
		.layout = htole32(put->layout),
		.format = MR_STORE_FORMAT,
		.flags = put->deleted ? MR_STORE_DELETED : 0,
	};
}

/** First key after all keys of a space; up to MR_STORE_LIMIT_MAX_BYTES. @return its length. */
#define MR_STORE_LIMIT_MAX_BYTES (MR_STORE_HISTORY_KEY_MAX_BYTES + 1)
uint32_t mr_store_put_limit(uint8_t *to, mr_space_t space);

/** Takes a scanned live key and value apart. @return 0 or -EUCLEAN. */
int mr_store_parse_item(const char *key, size_t key_bytes, const char *value, size_t value_bytes,
	struct mr_store_item *ret_item);

// ---- errors ------------------------------------------------------------------------------------

/** The errno value that a RocksDB error text stands for, positive. */
int mr_store_errnum(const char *text);

/** Whether the text tells of a failed flush to stable storage. */
bool mr_store_is_sync_failure(const char *text);

/**
 * Turns a RocksDB error into errno and message, and frees its text.
 * @param text
 *   From RocksDB; NULL: no error.
 * @param what
 *   What was being done, "write 12 rows".
 * @return 0 or -errno
 */
int mr_store_fail(struct mr_store *store, struct mr_err *err, char *text, const char *what);

/** As mr_store_fail(), while no store exists yet. */
int mr_store_fail_path(const char *path, struct mr_err *err, char *text, const char *what);

static inline void mr_store_count(_Atomic uint64_t *counter, uint64_t n)
{
	// why: figures only; nobody derives an order from them
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

// ---- writing and reading -----------------------------------------------------------------------

/** Writes a batch and frees it. @return 0 or -errno with a message. */
int mr_store_write_batch(struct mr_store *store, rocksdb_writebatch_t *batch, bool sync,
	const char *what, struct mr_err *err);

/** Makes reads with @p options see @p snapshot (NULL: the newest state). */
void mr_store_use_snapshot(
	rocksdb_readoptions_t *options, const struct mr_store_snapshot *snapshot);

/** A figure of one column family, 0 where this RocksDB does not know it. */
uint64_t mr_store_figure(struct mr_store *store, enum mr_store_cf cf, const char *name);

// ---- policies ----------------------------------------------------------------------------------

/** The table of policies with the clock that judges by it. @return NULL without memory. */
struct mr_store_policies *mr_store_policies_create(const struct mr_store_params *params);
void mr_store_policies_free(struct mr_store_policies *policies);

/** A factory of compaction filters for feature_live or feature_historical. */
rocksdb_compactionfilterfactory_t *mr_store_filter_factory(
	struct mr_store_policies *policies, enum mr_store_cf cf);

// ---- the store's own notes: keys of the column family "default" --------------------------------

/** A bulk load that is being taken in, followed by its space; value: mr_store_bulk_note. */
#define MR_STORE_NOTE_PENDING "bulk.pending"
/** A bulk load that was taken in, followed by its space; value likewise. */
#define MR_STORE_NOTE_DONE "bulk.done"
#define MR_STORE_NOTE_KEY_MAX_BYTES 32u

/** What is noted of a bulk load. Little-endian. */
struct mr_store_bulk_note {
	uint64_t rows;    // 0
	mr_space_t space; // 8
	uint32_t zero;    // 12
};
static_assert(sizeof(struct mr_store_bulk_note) == 16, "on-disk layout");

/** At open: notes of bulk loads that a crash cut short become done ones; their files go. */
int mr_store_bulk_recover(struct mr_store *store, struct mr_err *err);

// ---- opening -----------------------------------------------------------------------------------

/** Fills store->options, store->block_cache. @return 0, -EINVAL or -ENOMEM with a message. */
int mr_store_make_options(
	struct mr_store *store, const struct mr_store_params *params, struct mr_err *err);
void mr_store_free_options(struct mr_store *store);

/** What a thread was bound to before. */
struct mr_store_binding {
	struct bitmask *cpus;  //!< NULL: CPUs were not touched
	struct bitmask *nodes; //!< NULL: memory policy was not touched
	int mode;
};

/**
 * Binds the calling thread as params ask and starts RocksDB's background threads, which inherit it.
 * @return 0 or -errno with a message; mr_store_unbind() afterwards in both cases.
 */
int mr_store_bind(const struct mr_store_params *params, unsigned n_threads,
	struct mr_store_binding *ret_binding, struct mr_err *err);
void mr_store_unbind(struct mr_store_binding *binding);

/** Background threads in effect. */
static inline unsigned mr_store_threads(const struct mr_store_params *params)
{
	return params->background_threads != 0 ? params->background_threads : 2;
}
