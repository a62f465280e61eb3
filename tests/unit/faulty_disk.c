/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faulty_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, FILES_MAX = 8, PAST_MAX = 16, PENDING_MAX = 4096 };

struct faulty_disk faulty_disk;
static sqlite3_vfs shim, *plain;
static bool remembers;

/* --- what is on the disk for sure, and what is on its way --- */

struct bytes {
	size_t size, room;
	uint8_t *data;
};

/* A write; or, without data, a truncation to `offset`. */
struct pending {
	size_t offset, size;
	uint8_t *data;
};

/* What names stand for; never freed before faulty_disk_forget(), as there are few. */
struct inode {
	struct bytes synced;
	unsigned pending_count;
	struct pending pending[PENDING_MAX];
	struct inode *next;
};

struct directory {
	unsigned count;
	struct entry {
		char path[PATH_MAX];
		struct inode *inode; /* NULL: deleted, but known by name */
	} entries[FILES_MAX];
};

static struct inode *inodes;
static struct directory present;
/* How it was since it was synced last, oldest first; journals of file systems keep their order. */
static struct directory past[PAST_MAX];
static unsigned past_count;

static void apply(struct bytes *bytes, const struct pending *pending, size_t from, size_t to)
{
	size_t end = pending->data ? pending->offset + to : pending->offset;

	if (end > bytes->room) {
		bytes->room = 2 * end;
		bytes->data = realloc(bytes->data, bytes->room);
	}
	if (end > bytes->size)
		memset(bytes->data + bytes->size, 0, end - bytes->size);
	if (end > bytes->size || !pending->data)
		bytes->size = end;
	if (pending->data)
		memcpy(bytes->data + pending->offset + from, pending->data + from, to - from);
}

static void settle(struct inode *inode)
{
	for (unsigned i = 0; i < inode->pending_count; i++) {
		apply(&inode->synced, &inode->pending[i], 0, inode->pending[i].size);
		free(inode->pending[i].data);
	}
	inode->pending_count = 0;
}

static struct inode *new_inode(const char *path)
{
	struct inode *inode = calloc(1, sizeof(*inode));
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	inode->next = inodes;
	inodes = inode;
	if (fd < 0)
		return inode;
	/* It was there before we came. */
	if (fstat(fd, &st) < 0)
		abort();
	inode->synced.size = (size_t)st.st_size;
	inode->synced.room = 2 * inode->synced.size + 1;
	inode->synced.data = malloc(inode->synced.room);
	if (read(fd, inode->synced.data, inode->synced.size) != st.st_size)
		abort();
	close(fd);
	return inode;
}

static struct entry *find(const char *path)
{
	for (unsigned i = 0; i < present.count; i++)
		if (strcmp(present.entries[i].path, path) == 0)
			return &present.entries[i];
	return NULL;
}

/* The entry, made if there is none. */
static struct entry *entry_of(const char *path)
{
	struct entry *entry = find(path);

	if (entry)
		return entry;
	if (present.count == FILES_MAX)
		abort();
	entry = &present.entries[present.count++];
	snprintf(entry->path, sizeof(entry->path), "%s", path);
	entry->inode = NULL;
	return entry;
}

static void directory_changes(void)
{
	if (past_count == PAST_MAX)
		abort();
	past[past_count++] = present;
}

/* On no disk. */
static bool in_memory(const char *path)
{
	return path && strncmp(path, "/dev/shm/", 9) == 0;
}

static void path_of_fd(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, PATH_MAX - 1);
	path[length < 0 ? 0 : length] = '\0';
}

static void add_pending(struct inode *inode, size_t offset, const void *data, size_t size)
{
	struct pending *pending;

	if (inode->pending_count == PENDING_MAX)
		abort();
	pending = &inode->pending[inode->pending_count++];
	*pending = (struct pending){ .offset = offset, .size = size };
	if (!data)
		return;
	pending->data = malloc(size);
	memcpy(pending->data, data, size);
}

/* --- whether something fails --- */

enum operation { OP_READ, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_CREATE, OP_DELETE, OP_RENAME };

static const struct {
	unsigned operations; /* that can have it */
	int error;
} faults[FAULT_COUNT] = {
	[FAULT_READ] = { 1 << OP_READ, EIO },
	[FAULT_WRITE] = { 1 << OP_WRITE | 1 << OP_TRUNCATE, EIO },
	[FAULT_SHORT_WRITE] = { 1 << OP_WRITE, ENOSPC },
	[FAULT_FULL] = { 1 << OP_WRITE | 1 << OP_CREATE, ENOSPC },
	[FAULT_FULL_LATE] = { 1 << OP_SYNC, ENOSPC },
	[FAULT_SYNC] = { 1 << OP_SYNC, EIO },
	[FAULT_OPEN] = { 1 << OP_CREATE, EMFILE },
	[FAULT_READ_ONLY] = { 1 << OP_WRITE | 1 << OP_TRUNCATE | 1 << OP_CREATE | 1 << OP_DELETE |
				      1 << OP_RENAME,
			      EROFS },
	[FAULT_POWER] = { 1 << OP_WRITE | 1 << OP_TRUNCATE | 1 << OP_SYNC | 1 << OP_CREATE | 1 << OP_DELETE |
				  1 << OP_RENAME,
			  EIO },
};

