// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// @return the number of the log that is named, 0: none is.
static uint64_t log_number(const char *name)
{
	uint64_t number;
	int n = 0;

	if (sscanf(name, "%" SCNu64 "%n", &number, &n) != 1 || strncmp(name + n, ".log", 4) != 0)
		return 0;
	return number;
}

void mr_store_wal_look_at_failure(struct mr_store *store, const char *text)
{
	const char *name = strstr(text, store->path);
	uint64_t number = 0;

	if (mr_store_errnum(text) == ENOSPC && name != NULL)
		number = log_number(name + strlen(store->path) + 1);
	// why relaxed: the number is all there is to see. Another writer misses it only if it comes
	// after RocksDB's recovery, for which a thread is started, and before this line, which
	// follows the failed write at once.
	if (number != 0)
		atomic_store_explicit(&store->full_log, number, memory_order_relaxed);
}

static uint64_t newest_log(const struct mr_store *store)
{
	DIR *dir = opendir(store->path);
	struct dirent *entry;
	uint64_t newest = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		newest = MR_MAX(newest, log_number(entry->d_name));
	if (dir != NULL)
		closedir(dir);
	return newest;
}

void mr_store_wal_watch(struct mr_store *store)
{
	// why relaxed: as above
	uint64_t full = atomic_load_explicit(&store->full_log, memory_order_relaxed);

	// Only what was seen is taken back: another log may have met a full disk since.
	if (full != 0 && newest_log(store) > full)
		atomic_compare_exchange_strong_explicit(
			&store->full_log, &full, 0, memory_order_relaxed, memory_order_relaxed);
}

int mr_store_wal_check(struct mr_store *store, struct mr_err *err)
{
	// why relaxed: as above
	uint64_t full = atomic_load_explicit(&store->full_log, memory_order_relaxed);
	struct mr_err own = {""};
	int ret;

	if (full == 0)
		return 0;
	ret = mr_fail(&own, ENOSPC,
		"store %s: refuses writes since there was no space left for its log %06" PRIu64
		".log; free space on its file system; writes resume by themselves, and where they "
		"do not within 10 seconds, restart",
		store->path, full);
	mr_store_note_failure(store, &own);
	if (err != NULL)
		*err = own;
	return ret;
}
