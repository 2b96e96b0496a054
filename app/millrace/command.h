// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What a subcommand is: a table entry with its options, help and function. One file a command.
 */

#include "mr_client.h"
#include "mr_err.h"

#include <stdbool.h>

/** Exit codes, the same for every command; scripts rely on them. */
enum exit_code {
	EXIT_OK = 0,        //!< done; every key and row is OK
	EXIT_NOT_ALL = 1,   //!< done, but some keys or rows are not OK
	EXIT_USAGE = 2,     //!< the command line is wrong; nothing was done
	EXIT_NO_ANSWER = 3, //!< no server, or no answer
	EXIT_BAD_INPUT = 4, //!< a file or a value is wrong
	EXIT_REFUSED = 5,   //!< the server said no
	EXIT_LOCAL = 6,     //!< this machine failed: memory, disk
};

#define OPTIONS_MAX 24

struct option_def {
	const char *name; //!< without the dashes; NULL ends a table
	const char *arg;  //!< what follows, for help; NULL: nothing
	const char *help;
};

struct invocation;

struct command {
	const char *name;
	const char *args;    //!< behind the options, for help
	const char *summary; //!< one line
	const char *text;    //!< what it does, in full
	const char *example;
	const struct option_def *options;
	bool talks_to_server; //!< has --server and the like too
	int (*run)(const struct invocation *inv);
};

/** A command line taken apart. */
struct invocation {
	const struct command *command;
	const char *names[OPTIONS_MAX];
	const char *values[OPTIONS_MAX]; //!< "" for an option without an argument
	unsigned n_options;
	int n_args;
	char **args;
};

extern const struct command cmd_get, cmd_put, cmd_del, cmd_ping, cmd_load, cmd_sets, cmd_stat,
	cmd_ctl, cmd_advise;
extern const struct command cmd_blast, cmd_top, cmd_slow, cmd_exporter;
extern const struct command cmd_plan, cmd_switch, cmd_version;
extern const struct command cmd_tail, cmd_backup, cmd_restore, cmd_verify;
extern const struct command cmd_pcap;

/** Takes argv (behind the command's name) apart. @return 0 or -EINVAL with a message. */
int invocation_parse(struct invocation *inv, const struct command *command, int argc, char **argv,
	struct mr_err *err);

/** Value of an option; NULL when it was not given. */
const char *option(const struct invocation *inv, const char *name);

/** Number given with an option, or @p fallback. @return 0 or EXIT_USAGE, having said why. */
int option_u64(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_value);
int option_duration_us(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_us);

/** Says "millrace COMMAND: ..." on stderr. @return @p code, so that callers return it. */
int complain(const struct invocation *inv, int code, const char *fmt, ...) mr_printf(3, 4);

/** As complain(), and where the help is. @return EXIT_USAGE. */
int usage_error(const struct invocation *inv, const char *fmt, ...) mr_printf(2, 3);

/** Path of the admin socket, as --admin and the environment say. */
const char *admin_path(const struct invocation *inv);

/** Prints the help of a command. */
void command_help(const struct command *command);

// ---- what several commands do ------------------------------------------------------------------

/**
 * Opens the client that --server, --key, --timeout and --attempts ask for.
 * @return 0, or an exit code, having said why.
 */
int connect_server(const struct invocation *inv, struct mr_client **ret_client);

/** What --server, the environment or the default says. */
const char *server_name(const struct invocation *inv);

/** connect_server() to another server. */
int connect_to(const struct invocation *inv, const char *server, struct mr_client **ret_client);

/** A version of a set. @return 0 or EXIT_USAGE, having said why. */
int option_version(const struct invocation *inv, const char *text, uint32_t *ret_version);

/** Exit code for an errno of the client library. */
int exit_code_of(int error);

/** Resolves a view or set. @return 0, or an exit code, having said why. */
int resolve_view(const struct invocation *inv, struct mr_client *client, const char *name,
	struct mr_client_view **ret_view);

/** Resolves a set to write to. */
int resolve_set(const struct invocation *inv, struct mr_client *client, const char *name,
	const struct mr_schema **ret_schema);

/** Exit code for the statuses in a result: the worst of them. Says why a server refused. */
int exit_code_of_result(const struct invocation *inv, const struct mr_client_result *result);

/** Now, as event times are given. */
uint64_t now_us(void);

/** Time given with an option, or @p fallback. */
int option_time_of(
	const struct invocation *inv, const char *name, uint64_t fallback, uint64_t *ret_time_us);

/** Event time given with --time, or @p fallback. */
int option_time(const struct invocation *inv, uint64_t fallback, uint64_t *ret_time_us);
