// SPDX-License-Identifier: BSD-3-Clause
#include "mr_thread.h"

#include <signal.h>
#include <time.h>

#include "mr_units.h"

int mr_thread_start(
	pthread_t *thread, const char *name, const cpu_set_t *cpus, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	if (cpus != NULL)
		pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (ret == 0)
		pthread_setname_np(*thread, name);
	return -ret;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * MR_US_PER_S + (uint64_t)ts.tv_nsec / MR_NS_PER_US;
}

uint64_t mr_thread_now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t mr_thread_cpu_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

void mr_thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

void mr_thread_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t us)
{
	uint64_t until_us = mr_thread_now_us() + us;
	struct timespec until = {
		.tv_sec = (time_t)(until_us / MR_US_PER_S),
		.tv_nsec = (long)(until_us % MR_US_PER_S * MR_NS_PER_US),
	};

	pthread_cond_timedwait(cond, lock, &until);
}
