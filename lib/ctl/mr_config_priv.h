// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Values of the configuration's table, from text and to text. For mr_config*.c only.
 */

#include "mr_config.h"

/**
 * Stores @p text as the value of @p key in @p base (a struct mr_config or, for keys of "port", a
 * struct mr_config_port).
 * @return 0, or -EINVAL with what is wrong; the place is put in front by the caller.
 */
int mr_config_value_parse(
	const struct mr_config_key *key, void *base, const char *text, struct mr_err *err);

/** The range of a key for a person: "1us to 10ms", "yes or no", ... */
void mr_config_range_text(const struct mr_config_key *key, char *text, size_t text_bytes);

/** A number in the unit of the key's type: "64M", "20ms", "0.001". */
void mr_config_number_text(
	const struct mr_config_key *key, double value, char *text, size_t text_bytes);

/** Whether a key stands in [port NAME]. */
bool mr_config_is_port_key(const struct mr_config_key *key);

/** Where a key's value is. */
static inline const void *mr_config_at(const struct mr_config *config,
	const struct mr_config_port *port, const struct mr_config_key *key)
{
	return mr_config_is_port_key(key) ? (const uint8_t *)port + key->offset
	                                  : (const uint8_t *)config + key->offset;
}
