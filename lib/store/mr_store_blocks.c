// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mr_cc.h"
#include "mr_units.h"

#define CHUNK_BYTES (128 * MR_KIB)
#define HUGE_BYTES (2 * MR_MIB)
#define SLOT_ALIGN 64u
// Slots of a chunk; sizes are the largest of which as many fit.
#define SLOTS_MIN ((unsigned)(CHUNK_BYTES / MR_STORE_BLOCKS_MAX_BYTES))
#define SLOTS_MAX ((unsigned)(CHUNK_BYTES / MR_STORE_BLOCKS_MIN_BYTES))
#define CLASSES (SLOTS_MAX + 1)
// Address space beside the capacity: slots are larger than blocks, and chunks partly empty.
#define SPARE_PART 4
#define SPARE_BYTES (16 * MR_MIB)

/** A chunk. Numbers of chunks and slots count from 1; 0: none. */
struct chunk {
	uint32_t prev, next; // in the list of its class, or of the free ones
	uint16_t slots;      // its class: how many there are; 0: free
	uint16_t taken;
	uint16_t carved;    // slots that were ever handed out
	uint16_t free_slot; // first of those given back, each of which begins with the next
};

struct mr_store_blocks {
	uint8_t *base; // NULL: everything is malloc's
	uint64_t bytes;
	void *mapped;
	size_t mapped_bytes;
	uint32_t slot_bytes[CLASSES]; // by how many there are in a chunk

	pthread_mutex_t lock;
	struct chunk *chunks;
	uint32_t n_chunks, n_used, n_free;
	uint32_t free_chunks;
	uint32_t lists[CLASSES]; // chunks with free slots
	uint64_t taken;
};

// Chunks first, since these are aligned; what stands for them after that.
static void reserve(struct mr_store_blocks *b, uint64_t bytes)
{
	uint64_t n = (bytes + bytes / SPARE_PART + SPARE_BYTES) / CHUNK_BYTES;
	uint64_t region = MR_ALIGN_UP(n * CHUNK_BYTES, HUGE_BYTES);
	size_t wanted = region + HUGE_BYTES + n * sizeof(struct chunk);
	void *mapped;

	if (n > UINT32_MAX)
		return;
	mapped = mmap(NULL, wanted, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapped == MAP_FAILED)
		return;
	b->mapped = mapped;
	b->mapped_bytes = wanted;
	b->base = (uint8_t *)MR_ALIGN_UP((uintptr_t)mapped, HUGE_BYTES);
	b->bytes = n * CHUNK_BYTES;
	b->chunks = (struct chunk *)(void *)(b->base + region);
	b->n_chunks = (uint32_t)n;
	// Refused where the kernel has none: small pages do as well.
	madvise(b->base, region, MADV_HUGEPAGE);
}

struct mr_store_blocks *mr_store_blocks_create(uint64_t bytes)
{
	struct mr_store_blocks *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	for (unsigned slots = SLOTS_MIN; slots <= SLOTS_MAX; slots++)
		b->slot_bytes[slots] = (uint32_t)(CHUNK_BYTES / slots) & ~(SLOT_ALIGN - 1);
	reserve(b, bytes);
	return b;
}

