# SPDX-License-Identifier: Apache-2.0
"""Our TCP against the kernel's, through tcp-service on real ports: TAP, AF_PACKET on a veth, and a wire that loses.

Sizes and counts grow with SLUICE_TCP_SCALE: 1 in ./check, 10 in `./soak system`, 350 (a gigabyte) in `./soak tcp`.
"""
import os
import re
import signal
import sys
import time

import lab

SCALE = int(os.environ.get('SLUICE_TCP_SCALE', '1'))
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tcp_peer.py')
V4, V6 = '192.0.2.1', '2001:db8::1'
KERNEL_V4, KERNEL_V6 = '192.0.2.2', '2001:db8::2'
MB = 1 << 20
FULL = SCALE >= 100
# Loss and reordering of each direction, in millionths.
HARM = ((0, 0), (1000, 0), (0, 50000), (10000, 20000), (50000, 20000)) if FULL else ((10000, 20000),)
SWITCHES = ('tcp_sack', 'tcp_timestamps', 'tcp_window_scaling')


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


def on_wire(laboratory, *arguments, loss=0, reorder=0, delay_us=500, seed=1):
    """The kernel's namespace, the service, and the wire of tests/lossy_wire.c between them."""
    ours, theirs = laboratory.namespace('s'), laboratory.namespace('p')
    wire = laboratory.spawn(None, os.path.join(lab.BUILD, 'tests/lossy-wire'), '--left', f'{theirs},peer0', '--right', f'{ours},slwire0', '--seed', str(seed),
                            '--loss', str(loss), '--reorder', str(reorder), '--duplicate', str(reorder // 10), '--delay-us', str(delay_us), stdout=lab.subprocess.PIPE, text=True)
    assert wire.stdout.readline() == 'ready\n'
    laboratory.inside(ours, 'ip', 'link', 'set', 'slwire0', 'up')
    process = service(laboratory, ours, 'net_af_packet0,iface=slwire0', *arguments)
    give_addresses(laboratory, theirs, 'peer0')
    wait_until_usable(laboratory, theirs)
    return theirs, process, wire


def wire_harm(wire):
    """Ends the wire; returns what it did, both directions together."""
    wire.terminate()
    output, _ = wire.communicate(timeout=20)
    totals = {}
    for name, value in re.findall(r'(\w+) (\d+)', output):
        totals[name] = totals.get(name, 0) + int(value)
    return totals


def switch(laboratory, namespace, off):
    for name in SWITCHES:
        laboratory.inside(namespace, 'sysctl', '-qw', f'net.ipv4.{name}={int(name not in off)}')


def transfers(laboratory, namespace):
    for address in (V4, V6):
        for size in (0, 1, 1448, 65536, 3 * MB * SCALE):
            peer(laboratory, namespace, 'echo', address, 7, size, timeout=900)
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
    for off in ((SWITCHES[0],), (SWITCHES[1],), (SWITCHES[2],), SWITCHES):
        switch(laboratory, namespace, off)
        peer(laboratory, namespace, 'echo', V4, 7, 300000 * SCALE)
        peer(laboratory, namespace, 'echo', V6, 7, 100000)
    switch(laboratory, namespace, ())
    peer(laboratory, namespace, 'echo', V4, 7, 50000, 1, 100)
    peer(laboratory, namespace, 'echo', V4, 7, 300000 * SCALE, 1, 536)
    peer(laboratory, namespace, 'echo', V4, 7, 100000, 1, 0, 2304)
    end_clean(laboratory, process)


def test_lossy(laboratory):
    """Loss, reordering and duplicates, passive and active opens; in the long form also peers that lack an option."""
    for seed, (loss, reorder) in enumerate(HARM, 1):
        namespace, process, wire = on_wire(laboratory, '--relay', f'1000={KERNEL_V4},2000', '--relay', f'1001={KERNEL_V6},2001', loss=loss, reorder=reorder, seed=seed)
        large = 3 * MB * SCALE if loss < 50000 else MB * min(SCALE, 30)
        peer(laboratory, namespace, 'echo', V4, 7, large if FULL else 700000, timeout=1800)
        peer(laboratory, namespace, 'echo', V6, 7, 1448 * 20, 4 if FULL else 2)
        for mode in ('push', 'pull'):
            peer(laboratory, namespace, mode, V4, 1000, 200000 * min(SCALE, 100), KERNEL_V4, 2000, timeout=900)
            peer(laboratory, namespace, mode, V6, 1001, 1, KERNEL_V6, 2001)
        for off in ((SWITCHES[0],), (SWITCHES[1],), (SWITCHES[2],), SWITCHES) if FULL else (SWITCHES[:1],):
            switch(laboratory, namespace, off)
            peer(laboratory, namespace, 'echo', V4, 7, 100000 * min(SCALE, 100), timeout=900)
        counters, harm = end_clean(laboratory, process), wire_harm(wire)
        # Every lost data segment was repaired by somebody, and ours were among them.
        assert loss == 0 or (harm['lost'] > 10 and counters['tcp_retransmitted'] > 5), (harm, counters)
        assert reorder == 0 or (harm['reordered'] > 10 and counters['tcp_out_of_order'] > 5), (harm, counters)


def test_vanished(laboratory):
    """The wire is cut: for a moment, which a transfer survives, and for so long that the user timeout ends who is waited for."""
    namespace, process, wire = on_wire(laboratory, '--user-timeout', '1500')
    survivor = laboratory.spawn(namespace, sys.executable, PEER, 'echo', V4, '7', str(2 * MB))
    victims = [laboratory.spawn(namespace, sys.executable, PEER, 'drain', V4, '19', str(1 << 40)) for _ in range(4)]
    time.sleep(0.5)
    wire.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    wire.send_signal(signal.SIGCONT)
    assert survivor.wait(60) == 0
    wire.send_signal(signal.SIGSTOP)
    for victim in victims:
        victim.kill()
        victim.wait()
    time.sleep(2.5)
    wire.send_signal(signal.SIGCONT)
    peer(laboratory, namespace, 'echo', V4, 7, 100000)
    counters = end_clean(laboratory, process)
    assert counters['tcp_timed_out'] == 4, counters


def test_many(laboratory):
    """Storms of short connections, many at once, peers that vanish in the middle."""
    namespace, process = on_tap(laboratory)
    peer(laboratory, namespace, 'storm', V4, 13, 500 * SCALE)
    peer(laboratory, namespace, 'crowd', V4, 7, min(2000 * SCALE, 10000))
    peer(laboratory, namespace, 'killed', V4, 7, 50)
    peer(laboratory, namespace, 'echo', V4, 7, 100000)
    counters = end_clean(laboratory, process)
    assert counters['tcp_reset_received'] >= 1, counters


lab.main([test_tap, test_veth, test_relay, test_refused, test_peer_without, test_many, test_lossy, test_vanished])
