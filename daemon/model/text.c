/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/schema.h"

/* --- names and other texts; UTF-8 was checked by the JSON decoder --- */

/* C0, DEL and C1 (U+0080 to U+009F, two bytes in UTF-8). */
static bool is_control(const char *text)
{
	unsigned char c = (unsigned char)text[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0);
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (is_control(text))
			return true;
	return false;
}

const char *name_fault(const char *text, size_t length)
{
	if (length == 0)
		return "must not be empty";
	if (length > NAME_MAX_BYTES)
		return "must have at most 64 bytes";
	if (strlen(text) != length || has_control(text))
		return "must have no control characters";
	if (text[0] == ' ' || text[length - 1] == ' ')
		return "must neither begin nor end with a space";
	/* Names become comments in the kernel, which nft(8) prints between quotes without escapes. */
	if (strpbrk(text, "\"\\"))
		return "must have no '\"' and no '\\'";
	return NULL;
}

const char *device_fault(const char *text, size_t length)
{
	if (length == 0)
		return "must be the name of a network device, such as \"eth0\"";
	if (length > DEVICE_MAX_BYTES)
		return "must have at most 15 bytes, as names of network devices do";
	/* As dev_valid_name() of the kernel, and without what has a meaning of its own in nft(8). */
	if (strlen(text) != length || has_control(text) || strpbrk(text, "/: \"\\*"))
		return "must be the name of a network device: no spaces, '/', ':', '*', quotes or control characters";
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "must be the name of a network device, such as \"eth0\"";
	return NULL;
}

const char *comment_fault(const char *text, size_t length)
{
	if (length > COMMENT_MAX_BYTES)
		return "must have at most 512 bytes";
	if (strlen(text) != length)
		return "must have no control characters but line breaks";
	for (; *text; text++)
		if (*text != '\n' && is_control(text))
			return "must have no control characters but line breaks";
	return NULL;
}

bool text_is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

/* --- host suffixes: the last bits of an IPv6 address --- */

static const char suffix_fault[] =
	"must be an IPv6 suffix such as \"::1:2:3:4/-64\": the address ends with its last "
	"64 bits";

const char *suffix_parse(const char *text, struct ip *ret_suffix, uint8_t *ret_bits)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0, digits;
	char address[IP_TEXT_MAX];
	unsigned long bits;
	struct prefix rest;
	struct ip ip;

	if (!slash || slash[1] != '-' || length >= sizeof(address))
		return suffix_fault;
	memcpy(address, text, length);
	address[length] = '\0';
	digits = strspn(slash + 2, "0123456789");
	if (digits == 0 || digits > 3 || slash[2] == '0' || slash[2 + digits] || ip_parse(address, &ip) < 0 ||
	    ip.family != AF_INET6)
		return suffix_fault;
	bits = strtoul(slash + 2, NULL, 10);
	if (bits > 127)
		return "must end with -1 to -127: how many of the last bits are kept";
	rest = prefix_of(&ip, (uint8_t)(128 - bits));
	if (!ip_is_unspecified(&rest.address))
		return "must have zeros before the bits that are kept: the prefix stands there";
	if (ip_is_unspecified(&ip))
		return "must not be all zeros: that is no host's address";
	*ret_suffix = ip;
	*ret_bits = (uint8_t)bits;
	return NULL;
}

/* inet_ntop() takes a suffix of two groups for an IPv4 address. */
const char *suffix_format(const struct ip *suffix, uint8_t bits, char text[SUFFIX_TEXT_MAX])
{
	const uint8_t *bytes = suffix->bytes;
	char address[IP_TEXT_MAX];

	ip_format(suffix, address);
	if (strchr(address, '.'))
		snprintf(address, sizeof(address), "::%s%x:%x", bytes[10] ? "ffff:" : "",
			 (unsigned)bytes[12] << 8 | bytes[13], (unsigned)bytes[14] << 8 | bytes[15]);
	snprintf(text, SUFFIX_TEXT_MAX, "%s/-%u", address, bits);
	return text;
}