/* Sets errno if it does. */
static bool fails(enum operation operation)
{
	bool off = faulty_disk.fault == FAULT_POWER && faulty_disk.met;

	if (faulty_disk.before && operation != OP_READ)
		faulty_disk.before();
	if (!(faults[faulty_disk.fault].operations & 1 << operation) && !off)
		return false;
	if (!off && faulty_disk.n) {
		faulty_disk.n--;
		return false;
	}
	if (faulty_disk.met && !faulty_disk.lasting && !off)
		return false;
	faulty_disk.met++;
	errno = faults[faulty_disk.fault].error;
	return true;
}

/* The operation amid which the power goes may have been done, or not. */
static bool power_goes(void)
{
	return faulty_disk.fault == FAULT_POWER && faulty_disk.met == 1;
}

void faulty_disk_set(enum fault fault, unsigned n, bool lasting)
{
	faulty_disk.fault = fault;
	faulty_disk.n = n;
	faulty_disk.lasting = lasting;
	faulty_disk.met = 0;
}

void faulty_disk_power_off(void)
{
	faulty_disk_set(FAULT_POWER, 0, true);
	faulty_disk.met = 2; /* none is amid it */
}

/* --- the calls beside SQLite, and below it; they stand before the C library's --- */

int fsync(int fd)
{
	char path[PATH_MAX];
	struct entry *entry;
	struct stat st;

	path_of_fd(fd, path);
	if (in_memory(path))
		return 0;
	faulty_disk.syncs++;
	if (fails(OP_SYNC))
		return -1;
	entry = find(path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		past_count = 0;
	else if (entry && entry->inode)
		settle(entry->inode);
	return 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

int rename(const char *from, const char *to)
{
	struct entry *source = find(from);
	bool failed = fails(OP_RENAME);

	if (failed && !power_goes())
		return -1;
	if (source && source->inode) {
		directory_changes();
		entry_of(to)->inode = source->inode;
		find(from)->inode = NULL;
	}
	return failed ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path)
{
	struct entry *entry = find(path);
	bool failed = !in_memory(path) && access(path, F_OK) == 0 && fails(OP_DELETE);

	if (failed && !power_goes())
		return -1;
	if (entry && entry->inode) {
		directory_changes();
		entry->inode = NULL;
	}
	return failed ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* --- the VFS --- */

struct file {
	sqlite3_file base;
	struct inode *inode; /* NULL: a temporary file, of which nothing need be left */
	sqlite3_file real[]; /* the usual one's */
};

static sqlite3_file *real(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

static int on_close(sqlite3_file *file)
{
	return real(file)->pMethods->xClose(real(file));
}

static int on_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	if (fails(OP_READ))
		return SQLITE_IOERR_READ;
	return real(file)->pMethods->xRead(real(file), data, size, offset);
}

static int on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	struct inode *inode = ((struct file *)file)->inode;
	bool failed = fails(OP_WRITE);
	int error = errno, written = failed ? 0 : size;

	if (failed && faulty_disk.fault == FAULT_SHORT_WRITE)
		written = size / 2;
	if (inode && (written || power_goes()))
		add_pending(inode, (size_t)offset, data, (size_t)(written ? written : size));
	if (written) {
		int r = real(file)->pMethods->xWrite(real(file), data, written, offset);

		if (r != SQLITE_OK)
			return r;
		faulty_disk.bytes_written += (uint64_t)written;
	}
	errno = error;
	return !failed ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct inode *inode = ((struct file *)file)->inode;
	bool failed = fails(OP_TRUNCATE);

	if (inode && (!failed || power_goes()))
		add_pending(inode, (size_t)size, NULL, 0);
	if (failed)
		return SQLITE_IOERR_TRUNCATE;
	return real(file)->pMethods->xTruncate(real(file), size);
}

static int on_sync(sqlite3_file *file, int flags)
{
	return real(file)->pMethods->xSync(real(file), flags); /* calls our fsync() */
}

static int on_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	return real(file)->pMethods->xFileSize(real(file), ret_size);
}

static int on_lock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xLock(real(file), lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
	return real(file)->pMethods->xUnlock(real(file), lock);
}

static int on_check_lock(sqlite3_file *file, int *ret_locked)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), ret_locked);
}

