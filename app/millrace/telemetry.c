// SPDX-License-Identifier: BSD-3-Clause

#include "telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING_BYTES 1024
#define ANSWER_MAX_BYTES (16u << 20)
#define WAIT_S 5

const char *telemetry_path(const char *option)
{
	if (option == NULL)
		option = getenv("MILLRACE_TELEMETRY");
	return option != NULL && option[0] != '\0' ? option : TELEMETRY_DEFAULT_PATH;
}

static int greet(struct telemetry *telemetry, const char *path, struct mr_err *err)
{
	char greeting[GREETING_BYTES];
	ssize_t n = recv(telemetry->fd, greeting, sizeof(greeting), 0);
	json_t *json = n > 0 ? json_loadb(greeting, (size_t)n, 0, NULL) : NULL;
	json_int_t max = json_integer_value(json_object_get(json, "max_output_len"));

	json_decref(json);
	if (max <= 0 || max > ANSWER_MAX_BYTES)
		return mr_fail(err, EPROTO, "%s: no DPDK telemetry (version 2) greets here", path);
	telemetry->buffer_bytes = (size_t)max + 1;
	telemetry->buffer = malloc(telemetry->buffer_bytes);
	return telemetry->buffer != NULL ? 0 : mr_fail(err, ENOMEM, "out of memory");
}

int telemetry_open(struct telemetry *telemetry, const char *path, struct mr_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = WAIT_S};
	int rc;

	memset(telemetry, 0, sizeof(*telemetry));
	telemetry->fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return mr_fail(err, ENAMETOOLONG, "%s: too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path));
	telemetry->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (telemetry->fd < 0 ||
		connect(telemetry->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		rc = mr_fail(err, errno,
			"%s: %s: is millraced running, and is this its telemetry socket "
			"(--telemetry)?",
			path, strerror(errno));
		telemetry_close(telemetry);
		return rc;
	}
	setsockopt(telemetry->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	rc = greet(telemetry, path, err);
	if (rc != 0)
		telemetry_close(telemetry);
	return rc;
}

void telemetry_close(struct telemetry *telemetry)
{
	if (telemetry->fd >= 0)
		close(telemetry->fd);
	telemetry->fd = -1;
	free(telemetry->buffer);
	telemetry->buffer = NULL;
}

json_t *telemetry_ask(struct telemetry *telemetry, const char *question, struct mr_err *err)
{
	json_error_t json_error;
	json_t *answer, *value;
	ssize_t n;

	if (send(telemetry->fd, question, strlen(question), MSG_NOSIGNAL) < 0) {
		mr_fail(err, errno, "%s: %s", question, strerror(errno));
		return NULL;
	}
	n = recv(telemetry->fd, telemetry->buffer, telemetry->buffer_bytes, 0);
	if (n <= 0) {
		mr_fail(err, EIO, "%s: no answer", question);
		return NULL;
	}
	answer = json_loadb(telemetry->buffer, (size_t)n, 0, &json_error);
	if (answer == NULL) {
		mr_fail(err, EPROTO, "%s: %s", question, json_error.text);
		return NULL;
	}
	// The answer stands under the command's name, without its parameters.
	value = json_object_getn(answer, question, strcspn(question, ","));
	value = value != NULL ? json_incref(value) : json_null();
	json_decref(answer);
	return value;
}
