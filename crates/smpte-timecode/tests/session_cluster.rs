//! Sessions that several servers share: an engine and its servers under a virtual clock.

mod cluster_support;

use std::time::Duration;

use cluster_support::{Cluster, LEAVE, START, STOP, error, join, node, reset};
use machine::sim::{ClockConfig, Link, NodeConfig as HostConfig};
use smpte_timecode::message::SessionId;
use smpte_timecode::server::{ClusterEvent, Event};
use smpte_timecode::session::replicated::Health;

fn said(kind: &str, label: &str) -> Vec<String> {
    vec![format!("{{\"type\": \"timecode_{kind}\", \"timecode\": \"{label}\"}}")]
}

fn joined(id: &str, rate: &str, label: &str, running: bool) -> Vec<String> {
    vec![format!(
        "{{\"type\": \"session_joined\", \"session_id\": \"{id}\", \"framerate\": \"{rate}\", \"current_timecode\": \"{label}\", \"running\": {running}}}"
    )]
}

#[test]
fn what_a_member_does_at_one_server_reaches_those_of_all() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for site in 0..3 {
        cluster.open(site, 0);
    }
    let id = cluster.create(0, 0, "29.97", "00:00:59:28");
    for site in 1..3 {
        assert_eq!(cluster.join(site, 0, &id), joined(&id, "29.97", "00:00:59:28", false));
    }
    assert_eq!(cluster.ask(1, 0, START), said("started", "00:00:59:28"));
    assert_eq!(
        (cluster.take(0, 0), cluster.take(2, 0)),
        (said("started", "00:00:59:28"), said("started", "00:00:59:28"))
    );
    assert_eq!(cluster.ask(2, 0, START), error("Timecode already running"));
    cluster.told.clear();
    cluster.run_ms(1001);
    // every member at every server gets the same labels, at the same instants
    let updates: Vec<Vec<_>> = (0..3).map(|site| cluster.told.remove(&(site, 0)).unwrap()).collect();
    assert!((29..=31).contains(&updates[0].len()));
    assert!(updates[0] == updates[1] && updates[1] == updates[2]);
    assert_eq!(cluster.ask(2, 0, &reset("10:00:00:00")), said("reset", "10:00:00:00"));
    cluster.run_ms(480);
    let both = [said("reset", "10:00:00:00"), said("stopped", "10:00:00:15")].concat();
    assert_eq!(cluster.ask(0, 0, STOP), both);
    assert_eq!((cluster.take(1, 0), cluster.take(2, 0)), (both.clone(), both[1..].to_vec()));
    assert_eq!(cluster.ask(0, 0, STOP), error("Timecode not running"));
    assert_eq!(cluster.known(0, &id), cluster.known(2, &id));
}

#[test]
fn a_session_ends_with_its_last_member_anywhere() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.open(0, 0);
    cluster.open(1, 0);
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    cluster.join(1, 0, &id);
    cluster.ask(0, 0, LEAVE);
    assert!(cluster.known(0, &id).unwrap().contains("\"nodes\": [\"b\"]"));
    // its clock is known where it has no members, too
    let session = SessionId::parse(&id).unwrap();
    let clocks = [0, 1].map(|site| cluster.at(site, |site, _| site.server.clock(session)));
    assert!(clocks[0].is_some() && clocks[0] == clocks[1]);
    // a member that is not there any more joins again, and the other goes
    cluster.join(0, 0, &id);
    cluster.at(1, |site, now| site.close(now, 0));
    cluster.run_ms(20);
    assert!(cluster.known(1, &id).is_some());
    cluster.ask(0, 0, LEAVE);
    assert_eq!((cluster.known(0, &id), cluster.known(1, &id)), (None, None));
    assert_eq!(cluster.at(0, |site, _| site.server.clock(session)), None);
    cluster.open(1, 1);
    assert_eq!(cluster.join(1, 1, &id), error("Session not found"));
    // nothing of it is left in the store but marks, and after a minute none of these
    cluster.run(Duration::from_secs(2));
    assert!(
        cluster.engine(|e| e.store.iter().all(|(key, (_, value))| key.starts_with("n.") || value.is_none()))
    );
    cluster.run(Duration::from_secs(65));
    assert!(cluster.engine(|e| e.store.keys().all(|key| key.starts_with("n."))));
}

