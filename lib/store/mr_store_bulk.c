// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_bulk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_units.h"

#define DIR_PREFIX "bulk-"
#define FILE_BYTES (256 * MR_MIB)
#define ENTRIES_BETWEEN_LOOKS 4096u

// A run of table files whose keys ascend from file to file.
struct run {
	rocksdb_sstfilewriter_t *writer; // NULL: no file is open
	char **paths;
	unsigned n_paths, paths_room;
	uint64_t entries; // in the open file
};

// A range of keys and its files. Owner: one thread at a time.
struct part {
	struct mr_store_bulk *bulk;
	unsigned index, n_files;
	uint64_t rows;
	struct run live;
	// History sorts by length first, so rows in live order make one ascending run per length.
	struct run *history[256];
	uint8_t first[MR_STORE_KEY_MAX_BYTES], last[MR_STORE_KEY_MAX_BYTES];
	uint32_t first_bytes, last_bytes;
	uint8_t *value;
	size_t value_room;
	uint8_t apart[MR_CACHE_LINE_BYTES]; // from the next part, which another thread writes to
};

struct mr_store_bulk {
	struct mr_store *store;
	mr_space_t space;
	enum mr_store_cf live_cf;
	rocksdb_envoptions_t *env;
	struct part parts[MR_STORE_BULK_PARTS_MAX];
	char dir[PATH_MAX];
};

// ---- runs --------------------------------------------------------------------------------------

static int run_open(struct part *part, struct run *run, enum mr_store_cf cf, struct mr_err *err)
{
	struct mr_store_bulk *bulk = part->bulk;
	char *text = mr_store_fault(MR_STORE_FAULT_BULK), *path;

	if (text != NULL)
		return mr_store_fail(bulk->store, err, text, "bulk load");
	if (run->n_paths == run->paths_room) {
		unsigned room = MR_MAX(8u, 2 * run->paths_room);
		char **paths = realloc(run->paths, room * sizeof(*paths));

		if (paths == NULL)
			return mr_fail(err, ENOMEM, "bulk load: no memory");
		run->paths = paths;
		run->paths_room = room;
	}
	if (asprintf(&path, "%s/%02u-%06u.sst", bulk->dir, part->index, part->n_files++) < 0)
		return mr_fail(err, ENOMEM, "bulk load: no memory");
	run->paths[run->n_paths++] = path;
	run->entries = 0;
	run->writer = rocksdb_sstfilewriter_create(bulk->env, bulk->store->bulk_options[cf]);
	rocksdb_sstfilewriter_open(run->writer, path, &text);
	return mr_store_fail(bulk->store, err, text, "begin a bulk file");
}

static int run_close(struct mr_store_bulk *bulk, struct run *run, struct mr_err *err)
{
	char *text = NULL;

	if (run->writer == NULL)
		return 0;
	rocksdb_sstfilewriter_finish(run->writer, &text);
	rocksdb_sstfilewriter_destroy(run->writer);
	run->writer = NULL;
	return mr_store_fail(bulk->store, err, text, "finish a bulk file");
}

static void run_free(struct run *run)
{
	if (run->writer != NULL)
		rocksdb_sstfilewriter_destroy(run->writer);
	for (unsigned i = 0; i < run->n_paths; i++)
		free(run->paths[i]);
	free(run->paths);
}

static int run_add(struct part *part, struct run *run, enum mr_store_cf cf, const uint8_t *key,
	uint32_t key_bytes, size_t value_bytes, struct mr_err *err)
{
	char *text = NULL;
	uint64_t bytes;
	int ret;

	if (run->writer == NULL) {
		ret = run_open(part, run, cf, err);
		if (ret < 0)
			return ret;
	}
	rocksdb_sstfilewriter_put(run->writer, (const char *)key, key_bytes,
		(const char *)part->value, value_bytes, &text);
	if (text != NULL)
		return mr_store_fail(part->bulk->store, err, text, "write a bulk row");
	if (++run->entries % ENTRIES_BETWEEN_LOOKS != 0)
		return 0;
	rocksdb_sstfilewriter_file_size(run->writer, &bytes);
	return bytes >= FILE_BYTES ? run_close(part->bulk, run, err) : 0;
}

// All at once, or none. @return 0 or -errno
static int run_ingest(
	struct mr_store_bulk *bulk, const struct run *run, enum mr_store_cf cf, struct mr_err *err)
{
	rocksdb_ingestexternalfileoptions_t *options;
	char *text = mr_store_fault(MR_STORE_FAULT_BULK);

