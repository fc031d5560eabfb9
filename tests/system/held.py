# SPDX-License-Identifier: Apache-2.0
"""Connections that last: through a proxy, one that carries a stream without end, and others that are idle. What tests of
changes and of killed processes look at: at the end every byte of the stream arrived as it was sent, and every idle connection
still carries what is sent over it.

    held.py BACKEND:PORT PROXY:PORT SERVER-NAME IDLE CA-FILE     "held" when all are there; until SIGTERM; then a line of JSON
"""
import contextlib
import hashlib
import json
import random
import signal
import socket
import ssl
import sys
import threading

from traffic import TIMEOUT, endpoint

PAUSE = 0.004  # between pieces: some 8 MB a second, so that the stream lasts without taking the machine
PIECE = 32 << 10


class Backend:
    """A connection that begins with S gets a stream that ends when told to; one that begins with E, an echo."""

    def __init__(self, address):
        self.ending, self.digest, self.sent = threading.Event(), hashlib.sha256(), 0
        self.listener = socket.create_server(address, backlog=1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=[self.listener.accept()[0]], daemon=True).start()

    def serve(self, connection):
        with connection:
            with contextlib.suppress(OSError):  # the client tells
                self.serve_kind(connection, connection.recv(1))

    def serve_kind(self, connection, kind):
        if kind == b'S':
            self.stream(connection)
        while kind == b'E':
            received = connection.recv(4096)
            if not received:
                return
            connection.sendall(received)

    def stream(self, connection):
        generator = random.Random(1)
        while not self.ending.wait(PAUSE):
            piece = generator.randbytes(PIECE)
            connection.sendall(piece)
            self.digest.update(piece)
            self.sent += len(piece)


class Stream(threading.Thread):
    def __init__(self, connection):
        super().__init__()
        self.connection, self.digest, self.received, self.trouble = connection, hashlib.sha256(), 0, None

    def run(self):
        try:
            while True:
                part = self.connection.recv(65536)
                if not part:
                    break
                self.digest.update(part)
                self.received += len(part)
        except OSError as error:
            self.trouble = f'{type(error).__name__}: {error}'


def main():
    backend_address, proxy, name, n_idle, authority = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    backend = Backend(endpoint(backend_address))
    context = ssl.create_default_context(cafile=authority)

    def connect(kind):
        tls = context.wrap_socket(socket.create_connection(endpoint(proxy), TIMEOUT), server_hostname=name)
        tls.sendall(kind)
        return tls

    stream = Stream(connect(b'S'))
    stream.start()
    idle = [connect(b'E') for _ in range(int(n_idle))]
    print('held', flush=True)
    signal.sigwait([signal.SIGTERM])
    backend.ending.set()
    stream.join()
    lost = []
    for number, tls in enumerate(idle):
        message = b'%d\n' % number
        try:
            tls.sendall(message)
            answer = b''
            while len(answer) < len(message):
                part = tls.recv(4096)
                assert part, 'the end'
                answer += part
            assert answer == message, answer
        except (OSError, AssertionError) as error:
            lost.append(f'{number}: {type(error).__name__}: {error}')
    exact = stream.received == backend.sent and stream.digest.digest() == backend.digest.digest()
    print(json.dumps({'sent': backend.sent, 'received': stream.received, 'exact': exact, 'trouble': stream.trouble, 'lost': lost[:5]}))


if __name__ == '__main__':
    main()
