/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PORTICO_TESTS_FAULTY_DISK_H
#define PORTICO_TESTS_FAULTY_DISK_H

/*
 * A disk that fails when it is told to: an SQLite VFS over the usual one, and the calls that the store makes beside
 * SQLite: fsync(), rename(), unlink(). Nothing is ever synced in truth, but what would be left after a loss of power can
 * be known, of files in one directory.
 */

#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_NONE,
	FAULT_READ,        /* EIO */
	FAULT_WRITE,       /* EIO */
	FAULT_SHORT_WRITE, /* half of it is written, then ENOSPC */
	FAULT_FULL,        /* ENOSPC */
	FAULT_FULL_LATE,   /* ENOSPC, but only fsync() says so: space is found when it is needed */
	FAULT_SYNC,        /* EIO */
	FAULT_OPEN,        /* EMFILE, of files that SQLite makes: log and journal */
	FAULT_READ_ONLY,   /* EROFS, whatever changes something */
	FAULT_POWER,       /* it goes off amid the operation; nothing works from then on */
	FAULT_COUNT,
};

struct faulty_disk {
	/* To be set: which fault the n-th operation (from 0 on) that can have it meets, and whether all that follow do. */
	enum fault fault;
	unsigned n;
	bool lasting;
	void (*before)(void); /* if there is one: called before each operation that changes something */
	/* How often it was met. */
	unsigned met;
	/* Counted without end. */
	unsigned syncs;
	uint64_t bytes_written;
};

extern struct faulty_disk faulty_disk;

/* Makes it SQLite's default. Before anything is opened. `power`: it is wanted to know what a loss of power leaves. */
void faulty_disk_init(bool power);

/* The n-th operation from now on fails so. FAULT_NONE: all is well again. */
void faulty_disk_set(enum fault fault, unsigned n, bool lasting);

/* The power goes now, between two operations. */
void faulty_disk_power_off(void);

/* What files are like after a loss of power. */
enum left {
	LEFT_ALL,    /* the disk had everything: as after kill -9 */
	LEFT_SYNCED, /* only what was synced */
	LEFT_RANDOM, /* any of what was not synced, in any order, to the sector; directories as they once were */
};

/*
 * Makes the files what is left of them; all must be closed. `seed` is for LEFT_RANDOM. All is well again, and what is
 * there is synced.
 */
void faulty_disk_power_on(enum left left, uint64_t seed);

/* Forgets everything about files, which another test has removed. */
void faulty_disk_forget(void);

#endif
