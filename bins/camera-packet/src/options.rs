//! camera-server's options in their layers, low to high: defaults, main JSON file, `camera_settings.json` (camera values
//! only), environment, command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use camera_packet::codec::{Checksum, Resync};
use camera_packet::config::{Access, DEFAULT_PASSWORD, MAX_PASSWORD, ServerConfig};
use camera_packet::settings::{Clamp, SettingsBlock};
use clap::{Args, ValueEnum};
use driver::cli;
use serde_json::{Value, json};

use crate::config_file::ConfigFile;
use crate::pipeline::{PipelineConfig, Source};
use crate::{logging, settings_file};

/// What may be given on camera-server's command line.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Address or name to listen on [env: SERVER_HOST] [default: 127.0.0.1 while the password is the default one, else
    /// 0.0.0.0]
    #[arg(long)]
    pub host: Option<String>,
    /// Port for telemetry, or HOST:PORT; 0 picks a free one [env: DATA_PORT] [default: 5000]
    #[arg(long, value_name = "[HOST:]PORT")]
    pub data_port: Option<String>,
    /// Port for settings, or HOST:PORT; 0 picks a free one [env: SETTINGS_PORT] [default: 5001]
    #[arg(long, value_name = "[HOST:]PORT")]
    pub settings_port: Option<String>,
    /// Port for authentication, or HOST:PORT; 0 picks a free one [env: AUTH_PORT] [default: 5002]
    #[arg(long, value_name = "[HOST:]PORT")]
    pub auth_port: Option<String>,
    /// The password; others can see it in the list of processes [env: AUTH_PASSWORD]
    #[arg(long, conflicts_with = "password_hash")]
    pub password: Option<String>,
    /// Argon2 hash of the password, as PHC string ($argon2id$...)
    #[arg(long, value_name = "ARGON2")]
    pub password_hash: Option<String>,
    /// Allow the default password on addresses that others can reach
    #[arg(long)]
    pub allow_default_password: bool,
    /// Who is served: everybody, addresses that have authenticated, or who has a token of a SCRAM login [default: open on
    /// loopback, else ip]
    #[arg(long, value_name = "WHO", value_enum)]
    pub access: Option<AccessMode>,
    /// Where pictures come from: rpicam, v4l2:/dev/videoN, test, lavfi, command:PROGRAM ARGUMENTS or none
    #[arg(long, default_value = "rpicam", value_parser = str::parse::<Source>)]
    pub source: Option<Source>,
    /// Where to publish the video; empty: nowhere [default: rtsp://localhost:8554/ES_MTX]
    #[arg(long, value_name = "URL")]
    pub rtsp_url: Option<String>,
    /// Who serves the video: another server, to which it is published, or this one
    #[arg(long, value_name = "HOW", value_enum, default_value = "publish")]
    pub rtsp: RtspMode,
    /// With --rtsp builtin: port of rtsp://HOST:PORT/ES_MTX, or HOST:PORT; 0 picks a free one [default: 8554]
    #[arg(long, value_name = "[HOST:]PORT")]
    pub rtsp_port: Option<String>,
    /// Telemetry items a second, 1 to 1000
    #[arg(long, value_name = "HZ", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rate: u16,
    /// Main configuration file (JSON)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of camera_settings.json [default: config]
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Write camera_settings.json whenever the settings change
    #[arg(long)]
    pub persist: bool,
    /// Connections at once on each port
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub max_clients: u32,
    /// After a wrong checksum: look again from the next byte, or discard the frame
    #[arg(long, value_name = "HOW", value_enum, default_value = "discard")]
    pub resync: ResyncMode,
    /// Accept settings requests without a checksum
    #[arg(long)]
    pub accept_missing_checksum: bool,
    /// Settings that are let through: all, or those that the original's window can send
    #[arg(long, value_name = "WHICH", value_enum, default_value = "none")]
    pub clamp: ClampMode,
    /// What to log: a level (error, warn, info, debug, trace) or directives such as `driver=debug`; goes before --log-level
    #[arg(long, env = "GENLOCK_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// What to log: DEBUG, INFO, WARNING, ERROR or CRITICAL [env: LOG_LEVEL] [default: INFO]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How to write log lines [default: as the configuration file says, else as the original]
    #[arg(long, env = "GENLOCK_LOG_FORMAT", value_name = "FORMAT", value_enum)]
    pub log_format: Option<cli::LogFormat>,
    /// Log to this file too
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// `--rtsp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RtspMode {
    /// It is published to the address of --rtsp-url, by ffmpeg.
    #[default]
    Publish,
    /// This program serves it, at /ES_MTX.
    Builtin,
}

