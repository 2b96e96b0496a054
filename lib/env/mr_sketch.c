// SPDX-License-Identifier: BSD-3-Clause
#include "mr_sketch.h"

#include "mr_racy.h"

// Additions are rare and short: a reader that meets so many of them gives up.
#define READ_TRIES 64u

static struct mr_sketch_entry *find(struct mr_sketch *s, uint64_t key, uint32_t tag)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->at[i].key == key && s->at[i].tag == tag)
			return &s->at[i];
	return NULL;
}

static struct mr_sketch_entry *take_place(struct mr_sketch *s, uint64_t key, uint32_t tag)
{
	struct mr_sketch_entry *least = &s->at[0];

	if (s->n < MR_SKETCH_PLACES) {
		least = &s->at[s->n++];
		*least = (struct mr_sketch_entry){.key = key, .tag = tag};
		return least;
	}
	for (unsigned i = 1; i < s->n; i++)
		if (s->at[i].count < least->count)
			least = &s->at[i];
	*least = (struct mr_sketch_entry){
		.key = key, .tag = tag, .count = least->count, .error = least->count};
	return least;
}

void mr_sketch_add(struct mr_sketch *s, uint64_t key, uint32_t tag)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
	struct mr_sketch_entry *entry;

	atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
	// why release: nothing of it may be seen changed before the odd number.
	atomic_thread_fence(memory_order_release);
	entry = find(s, key, tag);
	if (entry == NULL)
		entry = take_place(s, key, tag);
	entry->count++;
	s->total++;
	// why release: whoever sees the even number sees the whole change.
	atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

bool mr_sketch_read(const struct mr_sketch *s, struct mr_sketch *ret)
{
	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		// why acquire: nothing of it must be read before the number.
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		mr_racy_copy(ret, s, sizeof(*s));
		// why acquire: nor the number again before all of it.
		atomic_thread_fence(memory_order_acquire);
		if (seq % 2 == 0 && atomic_load_explicit(&s->seq, memory_order_relaxed) == seq)
			return ret->n <= MR_SKETCH_PLACES;
	}
	return false;
}

uint64_t mr_sketch_least(const struct mr_sketch *copy)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < copy->n; i++)
		least = MR_MIN(least, copy->at[i].count);
	return copy->n < MR_SKETCH_PLACES ? 0 : least;
}
