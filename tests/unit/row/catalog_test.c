// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72636174313131)

static const char sample[] = "# features of a shop\n"
			     "[view ctr]\n"
			     "id = 3\n"
			     "columns = user.age, item.price, user.city\n"
			     "columns = item.tag\n"
			     "[set user]\n"
			     "id = 7\n"
			     "key = u64\n"
			     "version = 4\n"
			     "ttl = 36h\n"
			     "durability = wal\n"
			     "history = 30d\n"
			     "beside = 3, 9\n"
			     "column age = i32\n"
			     "column embedding = f32[16]\n"
			     "column city = string\n"
			     "[set item]\n"
			     "id = 2\n"
			     "key = item_id:u64\n"
			     "column price = f64\n"
			     "column tag = bytes\n"
			     "[set pair]\n"
			     "id = 900\n"
			     "key = user:u64, site:string\n"
			     "tables = fast\n"
			     "column hits = i64\n"
			     "[view all_items]\n"
			     "id = 1\n"
			     "columns = item.*\n";

static void test_sample(void **state)
{
	const struct mr_schema *user, *pair;
	const struct mr_view *ctr;
	struct built b;

	(void)state;
	built_init(&b, sample, strlen(sample));
	assert_int_equal(b.catalog->n_sets, 3);
	assert_int_equal(b.catalog->n_views, 2);
	assert_string_equal(b.catalog->sets[0]->name, "item");
	assert_string_equal(b.catalog->sets[1]->name, "user");
	assert_string_equal(b.catalog->views[0]->name, "all_items");
	user = mr_catalog_set_by_name(b.catalog, "user");
	assert_ptr_equal(user, mr_catalog_set_by_id(b.catalog, 7));
	assert_int_equal(user->version, 4);
	assert_true(user->ttl_us == UINT64_C(36) * 3600 * 1000000);
	assert_int_equal(user->durability, MR_DURABILITY_WAL);
	assert_int_equal(user->tables, MR_TABLES_COMPACT);
	assert_int_equal(mr_catalog_set_by_id(b.catalog, 900)->tables, MR_TABLES_FAST);
	assert_int_equal(user->history_us, UINT64_C(30) * 86400 * 1000000);
	assert_int_equal(user->key_fixed_bytes, 8);
	assert_int_equal(user->shape.fixed_bytes, 8 + 4 + 64 + 4);
	assert_true(mr_schema_expired(user, 5, 6 + user->ttl_us));
	assert_false(mr_schema_expired(user, 5, 5 + user->ttl_us));
	assert_false(mr_schema_expired(user, 50, 5));
	pair = mr_catalog_set_by_id(b.catalog, 900);
	assert_int_equal(pair->n_key_parts, 2);
	assert_int_equal(pair->key_fixed_bytes, 0);
	assert_string_equal(pair->key_parts[1].name, "site");
	assert_int_equal(pair->version, 1);
	ctr = mr_catalog_view_by_name(b.catalog, "ctr");
	assert_ptr_equal(ctr, mr_catalog_view(b.catalog, MR_VIEW_EXPLICIT | 3));
	assert_int_equal(ctr->n_parts, 2);
	assert_ptr_equal(ctr->parts[0].schema, user);
	assert_int_equal(ctr->parts[0].shape.n_columns, 2);
	assert_string_equal(ctr->parts[0].shape.columns[1].name, "city");
	assert_true(ctr->parts[1].is_identity);
	assert_ptr_equal(mr_catalog_view_by_name(b.catalog, "user"), mr_catalog_view(b.catalog, 7));
	assert_true(mr_catalog_view(b.catalog, 7)->parts[0].is_identity);
	assert_null(mr_catalog_view_by_name(b.catalog, "nobody"));
	assert_null(mr_catalog_set_by_name(b.catalog, "ctr"));
	assert_null(mr_catalog_set_by_id(b.catalog, 8));
	assert_null(mr_catalog_set_by_id(b.catalog, MR_VIEW_EXPLICIT | 3));
	assert_null(mr_catalog_view(b.catalog, 0));
	built_fini(&b);
}

