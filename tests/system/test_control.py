# SPDX-License-Identifier: Apache-2.0
"""The control process end to end: it starts a dataplane on a TAP, keeps it, is killed and comes back; operators' rights,
reloads, certificates over the socket, clients that misbehave, metrics read by real parsers."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import lab
from test_ping import give_addresses, ping, usable, wait_for, wait_for_device

CONTROL = os.path.join(lab.BUILD, 'control/sluice-control')
SLUICECTL = os.path.join(lab.BUILD, 'control/sluicectl')
ROUNDS = int(os.environ.get('SLUICE_RELOADS', '1000'))
NOBODY = 65534
METRICS_PORT = 19435


class Operator:
    """A connection to the operators' socket."""

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.rest = b''

    def send(self, line):
        self.socket.sendall(line.encode() + b'\n')

    def answer(self):
        while not (self.rest.startswith(b'\n') or b'\n\n' in self.rest):
            received = self.socket.recv(65536)
            assert received, 'the connection was closed'
            self.rest += received
        if self.rest.startswith(b'\n'):
            self.rest = self.rest[1:]
            return ''
        answer, self.rest = self.rest.split(b'\n\n', 1)
        return answer.decode()

    def ask(self, line):
        self.send(line)
        return self.answer()

    def close(self):
        self.socket.close()


class Site:
    """A configuration, a namespace, and the processes of one control plane."""

    def __init__(self, laboratory, **settings):
        self.lab, self.folder = laboratory, laboratory.folder
        self.namespace = laboratory.namespace('c')
        self.socket = os.path.join(self.folder, 'control.sock')
        self.link = os.path.join(self.folder, 'dataplane.sock')
        self.config = os.path.join(self.folder, 'sluice.yaml')
        self.log = open(os.path.join(self.folder, 'log'), 'w+', encoding='utf-8')
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, 'state'))
        self.make_certificate('a.pem', 'mail.example.org')
        self.write(**settings)
        self.process = None
        self.dataplane_pids = set()

    def make_certificate(self, name, host):
        """A self-signed certificate and its key, in one file; returns its text."""
        key, path = os.path.join(self.folder, 'key.tmp'), os.path.join(self.folder, name)
        lab.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
                '-out', path, '-subj', f'/CN={host}', '-addext', f'subjectAltName=DNS:{host}', '-days', '30')
        with open(key, encoding='ascii') as f, open(path, 'a', encoding='ascii') as out:
            out.write(f.read())
        os.remove(key)
        with open(path, encoding='ascii') as f:
            return f.read()

    def write(self, control='', extra='', address='198.51.100.1/24', start='auto', listener='mail', dataplane=''):
        with open(self.config, 'w', encoding='ascii') as f:
            f.write(f'''
dataplane:
  name: {self.lab.tag}
  workers: [{lab.cores(1)[0]}]
  memory: 64M
  huge-pages: never
  start: {start}
  socket: {self.link}
  program: {os.path.join(lab.BUILD, 'dataplane/sluice-dataplane')}
  {dataplane}
  ports:
    - {{name: tap, device: "net_tap0,iface=sluice0", addresses: [{address}]}}
certificates: [{self.folder}/a.pem]
backends: {{web: {{servers: ["198.51.100.20:80"]}}}}
listeners: [{{name: {listener}, address: "{address.split('/')[0]}:443", protocol: tls, backend: web}}]
control: {{socket: {self.socket}, metrics: "127.0.0.1:{METRICS_PORT}", log: {{rate: 100000}}, state-directory: {self.folder}/state{control}}}
{extra}
''')

    def start(self, *options):
        self.process = self.lab.spawn(self.namespace, CONTROL, '-c', self.config, *options, stderr=self.log)
        wait_for(lambda: os.path.exists(self.socket) and self.answers(), 'the control process to answer')
        return self

    def answers(self):
        try:
            operator = Operator(self.socket)
        except OSError:
            return False
        operator.close()
        return True

    def running(self):
        """Waits for the dataplane to run; the facts of `show info`."""
        wait_for(lambda: self.info()['dataplane'] == 'running', 'the dataplane to run')
        info = self.info()
        self.dataplane_pids.add(info['dataplane_pid'])
        return info

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ctl(self, *words, payload=None, uid=None):
        command = [SLUICECTL, '-s', self.socket, *words]
        if uid is not None:
            command = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', *command]
        return subprocess.run(command, input=payload, capture_output=True, text=True, timeout=30)

    def json(self, *words):
        result = self.ctl('--json', *words)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def info(self):
        return self.json('show', 'info')

    def logged(self):
        self.log.flush()
        with open(self.log.name, encoding='utf-8') as f:
            return f.read()

    def end(self):
        self.lab.end(self.process)
        self.dataplane_pids |= {int(pid) for pid in re.findall(r'started \S+, pid (\d+)$', self.logged(), re.M)}
        for pid in self.dataplane_pids:
            if not is_dataplane(pid):
                continue
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
            wait_for(lambda pid=pid: not is_alive(pid), f'dataplane {pid} to end')


