// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_eal.h"
#include "mr_registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define USER "[set user]\nid = 7\nkey = u64\nttl = 7d\ncolumn age = i32\ncolumn city = string\n"
#define ITEM "[set item]\nid = 8\nkey = u64\ncolumn price = f32\n"
#define CTR "[view ctr]\nid = 3\ncolumns = user.age, item.price\n"

static struct mr_registry *create(struct rig *rig)
{
	struct mr_err err = {""};
	struct mr_registry *reg = mr_registry_create(&rig->tiers, rig->store, 0, &err);

	if (reg == NULL)
		fail_msg("%s", err.text);
	return reg;
}

/** Applies @p text; what is said goes to @p said. */
static int apply(struct mr_registry *reg, const char *text, char *said, size_t said_bytes)
{
	char *summary = NULL;
	size_t bytes;
	FILE *out = open_memstream(&summary, &bytes);
	struct mr_err err = {""};
	int ret = mr_registry_apply(reg, "f.ini", text, strlen(text), out, &err);

	fclose(out);
	snprintf(said, said_bytes, "%s", ret < 0 ? err.text : summary);
	free(summary);
	return ret;
}

static void test_apply(void **state)
{
	static const struct {
		const char *text;
		int ret;
		const char *said;
		uint64_t generation; // afterwards
	} steps[] = {
		{USER ITEM CTR, 0,
			"set user: added\nset item: added\nview ctr: added\n"
			"registered now: 2 sets, 1 views\n",
			2},
		{USER ITEM CTR, 0,
			"set user: unchanged\nset item: unchanged\nview ctr: unchanged\n"
			"nothing changed\n",
			2},
		{"", -EINVAL, "f.ini: no [set NAME] and no [view NAME] in it", 2},
		{"[set user]\nid = x\n", -EINVAL, "f.ini:2: [set user] id = x: ", 2},
		{"[set user]\nid = 7\nkey = u64\ncolumn age = i64\n", -EINVAL,
			"f.ini: set user: ", 2},
		{"[set other]\nid = 7\nkey = u64\ncolumn age = i64\n", -EINVAL,
			"f.ini: set other: id = 7 belongs to set user", 2},
		{"[set user]\nid = 7\nkey = u64\nttl = 1h\ncolumn age = i32\ncolumn city = "
		 "string\n",
			0, "set user: changed\nregistered now: 2 sets, 1 views\n", 3},
		{"[view ctr]\nid = 3\ncolumns = user.city\n[view more]\nid = 4\ncolumns = item.*\n",
			0, "view ctr: changed\nview more: added\nregistered now: 2 sets, 2 views\n",
			4},
	};
	struct mr_registry *reg;
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	reg = create(&rig);
	assert_int_equal(mr_tiers_published(&rig.tiers)->catalog->n_sets, 0);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(steps); i++) {
		const struct mr_published *before = mr_tiers_published(&rig.tiers);

		assert_int_equal(apply(reg, steps[i].text, said, sizeof(said)), steps[i].ret);
		if (steps[i].ret == 0)
			assert_string_equal(said, steps[i].said);
		else
			assert_memory_equal(said, steps[i].said, strlen(steps[i].said));
		if (mr_tiers_published(&rig.tiers)->generation != steps[i].generation)
			fail_msg("step %u", i);
		// Refused or nothing new: not even swapped.
		if (i > 0 && steps[i].generation == steps[i - 1].generation)
			assert_ptr_equal(mr_tiers_published(&rig.tiers), before);
	}
	assert_int_equal(
		mr_catalog_set_by_name(mr_tiers_published(&rig.tiers)->catalog, "user")->ttl_us,
		3600 * MR_US_PER_S);
	mr_registry_free(reg);
	assert_null(mr_tiers_published(&rig.tiers));
	mr_registry_free(NULL);
	rig_done(&rig);
}

static int version(struct mr_registry *reg, enum mr_registry_op op, const char *set,
	uint16_t version, bool plan)
{
	struct mr_err err = {""};
	char *said = NULL;
	size_t bytes;
	FILE *out = open_memstream(&said, &bytes);
	int ret = mr_registry_version(reg, op, set, version, plan, out, &err);

	fclose(out);
	assert_true(ret == 0 ? said[0] != '\0' : err.text[0] != '\0');
	free(said);
	return ret;
}

static const struct mr_schema *user_of(const struct rig *rig)
{
	return mr_catalog_set_by_name(mr_tiers_published(&rig->tiers)->catalog, "user");
}

static void put_row(struct rig *rig, uint16_t version)
{
	struct mr_store_put put = {.space = mr_space(7, version),
		.key = "12345678",
		.key_bytes = 8,
		.event_time_us = 1,
		.row = "r",
		.row_bytes = 1};

	assert_int_equal(mr_store_commit(rig->store, &put, 1, false, NULL), 0);
}

static unsigned rows_of(struct rig *rig, uint16_t version)
{
	struct mr_store_scan *scan = mr_store_scan_begin(rig->store, mr_space(7, version));
	struct mr_store_item item;
	unsigned n = 0;

	while (mr_store_scan_next(scan, &item, NULL) == 1)
		n++;
	mr_store_scan_end(scan);
	return n;
}

