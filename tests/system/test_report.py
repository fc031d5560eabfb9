# SPDX-License-Identifier: Apache-2.0
"""bench/report: every figure of the JSON is drawn, as long as it should be, and equal; what changed between runs is said.

SLUICE_BROWSER=1 also renders the page in headless Chromium, measures what it has drawn, and keeps a screenshot beside the build.
"""
import copy
import html.parser
import json
import os
import subprocess
import sys
import tempfile

import lab

REPORT = os.path.join(lab.ROOT, 'bench/report')
STEPS = ('rx', 'tcp_in', 'lanes', 'proxy', 'tcp_out', 'flush', 'refill')


def run_row(name, value, unit, **more):
    return {'name': name, 'value': value, 'unit': unit, 'n': 5, 'low': value * 0.98, 'high': value * 1.02, 'limit': 'proxy', 'derived': False, 'reach': None,
            'aim': None, **more}


def a_run():
    steps = {step: 1000.0 * (i + 1) for i, step in enumerate(STEPS)}
    curve = [[0.0, 90.0], [0.5, 120.0], [0.9, 300.0], [0.99, 1500.0], [1.0, 9000.0]]
    return {'machine': {'cpu': 'test <CPU> & more', 'cores': 2, 'kernel': '6'}, 'commit': 'f' * 40, 'kind': 'run', 'command': 'bench/run', 'rows': [
        run_row('handshake_tls13_ecdsa', 48000.5, 'handshakes/s', reach=30000, aim=50000, derived=True, seen=35000.25, seen_low=34000, seen_high=36000,
                limit='generator', tsc_each=sum(steps.values()), tsc_per='handshake', steps=steps, lanes_filled=7.25, proxy_busy=0.875, generator_busy=0.99,
                curves={'handshake': curve}),
        run_row('bulk_download', 24.125, 'Gbit/s', reach=20, aim=40), run_row('certificates_50000_seconds', 2.5, 's'),
        run_row('bytes_per_idle_connection', 2000, 'bytes')], 'troubles': ['something <b>could not</b> be measured']}


def a_comparison():
    peers = (('Sluice (memif)', 30000.0), ('nginx stream', 1900.0), ('HAProxy & co', 1600.0))
    return {'machine': {'cpu': 'x', 'cores': 2, 'kernel': '6'}, 'commit': 'e' * 40, 'kind': 'compare', 'command': 'bench/compare', 'versions': {'nginx stream': '1'},
            'rows': [{'name': 'handshake_tls13_ecdsa', 'peer': peer, 'value': value, 'unit': 'handshakes/s', 'low': value * 0.9, 'high': value * 1.1, 'n': 3,
                      'core_us': 1e6 / value} for peer, value in peers], 'troubles': []}


def wanted_figures(run, comparison):
    wanted = {row['name']: row['value'] for row in run['rows']}
    wanted['handshake_tls13_ecdsa.seen'] = run['rows'][0]['seen']
    wanted.update({f'handshake_tls13_ecdsa.{step}': value for step, value in run['rows'][0]['steps'].items()})
    wanted.update({f'handshake_tls13_ecdsa.{row["peer"]}': row['value'] for row in comparison['rows']})
    wanted.update({'point.handshake_tls13_ecdsa': 7.25, 'point.certificates_50000_seconds': 2.5, 'curve.handshake_tls13_ecdsa': 90.0})
    return wanted


class Drawn(html.parser.HTMLParser):
    """data-name: (data-value, width if it is a bar)."""

    def __init__(self):
        super().__init__()
        self.figures, self.loads = {}, []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if 'data-name' in found:
            self.figures[found['data-name']] = (float(found['data-value']), float(found.get('width', 0)))
        if tag in ('script', 'link', 'img', 'iframe') or 'src' in found or 'href' in found:
            self.loads.append((tag, found))


def write_report(folder):
    run, comparison = a_run(), a_comparison()
    for name, content in (('run', run), ('compare', comparison)):
        with open(f'{folder}/{name}.json', 'w', encoding='utf-8') as f:
            json.dump(content, f)
    subprocess.run([REPORT, f'{folder}/run.json', f'{folder}/compare.json', '-o', f'{folder}/report.html'], check=True, stdout=subprocess.DEVNULL)
    with open(f'{folder}/report.html', encoding='utf-8') as f:
        return wanted_figures(run, comparison), f.read()


