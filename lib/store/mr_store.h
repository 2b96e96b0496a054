// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The store: RocksDB behind one contract. Nothing else in the tree knows RocksDB.
 *
 * Column family feature_live holds the newest row of each key, feature_live_fast those of sets that
 * pay disk for speed (no compression, small blocks; the caller says which with `fast`, and says the
 * same for as long as a space has rows), feature_metadata the registry and what must survive a
 * restart. A live key is set (2 bytes, big-endian), version (2 bytes, big-
 * endian), entity key; a live value is struct mr_store_head followed by the row. A delete is kept
 * as a tombstone row, so that an older event that arrives later cannot resurrect the key.
 *
 * feature_historical holds the rows of sets that keep history. Its key is set, version, length of
 * the entity key (1 byte), entity key, and the complement of the event time (8 bytes, big-endian):
 * newest first. The length keeps the rows of one entity together, whatever bytes keys end with.
 * Two events of one key at one time are one row: the one committed last.
 *
 * Beside this: mr_store_feed.h (every change in order), mr_store_bulk.h (loading sorted rows).
 *
 * Threads: the store may be used by any number of threads; a reader object belongs to one thread.
 * Reads and commits block: I/O lcores and control threads only, never an RX lcore. Libraries below
 * may allocate here: RocksDB does.
 */

#include "mr_cc.h"
#include "mr_err.h"
#include "mr_hash.h"

#include <sched.h>
#include <stdbool.h>

struct mr_store;
struct mr_store_reader;
struct mr_store_snapshot;

#define MR_STORE_KEY_MAX_BYTES (4 + 255)

/** Sizes and choices; zero means the default in parentheses. */
struct mr_store_params {
	const char *path;            //!< directory; made if missing
	uint64_t block_cache_bytes;  //!< (256 MiB)
	uint64_t memtable_bytes;     //!< per memtable of feature_live (64 MiB)
	uint32_t background_threads; //!< flushes and compactions (2)
	uint32_t block_bytes;        //!< uncompressed block (4 KiB)
	uint32_t blob_min_bytes;     //!< rows from this size on live in blob files (4 KiB)
	const char *compression;     //!< none | lz4 | zstd (zstd)
	uint32_t block_restart; //!< keys between two that are whole: a seek compares as many (4)
	bool no_block_hash;     //!< no hash table in each block
	/**
	 * Filters for the last level, too, where nearly all rows are. Who asks the store mostly for
	 * rows that exist, because a filter of its own rules the others out, is faster without.
	 */
	bool filter_last_level;
	/**
	 * Node to bind RocksDB's background threads to; -1: none. The block cache lies where the
	 * threads run that read through it, so run the readers there, too.
	 */
	int numa_node;
	/**
	 * CPUs for the background threads (of these the node's, if some are), NULL: the node's,
	 * without a node those of the thread that opens the store. Keep the RX lcores' CPUs out of
	 * it.
	 */
	const cpu_set_t *background_cpus;
	/**
	 * How long and how many bytes of WAL stay for the change feed after nothing else needs
	 * them; 0: no limit of this kind, both 0: none stays.
	 */
	uint64_t wal_keep_s, wal_keep_bytes;
	/** The wall clock by which compactions judge expiry (CLOCK_REALTIME). */
	uint64_t (*now_us)(void *arg);
	void *now_arg;
	bool read_only;
};

/** In front of every live row. Little-endian. */
struct mr_store_head {
	uint64_t event_time_us; // 0
	uint32_t layout;        // 8: mr_schema.layout of the row
	uint8_t format;         // 12: 1
	uint8_t flags;          // 13: MR_STORE_DELETED
	uint16_t zero;          // 14
};
static_assert(sizeof(struct mr_store_head) == 16, "on-disk layout");
#define MR_STORE_FORMAT 1u
#define MR_STORE_DELETED 1u

/**
 * Opens the store, creating directory and column families as needed.
 * @return the store, or NULL with errno and a message for the operator: EBUSY: another process
 *   holds the directory (which one, where known); EACCES, ENOSPC, EIO; EUCLEAN: corrupted.
 */
struct mr_store *mr_store_open(const struct mr_store_params *params, struct mr_err *err);

/**
 * Flushes what is not on disk, closes. NULL is allowed. Readers, scans, snapshots, feeds and bulk
 * loads of the store must be gone before.
 * @return 0 or -EIO with a message; closed in any case.
 */
int mr_store_close(struct mr_store *store, struct mr_err *err);

// ---- reads -------------------------------------------------------------------------------------

/** One row wanted. In: space, key, fast. Out: the rest. */
struct mr_store_get {
	mr_space_t space;
	const void *key;
	uint8_t key_bytes;
	bool fast;     //!< rows of this space are in feature_live_fast
	int8_t result; //!< 0: found; -ENOENT; -EIO; -EUCLEAN: value is not a row
	bool deleted;  //!< found, but a tombstone: row is empty
	uint64_t event_time_us;
	uint32_t layout;
	const uint8_t *row; //!< pinned until mr_store_release()
	uint32_t row_bytes;
};

