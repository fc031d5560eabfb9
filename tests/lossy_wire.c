// SPDX-License-Identifier: Apache-2.0
//
// A wire between two TAP devices, each in a network namespace of its own, that does harm by a seed:
//
//   lossy-wire --left NETNS,DEVICE --right NETNS,DEVICE [--seed 1] [--loss PPM] [--duplicate PPM]
//       [--reorder PPM] [--reorder-us 2000] [--delay-us 0] [--rate-mbit 0] [--queue-bytes 300000]
//
//   frame in --> lost? --> waits for the rate, or finds the queue full --> delay (longer when reordered) -->
//   frame out
//
// A frame's fate depends on the seed, its direction and how many came before it, on nothing else, so that two
// senders meet the same wire. The delay is one way. SIGTERM ends it and prints what was done.
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAMES_MAX = 8192, // under way, each direction
	FRAME_LEN_MAX = 2048,
	READ_BURST = 64,
	WIRE_OVERHEAD = 24 // preamble, checksum and gap of each Ethernet frame
};

struct frame {
	uint64_t due_us;
	uint32_t next;
	uint32_t len;
	uint8_t bytes[FRAME_LEN_MAX];
};

// What enters at fd `in` leaves at fd `out`. Frames under way are a list in the order of their due times.
struct direction {
	int in, out;
	uint64_t random;
	uint64_t free_us; // when the rate lets the next frame begin, in 1/1024 us
	uint32_t head, tail, unused;
	uint64_t n_frames, n_lost, n_overflowed, n_reordered, n_duplicated;
	struct frame frames[FRAMES_MAX];
};

static struct wire {
	uint32_t loss_ppm, duplicate_ppm, reorder_ppm, reorder_us, delay_us, rate_mbit, queue_bytes;
	uint64_t seed;
	struct direction directions[2];
} wire = {.seed = 1, .reorder_us = 2000, .queue_bytes = 300000};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// splitmix64.
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool happens(uint64_t draw, uint32_t ppm)
{
	return draw % 1000000 < ppm;
}

// Makes the TAP device in the namespace that `place` names before its comma.
static int open_tap(char *place)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	char *comma = strchr(place, ',');
	char path[128];
	int space, fd;

	if (comma == NULL || strlen(comma + 1) >= sizeof request.ifr_name) {
		fprintf(stderr, "%s: NETNS,DEVICE\n", place);
		exit(2);
	}
	*comma = 0;
	(void)snprintf(path, sizeof path, "/run/netns/%s", place);
	space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET) != 0)
		die(path);
	(void)close(space);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	memcpy(request.ifr_name, comma + 1, strlen(comma + 1));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
		die(comma + 1);
	return fd;
}

static void put_in_order(struct direction *d, uint32_t idx)
{
	struct frame *frame = &d->frames[idx];
	uint32_t *link = &d->head;

	if (d->tail != UINT32_MAX && d->frames[d->tail].due_us <= frame->due_us)
		link = &d->frames[d->tail].next;
	while (*link != UINT32_MAX && d->frames[*link].due_us <= frame->due_us)
		link = &d->frames[*link].next;
	frame->next = *link;
	*link = idx;
	if (frame->next == UINT32_MAX)
		d->tail = idx;
}

// When the frame has left through the bottleneck; 0: its queue is full.
static uint64_t leaves_us(struct direction *d, uint32_t len, uint64_t now)
{
	uint64_t cost;

	if (wire.rate_mbit == 0)
		return now;
	if (d->free_us < now << 10)
		d->free_us = now << 10;
	if ((d->free_us - (now << 10)) * wire.rate_mbit > (uint64_t)wire.queue_bytes * 8 << 10)
		return 0;
	cost = ((uint64_t)len + WIRE_OVERHEAD) * 8 * 1024 / wire.rate_mbit;
	d->free_us += cost;
	return d->free_us >> 10;
}

static void send_on(struct direction *d, const uint8_t *bytes, uint32_t len, uint64_t due_us)
{
	uint32_t idx = d->unused;

	if (idx == UINT32_MAX) {
		d->n_overflowed++;
		return;
	}
	d->unused = d->frames[idx].next;
	d->frames[idx].due_us = due_us;
	d->frames[idx].len = len;
	memcpy(d->frames[idx].bytes, bytes, len);
	put_in_order(d, idx);
}

static void take_frame(struct direction *d, const uint8_t *bytes, uint32_t len, uint64_t now)
{
	uint64_t lost = next_random(&d->random), late = next_random(&d->random),
		 twice = next_random(&d->random);
	uint64_t due_us;

	d->n_frames++;
	if (happens(lost, wire.loss_ppm)) {
		d->n_lost++;
		return;
	}
	due_us = leaves_us(d, len, now);
	if (due_us == 0) {
		d->n_overflowed++;
		return;
	}
	due_us += wire.delay_us;
	if (happens(late, wire.reorder_ppm)) {
		d->n_reordered++;
		due_us += wire.reorder_us;
	}
	send_on(d, bytes, len, due_us);
	if (happens(twice, wire.duplicate_ppm)) {
		d->n_duplicated++;
		send_on(d, bytes, len, due_us);
	}
}

