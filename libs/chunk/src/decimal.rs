//! Floats as scaled integers, only where that restores every bit.
//!
//! Most exported values are integers or have few decimal places, so `value = integer / 10^exponent` with deltas of the integers
//! is several times smaller than the exclusive-or of neighbouring doubles. -0.0, NaN, infinities and doubles that use
//! their whole mantissa have no such form and are left to the caller.

/// Largest exponent that is tried. More places rarely repeat and cost as much as the double.
pub(crate) const MAX_EXPONENT: u8 = 10;

/// Integers below this magnitude are exact in a double.
const LIMIT: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The integer for which [`from_decimal`] gives back exactly these bits, if there is one.
#[inline]
pub(crate) fn to_decimal(bits: u64, exponent: u8) -> Option<i64> {
    let value = f64::from_bits(bits);
    let scaled = value * POWERS[usize::from(exponent & 15)];
    if scaled.abs() < LIMIT {
        let decimal = (scaled + 0.5f64.copysign(scaled)) as i64;
        (from_decimal(decimal, exponent) == bits).then_some(decimal)
    } else {
        None
    }
}

/// The bits of `decimal / 10^exponent`; exponents are below 16.
#[inline]
pub(crate) fn from_decimal(decimal: i64, exponent: u8) -> u64 {
    let integer = decimal as f64;
    if exponent == 0 { integer.to_bits() } else { (integer / POWERS[usize::from(exponent & 15)]).to_bits() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn special_values_have_no_decimal_form() {
        for value in [-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE] {
            for exponent in 0..=MAX_EXPONENT {
                assert_eq!(to_decimal(value.to_bits(), exponent), None, "{value} at {exponent}");
            }
        }
        assert_eq!(to_decimal(0.0f64.to_bits(), 0), Some(0));
        assert_eq!(to_decimal((-1.25f64).to_bits(), 2), Some(-125));
    }

    proptest! {
        #[test]
        fn a_decimal_form_restores_every_bit(bits: u64, integer in -1_000_000_000i64..1_000_000_000, exponent in 0..=MAX_EXPONENT) {
            if let Some(decimal) = to_decimal(bits, exponent) {
                prop_assert_eq!(from_decimal(decimal, exponent), bits);
            }
            let made = from_decimal(integer, exponent);
            prop_assert_eq!(to_decimal(made, exponent), Some(integer));
        }
    }
}
