// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#ifndef MR_SOURCE_DRIVERS_DIR
#define MR_SOURCE_DRIVERS_DIR NULL
#endif

static const struct stage stages[] = {
	{"eal", eal_start, eal_stop},
	{"memory", memory_start, memory_stop},
	{"owner", owner_start, owner_stop},
	{"store", store_start, store_stop},
	{"tiers", tiers_start, tiers_stop},
	{"ports", ports_start, ports_stop},
	{"security", policy_start, policy_stop},
	{"lcores", lcores_start, lcores_stop},
	{"control", control_start, control_stop},
	{"privileges", privileges_start, privileges_stop},
};

static void usage(FILE *out)
{
	fputs("usage: millraced -c FILE [--check [--ports]]\n"
	      "\n"
	      "  -c, --config FILE   configuration (docs/configuration.md)\n"
	      "      --check         validate FILE, print what would be started, and exit\n"
	      "      --ports         with --check: opens the ports, which nothing else may be "
	      "using,\n"
	      "                      prints what each gets and why, and closes them\n"
	      "  -h, --help          this text\n"
	      "      --version       version\n"
	      "\n"
	      "SIGTERM and SIGINT stop it cleanly, SIGHUP reads the configuration again.\n"
	      "Exit codes: 0 stopped cleanly or FILE is good, 1 could not start, 2 usage.\n"
	      "Example: millraced -c /etc/millrace/millrace.ini\n",
		out);
}

// Signals go to the control lcore's sigtimedwait(), never into an RX lcore.
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int read_config(struct millraced *m, struct mr_err *err)
{
	int ret = mr_config_load(&m->config, m->config_file, err);

	if (ret == 0)
		ret = mr_config_drivers_dir(&m->config, MR_SOURCE_DRIVERS_DIR, m->drivers_dir,
			sizeof(m->drivers_dir), err);
	if (ret == 0)
		ret = lcores_plan(m, err);
	return ret;
}

static int run(struct millraced *m)
{
	struct mr_err err = {0};
	unsigned started = 0;
	int ret = 0;

	while (started < MR_ARRAY_SIZE(stages) && ret == 0) {
		notify("STATUS=starting: %s", stages[started].name);
		ret = stages[started].start(m, &err);
		// A stage that failed half-way is stopped too: stops take half-built state.
		started++;
	}
	if (ret == 0) {
		mr_log(MR_LOG_INFO, "millraced", "serving on %u port(s)", m->n_ports);
		notify("READY=1\nSTATUS=serving on %u port(s)", m->n_ports);
		control_loop(m);
		notify("STOPPING=1\nSTATUS=stopping");
		mr_log(MR_LOG_INFO, "millraced", "stopping");
	} else {
		if (err.text[0] == '\0')
			mr_fail(&err, -ret, "%s", strerror(-ret));
		mr_log(MR_LOG_ERROR, stages[started - 1].name, "%s", err.text);
		notify("STATUS=%s: %s", stages[started - 1].name, err.text);
	}
	// EAL that did not come up has nothing to clean up.
	if (started == 1 && ret < 0)
		started = 0;
	while (started > 0)
		stages[--started].stop(m);
	if (ret == 0)
		mr_log(MR_LOG_INFO, "millraced", "stopped");
	return ret == 0 ? 0 : 1;
}

// Opens the ports, says what they got, and closes them.
static int check_ports(struct millraced *m)
{
	static const struct stage needed[] = {
		{"eal", eal_start, eal_stop},
		{"memory", memory_start, memory_stop},
		{"ports", ports_start, ports_stop},
	};
	struct mr_err err = {0};
	unsigned started = 0;
	char text[4096];
	int ret = 0;

	while (started < MR_ARRAY_SIZE(needed) && ret == 0)
		ret = needed[started++].start(m, &err);
	if (ret < 0)
		fprintf(stderr, "millraced: %s: %s\n", needed[started - 1].name, err.text);
	for (unsigned i = 0; i < m->n_ports && ret == 0; i++) {
		mr_port_describe(&m->ports[i], text, sizeof(text));
		fputs(text, stdout);
	}
	// EAL that did not come up has nothing to clean up.
	if (started == 1 && ret < 0)
		started = 0;
	while (started > 0)
		needed[--started].stop(m);
	return ret == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"ports", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	static struct millraced m;
	struct mr_err err = {0};
	bool check = false, ports = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			m.config_file = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'p':
			ports = true;
			break;
		case 'v':
			puts("millraced " MR_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (m.config_file == NULL || optind != argc || (ports && !check)) {
		usage(stderr);
		return 2;
	}
	if (read_config(&m, &err) < 0) {
		fprintf(stderr, "millraced: %s\n", err.text);
		return 1;
	}
	mr_log_set_level((enum mr_log_level)m.config.log_level);
#ifdef MR_FAULT_INJECTION
	fprintf(stderr, "WARNING: BUILT WITH FAULT INJECTION: `millrace ctl fault` can break the "
			"store and the clock. Never serve with this build.\n");
#endif
	plan_print(&m, check ? stdout : stderr);
	if (mr_policy_check(&m.config.security, check ? stdout : stderr, &err) < 0) {
		fprintf(stderr, "millraced: %s: %s\n", m.config_file, err.text);
		return 1;
	}
	if (check)
		return ports ? check_ports(&m) : 0;
	block_signals();
	return run(&m);
}
