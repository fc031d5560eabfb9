// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "config_schema.h"
#include "seam/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATAPLANE \
	"dataplane:\n" \
	"  ports:\n" \
	"    - {name: wan, device: net_tap0, addresses: [192.0.2.10/24, \"2001:db8::10/64\"], gateways: " \
	"[192.0.2.1]}\n" \
	"    - {name: lan, device: net_tap1, addresses: [198.51.100.1/24]}\n"
#define CERTIFICATES "certificates: [/etc/sluice/certs]\n"
#define BACKENDS \
	"backends:\n" \
	"  web: {servers: [\"198.51.100.20:8080\"]}\n" \
	"  mx: {servers: [\"198.51.100.25:25\"], xclient: on}\n"
#define LISTENER(...) "listeners:\n  - {name: a, address: \"192.0.2.10:443\", " __VA_ARGS__ "}\n"
#define TLS_LISTENER  LISTENER("protocol: tls, backend: web")
#define WHOLE         DATAPLANE CERTIFICATES BACKENDS TLS_LISTENER

static struct config *accepted(const char *yaml)
{
	struct config_errors errors = {0};
	struct config *config = config_parse("test.yaml", yaml, strlen(yaml), &errors);

	if (config == NULL)
		print_error("refused:\n%s", text_string(&errors.text));
	assert_non_null(config);
	assert_int_equal(errors.n, 0);
	config_errors_free(&errors);
	return config;
}

static void refused(const char *yaml, const char *expected)
{
	struct config_errors errors = {0};
	struct config *config = config_parse("test.yaml", yaml, strlen(yaml), &errors);

	assert_null(config);
	assert_true(errors.n > 0);
	if (strstr(text_string(&errors.text), expected) == NULL)
		print_error("for:\n%s\nwanted: %s\ngot: %s", yaml, expected, text_string(&errors.text));
	assert_non_null(strstr(text_string(&errors.text), expected));
	config_errors_free(&errors);
}

static void a_zero_byte_is_refused(void **state)
{
	static const char text[] = "x:\n  - 1\0\n";
	struct config_errors errors = {0};

	(void)state;
	assert_null(config_parse("test.yaml", text, sizeof text - 1, &errors));
	assert_non_null(strstr(text_string(&errors.text), "test.yaml:2: not valid YAML: found a zero byte"));
	config_errors_free(&errors);
}

// The example of the operators' documentation, whole.
static void the_sketch_is_understood(void **state)
{
	struct config *config = accepted(
		"dataplane:\n"
		"  workers: [1, 2]\n"
		"  memory: 1G\n"
		"  poll: adaptive\n"
		"  ports:\n"
		"    - {name: wan, device: \"0000:3b:00.0\", addresses: [192.0.2.10/24, "
		"\"2001:db8::10/64\"], "
		"gateways: [192.0.2.1, \"2001:db8::1\"]}\n"
		"    - {name: lan, device: \"net_tap0,iface=sluice0\", addresses: [198.51.100.1/24], vlan: "
		"12}\n"
		"certificates:\n"
		"  - {chain: /etc/sluice/certs/mail.pem, key: /etc/sluice/keys/mail.key}\n"
		"backends:\n"
		"  webdav: {servers: [{address: \"198.51.100.20:8080\", weight: 1}], balance: "
		"least-connections, "
		"proxy-protocol: v2, check: {type: tcp, interval: 2s}}\n"
		"  postfix: {servers: [\"198.51.100.25:25\"]}\n"
		"listeners:\n"
		"  - {name: https, address: \"192.0.2.10:443\", protocol: tls, alpn: [h2, http/1.1], "
		"backend: webdav}\n"
		"  - {name: mx, address: \"192.0.2.10:25\", protocol: smtp, tls: starttls, security: may, "
		"backend: postfix}\n"
		"limits: {connections: 1000000, handshakes-per-second: 50000, per-source: {connections: 200, "
		"handshakes-per-second: 50}}\n"
		"control: {socket: /run/sluice/control.sock, metrics: \"127.0.0.1:9435\", log: {format: "
		"text, "
		"target: stderr}}\n");

	(void)state;
	assert_int_equal(config->dataplane.n_workers, 2);
	assert_int_equal(config->dataplane.workers[1], 2);
	assert_int_equal(config->dataplane.memory, 1 << 30);
	assert_int_equal(config->dataplane.n_ports, 2);
	assert_int_equal(config->dataplane.ports[1].vlan, 12);
	assert_int_equal(config->dataplane.ports[1].mtu, 1500);
	assert_string_equal(config->dataplane.ports[0].device, "0000:3b:00.0");
	assert_int_equal(config->dataplane.ports[0].n_gateways, 2);
	assert_string_equal(config->certificates[0].key, "/etc/sluice/keys/mail.key");
	assert_true(config->certificates[0].ocsp_fetch);
	assert_int_equal(config->backends[0].balance, CONFIG_BALANCE_LEAST_CONNECTIONS);
	assert_int_equal(config->backends[0].proxy_protocol, CONFIG_PROXY_V2);
	assert_int_equal(config->backends[0].check.interval, 2000000);
	assert_string_equal(config->backends[1].servers[0].name, "198.51.100.25:25");
	assert_int_equal(config->listeners[0].n_alpn, 2);
	assert_string_equal(config->listeners[0].alpn[1], "http/1.1");
	assert_int_equal(config->listeners[0].tls, -1);
	assert_int_equal(config->listeners[1].backend_idx, 1);
	assert_int_equal(config->listeners[1].security, CONFIG_SECURITY_MAY);
	assert_int_equal(config->limits.per_source.connections, 200);
	assert_int_equal(config->control.metrics[0].port, 9435);
	config_free(config);
}

