# SPDX-License-Identifier: Apache-2.0
"""Sluice with its control process in front of mail servers, as an operator sets it up (docs/mail.md).

    clients  --TAP--  Sluice 198.51.100.1:25,587,465,143,993,...  --TAP--  Postfix, Dovecot, Exim on 198.51.100.2

Clients come from 198.51.100.9, so that a server that names that address has learnt it from Sluice.
"""
import contextlib
import glob
import json
import os
import re

import lab
import mail_programs
import service
import snapshot
from test_ping import give_addresses, wait_for

OWN, PEER, CLIENT = '198.51.100.1', '198.51.100.2', '198.51.100.9'
NAME = 'mail.test'
VMAIL = mail_programs.USERS['vmail']

CONFIGURATION = '''dataplane:
  name: {tag}
  workers: [{cores}]
  memory: 192M
  huge-pages: {huge}
  socket: {folder}/dataplane.sock
  program: {program}
  ports:
    - {{name: tap, device: "net_tap0,iface=sluice0", addresses: [{own}/24]}}
limits: {{connections: 4096}}
certificates:
  - {{chain: {folder}/ec.pem, key: {folder}/ec.key}}
  - {{chain: {folder}/rsa.pem, key: {folder}/rsa.key}}
backends:
{backends}listeners:
{listeners}control: {{socket: {folder}/control.sock, metrics: "127.0.0.1:9435", state-directory: {folder}}}
'''
# name, address, options; {own} is filled in.
BACKENDS = (('postfix', f'{PEER}:2525', 'proxy-protocol: v2'), ('submission', f'{PEER}:2587', 'xclient: on'), ('imap', f'{PEER}:2143', 'proxy-protocol: v2'),
            ('pop3', f'{PEER}:2110', 'proxy-protocol: v2'), ('sieve', f'{PEER}:2190', 'proxy-protocol: v2'))
LISTENERS = (('mx', (25,), 'smtp', 'tls: starttls, security: may', 'postfix'), ('submission', (587, 465), 'smtp', 'tls: both, security: encrypt, mail: {commands: 50}', 'submission'), ('imap', (143,), 'imap', 'tls: starttls', 'imap'),
             ('imaps', (993,), 'imap', 'tls: implicit', 'imap'), ('pop3', (110,), 'pop3', 'tls: starttls', 'pop3'), ('pop3s', (995,), 'pop3', 'tls: implicit', 'pop3'),
             ('sieve', (4190,), 'managesieve', 'tls: starttls', 'sieve'))

POSTFIX_MAIN = '''compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = /
myhostname = {host}
mydestination =
mynetworks = {networks}
inet_interfaces = all
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_host_lookup = native
smtpd_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
message_size_limit = 80000000
alias_maps =
smtpd_forbid_bare_newline = yes
{more}
'''
POSTFIX_MAILBOXES = '''virtual_mailbox_domains = mail.test
virtual_mailbox_base = {mailboxes}
virtual_mailbox_maps = static:inbox/
virtual_mailbox_limit = 0
virtual_minimum_uid = 1000
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
'''
POSTFIX_MASTER = '''{services}
postlog   unix-dgram n - n - 1 postlogd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
local     unix - n n - - local
virtual   unix - n n - - virtual
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
'''
# The settings that docs/mail.md gives to operators.
POSTFIX_BEHIND_SLUICE = f'''{PEER}:2525 inet n - n - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
{PEER}:2587 inet n - n - - smtpd
  -o smtpd_authorized_xclient_hosts={OWN}
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=no
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,permit_mynetworks,reject_unauth_destination'''

DOVECOT = '''base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
protocols = imap pop3 sieve
listen = {peer}
ssl = no
disable_plaintext_auth = no
haproxy_trusted_networks = {own}/32
auth_mechanisms = plain login
mail_location = maildir:{mailboxes}/inbox
mail_max_userip_connections = 1000
first_valid_uid = 1000
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={vmail} gid={vmail} home={mailboxes}
}}
service imap-login {{
  inet_listener imap {{
    port = 2143
    haproxy = yes
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 2110
    haproxy = yes
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = 2190
    haproxy = yes
  }}
}}
service auth {{
  unix_listener {auth} {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
'''


def listener_line(name, ports, protocol, options, backend):
    addresses = ', '.join(f'"{OWN}:{port}"' for port in ports)
    return f'  - {{name: {name}, address: [{addresses}], protocol: {protocol}, {options}, backend: {backend}}}\n'


