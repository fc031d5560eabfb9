// SPDX-License-Identifier: Apache-2.0
//
// Configurations that are refused, and routes by longest prefix.
#include "base/arena.h"
#include "lab.h"
#include "net/config.h"
#include "net/own_address.h"
#include "net/port.h"
#include "net/route.h"
#include "seam/cmocka_all.h"

#define V4(a, b, c, d) \
	{ \
		.bytes = { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d } \
	}

static struct port ports[2] = {
	{.info = {.name = "first", .mtu = 1500}}, {.info = {.name = "second", .mtu = 9000}}};
static struct net_address_config addresses[4];
static struct net_route_config routes[4];
static struct net_config config;

static int make_good(void **state)
{
	(void)state;
	addresses[0] = (struct net_address_config){.addr = V4(192, 0, 2, 1), .prefix_len = 120};
	addresses[1] = (struct net_address_config){.addr = V4(10, 0, 0, 1), .prefix_len = 104, .port_idx = 1};
	addresses[2] = (struct net_address_config){
		.addr = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, .prefix_len = 64};
	routes[0] = (struct net_route_config){
		.destination = V4(0, 0, 0, 0), .gateway = V4(192, 0, 2, 254), .prefix_len = 96};
	routes[1] = (struct net_route_config){.destination = V4(172, 16, 0, 0),
		.gateway = V4(10, 0, 0, 254),
		.prefix_len = 108,
		.port_idx = 1};
	routes[2] = (struct net_route_config){
		.destination = V4(172, 16, 9, 0), .gateway = V4(192, 0, 2, 253), .prefix_len = 120};
	routes[3] = (struct net_route_config){.gateway = {.bytes = {0xfe, 0x80, [15] = 9}}};
	config = (struct net_config){
		.n_ports = 2,
		.ports = {{.port = &ports[0], .mtu = 1500}, {.port = &ports[1], .mtu = 9000, .vlan = 4094}},
		.n_addresses = 3,
		.addresses = addresses,
		.n_routes = 4,
		.routes = routes,
	};
	return 0;
}

static void good_is_accepted(void **state)
{
	char reason[160];

	(void)state;
	assert_true(net_config_check(&config, reason, sizeof reason));
}

static void expect_refusal(const char *words)
{
	char reason[160] = "";

	assert_false(net_config_check(&config, reason, sizeof reason));
	if (strstr(reason, words) == NULL)
		print_error("%s\n", reason);
	assert_non_null(strstr(reason, words));
	(void)make_good(NULL);
}

static void bad_ports(void **state)
{
	(void)state;
	config.n_ports = 0;
	expect_refusal("0 ports");
	config.n_ports = NET_PORTS_MAX + 1;
	expect_refusal("17 ports");
	config.ports[1].port = NULL;
	expect_refusal("port 1");
	config.ports[0].mtu = 1279;
	expect_refusal("MTU 1279");
	config.ports[0].mtu = 1501;
	expect_refusal("MTU 1501");
	config.ports[1].vlan = 4095;
	expect_refusal("VLAN 4095");
	config.ports[1].port = &ports[0];
	config.ports[1].mtu = 1500;
	expect_refusal("same device (first)");
}

static void bad_addresses(void **state)
{
	(void)state;
	addresses[1].port_idx = 2;
	expect_refusal("address 10.0.0.1: there is no port 2");
	addresses[1].addr = ip_addr_v4_of(224, 0, 0, 1);
	expect_refusal("address 224.0.0.1: not a unicast");
	addresses[1].addr = ip_addr_v4_of(127, 0, 0, 1);
	expect_refusal("not a unicast");
	memset(&addresses[2].addr, 0, sizeof addresses[2].addr);
	expect_refusal("not a unicast");
	addresses[1].prefix_len = 24; // meant as IPv4's, but lengths are of 128
	expect_refusal("prefix length 24");
	addresses[2].prefix_len = 129;
	expect_refusal("prefix length 129");
	addresses[2].prefix_len = 0;
	expect_refusal("prefix length 0");
	addresses[1].addr = addresses[0].addr;
	expect_refusal("192.0.2.1 is there twice");
	config.n_addresses = NET_ADDRESSES_MAX + 1;
	expect_refusal("4097 addresses");
}

static void bad_routes(void **state)
{
	(void)state;
	routes[0].port_idx = 7;
	expect_refusal("there is no port 7");
	routes[0].prefix_len = 95;
	expect_refusal("prefix length 95");
	routes[3].prefix_len = 129;
	expect_refusal("prefix length 129");
	routes[0].gateway = ip_addr_v4_of(192, 0, 3, 254);
	expect_refusal("gateway 192.0.3.254 is in no network");
	routes[0].gateway = ip_addr_v4_of(192, 0, 2, 1); // our own address
	expect_refusal("is in no network");
	routes[0].gateway = lab_gateway_v6;
	expect_refusal("other address family");
	routes[1].port_idx = 0; // the gateway is on the other port
	expect_refusal("gateway 10.0.0.254 is in no network of port 0");
	config.n_routes = NET_ROUTES_MAX + 1;
	expect_refusal("1025 routes");
}

