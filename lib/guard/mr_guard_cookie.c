// SPDX-License-Identifier: BSD-3-Clause
#include "mr_guard_priv.h"
#include "mr_units.h"

// Byte 0: the period. Byte 1: of the nonce. The rest: the hash's upper 48 bits.
#define COOKIE_TAG_BITS 16u

static uint64_t make_cookie(
	const struct mr_siphash_key *secret, mr_address_t address, uint64_t period, uint8_t nonce)
{
	uint8_t message[24];
	uint64_t hash;

	mr_store_le64(message, (uint64_t)address);
	mr_store_le64(message + 8, (uint64_t)(address >> 64));
	mr_store_le64(message + 16, period << 8 | nonce);
	hash = mr_siphash(secret, message, sizeof(message));
	return hash >> COOKIE_TAG_BITS << COOKIE_TAG_BITS | (uint64_t)nonce << 8 | (period & 0xff);
}

// The secret of a period: two hashes under the master, told apart by the last byte.
static struct mr_siphash_key derive(const struct mr_siphash_key *master, uint64_t period)
{
	uint8_t message[9] = {0};
	struct mr_siphash_key secret;

	mr_store_le64(message, period);
	secret.k0 = mr_siphash(master, message, sizeof(message));
	message[8] = 1;
	secret.k1 = mr_siphash(master, message, sizeof(message));
	return secret;
}

void mr_guard_secrets_derive(struct mr_guard *guard, const struct mr_wire_keys *keys,
	uint64_t rotation_us, uint64_t now_us)
{
	guard->rotation_us = rotation_us;
	guard->period = now_us / rotation_us;
	guard->n_secrets = keys->n_secrets;
	for (unsigned i = 0; i < keys->n_secrets; i++) {
		guard->secrets[i] = derive(&keys->secrets[i], guard->period);
		guard->secrets[keys->n_secrets + i] = derive(&keys->secrets[i], guard->period - 1);
	}
}

uint64_t mr_guard_cookie(const struct mr_guard *guard, mr_address_t address, uint64_t nonce)
{
	uint64_t cookie;

	do {
		cookie = make_cookie(&guard->secrets[0], address, guard->period, (uint8_t)nonce++);
	} while (cookie == 0);
	return cookie;
}

bool mr_guard_cookie_holds(const struct mr_guard *guard, mr_address_t address, uint64_t cookie)
{
	uint64_t age = (uint8_t)(guard->period - cookie);

	if (cookie == 0 || age > 1)
		return false;
	for (unsigned i = 0; i < guard->n_secrets; i++)
		if (mr_siphash_equal(cookie,
			    make_cookie(&guard->secrets[age * guard->n_secrets + i], address,
				    guard->period - age, (uint8_t)(cookie >> 8))))
			return true;
	return false;
}

uint32_t mr_guard_cookie_valid_s(const struct mr_guard *guard, uint64_t now_us)
{
	uint64_t end_us = (guard->period + 2) * guard->rotation_us;
	uint64_t left_us = end_us > now_us ? end_us - now_us : 0;

	return (uint32_t)MR_MIN(MR_MAX(left_us / MR_US_PER_S, 1u), UINT32_MAX);
}

bool mr_guard_is_old(const struct mr_guard *guard, uint64_t now_us)
{
	return now_us / guard->rotation_us != guard->period;
}
