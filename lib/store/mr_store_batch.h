// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Takes RocksDB write batches apart. The C API of 7.8 can walk a batch only as far as its first
 * record outside the default column family, so the records are read here: the layout is that of
 * the WAL on disk, and RocksDB keeps it compatible.
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
