// SPDX-License-Identifier: BSD-3-Clause
//
// The programs of the `process` bench: clients of millrace and its peers, and an echo. process.py
// starts them, pins them and makes lines of what they print.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"

#define COLUMNS 14u

static int run_rows(const struct options *o)
{
	printf("id");
	for (unsigned c = 0; c < COLUMNS; c++)
		printf(",c%u", c);
	for (uint64_t id = 0; id < o->n_rows; id++) {
		printf("\n%llu", (unsigned long long)id);
		for (unsigned c = 0; c < COLUMNS; c++)
			printf(",%llu", (unsigned long long)(id % 1000000 + c));
	}
	printf("\n");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct options *o);
} commands[] = {
	{"echo", run_echo},     // a UDP echo on the kernel's stack
	{"udp", run_udp},       // a client of --peer millrace, echo or memcached
	{"redis", run_redis},   // a client of Redis, pipelined
	{"fill", run_fill},     // stores rows in --peer memcached or redis
	{"frames", run_frames}, // a client of millrace on a DPDK port
	{"turn", run_turn},     // turns frames around on a DPDK port
	{"rows", run_rows},     // prints millrace's rows as CSV
};

static enum peer peer_of(const char *name)
{
	for (unsigned i = 0; i < PEER_COUNT; i++)
		if (strcmp(name, peer_names[i]) == 0)
			return (enum peer)i;
	bench_fail("no peer is named %s", name);
}

static void set(struct options *o, const char *name, const char *value)
{
	if (strcmp(name, "--peer") == 0)
		o->peer = peer_of(value);
	else if (strcmp(name, "--server") == 0)
		o->server = value;
	else if (strcmp(name, "--client") == 0)
		o->client = value;
	else if (strcmp(name, "--device") == 0)
		o->device = value;
	else if (strcmp(name, "--window") == 0)
		o->window = (unsigned)atoi(value);
	else if (strcmp(name, "--keys") == 0)
		o->n_keys = (unsigned)atoi(value);
	else if (strcmp(name, "--rows") == 0)
		o->n_rows = strtoull(value, NULL, 10);
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = atof(value);
	else if (strcmp(name, "--warmup") == 0)
		o->warmup_s = atof(value);
	else if (strcmp(name, "--sweep") == 0)
		o->sweep = atoi(value) != 0;
	else if (strcmp(name, "--charge") == 0 && o->n_charges < CHARGES_MAX)
		o->charges[o->n_charges++] = atoi(value);
	else
		bench_fail("what is %s %s?", name, value);
}

int main(int argc, char **argv)
{
	struct options o = {.program = argv[0],
		.window = 64,
		.n_keys = 1,
		.n_rows = 1000000,
		.seconds = 1,
		.warmup_s = 0.2};

	bench_rename("process", "");
	if (argc < 2 || argc % 2 != 0)
		bench_fail("want a command and pairs of option and value");
	for (int i = 2; i < argc; i += 2)
		set(&o, argv[i], argv[i + 1]);
	if (o.window < 1 || o.window > WINDOW_MAX || o.n_keys < 1 || o.n_keys > KEYS_MAX ||
		o.n_rows < 1 || o.n_rows > ROWS_MAX)
		bench_fail("window to %u, keys to %u, rows to %u", WINDOW_MAX, KEYS_MAX, ROWS_MAX);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(&o);
	bench_fail("no command is named %s", argv[1]);
}
