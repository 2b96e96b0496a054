// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"
#include "mr_units.h"
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const struct option_def options[] = {
	{"interval", "DURATION", "between two screens; default 1s"},
	{"once", NULL, "prints one screen as plain text, after one interval"},
	{"telemetry", "PATH",
		"DPDK's telemetry socket; default $MILLRACE_TELEMETRY, else "
		"/var/run/dpdk/millrace/dpdk_telemetry.v2"},
	{NULL, NULL, NULL},
};

static _Atomic bool is_stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	is_stopped = true;
}

// ---- terminal ----------------------------------------------------------------------------------

struct terminal {
	bool is_set;
	struct termios before;
};

static void terminal_begin(struct terminal *t)
{
	struct termios raw;

	// Another screen, no cursor; keys come one by one and are not shown.
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
	if (tcgetattr(STDIN_FILENO, &t->before) != 0)
		return;
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t->is_set = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void terminal_end(const struct terminal *t)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (t->is_set)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

static void show(const struct top_screen *screen)
{
	static const char *const styles[] = {
		[TOP_PLAIN] = "", [TOP_HEAD] = "\033[1m", [TOP_ALARM] = "\033[1;33m"};

	for (unsigned i = 0; i < screen->n; i++)
		printf("\033[%u;1H%s%s\033[0m\033[K", i + 1, styles[screen->style[i]],
			screen->text[i]);
	fputs("\033[J", stdout);
	fflush(stdout);
}

static void print(const struct top_screen *screen)
{
	for (unsigned i = 0; i < screen->n; i++)
		printf("%s\n", screen->text[i]);
}

/** Waits; @return true when it is time to go: a signal, or the key q. */
static bool wait_for_key(uint64_t interval_us, bool has_keys)
{
	struct pollfd fd = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
	struct timespec wait = {.tv_sec = (time_t)(interval_us / MR_US_PER_S),
		.tv_nsec = (long)(interval_us % MR_US_PER_S * MR_NS_PER_US)};
	char key;

	if (ppoll(&fd, 1, &wait, NULL) > 0)
		return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
	return is_stopped;
}

// ---- loop --------------------------------------------------------------------------------------

static int run_loop(const struct invocation *inv, struct telemetry *telemetry, uint64_t interval_us,
	struct mr_err *err)
{
	bool is_once = option(inv, "once") != NULL;
	struct snapshot before, now;
	struct top_screen screen;
	int rc = snapshot_take(&before, telemetry, err);

	while (rc == 0 && !wait_for_key(interval_us, !is_once && isatty(STDIN_FILENO))) {
		rc = snapshot_take(&now, telemetry, err);
		if (rc == 0)
			rc = top_compose(&screen, &before, &now);
		if (rc == 0 && is_once)
			print(&screen);
		else if (rc == 0)
			show(&screen);
		snapshot_free(&before);
		before = now;
		if (is_once)
			break;
	}
	snapshot_free(&before);
	return rc;
}

static int run(const struct invocation *inv)
{
	struct sigaction action = {.sa_handler = stop};
	bool is_live = option(inv, "once") == NULL;
	struct telemetry telemetry;
	struct terminal terminal = {0};
	struct mr_err err = {"out of memory"};
	uint64_t interval_us;
	int rc = option_duration_us(inv, "interval", MR_US_PER_S, &interval_us);

	if (rc == 0 && interval_us == 0)
		rc = usage_error(inv, "--interval is more than 0");
	if (rc == 0 && inv->n_args > 0)
		rc = usage_error(inv, "'%s' is one too many", inv->args[0]);
	if (rc == 0 && is_live && !isatty(STDOUT_FILENO))
		rc = usage_error(inv, "this is no terminal: use --once, or `millrace stat`");
	if (rc != 0)
		return rc;
	if (telemetry_open(&telemetry, telemetry_path(option(inv, "telemetry")), &err) != 0)
		return complain(inv, EXIT_NO_ANSWER, "%s", err.text);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (is_live)
		terminal_begin(&terminal);
	rc = run_loop(inv, &telemetry, interval_us, &err);
	if (is_live)
		terminal_end(&terminal);
	telemetry_close(&telemetry);
	return rc != 0 ? complain(inv, rc == -ENOMEM ? EXIT_LOCAL : EXIT_NO_ANSWER, "%s", err.text)
	               : EXIT_OK;
}

const struct command cmd_top = {
	.name = "top",
	.args = "",
	.summary = "shows live what the appliance does",
	.text = "A screen of 80 x 24 characters that is drawn again every interval: traffic, tiers "
		"that\n"
		"answered, latency, load of each lcore, cache, filter, store, rings, drops. All "
                "rates "
		"and\n"
		"percentiles are of the last interval. q ends it.",
	.example = "  millrace top\n"
		   "  millrace top --once --interval 5s",
	.options = options,
	.run = run,
};
