// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A wanted key while it is sorted: enough of it to decide nearly all comparisons in a register.
struct wanted {
	uint64_t first8; // big-endian, zero-padded
	const uint8_t *key;
	uint16_t key_bytes;
	uint32_t index; // in the caller's burst
};

struct mr_store_reader {
	struct mr_store *store;
	unsigned burst_max;
	unsigned n_pinned;
	uint8_t *keys; // burst_max keys, packed
	struct wanted *wanted;
	struct wanted *merge;
	const char **uniq;
	size_t *uniq_bytes;
	uint32_t *slot; // caller's index -> index of its unique key
	rocksdb_pinnableslice_t **values;
	char **errors;
	struct mr_err error;
};

struct mr_store_reader *mr_store_reader_create(struct mr_store *store, unsigned burst_max)
{
	struct mr_store_reader *r;
	size_t n = burst_max;

	if (burst_max == 0) {
		errno = EINVAL;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->store = store;
	r->burst_max = burst_max;
	r->keys = malloc(n * MR_STORE_KEY_MAX_BYTES);
	r->wanted = calloc(n, sizeof(*r->wanted));
	r->merge = calloc(n, sizeof(*r->merge));
	r->uniq = calloc(n, sizeof(*r->uniq));
	r->uniq_bytes = calloc(n, sizeof(*r->uniq_bytes));
	r->slot = calloc(n, sizeof(*r->slot));
	r->values = calloc(n, sizeof(*r->values));
	r->errors = calloc(n, sizeof(*r->errors));
	if (r->keys != NULL && r->wanted != NULL && r->merge != NULL && r->uniq != NULL &&
		r->uniq_bytes != NULL && r->slot != NULL && r->values != NULL && r->errors != NULL)
		return r;
	mr_store_reader_free(r);
	errno = ENOMEM;
	return NULL;
}

void mr_store_reader_free(struct mr_store_reader *reader)
{
	if (reader == NULL)
		return;
	mr_store_release(reader);
	free(reader->keys);
	free(reader->wanted);
	free(reader->merge);
	free(reader->uniq);
	free(reader->uniq_bytes);
	free(reader->slot);
	free(reader->values);
	free(reader->errors);
	free(reader);
}

// ---- sorting -----------------------------------------------------------------------------------

static uint64_t first8_of(const uint8_t *key, uint32_t key_bytes)
{
	uint8_t padded[8] = {0};

	memcpy(padded, key, MR_MIN(key_bytes, 8u));
	return mr_load_be64(padded);
}

static int compare(const struct wanted *a, const struct wanted *b)
{
	int c;

	if (a->first8 != b->first8)
		return a->first8 < b->first8 ? -1 : 1;
	c = memcmp(a->key, b->key, MR_MIN(a->key_bytes, b->key_bytes));
	return c != 0 ? c : (int)a->key_bytes - (int)b->key_bytes;
}

static void insertion_sort(struct wanted *w, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct wanted it = w[i];
		unsigned at = i;

		for (; at > 0 && compare(&it, &w[at - 1]) < 0; at--)
			w[at] = w[at - 1];
		w[at] = it;
	}
}

