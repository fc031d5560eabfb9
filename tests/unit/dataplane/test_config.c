// SPDX-License-Identifier: Apache-2.0
//
// The start configuration: what is right is taken, and every way of being wrong is refused with a reason that
// names the field.
#include "base/writer.h"
#include "config.h"
#include "seam/cmocka_all.h"

static uint8_t bytes[1 << 20];
static struct writer writer;
static struct config config;
static char reason[IPC_REASON_MAX];

static struct ipc_dataplane dataplane;
static struct ipc_port port;
static struct ipc_address address;
static struct ipc_route route;

static const uint8_t v4_host[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
static const uint8_t v6_host[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

static int setup(void **state)
{
	(void)state;
	writer = writer_over((struct mut_span){.data = bytes, .len = sizeof bytes});
	dataplane = (struct ipc_dataplane){
		.name = "test", .memory_len = 64 << 20, .n_workers = 2, .cores = {0, 1}};
	port = (struct ipc_port){.name = "wan", .device = "net_tap0,iface=x"};
	address = (struct ipc_address){.port_idx = 0, .prefix_len = 24};
	memcpy(address.address, v4_host, 16);
	route = (struct ipc_route){.port_idx = 0, .prefix_len = 0};
	memcpy(route.prefix, (uint8_t[16]){[10] = 0xff, [11] = 0xff}, 16);
	memcpy(route.gateway, v4_host, 16);
	memset(reason, 0, sizeof reason);
	return 0;
}

static void put(uint16_t type, const void *body, uint32_t len)
{
	const struct ipc_record_header header = {.type = type, .len = len};

	writer_bytes(&writer, span_of(&header, sizeof header));
	writer_bytes(&writer, span_of(body, len));
}

static void put_all(void)
{
	put(IPC_RECORD_DATAPLANE, &dataplane, sizeof dataplane);
	put(IPC_RECORD_PORT, &port, sizeof port);
	put(IPC_RECORD_ADDRESS, &address, sizeof address);
	put(IPC_RECORD_ROUTE, &route, sizeof route);
}

static void expect_taken(void)
{
	assert_true(config_decode(writer_span(&writer), &config, reason));
}

static void expect_refused(const char *word)
{
	assert_false(config_decode(writer_span(&writer), &config, reason));
	if (strstr(reason, word) == NULL)
		fail_msg("'%s' does not speak of '%s'", reason, word);
}

static void what_is_right_is_taken(void **state)
{
	struct ipc_address v6 = {.port_idx = 0, .prefix_len = 64};

	(void)state;
	memcpy(v6.address, v6_host, 16);
	put_all();
	put(IPC_RECORD_ADDRESS, &v6, sizeof v6);
	expect_taken();
	assert_int_equal(config.n_ports, 1);
	assert_int_equal(config.ports[0].mtu, CONFIG_MTU_DEFAULT);
	assert_int_equal(config.n_addresses, 2);
	assert_int_equal(config.addresses[0].prefix_len, 96 + 24);
	assert_int_equal(config.addresses[1].prefix_len, 64);
	assert_int_equal(config.n_routes, 1);
	assert_int_equal(config.routes[0].prefix_len, 96);
	assert_int_equal(config.dataplane.n_workers, 2);
}

static void nothing_and_scraps_are_refused(void **state)
{
	(void)state;
	expect_refused("no dataplane");
	put(IPC_RECORD_DATAPLANE, &dataplane, sizeof dataplane);
	expect_refused("no port");
	writer_u8(&writer, 1);
	expect_refused("cut off");
	(void)setup(NULL);
	put_all();
	writer.len--;
	expect_refused("cut off");
}

static void order_and_number_of_records_matter(void **state)
{
	(void)state;
	put(IPC_RECORD_PORT, &port, sizeof port);
	expect_refused("first record");
	(void)setup(NULL);
	put_all();
	put(IPC_RECORD_DATAPLANE, &dataplane, sizeof dataplane);
	expect_refused("twice");
	(void)setup(NULL);
	put_all();
	put(99, &port, sizeof port);
	expect_refused("type 99");
	(void)setup(NULL);
	put(IPC_RECORD_DATAPLANE, &dataplane, sizeof dataplane - 8);
	expect_refused("bytes");
}

static void dataplane_fields_are_checked(void **state)
{
	(void)state;
	dataplane.n_workers = 0;
	put_all();
	expect_refused("workers");
	(void)setup(NULL);
	dataplane.n_workers = UINT32_MAX;
	put_all();
	expect_refused("workers");
	(void)setup(NULL);
	dataplane.cores[1] = 0;
	put_all();
	expect_refused("core 0");
	(void)setup(NULL);
	dataplane.user_id = 65534; // in root's group
	put_all();
	expect_refused("user 65534 with group 0");
	(void)setup(NULL);
	dataplane.group_id = 65534;
	put_all();
	expect_refused("user 0 with group 65534");
	(void)setup(NULL);
	dataplane.user_id = dataplane.group_id = UINT32_MAX;
	put_all();
	expect_refused("group");
	(void)setup(NULL);
	dataplane.memory_len = 1000;
	put_all();
	expect_refused("memory");
	(void)setup(NULL);
	dataplane.poll = 2;
	put_all();
	expect_refused("poll");
	(void)setup(NULL);
	memcpy(dataplane.name, "a/b", 4);
	put_all();
	expect_refused("name");
	(void)setup(NULL);
	memset(dataplane.name, 'a', sizeof dataplane.name);
	put_all();
	expect_refused("name");
}

static void port_fields_are_checked(void **state)
{
	(void)state;
	port.name[0] = '\0';
	put_all();
	expect_refused("name");
	(void)setup(NULL);
	memset(port.device, 'x', sizeof port.device);
	put_all();
	expect_refused("device");
	(void)setup(NULL);
	port.device[3] = '\n';
	put_all();
	expect_refused("device");
	(void)setup(NULL);
	port.mtu = 1279;
	put_all();
	expect_refused("mtu 1279");
	(void)setup(NULL);
	port.vlan = 4095;
	put_all();
	expect_refused("vlan");
	(void)setup(NULL);
	put_all();
	put(IPC_RECORD_PORT, &port, sizeof port);
	expect_refused("'wan'");
	(void)setup(NULL);
	put_all();
	for (int i = 1; i <= IPC_PORTS_MAX; i++) {
		port.name[0] = (char)('a' + i);
		put(IPC_RECORD_PORT, &port, sizeof port);
	}
	expect_refused("at most");
}

static void addresses_are_checked(void **state)
{
	(void)state;
	address.port_idx = 1;
	put_all();
	expect_refused("port 1");
	(void)setup(NULL);
	address.prefix_len = 33;
	put_all();
	expect_refused("prefix");
	(void)setup(NULL);
	address.address[12] = 224;
	put_all();
	expect_refused("unicast");
	(void)setup(NULL);
	put_all();
	put(IPC_RECORD_ADDRESS, &address, sizeof address);
	expect_refused("same");
	(void)setup(NULL);
	memset(address.address, 0, 16);
	put_all();
	expect_refused("unicast");
}

static void routes_are_checked(void **state)
{
	(void)state;
	route.port_idx = 7;
	put_all();
	expect_refused("port 7");
	(void)setup(NULL);
	route.prefix_len = 64;
	put_all();
	expect_refused("prefix");
	(void)setup(NULL);
	memcpy(route.gateway, v6_host, 16);
	put_all();
	expect_refused("families");
	(void)setup(NULL);
	route.gateway[12] = 127;
	put_all();
	expect_refused("unicast");
	(void)setup(NULL);
	memset(route.gateway + 12, 0, 4);
	put_all();
	expect_taken();
	assert_int_equal(config.routes[0].gateway.words[1], 0);
}

static void too_many_of_anything_is_refused(void **state)
{
	(void)state;
	put_all();
	for (uint32_t i = 0; i < IPC_ADDRESSES_MAX; i++) {
		address.address[12] = 10;
		address.address[13] = (uint8_t)(i >> 8);
		address.address[14] = (uint8_t)i;
		put(IPC_RECORD_ADDRESS, &address, sizeof address);
	}
	expect_refused("at most");
	(void)setup(NULL);
	put_all();
	for (uint32_t i = 0; i < IPC_ROUTES_MAX; i++)
		put(IPC_RECORD_ROUTE, &route, sizeof route);
	expect_refused("at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_right_is_taken, setup),
		cmocka_unit_test_setup(nothing_and_scraps_are_refused, setup),
		cmocka_unit_test_setup(order_and_number_of_records_matter, setup),
		cmocka_unit_test_setup(dataplane_fields_are_checked, setup),
		cmocka_unit_test_setup(port_fields_are_checked, setup),
		cmocka_unit_test_setup(addresses_are_checked, setup),
		cmocka_unit_test_setup(routes_are_checked, setup),
		cmocka_unit_test_setup(too_many_of_anything_is_refused, setup),
	};

	return cmocka_run_group_tests_name("dataplane/config", tests, NULL, NULL);
}
