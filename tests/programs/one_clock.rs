//! The studio keeps one time: what the example `one_clock` finds in the pictures of a take, held against what is promised.

use std::collections::BTreeSet;

use e2e::Running;

#[allow(dead_code, unreachable_pub, reason = "the example is a program of its own")]
#[path = "../../examples/one_clock.rs"]
mod story;

/// Every time is carried in what is compared, so a machine that stalls makes the test slower and not wrong.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_session_and_television_agree_within_half_a_frame() {
    let studio = Running::start("studio", &["--port", "0", "--no-open"]);
    let out = tempfile::tempdir().unwrap();
    let story = story::tell(studio.address("http"), out.path()).await.unwrap();

    let devices: BTreeSet<_> = story.iter().map(|seen| &seen.device).collect();
    assert_eq!((devices.len(), story.len()), (3, 6), "three recordings, first and last picture");
    for seen in &story {
        let what = format!("{}, {}: {:?}", seen.device, seen.which, seen.marks.label());
        assert!(seen.off_session.abs() <= 0.5, "{what} is {} frames off the session", seen.off_session);
        assert!(
            seen.off_television.abs() <= 0.5,
            "{what} is {} frames off the television",
            seen.off_television
        );
    }
    // What is off by less than half a frame against one clock is off by less than a frame against one another: see that it
    // is less than half of one.
    let off: Vec<f64> = story.iter().map(|seen| seen.off_session).collect();
    let spread = off.iter().copied().fold(f64::MIN, f64::max) - off.iter().copied().fold(f64::MAX, f64::min);
    assert!(spread <= 0.5, "recordings are {spread} frames apart");
    // They began with one picture.
    let first: BTreeSet<_> =
        story.iter().filter(|s| s.which == "first picture").map(|s| s.marks.label()).collect();
    assert_eq!(first.len(), 1, "{first:?}");

    // The manifest says so too.
    let manifest = std::fs::read_to_string(out.path().join("manifest.json")).unwrap();
    let manifest: Vec<serde_json::Value> = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.len(), 3);
    for entry in &manifest {
        assert_eq!(entry["firstPicture"]["timecode"].as_str(), first.first().unwrap().as_deref(), "{entry}");
        assert!(entry["lastPicture"]["timecode"].is_string(), "{entry}");
    }
}
