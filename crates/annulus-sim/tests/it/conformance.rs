//! The same bodies against the simulated and the real kernel: what is asserted here is what Linux
//! does, and what the simulation does too, tame and with every fault that must not be visible.

use annulus_ring::Kernel;
use annulus_ring::abi::{
    BufRegFlags, CancelFlags, CqeFlags, Errno, Opcode, RecvSendFlags, Sqe, SqeFlags, TimeoutFlags,
};
use annulus_ring::op::{self, Target};
use annulus_sim::{Fault, Faults, Profile, World};

use crate::bench::{BGID, Bench, PROFILES, buffer_flags};

const ECANCELED: i32 = -libc::ECANCELED;

/// Faults that a program like these does not see in the results.
fn invisible() -> Faults {
    Faults::none()
        .with(Fault::Eintr, 100)
        .with(Fault::Eagain, 100)
        .with(Fault::Ebusy, 100)
        .with(Fault::LateTouch, 500)
        .with(Fault::Poison, 1000)
        .with(Fault::SpuriousWake, 300)
}

/// Runs a body on the real kernel, on each tame profile, and on many seeds.
fn on_both(cq_entries: u32, body: impl Fn(&mut Bench)) {
    body(&mut Bench::new(None, Profile::LINUX_6_18, cq_entries));
    for profile in PROFILES {
        let world = World::new(0).with_faults(Faults::none());
        body(&mut Bench::new(Some(world), profile, cq_entries));
    }
    for seed in 0..30 {
        let world = World::new(seed).with_faults(invisible());
        body(&mut Bench::new(Some(world), Profile::LINUX_6_18, cq_entries));
    }
}

#[test]
fn nops_complete_in_order() {
    on_both(64, |bench| {
        for user_data in 1..=5 {
            bench.push(&op::Nop, user_data);
        }
        for user_data in 1..=5 {
            assert_eq!(bench.end_of(user_data).res, 0);
        }
    });
}

#[test]
fn an_unknown_opcode_is_invalid() {
    on_both(64, |bench| {
        bench.push_sqe(&Sqe { opcode: Opcode(250), user_data: 9, ..Sqe::default() });
        assert_eq!(bench.end_of(9).res, -libc::EINVAL);
    });
}

#[test]
fn a_timeout_expires_and_one_that_counts_is_satisfied() {
    on_both(64, |bench| {
        bench.timeout(1_000_000, 0, 1);
        assert_eq!(bench.end_of(1).res, -libc::ETIME);
        bench.timeout(60_000_000_000, 1, 2);
        bench.push(&op::Nop, 3);
        assert_eq!(bench.results(&[2, 3]), [0, 0]);
    });
}

#[test]
fn a_wait_ends_with_its_time() {
    on_both(64, |bench| {
        let [reader, writer] = bench.pipe();
        bench.read(reader, 4, 1);
        let before = bench.kernel().now();
        while bench.kernel().now() < before + 2_000_000 {
            assert_eq!(bench.poll(1_000_000), []);
        }
        bench.write(writer, b"late", 2);
        assert_eq!(bench.results(&[1, 2]), [4, 4]);
        assert_eq!(bench.take(1), b"late");
        bench.close(reader);
        bench.close(writer);
    });
}

#[test]
fn timeouts_are_removed_and_updated() {
    on_both(64, |bench| {
        bench.timeout(60_000_000_000, 0, 1);
        bench.submit();
        bench.push(&op::TimeoutRemove { user_data: 1 }, 2);
        assert_eq!(bench.results(&[1, 2]), [ECANCELED, 0]);
        bench.push(&op::TimeoutRemove { user_data: 1 }, 3);
        assert_eq!(bench.end_of(3).res, -libc::ENOENT);
    });
}

#[test]
fn a_cancel_says_what_became_of_its_victim() {
    on_both(64, |bench| {
        let [reader, writer] = bench.pipe();
        bench.read(reader, 4, 1);
        bench.submit();
        bench.cancel(1, 2);
        assert_eq!(bench.results(&[1, 2]), [ECANCELED, 0]);
        bench.cancel(1, 3);
        assert_eq!(bench.end_of(3).res, -libc::ENOENT);
        bench.close(reader);
        bench.close(writer);
    });
}

