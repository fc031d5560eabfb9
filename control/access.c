// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_listed(const char *const *users, size_t n_users, uid_t uid)
{
	for (size_t i = 0; i < n_users; i++) {
		const bool number = strspn(users[i], "0123456789") == strlen(users[i]);
		const struct passwd *entry = number ? NULL : getpwnam(users[i]);

		if (number ? strtoul(users[i], NULL, 10) == uid : entry != NULL && entry->pw_uid == uid)
			return true;
	}
	return false;
}

enum access_level access_level_of(const struct config_control *control, uid_t uid)
{
	if (uid == 0 || uid == geteuid() || is_listed(control->admins, control->n_admins, uid))
		return ACCESS_ADMIN;
	if (control->level < (int)ACCESS_OPERATOR && is_listed(control->operators, control->n_operators, uid))
		return ACCESS_OPERATOR;
	return (enum access_level)control->level;
}

const char *access_level_name(enum access_level level)
{
	return level == ACCESS_ADMIN ? "admin" : level == ACCESS_OPERATOR ? "operator" : "user";
}
