/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for libgcc of routers that have no FPU, where their programs are linked, and where they run on an emulator, which
 * has one: numbers come and go in integer registers, and the FPU computes. What libgcc has and is not here fails to link.
 * https://gcc.gnu.org/onlinedocs/gccint/Soft-float-library-routines.html
 */
#include <stdint.h>

#define TWO_32 4294967296.0

union df {
	uint64_t bits;
	double number;
};

union sf {
	uint32_t bits;
	float number;
};

#define DF(x) (((union df){ .bits = (x) }).number)
#define SF(x) (((union sf){ .bits = (x) }).number)
#define DF_BITS(x) (((union df){ .number = (x) }).bits)
#define SF_BITS(x) (((union sf){ .number = (x) }).bits)

#define ARITHMETIC(name, operator)                                                                           \
	uint64_t __##name##df3(uint64_t a, uint64_t b) { return DF_BITS(DF(a) operator DF(b)); }             \
	uint32_t __##name##sf3(uint32_t a, uint32_t b) { return SF_BITS(SF(a) operator SF(b)); }

ARITHMETIC(add, +)
ARITHMETIC(sub, -)
ARITHMETIC(mul, *)
ARITHMETIC(div, /)

/* Zero, below or above it; a NaN makes the comparison untrue that the name has. */
#define COMPARISON(name, result)                                                                             \
	int __##name##df2(uint64_t x, uint64_t y) { double a = DF(x), b = DF(y); return result; }            \
	int __##name##sf2(uint32_t x, uint32_t y) { float a = SF(x), b = SF(y); return result; }

COMPARISON(eq, a == b ? 0 : 1)
COMPARISON(ne, a == b ? 0 : 1)
COMPARISON(lt, a < b ? -1 : a == b ? 0 : 1)
COMPARISON(le, a < b ? -1 : a == b ? 0 : 1)
COMPARISON(gt, a > b ? 1 : a == b ? 0 : -1)
COMPARISON(ge, a > b ? 1 : a == b ? 0 : -1)
COMPARISON(unord, a != a || b != b)

uint64_t __negdf2(uint64_t a) { return DF_BITS(-DF(a)); }
uint32_t __negsf2(uint32_t a) { return SF_BITS(-SF(a)); }

uint64_t __extendsfdf2(uint32_t a) { return DF_BITS(SF(a)); }
uint32_t __truncdfsf2(uint64_t a) { return SF_BITS(DF(a)); }

int32_t __fixdfsi(uint64_t a) { return DF(a); }
uint32_t __fixunsdfsi(uint64_t a) { return DF(a); }
uint64_t __floatsidf(int32_t a) { return DF_BITS(a); }
uint64_t __floatunsidf(uint32_t a) { return DF_BITS(a); }
uint32_t __floatsisf(int32_t a) { return SF_BITS(a); }

/* Of 64 bits by halves: the compiler would call the function itself. */
uint64_t __fixunsdfdi(uint64_t a)
{
	uint32_t high = DF(a) / TWO_32;

	return (uint64_t)high << 32 | (uint32_t)(DF(a) - high * TWO_32);
}

int64_t __fixdfdi(uint64_t a)
{
	return DF(a) < 0 ? -__fixunsdfdi(DF_BITS(-DF(a))) : __fixunsdfdi(a);
}

uint64_t __floatundidf(uint64_t a) { return DF_BITS((uint32_t)(a >> 32) * TWO_32 + (uint32_t)a); }
uint64_t __floatdidf(int64_t a) { return DF_BITS((int32_t)(a >> 32) * TWO_32 + (uint32_t)a); }
