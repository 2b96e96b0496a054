// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct option_def options[] = {
	ADMIN_OPTION,
	{NULL, NULL, NULL},
};

/** The file's name goes along for messages: without blanks, which would end it. */
static int apply(const struct invocation *inv, const char *path)
{
	char verb[512];
	int n = snprintf(verb, sizeof(verb), "sets-apply %s", path);

	if (n >= (int)sizeof(verb))
		return usage_error(inv, "'%s': too long a path", path);
	for (char *p = verb + strlen("sets-apply "); *p != '\0'; p++)
		if (isspace((unsigned char)*p))
			*p = '_';
	return ask_and_print(inv, verb, path);
}

static int show(const struct invocation *inv, const char *name)
{
	char verb[512];

	if (name[0] == '\0' || strlen(name) > MR_NAME_MAX_BYTES || strpbrk(name, " \t\n") != NULL)
		return usage_error(inv, "'%s' is not the name of a set or view", name);
	snprintf(verb, sizeof(verb), "sets-show %s", name);
	return ask_and_print(inv, verb, NULL);
}

static int run(const struct invocation *inv)
{
	const char *what = inv->n_args > 0 ? inv->args[0] : "list";

	if (strcmp(what, "list") == 0 && inv->n_args <= 1)
		return ask_and_print(inv, "sets-list", NULL);
	if (strcmp(what, "apply") == 0 && inv->n_args == 2)
		return apply(inv, inv->args[1]);
	if (strcmp(what, "show") == 0 && inv->n_args == 2)
		return show(inv, inv->args[1]);
	return usage_error(inv, "'list', 'show NAME' or 'apply FILE' is expected");
}

const struct command cmd_sets = {
	.name = "sets",
	.args = "[list | show NAME | apply FILE]",
	.summary = "lists, shows and registers feature sets and views",
	.text = "Without an argument, lists the sets and views that are registered. `apply` "
		"registers\n"
		"those in FILE (- is stdin), or changes them; a file with an error changes "
		"nothing.",
	.example = "  millrace sets\n"
		   "  millrace sets show user\n"
		   "  millrace sets apply user.ini",
	.options = options,
	.run = run,
};
