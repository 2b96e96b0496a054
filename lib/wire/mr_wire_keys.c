// SPDX-License-Identifier: BSD-3-Clause
#include "mr_wire_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_ini.h"
#include "mr_units.h"
#include "mr_wire.h"

#define FILE_MAX_BYTES 16384u

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// What is wrong is told by mr_fail() and not mr_ini_fail(), which would show the value.
static int fail(const struct mr_ini_item *item, struct mr_err *err, const char *what)
{
	return mr_fail(err, EINVAL, "%s:%u: [%s] %s: %s", item->file, item->line, item->section,
		item->key != NULL ? item->key : "", what);
}

static int read_key(const struct mr_ini_item *item, struct mr_siphash_key *ret, struct mr_err *err)
{
	uint8_t bytes[MR_SIPHASH_KEY_BYTES];
	bool zero = true;

	if (strlen(item->value) != 2 * sizeof(bytes))
		return fail(item, err, "want 16 bytes as 32 hexadecimal digits");
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		int high = nibble(item->value[2 * i]), low = nibble(item->value[2 * i + 1]);

		if (high < 0 || low < 0)
			return fail(item, err, "want 16 bytes as 32 hexadecimal digits");
		bytes[i] = (uint8_t)(high << 4 | low);
		zero &= bytes[i] == 0;
	}
	if (zero)
		return fail(item, err, "a key of zeros is no secret");
	*ret = mr_siphash_key_load(bytes);
	return 0;
}

static int read_secret(
	struct mr_wire_keys *keys, const struct mr_ini_item *item, struct mr_err *err)
{
	int ret;

	if (strcmp(item->key, "secret") != 0)
		return fail(item, err, "unknown key; [cookie] has secret");
	if (keys->n_secrets == MR_WIRE_SECRETS_MAX)
		return fail(item, err, "two secrets at most: the new one and the one before");
	ret = read_key(item, &keys->secrets[keys->n_secrets], err);
	keys->n_secrets += ret == 0;
	return ret;
}

static int read_mac(struct mr_wire_keys *keys, const struct mr_ini_item *item, struct mr_err *err)
{
	struct mr_wire_mac_key *key = &keys->mac[keys->n_mac];
	uint64_t id;
	int ret;

	if (mr_parse_u64(item->key, &id) < 0 || id == 0 || id > UINT32_MAX)
		return fail(item, err, "want a key id from 1 to 4294967295");
	for (unsigned i = 0; i < keys->n_mac; i++)
		if (keys->mac[i].id == id)
			return fail(item, err, "this id stands there twice");
	if (keys->n_mac == MR_WIRE_MAC_KEYS_MAX)
		return fail(item, err, "more than 64 keys");
	ret = read_key(item, &key->key, err);
	if (ret < 0)
		return ret;
	key->id = (uint32_t)id;
	keys->n_mac++;
	return 0;
}

struct reading {
	struct mr_wire_keys keys;
	bool understood; // what is wrong was told by us, and not by the INI reader
};

static int read_item(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct reading *r = arg;
	bool cookie = strcmp(item->section, "cookie") == 0;

	r->understood = true;
	if (!cookie && strcmp(item->section, "mac") != 0)
		return fail(item, err, "unknown section; there are [cookie] and [mac]");
	r->understood = item->key != NULL;
	if (item->key == NULL)
		return 0;
	if (cookie ? read_secret(&r->keys, item, err) : read_mac(&r->keys, item, err))
		return -EINVAL;
	r->understood = false;
	return 0;
}

// The INI reader shows the line that it does not understand; here that may be a secret.
static void hide_line(const char *file, struct mr_err *err)
{
	size_t at = strlen(file) + 1;

	if (err == NULL || at >= sizeof(err->text))
		return;
	at += strspn(err->text + at, "0123456789");
	snprintf(err->text + at, sizeof(err->text) - at, ": neither [section] nor KEY = VALUE");
}

int mr_wire_keys_parse(struct mr_wire_keys *ret_keys, const char *file, const char *text,
	size_t text_bytes, struct mr_err *err)
{
	struct reading r = {0};
	int ret = mr_ini_read(file, text, text_bytes, read_item, &r, err);

	if (ret < 0 && !r.understood)
		hide_line(file, err);
	if (ret == 0 && r.keys.n_secrets == 0 && r.keys.n_mac == 0)
		ret = mr_fail(err, EINVAL, "%s: no keys in it", file);
	if (ret == 0)
		*ret_keys = r.keys;
	explicit_bzero(&r, sizeof(r));
	return ret;
}

static int read_file(int fd, const char *file, char *text, size_t *ret_bytes, struct mr_err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return mr_fail(err, errno, "%s: %s", file, strerror(errno));
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return mr_fail(err, EPERM,
			"%s: holds secrets, and others than its owner may use it (mode %04o): "
			"chmod 600 it",
			file, (unsigned)st.st_mode & 07777);
	*ret_bytes = 0;
	do {
		n = read(fd, text + *ret_bytes, FILE_MAX_BYTES - *ret_bytes);
		if (n < 0)
			return mr_fail(err, errno, "%s: %s", file, strerror(errno));
		*ret_bytes += (size_t)n;
	} while (n > 0 && *ret_bytes < FILE_MAX_BYTES);
	return *ret_bytes < FILE_MAX_BYTES
	               ? 0
	               : mr_fail(err, EINVAL, "%s: %u bytes and more: not a file of keys", file,
				 FILE_MAX_BYTES);
}

int mr_wire_keys_load(struct mr_wire_keys *ret_keys, const char *file, struct mr_err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), ret;
	char text[FILE_MAX_BYTES];
	size_t bytes = 0;

	if (fd < 0)
		return mr_fail(err, errno, "%s: %s", file, strerror(errno));
	ret = read_file(fd, file, text, &bytes, err);
	close(fd);
	if (ret == 0)
		ret = mr_wire_keys_parse(ret_keys, file, text, bytes, err);
	explicit_bzero(text, sizeof(text));
	return ret;
}

void mr_wire_keys_wipe(struct mr_wire_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

void mr_wire_mac_sign(void *data, size_t bytes, const struct mr_wire_mac_key *key)
{
	size_t at = bytes - sizeof(struct mr_wire_mac);
	uint8_t *mac = (uint8_t *)data + at;

	mr_store_le32(mac + offsetof(struct mr_wire_mac, key_id), key->id);
	at += offsetof(struct mr_wire_mac, mac);
	mr_store_le64((uint8_t *)data + at, mr_siphash(&key->key, data, at));
}

bool mr_wire_mac_holds(
	const void *data, size_t bytes, const struct mr_wire_mac_key *keys, unsigned n_keys)
{
	size_t at = bytes - sizeof(struct mr_wire_mac);
	const uint8_t *p = data;
	uint32_t id = mr_load_le32(p + at + offsetof(struct mr_wire_mac, key_id));

	at += offsetof(struct mr_wire_mac, mac);
	for (unsigned i = 0; i < n_keys; i++)
		if (keys[i].id == id)
			return mr_siphash_equal(
				mr_load_le64(p + at), mr_siphash(&keys[i].key, p, at));
	return false;
}
