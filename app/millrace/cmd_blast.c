// SPDX-License-Identifier: BSD-3-Clause

#include "blast.h"
#include "blast_port.h"
#include "blast_show.h"
#include "command.h"
#include "mr_units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64u
// The knee is known when it lies between two rates that differ by no more.
#define KNEE_PRECISION 1.05
#define KNEE_LOST_SHARE 0.001

static const struct option_def options[] = {
	{"rate", "N", "open loop: requests a second; with --knee, where to start (10000)"},
	{"closed", "N", "closed loop: requests under way; each answer sends the next"},
	{"knee", NULL,
		"looks for the highest rate that keeps p99 under --p99, loses at most 0.1 % and "
		"sheds nothing"},
	{"p99", "DURATION", "what --knee allows; default 1ms"},
	{"duration", "DURATION", "of the run, or of each step of --knee; default 10s"},
	{"warmup", "DURATION", "the same load before it, not measured; default none"},
	{"even", NULL, "open loop: requests at even gaps; default: at random (Poisson)"},
	{"keys", "N", "entities 0 to N-1; default 100000"},
	{"keys-from", "FILE", "keys, one a line, instead"},
	{"zipf", "EXPONENT",
		"skew: key i is asked for in proportion to 1/(i+1)^EXPONENT, "
		"such as 0.99; default: all alike"},
	{"batch", "N[-M]", "keys a request; default 1"},
	{"absent", "PERCENT", "of the keys: such as are in no set"},
	{"writes", "PERCENT", "of the requests: PUT of made-up rows, into a set"},
	{"deadline", "DURATION", "tells the appliance when an answer is worthless"},
	{"late", "DURATION", "answers after this are counted late; default 100ms"},
	{"give-up", "DURATION", "answers after this are lost; default 2s"},
	{"sockets", "N", "flows, to spread over RX queues; default 8, at most 64"},
	{"port", "DEVICE",
		"sends over a DPDK port instead, such as net_af_packet0,iface=eth1 or a PCI "
		"address; burns a CPU"},
	{"address", "ADDRESS", "with --port: its IPv4 address; the server is on the same link"},
	{"eal", "ARGUMENTS",
		"with --port: EAL's memory arguments; default '--no-huge --no-shconf -m 128'"},
	{"spin", NULL, "never sleeps between requests: burns a CPU, keeps time better"},
	{"seed", "N", "of the random numbers; default 1"},
	{"json", NULL, "one JSON object with everything, instead of text"},
	{"report", "FILE.html", "writes a page with charts, complete in itself"},
	{NULL, NULL, NULL},
};

/** A command line understood. */
struct blast {
	const struct invocation *inv;
	struct mr_client *client;
	struct blast_work work;
	struct blast_params params;
	struct mr_wire_keys secrets;
	uint64_t warmup_us, p99_us, rate, seed;
	struct blast_result results[STEPS_MAX];
	unsigned n_results;
	double knee_per_s;
};

// ---- command line ------------------------------------------------------------------------------

static int parse_load(struct blast *blast)
{
	const struct invocation *inv = blast->inv;
	struct blast_params *p = &blast->params;
	bool is_knee = option(inv, "knee") != NULL;
	uint64_t window, n_sockets;
	int rc = option_u64(inv, "rate", is_knee ? 10000 : 0, &blast->rate);

	if (rc == 0)
		rc = option_u64(inv, "closed", 0, &window);
	if (rc == 0)
		rc = option_u64(inv, "sockets", 8, &n_sockets);
	if (rc != 0)
		return rc;
	if ((blast->rate > 0) == (window > 0))
		return usage_error(inv, "either --rate, --closed or --knee");
	if (window > 1000000 || blast->rate > 100000000)
		return usage_error(inv, "--closed is at most 1000000, --rate at most 100000000");
	if (n_sockets < 1 || n_sockets > BLAST_SOCKETS_MAX)
		return usage_error(inv, "--sockets is from 1 to %u", BLAST_SOCKETS_MAX);
	p->rate_per_s = (double)blast->rate;
	p->window = (unsigned)window;
	p->n_sockets = (unsigned)n_sockets;
	p->even = option(inv, "even") != NULL;
	p->spin = option(inv, "spin") != NULL;
	return option_u64(inv, "seed", 1, &blast->seed);
}

