// SPDX-License-Identifier: BSD-3-Clause
//
// Traces from files: the whole file is read, decompressed if need be, and cut into keys.
#include "sim_stream.h"

#include "mr_bytes.h"
#include "mr_hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct bytes {
	uint8_t *at;
	size_t n, capacity;
};

static int grow(struct bytes *bytes, size_t spare)
{
	size_t capacity = bytes->capacity * 2 + spare;
	uint8_t *at;

	if (bytes->capacity - bytes->n >= spare)
		return 0;
	at = realloc(bytes->at, capacity);
	if (at == NULL)
		return -ENOMEM;
	bytes->at = at;
	bytes->capacity = capacity;
	return 0;
}

static int inflate_file(FILE *file, const char *path, struct bytes *bytes, struct mr_err *err)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	size_t chunk = ZSTD_DStreamInSize(), state = 0;
	void *packed = malloc(chunk);
	ZSTD_inBuffer in = {.src = packed};
	int ret = zstd != NULL && packed != NULL ? 0 : -ENOMEM;

	while (ret == 0 && (in.size = fread(packed, 1, chunk, file)) > 0) {
		for (in.pos = 0; ret == 0 && in.pos < in.size;) {
			ZSTD_outBuffer out;

			ret = grow(bytes, ZSTD_DStreamOutSize());
			if (ret != 0)
				break;
			out = (ZSTD_outBuffer){bytes->at, bytes->capacity, bytes->n};
			state = ZSTD_decompressStream(zstd, &out, &in);
			bytes->n = out.pos;
			if (ZSTD_isError(state))
				ret = mr_fail(err, EINVAL, "%s: not a zstd file: %s", path,
					ZSTD_getErrorName(state));
		}
	}
	if (ret == 0 && state != 0)
		ret = mr_fail(err, EINVAL, "%s: ends too early", path);
	free(packed);
	ZSTD_freeDCtx(zstd);
	return ret;
}

static int read_plain(FILE *file, struct bytes *bytes)
{
	size_t n;

	do {
		if (grow(bytes, 1 << 16) != 0)
			return -ENOMEM;
		n = fread(bytes->at + bytes->n, 1, bytes->capacity - bytes->n, file);
		bytes->n += n;
	} while (n > 0);
	return 0;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	return len >= strlen(end) && memcmp(text + len - strlen(end), end, strlen(end)) == 0;
}

static int read_file(const char *path, bool packed, struct bytes *bytes, struct mr_err *err)
{
	FILE *file = fopen(path, "rb");
	int ret;

	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	ret = packed ? inflate_file(file, path, bytes, err) : read_plain(file, bytes);
	if (ret == 0 && ferror(file))
		ret = mr_fail(err, EIO, "%s: cannot be read", path);
	fclose(file);
	return ret;
}

// Any text is a key: its hash stands for it. Empty lines are none. @return how many; ids may be
// NULL.
static size_t cut_lines(const struct bytes *bytes, uint64_t *ids)
{
	size_t n = 0;

	for (size_t at = 0, end; at < bytes->n; at = end + 1) {
		const uint8_t *stop = memchr(bytes->at + at, '\n', bytes->n - at);

		end = stop != NULL ? (size_t)(stop - bytes->at) : bytes->n;
		if (end == at)
			continue;
		if (ids != NULL)
			ids[n] = mr_hash_key(bytes->at + at, end - at);
		n++;
	}
	return n;
}

static size_t cut_words(const struct bytes *bytes, uint64_t *ids)
{
	for (size_t i = 0; ids != NULL && i < bytes->n / 8; i++)
		ids[i] = mr_load_le64(bytes->at + 8 * i);
	return bytes->n / 8;
}

int sim_trace_read(struct sim_stream *stream, const char *path, struct mr_err *err)
{
	const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	size_t len = strlen(base);
	bool packed = ends_with(base, len, ".zst"), binary;
	struct bytes bytes = {.at = NULL};
	uint64_t *ids = NULL;
	char name[64];
	size_t n;
	int ret;

	len -= packed ? strlen(".zst") : 0;
	binary = ends_with(base, len, ".u64");
	len -= binary ? strlen(".u64") : 0;
	snprintf(name, sizeof(name), "%.*s", (int)len, base);
	ret = read_file(path, packed, &bytes, err);
	if (ret != 0)
		goto out;
	n = binary ? cut_words(&bytes, NULL) : cut_lines(&bytes, NULL);
	if (n == 0 || n >= UINT32_MAX || (binary && bytes.n % 8 != 0)) {
		ret = mr_fail(err, EINVAL, "%s: %zu bytes are not a trace of 1 to 2^32 - 2 keys",
			path, bytes.n);
		goto out;
	}
	ids = malloc(n * sizeof(*ids));
	ret = ids != NULL ? sim_stream_init(stream, name, (uint32_t)n) : -ENOMEM;
	if (ret != 0)
		goto out;
	if (binary)
		cut_words(&bytes, ids);
	else
		cut_lines(&bytes, ids);
	ret = sim_stream_finish(stream, ids);
	if (ret != 0)
		sim_stream_free(stream);
out:
	if (ret == -ENOMEM)
		mr_fail(err, ENOMEM, "%s: not enough memory", path);
	free(ids);
	free(bytes.at);
	return ret;
}
