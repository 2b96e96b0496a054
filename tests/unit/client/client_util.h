// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the client's tests share: a fake server for each test, a client of it, keys and rows, and
 * the check of a whole result against what the server's function gives.
 */

#include "fake_server.h"
#include "mr_client.h"
#include "mr_units.h"

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

/** The server of the test that runs. */
extern struct fake client_fake;

// For tests in which answers fail to come, and for all others: a busy machine is no lost datagram.
static const struct mr_client_options client_quick = {.timeout_us = 100000, .n_sockets = 2};
static const struct mr_client_options client_calm = {.timeout_us = 5000000, .n_sockets = 2};

int client_start(void **state);
int client_stop(void **state);

#define CLIENT_TEST(function) cmocka_unit_test_setup_teardown(function, client_start, client_stop)

struct mr_client *client_open(const char *servers, const struct mr_client_options *options);
struct mr_client_view *client_resolve(struct mr_client *client, const char *name);
struct mr_client_stats client_stats_of(const struct mr_client *client);

/** Keys first, first + 1, ... as u64. Owner: the caller. */
struct mr_client_key *client_make_keys(uint64_t first, size_t n);

/** One row is what the server's function gives. @param second The key's later version. */
void client_check_row(
	const struct mr_client_result *result, size_t i, unsigned set, uint64_t key, bool second);

/** Every key has the status and the row that the server's function gives. */
void client_check_result(const struct mr_client_result *result, uint64_t first, size_t n);

void client_get_and_check(struct mr_client *client, const char *name, uint64_t first, size_t n);

/** Writes n rows of `user` and returns the result. */
struct mr_client_result *client_put_users(struct mr_client *client, const struct mr_schema *schema,
	uint64_t first, size_t n, uint64_t event_time_us);
