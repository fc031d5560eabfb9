# SPDX-License-Identifier: Apache-2.0
"""sluice-load: every mode for a moment against Sluice (memif) and against nginx (AF_PACKET on a veth), and what it says when something
is wrong. SLUICE_LOAD_ALL=1 runs all modes, otherwise those that differ most.

        a: sluice-load  v0 --veth-- v1  b: nginx, or a server or relay of this test that misbehaves
"""
import contextlib
import ctypes
import os
import socket
import ssl
import struct
import sys
import threading
import time

import lab
import snapshot

os.environ.setdefault('SLUICE_NICE', '0')  # other tests run beside these
sys.path.insert(0, os.path.join(lab.ROOT, 'bench'))
import rig  # noqa: E402  (the path above must be set first)

LIBC, CLONE_NEWNET = ctypes.CDLL(None, use_errno=True), 0x40000000
ALL = os.environ.get('SLUICE_LOAD_ALL') == '1'
SECONDS = os.environ.get('SLUICE_LOAD_SECONDS', '1' if ALL else '0.5')  # sanitizers need more
SHORT = ('--warm-up', '0.1', '--duration', SECONDS, '--timeout', '5')
PEER, OWN = '198.51.100.2', '198.51.100.10'
PEER_6, OWN_6 = 'fd00:1::2', 'fd00:1::10'


def run(laboratory, *arguments, namespace=None, status=0, sluice=None):
    try:
        load = rig.Load(laboratory, *arguments, namespace=namespace).finish(check=False, timeout=60)
    except rig.Trouble as trouble:
        raise AssertionError(f'{arguments}: {trouble}\n{sluice.read_log() if sluice else ""}') from None
    assert load.status == status, (arguments, load.status, load.words)
    return load


# name, mode, arguments, what has to be more than nothing in the result; those with * run in ./check too
MODES = [
    ('*full', 'handshake', (), 'handshakes_full'),
    ('resumed', 'handshake', ('--resume',), 'handshakes_resumed'),
    ('tls12', 'handshake', ('--tls', '1.2', '--suite', 'ecdsa-aes256-gcm'), 'handshakes_full'),
    ('tls12 resumed', 'handshake', ('--tls', '1.2', '--resume'), 'handshakes_resumed'),
    ('rsa', 'handshake', ('--signature', 'rsa-pss', '--suite', 'chacha20', '--group', 'p256'), 'handshakes_full'),
    ('p384', 'handshake', ('--group', 'p384', '--suite', 'aes256-gcm'), 'handshakes_full'),
    ('fresh shares', 'handshake', ('--shares', '0', '--verify', '0'), 'handshakes_full'),
    ('open loop', 'handshake', ('--rate', '200'), 'conversations'),
    ('rps', 'rps', ('--body', '100'), 'requests'),
    ('rps open loop', 'rps', ('--rate', '200', '--connections', '8'), 'requests'),
    ('keep alive', 'rps', ('--requests', '3', '--connections', '4'), 'conversations'),
    ('bulk resumed', 'bulk', ('--connections', '4', '--body', '65536', '--requests', '1', '--resume'), 'handshakes_resumed'),
    ('plain', 'bulk', ('--tls', 'none', '--target', f'{rig.PROXY}:80'), 'bytes_down'),
    ('download', 'bulk', ('--connections', '4'), 'bytes_down'),
    ('upload', 'bulk', ('--connections', '4', '--direction', 'up', '--body', '300000'), 'requests'),
    ('*both', 'bulk', ('--connections', '4', '--direction', 'both'), 'bytes_up'),
    ('idle', 'idle', ('--connections', '300', '--trickle', '0.2'), 'requests'),
    ('*mix', 'mix', (), 'conversations'),
    ('syn', 'flood', ('--flood', 'syn', '--rate', '5000'), 'flood'),
    ('*half-open', 'flood', ('--flood', 'half-open', '--rate', '500'), 'flood'),
    ('hello', 'flood', ('--flood', 'client-hello', '--rate', '500', '--connections', '1000'), 'flood'),
    ('garbage', 'flood', ('--flood', 'garbage', '--rate', '500'), 'flood'),
]


