# SPDX-License-Identifier: Apache-2.0
"""Debian's mail servers and clients for tests, without installing them: MTAs conflict with each other as packages, and a
machine's own MTA is none of a test's business.

Packages are downloaded and unpacked once under build/mail-programs. A program then runs in a mount namespace of its own in
which its packages' /usr and /etc lie over the machine's (overlayfs), with the accounts that its packages would have made
and the files that the test gives it. It finds everything where Debian puts it, and the machine sees nothing of it.
"""
import os
import re
import shutil
import subprocess

import lab

SETS = {'mail': ['postfix', 'dovecot-imapd', 'dovecot-pop3d', 'dovecot-managesieved', 'dovecot-lmtpd', 'swaks', 'libnet-ssleay-perl', 'libauthen-sasl-perl',
                 'fetchmail', 'isync', 'gnutls-bin'],
        'exim': ['exim4-daemon-heavy']}  # uses GnuTLS; the light one knows no PROXY header
USERS = {'postfix': 64801, 'postdrop': 64802, 'dovecot': 64803, 'dovenull': 64804, 'Debian-exim': 64805, 'fetchmail': 64806, 'vmail': 64807}


def download(packages, folder):
    """Fetches these packages and what they need and this machine lacks, as apt chooses it."""
    plan = lab.run('apt-get', '-s', '-q', '--no-install-recommends', 'install', *packages).stdout
    wanted = [f'{name}={version}' for name, version in re.findall(r'^Inst (\S+)(?: \[\S+\])? \((\S+)', plan, re.M)]
    if wanted:
        lab.run('apt-get', '-q', 'download', *wanted, cwd=folder)


def root(name):
    """The folder in which a set lies; made at its first use."""
    folder = os.path.join(lab.BUILD, 'mail-programs', name)
    stamp = os.path.join(folder, 'complete')
    if os.path.exists(stamp):
        with open(stamp, encoding='ascii') as f:
            if f.read() == ' '.join(SETS[name]):
                return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        download(SETS[name], folder)
    except RuntimeError:  # the lists are old: a version is gone from the mirror
        lab.run('apt-get', '-q', 'update')
        download(SETS[name], folder)
    for package in sorted(os.listdir(folder)):
        if package.endswith('.deb'):
            lab.run('dpkg', '-x', package, '.', cwd=folder)
            os.unlink(os.path.join(folder, package))
    for old in ('bin', 'sbin', 'lib'):  # of before these were links into /usr
        if os.path.isdir(os.path.join(folder, old)):
            lab.run('cp', '-a', f'{old}/.', f'usr/{old}/', cwd=folder)
    os.makedirs(os.path.join(folder, 'etc'), exist_ok=True)
    with open(stamp, 'w', encoding='ascii') as f:
        f.write(' '.join(SETS[name]))
    return folder


def accounts(folder):
    """The machine's accounts and the packages' in folder/passwd and folder/group."""
    with open('/etc/passwd', encoding='utf-8') as f:
        passwd = [line for line in f if line.split(':')[0] not in USERS]
    with open('/etc/group', encoding='utf-8') as f:
        group = [line for line in f if line.split(':')[0] not in USERS]
    for name, number in USERS.items():
        passwd.append(f'{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n')
        group.append(f'{name}:x:{number}:\n')
    for name, lines in (('passwd', passwd), ('group', group)):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
            f.writelines(lines)


class Place:
    """Where the programs of one set run: a network namespace, the set's files, and files of the test's own in /etc."""

    def __init__(self, laboratory, namespace, name, tag=None):
        self.lab, self.namespace, self.root = laboratory, namespace, root(name)
        self.folder = os.path.join(laboratory.folder, tag or name)
        self.etc = os.path.join(self.folder, 'etc')
        os.makedirs(self.etc)
        os.chmod(laboratory.folder, 0o755)
        accounts(self.etc)

    def write(self, path, text, mode=0o644):
        """A file of the test's own: relative to /etc, or anywhere in this place's folder."""
        full = os.path.join(self.etc, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(full, mode)
        return full

    def command(self, *command):
        layers = {'usr': [f'{self.root}/usr'], 'etc': [self.etc, f'{self.root}/etc']}
        mounts = ' && '.join(f'mount -t overlay overlay -o lowerdir={":".join(above)}:/{name} /{name}' for name, above in layers.items())
        return ['unshare', '-m', 'sh', '-c', f'{mounts} && exec "$@"', 'sh', *command]

    def spawn(self, *command, **options):
        return self.lab.spawn(self.namespace, *self.command(*command), **options)

    def inside(self, *command, check=True, timeout=60, **options):
        return self.lab.inside(self.namespace, *self.command(*command), check=check, timeout=timeout, **options)

    def feed(self, text, *command, timeout=60):
        """Runs a program with these bytes as its input."""
        result = subprocess.run(['ip', 'netns', 'exec', self.namespace, *self.command(*command)], input=text, capture_output=True, timeout=timeout, check=False)
        if result.returncode != 0:
            raise RuntimeError(f'{command}: exit {result.returncode}\n{result.stdout}{result.stderr}')
