/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_KERNEL_ATTR_H
#define PORTICO_KERNEL_ATTR_H

/* Netlink attributes whose lengths are checked; NULL (not there) and too short read as 0. */

#include <endian.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/ip.h"

static inline bool attr_holds(const struct nlattr *attr, size_t size)
{
	return attr && nla_len(attr) >= (int)size;
}

static inline uint8_t attr_u8(const struct nlattr *attr)
{
	return attr_holds(attr, sizeof(uint8_t)) ? nla_get_u8(attr) : 0;
}

/* rtnetlink has numbers in the order of the host, netfilter in that of the network. */
static inline uint32_t attr_u32(const struct nlattr *attr)
{
	return attr_holds(attr, sizeof(uint32_t)) ? nla_get_u32(attr) : 0;
}

static inline uint16_t attr_be16(const struct nlattr *attr)
{
	return attr_holds(attr, sizeof(uint16_t)) ? be16toh(nla_get_u16(attr)) : 0;
}

static inline uint32_t attr_be32(const struct nlattr *attr)
{
	return attr_holds(attr, sizeof(uint32_t)) ? be32toh(nla_get_u32(attr)) : 0;
}

static inline uint64_t attr_be64(const struct nlattr *attr)
{
	return attr_holds(attr, sizeof(uint64_t)) ? be64toh(nla_get_u64((struct nlattr *)attr)) : 0;
}

/* An address of the family; false, and *ret_ip untouched, if there is none. */
static inline bool attr_ip(const struct nlattr *attr, uint8_t family, struct ip *ret_ip)
{
	if (!attr || !ip_size(family) || nla_len(attr) != (int)ip_size(family))
		return false;
	*ret_ip = (struct ip){ .family = family };
	memcpy(ret_ip->bytes, nla_data(attr), ip_size(family));
	return true;
}

/* A text of less than `size` bytes with its zero; NULL if it is not there, too long or not terminated. */
static inline const char *attr_text(const struct nlattr *attr, size_t size)
{
	if (!attr || nla_len(attr) < 1 || nla_len(attr) > (int)size ||
	    ((const char *)nla_data(attr))[nla_len(attr) - 1] != '\0')
		return NULL;
	return nla_data(attr);
}

#endif