def is_dataplane(pid):
    try:
        with open(f'/proc/{pid}/cmdline', encoding='utf-8') as f:
            return 'sluice-dataplane' in f.read()
    except FileNotFoundError:
        return False


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except FileNotFoundError:
        return False


def with_site(test):
    """A test function that gets a site whose processes end, whatever happens."""
    def run(laboratory):
        site = Site(laboratory)
        try:
            test(site)
        except Exception:
            print('log of the control process and its dataplane:\n' + site.logged()[-4000:])
            raise  # the reason is printed after it, as the last lines
        finally:
            if site.process is not None:
                try:
                    site.dataplane_pids.add(site.info().get('dataplane_pid', site.process.pid))
                except Exception:  # it need not answer any more
                    pass
                site.dataplane_pids.discard(site.process.pid)
                site.end()
    run.__name__ = test.__name__
    return run


def give_tap(site):
    wait_for_device(site.lab, site.namespace, 'sluice0')
    if '198.51.100.2/' in site.lab.inside(site.namespace, 'ip', 'addr', 'show', 'dev', 'sluice0').stdout:
        return
    give_addresses(site.lab, site.namespace, 'sluice0', '198.51.100.2/24', '198.51.100.20/24')
    usable(site.lab, site.namespace, '198.51.100.1')


class Traffic:
    """TLS connections through the proxy, one after the other, as long as the block lasts: not one may fail."""

    def __init__(self, site, *authorities, clients=4):
        self.site = site
        self.command = [sys.executable, os.path.join(lab.ROOT, 'tests/system/traffic.py'), '198.51.100.20:80', '198.51.100.1:443',
                        'mail.example.org', str(clients), *(authorities or [f'{site.folder}/a.pem'])]

    def __enter__(self):
        give_tap(self.site)
        self.process = self.site.lab.spawn(self.site.namespace, *self.command, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: self.handshakes() >= 8, 'the first connections')
        self.first = self.handshakes()
        return self

    def handshakes(self):
        return int(re.search(r'sluice_tls_handshakes_done_total\S* (\d+)', scrape(self.site)).group(1))

    def __exit__(self, kind, error, _):
        self.process.terminate()
        result = json.loads(self.process.communicate(timeout=60)[0])
        if kind is None:
            assert result['failed'] == 0 and result['done'] >= 4, result


@with_site
def a_check_touches_nothing(site):
    before = sorted(os.listdir(site.folder))
    result = lab.run(CONTROL, '-t', '-c', site.config)
    assert 'valid; 1 listeners, 1 backends, 1 certificates' in result.stdout, result.stdout
    with open(site.config, 'a', encoding='ascii') as f:
        f.write('limits: {connections: many}\n')
    result = lab.run(CONTROL, '--check', '--config', site.config, check=False)
    assert result.returncode == 1 and 'limits.connections: found \'many\'; allowed: a number' in result.stderr, result.stderr
    assert sorted(os.listdir(site.folder)) == before
    result = lab.run(CONTROL, '-V')
    assert 'OpenSSL 3' in result.stdout
    assert lab.run(CONTROL, '--nonsense', check=False).returncode == 2


@with_site
def it_starts_a_dataplane_and_answers(site):
    site.start()
    info = site.running()
    assert info['workers'] == 1 and info['dataplane_starts'] == 1 and info['certificates'] == 1
    give_tap(site)
    ping(site.lab, site.namespace, '198.51.100.1', count=1000)
    counters = {row['counter']: row['value'] for row in site.json('show', 'stat')}
    assert counters['net_echo_replies'] >= 1000, counters
    assert site.json('show', 'cores')[0]['rx_packets'] >= 1000
    for words in (['show', 'errors'], ['show', 'memory'], ['show', 'limits'], ['show', 'lanes'], ['show', 'log'], ['show', 'events'],
                  ['show', 'backend'], ['show', 'listener'], ['show', 'route'], ['show', 'cert'], ['show', 'ticket-keys'], ['help']):
        plain = site.ctl(*words)
        assert plain.returncode == 0 and plain.stdout.strip(), (words, plain.stderr)
        site.json(*words)
    assert any('link_state' in line for line in site.json('show', 'events'))
    before = site.json('show', 'ticket-keys')
    assert site.ctl('rotate', 'ticket-keys').returncode == 0
    after = site.json('show', 'ticket-keys')
    assert {k['role']: k['fingerprint'] for k in before}['next'] == {k['role']: k['fingerprint'] for k in after}['current']
    top = json.loads(site.ctl('top', '--once', '--json').stdout)
    assert top[0]['turns_per_second'] > 0, top
    steps = {name: value for name, value in top[0].items() if name.endswith('_percent')}
    assert len(steps) == 8 and steps['idle_percent'] > 0 and sum(steps.values()) <= 101, top
    assert 'turns/s' in site.ctl('top', '--once').stdout


