/* DPDK's coalescing and segmentation, measured as bench/src/bin/engine measures Sluice's: the same packets, the same
 * bursts, and the same part of the work in the time that counts.
 *
 *     dpdk-engine MODE HEADERS FLOWS BURST MILLIS
 *
 * HEADERS is what `engine headers` writes: 66 bytes for each packet of a pass. Prints one line of JSON.
 *
 * | mode       | what counts                                                                |
 * |------------|----------------------------------------------------------------------------|
 * | gro        | rte_gro_reassemble_burst on packets whose header lengths are known          |
 * | gro-verify | the same after a look at the checksums, which the library does not take     |
 * | gro-held   | rte_gro_reassemble, and rte_gro_timeout_flush every so many bursts          |
 * | gso        | rte_gso_segment, and the checksums, which the library leaves to the caller  |
 * | gro-memory | no time, but the bytes of rte_gro_ctx_create for each flow                  |
 */
/* The sums over IPv4 and TCP. */
#define ALLOW_EXPERIMENTAL_API
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_gro.h>
#include <rte_gso.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

enum { ETHERNET = 14, IP = 20, TCP = 32, HEADER = ETHERNET + IP + TCP, MSS = 1448, FILL = 0x5a };
/* As in bench/src/bin/engine. */
enum { SEGMENTS = 16, SUPERS = 1024, FLOWS = 8192, LEAST_PASSES = 3, MOST_PASSES = 10000 };
/* A pass that takes so many times as long as is to be measured is enough: thousands of flows, one after the other. */
enum { PATIENCE = 10 };

enum mode { GRO, GRO_VERIFY, GRO_HELD, GSO, GRO_MEMORY };

static enum mode mode;
static unsigned flows, burst, held_bursts;
static double lasts;
static uint8_t (*headers)[HEADER];
static size_t packets;

/* What went by in the parts of a pass that count, and how many trains came of it. */
static double ran;
static size_t trains;

static void fail(const char *what)
{
	fprintf(stderr, "dpdk-engine: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1e9 + at.tv_nsec;
}

static void read_headers(const char *file)
{
	FILE *in = fopen(file, "rb");
	if (!in || fseek(in, 0, SEEK_END))
		fail("cannot open the headers");
	packets = ftell(in) / HEADER;
	rewind(in);
	headers = malloc(packets * HEADER);
	if (!packets || !headers || fread(headers, HEADER, packets, in) != packets)
		fail("cannot read the headers");
	fclose(in);
}

/* --- packets: last in, first out, the payload written once --- */

static struct rte_mempool *pool;
static struct rte_mbuf **unused;
static size_t unused_count;

static struct rte_mbuf *receive(const uint8_t *header)
{
	struct rte_mbuf *m;
	if (unused_count) {
		m = unused[--unused_count];
		rte_pktmbuf_reset(m);
	} else {
		m = rte_pktmbuf_alloc(pool);
		if (!m)
			fail("there are too few mbufs");
		memset(rte_pktmbuf_mtod(m, char *), FILL, HEADER + MSS);
	}
	rte_pktmbuf_append(m, HEADER + MSS);
	memcpy(rte_pktmbuf_mtod(m, char *), header, HEADER);
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
	m->l2_len = ETHERNET;
	m->l3_len = IP;
	m->l4_len = TCP;
	return m;
}

/* A train is a chain. */
static void give(struct rte_mbuf **trains_given, size_t count)
{
	trains += count;
	for (size_t i = 0; i < count; i++) {
		struct rte_mbuf *m = trains_given[i];
		while (m) {
			struct rte_mbuf *next = m->next;
			unused[unused_count++] = m;
			m = next;
		}
	}
}

/* --- coalescing --- */

static void *context;
static struct rte_mbuf **flushed;

static int holds(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, ETHERNET);
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, void *, ETHERNET + IP);
	return rte_raw_cksum(ip, IP) == 0xffff && rte_ipv4_udptcp_cksum_verify(ip, tcp) == 0;
}

