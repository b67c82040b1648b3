//! What is measured against, and what disturbs.

use std::net::UdpSocket;

use anyhow::Result;

/// The least that a wall clock server can do: one socket, one call to receive, one to send, two readings of the clock.
///
/// # Errors
/// When there is no socket.
pub fn minimal_server() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("listening on {} (wc)", socket.local_addr()?);
    let mut message = [0_u8; 1500];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut message) else { continue };
        if len < 32 || message[0] != 0 || message[1] != 0 {
            continue;
        }
        let received = reading();
        message[1] = 1;
        message[2] = 0xec;
        message[4..8].copy_from_slice(&128_000_u32.to_be_bytes());
        message[16..24].copy_from_slice(&received);
        message[24..32].copy_from_slice(&reading());
        let _ = socket.send_to(&message[..32], from);
    }
}

fn reading() -> [u8; 8] {
    let ns = driver::now().as_nanos();
    let (seconds, nanos) = ((ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32);
    (u64::from(seconds) << 32 | u64::from(nanos)).to_be_bytes()
}

/// Keeps a core busy.
pub fn burn() -> ! {
    println!("burning");
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}
