// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_units.h"

int mr_store_flush(struct mr_store *store, struct mr_err *err)
{
	rocksdb_flushoptions_t *options;
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret < 0)
		return ret;
	options = rocksdb_flushoptions_create();
	for (int cf = 0; cf < MR_STORE_CF_COUNT && ret == 0; cf++) {
		char *text = mr_store_fault(MR_STORE_FAULT_FLUSH);

		if (text == NULL)
			rocksdb_flush_cf(store->db, options, store->cf[cf], &text);
		ret = mr_store_fail(store, err, text, "flush");
	}
	rocksdb_flushoptions_destroy(options);
	return ret;
}

int mr_store_compact(struct mr_store *store, struct mr_err *err)
{
	rocksdb_compactoptions_t *options;
	uint64_t errors_before;
	int ret;

	ret = mr_store_check_writable(store, err);
	if (ret < 0)
		return ret;
	errors_before = mr_store_figure(store, MR_STORE_CF_DEFAULT, "rocksdb.background-errors");
	options = rocksdb_compactoptions_create();
	// The last level, too: what policies drop mostly lies there.
	rocksdb_compactoptions_set_bottommost_level_compaction(options, 2);
	rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
	for (int cf = 0; cf < MR_STORE_CF_COUNT; cf++)
		rocksdb_compact_range_cf_opt(store->db, store->cf[cf], options, NULL, 0, NULL, 0);
	rocksdb_compactoptions_destroy(options);
	// The C API has no status here.
	if (mr_store_figure(store, MR_STORE_CF_DEFAULT, "rocksdb.background-errors") ==
		errors_before)
		return 0;
	mr_store_count(&store->errors, 1);
	return mr_fail(
		err, EIO, "store %s: a compaction failed; its LOG file says why", store->path);
}

int mr_store_checkpoint(struct mr_store *store, const char *path, struct mr_err *err)
{
	rocksdb_checkpoint_t *checkpoint;
	char *text = NULL;

	if (access(path, F_OK) == 0)
		return mr_fail(
			err, EEXIST, "backup %s: is there already; choose a new directory", path);
	checkpoint = rocksdb_checkpoint_object_create(store->db, &text);
	if (text == NULL) {
		rocksdb_checkpoint_create(checkpoint, path, 0, &text);
		rocksdb_checkpoint_object_destroy(checkpoint);
	}
	return mr_store_fail_path(path, err, text, "make a backup");
}

#define ENTRIES_BETWEEN_LOOKS 4096u

// ---- verify ------------------------------------------------------------------------------------

// Every table file is there in full length.
static int verify_files(
	struct mr_store *store, struct mr_store_verified *verified, struct mr_err *err)
{
	const rocksdb_livefiles_t *files = rocksdb_livefiles(store->db);
	int n = rocksdb_livefiles_count(files), ret = 0;

	for (int i = 0; i < n && ret == 0; i++) {
		char path[PATH_MAX + 64];
		struct stat st;

		// The names begin with a slash.
		snprintf(path, sizeof(path), "%s%s", store->path, rocksdb_livefiles_name(files, i));
		if (stat(path, &st) < 0)
			// A compaction may have replaced it since the list was made.
			continue;
		if ((uint64_t)st.st_size != rocksdb_livefiles_size(files, i))
			ret = mr_fail(err, EUCLEAN,
				"%s: has %llu bytes, must have %llu; restore a backup", path,
				(unsigned long long)st.st_size,
				(unsigned long long)rocksdb_livefiles_size(files, i));
		verified->files++;
	}
	rocksdb_livefiles_destroy(files);
	return ret;
}

static bool canceled(const _Atomic bool *cancel, uint64_t entries)
{
	// why relaxed: it may be seen late.
	return cancel != NULL && entries % ENTRIES_BETWEEN_LOOKS == 0 &&
	       atomic_load_explicit(cancel, memory_order_relaxed);
}

static int verify_family(struct mr_store *store, enum mr_store_cf cf,
	rocksdb_readoptions_t *options, const _Atomic bool *cancel,
	struct mr_store_verified *verified, struct mr_err *err)
{
	bool rows = mr_store_cf_is_live(cf) || cf == MR_STORE_CF_HISTORICAL;
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(store->db, options, store->cf[cf]);
	char *text = NULL, what[96];
	int ret = 0;

	for (rocksdb_iter_seek_to_first(it); ret == 0 && rocksdb_iter_valid(it);
		rocksdb_iter_next(it)) {
		struct mr_store_head head;
		size_t key_bytes, value_bytes;
		const char *value = rocksdb_iter_value(it, &value_bytes);

		rocksdb_iter_key(it, &key_bytes);
		verified->entries++;
		verified->bytes += key_bytes + value_bytes;
		if (rows && !mr_store_parse_head(value, value_bytes, &head))
			ret = mr_fail(err, EUCLEAN,
				"store %s: entry %llu is not a row; restore a backup", store->path,
				(unsigned long long)verified->entries);
		else if (canceled(cancel, verified->entries))
			ret = mr_fail(
				err, ECANCELED, "store %s: verification was canceled", store->path);
	}
	rocksdb_iter_get_error(it, &text);
	rocksdb_iter_destroy(it);
	if (ret < 0) {
		rocksdb_free(text);
		return ret;
	}
	snprintf(what, sizeof(what), "verify %s, after entry %llu", mr_store_cf_names[cf],
		(unsigned long long)verified->entries);
	return mr_store_fail(store, err, text, what);
}

int mr_store_verify(struct mr_store *store, const _Atomic bool *cancel,
	struct mr_store_verified *ret_verified, struct mr_err *err)
{
	struct mr_store_verified verified = {0};
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	int ret;

	rocksdb_readoptions_set_verify_checksums(options, 1);
	rocksdb_readoptions_set_fill_cache(options, 0);
	rocksdb_readoptions_set_total_order_seek(options, 1);
	rocksdb_readoptions_set_readahead_size(options, 2 * MR_MIB);
	ret = verify_files(store, &verified, err);
	for (int cf = 0; cf < MR_STORE_CF_COUNT && ret == 0; cf++)
		ret = verify_family(store, (enum mr_store_cf)cf, options, cancel, &verified, err);
	rocksdb_readoptions_destroy(options);
	if (ret == 0)
		*ret_verified = verified;
	return ret;
}
