# SPDX-License-Identifier: Apache-2.0
"""Sluice in front of Postfix and Dovecot, used by real mail programs; the settings are those of docs/mail.md.

Small: one laboratory, everything once. ./soak sets SLUICE_MAIL_MESSAGES, which adds the long forms: other MTAs on both sides,
and that many messages delivered intact, also with one frame in a hundred lost.
"""
import base64
import os
import re
import subprocess

import lab
import mail_clients
import mail_others
from mail_lab import BACKENDS, CLIENT, LISTENERS, NAME, OWN, PEER, MailLab
from test_ping import wait_for

MESSAGES = int(os.environ.get('SLUICE_MAIL_MESSAGES', '0'))


def newest(mail, count, what):
    """Waits until `count` messages lie in the inbox; their paths."""
    wait_for(lambda: len(mail.inbox()) >= count, f'{count} messages delivered ({what})', 30)
    assert len(mail.inbox()) == count, len(mail.inbox())
    return mail.inbox()


def read(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def swaks(mail, *arguments, check=True):
    result = mail.place.inside('swaks', '--server', OWN, '--from', 'a@client.test', '--to', 'inbox@mail.test', '--ehlo', 'client.test', '--tls-verify',
                               '--tls-ca-path', mail.ca, '--tls-sni', NAME, *arguments, check=False)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def s_client(mail, port, *arguments, data=''):
    result = subprocess.run(['openssl', 's_client', '-connect', f'{OWN}:{port}', '-servername', NAME, '-CAfile', mail.ca, '-verify_return_error', '-quiet',
                             *arguments], input=data, capture_output=True, text=True, timeout=20, check=False)
    assert 'verify error' not in result.stderr, result.stderr
    return result.stdout


def messages_by_smtp(mail):
    """STARTTLS, implicit TLS and plaintext, by two clients; what the server knows of the client, it has from Sluice."""
    plain = swaks(mail, '--port', '25')
    assert '250 STARTTLS' in plain, plain
    starttls = swaks(mail, '--port', '25', '--tls')
    before, after = starttls.split('=== TLS started')
    assert '250 STARTTLS' in before and 'STARTTLS' not in after.replace('-> STARTTLS', ''), starttls
    submitted = swaks(mail, '--port', '587', '--tls', '--auth', 'PLAIN', '--auth-user', 'user', '--auth-password', 'secret')
    before, after = submitted.split('=== TLS started')
    assert 'AUTH' not in before and 'XCLIENT' not in submitted and '250-AUTH PLAIN LOGIN' in after and '235 2.7.0' in after, submitted
    implicit = swaks(mail, '--port', '465', '--tls-on-connect', '--auth', 'LOGIN', '--auth-user', 'user', '--auth-password', 'secret')
    assert '235 2.7.0' in implicit and 'STARTTLS' not in implicit, implicit
    for path in newest(mail, 4, 'swaks'):
        # PROXY on port 25, XCLIENT on the others: name and address of the client, which are not Sluice's.
        assert f'Received: from client.test (unknown [{CLIENT}])' in read(path), read(path)

    sent = {}
    for number, (port, mode) in enumerate(((25, 'plain'), (25, 'starttls'), (465, 'implicit'), (587, 'starttls'))):
        with mail_clients.smtp(mail.ca, port, mode) as session:
            if port != 25:
                session.login('user', 'secret')
            for size in (0, 1, 1500, 300000):
                text = mail_clients.message(len(sent), size)
                session.sendmail('a@client.test', ['inbox@mail.test'], text)
                sent[len(sent)] = mail_clients.digest_of_sent(text)
        assert number < 4
    paths = newest(mail, 4 + len(sent), 'smtplib')
    numbered = [path for path in paths if 'X-Number:' in read(path)]
    assert dict(map(mail_clients.digest_of_delivered, numbered)) == sent, 'a message was changed on its way'
    return sent


def mailboxes_by_imap_and_pop3(mail, sent):
    """What was delivered is read again through Sluice."""
    for port, implicit in ((143, False), (993, True)):
        session = mail_clients.imap(mail.ca, port, implicit)
        session.login('user', 'secret')
        session.select(readonly=True)
        found = session.search(None, 'SUBJECT', '"number"')[1][0].split()
        assert len(found) == len(sent), (found, len(sent))
        text = session.fetch(found[-1], '(BODY.PEEK[])')[1][0][1]
        assert b'X-Number: ' in text
        session.logout()
    for port, implicit in ((110, False), (995, True)):
        session = mail_clients.pop3(mail.ca, port, implicit)
        session.user('user')
        session.pass_('secret')
        count = session.stat()[0]
        assert count == 4 + len(sent), count
        assert session.retr(count)[1]
        session.quit()
    assert f'rip={CLIENT}' in mail.server_log('dovecot'), mail.server_log('dovecot')[-2000:]


def other_clients(mail):
    """openssl's and GnuTLS's own STARTTLS for all protocols."""
    for protocol, port, data, wanted in (('smtp', 25, 'EHLO c\r\nQUIT\r\n', '250-PIPELINING'), ('imap', 143, 'a CAPABILITY\r\nb LOGOUT\r\n', 'AUTH=PLAIN'),
                                         ('pop3', 110, 'CAPA\r\nQUIT\r\n', 'SASL PLAIN'), ('sieve', 4190, 'CAPABILITY\r\nLOGOUT\r\n', '"SASL" "PLAIN')):
        for version in ('-tls1_3', '-tls1_2'):
            answer = s_client(mail, port, '-starttls', protocol, '-crlf', version, data=data.replace('\r', ''))
            assert wanted in answer and 'STARTTLS' not in answer and 'STLS' not in answer, (protocol, version, answer)
        result = subprocess.run(['gnutls-cli', '--starttls-proto', protocol, '--x509cafile', mail.ca, '--verify-hostname', NAME, '--sni-hostname', NAME, '-p',
                                 str(port), OWN], input=data, capture_output=True, text=True, timeout=20, check=False)
        assert wanted in result.stdout and 'Handshake was completed' in result.stdout, (protocol, result.stdout, result.stderr)


def starttls_under_a_limit(mail):
    """Full handshakes after STARTTLS are counted as those that begin a connection are, and refused when there are too many; who resumes a session gets in."""
    saved = os.path.join(mail.folder, 'session.pem')

    def handshake(*arguments):
        result = subprocess.run(['openssl', 's_client', '-connect', f'{OWN}:25', '-servername', NAME, '-CAfile', mail.ca, '-starttls', 'smtp', '-tls1_2', '-crlf', *arguments],
                                input='QUIT\n', capture_output=True, text=True, timeout=20, check=False)
        return re.search(r'^(New|Reused), TLSv1.2', result.stdout, re.MULTILINE)

    assert handshake('-sess_out', saved).group(1) == 'New'
    before = mail.counters()['proxy_admission_global_rate']
    mail.sluicectl('set', 'limit', 'handshakes-per-second', '1')
    for _ in range(5):
        assert any(handshake() is None for _ in range(20)), 'no full handshake was refused'
        assert handshake('-sess_in', saved).group(1) == 'Reused'
    mail.sluicectl('set', 'limit', 'handshakes-per-second', 'configured')
    assert mail.counters()['proxy_admission_global_rate'] >= before + 5
    assert handshake().group(1) == 'New'


def what_bad_input_gets(mail):
    """Each is refused, counted by its reason, and nothing of it reaches a server."""
    hello = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(64)
    cases = (
        ('injection', 25, (b'EHLO c\r\n', b'STARTTLS\r\nMAIL FROM:<x@injected.test>\r\n'), b'554 5.5.1'),
        ('injection', 143, (b'a STARTTLS\r\nb NOOP injected\r\n',), b'* BYE'),
        ('injection', 110, (b'STLS\r\nUSER injected\r\n',), b'-ERR'),
        ('injection', 4190, (b'STARTTLS\r\nNOOP "injected"\r\n',), b'BYE'),
        ('tls_without_starttls', 25, (hello,), None),
        ('tls_without_starttls', 143, (hello,), None),
        ('bare_lf', 25, (b'EHLO c\nMAIL FROM:<x@injected.test>\r\n',), b'521 5.5.2'),
        ('bare_lf', 25, (b'EHLO c\r\n', b'MAIL FROM:<a@b.test>\r\nRCPT TO:<inbox@mail.test>\r\n', b'DATA\r\n', b'x\r\n\n.\r\nMAIL FROM:<x@injected.test>\r\n'), b'521 5.5.2'),
        ('bare_cr', 25, (b'EHLO c\r\n', b'NOOP\rRSET\r\n'), b'521 5.5.2'),
        ('nul', 110, (b'CAPA\0\r\n',), b'-ERR'),
        ('line_too_long', 25, (b'NOOP ' + b'x' * 20000,), b'500 5.5.2'),
        ('too_many_commands', 587, (b'EHLO c\r\n', b'NOOP\r\n' * 60), b'421 4.7.0'),
        ('literal_refused', 143, (b'a CAPABILITY {5000+}\r\n',), b'* BYE'),
    )
    before = mail.counters()
    for reason, port, pieces, answer in cases:
        got, closed = mail_clients.raw(port, *pieces)
        assert closed, (reason, port, got)
        assert answer is None or answer in got, (reason, port, got)
    after = mail.counters()
    for reason in {case[0] for case in cases}:
        wanted = sum(case[0] == reason for case in cases)
        counted = after[f'mail_closed_{reason}'] - before[f'mail_closed_{reason}']
        assert counted == wanted, (reason, counted, wanted)
    # Refused, and the connection goes on.
    for port, pieces, answer in ((587, (b'EHLO c\r\n', b'MAIL FROM:<x@injected.test>\r\n', b'QUIT\r\n'), b'530 5.7.0 Must issue a STARTTLS'),
                                 (587, (b'EHLO c\r\n', b'AUTH PLAIN injected\r\n', b'QUIT\r\n'), b'530 5.7.0'),
                                 (25, (b'EHLO c\r\n', b'XCLIENT ADDR=192.0.2.66\r\n', b'QUIT\r\n'), b'550 5.7.0'),
                                 (143, (b'a LOGIN injected injected\r\n', b'b LOGOUT\r\n'), b'a NO [PRIVACYREQUIRED]'),
                                 (110, (b'USER injected\r\n', b'QUIT\r\n'), b'-ERR'), (4190, (b'AUTHENTICATE "PLAIN" "injected"\r\n', b'LOGOUT\r\n'), b'NO')):
        got, closed = mail_clients.raw(port, *pieces)
        assert closed and answer in got, (port, got)
    # Plaintext where TLS begins with the connection: an alert or a reset, and no conversation.
    for port in (465, 993, 995):
        got, closed = mail_clients.raw(port, b'EHLO injected\r\n', first=False)
        assert closed and got[:1] in (b'', b'\x15'), (port, got)
    for server in ('postfix', 'dovecot'):
        assert 'injected' not in mail.server_log(server)
    assert len([path for path in mail.inbox() if 'injected' in read(path)]) == 0


def counters_tell_the_share(mail):
    counters = mail.counters()
    for protocol in ('smtp', 'imap', 'pop3', 'sieve'):
        count = {kind: counters[f'mail_{protocol}_{kind}'] for kind in ('connections', 'implicit', 'offered', 'started', 'used', 'failed', 'refused')}
        assert count['used'] >= 2 and count['started'] == count['used'] + count['failed'] and count['offered'] >= 1, (protocol, count)
        assert count['refused'] >= 1 and count['used'] + count['implicit'] <= count['connections'], (protocol, count)
        assert (count['implicit'] > 0) == (protocol != 'sieve'), (protocol, count)


def headers_alone_in_their_segments(mail):
    """To a backend that is told who the client is, so that the conversation is followed to its end."""
    session, text = mail_clients.HeadersAlone(mail.ca, 465), mail_clients.message(9999, 100000)
    login = base64.b64encode(b'\0user\0secret')
    for words, answer in ((b'', b'220'), (b'EHLO client.test\r\n', b'250'), (b'AUTH PLAIN ' + login + b'\r\n', b'235'), (b'MAIL FROM:<a@client.test>\r\n', b'250'),
                          (b'RCPT TO:<inbox@mail.test>\r\n', b'250'), (b'DATA\r\n', b'354'), (text + b'.\r\n', b'250')):
        session.say(words, answer)


def the_log_speaks_as_postfix_does(mail):
    """A line for each session, with protocol and HELO; one for a failed handshake; one for each conversation that was ended."""
    script = 'EHLO picky.test\r\nSTARTTLS\r\n'
    subprocess.run(['openssl', 's_client', '-connect', f'{OWN}:25', '-starttls', 'smtp', '-name', 'picky.test', '-tls1_2', '-cipher', 'AES128-SHA'], input=script,
                   capture_output=True, text=True, timeout=20, check=False)
    wanted = (rf'tls_session: mx/smtp: Anonymous TLS connection established from unknown\[{CLIENT}\]: TLSv1.3 with cipher TLS_AES_\d+_GCM_SHA\d+ \(\d+/\d+ bits\) '
              rf'key-exchange X25519 server-signature (ECDSA \(P-256\)|RSA-PSS) server-digest SHA256 to SNI {NAME}, STARTTLS, HELO client.test, ',
              rf'tls_session: submission/smtp: Anonymous TLS connection established from unknown\[{CLIENT}\].* to SNI {NAME}, [0-9.]+ s',
              rf'tls_session: imap/imap: .*{CLIENT}.* STARTTLS', r'tls_session: imaps/imap: ', r'tls_session: pop3/pop3: .* STARTTLS', r'tls_session: sieve/managesieve: .* STARTTLS',
              rf'tls_session: mx/smtp: .* TLSv1.2 with cipher ECDHE-ECDSA-AES\d+-GCM-SHA\d+ .* STARTTLS',
              rf'tls_failure: mx: TLS handshake failed from unknown\[{CLIENT}\]: handshake_failure \(alert 40 sent\), protocol smtp, .*ciphers offered .*STARTTLS, HELO picky.test',
              r'connection_end: mx/smtp: connection from .* ended: preambles_closed, injection, backend postfix')
    for pattern in wanted:
        wait_for(lambda: re.search(pattern, mail.read_log()), f'a line of the log like {pattern}', 20)
    for line in mail.read_log().splitlines():
        assert 'injected' not in line and 'secret' not in line, line


def mail_behind_sluice(laboratory):
    mail = MailLab(laboratory)
    mail.start_servers()
    with mail.explained(), mail_clients.entered(mail.namespace):
        sent = messages_by_smtp(mail)
        mailboxes_by_imap_and_pop3(mail, sent)
        other_clients(mail)
        starttls_under_a_limit(mail)
        headers_alone_in_their_segments(mail)
        what_bad_input_gets(mail)
        counters_tell_the_share(mail)
        the_log_speaks_as_postfix_does(mail)
    mail.stop()


# --- long forms ---

EXIM_BEHIND = ((*BACKENDS, ('exim', f'{PEER}:2526', 'proxy-protocol: v2')),
               (*LISTENERS, ('exim', (2025,), 'smtp', 'tls: starttls, security: encrypt', 'exim')))


def other_mtas(laboratory):
    """Exim as the server; Postfix (encrypt and verify) and Exim as senders; fetchmail and mbsync as readers."""
    mail = MailLab(laboratory, *EXIM_BEHIND)
    mail.start_servers()
    mail_others.start_exim_server(mail)
    sent = {}
    with mail.explained(), mail_clients.entered(mail.namespace):
        for level in ('encrypt', 'verify'):
            place = mail_others.start_sending_postfix(mail, level)
            for _ in range(5):
                text = mail_clients.message(len(sent), 1000 * len(sent))
                place.feed(text.replace(b'\r\n', b'\n'), 'sendmail', '-i', '-f', 'a@client.test', 'inbox@mail.test')
                sent[len(sent)] = mail_clients.digest_of_sent(text)
            newest(mail, len(sent), f'Postfix, {level}')
            word = {'encrypt': 'Trusted', 'verify': 'Verified'}[level]
            with open(os.path.join(place.folder, 'postfix/log'), encoding='utf-8') as f:
                assert f'{word} TLS connection established to {NAME}[{OWN}]:25: TLSv1.3' in f.read()
        for port in (25, 465):
            text = mail_clients.message(len(sent), 100000)
            mail_others.send_by_exim(mail, port, text)
            sent[len(sent)] = mail_clients.digest_of_sent(text)
            newest(mail, len(sent), f'Exim to port {port}')
        with mail_clients.smtp(mail.ca, 2025, 'starttls') as session:
            for size in (0, 70000, 5000000):
                text = mail_clients.message(len(sent), size)
                session.sendmail('a@client.test', ['inbox@mail.test'], text)
                sent[len(sent)] = mail_clients.digest_of_sent(text)
        paths = newest(mail, len(sent), 'Exim as the server')
        assert f'[{CLIENT}]' in mail.server_log('exim-server/exim', 'mainlog'), 'Exim did not learn who the client is'
        assert dict(map(mail_clients.digest_of_delivered, paths)) == sent, 'a message was changed on its way'
        for port, ssl in ((143, False), (993, True)):
            assert mail_others.fetch_by_fetchmail(mail, 'imap', port, ssl) == len(sent)
            assert mail_others.fetch_by_isync(mail, port, ssl) == len(sent)
        for port, ssl in ((110, False), (995, True)):
            assert mail_others.fetch_by_fetchmail(mail, 'pop3', port, ssl) == len(sent)
    mail.stop()


def many_messages_intact(laboratory):
    mail = MailLab(laboratory)
    mail.start_servers()
    with mail.explained(), mail_clients.entered(mail.namespace):
        seconds = mail_others.many_messages(mail, MESSAGES, 50000000)
        print(f'{MESSAGES} messages, up to 50 MB, in {seconds:.0f} s')
    mail.stop()


def many_messages_through_loss(laboratory):
    """The same with one frame in a hundred lost in each direction."""
    mail = MailLab(laboratory)
    mail.start_servers()
    with mail.explained(), mail_clients.entered(mail.namespace):
        mail_others.lose_frames(mail, 100)
        seconds = mail_others.many_messages(mail, MESSAGES, 50000000)
        print(f'{MESSAGES} messages, up to 50 MB, one frame in 100 lost, in {seconds:.0f} s')
    mail.stop()


if __name__ == '__main__':
    lab.need('openssl', 'gnutls-cli', 'dpkg', 'apt-get')
    lab.main([mail_behind_sluice] + [other_mtas, many_messages_intact, many_messages_through_loss] * (MESSAGES > 0))