static size_t coalesce(struct rte_mbuf **pkts, size_t count)
{
	const struct rte_gro_param param = {
		.gro_types = RTE_GRO_TCP_IPV4, .max_flow_num = 1024, .max_item_per_flow = 64,
	};
	size_t out = 0;
	if (mode == GRO_VERIFY)
		for (size_t i = 0; i < count; i++)
			if (!holds(pkts[i]))
				fail("a checksum is wrong");
	if (mode == GRO_HELD)
		return rte_gro_reassemble(pkts, count, context);
	/* It takes no more at once. */
	for (size_t i = 0; i < count; i += RTE_GRO_MAX_BURST_ITEM_NUM) {
		size_t some = RTE_MIN(count - i, (size_t)RTE_GRO_MAX_BURST_ITEM_NUM);
		some = rte_gro_reassemble_burst(pkts + i, some, &param);
		memmove(pkts + out, pkts + i, some * sizeof(*pkts));
		out += some;
	}
	return out;
}

static void flush(void)
{
	double begin = now();
	uint16_t count = rte_gro_timeout_flush(context, 0, RTE_GRO_TCP_IPV4, flushed, UINT16_MAX);
	ran += now() - begin;
	give(flushed, count);
}

static void pass_gro(void)
{
	struct rte_mbuf *pkts[burst];
	unsigned since = 0;
	for (size_t at = 0; at < packets; at += burst) {
		size_t count = RTE_MIN(packets - at, (size_t)burst);
		for (size_t i = 0; i < count; i++)
			pkts[i] = receive(headers[at + i]);
		double begin = now();
		size_t left = coalesce(pkts, count);
		ran += now() - begin;
		give(pkts, left);
		if (mode == GRO_HELD && ++since == held_bursts) {
			flush();
			since = 0;
		}
	}
	while (mode == GRO_HELD && rte_gro_get_pkt_count(context))
		flush();
}

static void prepare_gro(void)
{
	const struct rte_gro_param param = {
		.gro_types = RTE_GRO_TCP_IPV4, .max_flow_num = RTE_MAX(flows, (unsigned)FLOWS),
		.max_item_per_flow = 8,
	};
	size_t most = packets + 2 * burst;
	pool = rte_pktmbuf_pool_create("packets", most, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	unused = calloc(most, sizeof(*unused));
	flushed = calloc(UINT16_MAX, sizeof(*flushed));
	context = mode == GRO_HELD ? rte_gro_ctx_create(&param) : NULL;
	if (!pool || !unused || !flushed || (mode == GRO_HELD && !context))
		fail("there is too little memory");
}

/* A packet of each flow, to which others are chained, is the least there has to be room for. */
static double memory(void)
{
	const struct rte_gro_param param = {
		.gro_types = RTE_GRO_TCP_IPV4, .max_flow_num = flows, .max_item_per_flow = 1,
	};
	struct rte_malloc_socket_stats before, after;
	/* Without huge pages all memory is this socket's. */
	if (rte_malloc_get_socket_stats(0, &before) || !rte_gro_ctx_create(&param) ||
	    rte_malloc_get_socket_stats(0, &after))
		fail("the memory cannot be measured");
	return after.heap_allocsz_bytes - before.heap_allocsz_bytes;
}

/* --- segmentation --- */

static struct rte_gso_ctx gso = {
	.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO, .gso_size = HEADER + MSS,
};
static struct rte_mbuf **supers;

static void prepare_gso(void)
{
	size_t len = HEADER + SEGMENTS * MSS;
	pool = rte_pktmbuf_pool_create("supers", flows, 0, 0, RTE_PKTMBUF_HEADROOM + len, 0);
	gso.direct_pool =
		rte_pktmbuf_pool_create("heads", 4095, 256, 0, RTE_PKTMBUF_HEADROOM + 128, 0);
	gso.indirect_pool = rte_pktmbuf_pool_create("payloads", 4095, 256, 0, 0, 0);
	supers = calloc(flows, sizeof(*supers));
	if (!pool || !gso.direct_pool || !gso.indirect_pool || !supers)
		fail("there is too little memory");
	for (unsigned i = 0; i < flows; i++) {
		struct rte_mbuf *m = supers[i] = rte_pktmbuf_alloc(pool);
		char *at = m ? rte_pktmbuf_append(m, len) : NULL;
		if (!at)
			fail("there is too little memory");
		memset(at, FILL, len);
		memcpy(at, headers[i], HEADER);
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, ETHERNET);
		ip->total_length = rte_cpu_to_be_16(len - ETHERNET);
		m->l2_len = ETHERNET;
		m->l3_len = IP;
		m->l4_len = TCP;
	}
}

