/* What a measured server says and hears; see server.rs. It listens on loopback, tells the driver
 * where, and answers it from a thread of its own. */

#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BACKLOG = 4096 };

static uint64_t cpu_time_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    unsigned long all, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file) {
        if (fscanf(file, "%lu %lu", &all, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return (uint64_t)resident * 4096;
}

/* Gives CPU time and memory for each line of input; ends the process with its input. */
static void *answer(void *nothing)
{
    char line[64];

    while (fgets(line, sizeof line, stdin)) {
        printf("{\"cpu_ns\":%llu,\"resident_bytes\":%llu}\n", (unsigned long long)cpu_time_ns(),
               (unsigned long long)resident_bytes());
        fflush(stdout);
    }
    exit(0);
    return nothing;
}

int serve(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof address;
    struct rlimit limit;
    pthread_t thread;
    int yes = 1, error;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (listener < 0 || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) ||
        bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        fail("a listening socket", -errno);
    error = pthread_create(&thread, NULL, answer, NULL);
    if (error)
        fail("a thread", -error);
    printf("{\"listening\":\"127.0.0.1:%u\"}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}
