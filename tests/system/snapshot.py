# SPDX-License-Identifier: Apache-2.0
"""Packs what the control process publishes (include/snapshot.h), by hand, for tests of the dataplane alone."""
import struct
import subprocess

import lab

(HEAD, BACKEND, SERVER, SOURCE, LISTENER, ADDRESS, ALPN, ROUTE, ROUTE_NAME, ROUTE_ALPN, TRUSTED, SERVER_NAME, END, CERTIFICATE, PRIVATE_KEY,
 TICKET_KEY) = range(100, 116)
NONE = 0xFFFFFFFF
PROTOCOLS = {'tls': 0, 'tcp': 1, 'http-redirect': 2, 'smtp': 3, 'imap': 4, 'pop3': 5, 'managesieve': 6}
KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 = range(4)
SEAL_RESIZE = 0x2 | 0x4 | 0x1


def record(kind, body, tail=b''):
    content = body + tail
    return struct.pack('=HHI', kind, 0, len(content)) + content + b'\0' * (-len(content) % 8)


def der_items(data):
    """(tag, content) of each item of a DER sequence's content."""
    items = []
    while data:
        tag, length, head = data[0], data[1], 2
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(data[2:head], 'big')
        items.append((tag, data[head:head + length]))
        data = data[head + length:]
    return items


def openssl(*arguments):
    return subprocess.run(['openssl', *arguments], capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout


def make_certificate(folder, name, kind='ec', names=('localhost',), days=30):
    """A self-signed certificate; returns paths of certificate and key."""
    key, certificate = f'{folder}/{name}.key', f'{folder}/{name}.pem'
    algorithm = {'ec': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'rsa': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
                 'p384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'ed25519': ['-algorithm', 'ED25519']}[kind]
    openssl('genpkey', *algorithm, '-out', key)
    openssl('req', '-x509', '-new', '-key', key, '-out', certificate, '-days', str(days), '-subj', f'/CN={names[0]}',
            '-addext', 'subjectAltName=' + ','.join(f'DNS:{n}' for n in names))
    return certificate, key


def key_record(certificate_id, path):
    """The numbers of a PKCS #8 key, as the record wants them."""
    der = openssl('pkcs8', '-topk8', '-nocrypt', '-in', path, '-outform', 'DER')
    (_, whole), = der_items(der)
    _, (_, algorithm), (_, key) = der_items(whole)[:3]
    oid = der_items(algorithm)[0][1]
    if oid == bytes.fromhex('2a864886f70d010101'):
        numbers = [int.from_bytes(content, 'big') for _, content in der_items(der_items(key)[0][1])]
        _, n, e, d, p, q, dp, dq, qinv = numbers[:9]
        bits = n.bit_length()
        width, half = bits // 8, bits // 16
        tail = b''.join(v.to_bytes(w, 'big') for v, w in ((n, width), (e, 8), (d, width), (p, half), (q, half), (dp, half), (dq, half), (qinv, half)))
        kind = KEY_RSA
    elif oid == bytes.fromhex('2b6570'):
        kind, bits, tail = KEY_ED25519, 255, der_items(key)[0][1]
    else:
        tail = der_items(der_items(key)[0][1])[1][1]
        kind, bits = (KEY_P256, 256) if len(tail) == 32 else (KEY_P384, 384)
    return record(PRIVATE_KEY, struct.pack('=IIIB3x', certificate_id, len(tail), bits, kind), tail)


def certificate_record(certificate_id, path):
    der = openssl('x509', '-in', path, '-outform', 'DER')
    return record(CERTIFICATE, struct.pack('=II10IIIqq', certificate_id, 1, len(der), *[0] * 9, 0, 0, 0, 0), der)


def ticket_key_records(seed=1):
    return b''.join(record(TICKET_KEY, struct.pack('=16s32sqqBB6x', bytes([seed + role]) * 16, bytes([seed + 16 + role]) * 32, 0, 0, role, role != 2))
                    for role in range(3))


def server_record(text, weight=1, drain=0):
    host, _, port = text.rpartition(':')
    return record(SERVER, struct.pack('=64s16sHHIBB6x', text.encode(), lab.pack_address(host.strip('[]')), int(port), weight, 0, 0, drain))


def backend_records(name, servers, proxy=0, check_ms=0, balance=0, connect_ms=2000, idle_ms=60000):
    head = struct.pack('=32sIIIIIIIIQBBBBBBBB', name.encode(), len(servers), 0, 0, connect_ms, idle_ms, check_ms, 1000, 0, 0,
                       balance, proxy, 0, 1 if check_ms else 0, 2, 3, 2, 0)
    return record(BACKEND, head) + b''.join(server_record(*s) if isinstance(s, tuple) else server_record(s) for s in servers)


def listener_records(name, protocol, addresses, backend=0, certificate=NONE, alpn=(), routes=(), reject_unknown=0, mail_tls=0, encrypt=0,
                     redirect_port=443, trusted=(), client_auth=0, authorities=b'', log=1, handshake_ms=0, connections=0, handshakes=0):
    records = record(LISTENER, struct.pack('=32s14IHHBBBBBBBB4x', name.encode(), len(addresses), len(alpn), len(routes), len(trusted), backend, certificate,
                                           connections, handshakes, handshake_ms, 0, 0, 0, 0, len(authorities), redirect_port, 308, PROTOCOLS[protocol], mail_tls, encrypt, reject_unknown, client_auth, 4, log, log), authorities)
    for text in addresses:
        host, _, port = text.rpartition(':')
        records += record(ADDRESS, struct.pack('=16sH6x', lab.pack_address(host.strip('[]')), int(port)))
    for protocol_name in alpn:
        records += record(ALPN, struct.pack('=I4x', len(protocol_name)), protocol_name.encode())
    for route_backend, names, protocols in routes:
        records += record(ROUTE, struct.pack('=III4x', route_backend, len(names), len(protocols)))
        for host in names:
            wildcard = host.startswith('*.')
            tail = host[2:] if wildcard else host
            records += record(ROUTE_NAME, struct.pack('=HB5x', len(tail), wildcard), tail.encode())
        for protocol_name in protocols:
            records += record(ROUTE_ALPN, struct.pack('=I4x', len(protocol_name)), protocol_name.encode())
    for prefix in trusted:
        address, length = prefix.split('/')
        records += record(TRUSTED, struct.pack('=16sB7x', lab.pack_address(address), int(length)))
    return records


def snapshot(backends, listeners, names, tickets=2, tls_min=0x0303, connections=0, handshakes=0, generation=1):
    """backends, listeners: lists of packed records; names: (host name, certificate id)."""
    head = struct.pack('=IIQ' + 'I' * 12 + 'HHBBBx', 1, len(backends), generation, len(listeners), len(names), connections, handshakes, 0, 0, 0, 50,
                       3600, 3600, 1000, 3600, tls_min, 0x0304, tickets, 1, 1)
    body = record(HEAD, head) + b''.join(backends) + b''.join(listeners)
    for host, certificate in names:
        body += record(SERVER_NAME, struct.pack('=IH2x', certificate, len(host)), host.encode())
    count, at = 0, 0
    while at < len(body):
        length = struct.unpack_from('=I', body, at + 4)[0]
        at += (8 + length + 7) // 8 * 8
        count += 1
    return body + record(END, struct.pack('=Q', count))
