#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes mb_tables.h and mb_tables.c: what the kernels need to know about each curve.

Everything is computed here from the curve parameters as the standards print them: moduli and Montgomery constants
in digits of 52 bits, and the comb tables of the base points.

A comb with t teeth, v tables and e columns writes an odd scalar as a sum of t*v*e terms +-2^i (comb.h) and
adds up entries of table j, column c:

    2^(e*j) * (2^(e*v*(t-1)) + sum over s < t-1 of sign_s * 2^(e*v*s)) * G,     sign_s = + where bit s of idx is set

Layout: [table j][coordinate * digits][idx], so that one look-up scans consecutive words.
"""
import sys

DIGIT = 52


class Weierstrass:
    """y^2 = x^3 - 3x + b over p (SP 800-186 3.2.1), affine points, None at infinity."""

    def __init__(self, name, bits, p, n, b, gx, gy, comb):
        self.name, self.bits, self.p, self.n, self.b, self.base, self.comb = name, bits, p, n, b, (gx, gy), comb
        self.digits = -(-bits // DIGIT)
        self.r = 1 << (DIGIT * self.digits)

    def add(self, a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0]:
            if (a[1] + b[1]) % self.p == 0:
                return None
            slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, self.p)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, self.p)
        x = (slope * slope - a[0] - b[0]) % self.p
        return x, (slope * (a[0] - x) - a[1]) % self.p

    def negate(self, a):
        return a[0], -a[1] % self.p

    def coordinates(self, a):
        """x and y in Montgomery form."""
        return [digits_of(c * self.r % self.p, self.digits, DIGIT) for c in a]


class Edwards25519:
    """-x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 5.1), digits of 51 bits."""

    name, digits = 'ed25519', 5
    p = 2**255 - 19
    n = 2**252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, -1, p) % p
    base = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
            46316835694926478169428394003475163141307993866256225615783033603165251855960)
    comb = (6, 11, 4)

    def add(self, a, b):
        k = self.d * a[0] * b[0] * a[1] * b[1]
        return ((a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, self.p) % self.p,
                (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, self.p) % self.p)

    def negate(self, a):
        return -a[0] % self.p, a[1]

    def coordinates(self, a):
        """y + x, y - x and 2 d x y."""
        x, y = a
        return [digits_of(c % self.p, 5, 51) for c in (y + x, y - x, 2 * self.d * x * y)]


P256 = Weierstrass(
    'p256', 256,
    p=0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff,
    n=0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
    b=0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b,
    gx=0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
    gy=0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5,
    comb=(8, 4, 8))

P384 = Weierstrass(
    'p384', 384,
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    n=0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973,
    b=0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef,
    gx=0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7,
    gy=0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f,
    comb=(6, 8, 8))


def digits_of(value, n_digits, bits):
    return [value >> bits * i & (1 << bits) - 1 for i in range(n_digits)]


def comb_table(curve):
    """[table][coordinate * digits][idx]."""
    teeth, tables, columns = curve.comb
    power = curve.base
    powers = []
    for _ in range(teeth * tables * columns):
        powers.append(power)
        power = curve.add(power, power)
    result = []
    for j in range(tables):
        tooth = [powers[columns * (j + tables * s)] for s in range(teeth)]
        entries = [tooth[-1]]
        for s in range(teeth - 1):  # entries grows so that bit s of the index is sign s
            entries = ([curve.add(e, curve.negate(tooth[s])) for e in entries] +
                       [curve.add(e, tooth[s]) for e in entries])
        split = [[digit for coordinate in curve.coordinates(e) for digit in coordinate] for e in entries]
        result.append([list(column) for column in zip(*split)])
    return result


def array(values):
    return '{' + ', '.join(f'UINT64_C(0x{v:x})' for v in values) + '}'


def constants(curve):
    """Macros for one Weierstrass curve: field, order, b and the base point, in Montgomery form where it says so."""
    upper, k = curve.name.upper(), curve.digits
    for letter, m in ('P', curve.p), ('N', curve.n):
        yield f'#define {upper}_{letter} {array(digits_of(m, k, DIGIT))}'
        yield f'#define {upper}_{letter}_N0 UINT64_C(0x{-pow(m, -1, 1 << DIGIT) % (1 << DIGIT):x})'
        yield f'#define {upper}_{letter}_ONE {array(digits_of(curve.r % m, k, DIGIT))}'
        yield f'#define {upper}_{letter}_R2 {array(digits_of(curve.r * curve.r % m, k, DIGIT))}'
        yield f'#define {upper}_{letter}_MINUS2 {array(digits_of(m - 2, k, DIGIT))}'
    # Turns a k^-1 in Montgomery form to 2^(52 digits) into one to 2^bits, the form of struct mb_ecdsa_nonce.
    yield f'#define {upper}_N_TO_NONCE {array(digits_of((1 << curve.bits) % curve.n, k, DIGIT))}'
    yield f'#define {upper}_B_MONT {array(digits_of(curve.b * curve.r % curve.p, k, DIGIT))}'
    # For the 64-bit arithmetic of ecdsa.c.
    limbs = curve.bits // 64
    yield f'#define {upper}_N_LIMBS {array(digits_of(curve.n, limbs, 64))}'
    yield f'#define {upper}_N_R2_LIMBS {array(digits_of((1 << 2 * curve.bits) % curve.n, limbs, 64))}'
    yield f'#define {upper}_N_N0_LIMB UINT64_C(0x{-pow(curve.n, -1, 1 << 64) % (1 << 64):x})'


def main():
    header_path, source_path = sys.argv[1:3]
    curves = [P256, P384, Edwards25519()]
    header = ['// Generated by generate_tables.py.', '#pragma once', '#include <stdint.h>']
    source = ['// Generated by generate_tables.py.', '#include "mb_tables.h"']
    for curve in curves:
        teeth, tables, columns = curve.comb
        upper = curve.name.upper()
        if isinstance(curve, Weierstrass):
            header += constants(curve)
        table = comb_table(curve)
        header += [f'#define {upper}_COMB_TEETH {teeth}', f'#define {upper}_COMB_TABLES {tables}',
                   f'#define {upper}_COMB_COLUMNS {columns}']
        shape = f'const uint64_t mb_{curve.name}_comb[{tables}][{len(table[0])}][{len(table[0][0])}]'
        header.append(f'extern {shape};')
        source.append(f'_Alignas(64) {shape} = {{')
        for rows in table:
            source += ['{'] + [array(row) + ',' for row in rows] + ['},']
        source.append('};')
    l = Edwards25519.n
    header += [f'#define ED25519_L {array(digits_of(l, 5, DIGIT))}',
               f'#define ED25519_L_LIMBS {array(digits_of(l, 4, 64))}',
               f'#define ED25519_L_R2_LIMBS {array(digits_of((1 << 512) % l, 4, 64))}',
               f'#define ED25519_L_R3_LIMBS {array(digits_of((1 << 768) % l, 4, 64))}',
               f'#define ED25519_L_N0_LIMB UINT64_C(0x{-pow(l, -1, 1 << 64) % (1 << 64):x})']
    with open(header_path, 'w', encoding='ascii') as file:
        file.write('\n'.join(header) + '\n')
    with open(source_path, 'w', encoding='ascii') as file:
        file.write('\n'.join(source) + '\n')


main()