	if (text == NULL && run->n_paths > 0) {
		options = rocksdb_ingestexternalfileoptions_create();
		rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
		rocksdb_ingest_external_file_cf(bulk->store->db, bulk->store->cf[cf],
			(const char *const *)run->paths, run->n_paths, options, &text);
		rocksdb_ingestexternalfileoptions_destroy(options);
	}
	return mr_store_fail(bulk->store, err, text, "take in a bulk load");
}

// ---- adding ------------------------------------------------------------------------------------

struct mr_store_bulk *mr_store_bulk_begin(
	struct mr_store *store, mr_space_t space, bool fast, struct mr_err *err)
{
	struct mr_store_bulk *bulk;
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret == 0)
		ret = mr_store_check_room(store, err);
	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	bulk = calloc(1, sizeof(*bulk));
	if (bulk == NULL) {
		errno = -mr_fail(err, ENOMEM, "bulk load: no memory");
		return NULL;
	}
	bulk->store = store;
	bulk->space = space;
	bulk->live_cf = mr_store_live_cf(fast);
	if (snprintf(bulk->dir, sizeof(bulk->dir), "%s/" DIR_PREFIX "XXXXXX", store->path) >=
			(int)sizeof(bulk->dir) ||
		mkdtemp(bulk->dir) == NULL) {
		ret = mr_fail(err, errno, "bulk load: cannot make a directory in %s: %s",
			store->path, strerror(errno));
		free(bulk);
		errno = -ret;
		return NULL;
	}
	bulk->env = rocksdb_envoptions_create();
	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX; i++) {
		bulk->parts[i].bulk = bulk;
		bulk->parts[i].index = i;
	}
	return bulk;
}

static int compare(const uint8_t *a, uint32_t a_bytes, const uint8_t *b, uint32_t b_bytes)
{
	int c = memcmp(a, b, MR_MIN(a_bytes, b_bytes));

	return c != 0 ? c : (int)a_bytes - (int)b_bytes;
}

static int check_order(struct part *part, const uint8_t *key, uint32_t key_bytes,
	const struct mr_store_put *put, struct mr_err *err)
{
	const struct mr_store_bulk *bulk = part->bulk;
	int c;

	if (put->space != bulk->space)
		return mr_fail(err, EINVAL, "bulk load of set %u version %u: row %llu is of %u/%u",
			mr_space_set(bulk->space), mr_space_version(bulk->space),
			(unsigned long long)part->rows + 1, mr_space_set(put->space),
			mr_space_version(put->space));
	c = compare(key, key_bytes, part->last, part->last_bytes);
	if (part->rows > 0 && c <= 0)
		return mr_fail(err, EINVAL, "bulk load of set %u version %u: row %llu %s",
			mr_space_set(bulk->space), mr_space_version(bulk->space),
			(unsigned long long)part->rows + 1,
			c == 0 ? "has the key of the row before it"
			       : "sorts before the row before it; sort the rows by key bytes");
	mr_copy_short(part->last, key, key_bytes);
	part->last_bytes = key_bytes;
	if (part->rows == 0) {
		memcpy(part->first, key, key_bytes);
		part->first_bytes = key_bytes;
	}
	return 0;
}

static int make_value(
	struct part *part, const struct mr_store_put *put, size_t *ret_bytes, struct mr_err *err)
{
	struct mr_store_head head = mr_store_head_of(put);
	size_t row_bytes = put->deleted ? 0 : put->row_bytes;
	size_t bytes = sizeof(head) + row_bytes;

	if (bytes > part->value_room) {
		size_t room = MR_MAX(bytes, 2 * part->value_room);
		uint8_t *value = realloc(part->value, room);

		if (value == NULL)
			return mr_fail(err, ENOMEM, "bulk load: no memory for a row of %zu bytes",
				row_bytes);
		part->value = value;
		part->value_room = room;
	}
	memcpy(part->value, &head, sizeof(head));
	if (row_bytes > 0)
		memcpy(part->value + sizeof(head), put->row, row_bytes);
	*ret_bytes = bytes;
	return 0;
}