/// `--access`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessMode {
    /// Everybody.
    Open,
    /// Addresses that have authenticated.
    Ip,
    /// Who has a token.
    Token,
}

/// `--resync`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ResyncMode {
    /// Look again from the next byte.
    Rescan,
    /// Discard the frame.
    #[default]
    Discard,
}

impl From<ResyncMode> for Resync {
    fn from(mode: ResyncMode) -> Self {
        match mode {
            ResyncMode::Rescan => Self::Rescan,
            ResyncMode::Discard => Self::Discard,
        }
    }
}

/// `--clamp`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ClampMode {
    /// All.
    #[default]
    None,
    /// As the original's window.
    Gui,
}

/// All that a camera server needs to know, from all layers.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where to listen: telemetry, settings, authentication.
    pub addresses: [SocketAddr; 3],
    /// Where this program serves the video, if it does.
    pub rtsp: Option<SocketAddr>,
    /// The password; `None` with a hash.
    pub password: Option<String>,
    /// Argon2 hash of the password.
    pub password_hash: Option<String>,
    /// Who is served.
    pub access: Access,
    /// Telemetry items a second.
    pub rate_hz: u16,
    /// Connections on each port.
    pub max_clients: u32,
    /// See [`Options::resync`].
    pub resync: Resync,
    /// See [`Options::accept_missing_checksum`].
    pub checksum: Checksum,
    /// See [`Options::clamp`].
    pub clamp: Clamp,
    /// The settings to begin with.
    pub settings: SettingsBlock,
    /// The video.
    pub pipeline: PipelineConfig,
    /// Where the settings are kept.
    pub camera_settings: PathBuf,
    /// Whether they are written.
    pub persist: bool,
    /// What to log: a level, or directives.
    pub log_filter: String,
    /// Where to, besides standard error.
    pub log_file: Option<PathBuf>,
    /// How.
    pub log_format: String,
    /// What the layers gave reason to warn of.
    pub warnings: Vec<String>,
}

