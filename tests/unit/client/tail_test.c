// SPDX-License-Identifier: BSD-3-Clause
//
// The change feed of the SDK against a fake admin socket, which answers what a table says.
#include "mr_client_tail.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "mr_cc.h"

/** What is asked, and what comes back; connections that are cut have no answer. */
struct turn {
	const char *request, *result, *text;
};

struct fake {
	char dir[32], path[64];
	int listener;
	pthread_t thread;
	const struct turn *turns;
	unsigned n_turns;
	_Atomic unsigned n_asked;
	_Atomic bool wrong;
};

static void serve(struct fake *f, int fd)
{
	const struct turn *turn = &f->turns[MR_MIN(atomic_load(&f->n_asked), f->n_turns - 1)];
	char request[256];
	size_t n = 0;

	while (n < sizeof(request) - 1 && recv(fd, request + n, 1, 0) == 1 && request[n++] != '\n')
		;
	request[n] = '\0';
	if (strcmp(request, turn->request) != 0) {
		print_message("asked '%s', not '%s'\n", request, turn->request);
		atomic_store(&f->wrong, true);
	}
	if (turn->result != NULL)
		dprintf(fd, "%s %zu\n%s", turn->result, strlen(turn->text), turn->text);
	atomic_fetch_add(&f->n_asked, 1);
}

static void *run(void *arg)
{
	struct fake *f = arg;
	int fd;

	while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
		serve(f, fd);
		close(fd);
	}
	return NULL;
}

static void fake_start(struct fake *f, const struct turn *turns, unsigned n_turns)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*f = (struct fake){.dir = "/tmp/tail-test-XXXXXX", .turns = turns, .n_turns = n_turns};
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/admin.sock", f->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

static void fake_stop(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	rmdir(f->dir);
	assert_false(atomic_load(&f->wrong));
}

static void test_changes(void **state)
{
	static const struct turn turns[] = {
		{"tail user 7 0\n", "ok",
			"8 put 2 1700000000000001 ab12 6b31 0102ff\n"
			"9 delete 2 1700000000000002 0 6b32 -\n"
			"next 10 more\n"},
		{"tail user 10 0\n", "ok", "next 20 more\n"},
		{"tail user 20 0\n", "ok",
			"20 bulk 3 1000000 0 - -\n21 drop 1 0 0 - -\nnext 22 end\n"},
		{"tail user 22 0\n", "ok", "next 22 end\n"},
		{"tail user 22 0\n", "ok", "22 put 3 5 c 61 -\nnext 23 end\n"},
		{"tail user 23 0\n", NULL, ""},
		{"tail user 23 0\n", "ok", "23 put 3 6 c 62 00\nnext 24 end\n"},
		{"tail user 24 0\n", "error", "too old: change 24 is gone; go on at 99"},
	};
	struct mr_client_change c;
	struct mr_client_tail *t;
	struct mr_err err = {""};
	struct fake f;

	(void)state;
	fake_start(&f, turns, MR_ARRAY_SIZE(turns));
	t = mr_client_tail_open(f.path, "user", 7, &err);
	assert_non_null(t);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
	assert_int_equal(c.sequence, 8);
	assert_int_equal(c.kind, MR_CLIENT_CHANGE_PUT);
	assert_int_equal(c.version, 2);
	assert_int_equal(c.event_time_us, UINT64_C(1700000000000001));
	assert_int_equal(c.layout, 0xab12);
	assert_int_equal(c.key_bytes, 2);
	assert_memory_equal(c.key, "k1", 2);
	assert_int_equal(c.row_bytes, 3);
	assert_memory_equal(c.row, "\x01\x02\xff", 3);
	assert_int_equal(mr_client_tail_position(t), 9);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
	assert_int_equal(c.kind, MR_CLIENT_CHANGE_DELETE);
	assert_int_equal(c.row_bytes, 0);
	// Two answers further on, without a pause: there was more.
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
	assert_int_equal(c.kind, MR_CLIENT_CHANGE_BULK);
	assert_int_equal(c.bulk_rows, 1000000);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
	assert_int_equal(c.kind, MR_CLIENT_CHANGE_DROP);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 0);
	assert_int_equal(mr_client_tail_position(t), 22);
	assert_int_equal(mr_client_tail_next(t, 10000000, &c, &err), 1);
	assert_int_equal(c.sequence, 22);
	// An answer that does not come is asked for again.
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), -ECONNREFUSED);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
	assert_int_equal(c.sequence, 23);
	assert_int_equal(mr_client_tail_next(t, 0, &c, &err), -ESTALE);
	assert_string_equal(err.text, "change 24 is gone; go on at 99");
	mr_client_tail_close(t);
	fake_stop(&f);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *result, *text;
		int error;
	} cases[] = {
		{"error", "there is no set called 'user'", ENOENT},
		{"error", "too old: gone", ESTALE},
		{"error", "something else", EPROTO},
		{"error", "", EPROTO},
	};
	struct mr_err err = {""};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		const struct turn turn = {"tail user 1 0\n", cases[i].result, cases[i].text};
		struct fake f;

		fake_start(&f, &turn, 1);
		assert_null(mr_client_tail_open(f.path, "user", 1, &err));
		assert_int_equal(errno, cases[i].error);
		fake_stop(&f);
	}
	assert_null(mr_client_tail_open("/nonexistent/admin.sock", "user", 1, &err));
	assert_int_equal(errno, ECONNREFUSED);
	assert_non_null(strstr(err.text, "/nonexistent/admin.sock"));
	assert_null(mr_client_tail_open(NULL, "us er", 1, &err));
	assert_int_equal(errno, ENOENT);
	mr_client_tail_close(NULL);
}

// What is no change is an error that says so, never a crash; asked again, it may be whole.
static void test_nonsense(void **state)
{
	static const char *const texts[] = {"x\nnext 2 end\n", "1 put\nnext 2 end\n",
		"1 put 2 3 4 5 6\n", "1 put 2 3 4 zz -\n", "1 put 2 3 4 61 0\n", "1 put 2 3 4 61 -",
		"1 jump 2 3 4 61 -\n", ""};
	struct mr_client_change c;
	struct mr_err err = {""};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(texts); i++) {
		const struct turn turns[] = {{"tail user 1 0\n", "ok", texts[i]},
			{"tail user 1 0\n", "ok", "1 put 2 3 4 61 -\nnext 2 end\n"}};
		struct mr_client_tail *t;
		struct fake f;

		fake_start(&f, turns, 2);
		t = mr_client_tail_open(f.path, "user", 1, &err);
		assert_non_null(t);
		assert_int_equal(mr_client_tail_next(t, 0, &c, &err), -EPROTO);
		assert_int_equal(mr_client_tail_next(t, 0, &c, &err), 1);
		assert_int_equal(c.sequence, 1);
		mr_client_tail_close(t);
		fake_stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
