// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_def options[] = {
	ADMIN_OPTION,
	{"file", "FILE", "sends the content of FILE along; - is stdin"},
	{NULL, NULL, NULL},
};

static void print_text(const struct admin_reply *reply, FILE *out)
{
	fwrite(reply->text, 1, reply->bytes, out);
	if (reply->bytes > 0 && reply->text[reply->bytes - 1] != '\n')
		fputc('\n', out);
}

const char *admin_path(const struct invocation *inv)
{
	const char *admin = option(inv, "admin");

	if (admin == NULL)
		admin = getenv("MILLRACE_ADMIN");
	return admin != NULL && admin[0] != '\0' ? admin : ADMIN_DEFAULT_PATH;
}

int ask(const struct invocation *inv, const char *verb, const char *path,
	struct admin_reply *ret_reply)
{
	const char *admin = admin_path(inv);
	struct mr_err err = {""};
	char *payload = NULL;
	size_t payload_bytes = 0;
	int rc;

	if (path != NULL && read_file(path, &payload, &payload_bytes, &err) != 0)
		return complain(inv, EXIT_BAD_INPUT, "%s", err.text);
	rc = admin_ask(admin, verb, payload, payload_bytes, ret_reply, &err);
	free(payload);
	if (rc != 0)
		return complain(inv, rc == -ENOMEM ? EXIT_LOCAL : EXIT_NO_ANSWER, "%s", err.text);
	if (ret_reply->is_ok)
		return EXIT_OK;
	print_text(ret_reply, stderr);
	free(ret_reply->text);
	return EXIT_REFUSED;
}

int ask_and_print(const struct invocation *inv, const char *verb, const char *path)
{
	struct admin_reply reply = {0};
	int rc = ask(inv, verb, path, &reply);

	if (rc != EXIT_OK)
		return rc;
	print_text(&reply, stdout);
	free(reply.text);
	return EXIT_OK;
}

static int run(const struct invocation *inv)
{
	char verb[1024] = "";
	size_t at = 0;

	if (inv->n_args == 0)
		return usage_error(inv, "which verb?");
	for (int i = 0; i < inv->n_args; i++) {
		if (strpbrk(inv->args[i], " \n") != NULL || inv->args[i][0] == '\0')
			return usage_error(inv, "'%s': no blanks, please", inv->args[i]);
		at += (size_t)snprintf(
			verb + at, sizeof(verb) - at, "%s%s", i > 0 ? " " : "", inv->args[i]);
		if (at >= sizeof(verb))
			return usage_error(inv, "too much");
	}
	return ask_and_print(inv, verb, option(inv, "file"));
}

const struct command cmd_ctl = {
	.name = "ctl",
	.args = "VERB [ARG...]",
	.summary = "asks the running appliance to do something",
	.text = "Sends VERB to the admin socket and prints the answer. Verbs:\n\n"
		"  status              what runs, and how it is\n"
		"  reload              reads the configuration again and says what changed\n"
		"  stop                stops cleanly\n"
		"  sets-list           as `millrace sets`\n"
		"  sets-show NAME      as `millrace sets show NAME`\n"
		"  sets-apply NAME     as `millrace sets apply`, with --file",
	.example = "  millrace ctl status\n"
		   "  millrace ctl reload",
	.options = options,
	.run = run,
};