def modes():
    for name, mode, arguments, wanted in MODES:
        if ALL or name[0] == '*':
            yield name, (mode, *SHORT, *arguments), wanted


def every_mode_against_sluice(laboratory):
    sluice = rig.Sluice(laboratory, rig.memif(laboratory, 'server'), kinds=('ec', 'rsa'), huge=False, memory=128, connections=4096, poll='adaptive')
    counters = sluice.show_counters(f'{laboratory.folder}/counters')
    for number, (name, arguments, wanted) in enumerate(modes()):
        # New addresses each time: what the run before left in TIME-WAIT would not answer a newcomer's SYN.
        trusted = () if 'none' in arguments else ('--ca', f'{laboratory.folder}/ca.pem')
        load = run(laboratory, arguments[0], *rig.memif_load(laboratory, huge=False, mbufs=8192, clients=4, first=f'10.10.{number}.2'), *trusted, '--counters', counters,
                   *arguments[1:], sluice=sluice)
        assert load.total[wanted] > 0, (name, load.total)
        assert not load.total['errors'], (name, load.total)
        assert load.windows[0]['proxy']['worker_turns'] > 0, name
        assert not load.result['errors'] and not load.result['trouble'], (name, load.result['errors'], load.result['trouble'])
        assert arguments[0] != 'flood' or load.total['flood'] > 2 * 64, (name, load.total)  # it goes on when all its connections hang
        if name in ('resumed', 'tls12 resumed'):
            assert load.total['handshakes_full'] == 0, (name, load.total)
        if name == 'rps open loop':  # so many and no more
            assert load.total['requests'] <= 1.05 * 200 * float(SECONDS) + 8, load.total
    assert sluice.stop(), sluice.read_log()


def references_leave_room_for_acknowledgements(laboratory):
    """More plain downloads than there are receive buffers for: what is passed on by reference keeps its buffer until the client's
    acknowledgement has come, which needs a buffer too."""
    sluice = rig.Sluice(laboratory, rig.memif(laboratory, 'server'), huge=False, memory=128, connections=4096, poll='adaptive')
    load = rig.Load(laboratory, 'bulk', *rig.memif_load(laboratory, huge=False, connections=1600), '--tls', 'none', '--target', f'{rig.PROXY}:80', '--duration', '1',
                    '--windows', '6', '--timeout', '20', '--counters', sluice.show_counters(f'{laboratory.folder}/counters')).finish(check=False)
    # With so little memory for so many, some do not get their turn within the time.
    assert set(load.result['errors']) <= {'lost'}, load.result['errors']
    moved = [window['bytes_down'] for window in load.windows]
    assert all(moved) and min(moved[2:]) > max(moved) / 20, moved
    assert sluice.stop(), sluice.read_log()


def starttls(laboratory):
    protocols = ('smtp', 'imap', 'pop3') if ALL else ('smtp',)
    sluice = rig.Sluice(laboratory, rig.memif(laboratory, 'server'), huge=False, memory=96, connections=4096, poll='adaptive', mail=protocols)
    for number, protocol in enumerate((*protocols, 'message')):
        port = rig.MAIL_PORTS[protocol]
        load = run(laboratory, 'handshake', *SHORT, '--starttls', protocol, '--device', rig.memif(laboratory, 'client'), '--address', f'10.10.{number + 20}.2/16*4',
                   '--target', f'{rig.PROXY}:{port}', '--serve', f'{rig.BACKEND}/16:{9000 + port}', '--connections', '16')
        assert load.total['handshakes_full'] > 0 and load.total['conversations'] > 0 and not load.result['errors'], load.total
    held = run(laboratory, 'idle', *SHORT, '--starttls', 'smtp', '--device', rig.memif(laboratory, 'client'), '--address', '10.10.30.2/16*4', '--target', f'{rig.PROXY}:25',
               '--serve', f'{rig.BACKEND}/16:9025', '--connections', '50')
    assert held.result['held'] == 50 and not held.result['errors'], held.result
    assert sluice.stop(), sluice.read_log()


