/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probers without privilege: nothing can be sent, and nothing is left behind. tests/net/test_probe.py has the rest. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/probe.h"

static const enum health_method methods[] = { HEALTH_ICMP, HEALTH_TCP, HEALTH_DNS };

static unsigned descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void never(void *arg, uint32_t token, uint32_t latency_us)
{
	(void)arg;
	fail_msg("an answer to %u after %u us", token, latency_us);
}

static void nothing_is_opened_before_it_is_needed(void **state)
{
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct probe_path path = { .method = methods[i], .device = "lo" };
		unsigned before = descriptors();
		struct prober *prober;

		assert_int_equal(prober_new(loop, &path, never, NULL, &prober), 0);
		assert_int_equal(descriptors(), before);
		prober_free(prober);
	}
	prober_free(NULL);
	loop_free(loop);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	const struct probe_target nowhere = { .port = 80 };
	struct probe_target target = { 0 };
	struct loop *loop;

	(void)state;
	assert_int_equal(ip_parse("192.0.2.1", &target.address), 0);
	assert_int_equal(loop_new(&loop), 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct probe_path path = { .method = methods[i], .device = "not-there" };
		unsigned before = descriptors();
		struct prober *prober;

		assert_int_equal(prober_new(loop, &path, never, NULL, &prober), 0);
		assert_int_equal(prober_send(prober, &nowhere, 1), -EINVAL);
		/* There is no port of all TCP servers. */
		target.port = 0;
		assert_int_equal(prober_send(prober, &target, 2),
				 methods[i] == HEALTH_TCP ? -EINVAL : -ENODEV);
		target.port = 80;
		assert_int_equal(prober_send(prober, &target, 3), -ENODEV);
		assert_int_equal(descriptors(), before);
		prober_free(prober);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_opened_before_it_is_needed),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
