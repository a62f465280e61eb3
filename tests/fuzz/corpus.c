/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_X [--seconds N] DIRECTORY...: the target of fuzz_X.c on every file of the directories, and on
 * some hundred changed ones for each, the same every time; with --seconds, on others until the time is up. For
 * `make check`, and for machines without clang, whose libFuzzer does the same with more insight.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 4096, FILE_MAX = 1 << 20, CHANGES = 100, EDITS_MAX = 8 };

struct file {
	size_t size;
	uint8_t *data;
};

static struct file files[FILES_MAX];
static unsigned file_count;
static uint64_t random_state = 1;

/* xorshift64 */
static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

static void read_file(const char *path)
{
	struct file *file = &files[file_count];
	FILE *stream = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX);

	if (!stream || !data || file_count == FILES_MAX) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	file->size = fread(data, 1, FILE_MAX, stream);
	fclose(stream);
	file->data = realloc(data, file->size + 1);
	file_count++;
}

static void read_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			read_file(file);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Exactly as long as it is: a read behind the end is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* One edit: a byte changed, a piece cut out, doubled, or taken from another file. */
static size_t edit(uint8_t *data, size_t size)
{
	const struct file *other = &files[random_below(file_count)];
	size_t at = size ? random_below((uint32_t)size) : 0, length = 1 + random_below(32);

	switch (random_below(4)) {
	case 0:
		if (size)
			data[at] = (uint8_t)random_below(256);
		return size;
	case 1:
		length = at + length > size ? size - at : length;
		memmove(data + at, data + at + length, size - at - length);
		return size - length;
	case 2:
		if (size + length > FILE_MAX || at + length > size)
			return size;
		memmove(data + at + length, data + at, size - at);
		return size + length;
	default:
		length = length > other->size ? other->size : length;
		if (size + length > FILE_MAX || length == 0)
			return size;
		memmove(data + at + length, data + at, size - at);
		memcpy(data + at, other->data + random_below((uint32_t)(other->size - length + 1)), length);
		return size + length;
	}
}

static void run_changed(const struct file *file)
{
	uint8_t *data = malloc(FILE_MAX);
	size_t size = file->size;

	if (!data)
		abort();
	memcpy(data, file->data, size);
	for (uint32_t edits = 1 + random_below(EDITS_MAX); edits > 0; edits--)
		size = edit(data, size);
	run(data, size);
	free(data);
}

int main(int argc, char **argv)
{
	time_t until = 0;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
		until = time(NULL) + atoi(argv[2]);
		random_state = (uint64_t)time(NULL);
		first = 3;
	}
	for (int i = first; i < argc; i++)
		read_directory(argv[i]);
	if (file_count == 0) {
		fprintf(stderr, "usage: %s [--seconds N] DIRECTORY...\n", argv[0]);
		return 2;
	}
	for (unsigned i = 0; i < file_count; i++) {
		run(files[i].data, files[i].size);
		for (unsigned k = 0; k < CHANGES; k++)
			run_changed(&files[i]);
	}
	while (time(NULL) < until)
		run_changed(&files[random_below(file_count)]);
	printf("%s: %u files\n", argv[0], file_count);
	for (unsigned i = 0; i < file_count; i++)
		free(files[i].data);
	return 0;
}
