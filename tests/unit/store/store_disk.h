// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The disk as the store's tests see it. A program's own fsync(), fdatasync() and write() come
 * before the C library's, for RocksDB as well: syncs do nothing, since no test cuts the power and
 * a busy disk would take seconds for them, and both kinds fail where a test arms them.
 */

/** Makes syncs and writes of files whose name ends with @p suffix fail; errno 0: they work. */
void disk_fail(const char *suffix, int sync_errnum, int write_errnum);
void disk_heal(void);