int mr_store_bulk_add(struct mr_store_bulk *bulk, unsigned part_index,
	const struct mr_store_put *put, struct mr_err *err)
{
	uint8_t key[MR_STORE_HISTORY_KEY_MAX_BYTES];
	uint32_t key_bytes = mr_store_put_key(key, put->space, put->key, put->key_bytes);
	struct part *part = &bulk->parts[part_index];
	struct run **history = &part->history[put->key_bytes];
	size_t value_bytes = 0;
	int ret;

	ret = check_order(part, key, key_bytes, put, err);
	if (ret == 0)
		ret = make_value(part, put, &value_bytes, err);
	if (ret == 0)
		ret = run_add(part, &part->live, bulk->live_cf, key, key_bytes, value_bytes, err);
	if (ret < 0)
		return ret;
	part->rows++;
	if (!put->keep_history)
		return 0;
	if (*history == NULL)
		*history = calloc(1, sizeof(**history));
	if (*history == NULL)
		return mr_fail(err, ENOMEM, "bulk load: no memory");
	key_bytes = mr_store_put_history_key(
		key, put->space, put->key, put->key_bytes, put->event_time_us);
	return run_add(part, *history, MR_STORE_CF_HISTORICAL, key, key_bytes, value_bytes, err);
}

uint64_t mr_store_bulk_rows(const struct mr_store_bulk *bulk)
{
	uint64_t rows = 0;

	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX; i++)
		rows += bulk->parts[i].rows;
	return rows;
}

uint64_t mr_store_bulk_part(const struct mr_store_bulk *bulk, unsigned part_index,
	const uint8_t **ret_last, uint32_t *ret_last_bytes)
{
	const struct part *part = &bulk->parts[part_index];

	*ret_last = part->last + MR_STORE_PREFIX_BYTES;
	*ret_last_bytes = part->rows > 0 ? part->last_bytes - MR_STORE_PREFIX_BYTES : 0;
	return part->rows;
}

// ---- ending ------------------------------------------------------------------------------------

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

static void part_free(struct part *part)
{
	run_free(&part->live);
	for (size_t i = 0; i < MR_ARRAY_SIZE(part->history); i++) {
		if (part->history[i] != NULL)
			run_free(part->history[i]);
		free(part->history[i]);
	}
	free(part->value);
}

void mr_store_bulk_abort(struct mr_store_bulk *bulk)
{
	if (bulk == NULL)
		return;
	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX; i++)
		part_free(&bulk->parts[i]);
	rocksdb_envoptions_destroy(bulk->env);
	remove_dir(bulk->dir);
	free(bulk);
}

static size_t note_key(char *key, const char *kind, mr_space_t space)
{
	return (size_t)snprintf(key, MR_STORE_NOTE_KEY_MAX_BYTES, "%s.%08x", kind, space);
}

// Pending before and done after: each takes a sequence number, so that the number tells the states
// before and after apart even where the ingestion itself takes none.
static int write_note(
	struct mr_store *store, mr_space_t space, uint64_t rows, bool done, struct mr_err *err)
{
	struct mr_store_bulk_note note = {.rows = htole64(rows), .space = htole32(space)};
	rocksdb_column_family_handle_t *cf = store->cf[MR_STORE_CF_DEFAULT];
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char key[MR_STORE_NOTE_KEY_MAX_BYTES];
	size_t n = note_key(key, done ? MR_STORE_NOTE_DONE : MR_STORE_NOTE_PENDING, space);

	rocksdb_writebatch_put_cf(batch, cf, key, n, (const char *)&note, sizeof(note));
	if (done) {
		n = note_key(key, MR_STORE_NOTE_PENDING, space);
		rocksdb_writebatch_delete_cf(batch, cf, key, n);
	}
	return mr_store_write_batch(store, batch, true, "note a bulk load", err);
}

static int part_close(struct part *part, struct mr_err *err)
{
	int ret = run_close(part->bulk, &part->live, err);

	for (size_t i = 0; i < MR_ARRAY_SIZE(part->history) && ret == 0; i++) {
		if (part->history[i] != NULL)
			ret = run_close(part->bulk, part->history[i], err);
	}
	return ret;
}

// Files of two parts must not overlap: they would shadow each other in an order nobody chose.
static int check_parts(const struct mr_store_bulk *bulk, struct mr_err *err)
{
	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX; i++) {
		const struct part *a = &bulk->parts[i];

		for (unsigned k = 0; k < i; k++) {
			const struct part *b = &bulk->parts[k];

			if (a->rows > 0 && b->rows > 0 &&
				compare(a->first, a->first_bytes, b->last, b->last_bytes) <= 0 &&
				compare(b->first, b->first_bytes, a->last, a->last_bytes) <= 0)
				return mr_fail(err, EINVAL,
					"bulk load of set %u version %u: parts %u and %u overlap: "
					"each must have a range of keys of its own",
					mr_space_set(bulk->space), mr_space_version(bulk->space), k,
					i);
		}
	}
	return 0;
}

