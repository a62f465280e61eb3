/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A package for OpenWrt is run here with Debian's libnftnl and libmnl, under musl. They call these two of glibc's;
 * musl has the others under the same names.
 */
#include <stdarg.h>
#include <stdio.h>

int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...);
int __fprintf_chk(FILE *to, int flag, const char *format, ...);

int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	int r = vsnprintf(to, size < room ? size : room, format, arguments);
	va_end(arguments);
	return r;
}

int __fprintf_chk(FILE *to, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	int r = vfprintf(to, format, arguments);
	va_end(arguments);
	return r;
}