@with_site
def exit_statuses_are_as_told(site):
    assert site.ctl('show', 'info').returncode == 3
    site.start()
    assert site.ctl('show', 'info').returncode == 0
    refused = site.ctl('show', 'cert', 'nonsense')
    assert refused.returncode == 1 and refused.stderr.startswith('error: no certificate has the name'), refused
    unknown = site.ctl('make', 'coffee')
    assert unknown.returncode == 2 and unknown.stderr.startswith('usage: no such command'), unknown
    assert site.ctl('show', 'conn').returncode == 1
    assert json.loads(site.ctl('--json', 'show', 'cert', 'nonsense').stderr)['error']
    lines = site.ctl(payload='show info\nshow cert nonsense\n')
    assert lines.returncode == 1 and 'control_pid' in lines.stdout, lines
    complete = site.ctl('--complete', 'show', 'ti')
    assert complete.stdout == 'ticket-keys\n', complete.stdout


@with_site
def killed_it_comes_back_and_nothing_is_lost(site):
    site.start()
    pid = site.running()['dataplane_pid']
    with Traffic(site):  # in the midst of a payload; test_control_kill.py has every kind of change
        operator = Operator(site.socket)
        operator.send('set ssl cert x <<')
        site.kill()
        operator.close()
        site.start()
        info = site.running()
        assert info['dataplane_pid'] == pid and info['dataplane_starts'] == 0, info
        assert not info['dataplane_configuration_differs']
    # Told to end, it leaves the dataplane alone too.
    assert site.lab.end(site.process) == 0
    assert is_alive(pid)
    site.start('--attach')
    assert site.running()['dataplane_pid'] == pid


@with_site
def a_dataplane_that_dies_is_started_again(site):
    site.start()
    first = site.running()['dataplane_pid']
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: site.info().get('dataplane_pid', first) != first, 'another dataplane')
    info = site.running()
    assert info['dataplane_starts'] == 2 and info['dataplane_losses'] == 1, info
    assert 'was killed by signal 9' in site.logged(), site.logged()
    assert site.ctl('disable', 'dataplane').returncode == 0
    wait_for(lambda: site.info()['dataplane'] == 'disabled', 'the dataplane to be disabled')
    wait_for(lambda: not is_alive(info['dataplane_pid']), 'the dataplane to end')
    assert site.ctl('show', 'stat').returncode == 1
    assert site.ctl('enable', 'dataplane').returncode == 0
    assert site.running()['dataplane_starts'] == 3


@with_site
def a_lost_dataplane_gets_back_what_was_set(site):
    """Under traffic: it is killed, another takes over, and certificates that are in no file are served again, and shown so."""
    site.start()
    first = site.running()['dataplane_pid']
    other = site.make_certificate('spare.tmp', 'other.example.org')
    assert site.ctl('new', 'ssl', 'cert', 'other').returncode == 0
    assert site.ctl('set', 'ssl', 'cert', 'other', '<<', payload=other).returncode == 0
    assert site.ctl('commit', 'ssl', 'cert', 'other').returncode == 0

    def serves(host):
        return f'CN = {host}' in site.lab.inside(site.namespace, 'timeout', '3', 'openssl', 's_client', '-connect', '198.51.100.1:443', '-servername', host,
                                                 check=False).stdout
    with Traffic(site):
        wait_for(lambda: serves('other.example.org'), 'the certificate')
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: site.info().get('dataplane_pid', first) != first, 'another dataplane')
    assert site.running()['dataplane_losses'] == 1
    with Traffic(site):  # not one connection fails once it runs
        wait_for(lambda: serves('other.example.org'), 'the certificate that is in no file')
        assert site.json('show', 'cert', 'other')['saved'] is False
    # A drained server gets no new connection; a client is told by the end of its own.
    assert site.ctl('drain', 'server', 'web/198.51.100.20:80').returncode == 0
    wait_for(lambda: site.json('show', 'backend')[0]['state'] == 'draining', 'the server to be drained')
    before = site.json('show', 'backend')[0]['connections']
    ended = site.lab.inside(site.namespace, 'timeout', '10', 'openssl', 's_client', '-quiet', '-connect', '198.51.100.1:443', check=False)
    assert ended.returncode != 124, 'a connection that goes nowhere stays'
    assert site.json('show', 'backend')[0]['connections'] == before > 0
    assert site.ctl('enable', 'server', 'web/198.51.100.20:80').returncode == 0
    wait_for(lambda: site.json('show', 'backend')[0]['state'] == 'up', 'the server to be back')
    with Traffic(site, clients=1) as traffic:
        wait_for(lambda: traffic.handshakes() > traffic.first + 4, 'connections')


@with_site
def attached_it_starts_nothing(site):
    site.start('--attach')
    assert site.info()['dataplane'] == 'down' and site.info()['dataplane_starts'] == 0
    process, link = site.lab.dataplane(site.namespace, name='dataplane')
    link.close()
    info = site.running()
    assert info['dataplane_pid'] == process.pid
    assert site.ctl('disable', 'dataplane').returncode == 0
    assert process.wait(15) == 0


