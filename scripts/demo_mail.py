#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./demo mail: Sluice in front of Debian's Postfix and Dovecot, used by swaks and openssl.

    ./demo mail           shows everything, cleans up, exits 0 when all went well
    ./demo mail --stay    leaves it running and prints what to type; Enter ends it
"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'system'))
import lab  # noqa: E402  (the path above must be set first)
import mail_clients  # noqa: E402
from mail_lab import CLIENT, NAME, OWN, MailLab  # noqa: E402
from test_ping import wait_for  # noqa: E402

HUGE_PAGES = 160


class MailDemo:
    def __init__(self):
        self.lab = lab.Lab()
        self.failures = 0

    def start(self):
        print('Postfix and Dovecot, unpacked from Debian\'s packages, in a namespace; Sluice in front of them on a TAP device.')
        self.mail = MailLab(self.lab, huge=self.lab.huge_pages(HUGE_PAGES))
        self.mail.start_servers()

    def expect(self, condition, text):
        print(f'  {"ok" if condition else "FAILED"}  {text}')
        self.failures += not condition

    def swaks(self, *arguments):
        command = ['swaks', '--server', OWN, '--from', 'a@client.test', '--to', 'inbox@mail.test', '--ehlo', 'client.test', '--tls-verify', '--tls-ca-path',
                   self.mail.ca, '--tls-sni', NAME, *arguments]
        print(f'\n$ swaks --server {OWN} --from a@client.test --to inbox@mail.test {" ".join(arguments)}')
        return self.mail.place.inside(*command, check=False)

    def delivered(self, count):
        wait_for(lambda: len(self.mail.inbox()) >= count, f'message {count} to be delivered', 20)
        with open(self.mail.inbox()[-1], encoding='utf-8') as f:
            return f.read()

    def show_starttls(self):
        print('\nA message by STARTTLS. The greeting and the capabilities are Postfix\'s own, with STARTTLS added before TLS and absent in it:')
        result = self.swaks('--port', '25', '--tls')
        head = result.stdout.split('~> MAIL')[0]
        print('\n'.join('  ' + line for line in head.splitlines()))
        self.expect(result.returncode == 0 and '250 STARTTLS' in head.split('TLS started')[0], 'delivered with STARTTLS')
        text = self.delivered(1)
        self.expect(f'client.test (unknown [{CLIENT}])' in text, f'Postfix knows the client, {CLIENT}, from the PROXY header:')
        print('\n'.join('        ' + line for line in text.splitlines()[3:6]))

    def show_implicit(self):
        print('\nA message by implicit TLS, after logging in:')
        result = self.swaks('--port', '465', '--tls-on-connect', '--auth', 'PLAIN', '--auth-user', 'user', '--auth-password', 'secret')
        tls = [line for line in result.stdout.splitlines() if 'TLS started' in line]
        self.expect(result.returncode == 0 and '235 2.7.0' in result.stdout, tls[0] if tls else result.stdout[-200:])
        self.expect(f'client.test (unknown [{CLIENT}])' in self.delivered(2), 'Postfix knows the client from XCLIENT')

    def s_client(self, protocol, port, words):
        print(f'\n$ openssl s_client -connect {OWN}:{port} -starttls {protocol} -crlf -quiet')
        command = ['openssl', 's_client', '-connect', f'{OWN}:{port}', '-starttls', protocol, '-servername', NAME, '-CAfile', self.mail.ca, '-verify_return_error',
                   '-crlf', '-quiet']
        result = subprocess.run(command, input=words, capture_output=True, text=True, timeout=20, check=False)
        answer = result.stdout.splitlines()
        print('\n'.join('  ' + line for line in (answer if len(answer) <= 10 else answer[:6] + ['...'] + answer[-4:])))
        return result.stdout

    def show_mailboxes(self):
        print('\nThe two messages, read from Dovecot over IMAP and POP3, each with STARTTLS:')
        imap = self.s_client('imap', 143, 'a LOGIN user secret\nb SELECT INBOX\nc FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\nd LOGOUT\n')
        self.expect('2 EXISTS' in imap and imap.count('Subject: test') == 2, 'IMAP: two messages')
        pop3 = self.s_client('pop3', 110, 'USER user\nPASS secret\nSTAT\nQUIT\n')
        self.expect('+OK 2 ' in pop3, 'POP3: two messages')

    def show_refusals(self):
        print('\nWhat an attacker on the wire gets who puts a command behind STARTTLS (CVE-2011-0411):')
        got, closed = mail_clients.raw(25, b'EHLO c\r\n', b'STARTTLS\r\nMAIL FROM:<x@injected.test>\r\n')
        self.expect(closed and b'554 5.5.1' in got, got.splitlines()[-1].decode())
        got, _ = mail_clients.raw(587, b'EHLO c\r\n', b'MAIL FROM:<a@client.test>\r\n', b'QUIT\r\n')
        self.expect(b'530 5.7.0' in got, got.splitlines()[-2].decode() + '   (security: encrypt)')

    def show_operator(self):
        print('\nThe log, in Postfix\'s words:')
        wait_for(lambda: self.mail.read_log().count('TLS connection established') >= 4, 'the log lines', 10)
        lines = [line for line in self.mail.read_log().splitlines() if 'TLS connection' in line]
        print('\n'.join('  ' + line for line in lines))
        self.expect(any('smtp' in line and 'STARTTLS' in line for line in lines), 'a line for each session, with its mail protocol')
        counters = self.mail.counters()
        print('\nCounters (the exporter\'s sluice_mail_...):')
        for protocol in ('smtp', 'imap', 'pop3'):
            print(f'  {protocol}: ' + ', '.join(f'{kind} {counters[f"mail_{protocol}_{kind}"]:.0f}' for kind in (
                'connections', 'offered', 'started', 'used', 'implicit', 'failed', 'refused')))
        print(f'  closed: injection {counters["mail_closed_injection"]:.0f}')
        encrypted = counters['mail_smtp_used'] + counters['mail_smtp_implicit']
        self.expect(encrypted == 2, f'{encrypted:.0f} of {counters["mail_smtp_connections"]:.0f} SMTP connections were encrypted')

    def stay(self):
        enter = f'ip netns exec {self.mail.namespace}'
        print(f'''
Running. In another terminal:
  {enter} openssl s_client -connect {OWN}:25 -starttls smtp
  {enter} openssl s_client -connect {OWN}:993 -quiet       (user, secret)
  {lab.BUILD}/control/sluicectl --socket {self.mail.folder}/control.sock show info
Enter ends it.''')
        sys.stdin.readline()

    def stop(self):
        self.mail.stop()
        self.expect(True, 'stopped; no packet buffer leaked')


def main():
    demo = MailDemo()
    demo.start()
    with demo.mail.explained(), mail_clients.entered(demo.mail.namespace):
        for part in (demo.show_starttls, demo.show_implicit, demo.show_mailboxes, demo.show_refusals, demo.show_operator):
            part()
    if '--stay' in sys.argv[1:]:
        demo.stay()
    demo.stop()
    return 1 if demo.failures else 0


if __name__ == '__main__':
    sys.exit(main())
