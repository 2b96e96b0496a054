// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_BYTES 16384u
#define OPEN_DIRS 16

/** Whom we become; nftw() has no argument for its callback. */
static uid_t uid;
static gid_t gid;

static int find_group(const char *name, gid_t *ret_gid, struct mr_err *err)
{
	static char names[NAMES_BYTES];
	struct group group, *found;
	int ret = getgrnam_r(name, &group, names, sizeof(names), &found);

	if (ret != 0 || found == NULL)
		return mr_fail(
			err, ret != 0 ? ret : ENOENT, "[process] group = %s: no such group", name);
	*ret_gid = group.gr_gid;
	return 0;
}

static int find_user(const struct mr_config *config, struct mr_err *err)
{
	static char names[NAMES_BYTES];
	const char *name = config->process.user;
	struct passwd user, *found;
	int ret = getpwnam_r(name, &user, names, sizeof(names), &found);

	if (ret != 0 || found == NULL)
		return mr_fail(
			err, ret != 0 ? ret : ENOENT, "[process] user = %s: no such user", name);
	if (user.pw_uid == 0)
		return mr_fail(err, EINVAL, "[process] user = %s: that is root", name);
	uid = user.pw_uid;
	gid = user.pw_gid;
	if (config->process.group[0] != '\0')
		return find_group(config->process.group, &gid, err);
	return 0;
}

static int give(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type, (void)ftw;
	return st->st_uid == uid && st->st_gid == gid ? 0 : lchown(path, uid, gid);
}

int owner_start(struct millraced *m, struct mr_err *err)
{
	const char *path = m->config.store.path;
	int ret;

	if (m->config.process.user[0] == '\0')
		return 0;
	if (geteuid() != 0)
		return mr_fail(err, EPERM,
			"[process] user = %s: only root can become somebody else: start as root, "
			"or "
			"leave it empty",
			m->config.process.user);
	ret = find_user(&m->config, err);
	if (ret < 0)
		return ret;
	// The store's files outlive the privileges: whoever we become must be able to replace them.
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return mr_fail(err, errno, "[store] path = %s: %s", path, strerror(errno));
	if (nftw(path, give, OPEN_DIRS, FTW_PHYS) != 0)
		return mr_fail(err, errno, "[store] path = %s: giving it to %s: %s", path,
			m->config.process.user, strerror(errno));
	return 0;
}

void owner_stop(struct millraced *m)
{
	(void)m;
}

// From here on there is no way back: root's file descriptors stay, root's rights go.
int privileges_start(struct millraced *m, struct mr_err *err)
{
	const char *user = m->config.process.user;

	if (user[0] == '\0') {
		if (geteuid() == 0)
			mr_log(MR_LOG_INFO, "process",
				"stays root: name a user in [process] to drop privileges");
		return 0;
	}
	// glibc does each of these in all threads, lcores and RocksDB's among them.
	if (initgroups(user, gid) < 0 || setresgid(gid, gid, gid) < 0 ||
		setresuid(uid, uid, uid) < 0)
		return mr_fail(err, errno, "[process] user = %s: %s", user, strerror(errno));
	if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		return mr_fail(err, EPERM, "[process] user = %s: root came back", user);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return mr_fail(err, errno, "no_new_privs: %s", strerror(errno));
	mr_log(MR_LOG_INFO, "process", "runs as %s (uid %u, gid %u) from here on", user,
		(unsigned)uid, (unsigned)gid);
	return 0;
}

void privileges_stop(struct millraced *m)
{
	(void)m;
}
