// SPDX-License-Identifier: BSD-3-Clause
#include "mr_slowlog.h"

#include "mr_racy.h"

// Refusals kept in a second.
#define SAMPLES_PER_S 10u
// A record that changes this often while it is read is left out.
#define READ_TRIES 8u

void mr_slowlog_init(struct mr_slowlog *log, uint64_t above_us, uint64_t hz)
{
	memset(log, 0, sizeof(*log));
	log->above_cycles =
		above_us == 0 ? UINT64_MAX : (uint64_t)((double)above_us * (double)hz * 1e-6);
	log->keep_cycles = MR_SLOW_KEEP_S * hz;
	log->sample_cycles = hz / SAMPLES_PER_S;
}

bool mr_slowlog_wants(struct mr_slowlog *log, uint64_t cycles, uint64_t now_tsc)
{
	// why relaxed: a figure for people, with one writer.
	uint64_t seen = atomic_load_explicit(&log->seen[MR_SLOW_SLOWEST], memory_order_relaxed);

	atomic_store_explicit(&log->seen[MR_SLOW_SLOWEST], seen + 1, memory_order_relaxed);
	return cycles > log->floor_cycles || now_tsc >= log->floor_until_tsc;
}

static void put(
	struct mr_slowlog *log, enum mr_slow_kind kind, unsigned i, const struct mr_slow *slow)
{
	_Atomic uint32_t *seq = &log->slots[kind][i].seq;
	uint32_t n = atomic_load_explicit(seq, memory_order_relaxed);

	atomic_store_explicit(seq, n + 1, memory_order_relaxed);
	// why release: no byte of the record may be seen changed before the odd number.
	atomic_thread_fence(memory_order_release);
	mr_racy_copy(&log->slots[kind][i].record, slow, sizeof(*slow));
	// why release: whoever sees the even number sees the whole record; 0 stays "empty".
	atomic_store_explicit(seq, n + 2 != 0 ? n + 2 : 2, memory_order_release);
}

static bool is_empty(const struct mr_slowlog *log, unsigned i)
{
	return atomic_load_explicit(&log->slots[MR_SLOW_SLOWEST][i].seq, memory_order_relaxed) == 0;
}

// The place to use: an empty one, one too old, or the fastest's.
static unsigned find_place(const struct mr_slowlog *log, uint64_t now_tsc)
{
	unsigned fastest = 0;

	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++) {
		const struct mr_slow *r = &log->slots[MR_SLOW_SLOWEST][i].record;

		if (is_empty(log, i) || now_tsc - r->tsc >= log->keep_cycles)
			return i;
		if (r->cycles < log->slots[MR_SLOW_SLOWEST][fastest].record.cycles)
			fastest = i;
	}
	return fastest;
}

void mr_slowlog_add(struct mr_slowlog *log, const struct mr_slow *slow)
{
	uint64_t floor = UINT64_MAX, oldest = UINT64_MAX;
	unsigned place = find_place(log, slow->tsc);

	put(log, MR_SLOW_SLOWEST, place, slow);
	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++) {
		const struct mr_slow *r = &log->slots[MR_SLOW_SLOWEST][i].record;

		floor = MR_MIN(floor, is_empty(log, i) ? 0 : r->cycles);
		oldest = MR_MIN(oldest, is_empty(log, i) ? 0 : r->tsc);
	}
	log->floor_cycles = floor;
	log->floor_until_tsc = oldest + log->keep_cycles;
}

void mr_slowlog_sample(struct mr_slowlog *log, const struct mr_slow *slow)
{
	uint64_t seen = atomic_load_explicit(&log->seen[MR_SLOW_REFUSED], memory_order_relaxed);

	put(log, MR_SLOW_REFUSED, log->next_refused, slow);
	log->next_refused = (log->next_refused + 1) % MR_SLOW_RECORDS;
	log->sample_tsc = slow->tsc + log->sample_cycles;
	atomic_store_explicit(&log->seen[MR_SLOW_REFUSED], seen + 1, memory_order_relaxed);
}

static bool copy(
	const struct mr_slowlog *log, enum mr_slow_kind kind, unsigned i, struct mr_slow *ret)
{
	const _Atomic uint32_t *seq = &log->slots[kind][i].seq;

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		// why acquire: the record's bytes must not be read before its number.
		uint32_t before = atomic_load_explicit(seq, memory_order_acquire);

		if (before == 0)
			return false;
		mr_racy_copy(ret, &log->slots[kind][i].record, sizeof(*ret));
		// why acquire: nor the number again before the bytes.
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && atomic_load_explicit(seq, memory_order_relaxed) == before)
			return true;
	}
	return false;
}

unsigned mr_slowlog_read(
	const struct mr_slowlog *log, enum mr_slow_kind kind, struct mr_slow ret[MR_SLOW_RECORDS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++)
		n += copy(log, kind, i, &ret[n]);
	return n;
}

const char *mr_spent_name(enum mr_spent spent)
{
	static const char *const names[] = {
#define X(name, help) #name,
		MR_SPENTS(X)
#undef X
	};

	return (unsigned)spent < MR_SPENT_COUNT ? names[spent] : "none";
}
