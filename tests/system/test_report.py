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


def steps_of(scale):
    return {step: scale * (i + 1) for i, step in enumerate(STEPS)}


def stepped_row(name, value, unit, scale=1000.0, **more):
    steps = steps_of(scale)
    return run_row(name, value, unit, **{'tsc_each': sum(steps.values()), 'tsc_per': 'handshake', 'steps': steps, 'lanes_filled': 7.25, 'proxy_busy': 0.875,
                                         'generator_busy': 0.99, **more})


def a_run():
    curve = [[0.0, 90.0], [0.5, 120.0], [0.9, 300.0], [0.99, 1500.0], [1.0, 9000.0]]
    return {'machine': {'cpu': 'test <CPU> & more', 'cores': 2, 'kernel': '6'}, 'commit': 'f' * 40, 'kind': 'run', 'command': 'bench/run', 'rows': [
        stepped_row('handshake_tls13_ecdsa', 48000.5, 'handshakes/s', reach=30000, aim=50000, derived=True, seen=35000.25, seen_low=34000, seen_high=36000,
                    limit='neither: waiting (the machine was not quiet, or too few are in flight)', curves={'handshake': curve}),
        run_row('bulk_download', 24.125, 'Gbit/s', reach=20, aim=40), run_row('certificates_50000_seconds', 2.5, 's', reach=10, aim=2, against='certificates', place=50000),
        run_row('bytes_per_idle_connection', 2000, 'bytes'), run_row('certificates_1000_seconds', 0.25, 's', against='certificates', place=1000),
        *(stepped_row(f'handshake_cost_at_{rate}', 50000.5 - rate, 'tsc', against='load', place=rate, lanes_filled=1 + rate / 4000, limit='itself') for rate in (1000, 4000, 16000)),
        *(stepped_row(f'request_cost_on_{count}', 20000.5 + count, 'tsc', against='connections', place=count, tsc_per='request', limit='itself', lanes_filled=0)
          for count in (16, 1024, 8192)),
        # As many and as long names as there are.
        *(stepped_row(f'handshake_tls13_ecdsa_memif_client{i}', 30000.0 + i, 'handshakes/s', scale=10.0 ** i, derived=True, seen=20000.5 + i, limit='generator',
                      curves={'request': [[f, us * (i + 1)] for f, us in curve]}) for i in range(10))],
        'troubles': ['something <b>could not</b> be measured']}


def a_comparison():
    peers = (('Sluice (memif)', 30000.0), ('nginx stream', 1900.0), ('HAProxy & co', 1600.0))
    return {'machine': {'cpu': 'x', 'cores': 2, 'kernel': '6'}, 'commit': 'e' * 40, 'kind': 'compare', 'command': 'bench/compare', 'versions': {'nginx stream': '1'},
            'rows': [{'name': 'handshake_tls13_ecdsa', 'peer': peer, 'value': value, 'unit': 'handshakes/s', 'low': value * 0.9, 'high': value * 1.1, 'n': 3,
                      'core_us': 1e6 / value} for peer, value in peers], 'troubles': []}


def wanted_figures(run, comparison):
    wanted = {('point.' if 'against' in row else '') + row['name']: row['value'] for row in run['rows']}
    wanted['handshake_tls13_ecdsa.seen'] = run['rows'][0]['seen']
    wanted.update({f'handshake_tls13_ecdsa.{step}': value for step, value in run['rows'][0]['steps'].items()})
    wanted.update({f'handshake_tls13_ecdsa.{row["peer"]}': row['value'] for row in comparison['rows']})
    wanted.update({f'point.{row["name"]}.lanes': row['lanes_filled'] for row in run['rows'] if row.get('against') == 'load'})
    wanted.update({'handshake_tls13_ecdsa.lanes': 7.25, 'curve.handshake_tls13_ecdsa': 90.0, 'curve.handshake_tls13_ecdsa_memif_client9': 900.0})
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
    comparison['rows'][1].update(limit='generator', errors={'reset': 3})
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
    for words in ('| handshake_tls13_ecdsa | 48,000 * |', '| handshakes/s | 35,000 | 30,000 | 50,000 | neither |', '| nginx stream | 1,900 |', '| generator | 3 reset |', 'could not', 'derived'):
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
    assert 'not measured: something' in result.stdout
    for factor, verdict, status in ((0.99, 'the same', 0), (0.5, 'worse', 1), (2, 'better', 0), (0, 'worse', 1)):
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
    # The spread of a single sample is not known.
    for factor, status in ((0.85, 0), (0.75, 1)):
        single = copy.deepcopy(old)
        for key in ('value', 'low', 'high'):
            single['rows'][1][key] *= factor
        single['rows'][1]['n'] = 1
        assert against(folder, old, single).returncode == status, factor
    risen = copy.deepcopy(old)  # from nothing
    risen['rows'][1].update(value=0, low=0, high=0)
    assert 'better' in against(folder, risen, old).stdout
    other = copy.deepcopy(old)
    other['rows'][1]['unit'] = 'MB/s'
    assert 'another unit' in against(folder, old, other).stdout
    gone = copy.deepcopy(old)
    del gone['rows'][3]
    assert 'not in the new run' in against(folder, old, gone).stdout
    with open(f'{folder}/bad.json', 'w', encoding='ascii') as f:
        f.write('{}')
    assert subprocess.run([REPORT, f'{folder}/bad.json'], capture_output=True, check=False).returncode != 0


