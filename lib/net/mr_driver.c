// SPDX-License-Identifier: BSD-3-Clause
#include "mr_driver.h"

#include "mr_ini.h"
#include "mr_units.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// More than any sensible file; a directory given by mistake must not be slurped.
#define FILE_BYTES_MAX (64u * 1024)

struct reading {
	struct mr_driver driver;
	const char *pmd;
	char *names;
	size_t names_bytes;
	uint32_t seen; // a bit for each row of `keys`
	bool is_listed;
};

struct key {
	const char *name;
	int (*read)(const struct mr_ini_item *item, struct reading *r, size_t field,
		struct mr_err *err);
	size_t field; // offset in struct mr_driver
};

static int read_u16(const struct mr_ini_item *item, struct reading *r, size_t field, unsigned max,
	struct mr_err *err)
{
	uint16_t *at = (uint16_t *)(void *)((char *)&r->driver + field);
	uint64_t value;

	if (mr_parse_u64(item->value, &value) < 0 || value > max)
		return mr_ini_fail(item, err, EINVAL, "want a number from 0 to %u", max);
	*at = (uint16_t)value;
	return 0;
}

static int read_descriptors(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	return read_u16(item, r, field, 32768, err);
}

static int read_queues(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	return read_u16(item, r, field, 1024, err);
}

static int read_mtu(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	return read_u16(item, r, field, UINT16_MAX, err);
}

static int read_switch(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	enum mr_switch *at = (enum mr_switch *)(void *)((char *)&r->driver + field);

	for (enum mr_switch value = MR_SWITCH_AUTO; value <= MR_SWITCH_OFF; value++) {
		if (strcmp(item->value, mr_switch_name(value)) == 0) {
			*at = value;
			return 0;
		}
	}
	return mr_ini_fail(item, err, EINVAL, "want auto, on or off");
}

static int read_bool(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	bool is_yes = strcmp(item->value, "yes") == 0;

	if (!is_yes && strcmp(item->value, "no") != 0)
		return mr_ini_fail(item, err, EINVAL, "want yes or no");
	*((bool *)((char *)&r->driver + field)) = is_yes;
	return 0;
}

// The next of the names between commas and blanks. @return its length, 0 at the end.
static size_t next_name(const char **at)
{
	*at += strspn(*at, ", \t");
	return strcspn(*at, ", \t");
}

static int read_rss_fields(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	const char *at = item->value;
	size_t bytes;

	(void)field;
	if (strlen(item->value) >= sizeof(r->driver.rss_fields) || next_name(&at) == 0)
		return mr_ini_fail(item, err, EINVAL, "want a list of: ip, udp");
	for (; (bytes = next_name(&at)) > 0; at += bytes) {
		if (!(bytes == 2 && memcmp(at, "ip", 2) == 0) &&
			!(bytes == 3 && memcmp(at, "udp", 3) == 0))
			return mr_ini_fail(
				item, err, EINVAL, "'%.*s' is neither ip nor udp", (int)bytes, at);
	}
	snprintf(r->driver.rss_fields, sizeof(r->driver.rss_fields), "%s", item->value);
	return 0;
}

static void append_name(struct reading *r, const char *name, size_t bytes)
{
	size_t used = r->names_bytes > 0 ? strlen(r->names) : 0;

	if (used + bytes + 3 <= r->names_bytes)
		snprintf(r->names + used, r->names_bytes - used, "%s%.*s", used > 0 ? ", " : "",
			(int)bytes, name);
}

static int read_driver(
	const struct mr_ini_item *item, struct reading *r, size_t field, struct mr_err *err)
{
	const char *at = item->value;
	size_t bytes;

	(void)field;
	if (next_name(&at) == 0)
		return mr_ini_fail(item, err, EINVAL, "want the names of PMDs, such as net_tap");
	for (; (bytes = next_name(&at)) > 0; at += bytes) {
		if (bytes >= sizeof(r->driver.driver))
			return mr_ini_fail(item, err, EINVAL, "a name of %zu bytes, at most %zu",
				bytes, sizeof(r->driver.driver) - 1);
		append_name(r, at, bytes);
		if (strlen(r->pmd) == bytes && memcmp(r->pmd, at, bytes) == 0)
			r->is_listed = true;
	}
	return 0;
}

#define FIELD(name) offsetof(struct mr_driver, name)

static const struct key keys[] = {
	{"driver", read_driver, 0},
	{"rx_descriptors", read_descriptors, FIELD(rx_descriptors)},
	{"tx_descriptors", read_descriptors, FIELD(tx_descriptors)},
	{"max_queues", read_queues, FIELD(max_queues)},
	{"rx_checksum", read_switch, FIELD(rx_checksum)},
	{"tx_checksum", read_switch, FIELD(tx_checksum)},
	{"rss", read_switch, FIELD(rss)},
	{"rss_fields", read_rss_fields, 0},
	{"fast_free", read_switch, FIELD(fast_free)},
	{"promiscuous", read_bool, FIELD(promiscuous)},
	{"has_link", read_bool, FIELD(has_link)},
	{"mtu_max_bytes", read_mtu, FIELD(mtu_max_bytes)},
	{"verify_checksum", read_bool, FIELD(verify_checksum)},
};

