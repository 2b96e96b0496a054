// SPDX-License-Identifier: BSD-3-Clause
//
// What it costs to validate a request: single-key and batch GETs, decoded in bursts as an RX lcore
// does, from datagrams that lie in L1 or L2 as after a prefetch. One JSON object a line on stdout;
// what it ran on goes to stderr.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "mr_rng.h"
#include "mr_wire.h"

#define BURST_MAX 64u
#define SLOT_BYTES 2048u // as far apart as mbufs
#define SLOT_OFFSET 42u  // after Ethernet, IPv4 and UDP: not aligned
#define REPEATS 15u
#define DATAGRAMS_A_REPEAT 400000u

struct shape {
	const char *name;
	unsigned keys;
	bool same_length;
	bool walk; // also step through the keys
};

static const struct shape shapes[] = {
	{"get1", 1, true, false},
	{"get1_walk", 1, true, true},
	{"get16", 16, true, false},
	{"get16_walk", 16, true, true},
	{"get64", 64, true, false},
	{"get64_walk", 64, true, true},
	{"get16_table", 16, false, false},
	{"get64_table", 64, false, false},
	{"get64_table_walk", 64, false, true},
};

static const unsigned bursts[] = {1, 8, 32, 64};

struct sample {
	double ns;
	double cycles;
};

static uint8_t slots[BURST_MAX][SLOT_BYTES];
static size_t slot_bytes[BURST_MAX];

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return 0;
#endif
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void make_datagrams(const struct shape *shape)
{
	static uint64_t words[64];
	struct mr_rng rng = {0x77697265};
	struct mr_wire_key keys[64];
	struct mr_wire_ask ask = {.view = 1};

	for (unsigned i = 0; i < BURST_MAX; i++) {
		for (unsigned k = 0; k < shape->keys; k++) {
			words[k] = mr_rng_next(&rng);
			keys[k].data = &words[k];
			keys[k].bytes = shape->same_length ? 8 : (uint8_t)(1 + words[k] % 8);
		}
		ask.request_id = i;
		slot_bytes[i] = (size_t)mr_wire_get_encode(
			slots[i] + SLOT_OFFSET, SLOT_BYTES - SLOT_OFFSET, &ask, keys, shape->keys);
	}
}

/** Decodes one burst. @return something that depends on all of it. */
static mr_noinline uint64_t decode_burst(unsigned from, unsigned n, bool walk)
{
	struct mr_wire_request reqs[BURST_MAX];
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += mr_wire_request_decode(
			slots[from + i] + SLOT_OFFSET, slot_bytes[from + i], &reqs[i]);
	// The next stage reads what this one wrote.
	for (unsigned i = 0; i < n; i++) {
		uint32_t cursor = 0;
		unsigned key_bytes;
		const uint8_t *key;

		sum += (uintptr_t)reqs[i].keys + reqs[i].view;
		while (walk && (key = mr_wire_key_next(&reqs[i], &cursor, &key_bytes)) != NULL)
			sum += key[0] + key_bytes;
	}
	return sum;
}

static struct sample measure(const struct shape *shape, unsigned burst, uint64_t *sink)
{
	unsigned rounds = DATAGRAMS_A_REPEAT / (shape->keys < 16 ? 1 : 8) / BURST_MAX;
	double count = (double)rounds * BURST_MAX;
	uint64_t start_ns = now_ns(), start = ticks();

	for (unsigned r = 0; r < rounds; r++)
		for (unsigned at = 0; at < BURST_MAX; at += burst)
			*sink += decode_burst(at, burst, shape->walk);
	return (struct sample){
		.cycles = (double)(ticks() - start) / count,
		.ns = (double)(now_ns() - start_ns) / count,
	};
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(const struct shape *shape, unsigned burst, const char *metric, double *values,
	const char *unit)
{
	qsort(values, REPEATS, sizeof(values[0]), by_value);
	printf("{\"bench\": \"wire\", \"case\": \"%s burst=%u\", \"metric\": \"%s\", "
	       "\"value\": %.2f, \"unit\": \"%s\", \"p10\": %.2f, \"p90\": %.2f}\n",
		shape->name, burst, metric, values[REPEATS / 2], unit, values[REPEATS / 10],
		values[REPEATS - 1 - REPEATS / 10]);
}

static void bench(const struct shape *shape, unsigned burst, uint64_t *sink)
{
	double ns[REPEATS], cycles[REPEATS];

	make_datagrams(shape);
	measure(shape, burst, sink); // warm up
	for (unsigned i = 0; i < REPEATS; i++) {
		struct sample sample = measure(shape, burst, sink);

		ns[i] = sample.ns;
		cycles[i] = sample.cycles;
	}
	report(shape, burst, "time_per_request", ns, "ns");
	report(shape, burst, "tsc_per_request", cycles, "cycles");
}

static void print_machine(void)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "model name", 10) == 0) {
			fprintf(stderr, "bench wire on %s", line);
			break;
		}
	if (f != NULL)
		fclose(f);
}

int main(void)
{
	uint64_t sink = 0;

	print_machine();
	for (size_t s = 0; s < MR_ARRAY_SIZE(shapes); s++)
		for (size_t b = 0; b < MR_ARRAY_SIZE(bursts); b++)
			bench(&shapes[s], bursts[b], &sink);
	fprintf(stderr, "(checksum %" PRIu64 ")\n", sink);
	return 0;
}
