// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the frame target and the frame tests share. An input of the target is
 *
 *     byte 0     bits 0-1: MR_NET_RX_*, bits 2-3: MR_NET_TX_*
 *     byte 1     how much shorter than its request the reply's payload is
 *     byte 2..   the frame
 */

#include "mr_net.h"

#define FUZZ_FRAME_HEAD_BYTES 2u

/** What of a struct mr_net_frame can be compared: all but the padding at its end. */
#define FUZZ_FRAME_AT_BYTES (offsetof(struct mr_net_frame, udp_cksum_zero) + sizeof(bool))

/** 192.0.2.1, 198.51.100.7; 2001:db8::1, fe80::1; port 4100; 02:00:00:00:00:01. */
static const struct mr_net_self fuzz_frame_self = {
	.mac = {0x02, 0, 0, 0, 0, 0x01},
	.udp_port = 4100,
	.n_ip4 = 2,
	.n_ip6 = 2,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	.ip4_be = {0x010200c0, 0x076433c6},
#else
	.ip4_be = {0xc0000201, 0xc6336407},
#endif
	.ip6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, {0xfe, 0x80, [15] = 1}},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
