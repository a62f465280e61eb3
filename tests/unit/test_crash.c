/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon that is killed at any moment, thousands of times: the engine and the store with a kernel that survives, in
 * memory shared with the parent.
 *
 * A child makes changes, on trial or not, confirms some, restores former ones, now and then ends in order. What it is
 * about to do and what was acknowledged it tells over a pipe. It dies by SIGKILL, sent by the parent after a random time,
 * or by its own hand before the n-th thing that it does to disk or kernel. The next child must find what was acknowledged;
 * of what was under way, all or nothing; nothing on trial; and bring the kernel to that, and to nothing else in between.
 *
 * PORTICO_CRASHES=5000 makes it longer, PORTICO_CRASH_SEED=n repeats one, as far as times can be repeated.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "engine_fixture.h"
#include "faulty_disk.h"
#include "model/compile.h"
#include "scratch.h"
#include "store/db.h"

enum {
	CRASHES = 1000,
	HISTORY = 20,
	LIFE_US = 6000,
	LIFE_EVENTS = 600,
	PATIENCE_S = 60, /* with a child that dies by its own hand */
	REVISIONS_MAX = 1 << 20,
};

static const char links[] = "[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"],"
			    " \"gateway4\": \"192.0.2.254\"},"
			    " {\"name\": \"eth1\", \"index\": 3, \"addresses\": [\"198.51.100.1/24\"],"
			    " \"gateway4\": \"198.51.100.254\"},"
			    " {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\"]}]";

/* xorshift64* (Vigna, 2016). */
static uint64_t dice;

static unsigned roll(unsigned sides)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (unsigned)((dice * 0x2545f4914f6cdd1d >> 33) % sides);
}

/* --- configurations, each of which a number stands for --- */

enum { NOTHING = 0, UNKNOWN = UINT32_MAX };

static struct config *config_of(uint32_t number)
{
	uint64_t kept = dice;
	json_t *json = json_pack("{s:{s:i}, s:[], s:[], s:[{s:i, s:s, s:[s]}]}", "settings", "history_length",
				 HISTORY, "uplinks", "forwards", "networks", "id", 1, "name", "lan",
				 "devices", "br-lan");
	struct config *config;
	struct err err;
	unsigned forwards;

	if (number == NOTHING) {
		json_decref(json);
		return config_new();
	}
	dice = number;
	forwards = roll(10);
	for (unsigned i = 0; i <= roll(2); i++)
		json_array_append_new(json_object_get(json, "uplinks"),
				      json_pack("{s:i, s:s, s:s, s:i}", "id", i + 1, "name",
						i ? "isp2" : "isp1", "device", i ? "eth1" : "eth0", "weight",
						1 + roll(100)));
	for (unsigned i = 0; i < forwards; i++)
		json_array_append_new(json_object_get(json, "forwards"),
				      json_pack("{s:i, s:o, s:o, s:s}", "id", i + 1, "name",
						json_sprintf("forward %u", i), "external_ports",
						json_sprintf("%u", 1000 * (i + 1) + roll(1000)),
						"internal_address", "192.168.0.2"));
	dice = kept;
	err_clear(&err);
	if (config_from_json(json, NULL, &config, &err) < 0)
		fail_msg("%s %s %s", err.detail, err.items[0].path, err.items[0].message);
	json_decref(json);
	return config;
}

static bool is_config(const struct config *config, uint32_t number)
{
	struct config *wanted = config_of(number);
	struct changes changes;
	bool same;

	assert_int_equal(config_diff(config, wanted, &changes), 0);
	same = changes.count == 0;
	changes_done(&changes);
	config_unref(wanted);
	return same;
}

/* --- what is known, from what was told --- */

enum news {
	NEWS_UP,      /* found and checked; `config` in force as `revision` */
	NEWS_COMMIT,  /* about to make it `config` */
	NEWS_TRIAL,   /* likewise, on trial */
	NEWS_CONFIRM, /* about to confirm */
	NEWS_STOP,    /* about to end in order */
	NEWS_DONE,    /* that was done; `revision` is the newest */
};

struct message {
	enum news news;
	uint32_t config, revision;
};

