#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./demo: Sluice in front of nginx, inside network namespaces of its own, used by curl and openssl.

    ./demo           shows everything, cleans up, exits 0 when all went well
    ./demo --stay    leaves it running and prints what to type; Enter ends it
    ./demo mail      the same for mail: demo_mail.py
"""
import hashlib
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'system'))
import lab  # noqa: E402  (the path above must be set first)
import service  # noqa: E402
import snapshot  # noqa: E402
from test_ping import give_addresses, usable, wait_for_device  # noqa: E402
from test_proxy import OWN, OWN6, PEER, PEER6, start_nginx  # noqa: E402

HUGE_PAGES = 160
LARGE_LEN = 200 << 20
SHORT_CONNECTIONS = 1000

CONFIGURATION = '''dataplane:
  name: {tag}
  workers: [{core}]
  memory: 192M
  huge-pages: {huge}
  socket: {folder}/dataplane.sock
  program: {build}/dataplane/sluice-dataplane
  ports:
    - {{name: tap, device: "net_tap0,iface=sluice0", addresses: [{own}/24, "{own6}/64"]}}
limits: {{connections: 8192}}
certificates:
  - {{chain: {folder}/ec.pem, key: {folder}/ec.key}}
  - {{chain: {folder}/rsa.pem, key: {folder}/rsa.key}}
backends:
  storage: {{servers: [{{address: "{peer}:8080"}}]}}
listeners:
  - {{name: https, address: ["{own}:443", "[{own6}]:443"], protocol: tls, alpn: [http/1.1], backend: storage}}
control: {{socket: {folder}/control.sock, metrics: "127.0.0.1:9435", state-directory: {folder}}}
'''


class Demo:
    def __init__(self):
        self.lab = lab.Lab()
        self.folder = self.lab.folder
        self.namespace = self.lab.namespace('demo')
        self.service = None
        self.failures = 0

    def start(self):
        huge = self.lab.huge_pages(HUGE_PAGES)
        core = lab.cores(2)[-1]
        for name, kind in (('ec', 'ec'), ('rsa', 'rsa')):
            snapshot.make_certificate(self.folder, name, kind, ('demo.test',))
        print(f'Sluice on CPU {core}, {"with" if huge else "without"} huge pages, on a TAP device; nginx behind it; clients beside it.')
        self.service = service.Service(self.lab, self.namespace, CONFIGURATION.format(
            tag=self.lab.tag, core=core, huge='prefer' if huge else 'never', folder=self.folder, build=lab.BUILD, own=OWN, own6=OWN6, peer=PEER))
        wait_for_device(self.lab, self.namespace, 'sluice0')
        give_addresses(self.lab, self.namespace, 'sluice0', f'{PEER}/24', f'{PEER6}/64')
        usable(self.lab, self.namespace, OWN6)
        start_nginx(self.lab, self.namespace)
        with open(f'{self.folder}/nginx/files/huge', 'wb') as f:
            block = os.urandom(1 << 20)
            for _ in range(LARGE_LEN >> 20):
                f.write(block)
        self.service.wait_until_published()

    def curl(self, *arguments, address=OWN):
        return self.lab.inside(self.namespace, 'curl', '-s', '-S', '-k', '--max-time', '100', '--resolve', f'demo.test:443:{address}', *arguments, check=False)

    def expect(self, condition, text):
        print(f'  {"ok" if condition else "FAILED"}  {text}')
        self.failures += not condition

    def show_clients(self):
        print('\nWhat real clients negotiate:')
        for version in ('1.3', '1.2'):
            for address in (OWN, f'[{OWN6}]'):
                result = self.curl(f'--tlsv{version}', '--tls-max', version, '-v', 'https://demo.test/small', address=address)
                cipher = re.search(r'SSL connection using (.*)', result.stderr)
                self.expect(result.stdout == 'small file\n', f'curl over {address}: {cipher.group(1) if cipher else result.stderr[-100:]}')

    def show_transfers(self):
        print(f'\n{LARGE_LEN >> 20} MB each way, compared by sha256:')
        source = f'{self.folder}/nginx/files/huge'
        with open(source, 'rb') as f:
            wanted = hashlib.file_digest(f, 'sha256').hexdigest()
        for name, arguments, result in (('download', ['-o', f'{self.folder}/got', 'https://demo.test/huge'], f'{self.folder}/got'),
                                        ('upload', ['-T', source, 'https://demo.test/up'], f'{self.folder}/nginx/files/up')):
            start = time.monotonic()
            self.curl(*arguments)
            seconds = time.monotonic() - start
            with open(result, 'rb') as f:
                same = hashlib.file_digest(f, 'sha256').hexdigest() == wanted
            self.expect(same, f'{name}: {LARGE_LEN * 8 / seconds / 1e9:.2f} Gbit/s (a TAP device costs a system call a packet)')

    def show_resumption(self):
        print('\nResumption:')
        for version in ('-tls1_3', '-tls1_2'):
            answers = []
            for flag in ('-sess_out', '-sess_in'):
                answers.append(subprocess.run(['ip', 'netns', 'exec', self.namespace, 'openssl', 's_client', '-connect', f'{OWN}:443', '-servername', 'demo.test',
                                               '-ign_eof', version, flag, f'{self.folder}/session'], input='GET /small HTTP/1.0\r\n\r\n', capture_output=True,
                                              text=True, timeout=30, check=False).stdout)
            self.expect('New, ' in answers[0] and 'Reused, ' in answers[1], f'openssl s_client {version}: new, then reused')

    def show_short_connections(self):
        print(f'\n{SHORT_CONNECTIONS} short connections, a full handshake each:')
        script = f'''
import concurrent.futures, socket, ssl
context = ssl.create_default_context(cafile='{self.folder}/ec.pem')
def once(_):
    with context.wrap_socket(socket.create_connection(('{OWN}', 443)), server_hostname='demo.test') as s:
        s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n')
        return b''.join(iter(lambda: s.recv(4096), b'')).endswith(b'small file\\n')
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(sum(pool.map(once, range({SHORT_CONNECTIONS}))))
'''
        start = time.monotonic()
        done = self.lab.inside(self.namespace, 'python3', '-c', script, timeout=100, check=False).stdout.strip()
        self.expect(done == str(SHORT_CONNECTIONS), f'{done} done, {SHORT_CONNECTIONS / (time.monotonic() - start):.0f} a second '
                    '(the Python client on the other core is the limit)')

    def show_operator(self):
        print('\n$ sluicectl show cores')
        print(self.service.sluicectl('show', 'cores'))

    def stay(self):
        enter = f'ip netns exec {self.namespace}'
        print(f'''
Running. In another terminal:
  {enter} curl -k --resolve demo.test:443:{OWN} https://demo.test/small
  {enter} openssl s_client -connect {OWN}:443 -servername demo.test
  {lab.BUILD}/control/sluicectl --socket {self.folder}/control.sock show info
  {lab.BUILD}/control/sluicectl --socket {self.folder}/control.sock top
Enter ends it.''')
        sys.stdin.readline()

    def stop(self):
        well = self.service.stop()
        if not well:
            print(self.service.read_log()[-2000:])
        self.expect(well, 'stopped; no packet buffer leaked')


def main():
    demo = Demo()
    try:
        demo.start()
    except Exception:
        if demo.service is not None:
            print(demo.service.read_log())
        raise
    for part in (demo.show_clients, demo.show_transfers, demo.show_resumption, demo.show_short_connections, demo.show_operator):
        part()
    if '--stay' in sys.argv[1:]:
        demo.stay()
    demo.stop()
    return 1 if demo.failures else 0


if __name__ == '__main__':
    sys.exit(main())
