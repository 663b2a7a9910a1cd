//! Where the characters of a scalar are in the file, so that an error inside an expression, a template or a whole document
//! within a block string is told with its place in the uploaded file.

use granit_parser::{ScalarStyle, Span};

use crate::problem::Position;

/// Maps a place in a text to a place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The text is in the file as it is, so many lines below the first and so many columns to the right.
    Shift { lines: u32, columns: u32 },
    /// The text is escaped or folded: everything in it is said to be where it begins.
    Fixed(Position),
}

impl Origin {
    /// The file itself.
    pub(crate) const FILE: Self = Self::Shift { lines: 0, columns: 0 };

    /// The place in the file of a place in the text.
    pub(crate) fn place(self, within: Position) -> Position {
        match self {
            Self::Shift { lines, columns } => Position {
                line: within.line.saturating_add(lines),
                column: within.column.saturating_add(columns),
            },
            Self::Fixed(at) => at,
        }
    }

    /// The origin of a text whose origin in this text is `inner`.
    pub(crate) fn then(self, inner: Self) -> Self {
        match (self, inner) {
            (Self::Shift { lines, columns }, Self::Shift { lines: more_lines, columns: more_columns }) => {
                Self::Shift {
                    lines: lines.saturating_add(more_lines),
                    columns: columns.saturating_add(more_columns),
                }
            }
            (outer, Self::Fixed(at)) => Self::Fixed(outer.place(at)),
            (Self::Fixed(at), _) => Self::Fixed(at),
        }
    }
}

/// The origin of the scalar `text` that `span` covers in `source`.
pub(super) fn of_scalar(source: &str, span: &Span, style: ScalarStyle, text: &str) -> Origin {
    let start = super::load::position(&span.start);
    let shift = match style {
        ScalarStyle::Literal => Some(literal(start, text)),
        ScalarStyle::Folded => None,
        _ => verbatim(source, span, start, text),
    };
    shift.unwrap_or(Origin::Fixed(start))
}

/// A literal block, whose span begins with its first line that is not empty; all of it is indented alike.
fn literal(start: Position, text: &str) -> Origin {
    let empty = text.lines().take_while(|line| line.is_empty()).count();
    let empty = u32::try_from(empty).unwrap_or(u32::MAX);
    Origin::Shift { lines: (start.line - 1).saturating_sub(empty), columns: start.column - 1 }
}

/// A scalar of one line, with nothing escaped.
fn verbatim(source: &str, span: &Span, start: Position, text: &str) -> Option<Origin> {
    if span.start.line() != span.end.line() {
        return None;
    }
    let slice = span.slice(source)?;
    let quote = u32::from(slice.starts_with(['"', '\'']) && slice != text);
    let body = slice.get(usize::try_from(quote).ok()?..)?;
    (body.get(..text.len())? == text)
        .then_some(Origin::Shift { lines: start.line - 1, columns: start.column - 1 + quote })
}
