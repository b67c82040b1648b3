//! Arguments to values, with errors that name the argument.

use smpte_timecode::{LabelError, Rate, Timecode};

use super::failure::Failure;

/// A rate given as `argument`.
pub(super) fn rate(argument: &str, text: &str) -> Result<Rate, Failure> {
    text.parse().map_err(|error| Failure::usage(argument, format_args!("'{text}': {error}")))
}

/// A label given as `argument`.
pub(super) fn label(argument: &str, text: &str, rate: Rate) -> Result<Timecode, Failure> {
    Timecode::parse(text, rate).map_err(|error| {
        let hint = match error {
            LabelError::DropSeparator if rate.can_drop() => format!(" (drop-frame is --rate {rate}df)"),
            LabelError::OutOfRange { .. } | LabelError::Dropped { .. } => format!(" at {rate}"),
            LabelError::Syntax { .. } => String::from(", it should be HH:MM:SS:FF"),
            _ => String::new(),
        };
        Failure::usage(argument, format_args!("'{text}': {error}{hint}"))
    })
}

/// The eight digits of user bits, or fewer with zeros before them.
pub(super) fn user_bits(argument: &str, text: &str) -> Result<u32, Failure> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bits = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16));
    match bits {
        Some(Ok(bits)) => Ok(bits),
        _ => Err(Failure::usage(argument, format_args!("'{text}': not 1 to 8 hexadecimal digits"))),
    }
}

/// A decimal number as so many units of one in 10^`places`, with its sign.
pub(super) fn decimal(text: &str, places: usize) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number =
        !whole.is_empty() && [whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    // digits beyond the places would have to be rounded: none are taken
    let beyond = fraction.get(places..).unwrap_or_default();
    if !is_number || (digits.contains('.') && fraction.is_empty()) || beyond.bytes().any(|byte| byte != b'0')
    {
        return None;
    }
    let fraction = fraction.get(..places).unwrap_or(fraction);
    let value: i64 = format!("{whole}{fraction:0<places$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        assert_eq!(decimal("1.5", 9), Some(1_500_000_000));
        assert_eq!(decimal("-18", 1), Some(-180));
        assert_eq!(decimal("+0.50", 1), Some(5));
        assert_eq!(decimal("0.05", 1), None);
        for text in ["", "-", ".5", "5.", "1e3", "1,5", "--1", "nan", "99999999999999999999"] {
            assert_eq!(decimal(text, 3), None, "{text}");
        }
    }
}
