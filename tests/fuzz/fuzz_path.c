// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the whole path: an input is frames, each behind its length (u16, little-endian),
// that RX and I/O lcores take in one burst. Whatever they are, each is answered or counted, no mbuf
// is lost, and every answer of ours decodes. Built with clang -fsanitize=fuzzer,address it is a
// libFuzzer program; tests/unit/path replays its corpus without clang.
#include "mr_answer.h"

#include <stdio.h>
#include <stdlib.h>

#define BURST 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const char catalog[] =
	"[set user]\nid = 1\nkey = u64\ndurability = wal\ncolumn age = i32\ncolumn city = string\n"
	"[set item]\nid = 2\nkey = u64\nttl = 1h\ncolumn price = f64\n"
	"[set text]\nid = 3\nkey = string\ndurability = wal\ncolumn v = i64\n"
	"[set pair]\nid = 4\nkey = who:string, n:u64\ndurability = wal\ncolumn v = i64\n"
	"[view two]\nid = 1\ncolumns = user.city, item.*, user.age\n";

static struct mr_fixture fixture;
static char dir[32];

static void remove_dir(void)
{
	char command[64];

	mr_fixture_done(&fixture);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	MUST(system(command) == 0);
}

static void make_fixture(void)
{
	struct mr_fixture_params params = {.catalog = catalog, .store_path = dir, .n_io = 2};

	snprintf(dir, sizeof(dir), "/tmp/mr-fuzz-XXXXXX");
	MUST(mr_fixture_eal("fuzz_path", 512) == 0);
	MUST(mkdtemp(dir) != NULL);
	MUST(mr_fixture_init(&fixture, &params) == 0);
	mr_fixture_set_time(&fixture, UINT64_C(1800000000000000));
	MUST(atexit(remove_dir) == 0);
}

static void check_reply(struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned at = mr_packet(m)->payload_at;
	struct mr_wire_reply rep;

	MUST(m->nb_segs == 1 && m->pkt_len == m->data_len);
	// ARP and echo replies have no such magic.
	if (m->pkt_len < at + sizeof(struct mr_wire_rep) ||
		mr_load_le32(frame + at) != MR_WIRE_MAGIC_REPLY)
		return;
	MUST(mr_wire_reply_decode(frame + at, m->pkt_len - at, &rep) == MR_WIRE_DEFECT_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *m;

	if (fixture.rx[0] == NULL)
		make_fixture();
	for (unsigned n = 0; n < BURST && size > 2; n++) {
		size_t bytes = MR_MIN(MR_MIN(mr_load_le16(data), size - 2), 1514u);

		m = mr_fixture_raw(&fixture, data + 2, (unsigned)bytes);
		MUST(m != NULL && mr_fixture_send(&fixture, 0, &m, 1) == 1);
		data += 2 + bytes;
		size -= 2 + bytes;
	}
	mr_fixture_settle(&fixture);
	while (mr_fixture_receive(&fixture, &m, 1) == 1) {
		check_reply(m);
		rte_pktmbuf_free(m);
	}
	MUST(mr_fixture_balanced(&fixture));
	MUST(mr_fixture_missing_mbufs(&fixture) == 0);
	return 0;
}
