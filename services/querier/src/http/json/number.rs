//! Numbers as Go's `strconv` and Prometheus's encoder write them.

use std::io::Write;

/// Beyond these magnitudes Prometheus switches from plain to exponent notation.
const SMALLEST_PLAIN: f64 = 1e-6;
const LARGEST_PLAIN: f64 = 1e21;

/// Integers below this magnitude are exact in a float, so their digits are those of the integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes milliseconds as seconds: `1435781451.781`, without trailing zero fraction but with all three digits otherwise.
pub(crate) fn write_seconds(out: &mut Vec<u8>, millis: i64) {
    if millis < 0 {
        out.push(b'-');
    }
    let millis = millis.unsigned_abs();
    write_integer(out, millis / 1000);
    let rest = (millis % 1000) as u16;
    if rest > 0 {
        out.push(b'.');
        out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
    }
}

/// Writes a sample value as a JSON string: the shortest digits that read back to the same float.
pub(crate) fn write_value(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    write_float(out, value);
    out.push(b'"');
}

fn write_float(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if magnitude != 0.0 && !(SMALLEST_PLAIN..LARGEST_PLAIN).contains(&magnitude) {
        write_exponent(out, value);
    } else if magnitude < EXACT && value.fract() == 0.0 && (magnitude != 0.0 || value.is_sign_positive()) {
        write_integer(out, value as i64);
    } else {
        put(out, format_args!("{value}"));
    }
}

/// Go writes a sign and at least two digits of exponent: `1e-07`, `1.5e+21`.
fn write_exponent(out: &mut Vec<u8>, value: f64) {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    put(out, format_args!("{digits}e{sign}{exponent:0>2}"));
}

/// Most of an answer's numbers are integers, for which formatting is what they cost.
fn write_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every byte");
}
