/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * porticod: what is done in which order at start, and the reverse at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "edge/edge.h"
#include "edge/listen.h"
#include "engine/engine.h"
#include "store/store.h"
#include "web/web.h"

enum { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2 };
enum mode { MODE_RUN, MODE_CHECK, MODE_FLUSH };

struct options {
	enum mode mode;
	const char *db;
	const char *socket;
	const char *netns;
	unsigned listen_count;
	const char *listen[EDGE_LISTEN_MAX];
};

static const char usage[] =
	"porticod: port forwards, uplinks and hairpin, kept true in the kernel\n"
	"\n"
	"usage: porticod [options]\n"
	"  --db FILE           the database (/etc/portico/portico.db)\n"
	"  --listen ADDR:PORT  where the admin page answers; may be repeated ([::]:8443)\n"
	"  --socket FILE       the socket of the portico command (/run/portico/portico.sock)\n"
	"  --netns NAME        manage this network namespace, but listen in the present one\n"
	"  --log-level LEVEL   error, warning, info or debug (info)\n"
	"  --check             check the database and end\n"
	"  --flush             remove all that is ours from the kernel, give sysctls back, and end\n"
	"  --version, --help\n";

static int add_listen(struct options *options, const char *text)
{
	struct endpoint endpoint;
	struct err err;

	err_clear(&err);
	if (endpoint_parse(text, &endpoint, &err) < 0) {
		fprintf(stderr, "porticod: --listen: %s\n", err.detail);
		return -EINVAL;
	}
	if (options->listen_count == EDGE_LISTEN_MAX) {
		fprintf(stderr, "porticod: at most %d addresses to listen on\n", EDGE_LISTEN_MAX);
		return -EINVAL;
	}
	options->listen[options->listen_count++] = text;
	return 0;
}

/* Returns an exit status, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *options)
{
	enum {
		OPT_DB = 256,
		OPT_LISTEN,
		OPT_SOCKET,
		OPT_NETNS,
		OPT_LOG_LEVEL,
		OPT_CHECK,
		OPT_FLUSH,
		OPT_VERSION,
		OPT_HELP
	};
	static const struct option table[] = {
		{ "db", required_argument, NULL, OPT_DB },
		{ "listen", required_argument, NULL, OPT_LISTEN },
		{ "socket", required_argument, NULL, OPT_SOCKET },
		{ "netns", required_argument, NULL, OPT_NETNS },
		{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "flush", no_argument, NULL, OPT_FLUSH },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (option) {
		case OPT_DB:
			options->db = optarg;
			break;
		case OPT_LISTEN:
			if (add_listen(options, optarg) < 0)
				return STATUS_USAGE;
			break;
		case OPT_SOCKET:
			options->socket = optarg;
			break;
		case OPT_NETNS:
			options->netns = optarg;
			break;
		case OPT_LOG_LEVEL:
			if (log_set_level(optarg) < 0) {
				fprintf(stderr, "porticod: --log-level: error, warning, info or debug\n");
				return STATUS_USAGE;
			}
			break;
		case OPT_CHECK:
			options->mode = MODE_CHECK;
			break;
		case OPT_FLUSH:
			options->mode = MODE_FLUSH;
			break;
		case OPT_VERSION:
			puts("porticod " PORTICO_VERSION);
			return STATUS_OK;
		case OPT_HELP:
			fputs(usage, stdout);
			return STATUS_OK;
		default:
			fputs("porticod --help tells the options\n", stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "porticod: %s: there are only options\n", argv[optind]);
		return STATUS_USAGE;
	}
	if (!options->listen_count)
		options->listen[options->listen_count++] = "[::]:8443";
	return -1;
}

static int failed(const char *what, const struct err *err)
{
	log_error("%s: %s", what, err->detail);
	for (unsigned i = 0; i < err->count; i++)
		log_error("%s: %s %s", what, err->items[i].path, err->items[i].message);
	return STATUS_FAILURE;
}

static int failed_errno(const char *what, int error)
{
	log_error("%s: %s", what, strerror(error < 0 ? -error : error));
	return STATUS_FAILURE;
}

/* --- where things are --- */

