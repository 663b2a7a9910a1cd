//! Time by the bucket's own dates, and the margins between what may still begin and what may be deleted (rule 10).

use std::time::Duration;

/// A time by the dates that the bucket gives its objects, in milliseconds since the epoch. Local clocks are never compared
/// with it (rule 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketTime(pub i64);

impl BucketTime {
    /// Before everything.
    pub const MIN: Self = Self(i64::MIN);

    /// How long before `later` this was; zero if it was not.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Some time later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Some time earlier.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// How long what must not be deleted yet is kept, and within which part of that time others must have used it. One choice for
/// a whole deployment; [`Margins::DEFAULT`] unless a test shortens time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    commit_within: Duration,
    orphan_age: Duration,
    root_age: Duration,
}

/// Margins that leave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarginsError {
    /// A commit could begin when its block is nearly an orphan.
    #[error(
        "--gc.commit-within: commits may begin {commit_within:?} after the block was put; that must be at most a quarter of {orphan_age:?}, when orphans are collected"
    )]
    Commit {
        /// The latest begin of a commit.
        commit_within: Duration,
        /// The age of orphans.
        orphan_age: Duration,
    },
    /// A reader could still use a revision whose blocks are gone, or the date of a removal could be.
    #[error(
        "--gc.root-age: superseded roots are kept {root_age:?}; that must be between {orphan_age:?}, for which removed blocks are kept, and twice as long"
    )]
    Roots {
        /// How long a block outlives its last root.
        orphan_age: Duration,
        /// How long a superseded root is kept.
        root_age: Duration,
    },
}

impl Margins {
    /// Six hours to begin a commit, orphans after a day, old roots after a day.
    pub const DEFAULT: Self = Self {
        commit_within: Duration::from_secs(6 * 3600),
        orphan_age: Duration::from_secs(24 * 3600),
        root_age: Duration::from_secs(24 * 3600),
    };

    /// Other margins, if they leave enough room.
    pub fn new(
        commit_within: Duration,
        orphan_age: Duration,
        root_age: Duration,
    ) -> Result<Self, MarginsError> {
        if commit_within * 4 > orphan_age {
            return Err(MarginsError::Commit { commit_within, orphan_age });
        }
        if root_age < orphan_age || orphan_age * 2 < root_age {
            return Err(MarginsError::Roots { orphan_age, root_age });
        }
        Ok(Self { commit_within, orphan_age, root_age })
    }

    /// How old a block may be when its commit begins.
    pub const fn commit_within(self) -> Duration {
        self.commit_within
    }

    /// How old an object is that no manifest named and that is collected; also how long a block outlives the last revision that
    /// named it (B-3).
    pub const fn orphan_age(self) -> Duration {
        self.orphan_age
    }

    /// How long a root is kept after a newer one.
    pub const fn root_age(self) -> Duration {
        self.root_age
    }

    /// How old a reader's base may be for the next revision to be read by its name: half of [`Self::root_age`] (rule 5).
    pub fn follow_within(self) -> Duration {
        self.root_age / 2
    }
}

impl Default for Margins {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_satisfy_their_own_conditions() {
        let Margins { commit_within, orphan_age, root_age } = Margins::DEFAULT;
        assert_eq!(Margins::new(commit_within, orphan_age, root_age), Ok(Margins::DEFAULT));
        assert_eq!(Margins::DEFAULT.follow_within(), Duration::from_secs(12 * 3600));
    }

    #[test]
    fn margins_without_room_are_refused() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert!(matches!(Margins::new(hours(7), hours(24), hours(24)), Err(MarginsError::Commit { .. })));
        for roots in [23, 49] {
            let margins = Margins::new(hours(6), hours(24), hours(roots));
            assert!(matches!(margins, Err(MarginsError::Roots { .. })));
        }
    }

    #[test]
    fn times_stay_in_range() {
        let time = BucketTime(5);
        assert_eq!(time.until(BucketTime(7)), Duration::from_millis(2));
        assert_eq!(time.until(BucketTime(3)), Duration::ZERO);
        assert_eq!(BucketTime::MIN.before(Duration::MAX), BucketTime::MIN);
        assert_eq!(BucketTime(0).after(Duration::MAX), BucketTime(i64::MAX));
    }
}
