//! Sends without copying, ended at every point: before the kernel has them, before their result,
//! before their notification.

use super::sockets::{large, sending};
use super::{Cut, Points};

/// What arrives if nothing was polled, and else.
fn expected(cut: &Cut, whole: Vec<u8>) -> Vec<u8> {
    if cut.polled() { whole } else { Vec::new() }
}

#[test]
fn write_all_zc_ended_anywhere_sends_all_or_nothing() {
    Points::of(&["net::tcp_stream::sending::write_all_zc"]).run(|cut| async move {
        let bytes = large(&cut);
        let sent = sending(&cut, |client| async {
            client.write_all_zc(bytes).await.map(drop)?;
            Ok(())
        })
        .await?;
        let whole = expected(&cut, large(&cut));
        assert!(sent == whole, "{cut:?}: {} bytes of {}", sent.len(), whole.len());
        Ok(())
    });
}

#[test]
fn sends_that_copy_and_do_not_ended_anywhere_keep_their_order() {
    Points::of(&["net::tcp_stream::sending::write_all_zc", "net::tcp_stream::sending::write_all"])
        .run(|cut| async move {
            let bytes = large(&cut);
            let sent = sending(&cut, |client| async {
                let first = client.write_all_zc(bytes);
                let second = client.write_all("second");
                let third = client.write_all_zc("third");
                let (first, second, third) = futures_util::join!(first, second, third);
                first?;
                second?;
                third?;
                Ok(())
            })
            .await?;
            let whole = expected(&cut, [&large(&cut)[..], b"second", b"third"].concat());
            assert!(sent == whole, "{cut:?}: {} bytes of {}", sent.len(), whole.len());
            Ok(())
        });
}

#[test]
fn write_all_vectored_zc_ended_anywhere_sends_all_or_nothing() {
    Points::of(&["net::tcp_stream::sending::write_all_vectored_zc"])
        .real_only("messages of several pieces")
        .run(|cut| async move {
            let bytes = large(&cut);
            let sent = sending(&cut, |client| async {
                client.write_all_vectored_zc((bytes, "tail")).await.map(drop)?;
                Ok(())
            })
            .await?;
            let whole = expected(&cut, [&large(&cut)[..], b"tail"].concat());
            assert!(sent == whole, "{cut:?}: {} bytes of {}", sent.len(), whole.len());
            Ok(())
        });
}