/* --- ports --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *text)
{
	while (*text == ' ')
		text++;
	return text;
}

/* Reads a port at *text, without leading zeros, and moves on behind it. */
static bool read_port(const char **text, uint16_t *ret_port)
{
	const char *p = skip_spaces(*text);
	unsigned value = 0;

	if (!is_digit(*p) || *p == '0')
		return false;
	for (; is_digit(*p); p++) {
		value = value * 10 + (unsigned)(*p - '0');
		if (value > 65535)
			return false;
	}
	*ret_port = (uint16_t)value;
	*text = skip_spaces(p);
	return true;
}

static const struct port_range *find_overlap(const struct ports *ports, const struct port_range *range)
{
	for (unsigned i = 0; i < ports->count; i++)
		if (ports->items[i].first <= range->last && range->first <= ports->items[i].last)
			return &ports->items[i];
	return NULL;
}

static int ports_fill(const char *text, struct ports *ports, const char *path, struct err *err)
{
	for (;;) {
		struct port_range range;

		if (!read_port(&text, &range.first))
			goto malformed;
		range.last = range.first;
		if (*text == '-') {
			text++;
			if (!read_port(&text, &range.last))
				goto malformed;
		}
		if (range.last < range.first)
			return err_field(err, path, "a range must begin with its lower port: \"%u-%u\"",
					 range.last, range.first);
		if (find_overlap(ports, &range)) {
			unsigned common = find_overlap(ports, &range)->first;

			return err_field(err, path, "must name each port once; port %u is there twice",
					 common > range.first ? common : range.first);
		}
		if (ports->count == LIST_MAX)
			return err_field(err, path, "must have at most %d ports and ranges", LIST_MAX);
		ports->items[ports->count++] = range;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			goto malformed;
	}

malformed:
	return err_field(err, path,
			 "must be ports from 1 to 65535, such as \"80\", \"8000-8100\" or "
			 "\"80,443,8000-8100\"");
}

int ports_parse(const char *text, struct ports *ret_ports, const char *path, struct err *err)
{
	struct ports ports = { 0 };
	unsigned entries = 1;

	for (const char *p = text; *p && entries < LIST_MAX; p++)
		entries += *p == ',';
	ports.items = malloc(entries * sizeof(*ports.items));
	if (!ports.items)
		return err_memory(err);

	int r = ports_fill(text, &ports, path, err);

	if (r < 0) {
		free(ports.items);
		return r;
	}
	*ret_ports = ports;
	return 0;
}

void ports_format(const struct ports *ports, struct buf *buf)
{
	for (unsigned i = 0; i < ports->count; i++) {
		const struct port_range *range = &ports->items[i];

		if (i > 0)
			buf_puts(buf, ",");
		buf_printf(buf, "%u", range->first);
		if (range->last != range->first)
			buf_printf(buf, "-%u", range->last);
	}
}

unsigned ports_count(const struct ports *ports)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ports->count; i++)
		count += 1u + ports->items[i].last - ports->items[i].first;
	return count;
}

/* --- protocols: the numbers of IANA's "Protocol Numbers", the names of protocols(5) --- */

static const struct {
	uint8_t number;
	char name[12];
} protocol_names[] = {
	{ 1, "icmp" },      { 2, "igmp" },     { 4, "ipip" },   { 6, "tcp" },    { 17, "udp" },
	{ 33, "dccp" },     { 41, "ipv6" },    { 46, "rsvp" },  { 47, "gre" },   { 50, "esp" },
	{ 51, "ah" },       { 58, "icmpv6" },  { 88, "eigrp" }, { 89, "ospf" },  { 97, "etherip" },
	{ 103, "pim" },     { 108, "ipcomp" }, { 112, "vrrp" }, { 115, "l2tp" }, { 132, "sctp" },
	{ 136, "udplite" },
};

enum { PROTOCOL_NAMES = sizeof(protocol_names) / sizeof(protocol_names[0]) };

