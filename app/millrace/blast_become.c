// SPDX-License-Identifier: BSD-3-Clause
#include "blast_port.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "millrace-blast"

int blast_port_become(char **argv, struct mr_err *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
	char *slash;

	if (n < 0)
		return mr_fail(err, errno, "/proc/self/exe: %s", strerror(errno));
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash != NULL ? slash + 1 : path, PROGRAM);
	execv(path, argv);
	return mr_fail(err, errno, "--port wants the program %s: %s", path, strerror(errno));
}
