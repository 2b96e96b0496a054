// SPDX-License-Identifier: BSD-3-Clause
#include "mr_client_tail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "mr_units.h"

#define ADMIN_PATH "/run/millrace/admin.sock"
#define ASK_EVERY_US (50 * MR_US_PER_MS)
#define REPLY_MAX_BYTES (64u << 20)
#define HEAD_BYTES 64u
// How lib/ctl begins the message that a position has fallen out of the log.
#define TOO_OLD "too old: "

struct mr_client_tail {
	char admin[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char set[MR_NAME_MAX_BYTES + 1];
	uint64_t next;     // to ask for
	uint64_t position; // behind what was handed out
	bool more;         // the appliance has more already
	char *text, *at;   // reply, and what of it is still to be handed out; NULL: none
	uint8_t *bytes;    // key and row of the change handed out
	size_t bytes_room;
};

// ---- the socket --------------------------------------------------------------------------------

static int dial(const struct mr_client_tail *t, struct mr_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, t->admin, sizeof(t->admin));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	mr_fail(err, errno, "%s: %s: is millraced running, and may this user use its socket?",
		t->admin, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -ECONNREFUSED;
}

static bool receive(int fd, char *to, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = recv(fd, to, bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		bytes -= (size_t)n;
	}
	return true;
}

/** "ok BYTES\n" or "error BYTES\n". A byte at a time: what follows the line is not its own. */
static int receive_head(int fd, bool *ret_ok, size_t *ret_bytes)
{
	char head[HEAD_BYTES], word[8];
	size_t n = 0;

	do
		if (n == HEAD_BYTES - 1 || !receive(fd, &head[n], 1))
			return -ECONNREFUSED;
	while (head[n++] != '\n');
	head[n] = '\0';
	if (sscanf(head, "%7s %zu", word, ret_bytes) != 2 || *ret_bytes > REPLY_MAX_BYTES)
		return -EPROTO;
	*ret_ok = strcmp(word, "ok") == 0;
	return 0;
}

/** @return 0 with the reply's text in t->text, or -errno with a message. */
static int receive_reply(struct mr_client_tail *t, int fd, struct mr_err *err)
{
	bool is_ok = false;
	size_t bytes = 0;
	int ret = receive_head(fd, &is_ok, &bytes);

	if (ret == 0) {
		t->text = malloc(bytes + 1);
		if (t->text == NULL)
			return mr_fail(err, ENOMEM, "out of memory");
		t->text[bytes] = '\0';
		if (!receive(fd, t->text, bytes))
			ret = -ECONNREFUSED;
	}
	if (ret < 0)
		return mr_fail(err, -ret, "%s: no answer", t->admin);
	if (is_ok)
		return 0;
	if (strncmp(t->text, TOO_OLD, sizeof(TOO_OLD) - 1) == 0)
		return mr_fail(err, ESTALE, "%s", t->text + sizeof(TOO_OLD) - 1);
	return mr_fail(
		err, strstr(t->text, "there is no set") != NULL ? ENOENT : EPROTO, "%s", t->text);
}

static void drop_reply(struct mr_client_tail *t)
{
	free(t->text);
	t->text = NULL;
	t->at = NULL;
}

/** Asks for what comes next. */
static int ask(struct mr_client_tail *t, struct mr_err *err)
{
	char request[MR_NAME_MAX_BYTES + 64];
	int fd, n, ret;

	drop_reply(t);
	fd = dial(t, err);
	if (fd < 0)
		return fd;
	n = snprintf(request, sizeof(request), "tail %s %" PRIu64 " 0\n", t->set, t->next);
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		ret = mr_fail(err, ECONNREFUSED, "%s: %s", t->admin, strerror(errno));
	else
		ret = receive_reply(t, fd, err);
	close(fd);
	if (ret < 0)
		drop_reply(t);
	else
		t->at = t->text;
	return ret;
}

// ---- changes -----------------------------------------------------------------------------------

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Bytes of hex text, "-" for none. @return how many, or -1. */
static long unhex(const char *text, size_t length, uint8_t *to)
{
	if (length == 1 && text[0] == '-')
		return 0;
	if (length % 2 != 0)
		return -1;
	for (size_t i = 0; i < length; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		to[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (long)(length / 2);
}

static bool kind_of(const char *word, enum mr_client_change_kind *ret_kind)
{
	static const char *const names[] = {
		[MR_CLIENT_CHANGE_PUT] = "put",
		[MR_CLIENT_CHANGE_DELETE] = "delete",
		[MR_CLIENT_CHANGE_DROP] = "drop",
		[MR_CLIENT_CHANGE_BULK] = "bulk",
	};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(names); i++) {
		if (strcmp(word, names[i]) == 0) {
			*ret_kind = (enum mr_client_change_kind)i;
			return true;
		}
	}
	return false;
}

/** Key and row of a change: the last two words of its line. */
static bool parse_bytes(struct mr_client_tail *t, const char *at, struct mr_client_change *change)
{
	size_t key_length = strcspn(at, " "), room = strlen(at) / 2 + 16;
	const char *row = at + key_length + (at[key_length] == ' ');
	long key_bytes, row_bytes;

	if (room > t->bytes_room) {
		uint8_t *grown = realloc(t->bytes, room);

		if (grown == NULL)
			return false;
		t->bytes = grown;
		t->bytes_room = room;
	}
	row_bytes = unhex(row, strlen(row), t->bytes);
	if (row_bytes < 0)
		return false;
	key_bytes = unhex(at, key_length, t->bytes + row_bytes);
	if (key_bytes < 0 || key_bytes > MR_KEY_MAX_BYTES)
		return false;
	change->row = t->bytes;
	change->row_bytes = (uint32_t)row_bytes;
	change->key = t->bytes + row_bytes;
	change->key_bytes = (uint8_t)key_bytes;
	return true;
}

/** "SEQUENCE KIND VERSION EVENT_TIME LAYOUT KEY ROW"; of a bulk load EVENT_TIME is its rows. */
static bool parse_change(
	struct mr_client_tail *t, const char *line, struct mr_client_change *change)
{
	uint64_t number;
	char kind[8];
	int at = 0;

	memset(change, 0, sizeof(*change));
	if (sscanf(line, "%" SCNu64 " %7s %" SCNu16 " %" SCNu64 " %" SCNx32 " %n",
		    &change->sequence, kind, &change->version, &number, &change->layout,
		    &at) != 5 ||
		at == 0 || !kind_of(kind, &change->kind))
		return false;
	if (change->kind == MR_CLIENT_CHANGE_BULK)
		change->bulk_rows = number;
	else
		change->event_time_us = number;
	return parse_bytes(t, line + at, change);
}

/** Takes the next line of the reply at hand. @return 1: a change; 0: that was all; -EPROTO. */
static int take_line(
	struct mr_client_tail *t, struct mr_client_change *ret_change, struct mr_err *err)
{
	char *line = t->at, *end, more[8];

	if (line == NULL)
		return 0;
	end = strchr(line, '\n');
	if (end == NULL)
		return mr_fail(err, EPROTO, "%s: an answer that ends in the middle", t->admin);
	*end = '\0';
	t->at = end + 1;
	if (sscanf(line, "next %" SCNu64 " %7s", &t->next, more) == 2) {
		t->more = strcmp(more, "more") == 0;
		t->position = t->next;
		drop_reply(t);
		return 0;
	}
	if (!parse_change(t, line, ret_change))
		return mr_fail(err, EPROTO, "%s: '%.60s' is no change", t->admin, line);
	t->position = ret_change->sequence + 1;
	return 1;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MR_US_PER_S + (uint64_t)now.tv_nsec / MR_NS_PER_US;
}

static void pause_us(uint64_t us)
{
	struct timespec pause = {
		.tv_sec = (time_t)(us / MR_US_PER_S),
		.tv_nsec = (long)(us % MR_US_PER_S * MR_NS_PER_US),
	};

	nanosleep(&pause, NULL);
}

int mr_client_tail_next(struct mr_client_tail *t, uint64_t timeout_us,
	struct mr_client_change *ret_change, struct mr_err *err)
{
	uint64_t begin_us = now_us(), passed_us;
	int ret;

	for (;;) {
		ret = take_line(t, ret_change, err);
		if (ret < 0) {
			// Asked for again, it may come whole.
			t->next = t->position;
			drop_reply(t);
		}
		if (ret != 0)
			return ret;
		ret = ask(t, err);
		if (ret < 0)
			return ret;
		ret = take_line(t, ret_change, err);
		if (ret != 0)
			return ret;
		passed_us = now_us() - begin_us;
		if (t->more)
			continue;
		if (passed_us >= timeout_us)
			return 0;
		pause_us(MR_MIN(timeout_us - passed_us, (uint64_t)ASK_EVERY_US));
	}
}

uint64_t mr_client_tail_position(const struct mr_client_tail *t)
{
	return t->position;
}

// ---- beginning and end -------------------------------------------------------------------------

struct mr_client_tail *mr_client_tail_open(
	const char *admin, const char *set, uint64_t from, struct mr_err *err)
{
	struct mr_client_tail *t;
	int ret = 0;

	if (admin == NULL)
		admin = ADMIN_PATH;
	if (set[0] == '\0' || strlen(set) > MR_NAME_MAX_BYTES || strpbrk(set, " \t\n") != NULL) {
		errno = -mr_fail(err, ENOENT, "'%.64s' is no name of a set", set);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		errno = -mr_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (snprintf(t->admin, sizeof(t->admin), "%s", admin) >= (int)sizeof(t->admin))
		ret = mr_fail(err, ENAMETOOLONG, "%s: too long for a socket's path", admin);
	memcpy(t->set, set, strlen(set));
	t->next = from;
	t->position = from;
	// Whether set and position are good is told at once; the changes that come are kept.
	if (ret == 0)
		ret = ask(t, err);
	// Without changes, where it begins.
	if (ret == 0 && strncmp(t->text, "next ", 5) == 0) {
		struct mr_client_change none;

		ret = take_line(t, &none, err);
	}
	if (ret == 0)
		return t;
	mr_client_tail_close(t);
	errno = -ret;
	return NULL;
}

void mr_client_tail_close(struct mr_client_tail *t)
{
	if (t == NULL)
		return;
	drop_reply(t);
	free(t->bytes);
	free(t);
}
