//! The fixed-file table, other rings, drivers. Mirrors msg-ring, msg-ring-fd, file-register,
//! fd-install and uring_cmd of liburing.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use annulus_ring::{
    Target,
    abi::{CqeFlags, Errno, FILE_INDEX_ALLOC, MsgRingFlags, Opcode},
    op::{
        Cmd, FilesUpdate, FixedFdInstall, MsgRing, MsgRingFd, Place, ProvideBuffers, Read,
        RemoveBuffers,
    },
};

use super::{next, pipe, ring, run, supported};

#[test]
fn a_completion_is_posted_on_another_ring() {
    let mut sender = ring();
    let mut target = ring();
    let plain = MsgRing {
        target: Target::Fd(target.fd()),
        user_data: 77,
        res: -5,
        cqe_flags: None,
        flags: MsgRingFlags::EMPTY,
    };
    assert_eq!(run(&mut sender, &plain), Ok(()));
    let cqe = next(&mut target);
    assert_eq!((cqe.user_data, cqe.res, cqe.flags), (77, -5, CqeFlags::EMPTY));
    // Flags came with 6.3, and no probe tells of them; this opcode came soon after.
    if !supported(&sender, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let flagged = MsgRing { cqe_flags: Some(CqeFlags(0x1234)), ..plain };
    assert_eq!(run(&mut sender, &flagged), Ok(()));
    assert_eq!(next(&mut target).flags, CqeFlags(0x1234));
    let pipe = pipe().0;
    let no_ring = MsgRing { target: Target::Fd(pipe.as_raw_fd()), ..plain };
    assert_eq!(run(&mut sender, &no_ring), Err(Errno(libc::EBADFD)));
}

/// A file with this content, positioned at its beginning.
fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_direct_descriptor_is_passed_to_another_ring() {
    let mut sender = ring();
    let mut target = ring();
    sender.register_files_sparse(2).unwrap();
    target.register_files_sparse(2).unwrap();
    let file = file(b"passed");
    assert_eq!(sender.update_files(1, &[file.as_raw_fd()]), Ok(1));
    let pass = MsgRingFd {
        target: Target::Fd(target.fd()),
        user_data: 5,
        slot: 1,
        place: Place::FixedAny,
        flags: MsgRingFlags::EMPTY,
    };
    assert_eq!(run(&mut sender, &pass), Ok(0));
    let arrived = next(&mut target);
    assert_eq!((arrived.user_data, arrived.res), (5, 0));
    let mut buffer = [0; 6];
    let read = Read { target: Target::Fixed(0), addr: buffer.as_mut_ptr(), len: 6, offset: 0 };
    assert_eq!(run(&mut target, &read), Ok(6));
    assert_eq!(&buffer, b"passed");
    let nothing = MsgRingFd { slot: 0, ..pass };
    assert_eq!(run(&mut sender, &nothing), Err(Errno(libc::EBADF)));
}

#[test]
fn slots_are_filled_where_told_and_where_free() {
    let mut ring = ring();
    ring.register_files_sparse(4).unwrap();
    let file = file(b"");
    let mut fds = [file.as_raw_fd(); 2];
    let update = FilesUpdate { fds: fds.as_mut_ptr(), count: 2, first: 1 };
    assert_eq!(run(&mut ring, &update), Ok(2));
    let choose = FilesUpdate { first: FILE_INDEX_ALLOC, ..update };
    assert_eq!(run(&mut ring, &choose), Ok(2));
    fds.sort_unstable();
    assert_eq!(fds, [0, 3], "the slots that were free");
}

// IORING_FIXED_FD_NO_CLOEXEC, where it is inherited.
#[test]
fn a_slot_becomes_a_descriptor() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::FIXED_FD_INSTALL]) {
        return;
    }
    ring.register_files_sparse(2).unwrap();
    let file = file(b"installed");
    assert_eq!(ring.update_files(1, &[file.as_raw_fd()]), Ok(1));
    for inherit in [false, true] {
        let install = FixedFdInstall { slot: 1, inherit };
        let fd = run(&mut ring, &install).unwrap();
        // SAFETY: the completion gave the descriptor to this test.
        let mut installed = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: reads the descriptor's flags; no memory is involved.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC == 0, inherit);
        installed.rewind().unwrap();
        let mut text = String::new();
        installed.read_to_string(&mut text).unwrap();
        assert_eq!(text, "installed");
    }
    let empty = FixedFdInstall { slot: 0, inherit: false };
    assert_eq!(run(&mut ring, &empty), Err(Errno(libc::EBADF)));
}

#[test]
fn buffers_given_the_old_way_are_taken_back() {
    let mut ring = ring();
    let mut memory = vec![0; 4 * 64];
    let provide =
        ProvideBuffers { addr: memory.as_mut_ptr(), len: 64, count: 4, bgid: 9, first_bid: 100 };
    assert_eq!(run(&mut ring, &provide), Ok(()));
    let remove = RemoveBuffers { count: 8, bgid: 9 };
    assert_eq!(run(&mut ring, &remove), Ok(4));
    let unknown = RemoveBuffers { count: 1, bgid: 8 };
    assert_eq!(run(&mut ring, &unknown), Err(Errno(libc::ENOENT)));
}

#[test]
fn a_socket_takes_a_command() {
    const INPUT_BYTES: u32 = 0;
    let mut ring = ring();
    // The commands of sockets came with 6.7, and no probe tells of one; this opcode came then.
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let (server, _client) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"12345").unwrap();
        (listener.accept().unwrap().0, client)
    };
    assert_eq!(server.peek(&mut [0; 8]).unwrap(), 5);
    let command = Cmd {
        target: Target::Fd(server.as_raw_fd()),
        command: INPUT_BYTES,
        addr: 0,
        len: 0,
        flags: 0,
        data: [0; 2],
    };
    assert_eq!(run(&mut ring, &command), Ok(5));
    let (left, _right) = UnixStream::pair().unwrap();
    let unknown = Cmd { target: Target::Fd(left.as_raw_fd()), command: 0xffff, ..command };
    assert_eq!(run(&mut ring, &unknown), Err(Errno(libc::EOPNOTSUPP)));
}
