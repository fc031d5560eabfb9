# SPDX-License-Identifier: Apache-2.0
"""The dataplane after its start: what every thread gave up, and that what comes later works nevertheless: a memif peer that
comes back, a link that goes down and up, DPDK's telemetry, a clean stop, and the next start."""
import json
import os
import signal
import socket
import struct

import lab
from test_ping import give_addresses, memif_device, ping, stop_clean, usable, wait_for, wait_for_device

NOBODY = '65534'
LOCK_MEMORY = 1 << 14  # CAP_IPC_LOCK: the main thread keeps it where the limit of locked memory can't be lifted
LINK_STATE = 1


def threads(pid):
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/status', encoding='ascii') as f:
            yield int(thread), dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


def check_confined(pid, names):
    seen = []
    with open(f'/proc/{pid}/limits', encoding='ascii') as f:
        limits = f.read()
    locks_freely = 'unlimited' in next(line for line in limits.splitlines() if line.startswith('Max locked memory'))
    assert 'Max core file size        0 ' in limits, limits
    for thread, status in threads(pid):
        seen.append(status['Name'])
        for field in ('Uid', 'Gid'):
            assert status[field].split() == [NOBODY] * 4, (thread, status)
        assert status['Groups'].split() == [] and status['NoNewPrivs'] == '1' and status['Seccomp'] == '2', (thread, status)
        kept = LOCK_MEMORY if thread == pid and not locks_freely else 0
        for field, most in (('CapPrm', kept), ('CapEff', kept), ('CapInh', 0), ('CapAmb', 0), ('CapBnd', 0)):
            assert int(status[field], 16) == most, (thread, field, status)
    assert set(names) <= set(seen) and len(seen) >= 5, seen
    # Not dumpable: what is in /proc is root's, though the process is not.
    assert os.stat(f'/proc/{pid}/environ').st_uid == 0


class Telemetry:
    """As dpdk-telemetry.py speaks."""

    def __init__(self, tag):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(f'/var/run/dpdk/sluice-{tag}/dpdk_telemetry.v2')
        self.greeting = json.loads(self.socket.recv(1 << 16))

    def ask(self, command):
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(1 << 16))[command.split(',')[0]]

    def close(self):
        self.socket.close()


def check_telemetry(laboratory, pid):
    telemetry = Telemetry(laboratory.tag)
    assert telemetry.greeting['pid'] == pid
    commands = telemetry.ask('/')
    assert {'/sluice/info', '/sluice/counters', '/sluice/cores', '/ethdev/list'} <= set(commands), commands
    info = telemetry.ask('/sluice/info')
    assert info['name'] == laboratory.tag and info['pid'] == pid and info['workers'] == 1 and info['user_id'] == 65534, info
    counters = telemetry.ask('/sluice/counters')
    assert set(counters) == {name.split('_')[0] for name in lab.counter_names()}, counters.keys()
    assert counters['net']['net_echo_replies'] >= 100 and 'net_drop_vlan' not in counters['net'], counters['net']
    net = telemetry.ask('/sluice/counters,net')
    assert net['net_drop_vlan'] == 0 and set(net) == {name for name in lab.counter_names() if name.startswith('net_')}, net
    one = telemetry.ask('/sluice/counters,0')
    assert one['net']['net_echo_replies'] >= counters['net']['net_echo_replies'], one
    for wrong in ('1', 'nonsense', '0x', '-1', ' 0'):
        assert not telemetry.ask(f'/sluice/counters,{wrong}'), wrong
    cores = telemetry.ask('/sluice/cores')
    assert list(cores) == ['worker_0'] and cores['worker_0']['core'] == lab.cores(1)[0] and cores['worker_0']['turns'] > 0, cores
    check_confined(pid, ['telemetry-v2'])  # with the thread of this client
    telemetry.close()


def memif_peer(laboratory, namespace, number):
    """A dataplane that is the client of ours over memif; it has a moment to send, and dies."""
    process, link = laboratory.dataplane(namespace, name=f'peer{number}')
    page = link.start(lab.dataplane_record(f'{laboratory.tag}peer{number}', lab.cores(2)[-1:]), lab.port_record('memif', memif_device(laboratory, 'client')),
                      lab.address_record(0, '203.0.113.2/24'), lab.address_record(0, '203.0.113.1/24'))
    wait_for(lambda: lab.CounterPage(page).total()['net_rx_packets'] > 0, 'frames over memif')
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    link.close()


