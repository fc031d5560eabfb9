// SPDX-License-Identifier: Apache-2.0
#include "der.h"

bool der_next_is(const struct reader *reader, unsigned tag)
{
	return reader_ok(reader) && reader_left(reader) != 0 && reader->next[0] == tag;
}

// X.690 10.1: the definite form, in the fewest bytes. Longer than 3 bytes of length, nothing here is.
static size_t take_len(struct reader *reader)
{
	const uint8_t first = reader_u8(reader);
	size_t len = first;

	if (first == 0x81) {
		len = reader_u8(reader);
		if (len < 0x80)
			reader_fail(reader);
	} else if (first == 0x82) {
		len = reader_u16(reader);
		if (len < 0x100)
			reader_fail(reader);
	} else if (first == 0x83) {
		len = reader_u24(reader);
		if (len < 0x10000)
			reader_fail(reader);
	} else if (first >= 0x80) {
		reader_fail(reader);
	}
	return len;
}

struct span der_take(struct reader *reader, unsigned tag)
{
	if (reader_u8(reader) != tag)
		reader_fail(reader);
	return reader_bytes(reader, take_len(reader));
}

struct reader der_enter(struct reader *reader, unsigned tag)
{
	const struct span content = der_take(reader, tag);
	struct reader inside = reader_over(content);

	if (!reader_ok(reader))
		reader_fail(&inside);
	return inside;
}

struct span der_take_whole(struct reader *reader, unsigned *out_tag)
{
	const uint8_t *start = reader->next;
	const unsigned tag = reader_u8(reader);

	if ((tag & 0x1f) == 0x1f) // a tag number of 31 or more
		reader_fail(reader);
	(void)reader_bytes(reader, take_len(reader));
	if (out_tag != NULL)
		*out_tag = reader_ok(reader) ? tag : 0;
	return reader_ok(reader) ? span_of(start, (size_t)(reader->next - start)) : span_of(NULL, 0);
}

struct span der_unsigned(struct reader *reader)
{
	struct span value = der_take(reader, DER_INTEGER);

	// X.690 8.3: at least one byte, no superfluous leading ones; a set top bit is a negative number.
	if (value.len == 0 || (value.data[0] & 0x80) != 0 ||
		(value.len > 1 && value.data[0] == 0 && (value.data[1] & 0x80) == 0)) {
		reader_fail(reader);
		return span_of(NULL, 0);
	}
	return value.data[0] == 0 ? span_of(value.data + 1, value.len - 1) : value;
}

struct span der_bits(struct reader *reader)
{
	const struct span value = der_take(reader, DER_BIT_STRING);

	if (value.len == 0 || value.data[0] != 0) {
		reader_fail(reader);
		return span_of(NULL, 0);
	}
	return span_of(value.data + 1, value.len - 1);
}

static unsigned two_digits(struct reader *reader, unsigned min, unsigned max)
{
	const unsigned tens = reader_u8(reader) - (unsigned)'0';
	const unsigned ones = reader_u8(reader) - (unsigned)'0';
	const unsigned value = 10 * tens + ones;

	if (tens > 9 || ones > 9 || value < min || value > max)
		reader_fail(reader);
	return value;
}

// Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
// algorithms": years begin in March, so that the leap day comes last).
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = y / 400;
	const int64_t year_of_era = y - era * 400;
	const int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month >= 1 && month <= 12 ? days[month - 1] + (unsigned)(month == 2 && leap) : 0;
}

int64_t der_time(struct reader *reader)
{
	const bool utc = der_next_is(reader, DER_UTC_TIME);
	struct reader time = der_enter(reader, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
	int64_t year = utc ? 0 : 100 * (int64_t)two_digits(&time, 0, 99);
	int64_t seconds;
	unsigned month;
	unsigned day;

	year += two_digits(&time, 0, 99);
	if (utc)
		year += year < 50 ? 2000 : 1900;
	month = two_digits(&time, 1, 12);
	day = two_digits(&time, 1, 31);
	seconds = days_of(year, month, day) * 86400;
	seconds += 3600 * (int64_t)two_digits(&time, 0, 23);
	seconds += 60 * (int64_t)two_digits(&time, 0, 59);
	seconds += two_digits(&time, 0, 59);
	if (reader_u8(&time) != 'Z' || !reader_done(&time) || day > days_in_month(year, month)) {
		reader_fail(reader);
		return 0;
	}
	return seconds;
}
