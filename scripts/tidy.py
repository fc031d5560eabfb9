#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of the tree that a compiler does not check; part of ./check.

    tidy.py                     the sources alone
    tidy.py --build DIR         also headers one by one, and the shipped binaries of a build directory
    tidy.py --build A --again B also that the shipped binaries of two build directories are identical
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)

# What each folder of dataplane/ may include, itself always among it.
BASE = {'base'}
CRYPTO_MB = BASE | {'crypto/mb'}
CRYPTO = CRYPTO_MB | {'crypto'}
TLS = CRYPTO | {'tls'}
NET = BASE | {'net'}
TCP = NET | {'tcp'}
PROXY = TLS | TCP | {'proxy'}
LAYERS = {'base': BASE, 'crypto/mb': CRYPTO_MB, 'crypto': CRYPTO, 'tls': TLS, 'net': NET, 'tcp': TCP, 'proxy': PROXY,
          '': PROXY | {''}}
DPDK_FOLDERS = {'net', 'tcp', 'proxy', ''}
SHIPPED = ['dataplane/sluice-dataplane', 'control/sluice-control', 'control/sluicectl', 'control/sluice-fetch']
TEST_SYMBOLS = re.compile(r'\b(clock_virtual|random_seeded|fuzz_crypto|port_mem|net_stub|heap_trap_armed)\w*')

MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_COLUMNS = 800, 70, 110

# Calls that have no place in the product, with what to use instead.
FORBIDDEN = [
    (r'\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(', 'unbounded string function', ('dataplane', 'control', 'include')),
    (r'\b(atoi|atol|atof)\s*\(', 'conversion without error: use strtoul or strtod', ('dataplane', 'control', 'bench')),
    (r'\b(rand|srand|random|drand48)\s*\(', 'C library randomness: use crypto/random', ('dataplane', 'control')),
    (r'(?<![\w.>])(malloc|calloc|realloc|free|strdup|asprintf)\s*\(', 'heap in the dataplane: use a pool or an arena', ('dataplane',)),
    (r'\b(gettimeofday|time|clock_gettime|rte_rdtsc|rte_get_tsc_cycles|__rdtsc)\s*\(', 'time outside the clock seam: use base/clock', ('dataplane',)),
    (r'\b(sleep|usleep|nanosleep)\s*\(', 'a sleep', ('dataplane/base', 'dataplane/crypto', 'dataplane/tls', 'dataplane/net', 'dataplane/tcp', 'dataplane/proxy')),
    (r'#include <(immintrin|x86intrin|emmintrin|wmmintrin)\.h>', 'intrinsics outside vec.h', ('dataplane',)),
    (r'#include <assert\.h>', 'assert that NDEBUG removes: use base/assert.h', ('dataplane', 'control')),
    (r'\b(TODO|FIXME|XXX|HACK)\b', 'unfinished business: an issue, not a comment', ('dataplane', 'control', 'include', 'tests', 'bench', 'scripts')),
]
# (file, pattern of the rule): the places that are meant.
ALLOWED = {
    ('dataplane/base/clock.c', 'clock_gettime'), ('dataplane/base/clock.c', '__rdtsc'), ('dataplane/base/clock.c', 'x86intrin'),
    # SHA-NI works on one or two streams, not on lanes.
    ('dataplane/crypto/mb/vec.h', 'immintrin'), ('dataplane/crypto/sha256_ni.c', 'immintrin'),
    # Ports are opened by the main thread before workers run; the in-process wire is for simulations.
    ('dataplane/net/port_dpdk.c', 'calloc'), ('dataplane/net/port_dpdk.c', 'free'),
    # In EAL's interrupt thread, which may hold the core that the worker it waits for needs.
    ('dataplane/net/memif_guard.c', 'nanosleep'),
    # OpenSSL's allocator: what threads without a bounded heap get.
    ('dataplane/crypto/openssl_heap.c', 'malloc'), ('dataplane/crypto/openssl_heap.c', 'free'),
    ('dataplane/net/port_mem.c', 'calloc'), ('dataplane/net/port_mem.c', 'free'),
}
# Headers that are instantiated, once per curve or instruction set, by whoever includes them.
TEMPLATES = ('_body.h', '_nist.h', '/stack_wipe.h')
GENERATED = {'mb_tables.h'}

problems, reports = [], []


def problem(path, line, text):
    problems.append(f'{path}:{line}: {text}' if line else f'{path}: {text}')


