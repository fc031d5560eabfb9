# SPDX-License-Identifier: Apache-2.0
"""What system tests and the demo stand on: network namespaces, processes that end, and a driver for the control link.

Everything that a Lab makes, it takes away again, whatever happens: namespaces, processes (by pid), hugepages, files.
Messages are packed here by hand from include/ipc.h's layout, so that a test notices when the layout changes.
"""
import array
import atexit
import contextlib
import fcntl
import glob
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('SLUICE_BUILD', os.path.join(ROOT, 'build'))
DATAPLANE = os.environ.get('SLUICE_DATAPLANE', os.path.join(BUILD, 'dataplane/sluice-dataplane'))
FINDINGS = 'sanitizer'  # files of this name are what sanitizers found
SKIP = 77

MAGIC, VERSION = 0x4C534C43, 3
(HELLO, HELLO_ANSWER, REFUSED, START, START_ANSWER, EVENT, STOP, STOPPED, PRIVATE_KEYS, CERTIFICATES, TICKET_KEYS, SNAPSHOT,
 ANSWER) = range(1, 14)
RECORD_DATAPLANE, RECORD_PORT, RECORD_ADDRESS, RECORD_ROUTE = range(1, 5)
HEADER = struct.Struct('=IHHII')
F_ADD_SEALS, SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8


def run(*command, check=True, **options):
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f'{" ".join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}')
    return result


def need_root():
    if os.geteuid() != 0:
        print('needs root for network namespaces')
        sys.exit(SKIP)


def need(*programs):
    for program in programs:
        if run('which', program, check=False).returncode != 0:
            print(f'needs {program}')
            sys.exit(SKIP)


def pack_address(text):
    if ':' in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return b'\0' * 10 + b'\xff\xff' + socket.inet_pton(socket.AF_INET, text)


def record(kind, body):
    return struct.pack('=HHI', kind, 0, len(body)) + body


def dataplane_record(name, cores, memory=64 << 20, poll=0, huge=0, connections=4096, user=65534):
    padded = list(cores) + [0] * (64 - len(cores))
    return record(RECORD_DATAPLANE, struct.pack('=32sQI64HBB2xIII4x', name.encode(), memory, len(cores), *padded, poll, huge, connections, user, user))


def port_record(name, device, mtu=0, vlan=0):
    return record(RECORD_PORT, struct.pack('=32s256sHH4x', name.encode(), device.encode(), mtu, vlan))


def address_record(port, text):
    address, prefix = text.split('/')
    return record(RECORD_ADDRESS, struct.pack('=16sHB5x', pack_address(address), port, int(prefix)))


def route_record(port, text, gateway):
    prefix, length = text.split('/')
    return record(RECORD_ROUTE, struct.pack('=16s16sHB5x', pack_address(prefix), pack_address(gateway), port, int(length)))


def sanitizer_options(folder):
    """The environment that makes programs built with sanitizers write what they find into files of this folder and end at once.
    Nobody else reads these variables. Without names of functions (llvm-symbolizer makes them of module and offset): the helper that
    finds them would have to be started, and a dataplane that starts a program is killed."""
    common = f'log_path={folder}/{FINDINGS}:exitcode=99:symbolize=0'
    return {'ASAN_OPTIONS': f'{common}:detect_leaks=1', 'UBSAN_OPTIONS': f'{common}:halt_on_error=1:print_stacktrace=1',
            'LSAN_OPTIONS': f'suppressions={ROOT}/tests/system/leaks_of_others.txt:print_suppressions=0'}


