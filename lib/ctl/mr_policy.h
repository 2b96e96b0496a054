// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The keeper of the policy (lib/guard): builds it from [security] and the keys file, publishes it
 * to the RX lcores, and builds a new one for every reload and every period of the cookie secrets.
 * What cannot be built leaves the old one in force.
 *
 * Threads: any; one at a time inside. Publishing waits until every lcore has passed a quiescent
 * state.
 */

#include <stdio.h>

#include "mr_config.h"
#include "mr_guard.h"
#include "mr_tiers.h"

struct mr_policy;

/**
 * Builds and publishes the first policy, before RX lcores start.
 * @param n_rx
 *   RX lcores, which share limits evenly.
 * @return NULL with errno and a message: a list, a key or a combination that is refused.
 */
struct mr_policy *mr_policy_create(struct mr_tiers *tiers, const struct mr_config_security *config,
	unsigned n_rx, struct mr_err *err);

/** Takes the policy back; RX lcores have stopped. NULL is allowed. */
void mr_policy_free(struct mr_policy *policy);

/** Reads the keys file again, builds from @p config, publishes. @return 0 or -errno: no change. */
int mr_policy_reload(
	struct mr_policy *policy, const struct mr_config_security *config, struct mr_err *err);

/** Turns the cookie secrets if their period has passed. Often; costs a comparison. */
int mr_policy_turn(struct mr_policy *policy, struct mr_err *err);

/** Prints what is in force. */
void mr_policy_print(struct mr_policy *policy, FILE *out);

/**
 * Builds a policy and prints it and its warnings, without publishing: for --check.
 * @return 0 or -errno with a message.
 */
int mr_policy_check(const struct mr_config_security *config, FILE *out, struct mr_err *err);

/** Calls @p fn for each thing in force that an operator should be told of loudly. */
void mr_policy_warnings(
	struct mr_policy *policy, void (*fn)(const char *warning, void *arg), void *arg);