@with_site
def a_refused_start_is_said(site):
    site.write(dataplane='poll: busy', address='198.51.100.1/24')
    with open(site.config, encoding='ascii') as f:
        text = f.read().replace('net_tap0,iface=sluice0', 'net_af_packet0,iface=nosuchdevice')
    with open(site.config, 'w', encoding='ascii') as f:
        f.write(text)
    site.start()
    wait_for(lambda: 'tap' in site.info().get('dataplane_last_trouble', '') or site.info()['dataplane_losses'] > 0, 'a reason')
    assert "did not start: " in site.logged() and 'tap' in site.logged(), site.logged()
    # A configuration that is right is taken at once, without waiting for the pause to end.
    site.write()
    assert site.ctl('reload').returncode == 0
    site.running()


@with_site
def reloads_lose_nothing(site):
    site.start()
    pid = site.running()['dataplane_pid']
    with Traffic(site):
        operator = Operator(site.socket, timeout=60)
        for number in range(ROUNDS):
            if number % 100 == 50:
                site.write(listener=f'mail{number}')
            assert operator.ask('reload') == ''
    info = site.info()
    assert info['reloads'] == ROUNDS and info['dataplane_pid'] == pid, info
    os.kill(control_pid(site), signal.SIGHUP)
    wait_for(lambda: site.info()['reloads'] == ROUNDS + 1, 'SIGHUP to reload')


def roles(site):
    return {key['role']: key['fingerprint'] for key in site.json('show', 'ticket-keys')}


@with_site
def operators_act_on_what_runs(site):
    site.start()
    site.running()
    with Traffic(site):
        assert any(row['address'] == '198.51.100.2' and row['state'] in ('reachable', 'stale', 'probe') for row in site.json('show', 'arp'))
        listed = []
        wait_for(lambda: listed.extend(site.json('show', 'conn', 'listener=mail', 'client=198.51.100.2', 'detail')) or
                 [row for row in listed if row['sni'] == 'mail.example.org'], 'a connection to be seen')
        row = next(row for row in listed if row['sni'] == 'mail.example.org')
        assert row['listener'] == 'mail' and row['version'] == 'TLSv1.3' and row['client_mss'] > 500, row
        assert site.json('show', 'conn', 'listener=none') == []
        site.ctl('set', 'limit', 'connections', '3000')
        assert {row['limit']: row['value'] for row in site.json('show', 'limits')}['connections'] == 3000
        assert site.ctl('set', 'weight', 'web/198.51.100.20:80', '7').returncode == 0
        assert site.ctl('set', 'weight', 'web/198.51.100.20:80', '0').returncode == 1
        before = roles(site)
        site.kill()
        site.start()
        site.running()
        # What was set lives on, and the ticket keys come back from the dataplane.
        wait_for(lambda: roles(site) == before, 'the ticket keys of before')
        assert {row['limit']: row['value'] for row in site.json('show', 'limits')}['connections'] == 3000
    server = site.json('show', 'backend')[0]
    assert server['weight'] == 7 and server['configured'] == 1 and server['connections'] > 8, server
    assert site.json('show', 'listener')[0]['handshakes_full'] + site.json('show', 'listener')[0]['handshakes_resumed'] > 8
    assert 'sluice_listener_connections_total{core="0",listener="mail"}' in scrape(site)
    tables = site.json('show', 'tables')[0]
    assert 0 <= tables['connections'] <= tables['connections_max'] and tables['sessions_max'] > 0, tables
    # Drained it gets nothing new, and keeps its weight.
    assert site.ctl('drain', 'server', 'web/198.51.100.20:80').returncode == 0
    wait_for(lambda: site.json('show', 'backend')[0]['state'] == 'draining', 'the server to be drained')
    assert site.json('show', 'backend')[0]['weight'] == 7
    assert site.ctl('enable', 'server', 'web/198.51.100.20:80').returncode == 0
    wait_for(lambda: site.json('show', 'backend')[0]['state'] == 'up', 'the server to be back')
    # A connection that stays: it is killed, and it alone.
    listener = site.lab.spawn(site.namespace, sys.executable, '-c', 'import socket, time; s = socket.create_server(("198.51.100.20", 80)); '
                              'held = [s.accept() for _ in range(2)]; time.sleep(60)')
    wait_for(lambda: '198.51.100.20:80 ' in site.lab.inside(site.namespace, 'ss', '-Hltn').stdout, 'the server to listen')
    held = [site.lab.spawn(site.namespace, 'sh', '-c', 'sleep 60 | openssl s_client -quiet -connect 198.51.100.1:443', stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL) for _ in range(2)]
    wait_for(lambda: len(site.json('show', 'conn', 'backend=web')) == 2, 'two connections that stay')
    first, second = site.json('show', 'conn', 'backend=web')
    assert site.json('kill', 'conn', first['id'])['changed'] == 1
    wait_for(lambda: [row['id'] for row in site.json('show', 'conn', 'backend=web')] == [second['id']], 'one of them to be gone')
    assert site.json('kill', 'conn', first['id'])['changed'] == 0
    assert site.json('kill', 'conn', 'listener=mail')['changed'] == 1
    wait_for(lambda: site.json('show', 'conn', 'backend=web') == [], 'the other to be gone')
    for process in [*held, listener]:
        site.lab.end(process)

    def connects():  # there is no backend any more; the handshake is what counts
        return 'New, TLSv1.2' in site.lab.inside(site.namespace, 'openssl', 's_client', '-connect', '198.51.100.1:443', '-servername', 'mail.example.org', '-sess_out',
                               f'{site.folder}/session', '-tls1_2', '-no_ticket', check=False).stdout
    assert connects()
    assert site.json('show', 'sessions')[0]['version'] == 'TLSv1.2'
    # The session outlives the dataplane.
    assert site.ctl('disable', 'dataplane').returncode == 0
    assert site.ctl('enable', 'dataplane').returncode == 0
    site.running()
    give_tap(site)
    wait_for(lambda: site.json('show', 'sessions'), 'the session to be carried over')
    wait_for(lambda: site.info()['snapshot_published'], 'the snapshot')
    again = site.lab.inside(site.namespace, 'openssl', 's_client', '-connect', '198.51.100.1:443', '-servername', 'mail.example.org', '-sess_in',
                            f'{site.folder}/session', '-tls1_2', '-no_ticket', check=False)
    assert 'Reused, TLSv1.2' in again.stdout, again.stdout
    assert site.json('clear', 'sessions')['changed'] >= 1
    assert site.json('show', 'sessions') == []
    assert site.ctl('disable', 'listener', 'mail').returncode == 0
    wait_for(lambda: not connects(), 'the listener to be closed')
    assert site.ctl('enable', 'listener', 'mail').returncode == 0
    wait_for(connects, 'the listener to be open again')
    for words in (['kill', 'conn', 'x'], ['set', 'limit', 'nonsense', '1'], ['drain', 'server', 'web/none'], ['enable', 'toaster', 'x']):
        assert site.ctl(*words).returncode != 0, words


