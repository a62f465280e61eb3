/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "model/compile.h"
#include "model/flow.h"
#include "parsed.h"

static const char config_text[] =
	"{\"networks\": [{\"name\": \"lan\", \"devices\": [\"br-lan\"]},"
	" {\"name\": \"guests\", \"prefixes\": [\"192.168.5.0/24\"], \"hairpin\": \"off\"}],"
	" \"uplinks\": [{\"name\": \"isp1\", \"device\": \"eth0\"}, {\"name\": \"isp2\", \"device\": \"eth1\"},"
	" {\"name\": \"routed\", \"device\": \"eth2\", \"source_nat\": \"none\"}],"
	" \"source_nats\": [{\"name\": \"vpn\", \"sources\": [\"10.8.0.0/24\"], \"uplink\": \"isp1\","
	" \"address\": \"192.0.2.9\"}],"
	" \"forwards\": [{\"name\": \"web\", \"external_ports\": \"80\", \"internal_address\": \"192.168.0.2\","
	" \"internal_ports\": \"8080\"},"
	" {\"name\": \"office\", \"external_ports\": \"22\", \"internal_address\": \"192.168.0.3\","
	" \"sources\": [\"203.0.113.0/24\"], \"hairpin\": false},"
	" {\"name\": \"dns\", \"protocols\": [\"udp\"], \"external_ports\": \"53\","
	" \"internal_address\": \"192.168.0.4\"},"
	" {\"name\": \"second\", \"external_ports\": \"81\", \"internal_address\": \"192.168.0.2\","
	" \"uplinks\": [\"isp2\"]}]}";
static const char links_text[] =
	"[{\"name\": \"eth0\", \"index\": 2, \"addresses\": [\"192.0.2.1/24\"], \"gateway4\": \"192.0.2.254\"},"
	" {\"name\": \"eth1\", \"index\": 3, \"addresses\": [\"198.51.100.1/24\"]},"
	" {\"name\": \"eth2\", \"index\": 5, \"addresses\": [\"203.0.113.33/28\"], \"gateway4\": \"203.0.113.46\"},"
	" {\"name\": \"br-lan\", \"index\": 4, \"addresses\": [\"192.168.0.1/24\"]}]";

static struct config *config;
static struct links links;
static struct environment environment;
static struct kstate desired;