/** A reader's scratch and pins, for bursts of up to @p burst_max keys. @return NULL and errno. */
struct mr_store_reader *mr_store_reader_create(struct mr_store *store, unsigned burst_max);
void mr_store_reader_free(struct mr_store_reader *reader);

/**
 * Reads a burst: sorted, equal keys read once, one batched multi-get. Lets go of the last one.
 * @return 0, the outcome of each is in its result; -EINVAL: more keys than the reader was made for.
 */
int mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);

/** Lets go of what the last read pinned. Row pointers die here. */
void mr_store_release(struct mr_store_reader *reader);

/** Text of the last -EIO or -EUCLEAN of this reader, "" if none. */
const char *mr_store_reader_error(const struct mr_store_reader *reader);

/**
 * A state of the whole store that later writes do not change. What it holds back from compaction
 * costs disk: release it soon. @return NULL and ENOMEM.
 */
struct mr_store_snapshot *mr_store_snapshot_take(struct mr_store *store);

/** NULL is allowed. No read at it may be under way. */
void mr_store_snapshot_release(struct mr_store_snapshot *snapshot);

/** As mr_store_read(), all keys at @p snapshot (NULL: the newest state). */
int mr_store_read_at(struct mr_store_reader *reader, const struct mr_store_snapshot *snapshot,
	struct mr_store_get *gets, unsigned n);

/**
 * Reads from history: of each key the newest row whose event time is not after @p as_of_us. A row
 * may be a tombstone. Only what was written with keep_history is there. Slower than a live read:
 * one seek per key, and rows are copied into the reader's memory.
 * @param snapshot
 *   NULL: the newest state.
 * @return 0 or -ENOMEM; the outcome of each is in its result.
 */
int mr_store_read_as_of(struct mr_store_reader *reader, const struct mr_store_snapshot *snapshot,
	uint64_t as_of_us, struct mr_store_get *gets, unsigned n);

// ---- writes ------------------------------------------------------------------------------------

struct mr_store_put {
	mr_space_t space;
	const void *key;
	uint8_t key_bytes;
	bool deleted;      //!< writes a tombstone
	bool keep_history; //!< writes it to feature_historical as well
	bool fast;         //!< to feature_live_fast instead of feature_live
	uint64_t event_time_us;
	uint32_t layout;
	const void *row;
	uint32_t row_bytes;
};

/**
 * Whether the store takes writes. Any thread; one load.
 * @return 0; -EROFS with a message: opened read-only, or a sync has failed.
 */
int mr_store_check_writable(struct mr_store *store, struct mr_err *err);

/**
 * Commits a burst atomically, in order (the last put of a key wins; deciding which event is newer
 * is the caller's).
 * @param sync
 *   true: returns after the WAL reached stable storage.
 * @return 0; -EIO, -ENOSPC with a message: the burst is not acknowledged, though after a failed
 * sync or a crash it may turn out to be there. After a failed sync the store refuses every further
 *   commit with -EROFS: the kernel may have dropped the pages, so trying again would lie.
 */
int mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n, bool sync,
	struct mr_err *err);

/** A metadata entry to write, or with value NULL to delete. */
struct mr_store_meta {
	const char *key;
	const void *value;
	size_t value_bytes;
};

/** As mr_store_commit(), with metadata in the same atomic batch. */
int mr_store_commit_with_meta(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	const struct mr_store_meta *metas, unsigned n_metas, bool sync, struct mr_err *err);

// ---- metadata ----------------------------------------------------------------------------------

/** Writes (synced) or with value NULL deletes a metadata entry. @return 0 or -errno. */
int mr_store_meta_put(struct mr_store *store, const char *key, const void *value,
	size_t value_bytes, struct mr_err *err);

/** @return malloc'ed value with its length, zero-terminated; NULL and errno ENOENT or EIO. */
void *mr_store_meta_get(struct mr_store *store, const char *key, size_t *ret_bytes);

// ---- scans -------------------------------------------------------------------------------------

struct mr_store_scan;

/** A live row as a scan sees it; valid until the next step. */
struct mr_store_item {
	mr_space_t space;
	const uint8_t *key;
	uint8_t key_bytes;
	bool deleted;
	uint64_t event_time_us;
	uint32_t layout;
	const uint8_t *row;
	uint32_t row_bytes;
};

/**
 * Starts a scan of all live rows of a consistent snapshot, or of one space: first those of
 * feature_live, then those of feature_live_fast, each by key.
 * @param space
 *   0: all. @return the scan, or NULL and errno.
 */
struct mr_store_scan *mr_store_scan_begin(struct mr_store *store, mr_space_t space);

/** As mr_store_scan_begin(), of @p snapshot, which must outlive the scan. */
struct mr_store_scan *mr_store_scan_begin_at(
	struct mr_store *store, mr_space_t space, const struct mr_store_snapshot *snapshot);

/** @return 1: an item; 0: the end; -EIO with a message. */
int mr_store_scan_next(
	struct mr_store_scan *scan, struct mr_store_item *ret_item, struct mr_err *err);

