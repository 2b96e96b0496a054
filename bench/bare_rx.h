// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Other names for everything of lib/rx that other files see. bench_telemetry compiles lib/rx a
 * second time with these names and -DMR_TELEMETRY_OFF, and has both in one program, so that they
 * take turns over the same memory. What is missing here is a duplicate when that is linked.
 */

#define mr_rx_ages bare_rx_ages
#define mr_rx_announce bare_rx_announce
#define mr_rx_announce_asked bare_rx_announce_asked
#define mr_rx_collect bare_rx_collect
#define mr_rx_counters bare_rx_counters_of
#define mr_rx_create bare_rx_create
#define mr_rx_drop bare_rx_drop
#define mr_rx_free bare_rx_free
#define mr_rx_handoff bare_rx_handoff
#define mr_rx_in_flight bare_rx_in_flight
#define mr_rx_may_write bare_rx_may_write
#define mr_rx_note_late bare_rx_note_late
#define mr_rx_note_refused bare_rx_note_refused
#define mr_rx_note_slow bare_rx_note_slow
#define mr_rx_other bare_rx_other_of
#define mr_rx_other_init bare_rx_other_init
#define mr_rx_overran bare_rx_overran
#define mr_rx_parse bare_rx_parse
#define mr_rx_probe bare_rx_probe
#define mr_rx_receive bare_rx_receive
#define mr_rx_reply bare_rx_reply
#define mr_rx_reply_get bare_rx_reply_get
#define mr_rx_router_mtu bare_rx_router_mtu
#define mr_rx_run bare_rx_run
#define mr_rx_sample bare_rx_sample
#define mr_rx_send_chain bare_rx_send_chain
#define mr_rx_send_control bare_rx_send_control
#define mr_rx_set_counters bare_rx_set_counters
#define mr_rx_terms bare_rx_terms
#define mr_rx_times bare_rx_times
#define mr_rx_transmit bare_rx_transmit
#define mr_rx_turn bare_rx_turn
#define mr_rx_from_kernel bare_rx_from_kernel
#define mr_rx_to_kernel bare_rx_to_kernel
