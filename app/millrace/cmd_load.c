// SPDX-License-Identifier: BSD-3-Clause

#include "bulk.h"
#include "cmd_admin.h"
#include "mr_units.h"
#include "progress.h"
#include "rejects.h"
#include "rows.h"
#include "sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_def options[] = {
	{"format", "csv|jsonl", "default: by the file's ending (.csv; .jsonl, .ndjson, .json)"},
	{"key-columns", "NAME[,NAME]",
		"columns with the parts of the key; default: those named as the parts are, else "
		"the "
		"first ones"},
	{"time", "TIME",
		"event time of every row: microseconds since 1970, or 2026-01-02T03:04:05Z; "
		"default: "
		"when the file was last changed"},
	{"time-column", "NAME", "column with each row's event time"},
	{"version", "N",
		"version of the set to write to, current or beside it; default the current"},
	{"ignore-unknown", NULL, "leaves out columns that the set does not have"},
	{"rejects", "FILE", "sets bad rows aside in FILE, with the reason, and goes on"},
	{"check", NULL, "checks the whole file against the schema and sends nothing"},
	{"bulk", NULL,
		"sorts the rows and makes them a new version of the set, all at once, through the "
		"admin socket: many times faster"},
	{"activate", NULL, "with --bulk: switches to that version when it is loaded"},
	{"memory", "BYTES", "with --bulk: memory to sort in; default 256M"},
	{"tmp", "DIR", "with --bulk: where what does not fit waits; default $TMPDIR, else /tmp"},
	{"jobs", "N", "with --bulk: threads that read, and then send; default one a CPU"},
	{"resume", "DIR",
		"with --bulk: keeps in DIR what is sorted, so that the same command goes on where "
		"it "
		"was cut short; DIR is removed when all is loaded"},
	ADMIN_OPTION,
	{"give-up", "DURATION", "ends when no row was acknowledged for so long; default 30s"},
	{NULL, NULL, NULL},
};

struct load {
	const struct invocation *inv;
	const char *path;
	FILE *file;
	enum reader_format format;
	uint64_t total_bytes;
	uint64_t give_up_us;
	struct reader *reader;
	struct mr_client *client;
	const struct mr_schema *schema;
	void *schema_mem; //!< with --bulk
	struct binding binding;
	struct made_row *row;
	struct sender *sender; //!< NULL with --check
	struct rejects rejects;
	struct progress progress;
	uint64_t n_good;
	struct mr_err err; //!< what ended it
};

static int fail(const struct load *load, int code, const char *what)
{
	return complain(load->inv, code, "%s", what[0] != '\0' ? what : "out of memory");
}

// ---- opening -----------------------------------------------------------------------------------

static int pick_format(struct load *load)
{
	const char *format = option(load->inv, "format");
	const char *dot = strrchr(load->path, '.');

	if (format == NULL)
		format = dot != NULL ? dot + 1 : "";
	if (strcasecmp(format, "csv") == 0)
		load->format = READER_CSV;
	else if (strcasecmp(format, "jsonl") == 0 || strcasecmp(format, "ndjson") == 0 ||
		 strcasecmp(format, "json") == 0)
		load->format = READER_JSONL;
	else
		return usage_error(load->inv,
			"'%s': is it CSV or JSON lines? Say --format csv or --format jsonl",
			load->path);
	return 0;
}

static int open_file(struct load *load)
{
	uint64_t changed_us = now_us();
	struct stat stat;
	int rc;

	load->file = strcmp(load->path, "-") == 0 ? stdin : fopen(load->path, "r");
	if (load->file == NULL || fstat(fileno(load->file), &stat) != 0)
		return complain(load->inv, EXIT_BAD_INPUT, "%s: %s", load->path, strerror(errno));
	if (S_ISREG(stat.st_mode)) {
		load->total_bytes = (uint64_t)stat.st_size;
		changed_us = (uint64_t)stat.st_mtim.tv_sec * MR_US_PER_S +
		             (uint64_t)stat.st_mtim.tv_nsec / MR_NS_PER_US;
	}
	load->reader = reader_open(load->file, load->path, load->format, &load->err);
	if (load->reader == NULL)
		return fail(load, EXIT_BAD_INPUT, load->err.text);
	rc = option_time(load->inv, changed_us, &load->binding.time_us);
	return rc;
}

static int make_sender(struct load *load)
{
	load->sender = sender_new(load->client, load->schema, load->give_up_us);
	return load->sender != NULL ? 0 : fail(load, EXIT_LOCAL, "");
}

