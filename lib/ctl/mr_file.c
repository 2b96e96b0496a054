// SPDX-License-Identifier: BSD-3-Clause
#include "mr_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

bool mr_file_read_whole(int fd, void *to, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = read(fd, (uint8_t *)to + at, bytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

int mr_file_write_whole(int fd, const void *from, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = write(fd, (const uint8_t *)from + at, bytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return 0;
}

int mr_file_path(const char *dir, const char *name, char *path, size_t path_bytes)
{
	int n = snprintf(path, path_bytes, "%s/%s", dir, name);

	return n > 0 && (size_t)n < path_bytes ? 0 : -ENAMETOOLONG;
}

int mr_file_sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int write_new(const char *path, mr_file_write_fn write, void *arg)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, arg);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return ret;
}

int mr_file_replace(const char *dir, const char *name, mr_file_write_fn write, void *arg)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8];
	int ret = mr_file_path(dir, name, path, sizeof(path));

	if (ret < 0)
		return ret;
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	ret = write_new(temporary, write, arg);
	if (ret == 0 && rename(temporary, path) < 0)
		ret = -errno;
	if (ret < 0) {
		unlink(temporary);
		return ret;
	}
	return mr_file_sync_directory(dir);
}
