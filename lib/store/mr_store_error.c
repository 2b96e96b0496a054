// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_trouble.h"

#include "mr_store_impl.h"

#include <errno.h>
#include <string.h>

// RocksDB's status kinds as they begin their text, where the kind alone decides.
static const struct {
	const char *start;
	int errnum;
} kinds[] = {
	{"Corruption", EUCLEAN},
	{"NotFound", ENOENT},
	{"Invalid argument", EINVAL},
	{"Not implemented", ENOTSUP},
	{"Resource busy", EBUSY},
	{"Operation timed out", ETIMEDOUT},
	{"Shutdown in progress", ESHUTDOWN},
	{"IO error: lock hold by current process", EBUSY},
	{"IO error: While lock file", EBUSY},
	{"IO error: No space left", ENOSPC},
};

// Otherwise the reason stands in the text as the C library words it.
static const struct {
	int reason;
	int errnum;
} reasons[] = {
	{ENOSPC, ENOSPC},
	{EDQUOT, ENOSPC},
	{EACCES, EACCES},
	{EPERM, EACCES},
	{EROFS, EROFS},
	{EMFILE, EMFILE},
	{ENFILE, EMFILE},
	{ENOMEM, ENOMEM},
	{ENOENT, ENOENT},
};

const char *mr_store_advice(int errnum)
{
	switch (errnum) {
	case ENOSPC:
		return "free space on its file system; writes resume by themselves";
	case EACCES:
		return "check owner and mode of the directory and its files";
	case EROFS:
		return "remount the file system read-write";
	case EMFILE:
		return "raise the limit of open files (LimitNOFILE=)";
	case EUCLEAN:
	case ENOENT:
		return "check the disk, see what 'millrace verify' says, then restore a backup";
	case EIO:
		return "check the disk (dmesg), then restart";
	default:
		return NULL;
	}
}

int mr_store_errnum(const char *text)
{
	char reason[128];

	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++) {
		if (strncmp(text, kinds[i].start, strlen(kinds[i].start)) == 0)
			return kinds[i].errnum;
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(reasons); i++) {
		if (strstr(text, strerror_r(reasons[i].reason, reason, sizeof(reason))) != NULL)
			return reasons[i].errnum;
	}
	return EIO;
}

bool mr_store_is_sync_failure(const char *text)
{
	return strstr(text, "fdatasync") != NULL || strstr(text, "fsync") != NULL ||
	       strstr(text, "sync_file_range") != NULL;
}

int mr_store_fail_path(const char *path, struct mr_err *err, char *text, const char *what)
{
	const char *hint;
	int errnum;

	if (text == NULL)
		return 0;
	errnum = mr_store_errnum(text);
	hint = mr_store_advice(errnum);
	mr_fail(err, errnum, "store %s: cannot %s: %.300s%s%s", path, what, text,
		hint != NULL ? "; " : "", hint != NULL ? hint : "");
	rocksdb_free(text);
	return -errnum;
}

int mr_store_fail(struct mr_store *store, struct mr_err *err, char *text, const char *what)
{
	struct mr_err own = {""};
	int ret;

	if (text == NULL)
		return 0;
	if (mr_store_is_sync_failure(text))
		// why: whoever sees it set needs nothing else from this thread
		atomic_store_explicit(&store->sync_failed, true, memory_order_relaxed);
	ret = mr_store_fail_path(store->path, &own, text, what);
	mr_store_note_failure(store, &own);
	if (err != NULL)
		*err = own;
	return ret;
}

void mr_store_note_failure(struct mr_store *store, const struct mr_err *err)
{
	pthread_mutex_lock(&store->trouble_lock);
	mr_store_count(&store->errors, 1);
	store->trouble = *err;
	pthread_mutex_unlock(&store->trouble_lock);
}

uint64_t mr_store_trouble(struct mr_store *store, struct mr_err *ret_err)
{
	uint64_t n;

	pthread_mutex_lock(&store->trouble_lock);
	// why: the lock orders it
	n = atomic_load_explicit(&store->errors, memory_order_relaxed);
	if (n != 0)
		*ret_err = store->trouble;
	pthread_mutex_unlock(&store->trouble_lock);
	return n;
}

int mr_store_check_writable(struct mr_store *store, struct mr_err *err)
{
	if (store->read_only)
		return mr_fail(err, EROFS, "store %s: opened read-only", store->path);
	// why: as in mr_store_fail(); RocksDB itself refuses whatever races past this
	if (atomic_load_explicit(&store->sync_failed, memory_order_relaxed))
		return mr_fail(err, EROFS,
			"store %s: refuses writes since a sync to the disk failed; what was "
			"acknowledged before is safe; check the disk (dmesg), then restart",
			store->path);
	return 0;
}

int mr_store_check_room(struct mr_store *store, struct mr_err *err)
{
	struct mr_err own = {""};
	int ret;

	// why relaxed: as in mr_store_look_at_room().
	if (!atomic_load_explicit(&store->full, memory_order_relaxed))
		return 0;
	ret = mr_fail(&own, ENOSPC,
		"store %s: refuses writes, as its file system is nearly full: No space left on "
		"device; %s",
		store->path, mr_store_advice(ENOSPC));

	mr_store_note_failure(store, &own);
	if (err != NULL)
		*err = own;
	return ret;
}