static int directory_of(const char *file, char directory[PATH_MAX])
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof(copy), "%s", file) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	snprintf(directory, PATH_MAX, "%s", dirname(copy));
	return 0;
}

/* Makes it if it is missing; its parent must be there. */
static int ensure_directory(const char *directory, struct stat *ret_stat)
{
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	return stat(directory, ret_stat) < 0 ? -errno : 0;
}

static int enter_netns(const char *name)
{
	char path[PATH_MAX];
	int r = 0;

	if (!*name || strchr(name, '/') ||
	    snprintf(path, sizeof(path), "/run/netns/%s", name) >= (int)sizeof(path))
		return -EINVAL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET) < 0)
		r = -errno;
	close(fd);
	return r;
}

/*
 * Two of us in one network would undo each other's work for ever. The namespace itself is what is locked,
 * for as long as the process lives: it is the same whatever the paths are. False if another has it; a kernel
 * without namespaces cannot tell.
 */
static bool lock_netns(int *ret_fd)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool ours = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;

	if (!ours)
		close(fd);
	*ret_fd = ours ? fd : -1;
	return ours;
}

/* The command's socket, for root alone. One that nobody answers on any more is replaced. */
static int open_command_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = -ENAMETOOLONG;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		goto fail;
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = -EADDRINUSE;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
		goto fail;
	if (unlink(path) < 0 && errno != ENOENT) {
		r = -errno;
		goto fail;
	}
	mode_t mask = umask(0177);

	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, 16) < 0)
		r = -errno;
	if (r == 0)
		return fd;
fail:
	close(fd);
	return r;
}

/* --- telling systemd, as sd_notify(3) describes --- */

static int notify_fd = -1;

/* Connected early: an abstract address belongs to the network namespace that we start in. */
static void notify_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd >= 0 &&
	    connect(notify_fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0) {
		close(notify_fd);
		notify_fd = -1;
	}
	unsetenv("NOTIFY_SOCKET");
}

static void notify(const char *state)
{
	if (notify_fd >= 0 && send(notify_fd, state, strlen(state), MSG_NOSIGNAL) < 0)
		log_warning("the service manager cannot be told \"%s\": %s", state, strerror(errno));
}

/* --- running --- */

struct running {
	struct loop *loop;
	struct engine *engine;
};

static void on_signal(void *arg, int signo)
{
	struct running *running = arg;

	if (signo == SIGHUP)
		engine_recheck(running->engine);
	else
		loop_stop(running->loop, STATUS_OK);
}

static void on_connection(void *arg, int fd, const struct sockaddr_storage *peer)
{
	web_accept(arg, fd, peer);
}

/* From here on privileges are gone. */
static int serve(const struct options *options, struct edge *edge, const uint16_t *ports, int command_fd)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct engine_options engine_options = { 0 };
	struct running running = { 0 };
	struct store *store = NULL;
	struct web *web = NULL;
	int status = STATUS_FAILURE, lock_fd = -1;
	struct err err;

	err_clear(&err);
	for (unsigned i = 0; i < options->listen_count; i++)
		engine_options.admin_ports[engine_options.admin_port_count++] = ports[i];
	signal(SIGPIPE, SIG_IGN);
	int r = loop_new(&running.loop);

	if (r == 0)
		r = loop_add_signals(running.loop, signals, 3, on_signal, &running);
	if (r < 0) {
		failed_errno("event loop", r);
	} else if (store_open(options->db, &store, &err) < 0) {
		failed("database", &err);
	} else if (!lock_netns(&lock_fd)) {
		log_error("another porticod manages this network");
	} else if (engine_new(running.loop, store, &engine_options, &running.engine, &err) < 0) {
		failed("kernel", &err);
	} else if (web_new(running.loop, running.engine, store, &web, &err) < 0) {
		failed("web", &err);
	} else if ((r = edge_attach(edge, running.loop, on_connection, web)) < 0) {
		failed_errno("edge", r);
	} else if ((r = web_listen_unix(web, command_fd)), command_fd = -1, r < 0) {
		failed_errno(options->socket, r);
	} else {
		log_info("ready at revision %llu", (unsigned long long)engine_revision(running.engine));
		notify("READY=1");
		status = loop_run(running.loop);
		notify("STOPPING=1");
		engine_end_trial(running.engine);
	}
	edge_stop(edge);
	web_free(web);
	engine_free(running.engine);
	store_close(store);
	loop_free(running.loop);
	if (lock_fd >= 0)
		close(lock_fd);
	if (command_fd >= 0)
		close(command_fd);
	return status;
}

