/* No-ops: as many in flight as the job has tasks. */

#include "bench.h"

int nop(const struct job *job)
{
    struct io_uring ring;
    struct meter meter;
    unsigned free = job->tasks;

    ring_begin(&ring, job->tasks < 8 ? 8 : job->tasks);
    meter_begin(&meter, job);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        int error;

        for (; free; free--)
            io_uring_prep_nop(io_uring_get_sqe(&ring));
        error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR)
            fail("io_uring_submit_and_wait", error);
        io_uring_for_each_cqe(&ring, head, cqe) {
            if (cqe->res < 0)
                fail("a no-op", cqe->res);
            free++;
            if (!meter_tick(&meter))
                return meter_end(&meter);
        }
        io_uring_cq_advance(&ring, free);
    }
}
