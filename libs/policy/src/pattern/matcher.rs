//! Matching by going back to the last star, in place: no recursion, no memory, at worst text squared times pattern.
//!
//! Two stars are remembered: the last one that may cross colons, and the last one after it that may not. An earlier one of the same
//! sort never has to be tried again, since the later can take up whatever the earlier would have.

use std::borrow::Cow;

use super::Piece;

/// Whether the pieces match all of the text; `values` stand for the variables.
pub(super) fn matches(pieces: &[Piece], values: &[Cow<'_, str>], text: &str, fold: bool) -> bool {
    let (mut piece, mut at) = (0, 0);
    // Where to go on after a star, and how much text it has taken up to.
    let mut crossing: Option<(usize, usize)> = None;
    let mut within: Option<(usize, usize)> = None;
    loop {
        let step = match pieces.get(piece) {
            None if at == text.len() => return true,
            None => None,
            Some(Piece::Many { crosses: true }) => {
                if piece + 1 == pieces.len() {
                    return true;
                }
                (crossing, within) = (Some((piece + 1, at)), None);
                Some(0)
            }
            Some(Piece::Many { crosses: false }) => {
                within = Some((piece + 1, at));
                Some(0)
            }
            Some(Piece::One { crosses }) => next(text, at, *crosses),
            Some(Piece::Text(literal)) => literal_at(text, at, literal, fold),
            Some(Piece::Variable(index)) => literal_at(text, at, &values[*index], fold),
        };
        if let Some(length) = step {
            (piece, at) = (piece + 1, at + length);
            continue;
        }
        let longer = within.and_then(|(back, taken)| Some((back, taken + next(text, taken, false)?)));
        if let Some(star) = longer {
            (within, (piece, at)) = (longer, star);
            continue;
        }
        within = None;
        crossing = crossing.and_then(|(back, taken)| Some((back, taken + next(text, taken, true)?)));
        let Some(star) = crossing else { return false };
        (piece, at) = star;
    }
}

/// Length of the character at a place, unless it is a colon that may not be crossed.
fn next(text: &str, at: usize, crosses: bool) -> Option<usize> {
    let letter = text[at..].chars().next()?;
    (crosses || letter != ':').then_some(letter.len_utf8())
}

fn literal_at(text: &str, at: usize, literal: &str, fold: bool) -> Option<usize> {
    let found = text.as_bytes().get(at..at + literal.len())?;
    let equal =
        if fold { found.eq_ignore_ascii_case(literal.as_bytes()) } else { found == literal.as_bytes() };
    equal.then_some(literal.len())
}