static int bind_to(struct load *load, struct binding *binding)
{
	uint64_t time_us = load->binding.time_us;
	const char *const *header;
	unsigned n_header = reader_header(load->reader, &header);
	int rc = binding_init(binding, load->schema, option(load->inv, "key-columns"),
		option(load->inv, "time-column"), option(load->inv, "ignore-unknown") != NULL,
		header, n_header, &load->err);

	binding->time_us = time_us;
	if (rc == 0)
		return 0;
	mr_err_prefix(&load->err, "%s:1: ", load->path);
	return fail(load, EXIT_BAD_INPUT, load->err.text);
}

static int bind(struct load *load)
{
	int rc = bind_to(load, &load->binding);

	if (rc != 0)
		return rc;
	load->row = malloc(sizeof(*load->row));
	if (load->row == NULL)
		return fail(load, EXIT_LOCAL, "");
	return option(load->inv, "check") != NULL ? 0 : make_sender(load);
}

// ---- running -----------------------------------------------------------------------------------

static int add_row(struct load *load, const struct record *record)
{
	struct mr_client_row row;
	int rc = binding_make(&load->binding, record, load->row, &load->err);

	if (rc == 0 && load->sender != NULL &&
		!sender_fits(load->sender, load->row->key_bytes, load->row->row_bytes))
		rc = mr_fail(&load->err, EINVAL,
			"the row has %u bytes: it does not fit one datagram of %u",
			load->row->row_bytes, mr_client_max_payload_bytes(load->client));
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		mr_err_prefix(&load->err, "%s:%u: ", load->path, record->line);
		return -EINVAL;
	}
	load->n_good++;
	if (load->sender == NULL)
		return 0;
	row = (struct mr_client_row){
		.key = {load->row->key, load->row->key_bytes},
		.event_time_us = load->row->event_time_us,
		.row = load->row->row,
		.row_bytes = load->row->row_bytes,
	};
	return sender_add(load->sender, &row, &load->err);
}

/** Reads, checks and sends. @return 0 at the end of the file, or -errno with load->err. */
static int pass_rows(struct load *load)
{
	struct record record;
	struct mr_err reason;
	int rc;

	while ((rc = reader_next(load->reader, &record, &load->err)) != 0) {
		if (rc > 0)
			rc = add_row(load, &record);
		if (rc == -EINVAL && load->rejects.path != NULL) {
			reason = load->err;
			rc = rejects_add(
				&load->rejects, load->reader, &record, reason.text, &load->err);
			rc = rc != 0 ? -EIO : 0;
		}
		if (rc != 0)
			return rc;
		progress_show(&load->progress, reader_bytes(load->reader), load->n_good);
	}
	return 0;
}

static void summarize(const struct load *load, double seconds)
{
	struct sender_counts counts = {0};
	uint64_t acked;

	if (load->sender == NULL) {
		fprintf(stderr,
			"checked %" PRIu64 " rows: %" PRIu64 " good, %" PRIu64 " rejected\n",
			load->n_good + load->rejects.n, load->n_good, load->rejects.n);
		return;
	}
	sender_counts(load->sender, &counts);
	acked = counts.stored + counts.superseded;
	fprintf(stderr,
		"loaded %" PRIu64 " rows in %.1f s (%.0f rows/s): %" PRIu64 " stored, %" PRIu64
		" superseded by equal or newer events",
		acked, seconds, (double)acked / (seconds > 0 ? seconds : 1), counts.stored,
		counts.superseded);
	if (load->rejects.path != NULL)
		fprintf(stderr, ", %" PRIu64 " rejected", load->rejects.n);
	if (counts.resent > 0)
		fprintf(stderr, "; %" PRIu64 " were sent again", counts.resent);
	if (counts.not_durable > 0)
		fprintf(stderr, "; %" PRIu64 " not yet on stable storage when acknowledged",
			counts.not_durable);
	fputc('\n', stderr);
}

static int code_of(int rc)
{
	switch (rc) {
	case 0:
		return EXIT_OK;
	case -ETIMEDOUT:
		return EXIT_NO_ANSWER;
	case -EREMOTEIO:
		return EXIT_REFUSED;
	case -EINVAL:
	case -E2BIG:
		return EXIT_BAD_INPUT;
	default:
		return EXIT_LOCAL;
	}
}

