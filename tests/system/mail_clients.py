# SPDX-License-Identifier: Apache-2.0
"""Mail clients for tests, in Python's own library or on bare sockets; all of them run inside the namespace of a MailLab."""
import base64
import contextlib
import ctypes
import hashlib
import imaplib
import os
import poplib
import random
import smtplib
import socket
import ssl
import time

from mail_lab import CLIENT, NAME, OWN

CLONE_NEWNET = 0x40000000
TIMEOUT = 600


@contextlib.contextmanager
def entered(namespace):
    """This thread, and what it starts, is inside the network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open('/proc/thread-self/ns/net', 'rb') as own, open(f'/run/netns/{namespace}', 'rb') as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), 'setns')
        try:
            yield
        finally:
            libc.setns(own.fileno(), CLONE_NEWNET)


def context(ca):
    made = ssl.create_default_context(cafile=ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


class Local(smtplib.SMTP_SSL):
    """SMTP_SSL to an address, with the certificate checked for a name."""

    def _get_socket(self, host, port, timeout):
        return self.context.wrap_socket(socket.create_connection((OWN, port), timeout, (CLIENT, 0)), server_hostname=NAME)


class HeadersAlone:
    """TLS by hand: the header of each record leaves in a segment of its own, the rest in another."""

    def __init__(self, ca, port):
        self.socket = socket.create_connection((OWN, port), TIMEOUT, (CLIENT, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(ca).wrap_bio(self.got, self.to_send, server_hostname=NAME)
        self.until_done(self.tls.do_handshake)

    def flush(self):
        waiting = self.to_send.read()
        while waiting:
            end = 5 + int.from_bytes(waiting[3:5], 'big')
            self.socket.sendall(waiting[:5])
            time.sleep(0.002)
            self.socket.sendall(waiting[5:end])
            waiting = waiting[end:]

    def until_done(self, function, *arguments):
        while True:
            try:
                result = function(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.got.write(self.socket.recv(65536))

    def say(self, words, answer):
        """Sends, and reads up to the last line of the answer, which begins so."""
        for at in range(0, len(words), 16384):
            self.until_done(self.tls.write, words[at:at + 16384])
        lines = b''
        while not any(line.startswith(answer + b' ') for line in lines.split(b'\r\n')):
            lines += self.until_done(self.tls.read, 65536)
            assert not any(line[:1] in b'45' and line[:1] for line in lines.split(b'\r\n')), lines


def smtp(ca, port, mode, hello='client.test'):
    """A session ready for MAIL: mode is plain, starttls or implicit."""
    if mode == 'implicit':
        session = Local(NAME, port, hello, timeout=TIMEOUT, context=context(ca))
    else:
        session = smtplib.SMTP(timeout=TIMEOUT, local_hostname=hello, source_address=(CLIENT, 0))
        session.connect(OWN, port)
    if mode == 'starttls':
        session._host = NAME  # what the certificate is checked for
        session.starttls(context=context(ca))
    session.ehlo()
    return session


def imap(ca, port, implicit):
    if implicit:
        class Session(imaplib.IMAP4_SSL):
            def _create_socket(self, timeout):
                return context(ca).wrap_socket(socket.create_connection((OWN, port), timeout), server_hostname=NAME)
        return Session(NAME, port, timeout=TIMEOUT)
    session = imaplib.IMAP4(OWN, port, timeout=TIMEOUT)
    assert 'LOGINDISABLED' in session.capabilities and 'STARTTLS' in session.capabilities, session.capabilities
    assert not [c for c in session.capabilities if c.startswith('AUTH=')], session.capabilities
    session.host = NAME
    session.starttls(context(ca))
    assert 'LOGINDISABLED' not in session.capabilities and 'STARTTLS' not in session.capabilities, session.capabilities
    return session


def pop3(ca, port, implicit):
    if implicit:
        class Session(poplib.POP3_SSL):
            def _create_socket(self, timeout):
                return context(ca).wrap_socket(socket.create_connection((OWN, port), timeout), server_hostname=NAME)
        return Session(NAME, port, timeout=TIMEOUT)
    session = poplib.POP3(OWN, port, timeout=TIMEOUT)
    before = session.capa()
    assert 'STLS' in before and 'USER' not in before and 'SASL' not in before, before
    session.host = NAME
    session.stls(context(ca))
    after = session.capa()
    assert 'STLS' not in after and 'USER' in after, after
    return session


def raw(port, *pieces, first=True, wait=10):
    """Sends pieces on a bare socket, each after an answer to the one before (the first after the greeting, if there is to be
    one); what came back, and whether the connection was closed."""
    with socket.create_connection((OWN, port), wait, (CLIENT, 0)) as connection:
        got = [connection.recv(4096)] if first else []
        closed = False
        for piece in pieces:
            try:
                connection.sendall(piece)
                got.append(connection.recv(4096))
            except (ConnectionResetError, BrokenPipeError):
                got.append(b'')
            except TimeoutError:
                return b''.join(got), False
            if not got[-1]:
                closed = True
                break
        connection.settimeout(wait)
        try:
            while not closed and (more := connection.recv(4096)):
                got.append(more)
            closed = True
        except ConnectionResetError:
            closed = True
        except TimeoutError:
            pass
    return b''.join(got), closed


def make_body(seed, size):
    """Lines of a message of so many bytes with CR LF: what a proxy could mistake for something else among them."""
    source = random.Random(seed)
    tricky = (b'STARTTLS', b'.', b'..', b'.STARTTLS', b'250 STARTTLS', b'QUIT', b'a STARTTLS', b'BDAT 10 LAST', b'', b'{10+}', b'\xc3\xa4 8bit \xff')
    lines, total = [], 0
    block = base64.b64encode(source.randbytes(48 << 10))
    while total < size:
        left = size - total
        if source.random() < 0.05 and left > 20:
            line = source.choice(tricky)
        else:
            at = source.randrange(len(block) - 1000)
            line = block[at:at + source.randrange(1, 999)]
        line = line[:max(0, left - 2)]
        lines.append(line)
        total += len(line) + 2
    return b''.join(line + b'\r\n' for line in lines)


def message(number, size, seed=1):
    """With all headers that an MTA would add if they were missing, so that it changes nothing behind X-Number."""
    head = (b'From: a@client.test\r\nTo: inbox@mail.test\r\nDate: Tue, 3 Nov 2026 12:00:00 +0000\r\nMessage-Id: <%d@client.test>\r\nX-Number: %d\r\n'
            b'Subject: number %d\r\n\r\n') % (number, number, number)
    return head + make_body(f'{seed}/{number}', size)


def digest_of_sent(text):
    return hashlib.sha256(text[text.index(b'X-Number:'):].replace(b'\r\n', b'\n')).hexdigest()


def digest_of_delivered(path):
    """Number and digest of what follows the headers that servers put in front."""
    with open(path, 'rb') as f:
        text = f.read().replace(b'\r\n', b'\n')
    at = text.index(b'X-Number:')
    return int(text[at + 9:text.index(b'\n', at)]), hashlib.sha256(text[at:]).hexdigest()
