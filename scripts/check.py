#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stages of ./check. Each adds to one count, which the last line tells."""
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import time

os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FUZZ_SECONDS = 2
SANITIZERS = ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Dfuzz=true']

count = {'passed': 0, 'failed': 0, 'skipped': 0}
failures = []


def note(name, result, detail=''):
    count[result] += 1
    if result == 'failed':
        failures.append(name)
        print(f'FAILED {name}')
        if detail:
            print('\n'.join('    ' + line for line in detail.splitlines()[-60:]))
    elif result == 'skipped':
        print(f'skipped {name}' + (f': {detail.splitlines()[-1]}' if detail.strip() else ''))
    sys.stdout.flush()


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', **options)


def build(folder, options=(), compiler=None, targets=(), cached=True):
    """Configures and builds; True when it worked. A folder that exists is kept: ninja knows what is out of date."""
    environment = dict(os.environ)
    if not cached:
        environment['CCACHE_DISABLE'] = '1'
    if compiler:
        environment['CC'] = compiler
        environment['CC_LD'] = 'lld'  # half the time of linking with sanitizers
    print(f'building {folder}')
    sys.stdout.flush()
    if not os.path.exists(f'{folder}/build.ninja'):
        result = run(['meson', 'setup', folder, *options], env=environment)
        if result.returncode != 0:
            note(f'{folder}: meson setup', 'failed', result.stdout)
            return False
    result = run(['ninja', '-C', folder, *targets], env=environment)
    if result.returncode != 0:
        note(f'{folder}: build', 'failed', result.stdout)
    return result.returncode == 0


def meson_tests(folder, suites, at_once=None):
    arguments = [item for suite in suites for item in ('--suite', suite)]
    log = f'{folder}/meson-logs/testlog.json'
    if os.path.exists(log):
        os.remove(log)
    if at_once:
        arguments += ['--num-processes', str(at_once)]
    result = run(['meson', 'test', '-C', folder, '--no-rebuild', '--timeout-multiplier', '5', *arguments])
    if not os.path.exists(log):
        if 'No tests' not in result.stdout and 'no tests' not in result.stdout.lower():
            note(f'{folder}: meson test', 'failed', result.stdout)
        return
    with open(log, encoding='utf-8') as lines:
        for line in lines:
            test = json.loads(line)
            outcome = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}.get(test['result'], 'failed')
            name = test['name'].split(' / ')[-1]
            note(f'{folder}: {name}', outcome, test.get('stdout', '') + test.get('stderr', '') + f'\n({test["result"]}, {test["duration"]:.1f} s)'
                 if outcome == 'failed' else test.get('stdout', '') + test.get('stderr', ''))


def stage_tests():
    if build('build'):
        # System tests wait more than they compute.
        meson_tests('build', ['unit', 'kat', 'packet', 'sim', 'fuzz', 'ct', 'interop', 'system', 'bench'], at_once=os.cpu_count() + 1)


def stage_sanitized():
    """ASan and UBSan, and clang's warnings."""
    if build('build-asan', SANITIZERS, compiler='clang-14'):
        meson_tests('build-asan', ['unit', 'packet', 'sim', 'sanitized'])


def fuzz_one(target):
    name = os.path.basename(target)
    scratch = f'build-asan/fuzz-{name}'
    os.makedirs(scratch, exist_ok=True)
    corpus = f'tests/fuzz/corpus/{name[len("fuzz_"):]}'
    command = [target, f'-max_total_time={FUZZ_SECONDS}', '-timeout=20', '-rss_limit_mb=4096', '-print_final_stats=1',
               f'-artifact_prefix={scratch}/', scratch] + ([corpus] if os.path.isdir(corpus) else [])
    return name, run(command)


def stage_fuzz():
    """Each fuzz target for a few seconds from its corpus; ./soak fuzz has the hours."""
    if not build('build-asan', SANITIZERS, compiler='clang-14'):
        return
    targets = [target for target in sorted(glob.glob('build-asan/tests/fuzz/fuzz_*')) if not os.path.isdir(target)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, result in pool.map(fuzz_one, targets):
            note(f'fuzz: {name}', 'passed' if result.returncode == 0 else 'failed', result.stdout)


def stage_tidy():
    """Rules of the tree; hardening and reproducibility of what is shipped."""
    if not build('build'):
        return
    shipped = [path for path in ('dataplane/sluice-dataplane', 'control/sluice-control', 'control/sluicectl', 'control/sluice-fetch')
               if os.path.exists(f'build/{path}')]
    if not shipped or build('build-again', targets=shipped, cached=False):
        result = run(['python3', 'scripts/tidy.py', '--build', 'build', *(['--again', 'build-again'] if shipped else [])])
        print(result.stdout.splitlines()[-1] if result.stdout else '')
        note('tidy', 'passed' if result.returncode == 0 else 'failed', result.stdout)


STAGES = {'tests': stage_tests, 'sanitized': stage_sanitized, 'fuzz': stage_fuzz, 'tidy': stage_tidy}


def main():
    names = sys.argv[1:] or list(STAGES)
    if any(name not in STAGES for name in names):
        print(f'check: stages are: {" ".join(STAGES)}', file=sys.stderr)
        return 2
    for name in names:
        start = time.monotonic()
        print(f'== {name}')
        STAGES[name]()
        print(f'== {name}: {time.monotonic() - start:.0f} s')
    if failures:
        print('failed: ' + ', '.join(failures))
    print(f'{count["passed"]} passed, {count["failed"]} failed, {count["skipped"]} skipped')
    return 1 if count['failed'] or not count['passed'] else 0


if __name__ == '__main__':
    sys.exit(main())
