// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct option_def options[] = {
	{"count", "N", "how often; default 1"},
	{"interval", "DURATION", "time between two; default 1s"},
	{NULL, NULL, NULL},
};

static int ping(const struct invocation *inv, struct mr_client *client, uint64_t count,
	uint64_t interval_us)
{
	int code = EXIT_OK;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t rtt_ns;

		if (i > 0)
			usleep((useconds_t)interval_us);
		if (mr_client_ping(client, &rtt_ns) != 0)
			code = complain(inv, EXIT_NO_ANSWER, "no answer from %s",
				mr_client_server_name(client));
		else
			printf("%s answered in %.1f us\n", mr_client_server_name(client),
				(double)rtt_ns / 1000);
		fflush(stdout);
	}
	return code;
}

static int run(const struct invocation *inv)
{
	struct mr_client *client;
	uint64_t count, interval_us;
	int rc = option_u64(inv, "count", 1, &count);

	if (rc == 0)
		rc = option_duration_us(inv, "interval", 1000000, &interval_us);
	if (rc == 0 && inv->n_args > 0)
		rc = usage_error(
			inv, "'%s' is one too many; --server names the server", inv->args[0]);
	if (rc == 0)
		rc = connect_server(inv, &client);
	if (rc != 0)
		return rc;
	rc = ping(inv, client, count, interval_us);
	mr_client_close(client);
	return rc;
}

const struct command cmd_ping = {
	.name = "ping",
	.args = "",
	.summary = "asks whether the appliance answers, and how fast",
	.text = "Sends PING requests, which the appliance answers from the lcore that received "
		"them.",
	.example = "  millrace ping --server 10.0.0.7 --count 5",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
