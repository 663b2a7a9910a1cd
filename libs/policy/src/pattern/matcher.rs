//! Matching by going back to the last star, in place: no recursion, no memory, at worst text squared times pattern.
//!
//! Two stars are remembered: the last one that may cross colons, and the last one after it that may not. An earlier one of the same
//! sort never has to be tried again, since the later can take up whatever the earlier would have.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::Piece;

/// Whether the pieces match all of the text; `values` stand for the variables.
pub(super) fn matches(pieces: &[Piece], values: &[Cow<'_, str>], text: &str, fold: bool) -> bool {
    let matching = Matching { pieces, values, text, fold };
    let (mut piece, mut at) = (0, 0);
    let (mut crossing, mut within) = (None, None);
    loop {
        let step = match pieces.get(piece) {
            None if at == text.len() => return true,
            None => None,
            Some(Piece::Many { crosses: true }) => {
                if piece + 1 == pieces.len() {
                    return true;
                }
                (crossing, within) = (Some(Star { next: piece + 1, taken: at, crosses: true }), None);
                Some(0)
            }
            Some(Piece::Many { crosses: false }) => {
                within = Some(Star { next: piece + 1, taken: at, crosses: false });
                Some(0)
            }
            Some(Piece::One { crosses }) => matching.character(at, *crosses),
            Some(Piece::Text(literal)) => matching.literal(at, literal),
            Some(Piece::Variable(index)) => matching.literal(at, &values[*index]),
        };
        if let Some(length) = step {
            (piece, at) = (piece + 1, at + length);
            continue;
        }
        within = within.and_then(|star| matching.longer(star));
        if within.is_none() {
            crossing = crossing.and_then(|star| matching.longer(star));
        }
        let Some(star) = within.or(crossing) else { return false };
        (piece, at) = (star.next, star.taken);
    }
}

/// A star that has matched up to `taken`; the pieces from `next` on have to match the rest.
#[derive(Clone, Copy)]
struct Star {
    next: usize,
    taken: usize,
    crosses: bool,
}

struct Matching<'a> {
    pieces: &'a [Piece],
    values: &'a [Cow<'a, str>],
    text: &'a str,
    fold: bool,
}

impl Matching<'_> {
    /// Length of the character at a place, unless it is a colon that may not be crossed.
    fn character(&self, at: usize, crosses: bool) -> Option<usize> {
        match *self.text.as_bytes().get(at)? {
            b':' if !crosses => None,
            0..0x80 => Some(1),
            0x80..0xE0 => Some(2),
            0xE0..0xF0 => Some(3),
            0xF0.. => Some(4),
        }
    }

    fn literal(&self, at: usize, literal: &str) -> Option<usize> {
        let literal = literal.as_bytes();
        let found = self.text.as_bytes().get(at..at + literal.len())?;
        let equal = if self.fold {
            found.eq_ignore_ascii_case(literal)
        } else {
            // Most that differ do so at once; that spares the call.
            found.first() == literal.first() && found == literal
        };
        equal.then_some(literal.len())
    }

    /// The star, taking as little more as lets the next piece begin.
    fn longer(&self, star: Star) -> Option<Star> {
        let from = star.taken + self.character(star.taken, star.crosses)?;
        let Some(first) = self.first_byte(star.next) else { return Some(Star { taken: from, ..star }) };
        let rest = &self.text.as_bytes()[from..];
        let skipped = if star.crosses { memchr(first, rest) } else { memchr2(first, b':', rest) }?;
        (rest[skipped] == first).then_some(Star { taken: from + skipped, ..star })
    }

    /// The byte that a piece has to begin with. A first byte never stands within another character.
    fn first_byte(&self, piece: usize) -> Option<u8> {
        let literal = match self.pieces.get(piece)? {
            Piece::Text(literal) => literal,
            Piece::Variable(index) => &*self.values[*index],
            Piece::One { .. } | Piece::Many { .. } => return None,
        };
        literal.bytes().next().filter(|_| !self.fold)
    }
}
