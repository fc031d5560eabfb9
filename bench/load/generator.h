// SPDX-License-Identifier: Apache-2.0
//
// The generator: a table of client connections, the pace at which they begin, and the loop that drives them.
//
//   station_receive -> lanes' results -> events -> rounds { steps of the active, open burst } -> begin more
//                   -> station_send
//
// Closed loop: so many connections are in flight, and when one ends the next begins. Open loop: conversations
// begin at times fixed beforehand; one that finds no free place begins late, and its latencies count from
// when it should have begun, so that a server that stalls can't hide it. With rps the connections are there
// beforehand, and it is requests that begin so.
//
// At the end nothing new begins, and what is under way settles: it ends, or its time is up and it has failed.
#pragma once

#include "base/list.h"
#include "load/message.h"
#include "load/script.h"
#include "load/serve.h"
#include "load/station.h"
#include "load/statistics.h"
#include "net/output.h"
#include "proxy/leg.h"

enum client_state {
	CLIENT_CONNECTING,
	CLIENT_MAIL, // STARTTLS's preamble, and what is said inside TLS
	CLIENT_HANDSHAKING,
	CLIENT_TALKING,
	CLIENT_HOLDING,
	CLIENT_ENDING, // the answer was whole: the end of the stream is waited for
	N_CLIENT_STATES
};

struct client {
	struct leg leg; // first: a handshake's owner is its leg
	struct list_link active;
	struct list_link waiting; // by touched_us, for the time limit; HOLDING: on the list of these
	const struct script *script;
	uint64_t intended_tsc; // when it should have begun
	uint64_t hello_tsc;
	uint64_t due_tsc; // when the next request should be sent; 0: now
	uint64_t asked_tsc;
	uint64_t touched_us;
	uint64_t n_uploaded;
	uint32_t n_requests;
	uint8_t state;
	uint8_t mail_step;
	bool asked;     // the request's head is sent
	bool offered;   // a session to be resumed
	bool answering; // the first bytes of the server's flight have come
	struct message answer;
};

enum {
	GENERATOR_BURST = 64
};

struct generator {
	struct station *station;
	const struct load_options *options;
	struct scripts scripts;
	struct serve serve;
	struct pool clients;
	struct arena arena;
	struct list active;
	struct list waiting;
	struct list holding;
	struct statistics *now; // the window that is being measured
	uint32_t n_opening;     // clients on their way to HOLDING, TALKING or their end
	uint32_t n_holding;
	uint32_t next_client_address, next_target;
	double next_begin_tsc; // open loop
	double interval_tsc;
	uint64_t full_tsc;    // when last no place was free for what was due
	uint64_t trickle_tsc; // idle: when the next held connection asks
	uint32_t trickle_cursor;
	bool filling;          // they are still being opened, and nobody asks before all are held
	bool draining;         // nothing new begins
	char first_error[320]; // in words
	struct leg_opening openings[GENERATOR_BURST];
	struct aead_job jobs[GENERATOR_BURST];
	uint32_t n_openings;
	struct net_path flood_path; // SYN flood
	uint32_t flood_number;
};

void generator_open(struct generator *generator, struct station *station);
void generator_turn(struct generator *generator);

// Whether connections are opened and held before anything is measured.
bool generator_fills(const struct load_options *options);

// Open loop: what was due by now and has not begun counts as having waited so long already. Returns how much
// it is.
uint64_t generator_overdue(struct generator *generator);

// Whether nobody is waited for any more: all that is under way has ended, failed, or stands still on purpose.
bool generator_is_settled(const struct generator *generator);

// Resets every client's connection. Turns afterwards let the resets leave.
void generator_reset(struct generator *generator);

// Gives back what it holds.
void generator_close(struct generator *generator);

// --- client.c ---

enum client_begin {
	CLIENT_BEGUN,
	CLIENT_NO_PLACE, // every connection of the table is in use
	CLIENT_NO_WAY    // no route or no port; counted as an error
};
enum client_begin client_begin(struct generator *generator, uint64_t intended_tsc);

void client_events(struct generator *generator, struct client *client, uint16_t events);

// Does what can be done apart from opening records. Whether anything changed; the client may be gone.
bool client_step(struct generator *generator, struct client *client);

void client_activate(struct generator *generator, struct client *client);

// Whoever has waited for so long fails.
void client_expire(struct generator *generator, uint64_t limit_us);

// A held connection asks once more; its request was due then.
void client_ask(struct generator *generator, struct client *client, uint64_t due_tsc);

// The clients' address of this number, all ranges counted through, again from the first behind the last.
struct ip_addr client_address(const struct load_options *options, uint32_t number);

// Ends it at once, without counting.
void client_drop(struct generator *generator, struct client *client);