static void merge_runs(struct wanted *to, const struct wanted *from, unsigned mid, unsigned n)
{
	unsigned a = 0, b = mid;

	for (unsigned i = 0; i < n; i++) {
		if (a < mid && (b >= n || compare(&from[a], &from[b]) <= 0))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

// Merge sort in the reader's own memory: qsort() would take some from the heap.
static struct wanted *sort(struct mr_store_reader *r, unsigned n)
{
	enum { RUN = 16 };
	struct wanted *from = r->wanted, *to = r->merge;

	for (unsigned i = 0; i < n; i += RUN)
		insertion_sort(from + i, MR_MIN((unsigned)RUN, n - i));
	for (unsigned run = RUN; run < n; run *= 2) {
		struct wanted *swap = from;

		for (unsigned i = 0; i < n; i += 2 * run)
			merge_runs(to + i, from + i, MR_MIN(run, n - i), MR_MIN(2 * run, n - i));
		from = to;
		to = swap;
	}
	return from;
}

// ---- the read ----------------------------------------------------------------------------------

static struct wanted *gather(struct mr_store_reader *r, const struct mr_store_get *gets, unsigned n)
{
	uint8_t *at = r->keys;

	for (unsigned i = 0; i < n; i++) {
		uint32_t bytes =
			mr_store_put_key(at, gets[i].space, gets[i].key, gets[i].key_bytes);

		r->wanted[i] = (struct wanted){
			.first8 = first8_of(at, bytes),
			.key = at,
			.key_bytes = (uint16_t)bytes,
			.index = i,
		};
		at += bytes;
	}
	return sort(r, n);
}

// Equal keys become one. @return how many are left.
static unsigned unite(struct mr_store_reader *r, const struct wanted *w, unsigned n)
{
	unsigned n_uniq = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || compare(&w[i - 1], &w[i]) != 0) {
			r->uniq[n_uniq] = (const char *)w[i].key;
			r->uniq_bytes[n_uniq] = w[i].key_bytes;
			n_uniq++;
		}
		r->slot[w[i].index] = n_uniq - 1;
	}
	return n_uniq;
}

static int note_error(struct mr_store_reader *r, const char *text)
{
	mr_store_count(&r->store->errors, 1);
	return mr_fail(&r->error, mr_store_errnum(text) == EUCLEAN ? EUCLEAN : EIO,
		"store %s: read: %s", r->store->path, text);
}

static void deliver(struct mr_store_reader *r, unsigned slot, struct mr_store_get *get)
{
	struct mr_store_head head;
	const char *value;
	size_t value_bytes;

	get->deleted = false;
	get->row = NULL;
	get->row_bytes = 0;
	if (r->errors[slot] != NULL) {
		get->result = (int8_t)note_error(r, r->errors[slot]);
		return;
	}
	if (r->values[slot] == NULL) {
		get->result = -ENOENT;
		return;
	}
	value = rocksdb_pinnableslice_value(r->values[slot], &value_bytes);
	if (!mr_store_parse_head(value, value_bytes, &head)) {
		get->result = (int8_t)note_error(r, "Corruption: a value is not a row");
		return;
	}
	get->result = 0;
	get->deleted = (head.flags & MR_STORE_DELETED) != 0;
	get->event_time_us = head.event_time_us;
	get->layout = head.layout;
	get->row = (const uint8_t *)value + sizeof(head);
	get->row_bytes = (uint32_t)(value_bytes - sizeof(head));
}

int mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	struct mr_store *store = reader->store;
	unsigned n_uniq;

	mr_store_release(reader);
	reader->error.text[0] = '\0';
	if (n > reader->burst_max)
		return -EINVAL;
	if (n == 0)
		return 0;
	n_uniq = unite(reader, gather(reader, gets, n), n);
	rocksdb_batched_multi_get_cf(store->db, store->read_newest, store->cf[MR_STORE_CF_LIVE],
		n_uniq, reader->uniq, reader->uniq_bytes, reader->values, reader->errors, true);
	reader->n_pinned = n_uniq;
	for (unsigned i = 0; i < n; i++)
		deliver(reader, reader->slot[i], &gets[i]);
	for (unsigned i = 0; i < n_uniq; i++) {
		if (reader->errors[i] != NULL)
			rocksdb_free(reader->errors[i]);
	}
	mr_store_count(&store->reads, 1);
	mr_store_count(&store->keys_read, n);
	return 0;
}

void mr_store_release(struct mr_store_reader *reader)
{
	for (unsigned i = 0; i < reader->n_pinned; i++) {
		if (reader->values[i] != NULL)
			rocksdb_pinnableslice_destroy(reader->values[i]);
	}
	reader->n_pinned = 0;
}

const char *mr_store_reader_error(const struct mr_store_reader *reader)
{
	return reader->error.text;
}