static int parse_times(struct blast *blast)
{
	const struct invocation *inv = blast->inv;
	struct blast_params *p = &blast->params;
	uint64_t duration_us, late_us, give_up_us;
	int rc = option_duration_us(inv, "duration", 10 * MR_US_PER_S, &duration_us);

	if (rc == 0)
		rc = option_duration_us(inv, "warmup", 0, &blast->warmup_us);
	if (rc == 0)
		rc = option_duration_us(inv, "p99", MR_US_PER_MS, &blast->p99_us);
	if (rc == 0)
		rc = option_duration_us(inv, "late", 100 * MR_US_PER_MS, &late_us);
	if (rc == 0)
		rc = option_duration_us(inv, "give-up", 2 * MR_US_PER_S, &give_up_us);
	if (rc != 0)
		return rc;
	if (duration_us == 0 || duration_us > 86400 * MR_US_PER_S)
		return usage_error(inv, "--duration is more than 0 and at most a day");
	if (give_up_us < late_us || give_up_us > 60 * MR_US_PER_S)
		return usage_error(inv, "--give-up is at least --late and at most a minute");
	p->duration_ns = duration_us * MR_NS_PER_US;
	p->timeout_ns = late_us * MR_NS_PER_US;
	p->give_up_ns = give_up_us * MR_NS_PER_US;
	return 0;
}

// ---- before the run ----------------------------------------------------------------------------

