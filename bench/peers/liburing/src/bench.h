/* What the workloads of this program share: the counterpart of the crate annulus-bench.
 *
 * A program is asked for a job by its arguments, and answers with a line of JSON. It counts the
 * same, picks the same pages and checks the same bytes as every other peer. */

#pragma once

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGES = 25600 };

/* What the program is asked for; see job.rs. */
struct job {
    const char *workload;
    const char *variant;
    const char *file;
    unsigned tasks;
    unsigned bytes; /* of a message */
    unsigned depth; /* messages that a connection has outstanding */
    double seconds;
    uint64_t batch; /* operations between two looks at the clock */
    uint64_t ops;   /* so many operations instead, and no clock; 0 for none */
    int cpu;        /* -1 for any */
};

/* Counts operations, and measures CPU time over a window of them; see meter.rs. */
struct meter {
    uint64_t left;
    uint64_t batch;
    enum { COUNTING, WARMING, MEASURING, OVER } stage;
    uint64_t made_ns, warm_ns, window_ns;
    uint64_t since_ns, cpu_ns, ops;
};

void meter_begin(struct meter *meter, const struct job *job);
bool meter_checkpoint(struct meter *meter);
int meter_end(const struct meter *meter);

/* One more operation is done. False if that is enough. */
static inline bool meter_tick(struct meter *meter)
{
    if (meter->left > 1) {
        meter->left--;
        return true;
    }
    return meter_checkpoint(meter);
}

/* Numbers without order, the same in each run (xorshift64*); see pages.rs. */
static inline uint64_t random_begin(unsigned seed)
{
    return ((uint64_t)seed + 1) * 0x9e3779b97f4a7c15;
}

static inline uint64_t random_page(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return ((*state * 0x2545f4914f6cdd1d) >> 32) * PAGES >> 32;
}

/* Whether these bytes are that page. */
static inline bool page_is(uint64_t page, const char *bytes, int count)
{
    return count == PAGE_BYTES && memcmp(bytes, &page, sizeof page) == 0;
}

/* Ends the program with a reason, for which errno may be given as a negative number. */
_Noreturn void fail(const char *what, int error);

/* A ring for one thread that waits for its completions, as far as the kernel has that. */
void ring_begin(struct io_uring *ring, unsigned entries);

/* The same with a completion queue of this size; 0 for the usual one. */
void ring_begin_sized(struct io_uring *ring, unsigned entries, unsigned cq_entries);

/* Listens on loopback, tells the driver where and answers it from then on; the listener. */
int serve(void);

int nop(const struct job *job);
int read_cached(const struct job *job);
int read_direct(const struct job *job);
int echo(const struct job *job);

/* Keeps reads of this file in flight; for the two above. */
int read_pages(const struct job *job, int fd);
