// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Files of lib/ctl beside the store: read and written whole, replaced so that a crash leaves either
 * the old one or the new one.
 */

#include <stdbool.h>
#include <stddef.h>

/** @return false at the end of the file, or when it cannot be read. */
bool mr_file_read_whole(int fd, void *to, size_t bytes);

/** @return 0 or -errno. */
int mr_file_write_whole(int fd, const void *from, size_t bytes);

/** "DIR/NAME". @return 0 or -ENAMETOOLONG. */
int mr_file_path(const char *dir, const char *name, char *path, size_t path_bytes);

/** Makes what was done to names in a directory last. @return 0 or -errno. */
int mr_file_sync_directory(const char *dir);

/** Writes to @p fd. @return 0 or -errno. */
typedef int (*mr_file_write_fn)(int fd, void *arg);

/**
 * Replaces DIR/NAME by what @p write writes: to another name, synced, and then renamed.
 * @return 0 or -errno; nothing changed then, unless the directory could not be synced.
 */
int mr_file_replace(const char *dir, const char *name, mr_file_write_fn write, void *arg);
