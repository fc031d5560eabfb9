# SPDX-License-Identifier: Apache-2.0
"""The dataplane as a TLS proxy: real clients, nginx as the backend, every byte through our TCP and our crypto.

        a: clients  --TAP-- dataplane (198.51.100.1:443) --TAP-- a: nginx (198.51.100.2:8080)
"""
import hashlib
import os
import subprocess

import events
import lab
import snapshot
from test_ping import give_addresses, usable, wait_for, wait_for_device

SOAK = os.environ.get('SLUICE_CLIENTS') == 'soak'

OWN, PEER = '198.51.100.1', '198.51.100.2'
OWN6, PEER6 = '2001:db8:1::1', '2001:db8:1::2'


def start_nginx(laboratory, namespace):
    folder = os.path.join(laboratory.folder, 'nginx')
    os.makedirs(os.path.join(folder, 'files'), exist_ok=True)
    os.chmod(laboratory.folder, 0o755)
    with open(os.path.join(folder, 'files/small'), 'w', encoding='ascii') as f:
        f.write('small file\n')
    with open(os.path.join(folder, 'files/large'), 'wb') as f:
        f.write(os.urandom(1 << 20) * 32)
    with open(os.path.join(folder, 'nginx.conf'), 'w', encoding='ascii') as f:
        f.write(f'''daemon off; pid {folder}/pid; error_log {folder}/error.log; user root; worker_processes 1; worker_rlimit_nofile 32768;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen {PEER}:8080; listen [{PEER6}]:8080; root {folder}/files; dav_methods PUT; }}
  server {{ listen {PEER}:8081; return 200 "second backend\\n"; }}
}}
''')
    process = laboratory.spawn(namespace, 'nginx', '-c', os.path.join(folder, 'nginx.conf'), '-e', os.path.join(folder, 'error.log'))
    wait_for(lambda: laboratory.inside(namespace, 'curl', '-s', f'http://{PEER}:8080/small', check=False).returncode == 0, 'nginx')
    return process


class Proxy:
    """A dataplane with nginx behind it in one namespace, an ECDSA and an RSA certificate for proxy.test."""

    def __init__(self, laboratory, workers=1, backends=None, listeners=None, **head):
        self.lab = laboratory
        self.namespace = laboratory.namespace('a')
        cores = (lab.cores(workers) * workers)[:workers]
        self.process, self.link = laboratory.dataplane(self.namespace)
        self.page = lab.CounterPage(self.link.start(
            lab.dataplane_record(laboratory.tag, cores, memory=192 << 20, connections=head.pop('connections', 4096)), lab.port_record('tap', 'net_tap0,iface=sluice0'),
            lab.address_record(0, f'{OWN}/24'), lab.address_record(0, f'{OWN6}/64')))
        wait_for_device(laboratory, self.namespace, 'sluice0')
        give_addresses(laboratory, self.namespace, 'sluice0', f'{PEER}/24', f'{PEER6}/64')
        usable(laboratory, self.namespace, OWN6)
        self.nginx = start_nginx(laboratory, self.namespace)
        self.certificates, self.told = {}, []
        for number, (name, kind) in enumerate((('ec', 'ec'), ('rsa', 'rsa'))):
            self.add_certificate(number, name, kind, ('proxy.test', '*.wild.test'))
        self.link.publish(lab.TICKET_KEYS, snapshot.ticket_key_records())
        self.backends = backends or [snapshot.backend_records('web', [f'{PEER}:8080']), snapshot.backend_records('second', [f'{PEER}:8081']),
                                     snapshot.backend_records('web6', [f'[{PEER6}]:8080'])]
        self.listeners = listeners or [
            snapshot.listener_records('https', 'tls', [f'{OWN}:443', f'[{OWN6}]:443'], certificate=0, alpn=('http/1.1',),
                                      routes=[(1, ['second.wild.test'], [])]),
            snapshot.listener_records('plain', 'tcp', [f'{OWN}:80'], backend=0),
            snapshot.listener_records('six', 'tls', [f'{OWN}:643'], backend=2, certificate=0)]
        self.names = [('proxy.test', 0), ('proxy.test', 1), ('*.wild.test', 0)]
        self.head = head
        self.publish()

    def add_certificate(self, number, name, kind, names):
        self.certificates[number] = snapshot.make_certificate(self.lab.folder, name, kind, names)
        self.link.publish(lab.PRIVATE_KEYS, snapshot.key_record(number, self.certificates[number][1]))
        self.link.publish(lab.CERTIFICATES, snapshot.certificate_record(number, self.certificates[number][0]))

    def publish(self, generation=1):
        before = self.page.total()['worker_deployments']
        self.link.publish(lab.SNAPSHOT, snapshot.snapshot(self.backends, self.listeners, self.names, generation=generation, **self.head))
        wait_for(lambda: self.page.total()['worker_deployments'] >= before + self.page.n_workers, 'the snapshot to be in place')

    def curl(self, *arguments, name='proxy.test', port=443, certificate=0, check=True, address=OWN):
        return self.lab.inside(self.namespace, 'curl', '-s', '-S', '--max-time', '60', '--cacert', self.certificates[certificate][0],
                               '--resolve', f'{name}:{port}:{address}', *arguments, check=check)

    def s_client(self, *arguments, data='GET /small HTTP/1.0\r\n\r\n', name='proxy.test', seconds=20):
        result = subprocess.run(['ip', 'netns', 'exec', self.namespace, 'openssl', 's_client', '-connect', f'{OWN}:443', '-servername', name, '-ign_eof',
                                 *arguments], input=data, capture_output=True, text=True, timeout=seconds, check=False)
        return result.stdout + result.stderr

    def stop(self):
        leaked = self.link.stop()
        assert leaked == 0, f'{leaked} packet buffers leaked'
        assert self.process.wait(20) == 0


