// SPDX-License-Identifier: Apache-2.0
//
// A certificate of ours with all that belongs to it: chain, private key, staple, timestamps. Immutable once
// made, shared by reference count: a set that is replaced and the one that replaces it hold the same objects
// where nothing changed.
#pragma once

#include "certificate.h"
#include "memory.h"

#include <stdatomic.h>
#include <sys/stat.h>

enum cert_file {
	CERT_FILE_CHAIN,
	CERT_FILE_KEY,
	CERT_FILE_OCSP,
	CERT_FILE_SCT,
	N_CERT_FILES
};

// Where the parts come from. The paths are borrowed; NULL means that there is no such file.
struct cert_files {
	const char *paths[N_CERT_FILES];
};

// What tells whether a file was changed.
struct cert_stamp {
	struct timespec modified;
	struct timespec changed;
	uint64_t inode;
	uint64_t len;
};

struct cert {
	_Atomic uint32_t n_references;
	uint32_t id; // never used again for another
	char *name;  // the path of the chain, or what an operator called it
	size_t n_certificates;
	struct certificate *certificates;
	uint8_t fingerprint[32]; // SHA-256 of the leaf
	struct key *key;
	struct span staple; // an OCSPResponse, checked
	int64_t staple_next_update;
	struct span scts; // a SignedCertificateTimestampList
	uint8_t *bytes;   // what the spans above point into
	uint8_t *staple_bytes;
	uint8_t *sct_bytes;
	bool rearranged; // the file had another order
	bool unsaved;    // came over the socket
	bool ocsp_fetch;
	uint64_t sent_over; // the link (publisher.h) that carried it; 0: none has
	struct cert_stamp stamps[N_CERT_FILES];
};

// NULL: `reason` says what is wrong, in one line.
struct cert *cert_load(
	struct key_context *context, const char *name, const struct cert_files *files, struct text *reason);

// From one PEM text with the chain and the key; nothing of it is kept but in secret memory.
struct cert *cert_from_pem(
	struct key_context *context, const char *name, struct span pem, struct text *reason);

// A copy with another staple, which was checked (ocsp.h).
struct cert *cert_with_staple(const struct cert *cert, struct span staple, int64_t next_update);

struct cert *cert_reference(struct cert *cert);
void cert_release(struct cert *cert);

static inline const struct certificate *cert_leaf(const struct cert *cert)
{
	return &cert->certificates[0];
}

// Whether the files are the very ones that the object was made from.
bool cert_is_current(const struct cert *cert, const struct cert_files *files);

// The certificates of a PEM file, DER after DER, in the zone; empty: `reason` says what is wrong.
struct span cert_read_authorities(struct memory_zone *zone, const char *path, struct text *reason);