def control_pid(site):
    return site.info()['control_pid']


@with_site
def a_bad_configuration_changes_nothing(site):
    site.start()
    site.running()
    for settings, expected in (({'extra': 'limits: [\n'}, 'not valid YAML'), ({'extra': 'limits: {connections: 0}'}, 'allowed: a number'),
                               ({'address': '198.51.100.7/24'}, "dataplane.ports: differs from what is running and can't change live"),
                               ({'dataplane': 'poll: busy'}, 'dataplane.poll: differs')):
        site.write(**settings)
        result = site.ctl('reload')
        assert result.returncode == 1 and expected in result.stderr, (settings, result)
    site.write()
    with open(os.path.join(site.folder, 'a.pem'), 'r+', encoding='ascii') as f:
        whole = f.read()
        f.seek(0)
        f.write('-----BEGIN CERTIFICATE-----\n')
        f.truncate()
    result = site.ctl('reload')
    assert result.returncode == 1 and 'a.pem: a PEM block has no end' in result.stderr, result
    info = site.info()
    assert info['reloads'] == 0 and info['reloads_refused'] == 5 and info['certificates'] == 1
    with open(os.path.join(site.folder, 'a.pem'), 'w', encoding='ascii') as f:
        f.write(whole)
    assert site.ctl('reload').returncode == 0


@with_site
def levels_are_kept_apart(site):
    site.write(control=', socket-mode: "0666"')
    site.start()
    assert site.ctl('show', 'info', uid=NOBODY).returncode == 0
    for words in (['reload'], ['set', 'log', 'level', 'debug'], ['rotate', 'ticket-keys'], ['disable', 'dataplane']):
        result = site.ctl(*words, uid=NOBODY)
        assert result.returncode == 1 and 'is for the level' in result.stderr, (words, result)
    site.write(control=f', socket-mode: "0666", operators: ["{NOBODY}"]')
    assert site.ctl('reload').returncode == 0
    assert site.ctl('set', 'log', 'level', 'debug', uid=NOBODY).returncode == 0
    assert site.ctl('rotate', 'ticket-keys', uid=NOBODY).returncode == 1
    site.write(control=f', socket-mode: "0666", admins: ["{NOBODY}"]')
    assert site.ctl('reload').returncode == 0
    assert site.ctl('rotate', 'ticket-keys', uid=NOBODY).returncode == 0
    site.write(control=', socket-mode: "0600"')
    assert site.ctl('reload').returncode == 0
    assert site.ctl('show', 'info', uid=NOBODY).returncode == 3
    log = site.logged()
    assert f'operator uid {NOBODY}: rotate ticket-keys\n' in log and f'operator uid {NOBODY}: reload: refused\n' in log, log


