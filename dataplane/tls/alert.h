// SPDX-License-Identifier: Apache-2.0
//
// Alerts, and the verdict that every parser and handler returns: all is well, or the alert that the RFC names
// for what the peer did, or (handlers only) what has to be waited for. The number of a refusal is the
// alert's, so that turning one into the other is no table.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tls_alert {
#define ALERT(id, name, number) TLS_ALERT_##id = (number),
#include "tls/alerts.def"
#undef ALERT
};

enum {
	TLS_ALERT_LEVEL_WARNING = 1,
	TLS_ALERT_LEVEL_FATAL = 2,
	TLS_ALERT_LEN = 2
};

// 256 and more never meet an alert's number.
enum tls_verdict {
#define ALERT(id, name, number) TLS_REFUSE_##id = (number),
#include "tls/alerts.def"
#undef ALERT
	TLS_OK = 256,
	// All is well so far, and something else has to come first.
	TLS_WAITS_KX,     // a key share or a shared secret
	TLS_WAITS_SIGN,   // a signature, made or checked
	TLS_WAITS_LOOKUP, // a session that another worker may have
	TLS_WAITS_VERIFY, // the verdict on a certificate chain
};

static inline bool tls_is_refusal(enum tls_verdict verdict)
{
	return verdict < TLS_OK;
}

#define TLS_MUST_CHECK __attribute__((warn_unused_result))

static inline enum tls_alert tls_verdict_alert(enum tls_verdict verdict)
{
	return (enum tls_alert)verdict;
}

// "decode_error" and the like; "unknown" for a number that no RFC gave a name.
const char *tls_alert_name(unsigned number);

// Alerts that end nothing: close_notify and user_canceled, and in TLS 1.2 whatever came as a warning
// (RFC 8446 6, RFC 5246 7.2).
bool tls_alert_is_closure(unsigned number);
