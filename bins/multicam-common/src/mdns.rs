//! Multicast DNS: devices say that they are there, controllers hear it (RFC 6762, RFC 6763).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use multicam_common::constants::SERVICE_TYPE;
use multicam_common::discovery::{Instance, instance_label, txt_record};

/// A device that is announced.
pub struct Announced {
    daemon: ServiceDaemon,
    name: String,
}

/// Announces a device that listens at `address`. On an address of no interface in particular all are announced, and
/// again when they change.
///
/// # Errors
/// When no multicast socket can be had.
pub fn announce(device_id: &str, address: SocketAddr, interfaces: &[String]) -> Result<Announced> {
    let daemon = daemon(interfaces)?;
    let label = instance_label(device_id);
    let host = format!("{}.local.", host_label(device_id));
    let txt = txt_record(device_id);
    let txt: Vec<(&str, &str)> = txt.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let ip = if address.ip().is_unspecified() { String::new() } else { address.ip().to_string() };
    let mut service = ServiceInfo::new(SERVICE_TYPE, &label, &host, ip.as_str(), address.port(), &txt[..])
        .map_err(|e| anyhow!("{e}"))?;
    if address.ip().is_unspecified() {
        service = service.enable_addr_auto();
    }
    let name = service.get_fullname().to_owned();
    daemon.register(service).map_err(|e| anyhow!("{e}"))?;
    tracing::info!(%name, "announced");
    Ok(Announced { daemon, name })
}

impl std::fmt::Debug for Announced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announced").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Announced {
    /// Says goodbye.
    pub fn withdraw(self) {
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = done.recv_timeout(Duration::from_secs(1));
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// A device that was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name in full.
    pub name: String,
    /// What the name says.
    pub instance: Instance,
    /// Where it is.
    pub address: SocketAddr,
}

/// Listens for devices.
pub struct Browser {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
}

/// What a browser hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A device is there.
    Here(Found),
    /// The device of this name has said goodbye, or has not been heard of for too long.
    Gone(String),
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

impl Browser {
    /// Begins to listen, and asks.
    ///
    /// # Errors
    /// When no multicast socket can be had.
    pub fn start(interfaces: &[String]) -> Result<Self> {
        let daemon = daemon(interfaces)?;
        let events = daemon.browse(SERVICE_TYPE).map_err(|e| anyhow!("{e}"))?;
        Ok(Self { daemon, events })
    }

    /// The next thing that is heard until `deadline`.
    pub fn next(&self, deadline: Instant) -> Option<Heard> {
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            match self.events.recv_timeout(left).ok()? {
                ServiceEvent::ServiceResolved(service) => {
                    // IPv4 first: the protocol's originals have nothing else.
                    let mut all: Vec<IpAddr> =
                        service.get_addresses().iter().map(|a| a.to_ip_addr()).collect();
                    all.sort_by_key(|ip| (ip.is_ipv6(), ip.is_loopback(), *ip));
                    let Some(ip) = all.first() else {
                        continue;
                    };
                    let instance = Instance::parse(service.get_fullname());
                    let address = SocketAddr::new(*ip, service.get_port());
                    return Some(Heard::Here(Found {
                        name: service.get_fullname().into(),
                        instance,
                        address,
                    }));
                }
                ServiceEvent::ServiceRemoved(_, name) => return Some(Heard::Gone(name)),
                _ => {}
            }
        }
    }

    /// All devices that are heard of within `span`.
    pub fn collect(&self, span: Duration) -> Vec<Found> {
        let deadline = Instant::now() + span;
        let mut found: Vec<Found> = Vec::new();
        while let Some(heard) = self.next(deadline) {
            match heard {
                Heard::Here(device) => {
                    found.retain(|f| f.name != device.name);
                    found.push(device);
                }
                Heard::Gone(name) => found.retain(|f| f.name != name),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

fn daemon(interfaces: &[String]) -> Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new().map_err(|e| anyhow!("{e}")).context("no multicast DNS")?;
    if !interfaces.is_empty() {
        let chosen: Vec<IfKind> = interfaces
            .iter()
            .map(|i| i.parse::<IpAddr>().map_or_else(|_| IfKind::Name(i.clone()), IfKind::Addr))
            .collect();
        daemon.disable_interface(IfKind::All).map_err(|e| anyhow!("{e}"))?;
        daemon.enable_interface(chosen).map_err(|e| anyhow!("{e}")).context("--interface")?;
    }
    Ok(daemon)
}

/// Letters, digits and hyphens.
fn host_label(device_id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let label: String = device_id.chars().take(50).map(plain).collect();
    format!("multicam-{}", label.trim_matches('-').to_ascii_lowercase())
}
