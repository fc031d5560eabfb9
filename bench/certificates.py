#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long until many certificates serve, from nothing: sluice-control reads and checks them, starts a dataplane (without
huge pages, on a TAP), hands it every key and certificate over the control link, and a client's handshake with the last
name succeeds.

    bench/certificates.py [--rsa] [--runs N] [--json FILE|-] [COUNT]      needs root; COUNT is 50,000
"""
import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests/system'))
import lab  # noqa: E402
from test_ping import give_addresses  # noqa: E402

ADDRESS = '198.51.100.1'
LIMIT_S = 300


def write_config(laboratory, certificates):
    path = f'{laboratory.folder}/sluice.yaml'
    with open(path, 'w', encoding='ascii') as f:
        f.write(f'''
dataplane:
  name: {laboratory.tag}
  workers: [{lab.cores(1)[0]}]
  memory: 64M
  huge-pages: never
  socket: {laboratory.folder}/dataplane.sock
  program: {lab.DATAPLANE}
  ports: [{{name: tap, device: "net_tap0,iface=sluice0", addresses: [{ADDRESS}/24]}}]
certificates: [{certificates}]
backends: {{web: {{servers: ["198.51.100.20:80"]}}}}
listeners: [{{name: https, address: "{ADDRESS}:443", protocol: tls, backend: web, reject-unknown-sni: on}}]
control: {{socket: {laboratory.folder}/control.sock, state-directory: {laboratory.folder}}}
''')
    return path


def has_address(laboratory, namespace):
    return ' 198.51.100.2/' in laboratory.inside(namespace, 'ip', 'addr', 'show', 'dev', 'sluice0', check=False).stdout


def serves(laboratory, namespace, number):
    """Whether a handshake for the certificate's second name succeeds and gets that certificate."""
    answer = laboratory.inside(namespace, 'timeout', '2', 'openssl', 's_client', '-connect', f'{ADDRESS}:443', '-servername',
                               f'www{number}.example.org', check=False).stdout
    return f'CN = host{number}.example.org' in answer and 'TLSv1.3, Cipher is' in answer


def wait_until_served(laboratory, namespace, number, start):
    while time.monotonic() < start + LIMIT_S:
        if not has_address(laboratory, namespace):
            with contextlib.suppress(RuntimeError):  # the TAP is there when the dataplane's ports are open
                give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24')
        elif serves(laboratory, namespace, number):
            return time.monotonic() - start
        time.sleep(0.02)
    raise TimeoutError(f'certificate {number} is not served after {LIMIT_S} s')


def run_once(folder, count):
    laboratory = lab.Lab()
    try:
        namespace = laboratory.namespace('c')
        config = write_config(laboratory, folder)
        with open(f'{laboratory.folder}/log', 'w', encoding='ascii') as log:
            start = time.monotonic()
            control = laboratory.spawn(namespace, os.path.join(lab.BUILD, 'control/sluice-control'), '-c', config, stderr=log)
            took = wait_until_served(laboratory, namespace, count, start)
        laboratory.end(control)
        return took
    except Exception:
        with open(f'{laboratory.folder}/log', encoding='ascii') as log:
            print(log.read()[-2000:], file=sys.stderr)
        raise
    finally:
        laboratory.close()


def commit():
    return subprocess.run(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, check=False).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('count', nargs='?', type=int, default=50000)
    parser.add_argument('--rsa', action='store_true', help='RSA-2048 instead of ECDSA P-256')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--json', metavar='FILE', help='rows for programs; - is standard output')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix='sluice-certificates-') as folder:
        subprocess.run([os.path.join(lab.BUILD, 'bench/bench-control-certificates'), *(['--rsa'] if options.rsa else []), '--make', folder,
                        str(options.count)], check=True)
        took = sorted(run_once(folder, options.count) for _ in range(options.runs))
    row = {'name': f'certificates_{options.count}_seconds', 'value': round(statistics.median(took), 3), 'unit': 's', 'n': len(took),
           'low': round(took[0], 3), 'high': round(took[-1], 3), 'reference': None, 'reference_value': None, 'ratio': None, 'limit': None}
    print(f"{options.count} {'RSA-2048' if options.rsa else 'ECDSA P-256'} certificates serve after: median {row['value']} s, {row['low']} to {row['high']} s "
          f"of {row['n']}", file=sys.stderr if options.json == '-' else sys.stdout)
    if options.json:
        document = json.dumps({'machine': {'host': platform.machine(), 'cores': os.cpu_count()}, 'commit': commit(), 'rows': [row]})
        if options.json == '-':
            print(document)
        else:
            with open(options.json, 'w', encoding='ascii') as f:
                f.write(document + '\n')


if __name__ == '__main__':
    main()
