// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"

#include <errno.h>
#include <string.h>

const char *mr_client_status_name(enum mr_client_status status)
{
	switch (status) {
	case MR_CLIENT_LOST:
		return "lost";
	case MR_CLIENT_REFUSED:
		return "refused";
	case MR_CLIENT_STALE:
		return "stale";
	case MR_CLIENT_TOO_LONG:
		return "too_long";
	default:
		return mr_status_name((enum mr_status)status);
	}
}

int mr_client_status_errno(enum mr_client_status status)
{
	switch (status) {
	case MR_CLIENT_OK:
		return 0;
	case MR_CLIENT_NOT_FOUND:
		return -ENOENT;
	case MR_CLIENT_EXPIRED:
		return -ESTALE;
	case MR_CLIENT_BUSY:
	case MR_CLIENT_DEGRADED:
		return -EAGAIN;
	case MR_CLIENT_LOST:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

void *mr_client_result_user(const struct mr_client_result *result)
{
	return result->user;
}

size_t mr_client_result_n_keys(const struct mr_client_result *result)
{
	return result->n_keys;
}

unsigned mr_client_result_n_sets(const struct mr_client_result *result)
{
	return result->n_sets;
}

const struct mr_view *mr_client_result_view(const struct mr_client_result *result)
{
	return result->def != NULL ? result->def->view : NULL;
}

static const struct mr_client_entry *entry_at(
	const struct mr_client_result *result, size_t key, unsigned set)
{
	if (key >= result->n_keys || set >= result->n_sets)
		return NULL;
	return &result->entries[key * result->n_sets + set];
}

enum mr_client_status mr_client_result_status(
	const struct mr_client_result *result, size_t key, unsigned set)
{
	const struct mr_client_entry *entry = entry_at(result, key, set);

	return entry != NULL ? (enum mr_client_status)entry->status : MR_CLIENT_ERROR;
}

size_t mr_client_result_count(const struct mr_client_result *result, enum mr_client_status status)
{
	size_t n = 0;

	for (size_t i = 0; i < result->n_entries; i++)
		n += result->entries[i].status == (uint8_t)status;
	return n;
}

uint64_t mr_client_result_event_time_us(
	const struct mr_client_result *result, size_t key, unsigned set)
{
	const struct mr_client_entry *entry = entry_at(result, key, set);

	return entry != NULL ? entry->event_time_us : 0;
}

const char *mr_client_result_refusal(const struct mr_client_result *result)
{
	if (result->refusal == MR_WIRE_RESULT_OK)
		return NULL;
	return mr_wire_result_name((enum mr_wire_result)result->refusal);
}

bool mr_client_result_times(
	const struct mr_client_result *result, struct mr_client_times *ret_times)
{
	if (result->has_times)
		*ret_times = result->times;
	return result->has_times;
}

bool mr_client_result_durable(const struct mr_client_result *result)
{
	return result->durable && (result->op == MR_WIRE_OP_PUT || result->op == MR_WIRE_OP_DELETE);
}

int mr_client_result_find(const struct mr_client_result *result, const char *name,
	struct mr_client_column *ret_column)
{
	const struct mr_view *view = mr_client_result_view(result);
	const char *dot = strchr(name, '.');
	const struct mr_column *column = NULL;

	for (unsigned i = 0; view != NULL && i < view->n_parts; i++) {
		const struct mr_view_part *part = &view->parts[i];
		const struct mr_column *found;

		if (dot != NULL && (strlen(part->schema->name) != (size_t)(dot - name) ||
					   memcmp(part->schema->name, name, dot - name) != 0))
			continue;
		found = mr_shape_column(&part->shape, dot != NULL ? dot + 1 : name);
		if (found == NULL)
			continue;
		if (column != NULL)
			return -ENOTUNIQ;
		column = found;
		*ret_column = (struct mr_client_column){(uint16_t)i, found->index};
	}
	return column != NULL ? 0 : -ENOENT;
}

const void *mr_client_result_row(
	const struct mr_client_result *result, size_t key, unsigned set, uint32_t *ret_row_bytes)
{
	const struct mr_client_entry *entry = entry_at(result, key, set);

	if (entry == NULL || entry->status != MR_CLIENT_OK || entry->row == NULL)
		return NULL;
	*ret_row_bytes = entry->row_bytes;
	return entry->row;
}

int mr_client_result_value(const struct mr_client_result *result, size_t key,
	struct mr_client_column column, struct mr_value *ret_value)
{
	const struct mr_client_entry *entry = entry_at(result, key, column.set);
	const struct mr_view *view = mr_client_result_view(result);
	const struct mr_shape *shape;

	if (entry == NULL || view == NULL)
		return -EINVAL;
	shape = &view->parts[column.set].shape;
	if (column.index >= shape->n_columns)
		return -EINVAL;
	if (entry->status != MR_CLIENT_OK)
		return mr_client_status_errno((enum mr_client_status)entry->status);
	return mr_row_get(&shape->columns[column.index], entry->row, entry->row_bytes, ret_value);
}
