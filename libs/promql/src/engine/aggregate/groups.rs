//! Series are put into groups by some of their labels, without making the labels of a group more than once.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use narthex_model::{Labels, METRIC_NAME};

use crate::ast::Aggregate;

/// By which labels series are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Grouping {
    /// The labels that count, or those that do not.
    pub(in crate::engine) names: Vec<String>,
    /// All labels count but those named and the metric's name.
    pub(in crate::engine) without: bool,
}

impl Grouping {
    pub(in crate::engine) fn of(node: &Aggregate) -> Self {
        Self { names: node.grouping.clone(), without: node.without }
    }

    fn keeps(&self, name: &[u8]) -> bool {
        let listed = self.names.iter().any(|listed| listed.as_bytes() == name);
        if self.without { !listed && name != METRIC_NAME.as_bytes() } else { listed }
    }

    fn kept<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        labels.pairs().filter(|(name, _)| self.keeps(name))
    }

    /// The labels of the group that a series belongs to.
    pub(in crate::engine) fn labels(&self, labels: &Labels) -> Labels {
        labels.filtered(|name| self.keeps(name.as_bytes()))
    }
}

/// Groups with something for each, in the order in which their first series came. All are of one grouping.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Groups<T> {
    /// The places of the first groups by their labels; of the others once it matters.
    table: HashTable<usize>,
    groups: Vec<(Labels, T)>,
}

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Self { table: HashTable::new(), groups: Vec::new() }
    }
}

fn hash<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for (name, value) in pairs {
        hasher.write(name);
        hasher.write(value);
        hasher.write_usize(name.len());
    }
    hasher.finish()
}

impl<T> Groups<T> {
    pub(in crate::engine) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The group of a series; a new one gets what `make` makes.
    pub(in crate::engine) fn of_series<E>(
        &mut self,
        grouping: &Grouping,
        labels: &Labels,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&mut T, E> {
        self.index();
        let Self { table, groups } = self;
        let key = hash(grouping.kept(labels));
        let place = match table.find(key, |at| groups[*at].0.pairs().eq(grouping.kept(labels))) {
            Some(at) => *at,
            None => {
                let of_group = grouping.labels(labels);
                groups.push((of_group, make()?));
                table.insert_unique(key, groups.len() - 1, |at| hash(groups[*at].0.pairs()));
                groups.len() - 1
            }
        };
        Ok(&mut groups[place].1)
    }

    /// The groups and their labels.
    pub(in crate::engine) fn into_groups(self) -> Vec<(Labels, T)> {
        self.groups
    }

    /// The groups and their labels, to look at.
    pub(in crate::engine) fn iter(&self) -> std::slice::Iter<'_, (Labels, T)> {
        self.groups.iter()
    }

    /// Adds a group that is known to be new.
    pub(in crate::engine) fn push(&mut self, labels: Labels, value: T) {
        self.groups.push((labels, value));
    }

    fn index(&mut self) {
        let Self { table, groups } = self;
        for at in table.len()..groups.len() {
            table.insert_unique(hash(groups[at].0.pairs()), at, |at| hash(groups[*at].0.pairs()));
        }
    }

    /// Adds the groups of others: `merge` where they are known.
    pub(in crate::engine) fn merge(&mut self, others: Self, mut merge: impl FnMut(&mut T, T)) {
        if self.groups.is_empty() {
            *self = others;
            return;
        }
        for (labels, value) in others.groups {
            self.add_group(labels, value, &mut merge);
        }
    }

    fn add_group(&mut self, labels: Labels, value: T, merge: impl FnOnce(&mut T, T)) {
        self.index();
        let Self { table, groups } = self;
        let key = hash(labels.pairs());
        match table.find(key, |at| groups[*at].0 == labels) {
            Some(at) => merge(&mut groups[*at].1, value),
            None => {
                groups.push((labels, value));
                table.insert_unique(key, groups.len() - 1, |at| hash(groups[*at].0.pairs()));
            }
        }
    }
}
