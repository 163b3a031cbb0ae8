//! The operation codes, one row each, in the order of the kernel header.
//!
//! Owns: number, C name, first kernel, way of issue and manual page of each operation, and one
//! sentence on what it does. Which field of the entry means what is told at each field of
//! [`Sqe`](crate::Sqe).
//!
//! Mirrors `enum io_uring_op` in `<linux/io_uring.h>`.

use super::opcodes;

opcodes! {
    /// Do nothing; [`NopFlags`](crate::NopFlags) choose the result and how it completes.
    NOP = 0 => "IORING_OP_NOP", (5, 1), Inline, "io_uring_prep_nop(3)";
    /// Read into several buffers (preadv2(2)). The iovec array may be reused after submission.
    READV = 1 => "IORING_OP_READV", (5, 1), Polled, "io_uring_prep_readv(3)";
    /// Write from several buffers (pwritev2(2)). Buffered writes to one inode run one by one.
    WRITEV = 2 => "IORING_OP_WRITEV", (5, 1), Polled, "io_uring_prep_writev(3)";
    /// Flush a file, or a range of it, to its device (fsync(2), fdatasync(2)). It is not ordered
    /// after writes in flight: link it, drain, or wait for them.
    FSYNC = 3 => "IORING_OP_FSYNC", (5, 1), Punted, "io_uring_prep_fsync(3)";
    /// Read into (a part of) a registered buffer, whose pages need not be looked up again.
    READ_FIXED = 4 => "IORING_OP_READ_FIXED", (5, 1), Polled, "io_uring_prep_read_fixed(3)";
    /// Write from (a part of) a registered buffer.
    WRITE_FIXED = 5 => "IORING_OP_WRITE_FIXED", (5, 1), Polled, "io_uring_prep_write_fixed(3)";
    /// Wait for readiness (poll(2)); one-shot or [multishot](crate::PollFlags::ADD_MULTI). The
    /// result is the mask of events.
    POLL_ADD = 6 => "IORING_OP_POLL_ADD", (5, 1), Armed, "io_uring_prep_poll_add(3)";
    /// Remove or update the poll whose user data is in `addr`. ENOENT: no such poll. EALREADY: it
    /// is completing already.
    POLL_REMOVE = 7 => "IORING_OP_POLL_REMOVE", (5, 1), Inline, "io_uring_prep_poll_remove(3)";
    /// Write back a range of a file (sync_file_range(2)).
    SYNC_FILE_RANGE = 8 => "IORING_OP_SYNC_FILE_RANGE", (5, 2), Punted,
        "io_uring_prep_sync_file_range(3)";
    /// Send a message (sendmsg(2)). Header and iovecs may be reused after submission, data may not.
    SENDMSG = 9 => "IORING_OP_SENDMSG", (5, 3), Polled, "io_uring_prep_sendmsg(3)";
    /// Receive a message (recvmsg(2)). The header is written at completion and stays borrowed until
    /// then; a multishot one puts [`RecvmsgOut`](crate::RecvmsgOut) into each provided buffer.
    RECVMSG = 10 => "IORING_OP_RECVMSG", (5, 3), Polled, "io_uring_prep_recvmsg(3)";
    /// Complete with ETIME after a time, or with 0 after a number of completions.
    TIMEOUT = 11 => "IORING_OP_TIMEOUT", (5, 4), Armed, "io_uring_prep_timeout(3)";
    /// Remove the timeout whose user data is in `addr`, or give it a new time.
    TIMEOUT_REMOVE = 12 => "IORING_OP_TIMEOUT_REMOVE", (5, 5), Inline,
        "io_uring_prep_timeout_remove(3)";
    /// Accept a connection (accept4(2)) as a descriptor or into a fixed-file slot.
    ACCEPT = 13 => "IORING_OP_ACCEPT", (5, 5), Polled, "io_uring_prep_accept(3)";
    /// Cancel what [`CancelFlags`](crate::CancelFlags) match: by user data, descriptor, opcode, or
    /// anything. 0 (or the count with ALL): cancelled. ENOENT: none matched. EALREADY: it is
    /// running and completes by itself.
    ASYNC_CANCEL = 14 => "IORING_OP_ASYNC_CANCEL", (5, 5), Inline, "io_uring_prep_cancel(3)";
    /// A time limit for the entry before this one, which must carry
    /// [`IO_LINK`](crate::SqeFlags::IO_LINK). It completes with ETIME if it struck, with ECANCELED
    /// if the other was in time.
    LINK_TIMEOUT = 15 => "IORING_OP_LINK_TIMEOUT", (5, 5), Armed, "io_uring_prep_link_timeout(3)";
    /// Connect a socket (connect(2)).
    CONNECT = 16 => "IORING_OP_CONNECT", (5, 5), Polled, "io_uring_prep_connect(3)";
    /// Allocate, zero or punch file space (fallocate(2)).
    FALLOCATE = 17 => "IORING_OP_FALLOCATE", (5, 6), Punted, "io_uring_prep_fallocate(3)";
    /// Open a file (openat(2)) as a descriptor or into a fixed-file slot. Tried from the name
    /// cache; with O_CREAT, O_TRUNC or O_TMPFILE always punted.
    OPENAT = 18 => "IORING_OP_OPENAT", (5, 6), Tried, "io_uring_prep_openat(3)";
    /// Close a descriptor or a fixed-file slot (close(2)). Files whose driver or file system
    /// flushes on close are punted. Requests in flight on the file are not cancelled.
    CLOSE = 19 => "IORING_OP_CLOSE", (5, 6), Tried, "io_uring_prep_close(3)";
    /// Replace fixed-file slots, as [`RegisterOp::FILES_UPDATE`](crate::RegisterOp::FILES_UPDATE).
    FILES_UPDATE = 20 => "IORING_OP_FILES_UPDATE", (5, 6), Inline, "io_uring_prep_files_update(3)";
    /// File metadata (statx(2)).
    STATX = 21 => "IORING_OP_STATX", (5, 6), Punted, "io_uring_prep_statx(3)";
    /// Read into one buffer (pread(2)), the caller's or a provided one.
    READ = 22 => "IORING_OP_READ", (5, 6), Polled, "io_uring_prep_read(3)";
    /// Write from one buffer (pwrite(2)).
    WRITE = 23 => "IORING_OP_WRITE", (5, 6), Polled, "io_uring_prep_write(3)";
    /// Announce an access pattern (posix_fadvise(2)). NORMAL, RANDOM and SEQUENTIAL are inline, the
    /// others are punted.
    FADVISE = 24 => "IORING_OP_FADVISE", (5, 6), Punted, "io_uring_prep_fadvise(3)";
    /// Advise about memory (madvise(2)).
    MADVISE = 25 => "IORING_OP_MADVISE", (5, 6), Punted, "io_uring_prep_madvise(3)";
    /// Send on a socket (send(2), sendto(2)). Two at once on one stream socket may interleave.
    SEND = 26 => "IORING_OP_SEND", (5, 6), Polled, "io_uring_prep_send(3)";
    /// Receive from a socket (recv(2)), once or [again and
    /// again](crate::RecvSendFlags::RECV_MULTISHOT).
    RECV = 27 => "IORING_OP_RECV", (5, 6), Polled, "io_uring_prep_recv(3)";
    /// Open a file with a resolution policy (openat2(2)).
    OPENAT2 = 28 => "IORING_OP_OPENAT2", (5, 6), Tried, "io_uring_prep_openat2(3)";
    /// Change an epoll set (epoll_ctl(2)).
    EPOLL_CTL = 29 => "IORING_OP_EPOLL_CTL", (5, 6), Tried, "io_uring_prep_epoll_ctl(3)";
    /// Move pages between a pipe and a file (splice(2)).
    SPLICE = 30 => "IORING_OP_SPLICE", (5, 7), Punted, "io_uring_prep_splice(3)";
    /// Give buffers to a group, the old way; superseded by
    /// [`RegisterOp::PBUF_RING`](crate::RegisterOp::PBUF_RING).
    PROVIDE_BUFFERS = 31 => "IORING_OP_PROVIDE_BUFFERS", (5, 7), Inline,
        "io_uring_prep_provide_buffers(3)";
    /// Take buffers back from a group that was filled the old way. The result is how many.
    REMOVE_BUFFERS = 32 => "IORING_OP_REMOVE_BUFFERS", (5, 7), Inline,
        "io_uring_prep_remove_buffers(3)";
    /// Duplicate pipe content (tee(2)).
    TEE = 33 => "IORING_OP_TEE", (5, 8), Punted, "io_uring_prep_tee(3)";
    /// Shut down part of a connection (shutdown(2)).
    SHUTDOWN = 34 => "IORING_OP_SHUTDOWN", (5, 11), Punted, "io_uring_prep_shutdown(3)";
    /// Rename a file (renameat2(2)).
    RENAMEAT = 35 => "IORING_OP_RENAMEAT", (5, 11), Punted, "io_uring_prep_renameat(3)";
    /// Remove a name (unlinkat(2)).
    UNLINKAT = 36 => "IORING_OP_UNLINKAT", (5, 11), Punted, "io_uring_prep_unlinkat(3)";
    /// Make a directory (mkdirat(2)).
    MKDIRAT = 37 => "IORING_OP_MKDIRAT", (5, 15), Punted, "io_uring_prep_mkdirat(3)";
    /// Make a symbolic link (symlinkat(2)).
    SYMLINKAT = 38 => "IORING_OP_SYMLINKAT", (5, 15), Punted, "io_uring_prep_symlinkat(3)";
    /// Make a hard link (linkat(2)).
    LINKAT = 39 => "IORING_OP_LINKAT", (5, 15), Punted, "io_uring_prep_linkat(3)";
    /// Post a completion, or pass a fixed file, to another ring. A full target overflows silently:
    /// the sender sees success. EBADFD: the target is disabled.
    MSG_RING = 40 => "IORING_OP_MSG_RING", (5, 18), Inline, "io_uring_prep_msg_ring(3)";
    /// Set an extended attribute of a descriptor (fsetxattr(2)).
    FSETXATTR = 41 => "IORING_OP_FSETXATTR", (5, 19), Punted, "io_uring_prep_fsetxattr(3)";
    /// Set an extended attribute of a path (setxattr(2)).
    SETXATTR = 42 => "IORING_OP_SETXATTR", (5, 19), Punted, "io_uring_prep_setxattr(3)";
    /// Read an extended attribute of a descriptor (fgetxattr(2)).
    FGETXATTR = 43 => "IORING_OP_FGETXATTR", (5, 19), Punted, "io_uring_prep_fgetxattr(3)";
    /// Read an extended attribute of a path (getxattr(2)).
    GETXATTR = 44 => "IORING_OP_GETXATTR", (5, 19), Punted, "io_uring_prep_getxattr(3)";
    /// Make a socket (socket(2)) as a descriptor or into a fixed-file slot.
    SOCKET = 45 => "IORING_OP_SOCKET", (5, 19), Inline, "io_uring_prep_socket(3)";
    /// A command of a driver or a [socket](crate::SocketOp), chosen by `cmd_op`. The driver decides
    /// whether it completes inline, later, or on a worker.
    URING_CMD = 46 => "IORING_OP_URING_CMD", (5, 19), Tried, "io_uring_prep_uring_cmd(3)";
    /// Send without copying. A completion with [`MORE`](crate::CqeFlags::MORE) is followed by a
    /// [`NOTIF`](crate::CqeFlags::NOTIF); only then is the memory free.
    SEND_ZC = 47 => "IORING_OP_SEND_ZC", (6, 0), Polled, "io_uring_prep_send_zc(3)";
    /// Send a message without copying; completes as [`SEND_ZC`](Self::SEND_ZC).
    SENDMSG_ZC = 48 => "IORING_OP_SENDMSG_ZC", (6, 1), Polled, "io_uring_prep_sendmsg_zc(3)";
    /// Read again and again into provided buffers. Pollable files only: a regular file is EBADFD.
    READ_MULTISHOT = 49 => "IORING_OP_READ_MULTISHOT", (6, 7), Polled,
        "io_uring_prep_read_multishot(3)";
    /// Wait for a child to change state (waitid(2)).
    WAITID = 50 => "IORING_OP_WAITID", (6, 7), Armed, "io_uring_prep_waitid(3)";
    /// Wait until a futex no longer has a value and is woken (futex_wait(2)).
    FUTEX_WAIT = 51 => "IORING_OP_FUTEX_WAIT", (6, 7), Armed, "io_uring_prep_futex_wait(3)";
    /// Wake waiters of a futex (futex_wake(2)). The result is how many.
    FUTEX_WAKE = 52 => "IORING_OP_FUTEX_WAKE", (6, 7), Inline, "io_uring_prep_futex_wake(3)";
    /// Wait on several futexes (futex_waitv(2)). The result is the index of the one woken.
    FUTEX_WAITV = 53 => "IORING_OP_FUTEX_WAITV", (6, 7), Armed, "io_uring_prep_futex_waitv(3)";
    /// Install a fixed file as an ordinary descriptor, close-on-exec unless told otherwise.
    FIXED_FD_INSTALL = 54 => "IORING_OP_FIXED_FD_INSTALL", (6, 8), Inline,
        "io_uring_prep_fixed_fd_install(3)";
    /// Truncate or extend a file (ftruncate(2)).
    FTRUNCATE = 55 => "IORING_OP_FTRUNCATE", (6, 9), Punted, "io_uring_prep_ftruncate(3)";
    /// Bind a socket (bind(2)).
    BIND = 56 => "IORING_OP_BIND", (6, 11), Inline, "io_uring_prep_bind(3)";
    /// Listen on a socket (listen(2)).
    LISTEN = 57 => "IORING_OP_LISTEN", (6, 11), Inline, "io_uring_prep_listen(3)";
    /// Receive into memory that the network card fills
    /// ([`RegisterOp::ZCRX_IFQ`](crate::RegisterOp::ZCRX_IFQ)); completions are
    /// [`ZcrxCqe`](crate::ZcrxCqe)s.
    RECV_ZC = 58 => "IORING_OP_RECV_ZC", (6, 15), Polled, "io_uring_register_ifq(3)";
    /// Wait on an epoll set (epoll_wait(2)).
    EPOLL_WAIT = 59 => "IORING_OP_EPOLL_WAIT", (6, 15), Polled, "io_uring_prep_epoll_wait(3)";
    /// Read into several pieces of one registered buffer.
    READV_FIXED = 60 => "IORING_OP_READV_FIXED", (6, 15), Polled, "io_uring_prep_readv_fixed(3)";
    /// Write from several pieces of one registered buffer.
    WRITEV_FIXED = 61 => "IORING_OP_WRITEV_FIXED", (6, 15), Polled, "io_uring_prep_writev_fixed(3)";
    /// Make a pipe (pipe2(2)) as two descriptors or into two fixed-file slots.
    PIPE = 62 => "IORING_OP_PIPE", (6, 16), Inline, "io_uring_prep_pipe(3)";
    /// A no-op of 128 bytes; pads a mixed ring whose 128-byte entry must not wrap.
    NOP128 = 63 => "IORING_OP_NOP128", (6, 19), Inline, "io_uring_prep_nop128(3)";
    /// A command of 128 bytes, of which 80 are the driver's.
    URING_CMD128 = 64 => "IORING_OP_URING_CMD128", (6, 19), Tried, "io_uring_prep_uring_cmd128(3)";
}
