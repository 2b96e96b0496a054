// SPDX-License-Identifier: BSD-3-Clause

#include "bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "millrace bulk load 1\n"

static void state_path(const struct bulk_state *s, const char *suffix, char path[4096])
{
	snprintf(path, 4096, "%s/state%s", s->dir, suffix);
}

static int lock_dir(struct bulk_state *s, struct mr_err *err)
{
	if (mkdir(s->dir, 0700) < 0 && errno != EEXIST)
		return mr_fail(err, errno, "%s: %s", s->dir, strerror(errno));
	s->lock = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0)
		return mr_fail(err, errno, "%s: %s", s->dir, strerror(errno));
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		return mr_fail(err, errno, "%s: another load is using it", s->dir);
	return 0;
}

static int new_id(struct bulk_state *s, struct mr_err *err)
{
	do
		if (getrandom(&s->id, sizeof(s->id), 0) != (ssize_t)sizeof(s->id))
			return mr_fail(err, errno, "no random number: %s", strerror(errno));
	while (s->id == 0);
	return 0;
}

static int read_line(struct bulk_state *s, struct sorter *sorter, char *line, struct mr_err *err)
{
	char end[16];

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "what ", 5) == 0) {
		if (strcmp(line + 5, s->what) == 0)
			return 0;
		return mr_fail(err, EINVAL,
			"%s holds a load of another file, or of this one read differently or "
			"changed since (%.200s): remove it, or name another directory",
			s->dir, line + 5);
	}
	if (sscanf(line, "id %" SCNx64, &s->id) == 1)
		return 0;
	if (sscanf(line, "rejects %" SCNu64 " %" SCNu64, &s->n_rejects, &s->rejects_bytes) == 2)
		return 0;
	if (sscanf(line, "read %" SCNu64 " %u %" SCNu64 " %15s", &s->bytes, &s->line, &s->n_good,
		    end) == 4) {
		s->is_read = strcmp(end, "all") == 0;
		return 0;
	}
	return sorter_restore(sorter, line, err);
}

int bulk_state_open(struct bulk_state *s, struct sorter *sorter, struct mr_err *err)
{
	char path[4096], *line = NULL;
	size_t room = 0;
	FILE *file;
	int ret = lock_dir(s, err);

	if (ret < 0)
		return ret;
	state_path(s, "", path);
	file = fopen(path, "re");
	if (file == NULL && errno == ENOENT)
		return new_id(s, err);
	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	if (getline(&line, &room, file) <= 0 || strcmp(line, FIRST_LINE) != 0)
		ret = mr_fail(err, EINVAL, "%s: not a bulk load's", path);
	while (ret == 0 && getline(&line, &room, file) > 0)
		ret = read_line(s, sorter, line, err);
	free(line);
	fclose(file);
	return ret < 0 ? ret : 1;
}

int bulk_state_save(const struct bulk_state *s, const struct sorter *sorter, struct mr_err *err)
{
	char path[4096], next[4096];
	FILE *file;
	bool good;

	state_path(s, "", path);
	state_path(s, ".next", next);
	file = fopen(next, "we");
	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", next, strerror(errno));
	fprintf(file, FIRST_LINE "what %s\nid %" PRIx64 "\n", s->what, s->id);
	fprintf(file, "read %" PRIu64 " %u %" PRIu64 " %s\n", s->bytes, s->line, s->n_good,
		s->is_read ? "all" : "on");
	fprintf(file, "rejects %" PRIu64 " %" PRIu64 "\n", s->n_rejects, s->rejects_bytes);
	sorter_save(sorter, file);
	good = fflush(file) == 0 && fdatasync(fileno(file)) == 0;
	good = fclose(file) == 0 && good;
	// Either the old state is there or the new one, whenever this dies.
	if (!good || rename(next, path) < 0 || fsync(s->lock) < 0)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	return 0;
}

void bulk_state_close(struct bulk_state *s, bool done)
{
	char path[4096];

	free(s->what);
	s->what = NULL;
	if (s->dir == NULL || s->lock < 0)
		return;
	if (done) {
		state_path(s, "", path);
		unlink(path);
		for (unsigned i = 0; i < BULK_LANES_MAX; i++) {
			snprintf(path, sizeof(path), "%s/rows-%u", s->dir, i);
			unlink(path);
		}
		rmdir(s->dir);
	}
	close(s->lock);
	s->lock = -1;
}
