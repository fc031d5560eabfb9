// SPDX-License-Identifier: Apache-2.0
//
// How large a packet may be. Sizes are of IP packets; cold->mtu is in use, mtu_max is what the first hop
// takes.
//
//   down   ICMP says so about a segment in flight (RFC 1191, RFC 8201; checked as RFC 5927 7.2 asks), or
//          nothing has got through for two timeouts and ICMP may be filtered (RFC 4821 7.7)
//   up     after mtu_probe_interval_ms one segment of new data is sent larger than the others (RFC 4821 7.2):
//          when it arrives its size is in use; when it alone is lost, that size does not pass
#pragma once

#include "tcp/stack.h"

// From the path and what the peer asked for.
void tcp_mtu_init(struct tcp *tcp, struct tcp_conn *conn);

// Largest payload without options for packets of that size.
uint16_t tcp_mtu_to_mss(const struct tcp_conn *conn, uint16_t mtu);

// An ICMP error that names a segment of ours which is in flight.
void tcp_mtu_too_big(struct tcp *tcp, struct tcp_conn *conn, uint16_t mtu);

// A retransmission timeout, the backoff says how many in a row.
void tcp_mtu_timeout(struct tcp *tcp, struct tcp_conn *conn);

// snd_una has moved.
void tcp_mtu_acked(struct tcp *tcp, struct tcp_conn *conn);

// Payload of the probe that should be sent now; 0: none.
uint32_t tcp_mtu_probe_due(const struct tcp *tcp, const struct tcp_conn *conn);
void tcp_mtu_probe_sent(struct tcp *tcp, struct tcp_conn *conn, struct seq seq, uint32_t len);
void tcp_mtu_probe_lost(struct tcp *tcp, struct tcp_conn *conn);
