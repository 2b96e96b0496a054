// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_cache.h"

#include <rocksdb/cache.h>
#if __has_include(<rocksdb/advanced_cache.h>)
#include <rocksdb/advanced_cache.h> // of 8.1 and later
#endif
#include <rocksdb/memory_allocator.h>

#include <memory>
#include <new>

namespace {

class huge_allocator : public rocksdb::MemoryAllocator {
      public:
	explicit huge_allocator(mr_store_blocks *blocks) : blocks(blocks)
	{
	}

	~huge_allocator() override
	{
		mr_store_blocks_free(blocks);
	}

	huge_allocator(const huge_allocator &) = delete;
	huge_allocator &operator=(const huge_allocator &) = delete;

	const char *Name() const override
	{
		return "millrace.blocks";
	}

	void *Allocate(size_t bytes) override
	{
		void *block = mr_store_blocks_take(blocks, bytes);

		// What malloc() failing is to RocksDB elsewhere.
		if (block == nullptr)
			throw std::bad_alloc();
		return block;
	}

	void Deallocate(void *block) override
	{
		mr_store_blocks_give(blocks, block);
	}

	size_t UsableSize(void *block, size_t bytes) const override
	{
		return mr_store_blocks_usable(blocks, block, bytes);
	}

      private:
	mr_store_blocks *blocks;
};

// struct rocksdb_cache_t { std::shared_ptr<Cache> rep; };
std::shared_ptr<rocksdb::Cache> &cache_of(rocksdb_cache_t *handle)
{
	return *reinterpret_cast<std::shared_ptr<rocksdb::Cache> *>(handle);
}

// Whether what is done to the handle shows in what lies behind it.
bool fits(rocksdb_cache_t *handle)
{
	const std::shared_ptr<rocksdb::Cache> &cache = cache_of(handle);

	if (cache.use_count() != 1 || cache->GetCapacity() != rocksdb_cache_get_capacity(handle))
		return false;
	rocksdb_cache_set_capacity(handle, 12345);
	return cache->GetCapacity() == 12345;
}

} // namespace

rocksdb_cache_t *mr_store_cache_create(uint64_t bytes, struct mr_store_blocks *blocks)
{
	rocksdb_cache_t *handle = rocksdb_cache_create_lru(1 << 20);

	if (!fits(handle)) {
		rocksdb_cache_destroy(handle);
		mr_store_blocks_free(blocks);
		return nullptr;
	}
	try {
		rocksdb::LRUCacheOptions options;

		options.capacity = bytes;
		options.memory_allocator = std::make_shared<huge_allocator>(blocks);
		cache_of(handle) = rocksdb::NewLRUCache(options);
		return handle;
	} catch (const std::bad_alloc &) {
		rocksdb_cache_destroy(handle);
		return nullptr;
	}
}
