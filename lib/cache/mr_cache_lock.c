// SPDX-License-Identifier: BSD-3-Clause
//
// Locks of the writers. All spin, and give the CPU away after a while: writers may share CPUs, and
// the holder may be the one that waits for this CPU.
#include "mr_cache_priv.h"

#include <sched.h>

#define SPINS_BEFORE_YIELD 100u
#define SPINS_OF_TRYLOCK 64u

static void spin(unsigned *spins)
{
	mr_pause();
	if (++*spins % SPINS_BEFORE_YIELD == 0)
		sched_yield();
}

void mr_cache_spin_wait(_Atomic uint32_t *lock)
{
	unsigned spins = 0;

	while (!mr_cache_spin_trylock(lock))
		spin(&spins);
}

static bool grab(struct mr_cache_bucket *b)
{
	uint32_t version = atomic_load_explicit(&b->version, memory_order_relaxed);

	// why acquire: what the last holder wrote is seen.
	if ((version & 1) != 0 || !atomic_compare_exchange_weak_explicit(&b->version, &version,
					  version + 1, memory_order_acquire, memory_order_relaxed))
		return false;
#ifndef MR_CACHE_TSAN
	// why release: a reader that sees what is written from here on sees the odd version too.
	atomic_thread_fence(memory_order_release);
#endif
	return true;
}

void mr_cache_lock(struct mr_cache *cache, uint64_t bucket)
{
	unsigned spins = 0;

	while (!grab(&cache->buckets[bucket]))
		spin(&spins);
}

bool mr_cache_trylock(struct mr_cache *cache, uint64_t bucket)
{
	for (unsigned i = 0; i < SPINS_OF_TRYLOCK; i++) {
		if (grab(&cache->buckets[bucket]))
			return true;
		mr_pause();
	}
	return false;
}

static void set_version(struct mr_cache_bucket *b, int step)
{
	uint32_t version = atomic_load_explicit(&b->version, memory_order_relaxed);

	// why release: whoever sees the even version sees all that was written under the odd one.
	atomic_store_explicit(&b->version, version + (uint32_t)step, memory_order_release);
}

void mr_cache_unlock(struct mr_cache_op *op, uint64_t bucket)
{
	if (bucket == op->primary)
		op->own_bumps += 2;
	set_version(&op->cache->buckets[bucket], 1);
}

void mr_cache_unlock_unchanged(struct mr_cache *cache, uint64_t bucket)
{
	set_version(&cache->buckets[bucket], -1);
}

void mr_cache_back_off(void)
{
	sched_yield();
}
