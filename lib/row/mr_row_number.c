// SPDX-License-Identifier: BSD-3-Clause
#include "mr_row_impl.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Longest number text. An exact binary64 has up to 1075 digits; nobody needs more.
#define NUMBER_MAX_BYTES 1100u

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct mr_text skip(struct mr_text text, size_t bytes)
{
	return (struct mr_text){text.data + bytes, text.bytes - bytes};
}

static bool text_is(struct mr_text text, const char *word)
{
	return strlen(word) == text.bytes && strncasecmp(text.data, word, text.bytes) == 0;
}

int mr_text_u64(struct mr_text text, uint64_t *ret_value)
{
	uint64_t v = 0;
	bool overflow = false;

	if (text.bytes > 0 && text.data[0] == '+')
		text = skip(text, 1);
	if (text.bytes == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.bytes; i++) {
		if (!is_digit(text.data[i]))
			return -EINVAL;
		overflow |= __builtin_mul_overflow(v, UINT64_C(10), &v);
		overflow |= __builtin_add_overflow(v, (uint64_t)(text.data[i] - '0'), &v);
	}
	if (overflow)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int mr_text_i64(struct mr_text text, int64_t *ret_value)
{
	bool negative = text.bytes > 0 && text.data[0] == '-';
	uint64_t v;
	int ret;

	if (negative && text.bytes > 1 && text.data[1] == '+')
		return -EINVAL;
	ret = mr_text_u64(negative ? skip(text, 1) : text, &v);
	if (ret < 0)
		return ret;
	if (v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret_value = (int64_t)(negative ? UINT64_C(0) - v : v);
	return 0;
}

int mr_text_bool(struct mr_text text, bool *ret_value)
{
	if (text_is(text, "true") || text_is(text, "1"))
		*ret_value = true;
	else if (text_is(text, "false") || text_is(text, "0"))
		*ret_value = false;
	else
		return -EINVAL;
	return 0;
}

int mr_text_hex(struct mr_text text, uint8_t *ret_data)
{
	if (text.bytes % 2 != 0)
		return -EINVAL;
	for (size_t i = 2; i < text.bytes; i += 2) {
		int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		ret_data[i / 2 - 1] = (uint8_t)(high << 4 | low);
	}
	return (int)(text.bytes / 2 - 1);
}

// The C locale, for which glibc and musl allocate nothing: "1.5" stays one and a half wherever the
// program runs.
static locale_t c_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static size_t count_digits(struct mr_text text, size_t at)
{
	size_t n = 0;

	while (at + n < text.bytes && is_digit(text.data[at + n]))
		n++;
	return n;
}

// [sign] digits [. digits] [e [sign] digits], with a digit before or after the point.
static bool is_decimal(struct mr_text text)
{
	size_t at = text.bytes > 0 && (text.data[0] == '-' || text.data[0] == '+'), n, fraction = 0;

	n = count_digits(text, at);
	at += n;
	if (at < text.bytes && text.data[at] == '.') {
		fraction = count_digits(text, ++at);
		at += fraction;
	}
	if (n + fraction == 0)
		return false;
	if (at < text.bytes && (text.data[at] | 0x20) == 'e') {
		at++;
		at += at < text.bytes && (text.data[at] == '-' || text.data[at] == '+');
		n = count_digits(text, at);
		at += n;
		if (n == 0)
			return false;
	}
	return at == text.bytes;
}

// "nan", "-nan", "nan(0x7a)": the number in brackets is the whole mantissa, so that a NaN's bits
// survive being printed and read.
static bool parse_nan(struct mr_text text, uint64_t quiet, uint64_t mantissa_max, uint64_t sign,
	uint64_t *ret_bits)
{
	uint64_t bits = 0, mantissa = 0;

	if (text.bytes > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
		bits = text.data[0] == '-' ? sign : 0;
		text = skip(text, 1);
	}
	if (text.bytes < 3 || strncasecmp(text.data, "nan", 3) != 0)
		return false;
	text = skip(text, 3);
	if (text.bytes == 0) {
		*ret_bits = bits | quiet;
		return true;
	}
	if (text.bytes < 5 || text.bytes > 17 || strncmp(text.data, "(0x", 3) != 0 ||
		text.data[text.bytes - 1] != ')')
		return false;
	for (size_t i = 3; i < text.bytes - 1; i++) {
		int digit = hex_digit(text.data[i]);

		if (digit < 0)
			return false;
		mantissa = mantissa << 4 | (unsigned)digit;
	}
	*ret_bits = bits | mantissa;
	return mantissa != 0 && mantissa <= mantissa_max;
}

// Terminated copy of a number that strtod() may read; false when the text is none.
static bool number_text(struct mr_text text, char *number)
{
	struct mr_text digits = text;

	if (text.bytes >= NUMBER_MAX_BYTES)
		return false;
	if (text.bytes > 0 && (text.data[0] == '-' || text.data[0] == '+'))
		digits = skip(text, 1);
	if (!is_decimal(text) && !text_is(digits, "inf") && !text_is(digits, "infinity"))
		return false;
	memcpy(number, text.data, text.bytes);
	number[text.bytes] = '\0';
	return true;
}

/** A decimal number as mantissa times a power of ten. */
struct decimal {
	uint64_t mantissa;
	int power;
	bool negative;
};

static mr_always_inline size_t take_digits(struct mr_text text, size_t at, uint64_t *mantissa)
{
	uint64_t m = *mantissa;

	for (unsigned digit; at < text.bytes && (digit = (unsigned)text.data[at] - '0') <= 9; at++)
		m = 10 * m + digit;
	*mantissa = m;
	return at;
}

// "e-12" at the end of the text, added to the power.
static bool take_power(struct mr_text text, size_t at, int *power)
{
	bool negative = false;
	uint64_t p = 0;
	size_t first;

	if ((text.data[at++] | 0x20) != 'e')
		return false;
	if (at < text.bytes && (text.data[at] == '-' || text.data[at] == '+'))
		negative = text.data[at++] == '-';
	first = at;
	at = take_digits(text, at, &p);
	if (at < text.bytes || at == first || at - first > 3)
		return false;
	*power += negative ? -(int)p : (int)p;
	return true;
}

// What is_decimal() allows, if its digits fit. @return false: read it slowly.
static mr_always_inline bool short_decimal(struct mr_text text, struct decimal *ret_d)
{
	size_t at = text.bytes > 0 && (text.data[0] == '-' || text.data[0] == '+'), first = at;
	struct decimal d = {.negative = at > 0 && text.data[0] == '-'};
	size_t digits, point;

	at = take_digits(text, at, &d.mantissa);
	digits = at - first;
	if (at < text.bytes && text.data[at] == '.') {
		point = ++at;
		at = take_digits(text, at, &d.mantissa);
		digits += at - point;
		d.power = -(int)(at - point);
	}
	// 19 digits fit 64 bits.
	if (digits == 0 || digits > 19 || (at < text.bytes && !take_power(text, at, &d.power)))
		return false;
	*ret_d = d;
	return true;
}

// A decimal as a mantissa of 63 or 64 bits times a power of two. The last bit is set, too, where
// something was cut off, so that rounding the mantissa to a float's or a double's bits is right.
static bool to_binary(const struct decimal *d, uint64_t *ret_mantissa, int *ret_power)
{
	static const uint64_t fives[] = {1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125,
		9765625, 48828125, 244140625, 1220703125, UINT64_C(6103515625),
		UINT64_C(30517578125), UINT64_C(152587890625), UINT64_C(762939453125),
		UINT64_C(3814697265625), UINT64_C(19073486328125), UINT64_C(95367431640625),
		UINT64_C(476837158203125), UINT64_C(2384185791015625), UINT64_C(11920928955078125),
		UINT64_C(59604644775390625), UINT64_C(298023223876953125),
		UINT64_C(1490116119384765625), UINT64_C(7450580596923828125)};
	unsigned tens = (unsigned)abs(d->power), m_shift, f_shift;
	uint64_t m, f, rest;
	unsigned __int128 wide;

	if (d->mantissa == 0 || tens >= MR_ARRAY_SIZE(fives))
		return false;
	m_shift = (unsigned)__builtin_clzll(d->mantissa);
	f_shift = (unsigned)__builtin_clzll(fives[tens]);
	m = d->mantissa << m_shift;
	f = fives[tens] << f_shift;
	if (d->power < 0) {
		wide = (unsigned __int128)m << 63;
		m = (uint64_t)(wide / f);
		rest = (uint64_t)wide - m * f;
		*ret_power = (int)f_shift - (int)m_shift - 63 + d->power;
	} else {
		wide = (unsigned __int128)m * f;
		m = (uint64_t)(wide >> 64);
		rest = (uint64_t)wide;
		*ret_power = 64 - (int)m_shift - (int)f_shift + d->power;
	}
	*ret_mantissa = m | (rest != 0);
	return true;
}

// 2^power, where that is a normal number.
static double power_of_two(int power)
{
	uint64_t bits = (uint64_t)(1023 + power) << 52;
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

// Where mantissa and power of ten are exact as floating point numbers, their quotient or product is
// the nearest one to the text's.
static mr_always_inline bool fast_double(const struct decimal *d, double *ret_value)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
		1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	unsigned tens = (unsigned)abs(d->power);
	double v = (double)d->mantissa;
	uint64_t m;
	int power;

	if (d->mantissa <= UINT64_C(1) << 53 && tens < MR_ARRAY_SIZE(powers))
		v = d->power < 0 ? v / powers[tens] : v * powers[tens];
	else if (to_binary(d, &m, &power))
		v = (double)m * power_of_two(power);
	else
		return false;
	*ret_value = d->negative ? -v : v;
	return true;
}

static mr_always_inline bool fast_float(const struct decimal *d, float *ret_value)
{
	static const float powers[] = {
		1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
	unsigned tens = (unsigned)abs(d->power);
	float v = (float)d->mantissa;
	double wide;
	uint64_t m;
	int power;

	if (d->mantissa <= UINT64_C(1) << 24 && tens < MR_ARRAY_SIZE(powers)) {
		v = d->power < 0 ? v / powers[tens] : v * powers[tens];
	} else if (to_binary(d, &m, &power)) {
		wide = (double)(float)m * power_of_two(power);
		// Too large; too small for it is nothing that to_binary() takes.
		if (wide > (double)FLT_MAX)
			return false;
		v = (float)wide;
	} else {
		return false;
	}
	*ret_value = d->negative ? -v : v;
	return true;
}

static mr_noinline int slow_double(struct mr_text text, double *ret_value)
{
	char number[NUMBER_MAX_BYTES];
	uint64_t bits;
	double v;

	if (parse_nan(text, UINT64_C(1) << 51, (UINT64_C(1) << 52) - 1, UINT64_C(1) << 63, &bits)) {
		bits |= UINT64_C(0x7ff) << 52;
		memcpy(ret_value, &bits, sizeof(bits));
		return 0;
	}
	if (!number_text(text, number))
		return -EINVAL;
	v = strtod_l(number, NULL, c_locale());
	if (isinf(v) && is_decimal(text))
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int mr_text_double(struct mr_text text, double *ret_value)
{
	struct decimal d;

	if (mr_likely(short_decimal(text, &d) && fast_double(&d, ret_value)))
		return 0;
	return slow_double(text, ret_value);
}

static mr_noinline int slow_float(struct mr_text text, float *ret_value)
{
	char number[NUMBER_MAX_BYTES];
	uint64_t bits;
	uint32_t word;
	float v;

	if (parse_nan(text, UINT64_C(1) << 22, (UINT64_C(1) << 23) - 1, UINT64_C(1) << 31, &bits)) {
		word = (uint32_t)bits | UINT32_C(0xff) << 23;
		memcpy(ret_value, &word, sizeof(word));
		return 0;
	}
	if (!number_text(text, number))
		return -EINVAL;
	v = strtof_l(number, NULL, c_locale());
	if (isinf(v) && is_decimal(text))
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int mr_text_float(struct mr_text text, float *ret_value)
{
	struct decimal d;

	if (mr_likely(short_decimal(text, &d) && fast_float(&d, ret_value)))
		return 0;
	return slow_float(text, ret_value);
}

static void put_nan(struct mr_sink *sink, bool negative, uint64_t mantissa, uint64_t quiet)
{
	if (negative)
		mr_sink_put(sink, "-", 1);
	if (mantissa == quiet)
		mr_sink_put(sink, "nan", 3);
	else
		mr_sink_printf(sink, "nan(0x%llx)", (unsigned long long)mantissa);
}

// Shortest digits that read back to the same value. A normal number's shortest form, if it has up
// to `sure` digits, is what %.<sure>g prints; a subnormal one has fewer digits than that.
static void put_shortest(struct mr_sink *sink, double value, bool is_float)
{
	double smallest = is_float ? 0x1p-126 : 0x1p-1022;
	int sure = is_float ? 6 : 15, most = is_float ? 9 : 17;
	locale_t before = uselocale(c_locale());
	char text[40];

	for (int digits = fabs(value) < smallest ? 1 : sure; digits <= most; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			break;
	}
	uselocale(before);
	mr_sink_put(sink, text, strlen(text));
}

void mr_sink_double(struct mr_sink *sink, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (isnan(value))
		put_nan(sink, bits >> 63, bits & ((UINT64_C(1) << 52) - 1), UINT64_C(1) << 51);
	else
		put_shortest(sink, value, false);
}

void mr_sink_float(struct mr_sink *sink, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (isnan(value))
		put_nan(sink, bits >> 31, bits & ((UINT32_C(1) << 23) - 1), UINT32_C(1) << 22);
	else
		put_shortest(sink, (double)value, true);
}

// n digits at `at`; -1 when they are not there.
static int fixed_digits(struct mr_text text, size_t at, unsigned n)
{
	int v = 0;

	if (at + n > text.bytes)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (!is_digit(text.data[at + i]))
			return -1;
		v = v * 10 + (text.data[at + i] - '0');
	}
	return v;
}

// Days since 1970-01-01 in the proleptic Gregorian calendar (the usual era arithmetic with years
// that start in March).
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

// ".123456": digits below a microsecond must be zeros, for nothing is cut off silently.
static int parse_fraction(struct mr_text text, size_t *at, int64_t *us)
{
	int64_t scale = 100000;
	size_t n;

	if (*at >= text.bytes || text.data[*at] != '.')
		return 0;
	n = count_digits(text, ++*at);
	if (n == 0)
		return -EINVAL;
	for (; n > 0; n--, ++*at, scale /= 10) {
		if (scale == 0 && text.data[*at] != '0')
			return -ERANGE;
		*us += (text.data[*at] - '0') * scale;
	}
	return 0;
}

// "Z" or "+02:00" up to the end of the text.
static int parse_zone(struct mr_text text, size_t at, int64_t *ret_minutes)
{
	int hours, minutes;

	if (at + 1 == text.bytes && (text.data[at] | 0x20) == 'z') {
		*ret_minutes = 0;
		return 0;
	}
	if (at + 6 != text.bytes || (text.data[at] != '+' && text.data[at] != '-') ||
		text.data[at + 3] != ':')
		return -EINVAL;
	hours = fixed_digits(text, at + 1, 2);
	minutes = fixed_digits(text, at + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_minutes = (hours * 60 + minutes) * (text.data[at] == '-' ? -1 : 1);
	return 0;
}

// "2026-01-02T03:04:05", the first 19 bytes.
static int parse_date_time(struct mr_text text, int64_t *ret_seconds)
{
	int year = fixed_digits(text, 0, 4), month = fixed_digits(text, 5, 2);
	int day = fixed_digits(text, 8, 2), hour = fixed_digits(text, 11, 2);
	int minute = fixed_digits(text, 14, 2), second = fixed_digits(text, 17, 2);

	if (year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
		minute > 59 || second < 0 || second > 59)
		return -EINVAL;
	if (day > month_days(year, month) || text.data[4] != '-' || text.data[7] != '-' ||
		text.data[13] != ':' || text.data[16] != ':')
		return -EINVAL;
	if ((text.data[10] | 0x20) != 't' && text.data[10] != ' ')
		return -EINVAL;
	*ret_seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return 0;
}

int mr_text_timestamp(struct mr_text text, int64_t *ret_us)
{
	int64_t seconds, us = 0, zone_minutes;
	size_t at = 19;
	int ret;

	ret = mr_text_i64(text, ret_us);
	if (ret != -EINVAL)
		return ret;
	ret = parse_date_time(text, &seconds);
	if (ret < 0)
		return ret;
	ret = parse_fraction(text, &at, &us);
	if (ret < 0)
		return ret;
	ret = parse_zone(text, at, &zone_minutes);
	if (ret < 0)
		return ret;
	*ret_us = (seconds - zone_minutes * 60) * 1000000 + us;
	return 0;
}