static void segment(struct rte_mbuf *m, struct rte_mbuf **out)
{
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	if (rte_gso_segment(m, &gso, out, SEGMENTS) != SEGMENTS)
		fail("it is not cut as it should be");
	for (int i = 0; i < SEGMENTS; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(out[i], void *, ETHERNET);
		struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(out[i], void *, ETHERNET + IP);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		tcp->cksum = 0;
		tcp->cksum = rte_ipv4_udptcp_cksum_mbuf(out[i], ip, ETHERNET + IP);
	}
}

static void pass_gso(void)
{
	unsigned at_once = RTE_MAX(burst / SEGMENTS, 1u), turns = RTE_MAX(SUPERS / flows, 1u);
	struct rte_mbuf *out[at_once * SEGMENTS];
	for (unsigned turn = 0; turn < turns; turn++)
		for (unsigned at = 0; at < flows; at += at_once) {
			unsigned count = RTE_MIN(flows - at, at_once);
			double begin = now();
			for (unsigned i = 0; i < count; i++)
				segment(supers[at + i], out + i * SEGMENTS);
			ran += now() - begin;
			rte_pktmbuf_free_bulk(out, count * SEGMENTS);
		}
}

/* --- the whole --- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median over passes, in nanoseconds a packet. */
static double measure(void (*pass)(void), size_t operations)
{
	static double passes[MOST_PASSES];
	double total = 0, begin = now();
	size_t count = 0;
	do
		pass();
	while (now() - begin < lasts / 4);
	while ((count < LEAST_PASSES && total < PATIENCE * lasts) ||
	       (total < lasts && count < MOST_PASSES)) {
		ran = 0;
		trains = 0;
		pass();
		total += ran;
		passes[count++] = ran / operations;
	}
	qsort(passes, count, sizeof(*passes), ascending);
	return passes[count / 2];
}

static void start(const char *program)
{
	char cpu[16], megabytes[16];
	size_t most = mode == GSO ? flows * 25000ul : packets * 2600ul;
	snprintf(cpu, sizeof(cpu), "%d", sched_getcpu());
	snprintf(megabytes, sizeof(megabytes), "%zu", 128 + most / 1000000);
	const char *args[] = {
		program, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--iova-mode=va",
		"--log-level=error", "-l", cpu, "-m", megabytes,
	};
	if (rte_eal_init(RTE_DIM(args), (char **)args) < 0)
		fail("DPDK does not start");
}

static enum mode mode_named(const char *name)
{
	static const char *const names[] = { "gro", "gro-verify", "gro-held", "gso", "gro-memory" };
	for (unsigned i = 0; i < RTE_DIM(names); i++)
		if (!strcmp(name, names[i]))
			return (enum mode)i;
	fail("no such mode");
	return GRO;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		fail("usage: dpdk-engine gro|gro-verify|gro-held|gso|gro-memory HEADERS FLOWS BURST MILLIS");
	mode = mode_named(argv[1]);
	read_headers(argv[2]);
	flows = atoi(argv[3]);
	burst = atoi(argv[4]);
	lasts = atof(argv[5]) * 1e6;
	if (flows < 1 || flows > packets || burst < 1)
		fail("no such load");
	if ((mode == GRO_HELD || mode == GRO_MEMORY) && flows > UINT16_MAX)
		fail("rte_gro knows 65,535 flows at the most");
	held_bursts = RTE_MAX(flows * 8 / burst, 4u);
	start(argv[0]);
	if (mode == GSO) {
		prepare_gso();
		size_t operations = (size_t)flows * RTE_MAX(SUPERS / flows, 1u) * SEGMENTS;
		double value = measure(pass_gso, operations);
		printf("{\"value\": %.3f, \"gb_per_s\": %.3f}\n", value, (HEADER + MSS) / value);
	} else if (mode == GRO_MEMORY) {
		double bytes = memory();
		printf("{\"value\": %.3f, \"bytes\": %.0f}\n", bytes / flows, bytes);
	} else {
		prepare_gro();
		double value = measure(pass_gro, packets);
		printf("{\"value\": %.3f, \"packets_per_train\": %.2f}\n", value,
		       (double)packets / trains);
	}
	return 0;
}