def hash_of(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def curl_both_versions(laboratory):
    proxy = Proxy(laboratory)
    for version in ('1.2', '1.3'):
        result = proxy.curl(f'--tlsv{version}', '--tls-max', version, '-v', 'https://proxy.test/small')
        assert result.stdout == 'small file\n', result.stdout
        assert f'SSL connection using TLSv{version}' in result.stderr, result.stderr
        assert 'ALPN: server accepted http/1.1' in result.stderr, result.stderr
    assert proxy.curl('https://proxy.test/small', address=f'[{OWN6}]').stdout == 'small file\n'
    assert proxy.curl('https://proxy.test:643/small', port=643).stdout == 'small file\n'
    assert proxy.lab.inside(proxy.namespace, 'curl', '-s', f'http://{OWN}/small').stdout == 'small file\n'
    proxy.stop()


def large_transfers_both_ways(laboratory):
    proxy = Proxy(laboratory)
    source = os.path.join(laboratory.folder, 'nginx/files/large')
    target = os.path.join(laboratory.folder, 'got')
    for version in ('1.3', '1.2'):
        proxy.curl('--tls-max', version, '-o', target, 'https://proxy.test/large')
        assert hash_of(target) == hash_of(source)
        proxy.curl('--tls-max', version, '-T', source, f'https://proxy.test/up{version}')
        assert hash_of(os.path.join(laboratory.folder, f'nginx/files/up{version}')) == hash_of(source)
    proxy.stop()


def certificates_by_name_and_algorithm(laboratory):
    proxy = Proxy(laboratory)
    assert 'Server public key is 256 bit' in proxy.s_client()
    rsa = proxy.s_client('-sigalgs', 'rsa_pss_rsae_sha256')
    assert 'Server public key is 2048 bit' in rsa, rsa
    assert 'second backend' in proxy.s_client(name='second.wild.test')
    assert 'small file' in proxy.s_client(name='other.wild.test')
    assert 'Server public key is 2048 bit' in proxy.s_client('-tls1_2', '-cipher', 'ECDHE-RSA-AES256-GCM-SHA384')
    for cipher in ('TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_256_GCM_SHA384'):
        assert f'Cipher is {cipher}' in proxy.s_client('-ciphersuites', cipher)
    for group in ('X25519', 'P-256', 'P-384'):
        assert 'small file' in proxy.s_client('-groups', group), group
    proxy.stop()


def nothing_weaker_is_spoken(laboratory):
    proxy = Proxy(laboratory)
    for arguments in (['-tls1_1'], ['-tls1_2', '-cipher', 'AES128-GCM-SHA256:AES128-SHA'], ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA'],
                      ['-groups', 'P-521']):
        answer = proxy.s_client(*arguments)
        assert 'small file' not in answer and 'Cipher is (NONE)' in answer, (arguments, answer)
    proxy.stop()


def sessions_are_resumed(laboratory):
    proxy = Proxy(laboratory)
    for version in ('-tls1_3', '-tls1_2'):
        path = os.path.join(laboratory.folder, f'session{version}')
        assert 'New, ' in proxy.s_client(version, '-sess_out', path)
        again = proxy.s_client(version, '-sess_in', path)
        assert 'Reused, ' in again and 'small file' in again, again
    proxy.stop()


def other_clients(laboratory):
    proxy = Proxy(laboratory)
    gnutls = subprocess.run(['ip', 'netns', 'exec', proxy.namespace, 'gnutls-cli', '--x509cafile', proxy.certificates[0][0], '--sni-hostname', 'proxy.test',
                             '--verify-hostname', 'proxy.test', '-p', '443', OWN], input='GET /small HTTP/1.0\n\n', capture_output=True, text=True, timeout=30, check=False)
    assert 'small file' in gnutls.stdout, gnutls.stdout + gnutls.stderr
    script = (f"import ssl, socket; c = ssl.create_default_context(cafile='{proxy.certificates[0][0]}'); s = c.wrap_socket(socket.create_connection(('{OWN}', 443)), "
              "server_hostname='proxy.test'); s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n'); print(b''.join(iter(lambda: s.recv(4096), b''))); print(s.version())")
    result = proxy.lab.inside(proxy.namespace, 'python3', '-c', script)
    assert 'small file' in result.stdout and 'TLSv1.3' in result.stdout, result.stdout
    proxy.stop()


def many_short_connections(laboratory):
    proxy = Proxy(laboratory, workers=min(2, len(lab.cores(2))))
    script = f'''
import concurrent.futures, socket, ssl
context = ssl.create_default_context(cafile='{proxy.certificates[0][0]}')
def once(_):
    with context.wrap_socket(socket.create_connection(('{OWN}', 443)), server_hostname='proxy.test') as s:
        s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n')
        return b''.join(iter(lambda: s.recv(4096), b'')).endswith(b'small file\\n')
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(sum(pool.map(once, range(1000))))
'''
    assert proxy.lab.inside(proxy.namespace, 'python3', '-c', script, timeout=120).stdout.strip() == '1000'
    assert proxy.page.total()['tls_handshakes_done'] >= 1000
    proxy.stop()


def snapshots_are_swapped_under_load(laboratory):
    proxy = Proxy(laboratory)
    downloads = [proxy.lab.spawn(proxy.namespace, 'curl', '-s', '--limit-rate', '8M', '--cacert', proxy.certificates[0][0], '--resolve', f'proxy.test:443:{OWN}', '-o',
                                 os.path.join(laboratory.folder, f'slow{i}'), 'https://proxy.test/large') for i in range(3)]
    for generation in range(2, 40):
        proxy.publish(generation)
        assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    for i, download in enumerate(downloads):
        assert download.wait(60) == 0
        assert hash_of(os.path.join(laboratory.folder, f'slow{i}')) == hash_of(os.path.join(laboratory.folder, 'nginx/files/large'))
    proxy.stop()


IDLE_CLIENT = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
s = context.wrap_socket(socket.create_connection((sys.argv[2], 443)), server_hostname='proxy.test')
print('up', flush=True)
sys.stdin.readline()
s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n')
print(b''.join(iter(lambda: s.recv(4096), b'')).endswith(b'small file\\n'), flush=True)
s.unwrap()
"""


def listeners(proxy):
    return {name for _, name in proxy.page.tallies('listener') if name}


def connections_outlive_their_snapshots(laboratory):
    """One connection stays idle over 30 reloads that rename its listener and backend and give their places to others."""
    proxy = Proxy(laboratory, workers=2)
    web, other = f'{PEER}:8080', f'{PEER}:8081'
    idle = subprocess.Popen(['ip', 'netns', 'exec', proxy.namespace, 'python3', '-c', IDLE_CLIENT, proxy.certificates[0][0], OWN],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert idle.stdout.readline() == 'up\n'
    for generation in range(2, 32):
        proxy.backends = [snapshot.backend_records(f'x{generation}', [other]), snapshot.backend_records(f'web{generation}', [web])]
        if generation % 2:
            proxy.backends.reverse()
        proxy.listeners = [snapshot.listener_records(f'https{generation}', 'tls', [f'{OWN}:443'], backend=1 - generation % 2, certificate=0)]
        proxy.publish(generation)
        if generation % 10 == 0:
            assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    wait_for(lambda: listeners(proxy) == {'https', 'https31'}, 'what nobody uses to be forgotten')
    assert ('web', web) in proxy.page.tallies('server'), proxy.page.tallies('server')
    assert idle.communicate('\n', timeout=20)[0] == 'True\n'
    end = told(proxy, 'connection_end', lambda fields: fields['listener'] == 'https')
    assert (end['backend'], end['server'], end['reason']) == ('web', (PEER, 8080), 'ended') and end['bytes_to'] > 200, end
    wait_for(lambda: listeners(proxy) == {'https31'}, 'the last user to be gone')
    proxy.stop()


def handshakes_that_are_stuck_hold_a_reload_up_for_so_long(laboratory):
    """Eight snapshots are in use by half a hello each: the next one waits until the first handshake's time is over, and is overtaken by newer ones."""
    proxy = Proxy(laboratory)
    stuck = []
    for generation in range(2, 12):
        script = f"import socket, sys; s = socket.create_connection(('{OWN}', 443)); s.sendall(b'\\x16\\x03\\x01\\x02\\x00\\x01'); print('sent', flush=True); sys.stdin.read()"
        proxy.listeners = [snapshot.listener_records('https', 'tls', [f'{OWN}:443', f'{OWN}:{8000 + generation}'], certificate=0, handshake_ms=3000)]
        proxy.link.publish(lab.SNAPSHOT, snapshot.snapshot(proxy.backends, proxy.listeners, proxy.names, generation=generation))
        if generation < 9:
            wait_for(lambda: proxy.page.total()['worker_deployments'] == generation, 'the snapshot to be in place')
            stuck.append(subprocess.Popen(['ip', 'netns', 'exec', proxy.namespace, 'python3', '-c', script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert stuck[-1].stdout.readline() == 'sent\n'
            wait_for(lambda: proxy.page.total()['proxy_connections'] >= len(stuck), 'the connection to be taken')
    assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    wait_for(lambda: proxy.curl('https://proxy.test:8011/small', port=8011, check=False).stdout == 'small file\n', 'the newest snapshot', 10)
    total = proxy.page.total()
    assert total['worker_deployments'] + total['worker_deployments_skipped'] == 11, total
    for process in stuck:
        process.communicate()
    proxy.stop()


def a_certificate_is_changed_live(laboratory):
    proxy = Proxy(laboratory)
    proxy.add_certificate(7, 'new', 'ec', ('proxy.test',))
    proxy.names = [('proxy.test', 7)]
    proxy.listeners = [snapshot.listener_records('https', 'tls', [f'{OWN}:443'], certificate=7)]
    proxy.publish(2)
    assert proxy.curl('https://proxy.test/small', certificate=7).stdout == 'small file\n'
    assert proxy.curl('https://proxy.test/small', certificate=0, check=False).returncode == 60
    assert proxy.lab.inside(proxy.namespace, 'curl', '-s', '-m', '3', f'http://{OWN}/small', check=False).returncode == 7  # its listener is gone
    proxy.stop()


def bad_snapshots_change_nothing(laboratory):
    proxy = Proxy(laboratory)
    good = snapshot.snapshot(proxy.backends, proxy.listeners, proxy.names)
    for broken, word in ((good[:-8], 'cut off'), (good[8:], 'type'), (snapshot.snapshot(proxy.backends, proxy.listeners, [('x.test', 99)]), 'certificate 99'),
                         (snapshot.snapshot([], proxy.listeners, proxy.names), 'backend'),
                         (snapshot.snapshot(proxy.backends, proxy.listeners, proxy.names, tickets=9), 'tickets'),
                         (snapshot.snapshot(proxy.backends, proxy.listeners, proxy.names, tls_min=0x0302), 'version')):
        try:
            proxy.link.publish(lab.SNAPSHOT, broken)
        except lab.Refused as refused:
            assert word in str(refused), (word, str(refused))
        else:
            raise AssertionError(f'accepted: {word}')
    for kind, records in ((lab.PRIVATE_KEYS, snapshot.key_record(0, proxy.certificates[0][1])), (lab.PRIVATE_KEYS, b'\1' * 64),
                          (lab.CERTIFICATES, snapshot.certificate_record(5, proxy.certificates[0][0])), (lab.TICKET_KEYS, snapshot.ticket_key_records()[:100])):
        try:
            proxy.link.publish(kind, records)
        except lab.Refused:
            continue
        raise AssertionError(f'accepted a broken message of type {kind}')
    assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    proxy.stop()


def clients_that_are_no_tls(laboratory):
    proxy = Proxy(laboratory)
    for sent in (b'GET / HTTP/1.0\r\n\r\n', os.urandom(500), b'\x16\x03\x01\x02\x00\x01'):
        script = (f"import socket; s = socket.create_connection(('{OWN}', 443)); s.sendall({sent!r}); s.shutdown(1); s.settimeout(15)\n"
                  "try:\n    print('got', s.recv(100))\nexcept ConnectionResetError:\n    print('got reset')")
        result = proxy.lab.inside(proxy.namespace, 'python3', '-c', script, check=False)
        assert result.returncode == 0 and 'got' in result.stdout, result.stdout + result.stderr
    assert proxy.curl('https://proxy.test/small').stdout == 'small file\n'
    proxy.stop()


def a_dead_backend_is_said(laboratory):
    proxy = Proxy(laboratory)
    proxy.lab.end(proxy.nginx)
    assert proxy.curl('https://proxy.test/small', check=False).returncode != 0
    proxy.nginx = start_nginx(laboratory, proxy.namespace)
    wait_for(lambda: proxy.curl('https://proxy.test/small', check=False).stdout == 'small file\n', 'the backend to be back', 30)
    proxy.stop()


def told(proxy, wanted, check=lambda fields: True, seconds=5):
    """The fields of the first event of that name that fits; it is not told again."""
    found = []

    def look():
        proxy.told.extend(map(events.decode, proxy.link.drain_events()))
        found.extend(event for event in proxy.told if event[0] == wanted and check(event[1]))
        return found

    try:
        wait_for(look, f'an event {wanted}', seconds)
    except AssertionError as error:
        raise AssertionError(f'{error}; told was {proxy.told}') from error
    proxy.told.remove(found[0])
    return found[0][1]


def events_tell_what_happened(laboratory):
    proxy = Proxy(laboratory)
    proxy.curl('--tls13-ciphers', 'TLS_AES_256_GCM_SHA384', '--curves', 'P-256', 'https://proxy.test/small')
    session = told(proxy, 'tls_session')
    assert (session['listener'], session['protocol'], session['local'], session['client'][0]) == ('https', 'tls', (OWN, 443), PEER), session
    assert (session['version'], session['suite'], session['group'], session['scheme']) == (0x304, 0x1302, 23, 0x403), session
    assert (session['sni'], session['alpn'], session['flags'] & 1) == ('proxy.test', 'http/1.1', 0), session
    proxy.curl('https://proxy.test/small')
    end = told(proxy, 'connection_end', lambda fields: fields['sni'] == 'proxy.test')
    assert (end['reason'], end['backend'], end['server'], end['attempts']) == ('ended', 'web', (PEER, 8080), 1), end
    assert end['bytes_from'] > 50 and end['bytes_to'] > 200, end
    for arguments, reason, alert in ((['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], 'protocol_version', 70), (['-groups', 'P-521'], 'handshake_failure', 40),
                                     (['-tls1_2', '-cipher', 'AES128-SHA'], 'handshake_failure', 40)):
        proxy.s_client(*arguments)
        failure = told(proxy, 'tls_failure')
        assert (failure['reason'], failure['alert'], failure['flags']) == (reason, alert, 1), failure
        assert failure['sni'] == 'proxy.test' and failure['suites'] and failure['versions'], failure
        assert failure['state'] == 'server: expects ClientHello', failure
    proxy.curl('--cacert', proxy.certificates[1][0], 'https://proxy.test/small', check=False)
    refused = told(proxy, 'tls_failure')
    assert (refused['flags'], refused['reason']) == (2, 'unknown_ca'), refused
    proxy.lab.inside(proxy.namespace, 'curl', '-s', f'http://{OWN}:443/', check=False)
    assert told(proxy, 'tls_failure')['reason'] == 'http_to_tls_port'
    https, web = proxy.page.tallies('listener')['', 'https'], proxy.page.tallies('server')['web', f'{PEER}:8080']
    assert (https['handshakes_full'], https['handshakes_failed'], https['connections']) == (2, 5, 7), https
    assert (web['connections'], web['state'], web['weight']) == (2, 1, 1) and web['bytes_from'] == https['bytes_out'] == 2 * end['bytes_to'], (web, https, end)
    proxy.lab.end(proxy.nginx)
    for _ in range(3):
        proxy.curl('https://proxy.test/small', check=False)
    ejected = told(proxy, 'server_state')
    assert (ejected['backend'], ejected['server'], ejected['state']) == ('web', (PEER, 8080), 'ejected'), ejected
    web = proxy.page.tallies('server')['web', f'{PEER}:8080']
    assert (web['state'], web['connects_failed'], web['ejections']) == (2, 3, 1), web
    assert told(proxy, 'connection_end', lambda fields: fields['reason'] == 'no_backend')['attempts'] == 1
    proxy.head['connections'] = 1
    proxy.publish(2)
    held = subprocess.Popen(['ip', 'netns', 'exec', proxy.namespace, 'python3', '-c',
                             f"import socket, sys; a = [socket.create_connection(('{OWN}', 443)) for _ in range(5)]; sys.stdin.read()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert told(proxy, 'connection_refused')['reason'] == 'admission_global_connections'
    held.communicate()
    proxy.stop()


def a_listener_has_limits_of_its_own(laboratory):
    """Of connections and of full handshakes, over all its addresses and over a reload; another listener has them not."""
    proxy = Proxy(laboratory, listeners=[snapshot.listener_records('small', 'tls', [f'{OWN}:443', f'{OWN}:444'], certificate=0, connections=3),
                                         snapshot.listener_records('large', 'tls', [f'{OWN}:445'], certificate=0)])

    def hold(*ports):
        """Connections until stdin is closed, one of which is refused, perhaps before it can be seen; the number of the others is printed."""
        script = f"""
import select, socket, sys
held = []
for port in {ports!r}:
    try: held.append(socket.create_connection(('{OWN}', port), timeout=5))
    except ConnectionResetError: pass
print(len(held) - (len(select.select(held, [], [], 10)[0]) if len(held) == {len(ports)} else 0), flush=True)
sys.stdin.read()
"""
        return subprocess.Popen(['ip', 'netns', 'exec', proxy.namespace, 'python3', '-c', script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    first = hold(443, 444, 444, 443, 445, 445, 445, 445)
    assert first.stdout.readline() == '7\n'
    assert told(proxy, 'connection_refused')['reason'] == 'admission_listener_connections'
    # With other settings the same listener still has what it had.
    proxy.listeners[0] = snapshot.listener_records('small', 'tls', [f'{OWN}:443', f'{OWN}:444'], certificate=0, connections=4)
    proxy.publish(2)
    second = hold(443, 443)
    assert second.stdout.readline() == '1\n'
    for process in (first, second):
        process.communicate()
    wait_for(lambda: proxy.page.tallies('listener')['', 'small']['closed'] == 4, 'the connections to be gone')
    proxy.listeners[0] = snapshot.listener_records('small', 'tls', [f'{OWN}:443', f'{OWN}:444'], certificate=0, handshakes=1)
    proxy.publish(3)
    wait_for(lambda: proxy.curl('https://proxy.test/small', check=False).stdout == '', 'a handshake to be refused')
    assert told(proxy, 'connection_refused', lambda fields: 'rate' in fields['reason'])['reason'] == 'admission_listener_rate'
    assert proxy.curl('https://proxy.test:445/small', port=445).stdout == 'small file\n'
    proxy.stop()


if __name__ == '__main__':
    lab.need('curl', 'openssl', 'nginx', 'gnutls-cli')
    lab.main([curl_both_versions, large_transfers_both_ways, certificates_by_name_and_algorithm, nothing_weaker_is_spoken, sessions_are_resumed, other_clients,
              many_short_connections, snapshots_are_swapped_under_load, connections_outlive_their_snapshots, a_certificate_is_changed_live,
              bad_snapshots_change_nothing, clients_that_are_no_tls, a_dead_backend_is_said, events_tell_what_happened, a_listener_has_limits_of_its_own,
              # The simulation has it too; here it takes as long as a handshake may.
              *([handshakes_that_are_stuck_hold_a_reload_up_for_so_long] if SOAK else [])])
