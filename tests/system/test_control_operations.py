# SPDX-License-Identifier: Apache-2.0
"""What operators do all day, end to end: they drain servers, whole backends and listeners; programs read the log (JSON); and
they list more connections than anybody reads in one go. SLUICE_CONNECTIONS says how many of these."""
import contextlib
import ctypes
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time

import lab
from test_control import NOBODY, Operator, give_tap, with_site
from test_control_kill import more_services
from test_ping import wait_for

os.environ.setdefault('SLUICE_NICE', '0')  # other tests run beside these
sys.path.insert(0, os.path.join(lab.ROOT, 'bench'))
import rig  # noqa: E402  (the path above must be set first)

LIBC, CLONE_NEWNET = ctypes.CDLL(None, use_errno=True), 0x40000000
N_CONNECTIONS = int(os.environ.get('SLUICE_CONNECTIONS', '2000'))
RESIDENT_GROWTH_MAX = 16 << 20


@contextlib.contextmanager
def inside(namespace):
    """Sockets that are made in the block live in the namespace."""
    own, other = os.open('/proc/thread-self/ns/net', os.O_RDONLY), os.open(f'/run/netns/{namespace}', os.O_RDONLY)
    try:
        assert LIBC.setns(other, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert LIBC.setns(own, CLONE_NEWNET) == 0
        os.close(own)
        os.close(other)


class Servers:
    """Backends that answer with their port and what they were sent."""

    def __init__(self, site, *ports):
        with inside(site.namespace):
            self.listeners = {port: socket.create_server(('198.51.100.20', port)) for port in ports}
        for port, listener in self.listeners.items():
            threading.Thread(target=self.accept, args=[port, listener], daemon=True).start()

    def accept(self, port, listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=[port, listener.accept()[0]], daemon=True).start()

    def serve(self, port, connection):
        with connection, contextlib.suppress(OSError):
            while received := connection.recv(4096):
                connection.sendall(b'%d:' % port + received)


class Talk:
    """A client's TLS connection to a port of the proxy."""

    def __init__(self, site, port):
        context = ssl.create_default_context(cafile=f'{site.folder}/a.pem')
        with inside(site.namespace):
            plain = socket.create_connection(('198.51.100.1', port), 10)
        self.tls = context.wrap_socket(plain, server_hostname='mail.example.org')

    def say(self, word=b'hello'):
        """The port of the server that answers; None at the end."""
        try:
            self.tls.sendall(word)
            answer = self.tls.recv(4096)
        except (ConnectionError, ssl.SSLError, ssl.SSLEOFError):
            return None
        assert not answer or answer.endswith(b':' + word), answer
        return int(answer.split(b':')[0]) if answer else None


def served_by(site, port, count=6):
    return {Talk(site, port).say() for _ in range(count)}


@with_site
def what_is_drained_ends_by_itself(site):
    """Connections in flight go on; new ones go elsewhere, or are told that nobody is there; enabled again, all is as before."""
    more_services(site)
    site.start()
    site.running()
    give_tap(site)
    servers = Servers(site, 82, 83)

    def ctl(*words):
        result = site.ctl(*words)
        assert result.returncode == 0, result

    def states():
        return [row['state'] for row in site.json('show', 'backend', 'spare')]
    wait_for(lambda: served_by(site, 445) == {82, 83}, 'both servers')
    talks = [Talk(site, 445) for _ in range(4)]
    first = [talk.say() for talk in talks]
    assert set(first) == {82, 83}, first
    # A server: the other one takes over.
    ctl('drain', 'server', 'spare/198.51.100.20:82')
    wait_for(lambda: states() == ['draining', 'up'], 'the server to be drained')
    assert served_by(site, 445) == {83}
    assert [talk.say() for talk in talks] == first
    # The whole backend: nobody is left.
    ctl('drain', 'backend', 'spare')
    wait_for(lambda: states() == ['draining', 'draining'], 'the backend to be drained')
    start = time.monotonic()
    assert served_by(site, 445, count=2) == {None}
    assert time.monotonic() - start < 5, 'clients of a drained backend wait for something'
    assert [talk.say() for talk in talks] == first
    assert served_by(site, 443, count=1) == {None}  # which has no server at all
    ctl('enable', 'backend', 'spare')
    wait_for(lambda: states() == ['draining', 'up'], 'what was drained by itself to stay so')
    assert served_by(site, 445) == {83}
    ctl('enable', 'server', 'spare/198.51.100.20:82')
    wait_for(lambda: states() == ['up', 'up'], 'the server to be back')
    assert served_by(site, 445) == {82, 83}
    # A listener: its port is closed to newcomers.
    for use in ('drain', 'disable'):
        ctl(use, 'listener', 'spare')

        def is_closed():
            try:
                Talk(site, 445)
            except ConnectionRefusedError:
                return True
            return False
        wait_for(is_closed, 'the listener to be closed')
        assert [talk.say() for talk in talks] == (first if use == 'drain' else [None] * 4), use
        ctl('enable', 'listener', 'spare')
        wait_for(lambda: not is_closed(), 'the listener to be open')
        assert served_by(site, 445) == {82, 83}
    # Disabled, as opposed to drained, ends what there is.
    talks = [Talk(site, 445) for _ in range(4)]
    first = [talk.say() for talk in talks]
    ctl('disable', 'server', 'spare/198.51.100.20:82')
    wait_for(lambda: [talk.say() for talk in talks] == [83 if port == 83 else None for port in first], 'its connections to end')
    assert 'operator uid 0: disable server spare/198.51.100.20:82\n' in site.logged()
    for listener in servers.listeners.values():
        listener.close()


def lines_with(lines, **fields):
    found = [line for line in lines if all(line.get(name) == value for name, value in fields.items())]
    assert found, (fields, lines[-5:])
    return found[-1]


@with_site
def the_log_is_for_programs(site):
    """Every line is JSON, and every name in it is one that docs/control.md has."""
    with open(site.config, encoding='ascii') as f:
        text = f.read().replace('log: {rate: 100000}', 'log: {rate: 100000, format: json}, socket-mode: "0666"')
    with open(site.config, 'w', encoding='ascii') as f:
        f.write(text)
    _, link = site.lab.dataplane(site.namespace, name='dataplane')  # whose own words do not go to the log
    link.close()
    site.start('--attach')
    site.running()
    give_tap(site)
    servers = Servers(site, 80)
    wait_for(lambda: served_by(site, 443, count=1) == {80}, 'a connection')
    site.lab.inside(site.namespace, 'openssl', 's_client', '-connect', '198.51.100.1:443', '-servername', 'mail.example.org', '-tls1_2', '-cipher',
                    'ECDHE-RSA-AES128-GCM-SHA256', check=False)
    assert site.ctl('set', 'limit', 'connections', '3000').returncode == 0
    assert site.ctl('kill', 'conn', '0-1').returncode == 0
    assert site.ctl('reload', uid=NOBODY).returncode == 1
    wait_for(lambda: '"tls_failure"' in site.logged() and '"connection_end"' in site.logged(), 'the events')
    lines = [json.loads(line) for line in site.logged().splitlines()]
    for line in lines:
        assert {'time', 'level', 'reason', 'message'} <= set(line) and line['level'] in ('error', 'warning', 'notice', 'info', 'debug'), line
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', line['time']), line
    with open(os.path.join(lab.ROOT, 'docs/control.md'), encoding='utf-8') as f:
        documented = set(re.findall(r'`([a-z_]+)`', f.read().split('## The log')[1].split('\n## ')[0]))
    assert {name for line in lines for name in line} <= documented, {name for line in lines for name in line} - documented
    peer = {'listener': 'mail', 'protocol': 'tls', 'client': '198.51.100.2', 'worker': 0}
    session = lines_with(lines, event='tls_session', version='TLSv1.3', sni='mail.example.org', resumed=0, starttls=0, **peer)
    assert session['level'] == 'info' and session['handshake_us'] > 0 and session['client_port'] > 1023, session
    end = lines_with(lines, event='connection_end', reason='connection_end', backend='web', server='198.51.100.20:80', sni='mail.example.org', **peer)
    assert end['bytes_in'] == 5 and end['bytes_out'] == 8 and end['attempts'] == 1 and end['duration_us'] > 0 and end['cause'], end
    failure = lines_with(lines, event='tls_failure', sni='mail.example.org', alert_by='sluice', **peer)
    assert failure['level'] == 'notice' and failure['reason'] == f"tls-{failure['cause']}" and failure['alert'] == '40', failure
    assert 'ECDHE-RSA-AES128-GCM-SHA256' in failure['ciphers_offered'] and 'TLSv1.2' in failure['versions_offered'], failure
    assert failure['groups_offered'] and failure['state'] and failure['handshake_us'] >= 0, failure
    done = lines_with(lines, reason='operator', command='set limit connections 3000')
    assert done['uid'] == 0 and done['level'] == 'notice' and done['refused'] == 0, done
    lines_with(lines, reason='operator', command='kill conn 0-1', uid=0)
    assert lines_with(lines, reason='operator', command='reload', uid=NOBODY)['refused'] == 1
    servers.listeners[80].close()


def resident(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) << 10


def list_connections(path, seconds=60):
    """The ids, read as they come."""
    operator = Operator(path, timeout=seconds)
    rows = json.loads(operator.ask('show conn json'))
    operator.close()
    return [row['id'] for row in rows]


def connections_are_listed_while_they_talk(laboratory):
    """So many that no message holds them: each is there, nobody waits for a reader who does not read, and control's memory does
    not grow with the list."""
    sluice = rig.Sluice(laboratory, rig.memif(laboratory, 'server'), huge=False, memory=512, connections=N_CONNECTIONS + 1024, poll='adaptive')
    path = f'{sluice.folder}/control.sock'
    duration = 3 + N_CONNECTIONS // 500
    load = rig.Load(laboratory, 'idle', *rig.memif_load(laboratory, huge=False, clients=50, connections=N_CONNECTIONS), '--verify', 0, '--trickle', '2',
                    '--warm-up', '0.1', '--duration', duration, '--timeout', '60')

    def count():
        return sum(row['connections'] for row in json.loads(sluice.ctl('--json', 'show', 'tables')))
    wait_for(lambda: count() >= N_CONNECTIONS or load.process.poll() is not None, 'the connections', 300)
    assert count() >= N_CONNECTIONS, (count(), load.process.poll())
    ids = list_connections(path)
    before = resident(sluice.process.pid)
    slow = [Operator(path) for _ in range(8)]
    for operator in slow:
        operator.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        operator.send('show conn detail')
    for _ in range(3):
        again = list_connections(path)
        assert len(set(ids) & set(again)) >= N_CONNECTIONS, (len(ids), len(again))
        start = time.monotonic()
        Operator(path).ask('show info')
        assert time.monotonic() - start < 5, 'a reader who does not read holds others up'
    assert len(set(ids)) >= N_CONNECTIONS, (len(ids), len(set(ids)))
    grown = resident(sluice.process.pid) - before
    assert grown < RESIDENT_GROWTH_MAX, f'{grown} bytes more for lists of {N_CONNECTIONS} connections'
    # Who reads at last gets all of it.
    assert len(slow[0].answer().splitlines()) > N_CONNECTIONS
    for operator in slow:
        operator.close()
    print(f'{len(ids)} connections listed; control grew by {grown >> 10} KB meanwhile')
    load.finish()
    assert not load.total['errors'] and load.total['requests'] > 0, load.total
    sluice.stop()


class RefusingDataplane:
    """The dataplane's end of the control link by hand: it refuses snapshots and ticket keys until told to take them."""

    def __init__(self, path):
        self.takes, self.asked = False, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.page = os.memfd_create('page', os.MFD_ALLOW_SEALING)
        threading.Thread(target=self.serve, daemon=True).start()

    def answer(self, link, kind, number, body, fds=()):
        socket.send_fds(link, [lab.HEADER.pack(lab.MAGIC, lab.VERSION, kind, number, lab.HEADER.size + len(body)) + body], fds)

    def serve(self):
        link = self.listener.accept()[0]
        while True:
            message, fds, _, _ = socket.recv_fds(link, 4096, 4)
            if not message:
                return
            for fd in fds:
                os.close(fd)
            _, _, kind, number, _ = lab.HEADER.unpack_from(message)
            if kind == lab.HELLO:
                self.answer(link, lab.HELLO_ANSWER, number, struct.pack('=IIQ32s', os.getpid(), 1, 0, b'0'), [self.page])
                continue
            self.asked.append(kind)
            refused = kind in (lab.SNAPSHOT, lab.TICKET_KEYS) and not self.takes
            self.answer(link, lab.ANSWER, number, (b'not now' if refused or kind > lab.ANSWER else b'').ljust(256, b'\0'))


@with_site
def what_was_refused_is_tried_again(site):
    """A shortage that ends must not leave the dataplane with an old configuration until somebody changes something."""
    dataplane = RefusingDataplane(site.link)
    site.start('--attach')
    wait_for(lambda: dataplane.asked.count(lab.SNAPSHOT) >= 2 and dataplane.asked.count(lab.TICKET_KEYS) >= 2, 'more than one attempt')
    info = site.info()
    assert info['snapshot_published'] is False and info['snapshot_refused'] == 'not now', info
    assert site.logged().count('did not get to the dataplane: not now') <= 2, site.logged()
    dataplane.takes = True
    wait_for(lambda: site.info()['snapshot_published'], 'the snapshot to be taken')
    assert site.info()['snapshot_refused'] == ''
    n_attempts = dataplane.asked.count(lab.SNAPSHOT)
    assert site.ctl('reload').returncode == 0
    wait_for(lambda: dataplane.asked.count(lab.SNAPSHOT) == n_attempts + 1, 'the next snapshot')


TESTS = [what_was_refused_is_tried_again, what_is_drained_ends_by_itself, the_log_is_for_programs, connections_are_listed_while_they_talk]

if __name__ == '__main__':
    lab.main(TESTS)
