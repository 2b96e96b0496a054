// SPDX-License-Identifier: BSD-3-Clause
#include "mr_warm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mr_file.h"
#include "mr_hash.h"

#define MAGIC "MRCACHE\n"
#define VERSION 1u // counts up with every change of the layout
#define NAME_BYTES 32u
// Rows asked for ahead of the one whose key is being copied.
#define AHEAD 8u

/** In front of the chunks. Host's byte order. */
struct file_head {
	char magic[8];    // 0
	uint32_t version; // 8
	uint32_t node;    // 12: index
	uint64_t n_keys;  // 16
	uint64_t check;   // 24: mr_hash_key() of what stands before
};
static_assert(sizeof(struct file_head) == 32, "on-disk layout");

static uint64_t head_check(const struct file_head *head)
{
	return mr_hash_key(head, offsetof(struct file_head, check));
}

// Of a chunk at its place: one that was moved within the file is damaged as well.
static uint64_t chunk_check(const struct mr_warm_chunk *chunk, uint64_t number)
{
	uint64_t head = mr_hash_key(&chunk->head, offsetof(struct mr_warm_chunk_head, check));

	return mr_hash_row(mr_hash_key(chunk->bytes, chunk->head.bytes) ^ head, (uint32_t)number);
}

// ---- reading
// -------------------------------------------------------------------------------------

static const char *read_head(struct mr_warm_file *file)
{
	struct file_head head;

	if (!mr_file_read_whole(file->fd, &head, sizeof(head)) ||
		memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 || head.version != VERSION ||
		head.check != head_check(&head))
		return "is not a list of keys of this version";
	file->n_keys = head.n_keys;
	return NULL;
}

const char *mr_warm_file_open(struct mr_warm_file *file, const char *dir, unsigned node_index)
{
	char name[NAME_BYTES], path[PATH_MAX];

	*file = (struct mr_warm_file){.fd = -1};
	snprintf(name, sizeof(name), MR_WARM_FILE, node_index);
	if (mr_file_path(dir, name, path, sizeof(path)) < 0)
		return "has a path that is too long";
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 && errno == ENOENT && node_index > 0)
		return mr_warm_file_open(file, dir, 0);
	if (file->fd < 0)
		return errno == ENOENT ? NULL : "cannot be opened";
	return read_head(file);
}

