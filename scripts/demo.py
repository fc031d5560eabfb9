#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./demo: the dataplane on a TAP device inside a network namespace of its own, answering ping."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tests', 'system'))
import lab  # noqa: E402  (the path above must be set first)
from test_ping import give_addresses, usable, wait_for_device  # noqa: E402

HUGE_PAGES = 64


def ping(laboratory, namespace, address):
    print(f'\n$ ping -f -c 2000 {address}')
    result = laboratory.inside(namespace, 'ping', '-f', '-q', '-c', '2000', address, check=False)
    lines = [line for line in result.stdout.splitlines() if 'transmitted' in line or 'rtt' in line]
    print('\n'.join(lines))
    return re.search(r' 0% packet loss', result.stdout) is not None


def main():
    laboratory = lab.Lab()
    namespace = laboratory.namespace('demo')
    huge = laboratory.huge_pages(HUGE_PAGES)
    cores = lab.cores(2)
    print(f'A network namespace with a dataplane on CPU {cores[-1]}, on a TAP device, '
          f'{"with" if huge else "without"} huge pages.')
    process, link = laboratory.dataplane(namespace)
    page = lab.CounterPage(link.start(
        lab.dataplane_record(laboratory.tag, cores[-1:], huge=1 if huge else 0),
        lab.port_record('tap', 'net_tap0,iface=sluice0'),
        lab.address_record(0, '198.51.100.1/24'), lab.address_record(0, '2001:db8:1::1/64')))
    wait_for_device(laboratory, namespace, 'sluice0')
    give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24', '2001:db8:1::2/64')
    usable(laboratory, namespace, '2001:db8:1::1')
    well = ping(laboratory, namespace, '198.51.100.1') and ping(laboratory, namespace, '2001:db8:1::1')
    print('\nWhat the worker counted (zeros left out):')
    total = page.total()
    for name, value in total.items():
        if value:
            print(f'  {name:32} {value:>14,}')
    packets = max(1, total['worker_rx_items'])
    print(f'\n{(total["worker_rx_tsc"] + total["worker_flush_tsc"]) // packets} tsc a packet in and out, '
          f'the TAP device\'s system calls included.')
    leaked = link.stop()
    status = process.wait(15)
    print(f'Stopped: exit status {status}, {leaked} packet buffers leaked.')
    return 0 if well and status == 0 and leaked == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