static void test_empty(void **state)
{
	struct built b;

	(void)state;
	built_init(&b, "# nothing\n", 10);
	assert_int_equal(b.catalog->n_sets, 0);
	assert_int_equal(b.catalog->n_views, 0);
	assert_null(mr_catalog_view_by_name(b.catalog, "x"));
	built_fini(&b);
}

#define SET "[set s]\nid = 1\nkey = u64\ncolumn a = i32\n"
#define LONG_NAME "n123456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *text;
	const char *place; // how the message starts
	const char *what;
} errors[] = {
	{"x = 1\n", "f.ini:1: ", "key before the first [section]"},
	{"[sets s]\n", "f.ini:1: [sets s]: ", "unknown section: [set NAME] or [view NAME]"},
	{"[set]\n", "f.ini:1: [set]: ", "''"},
	{"[set 1a]\n", "f.ini:1: [set 1a]: ", "'1a'"},
	{"[set a-b]\n", "f.ini:1: ", "'a-b': a name is 1 to 63 letters"},
	{"[set " LONG_NAME "]\n", "f.ini:1: ", "a name is 1 to 63"},
	{SET "[set s]\n", "f.ini:5: [set s]: ", "set s is already at line 1"},
	{SET "[view v]\nid = 1\ncolumns = s.*\n[view v]\n",
		"f.ini:8: [view v]: ", "view v is already at line 5"},
	{"[set s]\nkey = u64\ncolumn a = i32\n", "f.ini:1: [set s]: ", "no id"},
	{"[set s]\nid = 1\ncolumn a = i32\n", "f.ini:1: [set s]: ", "no key"},
	{"\n[set s]\nid = 1\nkey = u64\n[set t]\n", "f.ini:2: [set s]: ", "no columns"},
	{SET "[view v]\ncolumns = s.a\n", "f.ini:5: [view v]: ", "no id"},
	{SET "[view v]\nid = 1\n", "f.ini:5: [view v]: ", "no columns"},
	{"[set s]\nid = 0\n", "f.ini:2: [set s] id = 0: ", "a number from 1 to 32767"},
	{"[set s]\nid = 32768\n", "f.ini:2: [set s] id = 32768: ", "1 to 32767"},
	{"[set s]\nid = seven\n", "f.ini:2: [set s] id = seven: ", "1 to 32767"},
	{"[set s]\nid = 1\nid = 2\n", "f.ini:3: [set s] id = 2: ", "id twice"},
	{SET "key = u64\n", "f.ini:5: [set s] key = u64: ", "key twice"},
	{SET "version = 0\n", "f.ini:5: [set s] version = 0: ", "1 to 65535"},
	{SET "version = 1\nversion = 1\n", "f.ini:6: [set s] version = 1: ", "twice"},
	{SET "ttl = 7\n", "f.ini:5: [set s] ttl = 7: ", "a duration such as 7d"},
	{SET "ttl = 99999999999999w\n", "f.ini:5: [set s] ttl = ", "a duration"},
	{SET "ttl = 1d\nttl = 1d\n", "f.ini:6: ", "ttl twice"},
	{SET "beside = 2, 0\n", "f.ini:5: [set s] beside = 2, 0: ", "1 to 65535"},
	{SET "beside = 2, 3, 2\n", "f.ini:5: [set s] beside = 2, 3, 2: ", "2 twice"},
	{SET "beside = 2\nbeside = 3\n", "f.ini:6: ", "twice"},
	{SET "beside = 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n", "f.ini:5: ", "at most 15"},
	{SET "history = maybe\n", "f.ini:5: [set s] history = maybe: ", "30d"},
	{SET "durability = maybe\n", "f.ini:5: [set s] durability = maybe: ", "sync or wal"},
	{SET "durability = wal\ndurability = wal\n", "f.ini:6: ", "twice"},
	{SET "tables = plain\n", "f.ini:5: [set s] tables = plain: ", "compact or fast"},
	{SET "tables = fast\ntables = fast\n", "f.ini:6: ", "twice"},
	{SET "colum b = i32\n", "f.ini:5: [set s] colum b = i32: ", "unknown key"},
	{SET "column = i32\n", "f.ini:5: ", "unknown key"},
	{SET "column a = i64\n", "f.ini:5: [set s] column a = i64: ", "column a twice"},
	{SET "column b c = i64\n", "f.ini:5: ", "'b c'"},
	{SET "column b = int\n", "f.ini:5: [set s] column b = int: ", "unknown type 'int'"},
	{SET "column b = u64\n", "f.ini:5: ", "u64 is for keys: use i64"},
	{SET "column b =\n", "f.ini:5: ", "unknown type ''"},
	{SET "column b = f32[0]\n", "f.ini:5: ", "1 to 8192 elements"},
	{SET "column b = f32[8193]\n", "f.ini:5: ", "1 to 8192 elements"},
	{SET "column b = f32[4\n", "f.ini:5: ", "1 to 8192 elements"},
	{SET "column b = f32[]\n", "f.ini:5: ", "1 to 8192 elements"},
	{SET "column b = f32[4]x\n", "f.ini:5: ", "1 to 8192 elements"},
	{SET "column b = string[4]\n", "f.ini:5: ", "no arrays of string"},
	{SET "column b = f32[8192]\n", "f.ini:1: [set s]: ", "fixed part of a row takes 32780"},
	{"[set s]\nid = 1\nkey = f64\n", "f.ini:3: [set s] key = f64: ", "'f64' is no key type"},
	{"[set s]\nid = 1\nkey = u64, i64\n", "f.ini:3: ", "name each part"},
	{"[set s]\nid = 1\nkey = a:u64, a:i64\n", "f.ini:3: ", "key part a twice"},
	{"[set s]\nid = 1\nkey = a:u64,\n", "f.ini:3: ", "name each part"},
	{"[set s]\nid = 1\nkey = :u64\n", "f.ini:3: ", "''"},
	{"[set s]\nid = 1\nkey =\n", "f.ini:3: ", "'' is no key type"},
	{"[set s]\nid = 1\nkey = a:u64,b:u64,c:u64,d:u64,e:u64,f:u64,g:u64,h:u64,i:u64\n",
		"f.ini:3: ", "at most 8 parts"},
	{SET "[set t]\nid = 1\nkey = u64\ncolumn a = i32\n",
		"f.ini:5: [set t]: ", "id = 1 belongs to set s"},
	{SET "[view v]\nid = 2\ncolumns = s.a\n[view w]\nid = 2\ncolumns = s.a\n",
		"f.ini:8: [view w]: ", "id = 2 belongs to view v"},
	{SET "[view v]\nid = 1\nttl = 1d\n", "f.ini:7: [view v] ttl = 1d: ", "unknown key"},
	{SET "[view v]\nid = 1\ncolumns = s.a, t.a\n",
		"f.ini:7: [view v] columns = s.a, t.a: ", "no set t"},
	{SET "[view v]\nid = 1\ncolumns = s.b\n", "f.ini:7: ", "set s has no column b"},
	{SET "[view v]\nid = 1\ncolumns = s.a\ncolumns = s.*\n", "f.ini:8: ", "column s.a twice"},
	{SET "[view v]\nid = 1\ncolumns = a\n", "f.ini:7: ", "'a' is neither"},
	{SET "[view v]\nid = 1\ncolumns = s.a,\n", "f.ini:7: ", "'' is neither"},
	{SET "[view v]\nid = 1\ncolumns =\n", "f.ini:7: ", "'' is neither"},
	{SET "[view v]\nid = 1\ncolumns = s.**\n", "f.ini:7: ", "'s.**' is neither"},
	{SET "[set t]\nid = 2\nkey = string\ncolumn a = i32\n"
	     "[view v]\nid = 1\ncolumns = s.a, t.a\n",
		"f.ini:11: ", "those of s and t differ"},
};

