// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_test.h"
#include "mr_admin.h"
#include "mr_rng.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define SEED UINT64_C(0x6d7261646d696e)
#define TIMEOUT_MS 150u
// For clients that must not be dropped, on a machine that is busy with other things.
#define PATIENT_MS 1500u

static char you[] = "you";

struct place {
	char dir[32], path[64];
};

static int echo(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)err;
	(void)arg;
	fprintf(out, "[%s]", r->args);
	fwrite(r->payload, 1, r->payload_bytes, out);
	return 0;
}

static int hello(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)err;
	assert_string_equal(r->args, "");
	fprintf(out, "hello %s", (const char *)arg);
	return 0;
}

static int refuse(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)r;
	(void)arg;
	fputs("dropped", out);
	return mr_fail(err, EINVAL, "no");
}

static int mute(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)r;
	(void)out;
	(void)err;
	(void)arg;
	return -ENOSPC;
}

static int large(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)r;
	(void)err;
	(void)arg;
	for (unsigned i = 0; i < 4 << 20; i++)
		fputc('x', out);
	return 0;
}

static _Atomic bool released, canceled;

static int slow(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct timespec tick = {.tv_nsec = 1000000};

	(void)err;
	(void)arg;
	while (!atomic_load(&released) && !atomic_load(&canceled))
		nanosleep(&tick, NULL);
	fprintf(out, "slow%.*s", (int)r->payload_bytes, r->payload);
	return atomic_load(&canceled) ? -ECANCELED : 0;
}

static int release(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)r;
	(void)out;
	(void)err;
	(void)arg;
	atomic_store(&released, true);
	return 0;
}

static const struct mr_admin_verb verbs[] = {
	{"echo", "TEXT", true, echo, "", false},
	{"hello", "", false, hello, "", false},
	{"refuse", "", false, refuse, "", false},
	{"mute", "", false, mute, "", false},
	{"large", "", false, large, "", false},
	{"slow", "", true, slow, "", true},
	{"release", "", false, release, "", false},
};

static struct mr_admin *open_patient(struct place *place, uint32_t timeout_ms)
{
	struct mr_admin_params params;
	struct mr_err err = {""};
	struct mr_admin *admin;

	dir_make(place->dir, sizeof(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/run/admin.sock", place->dir);
	params = (struct mr_admin_params){
		.path = place->path,
		.verbs = verbs,
		.n_verbs = MR_ARRAY_SIZE(verbs),
		.arg = you,
		.timeout_ms = timeout_ms,
		.cancel = &canceled,
	};
	atomic_store(&released, false);
	atomic_store(&canceled, false);
	admin = mr_admin_create(&params, &err);
	if (admin == NULL)
		fail_msg("%s", err.text);
	return admin;
}

static struct mr_admin *open_admin(struct place *place)
{
	return open_patient(place, TIMEOUT_MS);
}

static int dial(const struct place *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 30};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void say(int fd, const void *data, size_t bytes)
{
	assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), bytes);
}

/** Reads until the other side closes. */
static char *hear_all(int fd)
{
	char *text = NULL, part[65536];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), 0)) > 0)
		fwrite(part, 1, (size_t)n, out);
	fclose(out);
	close(fd);
	return text;
}

static void test_requests(void **state)
{
	static const struct {
		const char *request, *reply;
	} cases[] = {
		{"hello 0\n", "ok 9\nhello you"},
		{"echo a 3\nxyz", "ok 6\n[a]xyz"},
		{"echo a b  c.ini 0\n", "ok 12\n[a b  c.ini]"},
		{"hello 0\nhello 0\necho q 1\nz", "ok 9\nhello youok 9\nhello youok 4\n[q]z"},
		{"refuse 0\nhello 0\n", "error 2\nnook 9\nhello you"},
		{"mute 0\n", "error 23\nNo space left on device"},
		{"none 2\nabhello 0\n", "error 19\nunknown verb 'none'ok 9\nhello you"},
		{"hello x 0\n", "error 24\nhello takes no arguments"},
		{"echo 0\n", "error 15\necho takes TEXT"},
		{"hello 1\nx", "error 22\nhello takes no payload"},
		{" 0\n", "error 15\nunknown verb ''"},
		// Nobody knows where the next one starts: answered and closed.
		{"hello\nhello 0\n", "error 39\nwant VERB [ARG...] BYTES, got 'hello'"},
		{"hello -1\nhello 0\n", "error 42\nwant VERB [ARG...] BYTES, got 'hello -1'"},
		{"\n", "error 32\nwant VERB [ARG...] BYTES, got ''"},
		{"echo a 16777217\n", "error 44\npayload of 16777217 bytes, at most 16777216"},
		{"hello", ""},
		{"echo a 5\nabc", ""},
		{"", ""},
	};
	struct place place;
	struct mr_admin *admin = open_admin(&place);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		int fd = dial(&place);
		char *reply;

		say(fd, cases[i].request, strlen(cases[i].request));
		shutdown(fd, SHUT_WR);
		reply = hear_all(fd);
		// Lengths of refusals of lines follow from their text.
		if (strchr(cases[i].reply, '\n') != NULL &&
			strncmp(cases[i].reply, "error", 5) == 0)
			assert_string_equal(strchr(reply, '\n'), strchr(cases[i].reply, '\n'));
		else
			assert_string_equal(reply, cases[i].reply);
		free(reply);
	}
	mr_admin_free(admin);
	dir_remove(place.dir);
}

