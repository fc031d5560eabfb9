// SPDX-License-Identifier: Apache-2.0
#include "tls/alert.h"

const char *tls_alert_name(unsigned number)
{
	switch (number) {
#define ALERT(id, name, value) \
	case value: \
		return #name;
#include "tls/alerts.def"
#undef ALERT
	default:
		return "unknown";
	}
}

bool tls_alert_is_closure(unsigned number)
{
	return number == TLS_ALERT_CLOSE_NOTIFY || number == TLS_ALERT_USER_CANCELED;
}