static int run(const struct options *options)
{
	uint16_t ports[EDGE_LISTEN_MAX] = { 0 };
	char directory[PATH_MAX], socket_directory[PATH_MAX];
	struct stat owner = { 0 }, ignored;
	struct edge *edge = NULL;
	struct err err;

	err_clear(&err);
	notify_open();
	int r = directory_of(options->db, directory);

	if (r == 0)
		r = ensure_directory(directory, &owner);
	if (r < 0)
		return failed_errno(options->db, r);

	/* The command's socket first: it tells whether another porticod is there already. */
	r = directory_of(options->socket, socket_directory);
	if (r == 0)
		r = ensure_directory(socket_directory, &ignored);
	int command_fd = r < 0 ? r : open_command_socket(options->socket);

	if (command_fd == -EADDRINUSE) {
		log_error("%s: another porticod answers there", options->socket);
		return STATUS_FAILURE;
	}
	if (command_fd < 0)
		return failed_errno(options->socket, command_fd);

	struct edge_options edge_options = { .state_dir = directory, .listen_count = options->listen_count };

	memcpy(edge_options.listen, options->listen, sizeof(options->listen));
	if (edge_start(&edge_options, &edge, ports, &err) < 0) {
		close(command_fd);
		return failed("edge", &err);
	}
	if (options->netns && (r = enter_netns(options->netns)) < 0)
		failed_errno(options->netns, r);
	/* The files' owner is who we become: "portico" where it is installed. */
	else if ((r = privilege_drop(owner.st_uid, owner.st_gid, true)) < 0)
		failed_errno("giving up privileges", r);
	else
		return serve(options, edge, ports, command_fd);
	edge_stop(edge);
	close(command_fd);
	return STATUS_FAILURE;
}

static int check(const struct options *options)
{
	struct err err;

	err_clear(&err);
	if (store_check(options->db, &err) < 0)
		return failed(options->db, &err);
	printf("%s: good\n", options->db);
	return STATUS_OK;
}

static int flush(const struct options *options)
{
	struct err err;
	int r = options->netns ? enter_netns(options->netns) : 0, lock_fd;

	err_clear(&err);
	if (r < 0)
		return failed_errno(options->netns, r);
	if (!lock_netns(&lock_fd)) {
		log_error("a porticod manages this network and would put everything back: stop it first");
		return STATUS_FAILURE;
	}
	r = engine_flush(options->db, &err);
	if (lock_fd >= 0)
		close(lock_fd);
	return r < 0 ? failed("flush", &err) : STATUS_OK;
}

int main(int argc, char **argv)
{
	struct options options = { .db = "/etc/portico/portico.db", .socket = "/run/portico/portico.sock" };
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	log_set_name("porticod");
	memory_init();
	switch (options.mode) {
	case MODE_RUN:
		return run(&options);
	case MODE_CHECK:
		return check(&options);
	case MODE_FLUSH:
		return flush(&options);
	}
	return STATUS_USAGE;
}