def tracked():
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], capture_output=True, text=True, check=True).stdout
    return [p for p in listed.splitlines() if os.path.isfile(p)]


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def layer_of(path):
    folder = os.path.dirname(path)[len('dataplane'):].lstrip('/')
    return folder if folder in LAYERS else None


def check_includes(path, lines):
    layer = layer_of(path) if path.startswith('dataplane/') else None
    if path.startswith('dataplane/') and layer is None:
        problem(path, 0, 'a folder that is no layer')
        return
    for number, line in enumerate(lines, 1):
        quoted = re.match(r'\s*#\s*include "([^"]+)"', line)
        system = re.match(r'\s*#\s*include <(rte_[^>]+)>', line)
        if quoted and layer is not None:
            target = quoted.group(1)
            if os.path.isfile('include/' + target) or target in GENERATED:
                continue
            if target.startswith('..') or not os.path.isfile('dataplane/' + target):
                problem(path, number, f'"{target}" is neither under dataplane/ nor under include/')
            elif layer_of('dataplane/' + target) not in LAYERS[layer]:
                problem(path, number, f'layer rule: {layer or "dataplane"} must not include "{target}"')
        if quoted and path.startswith('control/'):
            target = quoted.group(1)
            if os.path.isfile('control/' + target):
                continue
            if os.path.isfile('dataplane/' + target) and not target.startswith('base/'):
                problem(path, number, f'layer rule: control may use base/ alone, not "{target}"')
        if system and layer is not None and layer not in DPDK_FOLDERS:
            problem(path, number, f'DPDK in {layer}: {system.group(1)}')
        if quoted and path.startswith(('dataplane/', 'include/', 'control/')) and re.match(r'(seam|unit|sim)/', quoted.group(1)):
            problem(path, number, 'the product includes a test')