@with_site
def certificates_change_over_the_socket(site):
    site.start()
    site.running()
    path = f'{site.folder}/a.pem'
    names = ('one.tmp', 'two.tmp')
    texts = [site.make_certificate(name, 'mail.example.org') for name in names]
    operator = Operator(site.socket, timeout=60)
    with Traffic(site, path, *(f'{site.folder}/{name}' for name in names)):
        for number in range(ROUNDS):
            assert operator.ask(f'set ssl cert {path} <<END\n{texts[number % 2]}END') == ''
            assert operator.ask(f'commit ssl cert {path}') == ''
    cert = site.json('show', 'cert', path)
    assert cert['saved'] is False and cert['names'] == 'mail.example.org'
    assert site.ctl('commit', 'ssl', 'cert', path).returncode == 1
    # A new one: begun, filled, abandoned; and again, taken.
    other = site.make_certificate('spare.tmp', 'other.example.org')
    assert site.ctl('set', 'ssl', 'cert', 'other', '<<', payload=other).returncode == 1
    assert site.ctl('new', 'ssl', 'cert', 'other').returncode == 0
    assert site.ctl('commit', 'ssl', 'cert', 'other').returncode == 1
    assert site.ctl('set', 'ssl', 'cert', 'other', '<<', payload=other).returncode == 0
    assert site.ctl('abort', 'ssl', 'cert', 'other').returncode == 0
    assert site.ctl('show', 'cert', 'sni', 'other.example.org').returncode == 1
    assert site.ctl('new', 'ssl', 'cert', 'other').returncode == 0
    assert site.ctl('set', 'ssl', 'cert', 'other', '<<', payload=other).returncode == 0
    assert site.ctl('commit', 'ssl', 'cert', 'other').returncode == 0
    assert site.json('show', 'cert', 'sni', 'OTHER.example.org')[0]['name'] == 'other'
    # It survives a reload, and a key that is another's is refused.
    assert site.ctl('reload').returncode == 0
    assert site.json('show', 'cert', 'other')['saved'] is False and site.json('show', 'cert', path)['saved'] is False
    with open(path, 'a', encoding='ascii') as f:
        f.write('\n')
    assert site.ctl('reload').returncode == 0
    assert site.json('show', 'cert', path)['saved'] is True
    mixed = other.split('-----BEGIN PRIVATE')[0] + '-----BEGIN PRIVATE' + texts[0].split('-----BEGIN PRIVATE')[1]
    result = site.ctl('set', 'ssl', 'cert', 'other', '<<', payload=mixed)
    assert result.returncode == 1 and "not the certificate's; nothing was changed" in result.stderr, result
    assert site.ctl('clear', 'ssl', 'cert', 'other').returncode == 0
    assert site.ctl('clear', 'ssl', 'cert', path).returncode == 1
    assert 'PRIVATE' not in site.logged()


@with_site
def nobody_holds_up_anybody(site):
    site.start()
    site.running()
    idle = [Operator(site.socket) for _ in range(1000)]
    half = Operator(site.socket)
    half.socket.sendall(b'set ssl cert x <<\nnever ending')
    slow = Operator(site.socket)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.socket.setblocking(False)
    try:
        for _ in range(100000):
            slow.socket.send(b'help\n')
    except BlockingIOError:
        pass  # its answers fill what there is, and no more of it is read
    start = time.monotonic()
    assert idle[0].ask('show info json').startswith('{')
    assert time.monotonic() - start < 5
    assert site.info()['dataplane'] == 'running'
    long = Operator(site.socket)
    long.socket.sendall(b'x' * 5000)
    assert 'a line of more than 4096 bytes' in long.answer()
    assert long.socket.recv(100) == b''
    flood = Operator(site.socket)
    try:
        flood.socket.sendall(b'set ssl cert x <<\n' + b'A' * (600 << 10))
    except (BrokenPipeError, ConnectionResetError):
        pass  # closed as soon as it was too much
    assert 'a payload of more than 512 KB' in flood.answer()
    zero = Operator(site.socket)
    zero.socket.sendall(b'show\0info\n')
    assert 'zero byte' in zero.answer()
    for client in [*idle, half, slow, long, flood, zero]:
        client.close()
    wait_for(lambda: 'sluice_control_clients 0' in scrape(site), 'all clients to be gone')


