// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_multiget.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>

using rocksdb::PinnableSlice;
using rocksdb::ReadOptions;
using rocksdb::Slice;
using rocksdb::Status;

namespace {

// What RocksDB looks up side by side. It keeps so many keys on its stack; of more in one call it
// takes memory from the heap, and copies them when that grows.
constexpr unsigned BATCH = 32;

// Reused strings that are larger are given back: rows come from memtables as copies.
constexpr size_t KEPT_BYTES = 4096;

static_assert(sizeof(Slice) == sizeof(mr_store_slice), "keys are handed over as they are");

// ---- behind the handles ------------------------------------------------------------------------

// struct rocksdb_t { DB *rep; };
// struct rocksdb_column_family_handle_t { ColumnFamilyHandle *rep; ... };
template <typename T, typename Handle> T *object_of(Handle *handle)
{
	T *object;

	memcpy(&object, handle, sizeof(object));
	return object;
}

rocksdb::DB *db_of(rocksdb_t *handle)
{
	return object_of<rocksdb::DB>(handle);
}

rocksdb::ColumnFamilyHandle *cf_of(rocksdb_column_family_handle_t *handle)
{
	return object_of<rocksdb::ColumnFamilyHandle>(handle);
}

// struct rocksdb_readoptions_t { ReadOptions rep; ... };
const ReadOptions &options_of(const rocksdb_readoptions_t *handle)
{
	return *reinterpret_cast<const ReadOptions *>(handle);
}

bool options_fit()
{
	rocksdb_readoptions_t *handle = rocksdb_readoptions_create();
	const ReadOptions &options = options_of(handle);
	bool fit = options.snapshot == nullptr && options.verify_checksums && options.fill_cache;

	rocksdb_readoptions_set_verify_checksums(handle, 0);
	rocksdb_readoptions_set_fill_cache(handle, 0);
	rocksdb_readoptions_set_readahead_size(handle, 12345);
	fit = fit && !options.verify_checksums && !options.fill_cache &&
	      options.readahead_size == 12345;
	rocksdb_readoptions_destroy(handle);
	return fit;
}

} // namespace

bool mr_store_multiget_fits(
	rocksdb_t *db, const char *path, rocksdb_column_family_handle_t *cf, const char *name)
{
	return options_fit() && db_of(db)->GetName() == path && cf_of(cf)->GetName() == name;
}

// ---- reading -----------------------------------------------------------------------------------

struct mr_store_multiget {
	explicit mr_store_multiget(unsigned n_max) : values(new PinnableSlice[n_max])
	{
	}

	std::unique_ptr<PinnableSlice[]> values;
	Status statuses[BATCH];
};

struct mr_store_multiget *mr_store_multiget_create(unsigned n_max)
{
	try {
		return new mr_store_multiget(n_max);
	} catch (const std::bad_alloc &) {
		return nullptr;
	}
}

void mr_store_multiget_free(struct mr_store_multiget *mg)
{
	delete mg;
}

static void take_results(const Status *statuses, const PinnableSlice *values, unsigned n,
	struct mr_store_slice *ret_values, char **ret_errors)
{
	for (unsigned i = 0; i < n; i++) {
		ret_values[i] = {nullptr, 0};
		ret_errors[i] = nullptr;
		if (statuses[i].ok()) {
			ret_values[i] = {values[i].data(), values[i].size()};
			// Cold, but for where the key lies before it.
			__builtin_prefetch(values[i].data());
		} else if (!statuses[i].IsNotFound()) {
			ret_errors[i] = strdup(statuses[i].ToString().c_str());
		}
	}
}

void mr_store_multiget_run(struct mr_store_multiget *mg, rocksdb_t *db,
	const rocksdb_readoptions_t *options, rocksdb_column_family_handle_t *cf, unsigned first,
	unsigned n, const struct mr_store_slice *keys, struct mr_store_slice *ret_values,
	char **ret_errors)
{
	const Slice *slices = reinterpret_cast<const Slice *>(keys);
	PinnableSlice *values = mg->values.get() + first;

	for (unsigned at = 0; at < n; at += BATCH) {
		unsigned some = n - at < BATCH ? n - at : BATCH;

		db_of(db)->MultiGet(options_of(options), cf_of(cf), some, slices + at, values + at,
			mg->statuses, true);
		take_results(mg->statuses, values + at, some, ret_values + at, ret_errors + at);
	}
}

void mr_store_multiget_release(struct mr_store_multiget *mg, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		PinnableSlice *value = &mg->values[i];

		if (!value->IsPinned() && value->GetSelf()->capacity() > KEPT_BYTES)
			std::string().swap(*value->GetSelf());
		value->Reset();
	}
}
