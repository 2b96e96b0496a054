// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The whole of lib/ctl on an appliance whose lcores do not run, and what its telemetry socket says.
 * One at a time: whole_set_up() and whole_tear_down() surround each test.
 */

#include "ctl_eal.h"
#include "mr_ctl.h"

#include <jansson.h>

#define N_RX 2u
#define N_IO 2u
#define SETS                                                                                \
	"[set user]\nid = 7\nkey = u64\nttl = 7d\ncolumn age = i32\ncolumn city = string\n" \
	"[view ages]\nid = 3\ncolumns = user.age\n"

// What makes up an appliance, with two RX and two I/O lcores that do not run.
struct whole {
	struct rig rig;
	struct mr_config config;
	char config_file[128];
	struct mr_plan plan;
	void *cache_mem[RIG_NODES];
	struct mr_port ports[MR_PORTS_MAX];
	struct mr_rx_counters *rx[N_RX];
	struct mr_io_counters *io[N_IO];
	struct mr_handoff handoff;
	struct mr_registry *registry;
	struct mr_filter *filter;
	_Atomic bool stop;
	struct mr_ctl *ctl;
};

extern struct whole w;
extern struct mr_set_counters set_counters[N_RX + N_IO][MR_SET_ID_MAX + 1];
extern struct mr_set_counters *rx_sets[N_RX], *io_sets[N_IO];

int whole_set_up(void **state);
int whole_tear_down(void **state);

/** A test with both around it. */
#define WHOLE_TEST(test) cmocka_unit_test_setup_teardown(test, whole_set_up, whole_tear_down)

int whole_begin(void);
void whole_end(void);

/** Runs a group of tests with EAL around it. @return what main() returns. */
#define WHOLE_MAIN(tests)                                           \
	int main(void)                                              \
	{                                                           \
		int failed;                                         \
                                                                    \
		if (whole_begin() != 0)                             \
			return 1;                                   \
		failed = cmocka_run_group_tests(tests, NULL, NULL); \
		whole_end();                                        \
		return failed;                                      \
	}

/** Writes the configuration file, with @p more at its end. */
void whole_write_config(const char *more);

/** Makes w.ctl of what else there is in w. */
void whole_make_ctl(void);

/** What the socket answers to @p request: the value under the command's name. */
json_t *ask(const char *request);

/** The number at "a.b" of a reply. */
uint64_t number(json_t *reply, const char *block, const char *field);

/** The text at a field. */
const char *text_of(json_t *request, const char *field);
