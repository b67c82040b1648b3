//! A hundred servers with delays, partitions, stalls and clock errors: whatever happens, all end with the same state,
//! and how long that takes.

mod cluster_support;

use std::time::Duration;

use cluster_support::{Cluster, START, STOP, node, reset};
use machine::Instant;
use machine::sim::{ClockConfig, Link, NodeConfig as HostConfig, Rng, Spread};
use smpte_timecode::message::SessionId;
use smpte_timecode::session::replicated::Health;

const SERVERS: usize = 100;
const SESSIONS: usize = 20;

/// Ways of 0.5 to 20 ms, losses, and clocks that are up to 1 ms wrong and drift by 20 ppm.
fn hundred(seed: u64) -> (Cluster, Rng) {
    let mut rng = Rng::new(seed);
    let mut cluster = Cluster::new(seed, Link::default());
    for k in 0..SERVERS {
        let wrong = i64::try_from(rng.up_to(2_000_000)).unwrap() - 1_000_000;
        let clock = ClockConfig {
            offset: rng.duration_up_to(Duration::from_secs(1_000_000)),
            drift_ppb: i32::try_from(rng.up_to(40_000)).unwrap() - 20_000,
            unix_ns: ClockConfig::default().unix_ns + wrong,
        };
        let wake_late = Spread::up_to(Duration::from_micros(200));
        let site =
            cluster.add(node(&format!("n{k:02}")), HostConfig { clock, wake_late, ..HostConfig::default() });
        let link = Link {
            delay: Duration::from_micros(500 + rng.up_to(19_500)),
            jitter: Duration::from_millis(1),
            loss_ppm: 1000,
            ..Link::default()
        };
        cluster.world.set_link(cluster.engine, cluster.sites[site], link);
    }
    cluster.run(Duration::from_secs(3));
    for site in 0..SERVERS {
        let health = cluster.at(site, |s, _| s.server.node().unwrap().health());
        assert_eq!(health, Health::Serving, "{site}");
    }
    (cluster, rng)
}

/// The labels that all servers show now, if they know the same entries.
fn agree(cluster: &mut Cluster, ids: &[String]) -> bool {
    let store: Vec<_> =
        ids.iter().map(|id| cluster.engine(|e| e.value(&format!("s.{id}")).map(str::to_owned))).collect();
    (0..SERVERS).all(|site| {
        cluster.at(site, |s, _| {
            let node = s.server.node().unwrap();
            ids.iter().zip(&store).all(|(id, stored)| {
                let entry = node.session(SessionId::parse(id).unwrap()).map(|e| e.to_json());
                entry.as_deref() == stored.as_ref().map(String::as_bytes)
            })
        })
    })
}

#[test]
fn a_hundred_servers_converge() {
    let (mut cluster, mut rng) = hundred(3);
    // five members of each session, at five servers
    let mut ids = Vec::new();
    for k in 0..SESSIONS {
        let home = k * 5;
        for site in home..home + 5 {
            cluster.at(site, |s, now| s.open(now, 0));
        }
    }
    cluster.run_ms(1);
    cluster.told.clear();
    for k in 0..SESSIONS {
        let create = "{\"type\": \"create_session\", \"framerate\": \"59.94\"}";
        cluster.say(k * 5, 0, create);
    }
    cluster.run_ms(600);
    for k in 0..SESSIONS {
        let told = cluster.take(k * 5, 0);
        ids.push(told[0].split("\"session_id\": \"").nth(1).unwrap()[..36].to_owned());
    }
    for (k, id) in ids.iter().enumerate() {
        for site in k * 5 + 1..k * 5 + 5 {
            cluster.say(site, 0, &cluster_support::join(id));
        }
    }
    cluster.run_ms(3000);
    // ten seconds of changes by everybody, while servers are cut off and one in ten is frozen for a while
    let mut cut: Vec<usize> = Vec::new();
    let engine = cluster.engine;
    for step in 0..100 {
        for _ in 0..10 {
            let site = rng.size_up_to(SERVERS - 1);
            match rng.up_to(2) {
                0 => cluster.say(site, 0, START),
                1 => cluster.say(site, 0, STOP),
                _ => cluster.say(site, 0, &reset("10:00:00:00")),
            }
        }
        if step % 10 == 0 {
            let site = rng.size_up_to(SERVERS - 1);
            if !cut.contains(&site) {
                cut.push(site);
                let host = cluster.sites[site];
                cluster.world.part(engine, host);
            }
            let frozen = cluster.sites[rng.size_up_to(SERVERS - 1)];
            cluster.world.freeze(frozen, Duration::from_millis(1500));
        }
        cluster.run_ms(100);
    }
    for site in cut {
        let host = cluster.sites[site];
        cluster.world.heal(engine, host);
    }
    let healed = cluster.world.now();
    while !agree(&mut cluster, &ids) {
        cluster.run_ms(50);
        assert!(cluster.world.now().saturating_since(healed) < Duration::from_secs(15), "no agreement");
    }
    let converged = cluster.world.now().saturating_since(healed);
    println!("after the partitions all {SERVERS} servers agree within {converged:?}");
    // and they go on agreeing: no session split, every one with all of its members
    cluster.run(Duration::from_secs(8));
    assert!(agree(&mut cluster, &ids));
    for (k, id) in ids.iter().enumerate() {
        let entry = cluster.known(0, id).unwrap();
        for site in k * 5..k * 5 + 5 {
            assert!(entry.contains(&format!("\"n{site:02}\"")), "{site}: {entry}");
        }
    }
}

#[test]
fn a_change_reaches_every_server_within_the_delays() {
    let (mut cluster, _) = hundred(4);
    for site in 0..SERVERS {
        cluster.at(site, |s, now| s.open(now, 0));
    }
    cluster.run_ms(1);
    let id = {
        cluster.told.clear();
        cluster.say(0, 0, "{\"type\": \"create_session\", \"framerate\": \"59.94\"}");
        cluster.run_ms(300);
        cluster.take(0, 0)[0].split("\"session_id\": \"").nth(1).unwrap()[..36].to_owned()
    };
    for site in 1..SERVERS {
        cluster.say(site, 0, &cluster_support::join(&id));
        cluster.run_ms(60);
    }
    cluster.run(Duration::from_secs(3));
    cluster.told.clear();
    let said = cluster.world.now();
    cluster.say(50, 0, START);
    cluster.run_ms(700);
    let mut delays: Vec<Duration> = Vec::new();
    for site in 0..SERVERS {
        let told = &cluster.told[&(site, 0)];
        let (at, line) = &told[0];
        assert!(line.contains("timecode_started"), "{site}: {line}");
        delays.push(at.saturating_since(said));
    }
    delays.sort();
    println!("a start reaches members: half within {:?}, all within {:?}", delays[50], delays[99]);
    // one way to the engine, one from it, and at most a retransmission on each
    assert!(delays[99] < Duration::from_millis(2 * (20 + 1 + 200)));
    // the updates of one frame come within the errors of the clocks everywhere
    cluster.told.clear();
    cluster.run_ms(200);
    let first =
        |told: &[(Instant, String)], label: &str| told.iter().find(|(_, l)| l == label).map(|(at, _)| *at);
    let (_, label) = cluster.told[&(0, 0)][5].clone();
    let mut instants: Vec<_> =
        (0..SERVERS).map(|site| first(&cluster.told[&(site, 0)], &label).unwrap()).collect();
    instants.sort();
    let spread = instants[99].saturating_since(instants[0]);
    println!("the same label comes within {spread:?} everywhere");
    assert!(spread < Duration::from_micros(2000 + 2 * 20 * 20 + 200 + 100));
}