#[test]
fn a_session_that_was_made_a_moment_ago_is_found() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.open(0, 0);
    cluster.open(1, 0);
    // b is 100 ms away from the engine
    let link = Link { delay: Duration::from_millis(100), ..Link::default() };
    let (engine, b) = (cluster.engine, cluster.sites[1]);
    cluster.world.set_link(engine, b, link);
    cluster.say(0, 0, "{\"type\": \"create_session\", \"framerate\": \"25\"}");
    cluster.run_ms(2);
    let created = cluster.take(0, 0);
    let id = created[0].split("\"session_id\": \"").nth(1).unwrap()[..36].to_owned();
    assert_eq!(cluster.known(1, &id), None);
    assert_eq!(cluster.join(1, 0, &id), joined(&id, "25", "00:00:00:00", false));
}

#[test]
fn a_join_and_the_last_leave_do_not_both_win() {
    for delay in 0..12 {
        let mut cluster = Cluster::of(&["a", "b"]);
        cluster.open(0, 0);
        cluster.open(1, 0);
        let id = cluster.create(0, 0, "25", "00:00:00:00");
        cluster.say(0, 0, LEAVE);
        cluster.run(Duration::from_micros(delay * 25));
        cluster.say(1, 0, &join(&id));
        cluster.run_ms(700);
        let answer = cluster.take(1, 0);
        let lives = cluster.known(1, &id).is_some();
        let expected =
            if lives { joined(&id, "25", "00:00:00:00", false) } else { error("Session not found") };
        assert_eq!(answer, expected, "{delay}");
        assert_eq!(cluster.known(0, &id), cluster.known(1, &id));
    }
}

#[test]
fn commands_are_answered_in_order_whatever_waits() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.open(0, 0);
    let create = "{\"type\": \"create_session\", \"framerate\": \"25\"}";
    cluster.say(0, 0, &format!("{create}\n{START}\nnonsense\n{START}\n{STOP}\n{{\"type\": \"ping\"}}"));
    cluster.run_ms(20);
    let told = cluster.take(0, 0);
    let kinds: Vec<_> = told.iter().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(kinds, ["session_created", "timecode_started", "error", "error", "timecode_stopped", "error"]);
    assert!(told[2].contains("Invalid JSON") && told[3].contains("already running"));
    // half-closed with commands unanswered: they are answered, then the connection ends
    cluster.at(0, |site, now| site.end(now, 0, &format!("{START}\n{STOP}")));
    cluster.run_ms(20);
    let told = cluster.take(0, 0);
    assert_eq!(told.last().map(String::as_str), Some("closed"));
    assert!(told.len() == 3 && told[1].contains("stopped"), "{told:?}");
    // a client that is gone before it is answered leaves nothing behind
    cluster.open(0, 1);
    cluster.at(0, |site, now| {
        site.say(now, 1, create);
        site.close(now, 1);
    });
    cluster.run_ms(50);
    assert_eq!(cluster.at(0, |site, _| site.server.node().unwrap().sessions().count()), 0);
}

#[test]
fn a_client_may_not_say_ahead_without_end() {
    let mut cluster = Cluster::of(&["a"]);
    cluster.open(0, 0);
    cluster.say(0, 0, "{\"type\": \"create_session\", \"framerate\": \"25\"}");
    for _ in 0..10_000 {
        cluster.say(0, 0, STOP);
    }
    cluster.run_ms(50);
    let told = cluster.take(0, 0);
    let refused = told.iter().filter(|line| line.contains("Too many requests")).count();
    let obeyed = told.iter().filter(|line| line.contains("Timecode not running")).count();
    assert_eq!((refused + obeyed, told.len()), (10_000, 10_001));
    assert!(obeyed < 3000);
}

