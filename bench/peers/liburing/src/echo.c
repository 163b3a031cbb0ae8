/* An echo server: multishot accept into direct descriptors, multishot receive into provided
 * buffers, and a send from the buffer that was received into. The counterpart of limit/echo.rs. */

#include "bench.h"

#include <sys/socket.h>

enum { ACCEPT, RECV, SEND, CLOSE };
enum { NONE = UINT16_MAX, GROUP = 0, RING_ENTRIES = 256, CQ_ENTRIES = 8192 };
/* Of a buffer, and of all of them; see limit/pool.rs. */
enum { BUFFER_BYTES_MIN = 1024, BUFFER_BYTES_MAX = 65536, POOL_BYTES = 512 << 20 };

/* A buffer that is to be sent, by its number. */
struct piece {
    uint32_t bytes;
    uint16_t next;
};

struct connection {
    uint16_t first, last; /* the queue; the first of it is in flight while `sending` */
    bool sending, receiving, failed;
};

struct server {
    struct io_uring ring;
    int listener;
    struct io_uring_buf_ring *offered;
    unsigned buffers, buffer_bytes;
    unsigned given; /* not seen by the kernel yet */
    char *memory;
    struct piece *pieces; /* by buffer */
    struct connection *connections; /* by direct descriptor */
    unsigned *starved, starved_count;
};

static struct io_uring_sqe *entry(struct server *server)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);

    if (!sqe) {
        io_uring_submit(&server->ring);
        sqe = io_uring_get_sqe(&server->ring);
    }
    if (!sqe)
        fail("the submission queue stays full", 0);
    return sqe;
}

static void named(struct io_uring_sqe *sqe, unsigned kind, unsigned slot)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)kind << 32 | slot);
}

static void start_accept(struct server *server)
{
    struct io_uring_sqe *sqe = entry(server);

    io_uring_prep_multishot_accept_direct(sqe, server->listener, NULL, NULL, 0);
    named(sqe, ACCEPT, 0);
}

static void start_receive(struct server *server, unsigned slot)
{
    struct io_uring_sqe *sqe = entry(server);

    io_uring_prep_recv_multishot(sqe, slot, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    named(sqe, RECV, slot);
    server->connections[slot].receiving = true;
}

static char *buffer(const struct server *server, unsigned number)
{
    return server->memory + (size_t)number * server->buffer_bytes;
}

static void give(struct server *server, unsigned number)
{
    io_uring_buf_ring_add(server->offered, buffer(server, number), server->buffer_bytes, number,
                          io_uring_buf_ring_mask(server->buffers), server->given++);
}

static void publish(struct server *server)
{
    io_uring_buf_ring_advance(server->offered, server->given);
    server->given = 0;
}

/* Sends what is next; closes what has nothing left to do. */
static void go_on(struct server *server, unsigned slot)
{
    struct connection *connection = &server->connections[slot];
    struct io_uring_sqe *sqe;
    unsigned number;

    if (connection->sending)
        return;
    while (connection->failed && connection->first != NONE) {
        number = connection->first;
        connection->first = server->pieces[number].next;
        give(server, number);
    }
    if (connection->first != NONE) {
        number = connection->first;
        sqe = entry(server);
        io_uring_prep_send(sqe, slot, buffer(server, number), server->pieces[number].bytes,
                           MSG_WAITALL | MSG_NOSIGNAL);
        sqe->flags |= IOSQE_FIXED_FILE;
        named(sqe, SEND, slot);
        connection->sending = true;
    } else if (!connection->receiving) {
        sqe = entry(server);
        io_uring_prep_close_direct(sqe, slot);
        named(sqe, CLOSE, slot);
    }
}

static void accepted(struct server *server, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        start_accept(server);
    if (cqe->res < 0) {
        if (cqe->res != -ECONNABORTED)
            fail("accept", cqe->res);
        return;
    }
    server->connections[cqe->res] = (struct connection){ .first = NONE };
    start_receive(server, cqe->res);
}

static void received(struct server *server, unsigned slot, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &server->connections[slot];

    if (!(cqe->flags & IORING_CQE_F_MORE))
        connection->receiving = false;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        uint16_t number = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        if (cqe->res > 0 && !connection->failed) {
            server->pieces[number] = (struct piece){ .bytes = cqe->res, .next = NONE };
            if (connection->first == NONE)
                connection->first = number;
            else
                server->pieces[connection->last].next = number;
            connection->last = number;
        } else {
            give(server, number);
        }
    }
    if (cqe->res == -ENOBUFS) {
        connection->receiving = true;
        server->starved[server->starved_count++] = slot;
    } else if (cqe->res < 0) {
        connection->failed = true;
    } else if (cqe->res > 0 && !connection->receiving && !connection->failed) {
        start_receive(server, slot);
    }
    go_on(server, slot);
}

