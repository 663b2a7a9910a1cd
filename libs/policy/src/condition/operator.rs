//! Names of condition operators: `[ForAllValues:|ForAnyValue:]<comparison>[IfExists]`, and `Null`.

/// How the values of a key that has several are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// None given: one value is expected. Of several, one has to match, and for a negated operator none may.
    One,
    /// `ForAllValues`.
    All,
    /// `ForAnyValue`.
    Any,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Text { negated: bool, fold: bool, wildcards: bool },
    Number(Order),
    Time(Order),
    Bool,
    Binary,
    Address { negated: bool },
    Arn { negated: bool },
    Null,
}

/// Order of two numbers or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn new(name: &str) -> Option<Self> {
        Some(match name {
            "Equals" => Self::Equal,
            "NotEquals" => Self::NotEqual,
            "LessThan" => Self::Less,
            "LessThanEquals" => Self::LessOrEqual,
            "GreaterThan" => Self::Greater,
            "GreaterThanEquals" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Whether `left` stands in this order to `right`. The negation of equality is left to the caller.
    pub(crate) fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal | Self::NotEqual => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Comparison {
    fn new(name: &str) -> Option<Self> {
        let text = |negated, fold, wildcards| Some(Self::Text { negated, fold, wildcards });
        match name {
            "StringEquals" => text(false, false, false),
            "StringNotEquals" => text(true, false, false),
            "StringEqualsIgnoreCase" => text(false, true, false),
            "StringNotEqualsIgnoreCase" => text(true, true, false),
            "StringLike" => text(false, false, true),
            "StringNotLike" => text(true, false, true),
            "Bool" => Some(Self::Bool),
            "BinaryEquals" => Some(Self::Binary),
            "IpAddress" => Some(Self::Address { negated: false }),
            "NotIpAddress" => Some(Self::Address { negated: true }),
            // Equals and Like are the same for ARNs.
            "ArnEquals" | "ArnLike" => Some(Self::Arn { negated: false }),
            "ArnNotEquals" | "ArnNotLike" => Some(Self::Arn { negated: true }),
            "Null" => Some(Self::Null),
            _ => match (name.strip_prefix("Numeric"), name.strip_prefix("Date")) {
                (Some(order), _) => Some(Self::Number(Order::new(order)?)),
                (_, Some(order)) => Some(Self::Time(Order::new(order)?)),
                _ => None,
            },
        }
    }

    /// Whether a match makes the condition fail.
    pub(crate) fn negated(self) -> bool {
        match self {
            Self::Text { negated, .. } | Self::Address { negated } | Self::Arn { negated } => negated,
            Self::Number(order) | Self::Time(order) => order == Order::NotEqual,
            Self::Bool | Self::Binary | Self::Null => false,
        }
    }
}

/// An operator with its qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) quantifier: Quantifier,
    pub(crate) comparison: Comparison,
    /// True without the key.
    pub(crate) if_exists: bool,
}

impl Operator {
    /// By its name in a policy. `Null` takes no qualifier.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            None => (Quantifier::One, name),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return None,
        };
        let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
        let comparison = Comparison::new(base)?;
        let qualified = quantifier != Quantifier::One || if_exists;
        (comparison != Comparison::Null || !qualified).then_some(Self { quantifier, comparison, if_exists })
    }
}
