// SPDX-License-Identifier: BSD-3-Clause

#include "pcap_write.h"
#include "blast.h"
#include "capture.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/** What was asked for. */
struct writing {
	const struct invocation *inv;
	struct mr_client *client; //!< NULL: the view came from a file
	struct blast_work work;
	struct capture_route route;
	uint64_t count, flows, rate, seed, cookie;
	uint16_t first_port;
};

static int option_end(const struct invocation *inv, const char *name, const char *fallback,
	uint16_t port, struct capture_end *ret_end)
{
	const char *text = option(inv, name) != NULL ? option(inv, name) : fallback;

	if (capture_end_parse(text, port, ret_end) == 0)
		return 0;
	return usage_error(inv, "--%s '%s': ADDRESS or ADDRESS:PORT is expected", name, text);
}

static int option_mac(
	const struct invocation *inv, const char *name, const char *fallback, uint8_t mac[6])
{
	const char *text = option(inv, name) != NULL ? option(inv, name) : fallback;
	unsigned bytes[6];
	int end = 0;

	if (strlen(text) != 17 ||
		sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2],
			&bytes[3], &bytes[4], &bytes[5], &end) != 6 ||
		end != 17)
		return usage_error(
			inv, "--%s '%s': a MAC address is expected: 02:00:00:00:00:01", name, text);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)bytes[i];
	return 0;
}

static int parse_route(struct writing *w)
{
	const struct invocation *inv = w->inv;
	struct capture_route *route = &w->route;
	uint64_t tag;
	int rc = option_end(inv, "from", "10.77.0.2", 40000, &route->from);

	if (rc == 0)
		rc = option_end(inv, "to", "10.77.0.1", MR_WIRE_PORT, &route->to);
	if (rc == 0 && route->from.is_ip6 != route->to.is_ip6)
		rc = usage_error(inv, "--from and --to are of different IP versions");
	if (rc == 0)
		rc = option_mac(inv, "from-mac", "02:00:00:00:00:02", route->from_mac);
	if (rc == 0)
		rc = option_mac(inv, "to-mac", "02:00:00:00:00:01", route->to_mac);
	if (rc == 0)
		rc = option_u64(inv, "vlan", 0, &tag);
	if (rc == 0 && tag > 4094)
		rc = usage_error(inv, "--vlan is from 1 to 4094");
	if (rc == 0)
		route->tag = tag != 0 ? (int)tag : -1;
	w->first_port = route->from.port;
	return rc;
}

static int parse(struct writing *w)
{
	const struct invocation *inv = w->inv;
	const char *cookie = option(inv, "cookie");
	char *end;
	int rc = parse_route(w);

	if (rc == 0)
		rc = blast_work_options(inv, &w->work);
	if (rc == 0)
		rc = option_u64(inv, "count", 100000, &w->count);
	if (rc == 0)
		rc = option_u64(inv, "flows", 1, &w->flows);
	if (rc == 0)
		rc = option_u64(inv, "rate", 1000000, &w->rate);
	if (rc == 0)
		rc = option_u64(inv, "seed", 1, &w->seed);
	if (rc != 0)
		return rc;
	if (w->flows < 1 || w->flows > UINT16_MAX + 1u - w->first_port)
		return usage_error(inv, "--flows is from 1 to what is left of 65536 source ports");
	if (w->rate < 1 || w->rate > 1000000000)
		return usage_error(inv, "--rate is from 1 to 1000000000");
	if (cookie != NULL) {
		w->cookie = strtoull(cookie, &end, 16);
		if (cookie[0] == '\0' || *end != '\0')
			return usage_error(inv, "--cookie '%s': hexadecimal is expected", cookie);
	}
	return 0;
}

static int find_view(struct writing *w, const struct mr_catalog *catalog)
{
	const char *name = w->inv->args[0];
	struct mr_client_view *resolved;
	const struct mr_view *view;
	int rc;

	if (catalog != NULL) {
		view = mr_catalog_view_by_name(catalog, name);
		if (view == NULL)
			return complain(
				w->inv, EXIT_BAD_INPUT, "%s: no set or view of that name", name);
		w->work.max_payload_bytes = 1500 - (w->route.from.is_ip6 ? 48 : 28);
	} else {
		rc = connect_server(w->inv, &w->client);
		if (rc == 0)
			rc = resolve_view(w->inv, w->client, name, &resolved);
		if (rc != 0)
			return rc;
		view = mr_client_view_compiled(resolved);
		w->work.max_payload_bytes = mr_client_max_payload_bytes(w->client);
	}
	w->work.schema = view->parts[0].schema;
	w->work.view = view->id;
	return 0;
}

static int write_frames(struct writing *w, FILE *file)
{
	unsigned head = capture_head_bytes(&w->route);
	uint8_t *frame = malloc(CAPTURE_HEAD_MAX_BYTES + UINT16_MAX);
	uint64_t start_us = now_us();
	int rc = frame != NULL ? capture_write_begin(file) : -ENOMEM;

	for (uint64_t i = 0; i < w->count && rc == 0; i++) {
		unsigned bytes =
			(unsigned)blast_work_next(&w->work, frame + head, i + 1, w->cookie);

		w->route.from.port = (uint16_t)(w->first_port + i % w->flows);
		bytes = capture_fill_head(&w->route, frame, bytes);
		rc = capture_write(file, start_us + i * MR_US_PER_S / w->rate, frame, bytes);
	}
	free(frame);
	return rc;
}

static int write_file(struct writing *w)
{
	const char *path = option(w->inv, "write"), *keys = option(w->inv, "keys-from");
	bool is_stdout = strcmp(path, "-") == 0;
	struct mr_err err = {""};
	FILE *file;
	int rc;

	if (keys != NULL && blast_work_load_keys(&w->work, keys, &err) != 0)
		return complain(w->inv, EXIT_BAD_INPUT, "%s", err.text);
	if (blast_work_init(&w->work, w->seed, &err) != 0)
		return usage_error(w->inv, "%s", err.text);
	file = is_stdout ? stdout : fopen(path, "wb");
	if (file == NULL)
		return complain(w->inv, EXIT_LOCAL, "%s: %s", path, strerror(errno));
	rc = write_frames(w, file);
	if ((is_stdout ? fflush(file) : fclose(file)) != 0)
		rc = -EIO;
	if (rc < 0)
		return complain(
			w->inv, EXIT_LOCAL, "%s: not written whole: %s", path, strerror(-rc));
	fprintf(stderr, "%" PRIu64 " requests in %s\n", w->count, path);
	return EXIT_OK;
}

int pcap_write(const struct invocation *inv, const struct mr_catalog *catalog)
{
	struct writing w = {.inv = inv};
	int rc;

	if (inv->n_args != 1)
		return usage_error(inv, "--write: one view or set is expected");
	rc = parse(&w);
	if (rc == 0)
		rc = find_view(&w, catalog);
	if (rc == 0)
		rc = write_file(&w);
	blast_work_free(&w.work);
	mr_client_close(w.client);
	return rc;
}