def strip_comments_and_strings(text):
    def blank(match):
        return re.sub(r'[^\n]', ' ', match.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_forbidden(path, text):
    code = strip_comments_and_strings(text)
    for pattern, why, folders in FORBIDDEN:
        if not path.startswith(tuple(f + '/' for f in folders)) or path == 'scripts/tidy.py':
            continue
        searched = text if 'TODO' in pattern or 'include' in pattern else code
        for match in re.finditer(pattern, searched):
            if any(path == p and t in match.group(0) for p, t in ALLOWED):
                continue
            problem(path, searched.count('\n', 0, match.start()) + 1, f'{why}: {match.group(0).strip()}')


def check_lengths(path, lines):
    if len(lines) > MAX_FILE_LINES:
        reports.append(f'{path}: {len(lines)} lines')
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start is not None:
            if number - start - 1 > MAX_FUNCTION_LINES:
                reports.append(f'{path}:{start}: a function of {number - start - 1} lines')
            start = None


def check_text(path, lines):
    if path != 'LICENSE' and path.endswith(('.c', '.h', '.def', '.py', '.sh', '.build', '.txt', '.yaml')) and 'corpus' not in path:
        if not any('SPDX-License-Identifier: Apache-2.0' in line for line in lines[:3]) and not path.endswith('.txt'):
            problem(path, 0, 'no SPDX line')
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            problem(path, number, 'white space at the end of a line')
        if re.search(r'(?<![\w/.])/(work|home|root)/', line) and path != 'scripts/tidy.py':
            problem(path, number, 'a path of somebody\'s machine')
    if path.endswith('.h') and path.startswith(('dataplane/', 'include/', 'control/', 'bench/', 'tests/')) and '#pragma once' not in lines:
        if not path.endswith(TEMPLATES):
            problem(path, 0, 'no #pragma once')


def check_listed(paths):
    """Every source file is built by somebody: no dead files."""
    builds = ''.join(read(p) for p in paths if p.endswith('meson.build'))
    for path in paths:
        name = os.path.basename(path)
        stem = re.sub(r'^(test_)?(kat_)?(fuzz|replay|bench|ct|sim|interop)?_?(mb_)?', '', name[:-2])
        if path.endswith('.c') and 'bpf' not in name and name not in builds and f"'{stem}'" not in builds and stem not in builds:
            if not any(f'"{name}"' in read(p) or f'/{name}"' in read(p) for p in paths if p.endswith(('.c', '.h')) and p != path):
                problem(path, 0, 'in no meson.build')


def check_format(paths):
    sources = [p for p in paths if p.endswith(('.c', '.h')) and 'bpf' not in p]
    result = subprocess.run(['clang-format-14', '--dry-run', '-Werror', *sources], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        if 'error:' in line:
            problem(line.split(': error')[0], 0, 'not as clang-format has it')


def check_headers(paths, build):
    flags = ['-std=gnu11', '-D_GNU_SOURCE', '-Iinclude', '-Idataplane', '-Itests', '-Itests/unit/tls', '-Itests/unit/crypto', '-Ibench', f'-I{build}/dataplane/crypto/mb', '-march=x86-64-v2', '-fsyntax-only', '-Wall', '-Werror', '-DMB_BODY_IFMA=0',
             '-Wno-unused-function', '-Wno-pragma-once-outside-header', '-x', 'c']
    dpdk = subprocess.run(['pkg-config', '--cflags', 'libdpdk'], capture_output=True, text=True).stdout.replace('-I', '-isystem').split()
    for path in paths:
        if not path.endswith('.h') or not path.startswith(('dataplane/', 'include/', 'control/', 'bench/', 'tests/')):
            continue
        if path.endswith(TEMPLATES):
            continue
        extra = dpdk if not path.startswith(('include/', 'dataplane/base', 'dataplane/crypto', 'dataplane/tls')) else []
        vector = ['-mavx512f', '-mavx512ifma', '-mavx512vl', '-mavx512dq', '-mavx512bw', '-mbmi2', '-msha', '-mssse3'] if 'crypto' in path else []
        result = subprocess.run(['gcc', *flags, *vector, '-include', path, *extra, '/dev/null'], capture_output=True, text=True)
        if result.returncode != 0:
            problem(path, 0, 'does not compile alone: ' + (result.stderr.splitlines() or ['?'])[0])


def check_hardening(path):
    def output(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout
    header, dynamic, segments = output('readelf', '-hW', path), output('readelf', '-dW', path), output('readelf', '-lW', path)
    notes, symbols = output('readelf', '-nW', path), output('nm', '-D', '--undefined-only', path)
    wanted = [
        ('position independent', 'DYN' in header and 'PIE' in dynamic),
        ('RELRO', 'GNU_RELRO' in segments),
        ('immediate binding', 'BIND_NOW' in dynamic or ' NOW' in dynamic),
        ('no executable stack', re.search(r'GNU_STACK.* RW ', segments) is not None),
        ('stack protector', '__stack_chk_fail' in symbols),
        ('FORTIFY', re.search(r'__\w+_chk\b', symbols.replace('__stack_chk_fail', '')) is not None),
        # Debian's start files (crt1.o) have no IBT marks, so a binary can't carry the IBT property; its own code can.
        ('CET', 'SHSTK' in notes and output('objdump', '-d', path).count('endbr64') > 0),
        ('no RPATH', 'RPATH' not in dynamic and 'RUNPATH' not in dynamic),
    ]
    for name, there in wanted:
        if not there:
            problem(path, 0, f'hardening: {name} is missing')
    for match in sorted(set(TEST_SYMBOLS.findall(output('nm', path)))):
        problem(path, 0, f'a test\'s symbol in a shipped binary: {match}...')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', help='a build directory whose binaries are checked')
    parser.add_argument('--again', help='a second build directory that must hold the same binaries')
    options = parser.parse_args()
    paths = tracked()
    for path in paths:
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        if 'corpus/' not in path:
            check_text(path, lines)
        if path.endswith(('.c', '.h', '.def', '.py', '.sh')):
            check_forbidden(path, text)
        if path.endswith(('.c', '.h')):
            check_includes(path, lines)
            check_lengths(path, lines)
    check_listed(paths)
    check_format(paths)
    n_binaries = 0
    if options.build:
        check_headers(paths, options.build)
        for name in SHIPPED:
            path = os.path.join(options.build, name)
            if not os.path.exists(path):
                continue
            n_binaries += 1
            check_hardening(path)
            if options.again:
                other = os.path.join(options.again, name)
                if not os.path.exists(other) or open(path, 'rb').read() != open(other, 'rb').read():
                    problem(path, 0, f'not reproducible: differs from {other}')
    for text in reports:
        print(f'tidy: report: {text}')
    for text in problems:
        print(f'tidy: {text}')
    print(f'tidy: {len(paths)} files, {n_binaries} binaries, {len(problems)} problems, {len(reports)} over a length')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
