// SPDX-License-Identifier: Apache-2.0
//
// What the configuration becomes for the dataplane: the records of START (include/ipc.h) and the snapshot
// (include/snapshot.h), each in a memfd of its own.
#pragma once

#include "cert_set.h"
#include "config.h"
#include "ticket_keys.h"

// The records of START.
void publish_start(const struct config *config, struct text *out_records);

// The records of a snapshot: everything that can change while the dataplane runs, but for the certificates
// themselves, which are named by their ids.
void publish_snapshot(const struct config *config, const struct cert_set *certs, uint64_t generation,
	struct text *out_records);

// The record of one certificate: chain, staple, timestamps.
void publish_certificate(const struct cert *cert, struct text *out_records);

// A memfd with the content, sealed against writing and resizing; -1: errno says why.
int publish_memfd(const char *name, const struct text *content);

// Private keys, one record each, and ticket keys: memfds whose pages are locked while we hold them, sealed
// against resizing only, because the receiver zeroes them. publish_secret_end unmaps and closes.
struct publish_secret {
	int fd; // -1: errno says why
	uint8_t *mapping;
	size_t len;
};

struct publish_secret publish_private_keys(struct cert *const *certs, size_t n_certs);
struct publish_secret publish_ticket_keys(const struct ticket_keys *keys);
void publish_secret_end(struct publish_secret *secret);
