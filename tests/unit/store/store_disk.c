// SPDX-License-Identifier: BSD-3-Clause
#include "store_disk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int sync_fails, write_fails;
static _Atomic(const char *) armed_suffix;

static bool is_armed(int fd)
{
	const char *suffix = atomic_load(&armed_suffix);
	char link[64], name[512];
	ssize_t n;

	if (suffix == NULL)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < (ssize_t)strlen(suffix))
		return false;
	name[n] = '\0';
	return strcmp(name + n - strlen(suffix), suffix) == 0;
}

static bool fails(_Atomic int *errnum, int fd)
{
	int n = atomic_load(errnum);

	if (n == 0 || !is_armed(fd))
		return false;
	errno = n;
	return true;
}

int fdatasync(int fd)
{
	return fails(&sync_fails, fd) ? -1 : 0;
}

int fsync(int fd)
{
	return fails(&sync_fails, fd) ? -1 : 0;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	return fails(&write_fails, fd) ? -1 : syscall(SYS_write, fd, bytes, n);
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
}
