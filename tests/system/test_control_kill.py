# SPDX-License-Identifier: Apache-2.0
"""kill -9 of sluice-control at every place of every kind of change, in both forms of supervision: by the one that starts the
dataplane detached, and by one that attaches to a dataplane that is a unit of its own. Each time the next one takes over what
runs, the state is that of before the change or that of after it, and no connection notices: not those that come and go, not a
long stream, not idle ones.

Where it dies is counted in system calls (tests/kill_at_call.c). The short form takes one place of each change, every other change
attached and the rest detached; SLUICE_KILLS=N takes every Nth place of every change in both forms, as long as the change goes on.
"""
import contextlib
import json
import os
import subprocess
import sys

import lab
from test_control import Operator, Site, Traffic, give_tap, is_alive, roles, with_site
from test_ping import wait_for

KILL_AT_CALL = os.path.join(lab.BUILD, 'tests/kill-at-call')
EVERY = int(os.environ.get('SLUICE_KILLS', '0'))  # 0: the short form
N_IDLE = 20
STEPS_MAX = 500
AFTER_THE_ANSWER = 5
SERVER = 'spare/198.51.100.20:82'


def more_services(site):
    """Besides the usual ones (443 to port 80): connections that last (444 to port 81), and some whose use changes (445 to 82)."""
    with open(site.config, encoding='ascii') as f:
        text = f.read()
    text = text.replace('backends: {', 'backends: {held: {servers: ["198.51.100.20:81"]}, spare: {servers: ["198.51.100.20:82", "198.51.100.20:83"]}, ')
    text = text.replace('listeners: [', 'listeners: [{name: held, address: "198.51.100.1:444", protocol: tls, backend: held}, '
                        '{name: spare, address: "198.51.100.1:445", protocol: tls, backend: spare}, ')
    with open(site.config, 'w', encoding='ascii') as f:
        f.write(text)