static struct {
	uint32_t now, revision;
	bool trial;
	uint32_t confirmed;  /* comes back, while there is a trial */
	struct message next; /* under way; NEWS_DONE: nothing is */
	uint32_t *by_revision;
} known;

static struct {
	unsigned crashes, starts_killed, commits, trials, confirmations, orderly, amid_trial;
} count;

static void learn_done(uint32_t revision)
{
	bool changed = revision != known.revision;

	switch (known.next.news) {
	case NEWS_COMMIT:
	case NEWS_TRIAL:
		if (changed && !known.trial && known.next.news == NEWS_TRIAL) {
			known.trial = true;
			known.confirmed = known.now;
			count.trials++;
		}
		known.now = known.next.config;
		if (known.trial && known.now == known.confirmed)
			known.trial = false;
		count.commits++;
		break;
	case NEWS_CONFIRM:
		known.trial = false;
		count.confirmations++;
		break;
	case NEWS_STOP:
		if (known.trial)
			known.now = known.confirmed;
		known.trial = false;
		count.orderly++;
		break;
	case NEWS_UP:
	case NEWS_DONE:
		fail();
	}
	known.revision = revision;
	known.by_revision[revision] = known.now;
	known.next.news = NEWS_DONE;
}

static void learn(const struct message *message)
{
	switch (message->news) {
	case NEWS_UP:
		for (uint32_t i = known.revision + 1; i < message->revision; i++)
			known.by_revision[i] = UNKNOWN;
		known.now = message->config;
		known.revision = message->revision;
		known.by_revision[known.revision] = known.now;
		known.trial = false;
		known.next.news = NEWS_DONE;
		break;
	case NEWS_DONE:
		learn_done(message->revision);
		break;
	case NEWS_COMMIT:
	case NEWS_TRIAL:
	case NEWS_CONFIRM:
	case NEWS_STOP:
		known.next = *message;
		break;
	}
}

/* What the next start may find in force: one configuration, or one of two. */
static unsigned possible(uint32_t ret_configs[2])
{
	unsigned n = 0;

	ret_configs[n++] = known.trial ? known.confirmed : known.now;
	/* On trial it is taken back, whether it was made or not. */
	if (known.next.news == NEWS_COMMIT && !known.trial)
		ret_configs[n++] = known.next.config;
	if (known.next.news == NEWS_CONFIRM)
		ret_configs[n++] = known.now;
	return n;
}

/* --- the child --- */

static struct fake_state *kernel_state; /* shared */
static struct fixture *daemon_now;
static int news_fd;
static unsigned events_left; /* 0: without end */
static bool up;

static void tell(enum news news, uint32_t config, uint32_t revision)
{
	const struct message message = { news, config, revision };

	if (write(news_fd, &message, sizeof(message)) != sizeof(message))
		_exit(3);
}

static void die_in_time(void)
{
	if (events_left && --events_left == 0)
		kill(getpid(), SIGKILL);
}

static bool kernel_is(uint32_t number)
{
	struct fixture *f = daemon_now;
	struct config *config = config_of(number);
	struct kstate desired;
	bool same;

	if (engine_revision(f->engine) == 0) /* nothing was ever configured */
		kstate_init(&desired);
	else
		assert_int_equal(
			compile(config, engine_links(f->engine), engine_environment(f->engine), &desired), 0);
	same = fake_state_is(kernel_state, &desired);
	kstate_done(&desired);
	config_unref(config);
	return same;
}

/* Nothing reaches the kernel before what was not confirmed is taken back. */
static void on_touch(void *arg)
{
	uint64_t confirmed;

	(void)arg;
	if (!up && store_trial(daemon_now->store, &confirmed))
		fail_msg("the kernel is touched while revision %u is the last confirmed one",
			 (unsigned)confirmed);
	die_in_time();
}

static void check_former(struct fixture *f, uint32_t number)
{
	struct config *former;

	if (known.by_revision[number] == UNKNOWN)
		return;
	if (engine_former(f->engine, number, &former, &f->err) < 0)
		fail_msg("revision %u: %s", number, f->err.detail);
	if (!is_config(former, known.by_revision[number]))
		fail_msg("revision %u is another", number);
	config_unref(former);
}

