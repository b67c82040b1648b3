//! What the machines are put through by the generic checks.
#![allow(dead_code, reason = "each test file uses a part")]

use std::net::SocketAddr;
use std::time::Duration;

use dvb_css::Ratio;
use dvb_css::client::{CiiClient, TsClient, WcClient};
use dvb_css::config::{RateLimit, TsClientConfig, TvServerConfig, WcClientConfig, WcServerConfig};
use dvb_css::message::{
    CiiMessage, ControlTimestamp, MaxFreqError, MessageType, Precision, PresentationTimestamps, SetupData,
    TimeValue, WcMessage,
};
use dvb_css::server::{CII, TS, TvServer, WC, WcServer};
use dvb_css::timeline::TimelineState;
use machine::conformance::{Step, Suite};
use machine::{CloseReason, Machine, Output, SocketId, UdpPeer};

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn peer(remote: &str) -> UdpPeer {
    let remote: SocketAddr = remote.parse().unwrap();
    UdpPeer { socket: SocketId(0), remote, local: None }
}

pub(crate) fn wc_server() -> Suite<WcServer> {
    let request = |cookie| WcMessage::request(cookie).encode().to_vec();
    let asker = peer("192.0.2.7:5000");
    let mut steps = vec![
        Step::datagram(asker, request(1)),
        Step::datagram(asker, Vec::new()),
        Step::datagram(asker, vec![0; 31]),
        Step::datagram(asker, [request(2), vec![0xaa; 1000]].concat()),
        Step::datagram(peer("[2001:db8::1]:9"), request(u64::MAX)),
        Step::Wait(ms(10)),
        Step::datagram(asker, vec![0; 65_000]),
    ];
    steps.extend((0..60).map(|i| Step::datagram(asker, request(i))));
    steps.push(Step::Wait(ms(500)));
    steps.extend((0..5).map(|i| Step::datagram(asker, request(i))));
    Suite::new(|| {
        let mut config = WcServerConfig::new([1; 32]);
        config.follow_ups = true;
        config.rate_limit = Some(RateLimit { per_second: 100, burst: 30 });
        config.report_requests = true;
        WcServer::new(config)
    })
    .script(steps)
}

/// The cookies of the first requests of a client with that seed.
fn cookies(config: &WcClientConfig, n: usize) -> Vec<u64> {
    let mut client = WcClient::new(config.clone());
    client.start(machine::Instant::from_nanos(1)).unwrap();
    let mut all = Vec::new();
    while all.len() < n {
        while let Some(output) = client.poll_output() {
            if let Output::Datagram(datagram) = output {
                all.push(WcMessage::parse(&datagram.data).unwrap().originate.to_bits());
            }
        }
        let next = client.poll_timeout().unwrap();
        client.handle_timeout(next);
    }
    all
}

pub(crate) fn wc_client() -> Suite<WcClient> {
    let config = WcClientConfig::new([5; 32], peer("192.0.2.1:6677"));
    let cookies = cookies(&config, 12);
    let server = config.server;
    let answer = move |kind: MessageType, cookie: u64, at_ns: u64| {
        let message = WcMessage {
            message_type: kind,
            precision: Precision(-20),
            max_freq_error: MaxFreqError(12_800),
            originate: TimeValue::from_bits(cookie),
            receive: TimeValue::from_nanos(at_ns),
            transmit: TimeValue::from_nanos(at_ns + 50_000),
        };
        Step::datagram(server, message.encode().to_vec())
    };
    let second = 1_000_000_000;
    let mut steps = vec![Step::call(|client: &mut WcClient, now| {
        let _ = client.start(now);
    })];
    let kinds = [
        MessageType::Response,
        MessageType::ResponseBeforeFollowUp,
        MessageType::FollowUp,
        MessageType::Request,
    ];
    for (index, cookie) in cookies.iter().enumerate() {
        let at = 70 * second + 25_000_000 * u64::try_from(index).unwrap();
        steps.push(answer(kinds[index % 4], *cookie, at));
        steps.push(answer(MessageType::FollowUp, *cookie, at));
        steps.push(answer(MessageType::Response, *cookie, at));
        steps.push(Step::Timeout);
    }
    steps.push(Step::datagram(peer("192.0.2.1:6678"), vec![0; 32]));
    steps.push(Step::datagram(server, vec![0; 3]));
    steps.push(Step::Wait(ms(7000)));
    steps.push(Step::call(|client: &mut WcClient, now| {
        assert!(client.estimate(now).is_none_or(|e| e.rate.abs() < 1 << 40));
        client.stop();
    }));
    steps.push(Step::Wait(ms(2000)));
    Suite::new(move || WcClient::new(config.clone())).script(steps)
}

