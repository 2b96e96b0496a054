// SPDX-License-Identifier: BSD-3-Clause
#include "mr_policy.h"

#include <rte_cycles.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "mr_units.h"

#define TEXT_BYTES 65536u

struct mr_policy {
	struct mr_tiers *tiers;
	unsigned n_rx;
	pthread_mutex_t lock; // all below
	struct mr_guard *guard;
	struct mr_config_security config;
	struct mr_wire_keys keys;
	struct mr_siphash_key own; // cookie secret where the keys file has none
	uint64_t generation;
};

static uint64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * MR_US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

static int load_keys(const struct mr_config_security *config, const struct mr_siphash_key *own,
	struct mr_wire_keys *ret_keys, struct mr_err *err)
{
	int ret = 0;

	*ret_keys = (struct mr_wire_keys){0};
	if (config->keys_file[0] != '\0')
		ret = mr_wire_keys_load(ret_keys, config->keys_file, err);
	if (ret < 0)
		mr_err_prefix(err, "[security] keys: ");
	else if (ret_keys->n_secrets == 0)
		ret_keys->secrets[ret_keys->n_secrets++] = *own;
	return ret;
}

static struct mr_guard *build(const struct mr_config_security *config,
	const struct mr_wire_keys *keys, unsigned n_rx, uint64_t generation, struct mr_err *err)
{
	struct mr_guard_params params = {
		.allow = config->allow,
		.trusted = config->trusted,
		.refuse = config->refuse,
		.writers = config->writers,
		.limits = config->limits,
		.limit_burst_us = config->limit_burst_us,
		.limit_dry_run = config->limit_dry_run,
		.unsafe = config->unsafe,
		.unproven_rate = config->unproven_rate,
		.rotation_us = config->rotation_us,
		.n_shares = n_rx,
		.tsc_hz = rte_get_tsc_hz(),
		.now_us = wall_us(),
		.generation = generation,
		.keys = keys,
	};

	return mr_guard_create(&params, err);
}

// Lock held, but for the first.
static int publish(struct mr_policy *policy, const struct mr_config_security *config,
	const struct mr_wire_keys *keys, struct mr_err *err)
{
	struct mr_guard *old = policy->guard;
	struct mr_guard *guard = build(config, keys, policy->n_rx, policy->generation + 1, err);

	if (guard == NULL)
		return -errno;
	policy->generation++;
	policy->guard = guard;
	// why release: pairs with the RX lcores' acquire; they must see the policy's bytes.
	atomic_store_explicit(&policy->tiers->guard, guard, memory_order_release);
	if (old != NULL) {
		mr_rcu_wait(policy->tiers->rcu);
		mr_guard_free(old);
	}
	return 0;
}

static int make_own_secret(struct mr_siphash_key *own, struct mr_err *err)
{
	if (getrandom(own, sizeof(*own), 0) != sizeof(*own))
		return mr_fail(err, EIO, "no random bytes for the cookie secret");
	return 0;
}

int mr_policy_reload(
	struct mr_policy *policy, const struct mr_config_security *config, struct mr_err *err)
{
	struct mr_wire_keys keys;
	int ret;

	pthread_mutex_lock(&policy->lock);
	ret = load_keys(config, &policy->own, &keys, err);
	if (ret == 0)
		ret = publish(policy, config, &keys, err);
	if (ret == 0) {
		policy->config = *config;
		policy->keys = keys;
	}
	mr_wire_keys_wipe(&keys);
	pthread_mutex_unlock(&policy->lock);
	return ret;
}

struct mr_policy *mr_policy_create(struct mr_tiers *tiers, const struct mr_config_security *config,
	unsigned n_rx, struct mr_err *err)
{
	struct mr_policy *policy = calloc(1, sizeof(*policy));
	int ret;

	if (policy == NULL) {
		mr_fail(err, ENOMEM, "no memory for the security policy");
		return NULL;
	}
	policy->tiers = tiers;
	policy->n_rx = n_rx;
	pthread_mutex_init(&policy->lock, NULL);
	ret = make_own_secret(&policy->own, err);
	if (ret == 0)
		ret = mr_policy_reload(policy, config, err);
	if (ret == 0)
		return policy;
	mr_policy_free(policy);
	errno = -ret;
	return NULL;
}

void mr_policy_free(struct mr_policy *policy)
{
	if (policy == NULL)
		return;
	atomic_store_explicit(&policy->tiers->guard, NULL, memory_order_release);
	mr_guard_free(policy->guard);
	pthread_mutex_destroy(&policy->lock);
	explicit_bzero(policy, sizeof(*policy));
	free(policy);
}

int mr_policy_turn(struct mr_policy *policy, struct mr_err *err)
{
	int ret = 0;

	pthread_mutex_lock(&policy->lock);
	if (mr_guard_is_old(policy->guard, wall_us()))
		ret = publish(policy, &policy->config, &policy->keys, err);
	pthread_mutex_unlock(&policy->lock);
	return ret;
}

static void print(const struct mr_guard *guard, FILE *out)
{
	char *text = malloc(TEXT_BYTES);

	if (text == NULL)
		return;
	mr_guard_describe(guard, text, TEXT_BYTES);
	fputs(text, out);
	free(text);
}

void mr_policy_print(struct mr_policy *policy, FILE *out)
{
	pthread_mutex_lock(&policy->lock);
	print(policy->guard, out);
	pthread_mutex_unlock(&policy->lock);
}

int mr_policy_check(const struct mr_config_security *config, FILE *out, struct mr_err *err)
{
	struct mr_siphash_key own = {0};
	struct mr_wire_keys keys;
	struct mr_guard *guard;
	int ret = load_keys(config, &own, &keys, err);

	if (ret < 0)
		return ret;
	guard = build(config, &keys, 1, 1, err);
	mr_wire_keys_wipe(&keys);
	if (guard == NULL)
		return -errno;
	print(guard, out);
	for (unsigned i = 0; i < guard->n_warnings; i++)
		fprintf(out, "WARNING: %s\n", guard->warnings[i]);
	mr_guard_free(guard);
	return 0;
}

void mr_policy_warnings(
	struct mr_policy *policy, void (*fn)(const char *warning, void *arg), void *arg)
{
	pthread_mutex_lock(&policy->lock);
	for (unsigned i = 0; i < policy->guard->n_warnings; i++)
		fn(policy->guard->warnings[i], arg);
	pthread_mutex_unlock(&policy->lock);
}
