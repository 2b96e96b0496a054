// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A multi-get by RocksDB's C++ interface, whose values, statuses and keys lie in memory that is
 * used again. The C API takes some from the heap for each key: 4 % of a read's time, and more
 * beside other threads.
 *
 * The C API has no function that gives the objects behind its handles. Each handle begins with
 * them, in every release so far, and mr_store_multiget.cc relies on it; mr_store_multiget_fits()
 * finds out whether it holds here. Where it does not, reads go through the C API.
 *
 * Owner of a struct mr_store_multiget: its reader, one thread at a time.
 */

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that belong to somebody else: a key, or a value that is pinned. */
struct mr_store_slice {
	const char *data; //!< NULL: there is no value
	size_t bytes;
};

struct mr_store_multiget;

/**
 * Whether the handles are what this file takes them for.
 * @param path
 *   That @p db was opened with.
 * @param name
 *   Of @p cf.
 */
bool mr_store_multiget_fits(
	rocksdb_t *db, const char *path, rocksdb_column_family_handle_t *cf, const char *name);

/** For up to @p n_max keys pinned at a time. @return NULL without memory. */
struct mr_store_multiget *mr_store_multiget_create(unsigned n_max);
void mr_store_multiget_free(struct mr_store_multiget *mg);

/**
 * Reads sorted keys, all different, of one column family. Without a snapshot in @p options not all
 * need be read at one state.
 * @param first
 *   Where values are pinned, and until mr_store_multiget_release() nothing else is.
 * @param ret_values, ret_errors
 *   By key; an error is a text to be freed by rocksdb_free(), or NULL.
 */
void mr_store_multiget_run(struct mr_store_multiget *mg, rocksdb_t *db,
	const rocksdb_readoptions_t *options, rocksdb_column_family_handle_t *cf, unsigned first,
	unsigned n, const struct mr_store_slice *keys, struct mr_store_slice *ret_values,
	char **ret_errors);

/** Lets go of the first @p n values. */
void mr_store_multiget_release(struct mr_store_multiget *mg, unsigned n);

#ifdef __cplusplus
}
#endif