/* That is surely kept: there may be two revisions more than are known of. */
static uint32_t oldest(void)
{
	enum { SURE = HISTORY - 3 };

	return known.revision > SURE ? known.revision - SURE : 1;
}

static void check_integrity(struct fixture *f)
{
	sqlite3_stmt *row;

	assert_int_equal(sqlite3_prepare_v2(f->store->db, "PRAGMA integrity_check", -1, &row, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(row, 0), "ok");
	sqlite3_finalize(row);
}

/* Returns which configuration is in force. */
static uint32_t check_start(struct fixture *f)
{
	uint32_t configs[2], revision = (uint32_t)engine_revision(f->engine), found = UNKNOWN;
	unsigned n = possible(configs);

	for (unsigned i = 0; i < n; i++)
		if (is_config(engine_config(f->engine), configs[i]))
			found = configs[i];
	if (found == UNKNOWN)
		fail_msg(
			"what is in force is neither %u nor %u: there is more, or less, than was acknowledged",
			configs[0], configs[n - 1]);
	if (revision < known.revision || revision > known.revision + 2)
		fail_msg("revision %u after %u", revision, known.revision);
	assert_false(engine_on_trial(f->engine));
	assert_true(fixture_in_sync(f));
	/* One plan brought the kernel to what it has, so it had nothing else in between. */
	assert_true(f->kernel.applies <= 1);
	if (!kernel_is(found))
		fail_msg("the kernel has another configuration than revision %u", revision);
	check_integrity(f);
	if (known.revision > 1)
		check_former(f, oldest() + roll(known.revision - oldest() + 1));
	return found;
}

static void child_commit(struct fixture *f, struct config *next, uint32_t number, bool trial)
{
	struct change_request request = { .author = "test",
					  .reason = "test",
					  .confirm_within_s = trial ? 3600 : 0 };

	tell(trial ? NEWS_TRIAL : NEWS_COMMIT, number, 0);
	err_clear(&f->err);
	if (engine_commit(f->engine, next, &request, &f->err) < 0)
		fail_msg("%s %s %s", f->err.detail, f->err.items[0].path, f->err.items[0].message);
	tell(NEWS_DONE, 0, (uint32_t)engine_revision(f->engine));
	if (!kernel_is(number))
		fail_msg("the kernel has another configuration than what was committed");
	config_unref(next);
}

static void child_step(struct fixture *f)
{
	unsigned what = roll(20);
	bool trial = roll(3) == 0;
	uint32_t number, revision;
	struct config *former;

	if (what < 10) {
		number = 1 + roll(1000000);
		child_commit(f, config_of(number), number, trial);
	} else if (what < 14) {
		revision = (uint32_t)engine_revision(f->engine);
		if (revision == 0)
			return;
		revision -= roll(revision < 5 ? revision : 5);
		/* What was made in this life is known to the parent alone. */
		if (revision > known.revision || known.by_revision[revision] == UNKNOWN ||
		    revision < oldest())
			return;
		if (engine_former(f->engine, revision, &former, &f->err) < 0)
			return; /* forgotten meanwhile */
		child_commit(f, former, known.by_revision[revision], trial);
	} else if (what < 18) {
		if (!engine_on_trial(f->engine))
			return;
		tell(NEWS_CONFIRM, 0, 0);
		assert_int_equal(engine_confirm(f->engine, "test", &f->err), 0);
		tell(NEWS_DONE, 0, (uint32_t)engine_revision(f->engine));
	} else if (what == 18) {
		store_settle(f->store);
	} else {
		tell(NEWS_STOP, 0, 0);
		engine_end_trial(f->engine);
		tell(NEWS_DONE, 0, (uint32_t)engine_revision(f->engine));
		fixture_stop(f);
		_exit(0);
	}
}

static void live(struct fixture *f)
{
	uint32_t found;

	daemon_now = f;
	log_set_level("error");
	f->kernel.touched = on_touch;
	fixture_start(f);
	found = check_start(f);
	up = true;
	tell(NEWS_UP, found, (uint32_t)engine_revision(f->engine));
	for (;;)
		child_step(f);
}

/* --- the parent --- */

static void hear(int fd)
{
	struct message message;

	while (read(fd, &message, sizeof(message)) == sizeof(message))
		learn(&message);
}

/* From its start, or from when it is up; or whenever it dies by its own hand. */
enum death { DEATH_FROM_START, DEATH_FROM_UP, DEATH_BY_EVENT };

static void wait_and_kill(pid_t pid, int fd, enum death death, unsigned us)
{
	const struct timespec patience = { .tv_sec = PATIENCE_S }, time = { .tv_nsec = us * 1000L };
	struct pollfd news = { .fd = fd,
			       .events = death == DEATH_FROM_UP ? POLLIN : 0 }; /* and its end, always */
	int status;

	if (death != DEATH_FROM_START)
		ppoll(&news, 1, &patience, NULL);
	news.events = 0;
	if (death != DEATH_BY_EVENT)
		ppoll(&news, 1, &time, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		fail_msg("the child of crash %u complains; PORTICO_CRASH_SEED=%s", count.crashes,
			 getenv("PORTICO_CRASH_SEED"));
	if (!WIFEXITED(status))
		assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void one_life(struct fixture *f)
{
	uint64_t seed = (uint64_t)roll(1u << 31) << 20 | 1;
	enum death death = roll(4) == 0 ? DEATH_FROM_START : roll(2) ? DEATH_FROM_UP : DEATH_BY_EVENT;
	bool was_trial = known.trial;
	unsigned events = 1 + roll(LIFE_EVENTS), us = roll(LIFE_US);
	uint32_t revision = known.revision;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		news_fd = ends[1];
		dice = seed;
		events_left = death == DEATH_BY_EVENT ? events : 0;
		live(f);
		_exit(1);
	}
	close(ends[1]);
	wait_and_kill(pid, ends[0], death, us);
	hear(ends[0]);
	close(ends[0]);
	count.crashes++;
	count.amid_trial += known.trial;
	count.starts_killed += known.revision == revision && known.trial == was_trial;
}

static void killed_at_any_moment(void **state)
{
	unsigned crashes = getenv("PORTICO_CRASHES") ? (unsigned)atoi(getenv("PORTICO_CRASHES")) : CRASHES;
	struct fixture *f = calloc(1, sizeof(*f));

	(void)state;
	scratch_make(f->directory);
	snprintf(f->db, sizeof(f->db), "%s/portico.db", f->directory);
	f->kernel.links = links;
	f->kernel.state = kernel_state = mmap(NULL, sizeof(*kernel_state), PROT_READ | PROT_WRITE,
					      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(kernel_state != MAP_FAILED);
	known.by_revision = calloc(REVISIONS_MAX, sizeof(*known.by_revision));
	known.next.news = NEWS_DONE;
	for (unsigned i = 0; i < crashes; i++)
		one_life(f);
	print_message(
		"%u crashes, %u of them before anything was done, %u amid a trial; %u changes, %u trials, "
		"%u confirmations, %u orderly ends, %u revisions\n",
		count.crashes, count.starts_killed, count.amid_trial, count.commits, count.trials,
		count.confirmations, count.orderly, known.revision);
	assert_true(count.commits > crashes / 4);
	assert_true(count.amid_trial > crashes / 20);
	scratch_remove(f->directory);
	munmap(kernel_state, sizeof(*kernel_state));
	free(known.by_revision);
	free(f);
}

/* Memory is not what this is about, and the sanitizer takes half of the time for it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "malloc_context_size=1:quarantine_size_mb=1:detect_leaks=0";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_moment),
	};
	char seed[32];

	snprintf(seed, sizeof(seed), "%ld", (long)time(NULL));
	setenv("PORTICO_CRASH_SEED", seed, 0);
	dice = strtoull(getenv("PORTICO_CRASH_SEED"), NULL, 10) * 2 + 1;
	print_message("PORTICO_CRASH_SEED=%s\n", getenv("PORTICO_CRASH_SEED"));
	faulty_disk_init(false);
	faulty_disk.before = die_in_time;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
