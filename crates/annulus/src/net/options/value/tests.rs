//! Values there and back, and those that the kernel cannot hold.

use super::*;

fn there_and_back<V: Value>(value: V::Of) -> V::Of {
    let bytes = V::encode(value).unwrap();
    assert!(bytes.as_ref().len() <= V::ROOM);
    V::decode(bytes.as_ref()).unwrap()
}

#[test]
fn values_come_back() {
    assert!(there_and_back::<Flag>(true) && !there_and_back::<Flag>(false));
    assert_eq!(there_and_back::<Count>(77), 77);
    assert_eq!(there_and_back::<Wide>(u64::MAX), u64::MAX);
    assert_eq!(there_and_back::<Device>(Some(b"lo".to_vec())).as_deref(), Some(&b"lo"[..]));
    assert_eq!(there_and_back::<Device>(None), None);
    assert_eq!(there_and_back::<Name>("cubic".to_owned()), "cubic");
    assert_eq!(there_and_back::<Linger>(None), None);
    assert_eq!(there_and_back::<Linger>(Some(Duration::ZERO)), Some(Duration::ZERO));
    assert_eq!(there_and_back::<Interface>(3), 3);
    assert_eq!(Interface::encode(3).unwrap().as_ref(), [0, 0, 0, 3], "in network byte order");
    assert_eq!(there_and_back::<Ports>(None), None);
    assert_eq!(there_and_back::<Ports>(Some(40_000..=40_010)), Some(40_000..=40_010));
    for discovery in [PathMtu::Ignored, PathMtu::Wanted, PathMtu::Required, PathMtu::Omitted] {
        assert_eq!(there_and_back::<Discovery>(discovery), discovery);
    }
}

#[test]
fn a_part_of_a_unit_is_a_whole_one_because_zero_means_something_else() {
    let part = Duration::from_nanos(1);
    assert_eq!(there_and_back::<Seconds>(part), Duration::from_secs(1));
    assert_eq!(there_and_back::<Millis>(part), Duration::from_millis(1));
    assert_eq!(there_and_back::<Micros>(part), Duration::from_micros(1));
    assert_eq!(there_and_back::<Linger>(Some(part)), Some(Duration::from_secs(1)));
    assert_eq!(there_and_back::<Seconds>(Duration::ZERO), Duration::ZERO);
}

#[test]
fn values_that_are_too_large_are_refused_and_not_cut() {
    let refused = |result: io::Result<Vec<u8>>| {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    };
    let ages = Duration::from_secs(1 << 40);
    refused(Count::encode(u32::MAX).map(|bytes| bytes.as_ref().to_vec()));
    refused(Seconds::encode(ages).map(|bytes| bytes.as_ref().to_vec()));
    refused(Millis::encode(ages).map(|bytes| bytes.as_ref().to_vec()));
    refused(Linger::encode(Some(ages)).map(|bytes| bytes.as_ref().to_vec()));
    refused(Device::encode(Some(vec![b'x'; 16])).map(|bytes| bytes.as_ref().to_vec()));
    refused(Device::encode(Some(vec![0])).map(|bytes| bytes.as_ref().to_vec()));
    refused(Ports::encode(Some(0..=5)).map(|bytes| bytes.as_ref().to_vec()));
    #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    refused(Ports::encode(Some(7..=5)).map(|bytes| bytes.as_ref().to_vec()));
}

#[test]
fn what_is_too_short_is_an_error() {
    assert!(Count::decode(&[1, 2]).is_err());
    assert!(Linger::decode(&[0; 4]).is_err());
    assert!(Credentials::decode(&[0; 8]).is_err());
    assert!(Discovery::decode(&99_i32.to_ne_bytes()).is_err(), "of a kernel to come");
    assert_eq!(Groups::decode(&[1, 0, 0, 0, 2]).unwrap(), [1], "only whole numbers count");
    assert_eq!(Bytes::decode(&[]).unwrap(), None);
    assert_eq!(Count::decode(&[7]).unwrap(), 7, "one byte is a number, too");
    let error = Pending::decode(&libc::ECONNRESET.to_ne_bytes()).unwrap();
    assert_eq!(error.unwrap().kind(), io::ErrorKind::ConnectionReset);
}
