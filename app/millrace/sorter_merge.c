// SPDX-License-Identifier: BSD-3-Clause

#include "sorter_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_MIN_BYTES 4096u
#define BUFFER_MAX_BYTES (256u << 10)

/** Where a run is being read. */
struct source {
	const struct lane *lane;
	const struct run *run;
	const struct row_head *row; //!< the next one
	uint64_t first8;            //!< of its key
	uint64_t at;                //!< in memory: its slot; in the file: bytes read from the run
	uint8_t *buffer;
	size_t room, from, to; //!< buffer[from, to) is still to come, row's bytes first
};

struct sorter_merge {
	struct sorter *sorter;
	const struct sample *limit; //!< first key that is not the part's; NULL: none
	struct source *sources;
	unsigned n_sources;
	struct source **heap; //!< by their next row
	unsigned n_heap;
	bool taken; //!< the heap's first row was handed out
	unsigned last_bytes;
	uint8_t last[MR_KEY_MAX_BYTES];
	bool has_last;
	uint64_t duplicates;
};

// ---- a run -------------------------------------------------------------------------------------

/** Makes at least @p want bytes of the file stand in the buffer. @return 1; 0: the end; -errno. */
static int fill(struct source *s, size_t want, struct mr_err *err)
{
	while (s->to - s->from < want) {
		size_t left;
		ssize_t n;

		if (want > s->room) {
			uint8_t *grown = realloc(s->buffer, want);

			if (grown == NULL)
				return mr_fail(err, ENOMEM, "out of memory");
			s->buffer = grown;
			s->room = want;
		}
		memmove(s->buffer, s->buffer + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
		left = MR_MIN(s->room - s->to, s->run->bytes - s->at);
		if (left == 0)
			return 0;
		n = pread(s->lane->fd, s->buffer + s->to, left, (off_t)(s->run->offset + s->at));
		if (n <= 0)
			return mr_fail(err, EIO, "cannot read rows back: %s",
				n < 0 ? strerror(errno) : "the file is cut short");
		s->to += (size_t)n;
		s->at += (uint64_t)n;
	}
	return 1;
}

static int look_at_row(struct source *s, struct mr_err *err)
{
	struct row_head h;
	int ret;

	if (s->run->in_memory) {
		if (s->at == s->run->n_rows)
			return 0;
		prefetch_row(s->lane, s->at + PREFETCH_ROWS);
		s->row = slot_row(s->lane, &lane_slots(s->lane)[s->at]);
	} else {
		ret = fill(s, sizeof(h), err);
		if (ret <= 0)
			return ret;
		memcpy(&h, s->buffer + s->from, sizeof(h));
		ret = fill(s, row_head_bytes(&h), err);
		if (ret <= 0)
			return ret < 0 ? ret : mr_fail(err, EIO, "rows read back are cut short");
		s->row = (const struct row_head *)(const void *)(s->buffer + s->from);
	}
	s->first8 = key_first8(s->row, 0);
	return 1;
}

static int next_row(struct source *s, struct mr_err *err)
{
	if (s->run->in_memory)
		s->at++;
	else
		s->from += row_head_bytes(s->row);
	return look_at_row(s, err);
}

/** The last sample before a key, which may stand there several times; else the run's first. */
static uint64_t find_sample(const struct run *run, const uint8_t *key, unsigned key_bytes)
{
	unsigned low = 0, high = run->n_samples;

	while (high - low > 1) {
		unsigned mid = (low + high) / 2;
		const struct sample *sample = &run->samples[mid];

		if (compare_keys(sample->key, sample->key_bytes, key, key_bytes) < 0)
			low = mid;
		else
			high = mid;
	}
	return run->samples[low].at;
}

/** Goes to the first row at a key, or behind it. @return as look_at_row(). */
static int seek_row(
	struct source *s, const uint8_t *key, unsigned key_bytes, bool behind, struct mr_err *err)
{
	int ret;

	if (key != NULL)
		s->at = find_sample(s->run, key, key_bytes);
	ret = look_at_row(s, err);
	while (ret == 1 && key != NULL) {
		int order = compare_keys(row_key(s->row), s->row->key_bytes, key, key_bytes);

		if (order > 0 || (order == 0 && !behind))
			break;
		ret = next_row(s, err);
	}
	return ret;
}

// ---- the heap ----------------------------------------------------------------------------------

static bool is_before(const struct source *a, const struct source *b)
{
	if (a->first8 != b->first8)
		return a->first8 < b->first8;
	return sorter_compare(a->row, b->row) < 0;
}

static void sift_down(struct sorter_merge *m, unsigned at)
{
	for (;;) {
		unsigned least = at, child = 2 * at + 1;
		struct source *swap;

		for (unsigned c = child; c < MR_MIN(child + 2, m->n_heap); c++)
			if (is_before(m->heap[c], m->heap[least]))
				least = c;
		if (least == at)
			return;
		swap = m->heap[at];
		m->heap[at] = m->heap[least];
		m->heap[least] = swap;
		at = least;
	}
}

static int advance(struct sorter_merge *m, struct mr_err *err)
{
	int ret = next_row(m->heap[0], err);

	if (ret < 0)
		return ret;
	if (ret == 0)
		m->heap[0] = m->heap[--m->n_heap];
	sift_down(m, 0);
	return 0;
}

int sorter_merge_next(struct sorter_merge *m, struct sorted_row *ret_row, struct mr_err *err)
{
	for (;;) {
		const struct row_head *h;
		int ret = m->taken ? advance(m, err) : 0;

		m->taken = false;
		if (ret < 0 || m->n_heap == 0)
			return ret;
		h = m->heap[0]->row;
		if (m->limit != NULL && compare_keys(row_key(h), h->key_bytes, m->limit->key,
						m->limit->key_bytes) >= 0)
			return 0;
		m->taken = true;
		if (m->has_last &&
			compare_keys(row_key(h), h->key_bytes, m->last, m->last_bytes) == 0) {
			m->duplicates++;
			continue;
		}
		mr_copy_short(m->last, row_key(h), h->key_bytes);
		m->last_bytes = h->key_bytes;
		m->has_last = true;
		*ret_row = (struct sorted_row){
			.event_time_us = h->event_time_us,
			.row_bytes = h->row_bytes,
			.key_bytes = h->key_bytes,
			.key = row_key(h),
			.row = row_key(h) + h->key_bytes,
		};
		return 1;
	}
}

// ---- beginning and end -------------------------------------------------------------------------

static unsigned count_runs(const struct sorter *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->p.n_lanes; i++)
		n += s->lanes[i].n_runs;
	return n;
}

