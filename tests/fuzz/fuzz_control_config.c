// SPDX-License-Identifier: Apache-2.0
//
// A configuration of any text: either a tree, or at least one error that is one line of printable characters.
#include "base/assert.h"
#include "config.h"

// libfyaml forgets a buffer of its own at some malformed escapes; what we forget is still found.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_errors errors = {0};
	struct config *config = config_parse("fuzz", (const char *)data, len, &errors);

	SLUICE_ASSERT((config != NULL) == (errors.n == 0));
	for (size_t i = 0; i < errors.text.len; i++)
		SLUICE_ASSERT(errors.text.data[i] == '\n' ||
			      (errors.text.data[i] >= 0x20 && errors.text.data[i] < 0x7f));
	config_free(config);
	config_errors_free(&errors);
	return 0;
}