def make_authority(site, responder):
    """An authority and a leaf that names a responder; the leaf's chain and key are a.pem."""
    folder = site.folder
    for name, subject, extensions in (('ca', 'Authority', 'basicConstraints=critical,CA:TRUE'),
                                      ('leaf', 'mail.example.org', f'subjectAltName=DNS:mail.example.org\nauthorityInfoAccess=OCSP;URI:{responder}')):
        with open(f'{folder}/{name}.ext', 'w', encoding='ascii') as f:
            f.write(extensions + '\n')
        lab.run('openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{folder}/{name}.tmp',
                '-out', f'{folder}/{name}.csr', '-subj', f'/CN={subject}')
    lab.run('openssl', 'x509', '-req', '-in', f'{folder}/ca.csr', '-signkey', f'{folder}/ca.tmp', '-out', f'{folder}/ca.crt.tmp', '-days', '30',
            '-extfile', f'{folder}/ca.ext')
    lab.run('openssl', 'x509', '-req', '-in', f'{folder}/leaf.csr', '-CA', f'{folder}/ca.crt.tmp', '-CAkey', f'{folder}/ca.tmp', '-set_serial', '4660',
            '-out', f'{folder}/leaf.crt.tmp', '-days', '30', '-extfile', f'{folder}/leaf.ext')
    with open(f'{folder}/a.pem', 'w', encoding='ascii') as out:
        for name in ('leaf.crt.tmp', 'ca.crt.tmp', 'leaf.tmp'):
            with open(f'{folder}/{name}', encoding='ascii') as f:
                out.write(f.read())
    with open(f'{folder}/index.txt', 'w', encoding='ascii') as f:
        f.write('V\t351231235959Z\t\t1234\tunknown\t/CN=mail.example.org\n')


@with_site
def ocsp_responses_are_fetched_and_kept(site):
    make_authority(site, 'http://127.0.0.1:18888/')
    site.write(control=f', fetch-program: {os.path.join(lab.BUILD, "control/sluice-fetch")}')
    site.start('--attach')
    path = f'{site.folder}/a.pem'
    wait_for(lambda: 'no fresh OCSP response' in site.logged(), 'a failure to be logged')
    assert site.json('show', 'cert', path)['staple'] is False
    fetcher = [line.split() for line in lab.run('ps', '-o', 'pid=,uid=,comm=', '--ppid', str(control_pid(site))).stdout.splitlines()]
    assert [(row[1], row[2]) for row in fetcher] == [(str(NOBODY), 'sluice-fetch')], fetcher
    with open(f'/proc/{fetcher[0][0]}/status', encoding='ascii') as f:
        status = f.read()
    assert 'NoNewPrivs:\t1' in status and 'Seccomp:\t2' in status and 'CapEff:\t0000000000000000' in status, status
    responder = site.lab.spawn(site.namespace, 'openssl', 'ocsp', '-index', f'{site.folder}/index.txt', '-port', '18888', '-rsigner',
                               f'{site.folder}/ca.crt.tmp', '-rkey', f'{site.folder}/ca.tmp', '-CA', f'{site.folder}/ca.crt.tmp', '-nmin', '60',
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: site.lab.inside(site.namespace, 'ss', '-ltn', check=False).stdout.count(':18888'), 'the responder')
    site.lab.end(site.process)  # begins anew, rather than wait for the pause after the failure
    site.start('--attach')
    wait_for(lambda: site.json('show', 'cert', path)['staple'], 'the staple')
    assert site.json('show', 'cert', path)['staple_until'] > time.time()
    # Kept over a restart without a responder, and over a reload.
    site.lab.end(responder)
    site.kill()
    site.start('--attach')
    assert site.json('show', 'cert', path)['staple'] is True
    assert site.ctl('reload').returncode == 0
    assert site.json('show', 'cert', path)['staple'] is True


@with_site
def what_is_not_needed_is_given_up(site):
    kept = sum(1 << bit for bit in (0, 2, 3, 5, 6, 7, 14))  # CHOWN, DAC_READ_SEARCH, FOWNER, KILL, SETGID, SETUID, IPC_LOCK
    of_dataplanes = sum(1 << bit for bit in (1, 8, 12, 13, 17, 21, 23, 39))
    for options, bounding in ((['--attach'], kept), ([], kept | of_dataplanes)):
        site.start(*options)
        pid = control_pid(site)
        for thread in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{thread}/status', encoding='ascii') as f:
                status = dict(line.split(':\t', 1) for line in f.read().splitlines() if ':\t' in line)
            for field, most in (('CapEff', kept), ('CapPrm', kept), ('CapInh', 0), ('CapAmb', 0), ('CapBnd', bounding)):
                assert int(status[field], 16) & ~most == 0, (field, status)
            assert status['NoNewPrivs'] == ('1' if options else '0'), status
        with open(f'/proc/{pid}/limits', encoding='ascii') as f:
            assert 'Max core file size        0 ' in f.read()
        assert os.stat(f'/proc/{pid}/environ').st_uid == 0
        if options:
            site.lab.end(site.process)
    # The one that it starts has what it needs, until it runs.
    pid = site.running()['dataplane_pid']
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        status = dict(line.split(':\t', 1) for line in f.read().splitlines() if ':\t' in line)
    assert '0' not in status['Uid'].split() and status['NoNewPrivs'] == '1' and status['Seccomp'] == '2', status


def scrape(site, path='/metrics'):
    return site.lab.inside(site.namespace, 'curl', '-sf', '-m', '10', f'http://127.0.0.1:{METRICS_PORT}{path}').stdout


