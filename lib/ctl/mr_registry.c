// SPDX-License-Identifier: BSD-3-Clause
#include "mr_registry_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mr_units.h"

#define META_KEY "catalog"
#define SCRATCH_FIRST_BYTES (1 * MR_MIB)
#define SCRATCH_MAX_BYTES (4 * MR_GIB)

// ---- building
// ------------------------------------------------------------------------------------

/** A catalog in memory of the heap, which grows until it fits. */
struct scratch {
	struct mr_arena arena;
	struct mr_catalog *catalog;
	struct mr_published *published; // of a whole catalog; a change has none
};

/** One attempt; errno ENOMEM: larger. */
static int scratch_try(struct scratch *s, const struct mr_catalog *base, uint64_t generation,
	const char *file, const char *text, size_t text_bytes, struct mr_err *err)
{
	if (base != NULL) {
		s->catalog = mr_catalog_build_change(&s->arena, base, file, text, text_bytes, err);
		return s->catalog != NULL ? 0 : -errno;
	}
	s->catalog = mr_catalog_build(&s->arena, file, text, text_bytes, err);
	if (s->catalog == NULL)
		return -errno;
	s->published = mr_published_build(&s->arena, s->catalog, generation);
	return s->published != NULL ? 0 : -errno;
}

/**
 * Builds a change of @p base, or with base NULL a whole catalog.
 * @return 0 or -errno; the caller frees s->arena.mem either way.
 */
static int scratch_build(struct scratch *s, const struct mr_catalog *base, uint64_t generation,
	const char *file, const char *text, size_t text_bytes, struct mr_err *err)
{
	int ret = -ENOMEM;

	memset(s, 0, sizeof(*s));
	for (size_t bytes = SCRATCH_FIRST_BYTES; ret == -ENOMEM && bytes <= SCRATCH_MAX_BYTES;
		bytes *= 2) {
		void *mem = aligned_alloc(MR_CACHE_LINE_BYTES, bytes);

		free(s->arena.mem);
		s->arena.mem = NULL;
		if (mem == NULL)
			break;
		mr_arena_init(&s->arena, mem, bytes);
		ret = scratch_try(s, base, generation, file, text, text_bytes, err);
	}
	if (ret == -ENOMEM)
		mr_fail(err, ENOMEM, "%s: no memory for the catalog", file);
	return ret;
}

// ---- publishing
// ----------------------------------------------------------------------------------

/** The same catalog once more, in memory of the lcores' node. */
static int place(struct mr_registry *reg, const struct scratch *merged, const char *text,
	void **ret_mem, struct mr_published **ret_published, struct mr_err *err)
{
	size_t bytes = MR_ALIGN_UP(merged->arena.used_bytes, (size_t)MR_CACHE_LINE_BYTES);
	void *mem = mr_mem_alloc("mr_catalog", bytes, MR_CACHE_LINE_BYTES, reg->node);
	struct mr_catalog *catalog;
	struct mr_published *published = NULL;
	struct mr_arena arena;

	if (mem == NULL)
		return mr_fail(err, ENOMEM,
			"no %zu KiB on NUMA node %u for the catalog: give the appliance more "
			"memory",
			bytes / MR_KIB, reg->node);
	mr_arena_init(&arena, mem, bytes);
	catalog = mr_catalog_build(&arena, META_KEY, text, strlen(text), err);
	if (catalog != NULL)
		published = mr_published_build(&arena, catalog, merged->published->generation);
	if (published == NULL) {
		mr_mem_free(mem);
		return mr_fail(err, ENOMEM, "the catalog needs more memory than it did before");
	}
	*ret_mem = mem;
	*ret_published = published;
	return 0;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * MR_US_PER_S + (uint64_t)ts.tv_nsec / MR_NS_PER_US;
}

