// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

struct mr_small_terms mr_rx_terms(struct mr_rx *rx, struct rte_mbuf *m,
	const struct mr_wire_request *wire, mr_guard_class_t sender)
{
	const struct mr_guard *guard = rx->guard;
	const struct mr_packet *at = mr_packet(m);
	struct mr_small_terms terms = {0};
	struct mr_wire_hello hello;

	if (guard == NULL)
		return terms;
	if (guard->macs_needed)
		terms.flags |= MR_WIRE_HELLO_MAC_NEEDED;
	if (sender & MR_GUARD_TRUSTED)
		return terms;
	mr_wire_hello_get(wire, &hello);
	terms.flags |= MR_WIRE_HELLO_COOKIE_NEEDED;
	terms.cookie = mr_guard_cookie(guard,
		mr_rx_address(rte_pktmbuf_mtod(m, const uint8_t *) + at->l2_bytes, at->is_ip6),
		hello.nonce);
	terms.cookie_valid_s = mr_guard_cookie_valid_s(guard, rx->now_us);
	return terms;
}

bool mr_rx_may_write(struct mr_rx *rx, struct rte_mbuf *m, const struct mr_wire_request *wire,
	mr_guard_class_t sender)
{
	const struct mr_guard *guard = rx->guard;
	_Atomic uint64_t *why = NULL;

	if (guard == NULL)
		return true;
	if ((sender & MR_GUARD_WRITE) == 0)
		why = &rx->counters.write_denied;
	else if (guard->macs_needed && wire->mac == NULL)
		why = &rx->counters.mac_missing;
	else if (guard->macs_needed &&
		 !mr_wire_mac_holds(mr_packet_payload(m), mr_packet(m)->payload_bytes, guard->mac,
			 guard->n_mac))
		why = &rx->counters.mac_wrong;
	if (why != NULL)
		mr_count(why, 1);
	return why == NULL;
}
