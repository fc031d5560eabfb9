# SPDX-License-Identifier: Apache-2.0
"""The dataplane against the kernel's own IP stack: echo over each kind of port, IPv4 and IPv6, without loss."""
import os
import re
import struct
import time

import lab
from memif_peer import MemifPeer

COUNT = int(os.environ.get('SLUICE_PINGS', '10000'))


def ping(laboratory, namespace, address, count=COUNT, size=56):
    flags = ['-6'] if ':' in address else ['-4']
    result = laboratory.inside(namespace, 'ping', *flags, '-f', '-q', '-c', str(count), '-s', str(size), '-W', '2', address, check=False)
    match = re.search(r'(\d+) packets transmitted, (\d+) received', result.stdout)
    assert match, result.stdout + result.stderr
    assert match.group(1) == match.group(2) == str(count), result.stdout
    return result.stdout


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'waited {seconds} s for {what}'
        time.sleep(0.02)


def wait_for_device(laboratory, namespace, name):
    wait_for(lambda: laboratory.inside(namespace, 'ip', 'link', 'show', name, check=False).returncode == 0, name)


def give_addresses(laboratory, namespace, device, *addresses):
    laboratory.inside(namespace, 'sysctl', '-qw', f'net.ipv6.conf.{device}.accept_dad=0', check=False)
    for address in addresses:
        extra = ['nodad'] if ':' in address else []
        laboratory.inside(namespace, 'ip', 'addr', 'add', address, 'dev', device, *extra)
    laboratory.inside(namespace, 'ip', 'link', 'set', device, 'up')


def check_counters(page, n_workers=1):
    total = lab.CounterPage(page).total()
    assert total['worker_turns'] > 0 and total['net_rx_packets'] > 0 and total['net_tx_packets'] > 0
    return total


def stop_clean(process, link):
    assert link.stop() == 0, 'packet buffers leaked'
    status = process.wait(15)
    assert status == 0, status


def usable(laboratory, namespace, address):
    """IPv6 addresses answer once duplicate address detection has passed."""
    wait_for(lambda: laboratory.inside(namespace, 'ping', '-c', '1', '-W', '1', address, check=False).returncode == 0, f'{address} to answer')


def tap(laboratory, workers=1, memory=64 << 20, huge=0, poll=0):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace)
    cores = (lab.cores(workers) * workers)[:workers]
    page = link.start(lab.dataplane_record(laboratory.tag, cores, memory=memory, huge=huge, poll=poll),
                      lab.port_record('tap', 'net_tap0,iface=sluice0'),
                      lab.address_record(0, '198.51.100.1/24'), lab.address_record(0, '2001:db8:1::1/64'))
    wait_for_device(laboratory, namespace, 'sluice0')
    give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24', '2001:db8:1::2/64')
    usable(laboratory, namespace, '2001:db8:1::1')
    return namespace, process, link, page


def tap_both_families(laboratory):
    namespace, process, link, page = tap(laboratory)
    ping(laboratory, namespace, '198.51.100.1')
    ping(laboratory, namespace, '2001:db8:1::1')
    for size in (0, 1, 17, 1400, 1472):
        ping(laboratory, namespace, '198.51.100.1', count=50, size=size)
    ping(laboratory, namespace, '2001:db8:1::1', count=50, size=1452)
    check_counters(page)
    stop_clean(process, link)


def tap_with_huge_pages(laboratory):
    if not laboratory.huge_pages(180):  # tables of what runs beside it take some
        print('skipped: no huge pages to be had')
        return
    namespace, process, link, _ = tap(laboratory, huge=1)
    ping(laboratory, namespace, '198.51.100.1', count=1000)
    stop_clean(process, link)


def tap_busy_poll(laboratory):
    namespace, process, link, page = tap(laboratory, poll=1)
    ping(laboratory, namespace, '198.51.100.1', count=1000)
    assert check_counters(page)['worker_sleeps'] == 0
    stop_clean(process, link)


