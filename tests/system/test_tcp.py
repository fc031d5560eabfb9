# SPDX-License-Identifier: Apache-2.0
"""Our TCP against the kernel's, through tcp-service on real ports: TAP, and AF_PACKET on a veth.

Sizes grow with SLUICE_TCP_SCALE (1 in ./check; the soak takes 100 and more).
"""
import os
import re
import sys
import time

import lab

SCALE = int(os.environ.get('SLUICE_TCP_SCALE', '1'))
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tcp_peer.py')
V4, V6 = '192.0.2.1', '2001:db8::1'
KERNEL_V4, KERNEL_V6 = '192.0.2.2', '2001:db8::2'
MB = 1 << 20


def service(laboratory, namespace, device, *arguments):
    command = [os.path.join(lab.BUILD, 'tests/tcp-service'), '--device', device, '--address', f'{V4}/24', '--address', f'{V6}/64', *arguments]
    process = laboratory.spawn(namespace, *command, stdout=lab.subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    return process


def end_clean(laboratory, process):
    """Ends the service; returns its counters."""
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and output.endswith('clean\n'), output
    return {name: int(value) for name, value in re.findall(r'^(\w+) (\d+)$', output, re.M)}


def peer(laboratory, namespace, *arguments, timeout=240):
    laboratory.inside(namespace, sys.executable, PEER, *map(str, arguments), timeout=timeout)


def give_addresses(laboratory, namespace, device):
    laboratory.inside(namespace, 'sysctl', '-qw', f'net.ipv6.conf.{device}.accept_dad=0', check=False)
    for address in (f'{KERNEL_V4}/24', f'{KERNEL_V6}/64'):
        extra = ['nodad'] if ':' in address else []
        laboratory.inside(namespace, 'ip', 'addr', 'add', address, 'dev', device, *extra)
    laboratory.inside(namespace, 'ip', 'link', 'set', device, 'up')


def wait_until_usable(laboratory, namespace):
    for address in (V4, V6):
        deadline = time.monotonic() + 15
        while laboratory.inside(namespace, 'ping', '-c', '1', '-W', '1', address, check=False).returncode != 0:
            assert time.monotonic() < deadline, address


def on_tap(laboratory, *arguments):
    namespace = laboratory.namespace('a')
    # DPDK 22.11's TAP driver can't do what it offers: it refuses to cut full-sized segments (it counts the Ethernet
    # header into the MTU), and its checksum of a chain is wrong when a piece has an odd length. Net does both.
    process = service(laboratory, namespace, 'net_tap0,iface=sluice0', '--without', '6', *arguments)
    give_addresses(laboratory, namespace, 'sluice0')
    wait_until_usable(laboratory, namespace)
    return namespace, process


def on_veth(laboratory, *arguments):
    """Returns the kernel peer's namespace and the service, which has the other end of a veth pair."""
    ours, theirs = laboratory.namespace('s'), laboratory.namespace('p')
    laboratory.veth(theirs, 'peer0', ours, 'slveth0')
    process = service(laboratory, ours, 'net_af_packet0,iface=slveth0', *arguments)
    give_addresses(laboratory, theirs, 'peer0')
    wait_until_usable(laboratory, theirs)
    return theirs, process


def transfers(laboratory, namespace):
    for address in (V4, V6):
        for size in (0, 1, 1448, 65536, 3 * MB * SCALE):
            peer(laboratory, namespace, 'echo', address, 7, size)
    peer(laboratory, namespace, 'echo', V4, 7, 200000, 20)
    peer(laboratory, namespace, 'chargen', V6, 19, 2 * MB * SCALE)


def test_tap(laboratory):
    namespace, process = on_tap(laboratory)
    transfers(laboratory, namespace)
    counters = end_clean(laboratory, process)
    assert counters['tcp_accepted'] >= 31, counters


def test_veth(laboratory):
    namespace, process = on_veth(laboratory)
    transfers(laboratory, namespace)
    end_clean(laboratory, process)


def test_relay(laboratory):
    """Active opens: the kernel on both sides of us, bytes handed on by reference."""
    namespace, process = on_tap(laboratory, '--relay', f'1000={KERNEL_V4},2000', '--relay', f'1001={KERNEL_V6},2001')
    for mode in ('push', 'pull'):
        for size in (1, 70000, 3 * MB * SCALE):
            peer(laboratory, namespace, mode, V4, 1000, size, KERNEL_V4, 2000)
            peer(laboratory, namespace, mode, V6, 1001, size, KERNEL_V6, 2001)
    counters = end_clean(laboratory, process)
    assert counters['tcp_connect'] == 12 and counters.get('tcp_retransmitted', 0) < 100, counters


def test_refused(laboratory):
    """Nobody listens behind the relay: the client is reset, nothing stays."""
    namespace, process = on_tap(laboratory, '--relay', f'1000={KERNEL_V4},2000')
    result = laboratory.inside(namespace, sys.executable, PEER, 'echo', V4, '1000', '1000', check=False)
    assert result.returncode != 0 and 'ConnectionReset' in result.stderr, result.stderr
    counters = end_clean(laboratory, process)
    assert counters['tcp_connect_refused'] == 1, counters


def test_peer_without(laboratory):
    """A kernel without SACK, timestamps, window scaling, one at a time and all together; small segments and windows."""
    namespace, process = on_tap(laboratory)
    switches = ('tcp_sack', 'tcp_timestamps', 'tcp_window_scaling')
    for off in ((switches[0],), (switches[1],), (switches[2],), switches):
        for switch in switches:
            laboratory.inside(namespace, 'sysctl', '-qw', f'net.ipv4.{switch}={int(switch not in off)}')
        peer(laboratory, namespace, 'echo', V4, 7, 300000 * SCALE)
        peer(laboratory, namespace, 'echo', V6, 7, 100000)
    for switch in switches:
        laboratory.inside(namespace, 'sysctl', '-qw', f'net.ipv4.{switch}=1')
    peer(laboratory, namespace, 'echo', V4, 7, 50000, 1, 100)
    peer(laboratory, namespace, 'echo', V4, 7, 300000 * SCALE, 1, 536)
    peer(laboratory, namespace, 'echo', V4, 7, 100000, 1, 0, 2304)
    end_clean(laboratory, process)


def test_many(laboratory):
    """Storms of short connections, many at once, peers that vanish in the middle."""
    namespace, process = on_tap(laboratory)
    peer(laboratory, namespace, 'storm', V4, 13, 500 * SCALE)
    peer(laboratory, namespace, 'crowd', V4, 7, min(2000 * SCALE, 10000))
    peer(laboratory, namespace, 'killed', V4, 7, 50)
    peer(laboratory, namespace, 'echo', V4, 7, 100000)
    counters = end_clean(laboratory, process)
    assert counters['tcp_reset_received'] >= 1, counters


lab.main([test_tap, test_veth, test_relay, test_refused, test_peer_without, test_many])
