//! Settings without a restart: ffmpeg's filters and V4L2 controls.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use camera_packet::settings::SettingsBlock;

use super::{child, command};

/// Changes ffmpeg's filters through its standard input: `c`, then target, time (-1: now), command and value.
pub(super) fn filters(ffmpeg: &mut ChildStdin, settings: SettingsBlock) -> std::io::Result<()> {
    let mut text = String::new();
    for (filter, options) in command::filters(settings) {
        for (name, value) in options {
            text.push_str(&format!("c{filter} -1 {name} {value}\n"));
        }
    }
    ffmpeg.write_all(text.as_bytes())?;
    ffmpeg.flush()
}

/// A control of a V4L2 device, as `v4l2-ctl --list-ctrls` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    name: String,
    min: i64,
    max: i64,
    default: i64,
}

/// Sets a device's controls through `v4l2-ctl`: what the device has of them, within its ranges.
pub(super) fn controls(device: &str, settings: SettingsBlock) -> Result<(), String> {
    let program = child::find(&["v4l2-ctl"]).ok_or("v4l2-ctl is not installed: settings do not act")?;
    let run = |arguments: &[&str]| -> Result<String, String> {
        let mut child = Command::new(&program)
            .args(["-d", device])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("v4l2-ctl: {error}"))?;
        let deadline = Instant::now() + Duration::from_secs(2);
        // What it says fits a pipe.
        while child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if Instant::now() >= deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err("v4l2-ctl hangs".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("v4l2-ctl: {}", output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let controls: Vec<Control> = run(&["--list-ctrls"])?.lines().filter_map(control).collect();
    let values = control_values(&controls, settings);
    if values.is_empty() {
        return Err(format!("{device} has none of the controls"));
    }
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    run(&["--set-ctrl", &values.join(",")]).map(drop)
}

/// `brightness 0x00980900 (int)    : min=-64 max=64 step=1 default=0 value=0`
fn control(line: &str) -> Option<Control> {
    let (head, tail) = line.split_once(':')?;
    let name = head.split_whitespace().next()?;
    let field = |key: &str| {
        tail.split_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse::<i64>().ok())
    };
    let (min, max) = (field("min").unwrap_or(0), field("max").unwrap_or(1));
    Some(Control { name: name.into(), min, max, default: field("default").unwrap_or(min) })
}

/// What to set which control to. A ratio of 1.0 is the control's default.
fn control_values(controls: &[Control], settings: SettingsBlock) -> Vec<(String, i64)> {
    let [shutter, gain, red, blue, contrast, brightness] = settings.0.map(i64::from);
    let mut out = Vec::new();
    let mut set = |name: &str, value: &dyn Fn(&Control) -> i64| {
        if let Some(control) = controls.iter().find(|control| control.name == name) {
            out.push((control.name.clone(), value(control).clamp(control.min, control.max)));
        }
    };
    // 1: manual, 3: aperture priority, which is the automatic that cameras have.
    for name in ["auto_exposure", "exposure_auto"] {
        set(name, &|_| if shutter == 0 { 3 } else { 1 });
    }
    if shutter > 0 {
        // In units of 100 us, as our byte.
        for name in ["exposure_time_absolute", "exposure_absolute"] {
            set(name, &|_| shutter);
        }
    }
    if gain > 0 {
        set("gain", &|control| control.min + (control.max - control.min) * (gain - 1).min(15) / 15);
    }
    let automatic = i64::from(red == 0 && blue == 0);
    for name in ["white_balance_automatic", "white_balance_temperature_auto"] {
        set(name, &|_| automatic);
    }
    if automatic == 0 {
        set("red_balance", &|control| control.default * red / 10);
        set("blue_balance", &|control| control.default * blue / 10);
    }
    set("contrast", &|control| control.min + (control.default - control.min) * contrast / 10);
    set("brightness", &|control| {
        let away = brightness - 127;
        let room = if away < 0 { control.default - control.min } else { control.max - control.default };
        control.default + room * away / if away < 0 { 127 } else { 128 }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "
User Controls

                     brightness 0x00980900 (int)    : min=-64 max=64 step=1 default=0 value=0
                       contrast 0x00980901 (int)    : min=0 max=64 step=1 default=32 value=32
        white_balance_automatic 0x0098090c (bool)   : default=1 value=1
                           gain 0x00980913 (int)    : min=0 max=150 step=1 default=0 value=0

Camera Controls

                  auto_exposure 0x009a0901 (menu)   : min=0 max=3 default=3 value=3 (Aperture Priority Mode)
         exposure_time_absolute 0x009a0902 (int)    : min=1 max=5000 step=1 default=157 value=157 flags=inactive
";

    #[test]
    fn a_webcam() {
        let controls: Vec<Control> = LISTED.lines().filter_map(control).collect();
        let values = |bytes| -> Vec<String> {
            let values = control_values(&controls, SettingsBlock(bytes));
            values.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert_eq!(
            values([100, 16, 10, 10, 20, 255]),
            [
                "auto_exposure=1",
                "exposure_time_absolute=100",
                "gain=150",
                "white_balance_automatic=0",
                "contrast=64",
                "brightness=64"
            ]
        );
        assert_eq!(
            values([0, 0, 0, 0, 0, 0]),
            ["auto_exposure=3", "white_balance_automatic=1", "contrast=0", "brightness=-64"]
        );
    }
}
