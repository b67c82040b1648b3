//! When the session server says what (sheet B5, B7 Q2), under a virtual clock.

mod session_support;

use machine::{Instant, Machine, Output};
use session_support::{START, START_LINE, STOP_LINE, Stage, integer_of, string_of, timecode};
use smpte_timecode::server::SessionSpec;
use smpte_timecode::{Rate, Timecode};

/// The first nanosecond of frame `k`, from the exact rational.
fn began(rate: Rate, k: u64) -> u64 {
    let (num, den) = (u128::from(rate.numerator()), u128::from(rate.denominator()));
    u64::try_from((u128::from(k) * den * 1_000_000_000).div_ceil(num)).unwrap()
}

const PREFIX: &str = r#"{"type": "timecode_update", "timecode": ""#;

#[test]
fn a_day_has_no_drift() {
    for name in ["29.97df", "59.94"] {
        let mut stage = Stage::with_defaults();
        let a = stage.client(1);
        stage.create(a, name, "00:00:00:00");
        stage.ask(a, START_LINE);
        let rate: Rate = name.parse().unwrap();
        let frames = 86_400 * u64::from(rate.numerator()) / u64::from(rate.denominator());
        for k in 1..=frames {
            stage.now = stage.server.poll_timeout().unwrap();
            assert_eq!(stage.now.as_nanos() - START.as_nanos(), began(rate, k));
            stage.server.handle_timeout(stage.now);
            let Some(Output::Send { data, .. }) = stage.server.poll_output() else { panic!("no update") };
            let label = Timecode::from_frame(rate, i64::try_from(k).unwrap()).text();
            assert_eq!(data.as_bytes()[PREFIX.len()..][..label.len()], *label.as_bytes());
            assert_eq!(stage.server.poll_output(), None);
        }
        assert!(stage.now.as_nanos() - START.as_nanos() > 86_399_960_000_000);
    }
}

#[test]
fn a_late_wake_sends_one_update_with_the_label_of_now() {
    for late in [0, 1, 33_366_666, 33_366_667, 2_000_000_000, 3_600_000_000_000] {
        let mut stage = Stage::with_defaults();
        let a = stage.client(1);
        stage.create(a, "29.97", "00:00:00:00");
        stage.ask(a, START_LINE);
        stage.wait(33_366_667 + late);
        let frame = (33_366_667 + late) * 30 / 1_001_000_000; // 30 frames in 1.001 s
        let label = Timecode::from_frame(Rate::FPS_29_97, i64::try_from(frame).unwrap());
        assert_eq!(stage.take(a), [timecode("update", &label.to_string())], "{late}");
        // the grid is where it was
        let next = stage.server.poll_timeout().unwrap().as_nanos() - START.as_nanos();
        assert_eq!(next, began(Rate::FPS_29_97, frame + 1));
        // and an early wake does nothing
        stage.now = Instant::from_nanos(START.as_nanos() + next - 1);
        stage.wake();
        assert!(stage.take(a).is_empty());
    }
}

