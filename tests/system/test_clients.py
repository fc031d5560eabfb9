# SPDX-License-Identifier: Apache-2.0
"""Clients of every kind through the proxy: TLS libraries, client certificates, a browser; and peers that mean harm.

SLUICE_CLIENTS=soak adds what takes long: headless Chromium, 1 GB both directions at once, a lossy wire, 5,000 connections.
"""
import ctypes
import os
import socket
import struct
import subprocess
import threading
import time

import client_certificates
import lab
import snapshot
from test_ping import wait_for
from test_proxy import OWN, PEER, Proxy, hash_of, told

SOAK = os.environ.get('SLUICE_CLIENTS') == 'soak'
BACKEND_PORT = 9000


def inside(proxy, *command, data=None, seconds=60, **options):
    return subprocess.run(['ip', 'netns', 'exec', proxy.namespace, *command], input=data, capture_output=True, text=True, timeout=seconds, check=False,
                          **({} if data is not None else {'stdin': subprocess.DEVNULL}), **options)


def enter(namespace):
    """The calling thread alone enters a network namespace (setns(2); os.setns is Python 3.12's)."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), 'setns')


class Backend:
    """A backend inside the namespace, in a thread: `serve` gets each connection, and what it returns is kept."""

    def __init__(self, proxy, serve, port=BACKEND_PORT):
        self.results, self.closing, self.threads = [], False, []
        ready, self.serve = threading.Event(), serve
        self.thread = threading.Thread(target=self.run, args=(proxy.namespace, port, ready), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def run(self, namespace, port, ready):
        with open(f'/var/run/netns/{namespace}', 'rb') as f:
            enter(f)
        self.listener = socket.create_server((PEER, port), backlog=1024)
        ready.set()
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.one, args=(connection,), daemon=True)
            thread.start()

    def one(self, connection):
        try:
            with connection:
                connection.settimeout(20)
                self.results.append(self.serve(connection))
        except OSError as error:
            self.results.append(error)

    def close(self):
        self.closing = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


def read_request(connection):
    """Up to the end of a request's head; a PROXY v2 header before it begins with what ends one."""
    data = b''
    while b'\r\n\r\n' not in (data[4:] if data.startswith(b'\r\n\r\n') else data):
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return data


def answer(connection, body=b'small file\n'):
    connection.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body) + body)


def proxy_header(data):
    """The TLVs of a PROXY v2 header, sub-TLVs of SSL among them, and what follows it."""
    assert data[:12] == b'\r\n\r\n\0\r\nQUIT\n' and data[12] == 0x21, data[:16]
    length = struct.unpack_from('!H', data, 14)[0]
    tlvs, found = data[16 + 12:16 + length], {}
    while tlvs:
        kind, size = struct.unpack_from('!BH', tlvs)
        value, tlvs = tlvs[3:3 + size], tlvs[3 + size:]
        found[kind] = value
        if kind == 0x20:
            found['client'], found['verify'] = value[0], struct.unpack_from('!I', value, 1)[0]
            tlvs = value[5:] + tlvs
    return found, data[16 + length:]


