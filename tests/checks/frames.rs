//! `cargo xtask frames` finds what a page lacks.

use tests::browser::Browser;
use tests::frames::Frames;

/// In the middle of its frames a task of 400 ms.
const HOLD_UP: &str = "requestAnimationFrame(() => setTimeout(() => {
    const end = performance.now() + 400;
    while (performance.now() < end);
    done();
}))";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_held_up_has_a_long_task_and_a_long_frame() {
    let browser = Browser::start().await;
    browser.open("about:blank").await;
    let held_up = async { drop(browser.run_until_done(HOLD_UP).await) };
    let frames = Frames::during(&browser, held_up).await;
    // A frame has the time at which it was due, and one may have been due within the task.
    assert!(frames.longest > 350.0 && !frames.are_enough(), "{frames:?}");
    assert!(frames.long_tasks >= 1 && frames.long_tasks_took >= 400.0, "{frames:?}");
    browser.close().await;
}

/// A second with a frame each 16.7 ms, but for those of which the number is left out.
fn second_without(left_out: std::ops::Range<u32>) -> Frames {
    let shown = (1..=60).filter(|number| !left_out.contains(number));
    let frames: Vec<f64> = shown.map(|number| f64::from(number) * 1_000.0 / 60.0).collect();
    Frames::of((0.0, 1_000.0), &frames, &[])
}

#[test]
fn a_page_may_lack_one_frame_in_twenty() {
    for (left_out, enough, longest) in [
        (0..0, true, 1),
        (20..23, true, 4),
        (20..24, false, 5),
        (31..61, false, 30), // None from the middle to the end.
        (1..61, false, 60),
    ] {
        let frames = second_without(left_out);
        assert_eq!(frames.are_enough(), enough, "{frames:?}");
        let longest = f64::from(longest) * 1_000.0 / 60.0;
        assert!((frames.longest - longest).abs() < 0.001, "{frames:?}, not {longest} ms");
    }
}
