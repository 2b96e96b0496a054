// SPDX-License-Identifier: BSD-3-Clause

#include "sorter_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRITE_BYTES (256u << 10)
#define SAMPLES_A_RUN 128u
#define SAMPLE_MIN_BYTES 4096u
#define SMALL_SORT 16

int sorter_compare(const struct row_head *a, const struct row_head *b)
{
	const uint8_t *ra = row_key(a) + a->key_bytes, *rb = row_key(b) + b->key_bytes;
	int order = compare_keys(row_key(a), a->key_bytes, row_key(b), b->key_bytes);

	if (order != 0)
		return order;
	if (a->event_time_us != b->event_time_us)
		return a->event_time_us > b->event_time_us ? -1 : 1;
	order = memcmp(rb, ra, MR_MIN(a->row_bytes, b->row_bytes));
	return order != 0 ? order : (a->row_bytes < b->row_bytes) - (a->row_bytes > b->row_bytes);
}

// ---- sorting a lane ----------------------------------------------------------------------------

static inline bool is_less(const struct lane *lane, const struct slot *a, const struct slot *b)
{
	if (a->first8 != b->first8)
		return a->first8 < b->first8;
	return sorter_compare(slot_row(lane, a), slot_row(lane, b)) < 0;
}

static inline void swap_slots(struct slot *a, struct slot *b)
{
	struct slot t = *a;

	*a = *b;
	*b = t;
}

static void sift(const struct lane *lane, struct slot *s, uint64_t at, uint64_t n)
{
	for (uint64_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && is_less(lane, &s[child], &s[child + 1]))
			child++;
		if (!is_less(lane, &s[at], &s[child]))
			return;
		swap_slots(&s[at], &s[child]);
	}
}

/** What a quicksort that goes wrong ends in. */
static void heap_sort(const struct lane *lane, struct slot *s, uint64_t n)
{
	for (uint64_t i = n / 2; i-- > 0;)
		sift(lane, s, i, n);
	for (uint64_t i = n; i-- > 1;) {
		swap_slots(&s[0], &s[i]);
		sift(lane, s, 0, i);
	}
}

static void insertion_sort(const struct lane *lane, struct slot *s, uint64_t n)
{
	for (uint64_t i = 1; i < n; i++) {
		struct slot it = s[i];
		uint64_t at = i;

		for (; at > 0 && is_less(lane, &it, &s[at - 1]); at--)
			s[at] = s[at - 1];
		s[at] = it;
	}
}

/** Puts the median of three in front. */
static void choose_pivot(const struct lane *lane, struct slot *s, uint64_t n)
{
	struct slot *a = &s[0], *b = &s[n / 2], *c = &s[n - 1], *median;

	if (is_less(lane, a, b))
		median = is_less(lane, b, c) ? b : is_less(lane, a, c) ? c : a;
	else
		median = is_less(lane, a, c) ? a : is_less(lane, b, c) ? c : b;
	swap_slots(a, median);
}

/** Quicksort in place: qsort() would take memory of its own, and a call for each comparison. */
static void quick_sort(const struct lane *lane, struct slot *s, uint64_t n, unsigned depth)
{
	while (n > SMALL_SORT) {
		uint64_t i = 0, j = n;

		if (depth-- == 0) {
			heap_sort(lane, s, n);
			return;
		}
		choose_pivot(lane, s, n);
		for (;;) {
			do
				i++;
			while (i < n && is_less(lane, &s[i], &s[0]));
			do
				j--;
			while (is_less(lane, &s[0], &s[j]));
			if (i >= j)
				break;
			swap_slots(&s[i], &s[j]);
		}
		swap_slots(&s[0], &s[j]);
		// The smaller half by recursion, so that the stack stays small.
		if (j < n - j - 1) {
			quick_sort(lane, s, j, depth);
			s += j + 1;
			n -= j + 1;
		} else {
			quick_sort(lane, s + j + 1, n - j - 1, depth);
			n = j;
		}
	}
	insertion_sort(lane, s, n);
}

