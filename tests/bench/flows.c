/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a new flow costs: sends UDP packets, each with a source port of its own, into a router and counts
 * those that arrive behind it. On veth devices the send call itself carries a packet all the way to the
 * receiving socket, so the time of the calls is the time of the whole way, on one processor.
 *
 * With -e all packets are of one flow that has been answered: what an established flow costs per packet.
 *
 * Prints one line: packets sent, packets received, packets received without waiting, nanoseconds of the
 * clock, nanoseconds of the processor.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FIRST_PORT = 2000,      /* of the source */
	COUNT_MAX = 60000,      /* source ports that there are above it */
	PAYLOAD_BYTES = 18,     /* the smallest Ethernet frame */
	SINK_BYTES = 128 << 20, /* COUNT_MAX small packets, as the kernel accounts them */
	PATIENCE_MS = 300,      /* for packets that the kernel has put off */
	FRAME_MAX = ETH_HLEN + 40 + 8 + PAYLOAD_BYTES,
};

struct address {
	int family;
	uint8_t bytes[16];
	unsigned size;
};

struct job {
	const char *from, *device, *to, *flush;
	uint8_t mac[6];
	struct address source, target, sink;
	unsigned first_port, last_port, sink_port, count;
	bool established;
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	unsigned size;
	uint8_t *udp;
	uint32_t sum; /* of what the UDP checksum covers, without ports */
};

static void enter(const char *netns)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static struct address parse_address(const char *text)
{
	struct address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	address.size = address.family == AF_INET6 ? 16 : 4;
	if (inet_pton(address.family, text, address.bytes) != 1)
		errx(2, "not an address: %s", text);
	return address;
}

static unsigned parse_number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || !value || value > max)
		errx(2, "not a number from 1 to %u: %s", max, text);
	return (unsigned)value;
}

/* As `ip link` writes it. */
static void parse_mac(const char *text, uint8_t mac[6])
{
	struct ether_addr address;

	if (!ether_aton_r(text, &address))
		errx(2, "not an Ethernet address: %s", text);
	memcpy(mac, address.ether_addr_octet, sizeof(address.ether_addr_octet));
}

/* Two bytes at a time, as the Internet checksum adds; `size` is even everywhere here. */
static uint32_t add_bytes(uint32_t sum, const uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static void put_16(uint8_t *bytes, unsigned value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static void put_checksum(uint8_t *bytes, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_16(bytes, sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

static void build_frame(const struct job *job, struct frame *frame)
{
	static const uint8_t sender[6] = { 2, 0, 0, 0, 0, 1 };
	unsigned udp_size = 8 + PAYLOAD_BYTES, header = job->target.family == AF_INET6 ? 40 : 20;
	uint8_t *ip = frame->bytes + ETH_HLEN;

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->bytes, job->mac, 6);
	memcpy(frame->bytes + 6, sender, 6);
	if (job->target.family == AF_INET6) {
		put_16(frame->bytes + 12, ETH_P_IPV6);
		ip[0] = 0x60;
		put_16(ip + 4, udp_size);
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, job->source.bytes, 16);
		memcpy(ip + 24, job->target.bytes, 16);
	} else {
		put_16(frame->bytes + 12, ETH_P_IP);
		ip[0] = 0x45;
		put_16(ip + 2, header + udp_size);
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, job->source.bytes, 4);
		memcpy(ip + 16, job->target.bytes, 4);
		put_checksum(ip + 10, add_bytes(0, ip, header));
	}
	frame->udp = ip + header;
	put_16(frame->udp + 4, udp_size);
	frame->size = ETH_HLEN + header + udp_size;
	frame->sum = add_bytes(add_bytes(IPPROTO_UDP + udp_size, job->source.bytes, job->source.size),
			       job->target.bytes, job->target.size);
	frame->sum = add_bytes(frame->sum, frame->udp + 4, 2);
}

static int open_sender(const struct job *job)
{
	enter(job->from);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(job->device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s", job->device);
	return fd;
}

static int open_sink(const struct job *job)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)job->sink_port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)job->sink_port) };
	bool is_6 = job->sink.family == AF_INET6;
	int bytes = SINK_BYTES;

	memcpy(is_6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr, job->sink.bytes, job->sink.size);
	enter(job->to);
	int fd = socket(job->sink.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, is_6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
		 is_6 ? sizeof(in6) : sizeof(in)))
		err(1, "port %u", job->sink_port);
	return fd;
}

/* Every connection that a namespace tracks is forgotten: each run begins with the same empty table. */
static void flush_connections(const char *netns)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		uint8_t rest[256];
	} answer;

	enter(netns);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.header) + (ssize_t)sizeof(int))
		err(1, "conntrack");
	if (answer.error.error) {
		errno = -answer.error.error;
		err(1, "conntrack");
	}
	close(fd);
}

