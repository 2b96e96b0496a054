// SPDX-License-Identifier: BSD-3-Clause
//
// The client against a server that answers, delays, duplicates, reorders, drops, splits and lies.

#include "fake_server.h"
#include "mr_client.h"
#include "mr_units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

static struct fake fake, fake2;
// For tests in which answers fail to come, and for all others: a busy machine is no lost datagram.
static const struct mr_client_options quick = {.timeout_us = 100000, .n_sockets = 2};
static const struct mr_client_options calm = {.timeout_us = 5000000, .n_sockets = 2};

static int start(void **state)
{
	(void)state;
	fake_start(&fake);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

static struct mr_client *open_client(const char *servers, const struct mr_client_options *options)
{
	struct mr_err err = {""};
	struct mr_client *client = mr_client_open(servers, options, &err);

	if (client == NULL)
		print_error("%s\n", err.text);
	assert_non_null(client);
	return client;
}

static struct mr_client_view *resolve(struct mr_client *client, const char *name)
{
	struct mr_err err = {""};
	struct mr_client_view *view = mr_client_resolve(client, name, &err);

	if (view == NULL)
		print_error("%s\n", err.text);
	assert_non_null(view);
	return view;
}

/** Keys first, first + 1, ... as u64. Owner: the caller. */
static struct mr_client_key *make_keys(uint64_t first, size_t n)
{
	struct mr_client_key *keys = calloc(n, sizeof(*keys) + 8);
	uint8_t *bytes = (uint8_t *)(keys + n);

	for (size_t i = 0; i < n; i++) {
		mr_store_be64(bytes + i * 8, first + i);
		keys[i] = (struct mr_client_key){bytes + i * 8, 8};
	}
	return keys;
}

static enum mr_client_status want_status(uint64_t key)
{
	return key % 10 == 7   ? MR_CLIENT_BUSY
	       : key % 10 == 8 ? MR_CLIENT_EXPIRED
	       : key % 10 == 9 ? MR_CLIENT_NOT_FOUND
	                       : MR_CLIENT_OK;
}

static void check_row(
	const struct mr_client_result *result, size_t i, unsigned set, uint64_t key, bool second)
{
	const struct mr_view_part *part = &mr_client_result_view(result)->parts[set];
	uint8_t row[MR_ROW_MAX_BYTES], want[MR_ROW_MAX_BYTES];
	uint32_t row_bytes = fake_row(part->schema, key, second, row), got_bytes;
	int want_bytes = mr_view_part_copy(part, row, row_bytes, want, sizeof(want));
	const void *got = mr_client_result_row(result, i, set, &got_bytes);

	assert_non_null(got);
	assert_int_equal(got_bytes, want_bytes);
	assert_memory_equal(got, want, got_bytes);
	assert_int_equal(
		mr_client_result_event_time_us(result, i, set), FAKE_EVENT_TIME_US + second);
}

/** Every key has the status and the row that the server's function gives. */
static void check_result(const struct mr_client_result *result, uint64_t first, size_t n)
{
	assert_int_equal(mr_client_result_n_keys(result), n);
	for (size_t i = 0; i < n; i++)
		for (unsigned set = 0; set < mr_client_result_n_sets(result); set++) {
			enum mr_client_status status = mr_client_result_status(result, i, set);

			assert_string_equal(mr_client_status_name(status),
				mr_client_status_name(want_status(first + i)));
			if (status == MR_CLIENT_OK)
				check_row(result, i, set, first + i, false);
		}
}

static void get_and_check(struct mr_client *client, const char *name, uint64_t first, size_t n)
{
	struct mr_client_key *keys = make_keys(first, n);
	struct mr_client_result *result;

	assert_int_equal(mr_client_get(client, resolve(client, name), keys, n, &result), 0);
	free(keys);
	check_result(result, first, n);
	mr_client_result_free(result);
}

static struct mr_client_stats stats_of(const struct mr_client *client)
{
	struct mr_client_stats stats;

	mr_client_stats(client, &stats);
	return stats;
}

// ---- what goes well ----------------------------------------------------------------------------

static void test_values_by_name(void **state)
{
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "ctr");
	struct mr_client_key *keys = make_keys(121, 9);
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
	struct mr_client *client = open_client(fake.address, &calm);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(counts); i++) {
		get_and_check(client, "user", 1000 * i, counts[i]);
		get_and_check(client, "ctr", 1000 * i, counts[i]);
	}
	assert_int_equal(stats_of(client).malformed, 0);
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

		fake_set(&fake, &faults);
		client = open_client(fake.address, &calm);
		assert_int_equal(mr_client_max_payload_bytes(client), payloads[i]);
		get_and_check(client, "big", 0, 50);
		get_and_check(client, "user", 0, 600);
		assert_int_equal(stats_of(client).malformed, 0);
		mr_client_close(client);
	}
	assert_int_equal(fake.n_keys_max, MR_WIRE_KEYS_MAX);
}