#[test]
fn two_servers_that_change_one_session_a_thousand_times_agree() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for site in 0..3 {
        cluster.open(site, 0);
    }
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    cluster.join(1, 0, &id);
    cluster.join(2, 0, &id);
    for k in 0..1000 {
        for site in 0..2 {
            cluster.say(site, 0, &reset(&format!("{:02}:{:02}:{:02}:00", 1 + site, k / 60, k % 60)));
        }
        cluster.run_ms(2);
    }
    cluster.run_ms(500);
    let entry = cluster.engine(|e| e.value(&format!("s.{id}")).unwrap().to_owned());
    assert!(entry.contains("\"changes\": 2000"), "{entry}");
    for site in 0..3 {
        assert_eq!(cluster.known(site, &id).as_deref(), Some(&*entry));
    }
    // one order: all members were told the same
    let told: Vec<_> = (0..3).map(|site| cluster.take(site, 0)).collect();
    assert_eq!(told[0].len(), 2000);
    assert!(told[0] == told[1] && told[1] == told[2]);
}

#[test]
fn the_sessions_of_a_dead_server_live_on_or_end_with_its_lease() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    cluster.open(0, 0);
    cluster.open(1, 0);
    let shared = cluster.create(0, 0, "25", "00:00:00:00");
    cluster.join(1, 0, &shared);
    cluster.open(0, 1);
    let lonely = cluster.create(0, 1, "25", "00:00:00:00");
    cluster.ask(1, 0, START);
    let dead = cluster.sites[0];
    cluster.world.freeze(dead, Duration::from_secs(3600));
    cluster.run_ms(4000);
    assert!(cluster.known(1, &lonely).is_some());
    cluster.run_ms(2500);
    assert_eq!((cluster.known(1, &lonely), cluster.known(2, &lonely)), (None, None));
    assert!(cluster.known(2, &shared).unwrap().contains("\"nodes\": [\"b\"]"));
    assert!(cluster.events.contains(&(2, Event::Cluster(ClusterEvent::NodeLost("a".parse().unwrap())))));
    assert_eq!(cluster.ask(1, 0, STOP).len(), 1);
    // its lease and its numbers are taken away too
    assert!(cluster.engine(|e| e.value("n.a").is_none() && e.value(&format!("m.{shared}.a")).is_none()));
}

#[test]
fn a_server_that_comes_back_gives_its_members_time() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.open(0, 0);
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    let dead = cluster.sites[0];
    cluster.world.freeze(dead, Duration::from_secs(3600));
    cluster.run_ms(1000);
    let mut again = node("a");
    again.incarnation += 1 << 20;
    let site = cluster.add(again, HostConfig::default());
    cluster.run_ms(3000);
    assert!(cluster.known(1, &id).is_some());
    cluster.open(site, 0);
    assert_eq!(cluster.join(site, 0, &id), joined(&id, "25", "00:00:00:00", false));
    cluster.run_ms(4000);
    assert!(cluster.known(1, &id).is_some());
    cluster.ask(site, 0, LEAVE);
    assert_eq!(cluster.known(1, &id), None);
}

