// SPDX-License-Identifier: Apache-2.0
//
// What the simulated proxy and the world around it have agreed on.
#pragma once

enum {
	PORT_TLS = 443,
	PORT_TCP = 5000,
	PORT_REDIRECT = 80,
	PORT_PROXIED = 444, // TLS behind a PROXY header
	PORT_MAIL = 25,
	PORT_MAIL_BACKEND = 2525,
	PORT_BACKEND = 8080,
	PORT_DEAD = 8081
};

enum {
	LISTENERS = 5,
	V6_BACKEND = 2, // the backend that is reached over IPv6
	BACKENDS = 3,
};