def sealed_memfd(content, seals=SEALS):
    fd = os.memfd_create('records', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class Refused(Exception):
    pass


class Link:
    """The control process's end of the link."""

    def __init__(self, path, timeout=60):
        self.path, self.fds, self.next_id, self.events = path, [], 1, []
        deadline = time.monotonic() + timeout
        while True:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                select.select([], [], [], 0.02)
        self.socket.settimeout(timeout)

    def send_raw(self, message, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.socket.sendmsg([message], ancillary)

    def send(self, kind, fds=(), version=VERSION):
        self.next_id += 1
        self.send_raw(HEADER.pack(MAGIC, version, kind, self.next_id, HEADER.size), fds)
        return self.next_id

    def receive(self):
        """(type, id, body, fd or None); type None when the other end hung up."""
        message, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        if not message:
            return None, 0, b'', None
        _, _, kind, number, length = HEADER.unpack_from(message)
        assert length == len(message), (length, len(message))
        return kind, number, message[HEADER.size:], fds[0] if fds else None

    def ask(self, kind, answer, fds=()):
        wanted = self.send(kind, fds)
        while True:
            got, number, body, fd = self.receive()
            if got == EVENT:
                self.events.append(body)
                continue
            if got == REFUSED:
                raise Refused(text_of(body))
            assert got == answer and number == wanted, (got, number)
            return body, fd

    def hello(self):
        body, fd = self.ask(HELLO, HELLO_ANSWER)
        pid, n_workers, started, release = struct.unpack('=IIQ32s', body)
        return {'pid': pid, 'n_workers': n_workers, 'started': started, 'release': text_of(release), 'fd': fd}

    def start(self, *records):
        fd = sealed_memfd(b''.join(records))
        try:
            body, page = self.ask(START, START_ANSWER, [fd])
        finally:
            os.close(fd)
        reason = text_of(body)
        if reason:
            raise Refused(reason)
        return page

    def publish(self, kind, records, seals=None):
        """Sends records of PRIVATE_KEYS, CERTIFICATES, TICKET_KEYS or SNAPSHOT."""
        secret = kind in (PRIVATE_KEYS, TICKET_KEYS)
        fd = sealed_memfd(records, seals=(SEALS & ~0x8 if secret else SEALS) if seals is None else seals)
        try:
            body, _ = self.ask(kind, ANSWER, [fd])
            if secret and not text_of(body):
                assert os.pread(fd, len(records), 0) == b'\0' * len(records), 'secrets were left in the memfd'
        finally:
            os.close(fd)
        reason = text_of(body)
        if reason:
            raise Refused(reason)

    def drain_events(self):
        """All events so far; those that the dataplane has told are there when the greeting's answer is."""
        self.hello()
        taken, self.events = self.events, []
        return taken

    def stop(self):
        body, _ = self.ask(STOP, STOPPED)
        return struct.unpack('=Q', body)[0]

    def close(self):
        self.socket.close()


def text_of(field):
    return field.split(b'\0')[0].decode()


class CounterPage:
    """Reads the shared page by the layout that its header tells; names come from the .def lists."""

    def __init__(self, fd):
        import mmap
        self.map = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
        magic, _, self.n_workers, n_counters, self.offset, self.stride, self.tsc_hz = struct.unpack_from('=QQIIIIQ', self.map)
        assert magic == 0x31656369756C5331
        self.names = counter_names()
        assert n_counters == len(self.names), (n_counters, len(self.names))

    def worker(self, idx):
        values = struct.unpack_from(f'={len(self.names)}Q', self.map, self.offset + idx * self.stride)
        return dict(zip(self.names, values))

    def total(self):
        total = dict.fromkeys(self.names, 0)
        for idx in range(self.n_workers):
            for name, value in self.worker(idx).items():
                total[name] += value
        return total


    def tallies(self, kind):
        """What is counted of each listener or server: {(group, name): {tally: sum over workers}} (tally_page_layout.h)."""
        top = struct.unpack_from('=Q', self.map, 40)[0]
        magic, *counts, names_l, names_s, rows_l, rows_s, worker_stride = struct.unpack_from('=Q6I5Q', self.map, top)
        assert magic == 0x31796C6C61743131
        at = 0 if kind == 'listener' else 1
        count, n_values, stride = counts[at], counts[2 + at], counts[4 + at]
        names, rows, tallies = (names_l, names_s)[at], (rows_l, rows_s)[at], tally_names(kind)
        assert n_values == len(tallies)
        found = {}
        for row in range(count):
            used, _, _, _, group, name = struct.unpack_from('=IHH16s32s64s', self.map, names + row * 128)
            if used or not row:
                values = [0] * n_values
                for worker in range(self.n_workers):
                    for i, value in enumerate(struct.unpack_from(f'={n_values}Q', self.map, rows + worker * worker_stride + row * stride)):
                        values[i] += value
                found[text_of(group), text_of(name)] = dict(zip(tallies, values))
        return found


def tally_names(kind):
    import re
    with open(os.path.join(ROOT, f'include/tallies_{kind}.def'), encoding='utf-8') as f:
        return re.findall(r'^TALLY\(\w+, "(\w+)"', f.read(), re.M)


def counter_names():
    import re
    names = []
    with open(os.path.join(ROOT, 'include/counters.def'), encoding='utf-8') as top:
        for part in re.findall(r'#include "(.*)"', top.read()):
            with open(os.path.join(ROOT, 'include', part), encoding='utf-8') as lines:
                names += re.findall(r'^COUNTER\(\s*\w+,\s*"(\w+)"', lines.read(), re.M)
    return names


class Lab:
    """Namespaces and processes of one test. Names carry the pid, so that tests run side by side."""

    def __init__(self):
        need_root()
        self.tag = f'sl{os.getpid()}'
        self.namespaces, self.processes, self.hugepages, self.hugepages_lock = [], [], None, None
        self.findings = []
        self.folder = tempfile.mkdtemp(prefix='sluice-')
        # Of its own, since a dataplane has given up root by the time when it finds something.
        self.findings_folder = tempfile.mkdtemp(prefix='sluice-findings-')
        os.chmod(self.findings_folder, 0o1777)
        os.environ.update(sanitizer_options(self.findings_folder))
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))

    def namespace(self, name):
        full = f'{self.tag}{name}'
        run('ip', 'netns', 'add', full)
        self.namespaces.append(full)
        run('ip', '-n', full, 'link', 'set', 'lo', 'up')
        return full

    def veth(self, one, name_one, other, name_other, offloads='off'):
        run('ip', 'link', 'add', name_one, 'netns', one, 'type', 'veth', 'peer', 'name', name_other, 'netns', other)
        for namespace, name in ((one, name_one), (other, name_other)):
            for feature in ('tx', 'rx', 'tso', 'gso', 'gro'):
                run('ip', 'netns', 'exec', namespace, 'ethtool', '-K', name, feature, offloads, check=False)
            run('ip', 'netns', 'exec', namespace, 'sysctl', '-qw', f'net.ipv6.conf.{name}.accept_dad=0')
            run('ip', '-n', namespace, 'link', 'set', name, 'up')

    def tag_frames(self, namespace, device, vlan):
        """Gives a device of the kernel's an 802.1Q tag in both directions, without the kernel's VLAN module."""
        source = os.path.join(ROOT, 'tests/system/vlan_bpf.c')
        self.inside(namespace, 'tc', 'qdisc', 'add', 'dev', device, 'clsact')
        for direction in ('ingress', 'egress'):
            program = os.path.join(self.folder, f'{device}-{direction}.o')
            run('clang-14', '-O2', '-target', 'bpf', '-I/usr/include/x86_64-linux-gnu', f'-DVLAN={vlan}', f'-D{direction.upper()}', '-c', source, '-o', program)
            self.inside(namespace, 'tc', 'filter', 'add', 'dev', device, direction, 'bpf', 'da', 'obj', program, 'sec', 'tc')

    def spawn(self, namespace, *command, **options):
        prefix = ['ip', 'netns', 'exec', namespace] if namespace else []
        process = subprocess.Popen([*prefix, *command], stdin=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process

    def lose_frames(self, namespace, device, one_in):
        """One frame in so many is lost on the device from now on, in both directions. (Not every kernel has netem.)"""
        program = os.path.join(self.folder, 'loss.o')
        run('clang-14', '-O2', '-target', 'bpf', '-I/usr/include/x86_64-linux-gnu', f'-DONE_IN={one_in}', '-c', os.path.join(ROOT, 'tests/system/loss_bpf.c'), '-o', program)
        self.inside(namespace, 'tc', 'qdisc', 'add', 'dev', device, 'clsact')
        for direction in ('ingress', 'egress'):
            self.inside(namespace, 'tc', 'filter', 'add', 'dev', device, direction, 'bpf', 'da', 'obj', program, 'sec', 'tc')

    def inside(self, namespace, *command, check=True, **options):
        return run('ip', 'netns', 'exec', namespace, *command, check=check, **options)

    def dataplane(self, namespace, name='dp', **options):
        """Starts a dataplane without configuration; returns its process and an attached link."""
        path = os.path.join(self.folder, f'{name}.sock')
        process = self.spawn(namespace, DATAPLANE, '--socket', path, **options)
        return process, Link(path)

    def huge_pages(self, count):
        """Asks for 2 MB pages; the count of before comes back at the end. True when they are to be had."""
        knob = '/proc/sys/vm/nr_hugepages'
        # One lab at a time, so that the count of before is what comes back.
        if self.hugepages_lock is None:
            self.hugepages_lock = open('/run/lock/sluice-hugepages', 'w', encoding='ascii')
            fcntl.flock(self.hugepages_lock, fcntl.LOCK_EX)
        pages = '/sys/kernel/mm/hugepages/hugepages-2048kB'

        def read(name):
            with open(name, encoding='ascii') as f:
                return int(f.read())

        try:
            if self.hugepages is None:
                self.hugepages = read(knob)
            # What others still hold of pages that were taken away from them counts as the first of the new ones.
            in_use = read(f'{pages}/nr_hugepages') - read(f'{pages}/free_hugepages')
            with open(knob, 'w', encoding='ascii') as f:
                f.write(str(max(in_use, read(knob)) + count))
            return read(f'{pages}/free_hugepages') >= count
        except OSError:
            return False

    def end(self, process, timeout=15):
        """Ends a process that this lab started, by pid; returns its exit status."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def close(self):
        for process in self.processes:
            self.end(process)
        self.processes = []
        for namespace in self.namespaces:
            # What processes of ours left behind there: a dataplane outlives its control process.
            for pid in run('ip', 'netns', 'pids', namespace, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run('ip', 'netns', 'del', namespace, check=False)
        self.namespaces = []
        if self.hugepages is not None:
            with open('/proc/sys/vm/nr_hugepages', 'w', encoding='ascii') as f:
                f.write(str(self.hugepages))
            self.hugepages = None
        if self.hugepages_lock is not None:
            self.hugepages_lock.close()
            self.hugepages_lock = None
        for path in sorted(glob.glob(f'{self.findings_folder}/{FINDINGS}.*')):
            with open(path, encoding='utf-8', errors='replace') as f:
                self.findings.append(f.read())
        run('rm', '-rf', self.folder, self.findings_folder, check=False)


def cores(count):
    """CPUs that this process may use, as many as asked for or fewer."""
    return sorted(os.sched_getaffinity(0))[:count]


def main(tests):
    """Runs test functions one by one, each with a lab of its own; the exit status says whether all held."""
    wanted = [name for name in sys.argv[1:] if not name.startswith('-')]
    failed = 0
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        lab = Lab()
        start = time.monotonic()
        trouble = None
        try:
            test(lab)
        except Exception as error:  # a test may fail in any way
            import traceback
            traceback.print_exc(file=sys.stdout)
            trouble = str(error)
        lab.close()
        if lab.findings:
            print('\n'.join(lab.findings))
            trouble = f'{trouble or ""} (a sanitizer spoke)'
        print(f'ok {test.__name__} ({time.monotonic() - start:.1f} s)' if trouble is None else f'FAILED {test.__name__}: {trouble}')
        failed += trouble is not None
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