static void publish(struct mr_registry *reg, struct mr_published *published, void *mem)
{
	void *old = reg->mem;
	uint64_t start = now_us();

	pthread_rwlock_wrlock(&reg->publish);
	reg->published = published;
	reg->mem = mem;
	// why release: pairs with the acquire in mr_tiers_published(): bytes before pointer.
	atomic_store_explicit(&reg->tiers->published, published, memory_order_release);
	pthread_rwlock_unlock(&reg->publish);
	if (old != NULL) {
		mr_rcu_wait(reg->tiers->rcu);
		reg->publish_us = now_us() - start;
		mr_mem_free(old);
	}
}

// ---- start and stop
// ------------------------------------------------------------------------------

static int load(struct mr_registry *reg, struct mr_err *err)
{
	struct mr_published *published;
	struct scratch whole;
	size_t bytes = 0;
	void *mem;
	char *text = mr_store_meta_get(reg->store, META_KEY, &bytes);
	int ret;

	if (text == NULL && errno != ENOENT)
		return mr_fail(
			err, errno, "cannot read the catalog from the store: %s", strerror(errno));
	if (text == NULL)
		text = strdup("");
	if (text == NULL)
		return mr_fail(err, ENOMEM, "no memory for the catalog");
	ret = scratch_build(&whole, NULL, 1, META_KEY, text, strlen(text), err);
	if (ret == -EINVAL) {
		mr_err_prefix(err, "the catalog in the store is damaged: ");
		ret = -EUCLEAN;
	}
	if (ret == 0)
		ret = place(reg, &whole, text, &mem, &published, err);
	if (ret == 0)
		publish(reg, published, mem);
	if (ret == 0)
		ret = mr_registry_set_policy(reg, published->catalog, NULL, err);
	if (ret == 0)
		ret = mr_registry_finish_drops(reg, err);
	free(whole.arena.mem);
	free(text);
	return ret;
}

struct mr_registry *mr_registry_create(
	struct mr_tiers *tiers, struct mr_store *store, unsigned node, struct mr_err *err)
{
	struct mr_registry *reg = calloc(1, sizeof(*reg));
	int ret;

	if (reg == NULL) {
		mr_fail(err, ENOMEM, "no memory for the registry");
		return NULL;
	}
	reg->tiers = tiers;
	reg->store = store;
	reg->node = node;
	pthread_mutex_init(&reg->change, NULL);
	pthread_mutex_init(&reg->forget, NULL);
	pthread_rwlock_init(&reg->publish, NULL);
	ret = load(reg, err);
	if (ret < 0) {
		mr_registry_free(reg);
		errno = -ret;
		return NULL;
	}
	return reg;
}

void mr_registry_free(struct mr_registry *reg)
{
	if (reg == NULL)
		return;
	// why relaxed: no lcore is left to read it.
	atomic_store_explicit(&reg->tiers->published, NULL, memory_order_relaxed);
	mr_mem_free(reg->mem);
	pthread_rwlock_destroy(&reg->publish);
	pthread_mutex_destroy(&reg->change);
	pthread_mutex_destroy(&reg->forget);
	free(reg);
}

// ---- changes
// -------------------------------------------------------------------------------------

/** The canonical text of a catalog; NULL: no memory. */
static char *catalog_text(const struct mr_catalog *catalog)
{
	size_t bytes = mr_catalog_print(catalog, NULL, 0);
	char *text = malloc(bytes + 1);

	if (text != NULL)
		mr_catalog_print(catalog, text, bytes + 1);
	return text;
}

static char *merged_text(const struct mr_catalog *base, const struct mr_catalog *change,
	int *ret_error, struct mr_err *err)
{
	int64_t bytes = mr_catalog_merge(base, change, NULL, 0, err);
	char *text;

	if (bytes < 0) {
		*ret_error = (int)bytes;
		return NULL;
	}
	text = malloc((size_t)bytes + 1);
	if (text == NULL)
		*ret_error = mr_fail(err, ENOMEM, "no memory for the catalog's text");
	else
		mr_catalog_merge(base, change, text, (size_t)bytes + 1, err);
	return text;
}

