/* The reads of read.c past the page cache. */

#define _GNU_SOURCE
#include "bench.h"

int read_direct(const struct job *job)
{
    int fd = open(job->file, O_RDONLY | O_CLOEXEC | O_DIRECT);

    if (fd < 0)
        fail(job->file, -errno);
    return read_pages(job, fd);
}