static void defaults_are_filled_in(void **state)
{
	struct config *config = accepted(WHOLE);

	(void)state;
	assert_int_equal(config->dataplane.n_workers, 1);
	assert_int_equal(config->dataplane.workers[0], 1);
	assert_string_equal(config->dataplane.socket, "/run/sluice/dataplane.sock");
	assert_int_equal(config->tls.tickets.rotate, UINT64_C(43200000000));
	assert_true(config->tls.prepared_signatures);
	assert_int_equal(config->tls.max_version, CONFIG_TLS_1_3);
	assert_int_equal(config->limits.connections, 100000);
	assert_int_equal(config->listeners[0].timeouts.handshake, 10000000);
	assert_int_equal(config->control.level, 0);
	config_free(config);
}

static void a_list_may_be_a_single_value(void **state)
{
	struct config *config = accepted(
		DATAPLANE CERTIFICATES BACKENDS "listeners:\n"
						"  - name: a\n"
						"    address: [\"192.0.2.10:443\", \"[2001:db8::10]:443\"]\n"
						"    protocol: tls\n"
						"    alpn: h2\n"
						"    routes: [{sni: \"*.Example.ORG\", backend: web}]\n"
						"    accept-proxy-from: 203.0.113.0/24\n"
						"    reject-unknown-sni: on\n");

	(void)state;
	assert_int_equal(config->listeners[0].n_addresses, 2);
	assert_int_equal(config->listeners[0].n_alpn, 1);
	assert_string_equal(config->listeners[0].routes[0].server_names[0], "*.example.org");
	assert_int_equal(config->listeners[0].routes[0].backend_idx, 0);
	assert_int_equal(config->listeners[0].backend_idx, CONFIG_NO_BACKEND);
	assert_int_equal(config->listeners[0].n_accept_proxy_from, 1);
	config_free(config);
}

static void mail_defaults_depend_on_the_protocol(void **state)
{
	struct config *config = accepted(DATAPLANE CERTIFICATES BACKENDS
		"listeners:\n"
		"  - {name: a, address: \"192.0.2.10:25\", protocol: smtp, backend: mx}\n"
		"  - {name: b, address: \"192.0.2.10:465\", protocol: smtp, tls: implicit, backend: mx}\n"
		"  - {name: c, address: \"192.0.2.10:143\", protocol: imap, backend: web}\n");

	(void)state;
	assert_int_equal(config->listeners[0].tls, CONFIG_TLS_STARTTLS);
	assert_int_equal(config->listeners[0].security, CONFIG_SECURITY_MAY);
	assert_int_equal(config->listeners[1].security, CONFIG_SECURITY_ENCRYPT);
	assert_int_equal(config->listeners[2].security, CONFIG_SECURITY_ENCRYPT);
	config_free(config);
}