def every_figure_is_drawn(folder):
    wanted, page = write_report(folder)
    drawn = Drawn()
    drawn.feed(page)
    assert not drawn.loads, drawn.loads
    for name, value in wanted.items():
        assert name in drawn.figures, name
        assert drawn.figures[name][0] == value, (name, drawn.figures[name], value)
    # Bars of one plot are as long as their values say.
    for some, other in (('handshake_tls13_ecdsa', 'handshake_tls13_ecdsa.seen'), ('handshake_tls13_ecdsa.rx', 'handshake_tls13_ecdsa.refill'),
                        ('handshake_tls13_ecdsa.Sluice (memif)', 'handshake_tls13_ecdsa.nginx stream')):
        widths, values = drawn.figures[some][1] / drawn.figures[other][1], wanted[some] / wanted[other]
        assert abs(widths / values - 1) < 0.02, (some, other, widths, values)
    assert '<CPU>' not in page and '&lt;CPU&gt;' in page and '<b>could' not in page  # what the JSON says is text, not HTML
    with open(f'{folder}/report.md', encoding='utf-8') as f:
        lines = f.read()
    for words in ('| handshake_tls13_ecdsa | 48,000 * |', '35,000 seen', '| nginx stream | 1,900 |', 'could not', 'derived'):
        assert words in lines, (words, lines)


def against(folder, old, new):
    for name, content in (('old', old), ('new', new)):
        with open(f'{folder}/{name}.json', 'w', encoding='utf-8') as f:
            json.dump(content, f)
    return subprocess.run([REPORT, '--against', f'{folder}/old.json', f'{folder}/new.json'], capture_output=True, text=True, check=False)


def changes_are_told_from_noise(folder):
    old = a_run()
    result = against(folder, old, old)
    assert result.returncode == 0 and 'worse' not in result.stdout and 'better' not in result.stdout, result.stdout
    for factor, verdict, status in ((0.99, 'the same', 0), (0.5, 'worse', 1), (2, 'better', 0)):
        new = copy.deepcopy(old)
        for key in ('value', 'low', 'high'):
            new['rows'][0][key] *= factor
        result = against(folder, old, new)
        line = result.stdout.splitlines()[0] if factor != 0.99 else next(x for x in result.stdout.splitlines() if x.startswith('handshake'))
        assert result.returncode == status and line.startswith('handshake_tls13_ecdsa') and line.endswith(verdict), (factor, result.stdout)
    slower = copy.deepcopy(old)  # of seconds and bytes more is worse
    for key in ('value', 'low', 'high'):
        slower['rows'][2][key] *= 2
    assert 'worse' in against(folder, old, slower).stdout
    wide = copy.deepcopy(old)  # spreads that overlap
    wide['rows'][1].update(value=20, low=15, high=25)
    assert against(folder, old, wide).returncode == 0
    gone = copy.deepcopy(old)
    del gone['rows'][3]
    assert 'not in the new run' in against(folder, old, gone).stdout
    with open(f'{folder}/bad.json', 'w', encoding='ascii') as f:
        f.write('{}')
    assert subprocess.run([REPORT, f'{folder}/bad.json'], capture_output=True, check=False).returncode != 0


MEASURE = '''<script>document.body.innerHTML = '<pre>' + JSON.stringify([...document.querySelectorAll('[data-name]')].map(e => { const b = e.getBoundingClientRect();
return [e.dataset.name, Number(e.dataset.value), b.width, b.height]; })) + '</pre>';</script>'''


def chromium_draws_it(folder):
    wanted, page = write_report(folder)
    with open(f'{folder}/measured.html', 'w', encoding='utf-8') as f:
        f.write(page.replace('</body>', MEASURE + '</body>'))
    command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', f'--user-data-dir={folder}/profile', '--window-size=1100,3200']
    picture = os.path.join(lab.BUILD, 'report.png')
    subprocess.run([*command, f'--screenshot={picture}', f'file://{folder}/report.html'], check=True, capture_output=True, timeout=60)
    assert os.path.getsize(picture) > 20000
    got = subprocess.run([*command, '--dump-dom', f'file://{folder}/measured.html'], check=True, capture_output=True, text=True, timeout=60).stdout
    boxes = {name: (value, width, height) for name, value, width, height in json.loads(html.unescape(got.split('<pre>')[1].split('</pre>')[0]))}
    for name, value in wanted.items():
        assert name in boxes, name
        assert boxes[name][0] == value and boxes[name][1] > 0 and boxes[name][2] > 0, (name, boxes[name], value)
    ratio = boxes['handshake_tls13_ecdsa.Sluice (memif)'][1] / boxes['handshake_tls13_ecdsa.nginx stream'][1]
    assert abs(ratio / (30000 / 1900) - 1) < 0.02, ratio
    print(f'screenshot: {picture}')


def main():
    tests = [every_figure_is_drawn, changes_are_told_from_noise]
    if os.environ.get('SLUICE_BROWSER') == '1':
        lab.need('chromium')
        tests.append(chromium_draws_it)
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f'ok {test.__name__}')
            except Exception as error:  # a test may fail in any way
                print(f'FAILED {test.__name__}: {error!r}')
                failed += 1
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
