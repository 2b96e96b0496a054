// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include "mr_io_priv.h"

// The mean time between bursts with writes, of the last eight or so. A long pause says no more than
// that it was long.
static void note_gap(struct mr_io *io)
{
	uint64_t gap = MR_MIN(io->now_tsc - io->write_tsc, 2 * io->group_age_cycles);

	io->gap_cycles = io->gap_cycles - io->gap_cycles / 8 + gap / 8;
	io->write_tsc = io->now_tsc;
}

// The burst's mbufs, but for writes, which go to those that wait.
static void hold_writes(struct mr_io *io)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < io->n_mbufs; i++) {
		const uint8_t *req = mr_packet_payload(io->mbufs[i]);
		uint8_t op = req[offsetof(struct mr_wire_req, op)];

		if ((op != MR_WIRE_OP_PUT && op != MR_WIRE_OP_DELETE) ||
			io->n_held_writes == MR_IO_HELD_MAX) {
			io->mbufs[kept] = io->mbufs[i];
			io->from[kept++] = io->from[i];
			continue;
		}
		if (io->n_held_writes == 0)
			io->held_tsc = io->now_tsc;
		if (io->write_tsc != io->now_tsc)
			note_gap(io);
		io->held_rows += req[offsetof(struct mr_wire_req, key_count)];
		io->held_mbufs[io->n_held_writes] = io->mbufs[i];
		io->held_from[io->n_held_writes++] = io->from[i];
	}
	io->n_mbufs = kept;
}

// Whether to commit now: enough rows are there, the oldest has waited for long enough, or others
// are not to be expected while it may wait.
static bool is_due(const struct mr_io *io, uint64_t now_tsc)
{
	return io->held_rows >= io->p.group_rows || io->n_held_writes == MR_IO_HELD_MAX ||
	       now_tsc - io->held_tsc >= io->group_age_cycles ||
	       io->gap_cycles > io->group_age_cycles / 2;
}

bool mr_io_gather(struct mr_io *io)
{
	uint64_t now_tsc = rte_rdtsc();
	bool waited = io->n_held_writes > 0;

	hold_writes(io);
	if (io->n_held_writes == 0)
		return false;
	if (!is_due(io, now_tsc))
		return true;
	if (io->n_mbufs == 0) {
		// No burst came: its times are those of the last one.
		io->now_tsc = now_tsc;
		io->now_us = mr_clock_us(io->p.tiers->clock, now_tsc);
		io->published = mr_tiers_published(io->p.tiers);
		io->next = 0;
	}
	if (waited)
		mr_count(&io->counters.commits_waited, 1);
	for (unsigned i = 0; i < io->n_held_writes; i++) {
		io->mbufs[io->n_mbufs] = io->held_mbufs[i];
		io->from[io->n_mbufs++] = io->held_from[i];
	}
	io->n_held_writes = 0;
	io->held_rows = 0;
	return true;
}
