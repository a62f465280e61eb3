/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"

static int saved_stderr, reader;
static char line[8192];

static int setup(void **state)
{
	int fds[2];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_set_level("info");
	log_set_name("porticod");
	saved_stderr = dup(STDERR_FILENO);
	if (saved_stderr < 0 || pipe(fds) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		return -1;
	close(fds[1]);
	reader = fds[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
	return 0;
}

/* What was logged since the last call. A mark is written behind it, so that nothing logged is no endless wait. */
static const char *logged(void)
{
	size_t used = 0;

	assert_int_equal(write(STDERR_FILENO, "", 1), 1);
	do {
		ssize_t got = read(reader, line + used, sizeof(line) - used);

		assert_true(got > 0);
		used += (size_t)got;
	} while (line[used - 1] != '\0');
	return line;
}

static void levels_are_a_threshold(void **state)
{
	(void)state;
	log_debug("d");
	assert_string_equal(logged(), "");
	log_info("%s %d", "i", 1);
	assert_string_equal(logged(), "porticod: i 1\n");
	log_warning("w");
	assert_string_equal(logged(), "porticod: warning: w\n");
	log_error("e");
	assert_string_equal(logged(), "porticod: error: e\n");

	assert_int_equal(log_set_level("error"), 0);
	log_warning("w");
	assert_string_equal(logged(), "");
	assert_int_equal(log_set_level("debug"), 0);
	log_debug("d");
	assert_string_equal(logged(), "porticod: debug: d\n");
	assert_int_equal(log_set_level("Debug"), -EINVAL);
	assert_int_equal(log_set_level(""), -EINVAL);
	log_debug("still");
	assert_string_equal(logged(), "porticod: debug: still\n");
}

static void set_stream(dev_t device, ino_t inode)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)device, (unsigned long long)inode);
	setenv("JOURNAL_STREAM", text, 1);
}

static void the_journal_gets_priorities(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	set_stream(st.st_dev, st.st_ino);
	log_error("e");
	assert_string_equal(logged(), "<3>e\n");
	log_info("i");
	assert_string_equal(logged(), "<6>i\n");

	/* It is set, but for another stderr: that of whoever started us. */
	set_stream(st.st_dev, st.st_ino + 1);
	log_error("e");
	assert_string_equal(logged(), "porticod: error: e\n");
	set_stream(st.st_dev + 1, st.st_ino);
	log_error("e");
	assert_string_equal(logged(), "porticod: error: e\n");
	setenv("JOURNAL_STREAM", "", 1);
	log_error("e");
	assert_string_equal(logged(), "porticod: error: e\n");
	unsetenv("JOURNAL_STREAM");
}

static void text_cannot_forge_a_line(void **state)
{
	(void)state;
	log_info("user %s", "x\n<3>porticod: error: all is lost\r\x1b[2J\x7f\t\\");
	assert_string_equal(logged(), "porticod: user x\\x0a<3>porticod: error: all is lost"
				      "\\x0d\\x1b[2J\\x7f\\x09\\x5c\n");
	log_info("caf\xc3\xa9");
	assert_string_equal(logged(), "porticod: caf\xc3\xa9\n");
}

/* Of plain text, and of text that grows fourfold; at every offset near the limit. */
static void long_lines_are_cut_and_ended(void **state)
{
	static char text[5000];

	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		for (size_t length = 2000; length < 2080; length++) {
			memset(text, kind ? '\n' : 'a', length);
			text[length] = '\0';
			log_info("%s", text);

			size_t got = strlen(logged());

			assert_in_range(got, 2000, 2048);
			assert_int_equal(line[got - 1], '\n');
			assert_ptr_equal(strchr(line, '\n'), line + got - 1);
		}
	}
}

static void errno_survives(void **state)
{
	(void)state;
	errno = ENOTTY;
	log_info("x");
	assert_int_equal(errno, ENOTTY);
	logged();
}

int main(void)
{
#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOG_TEST(levels_are_a_threshold),   LOG_TEST(the_journal_gets_priorities),
		LOG_TEST(text_cannot_forge_a_line), LOG_TEST(long_lines_are_cut_and_ended),
		LOG_TEST(errno_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
