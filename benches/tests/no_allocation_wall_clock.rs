//! That reading and answering wall clock requests allocates nothing. One test, as nothing else may allocate meanwhile.

mod heap;

use std::hint::black_box;

use benches::contests::WallClock;
use dvb_css::message::{TimeValue, WcMessage};
use heap::allocated;

#[test]
fn requests_are_answered_without_allocating() {
    assert!(allocated(|| drop(black_box(vec![0_u8; 100]))) >= 100, "allocations are counted");

    let codec = allocated(|| {
        for cookie in 0..1000 {
            let request = WcMessage::parse(&black_box(WcMessage::request(cookie).encode())).unwrap();
            let answer = WcMessage { receive: TimeValue::from_nanos(cookie), ..request };
            assert_eq!(black_box(answer.encode())[15], (cookie & 0xff) as u8);
        }
    });
    assert_eq!(codec, 0, "the codec");

    let mut server = WallClock::new();
    let machine = allocated(|| {
        for cookie in 0..1000 {
            assert!(server.answer(&WcMessage::request(cookie).encode()));
        }
    });
    assert_eq!(machine, 0, "the server machine");
}
