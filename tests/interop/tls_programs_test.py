#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tls-shim and tls-server as outside runners use them: the shim's contract against Python's ssl module, and both
against GnuTLS's programs where they are installed. Loopback only; every process is the test's own.

    tls_programs_test.py TLS_SHIM TLS_SERVER
"""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

SHIM, SERVER = sys.argv[1:3]
SHIM_ID = 0x1122334455667788
FOLDER = tempfile.mkdtemp()
VERSIONS = {"1.2": (ssl.TLSVersion.TLSv1_2, 0x0303), "1.3": (ssl.TLSVersion.TLSv1_3, 0x0304)}
n_checks = 0


def check(condition, what):
    global n_checks
    n_checks += 1
    if not condition:
        sys.exit(f"failed: {what}")


def make_certificate(kind):
    key, certificate = f"{FOLDER}/{kind}.key", f"{FOLDER}/{kind}.pem"
    algorithm = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey",
                    *algorithm, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


class Shim:
    """A shim and the connections that it makes."""

    def __init__(self, *flags):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        port = self.listener.getsockname()[1]
        self.process = subprocess.Popen([SHIM, "-port", str(port), "-shim-id", str(SHIM_ID), *flags],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def accept(self):
        connection = self.listener.accept()[0]
        connection.settimeout(20)
        check(connection.recv(8, socket.MSG_WAITALL) == SHIM_ID.to_bytes(8, "little"), "shim id")
        return connection

    def end(self, status, error=b""):
        stderr = self.process.communicate(timeout=20)[1]
        self.listener.close()
        check(self.process.returncode == status, f"exit {self.process.returncode}, not {status}: {stderr}")
        check(error in stderr, f"{error} in {stderr}")


def server_context(version, key, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = VERSIONS[version][0]
    context.load_cert_chain(certificate, key)
    return context


def client_context(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = VERSIONS[version][0]
    return context


def echo_and_close(tls, text=b"some text"):
    tls.sendall(text)
    answer = b""
    while len(answer) < len(text):
        answer += tls.recv(4096)
    check(answer == bytes(b ^ 0xff for b in text), "the echo")
    session = tls.session
    tls.unwrap().close()
    return session


def test_shim_client(version, kind, files):
    shim = Shim("-expect-version", str(VERSIONS[version][1]), "-host-name", "localhost", "-resume-count", "1")
    context = server_context(version, *files[kind])
    for _ in range(2):
        echo_and_close(context.wrap_socket(shim.accept(), server_side=True))
    shim.end(0)


def test_shim_server(version, kind, files):
    key, certificate = files[kind]
    shim = Shim("-server", "-key-file", key, "-cert-file", certificate, "-resume-count", "1",
                "-expect-server-name", "localhost", "-check-close-notify")
    context, session = client_context(version), None
    for i in range(2):
        tls = context.wrap_socket(shim.accept(), server_hostname="localhost", session=session)
        check(tls.session_reused == (i == 1), "resumption")
        session = echo_and_close(tls, b"x" * 20000)
    shim.end(0)


def test_shim_flags(files):
    key, certificate = files["ecdsa"]
    supported = subprocess.run([SHIM, "-is-handshaker-supported"], capture_output=True)
    check(supported.returncode == 0 and supported.stdout == b"No\n", "-is-handshaker-supported")
    check(subprocess.run([SHIM, "-no-such-flag"], capture_output=True).returncode == 89, "an unknown flag")

    shim = Shim("-shim-writes-first", "-shim-shuts-down")
    tls = server_context("1.3", key, certificate).wrap_socket(shim.accept(), server_side=True)
    check(tls.recv(100) == b"hello" and tls.recv(100) == b"", "hello, then close_notify")
    tls.close()
    shim.end(0)

    shim = Shim("-advertise-alpn", "\x03foo\x03bar", "-expect-alpn", "bar")
    context = server_context("1.3", key, certificate)
    context.set_alpn_protocols(["bar"])
    echo_and_close(context.wrap_socket(shim.accept(), server_side=True))
    shim.end(0)

    # A chain is judged only with -verify-peer, and then by the certificates that are trusted.
    for trusted, status, error in ((certificate, 0, b""), (files["rsa"][1], 1, b"unknown_ca")):
        shim = Shim("-verify-peer", "-trust-cert", trusted, "-async")
        try:
            echo_and_close(server_context("1.3", key, certificate).wrap_socket(shim.accept(), server_side=True))
        except ssl.SSLError:
            check(status == 1, "a trusted chain")
        shim.end(status, error)

    for flags in (["-verify-prefs", "513"], ["-signing-prefs", "515"], ["-curves", "25"], ["-max-version", "770"]):
        shim = Shim(*flags)
        shim.accept()
        shim.end(89)

    # Data when nothing but a goodbye may come.
    shim = Shim("-shim-shuts-down", "-check-close-notify")
    tls = server_context("1.2", key, certificate).wrap_socket(shim.accept(), server_side=True)
    tls.sendall(b"too late")
    tls.close()
    shim.end(1, b"application data on shutdown")

    shim = Shim("-expect-version", str(0x0303))
    tls = server_context("1.3", key, certificate).wrap_socket(shim.accept(), server_side=True)
    shim.end(1, b"wrong version")
    tls.close()

    shim = Shim("-server", "-key-file", key, "-cert-file", certificate)
    connection = shim.accept()
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    check(connection.recv(100, socket.MSG_WAITALL)[-2:] == bytes([2, 10]), "the alert")
    connection.close()
    shim.end(1, b"unexpected_message")


def ask_server(port, request, family=socket.AF_INET):
    """What the server says to a request until it closes."""
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family) as plain:
        plain.settimeout(20)
        plain.connect((address, port))
        tls = client_context("1.3").wrap_socket(plain)
        tls.sendall(request)
        answer = b""
        while data := tls.recv(4096):
            answer += data
        return answer


def test_server(_files):
    port = free_port()
    server = subprocess.Popen([SERVER, "-port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port).close()
        for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\n\n"):
            check(b"Connection: close" in ask_server(port, request), "an answer")
        if socket.has_ipv6:
            check(b"sluice" in ask_server(port, b"GET / HTTP/1.0\r\n\r\n", socket.AF_INET6), "an answer over IPv6")
        check(ask_server(port, b"x" * 100000) == b"", "too long a request")
        # Many at a time, half of them never saying a word.
        silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(50)]
        check(b"sluice" in ask_server(port, b"GET / HTTP/1.0\r\n\r\n"), "an answer beside silent ones")
        silent[0].sendall(b"GET / HTTP/1.0\r\n\r\n")
        check(silent[0].recv(100)[-2:] == bytes([2, 10]), "the alert")
        check(silent[0].recv(100) == b"", "the end after an alert")
        for connection in silent:
            connection.close()
        check(server.poll() is None, "the server lives")
    finally:
        server.terminate()
        server.wait()


def relay(a, b):
    try:
        while data := a.recv(4096):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def wait_for_port(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            time.sleep(0.05)
    sys.exit("failed: nobody listens")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


PRIORITIES = {
    "1.2": ["-VERS-ALL:+VERS-TLS1.2", "-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-SECP256R1",
            "-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305",
            "-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM"],
    "1.3": ["-VERS-ALL:+VERS-TLS1.3", "-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP384R1",
            "-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
            "-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM"],
}


def test_gnutls_client(version, kind, files):
    port = free_port()
    key, certificate = files[kind]
    server = subprocess.Popen([SERVER, "-port", str(port), "-cert", certificate, "-key", key],
                              stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port).close()
        for priority in PRIORITIES[version]:
            for more in ([], ["--resume"]):
                client = subprocess.run(
                    ["gnutls-cli", "--insecure", "--priority", "NORMAL:" + priority, "-p", str(port), *more,
                     "127.0.0.1"], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=20)
                check(b"sluice" in client.stdout, f"gnutls-cli {priority} {more}: {client.stdout[-400:]}")
                check(not more or b"This is a resumed session" in client.stdout,
                      f"gnutls-cli resumes {priority}: {client.stdout[-600:]}")
    finally:
        server.terminate()
        server.wait()


def test_gnutls_server(version, kind, files):
    key, certificate = files[kind]
    for priority in PRIORITIES[version]:
        port = free_port()
        server = subprocess.Popen(
            ["gnutls-serv", "--echo", "--x509keyfile", key, "--x509certfile", certificate, "--priority",
             "NORMAL:" + priority, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port).close()
            # Who shuts down at once does not stay for the tickets of TLS 1.3.
            miss = ["-on-resume-expect-session-miss"] if version == "1.3" else []
            shim = Shim("-shim-writes-first", "-shim-shuts-down", "-host-name", "localhost", "-expect-version",
                        str(VERSIONS[version][1]), "-resume-count", "1", *miss)
            for _ in range(2):
                near, far = shim.accept(), wait_for_port(port)
                threading.Thread(target=relay, args=(near, far), daemon=True).start()
                threading.Thread(target=relay, args=(far, near), daemon=True).start()
            shim.end(0)
        finally:
            server.terminate()
            server.wait()


def main():
    try:
        files = {kind: make_certificate(kind) for kind in ("rsa", "ecdsa")}
        test_shim_flags(files)
        test_server(files)
        for version in VERSIONS:
            for kind in files:
                test_shim_client(version, kind, files)
                test_shim_server(version, kind, files)
                if shutil.which("gnutls-cli") is not None:
                    test_gnutls_client(version, kind, files)
                    test_gnutls_server(version, kind, files)
                else:
                    print("skipped: GnuTLS's programs are not installed")
    finally:
        shutil.rmtree(FOLDER)
    print(f"{n_checks} checks")


main()
