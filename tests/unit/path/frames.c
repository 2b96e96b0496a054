// SPDX-License-Identifier: BSD-3-Clause
#include "frames.h"

static void take(struct frame *frame, struct rte_mbuf *m)
{
	assert_non_null(m);
	frame->bytes = m->pkt_len;
	memcpy(frame->data, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len);
	rte_pktmbuf_free(m);
}

static unsigned add(
	struct path *p, struct frame *frames, unsigned n, const uint8_t *request, unsigned bytes)
{
	take(&frames[n++], mr_fixture_frame(&p->f, request, bytes));
	if (n % 3 == 0)
		take(&frames[n++], mr_fixture_frame6(&p->f, request, bytes));
	return n;
}

static unsigned add_gets(struct path *p, struct frame *frames, unsigned n, uint8_t *request)
{
	static const uint16_t views[] = {
		PATH_USER, PATH_TEXT, PATH_PAIR, PATH_VIEW_FOUR, PATH_VIEW_PART, PATH_VIEW_WIDE};
	unsigned keys[16];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys); i++)
		keys[i] = i;
	for (unsigned v = 0; v < MR_ARRAY_SIZE(views); v++)
		n = add(p, frames, n, request,
			path_get(p, request, 1400, views[v], keys, v == 1 || v == 2 ? 4 : 16));
	return add(p, frames, n, request, path_get(p, request, 1400, PATH_USER, keys, 1));
}

static unsigned add_writes(struct path *p, struct frame *frames, unsigned n, uint8_t *request)
{
	uint8_t row[512];
	unsigned bytes = path_row_make(p, PATH_WAL, 0, row);
	struct path_write writes[3] = {{390, PATH_NOW_US, row, bytes},
		{391, PATH_NOW_US, row, bytes}, {390, PATH_NOW_US + 1, row, bytes}};

	n = add(p, frames, n, request,
		path_write(p, request, 1400, MR_WIRE_OP_PUT, PATH_WAL, writes, 3));
	for (unsigned i = 0; i < 3; i++)
		writes[i].row = NULL, writes[i].bytes = 0;
	return add(p, frames, n, request,
		path_write(p, request, 1400, MR_WIRE_OP_DELETE, PATH_WAL, writes, 3));
}

static unsigned add_others(struct path *p, struct frame *frames, unsigned n, uint8_t *request)
{
	struct mr_wire_ask ask = {.request_id = 7};
	static const uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0,
		1};

	n = add(p, frames, n, request, (unsigned)mr_wire_ping_encode(request, 1400, &ask));
	n = add(p, frames, n, request, (unsigned)mr_wire_hello_encode(request, 64, &ask, 9));
	n = add(p, frames, n, request,
		(unsigned)mr_wire_describe_encode(request, 800, &ask, "wide250", 5));
	memcpy(frames[n].data, arp, sizeof(arp));
	frames[n++].bytes = sizeof(arp);
	// An echo request, v4, whose checksum a mutant seldom keeps; this one is right.
	n = add(p, frames, n, request, 16);
	frames[n - 1].data[23] = IPPROTO_ICMP;
	return n;
}

unsigned frames_make(struct path *p, struct frame *frames)
{
	static uint8_t request[1472];
	unsigned n = 0;

	n = add_gets(p, frames, n, request);
	n = add_writes(p, frames, n, request);
	n = add_others(p, frames, n, request);
	assert_true(n <= FRAMES_MAX);
	return n;
}

// Lengths in the IP and UDP headers that agree with the frame, so that mutants get further.
static void mend_lengths(struct frame *frame)
{
	uint8_t *d = frame->data;

	if (frame->bytes >= 42 && d[12] == 8 && d[13] == 0) {
		mr_store_be16(d + 16, (uint16_t)(frame->bytes - 14));
		mr_store_be16(d + 38, (uint16_t)(frame->bytes - 34));
	} else if (frame->bytes >= 62 && d[12] == 0x86) {
		mr_store_be16(d + 18, (uint16_t)(frame->bytes - 54));
		mr_store_be16(d + 58, (uint16_t)(frame->bytes - 54));
	}
}

void frames_mutate(struct mr_rng *rng, const struct frame *frames, unsigned n, struct frame *out)
{
	static const uint8_t edges[] = {0, 1, 2, 7, 8, 127, 128, 254, 255};
	unsigned changes = (unsigned)mr_rng_below(rng, 6);

	*out = frames[mr_rng_below(rng, n)];
	if (mr_rng_below(rng, 8) == 0) {
		const struct frame *other = &frames[mr_rng_below(rng, n)];
		unsigned from = (unsigned)mr_rng_below(rng, MR_MIN(out->bytes, other->bytes));

		memcpy(out->data + from, other->data + from, other->bytes - from);
		out->bytes = other->bytes;
	}
	if (mr_rng_below(rng, 4) == 0)
		out->bytes = (unsigned)mr_rng_below(rng, out->bytes + 1);
	if (mr_rng_below(rng, 8) == 0)
		out->bytes = (unsigned)mr_rng_below(rng, 1480);
	for (unsigned i = 0; i < changes && out->bytes > 0; i++) {
		// Headers are where it matters: most changes go there.
		unsigned reach = mr_rng_below(rng, 3) != 0 ? MR_MIN(out->bytes, 110) : out->bytes;
		uint8_t *at = &out->data[mr_rng_below(rng, reach)];

		if (mr_rng_below(rng, 2) == 0)
			*at ^= (uint8_t)(1u << mr_rng_below(rng, 8));
		else
			*at = edges[mr_rng_below(rng, sizeof(edges))];
	}
	if (mr_rng_below(rng, 4) != 0)
		mend_lengths(out);
}
