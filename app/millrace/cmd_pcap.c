// SPDX-License-Identifier: BSD-3-Clause

#include "capture.h"
#include "cmd_admin.h"
#include "mr_catalog.h"
#include "pcap_show.h"
#include "pcap_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CATALOG_MIN_BYTES (1u << 20)
#define CATALOG_MAX_BYTES (1u << 28)

static const struct option_def options[] = {
	{"sets", "FILE",
		"descriptions of sets and views, as `millrace sets apply` takes and `sets show` "
		"prints: names them, decodes keys and rows"},
	{"json", NULL, "one JSON object a request or reply and line"},
	{"port", "N", "reads only what is from or to this UDP port; default: any"},
	{"count", "N", "reads so many requests and replies; writes so many requests (100000)"},
	{"write", "FILE",
		"writes a capture of requests for VIEW instead of reading one; - is stdout"},
	{"from", "ADDRESS[:PORT]", "writes: source; default 10.77.0.2:40000"},
	{"to", "ADDRESS[:PORT]", "writes: destination; default 10.77.0.1:7411"},
	{"from-mac", "MAC", "writes: default 02:00:00:00:00:02"},
	{"to-mac", "MAC", "writes: default 02:00:00:00:00:01"},
	{"vlan", "ID", "writes: a tag; default none"},
	{"flows", "N", "writes: source ports in turn, from that of --from on; default 1"},
	{"rate", "N", "writes: requests a second, by their times; default 1000000"},
	{"cookie", "HEX", "writes: into every request; default 0, for trusted senders"},
	{"keys", "N", "writes: entities 0 to N-1; default 100000"},
	{"keys-from", "FILE", "writes: keys, one a line, instead"},
	{"zipf", "EXPONENT", "writes: skew, as for blast; default: all keys alike"},
	{"batch", "N[-M]", "writes: keys a request; default 1"},
	{"absent", "PERCENT", "writes: of the keys: such as are in no set"},
	{"seed", "N", "writes: of the random numbers; default 1"},
	{NULL, NULL, NULL},
};

/** A capture being read. */
struct reading {
	const struct invocation *inv;
	const struct mr_catalog *catalog;
	uint64_t port, count;
	uint64_t shown, others; //!< others: UDP that is not ours
	uint64_t kinds[CAPTURE_KINDS];
};

static int build_catalog(const struct invocation *inv, const char *path, const char *text,
	size_t text_bytes, void **ret_mem, struct mr_catalog **ret_catalog)
{
	struct mr_err err = {""};

	for (size_t bytes = CATALOG_MIN_BYTES; bytes <= CATALOG_MAX_BYTES; bytes *= 2) {
		struct mr_arena arena;

		*ret_mem = malloc(bytes);
		if (*ret_mem == NULL)
			break;
		mr_arena_init(&arena, *ret_mem, bytes);
		*ret_catalog = mr_catalog_build(&arena, path, text, text_bytes, &err);
		if (*ret_catalog != NULL)
			return 0;
		free(*ret_mem);
		*ret_mem = NULL;
		if (errno != ENOMEM)
			return complain(inv, EXIT_BAD_INPUT, "%s", err.text);
	}
	return complain(inv, EXIT_LOCAL, "out of memory for %s", path);
}

/** Reads --sets. @return 0 or an exit code; the memory is the caller's to free. */
static int load_catalog(
	const struct invocation *inv, void **ret_mem, struct mr_catalog **ret_catalog)
{
	const char *path = option(inv, "sets");
	struct mr_err err = {""};
	size_t bytes;
	char *text;
	int rc;

	if (path == NULL)
		return 0;
	if (read_file(path, &text, &bytes, &err) != 0)
		return complain(inv, EXIT_BAD_INPUT, "%s", err.text);
	rc = build_catalog(inv, path, text, bytes, ret_mem, ret_catalog);
	free(text);
	return rc;
}

