//! How two lines differ.

use machine::record::{Difference, Fields, data};

/// What was recorded and what was said now, for people: both lines, and if both hold data the bytes where it begins to
/// differ.
pub fn difference(difference: &Difference) -> String {
    let Difference { recorded, replayed } = difference;
    let mut text = format!("recorded: {}\nreplayed: {}\n", shown(recorded), shown(replayed));
    if let Some(context) = hex_context(recorded, replayed) {
        text += &context;
    }
    text
}

/// The bytes around the first that differs in the data of two lines; `None` where that is not what differs.
pub fn hex_context(recorded: &str, replayed: &str) -> Option<String> {
    let (recorded, replayed) = (data_of(recorded)?, data_of(replayed)?);
    let same = recorded.iter().zip(&replayed).take_while(|(a, b)| a == b).count();
    if same == recorded.len() && same == replayed.len() {
        return None;
    }
    let start = same.saturating_sub(AROUND);
    let hex = |data: &[u8]| {
        let end = data.len().min(same + AROUND);
        let bytes = data.get(start..end).unwrap_or_default();
        bytes.iter().map(|byte| format!(" {byte:02x}")).collect::<String>()
    };
    Some(format!(
        "from byte {same} of the data on; bytes {start} on:\n  recorded{}\n  replayed{}\n",
        hex(&recorded),
        hex(&replayed)
    ))
}

/// The last word that is data.
fn data_of(line: &str) -> Option<Vec<u8>> {
    let (_, rest) = line.split_at_checked(line.find(' ')?)?;
    let mut fields = Fields::new(rest);
    let mut found = None;
    while let Ok(word) = fields.word() {
        if word.starts_with(['"', 'x']) {
            found = data(word).ok().or(found);
        }
    }
    found
}

/// Lines are ASCII; one that was spoilt may not be.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// So many bytes on either side.
const AROUND: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let context = hex_context("send 1 Always bytes \"abc d\"", "send 1 Always bytes x6162ff").unwrap();
        assert_eq!(
            context,
            "from byte 2 of the data on; bytes 0 on:\n  recorded 61 62 63 20 64\n  replayed 61 62 ff\n"
        );
        let (a, b) = (format!("event \"{}\"", "a".repeat(99)), format!("event \"{}\"", "a".repeat(100)));
        let context = hex_context(&a, &b).unwrap();
        assert!(context.starts_with("from byte 99 of the data on; bytes 83 on:"), "{context}");
        // Other things differ, or there is nothing to compare.
        assert_eq!(hex_context("send 1 Always bytes \"a\"", "send 2 Always bytes \"a\""), None);
        assert_eq!(hex_context("close 1 now", "."), None);
        let both = Difference { recorded: "close 1 now".into(), replayed: ".".into() };
        assert_eq!(difference(&both), "recorded: close 1 now\nreplayed: .\n");
    }
}
