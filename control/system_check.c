// SPDX-License-Identifier: Apache-2.0
#include "system_check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HUGE_PAGE_LEN (UINT64_C(2) << 20)

static uint64_t read_number(const char *sysfs, const char *file)
{
	char path[PATH_MAX];
	unsigned long long number = 0;
	FILE *opened;

	(void)snprintf(path, sizeof path, "%s/%s", sysfs, file);
	opened = fopen(path, "re");
	if (opened != NULL) {
		if (fscanf(opened, "%llu", &number) != 1)
			number = 0;
		(void)fclose(opened);
	}
	return number;
}

static bool exists(const char *sysfs, const char *file)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", sysfs, file);
	return access(path, F_OK) == 0;
}

static size_t check_workers(
	const struct config_dataplane *dataplane, const char *sysfs, struct text *findings)
{
	size_t n_fatal = 0;

	for (size_t i = 0; i < dataplane->n_workers; i++) {
		char file[64];

		(void)snprintf(file, sizeof file, "devices/system/cpu/cpu%llu",
			(unsigned long long)dataplane->workers[i]);
		if (exists(sysfs, file))
			continue;
		text_printf(findings,
			"CPU %llu of dataplane.workers does not exist; choose others (lscpu lists them)\n",
			(unsigned long long)dataplane->workers[i]);
		n_fatal++;
	}
	return n_fatal;
}

static void check_huge_pages(
	const struct config_dataplane *dataplane, const char *sysfs, struct text *findings)
{
	const uint64_t wanted = (dataplane->memory + HUGE_PAGE_LEN - 1) / HUGE_PAGE_LEN;
	const uint64_t free_pages = read_number(sysfs, "kernel/mm/hugepages/hugepages-2048kB/free_hugepages");

	if (dataplane->huge_pages == CONFIG_HUGE_PAGES_NEVER || free_pages >= wanted)
		return;
	text_printf(findings,
		"%llu huge pages of 2 MB are free and dataplane.memory wants %llu, so that ordinary pages "
		"will be used, "
		"which is slower; reserve them: sysctl -w vm.nr_hugepages=%llu, and in /etc/sysctl.d for "
		"every start\n",
		(unsigned long long)free_pages, (unsigned long long)wanted, (unsigned long long)wanted);
}

// "0000:3b:00.0"
static bool is_pci_address(const char *device)
{
	unsigned domain, bus, slot, function;
	int len = 0;

	return sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &len) == 4 && len == 12 &&
	       (device[12] == '\0' || device[12] == ',');
}

// Drivers whose NICs DPDK shares with the kernel need no binding.
static bool is_usable_driver(const char *driver)
{
	static const char *const usable[] = {
		"vfio-pci", "uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core", "mana"};

	for (size_t i = 0; i < sizeof usable / sizeof usable[0]; i++)
		if (strcmp(driver, usable[i]) == 0)
			return true;
	return false;
}

static size_t check_nic(const struct config_port *port, const char *sysfs, struct text *findings)
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	const char *driver = "none";
	ssize_t len;

	(void)snprintf(path, sizeof path, "%s/bus/pci/devices/%.12s", sysfs, port->device);
	if (access(path, F_OK) != 0) {
		text_printf(findings,
			"port '%s': there is no PCI device %.12s; lspci -D lists those that there are\n",
			port->name, port->device);
		return 1;
	}
	(void)snprintf(path, sizeof path, "%s/bus/pci/devices/%.12s/driver", sysfs, port->device);
	len = readlink(path, target, sizeof target - 1);
	if (len > 0) {
		target[len] = '\0';
		driver = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target;
	}
	if (is_usable_driver(driver))
		return 0;
	text_printf(findings,
		"port '%s': %.12s is bound to the driver %s, which DPDK can't use; modprobe vfio-pci, then "
		"dpdk-devbind.py -b vfio-pci %.12s (the kernel loses the NIC: not the one that you are "
		"logged in over)\n",
		port->name, port->device, driver, port->device);
	return 1;
}

size_t system_check(const struct config *config, const char *sysfs, struct text *findings)
{
	const struct config_dataplane *dataplane = &config->dataplane;
	size_t n_fatal = check_workers(dataplane, sysfs, findings);

	check_huge_pages(dataplane, sysfs, findings);
	for (size_t i = 0; i < dataplane->n_ports; i++)
		if (is_pci_address(dataplane->ports[i].device))
			n_fatal += check_nic(&dataplane->ports[i], sysfs, findings);
	return n_fatal;
}