def libraries_of_all_kinds(laboratory):
    proxy = Proxy(laboratory)
    ca = proxy.certificates[0][0]
    request = 'GET /small HTTP/1.0\r\n\r\n'
    database = os.path.join(laboratory.folder, 'nss')
    os.mkdir(database)
    with open(f'{laboratory.folder}/request', 'w', encoding='ascii') as f:
        f.write(request)
    lab.run('certutil', '-N', '-d', database, '--empty-password')
    lab.run('certutil', '-A', '-d', database, '-n', 'ca', '-t', 'CT,,', '-i', ca)
    for version, gnutls, nss in (('1.3', 'NORMAL:-VERS-ALL:+VERS-TLS1.3', 'tls1.3:tls1.3'), ('1.2', 'NORMAL:-VERS-ALL:+VERS-TLS1.2', 'tls1.2:tls1.2')):
        for name, command, data in (
                ('gnutls-cli', ['gnutls-cli', '--x509cafile', ca, '--sni-hostname', 'proxy.test', '--verify-hostname', 'proxy.test', '--priority', gnutls, '-p', '443', OWN],
                 request),
                ('wget', ['wget', '-q', '-O', '-', '--ca-certificate', ca, f'--secure-protocol=TLSv1_{version[-1]}', 'https://proxy.test/small'], None),
                ('tstclnt', ['tstclnt', '-h', OWN, '-p', '443', '-a', 'proxy.test', '-d', database, '-V', nss, '-4', '-A', f'{laboratory.folder}/request'], None),
                ('node', ['node', '-e', f"""
const tls = require('tls'), fs = require('fs');
const s = tls.connect({{host: '{OWN}', port: 443, servername: 'proxy.test', ca: fs.readFileSync('{ca}'), minVersion: 'TLSv{version}', maxVersion: 'TLSv{version}'}},
  () => s.write('GET /small HTTP/1.0\\r\\n\\r\\n'));
s.on('data', d => process.stdout.write(d)); s.on('end', () => process.stdout.write(s.getProtocol() || ''));"""], None),
                ('python', ['python3', '-c', f"""
import socket, ssl
c = ssl.create_default_context(cafile='{ca}'); c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1_{version[-1]}
s = c.wrap_socket(socket.create_connection(('{OWN}', 443)), server_hostname='proxy.test')
s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n'); print(b''.join(iter(lambda: s.recv(4096), b'')).decode())"""], None)):
            if name == 'wget':  # it has no --resolve
                command = ['unshare', '-m', 'sh', '-c', f'echo {OWN} proxy.test > {laboratory.folder}/hosts && mount --bind {laboratory.folder}/hosts /etc/hosts && exec "$@"',
                           'sh', *command]
            result = inside(proxy, *command, data=data)
            assert 'small file' in result.stdout, (name, version, result.stdout[-500:], result.stderr[-500:])
            session = told(proxy, 'tls_session')
            assert session['version'] == {'1.3': 0x304, '1.2': 0x303}[version] or name == 'wget', (name, session)  # wget names the least version
            assert session['sni'] == 'proxy.test', (name, session)
    proxy.stop()


def client_certificates_are_verified(laboratory):
    authority, stranger = (client_certificates.Authority(laboratory.folder, name) for name in ('ours', 'theirs'))
    alice, bob, mallory = authority.issue('alice'), authority.issue('bob', kind='rsa'), stranger.issue('mallory')
    server, late = authority.issue('a-server', usage='serverAuth'), authority.issue('late', days=-1)
    listeners = [snapshot.listener_records('required', 'tls', [f'{OWN}:443'], certificate=0, client_auth=2, authorities=authority.der()),
                 snapshot.listener_records('optional', 'tls', [f'{OWN}:444'], certificate=0, client_auth=1, authorities=authority.der() + stranger.der())]
    proxy = Proxy(laboratory, backends=[snapshot.backend_records('dump', [f'{PEER}:{BACKEND_PORT}'], proxy=2)], listeners=listeners)

    def serve(connection):
        data = read_request(connection)
        answer(connection)
        return proxy_header(data)[0]

    backend = Backend(proxy, serve)

    def try_it(identity, port=443, version='1.3'):
        arguments = ['--cert', identity[0], '--key', identity[1]] if identity else []
        before = len(backend.results)
        result = proxy.curl(*arguments, f'--tlsv{version}', '--tls-max', version, f'https://proxy.test:{port}/', port=port, check=False)
        if result.stdout == 'small file\n':
            wait_for(lambda: len(backend.results) > before, 'the backend')
            return backend.results[-1]
        return told(proxy, 'tls_failure')['reason']

    for version in ('1.3', '1.2'):
        header = try_it(alice, version=version)
        assert (header['client'], header['verify'], header[0x22], header[0x02]) == (7, 0, b'alice', b'proxy.test'), header
        assert header[0x21] == f'TLSv{version}'.encode() and (header[0x24], header[0x25]) == (b'SHA256', b'EC256') and header[0x26] in (b'x25519', b'X25519', b'secp256r1'), header
        assert try_it(bob, version=version)[0x22] == b'bob'
        assert try_it(mallory, version=version) == 'unknown_ca'
        assert try_it(server, version=version) == 'unsupported_certificate'
        assert try_it(late, version=version) == 'certificate_expired'
        assert try_it(None, version=version) == {'1.3': 'certificate_required', '1.2': 'handshake_failure'}[version]
        assert try_it(mallory, port=444, version=version)[0x22] == b'mallory'
        assert 0x22 not in try_it(None, port=444, version=version)
    assert told(proxy, 'tls_session', lambda fields: fields['subject'] == 'alice')['flags'] & 4
    # A session is bound to what it was made under: another authority, no resumption.
    path = os.path.join(laboratory.folder, 'session')
    identity = ['-cert', alice[0], '-key', alice[1]]
    assert 'New, ' in proxy.s_client(*identity, '-sess_out', path)
    assert 'Reused, ' in proxy.s_client(*identity, '-sess_in', path)
    proxy.listeners[0] = snapshot.listener_records('required', 'tls', [f'{OWN}:443'], certificate=0, client_auth=2, authorities=stranger.der())
    proxy.publish(2)
    assert 'Reused, ' not in proxy.s_client(*identity, '-sess_in', path)
    backend.close()
    proxy.stop()