def several_workers_share_one_queue(laboratory):
    if len(lab.cores(2)) < 2:
        print('skipped: one core')
        return
    namespace, process, link, page = tap(laboratory, workers=2)
    ping(laboratory, namespace, '198.51.100.1')
    ping(laboratory, namespace, '2001:db8:1::1')
    pages = lab.CounterPage(page)
    assert all(pages.worker(idx)['worker_turns'] > 0 for idx in range(2))
    stop_clean(process, link)


def veth_pair(laboratory, device, vlan=0, records=()):
    """A kernel peer on one end of a veth, the dataplane on the other."""
    one, other = laboratory.namespace('a'), laboratory.namespace('b')
    laboratory.veth(one, 'v0', other, 'v1')
    process, link = laboratory.dataplane(other)
    page = link.start(lab.dataplane_record(laboratory.tag, lab.cores(1)), lab.port_record('veth', device, vlan=vlan),
                      lab.address_record(0, '198.51.100.1/24'), lab.address_record(0, '2001:db8:1::1/64'), *records)
    if vlan:
        laboratory.tag_frames(one, 'v0', vlan)
    give_addresses(laboratory, one, 'v0', '198.51.100.2/24', '2001:db8:1::2/64')
    usable(laboratory, one, '2001:db8:1::1')
    return one, other, process, link, page


def veth_af_packet(laboratory):
    one, _, process, link, page = veth_pair(laboratory, 'net_af_packet0,iface=v1')
    ping(laboratory, one, '198.51.100.1')
    ping(laboratory, one, '2001:db8:1::1')
    check_counters(page)
    stop_clean(process, link)


def snooping_bridge(laboratory, version):
    """The kernel's bridge asks in MLD, as a switch's querier does, and then sends groups to those only who answered."""
    switch, ours = laboratory.namespace('s'), laboratory.namespace('b')
    laboratory.veth(switch, 'port', ours, 'v1')
    for line in (f'link add br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_interval 100 mcast_startup_query_interval 100 mcast_query_response_interval 50 mcast_mld_version {version}',
                 'link set port master br0', 'addr add 2001:db8:1::2/64 dev br0 nodad', 'link set br0 up'):
        laboratory.inside(switch, 'ip', *line.split())
    process, link = laboratory.dataplane(ours)
    page = link.start(lab.dataplane_record(laboratory.tag, lab.cores(1)), lab.port_record('veth', 'net_af_packet0,iface=v1'),
                      lab.address_record(0, '2001:db8:1::1/64'), lab.address_record(0, '2001:db8:1::abcd:ef01/64'))

    def groups():
        return laboratory.inside(switch, 'bridge', 'mdb', 'show', 'dev', 'br0').stdout
    wait_for(lambda: 'port port grp ff02::1:ff00:1 ' in groups() and 'port port grp ff02::1:ffcd:ef01 ' in groups(), 'both groups', 20)
    wait_for(lambda: lab.CounterPage(page).total()['net_mld_queries'] > 0, 'a query of the bridge', 20)
    usable(laboratory, switch, '2001:db8:1::abcd:ef01')
    stop_clean(process, link)


def a_snooping_bridge_knows_our_groups(laboratory):
    snooping_bridge(laboratory, 2)


def a_snooping_bridge_of_version_1_too(laboratory):
    snooping_bridge(laboratory, 1)


def veth_af_xdp(laboratory):
    one, _, process, link, page = veth_pair(laboratory, 'net_af_xdp0,iface=v1')
    ping(laboratory, one, '198.51.100.1')
    ping(laboratory, one, '2001:db8:1::1')
    check_counters(page)
    stop_clean(process, link)


def veth_vlan(laboratory):
    one, _, process, link, page = veth_pair(laboratory, 'net_af_packet0,iface=v1', vlan=7)
    ping(laboratory, one, '198.51.100.1')
    ping(laboratory, one, '2001:db8:1::1')
    laboratory.inside(one, 'tc', 'filter', 'del', 'dev', 'v0', 'egress')
    before = lab.CounterPage(page).total()['net_drop_vlan']
    untagged = laboratory.inside(one, 'ping', '-c', '2', '-W', '1', '198.51.100.1', check=False)
    assert ' 0 received' in untagged.stdout, untagged.stdout
    assert lab.CounterPage(page).total()['net_drop_vlan'] > before
    check_counters(page)
    stop_clean(process, link)


