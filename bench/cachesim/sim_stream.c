// SPDX-License-Identifier: BSD-3-Clause
#include "sim_stream.h"

#include "mr_rng.h"
#include "sim_policy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MIN_BYTES 64
#define ROW_DOUBLINGS 6

static uint16_t row_bytes(uint32_t key)
{
	struct mr_rng rng = {.state = key};

	return (uint16_t)(ROW_MIN_BYTES * exp2(ROW_DOUBLINGS * mr_rng_unit(&rng)));
}

int sim_stream_init(struct sim_stream *stream, const char *name, uint32_t n_accesses)
{
	*stream = (struct sim_stream){
		.keys = malloc(n_accesses * sizeof(*stream->keys)),
		.next = malloc(n_accesses * sizeof(*stream->next)),
		.n_accesses = n_accesses,
	};
	snprintf(stream->name, sizeof(stream->name), "%s", name);
	if (stream->keys != NULL && stream->next != NULL)
		return 0;
	sim_stream_free(stream);
	return -ENOMEM;
}

void sim_stream_free(struct sim_stream *stream)
{
	free(stream->keys);
	free(stream->next);
	free(stream->noise);
	free(stream->row_bytes);
	*stream = (struct sim_stream){.keys = NULL};
}

/** Numbers of ids: open addressing, at most half full. */
struct numbers {
	uint64_t *ids;
	uint32_t *numbers; //!< SIM_NEVER: free
	uint64_t mask;
	uint32_t n;
};

static uint32_t number_of(struct numbers *map, uint64_t id)
{
	struct mr_rng mix = {.state = id};

	for (uint64_t at = mr_rng_next(&mix) & map->mask;; at = (at + 1) & map->mask) {
		if (map->numbers[at] == SIM_NEVER) {
			map->ids[at] = id;
			map->numbers[at] = map->n++;
		}
		if (map->ids[at] == id)
			return map->numbers[at];
	}
}

static int number_all(struct sim_stream *stream, const uint64_t *ids)
{
	struct numbers map = {.mask = 1};
	int ret = -ENOMEM;

	while (map.mask < 2 * (uint64_t)stream->n_accesses)
		map.mask *= 2;
	map.ids = malloc(map.mask * sizeof(*map.ids));
	map.numbers = malloc(map.mask * sizeof(*map.numbers));
	if (map.ids != NULL && map.numbers != NULL) {
		memset(map.numbers, 0xff, map.mask * sizeof(*map.numbers));
		map.mask--;
		for (uint32_t i = 0; i < stream->n_accesses; i++)
			stream->keys[i] = number_of(&map, ids[i]);
		stream->n_keys = map.n;
		ret = 0;
	}
	free(map.ids);
	free(map.numbers);
	return ret;
}

int sim_stream_finish(struct sim_stream *stream, const uint64_t *ids)
{
	uint32_t *seen;

	if (number_all(stream, ids) != 0)
		return -ENOMEM;
	seen = malloc(stream->n_keys * sizeof(*seen));
	stream->row_bytes = malloc(stream->n_keys * sizeof(*stream->row_bytes));
	if (seen == NULL || stream->row_bytes == NULL) {
		free(seen);
		return -ENOMEM;
	}
	for (uint32_t key = 0; key < stream->n_keys; key++)
		stream->row_bytes[key] = row_bytes(key);
	memset(seen, 0xff, stream->n_keys * sizeof(*seen));
	for (uint32_t i = stream->n_accesses; i-- > 0;) {
		stream->next[i] = seen[stream->keys[i]];
		seen[stream->keys[i]] = i;
	}
	free(seen);
	return 0;
}
