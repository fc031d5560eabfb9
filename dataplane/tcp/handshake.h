// SPDX-License-Identifier: Apache-2.0
//
// How connections come to be.
//
//   passive   SYN --> syn_cache entry, or nothing but a cookie --SYN,ACK-->     ACK --> connection,
//   ESTABLISHED active    tcp_connect: connection, SYN_SENT --SYN-->      SYN,ACK --> ESTABLISHED
//                                                             SYN     --> SYN_RECEIVED --SYN,ACK-->   ACK
//                                                             --> ESTABLISHED (simultaneous open)
#pragma once

#include "tcp/input.h"

// Handlers of the entry table (input.c).
void tcp_rx_listen_syn(struct tcp_rx *rx);
void tcp_rx_listen_ack(struct tcp_rx *rx); // a cookie comes back
void tcp_rx_cached_syn(struct tcp_rx *rx);
void tcp_rx_cached_ack(struct tcp_rx *rx);
void tcp_rx_cached_reset(struct tcp_rx *rx);
void tcp_rx_syn_sent(struct tcp_rx *rx);
void tcp_rx_syn_received_syn(struct tcp_rx *rx);
void tcp_rx_time_wait(struct tcp_rx *rx);

// RFC 9293 3.10.7.4, fifth step in SYN-RECEIVED: the acknowledgement of our SYN. False: it is not one.
bool tcp_handshake_acked(struct tcp_rx *rx);

// Sends the SYN that is due for a connection in SYN_SENT or SYN_RECEIVED, and starts its timer.
void tcp_handshake_output(struct tcp *tcp, struct tcp_conn *conn);

// Sends due SYN-ACKs again and forgets peers that never answered.
void tcp_handshake_timers(struct tcp *tcp);
