//! Sizes in bytes as Prometheus writes them.

const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];

/// Reads a size such as `10MB`; every unit is a power of 1,024. `0` needs none.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    if number == 0 && unit.is_empty() {
        return Some(0);
    }
    let unit = unit.strip_suffix('B')?;
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    if unit.is_empty() {
        return Some(number);
    }
    let power = UNITS.iter().position(|known| *known == unit)? + 1;
    number.checked_mul(1u64.checked_shl(u32::try_from(power).ok()? * 10)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("7B", Some(7)),
            ("10KB", Some(10_240)),
            ("3MiB", Some(3 << 20)),
            ("15EB", Some(15 << 60)),
            ("16EB", None),
            ("7", None),
            ("MB", None),
            ("-1MB", None),
            ("1XB", None),
            ("", None),
        ] {
            assert_eq!(parse(text), bytes, "{text}");
        }
    }
}