#[test]
fn while_the_engine_is_away_sessions_tick_and_changes_are_refused() {
    let mut cluster = Cluster::of(&["a", "b"]);
    for (site, member) in [(0, 0), (0, 1), (1, 0)] {
        cluster.open(site, member);
    }
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    cluster.join(1, 0, &id);
    cluster.ask(1, 0, START);
    cluster.told.clear();
    let engine = cluster.engine;
    for site in cluster.sites.clone() {
        cluster.world.part(engine, site);
    }
    // not yet known to be away: no answer in time
    assert!(cluster.ask(0, 0, STOP).is_empty());
    cluster.run_ms(2500);
    assert_eq!(cluster.take(0, 0), error("Cluster unavailable: its engine does not answer"));
    cluster.run(Duration::from_secs(20));
    let away = error("Cluster unavailable: no connection to its engine");
    assert_eq!(cluster.ask(0, 0, STOP), away);
    assert_eq!(cluster.ask(0, 1, "{\"type\": \"create_session\", \"framerate\": \"25\"}"), away);
    // members come and go where there are some
    assert_eq!(cluster.join(0, 1, &id).len(), 1);
    assert!(cluster.told.get(&(1, 0)).unwrap().len() > 500, "labels go on");
    cluster.at(1, |site, now| site.close(now, 0));
    cluster.run_ms(100);
    for site in cluster.sites.clone() {
        cluster.world.heal(engine, site);
    }
    cluster.run(Duration::from_secs(2));
    // what was on its way came late, no lease has run out, and all agree
    let entry = cluster.known(0, &id).unwrap();
    assert!(entry.contains("\"running\": false") && entry.contains("\"nodes\": [\"a\"]"), "{entry}");
    assert_eq!(cluster.known(1, &id).as_ref(), Some(&entry));
    assert_eq!(cluster.take(0, 0).len(), 1);
    assert_eq!(cluster.ask(0, 1, START).len(), 2, "stopped, started");
    assert!(!cluster.events.iter().any(|(_, e)| matches!(e, Event::Cluster(ClusterEvent::NodeLost(_)))));
}

#[test]
fn after_a_partition_there_is_one_session() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for site in 0..3 {
        cluster.open(site, 0);
        cluster.open(site, 1);
    }
    let shared = cluster.create(0, 0, "25", "00:00:00:00");
    cluster.join(1, 0, &shared);
    cluster.join(2, 0, &shared);
    let theirs = cluster.create(2, 1, "25", "05:00:00:00");
    cluster.ask(2, 1, START);
    let (engine, cut_off) = (cluster.engine, cluster.sites[2]);
    cluster.world.part(engine, cut_off);
    cluster.run(Duration::from_secs(10));
    // the side with the engine goes on without c
    cluster.told.clear();
    assert_eq!(cluster.ask(1, 0, START), said("started", "00:00:00:00"));
    assert!(cluster.known(0, &shared).unwrap().contains("\"nodes\": [\"a\", \"b\"]"));
    assert_eq!(cluster.known(0, &theirs), None);
    assert!(cluster.told.contains_key(&(2, 1)), "c ticks on");
    assert!(cluster.take(2, 0).is_empty());
    cluster.world.heal(engine, cut_off);
    cluster.run(Duration::from_secs(3));
    // c has the change, and is there again; what had ended without its members is back
    assert_eq!(cluster.take(2, 0), said("started", "00:00:00:00"));
    for id in [&shared, &theirs] {
        let entry = cluster.engine(|e| e.value(&format!("s.{id}")).unwrap().to_owned());
        for site in 0..3 {
            assert_eq!(cluster.known(site, id).as_deref(), Some(&*entry));
        }
    }
    assert!(cluster.known(0, &shared).unwrap().contains("[\"a\", \"b\", \"c\"]"));
    let theirs = cluster.known(0, &theirs).unwrap();
    assert!(theirs.contains("[\"c\"]") && theirs.contains("\"running\": true"), "{theirs}");
}