static void test_async(void **state)
{
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	enum { N = 500 };
	bool seen[N] = {false};
	struct mr_client_result *result;
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct mr_client_key *keys = make_keys(i * 10, i % 7 + 1);

		assert_int_equal(
			mr_client_submit_get(client, view, keys, i % 7 + 1, (void *)(uintptr_t)i),
			0);
		free(keys);
	}
	assert_int_equal(mr_client_open_calls(client), N);
	// A synchronous call in between leaves the others alone.
	get_and_check(client, "item", 77, 20);
	while (mr_client_poll(client, 1000000) > 0)
		while ((result = mr_client_take(client)) != NULL) {
			uintptr_t i = (uintptr_t)mr_client_result_user(result);

			assert_false(seen[i]);
			seen[i] = true;
			check_result(result, i * 10, i % 7 + 1);
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
	struct mr_client *client = open_client(fake.address, &options);
	struct mr_client_view *view = resolve(client, "user");
	struct mr_client_key *keys = make_keys(0, 256);
	struct mr_client_read read = {.strong = true};
	struct mr_client_result *result;

	(void)state;
	assert_int_equal(mr_client_get_as(client, view, &read, keys, 256, &result), -EMSGSIZE);
	fake_set(&fake,
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
	assert_true(stats_of(client).retries > 10);
	free(keys);
	mr_client_close(client);
}

static void test_ping(void **state)
{
	struct mr_client *client = open_client(fake.address, &quick);
	uint64_t rtt_ns = 0;

	(void)state;
	assert_int_equal(mr_client_ping(client, &rtt_ns), 0);
	assert_in_range(rtt_ns, 1, MR_NS_PER_S);
	fake_set(&fake, &(struct fake_faults){.silent = true});
	assert_int_equal(mr_client_ping(client, &rtt_ns), -ETIMEDOUT);
	mr_client_close(client);
}

// ---- writes ------------------------------------------------------------------------------------

/** Writes n rows of `user` and returns the result. */
static struct mr_client_result *put_users(struct mr_client *client, const struct mr_schema *schema,
	uint64_t first, size_t n, uint64_t event_time_us)
{
	struct mr_client_key *keys = make_keys(first, n);
	struct mr_client_row *rows = calloc(n, sizeof(*rows));
	uint8_t *data = malloc(n * 512), *row = malloc(MR_ROW_MAX_BYTES);
	struct mr_client_result *result = NULL;

	for (size_t i = 0; i < n; i++) {
		rows[i].key = keys[i];
		rows[i].event_time_us = event_time_us;
		rows[i].row_bytes = fake_row(schema, first + i + 1, false, row);
		memcpy(data + i * 512, row, rows[i].row_bytes);
		rows[i].row = data + i * 512;
	}
	assert_int_equal(mr_client_put(client, schema, rows, n, &result), 0);
	free(keys);
	free(rows);
	free(data);
	free(row);
	return result;
}

static void test_put_and_delete(void **state)
{
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	const struct mr_schema *schema = mr_client_view_schema(view, 0);
	struct mr_client_result *result = put_users(client, schema, 5000, 1000, 100);
	struct mr_client_row row = {.event_time_us = 300};
	struct mr_client_key *key = make_keys(5000, 1);
	struct mr_client_column age;
	struct mr_value value;

	(void)state;
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 1000);
	assert_true(mr_client_result_durable(result));
	assert_null(mr_client_result_view(result));
	mr_client_result_free(result);
	// The same again changes nothing, and says so.
	result = put_users(client, schema, 5000, 1000, 100);
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
	struct mr_client *client = open_client(fake.address, &calm);
	const struct mr_schema *schema = mr_client_view_schema(resolve(client, "big"), 0);
	static const uint8_t junk[40000];
	struct mr_client_key *keys = make_keys(0, 4);
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
	assert_int_equal(mr_client_get(client, resolve(client, "big"), keys, 0, &result), -EINVAL);
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
		fake_set(&fake, &cases[i].faults);
		client = open_client(fake.address, &patient);
		get_and_check(client, "ctr", 100, 300);
		get_and_check(client, "big", 100, 20);
		assert_int_equal(stats_of(client).lost, 0);
		if (cases[i].faults.drop_attempts > 0)
			assert_true(stats_of(client).retries > 0);
		if (cases[i].faults.garbage)
			assert_true(stats_of(client).malformed > 0);
		mr_client_close(client);
	}
}

