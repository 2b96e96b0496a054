// SPDX-License-Identifier: BSD-3-Clause

#include "snapshot.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const hist_names[SNAPSHOT_HISTS] = {
	[SNAPSHOT_TOTAL] = "total",
	[SNAPSHOT_INLINE] = "inline",
	[SNAPSHOT_HANDOFF] = "handoff",
	[SNAPSHOT_IO_RING] = "io_ring",
	[SNAPSHOT_IO_READ] = "io_read",
	[SNAPSHOT_IO_COMMIT] = "io_commit",
};

const char *snapshot_hist_name(enum snapshot_hist hist)
{
	return hist_names[hist];
}

uint64_t snapshot_number(const json_t *json, const char *path)
{
	char name[128];

	while (json != NULL) {
		size_t len = strcspn(path, "/");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		json = json_object_get(json, name);
		if (path[len] == '\0')
			return (uint64_t)json_integer_value(json);
		path += len + 1;
	}
	return 0;
}

void snapshot_lcore_name(const struct snapshot *snapshot, unsigned i, char *name, size_t bytes)
{
	const json_t *list = json_object_get(snapshot->lcores, "lcores");
	const char *text = json_string_value(json_array_get(list, i));

	snprintf(name, bytes, "%.*s", text != NULL ? (int)strcspn(text, " ") : 0,
		text != NULL ? text : "");
}

/** Adds one page of cells. @return 0 or -errno; *ret_next is 0 behind the last page. */
static int read_page(struct telemetry *telemetry, const char *what, uint64_t from,
	struct mr_hist *hist, uint64_t *ret_next, struct mr_err *err)
{
	char question[64];
	const json_t *cells;
	json_t *reply;

	snprintf(question, sizeof(question), "/millrace/cells,%s,%" PRIu64, what, from);
	reply = telemetry_ask(telemetry, question, err);
	if (reply == NULL)
		return -EIO;
	cells = json_object_get(reply, "cells");
	for (size_t i = 0; i + 1 < json_array_size(cells); i += 2) {
		json_int_t cell = json_integer_value(json_array_get(cells, i));

		if (cell >= 0 && cell < (json_int_t)MR_HIST_CELLS)
			hist->count[cell] =
				(uint64_t)json_integer_value(json_array_get(cells, i + 1));
	}
	hist->sum = snapshot_number(reply, "sum_cycles");
	hist->max = snapshot_number(reply, "max_cycles");
	*ret_next = snapshot_number(reply, "next");
	json_decref(reply);
	// Pages go forward, or there would be no end of them.
	return *ret_next != 0 && *ret_next <= from
	               ? mr_fail(err, EPROTO, "%s: its next page is not further on", question)
	               : 0;
}

static int read_hists(struct snapshot *snapshot, struct telemetry *telemetry, struct mr_err *err)
{
	size_t bytes = SNAPSHOT_HISTS * sizeof(struct mr_hist);
	int rc = 0;

	snapshot->hists = aligned_alloc(_Alignof(struct mr_hist), bytes);
	if (snapshot->hists == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	memset(snapshot->hists, 0, bytes);
	for (unsigned i = 0; rc == 0 && i < SNAPSHOT_HISTS; i++) {
		uint64_t next = 0;

		do
			rc = read_page(
				telemetry, hist_names[i], next, &snapshot->hists[i], &next, err);
		while (rc == 0 && next != 0);
	}
	return rc;
}

/** Reads all pages of /millrace/sets. */
static int read_sets(struct snapshot *snapshot, struct telemetry *telemetry, struct mr_err *err)
{
	size_t n = 0;
	uint64_t total;

	snapshot->sets = json_object();
	do {
		char question[64];
		json_t *reply, *page;
		size_t before = n;

		snprintf(question, sizeof(question), "/millrace/sets,%zu", n);
		reply = telemetry_ask(telemetry, question, err);
		if (reply == NULL)
			return -EIO;
		page = json_object_get(reply, "sets");
		n += json_object_size(page);
		total = snapshot_number(reply, "total");
		json_object_update(snapshot->sets, page);
		json_decref(reply);
		if (n == before)
			break;
	} while (n < total);
	return 0;
}

static int read_lcores(struct snapshot *snapshot, struct telemetry *telemetry, struct mr_err *err)
{
	size_t n = json_array_size(json_object_get(snapshot->lcores, "lcores"));

	snapshot->n_lcores = (unsigned)MR_MIN(n, (size_t)SNAPSHOT_LCORES_MAX);
	for (unsigned i = 0; i < snapshot->n_lcores; i++) {
		char name[32], question[64];

		snapshot_lcore_name(snapshot, i, name, sizeof(name));
		if (strncmp(name, "rx", 2) != 0 && strncmp(name, "io", 2) != 0)
			continue;
		snprintf(question, sizeof(question), "/millrace/lcores,%s", name);
		snapshot->lcore[i] = telemetry_ask(telemetry, question, err);
		if (snapshot->lcore[i] == NULL)
			return -EIO;
	}
	return 0;
}

int snapshot_take(struct snapshot *snapshot, struct telemetry *telemetry, struct mr_err *err)
{
	const struct {
		const char *question;
		json_t **answer;
	} list[] = {
		{"/millrace/info", &snapshot->info},
		{"/millrace/lcores", &snapshot->lcores},
		{"/millrace/drops", &snapshot->drops},
		{"/millrace/latency", &snapshot->latency},
		{"/millrace/cache", &snapshot->cache},
		{"/millrace/bloom", &snapshot->bloom},
		{"/millrace/store", &snapshot->store},
		{"/millrace/handoff", &snapshot->handoff},
		{"/millrace/ports", &snapshot->ports},
		{"/millrace/ages", &snapshot->ages},
	};
	uint64_t hz;
	int rc;

	memset(snapshot, 0, sizeof(*snapshot));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(list); i++) {
		*list[i].answer = telemetry_ask(telemetry, list[i].question, err);
		if (*list[i].answer == NULL)
			return -EIO;
	}
	snapshot->at_ns = clock_ns();
	hz = snapshot_number(snapshot->info, "tsc_hz");
	if (hz == 0)
		return mr_fail(err, EPROTO,
			"/millrace/info: no answer; is this millraced, and is it "
			"up already?");
	snapshot->ns_per_cycle = (double)MR_NS_PER_S / (double)hz;
	rc = read_sets(snapshot, telemetry, err);
	if (rc == 0)
		rc = read_lcores(snapshot, telemetry, err);
	return rc == 0 ? read_hists(snapshot, telemetry, err) : rc;
}

void snapshot_free(struct snapshot *snapshot)
{
	json_t *answers[] = {snapshot->info, snapshot->lcores, snapshot->drops, snapshot->cache,
		snapshot->bloom, snapshot->store, snapshot->handoff, snapshot->ports,
		snapshot->sets, snapshot->latency, snapshot->ages};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(answers); i++)
		json_decref(answers[i]);
	for (unsigned i = 0; i < snapshot->n_lcores; i++)
		json_decref(snapshot->lcore[i]);
	free(snapshot->hists);
	memset(snapshot, 0, sizeof(*snapshot));
}