const char *protocol_name(uint8_t protocol, char text[8])
{
	for (unsigned i = 0; i < PROTOCOL_NAMES; i++)
		if (protocol_names[i].number == protocol)
			return protocol_names[i].name;
	snprintf(text, 8, "%u", protocol);
	return text;
}

int protocol_parse(const char *text)
{
	for (unsigned i = 0; i < PROTOCOL_NAMES; i++)
		if (strcmp(protocol_names[i].name, text) == 0)
			return protocol_names[i].number;

	int number = 0;

	if (!is_digit(*text) || (text[0] == '0' && text[1]))
		return -1;
	for (; is_digit(*text); text++) {
		number = number * 10 + (*text - '0');
		if (number > 254) /* 255 is reserved */
			return -1;
	}
	return *text == '\0' ? number : -1;
}

bool protocol_has_ports(uint8_t protocol)
{
	switch (protocol) {
	case 6:   /* TCP */
	case 17:  /* UDP */
	case 33:  /* DCCP */
	case 132: /* SCTP */
	case 136: /* UDP-Lite */
		return true;
	default:
		return false;
	}
}

/* --- times --- */

enum { TIME_FRACTION_MAX = 9 }; /* nanoseconds */

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1 January of the year 1 to 1 January of this year. */
static int64_t days_before_year(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400;
}

static bool read_digits(const char *text, unsigned count, int64_t *ret_value)
{
	*ret_value = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!is_digit(text[i]))
			return false;
		*ret_value = *ret_value * 10 + (text[i] - '0');
	}
	return true;
}

/* What may follow the seconds: a fraction, which is dropped, and UTC in one of its spellings (RFC 3339, 4.3 and 5.6). */
static bool is_time_end(const char *text)
{
	if (*text == '.') {
		size_t digits = strspn(text + 1, "0123456789");

		if (digits == 0 || digits > TIME_FRACTION_MAX)
			return false;
		text += 1 + digits;
	}
	return strcmp(text, "Z") == 0 || strcmp(text, "z") == 0 || strcmp(text, "+00:00") == 0 ||
	       strcmp(text, "-00:00") == 0;
}

/* By hand, because timegm() and gmtime() read the file of the time zone. */
int time_parse(const char *text, int64_t *ret_time)
{
	int64_t year, month, day, hour, minute, second;

	if (strlen(text) < TIME_TEXT_MAX - 1 || !read_digits(text, 4, &year) || text[4] != '-' ||
	    !read_digits(text + 5, 2, &month) || text[7] != '-' || !read_digits(text + 8, 2, &day) ||
	    (text[10] != 'T' && text[10] != 't') || !read_digits(text + 11, 2, &hour) || text[13] != ':' ||
	    !read_digits(text + 14, 2, &minute) || text[16] != ':' || !read_digits(text + 17, 2, &second) ||
	    !is_time_end(text + 19))
		return -EINVAL;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
	    hour > 23 || minute > 59 || second > 59)
		return -EINVAL;

	int64_t days = days_before_year(year) - days_before_year(1970) + day - 1;

	for (int64_t m = 1; m < month; m++)
		days += days_of_month(year, m);
	*ret_time = ((days * 24 + hour) * 60 + minute) * 60 + second;
	return 0;
}

const char *time_format(int64_t time, char text[TIME_TEXT_MAX])
{
	int64_t latest = 253402300799; /* the end of the year 9999 */
	int64_t rest = time < 0 ? 0 : time > latest ? latest : time;
	int64_t seconds = rest % 86400, days = rest / 86400;
	int64_t year = 1970 + days / 366, month = 1;

	while (days_before_year(year + 1) - days_before_year(1970) <= days)
		year++;
	days -= days_before_year(year) - days_before_year(1970);
	for (; days >= days_of_month(year, month); month++)
		days -= days_of_month(year, month);
	snprintf(text, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000,
		 (unsigned)month % 100, (unsigned)(days + 1) % 100, (unsigned)(seconds / 3600) % 100,
		 (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
	return text;
}

json_t *time_to_json(int64_t time)
{
	char text[TIME_TEXT_MAX];

	return time ? json_string(time_format(time, text)) : json_null();
}
