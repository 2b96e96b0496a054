// SPDX-License-Identifier: BSD-3-Clause
//
// millrace: the command-line tool. The table of commands, and nothing else.

#include "blast_port.h"
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_get,
	&cmd_put,
	&cmd_del,
	&cmd_load,
	&cmd_sets,
	&cmd_plan,
	&cmd_switch,
	&cmd_version,
	&cmd_tail,
	&cmd_backup,
	&cmd_restore,
	&cmd_verify,
	&cmd_ping,
	&cmd_blast,
	&cmd_pcap,
	&cmd_stat,
	&cmd_top,
	&cmd_slow,
	&cmd_exporter,
	&cmd_ctl,
	&cmd_advise,
};

static void print_overview(FILE *out)
{
	fprintf(out,
		"millrace COMMAND [OPTION...] [ARG...]\n\n"
		"Looks features up in a millrace appliance, loads them, and shows how it is.\n\n"
		"commands:\n");
	for (unsigned i = 0; i < MR_ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\n`millrace COMMAND --help` shows options, exit codes and an example.\n"
		     "`millrace --version` prints the version.\n");
}

static int run(const struct command *command, int argc, char **argv)
{
	struct invocation inv;
	struct mr_err err = {""};
	int rc = invocation_parse(&inv, command, argc, argv, &err);

	if (rc != 0)
		return usage_error(&inv, "%s", err.text);
	if (option(&inv, "help") != NULL) {
		command_help(command);
		return EXIT_OK;
	}
	rc = command->run(&inv);
	if (fflush(stdout) != 0 && rc == EXIT_OK)
		rc = complain(&inv, EXIT_LOCAL, "cannot write to stdout");
	return rc;
}

#ifndef MR_BLAST_PORTS
// Whether `blast` is to use a DPDK port, which this program cannot. Before options are taken apart.
static bool wants_port(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--port") == 0 || strncmp(argv[i], "--port=", 7) == 0)
			return strcmp(argv[1], cmd_blast.name) == 0;
	return false;
}
#endif

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	// A reader that goes away is an error of write(), not a death.
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_overview(stdout);
		return EXIT_OK;
	}
	if (strcmp(name, "--version") == 0) {
		printf("millrace %s\n", MR_VERSION);
		return EXIT_OK;
	}
#ifndef MR_BLAST_PORTS
	if (wants_port(argc, argv)) {
		struct mr_err err = {""};

		blast_port_become(argv, &err);
		fprintf(stderr, "millrace blast: %s\n", err.text);
		return EXIT_LOCAL;
	}
#endif
	for (unsigned i = 0; i < MR_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return run(commands[i], argc - 2, argv + 2);
	if (name[0] != '\0')
		fprintf(stderr, "millrace: unknown command '%s'\n\n", name);
	print_overview(stderr);
	return EXIT_USAGE;
}
