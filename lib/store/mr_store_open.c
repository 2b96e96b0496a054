// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_store_multiget.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mr_units.h"

// Notes that an opening writes anew, besides what it copies.
#define OPEN_ROOM_BYTES (4 * MR_MIB)

// Kept free for flushes and compactions: this and a memtable of each family of rows, or an eighth
// of a small file system.
#define ROOM_MIN_BYTES (64 * MR_MIB)
#define ROOM_MEMTABLES 3u
#define ROOM_MIN_SHARE 8u

const char *const mr_store_cf_names[MR_STORE_CF_COUNT] = {
	[MR_STORE_CF_DEFAULT] = "default",
	[MR_STORE_CF_LIVE] = "feature_live",
	[MR_STORE_CF_LIVE_FAST] = "feature_live_fast",
	[MR_STORE_CF_HISTORICAL] = "feature_historical",
	[MR_STORE_CF_METADATA] = "feature_metadata",
};

// ---- the directory -----------------------------------------------------------------------------

// A new directory survives a power cut only once its parent is on disk.
static int sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int fd, ret = 0;

	if (slash == NULL) {
		fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		*slash = '\0';
		fd = open(slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*slash = '/';
	}
	if (fd < 0)
		return -errno;
	// Some file systems cannot sync a directory, and need not.
	if (fsync(fd) < 0 && errno != EINVAL)
		ret = -errno;
	close(fd);
	return ret;
}

static int make_dir(char *path)
{
	if (mkdir(path, 0750) == 0)
		return sync_parent(path);
	return errno == EEXIST ? 0 : -errno;
}

static int make_dirs(const char *path)
{
	char work[PATH_MAX];
	size_t n = strlen(path);
	int ret;

	if (n == 0 || n >= sizeof(work))
		return n == 0 ? -EINVAL : -ENAMETOOLONG;
	memcpy(work, path, n + 1);
	while (n > 1 && work[n - 1] == '/')
		work[--n] = '\0';
	for (char *p = work + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		ret = make_dir(work);
		*p = '/';
		if (ret < 0)
			return ret;
	}
	return make_dir(work);
}

// The path that RocksDB shall see is the real one: its guard against opening a directory twice in
// one process compares texts.
static int prepare_dir(struct mr_store *store, const struct mr_store_params *p, struct mr_err *err)
{
	int ret = p->read_only ? 0 : make_dirs(p->path);

	if (ret < 0)
		return mr_fail(err, -ret, "store %s: cannot make the directory: %s", p->path,
			strerror(-ret));
	if (realpath(p->path, store->path) == NULL)
		return mr_fail(err, errno, "store %s: %s", p->path, strerror(errno));
	return 0;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n >= k && strcmp(name + n - k, suffix) == 0;
}

// What an opening may have to write: the log's rows into tables, and the list of files anew.
static uint64_t room_wanted(const char *path)
{
	uint64_t bytes = OPEN_ROOM_BYTES;
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if ((ends_with(entry->d_name, ".log") ||
			    strncmp(entry->d_name, "MANIFEST-", 9) == 0) &&
			fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
			bytes += (uint64_t)st.st_size;
	if (dir != NULL)
		closedir(dir);
	return bytes;
}

// RocksDB 7.8, as Debian builds it, aborts when its own log meets a full disk, before it can say
// what is wrong.
static int check_room(const struct mr_store *store, struct mr_err *err)
{
	uint64_t wanted, free_bytes;
	struct statvfs fs;

	if (store->read_only || statvfs(store->path, &fs) < 0)
		return 0;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	wanted = room_wanted(store->path);
	if (free_bytes >= wanted)
		return 0;
	return mr_fail(err, ENOSPC,
		"store %s: %llu MiB are free on its file system, and opening it may take %llu: "
		"free space, then start again",
		store->path, (unsigned long long)(free_bytes / MR_MIB),
		(unsigned long long)(MR_ALIGN_UP(wanted, MR_MIB) / MR_MIB));
}

void mr_store_look_at_room(struct mr_store *store)
{
	uint64_t min_bytes, free_bytes;
	struct statvfs fs;
	bool full;

	if (store->read_only || statvfs(store->path, &fs) < 0)
		return;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	min_bytes =
		MR_MIN(store->room_min_bytes, (uint64_t)fs.f_blocks * fs.f_frsize / ROOM_MIN_SHARE);
	// why relaxed: writers may see it late; the room that is kept is for that, too.
	full = atomic_load_explicit(&store->full, memory_order_relaxed);
	// A little more to begin again than to stop.
	full = free_bytes < (full ? min_bytes + min_bytes / 4 : min_bytes);
	atomic_store_explicit(&store->full, full, memory_order_relaxed);
}

// ---- who holds it ------------------------------------------------------------------------------

// The process that holds the lock file, 0 when unknown (another PID namespace, or just gone).
static pid_t lock_holder(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char name[PATH_MAX + 8];
	pid_t pid = 0;
	int fd;

	snprintf(name, sizeof(name), "%s/LOCK", path);
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		pid = lock.l_pid;
	close(fd);
	return pid;
}

static void process_name(pid_t pid, char *name, size_t name_bytes)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	snprintf(name, name_bytes, "unknown");
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(name, (int)name_bytes, f) != NULL)
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