/** What became of a section: whether it was there, and whether it was the same. */
static const char *outcome(bool was_there, bool same)
{
	return !was_there ? "added" : same ? "unchanged" : "changed";
}

static bool same_set(const struct mr_schema *a, const struct mr_schema *b)
{
	size_t bytes = mr_catalog_print_set(a, NULL, 0) + 1;
	char *one = malloc(bytes), *two = malloc(bytes);
	bool same = false;

	if (one != NULL && two != NULL && mr_catalog_print_set(b, NULL, 0) + 1 == bytes) {
		mr_catalog_print_set(a, one, bytes);
		mr_catalog_print_set(b, two, bytes);
		same = memcmp(one, two, bytes) == 0;
	}
	free(one);
	free(two);
	return same;
}

// Whether two views answer with the same columns of the same sets under the same id.
static bool same_view(const struct mr_view *a, const struct mr_view *b)
{
	bool same = a->id == b->id && a->layout == b->layout && a->n_parts == b->n_parts;

	for (unsigned i = 0; same && i < a->n_parts; i++) {
		const struct mr_shape *sa = &a->parts[i].shape, *sb = &b->parts[i].shape;

		same = strcmp(a->parts[i].schema->name, b->parts[i].schema->name) == 0 &&
		       sa->n_columns == sb->n_columns;
		for (unsigned c = 0; same && c < sa->n_columns; c++)
			same = strcmp(sa->columns[c].name, sb->columns[c].name) == 0;
	}
	return same;
}

static const struct mr_view *explicit_view(const struct mr_catalog *catalog, const char *name)
{
	const struct mr_view *view = mr_catalog_view_by_name(catalog, name);

	return view != NULL && (view->id & MR_VIEW_EXPLICIT) != 0 ? view : NULL;
}

static void summarize(FILE *out, const struct mr_catalog *base, const struct mr_catalog *change,
	const struct mr_catalog *merged, bool changed)
{
	for (unsigned i = 0; i < change->n_sets; i++) {
		const char *name = change->sets[i]->name;
		const struct mr_schema *was = mr_catalog_set_by_name(base, name);

		fprintf(out, "set %s: %s\n", name,
			outcome(was != NULL, was != NULL && same_set(was, mr_catalog_set_by_name(
										  merged, name))));
	}
	for (unsigned i = 0; i < change->n_views; i++) {
		const char *name = change->views[i]->name;
		const struct mr_view *was = explicit_view(base, name);

		fprintf(out, "view %s: %s\n", name,
			outcome(was != NULL,
				was != NULL && same_view(was, explicit_view(merged, name))));
	}
	if (changed)
		fprintf(out, "registered now: %u sets, %u views\n", merged->n_sets,
			merged->n_views);
	else
		fprintf(out, "nothing changed\n");
}

// Makes a merged catalog durable and then visible.
static int commit(struct mr_registry *reg, const struct scratch *merged, const char *text,
	const struct mr_store_meta *extra, struct mr_err *err)
{
	struct mr_store_meta metas[2] = {{META_KEY, text, strlen(text)}};
	struct mr_published *published;
	void *mem;
	int ret = place(reg, merged, text, &mem, &published, err);

	if (ret < 0)
		return ret;
	if (extra != NULL)
		metas[1] = *extra;
	// What either catalog keeps stays until nobody goes by the old one.
	ret = mr_registry_set_policy(reg, published->catalog, reg->published->catalog, err);
	if (ret == 0)
		ret = mr_store_commit_with_meta(
			reg->store, NULL, 0, metas, extra != NULL ? 2 : 1, true, err);
	if (ret < 0) {
		mr_mem_free(mem);
		return ret;
	}
	publish(reg, published, mem);
	// It is in force, whatever becomes of this: the older policy keeps more.
	mr_registry_set_policy(reg, published->catalog, NULL, NULL);
	return 0;
}