static void bad_sizes(void **state)
{
	(void)state;
	config.neighbors_max = NET_NEIGHBORS_MAX + 1;
	expect_refusal("neighbours");
	config.tx_queue_len = NET_TX_QUEUE_MAX + 1;
	expect_refusal("in a queue");
	config.pending_per_neighbor = 17;
	expect_refusal("17 packets waiting");
}

static void assert_hop(const struct route_table *table, struct ip_addr remote, uint8_t in_port, int port_idx,
	struct ip_addr next_hop)
{
	const struct route *route = route_find(table, &remote, in_port);
	struct ip_addr hop;

	if (port_idx < 0) {
		assert_true(route == NULL || !route_next_hop(route, &remote, &hop));
		return;
	}
	assert_non_null(route);
	assert_int_equal(route->port_idx, port_idx);
	assert_true(route_next_hop(route, &remote, &hop));
	assert_true(ip_addr_equal(&hop, &next_hop));
}

static void longest_prefix_wins(void **state)
{
	struct own_address items[3];
	struct own_addresses own = {.items = items, .n = 3};
	struct route_table table;
	struct arena arena;
	const struct ip_addr none = {0};

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		items[i] = (struct own_address){.addr = addresses[i].addr,
			.prefix_len = addresses[i].prefix_len,
			.port_idx = addresses[i].port_idx};
	assert_true(arena_init(&arena, 1 << 16));
	assert_true(route_table_init(&table, &arena, &config, &own));
	// On-link.
	assert_hop(&table, ip_addr_v4_of(192, 0, 2, 77), ROUTE_ANY_PORT, 0, ip_addr_v4_of(192, 0, 2, 77));
	assert_hop(&table, ip_addr_v4_of(10, 200, 0, 7), ROUTE_ANY_PORT, 1, ip_addr_v4_of(10, 200, 0, 7));
	// Static, the longer prefix first; restricted to a port, what that port has.
	assert_hop(&table, ip_addr_v4_of(172, 16, 9, 5), ROUTE_ANY_PORT, 0, ip_addr_v4_of(192, 0, 2, 253));
	assert_hop(&table, ip_addr_v4_of(172, 16, 9, 5), 1, 1, ip_addr_v4_of(10, 0, 0, 254));
	assert_hop(&table, ip_addr_v4_of(172, 31, 0, 1), ROUTE_ANY_PORT, 1, ip_addr_v4_of(10, 0, 0, 254));
	assert_hop(&table, ip_addr_v4_of(172, 32, 0, 1), ROUTE_ANY_PORT, 0, ip_addr_v4_of(192, 0, 2, 254));
	assert_hop(&table, ip_addr_v4_of(8, 8, 8, 8), 1, -1, none);
	// IPv6's default does not catch IPv4.
	assert_hop(&table, (struct ip_addr){.bytes = {0x2a, 1}}, ROUTE_ANY_PORT, 0,
		(struct ip_addr){.bytes = {0xfe, 0x80, [15] = 9}});
	assert_hop(&table, (struct ip_addr){.bytes = {0x2a, 1}}, 1, -1, none);
	// Networks and broadcasts are nobody.
	assert_hop(&table, ip_addr_v4_of(192, 0, 2, 0), ROUTE_ANY_PORT, -1, none);
	assert_hop(&table, ip_addr_v4_of(192, 0, 2, 255), ROUTE_ANY_PORT, -1, none);
	assert_hop(&table, ip_addr_v4_of(10, 255, 255, 255), ROUTE_ANY_PORT, -1, none);
	arena_destroy(&arena);
}

static void tiny_networks_have_no_broadcast(void **state)
{
	const struct route pair = {.destination = V4(10, 0, 0, 0), .prefix_len = 127};
	const struct route single = {.destination = V4(10, 0, 0, 1), .prefix_len = 128};
	const struct route four = {.destination = V4(10, 0, 0, 0), .prefix_len = 126};
	struct ip_addr remote = ip_addr_v4_of(10, 0, 0, 1), hop;

	(void)state;
	assert_true(route_next_hop(&pair, &remote, &hop));
	assert_true(route_next_hop(&single, &remote, &hop));
	assert_true(route_next_hop(&four, &remote, &hop));
	remote = ip_addr_v4_of(10, 0, 0, 0);
	assert_true(route_next_hop(&pair, &remote, &hop));
	assert_false(route_next_hop(&four, &remote, &hop));
	remote = ip_addr_v4_of(10, 0, 0, 3);
	assert_false(route_next_hop(&four, &remote, &hop));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_is_accepted, make_good),
		cmocka_unit_test_setup(bad_ports, make_good),
		cmocka_unit_test_setup(bad_addresses, make_good),
		cmocka_unit_test_setup(bad_routes, make_good),
		cmocka_unit_test_setup(bad_sizes, make_good),
		cmocka_unit_test_setup(longest_prefix_wins, make_good),
		cmocka_unit_test(tiny_networks_have_no_broadcast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
