// SPDX-License-Identifier: Apache-2.0
#include "cert_set.h"

#include "base/assert.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	THREADS_MAX = 64
};

// One certificate to be loaded, and what came of it. Written by one thread.
struct job {
	struct cert_files files;
	bool ocsp_fetch;
	struct config_mark mark;
	struct cert *cert;
	char *fault;
};

struct loading {
	struct memory_zone zone; // paths
	struct job *jobs;
	size_t n_jobs;
	size_t capacity;
	_Atomic size_t next;
	const struct cert_set *before;
	struct config_errors *errors;
};

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
	const size_t len = strlen(name);

	return len > strlen(suffix) && strcmp(name + len - strlen(suffix), suffix) == 0;
}

// The names in a directory, in ascending order.
struct listing {
	struct dirent **entries;
	size_t n_entries;
};

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_listed(const struct listing *listing, const char *name)
{
	size_t low = 0;
	size_t high = listing->n_entries;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(listing->entries[middle]->d_name, name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

// The path with another suffix in place of .pem or .crt, if such a file is there. The system is only asked
// for what the listing of the path's directory, if there is one, has: fifty thousand certificates have
// 150,000 possible siblings.
static const char *sibling(
	struct loading *loading, const struct listing *listing, const char *path, const char *suffix)
{
	const size_t len = strlen(path) - (has_suffix(path, ".pem") || has_suffix(path, ".crt") ? 4 : 0);
	const size_t room = len + strlen(suffix) + 1;
	char other[PATH_MAX];

	if (room > sizeof other)
		return NULL;
	memcpy(other, path, len);
	memcpy(other + len, suffix, strlen(suffix) + 1);
	if (listing != NULL && !is_listed(listing, strrchr(other, '/') + 1))
		return NULL;
	return exists(other) ? memory_zone_string(&loading->zone, other, room - 1) : NULL;
}

static void add_job(struct loading *loading, const struct listing *listing, const char *chain,
	const struct config_certificate *from)
{
	struct job *job;

	loading->jobs = memory_grow(
		loading->jobs, &loading->capacity, loading->n_jobs + 1, sizeof loading->jobs[0]);
	job = &loading->jobs[loading->n_jobs++];
	*job = (struct job){.ocsp_fetch = from->ocsp_fetch, .mark = from->mark};
	job->files.paths[CERT_FILE_CHAIN] = chain;
	job->files.paths[CERT_FILE_KEY] = from->key != NULL ? from->key
							    : sibling(loading, listing, chain, ".key");
	job->files.paths[CERT_FILE_OCSP] = from->ocsp != NULL ? from->ocsp
							      : sibling(loading, listing, chain, ".ocsp");
	job->files.paths[CERT_FILE_SCT] = from->sct != NULL ? from->sct
							    : sibling(loading, listing, chain, ".sct");
}

static bool is_chain_name(const char *name)
{
	return name[0] != '.' && (has_suffix(name, ".pem") || has_suffix(name, ".crt"));
}

static void add_directory(struct loading *loading, const struct config_certificate *from)
{
	struct listing listing;
	const int n_entries = scandir(from->chain, &listing.entries, NULL, compare_entries);

	if (from->key != NULL || from->ocsp != NULL || from->sct != NULL)
		config_error(loading->errors, from->mark, "certificates",
			"%s is a directory; key, ocsp and sct are looked for in it", from->chain);
	if (n_entries < 0) {
		config_error(loading->errors, from->mark, "certificates", "%s can't be read: %s", from->chain,
			strerror(errno));
		return;
	}
	listing.n_entries = (size_t)n_entries;
	for (size_t i = 0; i < listing.n_entries; i++) {
		const char *name = listing.entries[i]->d_name;
		const size_t len = strlen(from->chain) + strlen(name) + 2;
		char *path;

		if (!is_chain_name(name))
			continue;
		path = memory_zone_alloc(&loading->zone, len);
		(void)snprintf(path, len, "%s/%s", from->chain, name);
		add_job(loading, &listing, path, from);
	}
	for (size_t i = 0; i < listing.n_entries; i++)
		free(listing.entries[i]);
	free(listing.entries);
}

static void run_job(struct loading *loading, struct key_context *context, struct job *job)
{
	const char *name = job->files.paths[CERT_FILE_CHAIN];
	struct cert *before = loading->before != NULL ? cert_set_find(loading->before, name) : NULL;
	struct text reason = {0};

	if (before != NULL && cert_is_current(before, &job->files)) {
		job->cert = cert_reference(before);
		return;
	}
	job->cert = cert_load(context, name, &job->files, &reason);
	if (job->cert != NULL)
		job->cert->ocsp_fetch = job->ocsp_fetch;
	else
		job->fault = memory_string(text_string(&reason));
	text_free(&reason);
}

static void *run_jobs(void *argument)
{
	struct loading *loading = argument;
	struct key_context *context = key_context_create();

	SLUICE_ASSERT(context != NULL);
	for (;;) {
		const size_t idx = atomic_fetch_add(&loading->next, 1);

		if (idx >= loading->n_jobs)
			break;
		run_job(loading, context, &loading->jobs[idx]);
	}
	key_context_destroy(context);
	return NULL;
}

static void run_threads(struct loading *loading, unsigned n_threads)
{
	pthread_t threads[THREADS_MAX];
	unsigned n_started = 0;

	if (n_threads > THREADS_MAX)
		n_threads = THREADS_MAX;
	while (n_started + 1 < n_threads && n_started + 1 < loading->n_jobs &&
		pthread_create(&threads[n_started], NULL, run_jobs, loading) == 0)
		n_started++;
	(void)run_jobs(loading);
	for (unsigned i = 0; i < n_started; i++)
		(void)pthread_join(threads[i], NULL);
}

static int compare_names(const void *a, const void *b)
{
	const struct cert_name *one = a;
	const struct cert_name *other = b;
	const int order = strcmp(one->name, other->name);

	return order != 0 ? order : (one->cert_idx > other->cert_idx) - (one->cert_idx < other->cert_idx);
}

static int compare_certs(const void *a, const void *b)
{
	return strcmp((*(struct cert *const *)a)->name, (*(struct cert *const *)b)->name);
}

// Directories are read in order, so that there is seldom something to do.
static bool is_sorted(const struct cert_set *set)
{
	for (size_t i = 1; i < set->n_certs; i++)
		if (compare_certs(&set->by_name[i - 1], &set->by_name[i]) > 0)
			return false;
	return true;
}

static void sort_certs(struct cert_set *set)
{
	free(set->by_name);
	set->by_name = memory_alloc(set->n_certs, sizeof set->by_name[0]);
	if (set->n_certs != 0) {
		memcpy(set->by_name, set->certs, set->n_certs * sizeof set->by_name[0]);
		if (!is_sorted(set))
			qsort(set->by_name, set->n_certs, sizeof set->by_name[0], compare_certs);
	}
}

static void build_index(struct cert_set *set)
{
	size_t capacity = 0;

	sort_certs(set);
	for (size_t i = 0; i < set->n_certs; i++) {
		char name[CERTIFICATE_NAME_MAX];
		size_t cursor = 0;

		while (certificate_next_name(cert_leaf(set->certs[i]), &cursor, name)) {
			set->names = memory_grow(
				set->names, &capacity, set->n_names + 1, sizeof set->names[0]);
			set->names[set->n_names++] = (struct cert_name){
				.name = memory_zone_string(&set->zone, name, strlen(name)),
				.cert_idx = (uint32_t)i};
		}
	}
	if (set->n_names != 0)
		qsort(set->names, set->n_names, sizeof set->names[0], compare_names);
}

static void append(struct cert_set *set, struct cert *cert)
{
	set->certs = memory_grow(set->certs, &set->capacity, set->n_certs + 1, sizeof(struct cert *));
	set->certs[set->n_certs++] = cert;
}

static struct cert *find_sorted(struct cert *const *sorted, size_t n, const char *name)
{
	size_t low = 0;
	size_t high = n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(sorted[middle]->name, name);

		if (order == 0)
			return sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

// Certificates that came over the socket stay when the configuration does not name them.
static void keep_unsaved(struct cert_set *set, const struct cert_set *before)
{
	const size_t n_loaded = set->n_certs;

	sort_certs(set);
	for (size_t i = 0; before != NULL && i < before->n_certs; i++) {
		struct cert *cert = before->certs[i];

		if (cert->unsaved && find_sorted(set->by_name, n_loaded, cert->name) == NULL)
			append(set, cert_reference(cert));
	}
}

// The authorities that a listener believes for client certificates, out of their PEM file.
static bool add_authorities(struct cert_set *set, const struct config_listener *listener, size_t idx,
	struct config_errors *errors)
{
	struct text reason = {0};
	struct span authorities = cert_read_authorities(&set->zone, listener->client_auth.ca, &reason);

	if (authorities.len == 0)
		config_error(
			errors, listener->client_auth.mark, "client-auth.ca", "%s", text_string(&reason));
	set->authorities[idx] = authorities;
	text_free(&reason);
	return authorities.len != 0;
}

static void load_authorities(struct cert_set *set, const struct config *config, struct config_errors *errors)
{
	set->authorities = memory_zone_alloc(
		&set->zone, (config->n_listeners + 1) * sizeof set->authorities[0]);
	set->n_authorities = config->n_listeners;
	for (size_t i = 0; i < config->n_listeners; i++)
		if (config->listeners[i].client_auth.mode != CONFIG_CLIENT_AUTH_OFF)
			(void)add_authorities(set, &config->listeners[i], i, errors);
}

// A later set of the same configuration has the same authorities.
static void copy_authorities(struct cert_set *set, const struct cert_set *from)
{
	set->n_authorities = from->n_authorities;
	set->authorities = memory_zone_alloc(
		&set->zone, (from->n_authorities + 1) * sizeof set->authorities[0]);
	for (size_t i = 0; i < from->n_authorities; i++) {
		const struct span authorities = from->authorities[i];

		if (authorities.len != 0)
			set->authorities[i] = span_of(
				memory_zone_string(
					&set->zone, (const char *)authorities.data, authorities.len),
				authorities.len);
	}
}

struct cert_set *cert_set_load(const struct config *config, const struct cert_set *before, unsigned n_threads,
	struct config_errors *errors)
{
	struct loading loading = {.before = before, .errors = errors};
	struct cert_set *set = memory_alloc(1, sizeof *set);
	struct stat status;

	for (size_t i = 0; i < config->n_certificates; i++) {
		const struct config_certificate *from = &config->certificates[i];

		if (stat(from->chain, &status) == 0 && S_ISDIR(status.st_mode))
			add_directory(&loading, from);
		else
			add_job(&loading, NULL, from->chain, from);
	}
	run_threads(&loading, n_threads);
	for (size_t i = 0; i < loading.n_jobs; i++) {
		struct job *job = &loading.jobs[i];

		if (job->cert != NULL)
			append(set, job->cert);
		else
			config_error(errors, job->mark, "certificates", "%s: %s",
				job->files.paths[CERT_FILE_CHAIN], job->fault);
		free(job->fault);
	}
	keep_unsaved(set, before);
	load_authorities(set, config, errors);
	free(loading.jobs);
	memory_zone_free(&loading.zone);
	if (errors->n != 0) {
		cert_set_free(set);
		return NULL;
	}
	build_index(set);
	return set;
}

struct cert_set *cert_set_with_all(const struct cert_set *set, struct cert *const *certs, size_t n_certs)
{
	struct cert_set *copy = memory_alloc(1, sizeof *copy);
	struct cert **sorted = memory_alloc(n_certs, sizeof sorted[0]);

	memcpy(sorted, certs, n_certs * sizeof sorted[0]);
	qsort(sorted, n_certs, sizeof sorted[0], compare_certs);
	for (size_t i = 0; i < set->n_certs; i++) {
		struct cert *instead = find_sorted(sorted, n_certs, set->certs[i]->name);

		append(copy, cert_reference(instead != NULL ? instead : set->certs[i]));
	}
	for (size_t i = 0; i < n_certs; i++)
		if (cert_set_find(set, certs[i]->name) == NULL)
			append(copy, cert_reference(certs[i]));
	free(sorted);
	copy_authorities(copy, set);
	build_index(copy);
	return copy;
}

struct cert_set *cert_set_with(const struct cert_set *set, struct cert *cert)
{
	return cert_set_with_all(set, &cert, 1);
}

struct cert_set *cert_set_without(const struct cert_set *set, const char *name)
{
	struct cert_set *copy = memory_alloc(1, sizeof *copy);

	for (size_t i = 0; i < set->n_certs; i++)
		if (strcmp(set->certs[i]->name, name) != 0)
			append(copy, cert_reference(set->certs[i]));
	copy_authorities(copy, set);
	build_index(copy);
	return copy;
}

struct cert_set *cert_set_copy(const struct cert_set *set)
{
	struct cert_set *copy = memory_alloc(1, sizeof *copy);

	for (size_t i = 0; i < set->n_certs; i++)
		append(copy, cert_reference(set->certs[i]));
	sort_certs(copy);
	return copy;
}

void cert_set_free(struct cert_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n_certs; i++)
		cert_release(set->certs[i]);
	free(set->certs);
	free(set->by_name);
	free(set->names);
	memory_zone_free(&set->zone);
	free(set);
}

struct cert *cert_set_find(const struct cert_set *set, const char *name)
{
	return find_sorted(set->by_name, set->n_certs, name);
}

// The first entry whose name is not before the given one.
static size_t lower_bound(const struct cert_set *set, const char *name)
{
	size_t low = 0;
	size_t high = set->n_names;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (strcmp(set->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t find_name(const struct cert_set *set, const char *name, size_t *out_n)
{
	const size_t first = lower_bound(set, name);
	size_t last = first;

	while (last < set->n_names && strcmp(set->names[last].name, name) == 0)
		last++;
	*out_n = last - first;
	return last != first ? first : SIZE_MAX;
}

size_t cert_set_lookup(const struct cert_set *set, const char *server_name, size_t *out_n)
{
	char wildcard[CERTIFICATE_NAME_MAX + 2];
	char name[CERTIFICATE_NAME_MAX + 1] = "";
	const char *dot;
	size_t found;

	*out_n = 0;
	if (strlen(server_name) >= CERTIFICATE_NAME_MAX)
		return SIZE_MAX;
	for (size_t i = 0; server_name[i] != '\0'; i++) {
		const char c = server_name[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		name[i + 1] = '\0';
	}
	found = find_name(set, name, out_n);
	dot = strchr(name, '.');
	if (found != SIZE_MAX || dot == NULL)
		return found;
	// RFC 6125 6.4.3: "*" stands for exactly the first label.
	(void)snprintf(wildcard, sizeof wildcard, "*%s", dot);
	return find_name(set, wildcard, out_n);
}
