// SPDX-License-Identifier: BSD-3-Clause
//
// The generators of the fixed set. Ids of different parts of a stream are apart.
#include "sim_stream.h"

#include "mr_rng.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define COLD_IDS (UINT64_C(1) << 40)

/** Ranks by cumulated probability: any exponent. */
struct zipf {
	double *below; //!< by rank: probability of it and all before
	uint32_t n;
};

static int zipf_init(struct zipf *zipf, uint32_t n, double exponent)
{
	double sum = 0;

	zipf->n = n;
	zipf->below = malloc(n * sizeof(*zipf->below));
	if (zipf->below == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		sum += pow(i + 1.0, -exponent);
		zipf->below[i] = sum;
	}
	return 0;
}

static uint32_t zipf_rank(const struct zipf *zipf, struct mr_rng *rng)
{
	double u = mr_rng_unit(rng) * zipf->below[zipf->n - 1];
	uint32_t low = 0, high = zipf->n - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (zipf->below[middle] > u)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/** What a generator has at hand for one access. */
struct maker {
	const struct sim_generator *generator;
	struct zipf zipf;
	struct mr_rng rng;
	uint64_t n_cold; //!< cold ids so far
	uint32_t at;     //!< which access
	bool noise;
};

static int make(struct sim_stream *stream, const struct sim_generator *g,
	uint64_t (*id)(struct maker *maker))
{
	struct maker maker = {.generator = g, .rng = {.state = 42}};
	uint64_t *ids = malloc(g->n_accesses * sizeof(*ids));
	int ret = sim_stream_init(stream, g->name, g->n_accesses);

	if (ret == 0)
		ret = zipf_init(&maker.zipf, g->n_keys, g->exponent);
	if (ret == 0 && (ids == NULL || (stream->noise = calloc(g->n_accesses, 1)) == NULL))
		ret = -ENOMEM;
	for (; ret == 0 && maker.at < g->n_accesses; maker.at++) {
		maker.noise = false;
		ids[maker.at] = id(&maker);
		stream->noise[maker.at] = maker.noise;
	}
	if (ret == 0)
		ret = sim_stream_finish(stream, ids);
	if (ret != 0)
		sim_stream_free(stream);
	free(maker.zipf.below);
	free(ids);
	return ret;
}

static uint64_t zipf_id(struct maker *m)
{
	return zipf_rank(&m->zipf, &m->rng);
}

static int make_zipf(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, zipf_id);
}

// Half of the time, in turns of a tenth of the Zipf keys, a scan over as many cold keys.
static uint64_t zipf_scan_id(struct maker *m)
{
	uint32_t turn = m->generator->n_keys / 10;

	m->noise = m->at / turn % 2 == 1;
	return m->noise ? COLD_IDS + m->n_cold++ % m->generator->n_keys : zipf_id(m);
}

static int make_zipf_scan(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, zipf_scan_id);
}

static uint64_t loop_id(struct maker *m)
{
	return m->at % m->generator->n_keys;
}

static int make_loop(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, loop_id);
}

// Nine of ten accesses to a hot set of a fiftieth of the keys, which is another one twenty times.
static uint64_t shifting_id(struct maker *m)
{
	uint32_t n = m->generator->n_keys, hot = n / 50;
	uint32_t period = m->at / (m->generator->n_accesses / 20);

	if (mr_rng_below(&m->rng, 10) == 0)
		return mr_rng_below(&m->rng, n);
	return (period * (uint64_t)hot + mr_rng_below(&m->rng, hot)) % n;
}

static int make_shifting(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, shifting_id);
}

// The most popular key becomes another one every hundred accesses; ranks move along.
static uint64_t drifting_id(struct maker *m)
{
	return zipf_id(m) + m->at / 100;
}

static int make_drifting(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, drifting_id);
}

static uint64_t one_hit_id(struct maker *m)
{
	return mr_rng_below(&m->rng, 2) == 0 ? COLD_IDS + m->n_cold++ : zipf_id(m);
}

static int make_one_hit(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, one_hit_id);
}

// Each key is asked for up to four times within some tens of accesses, as by a model that is called
// again and again for one user.
#define BURST_SPAN 64u
static uint64_t burst_id(struct maker *m)
{
	static uint64_t last[BURST_SPAN];
	uint64_t *slot = &last[mr_rng_below(&m->rng, BURST_SPAN)];

	if (m->at < BURST_SPAN)
		last[m->at] = zipf_id(m);
	if (m->at >= BURST_SPAN && mr_rng_below(&m->rng, 3) == 0)
		*slot = zipf_id(m);
	return *slot;
}

static int make_bursts(struct sim_stream *stream, const struct sim_generator *g)
{
	return make(stream, g, burst_id);
}

const struct sim_generator sim_generators[] = {
	{"zipf-0.7", make_zipf, 1000000, 100000, 0.7},
	{"zipf-0.99", make_zipf, 1000000, 100000, 0.99},
	{"zipf-1.2", make_zipf, 1000000, 200000, 1.2},
	{"zipf-0.9-scan", make_zipf_scan, 2000000, 100000, 0.9},
	{"loop", make_loop, 500000, 10000, 1},
	{"shifting-hot-set", make_shifting, 1000000, 50000, 1},
	{"drifting-zipf", make_drifting, 1000000, 100000, 0.99},
	{"one-hit-wonders", make_one_hit, 1000000, 100000, 0.9},
	{"bursts", make_bursts, 1000000, 100000, 0.8},
};
const unsigned sim_n_generators = MR_ARRAY_SIZE(sim_generators);