static void test_versions(void **state)
{
	static const struct {
		enum mr_registry_op op;
		uint16_t version;
		bool plan;
		int ret;
		unsigned current, n_beside; // afterwards
	} steps[] = {
		{MR_REGISTRY_SWITCH, 2, false, -ENOENT, 1, 0},
		{MR_REGISTRY_ADD, 2, true, 0, 1, 0},
		{MR_REGISTRY_ADD, 2, false, 0, 1, 1},
		{MR_REGISTRY_ADD, 2, false, 0, 1, 1},
		{MR_REGISTRY_SWITCH, 2, true, 0, 1, 1},
		{MR_REGISTRY_SWITCH, 2, false, 0, 2, 1},
		{MR_REGISTRY_SWITCH, 2, false, 0, 2, 1},
		{MR_REGISTRY_DROP, 2, false, -EBUSY, 2, 1},
		{MR_REGISTRY_DROP, 5, false, -ENOENT, 2, 1},
		{MR_REGISTRY_SWITCH, 1, false, 0, 1, 1},
		{MR_REGISTRY_DROP, 2, true, 0, 1, 1},
		{MR_REGISTRY_DROP, 2, false, 0, 1, 0},
		{MR_REGISTRY_DROP, 2, false, -ENOENT, 1, 0},
	};
	struct mr_registry *reg;
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	reg = create(&rig);
	assert_int_equal(apply(reg, USER ITEM CTR, said, sizeof(said)), 0);
	assert_int_equal(version(reg, MR_REGISTRY_ADD, "none", 1, false), -ENOENT);
	for (unsigned v = 1; v <= 3; v++)
		put_row(&rig, (uint16_t)v);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(steps); i++) {
		assert_int_equal(version(reg, steps[i].op, "user", steps[i].version, steps[i].plan),
			steps[i].ret);
		assert_int_equal(user_of(&rig)->version, steps[i].current);
		assert_int_equal(user_of(&rig)->n_beside, steps[i].n_beside);
	}
	assert_int_equal(rows_of(&rig, 1), 1);
	assert_int_equal(rows_of(&rig, 2), 0);
	assert_int_equal(rows_of(&rig, 3), 1);
	for (uint16_t v = 2; v <= 16; v++)
		assert_int_equal(version(reg, MR_REGISTRY_ADD, "user", v, false), 0);
	assert_int_equal(version(reg, MR_REGISTRY_ADD, "user", 17, false), -EINVAL);
	// Text neither adds versions nor forgets them; a version it names becomes current.
	assert_int_equal(apply(reg, USER "beside = 2\n", said, sizeof(said)), -EINVAL);
	assert_int_equal(apply(reg, USER "version = 3\n", said, sizeof(said)), 0);
	assert_int_equal(user_of(&rig)->version, 3);
	assert_int_equal(user_of(&rig)->n_beside, 15);
	assert_true(mr_schema_has_version(user_of(&rig), 1));
	mr_registry_free(reg);
	rig_done(&rig);
}

// A drop that a crash cut short, between the catalog and the rows, is finished at the next start.
static void test_drop_cut_short(void **state)
{
	struct mr_registry *reg;
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	reg = create(&rig);
	assert_int_equal(apply(reg, USER, said, sizeof(said)), 0);
	mr_registry_free(reg);
	put_row(&rig, 1);
	put_row(&rig, 2);
	assert_int_equal(mr_store_meta_put(rig.store, "catalog.drop", "00070002", 8, NULL), 0);
	rig_close_store(&rig);

	rig_open_store(&rig);
	reg = create(&rig);
	assert_int_equal(rows_of(&rig, 1), 1);
	assert_int_equal(rows_of(&rig, 2), 0);
	mr_registry_free(reg);
	rig_done(&rig);
}

static void test_restart(void **state)
{
	const struct mr_published *published;
	struct mr_registry *reg;
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	reg = create(&rig);
	assert_int_equal(apply(reg, USER, said, sizeof(said)), 0);
	assert_int_equal(apply(reg, ITEM CTR, said, sizeof(said)), 0);
	mr_registry_free(reg);
	rig_close_store(&rig);

	rig_open_store(&rig);
	reg = create(&rig);
	published = mr_registry_read_begin(reg);
	assert_ptr_equal(published, mr_tiers_published(&rig.tiers));
	assert_int_equal(published->catalog->n_sets, 2);
	assert_int_equal(published->n_descriptions, 3);
	assert_non_null(mr_published_find(published, "ctr", 3));
	mr_registry_read_end(reg);
	assert_int_equal(apply(reg, USER ITEM CTR, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "nothing changed"));
	mr_registry_free(reg);
	rig_done(&rig);
}

