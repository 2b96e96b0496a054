// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_def options[] = {
	ADMIN_OPTION,
	{NULL, NULL, NULL},
};

static const struct option_def no_options[] = {{NULL, NULL, NULL}};

static int run_backup(const struct invocation *inv)
{
	char verb[PATH_MAX + 32], directory[PATH_MAX];
	const char *path;

	if (inv->n_args != 1)
		return usage_error(inv, "which directory?");
	path = inv->args[0];
	if (strpbrk(path, " \t\n") != NULL)
		return usage_error(inv, "'%s': no blanks, please", path);
	// The appliance has a working directory of its own.
	if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
		return complain(inv, EXIT_LOCAL, "%s", strerror(errno));
	if (snprintf(verb, sizeof(verb), "backup %s%s%s", path[0] == '/' ? "" : directory,
		    path[0] == '/' ? "" : "/", path) >= 1000)
		return usage_error(inv, "'%s': too long a path", path);
	return ask_and_print(inv, verb, NULL);
}

static int run_verify(const struct invocation *inv)
{
	return inv->n_args == 0 ? ask_and_print(inv, "verify", NULL)
	                        : usage_error(inv, "no arguments are expected");
}

// ---- restore -----------------------------------------------------------------------------------

static int copy_content(int from, int to)
{
	ssize_t n;

	while ((n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0)) > 0)
		;
	if (n < 0 &&
		(errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
		static char buffer[1 << 20];

		while ((n = read(from, buffer, sizeof(buffer))) > 0)
			if (write(to, buffer, (size_t)n) != n)
				return -1;
	}
	return n < 0 || fsync(to) < 0 ? -1 : 0;
}

static int copy_file(
	const struct invocation *inv, const char *from_dir, const char *to_dir, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	int in, out, ret = -1;

	if (snprintf(from, sizeof(from), "%s/%s", from_dir, name) >= (int)sizeof(from) ||
		snprintf(to, sizeof(to), "%s/%s", to_dir, name) >= (int)sizeof(to))
		return complain(inv, EXIT_BAD_INPUT, "%s: too long a path", from_dir);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in >= 0 && out >= 0)
		ret = copy_content(in, out);
	if (ret < 0)
		complain(inv, EXIT_LOCAL, "%s to %s: %s", from, to, strerror(errno));
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ret < 0 ? EXIT_LOCAL : EXIT_OK;
}

// Everything but CURRENT first: without that, a copy that was cut short is no store.
static int copy_all(const struct invocation *inv, DIR *dir, const char *from, const char *to)
{
	struct dirent *entry;
	int rc = EXIT_OK, fd;

	while (rc == EXIT_OK && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "CURRENT") != 0)
			rc = copy_file(inv, from, to, entry->d_name);
	if (rc == EXIT_OK)
		rc = copy_file(inv, from, to, "CURRENT");
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == EXIT_OK && (fd < 0 || fsync(fd) < 0))
		rc = complain(inv, EXIT_LOCAL, "%s: %s", to, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int run_restore(const struct invocation *inv)
{
	const char *from, *to;
	char current[PATH_MAX];
	DIR *dir;
	int rc;

	if (inv->n_args != 2)
		return usage_error(inv, "BACKUP STORE are expected");
	from = inv->args[0];
	to = inv->args[1];
	snprintf(current, sizeof(current), "%s/CURRENT", from);
	dir = opendir(from);
	if (dir == NULL || access(current, R_OK) != 0) {
		rc = complain(inv, EXIT_BAD_INPUT, "%s: not a backup: %s", from, strerror(errno));
		if (dir != NULL)
			closedir(dir);
		return rc;
	}
	if (mkdir(to, 0700) < 0 && (errno != EEXIST || rmdir(to) < 0 || mkdir(to, 0700) < 0))
		rc = complain(inv, EXIT_BAD_INPUT,
			"%s: must not exist, or be empty: move what is there away (%s)", to,
			strerror(errno));
	else
		rc = copy_all(inv, dir, from, to);
	closedir(dir);
	if (rc == EXIT_OK)
		printf("restored to %s: start millraced with [store] path = %s, then run millrace "
		       "verify\n",
			to, to);
	return rc;
}

const struct command cmd_backup = {
	.name = "backup",
	.args = "DIRECTORY",
	.summary = "copies the store as it is now, while serving",
	.text = "Makes a copy of all rows and sets in DIRECTORY, which must not exist and whose "
		"parent the\n"
		"appliance can write to. On the same file system it takes next to no space at "
		"first:\n"
		"copy it elsewhere.",
	.example = "  millrace backup /var/backups/millrace-monday",
	.options = options,
	.run = run_backup,
};

const struct command cmd_restore = {
	.name = "restore",
	.args = "BACKUP STORE",
	.summary = "makes a store out of a backup",
	.text = "Copies BACKUP to STORE, which must not exist or be empty: the directory that "
		"[store] path\n"
		"names, of an appliance that is not running. BACKUP stays as it is.",
	.example = "  millrace restore /var/backups/millrace-monday /var/lib/millrace",
	.options = no_options,
	.run = run_restore,
};

const struct command cmd_verify = {
	.name = "verify",
	.args = "",
	.summary = "reads the whole store and compares checksums",
	.text = "Takes as long as reading the disk does; the appliance serves on. Names the file "
		"that is\n"
		"damaged.",
	.example = "  millrace verify",
	.options = options,
	.run = run_verify,
};
