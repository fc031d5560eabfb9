// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target over every file of the folders and files named on the command line, and over the empty
// input: the corpus as a regression test, without libFuzzer.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned n_inputs;

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	long len;
	uint8_t *data;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0 ||
		fseek(file, 0, SEEK_SET) != 0) {
		perror(path);
		exit(1);
	}
	data = malloc((size_t)len + 1);
	if (data == NULL || fread(data, 1, (size_t)len, file) != (size_t)len) {
		perror(path);
		exit(1);
	}
	(void)LLVMFuzzerTestOneInput(data, (size_t)len);
	n_inputs++;
	free(data);
	(void)fclose(file);
}

static void replay_path(const char *path)
{
	struct stat status;
	struct dirent *entry;
	DIR *folder;

	if (stat(path, &status) != 0)
		return;
	if (!S_ISDIR(status.st_mode)) {
		replay_file(path);
		return;
	}
	folder = opendir(path);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		char child[4096];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
		replay_path(child);
	}
	if (folder != NULL)
		(void)closedir(folder);
}

int main(int argc, char **argv)
{
	static const uint8_t nothing[1];

	(void)LLVMFuzzerTestOneInput(nothing, 0);
	for (int i = 1; i < argc; i++)
		replay_path(argv[i]);
	printf("%u inputs replayed\n", n_inputs);
	return 0;
}
