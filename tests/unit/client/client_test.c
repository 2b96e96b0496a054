// SPDX-License-Identifier: BSD-3-Clause
//
// The client against a server that answers, delays, duplicates, reorders, drops, splits and lies.
#include "client_util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fake fake2;

// ---- what goes well ----------------------------------------------------------------------------

static void test_values_by_name(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "ctr");
	struct mr_client_key *keys = client_make_keys(121, 9);
	struct mr_client_column age, city, emb, none;
	struct mr_client_result *result;
	struct mr_value value;

	(void)state;
	assert_int_equal(mr_client_get(client, view, keys, 9, &result), 0);
	free(keys);
	assert_int_equal(mr_client_result_n_sets(result), 2);
	assert_int_equal(mr_client_result_find(result, "user.age", &age), 0);
	assert_int_equal(mr_client_result_find(result, "city", &city), 0);
	assert_int_equal(mr_client_result_find(result, "item.emb", &emb), 0);
	assert_int_equal(mr_client_result_find(result, "user.emb", &none), -ENOENT);
	assert_int_equal(mr_client_result_find(result, "use.age", &none), -ENOENT);
	assert_int_equal(mr_client_result_find(result, "score", &none), -ENOENT);

	assert_int_equal(mr_client_result_value(result, 0, age, &value), 0);
	assert_int_equal(value.type, MR_TYPE_I32);
	assert_int_equal(value.i32, 121);
	assert_int_equal(mr_client_result_value(result, 0, city, &value), 0);
	assert_int_equal(value.bytes, 1);
	assert_int_equal(mr_client_result_value(result, 0, emb, &value), 0);
	assert_int_equal(value.count, 16);
	// 124 + 0 leaves 4: null, which is neither missing nor an error.
	assert_int_equal(mr_client_result_value(result, 3, age, &value), 0);
	assert_true(value.is_null);

	assert_int_equal(mr_client_result_value(result, 6, age, &value), -EAGAIN);
	assert_int_equal(mr_client_result_value(result, 7, age, &value), -ESTALE);
	assert_int_equal(mr_client_result_value(result, 8, age, &value), -ENOENT);
	assert_int_equal(mr_client_result_value(result, 9, age, &value), -EINVAL);
	assert_int_equal(mr_client_result_event_time_us(result, 7, 0), FAKE_EVENT_TIME_US);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_NOT_FOUND), 2);
	assert_null(mr_client_result_refusal(result));
	// A result outlives its client.
	mr_client_close(client);
	assert_int_equal(mr_client_result_value(result, 0, age, &value), 0);
	assert_int_equal(value.i32, 121);
	mr_client_result_free(result);
}

static void test_any_number_of_keys(void **state)
{
	static const size_t counts[] = {1, 2, 16, 255, 256, 1000, 5000};
	struct mr_client *client = client_open(client_fake.address, &client_calm);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(counts); i++) {
		client_get_and_check(client, "user", 1000 * i, counts[i]);
		client_get_and_check(client, "ctr", 1000 * i, counts[i]);
	}
	assert_int_equal(client_stats_of(client).malformed, 0);
	mr_client_close(client);
}

static void test_rows_in_pieces(void **state)
{
	// Rows of about 3 KB, in pieces of datagrams or many in one.
	static const unsigned payloads[] = {1472, 600, 256, 60000};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(payloads); i++) {
		struct fake_faults faults = {.max_payload = payloads[i], .reverse = i == 1};
		struct mr_client *client;

		fake_set(&client_fake, &faults);
		client = client_open(client_fake.address, &client_calm);
		assert_int_equal(mr_client_max_payload_bytes(client), payloads[i]);
		client_get_and_check(client, "big", 0, 50);
		client_get_and_check(client, "user", 0, 600);
		assert_int_equal(client_stats_of(client).malformed, 0);
		mr_client_close(client);
	}
	assert_int_equal(client_fake.n_keys_max, MR_WIRE_KEYS_MAX);
}

