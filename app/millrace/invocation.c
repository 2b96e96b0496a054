// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"
#include "mr_units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct option_def server_options[] = {
	{"server", "HOST:PORT[,...]",
		"the appliance, and others to fail over to; default $MILLRACE_SERVER, else "
		"127.0.0.1:7411"},
	{"timeout", "DURATION", "how long an attempt waits for its answer; default 100ms"},
	{"key", "FILE",
		"signs writes with the [mac] key in FILE (docs/security.md); default $MILLRACE_KEY"},
	{"attempts", "N", "how often a request is sent before it counts as lost; default 3"},
	{NULL, NULL, NULL},
};

static const struct option_def help_option = {"help", NULL, "prints this help"};

static const struct option_def *find_in(const struct option_def *options, const char *name)
{
	for (; options != NULL && options->name != NULL; options++)
		if (strcmp(options->name, name) == 0)
			return options;
	return NULL;
}

static const struct option_def *find_option(const struct command *command, const char *name)
{
	const struct option_def *found = find_in(command->options, name);

	if (found == NULL && command->talks_to_server)
		found = find_in(server_options, name);
	if (found == NULL && strcmp(name, help_option.name) == 0)
		found = &help_option;
	return found;
}

/** "-5" is a key, "-x" is not. */
static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] != '\0' && !isdigit((unsigned char)arg[1]);
}

static int take_option(struct invocation *inv, int argc, char **argv, int *at, struct mr_err *err)
{
	char *name = argv[*at] + 2;
	char *equals = strchr(argv[*at], '=');
	const struct option_def *def;
	const char *value = "";

	if (strcmp(argv[*at], "-h") == 0) {
		name = argv[*at];
		def = &help_option;
	} else {
		if (argv[*at][1] != '-')
			return mr_fail(err, EINVAL, "unknown option '%s'", argv[*at]);
		if (equals != NULL)
			*equals = '\0';
		def = find_option(inv->command, name);
		if (def == NULL)
			return mr_fail(err, EINVAL, "unknown option '--%s'", name);
	}
	if (def->arg == NULL && equals != NULL)
		return mr_fail(err, EINVAL, "option '--%s' takes no value", name);
	if (def->arg != NULL && equals == NULL && *at + 1 >= argc)
		return mr_fail(err, EINVAL, "option '--%s' needs a value: %s", name, def->arg);
	if (def->arg != NULL)
		value = equals != NULL ? equals + 1 : argv[++*at];
	if (inv->n_options == OPTIONS_MAX)
		return mr_fail(err, EINVAL, "too many options");
	inv->names[inv->n_options] = def->name;
	inv->values[inv->n_options++] = value;
	return 0;
}

int invocation_parse(struct invocation *inv, const struct command *command, int argc, char **argv,
	struct mr_err *err)
{
	bool only_args = false;

	memset(inv, 0, sizeof(*inv));
	inv->command = command;
	inv->args = argv;
	for (int i = 0; i < argc; i++) {
		int rc;

		if (!only_args && strcmp(argv[i], "--") == 0) {
			only_args = true;
			continue;
		}
		if (only_args || !is_option(argv[i])) {
			inv->args[inv->n_args++] = argv[i];
			continue;
		}
		rc = take_option(inv, argc, argv, &i, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

const char *option(const struct invocation *inv, const char *name)
{
	// The last one counts.
	for (unsigned i = inv->n_options; i > 0; i--)
		if (strcmp(inv->names[i - 1], name) == 0)
			return inv->values[i - 1];
	return NULL;
}

int option_u64(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_value)
{
	const char *text = option(inv, name);

	*ret_value = fallback;
	if (text != NULL && mr_parse_u64(text, ret_value) != 0)
		return usage_error(inv, "--%s '%s': a number is expected", name, text);
	return 0;
}

int option_duration_us(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_us)
{
	const char *text = option(inv, name);

	*ret_us = fallback;
	if (text != NULL && mr_parse_duration_us(text, ret_us) != 0)
		return usage_error(
			inv, "--%s '%s': a duration is expected, such as 50ms", name, text);
	return 0;
}

// ---- help --------------------------------------------------------------------------------------

#define HELP_COLUMN 30
#define HELP_WIDTH 96

/** Prints words from column HELP_COLUMN on, breaking lines. */
static void print_wrapped(const char *text)
{
	int at = HELP_COLUMN;

	while (*text != '\0') {
		int len = (int)strcspn(text, " ");

		if (at + len > HELP_WIDTH) {
			printf("\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
		}
		printf("%.*s", len, text);
		at += len;
		text += len;
		if (*text == ' ') {
			text++;
			if (at + 1 + (int)strcspn(text, " ") <= HELP_WIDTH) {
				putchar(' ');
				at++;
			} else
				at = HELP_WIDTH;
		}
	}
	putchar('\n');
}

static void print_options(const struct option_def *options)
{
	for (; options != NULL && options->name != NULL; options++) {
		int at = printf("  --%s%s%s", options->name, options->arg != NULL ? " " : "",
			options->arg != NULL ? options->arg : "");

		if (at >= HELP_COLUMN - 1)
			printf("\n%*s", HELP_COLUMN, "");
		else
			printf("%*s", HELP_COLUMN - at, "");
		print_wrapped(options->help);
	}
}

void command_help(const struct command *command)
{
	static const struct option_def help[] = {
		{"help", NULL, "prints this help"}, {NULL, NULL, NULL}};

	printf("millrace %s [OPTION...] %s\n\n%s\n\noptions:\n", command->name, command->args,
		command->text);
	print_options(command->options);
	if (command->talks_to_server)
		print_options(server_options);
	print_options(help);
	printf("\nexit codes:\n"
	       "  0  done\n"
	       "  1  done, but not every key or row is ok\n"
	       "  2  the command line is wrong; nothing was done\n"
	       "  3  no server, or no answer\n"
	       "  4  a file or a value is wrong\n"
	       "  5  the server refused\n"
	       "  6  this machine failed (memory, disk)\n"
	       "\nexample:\n%s\n",
		command->example);
}
