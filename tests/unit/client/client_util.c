// SPDX-License-Identifier: BSD-3-Clause
#include "client_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake client_fake;

int client_start(void **state)
{
	(void)state;
	fake_start(&client_fake);
	return 0;
}

int client_stop(void **state)
{
	(void)state;
	fake_stop(&client_fake);
	return 0;
}

struct mr_client *client_open(const char *servers, const struct mr_client_options *options)
{
	struct mr_err err = {""};
	struct mr_client *client = mr_client_open(servers, options, &err);

	if (client == NULL)
		print_error("%s\n", err.text);
	assert_non_null(client);
	return client;
}

struct mr_client_view *client_resolve(struct mr_client *client, const char *name)
{
	struct mr_err err = {""};
	struct mr_client_view *view = mr_client_resolve(client, name, &err);

	if (view == NULL)
		print_error("%s\n", err.text);
	assert_non_null(view);
	return view;
}

struct mr_client_key *client_make_keys(uint64_t first, size_t n)
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

void client_check_row(
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

void client_check_result(const struct mr_client_result *result, uint64_t first, size_t n)
{
	assert_int_equal(mr_client_result_n_keys(result), n);
	for (size_t i = 0; i < n; i++)
		for (unsigned set = 0; set < mr_client_result_n_sets(result); set++) {
			enum mr_client_status status = mr_client_result_status(result, i, set);

			assert_string_equal(mr_client_status_name(status),
				mr_client_status_name(want_status(first + i)));
			if (status == MR_CLIENT_OK)
				client_check_row(result, i, set, first + i, false);
		}
}

void client_get_and_check(struct mr_client *client, const char *name, uint64_t first, size_t n)
{
	struct mr_client_key *keys = client_make_keys(first, n);
	struct mr_client_result *result;

	assert_int_equal(mr_client_get(client, client_resolve(client, name), keys, n, &result), 0);
	free(keys);
	client_check_result(result, first, n);
	mr_client_result_free(result);
}

struct mr_client_stats client_stats_of(const struct mr_client *client)
{
	struct mr_client_stats stats;

	mr_client_stats(client, &stats);
	return stats;
}

struct mr_client_result *client_put_users(struct mr_client *client, const struct mr_schema *schema,
	uint64_t first, size_t n, uint64_t event_time_us)
{
	struct mr_client_key *keys = client_make_keys(first, n);
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
