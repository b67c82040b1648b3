//! The main JSON file (sheet §9). Every key that is missing keeps its default; unknown ones are warned of.

use std::path::Path;

use serde_json::{Map, Value};

use crate::settings_file::{FileError, object};

/// What a main file may say. `None`: it doesn't.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// `server.host`
    pub host: Option<String>,
    /// `server.data_port`: a number, or `"HOST:PORT"`
    pub data_port: Option<String>,
    /// `server.settings_port`
    pub settings_port: Option<String>,
    /// `server.auth_port`
    pub auth_port: Option<String>,
    /// `auth.default_password`
    pub password: Option<String>,
    /// `logging.level`
    pub log_level: Option<String>,
    /// `logging.file`
    pub log_file: Option<String>,
    /// `logging.format`
    pub log_format: Option<String>,
    /// `camera.width`
    pub width: Option<u32>,
    /// `camera.height`
    pub height: Option<u32>,
    /// `camera.framerate`
    pub framerate: Option<u32>,
    /// `camera.codec`
    pub codec: Option<String>,
    /// `camera.rtsp_url`
    pub rtsp_url: Option<String>,
    /// `camera.default_settings`, as in `camera_settings.json`
    pub settings: Option<Map<String, Value>>,
    /// `camera.program`: instead of `rpicam-vid` and `libcamera-vid`
    pub camera_program: Option<String>,
    /// `camera.extra_arguments`
    pub camera_extra: Vec<String>,
    /// `camera.publisher`: instead of `ffmpeg`
    pub publisher: Option<String>,
    /// `camera.publisher_arguments`
    pub publisher_extra: Vec<String>,
    /// `paths.config_dir`
    pub config_dir: Option<String>,
    /// `paths.camera_settings`
    pub camera_settings: Option<String>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`], naming the key where one is wrong.
    pub fn load(path: &Path, warnings: &mut Vec<String>) -> Result<Self, FileError> {
        Self::parse(&std::fs::read(path).map_err(FileError::Read)?, warnings)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// [`FileError`], naming the key where one is wrong.
    pub fn parse(text: &[u8], warnings: &mut Vec<String>) -> Result<Self, FileError> {
        let mut file = Self::default();
        for (section, value) in object(text, warnings)? {
            let Value::Object(map) = value else {
                if SECTIONS.contains(&section.as_str()) {
                    return Err(FileError::Type { key: section, wanted: "an object" });
                }
                warnings.push(format!("unknown key '{section}' is ignored"));
                continue;
            };
            for (key, value) in map {
                let full = format!("{section}.{key}");
                if !file.take(&full, value)? {
                    warnings.push(format!("unknown key '{full}' is ignored"));
                }
            }
        }
        Ok(file)
    }

    fn take(&mut self, key: &str, value: Value) -> Result<bool, FileError> {
        match key {
            "server.host" => self.host = Some(text(key, value)?),
            "server.data_port" => self.data_port = Some(port(key, value)?),
            "server.settings_port" => self.settings_port = Some(port(key, value)?),
            "server.auth_port" => self.auth_port = Some(port(key, value)?),
            "auth.default_password" => self.password = Some(text(key, value)?),
            "logging.level" => self.log_level = Some(text(key, value)?),
            "logging.file" => self.log_file = Some(text(key, value)?),
            "logging.format" => self.log_format = Some(text(key, value)?),
            "camera.width" => self.width = Some(number(key, &value)?),
            "camera.height" => self.height = Some(number(key, &value)?),
            "camera.framerate" => self.framerate = Some(number(key, &value)?),
            "camera.codec" => self.codec = Some(text(key, value)?),
            "camera.rtsp_url" => self.rtsp_url = Some(text(key, value)?),
            "camera.program" => self.camera_program = Some(text(key, value)?),
            "camera.extra_arguments" => self.camera_extra = texts(key, value)?,
            "camera.publisher" => self.publisher = Some(text(key, value)?),
            "camera.publisher_arguments" => self.publisher_extra = texts(key, value)?,
            "camera.default_settings" => match value {
                Value::Object(map) => self.settings = Some(map),
                _ => return Err(FileError::Type { key: key.into(), wanted: "an object" }),
            },
            "paths.config_dir" => self.config_dir = Some(text(key, value)?),
            "paths.camera_settings" => self.camera_settings = Some(text(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn text(key: &str, value: Value) -> Result<String, FileError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FileError::Type { key: key.into(), wanted: "a string" }),
    }
}

fn texts(key: &str, value: Value) -> Result<Vec<String>, FileError> {
    match value {
        Value::Array(values) => values.into_iter().map(|value| text(key, value)).collect(),
        _ => Err(FileError::Type { key: key.into(), wanted: "a list of strings" }),
    }
}

fn number(key: &str, value: &Value) -> Result<u32, FileError> {
    let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    number.ok_or_else(|| FileError::Type { key: key.into(), wanted: "a whole number above 0" })
}

fn port(key: &str, value: Value) -> Result<String, FileError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(n) if n.as_u64().is_some_and(|n| n <= 65_535) => Ok(n.to_string()),
        _ => Err(FileError::Type { key: key.into(), wanted: "a port" }),
    }
}

const SECTIONS: [&str; 5] = ["server", "auth", "logging", "camera", "paths"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_types_and_strangers() {
        let mut warnings = Vec::new();
        let text = br#"{"server":{"host":"::1","data_port":0,"auth_port":"10.0.0.1:7"},"camera":{"width":1280,"x":1},
            "logging":{"format":"%(message)s"},"more":3,"other":{"a":1}}"#;
        let file = ConfigFile::parse(text, &mut warnings).unwrap();
        assert_eq!((file.host.as_deref(), file.data_port.as_deref()), (Some("::1"), Some("0")));
        assert_eq!((file.auth_port.as_deref(), file.width), (Some("10.0.0.1:7"), Some(1280)));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        for (text, key) in [
            (r#"{"server":7}"#, "'server'"),
            (r#"{"server":{"data_port":65536}}"#, "'server.data_port'"),
            (r#"{"server":{"data_port":1.5}}"#, "'server.data_port'"),
            (r#"{"camera":{"framerate":0}}"#, "'camera.framerate'"),
            (r#"{"camera":{"width":1e308}}"#, "'camera.width'"),
            (r#"{"auth":{"default_password":1111}}"#, "'auth.default_password'"),
            (r#"{"camera":{"extra_arguments":["a",1]}}"#, "'camera.extra_arguments'"),
        ] {
            let error = ConfigFile::parse(text.as_bytes(), &mut Vec::new()).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
