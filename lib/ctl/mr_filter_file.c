// SPDX-License-Identifier: BSD-3-Clause
#include "mr_filter_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_file.h"
#include "mr_hash.h"
#include "mr_log.h"

#define MAGIC "MRFILTER"
#define VERSION 1u // counts up with every change of the layout

/** In front of the bytes of mr_bloom_bytes(), which have their own check. Host's byte order. */
struct file_head {
	char magic[8];        // 0
	uint32_t version;     // 8
	uint32_t zero;        // 12
	uint64_t sequence;    // 16: of the store whose keys these are
	uint64_t bloom_bytes; // 24
	double fpr;           // 32: that it was made for
	uint64_t built_keys;  // 40
	uint64_t zero2;       // 48
	uint64_t check;       // 56: mr_hash_key() of what stands before
};
static_assert(sizeof(struct file_head) == 64, "on-disk layout");

static uint64_t head_check(const struct file_head *head)
{
	return mr_hash_key(head, offsetof(struct file_head, check));
}

// Why a file cannot be used, or NULL.
static const char *head_defect(
	const struct mr_filter *f, const struct file_head *head, const struct stat *st)
{
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0 || head->version != VERSION ||
		head->check != head_check(head))
		return "is not a filter of this version";
	if ((uint64_t)st->st_size != sizeof(*head) + head->bloom_bytes)
		return "has the wrong size";
	if (head->sequence != mr_store_sequence(f->p.store))
		return "does not belong to the store's present content";
	if (head->fpr != f->p.fpr)
		return "was made for another false-positive rate";
	return NULL;
}

// The file's filter in memory of every node.
static const char *read_blooms(const struct mr_filter *f, int fd, const struct file_head *head,
	struct mr_filter_generation *g)
{
	struct mr_bloom_stats stats;

	for (unsigned i = 0; i < g->n_nodes; i++) {
		void *mem = mr_mem_alloc("mr_bloom", head->bloom_bytes, MR_CACHE_LINE_BYTES,
			f->p.tiers->nodes[i].node);

		if (mem == NULL)
			return "does not fit the memory there is";
		if (i > 0)
			memcpy(mem, g->blooms[0], head->bloom_bytes);
		else if (!mr_file_read_whole(fd, mem, head->bloom_bytes)) {
			mr_mem_free(mem);
			return "cannot be read";
		}
		g->blooms[i] = mr_bloom_open(mem, head->bloom_bytes);
		if (g->blooms[i] == NULL) {
			mr_mem_free(mem);
			return "is damaged";
		}
	}
	mr_bloom_stats(g->blooms[0], &stats);
	if (stats.capacity_keys < f->p.keys)
		return "is smaller than the configuration asks for";
	return NULL;
}

static const char *read_file(struct mr_filter *f, int fd, struct mr_filter_generation *g)
{
	struct file_head head;
	const char *defect;
	struct stat st;

	if (fstat(fd, &st) < 0 || !mr_file_read_whole(fd, &head, sizeof(head)))
		return "cannot be read";
	defect = head_defect(f, &head, &st);
	if (defect != NULL)
		return defect;
	g->n_nodes = f->p.tiers->n_nodes;
	g->blooms = calloc(g->n_nodes, sizeof(*g->blooms));
	if (g->blooms == NULL)
		return "does not fit the memory there is";
	defect = read_blooms(f, fd, &head, g);
	if (defect == NULL)
		f->built_keys = head.built_keys;
	return defect;
}

bool mr_filter_file_load(struct mr_filter *f)
{
	struct mr_filter_generation g = {0};
	const char *defect;
	char path[PATH_MAX];
	int fd;

	if (mr_file_path(f->p.path, MR_FILTER_FILE, path, sizeof(path)) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	defect = read_file(f, fd, &g);
	close(fd);
	// From the first write on it is wrong: it must be gone before there can be one.
	if ((unlink(path) < 0 || mr_file_sync_directory(f->p.path) < 0) && defect == NULL)
		defect = "cannot be deleted";
	if (defect != NULL) {
		mr_log(MR_LOG_INFO, "filter", "%s %s: building anew", path, defect);
		mr_filter_generation_free(&g);
		return false;
	}
	mr_filter_generation_publish(f, &g);
	return true;
}

// ---- saving
// --------------------------------------------------------------------------------------

static int write_filter(int fd, void *arg)
{
	const struct mr_filter *f = arg;
	struct file_head head = {.magic = MAGIC, .version = VERSION, .fpr = f->p.fpr};
	size_t bytes;
	const void *bloom = mr_bloom_bytes(f->now.blooms[0], &bytes);
	int ret;

	head.sequence = mr_store_sequence(f->p.store);
	head.bloom_bytes = bytes;
	head.built_keys = f->built_keys;
	head.check = head_check(&head);
	ret = mr_file_write_whole(fd, &head, sizeof(head));
	return ret < 0 ? ret : mr_file_write_whole(fd, bloom, bytes);
}

int mr_filter_save(struct mr_filter *f, struct mr_err *err)
{
	int ret;

	if (f->now.n_nodes == 0)
		return -ENOENT;
	ret = mr_file_replace(f->p.path, MR_FILTER_FILE, write_filter, f);
	if (ret < 0)
		return mr_fail(err, -ret, "%s/" MR_FILTER_FILE ": cannot save the filter: %s",
			f->p.path, strerror(-ret));
	return 0;
}
