//! The examples as programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of an example, built as this test is: with the features of the whole workspace, so that nothing is built twice.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).expect("the test lies in target/<profile>/deps");
        let release = profile.file_name().is_some_and(|name| name == "release");
        let built = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--workspace", "--examples"])
            .args(release.then_some("--release"))
            .arg("--target-dir")
            .arg(profile.parent().expect("target"))
            .status();
        assert!(built.unwrap().success(), "the examples cannot be built");
        profile.join("examples")
    });
    folder.join(name).with_extension(std::env::consts::EXE_EXTENSION)
}