void mr_warm_file_close(struct mr_warm_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

// Whether the entries are as many as the head says, and fill the chunk.
static bool is_whole(const struct mr_warm_chunk *chunk)
{
	uint32_t offset = 0;

	for (uint32_t i = 0; i < chunk->head.n_keys; i++) {
		struct mr_warm_entry entry;

		if (chunk->head.bytes - offset < sizeof(entry))
			return false;
		memcpy(&entry, chunk->bytes + offset, sizeof(entry));
		offset += (uint32_t)sizeof(entry);
		if (entry.key_bytes == 0 || chunk->head.bytes - offset < entry.key_bytes)
			return false;
		offset += entry.key_bytes;
	}
	return offset == chunk->head.bytes;
}

int mr_warm_file_next(struct mr_warm_file *file, struct mr_warm_chunk *chunk)
{
	struct mr_warm_chunk_head *head = &chunk->head;

	if (file->n_read == file->n_keys)
		return 0;
	if (!mr_file_read_whole(file->fd, head, sizeof(*head)) || head->n_keys == 0 ||
		head->n_keys > MR_WARM_BATCH || head->bytes > sizeof(chunk->bytes) ||
		head->n_keys > file->n_keys - file->n_read ||
		!mr_file_read_whole(file->fd, chunk->bytes, head->bytes) ||
		head->check != chunk_check(chunk, file->n_chunks) || !is_whole(chunk))
		return -EUCLEAN;
	file->n_chunks++;
	file->n_read += head->n_keys;
	return 1;
}

void mr_warm_file_undo(struct mr_warm_file *file, const struct mr_warm_chunk *chunk)
{
	lseek(file->fd, -(off_t)(sizeof(chunk->head) + chunk->head.bytes), SEEK_CUR);
	file->n_chunks--;
	file->n_read -= chunk->head.n_keys;
}

struct mr_warm_key mr_warm_chunk_key(const struct mr_warm_chunk *chunk, uint32_t *offset)
{
	const uint8_t *at = chunk->bytes + *offset;
	struct mr_warm_entry entry;

	memcpy(&entry, at, sizeof(entry));
	*offset += (uint32_t)sizeof(entry) + entry.key_bytes;
	return (struct mr_warm_key){entry.space, entry.past, at + sizeof(entry), entry.key_bytes};
}

// ---- saving
// --------------------------------------------------------------------------------------

struct save {
	const struct mr_cache *cache;
	uint64_t now_ticks;
	unsigned node_index;
	struct mr_warm_file *rest;
	uint64_t n_keys, n_chunks;
	struct mr_warm_chunk chunk;
};

static int write_chunk(struct save *s, int fd)
{
	struct mr_warm_chunk *chunk = &s->chunk;
	size_t bytes = sizeof(chunk->head) + chunk->head.bytes;

	if (chunk->head.n_keys == 0)
		return 0;
	chunk->head.check = chunk_check(chunk, s->n_chunks++);
	s->n_keys += chunk->head.n_keys;
	return mr_file_write_whole(fd, chunk, bytes);
}

static void add_key(struct save *s, const struct mr_cache_ranked *ranked)
{
	struct mr_warm_chunk *chunk = &s->chunk;
	uint8_t *at = chunk->bytes + chunk->head.bytes;
	struct mr_warm_entry entry;
	struct mr_cache_row row;

	mr_cache_ranked_row(s->cache, ranked, &row);
	entry = (struct mr_warm_entry){row.space, ranked->past, (uint8_t)row.key_bytes};
	memcpy(at, &entry, sizeof(entry));
	memcpy(at + sizeof(entry), row.key, row.key_bytes);
	chunk->head.bytes += (uint32_t)(sizeof(entry) + row.key_bytes);
	chunk->head.n_keys++;
}

static int write_rows(struct save *s, int fd)
{
	void *mem = malloc(mr_cache_rank_memsize(s->cache));
	const struct mr_cache_ranked *ranked;
	uint64_t n;
	int ret = 0;

	if (mem == NULL)
		return -ENOMEM;
	ranked = mr_cache_rank(s->cache, s->now_ticks, mem, &n);
	for (uint64_t i = 0; ret == 0 && i < n;) {
		s->chunk.head = (struct mr_warm_chunk_head){.form = mr_cache_past_form(s->cache)};
		for (; i < n && s->chunk.head.n_keys < MR_WARM_BATCH; i++) {
			mr_cache_ranked_prefetch(s->cache, &ranked[MR_MIN(i + AHEAD, n - 1)]);
			add_key(s, &ranked[i]);
		}
		ret = write_chunk(s, fd);
	}
	free(mem);
	return ret;
}

// What was not read back yet is worth less than all that was, and more than nothing.
static int write_rest(struct save *s, int fd)
{
	int ret = 0;

	while (ret == 0 && s->rest->fd >= 0 && mr_warm_file_next(s->rest, &s->chunk) > 0)
		ret = write_chunk(s, fd);
	return ret;
}

// The head goes in last, when the number of keys is known: half a file has none.
static int write_file(int fd, void *arg)
{
	struct save *s = arg;
	struct file_head head = {.magic = MAGIC, .version = VERSION, .node = s->node_index};
	int ret = 0;

	if (lseek(fd, sizeof(head), SEEK_SET) < 0)
		return -errno;
	ret = write_rows(s, fd);
	if (ret == 0)
		ret = write_rest(s, fd);
	if (ret == 0 && lseek(fd, 0, SEEK_SET) < 0)
		ret = -errno;
	if (ret < 0)
		return ret;
	head.n_keys = s->n_keys;
	head.check = head_check(&head);
	return mr_file_write_whole(fd, &head, sizeof(head));
}

int mr_warm_file_save(
	const char *dir, unsigned node_index, const struct mr_node *node, struct mr_warm_file *rest)
{
	struct save *s = calloc(1, sizeof(*s));
	char name[NAME_BYTES];
	int ret;

	if (s == NULL)
		return -ENOMEM;
	s->cache = node->cache;
	s->now_ticks = mr_node_ticks(node);
	s->node_index = node_index;
	s->rest = rest;
	snprintf(name, sizeof(name), MR_WARM_FILE, node_index);
	ret = mr_file_replace(dir, name, write_file, s);
	free(s);
	return ret;
}