// A key always by the same socket, and the sockets' ports count them in their low bits.
static void test_steering(void **state)
{
	const struct mr_client_options steered = {
		.timeout_us = 5000000, .n_sockets = 3, .steer_by_key = true};
	struct mr_client *client = open_client(fake.address, &steered);
	struct mr_client_view *view = resolve(client, "user");
	uint16_t ports[4] = {0};
	unsigned used = 0;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		unsigned before = fake.n_requests[MR_WIRE_OP_GET], low;
		struct mr_client_key *keys = make_keys(i % 20, 1);
		struct mr_client_result *result;
		static unsigned first[20];

		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		mr_client_result_free(result);
		free(keys);
		assert_true(fake.n_requests[MR_WIRE_OP_GET] > before && before < 256);
		low = fake.get_ports[before] & 3;
		if (i < 20)
			first[i] = low;
		assert_int_equal(low, first[i % 20]);
		assert_true(ports[low] == 0 || ports[low] == fake.get_ports[before]);
		ports[low] = fake.get_ports[before];
		used |= 1u << low;
	}
	// Twenty keys on one of four sockets: not in this world.
	assert_int_not_equal(used & (used - 1), 0);
	mr_client_close(client);
}

static void test_lost_is_not_missing(void **state)
{
	struct mr_client *client = open_client(fake.address, &quick);
	struct mr_client_view *view = resolve(client, "user");
	struct mr_client_key *keys = make_keys(0, 300);
	struct mr_client_result *result;
	struct mr_client_column age = {0, 0};
	struct mr_value value;
	unsigned before;

	(void)state;
	before = fake.n_requests[MR_WIRE_OP_GET];
	fake_set(&fake, &(struct fake_faults){.silent = true});
	assert_int_equal(mr_client_get(client, view, keys, 300, &result), 0);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_LOST), 300);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_NOT_FOUND), 0);
	assert_int_equal(mr_client_result_value(result, 0, age, &value), -ETIMEDOUT);
	assert_int_equal(stats_of(client).lost, 300);
	mr_client_result_free(result);
	// Three attempts of each of two datagrams.
	assert_int_equal(fake.n_requests[MR_WIRE_OP_GET] - before, 6);
	assert_int_equal(stats_of(client).timeouts, 6);
	assert_int_equal(stats_of(client).retries, 4);
	free(keys);
	// It comes back, and the client has kept nothing against it.
	fake_set(&fake, &(struct fake_faults){0});
	get_and_check(client, "user", 0, 300);
	mr_client_close(client);
}

