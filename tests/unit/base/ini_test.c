// SPDX-License-Identifier: BSD-3-Clause
#include "mr_ini.h"
#include "mr_rng.h"

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

#define SEED UINT64_C(0x6d72696e69313131)

// What was found, as "LINE[SECTION]" and "LINE:SECTION/KEY=VALUE", one after the other.
struct seen {
	char text[16384];
	size_t len;
	const char *stop_at; // a key that makes the callback fail
};

static int note(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct seen *seen = arg;
	size_t room = sizeof(seen->text) - seen->len;
	int n;

	if (item->key == NULL)
		n = snprintf(seen->text + seen->len, room, "%u[%s] ", item->line, item->section);
	else
		n = snprintf(seen->text + seen->len, room, "%u:%s/%s=%s ", item->line,
			item->section, item->key, item->value);
	assert_true(n > 0 && (size_t)n < room);
	seen->len += (size_t)n;
	if (item->key != NULL && seen->stop_at != NULL && strcmp(item->key, seen->stop_at) == 0)
		return mr_ini_fail(item, err, ERANGE, "at most %d", 7);
	return 0;
}

// Reads a copy of exactly that size, so that AddressSanitizer sees a read beyond it.
static int read_copy(const char *text, size_t bytes, struct seen *seen, struct mr_err *err)
{
	char *copy = malloc(bytes + 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy + 1, text, bytes);
	seen->len = 0;
	seen->text[0] = '\0';
	err->text[0] = '\0';
	ret = mr_ini_read("f.ini", copy + 1, bytes, note, seen, err);
	free(copy);
	return ret;
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *seen;
	} cases[] = {
		{"", ""},
		{"\n\n", ""},
		{"[a]", "1[a] "},
		{"[a]\nk=v", "1[a] 2:a/k=v "},
		{"[a]\nk=v\n", "1[a] 2:a/k=v "},
		{"[a]\r\nk=v\r\n", "1[a] 2:a/k=v "},
		{" \t[ a b ]\t\n\t key one \t=\t some value \t\n",
			"1[a b] 2:a b/key one=some value "},
		{"[a]\nk=\n", "1[a] 2:a/k= "},
		{"[a]\nk = a = b\n", "1[a] 2:a/k=a = b "},
		{"# c\n; c\n  # c\n[a]\n", "4[a] "},
		{"[a] # c\nk = v ; c\n", "1[a] 2:a/k=v "},
		{"[a]\nk = v#1;2\n", "1[a] 2:a/k=v#1;2 "},
		{"[a]\nk = # nothing\n", "1[a] 2:a/k= "},
		{"[a]\nk=1\n[b]\nk=2\n[a]\nk=3\n", "1[a] 2:a/k=1 3[b] 4:b/k=2 5[a] 6:a/k=3 "},
		{"[view user x]\n", "1[view user x] "},
		{"[a]\nk=[v]\n", "1[a] 2:a/k=[v] "},
	};
	static struct seen seen;
	struct mr_err err;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		assert_int_equal(read_copy(cases[i].text, strlen(cases[i].text), &seen, &err), 0);
		assert_string_equal(seen.text, cases[i].seen);
		assert_string_equal(err.text, "");
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"[a\n", "f.ini:1: section header without ']': [a"},
		{"\n[\n", "f.ini:2: section header without ']': ["},
		{"[a]x\n", "f.ini:1: section header without ']': [a]x"},
		{"[a]\nword\n", "f.ini:2: neither [section] nor key = value: word"},
		{"[a]\n\n = v\n", "f.ini:3: neither [section] nor key = value: = v"},
		{"k = v\n", "f.ini:1: key before the first [section]: k = v"},
	};
	static struct seen seen;
	struct mr_err err;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);

		assert_int_equal(read_copy(cases[i].text, len, &seen, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].message);
	}
	assert_int_equal(read_copy("[a]\nk=\0v\n", 9, &seen, &err), -EINVAL);
	assert_string_equal(err.text, "f.ini:2: NUL byte");
	assert_int_equal(mr_ini_read("f", "k", 1, note, &seen, NULL), -EINVAL);
}