def several_addresses_and_a_gateway(laboratory):
    """The peer is in another network, behind a gateway: the kernel's namespace in between routes."""
    one, other, process, link, _ = veth_pair(laboratory, 'net_af_packet0,iface=v1', records=[
        lab.address_record(0, '198.51.100.9/24'), lab.address_record(0, '203.0.113.1/32'),
        lab.route_record(0, '0.0.0.0/0', '198.51.100.2'), lab.route_record(0, '::/0', '2001:db8:1::2')])
    far = laboratory.namespace('c')
    laboratory.veth(one, 'w0', far, 'w1')
    give_addresses(laboratory, one, 'w0', '192.0.2.1/24', '2001:db8:2::1/64')
    give_addresses(laboratory, far, 'w1', '192.0.2.2/24', '2001:db8:2::2/64')
    for knob in ('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'):
        laboratory.inside(one, 'sysctl', '-qw', knob)
    laboratory.inside(one, 'ip', 'route', 'add', '203.0.113.1/32', 'dev', 'v0')
    laboratory.inside(far, 'ip', 'route', 'add', 'default', 'via', '192.0.2.1')
    laboratory.inside(far, 'ip', '-6', 'route', 'add', 'default', 'via', '2001:db8:2::1')
    for address in ('198.51.100.1', '198.51.100.9', '203.0.113.1'):
        usable(laboratory, far, address)
        ping(laboratory, far, address, count=500)
    usable(laboratory, far, '2001:db8:1::1')
    ping(laboratory, far, '2001:db8:1::1', count=500)
    stop_clean(process, link)


def neighbor_gone_and_back(laboratory):
    """The peer's link address changes under the dataplane: it must be learnt anew, without a restart."""
    one, _, process, link, _ = veth_pair(laboratory, 'net_af_packet0,iface=v1')
    ping(laboratory, one, '198.51.100.1', count=100)
    laboratory.inside(one, 'ip', 'link', 'set', 'v0', 'down')
    laboratory.inside(one, 'ip', 'link', 'set', 'v0', 'address', '02:00:00:00:00:77')
    laboratory.inside(one, 'ip', 'link', 'set', 'v0', 'up')
    laboratory.inside(one, 'ip', 'addr', 'add', '2001:db8:1::2/64', 'dev', 'v0', 'nodad', check=False)
    usable(laboratory, one, '198.51.100.1')
    usable(laboratory, one, '2001:db8:1::1')
    ping(laboratory, one, '198.51.100.1', count=1000)
    ping(laboratory, one, '2001:db8:1::1', count=1000)
    stop_clean(process, link)


