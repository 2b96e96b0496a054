// SPDX-License-Identifier: BSD-3-Clause
#include "mr_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char catalog[] = "[set user]\nid = 1\nkey = u64\ncolumn age = i32\ncolumn city = string\n";

static struct mr_fixture fixture;

static int setup(void **state)
{
	struct mr_fixture_params params = { .catalog = catalog };

	(void)state;
	return mr_fixture_init(&fixture, &params);
}

static int teardown(void **state)
{
	(void)state;
	mr_fixture_done(&fixture);
	return 0;
}

static void ping(void **state)
{
	struct mr_wire_ask ask = { .request_id = 42 };
	struct mr_wire_reply reply;
	uint8_t request[64];
	struct rte_mbuf *m;
	const uint8_t *payload;
	unsigned bytes;
	int n = mr_wire_ping_encode(request, sizeof(request), &ask);

	(void)state;
	assert_true(n > 0);
	m = mr_fixture_frame(&fixture, request, (unsigned)n);
	assert_int_equal(mr_fixture_send(&fixture, &m, 1), 1);
	mr_fixture_settle(&fixture);
	assert_int_equal(mr_fixture_receive(&fixture, &m, 1), 1);
	payload = mr_fixture_payload(m, &bytes);
	assert_int_equal(mr_wire_reply_decode(payload, bytes, &reply), MR_WIRE_DEFECT_NONE);
	assert_int_equal(reply.request_id, 42);
	assert_int_equal(reply.result, MR_WIRE_RESULT_OK);
	rte_pktmbuf_free(m);
	assert_true(mr_fixture_balanced(&fixture));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ping, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
