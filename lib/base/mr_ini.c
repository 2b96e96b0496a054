// SPDX-License-Identifier: BSD-3-Clause
#include "mr_ini.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

// Cuts blanks from both ends in place and returns the new start.
static char *trim(char *text)
{
	size_t len;

	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		text[--len] = '\0';
	return text;
}

// A comment sign counts at the start of a line or after a blank: "a#b" is a value.
static void cut_comment(char *line)
{
	for (char *p = line; *p != '\0'; p++) {
		if ((*p == '#' || *p == ';') && (p == line || is_blank(p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static int read_section(char *line, char *section, struct mr_ini_item *item, struct mr_err *err)
{
	size_t len = strlen(line);

	if (line[len - 1] != ']')
		return mr_fail(err, EINVAL, "%s:%u: section header without ']': %s", item->file,
			item->line, line);
	line[len - 1] = '\0';
	snprintf(section, MR_INI_LINE_BYTES, "%s", trim(line + 1));
	item->section = section;
	item->key = NULL;
	item->value = NULL;
	return 0;
}

static int read_pair(char *line, struct mr_ini_item *item, struct mr_err *err)
{
	char *eq = strchr(line, '=');

	if (eq == NULL || eq == line)
		return mr_fail(err, EINVAL, "%s:%u: neither [section] nor key = value: %s",
			item->file, item->line, line);
	if (item->section == NULL)
		return mr_fail(err, EINVAL, "%s:%u: key before the first [section]: %s",
			item->file, item->line, line);
	*eq = '\0';
	item->key = trim(line);
	item->value = trim(eq + 1);
	return 0;
}

static int read_line(char *line, char *section, struct mr_ini_item *item, mr_ini_fn fn, void *arg,
	struct mr_err *err)
{
	int ret;

	cut_comment(line);
	line = trim(line);
	if (*line == '\0')
		return 0;
	ret = *line == '[' ? read_section(line, section, item, err) : read_pair(line, item, err);
	return ret < 0 ? ret : fn(item, arg, err);
}

int mr_ini_read(const char *file, const char *text, size_t text_bytes, mr_ini_fn fn, void *arg,
	struct mr_err *err)
{
	char line[MR_INI_LINE_BYTES], section[MR_INI_LINE_BYTES];
	struct mr_ini_item item = { .file = file };
	size_t at = 0;

	while (at < text_bytes) {
		const char *end = memchr(text + at, '\n', text_bytes - at);
		size_t len = end != NULL ? (size_t)(end - (text + at)) : text_bytes - at;
		size_t next = at + len + 1;
		int ret;

		item.line++;
		if (len > 0 && text[at + len - 1] == '\r')
			len--;
		if (len >= sizeof(line))
			return mr_fail(err, EINVAL, "%s:%u: line of %zu bytes, at most %zu",
				file, item.line, len, sizeof(line) - 1);
		if (memchr(text + at, '\0', len) != NULL)
			return mr_fail(err, EINVAL, "%s:%u: NUL byte", file, item.line);
		memcpy(line, text + at, len);
		line[len] = '\0';
		ret = read_line(line, section, &item, fn, arg, err);
		if (ret < 0)
			return ret;
		at = next;
	}
	return 0;
}

int mr_ini_fail(const struct mr_ini_item *item, struct mr_err *err, int errnum, const char *fmt,
	...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = mr_vfail(err, errnum, fmt, args);
	va_end(args);
	// Cut to lengths that leave room for the message: a prefix that does not fit is dropped.
	if (item->key == NULL)
		mr_err_prefix(err, "%s:%u: [%.60s]: ", item->file, item->line, item->section);
	else
		mr_err_prefix(err, "%s:%u: [%.60s] %.60s = %.200s: ", item->file, item->line,
			item->section, item->key, item->value);
	return ret;
}
