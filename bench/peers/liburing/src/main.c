/* liburing: its loops in C, one file for each workload. */

#define _GNU_SOURCE
#include "bench.h"

#include <sched.h>
#include <time.h>

static const struct {
    const char *family;
    int (*run)(const struct job *job);
} WORKLOADS[] = {
    { "nop", nop },
    { "read", read_cached },
    { "direct", read_direct },
    { "echo", echo },
};

enum { COUNT = sizeof WORKLOADS / sizeof WORKLOADS[0] };

/* Seconds after which a program that should have ended is ended; valgrind is slow. */
enum { GRACE = 60, GRACE_COUNTED = 600 };

_Noreturn void fail(const char *what, int error)
{
    if (error)
        fprintf(stderr, "%s: %s\n", what, strerror(-error));
    else
        fprintf(stderr, "%s\n", what);
    exit(1);
}

/* The value of an argument of this name; nothing if it is another. */
static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

static void set(struct job *job, const char *argument)
{
    const char *value;

    if ((value = value_of(argument, "--workload=")))
        job->workload = value;
    else if ((value = value_of(argument, "--variant=")))
        job->variant = value;
    else if ((value = value_of(argument, "--file=")))
        job->file = value;
    else if ((value = value_of(argument, "--tasks=")))
        job->tasks = strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "--bytes=")))
        job->bytes = strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "--depth=")))
        job->depth = strtoul(value, NULL, 10);
    else if ((value = value_of(argument, "--seconds=")))
        job->seconds = strtod(value, NULL);
    else if ((value = value_of(argument, "--batch=")))
        job->batch = strtoull(value, NULL, 10);
    else if ((value = value_of(argument, "--ops=")))
        job->ops = strtoull(value, NULL, 10);
    else if ((value = value_of(argument, "--cpu=")))
        job->cpu = atoi(value);
    /* The rest is for other workloads. */
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("sched_setaffinity", -errno);
}

int main(int count, char **arguments)
{
    struct job job = {
        .workload = "", .variant = "", .file = "/dev/null",
        .tasks = 1, .bytes = 64, .depth = 1, .seconds = 1, .batch = 1024, .cpu = -1,
    };

    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        for (int i = 0; i < COUNT; i++)
            puts(WORKLOADS[i].family);
        return 0;
    }
    for (int i = 1; i < count; i++)
        set(&job, arguments[i]);
    if (job.cpu >= 0)
        pin(job.cpu);
    alarm(2 * (unsigned)job.seconds + (job.ops ? GRACE_COUNTED : GRACE));
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(WORKLOADS[i].family, job.workload) == 0)
            return WORKLOADS[i].run(&job);
    }
    fail("no such workload in this program", 0);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void meter_begin(struct meter *meter, const struct job *job)
{
    uint64_t window_ns = job->seconds * 1e9;

    *meter = (struct meter){
        .stage = job->ops ? COUNTING : WARMING,
        .left = job->ops ? job->ops : job->batch,
        .batch = job->batch,
        .made_ns = now_ns(CLOCK_MONOTONIC),
        .warm_ns = window_ns / 10,
        .window_ns = window_ns,
        .ops = job->ops,
    };
}

bool meter_checkpoint(struct meter *meter)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);

    switch (meter->stage) {
    case COUNTING:
        meter->stage = OVER;
        break;
    case WARMING:
        if (now - meter->made_ns < meter->warm_ns)
            break;
        meter->stage = MEASURING;
        meter->since_ns = now;
        meter->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        break;
    case MEASURING:
        meter->ops += meter->batch;
        if (now - meter->since_ns < meter->window_ns)
            break;
        meter->stage = OVER;
        meter->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - meter->cpu_ns;
        meter->since_ns = now - meter->since_ns;
        break;
    case OVER:
        break;
    }
    meter->left = meter->stage == OVER ? 0 : meter->batch;
    return meter->stage != OVER;
}

/* Says the sample, once the meter has said that it is enough. */
int meter_end(const struct meter *meter)
{
    if (meter->stage != OVER)
        fail("the loop ended before its time", 0);
    printf("{\"ops\":%llu,\"cpu_ns\":%llu,\"wall_ns\":%llu}\n", (unsigned long long)meter->ops,
           (unsigned long long)meter->cpu_ns, (unsigned long long)meter->since_ns);
    return 0;
}

void ring_begin(struct io_uring *ring, unsigned entries)
{
    ring_begin_sized(ring, entries, 0);
}

void ring_begin_sized(struct io_uring *ring, unsigned entries, unsigned cq_entries)
{
    static const unsigned LADDER[] = {
#ifdef IORING_SETUP_DEFER_TASKRUN
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
#endif
#ifdef IORING_SETUP_COOP_TASKRUN
        IORING_SETUP_COOP_TASKRUN,
#endif
        0,
    };
    int error = 0;

    for (size_t i = 0; i < sizeof LADDER / sizeof LADDER[0]; i++) {
        struct io_uring_params params = { .flags = LADDER[i], .cq_entries = cq_entries };

        if (cq_entries)
            params.flags |= IORING_SETUP_CQSIZE;
        error = io_uring_queue_init_params(entries, ring, &params);
        if (error != -EINVAL)
            break;
    }
    if (error)
        fail("io_uring_queue_init", error);
    /* As io_uring_register_ring_fd(3) recommends for a ring that one thread enters often. */
    io_uring_register_ring_fd(ring);
}
