# SPDX-License-Identifier: Apache-2.0
"""The kernel's side of the TCP system tests: run inside a namespace by test_tcp.py.

    tcp_peer.py echo ADDRESS PORT BYTES [CONNECTIONS] [MAXSEG] [RCVBUF]   bytes go out and come back; sha256 compared
    tcp_peer.py push ADDRESS PORT BYTES SERVER_ADDRESS SERVER_PORT        to a listener of its own, through a relay
    tcp_peer.py pull ADDRESS PORT BYTES SERVER_ADDRESS SERVER_PORT        the same, from it
    tcp_peer.py chargen ADDRESS PORT BYTES      the pattern of RFC 864 is checked
    tcp_peer.py drain ADDRESS PORT BYTES        as many bytes are read and not looked at; prints the seconds from SYN to last byte
    tcp_peer.py serve ADDRESS PORT ALGORITHM    sends to whoever connects, with that congestion control, until he closes
    tcp_peer.py storm ADDRESS PORT COUNT        opens and closes, one after the other, a few at a time
    tcp_peer.py crowd ADDRESS PORT COUNT        so many at once, each echoes a few bytes
    tcp_peer.py killed ADDRESS PORT COUNT       transfers that end with a reset in the middle
"""
import hashlib
import random
import resource
import selectors
import socket
import struct
import sys
import threading
import time

CHUNK = 1 << 16


def connect(address, port, maxseg=0, rcvbuf=0):
    sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM)
    if maxseg:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, maxseg)
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.settimeout(120)
    sock.connect((address, port))
    return sock


def write_all(sock, total, digest, seed):
    rng, block, left = random.Random(seed), None, total
    block = rng.randbytes(CHUNK + 251)
    offset = 0
    while left:
        n = min(left, CHUNK)
        piece = block[offset % 251:offset % 251 + n]
        digest.update(piece)
        sock.sendall(piece)
        left -= n
        offset += n
    sock.shutdown(socket.SHUT_WR)


def read_all(sock, digest):
    total = 0
    while True:
        piece = sock.recv(1 << 18)
        if not piece:
            return total
        digest.update(piece)
        total += len(piece)


def echo(address, port, total, connections=1, maxseg=0, rcvbuf=0):
    def one(idx):
        sock = connect(address, port, maxseg, rcvbuf)
        sent, received = hashlib.sha256(), hashlib.sha256()
        writer = threading.Thread(target=write_all, args=(sock, total, sent, idx))
        writer.start()
        count = read_all(sock, received)
        writer.join()
        sock.close()
        results[idx] = count == total and sent.digest() == received.digest()

    results = [False] * connections
    threads = [threading.Thread(target=one, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results), results


def relayed(address, port, total, server_address, server_port, push):
    listener = socket.create_server((server_address, server_port), family=socket.AF_INET6 if ':' in server_address else socket.AF_INET)
    listener.settimeout(60)
    sock = connect(address, port)
    served, _ = listener.accept()
    served.settimeout(120)
    source, sink = (sock, served) if push else (served, sock)
    sent, received = hashlib.sha256(), hashlib.sha256()
    writer = threading.Thread(target=write_all, args=(source, total, sent, 1))
    writer.start()
    count = read_all(sink, received)
    writer.join()
    sink.shutdown(socket.SHUT_WR)
    assert source.recv(1) == b''
    assert count == total and sent.digest() == received.digest(), (count, total)


def chargen(address, port, total):
    lines = [bytes((32 + (line + i) % 95 for i in range(72))) + b'\r\n' for line in range(95)]
    sock, got = connect(address, port), bytearray()
    while len(got) < min(total, 96 * 74):
        got += sock.recv(1 << 18)
    n_lines = next(n for n in range(1, 96) if got[n * 74:(n + 1) * 74] == lines[0])
    cycle = b''.join(lines[:n_lines])
    expected = memoryview(cycle * ((1 << 18) // len(cycle) + 2))
    assert got == (cycle * (len(got) // len(cycle) + 1))[:len(got)]
    n_got = len(got)
    while n_got < total:
        piece, phase = sock.recv(1 << 18), n_got % len(cycle)
        assert piece and piece == expected[phase:phase + len(piece)]
        n_got += len(piece)
    sock.close()


def drain(address, port, total):
    start = time.monotonic()
    sock = connect(address, port)
    buffer = bytearray(1 << 18)
    while total > 0:
        n = sock.recv_into(buffer)
        assert n
        total -= n
    print(time.monotonic() - start)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def serve(address, port, algorithm):
    listener = socket.create_server((address, port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
    print('ready', flush=True)
    block = bytes(CHUNK)
    while True:
        sock, _ = listener.accept()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b'\0') == algorithm.encode()
        try:
            while True:
                sock.sendall(block)
        except OSError:
            sock.close()


def storm(address, port, count):
    for _ in range(count):
        sock = connect(address, port)
        assert sock.recv(1) == b''
        sock.close()


def crowd(address, port, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    socks = [connect(address, port) for _ in range(count)]
    for idx, sock in enumerate(socks):
        sock.sendall(b'%08d' % idx)
    for idx, sock in enumerate(socks):
        got = b''
        while len(got) < 8:
            piece = sock.recv(8 - len(got))
            assert piece
            got += piece
        assert got == b'%08d' % idx
    for sock in socks:
        sock.close()


def killed(address, port, count):
    for idx in range(count):
        sock = connect(address, port)
        sock.setblocking(False)
        try:
            while True:
                sock.send(b'x' * 50000)
        except BlockingIOError:
            pass
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        sock.close()


def main():
    mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rest = sys.argv[4:]
    if mode == 'serve':
        serve(address, port, rest[0])
    elif mode in ('push', 'pull'):
        relayed(address, port, int(rest[0]), rest[1], int(rest[2]), mode == 'push')
    else:
        globals()[mode](address, port, *map(int, rest))


main()