static void test_long_lines(void **state)
{
	static struct seen seen;
	struct mr_err err;
	char text[MR_INI_LINE_BYTES + 16];

	(void)state;
	memset(text, 'v', sizeof(text));
	memcpy(text, "[a]\nk=", 6);
	text[4 + MR_INI_LINE_BYTES - 1] = '\n';
	assert_int_equal(read_copy(text, 4 + MR_INI_LINE_BYTES, &seen, &err), 0);
	assert_int_equal(seen.len, strlen("1[a] 2:a/k= ") + MR_INI_LINE_BYTES - 1 - 2);
	// The CR of a CRLF is not part of the line.
	text[4 + MR_INI_LINE_BYTES - 1] = '\r';
	text[4 + MR_INI_LINE_BYTES] = '\n';
	assert_int_equal(read_copy(text, 4 + MR_INI_LINE_BYTES + 1, &seen, &err), 0);
	text[4 + MR_INI_LINE_BYTES - 1] = 'v';
	assert_int_equal(read_copy(text, 4 + MR_INI_LINE_BYTES + 1, &seen, &err), -EINVAL);
	assert_string_equal(err.text, "f.ini:2: line of 4096 bytes, at most 4095");
}

static void test_callback_stops(void **state)
{
	static struct seen seen = {.stop_at = "b"};
	struct mr_err err;

	(void)state;
	assert_int_equal(read_copy("[s]\na=1\nb=9\nc=3\n", 16, &seen, &err), -ERANGE);
	assert_string_equal(seen.text, "1[s] 2:s/a=1 3:s/b=9 ");
	assert_string_equal(err.text, "f.ini:3: [s] b = 9: at most 7");
}

static void test_fail_messages(void **state)
{
	char section[1000], key[1000], value[1000];
	struct mr_ini_item item = {"f.ini", 7, "s", NULL, NULL};
	struct mr_err err;

	(void)state;
	assert_int_equal(mr_ini_fail(&item, &err, ENOENT, "no %s", "x"), -ENOENT);
	assert_string_equal(err.text, "f.ini:7: [s]: no x");
	assert_int_equal(mr_ini_fail(&item, NULL, ENOENT, "no %s", "x"), -ENOENT);
	// However long the parts are, the place and the message survive.
	memset(section, 's', sizeof(section));
	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	section[999] = key[999] = value[999] = '\0';
	item.section = section;
	mr_ini_fail(&item, &err, EINVAL, "twice");
	assert_memory_equal(err.text, "f.ini:7: [sss", 13);
	assert_non_null(strstr(err.text, "]: twice"));
	item.key = key;
	item.value = value;
	mr_ini_fail(&item, &err, EINVAL, "twice");
	assert_memory_equal(err.text, "f.ini:7: [sss", 13);
	assert_non_null(strstr(err.text, " = vvv"));
	assert_non_null(strstr(err.text, ": twice"));
}

// Any text is read, or refused with the place.
static void test_random_text(void **state)
{
	static const char letters[] = "[[]]==##;; \t\r\n\n\n\nab\0";
	static struct seen seen;
	struct mr_rng rng = {SEED};
	unsigned good = 0, bad = 0;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		size_t bytes = mr_rng_below(&rng, 24);
		struct mr_err err;
		char text[24];
		int ret;

		for (size_t i = 0; i < bytes; i++)
			text[i] = letters[mr_rng_below(&rng, sizeof(letters) - 1)];
		ret = read_copy(text, bytes, &seen, &err);
		if (ret == 0 ? err.text[0] != '\0'
			     : ret != -EINVAL || strncmp(err.text, "f.ini:", 6) != 0)
			fail_msg("round %u, seed %#jx: %d %s", round, (uintmax_t)SEED, ret,
				err.text);
		*(ret == 0 ? &good : &bad) += 1;
	}
	assert_true(good > 1000 && bad > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_fail_messages),
		cmocka_unit_test(test_random_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
