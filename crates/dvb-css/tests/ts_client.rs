//! The timeline client by hand.

use std::net::SocketAddr;
use std::time::Duration;

use dvb_css::client::{TsClient, TsClientEvent};
use dvb_css::config::TsClientConfig;
use dvb_css::message::{ControlTimestamp, PresentationTimestamps, SetupData};
use dvb_css::server::TS;
use dvb_css::{Ratio, UsageError};
use machine::{CloseReason, ConnId, Input, Instant, Machine, Opened, Output, Peer, Transport};

#[test]
fn a_server_that_speaks_first_is_still_asked() {
    let (peer, mut now) = (Peer::Conn(ConnId(1)), Instant::from_nanos(1));
    let address = SocketAddr::from(([192, 0, 2, 1], 7681));
    let opened = Opened { service: TS, local: address, remote: address, transport: Transport::WebSocket };
    let setup = SetupData::new("dvb://", "t");
    let mut client = TsClient::new(TsClientConfig::new(setup.clone(), Ratio::from(90_000)));
    client.handle_input(now, peer, Input::Opened(opened));
    let told = ControlTimestamp::available(5, 7, Ratio::ONE).to_json();
    client.handle_input(now, peer, Input::Text(&told));
    assert!(client.is_available());
    assert_eq!(client.send_presentation(&PresentationTimestamps::ANY), Err(UsageError::NotConnected));
    now = now + Duration::from_millis(20);
    assert_eq!(client.poll_timeout(), Some(now));
    client.handle_timeout(now);
    client.handle_input(now, peer, Input::Closed(CloseReason::Remote));
    let outputs: Vec<_> = std::iter::from_fn(|| client.poll_output()).collect();
    let said: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { data, .. } => std::str::from_utf8(data.as_bytes()).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(said, [setup.to_json()]);
    let gone = TsClientEvent::Disconnected { reason: CloseReason::Remote, told_nothing: false };
    assert!(outputs.contains(&Output::Event(gone)), "{outputs:?}");
}
