# SPDX-License-Identifier: Apache-2.0
"""What bench/run, bench/compare and the tests of the generator stand on: Sluice or another server on one core, sluice-load on the
other, and the counters of the proxy read at the edges of each window.

        sluice-load  --memif--  sluice-dataplane (core 0), configured by sluice-control
        10.10.0.2 + n           10.10.255.254:443
        10.20.0.2:8080 backend  10.20.255.254
"""
import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'system'))
import lab  # noqa: E402  (the path above must be set first)
import service  # noqa: E402
import snapshot  # noqa: E402

LOAD = os.environ.get('SLUICE_LOAD', os.path.join(lab.BUILD, 'bench/load/sluice-load'))
PROXY, PROXY_BACK, BACKEND = '10.10.255.254', '10.20.255.254', '10.20.0.2'
NAME = 'load.test'
# What is measured goes before whatever else the machine does.
PRIORITY = ('nice', '-n', os.environ.get('SLUICE_NICE', '-20'))
MAIL_PORTS = {'smtp': 25, 'imap': 143, 'pop3': 110, 'message': 25}

CONFIGURATION = '''dataplane:
  name: {name}
  workers: [{core}]
  memory: {memory}M
  poll: {poll}
  huge-pages: {huge}
  socket: {folder}/dataplane.sock
  program: {build}/dataplane/sluice-dataplane
  ports:
    - {{name: load, device: "{device}", addresses: [{proxy}/16, {proxy_back}/16]}}
limits: {{connections: {connections}}}
tls: {{tickets: {{count: {tickets}}}}}
certificates:
{certificates}
backends:
  # The servers are the generator's and come and go with it.
  http: {{servers: [{servers}], timeouts: {{connect: 5s, idle: 1h}}, check: none}}
{more_backends}
listeners:
  - {{name: https, address: "{proxy}:443", protocol: tls, backend: http}}
  - {{name: plain, address: "{proxy}:80", protocol: tcp, backend: http}}
{more_listeners}

control: {{socket: {folder}/control.sock, metrics: "127.0.0.1:{metrics}", state-directory: {folder}}}
'''

# The steps of a worker's turn, as their counters are called.
STEPS = ('rx', 'tcp_in', 'lanes', 'proxy', 'tcp_out', 'flush', 'refill')


class Trouble(Exception):
    """Why a figure can't be had, in words."""


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(f'{what}: not within {seconds} s')
        time.sleep(0.02)


def hurry(pid='self'):
    """Linux weighs sessions against each other before niceness counts inside one (sched(7), autogroup)."""
    if PRIORITY[-1] == '0':
        return
    try:
        with open(f'/proc/{pid}/autogroup', 'w', encoding='ascii') as f:
            f.write('-20')
    except OSError:
        pass  # no such kernel, or a second change within a moment


def cpus():
    """Two CPUs, the server's and the generator's; the same one twice where there is no other."""
    both = lab.cores(2)
    return both[0], both[-1]


def certificates(folder, kinds):
    """Self-signed ones for NAME; returns lines for the configuration and a file of them all, for --ca."""
    lines, pems = [], []
    for kind in kinds:
        chain, key = snapshot.make_certificate(folder, kind, kind, (NAME,))
        lines.append(f'  - {{chain: {chain}, key: {key}}}')
        with open(chain, encoding='ascii') as f:
            pems.append(f.read())
    with open(f'{folder}/ca.pem', 'w', encoding='ascii') as f:
        f.write(''.join(pems))
    return '\n'.join(lines)


def machine():
    def first(path, word):
        with open(path, encoding='ascii') as f:
            return next((line.split(':', 1)[1].strip() for line in f if line.startswith(word)), '?')
    return {'cpu': first('/proc/cpuinfo', 'model name'), 'cores': os.cpu_count(), 'kernel': os.uname().release, 'load_before': os.getloadavg()[0],
            'memory': first('/proc/meminfo', 'MemTotal'), 'flags': [flag for flag in first('/proc/cpuinfo', 'flags').split()
                                                                    if flag in ('avx512ifma', 'vaes', 'vpclmulqdq', 'sha_ni', 'hypervisor')]}


def commit():
    return subprocess.run(['git', '-C', ROOT, 'rev-parse', 'HEAD'], capture_output=True, text=True, check=False).stdout.strip()


def tsc_hz():
    """As the dataplane's own clock measures it."""
    got = subprocess.run([f'{lab.BUILD}/bench/bench-tls', '--json', '--only', 'nothing'], capture_output=True, text=True, check=True)
    return json.loads(got.stdout)['machine']['tsc_hz']