static void sort_lane(struct lane *lane)
{
	struct slot *s = lane_slots(lane);
	bool is_sorted = true;

	for (uint64_t i = 0; i < lane->n_slots; i++)
		s[i].first8 = key_first8(slot_row(lane, &s[i]), lane->common_bytes);
	// Files are often sorted already.
	for (uint64_t i = 1; i < lane->n_slots && is_sorted; i++)
		is_sorted = !is_less(lane, &s[i], &s[i - 1]);
	if (!is_sorted)
		quick_sort(lane, s, lane->n_slots,
			2 * (64 - (unsigned)__builtin_clzll(lane->n_slots)));
}

// ---- runs --------------------------------------------------------------------------------------

static int add_sample(struct run *run, uint64_t at, const uint8_t *key, uint8_t key_bytes)
{
	struct sample *samples = run->samples;

	if ((run->n_samples & (run->n_samples - 1)) == 0) {
		samples = realloc(samples, MR_MAX(1u, 2 * run->n_samples) * sizeof(*samples));
		if (samples == NULL)
			return -ENOMEM;
		run->samples = samples;
	}
	samples[run->n_samples] = (struct sample){at, malloc(key_bytes + 1u), key_bytes};
	if (samples[run->n_samples].key == NULL)
		return -ENOMEM;
	memcpy(samples[run->n_samples].key, key, key_bytes);
	run->n_samples++;
	return 0;
}

static void free_run(struct run *run)
{
	for (unsigned i = 0; i < run->n_samples; i++)
		free(run->samples[i].key);
	free(run->samples);
}

static struct run *add_run(struct lane *lane)
{
	struct run *runs = realloc(lane->runs, (lane->n_runs + 1) * sizeof(*runs));

	if (runs == NULL)
		return NULL;
	lane->runs = runs;
	runs[lane->n_runs] = (struct run){.offset = lane->file_bytes};
	return &runs[lane->n_runs++];
}

static int open_file(struct sorter *s, unsigned n, struct mr_err *err)
{
	struct lane *lane = &s->lanes[n];
	char path[4096];

	if (lane->fd >= 0)
		return 0;
	if (s->p.keep) {
		snprintf(path, sizeof(path), "%s/rows-%u", s->p.dir, n);
		lane->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	} else {
		snprintf(path, sizeof(path), "%s/millrace-sort-XXXXXX", s->p.dir);
		lane->fd = mkostemp(path, O_CLOEXEC);
		// Nobody finds it, and it is gone with this process, however that ends.
		if (lane->fd >= 0)
			unlink(path);
	}
	return lane->fd >= 0 ? 0 : mr_fail(err, errno, "%s: %s", path, strerror(errno));
}

/** A file being appended to. */
struct writer {
	struct sorter *sorter;
	struct lane *lane;
	uint8_t *buffer;
	size_t used;
};

