//! Polling network cards: asked for, reported by the kernel, or refused in words.

use annulus::runtime::Runtime;
use annulus_ring::BusyPoll;
use annulus_sim::{Profile, World};

use crate::harness::{assert_nothing_left, check, own_process, pair, skip};

fn polled() -> BusyPoll {
    BusyPoll { timeout_us: 20, prefer: true, ..BusyPoll::default() }
}

/// What the kernel says of the rings of this process.
fn rings() -> Vec<String> {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    let is_ring = |link: &std::path::Path| link.to_string_lossy().contains("io_uring");
    fds.filter_map(|entry| {
        let path = entry.ok()?.path();
        let link = std::fs::read_link(&path).ok().filter(|link| is_ring(link))?;
        let info = path.to_string_lossy().replace("/fd/", "/fdinfo/");
        drop(link);
        std::fs::read_to_string(info).ok()
    })
    .collect()
}

#[test]
fn the_ring_polls_as_it_was_told_and_serves_as_before() {
    let _own = own_process();
    let runtime = match Runtime::builder().busy_poll(polled()).build() {
        Ok(runtime) => runtime,
        Err(refused) => {
            let text = refused.to_string();
            assert!(text.contains("CONFIG_NET_RX_BUSY_POLL"), "{text}");
            skip(&text);
            return;
        }
    };
    let told = rings();
    // Kernels that say nothing of it have accepted it all the same.
    if told.iter().any(|info| info.contains("NAPI:")) {
        let words = ["NAPI:\tenabled", "napi_prefer_busy_poll:\ttrue"];
        let is_it = |info: &String| words.iter().all(|word| info.contains(word));
        assert!(told.iter().any(is_it), "{told:?}");
    }
    assert_nothing_left(&runtime.shutdown());
    check(Runtime::builder().busy_poll(polled()), async {
        let (client, server) = pair().await?;
        client.write_all("ping").await?;
        assert_eq!(server.read_exact(vec![0; 4]).await?.1, b"ping");
        Ok(())
    });
}

#[test]
fn a_kernel_that_cannot_says_so_and_what_to_do() {
    thread_local! {
        static WORLD: World = World::new(1);
    }
    let builder = Runtime::builder()
        .busy_poll(polled())
        .kernel(|| WORLD.with(|world| world.any_kernel(Profile::LINUX_6_18)));
    let refused = builder.build().expect_err("it has no such registration").to_string();
    for word in ["NAPI", "Linux 6.9", "CONFIG_NET_RX_BUSY_POLL", "Builder::spin"] {
        assert!(refused.contains(word), "{refused}");
    }
    WORLD.with(|world| assert_eq!(world.open_descriptors(), 0));
}
