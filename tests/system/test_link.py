# SPDX-License-Identifier: Apache-2.0
"""The life of a dataplane process: what it answers on the control link, what it refuses, how it ends."""
import os
import signal
import socket
import subprocess

import lab
from test_ping import give_addresses, ping, stop_clean, usable, wait_for_device


def good_records(laboratory, **options):
    return [lab.dataplane_record(options.get('name', laboratory.tag), options.get('cores', lab.cores(1))),
            lab.port_record('tap', options.get('device', 'net_tap0,iface=sluice0')),
            lab.address_record(0, '198.51.100.1/24')]


def listens(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        return probe.connect_ex(path) == 0


def expect_refused(link, word, *records):
    try:
        link.start(*records)
    except lab.Refused as refused:
        assert word in str(refused), str(refused)
        return
    raise AssertionError(f'accepted; expected a reason with "{word}"')


def a_bad_configuration_changes_nothing(laboratory):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace, stderr=subprocess.DEVNULL)
    good = good_records(laboratory)
    before = link.hello()
    assert before['n_workers'] == 0 and before['pid'] == process.pid
    expect_refused(link, 'no port', good[0])
    expect_refused(link, 'port 3', *good, lab.address_record(3, '198.51.100.2/24'))
    expect_refused(link, 'core 999', *good_records(laboratory, cores=[999]))
    expect_refused(link, 'cut off', b''.join(good)[:-1])
    fd = lab.sealed_memfd(b''.join(good), seals=0)
    body, _ = link.ask(lab.START, lab.START_ANSWER, [fd])
    assert 'sealed' in lab.text_of(body)
    body, _ = link.ask(lab.START, lab.START_ANSWER)
    assert 'memfd' in lab.text_of(body)
    assert link.hello()['n_workers'] == 0
    page = link.start(*good)
    assert lab.CounterPage(page).n_workers == 1
    expect_refused(link, 'running already', *good)
    stop_clean(process, link)


def a_device_that_is_not_there_is_said(laboratory):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace, stderr=subprocess.DEVNULL)
    expect_refused(link, "port 'tap'", *good_records(laboratory, device='net_af_packet0,iface=nosuchdevice'))
    assert process.wait(15) == 1


def control_may_die_and_come_back(laboratory):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace)
    link.start(*good_records(laboratory))
    wait_for_device(laboratory, namespace, 'sluice0')
    give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24')
    link.close()
    usable(laboratory, namespace, '198.51.100.1')
    ping(laboratory, namespace, '198.51.100.1', count=1000)
    again = lab.Link(link.path)
    state = again.hello()
    assert state['n_workers'] == 1 and state['pid'] == process.pid and state['started'] > 0
    assert lab.CounterPage(state['fd']).total()['net_rx_packets'] >= 1000
    stop_clean(process, again)


def another_version_is_refused(laboratory):
    namespace = laboratory.namespace('a')
    process, link = laboratory.dataplane(namespace)
    link.send(lab.HELLO, version=lab.VERSION + 1)
    kind, _, body, _ = link.receive()
    assert kind == lab.REFUSED and 'version' in lab.text_of(body)
    assert link.receive()[0] is None
    again = lab.Link(link.path)
    assert again.hello()['n_workers'] == 0
    stop_clean(process, again)


def signals_end_it_cleanly(laboratory):
    namespace = laboratory.namespace('a')
    for number in (signal.SIGTERM, signal.SIGINT):
        process, link = laboratory.dataplane(namespace, name=f's{number}')
        link.start(*good_records(laboratory))
        process.send_signal(number)
        assert process.wait(15) == 0
        assert not listens(link.path)  # the file stays: who dropped root can't remove it, and the next start does


def two_dataplanes_side_by_side(laboratory):
    running = []
    for name in 'ab':
        namespace = laboratory.namespace(name)
        process, link = laboratory.dataplane(namespace, name=name)
        link.start(*good_records(laboratory, name=f'{laboratory.tag}{name}'))
        wait_for_device(laboratory, namespace, 'sluice0')
        give_addresses(laboratory, namespace, 'sluice0', '198.51.100.2/24')
        running.append((namespace, process, link))
    second = subprocess.run([os.path.join(lab.BUILD, 'dataplane/sluice-dataplane'), '--socket', running[0][2].path],
                            capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1 and 'another dataplane' in second.stderr
    for namespace, process, link in running:
        usable(laboratory, namespace, '198.51.100.1')
        ping(laboratory, namespace, '198.51.100.1', count=500)
    for namespace, process, link in running:
        stop_clean(process, link)


def options_are_few_and_explained(_):
    program = os.path.join(lab.BUILD, 'dataplane/sluice-dataplane')
    for arguments, status, word in ((['--help'], 0, 'usage'), (['-V'], 0, 'sluice-dataplane'), (['--config', 'x'], 2, 'usage'),
                                    (['stray'], 2, 'usage'), (['--socket', '/nonexistent-folder/s'], 1, 'folder')):
        result = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, check=False)
        assert result.returncode == status, (arguments, result)
        assert word in result.stdout + result.stderr, (arguments, result)


if __name__ == '__main__':
    lab.main([a_bad_configuration_changes_nothing, a_device_that_is_not_there_is_said, control_may_die_and_come_back,
              another_version_is_refused, signals_end_it_cleanly, two_dataplanes_side_by_side, options_are_few_and_explained])
