//! Numbers as the three families of implementations write them (sheet §6).

use alloc::format;
use alloc::string::String;

use crate::codec::Style;

/// The shortest decimal that reads back as `value`, in the manner of `style`. What is not finite becomes 0.
pub(crate) fn float_text(value: f64, style: Style) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // From where on a language writes an exponent.
    let plain = match style {
        Style::Python | Style::Swift => (-4..16).contains(&exponent),
        Style::Gson => (-3..7).contains(&exponent) || value == 0.0,
    };
    if plain {
        let (whole, fraction) = fixed(&digits, exponent);
        return match (fraction.is_empty(), style) {
            (true, Style::Swift) => format!("{sign}{whole}"),
            (true, _) => format!("{sign}{whole}.0"),
            _ => format!("{sign}{whole}.{fraction}"),
        };
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    match (style, rest) {
        (Style::Gson, "") => format!("{sign}{first}.0E{exponent}"),
        (Style::Gson, rest) => format!("{sign}{first}.{rest}E{exponent}"),
        (_, rest) => {
            let point = if rest.is_empty() { "" } else { "." };
            let mark = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{first}{point}{rest}e{mark}{:02}", exponent.unsigned_abs())
        }
    }
}

/// The digits before and after the point.
fn fixed(digits: &str, exponent: i32) -> (String, String) {
    match usize::try_from(exponent) {
        Ok(shift) => {
            let before = shift + 1;
            match digits.split_at_checked(before) {
                Some((whole, fraction)) => (whole.into(), fraction.into()),
                None => (format!("{digits:0<before$}"), String::new()),
            }
        }
        Err(_) => {
            let zeros = usize::try_from(-exponent).unwrap_or(1).saturating_sub(1);
            (String::from("0"), format!("{}{digits}", "0".repeat(zeros)))
        }
    }
}

/// A JSON number times 10^9, rounded to the nearest integer, half to even; `None` beyond `i64` and for what is no
/// number. No binary fraction takes part, so what was written with nine decimals is exact.
pub(crate) fn nanos(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // 10^(shift) of the last digit taken in; digits beyond the 30th are below any rounding that matters here.
    let mut shift = exponent.checked_add(9)?;
    let mut value = 0_u128;
    for (digit, after_point) in whole.bytes().map(|b| (b, false)).chain(fraction.bytes().map(|b| (b, true))) {
        if value < DIGITS_KEPT {
            value = value * 10 + u128::from(digit - b'0');
            shift -= i32::from(after_point);
        } else {
            shift += i32::from(!after_point);
        }
    }
    let value = scaled(value, shift)?;
    let value = i128::try_from(value).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

fn exponent_of(text: &str) -> Option<i32> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let value: i32 = text.parse().ok()?;
    (-1_000_000..=1_000_000).contains(&value).then_some(value)
}

/// `value * 10^shift`, rounded half to even.
fn scaled(value: u128, shift: i32) -> Option<u128> {
    if value == 0 {
        return Some(0);
    }
    let tens = shift.unsigned_abs();
    if shift >= 0 {
        return 10_u128.checked_pow(tens)?.checked_mul(value);
    }
    let Some(divisor) = 10_u128.checked_pow(tens) else {
        return Some(0);
    };
    let (quotient, rest) = (value / divisor, value % divisor);
    let half = divisor / 2;
    let up = rest > half || (rest == half && quotient % 2 == 1);
    Some(quotient + u128::from(up))
}

const DIGITS_KEPT: u128 = 10_u128.pow(30);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_of_three_languages() {
        let cases = [
            (1_729_000_000.456, "1729000000.456", "1.729000000456E9", "1729000000.456"),
            (1_729_000_000.0, "1729000000.0", "1.729E9", "1729000000"),
            (85.0, "85.0", "85.0", "85"),
            (85.5, "85.5", "85.5", "85.5"),
            (1.0, "1.0", "1.0", "1"),
            (0.0, "0.0", "0.0", "0"),
            (-1.0, "-1.0", "-1.0", "-1"),
            (1e22, "1e+22", "1.0E22", "1e+22"),
            (1e-7, "1e-07", "1.0E-7", "1e-07"),
            (0.000_12, "0.00012", "1.2E-4", "0.00012"),
            (0.001, "0.001", "0.001", "0.001"),
            (10_000_000.0, "10000000.0", "1.0E7", "10000000"),
            (1.5e16, "1.5e+16", "1.5E16", "1.5e+16"),
            (f64::NAN, "0.0", "0.0", "0"),
        ];
        for (value, python, gson, swift) in cases {
            assert_eq!(float_text(value, Style::Python), python);
            assert_eq!(float_text(value, Style::Gson), gson);
            assert_eq!(float_text(value, Style::Swift), swift);
        }
    }

    #[test]
    fn nanoseconds_of_texts() {
        let cases = [
            ("1729000003.5", Some(1_729_000_003_500_000_000)),
            ("1.7290000035E9", Some(1_729_000_003_500_000_000)),
            ("1729000003", Some(1_729_000_003_000_000_000)),
            ("0.0000000005", Some(0)),
            ("0.0000000015", Some(2)),
            ("-1.5", Some(-1_500_000_000)),
            ("0e999999", Some(0)),
            ("1e999999", None),
            ("1e-999999", Some(0)),
            ("1e10", None),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("NaN", None),
            ("", None),
            (".5", None),
            ("1e99999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text), expected, "{text}");
        }
        assert_eq!(nanos(&format!("1.{}", "0".repeat(100_000))), Some(1_000_000_000));
        assert_eq!(nanos(&"1".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn a_float_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for style in [Style::Python, Style::Gson, Style::Swift] {
                prop_assert_eq!(float_text(value, style).parse::<f64>().unwrap(), value);
            }
        }

        #[test]
        fn nanoseconds_are_exact(ns: i64) {
            let (sign, abs) = (if ns < 0 { "-" } else { "" }, ns.unsigned_abs());
            let text = format!("{sign}{}.{:09}", abs / 1_000_000_000, abs % 1_000_000_000);
            prop_assert_eq!(nanos(&text), Some(ns));
        }
    }
}