/** Address of a server. */
static int find_server(struct blast *blast, const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
	const char *port = MR_CLIENT_DEFAULT_PORT;
	char host[256];
	char *colon;
	int rc;

	snprintf(host, sizeof(host), "%s", name[0] == '[' ? name + 1 : name);
	colon = strrchr(host, ':');
	if (name[0] == '[') {
		char *bracket = strchr(host, ']');

		if (bracket != NULL)
			*bracket = '\0';
		colon = bracket != NULL && bracket[1] == ':' ? bracket + 1 : NULL;
	}
	// Several colons without brackets are an address without a port.
	if (colon != NULL && (name[0] == '[' || strchr(host, ':') == colon)) {
		*colon = '\0';
		port = colon + 1;
	}
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return complain(blast->inv, EXIT_NO_ANSWER, "%s: %s", name, gai_strerror(rc));
	memcpy(&blast->params.address, found->ai_addr, found->ai_addrlen);
	blast->params.address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int find_view(struct blast *blast)
{
	struct blast_work *work = &blast->work;
	struct mr_client_view *view;
	int rc = resolve_view(blast->inv, blast->client, blast->inv->args[0], &view);

	if (rc != 0)
		return rc;
	work->schema = mr_client_view_schema(view, 0);
	work->view = mr_client_view_compiled(view)->id;
	work->max_payload_bytes = mr_client_max_payload_bytes(blast->client);
	if (work->write_ppm > 0 && (work->view & MR_VIEW_EXPLICIT) != 0)
		return usage_error(
			blast->inv, "'%s' is a view; writes need a set", blast->inv->args[0]);
	return 0;
}

static int prepare(struct blast *blast)
{
	const char *keys = option(blast->inv, "keys-from");
	const char *secrets = option(blast->inv, "key");
	struct mr_err err = {""};
	int rc = find_view(blast);

	if (secrets == NULL)
		secrets = getenv("MILLRACE_KEY");
	if (rc == 0 && blast->params.port == NULL)
		rc = find_server(blast, mr_client_server_name(blast->client));
	if (rc != 0)
		return rc;
	if (keys != NULL && blast_work_load_keys(&blast->work, keys, &err) != 0)
		return complain(blast->inv, EXIT_BAD_INPUT, "%s", err.text);
	if (secrets != NULL) {
		if (mr_wire_keys_load(&blast->secrets, secrets, &err) != 0)
			return complain(blast->inv, EXIT_BAD_INPUT, "%s", err.text);
		if (blast->secrets.n_mac == 0)
			return complain(blast->inv, EXIT_BAD_INPUT, "%s: no key in [mac]", secrets);
		blast->work.mac = &blast->secrets.mac[0];
	}
	if (blast_work_init(&blast->work, blast->seed, &err) != 0)
		return usage_error(blast->inv, "%s", err.text);
	return 0;
}

// ---- runs --------------------------------------------------------------------------------------

static int run_once(struct blast *blast)
{
	struct blast_result *result = &blast->results[blast->n_results];
	struct mr_err err = {""};
	struct blast_params warmup = blast->params;
	int rc;

	warmup.duration_ns = blast->warmup_us * MR_NS_PER_US;
	warmup.progress = NULL;
	if (warmup.duration_ns > 0) {
		rc = blast_run(&warmup, result, &err);
		if (rc != 0)
			return complain(blast->inv, EXIT_NO_ANSWER, "%s", err.text);
		blast_result_free(result);
	}
	rc = blast_run(&blast->params, result, &err);
	if (rc != 0)
		return complain(
			blast->inv, rc == -ENOMEM ? EXIT_LOCAL : EXIT_NO_ANSWER, "%s", err.text);
	blast->n_results++;
	return 0;
}

/** Tries a rate. *ret_holds: the appliance kept up. */
static int try_rate(struct blast *blast, double rate_per_s, bool *ret_holds)
{
	const struct blast_result *r = &blast->results[blast->n_results];
	int rc;

	blast->params.rate_per_s = rate_per_s;
	rc = run_once(blast);
	if (rc != 0)
		return rc;
	// A generator that fell behind its own schedule shows in the latency: it is counted from
	// there.
	*ret_holds = mr_hist_quantile(r->latency_ns, 0.99) <= blast->p99_us * MR_NS_PER_US &&
	             blast_lost_share(r) <= KNEE_LOST_SHARE && blast_shed(r) == 0 &&
	             (double)r->sent >= 0.95 * rate_per_s * r->seconds;
	if (option(blast->inv, "json") == NULL)
		blast_show_step(r, *ret_holds);
	return 0;
}

/** Doubles the rate until it is too much, halves it until it is not, then closes in. */
static int find_knee(struct blast *blast)
{
	double good = 0, bad = 0, rate = (double)blast->rate;

	while (blast->n_results < STEPS_MAX && rate >= 1 &&
		!(good > 0 && bad > 0 && bad <= good * KNEE_PRECISION)) {
		bool holds;
		int rc = try_rate(blast, rate, &holds);

		if (rc != 0)
			return rc;
		if (holds)
			good = rate;
		else
			bad = rate;
		rate = bad == 0 ? good * 2 : good == 0 ? bad / 2 : (good + bad) / 2;
	}
	blast->knee_per_s = good;
	return 0;
}

static int tell(struct blast *blast)
{
	const char *path = option(blast->inv, "report");
	char title[256], command[1024];
	struct mr_err err = {""};
	struct blast_story story = {
		.title = title,
		.command = command,
		.when_us = now_us(),
		.knee_per_s = blast->knee_per_s,
		.p99_limit_ns =
			option(blast->inv, "knee") != NULL ? blast->p99_us * MR_NS_PER_US : 0,
	};

	blast_title(&blast->params, blast->inv->args[0],
		blast->params.port != NULL ? server_name(blast->inv)
					   : mr_client_server_name(blast->client),
		title, sizeof(title));
	blast_command(blast->inv, command, sizeof(command));
	if (option(blast->inv, "json") != NULL)
		blast_show_json(&story, blast->results, blast->n_results, stdout);
	else
		blast_show_text(&story, blast->results, blast->n_results, stdout);
	if (path == NULL)
		return 0;
	if (blast_report(path, &story, blast->results, blast->n_results, &err) != 0)
		return complain(blast->inv, EXIT_LOCAL, "%s", err.text);
	return 0;
}

static int exit_code(const struct blast *blast)
{
	const struct blast_result *last = &blast->results[blast->n_results - 1];

	if (option(blast->inv, "knee") != NULL)
		return blast->knee_per_s > 0 ? EXIT_OK : EXIT_NOT_ALL;
	if (last->answered == 0)
		return complain(blast->inv, EXIT_NO_ANSWER, "nothing was answered");
	return last->lost == 0 && blast_shed(last) == 0 &&
	                       last->results[MR_WIRE_RESULT_OK] == last->answered
	               ? EXIT_OK
	               : EXIT_NOT_ALL;
}

static int run_all(struct blast *blast)
{
	int rc = prepare(blast);

#ifdef MR_BLAST_PORTS
	if (blast->params.port != NULL)
		blast_port_relay_stop(blast->params.port);
#endif
	if (rc == 0)
		rc = option(blast->inv, "knee") != NULL ? find_knee(blast) : run_once(blast);
	if (rc == 0)
		rc = tell(blast);
	if (rc == 0)
		rc = exit_code(blast);
	for (unsigned i = 0; i < blast->n_results; i++)
		blast_result_free(&blast->results[i]);
	mr_wire_keys_wipe(&blast->secrets);
	blast_work_free(&blast->work);
	return rc;
}

// ---- DPDK ports --------------------------------------------------------------------------------

#ifdef MR_BLAST_PORTS
static int with_port(struct blast *blast)
{
	struct blast_params *p = &blast->params;
	struct blast_port_params port = {.device = option(blast->inv, "port"),
		.address = option(blast->inv, "address"),
		.eal = option(blast->inv, "eal"),
		.n_sockets = p->n_sockets};
	struct mr_err err = {""};
	char relay[64];
	int rc;

	if (port.address == NULL)
		return usage_error(blast->inv, "--port wants --address");
	rc = find_server(blast, server_name(blast->inv));
	if (rc == 0 && p->address.ss_family != AF_INET)
		rc = usage_error(blast->inv, "--port wants a server with an IPv4 address");
	if (rc != 0)
		return rc;
	memcpy(&port.server, &p->address, sizeof(port.server));
	p->port = blast_port_open(&port, &err);
	if (p->port == NULL)
		return complain(blast->inv, EXIT_LOCAL, "%s", err.text);
	if (blast_port_relay(p->port, relay, sizeof(relay), &err) != 0)
		rc = complain(blast->inv, EXIT_LOCAL, "%s", err.text);
	if (rc == 0)
		rc = connect_to(blast->inv, relay, &blast->client);
	if (rc == 0) {
		rc = run_all(blast);
		mr_client_close(blast->client);
	}
	blast_port_close(p->port);
	return rc;
}
#endif

static int run(const struct invocation *inv)
{
	struct blast *blast = calloc(1, sizeof(*blast));
	int rc;

	if (blast == NULL)
		return complain(inv, EXIT_LOCAL, "out of memory");
	blast->inv = inv;
	blast->params.work = &blast->work;
	blast->params.progress = blast_show_progress;
	rc = blast_work_options(inv, &blast->work);
	if (rc == 0)
		rc = parse_load(blast);
	if (rc == 0)
		rc = parse_times(blast);
	if (rc == 0 && inv->n_args != 1)
		rc = usage_error(inv, "one view or set is expected");
#ifdef MR_BLAST_PORTS
	if (rc == 0 && option(inv, "port") != NULL) {
		rc = with_port(blast);
		free(blast);
		return rc;
	}
#endif
	if (rc == 0)
		rc = connect_server(inv, &blast->client);
	if (rc == 0) {
		rc = run_all(blast);
		mr_client_close(blast->client);
	}
	free(blast);
	return rc;
}

const struct command cmd_blast = {
	.name = "blast",
	.args = "VIEW",
	.summary = "loads the appliance and measures its latency",
	.text = "Asks for VIEW over kernel sockets or a DPDK port and never asks twice. Open loop\n"
		"(--rate): requests are due at times that do not depend on the answers, and "
                "latency\n"
		"counts from when a request was due. So a server that stalls is charged for all "
                "that\n"
		"waited meanwhile. Closed loop (--closed) hides that; it is here to compare. "
                "--knee\n"
		"finds the rate that the appliance holds. Late answers and lost requests are told\n"
		"apart. One thread; when it is the bottleneck, the lag that it prints says so.\n"
		"\n"
		"With --port, requests go over a DPDK port: millrace becomes the program\n"
		"millrace-blast, which lies beside it. Its one lcore runs where the command may\n"
		"(taskset).\n"
		"\n"
		"With --writes, rows of made-up values replace those of the keys asked for.",
	.example =
		"  millrace blast user --rate 50000 --zipf 0.99 --absent 10\n"
		"  millrace blast user --knee --p99 500us --duration 3s --report knee.html\n"
		"  millrace blast user --rate 1000000 --server 10.0.0.1 --address 10.0.0.2 --port "
		"net_af_packet0,iface=eth1",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