def check_names_in_monitoring(families):
    """What alert rules and dashboard ask for is there. Families without a sample (nothing has failed yet) have their name."""
    known = {'counter': ('_total',), 'histogram': ('_bucket', '_sum', '_count'), 'info': ('_info',)}
    names = {name + suffix for name, family in families.items() for suffix in known.get(family.type, ('',))}
    for file in ('sluice-alerts.yml', 'sluice-dashboard.json'):
        with open(os.path.join(lab.ROOT, 'control/monitoring', file), encoding='utf-8') as f:
            used = set(re.findall(r'\bsluice_[a-z0-9_]+', f.read()))
        # What ends in '_' is the beginning of a pattern.
        unknown = {name for name in used if not (name in names or name.endswith('_') and any(n.startswith(name) for n in names))}
        assert used and not unknown, (file, sorted(unknown))


@with_site
def metrics_are_read_by_others(site):
    lab.need('prometheus', 'promtool', 'curl')
    site.start()
    site.running()
    with Traffic(site):
        pass
    ping(site.lab, site.namespace, '198.51.100.1', count=100)
    sys.path.append('/usr/lib/python3/dist-packages')  # Debian's, whichever interpreter this is
    try:
        from prometheus_client.openmetrics import parser
    except ImportError:
        print('needs python3-prometheus-client')
        sys.exit(lab.SKIP)
    families = {family.name: family for family in parser.text_string_to_metric_families(scrape(site))}
    assert families['sluice_dataplane_up'].samples[0].value == 1
    assert families['sluice_net_rx_packets'].samples[0].labels == {'core': '0'}
    histograms = {name: {sample.name[len(name) + 1:]: sample.value for sample in family.samples if sample.name != f'{name}_bucket'}
                  for name, family in families.items() if family.type == 'histogram'}
    assert set(histograms) == {f'sluice_{name}' for name in ('handshake_seconds', 'lane_wait_seconds', 'lane_occupancy', 'rx_burst_packets')}
    assert 0 < histograms['sluice_rx_burst_packets']['count'] <= histograms['sluice_rx_burst_packets']['sum'], histograms
    handshakes = histograms['sluice_handshake_seconds']
    assert 0 < handshakes['sum'] / handshakes['count'] < 10, handshakes
    waits, filled = histograms['sluice_lane_wait_seconds'], histograms['sluice_lane_occupancy']
    assert waits['count'] > 0 and filled['sum'] <= 8 * filled['count'], histograms
    assert families['sluice_net_rx_packets'].samples[0].value >= 100
    assert families['sluice_certificate_not_after_seconds'].samples[0].labels['certificate'] == f'{site.folder}/a.pem'
    assert site.lab.inside(site.namespace, 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}',
                           f'http://127.0.0.1:{METRICS_PORT}/other').stdout == '404'
    rules = os.path.join(lab.ROOT, 'control/monitoring/sluice-alerts.yml')
    lab.run('promtool', 'check', 'rules', rules)
    check_names_in_monitoring(families)
    config = os.path.join(site.folder, 'prometheus.yml')
    with open(config, 'w', encoding='ascii') as f:
        f.write(f'''
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs: [{{job_name: sluice, static_configs: [{{targets: ["127.0.0.1:{METRICS_PORT}"]}}]}}]
''')
    site.lab.spawn(site.namespace, 'prometheus', f'--config.file={config}', f'--storage.tsdb.path={site.folder}/tsdb',
                   '--web.listen-address=127.0.0.1:19090', stderr=subprocess.DEVNULL)

    def scraped():
        result = site.lab.inside(site.namespace, 'curl', '-s', 'http://127.0.0.1:19090/api/v1/query?query=sluice_net_rx_packets_total', check=False)
        return result.returncode == 0 and '"core":"0"' in result.stdout
    wait_for(scraped, 'Prometheus to have scraped')
    loaded = json.loads(site.lab.inside(site.namespace, 'curl', '-s', 'http://127.0.0.1:19090/api/v1/rules').stdout)
    assert loaded['status'] == 'success' and loaded['data']['groups'], loaded


TESTS = [a_check_touches_nothing, it_starts_a_dataplane_and_answers, a_lost_dataplane_gets_back_what_was_set, exit_statuses_are_as_told,
         killed_it_comes_back_and_nothing_is_lost, a_dataplane_that_dies_is_started_again, attached_it_starts_nothing,
         a_refused_start_is_said, operators_act_on_what_runs, reloads_lose_nothing, a_bad_configuration_changes_nothing, levels_are_kept_apart,
         certificates_change_over_the_socket, nobody_holds_up_anybody, metrics_are_read_by_others,
         ocsp_responses_are_fetched_and_kept, what_is_not_needed_is_given_up]

if __name__ == '__main__':
    if not os.path.exists(CONTROL):
        print('needs sluice-control')
        sys.exit(lab.SKIP)
    lab.main(TESTS)
