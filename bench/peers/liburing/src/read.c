/* Random reads of 4 KiB: as many in flight as the job has tasks. The variant "registered" registers
 * file and buffers. */

#include "bench.h"

struct slot {
    uint64_t random;
    uint64_t page;
};

struct reads {
    struct io_uring ring;
    int fd; /* or its index, if registered */
    bool registered;
    char *memory; /* a page for each slot, aligned */
    struct slot *slots;
};

static void start(struct reads *reads, unsigned number)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&reads->ring);
    struct slot *slot = &reads->slots[number];
    char *buffer = reads->memory + (size_t)number * PAGE_BYTES;

    slot->page = random_page(&slot->random);
    if (reads->registered) {
        io_uring_prep_read_fixed(sqe, reads->fd, buffer, PAGE_BYTES, slot->page * PAGE_BYTES, 0);
        sqe->flags |= IOSQE_FIXED_FILE;
    } else {
        io_uring_prep_read(sqe, reads->fd, buffer, PAGE_BYTES, slot->page * PAGE_BYTES);
    }
    io_uring_sqe_set_data64(sqe, number);
}

static void begin(struct reads *reads, const struct job *job, int fd)
{
    size_t bytes = (size_t)job->tasks * PAGE_BYTES;
    struct iovec all;
    int error;

    ring_begin(&reads->ring, job->tasks < 8 ? 8 : job->tasks);
    reads->fd = fd;
    reads->registered = strcmp(job->variant, "registered") == 0;
    reads->slots = calloc(job->tasks, sizeof *reads->slots);
    if (!reads->slots || posix_memalign((void **)&reads->memory, PAGE_BYTES, bytes))
        fail("no memory", 0);
    memset(reads->memory, 0, bytes);
    for (unsigned number = 0; number < job->tasks; number++)
        reads->slots[number].random = random_begin(number);
    if (reads->registered) {
        all = (struct iovec){ .iov_base = reads->memory, .iov_len = bytes };
        error = io_uring_register_files(&reads->ring, &fd, 1);
        if (!error)
            error = io_uring_register_buffers(&reads->ring, &all, 1);
        if (error)
            fail("io_uring_register", error);
        reads->fd = 0;
    }
}

int read_pages(const struct job *job, int fd)
{
    struct reads reads;
    struct meter meter;
    unsigned in_flight = job->tasks;
    bool going = true;

    begin(&reads, job, fd);
    meter_begin(&meter, job);
    for (unsigned number = 0; number < job->tasks; number++)
        start(&reads, number);
    while (in_flight) {
        struct io_uring_cqe *cqe;
        unsigned head, reaped = 0;
        int error = io_uring_submit_and_wait(&reads.ring, 1);

        if (error < 0 && error != -EINTR)
            fail("io_uring_submit_and_wait", error);
        io_uring_for_each_cqe(&reads.ring, head, cqe) {
            unsigned number = io_uring_cqe_get_data64(cqe);
            const char *bytes = reads.memory + (size_t)number * PAGE_BYTES;

            if (cqe->res < 0)
                fail("a read", cqe->res);
            if (!page_is(reads.slots[number].page, bytes, cqe->res))
                fail("a read gave other bytes than that page's", 0);
            reaped++;
            in_flight--;
            going = going && meter_tick(&meter);
            if (going) {
                start(&reads, number);
                in_flight++;
            }
        }
        io_uring_cq_advance(&reads.ring, reaped);
    }
    return meter_end(&meter);
}

int read_cached(const struct job *job)
{
    int fd = open(job->file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        fail(job->file, -errno);
    return read_pages(job, fd);
}