static void test_errors(void **state)
{
	static uint8_t mem[2u << 20];

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(errors); i++) {
		struct mr_err err = {""};
		struct mr_arena arena;

		mr_arena_init(&arena, mem, sizeof(mem));
		errno = 0;
		if (mr_catalog_build(
			    &arena, "f.ini", errors[i].text, strlen(errors[i].text), &err) != NULL)
			fail_msg("built:\n%s", errors[i].text);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(arena.used_bytes, 0);
		if (strncmp(err.text, errors[i].place, strlen(errors[i].place)) != 0 ||
			strstr(err.text, errors[i].what) == NULL)
			fail_msg("case %u: '%s', not '%s...%s'", i, err.text, errors[i].place,
				errors[i].what);
	}
}

static void expect_error(const char *text, size_t bytes, const char *what)
{
	static uint8_t mem[4u << 20];
	struct mr_err err = {""};
	struct mr_arena arena;

	mr_arena_init(&arena, mem, sizeof(mem));
	assert_null(mr_catalog_build(&arena, "f.ini", text, bytes, &err));
	if (strstr(err.text, what) == NULL)
		fail_msg("'%s', not '%s'", err.text, what);
}

static void test_limits(void **state)
{
	static char text[65536];
	struct built b;
	size_t at;

	(void)state;
	at = (size_t)snprintf(text, sizeof(text), "[set s]\nid = 1\nkey = u64\n");
	for (unsigned i = 0; i < MR_SET_COLUMNS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "column c%u = string\n", i);
	built_init(&b, text, at);
	assert_int_equal(b.catalog->sets[0]->shape.n_columns, MR_SET_COLUMNS_MAX);
	built_fini(&b);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "column one_more = bool\n");
	expect_error(text, at, "at most 1024 columns");
	at = 0;
	for (unsigned i = 1; i <= MR_VIEW_SETS_MAX + 1; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"[set s%u]\nid = %u\nkey = u64\ncolumn a = i32\n", i, i);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "[view v]\nid = 1\n");
	for (unsigned i = 1; i <= MR_VIEW_SETS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "columns = s%u.a\n", i);
	built_init(&b, text, at);
	assert_int_equal(b.catalog->views[0]->n_parts, MR_VIEW_SETS_MAX);
	built_fini(&b);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "columns = s17.a\n");
	expect_error(text, at, "at most 16 sets");
}