static void test_async(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	enum { N = 500 };
	bool seen[N] = {false};
	struct mr_client_result *result;
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct mr_client_key *keys = client_make_keys(i * 10, i % 7 + 1);

		assert_int_equal(
			mr_client_submit_get(client, view, keys, i % 7 + 1, (void *)(uintptr_t)i),
			0);
		free(keys);
	}
	assert_int_equal(mr_client_open_calls(client), N);
	// A synchronous call in between leaves the others alone.
	client_get_and_check(client, "item", 77, 20);
	while (mr_client_poll(client, 1000000) > 0)
		while ((result = mr_client_take(client)) != NULL) {
			uintptr_t i = (uintptr_t)mr_client_result_user(result);

			assert_false(seen[i]);
			seen[i] = true;
			client_check_result(result, i * 10, i % 7 + 1);
			mr_client_result_free(result);
			n++;
		}
	assert_int_equal(n, N);
	assert_int_equal(mr_client_open_calls(client), 0);
	assert_true(mr_client_wait_us(client) == UINT64_MAX);
	mr_client_close(client);
}

// The server's rows change with every request: whatever is lost and asked again, the rows of one
// strong read are of one answer.
static void test_strong(void **state)
{
	static const struct mr_client_options options = {
		.timeout_us = 3000, .attempts = 50, .n_sockets = 1};
	struct mr_client *client = client_open(client_fake.address, &options);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(0, 256);
	struct mr_client_read read = {.strong = true};
	struct mr_client_result *result;

	(void)state;
	assert_int_equal(mr_client_get_as(client, view, &read, keys, 256, &result), -EMSGSIZE);
	fake_set(&client_fake,
		&(struct fake_faults){.alternate = true, .drop_percent = 20, .max_payload = 600});
	for (unsigned round = 0; round < 30; round++) {
		uint64_t time_us = 0;

		assert_int_equal(mr_client_get_as(client, view, &read, keys, 40, &result), 0);
		for (size_t i = 0; i < 40; i++) {
			uint64_t at_us = mr_client_result_event_time_us(result, i, 0);

			if (mr_client_result_status(result, i, 0) != MR_CLIENT_OK)
				continue;
			assert_true(time_us == 0 || at_us == time_us);
			time_us = at_us;
		}
		assert_int_equal(mr_client_result_count(result, MR_CLIENT_LOST), 0);
		mr_client_result_free(result);
	}
	assert_true(client_stats_of(client).retries > 10);
	free(keys);
	mr_client_close(client);
}

static void test_ping(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_quick);
	uint64_t rtt_ns = 0;

	(void)state;
	assert_int_equal(mr_client_ping(client, &rtt_ns), 0);
	assert_in_range(rtt_ns, 1, MR_NS_PER_S);
	fake_set(&client_fake, &(struct fake_faults){.silent = true});
	assert_int_equal(mr_client_ping(client, &rtt_ns), -ETIMEDOUT);
	mr_client_close(client);
}

// ---- writes ------------------------------------------------------------------------------------

static void test_put_and_delete(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	const struct mr_schema *schema = mr_client_view_schema(view, 0);
	struct mr_client_result *result = client_put_users(client, schema, 5000, 1000, 100);
	struct mr_client_row row = {.event_time_us = 300};
	struct mr_client_key *key = client_make_keys(5000, 1);
	struct mr_client_column age;
	struct mr_value value;

	(void)state;
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 1000);
	assert_true(mr_client_result_durable(result));
	assert_null(mr_client_result_view(result));
	mr_client_result_free(result);
	// The same again changes nothing, and says so.
	result = client_put_users(client, schema, 5000, 1000, 100);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_SUPERSEDED), 1000);
	mr_client_result_free(result);

	assert_int_equal(mr_client_get(client, view, key, 1, &result), 0);
	assert_int_equal(mr_client_result_find(result, "age", &age), 0);
	assert_int_equal(mr_client_result_value(result, 0, age, &value), 0);
	assert_int_equal(value.i32, 5001);
	mr_client_result_free(result);

	row.key = *key;
	assert_int_equal(mr_client_delete(client, schema, &row, 1, &result), 0);
	assert_int_equal(mr_client_result_status(result, 0, 0), MR_CLIENT_OK);
	mr_client_result_free(result);
	assert_null(mr_client_view_schema(view, 1));
	free(key);
	mr_client_close(client);
}