static void test_late_replies_are_discarded(void **state)
{
	// Long enough for a loaded machine to resolve the view in.
	const struct mr_client_options hasty = {
		.timeout_us = 200000, .attempts = 1, .n_sockets = 1};
	struct mr_client *client = open_client(fake.address, &hasty);
	struct mr_client *other = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	struct mr_client_key *keys = make_keys(0, 1);
	struct mr_client_result *result;

	(void)state;
	fake_set(&fake, &(struct fake_faults){.delay_us = 400000});
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		assert_int_equal(mr_client_result_status(result, 0, 0), MR_CLIENT_LOST);
		mr_client_result_free(result);
	}
	free(keys);
	fake_set(&fake, &(struct fake_faults){0});
	// The server has worked through what came before once this is answered.
	get_and_check(other, "user", 0, 1);
	mr_client_close(other);
	mr_client_poll(client, 0);
	get_and_check(client, "user", 30, 5);
	assert_int_equal(stats_of(client).late, 3);
	mr_client_close(client);
}

static void test_an_attempt_answered_late_still_counts(void **state)
{
	// The answer to the first attempt comes while the second is under way.
	const struct mr_client_options options = {
		.timeout_us = 15000, .n_sockets = 1, .attempts = 50};
	struct mr_client *client = open_client(fake.address, &options);

	(void)state;
	resolve(client, "user");
	fake_set(&fake, &(struct fake_faults){.delay_us = 25000});
	get_and_check(client, "user", 0, 1);
	assert_true(stats_of(client).retries >= 1);
	assert_int_equal(stats_of(client).lost, 0);
	mr_client_close(client);
}

static void test_pieces_of_two_versions_do_not_mix(void **state)
{
	// Every attempt sees another row: equal in length, other in every byte.
	const struct mr_client_options options = {.timeout_us = 10000, .attempts = 1000};
	struct fake_faults faults = {.max_payload = 512};
	struct mr_client *client;
	struct mr_client_view *view;
	struct mr_client_key *keys = make_keys(1, 1);

	(void)state;
	fake_set(&fake, &faults);
	client = open_client(fake.address, &options);
	view = resolve(client, "big");
	faults.alternate = true;
	faults.drop_percent = 20;
	fake_set(&fake, &faults);
	for (unsigned i = 0; i < 10; i++) {
		struct mr_client_result *result;

		assert_int_equal(mr_client_get(client, view, keys, 1, &result), 0);
		assert_int_equal(mr_client_result_status(result, 0, 0), MR_CLIENT_OK);
		check_row(result, 0, 0, 1,
			mr_client_result_event_time_us(result, 0, 0) != FAKE_EVENT_TIME_US);
		mr_client_result_free(result);
	}
	assert_true(stats_of(client).retries > 0);
	free(keys);
	mr_client_close(client);
}

static void test_damaged_rows_are_asked_again(void **state)
{
	struct mr_client *client = open_client(fake.address, &quick);

	(void)state;
	resolve(client, "user");
	fake_set(&fake, &(struct fake_faults){.bad_rows = 2});
	get_and_check(client, "user", 0, 5);
	assert_int_equal(stats_of(client).malformed, 2);
	mr_client_close(client);
}

// ---- servers -----------------------------------------------------------------------------------

static void test_fail_over(void **state)
{
	char servers[80];
	struct mr_client *client;

	(void)state;
	fake_start(&fake2);
	snprintf(servers, sizeof(servers), "%s,%s", fake.address, fake2.address);
	client = open_client(servers, &quick);
	assert_string_equal(mr_client_server_name(client), fake.address);
	get_and_check(client, "user", 0, 300);
	assert_int_equal(fake2.n_requests[MR_WIRE_OP_GET], 0);
	fake_set(&fake, &(struct fake_faults){.silent = true});
	get_and_check(client, "user", 0, 300);
	assert_string_equal(mr_client_server_name(client), fake2.address);
	assert_int_equal(stats_of(client).failovers, 1);
	assert_int_equal(stats_of(client).lost, 0);
	// And back, when the second goes away for good: the kernel says so at once.
	fake_set(&fake, &(struct fake_faults){0});
	fake_stop(&fake2);
	get_and_check(client, "user", 0, 300);
	assert_string_equal(mr_client_server_name(client), fake.address);
	mr_client_close(client);
}