pub(crate) fn cii() -> CiiMessage {
    CiiMessage::parse(
        r#"{"protocolVersion":"1.1","contentId":"dvb://1.2.3","contentIdStatus":"final","presentationStatus":"okay",
        "tsUrl":"ws://{{host}}:{{port}}/ts","wcUrl":"udp://{{host}}:6677",
        "timelines":[{"timelineSelector":"t","timelineProperties":{"unitsPerTick":1,"unitsPerSecond":90000}}]}"#,
    )
    .unwrap()
}

pub(crate) fn tv_server() -> Suite<TvServer> {
    let setup = |stem: &str, selector: &str| SetupData::new(stem, selector).to_json();
    let at = |ticks, wall| TimelineState::At(ControlTimestamp::available(ticks, wall, Ratio::ONE));
    let request = WcMessage::request(77);
    Suite::new(|| TvServer::new(TvServerConfig::default())).script([
        Step::call(|tv: &mut TvServer, now| {
            let _ = tv.set_cii(now, cii());
            let _ = tv.add_timeline(now, "late", TimelineState::Deferred);
        }),
        Step::web_socket(1, CII),
        Step::web_socket(2, TS),
        Step::web_socket(3, TS),
        Step::web_socket(4, TS),
        Step::web_socket(5, WC),
        Step::web_socket(6, machine::Service(99)),
        Step::text(1, "whatever"),
        Step::binary(1, vec![0xff; 20]),
        Step::text(2, "not JSON"),
        Step::text(2, "{\"contentIdStem\":null,\"timelineSelector\":\"t\"}"),
        Step::text(2, setup("dvb://", "t")),
        Step::binary(3, setup("http://", "t").into_bytes()),
        Step::text(4, setup("", "late")),
        Step::binary(5, request.encode().to_vec()),
        Step::text(5, request.to_json()),
        Step::text(5, "{}"),
        Step::call(move |tv: &mut TvServer, now| {
            let id = tv.add_timeline(now, "t", at(9, 100_000));
            let _ = tv.add_timeline(now, "late", TimelineState::Unavailable);
            let _ = tv.update_cii(now, |cii| cii.mrs_url = "http://x".into());
            if let Ok(id) = id {
                let _ = tv.set_timeline(now, id, at(10, 200_000));
            }
        }),
        Step::text(2, PresentationTimestamps::ANY.to_json()),
        Step::text(2, setup("a", "b")),
        Step::text(2, "[]"),
        Step::Dropped(machine::ConnId(1), 2),
        Step::Wait(ms(1500)),
        Step::call(|tv: &mut TvServer, now| {
            tv.push_cii(true);
            tv.push_cii(false);
            let _ = tv.update_cii(now, |cii| cii.content_id = "http://y".into());
        }),
        Step::closed(3, CloseReason::Remote),
        Step::web_socket(7, TS),
        Step::Wait(ms(29_900)),
        Step::Timeout,
        Step::call(|tv: &mut TvServer, _| tv.set_enabled(TS, false)),
        Step::web_socket(8, TS),
        Step::Wait(ms(10)),
    ])
}

pub(crate) fn cii_client() -> Suite<CiiClient> {
    Suite::new(CiiClient::new).script([
        Step::web_socket(1, CII),
        Step::text(1, cii().to_json()),
        Step::text(1, "{\"mrsUrl\":null}"),
        Step::text(1, "pairingcompleted"),
        Step::text(1, "nonsense"),
        Step::binary(1, b"{\"teUrl\":\"ws://x\"}".to_vec()),
        Step::binary(1, vec![0xff]),
        Step::web_socket(2, CII),
        Step::text(2, "{\"contentId\":\"x\"}"),
        Step::closed(2, CloseReason::Failed),
        Step::web_socket(3, CII),
        Step::call(|client: &mut CiiClient, _| client.disconnect()),
    ])
}

pub(crate) fn ts_client() -> Suite<TsClient> {
    let stamp = |content, wall| ControlTimestamp::available(content, wall, Ratio::ONE).to_json();
    Suite::new(|| TsClient::new(TsClientConfig::new(SetupData::new("dvb://", "t"), Ratio::from(90_000))))
        .script([
            Step::web_socket(1, TS),
            Step::call(|client: &mut TsClient, _| {
                let _ = client.send_position(5);
            }),
            Step::Timeout,
            Step::text(1, stamp(9, 100_000)),
            Step::text(1, stamp(18, 200_000)),
            Step::text(1, stamp(90_000, 200_000)),
            Step::call(|client: &mut TsClient, _| {
                let _ = client.send_position(5);
                let _ = client.send_presentation(&PresentationTimestamps::ANY);
            }),
            Step::text(1, ControlTimestamp::unavailable(5).to_json()),
            Step::text(1, "{}"),
            Step::binary(1, vec![0xff]),
            Step::binary(1, b"{\"timelineSpeedMultiplier\":null}".to_vec()),
            Step::text(1, stamp(7, 7)),
            Step::closed(1, CloseReason::Remote),
            Step::web_socket(2, TS),
            Step::Wait(ms(50)),
            Step::web_socket(3, TS),
            Step::closed(3, CloseReason::Failed),
        ])
}
