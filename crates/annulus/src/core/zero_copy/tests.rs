//! Which sends go without copying, and what reports of copies teach a socket.

use super::*;

fn shifted(gear: Gear, opcode: Opcode, len: u32, is_awaited: bool) -> (Opcode, bool) {
    let mut sqe = Sqe { opcode, len, ..Sqe::default() };
    let zero_copy = gear.shift(&mut sqe, is_awaited);
    let reports = sqe.ioprio == RecvSendFlags::SEND_ZC_REPORT_USAGE.bits();
    assert_eq!(reports, sqe.opcode == Opcode::SEND_ZC && opcode == Opcode::SEND);
    (sqe.opcode, zero_copy)
}

#[test]
fn a_send_tries_it_from_so_many_bytes_on_if_somebody_waits_for_it() {
    let gear = Gear::from_bytes(1000);
    assert_eq!(shifted(gear, Opcode::SEND, 999, true), (Opcode::SEND, false));
    assert_eq!(shifted(gear, Opcode::SEND, 1000, true), (Opcode::SEND_ZC, true));
    assert_eq!(shifted(gear, Opcode::SEND, 1000, false), (Opcode::SEND, false));
}

#[test]
fn who_asks_for_it_gets_it_whatever_the_size_unless_it_is_off() {
    let gear = Gear::from_bytes(u32::MAX);
    for (asked, plain) in [(Opcode::SEND_ZC, Opcode::SEND), (Opcode::SENDMSG_ZC, Opcode::SENDMSG)] {
        assert_eq!(shifted(gear, asked, 1, false), (asked, true));
        assert_eq!(shifted(Gear::OFF, asked, 1, true), (plain, false));
    }
    assert_eq!(shifted(Gear::OFF, Opcode::SEND, u32::MAX - 1, true), (Opcode::SEND, false));
}

#[test]
fn each_copy_doubles_the_bytes_and_three_in_a_row_turn_it_off() {
    let mut gear = Gear::from_bytes(1000);
    gear.learn(true);
    assert_eq!(gear, Gear { from_bytes: 2000, copies: 1, off: false });
    gear.learn(true);
    gear.learn(false);
    assert_eq!(gear, Gear { from_bytes: 4000, copies: 0, off: false });
    for _ in 0..COPIES_MAX {
        assert!(!gear.off);
        gear.learn(true);
    }
    assert_eq!(gear, Gear::OFF);
    gear.learn(false);
    assert_eq!(gear, Gear::OFF, "off is for good");
}
