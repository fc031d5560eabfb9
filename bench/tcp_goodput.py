#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goodput of our TCP against Linux's CUBIC, over the same seeded wire between two TAPs (tests/lossy_wire.c).

    bench/tcp_goodput.py [--json] [--runs 5] [--loss PPM ...] [--megabytes N]

    Linux receives  === TAP === 100 Mbit/s, 20 ms round trip, loss both ways === TAP ===  Linux or Sluice sends

Runs are interleaved, both senders of one run meet the wire of the same seed. A figure is the megabits per second from
SYN to last byte, the median of the runs. Needs root, and a build (SLUICE_BUILD, default build).
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tests/system'))
import lab  # noqa: E402

PEER = os.path.join(lab.ROOT, 'tests/system/tcp_peer.py')
SENDER, RECEIVER = '192.0.2.1', '192.0.2.2'
RATE_MBIT, ONE_WAY_US, QUEUE_BYTES = 100, 10000, 250000
MEGABYTES = {1000: 25, 10000: 8}


def piped(laboratory, namespace, *command):
    process = laboratory.spawn(namespace, *command, stdout=lab.subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n', command
    return process


def megabits(sender, loss, seed, n_bytes):
    """One transfer over a wire of its own."""
    laboratory = lab.Lab()
    try:
        ours, theirs = laboratory.namespace('s'), laboratory.namespace('p')
        piped(laboratory, None, os.path.join(lab.BUILD, 'tests/lossy-wire'), '--left', f'{theirs},peer0', '--right', f'{ours},slwire0', '--seed', str(seed), '--loss', str(loss),
              '--delay-us', str(ONE_WAY_US), '--rate-mbit', str(RATE_MBIT), '--queue-bytes', str(QUEUE_BYTES))
        for namespace, device in ((ours, 'slwire0'), (theirs, 'peer0')):
            laboratory.inside(namespace, 'ip', 'link', 'set', device, 'up')
        laboratory.inside(theirs, 'ip', 'addr', 'add', f'{RECEIVER}/24', 'dev', 'peer0')
        if sender == 'linux':
            laboratory.inside(ours, 'ip', 'addr', 'add', f'{SENDER}/24', 'dev', 'slwire0')
            piped(laboratory, ours, sys.executable, PEER, 'serve', SENDER, '19', 'cubic')
        else:
            piped(laboratory, ours, os.path.join(lab.BUILD, 'tests/tcp-service'), '--device', 'net_af_packet0,iface=slwire0', '--address', f'{SENDER}/24')
        # The neighbours learn to know each other, whatever is lost.
        while laboratory.inside(theirs, 'ping', '-c', '1', '-W', '1', SENDER, check=False).returncode != 0:
            pass
        seconds = float(laboratory.inside(theirs, sys.executable, PEER, 'drain', SENDER, '19', str(n_bytes), timeout=300).stdout)
        return n_bytes * 8 / seconds / 1e6
    finally:
        laboratory.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--loss', type=int, nargs='*', default=[1000, 10000], metavar='PPM')
    parser.add_argument('--megabytes', type=int, help='of one transfer')
    options = parser.parse_args()
    rows = []
    for loss in options.loss:
        figures = {'sluice': [], 'linux': []}
        n_bytes = (options.megabytes or MEGABYTES.get(loss, 8)) * 1000000
        for run in range(options.runs):
            for sender in ('sluice', 'linux') if run % 2 == 0 else ('linux', 'sluice'):
                figures[sender].append(megabits(sender, loss, run + 1, n_bytes))
                if not options.json:
                    print(f'loss {loss / 1e4:g} % run {run + 1} {sender}: {figures[sender][-1]:.1f} Mbit/s', flush=True)
        value, reference = (statistics.median(figures[sender]) for sender in ('sluice', 'linux'))
        rows.append({'name': f'tcp_goodput_loss_{loss}ppm', 'value': value, 'unit': 'Mbit/s', 'n': options.runs, 'low': min(figures['sluice']), 'high': max(figures['sluice']),
                     'reference': f'Linux {os.uname().release} CUBIC', 'reference_value': reference, 'ratio': value / reference})
        if not options.json:
            print(f'loss {loss / 1e4:g} %: {value:.1f} Mbit/s, Linux {reference:.1f}, ratio {value / reference:.2f}', flush=True)
    if options.json:
        commit = lab.run('git', '-C', lab.ROOT, 'rev-parse', 'HEAD', check=False).stdout.strip()
        with open('/proc/cpuinfo', encoding='ascii') as lines:
            cpu = next((line.split(':')[1].strip() for line in lines if line.startswith('model name')), '')
        machine = {'cpu': cpu, 'system': ' '.join((os.uname().sysname, os.uname().release))}
        json.dump({'machine': machine, 'commit': commit, 'rows': rows}, sys.stdout, indent=2)
        print()


main()
