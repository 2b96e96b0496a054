// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bytes.h"
#include "mr_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

// The other process is this program once more: RocksDB's threads do not live through a fork.

struct child {
	pid_t pid;
	FILE *out;
};

static struct child child_start(const char *role)
{
	struct child child;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "store_child", role, dir, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	child.out = fdopen(fds[0], "r");
	assert_non_null(child.out);
	return child;
}

static void child_kill(struct child *child)
{
	int status;

	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFSIGNALED(status));
	fclose(child->out);
}

// ---- the children ------------------------------------------------------------------------------

// Holds the store until it is killed.
static _Noreturn void run_hold(const char *path)
{
	store_open(path);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

// Writes keys 0, 1, 2, … and tells of each once it is acknowledged: every fourth synced, the
// others without; a kill of the process alone loses neither.
static _Noreturn void run_write(const char *path)
{
	struct mr_store *store = store_open(path);

	for (uint64_t i = 0;; i++) {
		put_u64(store, 1, i, i + 1, i % 50 == 0 ? 9000 : 64, i % 4 == 0);
		printf("%llu\n", (unsigned long long)i);
		fflush(stdout);
	}
}

static bool runs_on(pid_t tid, const cpu_set_t *cpus)
{
	cpu_set_t own;

	return sched_getaffinity(tid, sizeof(own), &own) == 0 && CPU_EQUAL(&own, cpus);
}

// Opens with the background threads on one CPU. @return 0 when all of them are there
static int run_bound(const char *path)
{
	struct mr_store_params params = store_params(path);
	cpu_set_t all, one;
	struct mr_store *store;
	struct dirent *entry;
	unsigned cpu = 0, n = 0;
	DIR *tasks;

	sched_getaffinity(0, sizeof(all), &all);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	params.background_cpus = &one;
	params.background_threads = 8;
	store = mr_store_open(&params, NULL);
	if (store == NULL || !runs_on(0, &all))
		return 1;
	// Work for them: what RocksDB starts late must land there, too.
	for (uint64_t i = 0; i < 100; i++)
		put_u64(store, 1, i, 1, 100, false);
	if (mr_store_flush(store, NULL) < 0 || mr_store_compact(store, NULL) < 0)
		return 2;
	tasks = opendir("/proc/self/task");
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid == 0 || tid == getpid())
			continue;
		if (!runs_on(tid, &one))
			return 3;
		n++;
	}
	closedir(tasks);
	store_close(store);
	return n >= 8 ? 0 : 4;
}

// ---- the tests ---------------------------------------------------------------------------------

static void test_held_by_another(void **state)
{
	struct mr_store_params params = store_params(dir);
	struct child child = child_start("hold");
	struct mr_err err = {""};
	char line[64], pid[32];

	(void)state;
	assert_non_null(fgets(line, sizeof(line), child.out));
	assert_null(mr_store_open(&params, &err));
	assert_int_equal(errno, EBUSY);
	snprintf(pid, sizeof(pid), "process %d (", (int)child.pid);
	if (strstr(err.text, pid) == NULL)
		fail_msg("no '%s' in: %s", pid, err.text);
	assert_non_null(strstr(err.text, dir));
	child_kill(&child);
	store_close(store_open(dir));
}

static void test_held_by_itself(void **state)
{
	struct mr_store *store = store_open(dir);
	char alias[PATH_MAX + 8], pid[32];
	struct mr_store_params params = store_params(alias);
	struct child child;
	struct mr_err err = {""};
	int status;

	(void)state;
	// Another spelling of the same directory is the same directory.
	snprintf(alias, sizeof(alias), "%s/../%s", dir, strrchr(dir, '/') + 1);
	assert_null(mr_store_open(&params, &err));
	assert_int_equal(errno, EBUSY);
	snprintf(pid, sizeof(pid), "process %d (", (int)getpid());
	assert_non_null(strstr(err.text, pid));

	// Nor may the attempt have opened it to others.
	child = child_start("hold");
	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	fclose(child.out);
	store_close(store);
}

static void test_background_threads_are_bound(void **state)
{
	struct child child = child_start("bound");
	char line[256] = "";
	int status;

	(void)state;
	while (fgets(line, sizeof(line), child.out) != NULL)
		print_message("%s", line);
	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fclose(child.out);
}

static void test_kill(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct child child = child_start("write");
		unsigned long long last = 0;
		struct mr_store *store;
		uint64_t time_us;
		char line[64];

		do {
			assert_non_null(fgets(line, sizeof(line), child.out));
			last = strtoull(line, NULL, 10);
		} while (last < 150 + 100 * round);
		kill(child.pid, SIGKILL);
		while (fgets(line, sizeof(line), child.out) != NULL) {
			if (strchr(line, '\n') != NULL)
				last = strtoull(line, NULL, 10);
		}
		child_kill(&child);

		store = store_open(dir);
		for (uint64_t i = 0; i <= last; i++) {
			assert_int_equal(get_u64(store, 1, i, &time_us), 0);
			assert_true(time_us == i + 1);
		}
		store_close(store);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_held_by_another, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_held_by_itself, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(
			test_background_threads_are_bound, dir_setup, dir_teardown),
		cmocka_unit_test_setup_teardown(test_kill, dir_setup, dir_teardown),
	};

	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		run_hold(argv[2]);
	if (argc == 3 && strcmp(argv[1], "bound") == 0)
		return run_bound(argv[2]);
	if (argc == 3 && strcmp(argv[1], "write") == 0)
		run_write(argv[2]);
	return cmocka_run_group_tests_name("store_process", tests, NULL, NULL);
}
