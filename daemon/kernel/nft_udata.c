/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User data of nf_tables objects, which the kernel keeps and does not look at:
 * attributes of one byte type, one byte length and the value, as libnftnl's udata.
 */
#include "kernel/nft.h"

#include <string.h>

void nft_udata_put(struct nft_udata *udata, uint8_t type, const void *value, unsigned length)
{
	uint8_t *at = udata->bytes + udata->length;

	if (udata->failed || length > UINT8_MAX || length + 2 > sizeof(udata->bytes) - udata->length) {
		udata->failed = true;
		return;
	}
	at[0] = type;
	at[1] = (uint8_t)length;
	memcpy(at + 2, value, length);
	udata->length += length + 2;
}

void nft_udata_put_u32(struct nft_udata *udata, uint8_t type, uint32_t value)
{
	nft_udata_put(udata, type, &value, sizeof(value));
}

void nft_udata_put_comment(struct nft_udata *udata, uint8_t type, const char *comment)
{
	char text[NFTNL_UDATA_COMMENT_MAXLEN];
	size_t length = comment ? strlen(comment) : 0;

	if (!comment)
		return;
	if (length >= sizeof(text)) {
		length = sizeof(text) - 1;
		/* Not between the bytes of one character: those behind the first are 10xxxxxx. */
		while (length && ((unsigned char)comment[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(text, comment, length);
	text[length] = '\0';
	nft_udata_put(udata, type, text, (unsigned)length + 1);
}

const void *nft_udata_find(const void *data, uint32_t length, uint8_t type, uint8_t *ret_length)
{
	const uint8_t *bytes = data;

	for (uint32_t at = 0; data && length - at >= 2; at += 2u + bytes[at + 1]) {
		if (bytes[at + 1] > length - at - 2)
			return NULL;
		if (bytes[at] != type)
			continue;
		*ret_length = bytes[at + 1];
		return bytes + at + 2;
	}
	return NULL;
}

const char *nft_udata_comment(const void *data, uint32_t length, uint8_t type)
{
	uint8_t size;
	const char *text = nft_udata_find(data, length, type, &size);

	return text && size && memchr(text, '\0', size) == text + size - 1 ? text : NULL;
}