static void read_frames(struct direction *d)
{
	uint8_t bytes[FRAME_LEN_MAX];

	for (uint32_t i = 0; i < READ_BURST; i++) {
		ssize_t len = read(d->in, bytes, sizeof bytes);

		if (len <= 0)
			return;
		take_frame(d, bytes, (uint32_t)len, now_us());
	}
}

static void deliver(struct direction *d, uint64_t now)
{
	while (d->head != UINT32_MAX && d->frames[d->head].due_us <= now) {
		struct frame *frame = &d->frames[d->head];
		uint32_t idx = d->head;

		(void)!write(d->out, frame->bytes, frame->len); // a device that is down loses it
		d->head = frame->next;
		if (d->head == UINT32_MAX)
			d->tail = UINT32_MAX;
		frame->next = d->unused;
		d->unused = idx;
	}
}

static void run(void)
{
	struct direction *directions = wire.directions;
	struct pollfd fds[2] = {
		{.fd = directions[0].in, .events = POLLIN}, {.fd = directions[1].in, .events = POLLIN}};

	while (!stop) {
		uint64_t due_us = UINT64_MAX;
		uint64_t now = now_us();
		struct timespec timeout = {.tv_sec = 1};

		for (uint32_t i = 0; i < 2; i++)
			if (directions[i].head != UINT32_MAX &&
				directions[i].frames[directions[i].head].due_us < due_us)
				due_us = directions[i].frames[directions[i].head].due_us;
		if (due_us != UINT64_MAX) {
			uint64_t left_us = due_us > now ? due_us - now : 0;

			timeout = (struct timespec){.tv_sec = (time_t)(left_us / 1000000),
				.tv_nsec = (long)(left_us % 1000000) * 1000};
		}
		(void)ppoll(fds, 2, &timeout, NULL);
		for (uint32_t i = 0; i < 2; i++) {
			read_frames(&directions[i]);
			deliver(&directions[i], now_us());
		}
	}
}

static void init_direction(struct direction *d, uint32_t number)
{
	uint64_t mixed = wire.seed * 2 + number;

	d->random = next_random(&mixed);
	d->head = d->tail = UINT32_MAX;
	for (uint32_t i = 0; i < FRAMES_MAX; i++)
		d->frames[i].next = i + 1 < FRAMES_MAX ? i + 1 : UINT32_MAX;
	d->unused = 0;
}

static void take_arguments(int argc, char **argv, char *places[2])
{
	static const struct option options[] = {{"left", 1, NULL, 'l'}, {"right", 1, NULL, 'r'},
		{"seed", 1, NULL, 's'}, {"loss", 1, NULL, 'L'}, {"duplicate", 1, NULL, 'D'},
		{"reorder", 1, NULL, 'R'}, {"reorder-us", 1, NULL, 'u'}, {"delay-us", 1, NULL, 'd'},
		{"rate-mbit", 1, NULL, 'm'}, {"queue-bytes", 1, NULL, 'q'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint32_t number = optarg != NULL ? (uint32_t)strtoul(optarg, NULL, 0) : 0;

		switch (option) {
		case 'l':
			places[0] = optarg;
			break;
		case 'r':
			places[1] = optarg;
			break;
		case 's':
			wire.seed = number;
			break;
		case 'L':
			wire.loss_ppm = number;
			break;
		case 'D':
			wire.duplicate_ppm = number;
			break;
		case 'R':
			wire.reorder_ppm = number;
			break;
		case 'u':
			wire.reorder_us = number;
			break;
		case 'd':
			wire.delay_us = number;
			break;
		case 'm':
			wire.rate_mbit = number;
			break;
		case 'q':
			wire.queue_bytes = number;
			break;
		default:
			exit(2);
		}
	}
	if (places[0] == NULL || places[1] == NULL) {
		fprintf(stderr, "see the head of tests/lossy_wire.c\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	char *places[2] = {NULL, NULL};
	int fds[2];

	take_arguments(argc, argv, places);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); // nanoseconds; the default of 50 us would blur delays
	for (uint32_t i = 0; i < 2; i++)
		fds[i] = open_tap(places[i]);
	for (uint32_t i = 0; i < 2; i++) {
		init_direction(&wire.directions[i], i);
		wire.directions[i].in = fds[i];
		wire.directions[i].out = fds[1 - i];
	}
	printf("ready\n");
	(void)fflush(stdout);
	run();
	for (uint32_t i = 0; i < 2; i++) {
		const struct direction *d = &wire.directions[i];

		printf("%s frames %llu lost %llu overflowed %llu reordered %llu duplicated %llu\n",
			i == 0 ? "right" : "left", (unsigned long long)d->n_frames,
			(unsigned long long)d->n_lost, (unsigned long long)d->n_overflowed,
			(unsigned long long)d->n_reordered, (unsigned long long)d->n_duplicated);
	}
	return 0;
}
