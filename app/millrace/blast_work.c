// SPDX-License-Identifier: BSD-3-Clause
//
// What a load asks for: keys by distribution or from a file, present and absent, reads and writes.

#include "blast.h"
#include "command.h"
#include "mr_key.h"
#include "mr_row.h"
#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Zipf --------------------------------------------------------------------------------------

static double log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

static double expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * (0.5 + x / 6);
}

static double density(double exponent, double x)
{
	return exp(-exponent * log(x));
}

static double integral(double exponent, double x)
{
	return expm1_over((1 - exponent) * log(x)) * log(x);
}

static double integral_inverse(double exponent, double y)
{
	double t = fmax(y * (1 - exponent), -1);

	return exp(log1p_over(t) * y);
}

void zipf_init(struct zipf *zipf, double exponent, uint64_t n)
{
	zipf->exponent = exponent;
	zipf->n = (double)n;
	zipf->h_first = integral(exponent, 1.5) - 1;
	zipf->h_last = integral(exponent, zipf->n + 0.5);
	zipf->shortcut =
		2 - integral_inverse(exponent, integral(exponent, 2.5) - density(exponent, 2));
}

uint64_t zipf_next(const struct zipf *zipf, struct mr_rng *rng)
{
	for (;;) {
		double u = zipf->h_last + mr_rng_unit(rng) * (zipf->h_first - zipf->h_last);
		double x = integral_inverse(zipf->exponent, u);
		double k = fmin(fmax(floor(x + 0.5), 1), zipf->n);

		if (k - x <= zipf->shortcut ||
			u >= integral(zipf->exponent, k + 0.5) - density(zipf->exponent, k))
			return (uint64_t)k;
	}
}

// ---- keys --------------------------------------------------------------------------------------

static int add_file_key(struct blast_work *work, size_t *bytes, size_t *capacity,
	size_t *offsets_capacity, const uint8_t *key, unsigned key_bytes)
{
	void *grown;

	if (*bytes + key_bytes > *capacity) {
		*capacity = *capacity * 2 + (64u << 10);
		grown = realloc(work->file_keys, *capacity);
		if (grown == NULL)
			return -ENOMEM;
		work->file_keys = grown;
	}
	if (work->n_keys + 2 > *offsets_capacity) {
		*offsets_capacity = *offsets_capacity * 2 + 4096;
		grown = realloc(work->file_offsets, *offsets_capacity * sizeof(uint32_t));
		if (grown == NULL)
			return -ENOMEM;
		work->file_offsets = grown;
		work->file_offsets[0] = 0;
	}
	memcpy(work->file_keys + *bytes, key, key_bytes);
	*bytes += key_bytes;
	work->file_offsets[++work->n_keys] = (uint32_t)*bytes;
	return 0;
}

static int read_keys(struct blast_work *work, FILE *file, const char *path, struct mr_err *err)
{
	size_t bytes = 0, capacity = 0, offsets_capacity = 0, line_capacity = 0;
	uint8_t key[MR_KEY_MAX_BYTES];
	struct mr_err why;
	char *line = NULL;
	unsigned number = 0;
	int rc = 0;

	while (rc == 0 && getline(&line, &line_capacity, file) >= 0) {
		int key_bytes;

		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			continue;
		key_bytes = parse_key(work->schema, line, key, &why);
		if (key_bytes < 0)
			rc = mr_fail(err, EINVAL, "%s:%u: %s", path, number, why.text);
		else if (bytes > UINT32_MAX - MR_KEY_MAX_BYTES)
			rc = mr_fail(err, E2BIG, "%s: more than 4 GiB of keys", path);
		else if (add_file_key(work, &bytes, &capacity, &offsets_capacity, key,
				 (unsigned)key_bytes) != 0)
			rc = mr_fail(err, ENOMEM, "out of memory for the keys in %s", path);
	}
	free(line);
	if (rc == 0 && ferror(file))
		rc = mr_fail(err, EIO, "%s: cannot be read", path);
	return rc;
}

int blast_work_load_keys(struct blast_work *work, const char *path, struct mr_err *err)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	int rc;

	if (file == NULL)
		return mr_fail(err, errno, "%s: %s", path, strerror(errno));
	work->n_keys = 0;
	rc = read_keys(work, file, path, err);
	if (file != stdin)
		fclose(file);
	if (rc == 0 && work->n_keys == 0)
		rc = mr_fail(err, EINVAL, "%s: no keys in it", path);
	return rc;
}

