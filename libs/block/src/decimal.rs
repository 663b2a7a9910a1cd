//! A row's floats as scaled integers, only where that restores every bit.
//!
//! Most exported values are integers or have few decimal places, and integers with one exponent per row compress several
//! times better than doubles. A stale marker needs no integer: it is a null in the list. -0.0, infinities, other NaNs and
//! doubles that use their whole mantissa have no such form, and one of them makes the whole row a list of doubles (W-5).

use narthex_model::is_stale;

/// Largest exponent. 10^15 is exact in a double, and more places cost as much as the double itself.
pub(crate) const MAX_EXPONENT: u8 = 15;

/// Integers below this magnitude are exact in a double.
const LIMIT: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; MAX_EXPONENT as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Finds the smallest exponent under which every value of a row but stale markers is `integer / 10^exponent` to the bit,
/// and writes the integers to `out` (0 in the place of a stale marker).
pub(crate) fn encode_row(values: &[f64], out: &mut Vec<i64>) -> Option<u8> {
    let mut exponent = 0;
    // The value that needs more places is mostly among the first, so starting over is cheaper than looking first.
    while let Some(at) = first_inexact(values, exponent, out) {
        exponent = (exponent + 1..=MAX_EXPONENT)
            .find(|exponent| to_decimal(values[at], POWERS[usize::from(*exponent)]).is_some())?;
    }
    Some(exponent)
}

/// Writes integers until a value has none under the exponent, and tells which.
fn first_inexact(values: &[f64], exponent: u8, out: &mut Vec<i64>) -> Option<usize> {
    let power = POWERS[usize::from(exponent)];
    out.clear();
    out.reserve(values.len());
    for (at, value) in values.iter().enumerate() {
        match if exponent == 0 { to_integer(*value) } else { to_decimal(*value, power) } {
            Some(decimal) => out.push(decimal),
            None if is_stale(*value) => out.push(0),
            None => return Some(at),
        }
    }
    None
}

/// The power of ten that a row's integers are divided by, `None` for an exponent that no writer uses.
pub(crate) fn power_of(exponent: i32) -> Option<f64> {
    POWERS.get(usize::try_from(exponent).ok()?).copied()
}

/// As [`to_decimal`] with the power 1, without its division.
#[inline]
fn to_integer(value: f64) -> Option<i64> {
    let decimal = value as i64;
    (value.abs() < LIMIT && (decimal as f64).to_bits() == value.to_bits()).then_some(decimal)
}

#[inline]
fn to_decimal(value: f64, power: f64) -> Option<i64> {
    let scaled = value * power;
    if scaled.abs() < LIMIT {
        let decimal = (scaled + 0.5f64.copysign(scaled)) as i64;
        (from_decimal(decimal, power).to_bits() == value.to_bits()).then_some(decimal)
    } else {
        None
    }
}

/// The double that an integer stands for. Dividing by one changes no bit, so exponent 0 needs no case of its own.
#[inline]
pub(crate) fn from_decimal(decimal: i64, power: f64) -> f64 {
    decimal as f64 / power
}

#[cfg(test)]
mod tests {
    use narthex_model::stale_marker;
    use proptest::prelude::*;

    use super::*;

    fn restored(values: &[f64]) -> Option<(u8, Vec<u64>)> {
        let mut integers = Vec::new();
        let exponent = encode_row(values, &mut integers)?;
        let power = power_of(i32::from(exponent)).expect("a known exponent");
        let bits = values.iter().zip(&integers).map(|(value, integer)| {
            if is_stale(*value) { value.to_bits() } else { from_decimal(*integer, power).to_bits() }
        });
        Some((exponent, bits.collect()))
    }

    #[test]
    fn one_exponent_serves_the_row_and_stale_markers_do_not_spoil_it() {
        assert_eq!(restored(&[1.0, 2.5, stale_marker(), 0.125]).expect("decimal").0, 3);
        assert_eq!(restored(&[stale_marker()]).expect("decimal").0, 0);
        for spoiler in [-0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1.0 / 3.0, 1e300] {
            assert_eq!(restored(&[1.0, spoiler]), None, "{spoiler}");
        }
        assert_eq!(power_of(16), None);
        assert_eq!(power_of(-1), None);
    }

    proptest! {
        #[test]
        fn a_decimal_row_restores_every_bit(
            row in proptest::collection::vec(
                prop_oneof![
                    (-1_000_000_000i64..1_000_000_000, 0u8..8)
                        .prop_map(|(integer, places)| from_decimal(integer, POWERS[usize::from(places)])),
                    Just(stale_marker()),
                ],
                0..20,
            ),
            wild in proptest::collection::vec(any::<u64>().prop_map(f64::from_bits), 0..3),
        ) {
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            if let Some((_, found)) = restored(&row) {
                prop_assert_eq!(found, bits(&row));
            }
            if let Some((_, found)) = restored(&wild) {
                prop_assert_eq!(found, bits(&wild));
            }
        }
    }
}
