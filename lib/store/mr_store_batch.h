// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Takes RocksDB write batches apart, and puts them together. The C API of 7.8 can walk a batch only
 * as far as its first record outside the default column family, and takes five times as long to add
 * a row from pieces, so both is done here: the layout is that of the WAL on disk, and RocksDB keeps
 * it compatible.
 */

#include "mr_store_impl.h"

enum mr_store_record_kind {
	MR_STORE_RECORD_PUT,
	MR_STORE_RECORD_DELETE,
	MR_STORE_RECORD_DELETE_RANGE, //!< from key to value, exclusive
};

struct mr_store_record {
	enum mr_store_record_kind kind;
	uint32_t cf; //!< RocksDB's number of the column family
	uint64_t sequence;
	const char *key, *value;
	uint32_t key_bytes, value_bytes;
};

/** A batch while it is read. */
struct mr_store_batch {
	const uint8_t *at, *end;
	uint64_t sequence; //!< of the next record
	uint64_t limit;    //!< of the first record of the next batch
};

/** Starts at the bytes of a batch. @return 0 or -EUCLEAN. */
int mr_store_batch_init(
	struct mr_store_batch *batch, const char *bytes, size_t n, uint64_t sequence);

/** @return 1: a record; 0: the end; -EUCLEAN: not a batch that a store writes. */
int mr_store_batch_next(struct mr_store_batch *batch, struct mr_store_record *ret_record);

/** A batch while it is put together, in the caller's memory. */
struct mr_store_batch_maker {
	uint8_t *bytes, *at;
	uint32_t n; //!< records
};

#define MR_STORE_BATCH_HEADER_BYTES 12u
/** Most bytes of a put beside the row behind its head. */
#define MR_STORE_BATCH_PUT_BYTES \
	(1u + 3u * 5u + MR_STORE_HISTORY_KEY_MAX_BYTES + MR_STORE_HEAD_BYTES)

/** Starts an empty batch in memory that holds a header and all puts. */
void mr_store_batch_begin(struct mr_store_batch_maker *maker, void *bytes);

/** Adds a put of a value made of two parts. @p row may be NULL when it has no bytes. */
void mr_store_batch_put(struct mr_store_batch_maker *maker, uint32_t cf, const void *key,
	uint32_t key_bytes, const struct mr_store_head *head, const void *row, uint32_t row_bytes);

/** @return the bytes of the batch, as rocksdb_writebatch_create_from() takes them. */
size_t mr_store_batch_end(struct mr_store_batch_maker *maker);