static void show(struct reading *r, const struct capture_packet *packet)
{
	struct capture_datagram datagram;
	enum capture_kind kind = capture_datagram(packet, &datagram);
	json_t *json;

	r->kinds[kind]++;
	if (kind != CAPTURE_UDP)
		return;
	if ((r->port != 0 && datagram.from.port != r->port && datagram.to.port != r->port) ||
		!pcap_is_ours(&datagram)) {
		r->others++;
		return;
	}
	json = pcap_datagram_json(&datagram, packet->time_ns, r->catalog);
	if (option(r->inv, "json") != NULL) {
		json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
		putchar('\n');
	} else {
		pcap_print_text(json, stdout);
	}
	json_decref(json);
	r->shown++;
}

static void say_counts(const struct reading *r)
{
	fprintf(stderr,
		"%" PRIu64 " shown; left out: %" PRIu64 " other UDP, %" PRIu64 " not UDP, %" PRIu64
		" cut off, %" PRIu64 " fragments, %" PRIu64 " of another link type\n",
		r->shown, r->others, r->kinds[CAPTURE_OTHER], r->kinds[CAPTURE_CUT],
		r->kinds[CAPTURE_FRAGMENT], r->kinds[CAPTURE_LINK]);
}

static int read_capture(struct reading *r, FILE *file, const char *path)
{
	struct mr_err err = {""};
	struct capture *capture = capture_new(file, path, &err);
	struct capture_packet packet;
	int rc = 1;

	if (capture == NULL)
		return complain(r->inv, EXIT_BAD_INPUT, "%s", err.text);
	while (r->shown < r->count && (rc = capture_next(capture, &packet, &err)) == 1)
		show(r, &packet);
	capture_free(capture);
	say_counts(r);
	return rc < 0 ? complain(r->inv, EXIT_BAD_INPUT, "%s", err.text) : EXIT_OK;
}

static int read_path(const struct invocation *inv, const struct mr_catalog *catalog)
{
	struct reading r = {.inv = inv, .catalog = catalog};
	const char *path = inv->n_args == 1 ? inv->args[0] : "";
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file;
	int rc = option_u64(inv, "port", 0, &r.port);

	if (rc == 0)
		rc = option_u64(inv, "count", UINT64_MAX, &r.count);
	if (rc != 0)
		return rc;
	if (inv->n_args != 1)
		return usage_error(inv, "one capture is expected");
	file = is_stdin ? stdin : fopen(path, "rb");
	if (file == NULL)
		return complain(inv, EXIT_BAD_INPUT, "%s: %s", path, strerror(errno));
	rc = read_capture(&r, file, is_stdin ? "stdin" : path);
	if (!is_stdin)
		fclose(file);
	return rc;
}

static int run(const struct invocation *inv)
{
	struct mr_catalog *catalog = NULL;
	void *mem = NULL;
	int rc = load_catalog(inv, &mem, &catalog);

	if (rc == 0)
		rc = option(inv, "write") != NULL ? pcap_write(inv, catalog)
		                                  : read_path(inv, catalog);
	free(mem);
	return rc;
}

const struct command cmd_pcap = {
	.name = "pcap",
	.args = "CAPTURE | --write FILE VIEW",
	.summary = "reads requests and replies in a capture, or makes one",
	.text = "Shows the requests and replies in a capture (pcap or pcapng; - is stdin) of "
		"tcpdump,\n"
		"dpdk-dumpcap or a switch: Ethernet with up to two VLAN tags, or `any`, IPv4 and "
		"IPv6.\n"
		"What breaks the protocol is shown with its defect. Cookies, ids and bytes that no "
		"description explains are hexadecimal.\n"
		"\n"
		"With --write, makes a capture of GET requests for VIEW, for packet generators; "
		"VIEW is\n"
		"looked up in --sets, else at the server. Generators have no cookies: declare "
                "their\n"
		"addresses trusted (docs/security.md), or give --cookie.",
	.example = "  millrace pcap --sets sets.ini capture.pcapng\n"
		   "  tcpdump -i eth0 -w - udp port 7411 | millrace pcap --json -\n"
		   "  millrace pcap --write get.pcap --sets sets.ini --zipf 0.99 --flows 16 \\\n"
		   "      --to 10.0.0.7 --to-mac 3c:fd:fe:00:00:01 user",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
