// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mr_io_priv.h"
#include "mr_units.h"

struct mr_io *mr_io_create(const struct mr_io_params *params)
{
	struct mr_io *io =
		mr_mem_alloc("mr_io", sizeof(*io), MR_CACHE_LINE_BYTES, params->lcore->node);

	static_assert(MR_IO_GROUP_LOOKUPS <= MR_PROBE_GROUP_MAX, "a group fits the probe");
	if (io == NULL)
		return NULL;
	io->p = *params;
	io->slot = params->lcore->lcore_id;
	if (io->p.group_rows == 0)
		io->p.group_rows = MR_IO_GROUP_RECORDS;
	io->group_age_cycles = io->p.group_age_us * rte_get_tsc_hz() / MR_US_PER_S;
	io->gap_cycles = 2 * io->group_age_cycles;
	mr_slowlog_init(&io->counters.slowlog, params->slow_above_us, rte_get_tsc_hz());
	io->slow_above_cycles = io->counters.slowlog.above_cycles;
	io->reader = mr_store_reader_create(params->store, MR_PROBE_MAX);
	if (io->reader == NULL) {
		mr_mem_free(io);
		return NULL;
	}
	return io;
}

void mr_io_free(struct mr_io *io)
{
	if (io == NULL)
		return;
	mr_store_reader_free(io->reader);
	mr_mem_free(io);
}

struct mr_io_counters *mr_io_counters(struct mr_io *io)
{
	return &io->counters;
}

struct mr_set_counters *mr_io_set_counters(struct mr_io *io)
{
	return io->sets;
}

unsigned mr_io_turn(struct mr_io *io)
{
	unsigned n = mr_io_take(io);

	// Whoever holds writes back must not sleep: their time may be up before its is.
	if (io->p.group_age_us != 0)
		n += mr_io_gather(io);
	// why relaxed: figures for the watchdog.
	if (n > 0)
		atomic_store_explicit(
			&io->counters.turn_start_tsc, io->now_tsc, memory_order_relaxed);
	while (io->next < io->n_mbufs) {
		mr_io_sort(io);
		if (io->n_gets > 0) {
			mr_io_lookup(io);
			mr_io_read(io);
			mr_io_answer(io);
		}
		mr_io_write(io);
	}
	mr_io_enter(io, MR_IO_STAGE_give);
	mr_io_give(io);
	if (n > 0)
		atomic_store_explicit(&io->counters.turn_start_tsc, 0, memory_order_relaxed);
	mr_rcu_quiescent(io->p.tiers->rcu, io->slot);
	return n;
}

int mr_io_run(void *arg)
{
	struct mr_io *io = arg;
	// For the watchdog, which could not open it once privileges are dropped.
	int file = open("/proc/thread-self/syscall", O_RDONLY | O_CLOEXEC);

	atomic_store_explicit(&io->counters.syscall_file, file + 1, memory_order_relaxed);
	mr_rcu_join(io->p.tiers->rcu, io->slot);
	// why relaxed: a stop may be seen a turn late, and nothing else hangs on it.
	while (!atomic_load_explicit(io->p.stop, memory_order_relaxed)) {
		uint64_t start = rte_rdtsc();
		unsigned n = mr_io_turn(io);

		if (n == 0)
			mr_idler_rest(&io->p.idler);
		else
			mr_idler_worked(&io->p.idler);
		mr_count(n > 0 ? &io->counters.busy_cycles : &io->counters.idle_cycles,
			rte_rdtsc() - start);
	}
	mr_rcu_leave(io->p.tiers->rcu, io->slot);
	atomic_store_explicit(&io->counters.syscall_file, 0, memory_order_relaxed);
	if (file >= 0)
		close(file);
	return 0;
}