impl Options {
    /// Puts the layers together. `env` gives an environment variable; an empty one counts as not set.
    ///
    /// # Errors
    /// With one line that names the option, variable, or file and key.
    pub fn resolve(self, env: impl Fn(&str) -> Option<String>) -> Result<Setup> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let mut warnings = Vec::new();
        let file = match &self.config {
            None => ConfigFile::default(),
            Some(path) => {
                let mut own = Vec::new();
                let file = ConfigFile::load(path, &mut own).with_context(|| path.display().to_string())?;
                warnings.extend(own.into_iter().map(|w| format!("{}: {w}", path.display())));
                file
            }
        };
        let password_hash = self.password_hash;
        if let Some(hash) = &password_hash {
            crate::serve::check_hash(hash).context("--password-hash").map_err(cli::usage)?;
        }
        let layers = [
            ("--password", self.password),
            ("AUTH_PASSWORD", env("AUTH_PASSWORD")),
            ("auth.default_password", file.password),
        ];
        let password = match (&password_hash, first(layers)) {
            (Some(_), _) => None,
            (None, None) => Some(String::from_utf8_lossy(DEFAULT_PASSWORD).into_owned()),
            (None, Some((_, given))) if (1..=MAX_PASSWORD).contains(&given.len()) => Some(given),
            (None, Some((from, given))) => {
                let error = anyhow!("{from}: {} bytes; 1 to {MAX_PASSWORD} are allowed", given.len());
                return Err(if from.starts_with("--") { cli::usage(error) } else { error });
            }
        };
        let is_default = password.as_ref().is_some_and(|p| p.as_bytes() == DEFAULT_PASSWORD);
        let layers = [("--host", self.host), ("SERVER_HOST", env("SERVER_HOST")), ("server.host", file.host)];
        let host = first(layers)
            .unwrap_or_else(|| ("--host", if is_default { "127.0.0.1".into() } else { "0.0.0.0".into() }));
        let ports = [
            (("--data-port", self.data_port), "DATA_PORT", ("server.data_port", file.data_port), "5000"),
            (
                ("--settings-port", self.settings_port),
                "SETTINGS_PORT",
                ("server.settings_port", file.settings_port),
                "5001",
            ),
            (("--auth-port", self.auth_port), "AUTH_PORT", ("server.auth_port", file.auth_port), "5002"),
        ];
        let mut addresses = Vec::new();
        for (option, variable, key, default) in ports {
            let given = first([option, (variable, env(variable)), key]);
            let (from, text) = given.unwrap_or((variable, default.into()));
            // Only what is wrong on the command line is wrong usage.
            let unmarked =
                |error: anyhow::Error| if from.starts_with("--") { error } else { anyhow!("{error:#}") };
            addresses.push(address(from, (host.0, &host.1), &text).map_err(unmarked)?);
        }
        let addresses: [SocketAddr; 3] = addresses.try_into().map_err(|_| anyhow::anyhow!("three ports"))?;
        let rtsp = match self.rtsp {
            RtspMode::Publish => None,
            RtspMode::Builtin => {
                Some(address("--rtsp-port", (host.0, &host.1), self.rtsp_port.as_deref().unwrap_or("8554"))?)
            }
        };
        let reachable = addresses.iter().chain(&rtsp).find(|address| !is_loopback(address.ip()));
        if let (Some(address), true, false) = (reachable, is_default, self.allow_default_password) {
            bail!(
                "{address} can be reached by others and the password is the default one: set --password or \
                 AUTH_PASSWORD, or say --allow-default-password"
            );
        }
        let access = match (self.access, reachable) {
            (Some(AccessMode::Open), Some(address)) => {
                warnings
                    .push(format!("{address} serves everybody: the password protects nothing (--access ip)"));
                Access::Open
            }
            (Some(AccessMode::Open), None) | (None, None) => Access::Open,
            (Some(AccessMode::Ip), _) | (None, Some(_)) => Access::Ip,
            (Some(AccessMode::Token), _) => Access::Token,
        };

        if let Some(address) = rtsp.filter(|address| !is_loopback(address.ip())) {
            warnings.push(format!("rtsp://{address} shows the video to everybody"));
        }

        let mut settings = SettingsBlock::DEFAULT;
        if let (Some(map), Some(path)) = (&file.settings, &self.config) {
            settings = settings_file::parse(map, settings, &mut warnings)
                .with_context(|| format!("{}: camera.default_settings", path.display()))?;
        }
        let config_dir = self.config_dir.or(file.config_dir.map(PathBuf::from));
        let camera_settings = match (config_dir, file.camera_settings) {
            (None, Some(path)) => PathBuf::from(path),
            (dir, _) => dir.unwrap_or_else(|| "config".into()).join("camera_settings.json"),
        };
        let mut own = Vec::new();
        let loaded = settings_file::load(&camera_settings, settings, &mut own);
        let loaded = loaded.with_context(|| camera_settings.display().to_string())?;
        warnings.extend(own.into_iter().map(|w| format!("{}: {w}", camera_settings.display())));

        let mut pipeline = PipelineConfig::new(self.source.unwrap_or(Source::Rpicam));
        let url = self.rtsp_url.or(file.rtsp_url);
        pipeline.rtsp_url = url.map_or(pipeline.rtsp_url, |url| Some(url).filter(|url| !url.is_empty()));
        pipeline.width = file.width.unwrap_or(pipeline.width);
        pipeline.height = file.height.unwrap_or(pipeline.height);
        pipeline.framerate = file.framerate.unwrap_or(pipeline.framerate);
        pipeline.codec = file.codec.unwrap_or(pipeline.codec);
        pipeline.camera_programs =
            file.camera_program.map_or(pipeline.camera_programs, |program| vec![program]);
        pipeline.camera_extra = file.camera_extra;
        pipeline.publisher = file.publisher.unwrap_or(pipeline.publisher);
        pipeline.publisher_extra = file.publisher_extra;