static int set_up(void **state)
{
	(void)state;
	parse_world(config_text, links_text, &config, &links);
	assert_int_equal(compile(config, &links, &environment, &desired), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kstate_done(&desired);
	links_done(&links);
	config_unref(config);
	return 0;
}

/* A TCP flow as conntrack holds it. */
static struct flow flow(const char *source, const char *destination, uint16_t port, const char *reply_source,
			uint16_t reply_port, const char *reply_destination, uint32_t mark)
{
	struct flow flow = { .protocol = IPPROTO_TCP,
			     .source = ip(source),
			     .destination = ip(destination),
			     .source_port = 40000,
			     .destination_port = port,
			     .reply_source = ip(reply_source),
			     .reply_source_port = reply_port,
			     .reply_destination = ip(reply_destination),
			     .reply_destination_port = 40000,
			     .mark = mark };

	flow.destination_nat = strcmp(destination, reply_source) != 0 || port != reply_port;
	flow.source_nat = strcmp(source, reply_destination) != 0;
	return flow;
}

static enum flow_fate fate_of(const struct flow *f)
{
	struct ways ways;

	ways_resolve(config, &links, &environment, &ways);
	return flow_fate(config, &links, &ways, &desired, f);
}

static void expect(enum flow_fate fate, struct flow f)
{
	f.replied = true;
	assert_int_equal(fate_of(&f), fate);
}

static void forwarded_flows(void **state)
{
	(void)state;
	uint32_t mark = MARK_LET_IN | MARK_UPLINK(1);

	expect(FLOW_STAYS, flow("203.0.113.7", "192.0.2.1", 80, "192.168.0.2", 8080, "203.0.113.7", mark));
	/* to another backend, another port, by a forward that is gone, by an address that is gone */
	expect(FLOW_ENDS, flow("203.0.113.7", "192.0.2.1", 80, "192.168.0.9", 8080, "203.0.113.7", mark));
	expect(FLOW_ENDS, flow("203.0.113.7", "192.0.2.1", 80, "192.168.0.2", 80, "203.0.113.7", mark));
	expect(FLOW_ENDS, flow("203.0.113.7", "192.0.2.1", 82, "192.168.0.2", 8080, "203.0.113.7", mark));
	expect(FLOW_ENDS, flow("203.0.113.7", "192.0.2.77", 80, "192.168.0.2", 8080, "203.0.113.7", mark));
	/* hairpin, its source rewritten */
	expect(FLOW_STAYS,
	       flow("192.168.0.3", "192.0.2.1", 80, "192.168.0.2", 8080, "192.168.0.1", MARK_LET_IN));
	/* a network without hairpin any more */
	expect(FLOW_ENDS,
	       flow("192.168.5.3", "192.0.2.1", 80, "192.168.0.2", 8080, "192.168.5.3", MARK_LET_IN));
	/* only on the other uplink */
	expect(FLOW_ENDS, flow("203.0.113.7", "192.0.2.1", 81, "192.168.0.2", 81, "203.0.113.7", mark));
	expect(FLOW_STAYS, flow("203.0.113.7", "198.51.100.1", 81, "192.168.0.2", 81, "203.0.113.7",
				MARK_LET_IN | MARK_UPLINK(2)));
	/* an uplink that is gone */
	expect(FLOW_IS_DELETED, flow("203.0.113.7", "192.0.2.1", 80, "192.168.0.2", 8080, "203.0.113.7",
				     MARK_LET_IN | MARK_UPLINK(7)));
}

/*
 * The client's next datagram shall find the new backend, once none of the former is on its way; a forward that is gone
 * has none.
 */
static void datagrams(void **state)
{
	uint32_t mark = MARK_LET_IN | MARK_UPLINK(1);
	struct flow f = flow("203.0.113.7", "192.0.2.1", 53, "192.168.0.9", 53, "203.0.113.7", mark);

	(void)state;
	f.protocol = IPPROTO_UDP;
	expect(FLOW_ENDS, f);
	f.mark |= MARK_ENDED;
	expect(FLOW_IS_DELETED, f);
	f.mark = mark;
	f.reply_source = ip("192.168.0.4");
	expect(FLOW_STAYS, f);
	f.destination_port = f.reply_source_port = 54;
	expect(FLOW_ENDS, f);
	f.mark |= MARK_ENDED;
	expect(FLOW_STAYS, f);
	/* what a pinhole let in is not translated */
	f.reply_source = f.destination;
	f.destination_nat = false;
	expect(FLOW_STAYS, f);
}

/* The same with a service of the router's own, which has them back if the forward is gone before they were deleted. */
static void datagrams_to_the_router(void **state)
{
	struct flow f = flow("203.0.113.7", "192.0.2.1", 53, "192.0.2.1", 53, "203.0.113.7", MARK_UPLINK(1));

	(void)state;
	f.protocol = IPPROTO_UDP;
	expect(FLOW_ENDS, f);
	f.mark |= MARK_ENDED;
	expect(FLOW_IS_DELETED, f);
	f.destination_port = f.reply_source_port = 54;
	expect(FLOW_IS_DELETED, f);
}

/* Nobody has answered, so nobody goes on sending. */
static void flows_without_an_answer(void **state)
{
	uint32_t mark = MARK_LET_IN | MARK_UPLINK(1);
	struct flow f = flow("203.0.113.7", "192.0.2.1", 82, "192.168.0.2", 80, "203.0.113.7", mark);

	(void)state;
	assert_int_equal(fate_of(&f), FLOW_IS_DELETED);
	f.destination_port = 80;
	assert_int_equal(fate_of(&f), FLOW_IS_DELETED);
}

static void flows_that_have_ended(void **state)
{
	uint32_t mark = MARK_LET_IN | MARK_ENDED | MARK_UPLINK(1);
	struct flow f = flow("203.0.113.7", "192.0.2.1", 82, "192.168.0.2", 8080, "203.0.113.7", mark);

	(void)state;
	expect(FLOW_STAYS, f);
	/* Its forward is back: the next connection of the client begins anew in any case. */
	f.destination_port = 80;
	expect(FLOW_STAYS, f);
	f.protocol = IPPROTO_UDP;
	expect(FLOW_STAYS, f);
	f.destination_port = 53;
	expect(FLOW_IS_DELETED, f);
	/* The table has nothing for an uplink that is gone. */
	f.mark = MARK_ENDED | MARK_UPLINK(7);
	expect(FLOW_IS_DELETED, f);
}

static void flows_of_other_flows(void **state)
{
	struct flow data = flow("203.0.113.7", "192.0.2.1", 5000, "192.168.0.2", 5000, "203.0.113.7",
				MARK_LET_IN | MARK_UPLINK(1));

	(void)state;
	data.expected = true;
	expect(FLOW_STAYS, data);
}

static void source_lists(void **state)
{
	(void)state;
	uint32_t mark = MARK_LET_IN | MARK_UPLINK(1);

	expect(FLOW_STAYS, flow("203.0.113.7", "192.0.2.1", 22, "192.168.0.3", 22, "203.0.113.7", mark));
	expect(FLOW_ENDS, flow("198.51.100.7", "192.0.2.1", 22, "192.168.0.3", 22, "198.51.100.7", mark));
	expect(FLOW_ENDS,
	       flow("192.168.0.9", "192.0.2.1", 22, "192.168.0.3", 22, "192.168.0.1", MARK_LET_IN));
	/* one that the forward does not serve may be the router's own */
	expect(FLOW_STAYS,
	       flow("198.51.100.7", "192.0.2.1", 22, "192.0.2.1", 22, "198.51.100.7", MARK_UPLINK(1)));
}

static void shadows(void **state)
{
	(void)state;
	expect(FLOW_IS_DELETED,
	       flow("203.0.113.7", "192.0.2.1", 80, "192.0.2.1", 80, "203.0.113.7", MARK_UPLINK(1)));
	expect(FLOW_STAYS,
	       flow("203.0.113.7", "192.0.2.1", 443, "192.0.2.1", 443, "203.0.113.7", MARK_UPLINK(1)));
	/* to a forward of one uplink: by that one it would be taken, by another it is the router's own */
	expect(FLOW_IS_DELETED,
	       flow("203.0.113.7", "198.51.100.1", 81, "198.51.100.1", 81, "203.0.113.7", MARK_UPLINK(2)));
	expect(FLOW_STAYS,
	       flow("203.0.113.7", "198.51.100.1", 81, "198.51.100.1", 81, "203.0.113.7", MARK_UPLINK(1)));
}

/* From a port that is forwarded: a time server is asked from the port where one is offered. */
static void the_routers_own_flows(void **state)
{
	struct flow asked = flow("192.0.2.1", "203.0.113.7", 53, "203.0.113.7", 53, "192.0.2.1",
				 MARK_UPLINK(1));

	(void)state;
	asked.protocol = IPPROTO_UDP;
	asked.source_port = asked.reply_destination_port = 53;
	expect(FLOW_STAYS, asked);
}

static void outgoing_flows(void **state)
{
	(void)state;
	expect(FLOW_STAYS,
	       flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.1", MARK_UPLINK(1)));
	/* its address is no longer the uplink's, but the fixed one of the VPN is */
	expect(FLOW_IS_DELETED,
	       flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.77", MARK_UPLINK(1)));
	expect(FLOW_STAYS,
	       flow("10.8.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.9", MARK_UPLINK(1)));
	/* translated by somebody else: to an address that is routed to us, and IPv6, which we let be */
	expect(FLOW_STAYS,
	       flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "198.51.100.99", MARK_UPLINK(3)));
	expect(FLOW_STAYS,
	       flow("fd00::3", "2001:db8::7", 80, "2001:db8::7", 80, "2001:db8:99::1", MARK_UPLINK(1)));
	/* an uplink that is gone */
	expect(FLOW_IS_DELETED,
	       flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.1", MARK_UPLINK(7)));
}

static void flows_of_a_failed_uplink(void **state)
{
	struct flow out = flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.1",
			       MARK_UPLINK(1));
	struct flow in = flow("203.0.113.7", "192.0.2.1", 80, "192.168.0.2", 8080, "203.0.113.7",
			      MARK_LET_IN | MARK_UPLINK(1));
	struct flow to_router = flow("203.0.113.7", "192.0.2.1", 443, "192.0.2.1", 443, "203.0.113.7",
				     MARK_UPLINK(1));
	struct flow by_router = flow("192.0.2.1", "203.0.113.7", 853, "203.0.113.7", 853, "192.0.2.1",
				     MARK_UPLINK(1));

	(void)state;
	environment.fitness[1] = environment.fitness[3] = FITNESS_SILENT;
	/* There is nowhere else to go: isp2 has no gateway. */
	expect(FLOW_STAYS, out);
	links.items[2].default_route4 = true; /* of eth1 */
	assert_string_equal(links.items[2].name, "eth1");
	expect(FLOW_IS_DELETED, out);
	expect(FLOW_IS_DELETED, by_router);
	/* What came in can go nowhere else. */
	expect(FLOW_STAYS, in);
	expect(FLOW_STAYS, to_router);
	/* That which holds, or is not known, is no reason. */
	environment.fitness[1] = FITNESS_HELD;
	expect(FLOW_STAYS, out);
	environment.fitness[1] = FITNESS_SILENT;
	environment.fitness[2] = FITNESS_LOSSY;
	expect(FLOW_STAYS, out);
	links.items[2].default_route4 = false;
	environment = (struct environment){ 0 };
}

static void flows_from_before_there_were_marks(void **state)
{
	struct flow by_isp1 = flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.0.2.1", 0);
	struct flow by_isp2 = flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "198.51.100.1", 0);

	(void)state;
	/* isp1 leads out: what goes on with isp2's address would be dropped behind it. */
	expect(FLOW_STAYS, by_isp1);
	expect(FLOW_IS_DELETED, by_isp2);
	environment.fitness[1] = environment.fitness[3] = FITNESS_SILENT;
	links.items[2].default_route4 = true; /* of eth1 */
	assert_string_equal(links.items[2].name, "eth1");
	expect(FLOW_IS_DELETED, by_isp1);
	expect(FLOW_STAYS, by_isp2);
	links.items[2].default_route4 = false;
	environment = (struct environment){ 0 };
}

static void flows_of_others(void **state)
{
	(void)state;
	expect(FLOW_STAYS, flow("192.168.0.3", "203.0.113.7", 80, "203.0.113.7", 80, "192.168.0.3", 0));
	/* Docker's, with its own mark */
	expect(FLOW_STAYS, flow("203.0.113.7", "192.0.2.1", 8081, "172.17.0.2", 80, "203.0.113.7", 0x4000));
	/* a transparent redirect of ours, which carries no mark */
	expect(FLOW_STAYS, flow("192.168.0.3", "203.0.113.7", 80, "192.168.0.1", 8888, "192.168.0.3", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded_flows),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(datagrams_to_the_router),
		cmocka_unit_test(flows_without_an_answer),
		cmocka_unit_test(flows_that_have_ended),
		cmocka_unit_test(flows_of_other_flows),
		cmocka_unit_test(source_lists),
		cmocka_unit_test(shadows),
		cmocka_unit_test(the_routers_own_flows),
		cmocka_unit_test(outgoing_flows),
		cmocka_unit_test(flows_of_a_failed_uplink),
		cmocka_unit_test(flows_from_before_there_were_marks),
		cmocka_unit_test(flows_of_others),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