static void test_bad_writes(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	const struct mr_schema *schema = mr_client_view_schema(client_resolve(client, "big"), 0);
	static const uint8_t junk[40000];
	struct mr_client_key *keys = client_make_keys(0, 4);
	struct mr_client_row rows[4] = {
		{.key = keys[0], .row = junk, .row_bytes = 3},
		{.key = keys[1], .row = junk, .row_bytes = 2000},
		{.key = keys[2], .row = junk, .row_bytes = 40000},
		{.key = {keys[3].data, 3}, .row = junk, .row_bytes = 24},
	};
	static const enum mr_client_status want[4] = {
		MR_CLIENT_BAD_ROW, MR_CLIENT_TOO_LONG, MR_CLIENT_BAD_ROW, MR_CLIENT_BAD_KEY};
	struct mr_client_result *result;

	(void)state;
	assert_int_equal(mr_client_put(client, schema, rows, 4, &result), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(mr_client_result_status(result, i, 0), want[i]);
	mr_client_result_free(result);
	rows[0].key.bytes = 0;
	assert_int_equal(mr_client_put(client, schema, rows, 4, &result), -EINVAL);
	assert_int_equal(mr_client_put(client, schema, rows, 0, &result), -EINVAL);
	assert_int_equal(
		mr_client_get(client, client_resolve(client, "big"), keys, 0, &result), -EINVAL);
	free(keys);
	mr_client_close(client);
}

// ---- a bad network -----------------------------------------------------------------------------

static void test_faults(void **state)
{
	static const struct {
		const char *name;
		struct fake_faults faults;
	} cases[] = {
		{"duplicates", {.duplicate = true}},
		{"reverse", {.reverse = true, .max_payload = 512}},
		{"garbage", {.garbage = true}},
		{"first attempt lost", {.drop_attempts = 1}},
		{"a tenth of the datagrams lost", {.drop_percent = 10, .max_payload = 700}},
		{"all of it",
			{.duplicate = true, .reverse = true, .garbage = true, .drop_percent = 10}},
	};
	const struct mr_client_options patient = {
		.timeout_us = 20000, .attempts = 20, .n_sockets = 3};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_client *client;

		print_message("%s\n", cases[i].name);
		fake_set(&client_fake, &cases[i].faults);
		client = client_open(client_fake.address, &patient);
		client_get_and_check(client, "ctr", 100, 300);
		client_get_and_check(client, "big", 100, 20);
		assert_int_equal(client_stats_of(client).lost, 0);
		if (cases[i].faults.drop_attempts > 0)
			assert_true(client_stats_of(client).retries > 0);
		if (cases[i].faults.garbage)
			assert_true(client_stats_of(client).malformed > 0);
		mr_client_close(client);
	}
}

// A key always by the same socket, and the sockets' ports count them in their low bits.
static void test_steering(void **state)
{
	const struct mr_client_options steered = {
		.timeout_us = 5000000, .n_sockets = 3, .steer_by_key = true};
	struct mr_client *client = client_open(client_fake.address, &steered);
	struct mr_client_view *view = client_resolve(client, "user");
	uint16_t ports[4] = {0};
	unsigned used = 0;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		unsigned before = client_fake.n_requests[MR_WIRE_OP_GET], low;
		struct mr_client_key *keys = client_make_keys(i % 20, 1);
		struct mr_client_result *result;
		static unsigned first[20];

		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		mr_client_result_free(result);
		free(keys);
		assert_true(client_fake.n_requests[MR_WIRE_OP_GET] > before && before < 256);
		low = client_fake.get_ports[before] & 3;
		if (i < 20)
			first[i] = low;
		assert_int_equal(low, first[i % 20]);
		assert_true(ports[low] == 0 || ports[low] == client_fake.get_ports[before]);
		ports[low] = client_fake.get_ports[before];
		used |= 1u << low;
	}
	// Twenty keys on one of four sockets: not in this world.
	assert_int_not_equal(used & (used - 1), 0);
	mr_client_close(client);
}