// Every size of arena: either ENOMEM, no message and nothing used, or the catalog.
static void test_small_arenas(void **state)
{
	const size_t most = 1u << 20;
	uint8_t *mem = malloc(most);
	size_t size = 0;

	(void)state;
	assert_non_null(mem);
	for (;; size += size < 520000 ? 40000 : 8) {
		struct mr_err err = {""};
		struct mr_arena arena;

		assert_true(size < most);
		mr_arena_init(&arena, mem + (most - size) / 64 * 64, size);
		errno = 0;
		if (mr_catalog_build(&arena, "f.ini", sample, strlen(sample), &err) != NULL)
			break;
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(arena.used_bytes, 0);
		assert_string_equal(err.text, "");
	}
	free(mem);
}

static void check_same_layouts(const struct mr_catalog *a, const struct mr_catalog *b)
{
	assert_int_equal(a->n_sets, b->n_sets);
	assert_int_equal(a->n_views, b->n_views);
	for (unsigned i = 0; i < a->n_sets; i++) {
		assert_int_equal(a->sets[i]->layout, b->sets[i]->layout);
		assert_int_equal(a->set_views[i]->layout, b->set_views[i]->layout);
		// Of a set DESCRIBE tells its view's, and a PUT names the set's.
		assert_int_equal(a->set_views[i]->layout, a->sets[i]->layout);
		assert_int_equal(a->set_views[i]->id, b->sets[i]->id);
	}
	for (unsigned i = 0; i < a->n_views; i++)
		assert_int_equal(a->views[i]->layout, b->views[i]->layout);
}

// Text of a catalog builds the same catalog, whose text is the same.
static void check_fix_point(const struct mr_catalog *catalog)
{
	size_t bytes = mr_catalog_print(catalog, NULL, 0);
	char *first = malloc(bytes + 1), *second = malloc(bytes + 1);
	struct built again;

	assert_non_null(first);
	assert_non_null(second);
	assert_int_equal(mr_catalog_print(catalog, first, bytes + 1), bytes);
	assert_int_equal(strlen(first), bytes);
	built_init(&again, first, bytes);
	check_same_layouts(catalog, again.catalog);
	assert_int_equal(mr_catalog_print(again.catalog, second, bytes + 1), bytes);
	assert_string_equal(first, second);
	for (unsigned i = 0; i < catalog->n_views; i++) {
		const struct mr_view *view = catalog->views[i];
		struct built alone;
		size_t n = mr_catalog_print_view(view, second, bytes + 1);

		built_init(&alone, second, n);
		assert_int_equal(alone.catalog->n_sets, view->n_parts);
		assert_int_equal(mr_catalog_view(alone.catalog, view->id)->layout, view->layout);
		built_fini(&alone);
	}
	built_fini(&again);
	free(second);
	free(first);
}