static int run_load(struct load *load)
{
	struct mr_err drain_err = {""}, close_err = {""};
	int rc, drain_rc = 0, close_rc, code;
	double seconds;

	progress_start(&load->progress, load->total_bytes);
	rc = pass_rows(load);
	// Rows in front of a bad one are loaded, whatever comes behind.
	if (load->sender != NULL && (rc == 0 || rc == -EINVAL || rc == -E2BIG || rc == -EIO))
		drain_rc = sender_finish(load->sender, &drain_err);
	seconds = progress_end(&load->progress);
	close_rc = rejects_close(&load->rejects, &close_err);
	summarize(load, seconds);
	code = code_of(rc);
	if (rc != 0)
		fail(load, code, load->err.text);
	if (drain_rc != 0)
		code = fail(load, code_of(drain_rc), drain_err.text);
	if (close_rc != 0)
		code = fail(load, EXIT_LOCAL, close_err.text);
	if (code != EXIT_OK)
		fprintf(stderr,
			"Nothing behind that was loaded. It is safe to run it again: with the same "
			"event times, rows that are there already stay as they are.\n");
	if (code == EXIT_OK && load->rejects.n > 0)
		code = complain(load->inv, EXIT_NOT_ALL, "%" PRIu64 " bad rows are in %s",
			load->rejects.n, load->rejects.path);
	return code;
}

// ---- in bulk -----------------------------------------------------------------------------------

struct bulk_load {
	struct load *load;
	struct bulk_state state;
	struct sorter *sorter;
	unsigned n_jobs;
	uint64_t memory_bytes;
	uint32_t version;
	struct binding bindings[BULK_LANES_MAX];
	unsigned n_bindings;
	double seconds, read_s;
};

static int bulk_options(struct bulk_load *bulk)
{
	const struct invocation *inv = bulk->load->inv;
	const char *memory = option(inv, "memory"), *version = option(inv, "version");
	uint64_t n_jobs;
	int rc = option_u64(inv, "jobs", 0, &n_jobs);

	bulk->memory_bytes = 256 * MR_MIB;
	if (rc != 0)
		return rc;
	if (memory != NULL &&
		(mr_parse_bytes(memory, &bulk->memory_bytes) != 0 || bulk->memory_bytes < MR_MIB))
		return usage_error(inv, "--memory '%s': 1M or more is expected", memory);
	if (n_jobs > BULK_LANES_MAX || (n_jobs == 0 && option(inv, "jobs") != NULL))
		return usage_error(inv, "--jobs: 1 to %u are expected", BULK_LANES_MAX);
	bulk->n_jobs = n_jobs != 0
	                       ? (unsigned)n_jobs
	                       : MR_MIN((unsigned)MR_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L), 8u);
	if (option(inv, "resume") != NULL && bulk->load->total_bytes == 0)
		return usage_error(inv, "--resume: only a file can be read again");
	return version == NULL ? 0 : option_version(inv, version, &bulk->version);
}

static const char *or_none(const char *text)
{
	return text != NULL ? text : "-";
}

/** What must be the same for a load to go on: the file, and how it is read. */
static char *describe(const struct bulk_load *bulk, const struct stat *stat)
{
	const struct load *load = bulk->load;
	const struct invocation *inv = load->inv;
	char *path = realpath(load->path, NULL), *what = NULL;

	if (asprintf(&what,
		    "%s size %" PRIu64 " changed %" PRId64
		    ".%09ld set %s layout %x version %u jobs "
		    "%u keys %s time %" PRIu64 " %s ignore %d rejects %d",
		    or_none(path), load->total_bytes, (int64_t)stat->st_mtim.tv_sec,
		    stat->st_mtim.tv_nsec, load->schema->name, load->schema->layout, bulk->version,
		    bulk->n_jobs, or_none(option(inv, "key-columns")), load->binding.time_us,
		    or_none(option(inv, "time-column")), option(inv, "ignore-unknown") != NULL,
		    load->rejects.path != NULL) < 0)
		what = NULL;
	free(path);
	return what;
}

static int make_sorter(struct bulk_load *bulk)
{
	const struct load *load = bulk->load;
	const char *dir = option(load->inv, "tmp");
	struct sorter_params params = {
		// What is left of it is for the program, reading and sending.
		.memory_bytes =
			bulk->memory_bytes -
			(bulk->memory_bytes < 32 * MR_MIB
					? bulk->memory_bytes / 8
					: MR_MAX(MR_MIN(bulk->memory_bytes / 4, 12 * MR_MIB),
						  bulk->memory_bytes / 8)),
		.n_lanes = bulk->n_jobs,
		.dir = option(load->inv, "resume"),
		.keep = option(load->inv, "resume") != NULL,
	};

	if (dir == NULL)
		dir = getenv("TMPDIR");
	if (params.dir == NULL)
		params.dir = dir != NULL && dir[0] != '\0' ? dir : "/tmp";
	bulk->sorter = sorter_new(&params);
	return bulk->sorter != NULL ? 0 : fail(load, EXIT_LOCAL, "");
}