static void test_times(void **state)
{
	const struct fake_faults faults = {
		.times = {.total_ns = 5000,
			.parse_ns = 1,
			.probe_ns = 2,
			.ring_ns = 3,
			.queue_ns = 4,
			.lock_ns = 5,
			.read_ns = 6,
			.commit_ns = 7,
			.met = MR_WIRE_MET_IO | MR_WIRE_MET_STALL},
	};
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(100, 300);
	struct mr_client_result *result;
	struct mr_client_times t;

	(void)state;
	fake_set(&client_fake, &faults);
	assert_int_equal(mr_client_get(client, view, keys, 300, &result), 0);
	assert_false(mr_client_result_times(result, &t)); // not asked for
	mr_client_result_free(result);
	// Of the requests that this takes the longest has the most keys.
	mr_client_trace(client, 77, true);
	assert_int_equal(mr_client_get(client, view, keys, 300, &result), 0);
	assert_true(mr_client_result_times(result, &t));
	assert_int_equal(t.trace_id, 77);
	assert_int_equal(t.total_ns, 5000 + 1000 * client_fake.n_keys_max);
	assert_int_equal(t.parse_ns, 1);
	assert_int_equal(t.probe_ns, 2);
	assert_int_equal(t.ring_ns, 3);
	assert_int_equal(t.queue_ns, 4);
	assert_int_equal(t.lock_ns, 5);
	assert_int_equal(t.read_ns, 6);
	assert_int_equal(t.commit_ns, 7);
	assert_int_equal(t.met, MR_CLIENT_MET_IO | MR_CLIENT_MET_STALL);
	client_check_result(result, 100, 300);
	mr_client_result_free(result);
	result = client_put_users(client, mr_client_view_schema(view, 0), 0, 1, 1);
	assert_true(mr_client_result_times(result, &t));
	assert_int_equal(t.total_ns, 6000);
	mr_client_result_free(result);
	// Asked for, of a server that sends none.
	fake_set(&client_fake, &(struct fake_faults){0});
	assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
	assert_false(mr_client_result_times(result, &t));
	mr_client_result_free(result);
	free(keys);
	mr_client_close(client);
}

static void test_lost_is_not_missing(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_quick);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(0, 300);
	struct mr_client_result *result;
	struct mr_client_column age = {0, 0};
	struct mr_value value;
	unsigned before;

	(void)state;
	before = client_fake.n_requests[MR_WIRE_OP_GET];
	fake_set(&client_fake, &(struct fake_faults){.silent = true});
	assert_int_equal(mr_client_get(client, view, keys, 300, &result), 0);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_LOST), 300);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_NOT_FOUND), 0);
	assert_int_equal(mr_client_result_value(result, 0, age, &value), -ETIMEDOUT);
	assert_int_equal(client_stats_of(client).lost, 300);
	mr_client_result_free(result);
	// Three attempts of each of two datagrams.
	assert_int_equal(client_fake.n_requests[MR_WIRE_OP_GET] - before, 6);
	assert_int_equal(client_stats_of(client).timeouts, 6);
	assert_int_equal(client_stats_of(client).retries, 4);
	free(keys);
	// It comes back, and the client has kept nothing against it.
	fake_set(&client_fake, &(struct fake_faults){0});
	client_get_and_check(client, "user", 0, 300);
	mr_client_close(client);
}

static void test_late_replies_are_discarded(void **state)
{
	// Long enough for a loaded machine to resolve the view in.
	const struct mr_client_options hasty = {
		.timeout_us = 200000, .attempts = 1, .n_sockets = 1};
	struct mr_client *client = client_open(client_fake.address, &hasty);
	struct mr_client *other = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(0, 1);
	struct mr_client_result *result;

	(void)state;
	fake_set(&client_fake, &(struct fake_faults){.delay_us = 400000});
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		assert_int_equal(mr_client_result_status(result, 0, 0), MR_CLIENT_LOST);
		mr_client_result_free(result);
	}
	free(keys);
	fake_set(&client_fake, &(struct fake_faults){0});
	// The server has worked through what came before once this is answered.
	client_get_and_check(other, "user", 0, 1);
	mr_client_close(other);
	mr_client_poll(client, 0);
	client_get_and_check(client, "user", 30, 5);
	assert_int_equal(client_stats_of(client).late, 3);
	mr_client_close(client);
}

static void test_an_attempt_answered_late_still_counts(void **state)
{
	// The answer to the first attempt comes while the second is under way.
	const struct mr_client_options options = {
		.timeout_us = 15000, .n_sockets = 1, .attempts = 50};
	struct mr_client *client = client_open(client_fake.address, &options);

	(void)state;
	client_resolve(client, "user");
	fake_set(&client_fake, &(struct fake_faults){.delay_us = 25000});
	client_get_and_check(client, "user", 0, 1);
	assert_true(client_stats_of(client).retries >= 1);
	assert_int_equal(client_stats_of(client).lost, 0);
	mr_client_close(client);
}