struct bad {
	const char *yaml;
	const char *expected;
};

static void refuse_all(const struct bad *cases, size_t n_cases)
{
	for (size_t i = 0; i < n_cases; i++)
		refused(cases[i].yaml, cases[i].expected);
}

static void values_that_are_not_allowed(void **state)
{
	static const struct bad cases[] = {
		{"dataplane: [", "test.yaml:2: not valid YAML"},
		{"- a\n", "found no mapping"},
		{"a: 1\n%\xfa\n", "test.yaml:2: found a YAML directive"},
		{"%: &x ", "test.yaml:1: found a YAML directive"},
		{"\xef\xbb\xbf%YAML 1.2\n---\n", "test.yaml:1: found a YAML directive"},
		{"a: 1\r%x", "found a YAML directive"},
		{"a: 1\xc2\x85%x", "found a YAML directive"},
		{"a: 1\xe2\x80\xa8%x", "found a YAML directive"},
		{"", "the key 'dataplane' is missing"},
		{"x: 1\n",
			"test.yaml:1: found the key 'x'; allowed in the configuration: include, dataplane"},
		{"dataplane: 7\n", "dataplane: found '7'; allowed: the keys of the dataplane"},
		{"dataplane: {ports: []}\n", "dataplane.ports: found 0; allowed: at least 1"},
		{"dataplane:\n  ports:\n  - name: a\n    device: b\n    mtu: 9\n    addresses: [1.2.3.4/8]\n",
			"test.yaml:5: dataplane.ports[0].mtu: found '9'; allowed: a number from 1280 to "
			"9600"},
		{"dataplane:\n  ports:\n  - name: a\n    addresses: [1.2.3.4/8]\n",
			"dataplane.ports[0]: the key 'device' is missing in a port"},
		{"dataplane:\n  ports:\n  - {name: \"a b\", device: c, addresses: [1.2.3.4/8]}\n",
			"dataplane.ports[0].name: found 'a b'; allowed: a name of at most 31"},
		{"dataplane: {memory: 1X}\n", "found '1X'; allowed: a size such as 64M, from 32M to 1T"},
		{"dataplane: {memory: 31M}\n", "found '31M'"},
		{"dataplane: {memory: 99999999999999999999}\n", "dataplane.memory: found"},
		{"dataplane: {memory: 16777216T}\n", "dataplane.memory: found"},
		{"dataplane: {poll: lazy}\n", "found 'lazy'; allowed: one of: adaptive, busy"},
		{"dataplane: {workers: [-1]}\n", "dataplane.workers[0]: found '-1'"},
		{"dataplane: {workers: [1, {a: 2}]}\n", "dataplane.workers[1]: found a mapping"},
		{"dataplane: {workers: [1, 70000]}\n", "found '70000'; allowed: a number from 0 to 65535"},
		{"dataplane: {socket: run/x}\n", "found 'run/x'; allowed: an absolute path"},
		{"dataplane: {ports: &x [*x]}\n", "dataplane"},
		{"a: &x 1\nb: *x\n", "found the key 'a'"},
		{"limits: {connections: *x}\n", "test.yaml"},
		{"limits: {connections: }\n", "limits.connections: found nothing"},
		{"limits: {connections: 0}\n", "found '0'; allowed: a number from 1"},
		{"limits: {connections: 1}\nlimits: {connections: 2}\n", "test.yaml:"},
		{"tls: {lane-wait: 50}\n", "found '50'; allowed: a time such as 50us"},
		{"tls: {lane-wait: 1s}\n", "from 0 to 10ms"},
		{"tls: {prepared-signatures: maybe}\n", "allowed: on or off"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void values_that_backends_and_listeners_do_not_have(void **state)
{
	static const struct bad cases[] = {
		{"backends: [a]\n", "backends: found no mapping"},
		{"backends: {a: {servers: []}}\n", "backends.a.servers: found 0; allowed: at least 1"},
		{"backends: {a: {servers: [host:80]}}\n",
			"backends.a.servers[0]: found 'host:80'; allowed: a numeric"},
		{"backends: {a: {servers: [\"1.2.3.4:0\"]}}\n", "found '1.2.3.4:0'"},
		{"backends: {a: {servers: [\"1.2.3.4:70000\"]}}\n", "found '1.2.3.4:70000'"},
		{"backends: {\"a/b\": {servers: [\"1.2.3.4:1\"]}}\n", "found 'a/b'; allowed: a name"},
		{"backends: {a: }\n", "backends.a: found nothing"},
		{"listeners: [{name: a, address: \"[::1]\", protocol: tls}]\n",
			"listeners[0].address: found '[::1]'"},
		{"listeners: [{name: a, address: [], protocol: tls}]\n",
			"address: found 0; allowed: at least 1"},
		{"listeners: [{name: a, address: \"1.2.3.4:5\", protocol: ssl}]\n",
			"listeners[0].protocol: found 'ssl'; allowed: one of: tls, tcp, http-redirect"},
		{"listeners: [{name: a, address: \"1.2.3.4:5\", protocol: smtp, security: dane}]\n",
			"found 'dane'; allowed: one of: may, encrypt"},
		{"listeners: [{routes: [{sni: \"a..b\", backend: b}]}]\n",
			"routes[0].sni: found 'a..b'; allowed: a host"},
		{"listeners: [{routes: [{sni: \"*.com\", backend: b}]}]\n", "routes[0].sni: found '*.com'"},
		{"listeners: [{routes: [{sni: \"a.*.com\", backend: b}]}]\n",
			"routes[0].sni: found 'a.*.com'"},
		{"listeners: [{accept-proxy-from: 10.0.0.0}]\n",
			"found '10.0.0.0'; allowed: a numeric address and prefix"},
		{"listeners: [{accept-proxy-from: 10.0.0.0/33}]\n", "found '10.0.0.0/33'"},
		{"include: other.yaml\n", "allowed: nothing, because this is no file"},
		{"control: {log: {rate: 0}}\n", "control.log.rate: found '0'"},
		{"control: {log: {taget: stderr}}\n",
			"found the key 'taget'; allowed in log settings: format, target"},
		{"control: {\"so\\x1bcket\": /x}\n", "found the key 'so\\x1bcket'"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void contradictions_in_the_network(void **state)
{
#define PORTS(...) "dataplane:\n  ports:\n" __VA_ARGS__
	static const struct bad cases[] = {
		{"dataplane:\n  workers: [1, 1]\n  ports: [{name: a, device: b, addresses: "
		 "[192.0.2.1/24]}]\n",
			"test.yaml:2: dataplane.workers[1]: found core 1 twice"},
		{"dataplane:\n  workers: []\n  ports: [{name: a, device: b, addresses: [192.0.2.1/24]}]\n",
			"found an empty list"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24]}\n"
		       "  - {name: a, device: c, addresses: [192.0.3.1/24]}\n"),
			"test.yaml:4: dataplane.ports[1].name: found 'a', the name of an earlier port"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24]}\n"
		       "  - {name: c, device: b, addresses: [192.0.3.1/24]}\n"),
			"dataplane.ports[1].device: found the device of port 'a'"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24]}\n"
		       "  - name: c\n    device: d\n    addresses:\n      - 192.0.3.1/24\n      - "
		       "192.0.2.1/25\n"),
			"test.yaml:8: dataplane.ports[1].addresses[1]: found 192.0.2.1, which port 'a' has"},
		{PORTS("  - {name: a, device: b, addresses: [224.0.0.1/24]}\n"),
			"found 224.0.0.1/24; allowed: an address"},
		{PORTS("  - {name: a, device: b, addresses: [127.0.0.1/8]}\n"), "found 127.0.0.1/8"},
		{PORTS("  - {name: a, device: b, addresses: [0.0.0.0/8]}\n"), "found 0.0.0.0/8"},
		{PORTS("  - {name: a, device: b, addresses: [\"ff02::1/64\"]}\n"), "found ff02::1/64"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], gateways: [192.0.3.1]}\n"),
			"gateways[0]: found 192.0.3.1; allowed: an address on one of the networks of port "
			"'a'"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], gateways: [192.0.2.1]}\n"),
			"which is a port's own address"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], gateways: [192.0.2.2, "
		       "192.0.2.3]}\n"),
			"gateways[1]: found a second default gateway for IPv4"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], gateways: [192.0.2.2]}\n"
		       "  - {name: c, device: d, addresses: [192.0.3.1/24], gateways: [192.0.3.2]}\n"),
			"port 'a' has one already"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], routes: [{to: 10.0.0.1/8, via: "
		       "192.0.2.2}]}\n"),
			"routes[0].to: found 10.0.0.1/8, which has bits after its prefix"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], routes: [{to: \"2001:db8::/32\", "
		       "via: 192.0.2.2}]}\n"),
			"routes[0].via: found an address of the other family"},
		{PORTS("  - {name: a, device: b, addresses: [192.0.2.1/24], routes: [{to: 10.0.0.0/8, via: "
		       "10.0.0.1}]}\n"),
			"routes[0].via: found 10.0.0.1; allowed: an address on one of the networks"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

#define WITH(...) DATAPLANE CERTIFICATES BACKENDS __VA_ARGS__

static void contradictions_in_backends(void **state)
{
	static const struct bad cases[] = {
		{DATAPLANE "backends: {a: {servers: [\"203.0.113.1:1\", \"203.0.113.1:1\"]}}\n",
			"backends.a.servers[1].address: found 203.0.113.1:1, the address of an earlier "
			"server"},
		{DATAPLANE "backends: {a: {servers: [{address: \"203.0.113.1:1\", name: x}, "
			   "{address: \"203.0.113.1:2\", name: x}]}}\n",
			"servers[1].name: found 'x', the name of an earlier server"},
		{DATAPLANE "backends: {a: {servers: [\"[2001:db9::1]:1\"]}}\n",
			"found [2001:db9::1]:1, which no port has a network, route or gateway for"},
		{DATAPLANE "backends: {a: {servers: [{address: \"203.0.113.1:1\", backup: on}]}}\n",
			"only backup servers"},
		{DATAPLANE "backends: {a: {servers: [\"203.0.113.1:1\"], source-addresses: [192.0.2.11]}}\n",
			"source-addresses[0]: found 192.0.2.11; allowed: an address of a port"},
		{DATAPLANE
			"backends: {a: {servers: [\"203.0.113.1:1\"], timeouts: {connect: 5s, total: 1s}}}\n",
			"timeouts.total: found a time shorter"},
		{DATAPLANE "backends: {a: {servers: [\"192.0.2.10:80\"]}}\nlisteners: [{name: l, address: "
			   "\"192.0.2.10:80\", protocol: tcp, backend: a}]\n",
			"found 192.0.2.10:80, where a listener is: a loop"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void contradictions_in_listeners(void **state)
{
	static const struct bad cases[] = {
		{WITH(LISTENER("protocol: tls, backend: wbe")),
			"listeners[0].backend: found 'wbe'; no backend has this name"},
		{WITH(LISTENER("protocol: tls")),
			"listeners[0].backend: is missing, and there are no routes"},
		{WITH(LISTENER("protocol: tls, backend: web, routes: [{sni: a.b, backend: x}]")),
			"listeners[0].routes[0].backend: found 'x'"},
		{WITH(LISTENER("protocol: tls, backend: web, routes: [{backend: web}]")),
			"routes[0]: found neither sni nor alpn"},
		{WITH(LISTENER("protocol: tls, backend: web, routes: [{sni: a.b, backend: web}, {sni: [c.d, "
			       "A.B], backend: mx}]")),
			"routes[1]: found what routes[0] takes already"},
		{WITH(LISTENER("protocol: tls, backend: web, alpn: [h2, h2]")), "alpn[1]: found 'h2' twice"},
		{WITH(LISTENER("protocol: tls, backend: web, tls: starttls")),
			"listeners[0].tls: is for mail protocols"},
		{WITH(LISTENER("protocol: tls, backend: web, security: may")),
			"listeners[0].security: is for mail protocols"},
		{WITH(LISTENER("protocol: tls, backend: web, mail: {commands: 3}")),
			"listeners[0].mail: is for mail"},
		{WITH(LISTENER("protocol: tls, backend: web, certificate: /x.pem")),
			"listeners[0].certificate: found '/x.pem'; allowed: the path of a chain"},
		{WITH(LISTENER("protocol: tls, backend: web, client-auth: {mode: required}")),
			"client-auth.ca: is missing"},
		{WITH(LISTENER("protocol: tls, backend: web, redirect: {port: 1}")),
			"is for the protocol http-redirect"},
		{WITH(LISTENER("protocol: tls, backend: mx")),
			"found 'mx', which has xclient; allowed: for the protocol smtp"},
		{WITH(LISTENER("protocol: tcp, backend: web, alpn: h2")),
			"listeners[0].alpn: is for protocols with TLS"},
		{WITH(LISTENER("protocol: tcp, backend: web, reject-unknown-sni: on")),
			"is for protocols with TLS"},
		{WITH(LISTENER("protocol: tcp, backend: web, client-auth: {mode: off}")),
			"is for protocols with TLS"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void contradictions_in_protocols_and_addresses(void **state)
{
	static const struct bad cases[] = {
		{WITH(LISTENER("protocol: smtp, tls: implicit, security: may, backend: mx")),
			"found 'may'; allowed with implicit TLS: encrypt"},
		{WITH(LISTENER("protocol: managesieve, tls: implicit, backend: web")),
			"allowed for managesieve: starttls"},
		{WITH(LISTENER("protocol: managesieve, tls: both, backend: web")),
			"allowed for managesieve: starttls"},
		{WITH(LISTENER("protocol: smtp, tls: both, backend: mx")),
			"found 'both'; the addresses need port 465"},
		{WITH(LISTENER("protocol: imap, tls: both, backend: web")),
			"found 'both'; the addresses need port 993"},
		{WITH("listeners: [{name: a, address: [\"192.0.2.10:995\"], protocol: pop3, tls: both, "
		      "backend: web}]\n"),
			"found 'both'; the addresses need port 995, where TLS comes first, and another one"},
		{WITH(LISTENER("protocol: http-redirect, backend: web")), "a redirect has none"},
		{WITH(LISTENER("protocol: http-redirect, redirect: {status: 303}")),
			"found 303; allowed: 301, 302"},
		{WITH("listeners: [{name: a, address: \"192.0.2.11:443\", protocol: tls, backend: web}]\n"),
			"listeners[0].address[0]: found 192.0.2.11:443; allowed: an address of a port"},
		{WITH(TLS_LISTENER
			 "  - {name: b, address: \"192.0.2.10:443\", protocol: tls, backend: web}\n"),
			"test.yaml:11: listeners[1].address[0]: found 192.0.2.10:443, where listener 'a' is "
			"already"},
		{WITH(TLS_LISTENER
			 "  - {name: a, address: \"192.0.2.10:444\", protocol: tls, backend: web}\n"),
			"listeners[1].name: found 'a', the name of an earlier listener"},
		{DATAPLANE BACKENDS TLS_LISTENER, "found a protocol with TLS, but there is no certificate"},
		{DATAPLANE "certificates: [/a.pem, {chain: /a.pem}]\n",
			"certificates[1].chain: found '/a.pem' a second time"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void contradictions_in_the_rest(void **state)
{
	static const struct bad cases[] = {
		{WHOLE "tls: {min-version: 1.3, max-version: 1.2}\n",
			"tls.min-version: found a version newer"},
		{WHOLE "tls: {tickets: {rotate: 1h, lifetime: 3h}}\n",
			"tls.tickets.lifetime: found a time longer"},
		{WHOLE "tls: {tickets: {rotate: 10m, lifetime: 10m}}\n",
			"tls.tls12-lifetime: found a time longer"},
		{WHOLE "limits: {connections: 10, per-source: {connections: 11}}\n",
			"found more than limits.connections"},
		{WHOLE "limits: {handshakes-per-second: 5, per-source: {handshakes-per-second: 6}}\n",
			"found more than limits.handshakes-per-second"},
		{WHOLE "control: {socket: /run/sluice/dataplane.sock}\n",
			"found the path of dataplane.socket"},
		{"dataplane:\n  user: no-such-user-here\n  ports:\n    - {name: wan, device: net_tap0, "
		 "addresses: "
		 "[192.0.2.10/24]}\n",
			"dataplane.user: found 'no-such-user-here'; allowed: a user"},
		{WHOLE "control: {socket-mode: \"888\"}\n", "found '888'; allowed: octal"},
		{WHOLE "control: {socket-mode: \"4660\"}\n", "found '4660'"},
		{WHOLE "control: {socket-group: no-such-group-here}\n", "allowed: a group of this machine"},
		{WHOLE "control: {admins: [no-such-user-here]}\n",
			"control.admins[0]: found 'no-such-user-here'"},
		{WHOLE "control: {fetch-user: no-such-user-here}\n", "control.fetch-user: found"},
		{WHOLE "control: {socket: "
		       "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n",
			"allowed: at most 107 for a socket"},
	};

	(void)state;
	refuse_all(cases, sizeof cases / sizeof cases[0]);
}

static void many_errors_are_counted_and_cut(void **state)
{
	struct config_errors errors = {0};
	struct text yaml = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		text_printf(&yaml, "wrong%d: 1\n", i);
	assert_null(config_parse("test.yaml", yaml.data, yaml.len, &errors));
	assert_true(errors.n >= 200);
	assert_non_null(strstr(text_string(&errors.text), "more errors are not shown"));
	assert_null(strstr(text_string(&errors.text), "wrong90"));
	config_errors_free(&errors);
	text_free(&yaml);
}

static void write_file(const char *folder, const char *name, const char *content)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(content, file);
	(void)fclose(file);
}

static char folder[] = "/tmp/sluice-config-XXXXXX";

static int make_folder(void **state)
{
	char path[64];

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/conf.d", folder);
	return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
	static const char *const names[] = {
		"conf.d/a.yaml", "conf.d/b.yaml", "conf.d/ignored.txt", "conf.d", "main.yaml", ""};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)remove(path);
	}
	return 0;
}

static struct config *load_main(struct config_errors *errors)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/main.yaml", folder);
	return config_load(path, errors);
}

static void included_files_are_joined(void **state)
{
	struct config_errors errors = {0};
	struct config *config;

	(void)state;
	write_file(folder, "main.yaml", "include: conf.d\n" DATAPLANE CERTIFICATES BACKENDS);
	write_file(folder, "conf.d/a.yaml", TLS_LISTENER);
	write_file(folder, "conf.d/b.yaml",
		"listeners: [{name: b, address: \"192.0.2.10:80\", protocol: http-redirect}]\n");
	write_file(folder, "conf.d/ignored.txt", "nonsense: [\n");
	config = load_main(&errors);
	assert_non_null(config);
	assert_int_equal(config->n_files, 3);
	assert_int_equal(config->n_listeners, 2);
	assert_string_equal(config->listeners[1].name, "b");
	config_free(config);
	config_errors_free(&errors);
}

static void errors_name_the_included_file(void **state)
{
	struct config_errors errors = {0};

	(void)state;
	write_file(folder, "main.yaml", "include: conf.d\n" DATAPLANE CERTIFICATES BACKENDS);
	write_file(folder, "conf.d/a.yaml", "\n\nlisteners:\n- nonsense: 1\n");
	write_file(folder, "conf.d/b.yaml", "\ndataplane: {}\n");
	assert_null(load_main(&errors));
	assert_non_null(
		strstr(text_string(&errors.text), "conf.d/a.yaml:4: listeners[0]: found the key 'nonsense'"));
	assert_non_null(
		strstr(text_string(&errors.text), "conf.d/b.yaml:2: dataplane: given twice; first at "));
	config_errors_free(&errors);
}

static void a_file_that_includes_itself_is_refused(void **state)
{
	struct config_errors errors = {0};

	(void)state;
	write_file(folder, "main.yaml", "include: [main.yaml, missing.yaml]\n");
	assert_null(load_main(&errors));
	assert_non_null(strstr(text_string(&errors.text), "main.yaml was read already"));
	assert_non_null(strstr(text_string(&errors.text), "missing.yaml can't be read: No such file"));
	config_errors_free(&errors);
}

static void a_missing_file_is_an_error(void **state)
{
	struct config_errors errors = {0};

	(void)state;
	assert_null(config_load("/nonexistent/sluice.yaml", &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(text_string(&errors.text),
		"/nonexistent/sluice.yaml can't be read: No such file or directory\n");
	config_errors_free(&errors);
}

static void what_needs_a_restart_is_named(void **state)
{
	static const struct bad cases[] = {
		{"dataplane: {workers: 2, ports: [{name: a, device: b, addresses: [192.0.2.1/24]}]}\n",
			"dataplane.workers"},
		{"dataplane: {memory: 2G, ports: [{name: a, device: b, addresses: [192.0.2.1/24]}]}\n",
			"dataplane.memory"},
		{"dataplane: {poll: busy, ports: [{name: a, device: b, addresses: [192.0.2.1/24]}]}\n",
			"dataplane.poll"},
		{"dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.2/24]}]}\n",
			"dataplane.ports"},
		{"dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.1/25]}]}\n",
			"dataplane.ports"},
		{"dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.1/24], gateways: "
		 "192.0.2.9}]}\n",
			"dataplane.ports"},
		{"dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.1/24], routes: [{to: "
		 "10.0.0.0/8, via: 192.0.2.9}]}]}\n",
			"dataplane.ports"},
	};
	const char *base = "dataplane: {ports: [{name: a, device: b, addresses: [192.0.2.1/24]}]}\n";
	struct config *running = accepted(base);
	struct config *next = accepted("dataplane: {ports: [{name: a, device: b, addresses: 192.0.2.1/24}]}\n"
				       "limits: {connections: 5}\n");
	const char *key;

	(void)state;
	assert_false(config_needs_restart(running, next, &key));
	config_free(next);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		next = accepted(cases[i].yaml);
		assert_true(config_needs_restart(running, next, &key));
		assert_string_equal(key, cases[i].expected);
		config_free(next);
	}
	config_free(running);
}

static void the_manual_has_every_key(void **state)
{
	struct text manual = {0};

	(void)state;
	config_schema_manual(&manual);
	assert_non_null(strstr(text_string(&manual), ".It Cm \"listeners[].client-auth.mode\"\n"));
	assert_non_null(strstr(text_string(&manual), ".It Cm \"backends.NAME.servers[].weight\"\n"));
	assert_non_null(strstr(text_string(&manual), "default: 12h"));
	text_free(&manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sketch_is_understood),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(a_list_may_be_a_single_value),
		cmocka_unit_test(mail_defaults_depend_on_the_protocol),
		cmocka_unit_test(values_that_are_not_allowed),
		cmocka_unit_test(values_that_backends_and_listeners_do_not_have),
		cmocka_unit_test(a_zero_byte_is_refused),
		cmocka_unit_test(contradictions_in_the_network),
		cmocka_unit_test(contradictions_in_backends),
		cmocka_unit_test(contradictions_in_listeners),
		cmocka_unit_test(contradictions_in_protocols_and_addresses),
		cmocka_unit_test(contradictions_in_the_rest),
		cmocka_unit_test(many_errors_are_counted_and_cut),
		cmocka_unit_test(included_files_are_joined),
		cmocka_unit_test(errors_name_the_included_file),
		cmocka_unit_test(a_file_that_includes_itself_is_refused),
		cmocka_unit_test(a_missing_file_is_an_error),
		cmocka_unit_test(what_needs_a_restart_is_named),
		cmocka_unit_test(the_manual_has_every_key),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
