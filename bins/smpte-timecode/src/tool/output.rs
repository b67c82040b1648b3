//! How results are written.

use std::io::{self, Write};

use serde_json::Value;

/// Writes one JSON object as one line, its fields in the order given.
pub(super) fn json_line(out: &mut dyn Write, fields: &[(&str, Value)]) -> io::Result<()> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    writeln!(out, "{{{}}}", fields.join(", "))
}

/// Bytes as hexadecimal pairs with spaces between them.
pub(super) fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}