MEASURE = '''<script>const box = e => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; };
const tall = Math.max(...[...document.querySelectorAll('td')].map(e => e.getBoundingClientRect().height));
const ink = e => getComputedStyle(e).fill, page = getComputedStyle(document.body).backgroundColor;
document.body.innerHTML = '<pre>' + JSON.stringify({page, tall, figures: [...document.querySelectorAll('[data-name]')].map(e => [e.dataset.name, Number(e.dataset.value), ...box(e)]),
plots: [...document.querySelectorAll('svg')].map(s => [box(s), [...s.querySelectorAll('text')].map(t => [t.textContent, ink(t), ...box(t)])])}) + '</pre>';</script>'''


def brightness(color):
    return sum(int(part) for part in color[color.index('(') + 1:-1].split(',')[:3]) / 3


def labels_can_be_read(measured):
    """None leaves its plot or lies on another one, and those on the page itself differ from it."""
    for (left, top, width, height), labels in measured['plots']:
        for i, (words, ink, x, y, w, h) in enumerate(labels):
            assert x >= left - 1 and y >= top - 1 and x + w <= left + width + 1 and y + h <= top + height + 1, ('outside', words, (x, y, w, h), (left, top, width, height))
            assert words in STEPS or abs(brightness(ink) - brightness(measured['page'])) > 100, ('faint', words, ink, measured['page'])
            for other, _, x2, y2, w2, h2 in labels[:i]:
                apart = x + w <= x2 + 1 or x2 + w2 <= x + 1 or y + 0.8 * h <= y2 or y2 + 0.8 * h2 <= y
                assert apart, ('overlap', words, other)


def chromium_draws_it(folder):
    wanted, page = write_report(folder)
    with open(f'{folder}/measured.html', 'w', encoding='utf-8') as f:
        f.write(page.replace('</body>', MEASURE + '</body>'))
    command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', f'--user-data-dir={folder}/profile', '--window-size=1100,4600']
    pages = []
    for theme, scheme in (('light', '1'), ('dark', '0')):
        picture = os.path.join(lab.BUILD, f'report-{theme}.png')
        themed = [*command, f'--blink-settings=preferredColorScheme={scheme}']
        subprocess.run([*themed, f'--screenshot={picture}', f'file://{folder}/report.html'], check=True, capture_output=True, timeout=60)
        assert os.path.getsize(picture) > 20000
        got = subprocess.run([*themed, '--dump-dom', f'file://{folder}/measured.html'], check=True, capture_output=True, text=True, timeout=60).stdout
        measured = json.loads(html.unescape(got.split('<pre>')[1].split('</pre>')[0]))
        boxes = {name: (value, width, height) for name, value, _x, _y, width, height in measured['figures']}
        for name, value in wanted.items():
            assert name in boxes, name
            assert boxes[name][0] == value and boxes[name][1] > 0 and boxes[name][2] > 0, (name, boxes[name], value)
        ratio = boxes['handshake_tls13_ecdsa.Sluice (memif)'][1] / boxes['handshake_tls13_ecdsa.nginx stream'][1]
        assert abs(ratio / (30000 / 1900) - 1) < 0.02, ratio
        labels_can_be_read(measured)
        assert measured['tall'] < 60, measured['tall']  # of a table's cell: two lines at most
        pages.append(brightness(measured['page']))
        print(f'screenshot: {picture}')
    assert pages[0] > 200 and pages[1] < 60, pages


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