#undef FIELD

static_assert(MR_ARRAY_SIZE(keys) <= 32, "a bit a key in struct reading");

static int fail_unknown(const struct mr_ini_item *item, struct mr_err *err)
{
	char list[256] = "";
	size_t used = 0;

	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys); i++)
		used += (size_t)snprintf(
			list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", keys[i].name);
	return mr_ini_fail(item, err, EINVAL, "no such key; there are: %s", list);
}

static int take_item(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct reading *r = arg;

	if (item->key == NULL) {
		if (strcmp(item->section, "driver") != 0)
			return mr_ini_fail(item, err, EINVAL, "the only section is [driver]");
		return 0;
	}
	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys); i++) {
		if (strcmp(item->key, keys[i].name) != 0)
			continue;
		if ((r->seen & (UINT32_C(1) << i)) != 0)
			return mr_ini_fail(item, err, EINVAL, "this key stands here twice");
		r->seen |= UINT32_C(1) << i;
		return keys[i].read(item, r, keys[i].field, err);
	}
	return fail_unknown(item, err);
}

const char *mr_switch_name(enum mr_switch value)
{
	static const char *const names[] = {"auto", "on", "off"};

	return names[value];
}

int mr_driver_read(struct mr_driver *ret, const char *file, const char *text, size_t text_bytes,
	const char *pmd, char *names, size_t names_bytes, struct mr_err *err)
{
	struct reading r = {
		.driver = {.rss_fields = "ip,udp", .has_link = true, .verify_checksum = true},
		.pmd = pmd,
		.names = names,
		.names_bytes = names_bytes,
	};
	int error;

	if (strlen(file) >= sizeof(r.driver.file) || strlen(pmd) >= sizeof(r.driver.driver))
		return mr_fail(err, EINVAL, "%s: name of the file or of the driver (%s) too long",
			file, pmd);
	error = mr_ini_read(file, text, text_bytes, take_item, &r, err);
	if (error < 0)
		return error;
	if ((r.seen & 1) == 0)
		return mr_fail(err, EINVAL,
			"%s: no 'driver' key; it lists the PMDs that the file is for", file);
	if (!r.is_listed)
		return 0;
	snprintf(r.driver.file, sizeof(r.driver.file), "%s", file);
	snprintf(r.driver.driver, sizeof(r.driver.driver), "%s", pmd);
	*ret = r.driver;
	return 1;
}

static int is_ini(const struct dirent *entry)
{
	size_t bytes = strlen(entry->d_name);

	return bytes > 4 && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + bytes - 4, ".ini") == 0;
}

static int read_file(const char *path, char *text, size_t *ret_bytes, struct mr_err *err)
{
	FILE *file = fopen(path, "rb");
	int error = 0;

	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	*ret_bytes = fread(text, 1, FILE_BYTES_MAX, file);
	if (ferror(file))
		error = mr_fail(err, EIO, "%s: cannot be read", path);
	else if (*ret_bytes == FILE_BYTES_MAX)
		error = mr_fail(err, EFBIG, "%s: longer than %u bytes", path, FILE_BYTES_MAX - 1);
	fclose(file);
	return error;
}

// Reads all entries with `text` as scratch. @return how many list the driver, or -errno.
static int read_entries(struct mr_driver *ret, const char *dir, struct dirent *const *entries,
	int n, char *text, const char *pmd, char names[512], struct mr_err *err)
{
	char path[sizeof(ret->file)];
	int n_found = 0;

	for (int i = 0; i < n; i++) {
		struct mr_driver before = *ret;
		size_t bytes = 0;
		int found;

		if (snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) >=
			(int)sizeof(path))
			return mr_fail(
				err, ENAMETOOLONG, "%s/%s: path too long", dir, entries[i]->d_name);
		found = read_file(path, text, &bytes, err);
		if (found == 0)
			found = mr_driver_read(ret, path, text, bytes, pmd, names, 512, err);
		if (found < 0)
			return found;
		n_found += found;
		if (n_found > 1)
			return mr_fail(err, EINVAL,
				"driver %s is listed by %s and by %s: take it out of one of them",
				pmd, before.file, path);
	}
	return n_found;
}

int mr_driver_load(struct mr_driver *ret, const char *dir, const char *pmd, struct mr_err *err)
{
	struct mr_driver driver = {.file = ""};
	char names[512] = "";
	struct dirent **entries;
	int n = scandir(dir, &entries, is_ini, alphasort), error;
	char *text;

	if (n < 0)
		return mr_fail(err, errno, "%s: %s; it should hold the drivers-cfg files", dir,
			strerror(errno));
	text = malloc(FILE_BYTES_MAX);
	if (text == NULL)
		error = mr_fail(err, ENOMEM, "%s: no memory for a file", dir);
	else
		error = read_entries(&driver, dir, entries, n, text, pmd, names, err);
	free(text);
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	if (error < 0)
		return error;
	if (error == 0)
		return mr_fail(err, ENOENT,
			"%s: no file there lists driver %s; copy the most similar one (there are: "
			"%s)",
			dir, pmd, names);
	*ret = driver;
	return 0;
}
