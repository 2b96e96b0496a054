// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A block cache whose blocks lie in memory of mr_store_blocks.h. RocksDB takes an allocator of
 * one's own through its C++ interface alone; see mr_store_multiget.h about handles.
 */

#include "mr_store_blocks.h"

#include <rocksdb/c.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * As rocksdb_cache_create_lru(). Destroyed like that, once nothing holds a block of it any more.
 * @param blocks
 *   Becomes the cache's own. @return NULL: the C API's handles are not as expected, or there is
 *   no memory; @p blocks is freed.
 */
rocksdb_cache_t *mr_store_cache_create(uint64_t bytes, struct mr_store_blocks *blocks);

#ifdef __cplusplus
}
#endif
