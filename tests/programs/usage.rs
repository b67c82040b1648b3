//! What every program of the workspace does alike on its command line.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use e2e::program;
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
