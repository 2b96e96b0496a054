// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mr_tiers.h"

static int by_name(const void *a, const void *b)
{
	const struct mr_description *da = a, *db = b;

	return strcmp(da->name, db->name);
}

static int describe(struct mr_arena *arena, struct mr_description *d, const struct mr_view *view)
{
	size_t bytes = mr_catalog_print_view(view, NULL, 0);
	char *text = mr_arena_alloc(arena, bytes + 1, 1);

	if (text == NULL)
		return -ENOMEM;
	mr_catalog_print_view(view, text, bytes + 1);
	d->name = view->name;
	d->view = view;
	d->text = text;
	d->text_bytes = (uint32_t)bytes;
	return 0;
}

struct mr_published *mr_published_build(
	struct mr_arena *arena, const struct mr_catalog *catalog, uint64_t generation)
{
	unsigned n = catalog->n_sets + catalog->n_views;
	struct mr_published *p = mr_arena_alloc(arena, sizeof(*p), 8);
	struct mr_description *d = mr_arena_alloc(arena, (n + 1) * sizeof(*d), 8);

	if (p == NULL || d == NULL)
		goto full;
	p->catalog = catalog;
	p->generation = generation;
	p->descriptions = d;
	for (unsigned i = 0; i < catalog->n_views; i++)
		if (describe(arena, &d[p->n_descriptions++], catalog->views[i]) < 0)
			goto full;
	for (unsigned i = 0; i < catalog->n_sets; i++) {
		const struct mr_view *view = catalog->set_views[i];

		// A view hides a set of the same name, as it does for mr_catalog_view_by_name().
		if (mr_catalog_view_by_name(catalog, view->name) != view)
			continue;
		if (describe(arena, &d[p->n_descriptions++], view) < 0)
			goto full;
	}
	qsort(d, p->n_descriptions, sizeof(*d), by_name);
	return p;
full:
	errno = ENOMEM;
	return NULL;
}

const struct mr_description *mr_published_find(
	const struct mr_published *published, const char *name, unsigned name_bytes)
{
	unsigned low = 0, high = published->n_descriptions;

	// Names come from the network, with any bytes; strncmp() would stop at a zero and say
	// equal.
	if (memchr(name, '\0', name_bytes) != NULL)
		return NULL;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		const struct mr_description *d = &published->descriptions[mid];
		int order = strncmp(name, d->name, name_bytes);

		if (order == 0 && d->name[name_bytes] != '\0')
			order = -1;
		if (order == 0)
			return d;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