class MailLab:
    """One Sluice, and mailboxes that every server behind it shares."""

    def __init__(self, laboratory, backends=BACKENDS, listeners=LISTENERS, huge=False, program=lab.DATAPLANE):
        self.lab, self.folder = laboratory, laboratory.folder
        self.namespace = laboratory.namespace('m')
        self.mailboxes = os.path.join(self.folder, 'mailboxes')
        os.makedirs(self.mailboxes)
        os.chmod(self.folder, 0o755)
        os.chown(self.mailboxes, VMAIL, VMAIL)
        for name in ('ec', 'rsa'):
            snapshot.make_certificate(self.folder, name, name, (NAME, f'*.{NAME}'))
        self.ca = os.path.join(self.folder, 'ca.pem')
        lab.run('sh', '-c', f'cat {self.folder}/ec.pem {self.folder}/rsa.pem > {self.ca}')
        self.service = service.Service(laboratory, self.namespace, CONFIGURATION.format(
            tag=laboratory.tag, cores=lab.cores(2)[-1], huge='prefer' if huge else 'never', folder=self.folder, own=OWN, program=program,
            backends=''.join(f'  {name}: {{servers: ["{address}"], {options}}}\n' for name, address, options in backends),
            listeners=''.join(listener_line(*listener) for listener in listeners)))
        self.log, self.sluicectl, self.read_log = self.service.log, self.service.sluicectl, self.service.read_log
        wait_for(lambda: laboratory.inside(self.namespace, 'ip', 'link', 'show', 'sluice0', check=False).returncode == 0, 'the TAP device', 40)
        give_addresses(laboratory, self.namespace, 'sluice0', f'{PEER}/24', f'{CLIENT}/24')
        # Clients come from CLIENT: it is the source for everything that is not bound.
        laboratory.inside(self.namespace, 'ip', 'route', 'replace', f'{OWN}/32', 'dev', 'sluice0', 'src', CLIENT)
        self.place = mail_programs.Place(laboratory, self.namespace, 'mail')
        self.place.write('hosts', f'127.0.0.1 localhost\n{OWN} {NAME} mx.{NAME}\n')

    def wait_for_backends(self, *ports):
        """Servers that were still starting at the first check are down until the next."""
        def all_up():
            rows = json.loads(self.sluicectl('--json', 'show', 'backend') or '[]')
            return rows and all(row['state'] == 'up' for row in rows if int(row['address'].rsplit(':', 1)[1]) in ports)
        wait_for(all_up, 'the servers to be up', 40)

    def counters(self):
        text = self.lab.inside(self.namespace, 'curl', '-s', 'http://127.0.0.1:9435/metrics').stdout
        totals = {}
        for name, value in re.findall(r'^sluice_(\w+?)(?:_total)?(?:\{[^}]*\})? (\S+)$', text, re.M):
            totals[name] = totals.get(name, 0) + float(value)
        return totals

    def wait_for_port(self, *ports, address=PEER):
        def all_there():
            listeners = self.lab.inside(self.namespace, 'ss', '-Hltn').stdout
            return all(f'{address}:{port} ' in listeners or f'0.0.0.0:{port} ' in listeners for port in ports)
        wait_for(all_there, f'ports {ports}', 30)

    def make_queue(self, folder):
        """The folders that `postfix start` makes; its checks of a whole installation take longer than a small test."""
        for name in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace', 'maildrop', 'public', 'pid'):
            path = os.path.join(folder, 'spool', name)
            os.makedirs(path)
            if name != 'pid':
                os.chown(path, mail_programs.USERS['postfix'], mail_programs.USERS['postdrop'])
            os.chmod(path, {'maildrop': 0o1730, 'public': 0o2710, 'pid': 0o755}.get(name, 0o700))
        os.makedirs(os.path.join(folder, 'data'))
        os.chown(os.path.join(folder, 'data'), mail_programs.USERS['postfix'], mail_programs.USERS['postfix'])

    def start_postfix(self, place=None, services=POSTFIX_BEHIND_SLUICE, host='backend.test', networks='127.0.0.0/8', more='', ports=(2525, 2587)):
        place = place or self.place
        folder = os.path.join(place.folder, 'postfix')
        self.make_queue(folder)
        place.write('postfix/main.cf', POSTFIX_MAIN.format(folder=folder, host=host, networks=networks, more=more))
        place.write('postfix/master.cf', POSTFIX_MASTER.format(services=services))
        process = place.spawn('/usr/lib/postfix/sbin/master', '-d', stdout=self.log, stderr=self.log)
        self.wait_for_port(*ports)
        return process

    def start_dovecot(self):
        folder = os.path.join(self.place.folder, 'dovecot')
        os.makedirs(folder)
        self.place.write('dovecot/dovecot.conf', DOVECOT.format(folder=folder, peer=PEER, own=OWN, mailboxes=self.mailboxes, vmail=VMAIL,
                                                                auth=os.path.join(folder, 'sasl')))
        process = self.place.spawn('dovecot', '-F', stdout=self.log, stderr=self.log)
        self.wait_for_port(2143, 2110, 2190)
        return process

    def start_servers(self):
        self.start_dovecot()
        self.start_postfix(more=POSTFIX_MAILBOXES.format(mailboxes=self.mailboxes, vmail=VMAIL, auth=f'{self.place.folder}/dovecot/sasl'))
        self.service.wait_until_published()
        self.wait_for_backends(2525, 2587, 2143, 2110, 2190)

    def server_log(self, server='postfix', name='log'):
        """Of a server in the common place, or of "place/server"."""
        folder = self.folder if '/' in server else self.place.folder
        with open(os.path.join(folder, server, name), encoding='utf-8') as f:
            return f.read()

    @contextlib.contextmanager
    def explained(self):
        """A failure inside shows the ends of all logs."""
        try:
            yield
        except BaseException:
            for name in (self.log.name, *glob.glob(f'{self.folder}/*/*/*log')):
                with open(name, encoding='utf-8', errors='replace') as f:
                    print(f'--- {name}', *f.read().splitlines()[-40:], sep='\n')
            raise

    def inbox(self):
        """Paths of the messages delivered."""
        folder = os.path.join(self.mailboxes, 'inbox')
        return [os.path.join(folder, sub, name) for sub in ('new', 'cur') if os.path.isdir(os.path.join(folder, sub))
                for name in sorted(os.listdir(os.path.join(folder, sub)))]

    def stop(self):
        assert self.service.stop(), self.read_log()[-2000:]