static void test_open_skips_a_dead_server(void **state)
{
	char servers[80];
	struct mr_client *client;

	(void)state;
	fake_start(&fake2);
	snprintf(servers, sizeof(servers), "%s,%s", fake2.address, fake.address);
	fake_stop(&fake2);
	client = open_client(servers, &quick);
	assert_string_equal(mr_client_server_name(client), fake.address);
	get_and_check(client, "user", 0, 10);
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
		assert_null(mr_client_open(cases[i].servers, &quick, &err));
		// A machine without IPv6 says so in its own words.
		if (cases[i].servers[0] == '[' && errno != cases[i].error)
			continue;
		if (strstr(err.text, cases[i].text) == NULL && err.text[0] != '\0')
			print_error("%s: %s\n", cases[i].servers, err.text);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_int_equal(errno, cases[i].error);
	}
	assert_null(mr_client_open(fake.address, &bad, &err));
	assert_int_equal(errno, EINVAL);
	fake_set(&fake, &(struct fake_faults){.version = 9});
	assert_null(mr_client_open(fake.address, &quick, &err));
	assert_int_equal(errno, EPROTO);
	assert_non_null(strstr(err.text, "version"));
	mr_client_close(NULL);
}

static void test_cookies_are_renewed(void **state)
{
	// One attempt: asking for a new cookie must not count as one.
	const struct mr_client_options once = {.timeout_us = 5000000, .attempts = 1};
	struct mr_client *client;

	(void)state;
	fake_set(&fake, &(struct fake_faults){.need_cookie = true});
	client = open_client(fake.address, &once);
	get_and_check(client, "user", 0, 100);
	pthread_mutex_lock(&fake.lock);
	fake.cookie++;
	pthread_mutex_unlock(&fake.lock);
	get_and_check(client, "ctr", 0, 1000);
	assert_int_equal(stats_of(client).timeouts, 0);
	assert_int_equal(stats_of(client).refused, 0);
	mr_client_close(client);
}

static void test_cookies_are_renewed_in_time(void **state)
{
	const struct mr_client_options once = {
		.timeout_us = 5000000, .attempts = 1, .n_sockets = 1};
	const struct timespec nap = {.tv_nsec = 800000000};
	struct mr_client *client;

	(void)state;
	fake_set(&fake, &(struct fake_faults){.need_cookie = true, .cookie_valid_s = 1});
	client = open_client(fake.address, &once);
	get_and_check(client, "user", 0, 100);
	assert_int_equal(fake.n_requests[MR_WIRE_OP_HELLO], 1);
	nanosleep(&nap, NULL);
	get_and_check(client, "user", 0, 100);
	get_and_check(client, "user", 0, 100);
	assert_int_equal(fake.n_requests[MR_WIRE_OP_HELLO], 2);
	assert_int_equal(stats_of(client).refused, 0);
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
	assert_null(mr_client_open(fake.address, &options, &err));
	assert_int_equal(errno, EINVAL);
	assert_true(dprintf(fd, "[mac]\n7 = " FAKE_MAC_HEX "\n") > 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_null(mr_client_open(fake.address, &options, &err));
	assert_int_equal(errno, EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	fake_set(&fake, &(struct fake_faults){.need_mac = true, .need_cookie = true});
	client = open_client(fake.address, &calm);
	result =
		put_users(client, mr_client_view_schema(resolve(client, "user"), 0), 5000, 10, 100);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_REFUSED), 10);
	assert_string_equal(mr_client_result_refusal(result), "denied");
	mr_client_result_free(result);
	mr_client_close(client);

	client = open_client(fake.address, &options);
	resolve(client, "user");
	// Signed anew with the new cookie.
	pthread_mutex_lock(&fake.lock);
	fake.cookie++;
	pthread_mutex_unlock(&fake.lock);
	result = put_users(
		client, mr_client_view_schema(resolve(client, "user"), 0), 5000, 1000, 100);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 1000);
	mr_client_result_free(result);
	get_and_check(client, "user", 0, 100);
	mr_client_close(client);
	close(fd);
	unlink(path);
}