/** With --resume: what an earlier run has done. */
static int take_up(struct bulk_load *bulk)
{
	struct load *load = bulk->load;
	struct bulk_state *state = &bulk->state;
	struct stat stat;
	int rc;

	state->dir = option(load->inv, "resume");
	if (state->dir == NULL)
		return 0;
	if (fstat(fileno(load->file), &stat) != 0)
		return fail(load, EXIT_LOCAL, strerror(errno));
	state->what = describe(bulk, &stat);
	if (state->what == NULL)
		return fail(load, EXIT_LOCAL, "");
	rc = bulk_state_open(state, bulk->sorter, &load->err);
	if (rc < 0)
		return fail(load, rc == -EINVAL ? EXIT_BAD_INPUT : EXIT_LOCAL, load->err.text);
	load->rejects.n = state->n_rejects;
	load->rejects.keep_bytes = state->rejects_bytes;
	if (rc == 0 || state->bytes == 0)
		return 0;
	fprintf(stderr, "going on: %" PRIu64 " of %" PRIu64 " bytes are sorted\n", state->bytes,
		load->total_bytes);
	if (reader_seek(load->reader, state->bytes, state->line, &load->err) != 0)
		return fail(load, EXIT_LOCAL, load->err.text);
	return 0;
}

static int bulk_prepare(struct bulk_load *bulk)
{
	int rc = make_sorter(bulk);

	if (rc == 0)
		rc = take_up(bulk);
	for (unsigned i = 0; i < bulk->n_jobs && rc == 0; i++) {
		rc = bind_to(bulk->load, &bulk->bindings[i]);
		bulk->n_bindings++;
	}
	return rc;
}

static int bulk_sort(struct bulk_load *bulk)
{
	struct load *load = bulk->load;
	struct bulk_read_params params = {
		.reader = load->reader,
		.path = load->path,
		.sorter = bulk->sorter,
		.rejects = &load->rejects,
		.bindings = bulk->bindings,
		.n_lanes = bulk->n_jobs,
		.checkpoint_bytes = 4 * bulk->memory_bytes,
		.state = &bulk->state,
		.progress = &load->progress,
	};
	int rc = 0;

	progress_start(&load->progress, load->total_bytes);
	if (!bulk->state.is_read)
		rc = bulk_read(&params, &load->err);
	bulk->read_s = progress_end(&load->progress);
	if (rejects_close(&load->rejects, &load->err) != 0 && rc == 0)
		rc = -EIO;
	if (rc == 0)
		rc = sorter_split(bulk->sorter, bulk->n_jobs, &load->err);
	if (rc == 0)
		return 0;
	fail(load, code_of(rc), load->err.text);
	fprintf(stderr, "Nothing was loaded.\n");
	return code_of(rc);
}

static int bulk_load(struct bulk_load *bulk, struct bulk_done *ret_done)
{
	struct load *load = bulk->load;
	struct bulk_send_params params = {
		.inv = load->inv,
		.admin = admin_path(load->inv),
		.schema = load->schema,
		.version = bulk->version,
		.activate = option(load->inv, "activate") != NULL,
		.sorter = bulk->sorter,
		.n_parts = bulk->n_jobs,
		.id = bulk->state.id,
		.progress = &load->progress,
	};
	int rc = bulk_sort(bulk);

	if (rc != 0)
		return rc;
	progress_start(&load->progress, sorter_rows(bulk->sorter));
	rc = bulk_send(&params, ret_done);
	bulk->seconds = bulk->read_s + progress_end(&load->progress);
	return rc;
}

static int bulk_summarize(const struct bulk_load *bulk, const struct bulk_done *done)
{
	const struct load *load = bulk->load;

	fprintf(stderr,
		"loaded %" PRIu64 " rows as version %u in %.1f s (%.0f rows/s; %.1f s to read and "
		"sort in %u runs): %" PRIu64 " superseded within the file, %" PRIu64 " rejected\n",
		done->rows, (unsigned)done->version, bulk->seconds,
		(double)done->rows / (bulk->seconds > 0 ? bulk->seconds : 1), bulk->read_s,
		sorter_runs(bulk->sorter), done->duplicates, load->rejects.n);
	if (load->rejects.n == 0)
		return EXIT_OK;
	return complain(load->inv, EXIT_NOT_ALL, "%" PRIu64 " bad rows are in %s", load->rejects.n,
		load->rejects.path);
}

