// SPDX-License-Identifier: BSD-3-Clause

#include "rejects.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static int open_file(struct rejects *rejects, const struct reader *reader, struct mr_err *err)
{
	size_t bytes;
	const char *header = reader_header_raw(reader, &bytes);

	rejects->file = fopen(rejects->path, rejects->keep_bytes > 0 ? "r+" : "w");
	if (rejects->file == NULL ||
		ftruncate(fileno(rejects->file), (off_t)rejects->keep_bytes) < 0 ||
		fseeko(rejects->file, 0, SEEK_END) < 0)
		return mr_fail(err, errno, "%s: %s", rejects->path, strerror(errno));
	if (rejects->format == READER_CSV && rejects->keep_bytes == 0) {
		fwrite(header, 1, bytes, rejects->file);
		fprintf(rejects->file, "," REJECT_REASON_COLUMN "\n");
	}
	return 0;
}

static void add_csv(FILE *file, const struct record *record, const char *reason)
{
	fwrite(record->raw, 1, record->raw_bytes, file);
	fprintf(file, ",\"");
	for (; *reason != '\0'; reason++) {
		if (*reason == '"')
			fputc('"', file);
		fputc(*reason, file);
	}
	fprintf(file, "\"\n");
}

static void add_json(FILE *file, const struct record *record, const char *reason)
{
	json_t *object = json_loadb(record->raw, record->raw_bytes, 0, NULL);

	if (!json_is_object(object)) {
		json_decref(object);
		object = json_object();
		json_object_set_new(
			object, "raw", json_stringn_nocheck(record->raw, record->raw_bytes));
	}
	json_object_set_new(object, REJECT_REASON_COLUMN, json_string(reason));
	json_dumpf(object, file, JSON_COMPACT | JSON_REAL_PRECISION(17));
	fputc('\n', file);
	json_decref(object);
}

int rejects_add(struct rejects *rejects, const struct reader *reader, const struct record *record,
	const char *reason, struct mr_err *err)
{
	if (rejects->file == NULL) {
		int rc = open_file(rejects, reader, err);

		if (rc != 0)
			return rc;
	}
	if (rejects->format == READER_CSV)
		add_csv(rejects->file, record, reason);
	else
		add_json(rejects->file, record, reason);
	rejects->n++;
	return 0;
}

int rejects_sync(struct rejects *rejects, uint64_t *ret_bytes, struct mr_err *err)
{
	*ret_bytes = rejects->keep_bytes;
	if (rejects->file == NULL)
		return 0;
	if (fflush(rejects->file) != 0 || fdatasync(fileno(rejects->file)) < 0)
		return mr_fail(err, errno, "%s: %s", rejects->path, strerror(errno));
	*ret_bytes = (uint64_t)ftello(rejects->file);
	return 0;
}

int rejects_close(struct rejects *rejects, struct mr_err *err)
{
	bool failed;

	if (rejects->file == NULL)
		return 0;
	failed = ferror(rejects->file) != 0;
	failed |= fclose(rejects->file) != 0;
	rejects->file = NULL;
	return failed ? mr_fail(err, EIO, "%s: %s", rejects->path, strerror(errno)) : 0;
}