def address_conflict_is_reported(laboratory):
    one, _, process, link, _ = veth_pair(laboratory, 'net_af_packet0,iface=v1')
    laboratory.inside(one, 'arping', '-U', '-c', '3', '-I', 'v0', '-s', '198.51.100.1', '198.51.100.1', check=False)
    laboratory.inside(one, 'ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'v0')
    laboratory.inside(one, 'arping', '-U', '-c', '3', '-I', 'v0', '198.51.100.1', check=False)
    deadline = time.monotonic() + 10
    kinds = []
    while 0 not in kinds and time.monotonic() < deadline:
        kind, _, body, _ = link.receive()
        if kind == lab.EVENT:
            kinds.append(struct.unpack_from('=QHHI', body)[1])
    assert 0 in kinds, kinds  # LOG_EVENT_NEIGHBOR_CONFLICT
    stop_clean(process, link)


def memif_device(laboratory, role):
    return f'net_memif0,role={role},id=0,socket={laboratory.folder}/memif.sock,socket-abstract=no'


def two_dataplanes_over_memif(laboratory):
    """They see each other: both claim one address, each notices. (Echo over memif is the next test's and bench-net's.)"""
    links = []
    for number, role in enumerate(('server', 'client')):
        namespace = laboratory.namespace('ab'[number])
        process, link = laboratory.dataplane(namespace, name=role)
        page = link.start(lab.dataplane_record(f'{laboratory.tag}{role}', lab.cores(2)[-1:] if number else lab.cores(1)),
                          lab.port_record('memif', memif_device(laboratory, role)),
                          lab.address_record(0, '198.51.100.1/24'), lab.address_record(0, f'198.51.100.{number + 2}/24'))
        links.append((process, link, lab.CounterPage(page)))
    wait_for(lambda: all(page.total()['net_rx_packets'] > 0 for _, _, page in links), 'frames in both directions')
    for process, link, _ in links:
        stop_clean(process, link)


def memif_peer_vanishes_in_mid_burst(laboratory):
    """Again and again a peer offers a full ring and is gone while it is being copied; the driver then unmaps its memory."""
    process, link = laboratory.dataplane(laboratory.namespace('a'))
    page = lab.CounterPage(link.start(lab.dataplane_record(laboratory.tag, lab.cores(1), poll=1),
                                      lab.port_record('memif', memif_device(laboratory, 'server')), lab.address_record(0, '198.51.100.1/24')))
    # On the worker's core the driver's thread preempts the worker wherever it just is, as often inside a burst as not.
    for thread in os.listdir(f'/proc/{process.pid}/task'):
        with open(f'/proc/{process.pid}/task/{thread}/comm', encoding='ascii') as name:
            if name.read().strip() == 'eal-intr-thread':
                os.sched_setaffinity(int(thread), lab.cores(1))
    for _ in range(max(20, COUNT // 500)):
        peer = MemifPeer(f'{laboratory.folder}/memif.sock')
        peer.fill(b'\xff' * 1500)
        peer.close()
    wait_for(lambda: page.total()['net_rx_packets'] > 0, 'frames')
    stop_clean(process, link)


def memif_bridge(laboratory):
    """The kernel's ping, bridged by testpmd from a veth to memif: a peer of the dataplane's memif that is not ours."""
    one, other = laboratory.namespace('a'), laboratory.namespace('b')
    laboratory.veth(one, 'v0', other, 'v1')
    process, link = laboratory.dataplane(other)
    page = link.start(lab.dataplane_record(laboratory.tag, lab.cores(1)), lab.port_record('memif', memif_device(laboratory, 'server')),
                      lab.address_record(0, '198.51.100.1/24'), lab.address_record(0, '2001:db8:1::1/64'))
    with open(os.path.join(laboratory.folder, 'testpmd.log'), 'wb') as log:
        cores = lab.cores(2)
        bridge = laboratory.spawn(other, 'dpdk-testpmd', '--no-huge', '-m', '128', '--no-pci', '--no-telemetry', '--no-shconf',
                                  '--file-prefix', f'{laboratory.tag}bridge', '--lcores', f'0@{cores[-1]},1@{cores[-1]}',
                                  '--vdev', 'net_af_packet0,iface=v1', '--vdev', memif_device(laboratory, 'client'), '--',
                                  '--forward-mode=io', '--auto-start', '--total-num-mbufs=4096', '--no-flush-rx', '--stats-period=60',
                                  stdout=log, stderr=log)
        give_addresses(laboratory, one, 'v0', '198.51.100.2/24', '2001:db8:1::2/64')
        wait_for(lambda: laboratory.inside(one, 'ping', '-c', '1', '-W', '1', '198.51.100.1', check=False).returncode == 0,
                 'the bridge', 20)
        usable(laboratory, one, '2001:db8:1::1')
        ping(laboratory, one, '198.51.100.1', count=min(COUNT, 2000))
        ping(laboratory, one, '2001:db8:1::1', count=min(COUNT, 2000))
        laboratory.end(bridge)
    check_counters(page)
    stop_clean(process, link)


if __name__ == '__main__':
    lab.need('ping', 'arping', 'ethtool', 'dpdk-testpmd')
    lab.main([tap_both_families, tap_with_huge_pages, tap_busy_poll, several_workers_share_one_queue, veth_af_packet, veth_af_xdp,
              veth_vlan, several_addresses_and_a_gateway, neighbor_gone_and_back, address_conflict_is_reported,
              a_snooping_bridge_knows_our_groups, a_snooping_bridge_of_version_1_too, two_dataplanes_over_memif, memif_peer_vanishes_in_mid_burst, memif_bridge])
