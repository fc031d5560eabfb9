#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./soak: long forms of the tests, by kind. A kind is a function that yields (name, command, environment)."""
import argparse
import glob
import os
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZERS = ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Dfuzz=true']


def build(folder, options=(), compiler=None):
    environment = dict(os.environ, **({'CC': compiler, 'CC_LD': 'lld'} if compiler else {}))
    if not os.path.exists(f'{folder}/build.ninja'):
        subprocess.run(['meson', 'setup', folder, *options], env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', folder], check=True, stdout=subprocess.DEVNULL)


def fuzz(seconds):
    """Every fuzz target under ASan and UBSan, the time divided between them."""
    build('build-asan', SANITIZERS, 'clang-14')
    targets = [t for t in sorted(glob.glob('build-asan/tests/fuzz/fuzz_*')) if not os.path.isdir(t)]
    for target in targets:
        name = os.path.basename(target)
        scratch = f'build-asan/fuzz-{name}'
        os.makedirs(scratch, exist_ok=True)
        corpus = f'tests/fuzz/corpus/{name[len("fuzz_"):]}'
        yield name, [target, f'-max_total_time={max(10, seconds // len(targets))}', '-timeout=20', '-rss_limit_mb=4096',
                     f'-artifact_prefix={scratch}/', scratch, *([corpus] if os.path.isdir(corpus) else [])], {}


def system(_seconds):
    """System tests with larger counts, and against a build in which a worker that allocates memory dies."""
    build('build')
    for program in ('build/dataplane/sluice-dataplane', 'build/tests/seam/sluice-dataplane-trap'):
        for test in sorted(glob.glob('tests/system/test_*.py')):
            yield f'{os.path.basename(program)}: {os.path.basename(test)}', ['python3', test], {
                'SLUICE_BUILD': os.path.abspath('build'), 'SLUICE_RELOADS': '1000', 'SLUICE_TCP_SCALE': '10', 'SLUICE_DATAPLANE': os.path.abspath(program), 'SLUICE_PINGS': '100000', 'SLUICE_CLIENTS': 'soak',
                'SLUICE_LOAD_ALL': '1', 'SLUICE_BROWSER': '1', 'SLUICE_KILLS': '3', 'SLUICE_CONNECTIONS': '20000'}


def sanitized(_seconds):
    """System tests against processes with ASan and UBSan, small counts: memory errors and leaks under real kernels and programs."""
    build('build-asan', SANITIZERS, 'clang-14')
    for name in ('ping', 'link', 'tcp', 'proxy', 'mail', 'control', 'clients', 'load'):
        yield f'test_{name}.py', ['python3', f'tests/system/test_{name}.py'], {
            'SLUICE_BUILD': os.path.abspath('build-asan'), 'SLUICE_PINGS': '2000', 'SLUICE_RELOADS': '20', 'SLUICE_LOAD_SECONDS': '8'}


def mail(_seconds):
    """Other MTAs on both sides of Sluice, fetchmail and mbsync; 10,000 messages (SLUICE_MAIL_MESSAGES) intact, and again through 1 % loss."""
    build('build')
    for test in ('other_mtas', 'many_messages_intact', 'many_messages_through_loss'):
        yield test, ['python3', 'tests/system/test_mail.py', test], {
            'SLUICE_BUILD': os.path.abspath('build'), 'SLUICE_MAIL_MESSAGES': os.environ.get('SLUICE_MAIL_MESSAGES', '10000')}


def tcp(_seconds):
    """Our TCP against Linux's, up to a gigabyte: loss and reordering, options switched off, ten thousand at once, peers that die."""
    build('build')
    yield 'test_tcp.py', ['python3', 'tests/system/test_tcp.py'], {'SLUICE_BUILD': os.path.abspath('build'), 'SLUICE_TCP_SCALE': '350'}


def sim(seconds):
    """Deterministic simulations: thousands of fresh seeds, in slices until the time is over."""
    build('build')
    first, end = int(time.time()) % 1000000000, time.monotonic() + seconds
    while time.monotonic() < end:
        for name, count in (('tcp_sim', 1000), ('proxy_sim', 300)):
            yield f'{name} {first} {count}', [f'build/tests/sim/{name}', str(first), str(count)], {}
        first += 1000


def differential(seconds):
    """Crypto kernels against OpenSSL on fresh random operands, in slices until the time is over (five minutes are a million of each
    curve's); then a hundred million nonces without repetition, and mail preambles against a direct connection."""
    build('build')
    tests, seed, end = 'build/tests/unit/crypto', time.time_ns() % 10**12, time.monotonic() + seconds
    while time.monotonic() < end:
        for name, rounds in (('x25519', 2000), ('nist', 1000), ('ecdsa', 500), ('ed25519', 1000)):
            yield f'test_mb_{name} {rounds} {seed}', [f'{tests}/test_mb_{name}', str(rounds), str(seed)], {}
        yield 'test_crypto_mb_rsa 20', [f'{tests}/test_crypto_mb_rsa', '20'], {}
        seed += 1
    yield 'test_crypto_pools', [f'{tests}/test_crypto_pools', '100000000'], {}
    yield 'preamble_differential', ['build/tests/unit/proxy/test_proxy_preamble_differential', '1', '200000'], {}


def kat(_seconds):
    """Known answers, every vector in every lane on both bodies."""
    build('build')
    for test in sorted(glob.glob('build/tests/kat/test_kat_*')):
        if not os.path.isdir(test):
            yield os.path.basename(test), [test], {'KAT_ALL_TURNS': '1'}


def suites(_seconds):
    """Packet scripts, constant time, other implementations, units: what ./check runs of them and what is too long for it, under
    no time limit."""
    build('build')
    for suite in ('packet', 'ct', 'interop', 'unit'):
        yield suite, ['meson', 'test', '-C', 'build', '--no-rebuild', '--timeout-multiplier', '0', '--suite', suite], {
            'SLUICE_FULL': '1'}


def bench(_seconds):
    """Every measuring program once, briefly: do they still run, and do the peers still start?"""
    build('build')
    yield 'bench/run', ['bench/run', '--quick', '--json', 'build/run.json'], {}
    yield 'bench/compare', ['bench/compare', '--quick', '--json', 'build/compare.json'], {}
    yield 'bench/certificates.py', ['bench/certificates.py', '--runs', '1', '--json', 'build/certificates.json', '5000'], {}
    yield 'bench/report', ['bench/report', 'build/run.json', 'build/compare.json', '-o', 'build/report.html'], {}


KINDS = {'fuzz': fuzz, 'sim': sim, 'differential': differential, 'kat': kat, 'suites': suites, 'system': system, 'sanitized': sanitized, 'mail': mail, 'tcp': tcp, 'bench': bench}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('kinds', nargs='*', metavar='KIND', help=f'{", ".join(KINDS)}, or all')
    parser.add_argument('--minutes', type=int, default=10, help='time for each kind that runs until told to stop (default 10)')
    parser.add_argument('--list', action='store_true', help='say what each kind is')
    options = parser.parse_args()
    if options.list or not options.kinds:
        for name, kind in KINDS.items():
            print(f'{name:10} {kind.__doc__}')
        return 0
    kinds = list(KINDS) if options.kinds == ['all'] else options.kinds
    unknown = [name for name in kinds if name not in KINDS]
    if unknown:
        parser.error(f'no kind named {" ".join(unknown)}')
    passed, failed = 0, []
    for kind in kinds:
        for name, command, environment in KINDS[kind](options.minutes * 60):
            start = time.monotonic()
            result = subprocess.run(command, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
            word = 'ok' if result.returncode == 0 else 'FAILED'
            last = (result.stdout.splitlines() or [''])[-1]
            print(f'{word} {kind}: {name} ({time.monotonic() - start:.0f} s)' + (f': {last}' if last[:1].isdigit() else ''))
            if result.returncode != 0:
                print('\n'.join('    ' + line for line in result.stdout.splitlines()[-40:]))
                failed.append(name)
            else:
                passed += 1
            sys.stdout.flush()
    print(f'{passed} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
