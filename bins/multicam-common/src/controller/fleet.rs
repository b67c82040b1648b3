//! The controller's machine on sockets.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use driver::{Driver, Events, Limits, UdpOptions};
use machine::SocketId;
use multicam_common::UnixTime;
use multicam_common::client::{Controller, DeviceKey, DeviceView, Event, Failure, RequestId, UsageError};
use multicam_common::codec::Reply;
use multicam_common::config::ControllerConfig;
use multicam_common::discovery::Instance;
use multicam_common::message::CommandMessage;
use multicam_common::ntp::TimeService;
use tokio::sync::oneshot;

type Outcome = Result<Reply, Failure>;

/// Many devices.
#[derive(Clone, Debug)]
pub struct Fleet {
    driver: Driver<Controller>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: HashMap<RequestId, oneshot::Sender<Outcome>>,
    /// What the last planned start of each device may be off by.
    start_error_ns: HashMap<DeviceKey, Option<u64>>,
}

impl Fleet {
    /// An empty fleet. Must be called within a tokio runtime.
    pub fn start(config: ControllerConfig) -> Self {
        let patience = config.connect_timeout;
        let (driver, events) = Driver::start(Controller::new(config), Limits::default());
        let waiting = Arc::new(Mutex::default());
        tokio::spawn(serve_events(driver.clone(), events, Arc::clone(&waiting), patience));
        Self { driver, waiting }
    }

    /// Takes a device in.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(&self, address: SocketAddr, instance: Option<&Instance>) -> Result<DeviceKey, UsageError> {
        self.driver.call(|c, now| c.add_device(now, address, instance))
    }

    /// Forgets one.
    pub fn remove(&self, key: DeviceKey) {
        self.driver.call(|c, _| c.remove_device(key));
    }

    /// All that is known of all.
    pub fn devices(&self) -> Vec<(DeviceKey, DeviceView)> {
        self.driver.call(|c, now| c.devices(now).collect())
    }

    /// All that is known of one.
    pub fn device(&self, key: DeviceKey) -> Option<DeviceView> {
        self.driver.call(|c, now| c.device(now, key))
    }

    /// Our clock.
    pub fn time(&self) -> UnixTime {
        self.driver.call(|c, now| c.time(now))
    }

    /// Tells devices of a time service of ours.
    pub fn set_time_port(&self, port: Option<u16>) {
        self.driver.call(|c, _| c.set_time_port(port));
    }

    /// Asks a device for something.
    ///
    /// # Errors
    /// Why there is no answer. An error that the device reports is an answer.
    pub async fn ask(&self, key: DeviceKey, message: CommandMessage) -> Result<Reply, Failure> {
        self.answer(|c, now| c.request(now, key, message)).await
    }

    /// Starts a device at an instant of our clock, after measuring its clock.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn start_at(&self, key: DeviceKey, target: UnixTime) -> Result<Reply, Failure> {
        self.answer(|c, now| c.start_at(now, key, target)).await
    }

    /// What the last planned start of a device may be off by, in nanoseconds, as far as its clock goes.
    pub fn start_error_ns(&self, key: DeviceKey) -> Option<u64> {
        self.lock().start_error_ns.get(&key).copied().flatten()
    }

    /// Ends all connections.
    pub async fn shutdown(&self) {
        self.driver.shutdown(Duration::from_secs(1)).await;
    }

    async fn answer(
        &self,
        ask: impl FnOnce(&mut Controller, machine::Instant) -> Result<RequestId, UsageError>,
    ) -> Outcome {
        let answer = {
            // Locked over the call: the answer cannot come before there is a place for it.
            let mut waiting = self.lock();
            let id = self.driver.call(ask).map_err(|_| Failure::Gone)?;
            let (sender, receiver) = oneshot::channel();
            waiting.answers.insert(id, sender);
            receiver
        };
        answer.await.unwrap_or(Err(Failure::Gone))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve_events(
    driver: Driver<Controller>,
    mut events: Events<Event>,
    waiting: Arc<Mutex<Waiting>>,
    patience: Duration,
) {
    let done = |id, outcome| {
        let sender = waiting.lock().unwrap_or_else(PoisonError::into_inner).answers.remove(&id);
        if let Some(sender) = sender {
            let _ = sender.send(outcome);
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Event::Connect { device, address, service } => {
                let driver = driver.clone();
                tokio::spawn(async move {
                    let connected =
                        tokio::time::timeout(patience, driver.connect_tcp(address, service)).await;
                    if !matches!(connected, Ok(Ok(_))) {
                        tracing::debug!(%address, "no connection");
                        driver.call(|c, now| c.connect_failed(now, device));
                    }
                });
            }
            Event::Answer { request, reply, .. } => done(request, Ok(*reply)),
            Event::Failed { request, why, .. } => done(request, Err(why)),
            Event::StartSent { device, error_ns, .. } => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.start_error_ns.insert(device, error_ns);
            }
            _ => {}
        }
    }
}

/// Serves time on a UDP port of all interfaces; 0 picks a free one. Ends when the handle is dropped.
///
/// # Errors
/// When the port cannot be had.
pub fn serve_time(port: u16) -> Result<(Driver<TimeService>, SocketAddr)> {
    let socket =
        UdpSocket::bind(("0.0.0.0", port)).with_context(|| format!("cannot serve time on port {port}"))?;
    let address = socket.local_addr()?;
    let (driver, _) = Driver::start(TimeService::new(), Limits::default());
    let mut options = UdpOptions::default();
    options.kernel_stamps = true;
    driver.serve_udp(socket, SocketId(0), options)?;
    Ok((driver, address))
}
