//! Uploads by curl, which speaks TLS and signs requests to S3. Addresses and keys go to it through its standard input,
//! where other users of the machine do not see them, and into no log.

use std::io::Write;
use std::process::{Command, Stdio};

use machine::FileToken;
use multicam_common::FileName;
use multicam_common::message::Upload;
use multicam_common::server::DeviceCalls;

use super::DeviceDriver;
use super::store::Store;

pub(super) fn run(driver: &DeviceDriver, store: &Store, _file: FileToken, name: &FileName, to: &Upload) {
    driver.call(|device, _| device.upload_progress(name, 0, 0));
    let path = store.path(name);
    let outcome = put(&path.to_string_lossy(), to);
    match &outcome {
        Ok(()) => tracing::info!(%name, "uploaded"),
        Err(why) => tracing::warn!(%name, why, "an upload failed"),
    }
    driver.call(|device, _| {
        device.upload_done(
            name,
            match &outcome {
                Ok(()) => Ok(()),
                Err(why) => Err(why.as_str()),
            },
        )
    });
}

fn put(path: &str, to: &Upload) -> Result<(), String> {
    let config = config(path, to).ok_or("the upload has no usable address")?;
    let mut curl = Command::new("curl")
        .args(["--config", "-", "--silent", "--fail", "--max-time", "600", "--output", "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| "uploads need the program curl")?;
    if let Some(mut input) = curl.stdin.take() {
        input.write_all(config.as_bytes()).map_err(|_| "curl did not take its orders")?;
    }
    match curl.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the store did not take the file (curl: {})", status.code().unwrap_or(-1))),
        Err(_) => Err("curl was lost".into()),
    }
}

/// curl's orders.
fn config(path: &str, to: &Upload) -> Option<String> {
    // An order is a line: nothing may end one early.
    let quoted = |text: &str| {
        let plain = !text.chars().any(char::is_control);
        plain.then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
    };
    let file = quoted(path)?;
    let mut lines = format!("upload-file = {file}\nheader = \"Content-Type:\"\nproto = \"=http,https\"\n");
    if to.has_credentials() {
        let (bucket, key, region) = (to.s3_bucket.as_ref()?, to.s3_key.as_ref()?, to.aws_region.as_ref()?);
        let url = quoted(&format!("https://{bucket}.s3.{region}.amazonaws.com/{key}"))?;
        let user = format!("{}:{}", to.aws_access_key_id.as_ref()?, to.aws_secret_access_key.as_ref()?);
        let token = quoted(&format!("x-amz-security-token: {}", to.aws_session_token.as_ref()?))?;
        let signed = quoted(&format!("aws:amz:{region}:s3"))?;
        lines += &format!("url = {url}\nuser = {}\nheader = {token}\naws-sigv4 = {signed}\n", quoted(&user)?);
    } else {
        lines += &format!("url = {}\n", quoted(to.upload_url.as_ref()?)?);
    }
    Some(lines)
}