static int fail_busy(struct mr_store *store, char *text, struct mr_err *err)
{
	// Never look at the lock file then: closing it would drop this process's own lock.
	bool own = strstr(text, "current process") != NULL;
	pid_t pid = own ? getpid() : lock_holder(store->path);
	char name[64];

	rocksdb_free(text);
	if (pid == 0)
		return mr_fail(err, EBUSY,
			"store %s: in use by another process; stop it or choose another directory",
			store->path);
	process_name(pid, name, sizeof(name));
	return mr_fail(err, EBUSY,
		"store %s: in use by %sprocess %d (%s); stop it or choose another directory",
		store->path, own ? "this very " : "", (int)pid, name);
}

static int fail_open(struct mr_store *store, char *text, struct mr_err *err)
{
	char current[PATH_MAX + 16];

	if (mr_store_errnum(text) == EBUSY)
		return fail_busy(store, text, err);
	snprintf(current, sizeof(current), "%s/CURRENT", store->path);
	// A file is missing in what once was a store: that is damage, not absence.
	if (mr_store_errnum(text) == ENOENT && access(current, F_OK) == 0) {
		mr_store_fail_path(store->path, err, text, "open");
		return -EUCLEAN;
	}
	if (mr_store_errnum(text) == ENOENT) {
		rocksdb_free(text);
		return mr_fail(
			err, ENOENT, "store %s: there is no store in this directory", store->path);
	}
	return mr_store_fail_path(store->path, err, text, "open");
}

// ---- open and close ----------------------------------------------------------------------------

static int open_db(struct mr_store *store, struct mr_err *err)
{
	const rocksdb_options_t *const *options =
		(const rocksdb_options_t *const *)(void *)store->options;
	rocksdb_options_t *db_options = store->options[MR_STORE_CF_DEFAULT];
	char *text = mr_store_fault(MR_STORE_FAULT_OPEN);

	if (text != NULL)
		return fail_open(store, text, err);
	if (store->read_only)
		store->db = rocksdb_open_for_read_only_column_families(db_options, store->path,
			MR_STORE_CF_COUNT, mr_store_cf_names, options, store->cf, 0, &text);
	else
		store->db = rocksdb_open_column_families(db_options, store->path, MR_STORE_CF_COUNT,
			mr_store_cf_names, options, store->cf, &text);
	if (text != NULL)
		return fail_open(store, text, err);

	for (int i = 0; i < MR_STORE_CF_COUNT; i++)
		store->cf_id[i] = rocksdb_column_family_handle_get_id(store->cf[i]);
	store->read_newest = rocksdb_readoptions_create();
	store->write_unsynced = rocksdb_writeoptions_create();
	store->write_synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(store->write_synced, 1);
	return 0;
}

static void free_store(struct mr_store *store)
{
	if (store->db != NULL) {
		for (int i = 0; i < MR_STORE_CF_COUNT; i++)
			rocksdb_column_family_handle_destroy(store->cf[i]);
		rocksdb_close(store->db);
		rocksdb_readoptions_destroy(store->read_newest);
		rocksdb_writeoptions_destroy(store->write_unsynced);
		rocksdb_writeoptions_destroy(store->write_synced);
	}
	mr_store_free_options(store);
	pthread_mutex_destroy(&store->trouble_lock);
	free(store);
}

struct mr_store *mr_store_open(const struct mr_store_params *params, struct mr_err *err)
{
	struct mr_store_binding binding;
	struct mr_store *store;
	int ret;

	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		errno = -mr_fail(err, ENOMEM, "store: no memory");
		return NULL;
	}
	store->read_only = params->read_only;
	store->room_min_bytes = ROOM_MIN_BYTES + ROOM_MEMTABLES * params->memtable_bytes;
	pthread_mutex_init(&store->trouble_lock, NULL);
	ret = prepare_dir(store, params, err);
	if (ret == 0)
		ret = check_room(store, err);
	if (ret == 0)
		ret = mr_store_make_options(store, params, err);
	if (ret == 0) {
		ret = mr_store_bind(params, mr_store_threads(params), &binding, err);
		if (ret == 0)
			ret = open_db(store, err);
		if (ret == 0 && !store->read_only)
			ret = mr_store_bulk_recover(store, err);
		mr_store_unbind(&binding);
	}
	if (ret == 0) {
		store->has_multiget = mr_store_multiget_fits(store->db, store->path,
			store->cf[MR_STORE_CF_LIVE], mr_store_cf_names[MR_STORE_CF_LIVE]);
		mr_store_look_at_room(store);
		return store;
	}
	free_store(store);
	errno = -ret;
	return NULL;
}

int mr_store_close(struct mr_store *store, struct mr_err *err)
{
	int ret = 0;

	if (store == NULL)
		return 0;
	if (!store->read_only)
		ret = mr_store_flush(store, err);
	free_store(store);
	return ret < 0 ? -EIO : 0;
}
