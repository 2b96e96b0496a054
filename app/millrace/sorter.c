// SPDX-License-Identifier: BSD-3-Clause

#include "sorter.h"

#include "mr_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_BUFFER_BYTES (256u << 10)

/** In front of a row, in memory and in a run; key and row follow. */
struct head {
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
	uint8_t zero[3];
};

/** A row in memory: enough of its key to decide most comparisons. */
struct slot {
	uint64_t first8;
	uint64_t at;
};

struct run {
	FILE *file;
	char *buffer;
	struct head *row; //!< the next one, with key and row behind it
};

struct sorter {
	const char *dir;
	uint8_t *mem; //!< rows from the front, slots from the back
	uint64_t mem_bytes, used_bytes, n_slots;
	uint64_t next_slot; //!< reading from memory alone
	struct run *runs;
	unsigned n_runs;
	unsigned *heap; //!< runs by their next row
	unsigned n_heap;
	bool is_merging;
	bool has_last;
	struct head *spare; //!< the merged row handed out last, and then the next to read into
	struct head *last;  //!< copy of the row handed out last
	uint64_t duplicates;
};

#define HEAD_MAX_BYTES (sizeof(struct head) + MR_KEY_MAX_BYTES + MR_ROW_MAX_BYTES)

static const uint8_t *key_of(const struct head *h)
{
	return (const uint8_t *)(h + 1);
}

static const uint8_t *row_of(const struct head *h)
{
	return key_of(h) + h->key_bytes;
}

static int compare_keys(const struct head *a, const struct head *b)
{
	int order = memcmp(key_of(a), key_of(b), MR_MIN(a->key_bytes, b->key_bytes));

	return order != 0 ? order : (int)a->key_bytes - (int)b->key_bytes;
}

/** By key, and of one key the winner first. */
static int compare(const struct head *a, const struct head *b)
{
	int order = compare_keys(a, b);

	if (order != 0)
		return order;
	if (a->event_time_us != b->event_time_us)
		return a->event_time_us > b->event_time_us ? -1 : 1;
	order = memcmp(row_of(b), row_of(a), MR_MIN(a->row_bytes, b->row_bytes));
	return order != 0 ? order : (a->row_bytes < b->row_bytes) - (a->row_bytes > b->row_bytes);
}

static int compare_slots(const void *pa, const void *pb, void *arg)
{
	const struct slot *a = pa, *b = pb;
	const uint8_t *mem = arg;

	if (a->first8 != b->first8)
		return a->first8 < b->first8 ? -1 : 1;
	return compare((const struct head *)(const void *)(mem + a->at),
		(const struct head *)(const void *)(mem + b->at));
}

static struct slot *slots(const struct sorter *s)
{
	return (struct slot *)(void *)(s->mem + s->mem_bytes) - s->n_slots;
}

struct sorter *sorter_new(uint64_t memory_bytes, const char *dir)
{
	struct sorter *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->dir = dir;
	s->mem_bytes = MR_ALIGN_UP(MR_MAX(memory_bytes, 4 * HEAD_MAX_BYTES), (uint64_t)16);
	s->mem = malloc(s->mem_bytes);
	s->last = malloc(HEAD_MAX_BYTES);
	s->spare = malloc(HEAD_MAX_BYTES);
	if (s->mem == NULL || s->last == NULL || s->spare == NULL) {
		sorter_free(s);
		return NULL;
	}
	return s;
}

void sorter_free(struct sorter *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n_runs; i++) {
		if (s->runs[i].file != NULL)
			fclose(s->runs[i].file);
		free(s->runs[i].buffer);
		free(s->runs[i].row);
	}
	free(s->runs);
	free(s->heap);
	free(s->mem);
	free(s->last);
	free(s->spare);
	free(s);
}

static void sort(struct sorter *s)
{
	qsort_r(slots(s), s->n_slots, sizeof(struct slot), compare_slots, s->mem);
}

// ---- runs --------------------------------------------------------------------------------------

