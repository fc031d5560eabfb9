// SPDX-License-Identifier: Apache-2.0
//
// The providers of bench-crypto's rows; each is in the file bench_crypto_<what>.c.
#pragma once

#include "measure.h"

void bench_rows_ec(struct measure *measure);
void bench_rows_rsa(struct measure *measure);
void bench_rows_hash(struct measure *measure);
void bench_rows_aead(struct measure *measure);
void bench_rows_lanes(struct measure *measure);
