# SPDX-License-Identifier: Apache-2.0
"""A client of memif made by hand: it connects within a millisecond, fills its ring, and goes away when it is told to.

Messages are of 128 bytes over SOCK_SEQPACKET; the shared region holds a ring for each direction and the buffers behind them:

    ring: cookie u32, flags u16, head u16 | tail u16 at 64 | descriptors of 16 bytes from 128
"""
import array
import mmap
import os
import socket
import struct

ACK, HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED = range(1, 8)
COOKIE, VERSION = 0x3E31F20, 0x0200
BUFFER_LEN, DESCRIPTORS_AT, DESCRIPTOR_LEN = 2048, 128, 16


class MemifPeer:
    def __init__(self, path, log2_slots=10):
        self.n_slots = 1 << log2_slots
        self.ring_len = DESCRIPTORS_AT + DESCRIPTOR_LEN * self.n_slots
        length = 2 * self.ring_len + self.n_slots * BUFFER_LEN
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(path)
        fd, doorbell = os.memfd_create('memif', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), os.eventfd(0, os.EFD_CLOEXEC)
        try:
            os.ftruncate(fd, length)
            self.memory = mmap.mmap(fd, length)
            for ring in range(2):
                struct.pack_into('=I', self.memory, ring * self.ring_len, COOKIE)
            self.expect(HELLO)
            self.ask(INIT, struct.pack('=HIB', VERSION, 0, 0))
            self.ask(ADD_REGION, struct.pack('=HQ', 0, length), fd)
            for to_server in (1, 0):
                self.ask(ADD_RING, struct.pack('=HHHIBH', to_server, 0, 0, 0 if to_server else self.ring_len, log2_slots, 0), doorbell)
            self.ask(CONNECT, b'', answer=CONNECTED)
        finally:
            os.close(fd)
            os.close(doorbell)

    def expect(self, answer):
        kind = struct.unpack_from('=H', self.socket.recv(128))[0]
        assert kind == answer, f'memif: {kind} instead of {answer}'

    def ask(self, kind, body, fd=None, answer=ACK):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))] if fd is not None else []
        self.socket.sendmsg([struct.pack('=H', kind) + body.ljust(126, b'\0')], ancillary)
        self.expect(answer)

    def fill(self, frame):
        """Offers one frame in every slot at once."""
        for slot in range(self.n_slots):
            at = 2 * self.ring_len + slot * BUFFER_LEN
            self.memory[at:at + len(frame)] = frame
            struct.pack_into('=HHIII', self.memory, DESCRIPTORS_AT + slot * DESCRIPTOR_LEN, 0, 0, len(frame), at, 0)
        struct.pack_into('=H', self.memory, 6, self.n_slots)

    def close(self):
        self.socket.close()
        self.memory.close()
