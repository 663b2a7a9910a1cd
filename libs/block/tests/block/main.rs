//! What a block gives back is what was put in: every bit, every match, in order; and damaged bytes are errors.

mod damage;
mod naive;
mod requests;
mod round_trip;
mod selection;
mod support;
