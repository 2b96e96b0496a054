// SPDX-License-Identifier: BSD-3-Clause
#include "mr_catalog.h"

#include <string.h>

const struct mr_schema *mr_catalog_set_by_name(const struct mr_catalog *catalog, const char *name)
{
	for (unsigned i = 0; i < catalog->n_sets; i++) {
		if (strcmp(catalog->sets[i]->name, name) == 0)
			return catalog->sets[i];
	}
	return NULL;
}

const struct mr_schema *mr_catalog_set_by_id(const struct mr_catalog *catalog, uint16_t id)
{
	const struct mr_view *view = id <= MR_SET_ID_MAX ? catalog->by_wire_id[id] : NULL;

	return view != NULL ? view->parts[0].schema : NULL;
}

const struct mr_view *mr_catalog_view_by_name(const struct mr_catalog *catalog, const char *name)
{
	for (unsigned i = 0; i < catalog->n_views; i++) {
		if (strcmp(catalog->views[i]->name, name) == 0)
			return catalog->views[i];
	}
	for (unsigned i = 0; i < catalog->n_sets; i++) {
		if (strcmp(catalog->sets[i]->name, name) == 0)
			return catalog->set_views[i];
	}
	return NULL;
}
