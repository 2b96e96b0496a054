// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the parts of a warm restart share: mr_warm.c (the thread, and what is done with keys) and
 * mr_warm_file.c (the files).
 */

#include <pthread.h>

#include "mr_warm.h"

#define MR_WARM_BATCH 256u //!< keys of a chunk of the file, and of one batched store read

/** A key of the file. */
struct mr_warm_key {
	mr_space_t space;
	struct mr_cache_past past;
	const uint8_t *key;
	uint8_t key_bytes;
};

/** In front of a key's bytes in a chunk. Host's byte order. */
struct mr_warm_entry {
	uint32_t space;            // 0
	struct mr_cache_past past; // 4
	uint8_t key_bytes;         // 8
} __attribute__((packed));
static_assert(sizeof(struct mr_warm_entry) == 9, "on-disk layout");

#define MR_WARM_CHUNK_BYTES (MR_WARM_BATCH * (sizeof(struct mr_warm_entry) + 255u))

/** In front of a chunk of keys, the next ones in order of worth. */
struct mr_warm_chunk_head {
	uint32_t n_keys; // 0
	uint32_t bytes;  // 4: that follow
	uint64_t form;   // 8: mr_cache_past_form() of the cache that they were in
	uint64_t check;  // 16: of what follows, of the above, and of the chunk's number
};
static_assert(sizeof(struct mr_warm_chunk_head) == 24, "on-disk layout");

/** A chunk in memory. */
struct mr_warm_chunk {
	struct mr_warm_chunk_head head;
	uint8_t bytes[MR_WARM_CHUNK_BYTES];
};

/** A file that is being read. */
struct mr_warm_file {
	int fd; //!< -1: none
	uint64_t n_keys;
	uint64_t n_chunks; //!< read so far
	uint64_t n_read;   //!< keys in them
};

/**
 * Opens the file of a node; one that has none begins with that of the first node.
 * @return NULL, with fd -1 when there is none; or why the file is refused.
 */
const char *mr_warm_file_open(struct mr_warm_file *file, const char *dir, unsigned node_index);
void mr_warm_file_close(struct mr_warm_file *file);

/**
 * Reads the next chunk and checks it.
 * @return 1; 0: that was the last; -EUCLEAN: the file is damaged from here on.
 */
int mr_warm_file_next(struct mr_warm_file *file, struct mr_warm_chunk *chunk);

/** Goes back to before the chunk that was read last. */
void mr_warm_file_undo(struct mr_warm_file *file, const struct mr_warm_chunk *chunk);

/** The key at *offset of a chunk that was checked; moves *offset on. */
struct mr_warm_key mr_warm_chunk_key(const struct mr_warm_chunk *chunk, uint32_t *offset);

/**
 * Replaces a node's file by the keys of its cache, and after them what is left in @p rest.
 * @return 0 or -errno.
 */
int mr_warm_file_save(const char *dir, unsigned node_index, const struct mr_node *node,
	struct mr_warm_file *rest);
