// SPDX-License-Identifier: Apache-2.0
//
// How long the control process takes for many certificates: reads, parses, checks and indexes them, as at a
// start. Makes them first, in a folder of its own: ECDSA P-256 by default, RSA-2048 (one key for all) with
// --rsa, chain and key in one file each. With --make FOLDER it only makes them, for bench/certificates.py.
#include "cert_set.h"
#include "config.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	N_DEFAULT = 50000,
	N_RUNS = 5
};

static double now_s(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Processor time of all threads: what the wall clock would be on cores that do nothing else, times their
// number.
static double cpu_s(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static X509 *make_certificate(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, unsigned number)
{
	X509 *certificate = X509_new();
	char names[64];
	X509_EXTENSION *extension;

	(void)X509_set_version(certificate, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)number + 2);
	(void)X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * 90);
	(void)snprintf(names, sizeof names, "host%u.example.org", number);
	(void)X509_NAME_add_entry_by_txt(
		X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (unsigned char *)names, -1, -1, 0);
	(void)X509_set_issuer_name(certificate, X509_get_subject_name(issuer != NULL ? issuer : certificate));
	(void)X509_set_pubkey(certificate, key);
	(void)snprintf(names, sizeof names, "DNS:host%u.example.org,DNS:www%u.example.org", number, number);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	(void)X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	(void)X509_sign(certificate, issuer_key, EVP_sha256());
	return certificate;
}

static void make_files(const char *folder, unsigned n, bool rsa)
{
	EVP_PKEY *issuer_key = EVP_EC_gen("P-256");
	X509 *issuer = make_certificate(issuer_key, NULL, issuer_key, 0);
	EVP_PKEY *rsa_key = rsa ? EVP_RSA_gen(2048) : NULL;

	for (unsigned i = 1; i <= n; i++) {
		EVP_PKEY *key = rsa ? rsa_key : EVP_EC_gen("P-256");
		X509 *certificate = make_certificate(key, issuer, issuer_key, i);
		char path[128];
		FILE *file;

		(void)snprintf(path, sizeof path, "%s/%06u.pem", folder, i);
		file = fopen(path, "w");
		if (file == NULL) {
			perror(path);
			exit(1);
		}
		(void)PEM_write_X509(file, certificate);
		(void)PEM_write_X509(file, issuer);
		(void)PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
		(void)fclose(file);
		X509_free(certificate);
		if (!rsa)
			EVP_PKEY_free(key);
	}
	EVP_PKEY_free(rsa_key);
	EVP_PKEY_free(issuer_key);
	X509_free(issuer);
}

static void remove_files(const char *folder)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory != NULL)
		(void)closedir(directory);
	(void)rmdir(folder);
}

static int compare_doubles(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double load_once(const struct config *config, unsigned n, unsigned n_threads)
{
	struct config_errors errors = {0};
	const double start = now_s();
	struct cert_set *set = cert_set_load(config, NULL, n_threads, &errors);
	const double took = now_s() - start;
	size_t n_found;

	if (set == NULL || set->n_certs != n ||
		cert_set_lookup(set, "www1.example.org", &n_found) == SIZE_MAX) {
		(void)fprintf(stderr, "not loaded: %s\n", text_string(&errors.text));
		exit(1);
	}
	cert_set_free(set);
	return took;
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/sluice-certificates-XXXXXX";
	struct config_certificate certificate = {.chain = folder};
	struct config config = {.certificates = &certificate, .n_certificates = 1};
	const unsigned n_threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	double seconds[N_RUNS];
	double cpu;
	unsigned n = N_DEFAULT;
	bool json = false;
	bool rsa = false;
	const char *make = NULL;

	for (int i = 1; i < argc; i++) {
		json = json || strcmp(argv[i], "--json") == 0;
		rsa = rsa || strcmp(argv[i], "--rsa") == 0;
		if (strcmp(argv[i], "--make") == 0 && i + 1 < argc)
			make = argv[++i];
		else if (argv[i][0] != '-')
			n = (unsigned)strtoul(argv[i], NULL, 10);
	}
	if (n != 0 && make != NULL) {
		make_files(make, n, rsa);
		return 0;
	}
	if (n == 0 || mkdtemp(folder) == NULL)
		return 2;
	make_files(folder, n, rsa);
	cpu = cpu_s();
	for (int i = 0; i < N_RUNS; i++)
		seconds[i] = load_once(&config, n, n_threads);
	cpu = (cpu_s() - cpu) / N_RUNS;
	remove_files(folder);
	qsort(seconds, N_RUNS, sizeof seconds[0], compare_doubles);
	if (json)
		(void)printf("{\"rows\": [{\"name\": \"certificates_%u_seconds\", \"value\": %.3f, \"unit\": "
			     "\"s\", "
			     "\"n\": %d, \"low\": %.3f, \"high\": %.3f, \"cpu_seconds\": %.3f}]}\n",
			n, seconds[N_RUNS / 2], N_RUNS, seconds[0], seconds[N_RUNS - 1], cpu);
	else
		(void)printf("%u %s certificates, %u threads: median %.2f s, lowest %.2f s, highest %.2f s "
			     "of %d; %.2f s of "
			     "processor time a run\n",
			n, rsa ? "RSA-2048" : "ECDSA P-256", n_threads, seconds[N_RUNS / 2], seconds[0],
			seconds[N_RUNS - 1], N_RUNS, cpu);
	return 0;
}