static FILE *make_file(const struct sorter *s, struct mr_err *err)
{
	char path[4096];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/millrace-sort-XXXXXX", s->dir);
	fd = mkstemp(path);
	if (fd < 0) {
		mr_fail(err, errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	// Nobody finds it, and it is gone with this process, however that ends.
	unlink(path);
	file = fdopen(fd, "w+");
	if (file == NULL) {
		mr_fail(err, errno, "%s: %s", path, strerror(errno));
		close(fd);
	}
	return file;
}

static int fail_write(const struct sorter *s, struct mr_err *err)
{
	return mr_fail(err, errno, "%s: cannot write rows that wait to be merged: %s", s->dir,
		strerror(errno));
}

static int write_run(struct sorter *s, struct mr_err *err)
{
	struct run *runs = realloc(s->runs, (s->n_runs + 1) * sizeof(*runs));
	const struct slot *slot;
	struct run *run;

	if (runs == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	s->runs = runs;
	run = &runs[s->n_runs];
	*run = (struct run){.file = make_file(s, err)};
	if (run->file == NULL)
		return -errno;
	s->n_runs++;
	sort(s);
	slot = slots(s);
	for (uint64_t i = 0; i < s->n_slots; i++) {
		const struct head *h = (const struct head *)(const void *)(s->mem + slot[i].at);

		if (fwrite(h, sizeof(*h) + h->key_bytes + h->row_bytes, 1, run->file) != 1)
			return fail_write(s, err);
	}
	if (fflush(run->file) != 0)
		return fail_write(s, err);
	s->used_bytes = 0;
	s->n_slots = 0;
	return 0;
}

int sorter_add(struct sorter *s, const struct made_row *row, struct mr_err *err)
{
	struct head h = {.event_time_us = row->event_time_us,
		.row_bytes = row->row_bytes,
		.key_bytes = row->key_bytes};
	uint64_t bytes =
		MR_ALIGN_UP(sizeof(h) + (uint64_t)row->key_bytes + row->row_bytes, (uint64_t)8);
	uint8_t first8[8] = {0};
	uint8_t *at;

	if (s->mem_bytes - s->used_bytes - s->n_slots * sizeof(struct slot) <
		bytes + sizeof(struct slot)) {
		int ret = write_run(s, err);

		if (ret < 0)
			return ret;
	}
	at = s->mem + s->used_bytes;
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), row->key, row->key_bytes);
	memcpy(at + sizeof(h) + row->key_bytes, row->row, row->row_bytes);
	memcpy(first8, row->key, MR_MIN(row->key_bytes, 8u));
	s->n_slots++;
	*slots(s) = (struct slot){mr_load_be64(first8), s->used_bytes};
	s->used_bytes += bytes;
	return 0;
}

// ---- merging -----------------------------------------------------------------------------------

/** @return 1: run->row is the next one; 0: the end; -errno. */
static int read_row(struct run *run, struct mr_err *err)
{
	struct head *h = run->row;

	if (fread(h, sizeof(*h), 1, run->file) == 1 &&
		fread(h + 1, (size_t)h->key_bytes + h->row_bytes, 1, run->file) == 1)
		return 1;
	if (ferror(run->file))
		return mr_fail(err, EIO, "cannot read rows back: %s", strerror(errno));
	return 0;
}

static bool is_before(const struct sorter *s, unsigned a, unsigned b)
{
	return compare(s->runs[s->heap[a]].row, s->runs[s->heap[b]].row) < 0;
}

static void sift_down(struct sorter *s, unsigned at)
{
	for (;;) {
		unsigned least = at, child = 2 * at + 1, swap;

		for (unsigned c = child; c < MR_MIN(child + 2, s->n_heap); c++)
			if (is_before(s, c, least))
				least = c;
		if (least == at)
			return;
		swap = s->heap[at];
		s->heap[at] = s->heap[least];
		s->heap[least] = swap;
		at = least;
	}
}

static int open_run(struct run *run, struct mr_err *err)
{
	run->buffer = malloc(RUN_BUFFER_BYTES);
	run->row = malloc(HEAD_MAX_BYTES);
	if (run->buffer == NULL || run->row == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	rewind(run->file);
	setvbuf(run->file, run->buffer, _IOFBF, RUN_BUFFER_BYTES);
	return read_row(run, err);
}

int sorter_rewind(struct sorter *s, struct mr_err *err)
{
	int ret;

	if (s->n_runs == 0) {
		sort(s);
		return 0;
	}
	ret = s->n_slots > 0 ? write_run(s, err) : 0;
	if (ret < 0)
		return ret;
	free(s->mem);
	s->mem = NULL;
	s->is_merging = true;
	s->heap = calloc(s->n_runs, sizeof(*s->heap));
	if (s->heap == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	for (unsigned i = 0; i < s->n_runs; i++) {
		ret = open_run(&s->runs[i], err);
		if (ret < 0)
			return ret;
		if (ret > 0)
			s->heap[s->n_heap++] = i;
	}
	for (unsigned i = s->n_heap / 2; i-- > 0;)
		sift_down(s, i);
	return 0;
}

static int next_merged(struct sorter *s, const struct head **ret_head, struct mr_err *err)
{
	struct run *run;
	struct head *taken;
	int ret;

	if (s->n_heap == 0)
		return 0;
	run = &s->runs[s->heap[0]];
	taken = run->row;
	run->row = s->spare;
	s->spare = taken;
	ret = read_row(run, err);
	if (ret < 0)
		return ret;
	if (ret == 0)
		s->heap[0] = s->heap[--s->n_heap];
	sift_down(s, 0);
	*ret_head = taken;
	return 1;
}

static int next_any(struct sorter *s, const struct head **ret_head, struct mr_err *err)
{
	if (s->is_merging)
		return next_merged(s, ret_head, err);
	if (s->next_slot == s->n_slots)
		return 0;
	*ret_head = (const struct head *)(const void *)(s->mem + slots(s)[s->next_slot++].at);
	return 1;
}

int sorter_next(struct sorter *s, struct sorted_row *ret_row, struct mr_err *err)
{
	const struct head *h;
	int ret;

	while ((ret = next_any(s, &h, err)) == 1) {
		if (s->has_last && compare_keys(s->last, h) == 0) {
			s->duplicates++;
			continue;
		}
		memcpy(s->last, h, sizeof(*h) + h->key_bytes + h->row_bytes);
		s->has_last = true;
		*ret_row = (struct sorted_row){
			.event_time_us = s->last->event_time_us,
			.row_bytes = s->last->row_bytes,
			.key_bytes = s->last->key_bytes,
			.key = key_of(s->last),
			.row = row_of(s->last),
		};
		return 1;
	}
	return ret;
}

uint64_t sorter_duplicates(const struct sorter *s)
{
	return s->duplicates;
}

unsigned sorter_runs(const struct sorter *s)
{
	return s->n_runs;
}