class Veth:
    """The generator on one end of a veth, the kernel on the other."""

    def __init__(self, laboratory):
        self.lab = laboratory
        self.near, self.far = laboratory.namespace('a'), laboratory.namespace('b')
        laboratory.veth(self.near, 'v0', self.far, 'v1')
        laboratory.inside(self.far, 'ip', 'address', 'add', f'{PEER}/24', 'dev', 'v1')
        laboratory.inside(self.far, 'ip', 'address', 'add', f'{PEER_6}/64', 'dev', 'v1', 'nodad')
        self.certificates = {kind: snapshot.make_certificate(laboratory.folder, kind, kind, (rig.NAME,)) for kind in ('ec', 'rsa')}

    def load(self, mode, *arguments, port=443, target=PEER, own=f'{OWN}/24*2', status=0, short=SHORT):
        return run(self.lab, mode, *short, '--device', 'net_af_packet0,iface=v0', '--address', own, '--target', f'{target}:{port}', '--mbufs', '8192',
                   *arguments, namespace=self.near, status=status)

    def nginx(self):
        folder = os.path.join(self.lab.folder, 'nginx')
        os.makedirs(f'{folder}/files')
        os.chmod(self.lab.folder, 0o755)
        for length in (100, 1024, 65536, 1 << 25):
            with open(f'{folder}/files/{length}', 'wb') as f:
                f.write(pattern(length))
        with open(f'{folder}/nginx.conf', 'w', encoding='ascii') as f:
            f.write(f'''daemon off; pid {folder}/pid; error_log {folder}/error.log; user root; worker_processes 1;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}; proxy_temp_path {folder}; keepalive_requests 1000000000;
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  ssl_certificate {self.certificates['ec'][0]}; ssl_certificate_key {self.certificates['ec'][1]};
  ssl_certificate {self.certificates['rsa'][0]}; ssl_certificate_key {self.certificates['rsa'][1]};
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; ssl_ecdh_curve X25519:P-256:P-384;
  server {{ listen {PEER}:443 ssl; listen [{PEER_6}]:443 ssl; root {folder}/files; dav_methods PUT; }}
}}
''')
        process = self.lab.spawn(self.far, 'nginx', '-c', f'{folder}/nginx.conf', '-e', f'{folder}/error.log')
        rig.wait_until(lambda: self.lab.inside(self.far, 'curl', '-s', '-k', f'https://{PEER}/100', '-o', '/dev/null', check=False).returncode == 0, 'nginx')
        return process

    def serve(self, talk, port=8080):
        """A server of this process inside the far namespace: `talk(connection)` for each client, in a thread."""
        here = os.open('/proc/self/ns/net', os.O_RDONLY)
        there = os.open(f'/run/netns/{self.far}', os.O_RDONLY)
        listening = []

        def listen():
            assert LIBC.setns(there, CLONE_NEWNET) == 0
            listening.append(socket.create_server((PEER, port), backlog=128))
            assert LIBC.setns(here, CLONE_NEWNET) == 0

        maker = threading.Thread(target=listen)
        maker.start()
        maker.join()

        def accept():
            while True:
                connection, _ = listening[0].accept()
                threading.Thread(target=quietly, args=(talk, connection), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()


def quietly(talk, *arguments):
    """Clients may go away at any time."""
    with contextlib.suppress(OSError):
        talk(*arguments)


def pattern(length):
    """The same stream as bench/load/pattern.c."""
    state, one, mask = 0x9e3779b97f4a7c15, bytearray(), (1 << 64) - 1
    for _ in range(16381):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        one.append(state >> 24 & 255)
    return (bytes(one) * (length // len(one) + 1))[:length]


def every_mode_against_nginx(laboratory):
    veth = Veth(laboratory)
    veth.nginx()
    for name, arguments, wanted in modes():
        arguments = list(arguments)
        mode = arguments[0]
        if mode == 'bulk' and '--body' not in arguments:
            arguments += ['--body', str(1 << 25)]
        if name == 'plain' or (not ALL and name != '*full'):
            continue
        load = veth.load(mode, *arguments[len(SHORT) + 1:])
        assert load.total[wanted] > 0, (name, load.total)
        assert not load.result['errors'], (name, load.result['errors'])
    # nginx answers the client's close_notify with a FIN alone, which is to be noticed.
    kept = veth.load('rps', '--requests', '3', '--connections', '4', target=f'[{PEER_6}]', own=f'{OWN_6}/64*2')
    assert kept.total['conversations'] > 4 and kept.total['requests'] >= 3 * kept.total['conversations'] - 12, kept.total


def head(length):
    return b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' % length


def answering(body, announced=None):
    def talk(connection):
        with connection:
            connection.recv(4096)
            connection.sendall(head(len(body) if announced is None else announced) + body)
    return talk


class Stalling:
    """Answers at once, but nobody between the first answer and so many seconds later."""

    def __init__(self, seconds):
        self.seconds, self.began = seconds, None

    def talk(self, connection):
        with connection:
            connection.recv(4096)
            first, self.began = self.began is None, self.began or time.monotonic()
            if not first:
                time.sleep(max(0, self.began + self.seconds - time.monotonic()))
            connection.sendall(head(1024) + pattern(1024))


def silent(connection):
    while connection.recv(4096):
        pass


def refusing(connection):
    with connection:
        connection.recv(4096)
        connection.sendall(b'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')


def rude(connection):
    with connection:
        connection.recv(4096)
        connection.sendall(b'SSH-2.0-no\r\n')


def what_is_wrong_is_noticed(laboratory):
    veth = Veth(laboratory)
    good = pattern(1024)
    # The time limit is longer than the run: who has no answer at the end is waited for.
    plain, brief = ('--tls', 'none', '--connections', '2'), ('--warm-up', '0', '--duration', '0.2', '--timeout', '0.3')
    cases = [
        (8080, answering(good), None),
        (8081, answering(good[:500] + b'?' + good[501:]), 'corrupt'),
        (8083, answering(good[:700], announced=1024), 'short'),
        (8084, silent, 'lost'),
        (8085, answering(b''), 'answer'),  # a success that brings nothing is none
    ]
    if ALL:
        cases += [(8082, answering(good[1:] + b'x'), 'corrupt'), (8086, rude, 'answer'), (8087, answering(good + b'?', announced=1024), 'answer'),
                  (8088, refusing, 'answer'), (8089, answering(pattern(1025)), 'answer')]
    for port, talk, error in cases:
        veth.serve(talk, port)
        load = veth.load('handshake', *plain, port=port, short=brief, status=1 if error else 0)
        assert list(load.result['errors']) == ([error] if error else []), (port, load.result['errors'], load.words)
        assert not error or load.result['trouble'], load.result
    assert 'refused' in veth.load('handshake', *plain, port=9, short=brief, status=1).result['errors']
    nobody = veth.load('handshake', *plain, target='198.51.100.77', short=brief, status=1)
    assert 'never answered a SYN' in nobody.result['trouble'], nobody.result['trouble']


def what_is_late_is_counted(laboratory):
    """An open loop beside a server that stalls: everything that was due has a latency, from when it was due."""
    veth = Veth(laboratory)
    veth.serve(Stalling(0.8).talk, 8090)
    load = veth.load('handshake', '--tls', 'none', '--connections', '4', '--rate', '100', port=8090, short=('--warm-up', '0', '--duration', '0.5', '--timeout', '5'))
    waited = load.total['latencies']['conversation']
    due = 100 * load.windows[0]['seconds']
    assert abs(waited['n'] - due) < 3 and load.result['overdue'] > 30, (waited, due, load.result['overdue'])
    # Evenly spread over half a second, those that never began have waited a quarter of it on average.
    assert waited['p50_us'] > 150e3 and waited['max_us'] > 600e3, waited
    assert 'overload' in load.result['note'], load.result['note']


def the_backend_alone(laboratory):
    """serve: a source whose bytes are the pattern, and a sink that knows it."""
    veth = Veth(laboratory)
    server = rig.Load(laboratory, 'serve', '--device', 'net_af_packet0,iface=v0', '--serve', f'{OWN}/24:8080*2', '--serve', f'[{OWN_6}]/64:8080', '--mbufs', '8192',
                      namespace=veth.near)
    server.wait_for('ready')

    def curl(*arguments):
        return laboratory.inside(veth.far, 'curl', '-s', '-m', '5', *arguments, '-o', f'{laboratory.folder}/got', '-w', '%{http_code}', check=False).stdout
    for place in (f'{OWN}:8080', f'{OWN}:8081', f'[{OWN_6}]:8080'):
        assert curl(f'http://{place}/100000') == '200', place
        with open(f'{laboratory.folder}/got', 'rb') as f:
            assert f.read() == pattern(100000)
    for name, content in (('good', pattern(70000)), ('bad', pattern(69999) + b'?')):
        with open(f'{laboratory.folder}/{name}', 'wb') as f:
            f.write(content)
    assert curl('-T', f'{laboratory.folder}/good', f'http://{OWN}:8080/up') == '200'
    assert curl('-T', f'{laboratory.folder}/bad', f'http://{OWN}:8080/up') != '200'
    server.process.terminate()
    result = server.finish(check=False).result
    assert server.status == 1 and result['served'] == 4 and result['bad'] == 1 and result['bytes_out'] == 300000, (server.status, result)


class FlippedSignature:
    """A relay that changes one bit of the signature in the ServerKeyExchange of TLS 1.2, which travels in the clear."""

    def __init__(self, port):
        self.port, self.flipped = port, 0

    def talk(self, client):
        server = socket.socket()
        server.connect(('127.0.0.1', self.port))
        threading.Thread(target=quietly, args=(self.copy, client, server), daemon=True).start()
        held = b''
        while data := server.recv(65536):
            held += data
            while len(held) >= 5 and len(held) >= 5 + int.from_bytes(held[3:5], 'big'):
                length = 5 + int.from_bytes(held[3:5], 'big')
                client.sendall(self.change(bytearray(held[:length])))
                held = held[length:]
        client.close()

    def change(self, record):
        at = 5
        while record[0] == 22 and at + 4 <= len(record):
            length = int.from_bytes(record[at + 1:at + 4], 'big')
            if record[at] == 12:
                record[at + 4 + length - 1] ^= 1  # the last byte of s
                self.flipped += 1
                break
            at += 4 + length
        return bytes(record)

    @staticmethod
    def copy(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)


def talking_tls(certificate, curve=None):
    """A server whose tickets and groups are of the caller's choice; it gives no ticket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.num_tickets = 0
    if curve:
        context.set_ecdh_curve(curve)

    def talk(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(4096)
                tls.sendall(head(1024) + pattern(1024))
                tls.unwrap()
        except OSError:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.close()
    return talk


def wrong_certificates_and_signatures(laboratory):
    veth = Veth(laboratory)
    talk = talking_tls(veth.certificates['ec'])
    veth.serve(talk, 8443)
    brief = ('--warm-up', '0', '--duration', '0.3')
    base = ('handshake', '--connections', '2')
    trusted = veth.load(*base, '--ca', veth.certificates['ec'][0], port=8443, short=brief)
    assert trusted.total['verified'] > 0
    other = veth.load(*base, '--ca', veth.certificates['rsa'][0], port=8443, short=brief, status=1)
    assert 'certificate is refused' in other.result['trouble'], other.result['trouble']
    name = ALL and veth.load(*base, '--ca', veth.certificates['ec'][0], '--name', 'other.test', port=8443, short=brief, status=1)
    assert not ALL or 'ostname mismatch' in name.result['trouble'], name
    never = veth.load(*base, '--resume', port=8443, short=brief, status=1)
    assert 'no handshake was resumed' in never.result['trouble'] and not never.result['errors'], never.result['trouble']
    if ALL:
        veth.serve(talking_tls(veth.certificates['ec'], 'prime256v1'), 8445)
        group = veth.load(*base, '--tls', '1.2', '--group', 'p384', port=8445, short=brief, status=1)
        assert list(group.result['errors']) == ['other_group'], group.result['errors']
        # Connections that can't be held are not tried for ever.
        held = veth.load('idle', '--connections', '20', '--ca', veth.certificates['rsa'][0], port=8443, short=brief, status=1)
        assert 'certificate is refused' in held.result['trouble'], held.result
    # The same server behind the relay, on this namespace's loopback.
    listener = socket.create_server(('127.0.0.1', 0))

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=quietly, args=(talk, connection), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    relay = FlippedSignature(listener.getsockname()[1])
    veth.serve(relay.talk, 8444)
    wrong = veth.load(*base, '--tls', '1.2', port=8444, short=brief, status=1)
    assert relay.flipped > 0 and wrong.total['handshakes_full'] == 0 and wrong.total['errors'].get('tls', 0) > 0, wrong.total
    assert 'decrypt_error' in wrong.result['trouble'] and 'signature' in wrong.result['trouble'], wrong.result['trouble']


ONE = ('--device', 'net_null0', '--address', '1.2.3.4/24')
BOTH = (*ONE, '--target', '1.2.3.5:1')
# What is said, and what it is said to. Each is refused before anything begins.
BAD_OPTIONS = [
    ('one mode is needed', []), ("does not know 'nonsense'", ['nonsense']), ('--device is needed', ['handshake']),
    ('--address is needed', ['handshake', '--device', 'net_null0']), ('belongs to the --device before it', ['handshake', '--address', '1.2.3.4/24']),
    ('should look like 10.0.0.2/16', ['handshake', '--device', 'net_null0', '--address', '1.2.3.4', '--target', '1.2.3.5:1']),
    ('has no port', ['handshake', *ONE, '--target', '1.2.3.5']), ("'0' is no whole number between 1 and 65535", ['handshake', *ONE, '--target', '1.2.3.5:0']),
    ('brackets', ['handshake', *ONE, '--target', 'fd00::1:443']), ('of the other kind', ['handshake', *ONE, '--target', '[fd00::1]:443']),
    ('between 1 and 32', ['handshake', '--device', 'net_null0', '--address', '1.2.3.4/64']), ('is no address', ['handshake', *ONE, '--gateway', 'here']),
    ('more than 4096 addresses', ['handshake', *BOTH, *('--address', '10.0.0.1/8*4096') * 4]), ('--serve is needed', ['serve', '--device', 'net_null0']),
    ('no port above 65535', ['handshake', *BOTH, '--serve', '1.2.3.6/24:65535*2']),
    ('--starttls goes with', ['rps', *BOTH, '--starttls', 'smtp']), ('--direction goes with bulk', ['rps', *BOTH, '--direction', 'up']),
    ('--flood goes with flood', ['rps', *BOTH, '--flood', 'syn']), ('--flood syn needs a --rate', ['flood', *BOTH]), ('--trickle goes with idle', ['bulk', *BOTH, '--trickle', '1']),
    ('mix does it by itself', ['mix', *BOTH, '--resume']), ('leaves nothing for --resume', ['handshake', *BOTH, '--tls', 'none', '--resume']),
    ('exclude each other', ['handshake', *BOTH, '--tls', 'none', '--starttls', 'smtp']), ('--body that has an end', ['bulk', *BOTH, '--rate', '1']),
    ("does not know '1.1'", ['handshake', '--tls', '1.1']), ("'fast' is no number", ['handshake', '--rate', 'fast']), ("'nan' is no number", ['handshake', '--rate', 'nan']),
    ("'-1' is no number", ['handshake', '--rate', '-1']), ("'1.5' is no whole number", ['handshake', '--windows', '1.5']), ("'0' is no whole number", ['handshake', '--connections', '0']),
    ('more than nothing', ['handshake', *BOTH, '--timeout', '0']), ('more than nothing', ['handshake', *BOTH, '--duration', '0']),
    ('no such suite', ['handshake', *BOTH, '--tls', '1.2', '--suite', 'chacha20']), ("'/nowhere' can't be read", ['handshake', *BOTH, '--ca', '/nowhere']),
]


def bad_options_are_refused(_laboratory):
    for words, arguments in BAD_OPTIONS:
        result = lab.run(rig.LOAD, *arguments, check=False)
        assert result.returncode == 2 and words in result.stderr and not result.stdout, (words, arguments, result)
    assert 'usage' in lab.run(rig.LOAD, '--help').stdout


if __name__ == '__main__':
    lab.need('nginx', 'openssl', 'curl', 'ethtool')
    lab.main([bad_options_are_refused, every_mode_against_sluice, *([starttls, references_leave_room_for_acknowledgements] if ALL else []), every_mode_against_nginx, what_is_wrong_is_noticed,
              what_is_late_is_counted, the_backend_alone,
              wrong_certificates_and_signatures])
