# SPDX-License-Identifier: Apache-2.0
"""TLS connections without end through a proxy, one after the other, and the backend behind it: what tests of changes on a
running Sluice look at. In a process of its own, so that it can live in a namespace and is not held up by its test.

    traffic.py BACKEND:PORT PROXY:PORT SERVER-NAME CLIENTS CA-FILE...     until SIGTERM; then a line of JSON
"""
import json
import signal
import socket
import ssl
import sys
import threading
import time

REQUEST, ANSWER = b'GET / HTTP/1.0\r\n\r\n', b'HTTP/1.0 200 OK\r\n\r\nanswer\n'
TIMEOUT = 30  # a connection that takes longer has failed: far more than any pause that a loaded machine makes


def endpoint(text):
    host, port = text.rsplit(':', 1)
    return host, int(port)


def serve(connection):
    with connection:
        connection.settimeout(TIMEOUT)
        try:
            received = b''
            while not received.endswith(b'\r\n\r\n'):
                part = connection.recv(4096)
                if not part:
                    return
                received += part
            connection.sendall(ANSWER)
        except OSError:
            pass  # the client tells


def accept_all(listener):
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()


class Clients:
    def __init__(self, address, name, files):
        self.address, self.name = address, name
        self.context = ssl.create_default_context()
        for file in files:
            self.context.load_verify_locations(file)
        self.ending, self.done, self.failures, self.lock = threading.Event(), 0, [], threading.Lock()
        self.longest = 0.0

    def once(self):
        with socket.create_connection(self.address, TIMEOUT) as plain, self.context.wrap_socket(plain, server_hostname=self.name) as tls:
            tls.sendall(REQUEST)
            answer = b''.join(iter(lambda: tls.recv(4096), b''))
        if answer != ANSWER:
            raise RuntimeError(f'the answer was {answer[:100]!r}')

    def run(self):
        while not self.ending.is_set():
            start = time.monotonic()
            try:
                self.once()
                failure = None
            except Exception as error:  # whatever it is, the connection failed
                failure = f'{type(error).__name__}: {error}'
            with self.lock:
                self.longest = max(self.longest, time.monotonic() - start)
                self.done += failure is None
                if failure:
                    self.failures.append(failure)


def main():
    backend, proxy, name, count, *files = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    listener = socket.create_server(endpoint(backend), backlog=1024)
    threading.Thread(target=accept_all, args=[listener], daemon=True).start()
    clients = Clients(endpoint(proxy), name, files)
    threads = [threading.Thread(target=clients.run) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    signal.sigwait([signal.SIGTERM])
    clients.ending.set()
    for thread in threads:
        thread.join()
    print(json.dumps({'done': clients.done, 'failed': len(clients.failures), 'failures': clients.failures[:5], 'longest': round(clients.longest, 3)}))


if __name__ == '__main__':
    main()