// The change built over @p base: merges, compares, commits.
int mr_registry_change(struct mr_registry *reg, const char *file, const struct mr_catalog *change,
	const struct mr_registry_how *how, FILE *summary, struct mr_err *err)
{
	const struct mr_catalog *base = reg->published->catalog;
	struct scratch merged = {0};
	char *was = NULL, *is = NULL;
	bool changed;
	int ret = 0;
	char *text = merged_text(base, change, &ret, err);

	if (ret == -EINVAL)
		mr_err_prefix(err, "%s: ", file);
	if (text == NULL)
		return ret;
	ret = scratch_build(
		&merged, NULL, reg->published->generation + 1, file, text, strlen(text), err);
	if (ret < 0)
		goto done;
	was = catalog_text(base);
	is = catalog_text(merged.catalog);
	if (was == NULL || is == NULL) {
		ret = mr_fail(err, ENOMEM, "no memory for the catalog's text");
		goto done;
	}
	changed = strcmp(was, is) != 0;
	// The summary looks at the old catalog, which the commit frees.
	if (summary != NULL)
		summarize(summary, base, change, merged.catalog, changed);
	if (changed && !how->plan)
		ret = commit(reg, &merged, text, how->extra, err);
done:
	free(is);
	free(was);
	free(merged.arena.mem);
	free(text);
	return ret;
}

// Versions come and go by commands of their own: a text that leaves one out would strand its rows.
static int check_beside(const struct mr_catalog *base, const struct mr_catalog *change,
	const char *file, struct mr_err *err)
{
	for (unsigned i = 0; i < change->n_sets; i++) {
		const struct mr_schema *new = change->sets[i];
		const struct mr_schema *old = mr_catalog_set_by_name(base, new->name);
		bool same = old == NULL || !new->has_beside || new->n_beside == old->n_beside;

		for (unsigned v = 0; same && old != NULL && v < new->n_beside; v++)
			same = mr_schema_has_version(old, new->beside[v]);
		if (!same)
			return mr_fail(err, EINVAL,
				"%s: set %s: beside: other versions than there are: leave the line "
				"out, and use `millrace version`",
				file, new->name);
	}
	return 0;
}

static int apply(struct mr_registry *reg, const char *file, const char *text, size_t text_bytes,
	bool plan, FILE *summary, struct mr_err *err)
{
	struct mr_registry_how how = {.plan = plan};
	struct scratch change;
	int ret;

	pthread_mutex_lock(&reg->change);
	ret = scratch_build(&change, reg->published->catalog, 0, file, text, text_bytes, err);
	if (ret == 0 && change.catalog->n_sets + change.catalog->n_views == 0)
		ret = mr_fail(err, EINVAL, "%s: no [set NAME] and no [view NAME] in it", file);
	if (ret == 0)
		ret = check_beside(reg->published->catalog, change.catalog, file, err);
	if (ret == 0)
		ret = mr_registry_change(reg, file, change.catalog, &how, summary, err);
	free(change.arena.mem);
	pthread_mutex_unlock(&reg->change);
	return ret;
}

int mr_registry_apply(struct mr_registry *reg, const char *file, const char *text,
	size_t text_bytes, FILE *summary, struct mr_err *err)
{
	return apply(reg, file, text, text_bytes, false, summary, err);
}

int mr_registry_plan(struct mr_registry *reg, const char *file, const char *text, size_t text_bytes,
	FILE *summary, struct mr_err *err)
{
	return apply(reg, file, text, text_bytes, true, summary, err);
}

const struct mr_published *mr_registry_read_begin(struct mr_registry *reg)
{
	pthread_rwlock_rdlock(&reg->publish);
	return reg->published;
}

void mr_registry_read_end(struct mr_registry *reg)
{
	pthread_rwlock_unlock(&reg->publish);
}
