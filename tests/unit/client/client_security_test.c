// SPDX-License-Identifier: BSD-3-Clause
//
// The client and a server that does not trust it: cookies, signed writes, refusals.
#include "client_util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void test_cookies_are_renewed(void **state)
{
	// One attempt: asking for a new cookie must not count as one.
	const struct mr_client_options once = {.timeout_us = 5000000, .attempts = 1};
	struct mr_client *client;

	(void)state;
	fake_set(&client_fake, &(struct fake_faults){.need_cookie = true});
	client = client_open(client_fake.address, &once);
	client_get_and_check(client, "user", 0, 100);
	pthread_mutex_lock(&client_fake.lock);
	client_fake.cookie++;
	pthread_mutex_unlock(&client_fake.lock);
	client_get_and_check(client, "ctr", 0, 1000);
	assert_int_equal(client_stats_of(client).timeouts, 0);
	assert_int_equal(client_stats_of(client).refused, 0);
	mr_client_close(client);
}

static void test_cookies_are_renewed_in_time(void **state)
{
	const struct mr_client_options once = {
		.timeout_us = 5000000, .attempts = 1, .n_sockets = 1};
	const struct timespec nap = {.tv_nsec = 800000000};
	struct mr_client *client;

	(void)state;
	fake_set(&client_fake, &(struct fake_faults){.need_cookie = true, .cookie_valid_s = 1});
	client = client_open(client_fake.address, &once);
	client_get_and_check(client, "user", 0, 100);
	assert_int_equal(client_fake.n_requests[MR_WIRE_OP_HELLO], 1);
	nanosleep(&nap, NULL);
	client_get_and_check(client, "user", 0, 100);
	client_get_and_check(client, "user", 0, 100);
	assert_int_equal(client_fake.n_requests[MR_WIRE_OP_HELLO], 2);
	assert_int_equal(client_stats_of(client).refused, 0);
	mr_client_close(client);
}

static void test_writes_are_signed(void **state)
{
	char path[] = "/tmp/mr_client_key.XXXXXX";
	struct mr_client_options options = {.timeout_us = 5000000, .mac_key_file = path};
	int fd = mkstemp(path);
	struct mr_client_result *result;
	struct mr_client *client;
	struct mr_err err = {""};

	(void)state;
	assert_true(fd >= 0);
	assert_null(mr_client_open(client_fake.address, &options, &err));
	assert_int_equal(errno, EINVAL);
	assert_true(dprintf(fd, "[mac]\n7 = " FAKE_MAC_HEX "\n") > 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_null(mr_client_open(client_fake.address, &options, &err));
	assert_int_equal(errno, EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	fake_set(&client_fake, &(struct fake_faults){.need_mac = true, .need_cookie = true});
	client = client_open(client_fake.address, &client_calm);
	result = client_put_users(
		client, mr_client_view_schema(client_resolve(client, "user"), 0), 5000, 10, 100);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_REFUSED), 10);
	assert_string_equal(mr_client_result_refusal(result), "denied");
	mr_client_result_free(result);
	mr_client_close(client);

	client = client_open(client_fake.address, &options);
	client_resolve(client, "user");
	// Signed anew with the new cookie.
	pthread_mutex_lock(&client_fake.lock);
	client_fake.cookie++;
	pthread_mutex_unlock(&client_fake.lock);
	result = client_put_users(
		client, mr_client_view_schema(client_resolve(client, "user"), 0), 5000, 1000, 100);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 1000);
	mr_client_result_free(result);
	client_get_and_check(client, "user", 0, 100);
	mr_client_close(client);
	close(fd);
	unlink(path);
}

static void test_refusals(void **state)
{
	static const struct {
		enum mr_wire_result result;
		enum mr_client_status get, put;
		const char *refusal;
	} cases[] = {
		{MR_WIRE_RESULT_BUSY, MR_CLIENT_BUSY, MR_CLIENT_BUSY, NULL},
		{MR_WIRE_RESULT_TOO_LATE, MR_CLIENT_BUSY, MR_CLIENT_BUSY, NULL},
		{MR_WIRE_RESULT_DENIED, MR_CLIENT_REFUSED, MR_CLIENT_REFUSED, "denied"},
		{MR_WIRE_RESULT_UNSUPPORTED, MR_CLIENT_REFUSED, MR_CLIENT_REFUSED, "unsupported"},
		{MR_WIRE_RESULT_STALE_LAYOUT, MR_CLIENT_STALE, MR_CLIENT_STALE, NULL},
	};
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(0, 3);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_client_result *result;

		fake_set(&client_fake, &(struct fake_faults){.result = cases[i].result});
		assert_int_equal(mr_client_get(client, view, keys, 3, &result), 0);
		assert_int_equal(mr_client_result_count(result, cases[i].get), 3);
		if (cases[i].refusal != NULL)
			assert_string_equal(mr_client_result_refusal(result), cases[i].refusal);
		else
			assert_null(mr_client_result_refusal(result));
		mr_client_result_free(result);
		result = client_put_users(client, mr_client_view_schema(view, 0), 0, 3, 1);
		assert_int_equal(mr_client_result_count(result, cases[i].put), 3);
		mr_client_result_free(result);
	}
	free(keys);
	mr_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(test_cookies_are_renewed),
		CLIENT_TEST(test_cookies_are_renewed_in_time),
		CLIENT_TEST(test_writes_are_signed),
		CLIENT_TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