#[test]
fn cancelling_any_counts_and_cancelling_by_file_spares_the_others() {
    on_both(64, |bench| {
        let ([reader, writer], [other, other_writer]) = (bench.pipe(), bench.pipe());
        for user_data in 1..=3 {
            bench.read(reader, 4, user_data);
        }
        bench.read(other, 4, 4);
        bench.submit();
        let by_file = op::CancelFd { target: Target::Fd(reader), flags: CancelFlags::ALL };
        bench.push(&by_file, 5);
        assert_eq!(bench.results(&[1, 2, 3, 5]), [ECANCELED, ECANCELED, ECANCELED, 3]);
        bench.read(reader, 4, 6);
        bench.submit();
        let any = op::Cancel { user_data: 0, flags: CancelFlags::ANY };
        bench.push(&any, 7);
        assert_eq!(bench.results(&[4, 6, 7]), [ECANCELED, ECANCELED, 2]);
        bench.push(&any, 8);
        assert_eq!(bench.end_of(8).res, 0);
        for fd in [reader, writer, other, other_writer] {
            bench.close(fd);
        }
    });
}

#[test]
fn a_pipe_carries_bytes_and_its_end() {
    on_both(64, |bench| {
        let [reader, writer] = bench.pipe();
        bench.write(writer, b"through", 1);
        assert_eq!(bench.end_of(1).res, 7);
        bench.read(reader, 100, 2);
        assert_eq!(bench.end_of(2).res, 7);
        let got = bench.take(2);
        assert_eq!((&got[..7], &got[7..]), (&b"through"[..], &[0; 93][..]));
        bench.close(writer);
        bench.read(reader, 1, 3);
        assert_eq!(bench.end_of(3).res, 0);
        bench.read(-1, 1, 4);
        assert_eq!(bench.end_of(4).res, -libc::EBADF);
        bench.close(reader);
    });
}

#[test]
fn both_halves_of_a_socket_end_separately() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.send(left, b"last words", 0, 1);
        assert_eq!(bench.end_of(1).res, 10);
        bench.kernel().shutdown(left, libc::SHUT_WR).unwrap();
        bench.recv(right, 4, 0, 2);
        assert_eq!(bench.end_of(2).res, 4);
        bench.recv(right, 64, 0, 3);
        assert_eq!(bench.end_of(3).res, 6);
        bench.recv(right, 64, 0, 4);
        assert_eq!(bench.end_of(4).res, 0);
        bench.send(left, b"no", 0, 5);
        assert_eq!(bench.end_of(5).res, -libc::EPIPE);
        bench.send(right, b"answer", 0, 6);
        bench.recv(left, 64, 0, 7);
        assert_eq!(bench.results(&[6, 7]), [6, 6]);
        bench.close(right);
        bench.recv(left, 64, 0, 8);
        assert_eq!(bench.end_of(8).res, 0);
        bench.close(left);
    });
}

#[test]
fn waitall_receives_everything_or_up_to_the_end() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.recv(right, 8, libc::MSG_WAITALL, 1);
        bench.submit();
        bench.send(left, b"four", 0, 2);
        assert_eq!(bench.end_of(2).res, 4);
        bench.send(left, b"more", 0, 3);
        assert_eq!(bench.results(&[1, 3]), [8, 4]);
        assert_eq!(bench.take(1), b"fourmore");
        bench.recv(right, 8, libc::MSG_WAITALL, 4);
        bench.send(left, b"cut", 0, 5);
        assert_eq!(bench.end_of(5).res, 3);
        bench.close(left);
        assert_eq!(bench.end_of(4).res, 3);
        bench.close(right);
    });
}

