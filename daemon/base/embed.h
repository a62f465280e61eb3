/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_BASE_EMBED_H
#define PORTICO_BASE_EMBED_H

/*
 * Makes a file, its path relative to the top of the source tree, the string constant `name`. A global symbol, though
 * hidden: for MIPS the compiler reaches what is declared extern in another way than the assembler resolves what
 * is local, and would read from somewhere else.
 */
#define EMBED(name, file)                                                     \
	/* NOLINTNEXTLINE(bugprone-macro-parentheses): an array takes none */ \
	extern const char name[] __attribute__((visibility("hidden")));       \
	__asm__(".pushsection .rodata\n"                                      \
		".global " #name "\n"                                         \
		".hidden " #name "\n" #name ":\n"                             \
		".incbin \"" file "\"\n"                                      \
		".byte 0\n"                                                   \
		".popsection\n")

#endif