static void check_reply(const struct place *place, const char *request, const char *expected)
{
	int fd = dial(place);
	char *reply;

	say(fd, request, strlen(request));
	shutdown(fd, SHUT_WR);
	reply = hear_all(fd);
	assert_string_equal(reply, expected);
	free(reply);
}

// Others are served while a verb runs on a thread of its own, for longer than the timeout; what
// stands behind it on its connection waits.
static void test_own_thread(void **state)
{
	struct place place;
	struct mr_admin *admin = open_patient(&place, PATIENT_MS);
	const char request[] = "hello 0\nslow 3\nabcslow 1\ndhello 0\n";
	int fd = dial(&place), hung_up = dial(&place);
	struct timespec begin, now;
	char *reply;

	(void)state;
	say(fd, request, strlen(request));
	shutdown(fd, SHUT_WR);
	say(hung_up, "slow 0\n", 7);
	close(hung_up);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		check_reply(&place, "hello 0\n", "ok 9\nhello you");
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
		 (long)PATIENT_MS + 100);
	check_reply(&place, "release 0\n", "ok 0\n");
	reply = hear_all(fd);
	assert_string_equal(reply, "ok 9\nhello youok 7\nslowabcok 5\nslowdok 9\nhello you");
	free(reply);
	mr_admin_free(admin);
	dir_remove(place.dir);
}

static void test_cancel(void **state)
{
	struct place place;
	struct mr_admin *admin = open_patient(&place, PATIENT_MS);
	int fd = dial(&place);
	char *reply;

	(void)state;
	say(fd, "slow 0\n", 7);
	check_reply(&place, "hello 0\n", "ok 9\nhello you");
	mr_admin_free(admin);
	// It had begun, or was never looked at.
	reply = hear_all(fd);
	assert_true(reply[0] == '\0' || strcmp(reply, "error 18\nOperation canceled") == 0);
	free(reply);
	dir_remove(place.dir);
}

static void test_long_line(void **state)
{
	struct place place;
	struct mr_admin *admin = open_admin(&place);
	char text[4096];
	char *reply;
	int fd = dial(&place);

	(void)state;
	memset(text, 'x', sizeof(text));
	say(fd, text, sizeof(text));
	reply = hear_all(fd);
	assert_non_null(strstr(reply, "line of more than 1024 bytes"));
	free(reply);
	fd = dial(&place);
	say(fd, "hel\0lo 0\n", 9);
	reply = hear_all(fd);
	assert_non_null(strstr(reply, "NUL byte"));
	free(reply);
	mr_admin_free(admin);
	dir_remove(place.dir);
}