#[test]
fn whatever_comes_late_comes_after_the_update_that_was_due() {
    let mut stage = Stage::with_defaults();
    let (a, b) = (stage.client(1), stage.client(2));
    let id = stage.create(a, "25", "00:00:00:00");
    stage.ask(a, START_LINE);
    // the driver reads a socket before it looks at the clock
    stage.pass(95_000_000);
    let joined = stage.join(b, &id);
    assert_eq!(string_of(&joined[0], "current_timecode"), "00:00:00:02");
    assert_eq!(stage.take(a), [timecode("update", "00:00:00:02")]);
    stage.pass(40_000_000);
    stage.line(b, STOP_LINE);
    for conn in [a, b] {
        assert_eq!(stage.take(conn), [timecode("update", "00:00:00:03"), timecode("stopped", "00:00:00:03")]);
    }
    stage.wait(1_000_000_000);
    assert!(stage.got.is_empty());
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn all_members_see_the_same_in_the_same_order() {
    let mut stage = Stage::with_defaults();
    let members: Vec<_> = (1..=20).map(|conn| stage.client(conn)).collect();
    let id = stage.create(members[0], "59.94", "23:59:58:00");
    for member in &members[1..] {
        stage.join(*member, &id);
    }
    for (turn, member) in members.iter().cycle().take(100).enumerate() {
        let line = match turn % 5 {
            0 => START_LINE,
            1 | 3 => r#"{"type":"reset_timecode","timecode":"23:59:59:50"}"#,
            2 => STOP_LINE,
            _ => r#"{"type":"nonsense"}"#,
        };
        stage.line(*member, line);
        stage.run(u64::try_from(turn).unwrap() * 3_000_000);
    }
    let shared =
        |lines: Vec<String>| lines.into_iter().filter(|line| !line.contains("error")).collect::<Vec<_>>();
    let first = shared(stage.take(members[0]));
    assert!(first.len() > 400);
    for member in &members[1..] {
        assert_eq!(shared(stage.take(*member)), first);
    }
    // labels: an update is one on from what came before, a stop repeats it
    let mut last = String::new();
    for line in &first {
        let label = string_of(line, "timecode");
        let before = Timecode::parse(&last, Rate::FPS_59_94).ok();
        match string_of(line, "type").as_str() {
            "timecode_update" => assert_eq!(label, (before.unwrap() + 1).to_string()),
            "timecode_stopped" => assert_eq!(label, last),
            "timecode_started" => assert!(before.is_none() || label == last),
            _ => {}
        }
        last = label;
    }
}

#[test]
fn sessions_do_not_wait_for_each_other() {
    let mut stage = Stage::with_defaults();
    let mut clients = Vec::new();
    for conn in 0..3000 {
        let client = stage.client(conn);
        let rate = ["24", "25", "29.97", "50", "59.94", "120"][usize::try_from(conn).unwrap() % 6];
        stage.create(client, rate, "00:00:00:00");
        stage.run(12_345);
        stage.ask(client, START_LINE);
        clients.push((client, rate.parse::<Rate>().unwrap(), stage.now));
    }
    stage.run(1_000_000_000);
    for (client, rate, start) in clients {
        let updates = stage.take(client);
        let elapsed = u128::from(stage.now.as_nanos() - start.as_nanos());
        let frames =
            elapsed * u128::from(rate.numerator()) / (u128::from(rate.denominator()) * 1_000_000_000);
        assert_eq!(updates.len(), usize::try_from(frames).unwrap());
        let label = Timecode::from_frame(rate, i64::try_from(frames).unwrap());
        assert_eq!(updates.last(), Some(&timecode("update", &label.to_string())));
        stage.close(client);
    }
    assert_eq!(stage.server.poll_timeout(), None);
}

#[test]
fn positions_are_those_of_the_grid_however_late_the_wake() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.ask(a, r#"{"type":"hello","extensions":["frame"]}"#);
    let spec = SessionSpec::new("23.976").with_label("10:00:00:00").pinned();
    let id = stage.server.create_session(stage.now, spec).unwrap();
    stage.server.start(stage.now, id).unwrap();
    stage.join(a, &id.to_string());
    for late in 0..2000 {
        stage.now = stage.server.poll_timeout().unwrap();
        stage.wait(late * late * 131);
        let got = stage.take(a);
        assert_eq!(got.len(), 1);
        let k = u64::try_from(integer_of(&got[0], "frame") - 864_000).unwrap();
        let at = u64::try_from(integer_of(&got[0], "at_ns")).unwrap() - START.as_nanos();
        assert_eq!(at, began(Rate::FPS_23_976, k));
        assert!(at <= stage.now.as_nanos() - START.as_nanos());
    }
}

/// No next frame can be told there, and yet the call comes back.
#[test]
fn at_the_end_of_time_a_wake_does_what_is_due_once() {
    let mut stage = Stage::with_defaults();
    let a = stage.client(1);
    stage.create(a, "25", "00:00:00:00");
    stage.ask(a, START_LINE);
    for _ in 0..3 {
        stage.server.handle_timeout(Instant::from_nanos(u64::MAX));
    }
    while stage.server.poll_output().is_some() {}
}

/// A member that floods with resets, one that comes and goes, and sessions made and left all the time: the one that
/// follows has an update for each frame of the grid, and no other says more than it should.
#[test]
fn bad_members_cost_a_good_one_no_update() {
    let mut stage = Stage::with_defaults();
    let (good, flooder, restless) = (stage.client(1), stage.client(2), stage.client(3));
    let id = stage.create(good, "60", "00:00:00:00");
    stage.join(flooder, &id);
    stage.ask(good, START_LINE);
    stage.take(flooder);
    let reset = "{\"type\": \"reset_timecode\", \"timecode\": \"01:00:00:00\"}\n".repeat(20);
    let leave = "{\"type\": \"leave_session\"}";
    for frame in 1..=3600_u64 {
        // somewhere within the frame, and up to where the next begins
        let end = began(Rate::FPS_60, frame) + START.as_nanos();
        let within = (end - stage.now.as_nanos()) * (frame % 7) / 7;
        stage.run(within);
        stage.bytes(flooder, reset.as_bytes());
        stage.create(restless, "24", "00:00:00:00");
        stage.line(restless, leave);
        stage.join(restless, &id);
        stage.line(restless, leave);
        stage.run(end - stage.now.as_nanos());
        let updates = stage.take(good).iter().filter(|line| line.starts_with(PREFIX)).count();
        assert_eq!(updates, 1, "frame {frame}");
        stage.take(flooder);
        stage.take(restless);
    }
}