class Held:
    """A stream and idle connections, as long as the block lasts: not one may be lost, not a byte be wrong."""

    def __init__(self, site):
        self.site = site

    def __enter__(self):
        give_tap(self.site)
        self.process = self.site.lab.spawn(
            self.site.namespace, sys.executable, os.path.join(lab.ROOT, 'tests/system/held.py'), '198.51.100.20:81', '198.51.100.1:444',
            'mail.example.org', str(N_IDLE), f'{self.site.folder}/a.pem', stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'held\n'
        return self

    def __exit__(self, kind, error, _):
        self.process.terminate()
        result = json.loads(self.process.communicate(timeout=60)[0])
        if kind is None:
            assert result['exact'] and result['received'] > 100000 and not result['trouble'] and not result['lost'], result


class Change:
    """A kind of change: what is asked, what can be seen of it, and what may be seen once it was asked."""

    def __init__(self, name, lines, look, allowed, prepare=()):
        self.name, self.lines, self.look, self.allowed, self.prepare = name, lines, look, allowed, prepare


def limit_of(site):
    return {row['limit']: row['value'] for row in site.json('show', 'limits')}['connections']


def spare_servers(site):
    return [row['use'] for row in site.json('show', 'backend', 'spare')]


def spare_weights(site):
    return [row['weight'] for row in site.json('show', 'backend', 'spare')]


def spare_listener(site):
    return site.json('show', 'listener', 'spare')[0]['use']


def certificate_of(site):
    """What control says it is, which must be what clients get."""
    said = site.json('show', 'cert', f'{site.folder}/a.pem')['sha256'].lower()
    served = site.lab.inside(site.namespace, 'sh', '-c', 'openssl s_client -connect 198.51.100.1:443 </dev/null 2>/dev/null | '
                             'openssl x509 -noout -fingerprint -sha256', check=False).stdout
    assert said in served.replace(':', '').lower(), (said, served)
    return said


def one(value):
    return lambda before: (before, value)


def kinds_of_change(site):
    """Every kind. `allowed` makes of what was seen before what may be seen after."""
    other = site.make_certificate('other.tmp', 'mail.example.org')
    text = f'{other}END'
    a = f'{site.folder}/a.pem'
    rotated = (lambda before: (before, 'rotated'))
    return [
        Change('reload', ['reload'], spare_servers, lambda before: (before,)),
        Change('set limit', ['set limit connections 3000'], limit_of, one(3000), ['set limit connections configured']),
        Change('set limit configured', ['set limit connections configured'], limit_of, one(site.json('show', 'limits')[0]['configured']), ['set limit connections 3000']),
        Change('set weight', [f'set weight {SERVER} 7'], spare_weights, one([7, 1]), [f'set weight {SERVER} configured']),
        Change('drain server', [f'drain server {SERVER}'], spare_servers, one(['drained', 'enabled']), [f'enable server {SERVER}']),
        Change('disable server', [f'disable server {SERVER}'], spare_servers, one(['disabled', 'enabled']), [f'enable server {SERVER}']),
        Change('enable server', [f'enable server {SERVER}'], spare_servers, one(['enabled'] * 2), [f'disable server {SERVER}']),
        Change('drain backend', ['drain backend spare'], spare_servers, one(['drained'] * 2), ['enable backend spare']),
        Change('disable backend', ['disable backend spare'], spare_servers, one(['disabled'] * 2), ['enable backend spare']),
        Change('enable backend', ['enable backend spare'], spare_servers, one(['enabled'] * 2), ['drain backend spare']),
        Change('drain listener', ['drain listener spare'], spare_listener, one('drained'), ['enable listener spare']),
        Change('disable listener', ['disable listener spare'], spare_listener, one('disabled'), ['enable listener spare']),
        Change('enable listener', ['enable listener spare'], spare_listener, one('enabled'), ['disable listener spare']),
        Change('rotate ticket-keys', ['rotate ticket-keys'], roles, rotated),
        # What came over the socket and is in no file ends with the process; until then it may be served.
        Change('new ssl cert', ['new ssl cert fresh'], certificate_of, lambda before: (before,)),
        Change('set ssl cert', [f'set ssl cert {a} <<END\n{text}'], certificate_of, lambda before: (before,)),
        Change('commit ssl cert', [f'commit ssl cert {a}'], certificate_of, lambda before: (before,), [f'set ssl cert {a} <<END\n{text}']),
        Change('abort ssl cert', [f'abort ssl cert {a}'], certificate_of, lambda before: (before,), [f'set ssl cert {a} <<END\n{text}']),
        Change('clear sessions', ['clear sessions'], spare_servers, lambda before: (before,)),
        Change('set sessions', ['set sessions 777'], lambda s: s.json('show', 'tables')[0]['sessions_max'], one(777), ['set sessions 1000']),
        Change('kill conn', ['kill conn listener=spare'], spare_servers, lambda before: (before,)),
        Change('set log level', ['set log level debug'], lambda s: s.json('show', 'log')[0]['level'], lambda _: ('info',)),
    ]


class Killer:
    """Has the control process die at its Nth call or return from now on."""

    def __init__(self, site, n):
        self.process = site.lab.spawn(None, KILL_AT_CALL, str(site.process.pid), str(n), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'ready\n'

    def has_struck(self, seconds):
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        self.process.terminate()
        self.process.wait()


def kill_in_change(site, change, n):
    """What was seen before, and whether the change was answered before it died; None: it did not die."""
    operator = Operator(site.socket)
    for line in change.prepare:
        operator.ask(line)
    before = change.look(site)
    killer = Killer(site, n)
    answered = False
    with contextlib.suppress(OSError, AssertionError):  # it dies
        for line in change.lines:
            answer = operator.ask(line)
            answered = True
            assert not answer.startswith(('error', 'usage')), answer
    struck = killer.has_struck(0.3 if answered else 10)
    killer.end()
    operator.close()
    if not struck and site.process.poll() is None:
        return None
    site.process.wait()
    return before, answered


def seen(site, change, before):
    after = change.look(site)
    if change.look is roles and after != before:
        # Rotated as a whole: each took the place of the one that it follows.
        assert after['current'] == before['next'] and after['previous'] == before['current'], (before, after)
        return 'rotated'
    return after


def take_over(site, options, pid, change, at, before):
    """The next control process: what runs is kept, and its state is one that may be."""
    site.start(*options)
    info = site.running()
    assert info['dataplane_pid'] == pid and info['dataplane_starts'] == 0 and not info['dataplane_configuration_differs'], (change.name, at, info)
    wait_for(lambda: site.info()['snapshot_published'], f'{change.name}, {at}: the snapshot')
    after = seen(site, change, before)
    assert after in change.allowed(before), (change.name, at, before, after)


def kill_once(site, options, pid, change, place):
    died = kill_in_change(site, change, place)
    assert died, f'{change.name}: over before call {place}'
    take_over(site, options, pid, change, place, died[0])


def kill_everywhere(site, options, pid, change):
    """Returns at how many places it died."""
    n_deaths = n_answered = 0
    for place in range(1, STEPS_MAX, EVERY):
        died = kill_in_change(site, change, place)
        if died is None:
            break
        before, answered = died
        n_deaths += 1
        take_over(site, options, pid, change, place, before)
        # What goes on after the answer (the snapshot is on its way) is not endless, but other work follows it.
        n_answered += answered
        if n_answered == AFTER_THE_ANSWER:
            break
    assert n_deaths, f'{change.name}: it never died'
    print(f'{change.name}: {n_deaths} deaths, {n_deaths - n_answered} of them before the answer', flush=True)
    return n_deaths


def kill_in_all_changes(site, options, places, first):
    pid = site.running()['dataplane_pid']
    n_deaths = 0
    with Traffic(site), Held(site):
        changes = kinds_of_change(site)
        if EVERY:
            n_deaths = sum(kill_everywhere(site, options, pid, change) for change in changes)
        else:
            for number, change in enumerate(changes[first::2]):
                kill_once(site, options, pid, change, places[number % len(places)])
    assert is_alive(pid)
    print(f'{n_deaths or len(changes[first::2])} deaths')


@with_site
def killed_anywhere_by_the_one_that_starts(site):
    more_services(site)
    site.start()
    kill_in_all_changes(site, (), (4, 9, 14), 0)


@with_site
def killed_anywhere_attached(site):
    more_services(site)
    process, link = site.lab.dataplane(site.namespace, name='dataplane')
    link.close()
    site.start('--attach')
    kill_in_all_changes(site, ('--attach',), (6, 11, 17), 1)
    assert process.poll() is None


TESTS = [killed_anywhere_by_the_one_that_starts, killed_anywhere_attached]

if __name__ == '__main__':
    if not os.path.exists(KILL_AT_CALL):
        print('needs kill-at-call')
        sys.exit(lab.SKIP)
    lab.main(TESTS)
