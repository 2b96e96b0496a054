// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_eal.h"
#include "mr_policy.h"

#include <time.h>

#define SENDER (MR_ADDRESS_IP4 | 0x0a000001)

static struct mr_config_security defaults(void)
{
	struct mr_config config;

	mr_config_init(&config);
	snprintf(config.security.allow, sizeof(config.security.allow), "10.0.0.0/8");
	return config.security;
}

static struct mr_policy *create(struct rig *rig, const struct mr_config_security *config)
{
	struct mr_err err = {""};
	struct mr_policy *policy = mr_policy_create(&rig->tiers, config, 2, &err);

	if (policy == NULL)
		fail_msg("%s", err.text);
	return policy;
}

static void test_what_is_wrong_changes_nothing(void **state)
{
	static const struct {
		const char *allow, *trusted, *keys, *error;
	} cases[] = {
		{"10.0.0.0/33", "", "", "[security] allow: "},
		{"", "0.0.0.0/0", "", "unsafe = yes"},
		{"10.0.0.0/8", "", "/nonexistent/keys", "[security] keys: /nonexistent/keys"},
	};
	struct mr_config_security config = defaults();
	const struct mr_guard *guard;
	struct mr_policy *policy;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	policy = create(&rig, &config);
	guard = mr_tiers_guard(&rig.tiers);
	assert_int_equal(mr_guard_classify(guard, SENDER), MR_GUARD_ALLOWED);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_config_security bad = config;
		struct mr_err err = {""};

		snprintf(bad.allow, sizeof(bad.allow), "%s", cases[i].allow);
		snprintf(bad.trusted, sizeof(bad.trusted), "%s", cases[i].trusted);
		snprintf(bad.keys_file, sizeof(bad.keys_file), "%s", cases[i].keys);
		assert_true(mr_policy_reload(policy, &bad, &err) < 0);
		assert_non_null(strstr(err.text, cases[i].error));
		assert_ptr_equal(mr_tiers_guard(&rig.tiers), guard);
	}
	mr_policy_free(policy);
	assert_null(mr_tiers_guard(&rig.tiers));
	rig_done(&rig);
}

static void test_reloads_keep_cookies(void **state)
{
	struct mr_config_security config = defaults();
	struct mr_err err = {""};
	struct mr_policy *policy;
	uint64_t cookie, generation;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	policy = create(&rig, &config);
	cookie = mr_guard_cookie(mr_tiers_guard(&rig.tiers), SENDER, 1);
	generation = mr_tiers_guard(&rig.tiers)->generation;
	snprintf(config.allow, sizeof(config.allow), "10.0.0.0/16, fd00::/8");
	assert_int_equal(mr_policy_reload(policy, &config, &err), 0);
	assert_true(mr_tiers_guard(&rig.tiers)->generation > generation);
	assert_true(mr_guard_cookie_holds(mr_tiers_guard(&rig.tiers), SENDER, cookie));
	assert_int_equal(mr_policy_turn(policy, &err), 0);
	mr_policy_free(policy);
	rig_done(&rig);
}

static void test_secrets_turn(void **state)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	struct mr_config_security config = defaults();
	struct mr_err err = {""};
	struct mr_policy *policy;
	uint64_t cookie, period;
	struct rig rig;

	(void)state;
	config.rotation_us = 200000;
	rig_make(&rig);
	policy = create(&rig, &config);
	cookie = mr_guard_cookie(mr_tiers_guard(&rig.tiers), SENDER, 1);
	period = mr_tiers_guard(&rig.tiers)->period;
	while (mr_tiers_guard(&rig.tiers)->period == period) {
		assert_int_equal(mr_policy_turn(policy, &err), 0);
		nanosleep(&nap, NULL);
	}
	if (mr_tiers_guard(&rig.tiers)->period == period + 1)
		assert_true(mr_guard_cookie_holds(mr_tiers_guard(&rig.tiers), SENDER, cookie));
	while (mr_tiers_guard(&rig.tiers)->period < period + 2) {
		assert_int_equal(mr_policy_turn(policy, &err), 0);
		nanosleep(&nap, NULL);
	}
	assert_false(mr_guard_cookie_holds(mr_tiers_guard(&rig.tiers), SENDER, cookie));
	mr_policy_free(policy);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wrong_changes_nothing),
		cmocka_unit_test(test_reloads_keep_cookies),
		cmocka_unit_test(test_secrets_turn),
	};

	if (eal_start("--no-telemetry") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
