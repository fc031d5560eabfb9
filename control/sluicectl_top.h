// SPDX-License-Identifier: Apache-2.0
//
// `sluicectl top`: a live view of every worker, from the differences of two answers of `show cores` and
// `show lanes`.
#pragma once

#include "sluicectl_link.h"

struct top_options {
	unsigned interval_s;
	bool once;
	bool json; // one object a sample and line
};

enum operator_result top_run(struct operator_link *link, const struct top_options *options);