/** Key of a one-part schema that stands for @p number. @return its length. */
static unsigned number_key(const struct blast_work *work, uint64_t number, uint8_t *key)
{
	struct mr_key_value part = {.u64 = number};
	enum mr_type type = work->schema->key_parts[0].type;
	char text[24];

	if (type == MR_TYPE_STRING || type == MR_TYPE_BYTES) {
		part.bytes = (uint32_t)snprintf(text, sizeof(text), "%" PRIu64, number);
		part.data = text;
	}
	return (unsigned)mr_key_encode(work->schema, &part, 1, key);
}

static unsigned next_key(struct blast_work *work, uint8_t *key)
{
	uint64_t i;

	if (work->absent_ppm > 0 && mr_rng_below(&work->rng, 1000000) < work->absent_ppm) {
		// Far above the numbers that entities have.
		i = (UINT64_C(1) << 62) + (mr_rng_next(&work->rng) >> 3);
		return number_key(work, i, key);
	}
	i = work->zipf_exponent > 0 ? zipf_next(&work->zipf, &work->rng) - 1
	                            : mr_rng_below(&work->rng, work->n_keys);
	if (work->file_keys == NULL)
		return number_key(work, i, key);
	memcpy(key, work->file_keys + work->file_offsets[i],
		work->file_offsets[i + 1] - work->file_offsets[i]);
	return work->file_offsets[i + 1] - work->file_offsets[i];
}

// ---- rows --------------------------------------------------------------------------------------

static void random_value(
	struct mr_rng *rng, const struct mr_column *column, struct mr_value *value, uint8_t *data)
{
	uint64_t r = mr_rng_next(rng);
	size_t bytes = column->is_variable ? 4 + r % 12 : column->cell_bytes;

	memset(value, 0, sizeof(*value));
	value->type = column->type;
	value->count = column->count;
	for (size_t i = 0; i < bytes; i++)
		data[i] = column->type == MR_TYPE_BOOL ? (uint8_t)(mr_rng_next(rng) & 1)
		                                       : (uint8_t)('a' + mr_rng_below(rng, 26));
	if (column->is_variable || column->is_array) {
		value->data = data;
		value->bytes = (uint32_t)bytes;
	} else if (column->type == MR_TYPE_BOOL)
		value->b = r & 1;
	else if (column->type == MR_TYPE_F32)
		value->f32 = (float)mr_rng_unit(rng);
	else if (column->type == MR_TYPE_F64)
		value->f64 = mr_rng_unit(rng);
	else if (column->type == MR_TYPE_I32)
		value->i32 = (int32_t)(r % 1000);
	else
		value->i64 = (int64_t)(r % 1000);
}

static int make_row(struct blast_work *work, unsigned at, void *scratch, uint8_t *data)
{
	const struct mr_shape *shape = &work->schema->shape;
	struct mr_row_builder b;
	int rc = mr_row_begin(&b, shape, work->rows + (size_t)at * work->row_capacity,
		work->row_capacity, scratch);

	for (unsigned i = 0; rc == 0 && i < shape->n_columns; i++) {
		struct mr_value value;

		random_value(&work->rng, &shape->columns[i], &value, data);
		rc = mr_row_set(&b, &shape->columns[i], &value);
	}
	if (rc == 0)
		rc = mr_row_end(&b);
	if (rc >= 0)
		work->row_bytes[at] = (uint32_t)rc;
	return MR_MIN(rc, 0);
}

static int make_rows(struct blast_work *work, struct mr_err *err)
{
	const struct mr_shape *shape = &work->schema->shape;
	void *scratch = malloc(mr_row_builder_scratch_bytes(shape) + 1);
	uint8_t *data = malloc(MR_ROW_MAX_BYTES);
	int rc = 0;

	work->row_capacity = shape->fixed_bytes + 16 * shape->n_columns;
	work->rows = malloc((size_t)BLAST_ROWS * work->row_capacity);
	if (scratch == NULL || data == NULL || work->rows == NULL)
		rc = mr_fail(err, ENOMEM, "out of memory for rows");
	for (unsigned i = 0; rc == 0 && i < BLAST_ROWS; i++)
		if (make_row(work, i, scratch, data) != 0)
			rc = mr_fail(
				err, EINVAL, "no row of set %s can be made up", work->schema->name);
	free(scratch);
	free(data);
	return rc;
}

