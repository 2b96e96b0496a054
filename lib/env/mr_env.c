// SPDX-License-Identifier: BSD-3-Clause
#include "mr_env.h"

#include <rte_cycles.h>
#include <rte_malloc.h>

#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "mr_units.h"

// Empty turns before an idle lcore lets go of its CPU: a burst or a miss is seldom alone.
#define IDLE_TURNS 256u

// The kernel adds up to 50 us to a thread's sleeps unless told not to.
static void sleep_exactly(const struct timespec *nap)
{
	static _Thread_local bool is_told;

	if (!is_told)
		prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	is_told = true;
	nanosleep(nap, NULL);
}

void mr_idler_rest(struct mr_idler *idler)
{
	struct timespec nap = {.tv_nsec = (long)(idler->sleep_us * MR_NS_PER_US)};

	if (idler->mode == MR_IDLE_POLL)
		return;
	if (idler->mode == MR_IDLE_PAUSE || ++idler->empty_turns < IDLE_TURNS)
		mr_pause();
	else
		sleep_exactly(&nap);
}

void *mr_mem_alloc(const char *what, size_t bytes, size_t align, unsigned node)
{
	void *mem = rte_zmalloc_socket(what, bytes, (unsigned)align, (int)node);

	if (mem == NULL)
		errno = ENOMEM;
	return mem;
}

void mr_mem_free(void *mem)
{
	rte_free(mem);
}

#ifdef MR_FAULT_INJECTION
_Atomic int64_t mr_clock_fault_us;
#endif

static uint64_t wall_us(void)
{
	struct timespec ts;
	uint64_t us;

	clock_gettime(CLOCK_REALTIME, &ts);
	us = (uint64_t)ts.tv_sec * MR_US_PER_S + (uint64_t)ts.tv_nsec / MR_NS_PER_US;
#ifdef MR_FAULT_INJECTION
	us += (uint64_t)atomic_load_explicit(&mr_clock_fault_us, memory_order_relaxed);
#endif
	return us;
}

void mr_clock_calibrate(struct mr_clock *clock)
{
	uint32_t next = atomic_load_explicit(&clock->current, memory_order_relaxed) ^ 1;
	uint64_t before = rte_rdtsc(), now_us = wall_us(), after = rte_rdtsc();

	atomic_store_explicit(
		&clock->slot[next].tsc, before + (after - before) / 2, memory_order_relaxed);
	atomic_store_explicit(&clock->slot[next].wall_us, now_us, memory_order_relaxed);
	// why release: pairs with the acquire in mr_clock_us().
	atomic_store_explicit(&clock->current, next, memory_order_release);
}

void mr_clock_init(struct mr_clock *clock)
{
	atomic_init(&clock->current, 0);
	clock->hz = rte_get_tsc_hz();
	clock->us_per_cycle = (double)MR_US_PER_S / (double)clock->hz;
	clock->ns_per_cycle = (double)MR_NS_PER_S / (double)clock->hz;
	mr_clock_calibrate(clock);
}

int mr_rcu_init(struct mr_rcu *rcu, unsigned n_lcores)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(n_lcores);

	rcu->qsbr = rte_zmalloc("mr_rcu", bytes, MR_CACHE_LINE_BYTES);
	if (rcu->qsbr == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(rcu->qsbr, n_lcores) == 0 ? 0 : -EINVAL;
}

void mr_rcu_done(struct mr_rcu *rcu)
{
	rte_free(rcu->qsbr);
	rcu->qsbr = NULL;
}

void mr_rcu_join(struct mr_rcu *rcu, unsigned slot)
{
	rte_rcu_qsbr_thread_register(rcu->qsbr, slot);
	rte_rcu_qsbr_thread_online(rcu->qsbr, slot);
}

void mr_rcu_leave(struct mr_rcu *rcu, unsigned slot)
{
	rte_rcu_qsbr_thread_offline(rcu->qsbr, slot);
	rte_rcu_qsbr_thread_unregister(rcu->qsbr, slot);
}

void mr_rcu_wait(struct mr_rcu *rcu)
{
	rte_rcu_qsbr_synchronize(rcu->qsbr, RTE_QSBR_THRID_INVALID);
}