static void test_pieces_of_two_versions_do_not_mix(void **state)
{
	// Every attempt sees another row: equal in length, other in every byte.
	const struct mr_client_options options = {.timeout_us = 10000, .attempts = 1000};
	struct fake_faults faults = {.max_payload = 512};
	struct mr_client *client;
	struct mr_client_view *view;
	struct mr_client_key *keys = client_make_keys(1, 1);

	(void)state;
	fake_set(&client_fake, &faults);
	client = client_open(client_fake.address, &options);
	view = client_resolve(client, "big");
	faults.alternate = true;
	faults.drop_percent = 20;
	fake_set(&client_fake, &faults);
	for (unsigned i = 0; i < 10; i++) {
		struct mr_client_result *result;

		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		assert_int_equal(mr_client_result_status(result, 0, 0), MR_CLIENT_OK);
		client_check_row(result, 0, 0, 1,
			mr_client_result_event_time_us(result, 0, 0) != FAKE_EVENT_TIME_US);
		mr_client_result_free(result);
	}
	assert_true(client_stats_of(client).retries > 0);
	free(keys);
	mr_client_close(client);
}

static void test_damaged_rows_are_asked_again(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_quick);

	(void)state;
	client_resolve(client, "user");
	fake_set(&client_fake, &(struct fake_faults){.bad_rows = 2});
	client_get_and_check(client, "user", 0, 5);
	assert_int_equal(client_stats_of(client).malformed, 2);
	mr_client_close(client);
}

// ---- servers -----------------------------------------------------------------------------------

static void test_fail_over(void **state)
{
	char servers[80];
	struct mr_client *client;

	(void)state;
	fake_start(&fake2);
	snprintf(servers, sizeof(servers), "%s,%s", client_fake.address, fake2.address);
	client = client_open(servers, &client_quick);
	assert_string_equal(mr_client_server_name(client), client_fake.address);
	client_get_and_check(client, "user", 0, 300);
	assert_int_equal(fake2.n_requests[MR_WIRE_OP_GET], 0);
	fake_set(&client_fake, &(struct fake_faults){.silent = true});
	client_get_and_check(client, "user", 0, 300);
	assert_string_equal(mr_client_server_name(client), fake2.address);
	assert_int_equal(client_stats_of(client).failovers, 1);
	assert_int_equal(client_stats_of(client).lost, 0);
	// And back, when the second goes away for good: the kernel says so at once.
	fake_set(&client_fake, &(struct fake_faults){0});
	fake_stop(&fake2);
	client_get_and_check(client, "user", 0, 300);
	assert_string_equal(mr_client_server_name(client), client_fake.address);
	mr_client_close(client);
}

static void test_open_skips_a_dead_server(void **state)
{
	char servers[80];
	struct mr_client *client;

	(void)state;
	fake_start(&fake2);
	snprintf(servers, sizeof(servers), "%s,%s", fake2.address, client_fake.address);
	fake_stop(&fake2);
	client = client_open(servers, &client_quick);
	assert_string_equal(mr_client_server_name(client), client_fake.address);
	client_get_and_check(client, "user", 0, 10);
	mr_client_close(client);
}

static void test_open_fails_with_a_message(void **state)
{
	static const struct {
		const char *servers;
		int error;
		const char *text;
	} cases[] = {
		{"", EINVAL, "expected HOST"},
		{"127.0.0.1,,127.0.0.1", EINVAL, "expected HOST"},
		{"[::1", EINVAL, "expected HOST"},
		{"127.0.0.1:", EINVAL, "expected HOST"},
		{":7411", EINVAL, "expected HOST"},
		{"127.0.0.1:port", EHOSTUNREACH, "check the name"},
		{"127.0.0.1:1", ETIMEDOUT, "no server answered (127.0.0.1:1)"},
		{"[::1]:1", ETIMEDOUT, "no server answered ([::1]:1)"},
	};
	const struct mr_client_options bad = {.n_sockets = 1000};
	struct mr_err err;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		err.text[0] = '\0';
		assert_null(mr_client_open(cases[i].servers, &client_quick, &err));
		// A machine without IPv6 says so in its own words.
		if (cases[i].servers[0] == '[' && errno != cases[i].error)
			continue;
		if (strstr(err.text, cases[i].text) == NULL && err.text[0] != '\0')
			print_error("%s: %s\n", cases[i].servers, err.text);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_int_equal(errno, cases[i].error);
	}
	assert_null(mr_client_open(client_fake.address, &bad, &err));
	assert_int_equal(errno, EINVAL);
	fake_set(&client_fake, &(struct fake_faults){.version = 9});
	assert_null(mr_client_open(client_fake.address, &client_quick, &err));
	assert_int_equal(errno, EPROTO);
	assert_non_null(strstr(err.text, "version"));
	mr_client_close(NULL);
}

