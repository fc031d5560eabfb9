// SPDX-License-Identifier: Apache-2.0
#include "eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>

enum {
	ARGUMENTS_MAX = 24 + IPC_PORTS_MAX * 2,
	LCORES_TEXT_MAX = 16 * (IPC_WORKERS_MAX + 1) + 8 * CPU_SETSIZE
};

// Bytes that EAL gets beside the packets themselves: mempool headers, rings, device structures.
#define EAL_OVERHEAD_LEN (UINT64_C(48) << 20)

// EAL's command line. The strings live as long as the process: EAL keeps pointers to some.
struct arguments {
	int n;
	char *values[ARGUMENTS_MAX + 1];
	char lcores[LCORES_TEXT_MAX];
	char prefix[IPC_NAME_MAX + 8];
	char memory[32];
	char devices[IPC_PORTS_MAX][IPC_DEVICE_MAX];
};

static struct arguments arguments;

static void add_argument(const char *value)
{
	// EAL's prototype is not const, but it changes nothing.
	arguments.values[arguments.n++] = (char *)(uintptr_t)value;
}

// "0@0-1,1@1": the main thread floats over every CPU that the process may use, each worker is bound to its
// own.
static bool write_lcores(const struct config *config, struct eal *eal, char *reason)
{
	char *text = arguments.lcores;
	size_t len = 0;
	cpu_set_t allowed;
	bool first = true;

	CPU_ZERO(&allowed);
	(void)sched_getaffinity(0, sizeof allowed, &allowed);
	for (uint32_t i = 0; i < config->dataplane.n_workers; i++)
		if (config->dataplane.cores[i] >= CPU_SETSIZE ||
			!CPU_ISSET(config->dataplane.cores[i], &allowed)) {
			(void)snprintf(reason, IPC_REASON_MAX,
				"workers: core %u does not exist or may not be used by this process",
				config->dataplane.cores[i]);
			return false;
		}
	len += (size_t)snprintf(text + len, sizeof arguments.lcores - len, "0@(");
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		len += (size_t)snprintf(
			text + len, sizeof arguments.lcores - len, "%s%u", first ? "" : ",", cpu);
		first = false;
	}
	len += (size_t)snprintf(text + len, sizeof arguments.lcores - len, ")");
	for (uint32_t i = 0; i < config->dataplane.n_workers; i++) {
		eal->lcores[i] = i + 1;
		len += (size_t)snprintf(text + len, sizeof arguments.lcores - len, ",%u@%u", i + 1,
			config->dataplane.cores[i]);
	}
	return true;
}

// Bytes of free 2 MB pages, as the kernel counts them.
static uint64_t free_huge_len(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned long long n_free = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &n_free) != 1)
		n_free = 0;
	(void)fclose(file);
	return n_free << 21;
}

// 0000:3b:00.0 and its short form: what EAL must be told to take; virtual devices are plugged in later.
static bool is_pci_address(const char *device)
{
	size_t n_hex = strspn(device, "0123456789abcdefABCDEF:.");

	return n_hex >= 7 && (device[n_hex] == '\0' || device[n_hex] == ',') &&
	       memchr(device, ':', n_hex) != NULL && memchr(device, '.', n_hex) != NULL;
}

// Whether a memif port shows all packet memory to its peer, which then has to be one file.
static bool shares_memory(const struct config *config)
{
	bool shares = false;

	for (uint32_t i = 0; i < config->n_ports; i++)
		shares = shares || strstr(config->ports[i].device, "zero-copy=yes") != NULL;
	return shares;
}

// Whether any of them is a PCI device.
static bool add_devices(const struct config *config)
{
	bool any_pci = false;

	for (uint32_t i = 0; i < config->n_ports; i++) {
		if (!is_pci_address(config->ports[i].device))
			continue;
		memcpy(arguments.devices[i], config->ports[i].device, sizeof arguments.devices[i]);
		add_argument("-a");
		add_argument(arguments.devices[i]);
		any_pci = true;
	}
	if (!any_pci)
		add_argument("--no-pci");
	return any_pci;
}

bool eal_start(
	const struct config *config, struct eal *out_eal, bool *out_fatal, char reason[static IPC_REASON_MAX])
{
	const uint64_t memory_len = config->dataplane.memory_len + EAL_OVERHEAD_LEN;

	*out_fatal = false;
	arguments.n = 0;
	if (!write_lcores(config, out_eal, reason))
		return false;
	out_eal->huge_pages = config->dataplane.huge_pages != 0 && free_huge_len() >= memory_len;
	(void)snprintf(arguments.prefix, sizeof arguments.prefix, "sluice-%s", config->dataplane.name);
	(void)snprintf(
		arguments.memory, sizeof arguments.memory, "%llu", (unsigned long long)(memory_len >> 20));
	add_argument("sluice-dataplane");
	add_argument("--lcores");
	add_argument(arguments.lcores);
	add_argument("--main-lcore");
	add_argument("0");
	add_argument("--file-prefix");
	add_argument(arguments.prefix);
	add_argument("-m");
	add_argument(arguments.memory);
	add_argument("--log-level");
	add_argument("error");
	// Reports the absence of optional kernel modules as errors.
	add_argument("--log-level");
	add_argument("pmd.net.tap:critical");
	// Either form keeps EAL's configuration out of the file system, so that no secondary process can
	// attach.
	add_argument(out_eal->huge_pages ? "--in-memory" : "--no-huge");
	if (!out_eal->huge_pages)
		add_argument("--no-shconf");
	else if (shares_memory(config))
		add_argument("--single-file-segments");
	out_eal->pci = add_devices(config);
	if (rte_eal_init(arguments.n, arguments.values) < 0) {
		*out_fatal = true;
		(void)snprintf(reason, IPC_REASON_MAX,
			"DPDK does not start (%s); its own words are on stderr", rte_strerror(rte_errno));
		return false;
	}
	return true;
}

void eal_hush(void)
{
	(void)rte_log_set_level_pattern("pmd.*", RTE_LOG_EMERG);
}
