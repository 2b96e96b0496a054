// SPDX-License-Identifier: BSD-3-Clause
//
// Frame in, frame out. The frame lies in memory of exactly its size, so that AddressSanitizer sees
// a read behind it. Both forms of the parser must agree; a reply must go to where the request came
// from, must not be longer than its payload allows, and must itself be a good packet.
#include "fuzz_frame.h"

#include "mr_net_fast.h"

#include <stdlib.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

// Reads a reply with its addressee's eyes.
static void check_udp_reply(const uint8_t *request, const struct mr_net_frame *at,
	const uint8_t *reply, unsigned bytes, unsigned payload_bytes)
{
	const unsigned l3 = at->l2_bytes, l4 = l3 + at->l3_bytes;
	struct mr_net_self peer = {.n_ip4 = !at->is_ip6, .n_ip6 = at->is_ip6};
	struct mr_net_frame back;

	memcpy(peer.mac, request + 6, 6);
	peer.udp_port = mr_load_be16(request + l4);
	if (at->is_ip6)
		memcpy(peer.ip6[0], request + l3 + 8, 16);
	else
		memcpy(&peer.ip4_be[0], request + l3 + 12, 4);
	check(mr_net_parse(&peer, reply, bytes, 0, &back) == MR_REASON_NONE);
	check(back.kind == MR_NET_UDP && back.payload_bytes == payload_bytes);
	check(!back.udp_cksum_zero && back.payload_at == at->payload_at);
	check(memcmp(reply + 6, request, 6) == 0);
	check(memcmp(reply + 12, request + 12, at->l2_bytes - 12u) == 0);
	check(memcmp(reply + l4, request + l4 + 2, 2) == 0);
	check(memcmp(reply + at->payload_at, request + at->payload_at, payload_bytes) == 0);
	if (at->is_ip6)
		check(memcmp(reply + l3 + 8, request + l3 + 24, 16) == 0);
	else
		check(memcmp(reply + l3 + 12, request + l3 + 16, 4) == 0);
}

static void reply_udp(
	const uint8_t *frame, const struct mr_net_frame *at, unsigned shorter, unsigned tx_cksum)
{
	unsigned payload_bytes = at->payload_bytes - MR_MIN(shorter, at->payload_bytes);
	unsigned bytes = at->payload_at + payload_bytes;
	uint8_t *reply = malloc(bytes);

	memcpy(reply, frame, bytes);
	check(mr_net_reply_udp_fast(reply, at, payload_bytes, tx_cksum) == bytes);
	check(mr_net_reply_udp_more(reply, at, payload_bytes, 0) == bytes);
	check_udp_reply(frame, at, reply, bytes, payload_bytes);
	free(reply);
}

static void reply_control(const uint8_t *frame, unsigned bytes, const struct mr_net_frame *at)
{
	unsigned room = MR_MAX(bytes, MR_NET_CONTROL_BYTES), length;
	uint8_t *reply = malloc(room);

	memcpy(reply, frame, bytes);
	length = mr_net_reply_control(&fuzz_frame_self, reply, at);
	check(length <= bytes || (at->kind == MR_NET_ND && length <= bytes + 8));
	check(memcmp(reply + 6, fuzz_frame_self.mac, 6) == 0);
	check((reply[0] & 1) != 0 ? at->kind == MR_NET_ND : memcmp(reply, frame + 6, 6) == 0);
	check(memcmp(reply + 12, frame + 12, at->l2_bytes - 12u) == 0);
	free(reply);
}

// What the RX lcore does with some of the frames that are not for it.
static void other(const uint8_t *frame, unsigned bytes, enum mr_reason reason)
{
	uint8_t *copy = malloc(bytes);
	unsigned length;

	memcpy(copy, frame, bytes);
	if (reason == MR_REASON_udp_port) {
		length = mr_net_reply_unreachable(copy);
		check(length <= bytes);
		check(length != 0 || memcmp(copy, frame, bytes) == 0);
	} else if (reason == MR_REASON_nd_not_ours) {
		mr_net_router_mtu(copy);
	}
	free(copy);
}

static void run(const uint8_t *frame, unsigned bytes, unsigned rx_checked, unsigned tx_cksum,
	unsigned shorter)
{
	struct mr_net_frame at, fast;
	enum mr_reason reason = mr_net_parse(&fuzz_frame_self, frame, bytes, rx_checked, &at);

	check(mr_net_parse_fast(&fuzz_frame_self, frame, bytes, rx_checked, &fast) == reason);
	if (reason != MR_REASON_NONE) {
		other(frame, bytes, reason);
		return;
	}
	check(memcmp(&at, &fast, FUZZ_FRAME_AT_BYTES) == 0);
	check(at.payload_at + at.payload_bytes <= bytes);
	if (at.kind == MR_NET_UDP)
		reply_udp(frame, &at, shorter, tx_cksum);
	else
		reply_control(frame, bytes, &at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned bytes;
	uint8_t *frame;

	if (size < FUZZ_FRAME_HEAD_BYTES || size > UINT16_MAX)
		return 0;
	bytes = (unsigned)size - FUZZ_FRAME_HEAD_BYTES;
	frame = malloc(bytes > 0 ? bytes : 1);
	memcpy(frame, data + FUZZ_FRAME_HEAD_BYTES, bytes);
	run(frame, bytes, data[0] & 3u, (data[0] >> 2) & 3u, data[1]);
	free(frame);
	return 0;
}