// ---- names and changes -------------------------------------------------------------------------

static void test_unknown_names(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_quick);
	struct mr_err err;
	char longest[100];

	(void)state;
	assert_null(mr_client_resolve(client, "nobody", &err));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "no view or set 'nobody'"));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(mr_client_resolve(client, longest, &err));
	assert_int_equal(errno, ENOENT);
	fake_set(&client_fake, &(struct fake_faults){.silent = true});
	assert_null(mr_client_resolve(client, "user", &err));
	assert_int_equal(errno, ETIMEDOUT);
	fake_set(&client_fake, &(struct fake_faults){0});
	client_get_and_check(client, "user", 0, 3);
	mr_client_close(client);
}

static void test_a_changed_layout_is_followed(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	const struct mr_schema *old = mr_client_view_schema(view, 0);
	struct mr_client_key *keys = client_make_keys(0, 1000);
	struct mr_client_result *before, *result;
	struct mr_client_column column;

	(void)state;
	assert_int_equal(mr_client_get(client, view, keys, 1000, &before), 0);
	fake_set(&client_fake, &(struct fake_faults){.new_layout = true});
	assert_int_equal(mr_client_get(client, view, keys, 1000, &result), 0);
	client_check_result(result, 0, 1000);
	assert_int_equal(mr_client_result_find(result, "extra", &column), 0);
	assert_int_equal(mr_client_result_find(before, "extra", &column), -ENOENT);
	client_check_result(before, 0, 1000);
	assert_int_equal(client_stats_of(client).refreshes, 1);
	mr_client_result_free(result);
	// Rows of the old schema are refused, those of the new one are not.
	result = client_put_users(client, old, 0, 3, 1);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_STALE), 3);
	mr_client_result_free(result);
	view = client_resolve(client, "user");
	assert_ptr_not_equal(mr_client_view_schema(view, 0), old);
	result = client_put_users(client, mr_client_view_schema(view, 0), 0, 3, 1);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 3);
	mr_client_result_free(result);
	mr_client_result_free(before);
	free(keys);
	mr_client_close(client);
}

static void test_close_with_calls_open(void **state)
{
	struct mr_client *client = client_open(client_fake.address, &client_calm);
	struct mr_client_view *view = client_resolve(client, "user");
	struct mr_client_key *keys = client_make_keys(0, 3000);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(mr_client_submit_get(client, view, keys, 3000, NULL), 0);
	mr_client_poll(client, 0);
	free(keys);
	mr_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(test_values_by_name),
		CLIENT_TEST(test_any_number_of_keys),
		CLIENT_TEST(test_rows_in_pieces),
		CLIENT_TEST(test_async),
		CLIENT_TEST(test_strong),
		CLIENT_TEST(test_ping),
		CLIENT_TEST(test_put_and_delete),
		CLIENT_TEST(test_bad_writes),
		CLIENT_TEST(test_faults),
		CLIENT_TEST(test_lost_is_not_missing),
		CLIENT_TEST(test_late_replies_are_discarded),
		CLIENT_TEST(test_an_attempt_answered_late_still_counts),
		CLIENT_TEST(test_pieces_of_two_versions_do_not_mix),
		CLIENT_TEST(test_damaged_rows_are_asked_again),
		CLIENT_TEST(test_fail_over),
		CLIENT_TEST(test_open_skips_a_dead_server),
		CLIENT_TEST(test_open_fails_with_a_message),
		CLIENT_TEST(test_steering),
		CLIENT_TEST(test_times),
		CLIENT_TEST(test_unknown_names),
		CLIENT_TEST(test_a_changed_layout_is_followed),
		CLIENT_TEST(test_close_with_calls_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
