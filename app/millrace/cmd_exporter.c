// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"
#include "exposition.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_DEFAULT "127.0.0.1:9411"
#define CONNECTIONS_MAX 32u
#define IDLE_S 10u

static const struct option_def options[] = {
	{"listen", "HOST:PORT", "address to serve on; default " LISTEN_DEFAULT},
	{"once", NULL, "prints the metrics and ends"},
	{"telemetry", "PATH",
		"DPDK's telemetry socket; default $MILLRACE_TELEMETRY, else "
		"/var/run/dpdk/millrace/dpdk_telemetry.v2"},
	{NULL, NULL, NULL},
};

/** Writes the page into a buffer of its own. @return its bytes; 0: out of memory. */
static size_t make_page(const char *path, char **ret_text, struct mr_err *err)
{
	struct snapshot snapshot = {0};
	struct telemetry telemetry;
	size_t bytes = 0;
	FILE *out = open_memstream(ret_text, &bytes);
	int rc;

	if (out == NULL)
		return 0;
	// A connection for each page: millraced may have been started anew since the last.
	rc = telemetry_open(&telemetry, path, err);
	if (rc == 0) {
		rc = snapshot_take(&snapshot, &telemetry, err);
		telemetry_close(&telemetry);
	}
	if (rc == 0)
		exposition_print(&snapshot, out);
	else
		exposition_print_down(out);
	snapshot_free(&snapshot);
	return fclose(out) == 0 ? bytes : 0;
}

// ---- HTTP --------------------------------------------------------------------------------------

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, char *text,
	size_t bytes, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(bytes, text, mode);
	enum MHD_Result result;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return reply(
		connection, status, (char *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **state)
{
	struct mr_err err = {""};
	char *text = NULL;
	size_t bytes;

	(void)version;
	(void)upload;
	(void)upload_bytes;
	(void)state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, please\n");
	if (strcmp(url, "/") == 0)
		return say(connection, MHD_HTTP_OK, "millrace exporter: see /metrics\n");
	if (strcmp(url, "/metrics") != 0)
		return say(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
	bytes = make_page(arg, &text, &err);
	if (bytes == 0) {
		free(text);
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	}
	return reply(connection, MHD_HTTP_OK, text, bytes, MHD_RESPMEM_MUST_FREE);
}

/** Splits "HOST:PORT" or "[IPV6]:PORT". @return 0 or an exit code, having said why. */
static int find_address(const struct invocation *inv, const char *text, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	bool is_bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (colon == NULL || len == 0 || len >= sizeof(host))
		return usage_error(inv, "--listen '%s': HOST:PORT is expected", text);
	snprintf(host, sizeof(host), "%.*s", (int)(is_bracketed ? len - 2 : len),
		is_bracketed ? text + 1 : text);
	if (getaddrinfo(host, colon + 1, &hints, ret) != 0)
		return usage_error(inv, "--listen '%s': no address of this machine", text);
	return 0;
}

static int serve(const struct invocation *inv, const char *listen, const char *path)
{
	struct addrinfo *address;
	struct MHD_Daemon *daemon;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD;
	int rc = find_address(inv, listen, &address), signal_number;
	sigset_t signals;

	if (rc != 0)
		return rc;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	// Before the server's thread starts, which inherits the mask.
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, (void *)(uintptr_t)path,
		MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
	freeaddrinfo(address);
	if (daemon == NULL)
		return complain(inv, EXIT_LOCAL, "cannot serve on %s: %s", listen, strerror(errno));
	fprintf(stderr, "serving on http://%s/metrics\n", listen);
	sigwait(&signals, &signal_number);
	MHD_stop_daemon(daemon);
	return EXIT_OK;
}

static int print_once(const struct invocation *inv, const char *path)
{
	struct mr_err err = {""};
	char *text = NULL;
	size_t bytes = make_page(path, &text, &err);

	fwrite(text, 1, bytes, stdout);
	free(text);
	if (bytes == 0)
		return complain(inv, EXIT_LOCAL, "out of memory");
	return err.text[0] != '\0' ? complain(inv, EXIT_NO_ANSWER, "%s", err.text) : EXIT_OK;
}

static int run(const struct invocation *inv)
{
	const char *path = telemetry_path(option(inv, "telemetry"));
	const char *listen = option(inv, "listen");

	if (inv->n_args > 0)
		return usage_error(inv, "'%s' is one too many", inv->args[0]);
	if (option(inv, "once") != NULL)
		return print_once(inv, path);
	return serve(inv, listen != NULL ? listen : LISTEN_DEFAULT, path);
}

const struct command cmd_exporter = {
	.name = "exporter",
	.args = "",
	.summary = "serves the telemetry to Prometheus",
	.text = "Answers GET /metrics with everything that /millrace/ tells, in Prometheus' text "
		"format.\n"
		"There is no access control: it serves on localhost unless told otherwise. While "
		"millraced\n"
		"does not answer, millrace_up is 0 and nothing else is told.",
	.example = "  millrace exporter\n"
		   "  millrace exporter --once | grep latency",
	.options = options,
	.run = run,
};