// ---- requests ----------------------------------------------------------------------------------

static int encode_write(
	struct blast_work *work, const struct mr_wire_ask *ask, uint8_t *data, unsigned n)
{
	struct mr_wire_writer w;
	uint8_t key[MR_KEY_MAX_BYTES];
	int rc = mr_wire_write_begin(
		&w, data, work->max_payload_bytes, MR_WIRE_OP_PUT, ask, work->schema->layout, 0);

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		unsigned at = (unsigned)mr_rng_below(&work->rng, BLAST_ROWS);
		struct mr_wire_row row = {
			.event_time_us = now_us(),
			.key = key,
			.key_bytes = (uint8_t)next_key(work, key),
			.row = work->rows + (size_t)at * work->row_capacity,
			.row_bytes = (uint16_t)work->row_bytes[at],
		};

		rc = mr_wire_write_add(&w, &row);
	}
	// A full datagram holds fewer rows than were drawn; one always fits.
	if (rc != 0 && (rc != -EMSGSIZE || w.key_count == 0))
		return rc;
	rc = mr_wire_write_end(&w);
	if (rc > 0 && work->mac != NULL)
		mr_wire_mac_sign(data, (size_t)rc, work->mac);
	return rc;
}

static int encode_get(
	struct blast_work *work, const struct mr_wire_ask *ask, uint8_t *data, unsigned n)
{
	uint8_t bytes[MR_WIRE_KEYS_MAX][MR_KEY_MAX_BYTES];
	struct mr_wire_key keys[MR_WIRE_KEYS_MAX];

	for (unsigned i = 0; i < n; i++) {
		keys[i].data = bytes[i];
		keys[i].bytes = (uint8_t)next_key(work, bytes[i]);
	}
	return mr_wire_get_encode(data, work->max_payload_bytes, ask, keys, n);
}

size_t blast_work_next(struct blast_work *work, void *data, uint64_t id, uint64_t cookie)
{
	struct mr_wire_ask ask = {
		.request_id = id,
		.cookie = cookie,
		.deadline_us = work->deadline_us,
		.view = work->view,
	};
	unsigned n = work->batch_min +
	             (unsigned)mr_rng_below(&work->rng, work->batch_max - work->batch_min + 1);
	int bytes;

	if (work->write_ppm > 0 && mr_rng_below(&work->rng, 1000000) < work->write_ppm) {
		ask.flags = work->mac != NULL ? MR_WIRE_F_MAC : 0;
		bytes = encode_write(work, &ask, data, n);
	} else
		do
			bytes = encode_get(work, &ask, data, n);
		while (bytes < 0 && (n = n / 2) > 0);
	return bytes > 0 ? (size_t)bytes : 0;
}

int blast_work_init(struct blast_work *work, uint64_t seed, struct mr_err *err)
{
	const struct mr_schema *schema = work->schema;
	bool is_number = schema->n_key_parts == 1;
	int rc = 0;

	work->rng.state = seed;
	if (work->zipf_exponent > 0)
		zipf_init(&work->zipf, work->zipf_exponent, work->n_keys);
	if (!is_number && (work->file_keys == NULL || work->absent_ppm > 0))
		return mr_fail(err, EINVAL,
			"keys of %s have %u parts: give them with --keys-from, and no --absent",
			schema->name, schema->n_key_parts);
	if (work->write_ppm > 0)
		rc = make_rows(work, err);
	if (rc == 0 && work->write_ppm > 0 &&
		sizeof(struct mr_wire_req) + sizeof(struct mr_wire_write) +
				sizeof(struct mr_wire_record) + sizeof(struct mr_wire_mac) +
				MR_KEY_MAX_BYTES + 16 + work->row_capacity >
			work->max_payload_bytes)
		rc = mr_fail(err, EMSGSIZE, "rows of %s do not fit a datagram of %zu bytes",
			schema->name, work->max_payload_bytes);
	return rc;
}

void blast_work_free(struct blast_work *work)
{
	free(work->file_keys);
	free(work->file_offsets);
	free(work->rows);
}
