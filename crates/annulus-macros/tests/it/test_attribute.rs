//! `#[test]`: these are the tests themselves, run by the harness as any others.

use crate::recorder::runtime::take_calls;

#[annulus_macros::test(crate = "crate::recorder", entries = 4)]
async fn a_test_runs_on_a_runtime() {
    assert_eq!(take_calls(), ["builder", "entries(4)", "build", "block_on"]);
}

#[annulus_macros::test(crate = "crate::recorder")]
async fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    "1".parse::<u8>()?;
    Ok(())
}

#[annulus_macros::test(crate = "crate::recorder")]
#[should_panic(expected = "of the body")]
async fn a_test_panics_with_its_body() {
    panic!("the panic of the body");
}

#[annulus_macros::test(crate = "crate::recorder", refuse = true)]
#[should_panic(expected = "no ring for you")]
async fn a_test_without_a_runtime_panics_with_the_cause() {
    unreachable!("there is no runtime to run this on");
}
