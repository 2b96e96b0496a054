// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct option_def options[] = {
	ADMIN_OPTION,
	{"plan", NULL, "says what would happen, and does nothing"},
	{NULL, NULL, NULL},
};

static const struct option_def plan_options[] = {
	ADMIN_OPTION,
	{NULL, NULL, NULL},
};

static int change(const struct invocation *inv, const char *what, const char *set, const char *text)
{
	uint32_t version;
	char verb[512];

	if (set[0] == '\0' || strlen(set) > MR_NAME_MAX_BYTES || strpbrk(set, " \t\n") != NULL)
		return usage_error(inv, "'%s' is not the name of a set", set);
	if (option_version(inv, text, &version) != 0)
		return EXIT_USAGE;
	snprintf(verb, sizeof(verb), "%s %s %u%s", what, set, (unsigned)version,
		option(inv, "plan") != NULL ? " plan" : "");
	return ask_and_print(inv, verb, NULL);
}

static int run_switch(const struct invocation *inv)
{
	if (inv->n_args != 2)
		return usage_error(inv, "SET VERSION is expected");
	return change(inv, "switch", inv->args[0], inv->args[1]);
}

static int run_version(const struct invocation *inv)
{
	if (inv->n_args == 3 && strcmp(inv->args[0], "add") == 0)
		return change(inv, "version-add", inv->args[1], inv->args[2]);
	if (inv->n_args == 3 && strcmp(inv->args[0], "drop") == 0)
		return change(inv, "version-drop", inv->args[1], inv->args[2]);
	return usage_error(inv, "'add SET VERSION' or 'drop SET VERSION' is expected");
}

// The file's name goes along for messages: without blanks, which would end it.
static int run_plan(const struct invocation *inv)
{
	char verb[512];
	int n;

	if (inv->n_args != 1)
		return usage_error(inv, "which file?");
	n = snprintf(verb, sizeof(verb), "sets-plan %s", inv->args[0]);
	if (n >= (int)sizeof(verb))
		return usage_error(inv, "'%s': too long a path", inv->args[0]);
	for (char *p = verb + strlen("sets-plan "); *p != '\0'; p++)
		if (isspace((unsigned char)*p))
			*p = '_';
	return ask_and_print(inv, verb, inv->args[0]);
}

const struct command cmd_switch = {
	.name = "switch",
	.args = "SET VERSION",
	.summary = "makes another version of a set the current one",
	.text = "From one moment to the next every request reads VERSION, and no request sees half "
		"of\n"
		"each. The version that was current stays beside it: switch back any time.",
	.example = "  millrace switch user 2 --plan\n"
		   "  millrace switch user 2",
	.options = options,
	.run = run_switch,
};

const struct command cmd_version = {
	.name = "version",
	.args = "add|drop SET VERSION",
	.summary = "adds an empty version of a set, or drops one with its rows",
	.text = "A version has the columns of its set and rows of its own. Rows go into it with "
		"`millrace\n"
		"load --version`, and are read once it is switched to. The current version cannot "
		"be\n"
		"dropped. There may be 16 versions of a set.",
	.example = "  millrace version add user 2\n"
		   "  millrace load --version 2 user rows.csv\n"
		   "  millrace switch user 2\n"
		   "  millrace version drop user 1",
	.options = options,
	.run = run_version,
};

const struct command cmd_plan = {
	.name = "plan",
	.args = "FILE",
	.summary = "says what `sets apply` would change",
	.text = "Checks the sets and views in FILE (- is stdin) against what is registered, says "
		"what\n"
		"would change, and changes nothing.",
	.example = "  millrace plan user.ini",
	.options = plan_options,
	.run = run_plan,
};
