// SPDX-License-Identifier: BSD-3-Clause
//
// What several commands do: talking to the user, and reaching the server.

#include "command.h"
#include "mr_units.h"
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int complain(const struct invocation *inv, int code, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "millrace %s: ", inv->command->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

int usage_error(const struct invocation *inv, const char *fmt, ...)
{
	struct mr_err err;
	va_list args;

	va_start(args, fmt);
	mr_vfail(&err, EINVAL, fmt, args);
	va_end(args);
	return complain(
		inv, EXIT_USAGE, "%s (see `millrace %s --help`)", err.text, inv->command->name);
}

int exit_code_of(int error)
{
	switch (error) {
	case EINVAL:
		return EXIT_USAGE;
	case ENOENT:
		return EXIT_REFUSED;
	case ENOMEM:
		return EXIT_LOCAL;
	default:
		return EXIT_NO_ANSWER;
	}
}

int option_version(const struct invocation *inv, const char *text, uint32_t *ret_version)
{
	uint64_t value;

	if (mr_parse_u64(text, &value) != 0 || value < 1 || value > UINT16_MAX)
		return usage_error(inv, "'%s': a version is a number from 1 to 65535", text);
	*ret_version = (uint32_t)value;
	return 0;
}

const char *server_name(const struct invocation *inv)
{
	const char *server = option(inv, "server");

	if (server == NULL)
		server = getenv("MILLRACE_SERVER");
	return server != NULL && server[0] != '\0' ? server : "127.0.0.1:" MR_CLIENT_DEFAULT_PORT;
}

int connect_server(const struct invocation *inv, struct mr_client **ret_client)
{
	return connect_to(inv, server_name(inv), ret_client);
}

int connect_to(const struct invocation *inv, const char *server, struct mr_client **ret_client)
{
	struct mr_client_options options = {0};
	struct mr_err err = {""};
	uint64_t timeout_us, attempts;
	int rc = option_duration_us(inv, "timeout", 0, &timeout_us);

	if (rc == 0)
		rc = option_u64(inv, "attempts", 0, &attempts);
	if (rc != 0)
		return rc;
	if (timeout_us > UINT32_MAX || attempts > 1000)
		return usage_error(inv, "--timeout is at most 71 minutes, --attempts at most 1000");
	options.mac_key_file = option(inv, "key");
	if (options.mac_key_file == NULL)
		options.mac_key_file = getenv("MILLRACE_KEY");
	if (option(inv, "version") != NULL &&
		option_version(inv, option(inv, "version"), &options.write_version) != 0)
		return EXIT_USAGE;
	options.timeout_us = (uint32_t)timeout_us;
	options.attempts = (uint32_t)attempts;
	*ret_client = mr_client_open(server, &options, &err);
	if (*ret_client == NULL) {
		rc = exit_code_of(errno);
		if (err.text[0] == '\0')
			mr_fail(&err, errno, "%s", strerror(errno));
		if (options.mac_key_file != NULL &&
			strncmp(err.text, options.mac_key_file, strlen(options.mac_key_file)) == 0)
			rc = EXIT_BAD_INPUT;
		return complain(inv, rc, "%s", err.text);
	}
	return 0;
}

int resolve_view(const struct invocation *inv, struct mr_client *client, const char *name,
	struct mr_client_view **ret_view)
{
	struct mr_err err = {""};
	struct mr_client_view *view = mr_client_resolve(client, name, &err);

	if (view == NULL) {
		int error = errno;

		return complain(inv, error == EPROTO ? EXIT_REFUSED : exit_code_of(error), "%s",
			err.text[0] != '\0' ? err.text : strerror(error));
	}
	*ret_view = view;
	return 0;
}

int resolve_set(const struct invocation *inv, struct mr_client *client, const char *name,
	const struct mr_schema **ret_schema)
{
	struct mr_client_view *view;
	int rc = resolve_view(inv, client, name, &view);

	if (rc != 0)
		return rc;
	*ret_schema = mr_client_view_schema(view, 0);
	if (mr_client_view_compiled(view)->id & MR_VIEW_EXPLICIT)
		return usage_error(inv, "'%s' is a view; rows go into sets (it is made of %s%s)",
			name, (*ret_schema)->name,
			mr_client_view_schema(view, 1) != NULL ? " and others" : "");
	return 0;
}

int exit_code_of_result(const struct invocation *inv, const struct mr_client_result *result)
{
	size_t total = mr_client_result_n_keys(result) * mr_client_result_n_sets(result);
	size_t lost = mr_client_result_count(result, MR_CLIENT_LOST);

	if (mr_client_result_count(result, MR_CLIENT_REFUSED) > 0)
		return complain(inv, EXIT_REFUSED, "the server refused: %s",
			mr_client_result_refusal(result));
	if (lost > 0)
		return complain(inv, EXIT_NO_ANSWER, "no answer for %zu of %zu", lost, total);
	return mr_client_result_count(result, MR_CLIENT_OK) == total ? EXIT_OK : EXIT_NOT_ALL;
}

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * MR_US_PER_S + (uint64_t)now.tv_nsec / MR_NS_PER_US;
}

int option_time_of(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_time_us)
{
	const char *text = option(inv, name);
	struct mr_err err;

	*ret_time_us = fallback;
	if (text != NULL && parse_time(text, strlen(text), ret_time_us, &err) != 0)
		return usage_error(inv, "--%s: %s", name, err.text);
	return 0;
}

int option_time(const struct invocation *inv, uint64_t fallback, uint64_t *ret_time_us)
{
	return option_time_of(inv, "time", fallback, ret_time_us);
}