        let layers = [
            ("--log-level", self.log_level),
            ("LOG_LEVEL", env("LOG_LEVEL")),
            ("logging.level", file.log_level),
        ];
        let (from, level) = first(layers).unwrap_or(("", "INFO".into()));
        let level = logging::level(&level).ok_or_else(|| {
            let error = anyhow!("{from}: '{level}' is not DEBUG, INFO, WARNING, ERROR or CRITICAL");
            if from.starts_with("--") { cli::usage(error) } else { error }
        })?;
        let log_filter = self.log.unwrap_or_else(|| level.to_string().to_lowercase());
        logging::filter(&log_filter).map_err(cli::usage)?;
        let log_format = match self.log_format {
            Some(cli::LogFormat::Compact) => logging::COMPACT_FORMAT.into(),
            Some(cli::LogFormat::Text) => logging::DEFAULT_FORMAT.into(),
            None => file.log_format.unwrap_or_else(|| logging::DEFAULT_FORMAT.into()),
        };
        Ok(Setup {
            addresses,
            rtsp,
            password,
            password_hash,
            access,
            rate_hz: self.rate,
            max_clients: self.max_clients,
            resync: self.resync.into(),
            checksum: if self.accept_missing_checksum { Checksum::Optional } else { Checksum::Required },
            clamp: match self.clamp {
                ClampMode::None => Clamp::None,
                ClampMode::Gui => Clamp::Gui,
            },
            settings: loaded.unwrap_or(settings),
            pipeline,
            camera_settings,
            persist: self.persist,
            log_filter,
            log_file: self.log_file.or(file.log_file.map(PathBuf::from)),
            log_format,
            warnings,
        })
    }
}

impl Setup {
    /// The machine's part of it.
    pub fn machine(&self, rng_seed: [u8; 32]) -> ServerConfig {
        let config = ServerConfig::new(rng_seed)
            .with_access(self.access)
            .with_rate(self.rate_hz)
            .with_settings(self.settings)
            .with_clamp(self.clamp)
            .with_resync(self.resync)
            .with_checksum(self.checksum)
            .with_max_clients(self.max_clients);
        match &self.password {
            Some(password) => config.with_password(password.as_bytes()),
            None => config.with_external_password(),
        }
    }

    /// What is in force, without secrets.
    pub fn to_json(&self) -> Value {
        let [data, settings, auth] = self.addresses.map(|a| a.to_string());
        let p = &self.pipeline;
        json!({
            "server": {"data_port": data, "settings_port": settings, "auth_port": auth,
                "access": format!("{:?}", self.access).to_lowercase(), "rate": self.rate_hz,
                "max_clients": self.max_clients, "resync": format!("{:?}", self.resync).to_lowercase(),
                "checksum": format!("{:?}", self.checksum).to_lowercase()},
            "auth": {"password": if self.password_hash.is_some() { "(hash)" } else { "(set)" }},
            "camera": {"source": p.source.to_string(), "rtsp": self.rtsp, "rtsp_url": p.rtsp_url, "width": p.width, "height": p.height,
                "framerate": p.framerate, "codec": p.codec, "programs": p.camera_programs,
                "extra_arguments": p.camera_extra, "publisher": p.publisher,
                "publisher_arguments": p.publisher_extra, "settings": settings_file::to_json(self.settings)},
            "paths": {"camera_settings": self.camera_settings, "persist": self.persist},
            "logging": {"level": self.log_filter, "file": self.log_file, "format": self.log_format},
        })
    }
}