static int write_out(struct writer *w, struct mr_err *err)
{
	size_t done = 0;

	while (done < w->used) {
		ssize_t n = pwrite(
			w->lane->fd, w->buffer + done, w->used - done, (off_t)w->lane->file_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return mr_fail(err, n < 0 ? errno : ENOSPC,
				"%s: cannot write rows that wait to be merged: %s",
				w->sorter->p.dir, strerror(n < 0 ? errno : ENOSPC));
		done += (size_t)n;
		w->lane->file_bytes += (uint64_t)n;
	}
	w->used = 0;
	return 0;
}

static int write_bytes(struct writer *w, const void *bytes, size_t n, struct mr_err *err)
{
	if (WRITE_BYTES - w->used < n) {
		int ret = write_out(w, err);

		if (ret < 0)
			return ret;
	}
	memcpy(w->buffer + w->used, bytes, n);
	w->used += n;
	return 0;
}

static int write_rows(struct writer *w, struct run *run, struct mr_err *err)
{
	const struct lane *lane = w->lane;
	uint64_t step = MR_MAX(lane->used_bytes / SAMPLES_A_RUN, (uint64_t)SAMPLE_MIN_BYTES);
	uint64_t next_sample = 0;
	int ret = 0;

	for (uint64_t i = 0; i < lane->n_slots && ret == 0; i++) {
		const struct row_head *h = slot_row(lane, &lane_slots(lane)[i]);

		prefetch_row(lane, i + PREFETCH_ROWS);
		if (run->bytes >= next_sample) {
			next_sample = run->bytes + step;
			if (add_sample(run, run->bytes, row_key(h), h->key_bytes) < 0)
				return mr_fail(err, ENOMEM, "out of memory");
		}
		run->bytes += row_head_bytes(h);
		ret = write_bytes(w, h, row_head_bytes(h), err);
	}
	run->n_rows = lane->n_slots;
	return ret;
}

static int write_samples(struct writer *w, struct run *run, struct mr_err *err)
{
	int ret = 0;

	for (unsigned i = 0; i < run->n_samples && ret == 0; i++) {
		const struct sample *sample = &run->samples[i];
		uint8_t head[9];

		mr_store_le64(head, sample->at);
		head[8] = sample->key_bytes;
		ret = write_bytes(w, head, sizeof(head), err);
		if (ret == 0)
			ret = write_bytes(w, sample->key, sample->key_bytes, err);
		run->samples_bytes += sizeof(head) + sample->key_bytes;
	}
	return ret;
}

static void empty_lane(struct lane *lane)
{
	lane->used_bytes = 0;
	lane->n_slots = 0;
}

/** Writes what is in memory as one run. */
static int spill(struct sorter *s, unsigned n, struct mr_err *err)
{
	struct lane *lane = &s->lanes[n];
	struct writer w = {.sorter = s, .lane = lane};
	struct run *run;
	int ret;

	if (lane->n_slots == 0)
		return 0;
	ret = open_file(s, n, err);
	if (ret < 0)
		return ret;
	run = add_run(lane);
	w.buffer = malloc(WRITE_BYTES);
	if (run == NULL || w.buffer == NULL) {
		free(w.buffer);
		return mr_fail(err, ENOMEM, "out of memory");
	}
	sort_lane(lane);
	ret = write_rows(&w, run, err);
	if (ret == 0 && s->p.keep)
		ret = write_samples(&w, run, err);
	if (ret == 0)
		ret = write_out(&w, err);
	free(w.buffer);
	empty_lane(lane);
	return ret;
}

// ---- adding ------------------------------------------------------------------------------------

static void note_common(struct lane *lane, const struct made_row *row)
{
	const struct row_head *first;
	unsigned n = 0, max;

	if (lane->n_slots == 0) {
		lane->common_bytes = row->key_bytes;
		return;
	}
	first = slot_row(lane, &lane_slots(lane)[0]);
	max = MR_MIN(lane->common_bytes, (unsigned)row->key_bytes);
	while (n < max && row_key(first)[n] == row->key[n])
		n++;
	lane->common_bytes = n;
}

int sorter_add(struct sorter *s, unsigned n, const struct made_row *row, struct mr_err *err)
{
	struct lane *lane = &s->lanes[n];
	struct row_head h = {.event_time_us = row->event_time_us,
		.row_bytes = row->row_bytes,
		.key_bytes = row->key_bytes};
	uint64_t bytes = MR_ALIGN_UP(row_head_bytes(&h), (uint64_t)8);
	uint8_t *at;

	if (lane->mem_bytes - lane->used_bytes - lane->n_slots * sizeof(struct slot) <
		bytes + sizeof(struct slot)) {
		int ret = spill(s, n, err);

		if (ret < 0)
			return ret;
	}
	note_common(lane, row);
	lane->used_bytes += bytes;
	at = lane->mem + lane->mem_bytes - lane->used_bytes;
	memcpy(at, &h, sizeof(h));
	mr_copy_short(at + sizeof(h), row->key, row->key_bytes);
	memcpy(at + sizeof(h) + row->key_bytes, row->row, row->row_bytes);
	lane_slots(lane)[lane->n_slots++].at = lane->mem_bytes - lane->used_bytes;
	return 0;
}

int sorter_flush(struct sorter *s, unsigned n, struct mr_err *err)
{
	int ret = spill(s, n, err);

	if (ret == 0 && s->lanes[n].fd >= 0 && fdatasync(s->lanes[n].fd) < 0)
		ret = mr_fail(err, errno, "%s: %s", s->p.dir, strerror(errno));
	return ret;
}

int sorter_end(struct sorter *s, unsigned n, struct mr_err *err)
{
	struct lane *lane = &s->lanes[n];
	uint64_t step = lane->n_slots / SAMPLES_A_RUN + 1;
	struct run *run;

	if (lane->n_slots == 0)
		return 0;
	sort_lane(lane);
	run = add_run(lane);
	if (run == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	run->in_memory = true;
	run->n_rows = lane->n_slots;
	run->bytes = lane->used_bytes;
	for (uint64_t i = 0; i < lane->n_slots; i += step) {
		const struct row_head *h = slot_row(lane, &lane_slots(lane)[i]);

		if (add_sample(run, i, row_key(h), h->key_bytes) < 0)
			return mr_fail(err, ENOMEM, "out of memory");
	}
	return 0;
}

// ---- parts -------------------------------------------------------------------------------------

static int by_key(const void *pa, const void *pb)
{
	const struct sample *a = *(const struct sample *const *)pa;
	const struct sample *b = *(const struct sample *const *)pb;

	return compare_keys(a->key, a->key_bytes, b->key, b->key_bytes);
}

/** Where each run begins says little about where its rows are, if there is more to go by. */
static unsigned gather_samples(const struct sorter *s, const struct sample **all)
{
	unsigned n = 0;

	for (unsigned l = 0; l < s->p.n_lanes; l++)
		for (unsigned r = 0; r < s->lanes[l].n_runs; r++) {
			const struct run *run = &s->lanes[l].runs[r];

			for (unsigned i = run->n_samples > 1; i < run->n_samples; i++, n++)
				if (all != NULL)
					all[n] = &run->samples[i];
		}
	return n;
}

int sorter_split(struct sorter *s, unsigned n_parts, struct mr_err *err)
{
	unsigned n = gather_samples(s, NULL);
	const struct sample **all = calloc(n + 1, sizeof(*all));

	if (all == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	gather_samples(s, all);
	qsort(all, n, sizeof(*all), by_key);
	s->n_parts = n_parts;
	for (unsigned i = 0; i + 1 < n_parts; i++)
		s->limits[i] = all[(uint64_t)n * (i + 1) / n_parts];
	// Without rows all limits are NULL, and the parts empty.
	s->limits[n_parts - 1] = NULL;
	free(all);
	return 0;
}

// ---- keeping -----------------------------------------------------------------------------------

void sorter_save(const struct sorter *s, FILE *out)
{
	for (unsigned l = 0; l < s->p.n_lanes; l++)
		for (unsigned r = 0; r < s->lanes[l].n_runs; r++) {
			const struct run *run = &s->lanes[l].runs[r];

			fprintf(out, "run %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", l,
				run->offset, run->bytes, run->samples_bytes, run->n_rows);
		}
}

static int read_samples(const struct lane *lane, struct run *run, uint8_t *bytes)
{
	uint8_t *end = bytes + run->samples_bytes;

	if (pread(lane->fd, bytes, run->samples_bytes, (off_t)(run->offset + run->bytes)) !=
		(ssize_t)run->samples_bytes)
		return -EIO;
	for (uint8_t *at = bytes; at < end; at += 9 + at[8]) {
		if (end - at < 9 || end - at < 9 + at[8] || mr_load_le64(at) >= run->bytes)
			return -EINVAL;
		if (add_sample(run, mr_load_le64(at), at + 9, at[8]) < 0)
			return -ENOMEM;
	}
	return run->n_samples > 0 ? 0 : -EINVAL;
}

int sorter_restore(struct sorter *s, const char *line, struct mr_err *err)
{
	struct run found = {0}, *run;
	unsigned lane;
	uint8_t *bytes;
	int ret;

	if (sscanf(line, "run %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &lane,
		    &found.offset, &found.bytes, &found.samples_bytes, &found.n_rows) != 5 ||
		lane >= s->p.n_lanes || found.offset != s->lanes[lane].file_bytes ||
		found.samples_bytes > UINT32_MAX)
		return mr_fail(err, EINVAL, "'%.100s' is no run", line);
	ret = open_file(s, lane, err);
	if (ret < 0)
		return ret;
	run = add_run(&s->lanes[lane]);
	bytes = malloc(found.samples_bytes + 16);
	ret = -ENOMEM;
	if (run != NULL && bytes != NULL) {
		*run = found;
		ret = read_samples(&s->lanes[lane], run, bytes);
	}
	free(bytes);
	s->lanes[lane].file_bytes += found.bytes + found.samples_bytes;
	if (ret == 0)
		return 0;
	return mr_fail(err, -ret, "%s: the rows kept there are damaged: remove it", s->p.dir);
}

// ---- as a whole --------------------------------------------------------------------------------

struct sorter *sorter_new(const struct sorter_params *params)
{
	struct sorter *s = calloc(1, sizeof(*s));
	uint64_t mem;

	if (s == NULL)
		return NULL;
	s->p = *params;
	s->merge_bytes = params->memory_bytes / 8;
	mem = (params->memory_bytes - s->merge_bytes) / params->n_lanes;
	for (unsigned i = 0; i < SORTER_LANES_MAX; i++)
		s->lanes[i].fd = -1;
	for (unsigned i = 0; i < params->n_lanes; i++) {
		struct lane *lane = &s->lanes[i];

		lane->mem_bytes = MR_ALIGN_UP(MR_MAX(mem, 2 * ROW_HEAD_MAX_BYTES), (uint64_t)16);
		// Pages that no row needs are never touched, and cost nothing. Small ones: a
		// virtual machine that hands free memory back to its host in large pages gets each
		// of them anew at 20 times the price.
		lane->mem = mmap(NULL, lane->mem_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (lane->mem == MAP_FAILED) {
			lane->mem = NULL;
			sorter_free(s);
			return NULL;
		}
	}
	return s;
}

void sorter_clear(struct sorter *s)
{
	for (unsigned i = 0; i < s->p.n_lanes; i++) {
		struct lane *lane = &s->lanes[i];

		for (unsigned r = 0; r < lane->n_runs; r++)
			free_run(&lane->runs[r]);
		free(lane->runs);
		lane->runs = NULL;
		lane->n_runs = 0;
		lane->file_bytes = 0;
		empty_lane(lane);
	}
}

void sorter_free(struct sorter *s)
{
	if (s == NULL)
		return;
	sorter_clear(s);
	for (unsigned i = 0; i < s->p.n_lanes; i++) {
		if (s->lanes[i].mem != NULL)
			munmap(s->lanes[i].mem, s->lanes[i].mem_bytes);
		if (s->lanes[i].fd >= 0)
			close(s->lanes[i].fd);
	}
	free(s);
}

unsigned sorter_runs(const struct sorter *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->p.n_lanes; i++)
		for (unsigned r = 0; r < s->lanes[i].n_runs; r++)
			n += !s->lanes[i].runs[r].in_memory;
	return n;
}

uint64_t sorter_rows(const struct sorter *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->p.n_lanes; i++)
		for (unsigned r = 0; r < s->lanes[i].n_runs; r++)
			n += s->lanes[i].runs[r].n_rows;
	return n;
}