static void test_damaged(void **state)
{
	struct mr_err err = {""};
	struct rig rig;

	(void)state;
	rig_make(&rig);
	assert_int_equal(mr_store_meta_put(rig.store, "catalog", "[set", 4, &err), 0);
	assert_null(mr_registry_create(&rig.tiers, rig.store, 0, &err));
	assert_int_equal(errno, EUCLEAN);
	assert_memory_equal(err.text, "the catalog in the store is damaged: catalog:1: ", 48);
	assert_null(atomic_load(&rig.tiers.published));
	rig_done(&rig);
}

// More sets than the first arena holds.
static void test_large(void **state)
{
	size_t room = 4 << 20, n = 0;
	char *text = malloc(room), said[1024];
	struct mr_registry *reg;
	struct rig rig;
	struct mr_err err = {""};

	(void)state;
	for (unsigned s = 1; s <= 100; s++) {
		n += (size_t)snprintf(text + n, room - n, "[set s%u]\nid = %u\nkey = u64\n", s, s);
		for (unsigned c = 0; c < 100; c++)
			n += (size_t)snprintf(text + n, room - n, "column column_%u = f32\n", c);
	}
	rig_make(&rig);
	reg = create(&rig);
	if (mr_registry_apply(reg, "f.ini", text, n, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(mr_tiers_published(&rig.tiers)->catalog->n_sets, 100);
	assert_int_equal(apply(reg, USER, said, sizeof(said)), -EINVAL); // id 7 is taken
	mr_registry_free(reg);
	free(text);
	rig_done(&rig);
}

struct reader {
	struct rig *rig;
	struct mr_registry *reg; // NULL: reads as an lcore does
	unsigned slot;
	_Atomic bool stop;
	_Atomic uint64_t reads;
};

static void read_catalog(const struct mr_published *published)
{
	for (unsigned i = 0; i < published->n_descriptions; i++)
		assert_true(strlen(published->descriptions[i].text) ==
			    published->descriptions[i].text_bytes);
}

static void *read_on(void *arg)
{
	struct reader *r = arg;

	if (r->reg == NULL)
		mr_rcu_join(&r->rig->rcu, r->slot);
	while (!atomic_load(&r->stop)) {
		if (r->reg != NULL) {
			read_catalog(mr_registry_read_begin(r->reg));
			mr_registry_read_end(r->reg);
		} else {
			read_catalog(mr_tiers_published(&r->rig->tiers));
			mr_rcu_quiescent(&r->rig->rcu, r->slot);
		}
		atomic_fetch_add(&r->reads, 1);
	}
	if (r->reg == NULL)
		mr_rcu_leave(&r->rig->rcu, r->slot);
	return NULL;
}

// Lcores and telemetry threads read while catalogs come and go; AddressSanitizer watches.
static void test_readers(void **state)
{
	static struct reader readers[2];
	struct mr_registry *reg;
	pthread_t threads[2];
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	reg = create(&rig);
	assert_int_equal(apply(reg, USER, said, sizeof(said)), 0);
	for (unsigned i = 0; i < 2; i++) {
		readers[i] = (struct reader){.rig = &rig, .reg = i == 0 ? reg : NULL, .slot = i};
		pthread_create(&threads[i], NULL, read_on, &readers[i]);
	}
	for (unsigned i = 0; i < 15 || atomic_load(&readers[0].reads) == 0 ||
			     atomic_load(&readers[1].reads) == 0;
		i++) {
		char text[256];

		snprintf(text, sizeof(text),
			"[set user]\nid = 7\nkey = u64\nttl = %us\ncolumn age = i32\ncolumn city = "
			"string\n",
			i + 1);
		assert_int_equal(apply(reg, text, said, sizeof(said)), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&readers[i].stop, true);
		pthread_join(threads[i], NULL);
	}
	mr_registry_free(reg);
	rig_done(&rig);
}

struct applying {
	struct mr_registry *reg;
	_Atomic bool done;
};

static void *apply_item(void *arg)
{
	struct applying *a = arg;
	char said[1024];

	assert_int_equal(apply(a->reg, ITEM, said, sizeof(said)), 0);
	atomic_store(&a->done, true);
	return NULL;
}

// A catalog that an lcore (this thread) reads is not freed under it.
static void test_waits_for_lcores(void **state)
{
	static struct applying applying;
	const struct mr_published *old;
	pthread_t thread;
	char said[1024];
	struct rig rig;

	(void)state;
	rig_make(&rig);
	applying = (struct applying){.reg = create(&rig)};
	assert_int_equal(apply(applying.reg, USER, said, sizeof(said)), 0);
	mr_rcu_join(&rig.rcu, 0);
	old = mr_tiers_published(&rig.tiers);
	pthread_create(&thread, NULL, apply_item, &applying);
	while (mr_tiers_published(&rig.tiers) == old)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	assert_false(atomic_load(&applying.done));
	read_catalog(old);
	mr_rcu_quiescent(&rig.rcu, 0);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&applying.done));
	mr_rcu_leave(&rig.rcu, 0);
	mr_registry_free(applying.reg);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_drop_cut_short),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_waits_for_lcores),
		cmocka_unit_test(test_readers),
	};

	if (eal_start("--no-telemetry") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
