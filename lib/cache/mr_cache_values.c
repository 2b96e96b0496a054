// SPDX-License-Identifier: BSD-3-Clause
//
// Value memory: pages, each cut into slots of one size class. Pages with free slots are listed by
// class and by how empty they are; slots come from the fullest, so that pages become empty, and
// pages without rows belong to no class. Everything here is under alloc_lock.
#include "mr_cache_priv.h"

#define SLOT_MIN_BYTES 32u
#define SLOTS_AHEAD 3u
#define SLOT_MAX_BYTES \
	(sizeof(struct mr_cache_row_head) + MR_CACHE_KEY_MAX_BYTES + 1 + MR_CACHE_ROW_MAX_BYTES)

// Sizes in steps of about 1/14, larger where pages are few for so many classes; each size is the
// largest of which as many fit into a page. @return how many.
static unsigned make_classes(struct mr_cache *cache)
{
	uint32_t unit = 1u << cache->unit_shift, size = MR_MAX(SLOT_MIN_BYTES, unit);
	uint32_t steps = cache->n_pages >= 512 ? 14 : cache->n_pages >= 128 ? 6 : 3;
	unsigned n = 0, next = 0;

	while (n < MR_CACHE_CLASSES) {
		cache->class_bytes[n] = size;
		cache->class_slots[n] = (uint16_t)(cache->page_bytes / size);
		for (; next < MR_ARRAY_SIZE(cache->class_of) && next * 16 <= size; next++)
			cache->class_of[next] = (uint8_t)n;
		n++;
		if (size >= SLOT_MAX_BYTES)
			break;
		size += MR_ALIGN_UP(size / steps + 1, unit);
		size = cache->page_bytes / (cache->page_bytes / size) & ~(unit - 1);
	}
	return n;
}

void mr_cache_values_init(struct mr_cache *cache)
{
	cache->n_classes = make_classes(cache);
	for (uint64_t i = 0; i < cache->n_pages; i++)
		cache->pages[i].group = MR_CACHE_PAGE_FREE;
	atomic_store_explicit(&cache->has_pages, cache->n_pages > 0, memory_order_relaxed);
}

unsigned mr_cache_loc_class(const struct mr_cache *cache, uint32_t loc)
{
	// why relaxed: a page keeps its class while it holds a row; without one this is a hint.
	return atomic_load_explicit(
		&cache->pages[(loc - 1) >> cache->page_units_shift].class, memory_order_relaxed);
}

static void unlist(struct mr_cache *cache, uint32_t number)
{
	struct mr_cache_page *page = &cache->pages[number - 1];

	if (page->group >= MR_CACHE_GROUPS)
		return;
	if (page->prev != 0)
		cache->pages[page->prev - 1].next = page->next;
	else
		cache->groups[page->class][page->group] = page->next;
	if (page->next != 0)
		cache->pages[page->next - 1].prev = page->prev;
	page->group = MR_CACHE_PAGE_FULL;
}

// Puts a page where its free slots say that it belongs.
static void relist(struct mr_cache *cache, uint32_t number)
{
	struct mr_cache_page *page = &cache->pages[number - 1];
	unsigned slots = cache->class_slots[page->class], empty = slots - page->n_live;
	unsigned group = empty == 0 ? MR_CACHE_PAGE_FULL : empty * MR_CACHE_GROUPS / (slots + 1);
	uint32_t *head;

	if (page->group == group)
		return;
	unlist(cache, number);
	page->group = (uint8_t)group;
	if (empty == 0)
		return;
	head = &cache->groups[page->class][group];
	page->prev = 0;
	page->next = *head;
	if (*head != 0)
		cache->pages[*head - 1].prev = number;
	*head = number;
}

// why relaxed: who sees it late takes the lock in vain, or evicts a row too early.
static void set_hint(_Atomic bool *hint, bool value)
{
	if (atomic_load_explicit(hint, memory_order_relaxed) != value)
		atomic_store_explicit(hint, value, memory_order_relaxed);
}

static void give_page(struct mr_cache *cache, uint32_t number, unsigned class)
{
	struct mr_cache_page *page = &cache->pages[number - 1];
	unsigned lines =
		(cache->class_bytes[class] + MR_CACHE_LINE_BYTES - 1) / MR_CACHE_LINE_BYTES;

	page->n_live = page->free_head = page->n_carved = 0;
	page->group = MR_CACHE_PAGE_FULL;
	// why relaxed: readers without the lock take both as hints.
	atomic_store_explicit(&page->class, (uint8_t) class, memory_order_relaxed);
	atomic_store_explicit(&cache->page_lines[number - 1],
		(uint8_t)MR_MIN(lines, MR_CACHE_PREFETCH_LINES), memory_order_relaxed);
	cache->free_slots[class] += cache->class_slots[class];
	cache->class_pages[class]++;
	relist(cache, number);
	set_hint(&cache->is_dry[class], false);
}