static void test_print_fix_point(void **state)
{
	static struct model model;
	static char text[2 * MODEL_TEXT_BYTES];
	struct mr_rng rng = {SEED};
	struct built b;

	(void)state;
	built_init(&b, sample, strlen(sample));
	check_fix_point(b.catalog);
	built_fini(&b);
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = 20 + (unsigned)mr_rng_below(&rng, 400);
		size_t at;

		model_random_columns(&model, &rng, n);
		at = model_print(&model, "a_set", 5, text, sizeof(text));
		at += (size_t)snprintf(text + at, sizeof(text) - at, "[view some]\nid = 77\n");
		for (unsigned i = 0; i < n; i += 1 + (unsigned)mr_rng_below(&rng, 4))
			at += (size_t)snprintf(
				text + at, sizeof(text) - at, "columns = a_set.c%u\n", n - 1 - i);
		built_init(&b, text, at);
		check_fix_point(b.catalog);
		built_fini(&b);
	}
}

// Layouts tell apart what makes other bytes, and nothing else.
static void test_layout(void **state)
{
	static const struct {
		const char *text;
		bool same;
	} cases[] = {
		{"[set s]\nid = 2\nkey = k:u64\nttl = 1d\ncolumn a = i32\ncolumn b = f32\n", true},
		{"[set s]\nid = 1\nkey = i64\ncolumn a = i32\ncolumn b = f32\n", false},
		{"[set s]\nid = 1\nkey = u64\ncolumn b = f32\ncolumn a = i32\n", false},
		{"[set s]\nid = 1\nkey = u64\ncolumn a = i32\ncolumn b = i32\n", false},
		{"[set s]\nid = 1\nkey = u64\ncolumn a = i32\ncolumn c = f32\n", false},
		{"[set s]\nid = 1\nkey = u64\ncolumn a = i32\ncolumn b = f32[1]\n", false},
		{"[set s]\nid = 1\nkey = u64\ncolumn a = i32\n", false},
	};
	static const char base[] = "[set s]\nid = 1\nkey = u64\ncolumn a = i32\ncolumn b = f32\n";
	struct built b, c;

	(void)state;
	built_init(&b, base, strlen(base));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		built_init(&c, cases[i].text, strlen(cases[i].text));
		assert_int_equal(
			b.catalog->sets[0]->layout == c.catalog->sets[0]->layout, cases[i].same);
		built_fini(&c);
	}
	built_fini(&b);
}