#[test]
fn a_cancelled_waitall_gives_the_bytes_it_has() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.send(left, b"four", 0, 1);
        assert_eq!(bench.end_of(1).res, 4);
        bench.recv(right, 8, libc::MSG_WAITALL, 2);
        bench.submit();
        bench.cancel(2, 3);
        assert_eq!(bench.results(&[2, 3]), [4, 0]);
        assert_eq!(bench.take(2), b"four\0\0\0\0");
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn a_send_waits_for_room_and_loses_nothing() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        bench.send(left, &sent, libc::MSG_WAITALL, 1);
        bench.submit();
        let mut got = Vec::new();
        let mut user_data = 2;
        let mut result = None;
        while got.len() < sent.len() {
            bench.recv(right, 300_000, 0, user_data);
            loop {
                let cqe = bench.next();
                if cqe.user_data == 1 {
                    result = Some(cqe.res);
                    continue;
                }
                assert!(cqe.res > 0);
                got.extend_from_slice(&bench.take(user_data)[..cqe.res as usize]);
                break;
            }
            user_data += 1;
        }
        assert!(got == sent);
        assert_eq!(result.unwrap_or_else(|| bench.end_of(1).res), sent.len() as i32);
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn dontwait_says_that_nothing_is_there() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.recv(right, 8, libc::MSG_DONTWAIT, 1);
        assert_eq!(bench.end_of(1).res, -libc::EAGAIN);
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn a_multishot_receive_names_buffers_until_there_are_none() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.provide(2, 8, BufRegFlags::EMPTY);
        bench.recv_multi(right, 1);
        bench.submit();
        for (bid, word) in [(0, b"one"), (1, b"two")] {
            bench.send(left, word, 0, 10 + u64::from(bid));
            assert_eq!(bench.end_of(10 + u64::from(bid)).res, 3);
            let cqe = bench.next();
            assert_eq!((cqe.res, cqe.flags), (3, buffer_flags(bid, CqeFlags::MORE)));
            assert_eq!(&bench.buffer(bid)[..3], word);
        }
        bench.send(left, b"three", 0, 20);
        assert_eq!(bench.end_of(20).res, 5);
        let cqe = bench.end_of(1);
        assert_eq!((cqe.res, cqe.flags), (-libc::ENOBUFS, CqeFlags::EMPTY));
        bench.give(0);
        bench.recv_multi(right, 2);
        let cqe = bench.next();
        assert_eq!((cqe.res, cqe.flags), (5, buffer_flags(0, CqeFlags::MORE)));
        bench.give(1);
        bench.give(0);
        bench.close(left);
        let cqe = bench.end_of(2);
        assert_eq!((cqe.res, cqe.buffer_id()), (0, None));
        bench.close(right);
    });
}