static void drop_page(struct mr_cache *cache, uint32_t number)
{
	struct mr_cache_page *page = &cache->pages[number - 1];

	unlist(cache, number);
	cache->class_pages[page->class]--;
	page->group = MR_CACHE_PAGE_FREE;
	page->next = cache->free_pages;
	cache->free_pages = number;
	set_hint(&cache->has_pages, true);
}

static uint32_t new_page(struct mr_cache *cache, unsigned class)
{
	uint32_t number = cache->free_pages;

	if (number != 0)
		cache->free_pages = cache->pages[number - 1].next;
	else if (cache->n_pages_used < cache->n_pages)
		number = (uint32_t)++cache->n_pages_used;
	else
		return 0;
	set_hint(&cache->has_pages, cache->free_pages != 0 || cache->n_pages_used < cache->n_pages);
	give_page(cache, number, class);
	return number;
}

static uint32_t pop_slot(struct mr_cache *cache, uint32_t number)
{
	struct mr_cache_page *page = &cache->pages[number - 1];
	uint32_t loc;

	if (page->free_head != 0) {
		struct mr_cache_row_head *head;

		loc = mr_cache_slot_loc(cache, number - 1, page->free_head - 1u);
		head = mr_cache_head_rw(cache, loc);
		page->free_head =
			(uint16_t)atomic_load_explicit(&head->event_time_us, memory_order_relaxed);
	} else {
		loc = mr_cache_slot_loc(cache, number - 1, page->n_carved++);
		// Nobody has been here for long: the next slots are asked for before it is their
		// turn.
		mr_cache_prefetch_lines((const uint8_t *)mr_cache_head(cache, loc) +
						SLOTS_AHEAD * cache->class_bytes[page->class],
			mr_cache_lines(cache, loc));
		// Marks the slot free until a row is written to it.
		atomic_store_explicit(&mr_cache_head_rw(cache, loc)->what, 0, memory_order_relaxed);
	}
	page->n_live++;
	cache->free_slots[page->class]--;
	relist(cache, number);
	mr_cache_bump(&cache->slot_bytes, cache->class_bytes[page->class]);
	return loc;
}

uint32_t mr_cache_take_slot(struct mr_cache *cache, unsigned class)
{
	uint32_t number = 0, loc = 0;

	if (atomic_load_explicit(&cache->is_dry[class], memory_order_relaxed) &&
		!atomic_load_explicit(&cache->has_pages, memory_order_relaxed))
		return 0;
	mr_cache_spin_lock(&cache->alloc_lock);
	for (unsigned g = 0; g < MR_CACHE_GROUPS && number == 0; g++)
		number = cache->groups[class][g];
	if (number == 0)
		number = new_page(cache, class);
	if (number != 0)
		loc = pop_slot(cache, number);
	else
		set_hint(&cache->is_dry[class], true);
	mr_cache_spin_unlock(&cache->alloc_lock);
	return loc;
}

// why relaxed: readers find out by the bucket's version that this is no row any more.
void mr_cache_mark_free(struct mr_cache *cache, uint32_t loc)
{
	atomic_store_explicit(&mr_cache_head_rw(cache, loc)->what, 0, memory_order_relaxed);
}

void mr_cache_free_slot(struct mr_cache *cache, uint32_t loc)
{
	uint32_t number = ((loc - 1) >> cache->page_units_shift) + 1;
	struct mr_cache_page *page = &cache->pages[number - 1];
	struct mr_cache_row_head *head = mr_cache_head_rw(cache, loc);
	uint32_t first = mr_cache_slot_loc(cache, number - 1, 0);

	mr_cache_spin_lock(&cache->alloc_lock);
	// why relaxed: as mr_cache_mark_free().
	atomic_store_explicit(&head->event_time_us, page->free_head, memory_order_relaxed);
	mr_cache_mark_free(cache, loc);
	page->free_head =
		(uint16_t)(((loc - first) << cache->unit_shift) / cache->class_bytes[page->class] +
			   1);
	page->n_live--;
	mr_cache_bump(&cache->slot_bytes, -(uint64_t)cache->class_bytes[page->class]);
	if (page->group != MR_CACHE_PAGE_DRAINING) {
		cache->free_slots[page->class]++;
		if (page->n_live == 0) {
			cache->free_slots[page->class] -= cache->class_slots[page->class];
			drop_page(cache, number);
		} else {
			relist(cache, number);
			set_hint(&cache->is_dry[page->class], false);
		}
	}
	mr_cache_spin_unlock(&cache->alloc_lock);
}

#ifdef MR_CACHE_TSAN
// @p to is aligned to words, and whole words of it are the writer's.
static void put_bytes(uint8_t *to, const void *from, unsigned n)
{
	for (unsigned i = 0; i < n; i += 8) {
		uint64_t word = 0;

		memcpy(&word, (const uint8_t *)from + i, MR_MIN(8u, n - i));
		atomic_store_explicit(
			(_Atomic uint64_t *)(void *)(to + i), word, memory_order_relaxed);
	}
}
#else
static void put_bytes(uint8_t *to, const void *from, unsigned n)
{
	memcpy(to, from, n);
}
#endif

