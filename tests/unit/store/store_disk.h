// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The disk as the store's tests see it. A program's own open(), read, write and sync calls come
 * before the C library's, for RocksDB as well: syncs do nothing, since no test cuts the power and
 * a busy disk would take seconds for them, and all of them fail where a test arms them.
 */

#include <stdint.h>

/** Makes syncs and writes of files whose name ends with @p suffix fail; errno 0: they work. */
void disk_fail(const char *suffix, int sync_errnum, int write_errnum);
void disk_heal(void);

/** What RocksDB asks of files: all of it is counted, and can be made to fail by number. */
enum disk_call {
	DISK_OPEN,
	DISK_READ, //!< EUCLEAN: a bit of what pread() returns is turned instead
	DISK_WRITE,
	DISK_SYNC,
	DISK_CALLS,
};

/**
 * Makes calls @p nth to @p nth + @p times - 1, counted from 1 and from now, fail on files below
 * directory @p root; times 0: none. The other kinds of calls work again.
 * @param root
 *   Kept.
 */
void disk_fault(enum disk_call call, const char *root, uint64_t nth, uint64_t times, int errnum);

/** How many of these calls there were since disk_fault(). */
uint64_t disk_calls(void);
