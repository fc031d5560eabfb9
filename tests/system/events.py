# SPDX-License-Identifier: Apache-2.0
"""Takes the dataplane's events apart (include/log_event.h, include/log_events.def), by hand, for tests of the dataplane alone."""
import os
import re
import socket
import struct

import lab

DETAILS_MAX = 1008


def kinds():
    with open(os.path.join(lab.ROOT, 'include/log_events.def'), encoding='utf-8') as f:
        return re.findall(r'^LOG_EVENT\(\w+, "(\w+)"', f.read(), re.M)


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, n):
        assert len(self.data) >= n, 'an event is too short'
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def number(self, width):
        return int.from_bytes(self.take(width), 'big')

    def string(self):
        return self.take(self.number(1)).decode('latin-1')

    def list(self):
        n = self.number(1) // 2
        return [self.number(2) for _ in range(n)]

    def address(self):
        raw = self.take(16)
        text = socket.inet_ntop(socket.AF_INET, raw[12:]) if raw[:12] == b'\0' * 10 + b'\xff\xff' else socket.inet_ntop(socket.AF_INET6, raw)
        return text, self.number(2)


def peer(reader):
    return {'listener': reader.string(), 'protocol': reader.string(), 'client': reader.address(), 'local': reader.address()}


def numbers(reader, **widths):
    return {name: reader.number(width) for name, width in widths.items()}


def strings(reader, *names):
    return {name: reader.string() for name in names}


def tls_session(reader):
    return peer(reader) | numbers(reader, flags=1, version=2, suite=2, group=2, scheme=2, peer_scheme=2, certificate=4, microseconds=4) | strings(
        reader, 'sni', 'alpn', 'subject', 'hello')


def tls_failure(reader):
    fields = peer(reader) | numbers(reader, flags=1, alert=1, version=2, microseconds=4) | strings(reader, 'reason', 'state')
    fields |= numbers(reader, message=1) | strings(reader, 'sni', 'hello')
    return fields | {name: reader.list() for name in ('versions', 'suites', 'groups', 'schemes')}


def connection_end(reader):
    fields = peer(reader) | strings(reader, 'reason', 'detail', 'backend') | {'server': reader.address()}
    return fields | numbers(reader, bytes_from=8, bytes_to=8, microseconds=8, attempts=1) | strings(reader, 'sni')


def connection_refused(reader):
    return peer(reader) | strings(reader, 'reason') | numbers(reader, count=4)


def server_state(reader):
    return strings(reader, 'backend') | {'server': reader.address()} | strings(reader, 'state', 'by')


def decode(body):
    """The body of an EVENT message: (name, fields); fields of other kinds are the raw details."""
    _, kind, worker, length = struct.unpack_from('=QHHI', body)
    name = kinds()[kind]
    reader = Reader(body[16:16 + length])
    parser = globals().get(name)
    if parser is None:
        return name, {'details': reader.data}
    fields = parser(reader) | {'worker': worker}
    assert not reader.data, f'{name}: {len(reader.data)} bytes are left'
    return name, fields
