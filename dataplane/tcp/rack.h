// SPDX-License-Identifier: Apache-2.0
//
// RACK: loss detection by time (RFC 8985 6). What was sent sufficiently before something that has arrived is
// lost. "Sufficiently" is the reordering window, which begins at nothing, and grows by a quarter of the
// smallest round-trip time with each round in which a DSACK shows that we repeated too early.
#pragma once

#include "tcp/scoreboard.h"

// Steps 1 to 3: an entry has arrived, at the current time.
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *conn, struct tcp_conn_cold *cold,
	const struct tcp_sent *sent, struct tcp_ack *ack);

// Step 4, the part that DSACKs drive; once per acknowledgement.
void tcp_rack_adapt_window(
	struct tcp *tcp, struct tcp_conn *conn, struct tcp_conn_cold *cold, const struct tcp_ack *ack);

// Steps 4 and 5: marks what is lost. Returns in how many microseconds to look again, 0 when there is nothing
// to wait for.
uint32_t tcp_rack_detect(struct tcp *tcp, struct tcp_conn *conn);
