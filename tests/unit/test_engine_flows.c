/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/private.h"
#include "model/compile.h"
#include "parsed.h"

static const char config_text[] =
	"{\"uplinks\": [{\"name\": \"isp1\", \"device\": \"eth0\"}], \"forwards\": ["
	"{\"name\": \"dns\", \"protocols\": [\"udp\"], \"external_ports\": \"53\", \"internal_address\": \"192.168.0.4\"}]}";
static const char links_text[] =
	"[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"], \"gateway4\": \"192.0.2.254\"}]";

struct lab {
	struct engine engine;
	struct kernel kernel;
	struct kernel_ops ops;
	struct kstate desired;
	enum flow_fate (*judge)(void *arg, const struct flow *flow);
	unsigned searches;
};

static struct lab *lab;

static int sweep_flows(struct kernel *kernel, enum flow_fate (*judge)(void *arg, const struct flow *flow),
		       void *arg)
{
	(void)kernel;
	assert_ptr_equal(arg, &lab->engine);
	lab->judge = judge;
	lab->searches++;
	return 0;
}

static void stop_loop(void *arg)
{
	loop_stop(arg, 0);
}

static void turn(uint64_t ms)
{
	struct timer *timer;

	assert_int_equal(timer_new(lab->engine.loop, stop_loop, lab->engine.loop, &timer), 0);
	timer_start(timer, ms);
	loop_run(lab->engine.loop);
	timer_free(timer);
}

static int set_up(void **state)
{
	(void)state;
	lab = calloc(1, sizeof(*lab));
	lab->ops.sweep_flows = sweep_flows;
	lab->kernel.ops = &lab->ops;
	lab->engine.kernel = &lab->kernel;
	parse_world(config_text, links_text, &lab->engine.config, &lab->engine.links);
	assert_int_equal(
		compile(lab->engine.config, &lab->engine.links, &lab->engine.environment, &lab->desired), 0);
	ways_resolve(lab->engine.config, &lab->engine.links, &lab->engine.environment, &lab->engine.ways);
	lab->engine.desired = &lab->desired;
	assert_int_equal(loop_new(&lab->engine.loop), 0);
	assert_int_equal(flows_start(&lab->engine), 0);
	flows_search(&lab->engine);
	assert_int_equal(lab->searches, 0); /* what was asked for the change is answered first */
	turn(20);
	assert_int_equal(lab->searches, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	flows_stop(&lab->engine);
	loop_free(lab->engine.loop);
	kstate_done(&lab->desired);
	links_done(&lab->engine.links);
	config_unref(lab->engine.config);
	free(lab);
	return 0;
}

/* From a client to our address, let in and sent to this backend. */
static struct flow let_in(uint8_t protocol, uint16_t client_port, uint16_t port, const char *backend)
{
	return (struct flow){ .protocol = protocol,
			      .source = ip("203.0.113.7"),
			      .destination = ip("192.0.2.1"),
			      .source_port = client_port,
			      .destination_port = port,
			      .reply_source = ip(backend),
			      .reply_destination = ip("203.0.113.7"),
			      .reply_source_port = port,
			      .reply_destination_port = client_port,
			      .mark = MARK_LET_IN | MARK_UPLINK(1),
			      .destination_nat = true,
			      .replied = true };
}

/* What the backend's next packet makes once the entry is gone: begun from inside, with our address as its source. */
static struct flow remade(const struct flow *gone)
{
	return (struct flow){ .protocol = gone->protocol,
			      .source = gone->reply_source,
			      .destination = gone->reply_destination,
			      .source_port = gone->reply_source_port,
			      .destination_port = gone->reply_destination_port,
			      .reply_source = gone->source,
			      .reply_destination = gone->destination,
			      .reply_source_port = gone->source_port,
			      .reply_destination_port = gone->destination_port,
			      .mark = MARK_UPLINK(1),
			      .source_nat = true };
}

static void expect(enum flow_fate fate, const struct flow *flow)
{
	assert_int_equal(lab->judge(&lab->engine, flow), fate);
}

static void what_a_former_backend_makes_again(void **state)
{
	struct flow moved = let_in(IPPROTO_UDP, 40000, 53, "192.168.0.9"), again = remade(&moved);
	struct flow other = again;

	(void)state;
	expect(FLOW_ENDS, &moved);
	expect(FLOW_STAYS, &again);
	moved.mark |= MARK_ENDED;
	expect(FLOW_IS_DELETED, &moved);
	expect(FLOW_ENDS, &again);
	again.mark |= MARK_ENDED;
	expect(FLOW_IS_DELETED, &again);
	other.destination_port++;
	expect(FLOW_STAYS, &other);
	other = again;
	other.protocol = IPPROTO_TCP;
	expect(FLOW_STAYS, &other);
	/* Also after the next change. */
	flows_search(&lab->engine);
	turn(20);
	expect(FLOW_IS_DELETED, &again);
}

static void many_at_once(void **state)
{
	struct flow moved, again;

	(void)state;
	for (uint16_t port = 40000; port < 41000; port++) {
		moved = let_in(IPPROTO_UDP, port, 53, "192.168.0.9");
		moved.mark |= MARK_ENDED;
		expect(FLOW_IS_DELETED, &moved);
	}
	again = remade(&moved);
	expect(FLOW_ENDS, &again);
	moved = let_in(IPPROTO_UDP, 40000, 53, "192.168.0.9");
	again = remade(&moved);
	expect(FLOW_STAYS, &again);
}

static void what_the_chains_do_not_see(void **state)
{
	struct flow gone = let_in(IPPROTO_TCP, 40000, 80, "192.168.0.2"), again = remade(&gone);

	(void)state;
	expect(FLOW_ENDS, &gone);
	expect(FLOW_STAYS, &again);
	gone.offloaded = true;
	expect(FLOW_IS_DELETED, &gone);
	expect(FLOW_ENDS, &again);
	again.mark |= MARK_ENDED;
	expect(FLOW_STAYS, &again);
}

/* A search that found something is followed by another, whenever in it that was. */
static void searches_again_until_nothing_is_found(void **state)
{
	struct flow gone = let_in(IPPROTO_TCP, 40000, 80, "192.168.0.2");
	unsigned searches = lab->searches;

	(void)state;
	turn(120);
	assert_int_equal(lab->searches, searches);
	expect(FLOW_ENDS, &gone);
	expect(FLOW_ENDS, &gone);
	turn(120);
	assert_int_equal(lab->searches, searches + 1);
}

static void changes_in_a_row_do_not_put_it_off(void **state)
{
	unsigned searches = lab->searches;

	(void)state;
	for (unsigned i = 0; i < 50 && lab->searches == searches; i++) {
		flows_search(&lab->engine);
		turn(1);
	}
	assert_true(lab->searches > searches);
}

int main(void)
{
#define LAB_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		LAB_TEST(what_a_former_backend_makes_again),  LAB_TEST(many_at_once),
		LAB_TEST(what_the_chains_do_not_see),         LAB_TEST(searches_again_until_nothing_is_found),
		LAB_TEST(changes_in_a_row_do_not_put_it_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