// ---- refusals and changes ----------------------------------------------------------------------

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
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	struct mr_client_key *keys = make_keys(0, 3);

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_client_result *result;

		fake_set(&fake, &(struct fake_faults){.result = cases[i].result});
		assert_int_equal(mr_client_get(client, view, keys, 3, &result), 0);
		assert_int_equal(mr_client_result_count(result, cases[i].get), 3);
		if (cases[i].refusal != NULL)
			assert_string_equal(mr_client_result_refusal(result), cases[i].refusal);
		else
			assert_null(mr_client_result_refusal(result));
		mr_client_result_free(result);
		result = put_users(client, mr_client_view_schema(view, 0), 0, 3, 1);
		assert_int_equal(mr_client_result_count(result, cases[i].put), 3);
		mr_client_result_free(result);
	}
	free(keys);
	mr_client_close(client);
}

static void test_unknown_names(void **state)
{
	struct mr_client *client = open_client(fake.address, &quick);
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
	fake_set(&fake, &(struct fake_faults){.silent = true});
	assert_null(mr_client_resolve(client, "user", &err));
	assert_int_equal(errno, ETIMEDOUT);
	fake_set(&fake, &(struct fake_faults){0});
	get_and_check(client, "user", 0, 3);
	mr_client_close(client);
}

static void test_a_changed_layout_is_followed(void **state)
{
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	const struct mr_schema *old = mr_client_view_schema(view, 0);
	struct mr_client_key *keys = make_keys(0, 1000);
	struct mr_client_result *before, *result;
	struct mr_client_column column;

	(void)state;
	assert_int_equal(mr_client_get(client, view, keys, 1000, &before), 0);
	fake_set(&fake, &(struct fake_faults){.new_layout = true});
	assert_int_equal(mr_client_get(client, view, keys, 1000, &result), 0);
	check_result(result, 0, 1000);
	assert_int_equal(mr_client_result_find(result, "extra", &column), 0);
	assert_int_equal(mr_client_result_find(before, "extra", &column), -ENOENT);
	check_result(before, 0, 1000);
	assert_int_equal(stats_of(client).refreshes, 1);
	mr_client_result_free(result);
	// Rows of the old schema are refused, those of the new one are not.
	result = put_users(client, old, 0, 3, 1);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_STALE), 3);
	mr_client_result_free(result);
	view = resolve(client, "user");
	assert_ptr_not_equal(mr_client_view_schema(view, 0), old);
	result = put_users(client, mr_client_view_schema(view, 0), 0, 3, 1);
	assert_int_equal(mr_client_result_count(result, MR_CLIENT_OK), 3);
	mr_client_result_free(result);
	mr_client_result_free(before);
	free(keys);
	mr_client_close(client);
}

static void test_close_with_calls_open(void **state)
{
	struct mr_client *client = open_client(fake.address, &calm);
	struct mr_client_view *view = resolve(client, "user");
	struct mr_client_key *keys = make_keys(0, 3000);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(mr_client_submit_get(client, view, keys, 3000, NULL), 0);
	mr_client_poll(client, 0);
	free(keys);
	mr_client_close(client);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_values_by_name),
		TEST(test_any_number_of_keys),
		TEST(test_rows_in_pieces),
		TEST(test_async),
		TEST(test_strong),
		TEST(test_ping),
		TEST(test_put_and_delete),
		TEST(test_bad_writes),
		TEST(test_faults),
		TEST(test_lost_is_not_missing),
		TEST(test_late_replies_are_discarded),
		TEST(test_an_attempt_answered_late_still_counts),
		TEST(test_pieces_of_two_versions_do_not_mix),
		TEST(test_damaged_rows_are_asked_again),
		TEST(test_fail_over),
		TEST(test_open_skips_a_dead_server),
		TEST(test_open_fails_with_a_message),
		TEST(test_cookies_are_renewed),
		TEST(test_cookies_are_renewed_in_time),
		TEST(test_writes_are_signed),
		TEST(test_refusals),
		TEST(test_steering),
		TEST(test_unknown_names),
		TEST(test_a_changed_layout_is_followed),
		TEST(test_close_with_calls_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
