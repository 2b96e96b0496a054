// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_fault.h"

#ifdef MR_FAULT_INJECTION

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_US 10000u

static struct {
	_Atomic uint64_t nth, times, hits, delay_us;
	_Atomic int errnum;
} points[MR_STORE_FAULT_POINTS];

void mr_store_fault_arm(enum mr_store_fault_point point, uint64_t nth, uint64_t times, int errnum)
{
	atomic_store(&points[point].times, 0);
	atomic_store(&points[point].hits, 0);
	atomic_store(&points[point].nth, nth);
	atomic_store(&points[point].errnum, errnum);
	atomic_store(&points[point].times, times);
}

void mr_store_fault_slow(enum mr_store_fault_point point, uint64_t delay_us)
{
	atomic_store(&points[point].delay_us, delay_us);
}

uint64_t mr_store_fault_hits(enum mr_store_fault_point point)
{
	return atomic_load(&points[point].hits);
}

// Worded as RocksDB words it: the code under test reads the text.
static char *text_of(enum mr_store_fault_point point, int errnum)
{
	const char *doing = point == MR_STORE_FAULT_SYNC ? "While fdatasync" : "While injected";
	char *text = NULL;
	int n;

	if (errnum == EUCLEAN)
		n = asprintf(&text, "Corruption: block checksum mismatch: injected in 1.sst");
	else if (errnum == ENOSPC)
		n = asprintf(&text, "IO error: No space left on device: %s: 1.log", doing);
	else
		n = asprintf(&text, "IO error: %s: 1.log: %s", doing, strerror(errnum));
	if (n < 0)
		abort();
	return text;
}

// In steps, so that what is slow no longer goes on at once.
static void be_slow(enum mr_store_fault_point point)
{
	const struct timespec step = {.tv_nsec = STEP_US * 1000};
	uint64_t done_us = 0, delay_us;

	for (; (delay_us = atomic_load(&points[point].delay_us)) > done_us; done_us += STEP_US) {
		uint64_t left_us = delay_us - done_us;

		nanosleep(left_us >= STEP_US ? &step
					     : &(struct timespec){.tv_nsec = (long)left_us * 1000},
			NULL);
	}
}

char *mr_store_fault(enum mr_store_fault_point point)
{
	uint64_t hit = atomic_fetch_add(&points[point].hits, 1) + 1;
	uint64_t nth = atomic_load(&points[point].nth);

	be_slow(point);
	if (hit < nth || hit - nth >= atomic_load(&points[point].times))
		return NULL;
	return text_of(point, atomic_load(&points[point].errnum));
}

#endif