def connect_tls(proxy, port=443):
    """A TLS connection from inside the namespace, made in this process."""
    import ssl
    context = ssl.create_default_context(cafile=proxy.certificates[0][0])
    made = {}

    def make():
        with open(f'/var/run/netns/{proxy.namespace}', 'rb') as f:
            enter(f)
        made['socket'] = socket.create_connection((OWN, port), timeout=20)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return context.wrap_socket(made['socket'], server_hostname='proxy.test', suppress_ragged_eofs=False)


def end_of(connection):
    """How a connection ends: 'end', 'reset' or 'truncated', after what data."""
    import ssl
    data = b''
    try:
        while True:
            part = connection.recv(65536)
            if not part:
                return 'end', data
            data += part
    except ConnectionResetError:
        return 'reset', data
    except ssl.SSLEOFError:
        return 'truncated', data
    except ssl.SSLError as error:
        return error.reason, data


def hostile_backends_harm_their_client_alone(laboratory):
    kinds = {9000: 'resets', 9001: 'garbage', 9002: 'never reads', 9003: 'never answers', 9004: 'closes early', 9005: 'half closes'}
    backends = [snapshot.backend_records(f'b{port}', [f'{PEER}:{port}'], idle_ms=2000 if kinds[port] == 'never answers' else 60000) for port in kinds] + [snapshot.backend_records('web', [f'{PEER}:8080'])]
    listeners = [snapshot.listener_records(f'l{port}', 'tls', [f'{OWN}:{port}'], certificate=0, backend=i) for i, port in enumerate(kinds)]
    listeners.append(snapshot.listener_records('https', 'tls', [f'{OWN}:443'], certificate=0, backend=len(kinds)))
    proxy = Proxy(laboratory, backends=backends, listeners=listeners)
    idle = proxy.page.total()

    def serve(connection):
        kind = kinds[connection.getsockname()[1]]
        if kind == 'resets':
            connection.recv(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        elif kind == 'garbage':
            connection.sendall(os.urandom(100000))
        elif kind in ('never reads', 'never answers'):
            while kind == 'never answers' and connection.recv(65536):
                pass
            wait_for(lambda: closing.is_set(), 'the end', 30)
        elif kind == 'half closes':
            connection.shutdown(socket.SHUT_WR)
            total = 0
            while part := connection.recv(65536):
                total += len(part)
            return total
        return None

    closing = threading.Event()
    servers = {port: Backend(proxy, serve, port) for port in kinds}
    connections = {kind: connect_tls(proxy, port) for port, kind in kinds.items() if kind != 'never answers'}
    stuffing = connections['never reads']
    stuffing.settimeout(1)
    n_taken = 0
    try:
        while n_taken < 64 << 20:
            n_taken += stuffing.send(b'x' * 65536)
    except TimeoutError:
        pass
    assert n_taken < 16 << 20, f'{n_taken} bytes were taken for a backend that reads nothing'
    connections['resets'].sendall(b'hello')
    assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    how = end_of(connections['resets'])
    assert how[0] in ('reset', 'truncated'), how
    how, data = end_of(connections['garbage'])
    assert (how, len(data)) == ('end', 100000), (how, len(data))
    assert end_of(connections['closes early']) == ('end', b'')
    half = connections['half closes']
    half.sendall(b'y' * 200000)
    assert end_of(half) == ('end', b'')
    half.unwrap()
    half.close()
    wait_for(lambda: servers[9005].results == [200000], 'all bytes to pass after a half close')
    silent = connections['never answers'] = connect_tls(proxy, 9003)
    silent.settimeout(20)
    silent.sendall(b'hello')
    assert end_of(silent)[0] in ('reset', 'truncated')
    assert told(proxy, 'connection_end', lambda fields: fields['backend'] == 'b9003', 20)['reason'] == 'timeout_idle'
    closing.set()
    for connection in connections.values():
        connection.close()
    for server in servers.values():
        server.close()
    wait_for(lambda: proxy.page.total()['proxy_stopped'] == 0 and all(row['connections'] == row['closed'] for row in proxy.page.tallies('listener').values()),
             'all connections to be over', 40)
    assert proxy.page.total()['proxy_no_buffer'] == idle['proxy_no_buffer']
    proxy.stop()


def hostile_clients_are_bounded_and_told(laboratory):
    listeners = [snapshot.listener_records('https', 'tls', [f'{OWN}:443'], certificate=0, handshake_ms=1500)]
    proxy = Proxy(laboratory, listeners=listeners)
    hello = bytes.fromhex('1603010200010001fc0303') + os.urandom(32)
    script = f'''
import os, socket, struct, sys, time
def one(data, then):
    s = socket.create_connection(('{OWN}', 443)); s.settimeout(10)
    s.sendall(data)
    if then == 'fin': s.shutdown(1)
    if then == 'reset': time.sleep(0.3); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close(); return 'closed'
    try:
        got = b''
        while part := s.recv(100): got += part
        return 'end ' + got.hex()
    except ConnectionResetError: return 'reset'
for data, then in ((b'GET / HTTP/1.0\\r\\n\\r\\n', ''), (b'EHLO x\\r\\n', ''), (os.urandom(3) + b'\\0' * 400, ''), ({hello!r}, ''), ({hello!r}, 'fin'), ({hello!r}, 'reset'), (b'', '')):
    print(one(data, then))
'''
    lines = inside(proxy, 'python3', '-c', script).stdout.split('\n')
    assert all(line.startswith('end 1503') for line in lines[:3]), lines
    assert lines[3] in ('reset', 'end ') and lines[4] == 'end 15030100020100' and lines[5] == 'closed' and lines[6] in ('reset', 'end '), lines
    assert told(proxy, 'tls_failure')['reason'] == 'http_to_tls_port'
    assert told(proxy, 'tls_failure')['reason'] == 'smtp_to_tls_port'
    assert told(proxy, 'tls_failure')['reason'] == 'not_tls'
    for reason in ('timeout', 'closed_by_client', 'reset_by_client'):
        assert told(proxy, 'tls_failure', lambda fields: fields['reason'] == reason), reason
    assert told(proxy, 'connection_end', lambda fields: fields['reason'] == 'timeout_handshake' and fields['bytes_from'] == 0)
    assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    assert proxy.page.tallies('listener')['', 'https']['handshakes_failed'] == 6
    proxy.stop()


def churn_leaves_nothing_behind(laboratory):
    count = 3000 if SOAK else 300
    proxy = Proxy(laboratory)
    script = f'''
import concurrent.futures, random, socket, ssl, struct
context = ssl.create_default_context(cafile='{proxy.certificates[0][0]}')
def once(i):
    s = socket.create_connection(('{OWN}', 443), timeout=20)
    try:
        if i % 5 == 0: s.sendall(b'\\x16\\x03\\x01')
        else: s = context.wrap_socket(s, server_hostname='proxy.test')
        if i % 5 > 1: s.sendall(b'GET /large HTTP/1.0\\r\\n\\r\\n'); s.recv(1000)
        if i % 5 == 3: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    finally: s.close()
with concurrent.futures.ThreadPoolExecutor(32) as pool: list(pool.map(once, range({count})))
'''

    def memory():
        with open(f'/proc/{child_of(proxy.process.pid)}/status', encoding='ascii') as f:
            return int(next(line for line in f if line.startswith('VmSize')).split()[1])

    def over():
        row = proxy.page.tallies('listener')['', 'https']
        server = proxy.page.tallies('server')['web', f'{PEER}:8080']
        return row['connections'] == row['closed'] and server['connections'] == server['closed'] and row['connections'] > 0

    sizes = []
    for _ in range(3):
        result = inside(proxy, 'python3', '-c', script, seconds=300)
        assert result.returncode == 0, result.stderr[-1000:]
        wait_for(over, 'all connections to be over', 60)
        sizes.append(memory())
    assert proxy.page.tallies('listener')['', 'https']['connections'] == 3 * count
    assert sizes[2] - sizes[1] < 2048, f'memory grows: {sizes} KB'
    proxy.stop()  # with it goes the count of packet buffers


def child_of(pid):
    """The dataplane itself: `ip netns exec` becomes the program it starts."""
    with open(f'/proc/{pid}/comm', encoding='ascii') as f:
        return pid if 'sluice' in f.read() else int(lab.run('pgrep', '-P', str(pid)).stdout.split()[0])


def transfers_both_directions_at_once(laboratory):
    """An echo server behind the proxy: what goes up comes down meanwhile, of every size, compared by sha256."""
    sizes = [1, 2, 1023, 16384, 16385, 1000003] + ([64 << 20, 1 << 30] if SOAK else [8 << 20])
    proxy = Proxy(laboratory, backends=[snapshot.backend_records('echo', [f'{PEER}:{BACKEND_PORT}'])],
                  listeners=[snapshot.listener_records('https', 'tls', [f'{OWN}:443'], certificate=0)])
    server = proxy.lab.spawn(proxy.namespace, 'python3', '-c', f'''
import socket, threading
def echo(c):
    with c:
        while part := c.recv(262144): c.sendall(part)
l = socket.create_server(('{PEER}', {BACKEND_PORT}))
while True: threading.Thread(target=echo, args=(l.accept()[0],), daemon=True).start()
''')
    script = f'''
import hashlib, os, socket, ssl, sys, threading
block, size = os.urandom(1 << 20), int(sys.argv[1])
context = ssl.create_default_context(cafile='{proxy.certificates[0][0]}')
if len(sys.argv) > 2: context.maximum_version = ssl.TLSVersion.TLSv1_2
s = context.wrap_socket(socket.create_connection(('{OWN}', 443)), server_hostname='proxy.test')
up, down = hashlib.sha256(), hashlib.sha256()
def send():
    left = size
    while left:
        part = block[:min(left, len(block))]
        s.sendall(part); up.update(part); left -= len(part)
thread = threading.Thread(target=send); thread.start()
n = 0
while n < size:
    part = s.recv(262144)
    if not part: break
    down.update(part); n += len(part)
thread.join()
s.unwrap()
print(n == size and up.digest() == down.digest())
'''
    wait_for(lambda: proxy.lab.inside(proxy.namespace, 'ss', '-ltn', f'sport = {BACKEND_PORT}').stdout.count('LISTEN'), 'the echo server')
    for loss in ([None, 200] if SOAK else [None]):
        if loss:
            proxy.lab.lose_frames(proxy.namespace, 'sluice0', loss)
        for size in sizes:
            for version in ([], ['1.2']) if size < 1 << 20 else ([],):
                result = inside(proxy, 'python3', '-c', script, str(size if not loss else min(size, 64 << 20)), *version, seconds=400)
                assert result.stdout == 'True\n', (size, version, loss, result.stdout, result.stderr[-500:])
    proxy.lab.end(server)
    proxy.stop()


def connections_at_once(laboratory):
    count = 5000 if SOAK else 300
    proxy = Proxy(laboratory, connections=8192)
    script = f'''
import resource, socket, ssl, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
context = ssl.create_default_context(cafile='{proxy.certificates[0][0]}')
held = []
for i in range({count}):
    held.append(context.wrap_socket(socket.create_connection(('{OWN}', 443), timeout=60), server_hostname='proxy.test'))
for s in held: s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n')
print(sum(b''.join(iter(lambda: s.recv(4096), b'')).endswith(b'small file\\n') for s in held))
'''
    result = inside(proxy, 'python3', '-c', script, seconds=400)
    assert result.stdout.strip() == str(count), result.stdout + result.stderr[-500:]
    proxy.stop()


def a_browser(laboratory):
    proxy = Proxy(laboratory)
    pin = lab.run('sh', '-c', f'openssl x509 -in {proxy.certificates[0][0]} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64').stdout.strip()
    result = inside(proxy, 'chromium', '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={laboratory.folder}/chromium',
                    f'--host-resolver-rules=MAP proxy.test {OWN}', f'--ignore-certificate-errors-spki-list={pin}', '--dump-dom', 'https://proxy.test/small', seconds=120)
    assert 'small file' in result.stdout, result.stdout[-500:] + result.stderr[-1000:]
    session = told(proxy, 'tls_session')
    assert session['version'] == 0x304 and session['sni'] == 'proxy.test', session
    proxy.stop()


if __name__ == '__main__':
    lab.need('curl', 'openssl', 'nginx', 'gnutls-cli', 'wget', 'tstclnt', 'node')
    tests = [libraries_of_all_kinds, client_certificates_are_verified, hostile_backends_harm_their_client_alone,
             hostile_clients_are_bounded_and_told, churn_leaves_nothing_behind, transfers_both_directions_at_once, connections_at_once]
    if SOAK:
        lab.need('chromium')
        tests.append(a_browser)
    lab.main(tests)