#[test]
fn a_multishot_receive_with_an_empty_group_ends_at_once() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.recv_multi(right, 1);
        assert_eq!(bench.end_of(1).res, -libc::ENOBUFS);
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn a_cancelled_multishot_ends_with_canceled() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.provide(1, 8, BufRegFlags::EMPTY);
        bench.recv_multi(right, 1);
        bench.submit();
        bench.cancel(1, 2);
        assert_eq!(bench.results(&[1, 2]), [ECANCELED, 0]);
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn an_incremental_buffer_is_filled_piece_by_piece() {
    on_both(64, |bench| {
        if !bench.ring().capabilities().inc_buffers() {
            return;
        }
        let [left, right] = bench.pair();
        bench.provide(1, 10, BufRegFlags::INC);
        bench.recv_multi(right, 1);
        bench.submit();
        let kept = CqeFlags::MORE | CqeFlags::BUF_MORE;
        let pieces = [(&b"abc"[..], kept), (b"defg", kept), (b"hij", CqeFlags::MORE)];
        for (user_data, (piece, more)) in (10..).zip(pieces) {
            bench.send(left, piece, 0, user_data);
            assert_eq!(bench.end_of(user_data).res, piece.len() as i32);
            let cqe = bench.next();
            assert_eq!((cqe.res, cqe.flags), (piece.len() as i32, buffer_flags(0, more)));
        }
        assert_eq!(bench.buffer(0), b"abcdefghij");
        bench.send(left, b"k", 0, 20);
        assert_eq!(bench.end_of(20).res, 1);
        assert_eq!(bench.end_of(1).res, -libc::ENOBUFS);
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn one_receive_can_choose_its_buffer() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.provide(1, 4, BufRegFlags::EMPTY);
        bench.send(left, b"longer", 0, 1);
        assert_eq!(bench.end_of(1).res, 6);
        let single = Sqe {
            opcode: Opcode::RECV,
            flags: SqeFlags::BUFFER_SELECT,
            fd: right,
            buf_index: BGID,
            user_data: 2,
            ..Sqe::default()
        };
        bench.push_sqe(&single);
        let cqe = bench.end_of(2);
        assert_eq!((cqe.res, cqe.buffer_id()), (4, Some(0)));
        assert!(cqe.flags.contains(CqeFlags::SOCK_NONEMPTY));
        assert_eq!(bench.buffer(0), b"long");
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn what_overflows_comes_later_and_in_order() {
    on_both(8, |bench| {
        let total = 100;
        for first in (0..total).step_by(4) {
            for user_data in first..first + 4 {
                bench.push(&op::Nop, user_data);
            }
            submit_without_reaping(bench);
        }
        assert!(bench.ring().overflowed());
        for user_data in 0..total {
            assert_eq!(bench.end_of(user_data).res, 0);
        }
        assert!(!bench.ring().overflowed());
        assert_eq!(bench.ring().cq_lost(), 0);
    });
}

/// Submits all entries and leaves the completions where they are.
fn submit_without_reaping(bench: &mut Bench) {
    while bench.ring().sq_pending() > 0 {
        let _ = bench.ring().submit();
    }
}

#[test]
fn a_multishot_that_overflows_ends_with_its_data() {
    on_both(8, |bench| {
        let [left, right] = bench.pair();
        bench.provide(16, 1, BufRegFlags::EMPTY);
        bench.send(left, b"0123456789abcdef", 0, 1);
        assert_eq!(bench.end_of(1).res, 16);
        bench.recv_multi(right, 2);
        submit_without_reaping(bench);
        let mut last = None;
        let mut got = Vec::new();
        while last.is_none() {
            let cqe = bench.next();
            assert_eq!((cqe.user_data, cqe.res), (2, 1));
            got.push(bench.buffer(cqe.buffer_id().unwrap())[0]);
            last = (!cqe.more()).then_some(cqe);
        }
        assert_eq!(got, b"0123456789abcdef"[..got.len()]);
        assert!(got.len() < 16, "the queue holds 8");
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn a_link_starts_after_success_and_is_canceled_after_failure() {
    on_both(64, |bench| {
        bench.push_linked(&op::Nop, 1, SqeFlags::IO_LINK);
        bench.push(&op::Nop, 2);
        assert_eq!((bench.end_of(1).res, bench.end_of(2).res), (0, 0));
        bench.push_linked(&op::Close { fd: -1 }, 3, SqeFlags::IO_LINK);
        bench.push(&op::Nop, 4);
        assert_eq!(bench.results(&[3, 4]), [-libc::EBADF, ECANCELED]);
        bench.push_linked(&op::Close { fd: -1 }, 5, SqeFlags::IO_HARDLINK);
        bench.push(&op::Nop, 6);
        assert_eq!(bench.results(&[5, 6]), [-libc::EBADF, 0]);
    });
}

#[test]
fn a_linked_timeout_ends_what_takes_too_long() {
    on_both(64, |bench| {
        let [reader, writer] = bench.pipe();
        let read = Sqe {
            opcode: Opcode::POLL_ADD,
            flags: SqeFlags::IO_LINK,
            fd: reader,
            op_flags: libc::POLLIN as u32,
            user_data: 1,
            ..Sqe::default()
        };
        bench.push_sqe(&read);
        bench.link_timeout(1_000_000, 2);
        assert_eq!(bench.results(&[1, 2]), [ECANCELED, -libc::ETIME]);
        bench.push_sqe(&Sqe { user_data: 3, ..read });
        bench.link_timeout(60_000_000_000, 4);
        bench.submit();
        bench.write(writer, b"x", 5);
        assert_eq!(bench.results(&[3, 4, 5]), [libc::POLLIN as i32, ECANCELED, 1]);
        bench.close(reader);
        bench.close(writer);
    });
}

#[test]
fn fixed_files_outlive_their_descriptor() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.ring().register_files_sparse(4).unwrap();
        assert_eq!(bench.ring().register_files_sparse(4), Err(Errno(libc::EBUSY)));
        assert_eq!(bench.ring().update_files(2, &[right]), Ok(1));
        assert_eq!(bench.ring().update_files(4, &[right]), Err(Errno(libc::EINVAL)));
        bench.close(right);
        bench.send(left, b"still there", 0, 1);
        assert_eq!(bench.end_of(1).res, 11);
        let poll = |slot, user_data| Sqe {
            opcode: Opcode::POLL_ADD,
            flags: SqeFlags::FIXED_FILE,
            fd: slot,
            op_flags: libc::POLLIN as u32,
            user_data,
            ..Sqe::default()
        };
        bench.push_sqe(&poll(2, 2));
        assert_eq!(bench.end_of(2).res, libc::POLLIN as i32);
        bench.push_sqe(&poll(1, 3));
        assert_eq!(bench.end_of(3).res, -libc::EBADF);
        assert_eq!(bench.ring().update_files(2, &[-1]), Ok(1));
        bench.send(left, b"nobody", 0, 4);
        assert_eq!(bench.end_of(4).res, -libc::EPIPE);
        bench.close(left);
    });
}

#[test]
fn an_eventfd_counts() {
    on_both(64, |bench| {
        let bell = bench.kernel().eventfd().unwrap();
        bench.read(bell, 8, 1);
        bench.submit();
        bench.write(bell, &3_u64.to_le_bytes(), 2);
        assert_eq!(bench.results(&[1, 2]), [8, 8]);
        assert_eq!(bench.take(1), 3_u64.to_le_bytes());
        bench.close(bell);
    });
}

#[test]
fn multishot_timeouts_fire_again_and_again() {
    on_both(64, |bench| {
        let sqe = bench.timeout_sqe(1_000_000, 3, TimeoutFlags::MULTISHOT, 1);
        bench.push_sqe(&sqe);
        let mut ends = Vec::new();
        for _ in 0..3 {
            let cqe = bench.next();
            if cqe.res == -libc::EINVAL {
                // Before 6.4.
                return;
            }
            assert_eq!((cqe.user_data, cqe.res), (1, -libc::ETIME));
            ends.push(cqe.more());
        }
        assert_eq!(ends, [true, true, false]);
    });
}

/// Two ends of a TCP connection.
fn tcp_pair(bench: &mut Bench) -> [i32; 3] {
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let listener = bench.kernel().socket(libc::AF_INET, kind, 0).unwrap();
    bench.kernel().bind(listener, &any.into()).unwrap();
    bench.kernel().listen(listener, 8).unwrap();
    let address = bench.kernel().local_address(listener).unwrap();
    let client = bench.kernel().socket(libc::AF_INET, kind, 0).unwrap();
    let (addr, addr_len) = (address.as_ptr(), address.len());
    bench.push(&op::Connect { target: Target::Fd(client), addr, addr_len }, 101);
    assert_eq!(bench.end_of(101).res, 0);
    let accept = op::Accept {
        target: Target::Fd(listener),
        flags: 0,
        ioprio: annulus_ring::abi::AcceptFlags::EMPTY,
        place: op::Place::Fd,
        addr: std::ptr::null_mut(),
        addr_len: std::ptr::null_mut(),
    };
    bench.push(&accept, 102);
    [client, bench.end_of(102).res, listener]
}

#[test]
fn a_zero_copy_send_notifies_when_its_memory_is_free() {
    on_both(64, |bench| {
        let fds @ [client, server, _] = tcp_pair(bench);
        bench.send_zc(client, b"no copy", RecvSendFlags::EMPTY, 1);
        let result = bench.next();
        assert_eq!((result.user_data, result.res, result.more()), (1, 7, true));
        bench.recv(server, 7, libc::MSG_WAITALL, 2);
        let (mut ended, mut notified) = (false, false);
        while !ended || !notified {
            let cqe = bench.next();
            assert!(!cqe.more(), "{cqe:?}");
            match cqe.user_data {
                1 => {
                    assert!(cqe.flags.contains(CqeFlags::NOTIF) && cqe.res == 0, "{cqe:?}");
                    notified = true;
                }
                _ => ended = cqe.res == 7,
            }
        }
        assert_eq!(bench.take(2), b"no copy");
        fds.into_iter().for_each(|fd| bench.close(fd));
    });
}

#[test]
fn a_unix_socket_refuses_zero_copy_and_notifies_all_the_same() {
    on_both(64, |bench| {
        let [left, right] = bench.pair();
        bench.send_zc(left, b"copied", RecvSendFlags::EMPTY, 1);
        let result = bench.next();
        assert_eq!((result.res, result.more()), (-libc::EOPNOTSUPP, true));
        assert!(bench.end_of(1).flags.contains(CqeFlags::NOTIF));
        bench.close(left);
        bench.close(right);
    });
}

#[test]
fn a_zero_copy_send_with_unknown_options_is_invalid_and_notifies_all_the_same() {
    on_both(64, |bench| {
        let fds @ [client, ..] = tcp_pair(bench);
        bench.send_zc(client, b"never", RecvSendFlags(1 << 14), 1);
        let result = bench.next();
        assert_eq!((result.res, result.more()), (-libc::EINVAL, true));
        assert!(bench.end_of(1).flags.contains(CqeFlags::NOTIF));
        fds.into_iter().for_each(|fd| bench.close(fd));
    });
}