void mr_cache_write_row(struct mr_cache *cache, uint32_t loc, const struct mr_cache_row *row)
{
	struct mr_cache_row_head *head = mr_cache_head_rw(cache, loc);
	uint8_t *to = (uint8_t *)(head + 1);
	unsigned tail = row->key_bytes & 7, whole = row->key_bytes - tail;
	uint64_t last = 0;

	// why relaxed: either nobody can find this slot yet, or its bucket's version is odd.
	atomic_store_explicit(&head->event_time_us, row->event_time_us, memory_order_relaxed);
	put_bytes(to, row->key, whole);
	if (tail != 0) {
		memcpy(&last, (const uint8_t *)row->key + whole, tail);
		put_bytes(to + whole, &last, 8);
	}
	if (row->row_bytes > 0)
		put_bytes(to + mr_cache_key_span(row->key_bytes), row->row, row->row_bytes);
	atomic_store_explicit(&head->what,
		mr_cache_want(row->space, row->key_bytes) | (uint64_t)row->row_bytes << 32 |
			(row->deleted ? MR_CACHE_WHAT_DELETED : 0),
		memory_order_relaxed);
}

void mr_cache_copy_row(struct mr_cache *cache, uint32_t to, uint32_t from)
{
	const struct mr_cache_row_head *src = mr_cache_head(cache, from);
	struct mr_cache_row_head *dst = mr_cache_head_rw(cache, to);
	uint64_t what = atomic_load_explicit(&src->what, memory_order_relaxed);
	unsigned bytes =
		mr_cache_span(mr_cache_what_key_bytes(what), mr_cache_what_row_bytes(what));

	// why relaxed: nobody can find the copy yet.
	atomic_store_explicit(&dst->event_time_us,
		atomic_load_explicit(&src->event_time_us, memory_order_relaxed),
		memory_order_relaxed);
	put_bytes((uint8_t *)(dst + 1), src + 1, bytes - (unsigned)sizeof(*src));
	atomic_store_explicit(&dst->what, what, memory_order_relaxed);
}

// The class that has most to give to @p needy. Its free slots must take in a whole page's rows,
// unless @p forced.
static unsigned donor_class(const struct mr_cache *cache, unsigned needy, bool forced)
{
	unsigned best = MR_CACHE_CLASSES;
	uint64_t most = 0;

	for (unsigned c = 0; c < cache->n_classes; c++) {
		uint64_t bytes = cache->free_slots[c] * cache->class_bytes[c];

		if (c == needy || cache->class_pages[c] == 0)
			continue;
		if (forced)
			bytes = bytes * cache->n_pages + cache->class_pages[c];
		else if (cache->free_slots[c] < cache->class_slots[c])
			continue;
		if (bytes > most) {
			most = bytes;
			best = c;
		}
	}
	return best;
}

static uint32_t emptiest_page(const struct mr_cache *cache, unsigned class)
{
	for (unsigned g = MR_CACHE_GROUPS; g-- > 0;) {
		if (cache->groups[class][g] != 0)
			return cache->groups[class][g];
	}
	for (uint64_t i = 0; i < cache->n_pages_used; i++) {
		if (cache->pages[i].class == class && cache->pages[i].group == MR_CACHE_PAGE_FULL)
			return (uint32_t)i + 1;
	}
	return 0;
}

uint32_t mr_cache_drain_begin(struct mr_cache *cache, unsigned needy, bool forced)
{
	uint32_t number = 0;
	unsigned class;

	mr_cache_spin_lock(&cache->alloc_lock);
	class = donor_class(cache, needy, forced);
	if (class < MR_CACHE_CLASSES)
		number = emptiest_page(cache, class);
	if (number != 0) {
		struct mr_cache_page *page = &cache->pages[number - 1];

		unlist(cache, number);
		cache->free_slots[class] -= cache->class_slots[class] - page->n_live;
		page->group = MR_CACHE_PAGE_DRAINING;
	}
	mr_cache_spin_unlock(&cache->alloc_lock);
	return number;
}

bool mr_cache_drain_end(struct mr_cache *cache, uint32_t number, unsigned needy)
{
	struct mr_cache_page *page = &cache->pages[number - 1];
	bool empty;

	mr_cache_spin_lock(&cache->alloc_lock);
	empty = page->n_live == 0;
	page->group = MR_CACHE_PAGE_FULL;
	if (empty) {
		cache->class_pages[page->class]--;
		give_page(cache, number, needy);
		mr_cache_count(&cache->pages_moved, 1);
	} else {
		cache->free_slots[page->class] += cache->class_slots[page->class] - page->n_live;
		relist(cache, number);
		set_hint(&cache->is_dry[page->class], false);
	}
	mr_cache_spin_unlock(&cache->alloc_lock);
	return empty;
}
