//! What every program of the workspace does alike on its command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use e2e::{Running, program};
use serde_json::Value;

/// The programs that people run: everything under bins/.
fn programs() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        if !Path::new(package["manifest_path"].as_str().unwrap()).starts_with(root.join("bins")) {
            continue;
        }
        for target in package["targets"].as_array().unwrap() {
            if target["kind"][0] == "bin" {
                names.push(target["name"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(names.len() >= 4, "{names:?}");
    names
}

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn all_programs_help_and_tell_their_version() {
    for name in programs() {
        for flag in ["--help", "-h"] {
            let help = run(&name, &[flag]);
            let text = String::from_utf8(help.stdout).unwrap();
            assert_eq!(help.status.code(), Some(0), "{name} {flag}");
            assert!(text.contains("Usage:") && text.contains(&name), "{name} {flag}: {text}");
            // By example, too.
            assert!(
                text.contains("\nExample") && text.contains(&format!("\n  {name}")),
                "{name} {flag}: {text}"
            );
            // Into a pipe no colours go.
            assert!(!text.contains('\u{1b}'), "{name} {flag}: {text}");
        }
        let version = run(&name, &["--version"]);
        let text = String::from_utf8(version.stdout).unwrap();
        assert_eq!(text, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

/// The help of a program and of its subcommands, theirs too.
fn all_help(name: &str) -> Vec<(String, String)> {
    let mut waiting = vec![Vec::<String>::new()];
    let mut all = Vec::new();
    while let Some(path) = waiting.pop() {
        let arguments: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let text = String::from_utf8(run(name, &arguments).stdout).unwrap();
        let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in commands.take_while(|line| !line.is_empty()) {
            // What is indented further goes on about the one before.
            let command = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
            let command = command.and_then(|rest| rest.split_whitespace().next());
            if let Some(command) = command.filter(|command| *command != "help") {
                waiting.push([path.as_slice(), &[command.to_owned()]].concat());
            }
        }
        all.push((format!("{name} {}", path.join(" ")).trim_end().to_owned(), text));
    }
    all
}

/// Each option with the name of its value, if it has one, as help writes them: `      --host <HOST>`, `  -q, --quiet`.
fn options(help: &str) -> Vec<(&str, &str)> {
    let long = help.lines().filter_map(|line| match line.split_at_checked(6)? {
        ("      ", option) if option.starts_with("--") => Some(option),
        (short, option) if short.starts_with("  -") && short.ends_with(", ") => Some(option),
        _ => None,
    });
    long.map(|line| {
        // Where the text is short it stands in the same line.
        let head = line.split("  ").next().unwrap_or_default().trim_end();
        let (option, value) = head.split_once(' ').unwrap_or((head, ""));
        (option, value.trim_matches(['<', '>', '[', ']']))
    })
    .collect()
}

/// What is called the same is the same, whichever program it is an option of, and says in its value's name what is wanted.
#[test]
fn options_are_called_the_same_everywhere() {
    /// One word for two things: an emulated controller records for some time; a cluster's engine is waited for, or devices
    /// for some time; rates are of telemetry or of labels; and labels go to a rate, packets to a host.
    const DIFFERENT: [&str; 4] = ["--record", "--wait", "--rate", "--to"];
    let mut values = BTreeMap::<String, BTreeMap<String, String>>::new();
    for name in programs() {
        for (command, help) in all_help(&name) {
            for (option, value) in options(&help) {
                // Not the option's own name in capitals, which says nothing.
                assert!(!value.contains('_'), "{command}: {option} {value}");
                let units = ["seconds", "milliseconds", "SECONDS", "MILLISECONDS"];
                assert!(!units.contains(&value), "{command}: {option} {value}: S or MS");
                values.entry(option.to_owned()).or_default().insert(value.to_owned(), command.clone());
            }
        }
    }
    for (option, values) in &values {
        assert!(values.len() == 1 || DIFFERENT.contains(&option.as_str()), "{option}: {values:?}");
    }
    let common = [
        ("--log", "FILTER"),
        ("--log-format", "FORMAT"),
        ("--json", ""),
        ("--host", "HOST"),
        ("--port", "PORT"),
    ];
    for (option, value) in common {
        assert!(values[option].keys().eq([value]), "{option}: {:?}", values[option]);
    }
}

/// The programs that serve: how they are started on free ports.
const SERVERS: [(&str, &[&str]); 8] = [
    ("smpte-server", &["--port", "0", "--ws-port", "0"]),
    ("camera-server", &["--source", "none", "--data-port", "0", "--settings-port", "0", "--auth-port", "0"]),
    ("rtsp-server", &["--port", "0"]),
    ("multicam-device", &["--host", "127.0.0.1", "--port", "0", "--no-mdns", "--clock", "system"]),
    ("wall-clock-server", &["--host", "127.0.0.1", "--port", "0"]),
    ("cii-server", &["--port", "0"]),
    ("ts-server", &["--port", "0", "--wc-host", "127.0.0.1", "--wc-port", "0"]),
    ("tv-device", &["--host", "127.0.0.1", "--port", "0", "--wc-host", "127.0.0.1", "--wc-port", "0"]),
];

#[test]
fn all_servers_take_the_same_options_and_tell_scripts_where_they_listen() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in SERVERS {
        let help = all_help(name).swap_remove(0).1;
        let known: Vec<_> = options(&help).into_iter().map(|(option, _)| option).collect();
        for option in ["--host", "--json", "--record", "--log", "--log-format"] {
            assert!(known.contains(&option), "{name} has no {option}");
        }
        // A supervisor's log, and nothing but JSON on stdout.
        let mut command = Command::new(program(name));
        command.args(arguments).args(["--json", "--log", "warn", "--log-format", "compact"]);
        if name == "multicam-device" {
            command.arg("--dir").arg(folder.path());
        }
        let mut server = Running::spawn(&mut command);
        let line = server.line().unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{name}: {line}: {e}"));
        assert_eq!(told["event"], "listening", "{name}: {line}");
        let address: SocketAddr = told["address"].as_str().unwrap().parse().unwrap();
        assert!(address.port() != 0 && told["role"].is_string(), "{name}: {line}");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn all_programs_say_in_one_line_what_is_wrong() {
    for name in programs() {
        let wrong = run(&name, &["--no-such-option"]);
        let text = String::from_utf8(wrong.stderr).unwrap();
        assert_eq!(wrong.status.code(), Some(2), "{name}: {text}");
        assert!(wrong.stdout.is_empty(), "{name}");
        assert!(text.contains("--no-such-option"), "{name}: {text}");
        assert!(text.lines().any(|line| line.starts_with("error: ")), "{name}: {text}");
    }
}

#[test]
fn all_programs_write_their_man_pages_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    for name in programs() {
        let man = run(&name, &["--generate", "man", folder.path().to_str().unwrap()]);
        assert!(man.status.success(), "{name}: {man:?}");
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS") || page.contains(".SH SUBCOMMANDS"), "{name}: {page}");
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = run(&name, &["--generate", shell]);
            assert!(script.status.success(), "{name} {shell}");
            assert!(String::from_utf8_lossy(&script.stdout).contains(&name), "{name} {shell}");
        }
        let wrong = run(&name, &["--generate", "papyrus"]);
        assert_eq!(wrong.status.code(), Some(2), "{name}");
        assert_eq!(String::from_utf8_lossy(&wrong.stderr).lines().count(), 1, "{wrong:?}");
    }
}
