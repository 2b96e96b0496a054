// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Faults on purpose, for tests: only in a build of this library with -DMR_FAULT_INJECTION. Without
 * it every point is a constant and costs nothing.
 *
 * Threads: arm and disarm from one thread; points are hit from any.
 */

#include "mr_cc.h"

enum mr_store_fault_point {
	MR_STORE_FAULT_OPEN,
	MR_STORE_FAULT_READ,   //!< a burst of mr_store_read*(): every key of it
	MR_STORE_FAULT_SCAN,   //!< a step of a scan
	MR_STORE_FAULT_COMMIT, //!< a write of any kind before it reaches the log
	MR_STORE_FAULT_SYNC,   //!< a synced write, after it reached the log
	MR_STORE_FAULT_FLUSH,
	MR_STORE_FAULT_BULK,    //!< a step of a bulk load, and taking it in
	MR_STORE_FAULT_COMPACT, //!< a compaction of rows begins: it can be slow, not fail
	MR_STORE_FAULT_POINTS,
};

#ifdef MR_FAULT_INJECTION

/**
 * Makes hits @p nth to @p nth + @p times - 1 of a point fail, counted from 1 and from now; times 0
 * disarms it.
 * @param errnum
 *   EIO, ENOSPC, EUCLEAN, ...: the failure that RocksDB would report.
 */
void mr_store_fault_arm(enum mr_store_fault_point point, uint64_t nth, uint64_t times, int errnum);

/** Makes every hit of a point take so long first; 0: no longer. */
void mr_store_fault_slow(enum mr_store_fault_point point, uint64_t delay_us);

/** Hits of a point since it was armed. */
uint64_t mr_store_fault_hits(enum mr_store_fault_point point);

/** Passes a point. @return NULL, or a malloc'ed error text as RocksDB would give it. */
char *mr_store_fault(enum mr_store_fault_point point);

#else

static inline char *mr_store_fault(enum mr_store_fault_point point)
{
	(void)point;
	return NULL;
}

#endif
