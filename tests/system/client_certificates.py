# SPDX-License-Identifier: Apache-2.0
"""A certificate authority and clients' certificates, made on the spot by openssl."""
import os
import subprocess


def openssl(*arguments, **options):
    return subprocess.run(['openssl', *arguments], capture_output=True, check=True, stdin=subprocess.DEVNULL, **options).stdout


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key, self.path = f'{folder}/{name}.ca.key', f'{folder}/{name}.ca.pem'
        openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', self.key)
        openssl('req', '-x509', '-new', '-key', self.key, '-out', self.path, '-days', '30', '-subj', f'/CN={name}', '-addext', 'basicConstraints=critical,CA:TRUE',
                '-addext', 'keyUsage=critical,keyCertSign')

    def der(self):
        return openssl('x509', '-in', self.path, '-outform', 'DER')

    def issue(self, name, usage='clientAuth', days=30, kind='ec'):
        """(certificate, key) of a client."""
        key, path = f'{self.folder}/{name}.client.key', f'{self.folder}/{name}.client.pem'
        algorithm = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] if kind == 'rsa' else ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
        openssl('genpkey', *algorithm, '-out', key)
        request, extensions = f'{self.folder}/{name}.csr', f'{self.folder}/{name}.ext'
        openssl('req', '-new', '-key', key, '-subj', f'/CN={name}', '-out', request)
        with open(extensions, 'w', encoding='ascii') as f:
            f.write(f'basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n')
        openssl('x509', '-req', '-in', request, '-CA', self.path, '-CAkey', self.key, '-CAcreateserial', '-days', str(days), '-extfile', extensions, '-out', path)
        os.unlink(request)
        return path, key