static void sent(struct server *server, unsigned slot, const struct io_uring_cqe *cqe)
{
    struct connection *connection = &server->connections[slot];
    unsigned number = connection->first;

    connection->sending = false;
    connection->failed |= cqe->res != (int)server->pieces[number].bytes;
    connection->first = server->pieces[number].next;
    give(server, number);
    go_on(server, slot);
}

static void begin(struct server *server, const struct job *job)
{
    unsigned slots = 2 * job->tasks + 64;
    struct io_uring_buf_reg group = { .bgid = GROUP };
    size_t bytes;
    int error;

    for (server->buffers = 64; server->buffers < 2 * job->tasks && server->buffers < 16384;)
        server->buffers *= 2;
    bytes = job->bytes * job->depth;
    if (bytes < BUFFER_BYTES_MIN)
        bytes = BUFFER_BYTES_MIN;
    if (bytes > BUFFER_BYTES_MAX)
        bytes = BUFFER_BYTES_MAX;
    server->buffer_bytes = bytes;
    while (server->buffers * bytes > POOL_BYTES)
        server->buffers /= 2;
    server->connections = calloc(slots, sizeof *server->connections);
    server->starved = calloc(slots, sizeof *server->starved);
    server->pieces = calloc(server->buffers, sizeof *server->pieces);
    server->memory = calloc(server->buffers, server->buffer_bytes);
    if (!server->connections || !server->starved || !server->pieces || !server->memory ||
        posix_memalign((void **)&server->offered, PAGE_BYTES,
                       server->buffers * sizeof(struct io_uring_buf)))
        fail("no memory", 0);
    ring_begin_sized(&server->ring, RING_ENTRIES, CQ_ENTRIES);
    error = io_uring_register_files_sparse(&server->ring, slots);
    if (error)
        fail("io_uring_register_files_sparse", error);
    group.ring_addr = (uintptr_t)server->offered;
    group.ring_entries = server->buffers;
    error = io_uring_register_buf_ring(&server->ring, &group, 0);
    if (error)
        fail("io_uring_register_buf_ring", error);
    io_uring_buf_ring_init(server->offered);
    for (unsigned number = 0; number < server->buffers; number++)
        give(server, number);
    publish(server);
}

int echo(const struct job *job)
{
    struct server server = { 0 };

    begin(&server, job);
    server.listener = serve();
    start_accept(&server);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, reaped = 0, starved;
        int error = io_uring_submit_and_wait(&server.ring, 1);

        if (error < 0 && error != -EINTR && error != -EBUSY)
            fail("io_uring_submit_and_wait", error);
        io_uring_for_each_cqe(&server.ring, head, cqe) {
            unsigned slot = (uint32_t)cqe->user_data;

            reaped++;
            switch (cqe->user_data >> 32) {
            case ACCEPT:
                accepted(&server, cqe);
                break;
            case RECV:
                received(&server, slot, cqe);
                break;
            case SEND:
                sent(&server, slot, cqe);
                break;
            }
        }
        io_uring_cq_advance(&server.ring, reaped);
        publish(&server);
        /* Only now, with the buffers back: data that finds none would wait for a next arrival. */
        starved = server.starved_count;
        server.starved_count = 0;
        for (unsigned i = 0; i < starved; i++)
            start_receive(&server, server.starved[i]);
    }
}