static int run_bulk(struct load *load)
{
	struct bulk_load *bulk = calloc(1, sizeof(*bulk));
	struct bulk_done done = {0};
	int rc;

	if (bulk == NULL)
		return fail(load, EXIT_LOCAL, "");
	bulk->load = load;
	bulk->state.lock = -1;
	rc = bulk_options(bulk);
	if (rc == 0)
		rc = bulk_prepare(bulk);
	if (rc == 0) {
		rc = bulk_load(bulk, &done);
		if (rc != 0 && bulk->state.dir != NULL)
			fprintf(stderr, "The same command goes on where this stopped.\n");
		bulk_state_close(&bulk->state, rc == 0);
		if (rc == 0)
			rc = bulk_summarize(bulk, &done);
	}
	bulk_state_close(&bulk->state, false);
	for (unsigned i = 0; i < bulk->n_bindings; i++)
		binding_free(&bulk->bindings[i]);
	sorter_free(bulk->sorter);
	free(bulk);
	return rc;
}

static void close_load(struct load *load)
{
	sender_free(load->sender);
	binding_free(&load->binding);
	free(load->row);
	reader_close(load->reader);
	if (load->file != NULL && load->file != stdin)
		fclose(load->file);
	mr_client_close(load->client);
	free(load->schema_mem);
}

static int run(const struct invocation *inv)
{
	static const char *const bulk_only[] = {"activate", "memory", "tmp", "jobs", "resume"};
	bool is_bulk = option(inv, "bulk") != NULL;
	struct load load = {.inv = inv};
	int rc;

	if (inv->n_args != 2)
		return usage_error(inv, "one set and one file are expected");
	for (size_t i = 0; i < MR_ARRAY_SIZE(bulk_only) && !is_bulk; i++)
		if (option(inv, bulk_only[i]) != NULL)
			return usage_error(inv, "--%s goes with --bulk", bulk_only[i]);
	load.path = inv->args[1];
	load.rejects.path = option(inv, "rejects");
	rc = pick_format(&load);
	load.rejects.format = load.format;
	if (rc == 0)
		rc = option_duration_us(inv, "give-up", 30 * MR_US_PER_S, &load.give_up_us);
	if (rc == 0)
		rc = open_file(&load);
	// All that a bulk load needs goes over the admin socket.
	is_bulk = is_bulk && option(inv, "check") == NULL;
	if (rc == 0 && is_bulk)
		rc = bulk_schema(inv, inv->args[0], &load.schema, &load.schema_mem);
	else if (rc == 0)
		rc = connect_server(inv, &load.client);
	if (rc == 0 && !is_bulk)
		rc = resolve_set(inv, load.client, inv->args[0], &load.schema);
	if (rc == 0 && !is_bulk)
		rc = bind(&load);
	if (rc == 0)
		rc = is_bulk ? run_bulk(&load) : run_load(&load);
	close_load(&load);
	return rc;
}

const struct command cmd_load = {
	.name = "load",
	.args = "SET FILE",
	.summary = "loads a CSV or JSON lines file into a set",
	.text = "Checks each row of FILE (- is stdin) against the schema before it is sent, and "
		"sends\n"
		"it again until it is acknowledged. CSV has a header and is read as RFC 4180 says; "
		"an\n"
		"empty cell is null, an empty one in quotes is the empty string. A line of JSON is "
		"one\n"
		"object. Columns of the set that FILE does not have are null.\n\n"
		"The first bad row ends it: the rows before are loaded, none behind is. The "
		"message\n"
		"names file, line, column and value. It can be run again any number of times, "
		"because\n"
		"a row is not written twice with the same event time. Of rows with the same key "
		"and\n"
		"the same event time one is kept: use --time-column to say which is newer.\n\n"
		"With --bulk nothing is visible before all of it is: a bad row stops the load, or "
		"is "
		"set\n"
		"aside, and the rows become a version that no write has touched. --version N names "
		"one\n"
		"that does not exist; the default is the one after the greatest. It needs the "
		"admin "
		"socket\n"
		"alone, not --server. With --resume DIR a load that was cut short (the tool "
		"killed, "
		"the\n"
		"appliance restarted, a disk full) goes on when the same command is run again.",
	.example = "  millrace load user users.csv --key-columns user_id\n"
		   "  millrace load user users.jsonl --time-column updated --rejects bad.jsonl\n"
		   "  millrace load user users.csv --bulk --activate\n"
		   "  millrace load user users.csv --bulk --memory 4G --resume /var/tmp/load-user",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