class Sluice(service.Service):
    """Sluice on a device of the caller's choice, before whatever else the machine does."""

    def __init__(self, laboratory, device, kinds=('ec',), huge=True, connections=65536, memory=512, poll='busy', tickets=2, mail=(), namespace=None,
                 backend=f'{BACKEND}:8080', n_backends=1):
        self.pid, self.process = None, None
        atexit.register(self.kill)
        folder = laboratory.folder
        host, port = backend.split(':')
        servers = ', '.join(f'{{address: "{host}:{int(port) + i}"}}' for i in range(n_backends))
        text = CONFIGURATION.format(
            name=laboratory.tag, core=cpus()[0], memory=memory, poll=poll, huge='prefer' if huge else 'never', folder=folder, build=lab.BUILD,
            device=device, proxy=PROXY, proxy_back=PROXY_BACK, connections=connections, tickets=tickets, certificates=certificates(folder, kinds),
            servers=servers, metrics=20000 + os.getpid() % 20000,
            more_backends='\n'.join(f'  {name}: {{servers: [{{address: "{BACKEND}:{9000 + MAIL_PORTS[name]}"}}], check: none}}' for name in mail),
            more_listeners='\n'.join(f'  - {{name: {name}, address: "{PROXY}:{MAIL_PORTS[name]}", protocol: {name}, tls: starttls, backend: {name}}}'
                                     for name in mail))
        hurry()
        super().__init__(laboratory, namespace, text, prefix=PRIORITY)
        try:
            wait_until(self.hurry_dataplane, 'the start of the dataplane')
            wait_until(self.is_up, 'Sluice', 40)
        except Trouble as trouble:
            self.kill()
            raise Trouble(f'{trouble}\n{self.read_log()}') from None
        if self.process.poll() is not None:
            raise Trouble(f'Sluice did not start:\n{self.read_log()}')

    def hurry_dataplane(self):
        """It has a session of its own. True when it is there, or never will be."""
        started = re.search(r'started .*, pid (\d+)', self.read_log())
        if started:
            self.pid = int(started.group(1))
            hurry(self.pid)
        return started or self.process.poll() is not None

    def is_up(self):
        self.hurry_dataplane()
        return self.process.poll() is not None or self.is_published()

    def show_counters(self, path):
        """Makes the shared page appear under this path, for sluice-load --counters."""
        for fd in os.listdir(f'/proc/{self.pid}/fd'):
            if 'sluice-counters' in os.readlink(f'/proc/{self.pid}/fd/{fd}'):
                os.symlink(f'/proc/{self.pid}/fd/{fd}', path)
                return path
        raise Trouble('the dataplane has no page of counters')

    def kill(self):
        """The dataplane outlives its control process, so it is ended by itself."""
        if self.process:
            self.lab.end(self.process)
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.pid = None

    def stop(self):
        self.pid, well = None, super().stop()
        return well


class Load:
    """A run of sluice-load, begun; finish() waits for its end."""

    def __init__(self, laboratory, mode, *arguments, namespace=None):
        command = [LOAD, mode, '--json', '--core', str(cpus()[1]), *map(str, arguments)]
        hurry()
        self.mode = mode
        # A file, so that it can be read while it is written.
        with tempfile.NamedTemporaryFile('w', dir=laboratory.folder, suffix='.words', delete=False) as words:
            self.path = words.name
            self.process = laboratory.spawn(namespace, *PRIORITY, *command, stdout=subprocess.PIPE, stderr=words, text=True)

    def read_words(self):
        with open(self.path, encoding='utf-8') as f:
            return f.read().splitlines()

    def wait_for(self, word, seconds=30):
        """Until it says `ready` (the network is there) or `measuring` (the first window begins)."""
        wait_until(lambda: word in self.read_words() or self.process.poll() is not None, f'sluice-load {self.mode}, {word}', seconds)
        if word not in self.read_words():
            raise Trouble(f'sluice-load {self.mode} ended with status {self.process.poll()}: ' + '; '.join(self.read_words()))

    def finish(self, check=True, timeout=300):
        try:
            output, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Trouble(f'sluice-load {self.mode} did not end in {timeout} s') from None
        self.words = [line for line in self.read_words() if line not in ('ready', 'measuring')]
        self.status = self.process.returncode
        self.result = json.loads(output) if output.strip() else None
        if self.result is None or (check and self.status != 0):
            raise Trouble(f'sluice-load {self.mode} ended with status {self.status}: ' + '; '.join(self.words))
        self.windows, self.total = self.result.get('windows'), self.result.get('total')
        return self


def memif(laboratory, role, zero_copy=False):
    device = f'net_memif0,role={role},id=0,socket={laboratory.folder}/memif.sock,socket-abstract=no,rsize=12'
    return device + (',zero-copy=yes' if zero_copy else '')


def memif_load(laboratory, huge=True, clients=50, port=443, n_backends=1, connections=None, role='client', first='10.10.0.2', mbufs=32768, backend_port=8080):
    """What sluice-load is told in order to sit on both ends of the Sluice above."""
    count = f'*{clients}' if clients > 1 else ''
    arguments = ['--device', memif(laboratory, role, zero_copy=huge and role == 'client'), '--address', f'{first}/16{count}', '--target', f'{PROXY}:{port}',
                 '--mbufs', mbufs, '--serve', f'{BACKEND}/16:{backend_port}' + (f'*{n_backends}' if n_backends > 1 else '')]
    # Only a client shows its memory to the other side, which then has to be one file.
    if huge:
        arguments += ['--huge-pages']
    if connections:
        arguments += ['--connections', connections]
    return arguments