static int on_control(sqlite3_file *file, int what, void *arg)
{
	/* It would make the file larger without our knowledge. */
	if (what == SQLITE_FCNTL_SIZE_HINT)
		return SQLITE_OK;
	return real(file)->pMethods->xFileControl(real(file), what, arg);
}

static int on_sector_size(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int on_characteristics(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret_page)
{
	return real(file)->pMethods->xShmMap(real(file), page, size, extend, ret_page);
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
	real(file)->pMethods->xShmBarrier(real(file));
}

static int on_shm_unmap(sqlite3_file *file, int delete)
{
	return real(file)->pMethods->xShmUnmap(real(file), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_characteristics,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
	struct file *file = (struct file *)base;
	bool exists = path && access(path, F_OK) == 0;
	bool makes = path && !exists && (flags & SQLITE_OPEN_CREATE), failed;
	struct entry *entry;
	int r;

	(void)vfs;
	if (in_memory(path))
		return plain->xOpen(plain, path, base, flags, ret_flags);
	failed = makes && fails(OP_CREATE);
	base->pMethods = NULL;
	file->inode = NULL;
	if (failed && !power_goes())
		return SQLITE_CANTOPEN;
	if (remembers && (exists || makes)) {
		entry = find(path);
		if (!entry || !entry->inode) {
			if (makes)
				directory_changes();
			entry = entry_of(path);
			entry->inode = new_inode(path);
		}
		file->inode = entry->inode;
	}
	if (failed)
		return SQLITE_CANTOPEN;
	r = plain->xOpen(plain, path, file->real, flags, ret_flags);
	if (file->real->pMethods)
		base->pMethods = &methods;
	return r;
}

void faulty_disk_init(bool power)
{
	remembers = power;
	plain = sqlite3_vfs_find(NULL);
	/* All that is not about files goes to the usual one, which finds its own data there. */
	shim = *plain;
	shim.zName = "faulty";
	shim.pNext = NULL;
	shim.szOsFile = (int)sizeof(struct file) + plain->szOsFile;
	shim.xOpen = on_open;
	if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK)
		abort();
}

/* --- when the power comes back --- */

static uint64_t dice;

/* xorshift64* (Vigna, 2016). */
static uint64_t roll(uint64_t sides)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (dice * 0x2545f4914f6cdd1d >> 33) % sides;
}

static void leave(struct inode *inode, enum left left)
{
	for (unsigned i = 0; i < inode->pending_count && left == LEFT_RANDOM; i++) {
		const struct pending *pending = &inode->pending[i];
		uint64_t luck = roll(3); /* all of it, nothing, some sectors */

		for (size_t from = 0, to; from < pending->size || from == 0; from = to) {
			to = from + SECTOR - (pending->offset + from) % SECTOR;
			if (to > pending->size)
				to = pending->size;
			if (luck == 0 || (luck == 2 && roll(2)))
				apply(&inode->synced, pending, from, to);
			if (pending->size == 0)
				break;
		}
	}
	if (left == LEFT_ALL)
		settle(inode);
	for (unsigned i = 0; i < inode->pending_count; i++)
		free(inode->pending[i].data);
	inode->pending_count = 0;
}

static void write_out(const char *path, const struct bytes *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes->data, bytes->size) != (ssize_t)bytes->size)
		abort();
	close(fd);
}

void faulty_disk_power_on(enum left left, uint64_t seed)
{
	const struct directory *chosen = &present;

	dice = seed * 2 + 1;
	for (unsigned i = 0; i < 4; i++)
		roll(2);
	if (left == LEFT_SYNCED && past_count)
		chosen = &past[0];
	else if (left == LEFT_RANDOM && past_count)
		chosen = roll(2) ? &present : &past[roll(past_count)];
	for (unsigned i = 0; i < present.count; i++)
		syscall(SYS_unlinkat, AT_FDCWD, present.entries[i].path, 0);
	for (struct inode *inode = inodes; inode; inode = inode->next)
		leave(inode, left);
	for (unsigned i = 0; i < chosen->count; i++)
		if (chosen->entries[i].inode)
			write_out(chosen->entries[i].path, &chosen->entries[i].inode->synced);
	faulty_disk_set(FAULT_NONE, 0, false);
	faulty_disk_forget();
}

void faulty_disk_forget(void)
{
	while (inodes) {
		struct inode *inode = inodes;

		inodes = inode->next;
		for (unsigned i = 0; i < inode->pending_count; i++)
			free(inode->pending[i].data);
		free(inode->synced.data);
		free(inode);
	}
	present.count = 0;
	past_count = 0;
}