/** A request in pieces of one byte, and a payload of megabytes. */
static void test_pieces(void **state)
{
	static const char request[] = "echo a 3\nxyz";
	struct place place;
	struct mr_admin *admin = open_patient(&place, PATIENT_MS);
	size_t bytes = 8 << 20;
	char *payload = malloc(bytes), *reply, head[64];
	int fd = dial(&place);

	(void)state;
	for (unsigned i = 0; i < sizeof(request) - 1; i++) {
		say(fd, request + i, 1);
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	shutdown(fd, SHUT_WR);
	reply = hear_all(fd);
	assert_string_equal(reply, "ok 6\n[a]xyz");
	free(reply);

	memset(payload, 'p', bytes);
	fd = dial(&place);
	snprintf(head, sizeof(head), "echo b %zu\n", bytes);
	say(fd, head, strlen(head));
	say(fd, payload, bytes);
	shutdown(fd, SHUT_WR);
	reply = hear_all(fd);
	assert_int_equal(strlen(reply), strlen("ok 8388611\n[b]") + bytes);
	free(reply);
	free(payload);
	mr_admin_free(admin);
	dir_remove(place.dir);
}

static bool is_closed_within(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&p, 1, ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

// Silent and slow clients are dropped; as many as there may be do not keep others out for long.
static void test_slow_clients(void **state)
{
	struct place place;
	struct mr_admin *admin = open_patient(&place, PATIENT_MS);
	int fds[MR_ADMIN_CLIENTS_MAX], fd;
	char *reply;

	(void)state;
	for (unsigned i = 0; i < MR_ADMIN_CLIENTS_MAX; i++) {
		fds[i] = dial(&place);
		say(fds[i], i % 2 ? "echo a 10\nx" : "large 0\n", i % 2 ? 11 : 8);
	}
	fd = dial(&place);
	say(fd, "hello 0\n", 8);
	shutdown(fd, SHUT_WR);
	reply = hear_all(fd);
	assert_string_equal(reply, "ok 9\nhello you");
	free(reply);
	for (unsigned i = 0; i < MR_ADMIN_CLIENTS_MAX; i++) {
		if (i % 2)
			assert_true(is_closed_within(fds[i], 20000));
		close(fds[i]);
	}
	mr_admin_free(admin);
	dir_remove(place.dir);
}

static void test_socket_file(void **state)
{
	struct mr_admin_params params = {.verbs = verbs, .n_verbs = 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[256], long_path[300];
	struct mr_err err = {""};
	struct place place;
	struct stat st;
	int fd;
	struct mr_admin *admin = open_admin(&place);

	(void)state;
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	// Another one at the same place, while the first one answers.
	params.path = place.path;
	assert_null(mr_admin_create(&params, &err));
	assert_int_equal(errno, EADDRINUSE);
	assert_non_null(strstr(err.text, "another process answers there"));
	mr_admin_free(admin);
	assert_int_equal(access(place.path, F_OK), -1);
	// What a process that was killed leaves.
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	admin = mr_admin_create(&params, &err);
	if (admin == NULL)
		fail_msg("%s", err.text);
	mr_admin_free(admin);
	// A file that is no socket is not ours to remove.
	fd = open(place.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_null(mr_admin_create(&params, &err));
	assert_int_equal(errno, EADDRINUSE);
	assert_non_null(strstr(err.text, "is not a socket"));
	assert_int_equal(access(place.path, F_OK), 0);
	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[200] = '\0';
	params.path = long_path;
	assert_null(mr_admin_create(&params, &err));
	assert_int_equal(errno, ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/no/where/admin.sock", place.dir);
	params.path = path;
	assert_null(mr_admin_create(&params, &err));
	assert_int_equal(errno, ENOENT);
	mr_admin_free(NULL);
	dir_remove(place.dir);
}

// Whatever is sent, in whatever pieces: the server is there afterwards.
static void test_garbage(void **state)
{
	static const char *const parts[] = {"hello", " ", "0", "\n", "echo", "a", "5", "large", "x",
		"-1", "99999999999999999999", "\xff", "16777216", "none"};
	struct place place;
	struct mr_admin *admin = open_admin(&place);
	struct mr_rng rng = {SEED};
	char *reply;
	int fd;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		fd = dial(&place);
		for (uint64_t n = mr_rng_below(&rng, 12); n > 0; n--) {
			const char *part = parts[mr_rng_below(&rng, MR_ARRAY_SIZE(parts))];

			if (send(fd, part, strlen(part), MSG_NOSIGNAL) < 0)
				break;
		}
		if (mr_rng_below(&rng, 2) == 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	fd = dial(&place);
	say(fd, "hello 0\n", 8);
	shutdown(fd, SHUT_WR);
	reply = hear_all(fd);
	if (strcmp(reply, "ok 9\nhello you") != 0)
		fail_msg("seed %#jx: %s", (uintmax_t)SEED, reply);
	free(reply);
	mr_admin_free(admin);
	dir_remove(place.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_own_thread),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_slow_clients),
		cmocka_unit_test(test_socket_file),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