/// The highest layer that says something, and its name.
fn first<const N: usize>(layers: [(&'static str, Option<String>); N]) -> Option<(&'static str, String)> {
    layers.into_iter().find_map(|(name, value)| Some((name, value?)))
}

/// `PORT` at a host, or `HOST:PORT`. Option and host come with the names of what gave them.
///
/// # Errors
/// With one line that names the option; it is wrong usage if that is no port.
pub fn address(option: &str, (host_from, host): (&str, &str), text: &str) -> Result<SocketAddr> {
    let (from, host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (option, host.trim_start_matches('[').trim_end_matches(']'), port),
        None => (host_from, host, text),
    };
    let wrong = || cli::usage(anyhow!("{option}: '{text}' is not a port (0 to 65535), nor HOST:PORT"));
    let port = port.parse().ok().ok_or_else(wrong)?;
    cli::resolve(from, host, port)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(options: Options, env: &[(&str, &str)]) -> Result<Setup> {
        let value = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let config_dir = options.config_dir.clone().or(Some("/nonexistent".into()));
        Options { rate: 24, max_clients: 1024, config_dir, ..options }.resolve(value)
    }

    fn error(options: Options, env: &[(&str, &str)]) -> String {
        format!("{:#}", resolve(options, env).unwrap_err())
    }

    #[test]
    fn the_order_of_the_layers() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("main.json");
        std::fs::write(
            &config,
            r#"{"server":{"data_port":1,"settings_port":2,"auth_port":3},"auth":{"default_password":"hunter2"},
               "camera":{"default_settings":{"gain":5,"shutter":500}},"strange":1}"#,
        )
        .unwrap();
        std::fs::write(folder.path().join("camera_settings.json"), r#"{"gain":6}"#).unwrap();
        let options = Options {
            config: Some(config),
            config_dir: Some(folder.path().into()),
            data_port: Some("4".into()),
            host: Some("127.0.0.1".into()),
            ..Options::default()
        };
        let env = [("DATA_PORT", "5"), ("SETTINGS_PORT", "6"), ("AUTH_PORT", ""), ("LOG_LEVEL", "debug")];
        let setup = resolve(options, &env).unwrap();
        assert_eq!(setup.addresses.map(|a| a.port()), [4, 6, 3]);
        assert_eq!(setup.password.as_deref(), Some("hunter2"));
        assert_eq!(setup.settings.0, [5, 6, 10, 10, 10, 127]);
        assert_eq!(setup.log_filter, "debug");
        assert_eq!(setup.warnings.len(), 1, "{:?}", setup.warnings);
        assert!(!setup.to_json().to_string().contains("hunter2"));
    }

    #[test]
    fn the_default_password_stays_at_home() {
        let setup = resolve(Options::default(), &[]).unwrap();
        assert!(setup.addresses.iter().all(|a| a.ip().is_loopback()));
        assert_eq!((setup.access, setup.addresses.map(|a| a.port())), (Access::Open, [5000, 5001, 5002]));
        let out = |password: &str| Options {
            host: Some("0.0.0.0".into()),
            password: Some(password.into()),
            ..Options::default()
        };
        assert!(error(out("1111"), &[]).contains("--allow-default-password"));
        let one = Options { auth_port: Some("0.0.0.0:7".into()), ..Options::default() };
        assert!(error(one, &[]).contains("0.0.0.0:7"));
        assert_eq!(resolve(out("other"), &[]).unwrap().access, Access::Ip);
        let allowed = Options { allow_default_password: true, access: Some(AccessMode::Open), ..out("1111") };
        assert_eq!(resolve(allowed, &[]).unwrap().warnings.len(), 1);
        let setup = resolve(Options::default(), &[("AUTH_PASSWORD", "zzz")]).unwrap();
        assert_eq!(setup.addresses[0].to_string(), "0.0.0.0:5000");
    }

    #[test]
    fn what_cannot_be() {
        assert!(error(Options::default(), &[("DATA_PORT", "x")]).contains("DATA_PORT: 'x'"));
        assert!(error(Options::default(), &[("LOG_LEVEL", "loud")]).contains("LOG_LEVEL: 'loud'"));
        let filter = Options { log: Some("driver=loud".into()), ..Options::default() };
        assert_eq!(error(filter, &[]), "--log: 'driver=loud' is not a log filter");
        let filter = Options { log: Some("warn,driver=debug".into()), ..Options::default() };
        assert_eq!(
            resolve(filter, &[("LOG_LEVEL", "error")]).unwrap().log_filter,
            "warn,driver=debug",
            "it goes before"
        );
        let hash = Options { password_hash: Some("plain".into()), ..Options::default() };
        assert!(error(hash, &[]).contains("--password-hash"));
        let long = Options { password: Some("x".repeat(1025)), ..Options::default() };
        assert!(error(long, &[]).contains("1025"));
        assert_eq!(address("--p", ("--host", "127.0.0.1"), "[::1]:9").unwrap().to_string(), "[::1]:9");
    }
}
