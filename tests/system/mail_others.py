# SPDX-License-Identifier: Apache-2.0
"""The long forms of the mail test: other MTAs on both sides of Sluice, programs that fetch mail, and many messages."""
import concurrent.futures
import os
import random
import time

import lab
import mail_clients
import mail_programs
from mail_lab import CLIENT, NAME, OWN, PEER, VMAIL
from test_ping import wait_for

# As docs/mail.md has it.
EXIM = '''primary_hostname = exim.test
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 80M
keep_environment =
disable_ipv6 = true
{options}
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin acl
begin routers
{router}
begin transports
{transport}
begin retry
* * F,1h,1s
'''
EXIM_SERVER = '''local_interfaces = <; [198.51.100.2]:2526
hosts_proxy = 198.51.100.1
tls_advertise_hosts =
chunking_advertise_hosts = *
'''


def start_exim(mail, tag, options, router, transport, *arguments):
    place = mail_programs.Place(mail.lab, mail.namespace, 'exim', tag)
    folder = os.path.join(place.folder, 'exim')
    os.makedirs(os.path.join(folder, 'spool'))
    for path in (folder, os.path.join(folder, 'spool')):
        os.chown(path, mail_programs.USERS['Debian-exim'], mail_programs.USERS['Debian-exim'])
    place.write('exim4/exim4.conf', EXIM.format(folder=folder, options=options, router=router, transport=transport))
    place.write('hosts', f'127.0.0.1 localhost\n{OWN} {NAME} mx.{NAME}\n')
    return place, place.spawn('exim4', '-bdf', *arguments, stdout=mail.log, stderr=mail.log)


def start_exim_server(mail):
    """Takes everything, behind Sluice, and delivers it to the shared inbox."""
    start_exim(mail, 'exim-server', EXIM_SERVER, 'inbox:\n  driver = accept\n  transport = inbox\n',
               f'inbox:\n  driver = appendfile\n  maildir_format\n  directory = {mail.mailboxes}/inbox\n  user = {VMAIL}\n  group = {VMAIL}\n  delivery_date_add = false\n'
               '  envelope_to_add = false\n  return_path_add = false\n')
    mail.wait_for_port(2526)


def send_by_exim(mail, port, text):
    """Exim with GnuTLS as the sending MTA: refuses to deliver without TLS or to a certificate that does not verify."""
    place, _ = start_exim(mail, f'exim-client-{port}', f'local_interfaces = <; [127.0.0.1]:27{port:03}\ntls_advertise_hosts =\n',
                          f'out:\n  driver = manualroute\n  route_list = * {NAME} byname\n  host_find_failed = defer\n  self = send\n  transport = out\n',
                          f'out:\n  driver = smtp\n  port = {port}\n  hosts_require_tls = *\n  tls_verify_certificates = {mail.ca}\n  tls_verify_hosts = *\n'
                          f'  tls_verify_cert_hostnames = *\n  protocol = {"smtps" if port == 465 else "smtp"}\n  tls_sni = {NAME}\n')
    place.feed(text.replace(b'\r\n', b'\n'), 'exim4', '-odf', '-oi', '-f', 'a@client.test', 'inbox@mail.test')
    return place


def start_sending_postfix(mail, level):
    """Postfix as the sending MTA, with this smtp_tls_security_level."""
    place = mail_programs.Place(mail.lab, mail.namespace, 'mail', f'postfix-{level}')
    place.write('hosts', f'127.0.0.1 localhost\n{OWN} {NAME} mx.{NAME}\n')
    mail.start_postfix(place, services='', host='client.test', ports=(), more=f'''relayhost = {NAME}:25
smtp_tls_security_level = {level}
smtp_tls_CAfile = {mail.ca}
smtp_tls_verify_cert_match = hostname
smtp_tls_loglevel = 1
smtp_dns_support_level = disabled
smtp_bind_address = {CLIENT}
default_transport = smtp
''')
    wait_for(lambda: os.path.exists(f'{place.folder}/postfix/spool/public/pickup'), 'Postfix to start', 40)
    return place