#[test]
fn a_server_with_a_wrong_clock_refuses_and_says_so() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let clock = ClockConfig::default();
    let late = ClockConfig { unix_ns: clock.unix_ns - 20_000_000, ..clock };
    let c = cluster.add(node("c"), HostConfig { clock: late, ..HostConfig::default() });
    cluster.run_ms(1500);
    cluster.open(0, 0);
    cluster.open(c, 0);
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    assert_eq!(
        cluster.join(c, 0, &id),
        error("Cluster unavailable: the clock of this server is 20.0 ms off")
    );
    let health = |cluster: &mut Cluster, site| cluster.at(site, |s, _| s.server.node().unwrap().health());
    assert!(
        matches!(health(&mut cluster, c), Health::ClockOff { offset_ns } if (-20_200_000..-19_800_000).contains(&offset_ns))
    );
    assert_eq!(health(&mut cluster, 0), Health::Serving);
    // put right, it serves
    let host = cluster.sites[c];
    let right = cluster.world.wall_clock(cluster.sites[0]);
    cluster.world.set_wall_clock(host, right);
    cluster.run_ms(300);
    assert_eq!(cluster.join(c, 0, &id).len(), 1);
    // a step does not move the labels of those who are members
    cluster.ask(0, 0, START);
    cluster.run_ms(300);
    cluster.told.clear();
    cluster.world.set_wall_clock(host, right + 60_000_000_000);
    cluster.run_ms(1000);
    let labels =
        |told: &[(machine::Instant, String)]| told.iter().map(|(_, line)| line.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&cluster.told[&(c, 0)]), labels(&cluster.told[&(0, 0)]));
    assert!(cluster.ask(c, 0, STOP)[0].contains("ms off"));
}

#[test]
fn of_two_servers_with_one_name_the_second_yields() {
    let mut cluster = Cluster::of(&["a", "b"]);
    let mut twin = node("a");
    twin.incarnation += 1 << 20;
    let twin = cluster.add(twin, HostConfig::default());
    cluster.run_ms(3000);
    cluster.open(0, 0);
    cluster.open(twin, 0);
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    assert_eq!(
        cluster.join(twin, 0, &id),
        error("Cluster unavailable: another server has the name of this one")
    );
}

#[test]
fn garbage_in_the_store_is_reported_and_not_there() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.open(0, 0);
    let id = cluster.create(0, 0, "25", "00:00:00:00");
    let before = cluster.known(1, &id);
    cluster.events.clear();
    let other = "00000000-0000-4000-8000-000000000000";
    let rubbish = ["", "{", "null", "{\"version\": 1}", "{\"version\": 9}", &"x".repeat(20_000)];
    for value in rubbish {
        for key in [&format!("s.{id}"), &format!("s.{other}"), "n.b", "n.zz", &format!("m.{id}.zz"), "what"] {
            cluster.engine(|e| e.put(key, value));
        }
    }
    let ahead = before.as_ref().unwrap().replace("\"epoch_ns\": 1", "\"epoch_ns\": 9");
    cluster.engine(|e| e.put(&format!("s.{other}"), &ahead));
    cluster.run_ms(100);
    let garbage =
        cluster.events.iter().filter(|(_, e)| matches!(e, Event::Cluster(ClusterEvent::Garbage { .. })));
    assert_eq!(garbage.count(), 2 * (rubbish.len() * 6 + 1));
    assert_eq!(cluster.known(1, &id), before);
    assert_eq!(cluster.known(1, other), None);
    // the next change writes over it, also for those who come later
    assert_eq!(cluster.ask(0, 0, START), said("started", "00:00:00:00"));
    let c = cluster.add(node("c"), HostConfig::default());
    cluster.run_ms(7000);
    assert_eq!(cluster.known(c, &id), cluster.known(0, &id));
    assert!(cluster.known(c, &id).is_some());
}

#[test]
fn lists_and_status_are_of_all_servers() {
    let mut cluster = Cluster::of(&["a", "b"]);
    for member in 0..3 {
        cluster.open(0, member);
    }
    cluster.open(1, 0);
    let id = cluster.create(0, 0, "25", "01:00:00:00");
    cluster.join(0, 1, &id);
    cluster.join(1, 0, &id);
    cluster.run_ms(1500);
    let hello = "{\"type\": \"hello\", \"extensions\": [\"list\", \"status\"]}";
    for site in 0..2 {
        cluster.ask(site, 0, hello);
        let list = cluster.ask(site, 0, "{\"type\": \"list_sessions\"}");
        assert!(list[0].contains(&id) && list[0].contains("\"client_count\": 3"), "{list:?}");
        let status = cluster.ask(site, 0, "{\"type\": \"get_status\"}");
        assert!(status[0].contains("\"active_sessions\": 1, \"connected_clients\": 4"), "{status:?}");
    }
}