/**
 * As up to @p n steps of which only mr_hash_row() of each key is wanted: rows are not looked at.
 * @return how many, fewer than @p n only at the end; then 0; -EIO with a message.
 */
int mr_store_scan_hashes(
	struct mr_store_scan *scan, uint64_t *hashes, unsigned n, struct mr_err *err);
void mr_store_scan_end(struct mr_store_scan *scan);

// ---- what compactions drop ---------------------------------------------------------------------

/** What becomes of the rows of one space. Durations in microseconds of event time; 0: for ever. */
struct mr_store_policy {
	mr_space_t space;
	bool dropped;               //!< the version is gone: all its rows
	uint64_t ttl_us;            //!< live rows and tombstones of this age and more
	uint64_t tombstone_keep_us; //!< tombstones alone, where they may go before ttl_us
	/**
	 * History of this age and more, except of each key the newest such row: it is what a read
	 * as of the start of the period has to find.
	 */
	uint64_t history_keep_us;
};

/**
 * Tells compactions what they may drop; replaces what was told before. Running compactions finish
 * by the old table. Reads still see a row until a compaction gets to it: refusing expired rows is
 * the reader's business. A dropped tombstone no longer stops an older event, so keep tombstones
 * for longer than events may be late. Spaces not named lose nothing.
 * @param policies
 *   Copied; in any order. @return 0, -EINVAL: a space is named twice, -ENOMEM.
 */
int mr_store_set_policy(struct mr_store *store, const struct mr_store_policy *policies, unsigned n);

// ---- figures and upkeep ------------------------------------------------------------------------

/** Newest sequence number; equal numbers mean equal content. */
uint64_t mr_store_sequence(struct mr_store *store);

/** RocksDB's estimate of live keys. */
uint64_t mr_store_estimated_keys(struct mr_store *store);

/** Deletes a space by range, if it has rows; compaction reclaims it. @return 0 or -errno. */
int mr_store_drop_space(struct mr_store *store, mr_space_t space, struct mr_err *err);

int mr_store_flush(struct mr_store *store, struct mr_err *err);
int mr_store_compact(struct mr_store *store, struct mr_err *err);

struct mr_store_stats {
	uint64_t sequence, estimated_keys;
	uint64_t sst_bytes, blob_bytes, memtable_bytes, block_cache_bytes, wal_bytes;
	uint64_t pending_compaction_bytes, running_compactions, running_flushes;
	uint64_t write_stopped, delayed_write_bytes_per_s;
	uint64_t levels_files[7];
	uint64_t reads, keys_read, commits, rows_written, syncs, errors;
};
void mr_store_stats(struct mr_store *store, struct mr_store_stats *ret_stats);

// What the store is busy with besides answering.
#define MR_STORE_COMPACTING 1u
#define MR_STORE_STALLING 2u //!< writes are slowed down or stopped until compactions catch up

/** Looks at it; takes locks of RocksDB's. Control, every 100 ms or so. */
void mr_store_watch(struct mr_store *store);

/** What the last look saw, bits of the above. Any thread; one load. */
uint32_t mr_store_weather(const struct mr_store *store);

/** Column families with rows or metadata: live, live_fast, historical, metadata. */
#define MR_STORE_FAMILIES 4u

/** Figures of one column family since the store was opened. */
struct mr_store_family_stats {
	const char *name; //!< "feature_live"
	uint64_t estimated_keys;
	uint64_t sst_bytes, blob_bytes, blob_garbage_bytes;
	uint64_t memtable_bytes, memtables_unflushed;
	uint64_t table_readers_bytes; //!< filters and indexes, pinned
	uint64_t pending_compaction_bytes;
	uint64_t levels_files[7];
	uint64_t stall_delays, stall_stops; //!< how often writes were slowed down, stopped
	uint64_t write_stopped;             //!< 1: right now
	double write_amplification; //!< bytes written by flushes and compactions, to flushed
};

/** @return 0, or -EINVAL when @p family is not below MR_STORE_FAMILIES. */
int mr_store_family_stats(
	struct mr_store *store, unsigned family, struct mr_store_family_stats *ret_stats);

/**
 * Makes a copy of the store as it is now in a new directory, which any mr_store_open() can open:
 * a backup. Serves on meanwhile. Files are hard links where the file system is the same.
 * @return 0; -EEXIST: the directory is there already; -EIO, -ENOSPC with a message.
 */
int mr_store_checkpoint(struct mr_store *store, const char *path, struct mr_err *err);

struct mr_store_verified {
	uint64_t files, entries, bytes;
};

/**
 * Reads everything and compares checksums: all files are there in the length they must have, every
 * block and blob that a read can reach is what was written, every value is a row. Takes as long as
 * reading the disk does; the block cache is left alone.
 * @param cancel
 *   Ends it early with -ECANCELED once it is true; NULL: nothing does.
 * @return 0; -EUCLEAN with a message that names the file, or of a damaged blob the entry before;
 * -EIO.
 */
int mr_store_verify(struct mr_store *store, const _Atomic bool *cancel,
	struct mr_store_verified *ret_verified, struct mr_err *err);
