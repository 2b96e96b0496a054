// SPDX-License-Identifier: BSD-3-Clause

#include "admin.h"
#include "mr_units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_BYTES 256

int admin_open(const char *path, struct mr_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *hint = "";
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return mr_fail(err, ENAMETOOLONG, "%s: too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		hint = ": is millraced running, and is this its admin socket (--admin)?";
	else if (errno == EACCES)
		hint = ": the socket's group may use it";
	mr_fail(err, errno, "%s: %s%s", path, strerror(errno), hint);
	if (fd >= 0)
		close(fd);
	return -ECONNREFUSED;
}

static int send_all(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes > 0) {
		ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -errno;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int receive_line(int fd, char *line)
{
	size_t n = 0;

	// A byte at a time: what follows the line is not ours to take yet.
	while (n < LINE_BYTES - 1) {
		ssize_t got = recv(fd, line + n, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ECONNRESET;
		if (line[n] == '\n') {
			line[n] = '\0';
			return 0;
		}
		n++;
	}
	return -EPROTO;
}

static int receive_reply(int fd, struct admin_reply *ret_reply)
{
	char line[LINE_BYTES];
	char *blank;
	uint64_t bytes;
	size_t got = 0;
	int rc = receive_line(fd, line);

	if (rc != 0)
		return rc;
	blank = strchr(line, ' ');
	if (blank == NULL || mr_parse_u64(blank + 1, &bytes) != 0 || bytes > ADMIN_REPLY_MAX_BYTES)
		return -EPROTO;
	*blank = '\0';
	if (strcmp(line, "ok") != 0 && strcmp(line, "error") != 0)
		return -EPROTO;
	ret_reply->is_ok = strcmp(line, "ok") == 0;
	ret_reply->bytes = bytes;
	ret_reply->text = calloc(1, bytes + 1);
	if (ret_reply->text == NULL)
		return -ENOMEM;
	while (got < bytes) {
		ssize_t n = recv(fd, ret_reply->text + got, bytes - got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(ret_reply->text);
			ret_reply->text = NULL;
			return n < 0 ? -errno : -ECONNRESET;
		}
		got += (size_t)n;
	}
	return 0;
}

int admin_ask_on(int fd, const char *path, const char *verb, const void *payload,
	size_t payload_bytes, struct admin_reply *ret_reply, struct mr_err *err)
{
	char *head = NULL;
	int rc = asprintf(&head, "%s %zu\n", verb, payload_bytes);

	if (rc < 0)
		return mr_fail(err, ENOMEM, "out of memory");
	rc = send_all(fd, head, (size_t)rc);
	if (rc == 0)
		rc = send_all(fd, payload, payload_bytes);
	// The answer may be there though not all of the question was read.
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
		rc = receive_reply(fd, ret_reply);
	free(head);
	if (rc != 0)
		return mr_fail(err, -rc, "%s: no answer to '%s': %s", path, verb, strerror(-rc));
	return 0;
}

int admin_ask(const char *path, const char *verb, const void *payload, size_t payload_bytes,
	struct admin_reply *ret_reply, struct mr_err *err)
{
	int fd = admin_open(path, err), rc;

	if (fd < 0)
		return fd;
	rc = admin_ask_on(fd, path, verb, payload, payload_bytes, ret_reply, err);
	close(fd);
	return rc;
}

int read_file(const char *path, char **ret_text, size_t *ret_bytes, struct mr_err *err)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	size_t bytes = 0, capacity = 0, n = 0;
	char *text = NULL;
	int rc = 0;

	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	do {
		char *grown;

		bytes += n;
		if (capacity - bytes < 2) {
			capacity = capacity * 2 + 65536;
			grown = realloc(text, capacity);
			if (grown == NULL) {
				rc = mr_fail(err, ENOMEM, "%s: out of memory", path);
				break;
			}
			text = grown;
		}
	} while ((n = fread(text + bytes, 1, capacity - bytes - 1, file)) > 0);
	if (rc == 0 && ferror(file))
		rc = mr_fail(err, EIO, "%s: %s", path, strerror(errno));
	if (file != stdin)
		fclose(file);
	if (rc != 0) {
		free(text);
		return rc;
	}
	text[bytes] = '\0';
	*ret_text = text;
	*ret_bytes = bytes;
	return 0;
}
