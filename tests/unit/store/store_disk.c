// SPDX-License-Identifier: BSD-3-Clause
// Where it is set, the C library's headers give open() and pread() the names open64() and
// pread64().
#undef _FILE_OFFSET_BITS
#include "store_disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int sync_fails, write_fails;
static _Atomic(const char *) armed_suffix;

static struct {
	_Atomic(const char *) root; // NULL: disarmed
	_Atomic int call, errnum;
	_Atomic uint64_t nth, times, calls;
} fault;

static bool path_of(int fd, char *name, size_t bytes)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, bytes - 1);
	if (n < 0)
		return false;
	name[n] = '\0';
	return true;
}

static bool is_armed(int fd)
{
	const char *suffix = atomic_load(&armed_suffix);
	char name[512];
	size_t n;

	if (suffix == NULL || !path_of(fd, name, sizeof(name)))
		return false;
	n = strlen(name);
	return n >= strlen(suffix) && strcmp(name + n - strlen(suffix), suffix) == 0;
}

static bool fails(_Atomic int *errnum, int fd)
{
	int n = atomic_load(errnum);

	if (n == 0 || !is_armed(fd))
		return false;
	errno = n;
	return true;
}

// Counts a call on a path, unless it is RocksDB's own log. @return its errno if it is to fail, or
// 0.
static int hit_path(enum disk_call call, const char *path)
{
	const char *root = atomic_load(&fault.root);
	const char *slash = strrchr(path, '/');
	uint64_t hit;

	if (root == NULL || atomic_load(&fault.call) != (int)call ||
		strncmp(path, root, strlen(root)) != 0 ||
		(slash != NULL && strcmp(slash, "/LOG") == 0))
		return 0;
	hit = atomic_fetch_add(&fault.calls, 1) + 1;
	if (hit < atomic_load(&fault.nth) ||
		hit - atomic_load(&fault.nth) >= atomic_load(&fault.times))
		return 0;
	errno = atomic_load(&fault.errnum);
	return errno;
}

static int hit(enum disk_call call, int fd)
{
	char name[512];

	if (atomic_load(&fault.root) == NULL || !path_of(fd, name, sizeof(name)))
		return 0;
	return hit_path(call, name);
}

int fdatasync(int fd)
{
	return fails(&sync_fails, fd) || hit(DISK_SYNC, fd) != 0 ? -1 : 0;
}

int fsync(int fd)
{
	return fails(&sync_fails, fd) || hit(DISK_SYNC, fd) != 0 ? -1 : 0;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	if (fails(&write_fails, fd) || hit(DISK_WRITE, fd) != 0)
		return -1;
	return syscall(SYS_write, fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
	int errnum = hit(DISK_READ, fd);
	ssize_t got;

	if (errnum != 0 && errnum != EUCLEAN)
		return -1;
	got = syscall(SYS_pread64, fd, bytes, n, at);
	if (errnum == EUCLEAN && got > 0)
		((uint8_t *)bytes)[got / 2] ^= 1;
	return got;
}

// RocksDB reads logs and manifests so.
size_t(fread_unlocked)(void *bytes, size_t size, size_t n, FILE *file)
{
	static size_t (*next)(void *bytes, size_t size, size_t n, FILE *file);
	int errnum = hit(DISK_READ, fileno(file));

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "fread_unlocked");
	if (errnum == 0 || errnum == EUCLEAN)
		return next(bytes, size, n, file);
	// Nothing but a real failure makes ferror() true.
	close(fileno(file));
	return next(bytes, size, n, file);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	if (hit_path(DISK_OPEN, path) != 0)
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

void disk_fail(const char *suffix, int sync_errnum, int write_errnum)
{
	atomic_store(&armed_suffix, suffix);
	atomic_store(&sync_fails, sync_errnum);
	atomic_store(&write_fails, write_errnum);
}

void disk_heal(void)
{
	disk_fail(NULL, 0, 0);
	atomic_store(&fault.root, NULL);
}

void disk_fault(enum disk_call call, const char *root, uint64_t nth, uint64_t times, int errnum)
{
	atomic_store(&fault.root, NULL);
	atomic_store(&fault.call, (int)call);
	atomic_store(&fault.nth, nth);
	atomic_store(&fault.times, times);
	atomic_store(&fault.errnum, errnum);
	atomic_store(&fault.calls, 0);
	atomic_store(&fault.root, root);
}

uint64_t disk_calls(void)
{
	return atomic_load(&fault.calls);
}