static int open_source(struct sorter_merge *m, struct source *s, const uint8_t *key,
	unsigned key_bytes, bool behind, struct mr_err *err)
{
	uint64_t share = m->sorter->merge_bytes / (m->n_sources * m->sorter->n_parts);
	int ret;

	if (!s->run->in_memory) {
		s->room = MR_MIN(
			MR_MAX(share, (uint64_t)BUFFER_MIN_BYTES), (uint64_t)BUFFER_MAX_BYTES);
		s->buffer = malloc(s->room);
		if (s->buffer == NULL)
			return mr_fail(err, ENOMEM, "out of memory");
	}
	ret = seek_row(s, key, key_bytes, behind, err);
	if (ret == 1)
		m->heap[m->n_heap++] = s;
	return MR_MIN(ret, 0);
}

static int open_sources(struct sorter_merge *m, const uint8_t *key, unsigned key_bytes, bool behind,
	struct mr_err *err)
{
	struct source *s = m->sources;
	int ret = 0;

	for (unsigned l = 0; l < m->sorter->p.n_lanes; l++)
		for (unsigned r = 0; r < m->sorter->lanes[l].n_runs && ret == 0; r++, s++) {
			s->lane = &m->sorter->lanes[l];
			s->run = &s->lane->runs[r];
			ret = open_source(m, s, key, key_bytes, behind, err);
		}
	for (unsigned i = m->n_heap / 2; ret == 0 && i-- > 0;)
		sift_down(m, i);
	return ret;
}

struct sorter_merge *sorter_merge_begin(struct sorter *sorter, unsigned part, const uint8_t *after,
	unsigned after_bytes, struct mr_err *err)
{
	const struct sample *first = part > 0 ? sorter->limits[part - 1] : NULL;
	struct sorter_merge *m = calloc(1, sizeof(*m));
	int ret = -ENOMEM;

	if (m == NULL) {
		errno = -mr_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	m->sorter = sorter;
	m->limit = sorter->limits[part];
	m->n_sources = count_runs(sorter);
	m->sources = calloc(m->n_sources + 1, sizeof(*m->sources));
	m->heap = calloc(m->n_sources + 1, sizeof(struct source *));
	if (m->sources == NULL || m->heap == NULL)
		mr_fail(err, ENOMEM, "out of memory");
	else if (part > 0 && first == NULL)
		ret = 0; // a part behind the last key
	else if (after != NULL)
		ret = open_sources(m, after, after_bytes, true, err);
	else
		ret = open_sources(m, first != NULL ? first->key : NULL,
			first != NULL ? first->key_bytes : 0, false, err);
	if (ret == 0)
		return m;
	sorter_merge_end(m);
	errno = -ret;
	return NULL;
}

uint64_t sorter_merge_end(struct sorter_merge *m)
{
	uint64_t duplicates;

	if (m == NULL)
		return 0;
	duplicates = m->duplicates;
	for (unsigned i = 0; m->sources != NULL && i < m->n_sources; i++)
		free(m->sources[i].buffer);
	free(m->sources);
	free(m->heap);
	free(m);
	return duplicates;
}