static unsigned drain(int fd)
{
	uint8_t packet[64];
	unsigned count = 0;

	while (recv(fd, packet, sizeof(packet), 0) >= 0)
		count++;
	return count;
}

static unsigned drain_until(int fd, unsigned wanted)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	unsigned count = 0;

	while (count < wanted && poll(&ready, 1, PATIENCE_MS) > 0)
		count += drain(fd);
	return count;
}

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Targets are taken in an order without pattern; what matters is that it is the same in every run. */
static void send_flows(const struct job *job, struct frame *frame, int fd, unsigned first, unsigned count)
{
	unsigned ports = job->last_port - job->first_port + 1;
	uint32_t random = 1;

	for (unsigned i = 0; i < count; i++) {
		unsigned source = FIRST_PORT + (job->established ? 0 : first + i);
		unsigned target = job->first_port + (random >> 8) % ports;

		random = random * 1664525 + 1013904223;
		put_16(frame->udp, source);
		put_16(frame->udp + 2, target);
		put_16(frame->udp + 6, 0);
		put_checksum(frame->udp + 6, frame->sum + source + target);
		if (send(fd, frame->bytes, frame->size, 0) < 0)
			err(1, "send");
	}
}

/* The backend answers one packet: only then is a flow established. */
static void answer_once(const struct job *job, struct frame *frame, int sender, int sink)
{
	struct pollfd ready = { .fd = sink, .events = POLLIN };
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	uint8_t packet[64];

	send_flows(job, frame, sender, 0, 1);
	if (poll(&ready, 1, PATIENCE_MS) != 1 ||
	    recvfrom(sink, packet, sizeof(packet), 0, (struct sockaddr *)&peer, &size) < 0 ||
	    sendto(sink, packet, 1, 0, (struct sockaddr *)&peer, size) < 0)
		errx(1, "no packet to answer");
}

static struct job parse(int argc, char **argv)
{
	struct job job = { 0 };
	int option;

	while ((option = getopt(argc, argv, "f:d:m:t:x:s:a:p:q:b:l:n:e")) != -1) {
		switch (option) {
		case 'f':
			job.from = optarg;
			break;
		case 'd':
			job.device = optarg;
			break;
		case 'm':
			parse_mac(optarg, job.mac);
			break;
		case 't':
			job.to = optarg;
			break;
		case 'x':
			job.flush = optarg;
			break;
		case 's':
			job.source = parse_address(optarg);
			break;
		case 'a':
			job.target = parse_address(optarg);
			break;
		case 'p':
			job.first_port = parse_number(optarg, UINT16_MAX);
			break;
		case 'q':
			job.last_port = parse_number(optarg, UINT16_MAX);
			break;
		case 'b':
			job.sink = parse_address(optarg);
			break;
		case 'l':
			job.sink_port = parse_number(optarg, UINT16_MAX);
			break;
		case 'n':
			job.count = parse_number(optarg, COUNT_MAX - COUNT_MAX / 10);
			break;
		case 'e':
			job.established = true;
			break;
		default:
			exit(2);
		}
	}
	if (!job.last_port)
		job.last_port = job.first_port;
	if (!job.from || !job.device || !job.to || !job.source.size || !job.sink.size ||
	    job.target.family != job.source.family || !job.first_port || job.last_port < job.first_port ||
	    !job.sink_port || !job.count)
		errx(2,
		     "usage: flows -f FROM -d DEVICE -m MAC -t TO [-x FLUSH] -s SOURCE -a TARGET -p PORT [-q LAST] "
		     "-b SINK -l PORT -n COUNT [-e]");
	return job;
}

int main(int argc, char **argv)
{
	struct job job = parse(argc, argv);
	unsigned warm_up = job.count / 10 + 1;
	struct frame frame;
	cpu_set_t processors;

	/* Nothing else runs here meanwhile; the bursts are of milliseconds. */
	CPU_ZERO(&processors);
	CPU_SET(sched_getcpu(), &processors);
	sched_setaffinity(0, sizeof(processors), &processors);
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });

	if (job.flush)
		flush_connections(job.flush);
	int sink = open_sink(&job), sender = open_sender(&job);

	build_frame(&job, &frame);
	if (job.established)
		answer_once(&job, &frame, sender, sink);
	send_flows(&job, &frame, sender, 0, warm_up);
	drain_until(sink, warm_up);

	uint64_t clock = now(CLOCK_MONOTONIC), processor = now(CLOCK_THREAD_CPUTIME_ID);

	send_flows(&job, &frame, sender, warm_up, job.count);
	processor = now(CLOCK_THREAD_CPUTIME_ID) - processor;
	clock = now(CLOCK_MONOTONIC) - clock;

	unsigned at_once = drain(sink),
		 later = at_once < job.count ? drain_until(sink, job.count - at_once) : 0;

	printf("%u %u %u %llu %llu\n", job.count, at_once + later, at_once, (unsigned long long)clock,
	       (unsigned long long)processor);
	return 0;
}
