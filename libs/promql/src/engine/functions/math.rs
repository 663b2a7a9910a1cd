//! Functions of one float.

use crate::{
    ast::Call,
    engine::{
        column::{Column, Steps},
        eval::{Evaluated, Evaluator},
    },
};

/// The greater, NaN if either is (Rust's `max` would drop it).
pub(in crate::engine) fn go_max(left: f64, right: f64) -> f64 {
    match (left, right) {
        _ if left == f64::INFINITY || right == f64::INFINITY => f64::INFINITY,
        _ if left.is_nan() || right.is_nan() => f64::NAN,
        _ => left.max(right),
    }
}

/// The lesser, NaN if either is.
pub(in crate::engine) fn go_min(left: f64, right: f64) -> f64 {
    match (left, right) {
        _ if left == f64::NEG_INFINITY || right == f64::NEG_INFINITY => f64::NEG_INFINITY,
        _ if left.is_nan() || right.is_nan() => f64::NAN,
        _ => left.min(right),
    }
}

/// Beyond this the square root in the inverse hyperbolic functions adds nothing, and would overflow far out.
const LARGE: f64 = (1u64 << 28) as f64;

fn asinh(value: f64) -> f64 {
    let magnitude = value.abs();
    if magnitude <= LARGE { value.asinh() } else { (magnitude.ln() + std::f64::consts::LN_2).copysign(value) }
}

fn acosh(value: f64) -> f64 {
    if value <= LARGE { value.acosh() } else { value.ln() + std::f64::consts::LN_2 }
}

/// Of negative numbers near -1 the standard library's loses a third of the digits.
fn atanh(value: f64) -> f64 {
    value.abs().atanh().copysign(value)
}

/// Functions without parameters.
pub(super) fn simple(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => asinh,
        "acosh" => acosh,
        "atanh" => atanh,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "sgn" => |value| match value {
            value if value < 0.0 => -1.0,
            value if value > 0.0 => 1.0,
            value => value,
        },
        _ => return None,
    })
}

/// `clamp`, `clamp_min`, `clamp_max` and `round`, whose parameters may differ from step to step.
pub(super) async fn with_parameters(
    evaluator: &mut Evaluator<'_>,
    call: &Call,
    steps: Steps,
) -> Evaluated<Vec<Column>> {
    let mut columns = evaluator.vector(&call.args[0], steps).await?;
    let mut parameters = Vec::new();
    for arg in &call.args[1..] {
        parameters.push(evaluator.scalar(arg, steps).await?);
    }
    let first = |at: usize| parameters[0][at];
    for column in &mut columns {
        evaluator.tick(steps.count).await?;
        for at in 0..steps.count {
            let Some(value) = column.float(at) else {
                column.clear(at);
                continue;
            };
            let (min, max) = match call.function {
                "clamp" => (first(at), parameters[1][at]),
                "clamp_min" => (first(at), f64::INFINITY),
                "clamp_max" => (f64::NEG_INFINITY, first(at)),
                _ => {
                    // The inverse costs less accuracy than dividing by the unit.
                    let inverse = 1.0 / parameters.first().map_or(1.0, |unit| unit[at]);
                    column.set_float(at, (value * inverse + 0.5).floor() / inverse);
                    continue;
                }
            };
            if max < min {
                column.clear(at);
            } else {
                column.set_float(at, go_max(min, go_min(max, value)));
            }
        }
        column.drop_name = true;
    }
    columns.retain(|column| !column.is_empty());
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::simple;

    /// Figures of a library that is right to the last digit.
    #[test]
    fn atanh_keeps_its_digits_near_both_ends() {
        let atanh = simple("atanh").expect("known");
        for (value, expected) in [
            (0.999_990_2, 6.113_135_226_420_459),
            (-0.999_990_2, -6.113_135_226_420_459),
            (-1e-9, -1e-9),
            (-1.0, f64::NEG_INFINITY),
        ] {
            let found = atanh(value);
            assert!(
                found == expected || (found - expected).abs() <= 1e-15 * expected.abs(),
                "{value}: {found}"
            );
        }
        assert!(atanh(-1.5).is_nan() && atanh(-0.0).is_sign_negative());
    }
}
