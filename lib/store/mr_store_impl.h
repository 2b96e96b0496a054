// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the store's own files share: the handle, the layout of keys and values on disk, and the one
 * way from RocksDB's error texts to errno values and messages.
 */

#include "mr_bytes.h"
#include "mr_store.h"

#include <limits.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

/** Column families, in the order in which they are opened. */
enum mr_store_cf {
	MR_STORE_CF_DEFAULT, //!< the store's own notes
	MR_STORE_CF_LIVE,
	MR_STORE_CF_HISTORICAL,
	MR_STORE_CF_METADATA,
	MR_STORE_CF_COUNT,
};

#define MR_STORE_PREFIX_BYTES 4u
#define MR_STORE_HEAD_BYTES ((uint32_t)sizeof(struct mr_store_head))

struct mr_store {
	rocksdb_t *db;
	rocksdb_column_family_handle_t *cf[MR_STORE_CF_COUNT];
	rocksdb_options_t *options[MR_STORE_CF_COUNT];
	rocksdb_cache_t *block_cache;
	rocksdb_readoptions_t *read_newest;
	rocksdb_writeoptions_t *write_synced;
	rocksdb_writeoptions_t *write_unsynced;
	char path[PATH_MAX];
	bool read_only;
	_Atomic bool sync_failed; // set once, never cleared: promise 11

	// Figures. Relaxed everywhere: they order nothing.
	_Atomic uint64_t reads, keys_read, commits, rows_written, syncs, errors;
};

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

	memcpy(to + n, key, key_bytes);
	return n + key_bytes;
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
#define MR_STORE_LIMIT_MAX_BYTES (MR_STORE_KEY_MAX_BYTES + 16)
uint32_t mr_store_put_limit(uint8_t *to, mr_space_t space);

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

/** -EROFS with a message when the store must not be written to, 0 otherwise. */
int mr_store_check_writable(struct mr_store *store, struct mr_err *err);

static inline void mr_store_count(_Atomic uint64_t *counter, uint64_t n)
{
	// why: figures only; nobody derives an order from them
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

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