def fetch_by_fetchmail(mail, protocol, port, ssl):
    """Fetches the whole inbox through Sluice into a file; how many messages."""
    target = os.path.join(mail.folder, f'fetched-{port}')
    options = 'ssl' if ssl else 'sslproto TLS1.2+'
    configuration = mail.place.write(f'fetchmailrc-{port}', f'''poll {NAME} proto {protocol} port {port} user "user" password "secret"
  {options} sslcertck sslcertfile "{mail.ca}" sslcommonname "{NAME}" fetchall keep mda "tee -a {target} >/dev/null && echo >>{target}"
''', mode=0o600)
    mail.place.inside('fetchmail', '-f', configuration, '--nosyslog', '--pidfile', f'{mail.folder}/fetchmail.pid', '-v', timeout=120)
    with open(target, 'rb') as f:
        return f.read().count(b'\nX-Number: ')


def fetch_by_isync(mail, port, ssl):
    """The same with mbsync, into a maildir."""
    folder = os.path.join(mail.folder, f'isync-{port}')
    os.makedirs(os.path.join(folder, 'state'))
    configuration = mail.place.write(f'mbsyncrc-{port}', f'''IMAPAccount sluice
Host {NAME}
Port {port}
User user
Pass secret
SSLType {"IMAPS" if ssl else "STARTTLS"}
CertificateFile {mail.ca}
AuthMechs PLAIN

IMAPStore far
Account sluice

MaildirStore near
Path {folder}/
Inbox {folder}/inbox

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState {folder}/state/
''')
    mail.place.inside('mbsync', '-c', configuration, '-a', timeout=120)
    count = 0
    for sub in ('new', 'cur'):
        for name in os.listdir(os.path.join(folder, 'inbox', sub)):
            with open(os.path.join(folder, 'inbox', sub, name), 'rb') as f:
                count += b'X-Number: ' in f.read(4096)
    return count


def lose_frames(mail, one_in):
    """Frames between the kernel and Sluice are lost from now on, in both directions."""
    mail.lab.lose_frames(mail.namespace, 'sluice0', one_in)


def sizes(count, largest):
    """Of `count` messages: all orders of magnitude, half of them below some kilobytes, both ends among them."""
    source = random.Random(count)
    drawn = [int(largest ** source.betavariate(3, 4)) for _ in range(count)]
    drawn[:4] = [0, 1, largest, largest - 1][:len(drawn)]
    return drawn


def send_some(ca, numbers, message_sizes):
    """One client after the other, each with a few messages, over every way in. Number and digest of each message."""
    sent = {}
    source = random.Random(numbers[0])
    left = list(numbers)
    while left:
        some, left = left[:5], left[5:]
        port, mode = source.choice(((25, 'starttls'), (25, 'starttls'), (465, 'implicit'), (587, 'starttls'), (25, 'plain')))
        with mail_clients.smtp(ca, port, mode) as session:
            if port != 25:
                session.login('user', 'secret')
            for number in some:
                text = mail_clients.message(number, message_sizes[number])
                session.sendmail('a@client.test', ['inbox@mail.test'], text)
                sent[number] = mail_clients.digest_of_sent(text)
    return sent


def many_messages(mail, count, largest, clients=8):
    """`count` messages by several clients at a time; every one must arrive once, unchanged. Seconds that it took."""
    message_sizes = sizes(count, largest)
    shares = [list(range(first, count, clients)) for first in range(min(clients, count))]
    start, sent, delivered, duplicates = time.monotonic(), {}, {}, 0
    with concurrent.futures.ProcessPoolExecutor(clients) as pool:
        futures = [pool.submit(send_some, mail.ca, share, message_sizes) for share in shares]
        while len(delivered) < count:
            running = any(not future.done() for future in futures)
            found = mail.inbox()
            for path in found:
                number, digest = mail_clients.digest_of_delivered(path)
                duplicates += number in delivered
                delivered[number] = digest
                os.unlink(path)
            if not running and not found:
                break
            time.sleep(0.2)
        for future in futures:
            sent.update(future.result())
    deadline = time.monotonic() + 60
    while len(delivered) < count and time.monotonic() < deadline:
        for path in mail.inbox():
            number, digest = mail_clients.digest_of_delivered(path)
            duplicates += number in delivered
            delivered[number] = digest
            os.unlink(path)
        time.sleep(0.2)
    assert duplicates == 0 and len(sent) == count and delivered == sent, (duplicates, len(sent), len(delivered))
    return time.monotonic() - start