static const struct {
	const char *change;
	const char *refused; // part of the message
	const char *kept;    // part of the merged text
	const char *gone;
} merges[] = {
	{"[set item]\nid = 2\nkey = item_id:u64\nttl = 5m\ncolumn price = f64\n"
	 "column tag = bytes\n",
		NULL, "ttl = 5m", NULL},
	// No version stated: it stays 4. The key part is only renamed.
	{"[set user]\nid = 7\nkey = uid:u64\ncolumn age = i32\ncolumn embedding = f32[16]\n"
	 "column city = string\n",
		NULL, "key = uid:u64\nversion = 4\nbeside = 3, 9\nttl = 0\n", "36h"},
	{"[set user]\nid = 7\nkey = u64\nversion = 5\ncolumn age = i32\n"
	 "column embedding = f32[16]\ncolumn city = string\n",
		NULL, "version = 5\nbeside = 3, 9, 4\n", "version = 4"},
	{"[set other]\nid = 8\nkey = u64\ncolumn x = bool\n", NULL, "column x = bool", NULL},
	{"[view ctr]\nid = 30\ncolumns = user.city\n", NULL,
		"[view ctr]\nid = 30\ncolumns = user.city\n", "item.price"},
	{"[view more]\nid = 4\ncolumns = pair.hits\n", NULL, "columns = pair.*", NULL},
	// Two views change places.
	{"[view ctr]\nid = 1\ncolumns = user.age\n[view all_items]\nid = 3\ncolumns = item.*\n",
		NULL, "[view ctr]\nid = 1\n", NULL},
	{"[view new]\nid = 3\ncolumns = user.age\n", "view new: id = 3 belongs to view ctr", NULL,
		NULL},
	{"[set user]\nid = 8\nkey = u64\ncolumn age = i32\ncolumn embedding = f32[16]\n"
	 "column city = string\n",
		"set user: id changes from 7 to 8", NULL, NULL},
	{"[set new]\nid = 7\nkey = u64\ncolumn x = bool\n", "set new: id = 7 belongs to set user",
		NULL, NULL},
	{"[set user]\nid = 7\nkey = i64\ncolumn age = i32\ncolumn embedding = f32[16]\n"
	 "column city = string\n",
		"set user: key changes from 'u64' to 'i64'", NULL, NULL},
	{"[set pair]\nid = 900\nkey = u64\ncolumn hits = i64\n",
		"set pair: key changes from 'user:u64, site:string' to 'u64'", NULL, NULL},
	{"[set user]\nid = 7\nkey = u64\ncolumn age = i64\ncolumn embedding = f32[16]\n"
	 "column city = string\n",
		"column number 1 changes from 'age = i32' to 'age = i64'", NULL, NULL},
	{"[set user]\nid = 7\nkey = u64\ncolumn age = i32\ncolumn embedding = f32[17]\n"
	 "column city = string\n",
		"column number 2 changes from 'embedding = f32[16]' to 'embedding = f32[17]'", NULL,
		NULL},
	{"[set user]\nid = 7\nkey = u64\ncolumn age = i32\n",
		"column number 2 changes from 'embedding = f32[16]' to nothing", NULL, NULL},
	{"[set item]\nid = 2\nkey = u64\ncolumn price = f64\ncolumn tag = bytes\n"
	 "column more = bool\n",
		"column number 3 changes from nothing to 'more = bool'", NULL, NULL},
	{"[set pair]\nid = 900\nkey = user:u64, site:string\ncolumn hits = i64\n",
		"set pair: tables changes from fast to compact", NULL, NULL},
};

static void run_merge(const struct built *base, unsigned i)
{
	static uint8_t mem[2u << 20];
	static char text[8192];
	struct mr_err err = {""};
	struct mr_catalog *change;
	struct mr_arena arena;
	struct built merged;
	int64_t n;

	mr_arena_init(&arena, mem, sizeof(mem));
	change = mr_catalog_build_change(
		&arena, base->catalog, "f.ini", merges[i].change, strlen(merges[i].change), &err);
	if (change == NULL)
		fail_msg("case %u: %s", i, err.text);
	n = mr_catalog_merge(base->catalog, change, text, sizeof(text), &err);
	if (merges[i].refused != NULL) {
		assert_int_equal(n, -EINVAL);
		if (strstr(err.text, merges[i].refused) == NULL)
			fail_msg("case %u: %s", i, err.text);
		return;
	}
	if (n < 0)
		fail_msg("case %u: %s", i, err.text);
	assert_int_equal(n, strlen(text));
	assert_int_equal(mr_catalog_merge(base->catalog, change, NULL, 0, &err), n);
	if (strstr(text, merges[i].kept) == NULL)
		fail_msg("case %u: no '%s' in:\n%s", i, merges[i].kept, text);
	if (merges[i].gone != NULL && strstr(text, merges[i].gone) != NULL)
		fail_msg("case %u: '%s' in:\n%s", i, merges[i].gone, text);
	built_init(&merged, text, (size_t)n);
	assert_in_range(merged.catalog->n_sets, 3, 4);
	check_fix_point(merged.catalog);
	built_fini(&merged);
}

static void test_merge(void **state)
{
	struct built base;

	(void)state;
	built_init(&base, sample, strlen(sample));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(merges); i++)
		run_merge(&base, i);
	built_fini(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_small_arenas),
		cmocka_unit_test(test_print_fix_point),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
