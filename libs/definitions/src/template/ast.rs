//! The parts of a template, named as Go's documentation names them.

/// A piece of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Copied as it is; white space that trim markers take is gone.
    Text(String),
    /// `{{ pipeline }}`
    Action(Pipeline),
    /// `{{ if pipeline }} ... {{ else }} ... {{ end }}`
    If(Condition),
    /// `{{ with pipeline }} ... {{ else }} ... {{ end }}`
    With(Condition),
    /// `{{ range pipeline }} ... {{ else }} ... {{ end }}`
    Range(Condition),
    /// `{{ break }}`
    Break,
    /// `{{ continue }}`
    Continue,
    /// `{{ template "name" pipeline }}`, and what `{{ block "name" pipeline }}` leaves in its place.
    Template {
        /// The template to expand.
        name: String,
        /// The data that it gets.
        argument: Option<Pipeline>,
    },
}

/// A pipeline that decides about bodies.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub pipeline: Pipeline,
    /// Where it is not empty.
    pub then: Vec<Node>,
    /// Where it is empty.
    pub otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Variables that get the value, with their `$`: one, or index and element of a range.
    pub variables: Vec<String>,
    /// `=` in place of `:=`: the variables exist already.
    pub assigns: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// An operand, or a function or method followed by its arguments. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Command(pub Vec<Operand>);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A character in single quotes as written.
    Character(String),
    /// A text without its quotes.
    Text(String),
    /// A function.
    Function(String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`
    Variable {
        /// With its `$`.
        name: String,
        /// `a`, `b`
        fields: Vec<String>,
    },
    /// `(pipeline)`
    Pipeline(Box<Pipeline>),
    /// `(pipeline).a.b`
    Chain {
        /// What has the fields.
        of: Box<Operand>,
        /// `a`, `b`
        fields: Vec<String>,
    },
}