static int all_add(struct run *all, const struct run *run, struct mr_err *err)
{
	char **paths;

	if (run == NULL || run->n_paths == 0)
		return 0;
	paths = realloc(all->paths, (all->n_paths + run->n_paths) * sizeof(*paths));
	if (paths == NULL)
		return mr_fail(err, ENOMEM, "bulk load: no memory");
	memcpy(paths + all->n_paths, run->paths, run->n_paths * sizeof(*paths));
	all->paths = paths;
	all->n_paths += run->n_paths;
	return 0;
}

// The files of one column family, all at once. No two of them overlap: parts do not, and history
// lies by length first.
static int ingest(struct mr_store_bulk *bulk, enum mr_store_cf cf, struct mr_err *err)
{
	struct run all = {0};
	int ret = 0;

	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX && ret == 0; i++) {
		const struct part *part = &bulk->parts[i];

		if (cf == bulk->live_cf)
			ret = all_add(&all, &part->live, err);
		for (size_t k = 0; k < MR_ARRAY_SIZE(part->history) && ret == 0 &&
				   cf == MR_STORE_CF_HISTORICAL;
			k++)
			ret = all_add(&all, part->history[k], err);
	}
	if (ret == 0 && (all.n_paths > 0 || cf == bulk->live_cf))
		ret = run_ingest(bulk, &all, cf, err);
	free(all.paths);
	return ret;
}

int mr_store_bulk_part_end(struct mr_store_bulk *bulk, unsigned part_index, struct mr_err *err)
{
	return part_close(&bulk->parts[part_index], err);
}

int mr_store_bulk_finish(struct mr_store_bulk *bulk, struct mr_err *err)
{
	struct mr_store *store = bulk->store;
	uint64_t rows = mr_store_bulk_rows(bulk);
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret == 0)
		ret = check_parts(bulk, err);
	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX && ret == 0; i++)
		ret = part_close(&bulk->parts[i], err);
	if (ret == 0 && rows > 0) {
		ret = write_note(store, bulk->space, rows, false, err);
		if (ret == 0)
			ret = ingest(bulk, MR_STORE_CF_HISTORICAL, err);
		if (ret == 0)
			ret = ingest(bulk, bulk->live_cf, err);
		if (ret == 0) {
			ret = write_note(store, bulk->space, rows, true, err);
			if (ret < 0)
				mr_err_prefix(err, "bulk load: the rows are visible, but then: ");
			else
				mr_store_count(&store->rows_written, rows);
		}
	}
	mr_store_bulk_abort(bulk);
	return ret;
}

// ---- after a crash -----------------------------------------------------------------------------

static void remove_leftovers(const struct mr_store *store)
{
	DIR *dir = opendir(store->path);
	struct dirent *entry;
	char path[PATH_MAX + 256];

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, DIR_PREFIX, sizeof(DIR_PREFIX) - 1) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", store->path, entry->d_name);
		remove_dir(path);
	}
	closedir(dir);
}

int mr_store_bulk_recover(struct mr_store *store, struct mr_err *err)
{
	static const char pending[] = MR_STORE_NOTE_PENDING;
	rocksdb_iterator_t *it;
	char *text = NULL;
	int ret = 0;

	remove_leftovers(store);
	it = rocksdb_create_iterator_cf(
		store->db, store->read_newest, store->cf[MR_STORE_CF_DEFAULT]);
	rocksdb_iter_seek(it, pending, sizeof(pending) - 1);
	for (; ret == 0 && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct mr_store_bulk_note note;
		size_t key_bytes, value_bytes;
		const char *key = rocksdb_iter_key(it, &key_bytes);
		const char *value = rocksdb_iter_value(it, &value_bytes);

		if (key_bytes < sizeof(pending) - 1 || value_bytes != sizeof(note) ||
			memcmp(key, pending, sizeof(pending) - 1) != 0)
			break;
		memcpy(&note, value, sizeof(note));
		// Whether its rows came cannot be told any more: 0 rows says so.
		ret = write_note(store, le32toh(note.space), 0, true, err);
	}
	rocksdb_iter_get_error(it, &text);
	rocksdb_iter_destroy(it);
	if (ret < 0)
		rocksdb_free(text);
	return ret < 0 ? ret : mr_store_fail(store, err, text, "read its own notes");
}