def wait_for_link(link, up):
    def told():
        link.hello()
        return any(struct.unpack_from('=QHHI', body)[1] == LINK_STATE and body[16:19] == struct.pack('=HB', 0, up) for body in link.events)
    wait_for(told, f'the link to be {"up" if up else "down"}')
    link.events = []


def lives_on(laboratory, huge):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace)
    assert link.hello()['n_workers'] == 0
    link.start(lab.dataplane_record(laboratory.tag, lab.cores(1), huge=huge), lab.port_record('tap', 'net_tap0,iface=sluice0'),
               lab.port_record('memif', memif_device(laboratory, 'server')), lab.address_record(0, '198.51.100.1/24'),
               lab.address_record(1, '203.0.113.1/24'))
    check_confined(process.pid, ['sluice-dataplan', 'eal-intr-thread', 'rte-worker-1', 'telemetry-v2'])
    wait_for_device(laboratory, namespace, 'sluice0')
    give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24')
    usable(laboratory, namespace, '198.51.100.1')
    ping(laboratory, namespace, '198.51.100.1', count=200)
    check_telemetry(laboratory, process.pid)
    for number in range(2):
        memif_peer(laboratory, namespace, number)
    link.drain_events()
    for state in ('down', 'up'):
        laboratory.inside(namespace, 'ip', 'link', 'set', 'sluice0', state)
        wait_for_link(link, state == 'up')
    usable(laboratory, namespace, '198.51.100.1')
    ping(laboratory, namespace, '198.51.100.1', count=200)
    check_confined(process.pid, ['sluice-dataplan', 'eal-intr-thread', 'rte-worker-1', 'telemetry-v2'])
    stop_clean(process, link)
    return namespace


def confined_without_huge_pages(laboratory):
    namespace = lives_on(laboratory, huge=0)
    # The files of its sockets stay; the next start replaces them.
    assert os.path.exists(f'{laboratory.folder}/memif.sock')
    process, link = laboratory.dataplane(namespace)
    link.start(lab.dataplane_record(laboratory.tag, lab.cores(1)), lab.port_record('memif', memif_device(laboratory, 'server')),
               lab.address_record(0, '203.0.113.1/24'))
    Telemetry(laboratory.tag).close()
    stop_clean(process, link)


def confined_with_huge_pages(laboratory):
    if not laboratory.huge_pages(160):  # it takes 56; tables of what runs beside it take some
        print('skipped: no huge pages to be had')
        return
    lives_on(laboratory, huge=1)


def drivers_of_kernel_interfaces_twice(laboratory):
    """AF_PACKET and AF_XDP: traffic, a clean stop, and again on the same interface."""
    one, other = laboratory.namespace('a'), laboratory.namespace('b')
    laboratory.veth(one, 'v0', other, 'v1')
    give_addresses(laboratory, one, 'v0', '198.51.100.2/24')
    for number, driver in enumerate(('net_af_xdp0', 'net_af_packet0', 'net_af_xdp0')):
        process, link = laboratory.dataplane(other, name=f'dp{number}')
        link.start(lab.dataplane_record(f'{laboratory.tag}{number}', lab.cores(1)), lab.port_record('veth', f'{driver},iface=v1'),
                   lab.address_record(0, '198.51.100.1/24'))
        check_confined(process.pid, ['eal-intr-thread'])
        usable(laboratory, one, '198.51.100.1')
        ping(laboratory, one, '198.51.100.1', count=200)
        stop_clean(process, link)


def root_without_capabilities(laboratory):
    """What `user: root` asks for: no id changes, and nothing else stays."""
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace)
    link.start(lab.dataplane_record(laboratory.tag, lab.cores(1), user=0), lab.port_record('tap', 'net_tap0,iface=sluice0'),
               lab.address_record(0, '198.51.100.1/24'))
    for thread, status in threads(process.pid):
        assert status['Uid'].split() == ['0'] * 4 and status['Seccomp'] == '2' and status['CapBnd'] == '0' * 16, (thread, status)
        assert int(status['CapPrm'], 16) & ~LOCK_MEMORY == 0 and (thread == process.pid or int(status['CapPrm'], 16) == 0), (thread, status)
    stop_clean(process, link)


TESTS = [confined_without_huge_pages, confined_with_huge_pages, drivers_of_kernel_interfaces_twice, root_without_capabilities]

if __name__ == '__main__':
    lab.need('ping')
    lab.main(TESTS)