void mr_store_blocks_free(struct mr_store_blocks *b)
{
	if (b == NULL)
		return;
	if (b->mapped != NULL)
		munmap(b->mapped, b->mapped_bytes);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static struct chunk *chunk_at(struct mr_store_blocks *b, uint32_t number)
{
	return &b->chunks[number - 1];
}

static void list_add(struct mr_store_blocks *b, uint32_t *head, uint32_t number)
{
	struct chunk *chunk = chunk_at(b, number);

	chunk->prev = 0;
	chunk->next = *head;
	if (*head != 0)
		chunk_at(b, *head)->prev = number;
	*head = number;
}

static void list_remove(struct mr_store_blocks *b, uint32_t *head, uint32_t number)
{
	struct chunk *chunk = chunk_at(b, number);

	if (chunk->prev != 0)
		chunk_at(b, chunk->prev)->next = chunk->next;
	else
		*head = chunk->next;
	if (chunk->next != 0)
		chunk_at(b, chunk->next)->prev = chunk->prev;
}

// A chunk of which nobody has a slot yet. @return 0: there is none.
static uint32_t new_chunk(struct mr_store_blocks *b, unsigned slots)
{
	uint32_t number = b->free_chunks;

	if (number != 0) {
		list_remove(b, &b->free_chunks, number);
		b->n_free--;
	} else if (b->n_used < b->n_chunks) {
		number = ++b->n_used;
	} else {
		return 0;
	}
	*chunk_at(b, number) = (struct chunk){.slots = (uint16_t)slots};
	list_add(b, &b->lists[slots], number);
	return number;
}

static uint8_t *slot_at(const struct mr_store_blocks *b, uint32_t number, unsigned slot)
{
	return b->base + (uint64_t)(number - 1) * CHUNK_BYTES +
	       (uint64_t)(slot - 1) * b->slot_bytes[b->chunks[number - 1].slots];
}

static void *take_slot(struct mr_store_blocks *b, unsigned slots)
{
	uint32_t number = b->lists[slots] != 0 ? b->lists[slots] : new_chunk(b, slots);
	struct chunk *chunk;
	uint8_t *slot;

	if (number == 0)
		return NULL;
	chunk = chunk_at(b, number);
	if (chunk->free_slot != 0) {
		slot = slot_at(b, number, chunk->free_slot);
		chunk->free_slot = *(uint16_t *)(void *)slot;
	} else {
		slot = slot_at(b, number, ++chunk->carved);
	}
	b->taken++;
	if (++chunk->taken == chunk->slots)
		list_remove(b, &b->lists[slots], number);
	return slot;
}

static void give_slot(struct mr_store_blocks *b, uint8_t *slot)
{
	uint64_t at = (uint64_t)(slot - b->base);
	uint32_t number = (uint32_t)(at / CHUNK_BYTES) + 1;
	struct chunk *chunk = chunk_at(b, number);

	if (chunk->taken-- == chunk->slots)
		list_add(b, &b->lists[chunk->slots], number);
	*(uint16_t *)(void *)slot = chunk->free_slot;
	chunk->free_slot = (uint16_t)(at % CHUNK_BYTES / b->slot_bytes[chunk->slots] + 1);
	b->taken--;
	if (chunk->taken > 0)
		return;
	list_remove(b, &b->lists[chunk->slots], number);
	chunk->slots = 0;
	list_add(b, &b->free_chunks, number);
	b->n_free++;
}

void *mr_store_blocks_take(struct mr_store_blocks *b, size_t bytes)
{
	void *slot = NULL;
	unsigned slots;

	if (bytes >= MR_STORE_BLOCKS_MIN_BYTES && bytes <= MR_STORE_BLOCKS_MAX_BYTES) {
		slots = (unsigned)(CHUNK_BYTES / MR_ALIGN_UP(bytes, SLOT_ALIGN));
		pthread_mutex_lock(&b->lock);
		slot = take_slot(b, slots);
		pthread_mutex_unlock(&b->lock);
	}
	return slot != NULL ? slot : malloc(bytes);
}

static bool is_slot(const struct mr_store_blocks *b, const void *block)
{
	uintptr_t at = (uintptr_t)block, base = (uintptr_t)b->base;

	return at >= base && at - base < b->bytes;
}

void mr_store_blocks_give(struct mr_store_blocks *b, void *block)
{
	if (!is_slot(b, block)) {
		free(block);
		return;
	}
	pthread_mutex_lock(&b->lock);
	give_slot(b, block);
	pthread_mutex_unlock(&b->lock);
}

size_t mr_store_blocks_usable(const struct mr_store_blocks *b, const void *block, size_t bytes)
{
	if (!is_slot(b, block))
		return bytes;
	// Of the chunk's class: as mr_store_blocks_take() chose it.
	return b->slot_bytes[CHUNK_BYTES / MR_ALIGN_UP(bytes, SLOT_ALIGN)];
}

void mr_store_blocks_stats(struct mr_store_blocks *b, struct mr_store_blocks_stats *ret_stats)
{
	pthread_mutex_lock(&b->lock);
	*ret_stats = (struct mr_store_blocks_stats){
		.chunks = b->n_used, .free_chunks = b->n_free, .taken = b->taken};
	pthread_mutex_unlock(&b->lock);
}
