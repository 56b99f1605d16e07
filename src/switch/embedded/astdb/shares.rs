//! How much each user has put into the store since the server began: so that one of them does not fill it for all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tree::{Change, Tree};
use super::{Error, MAX_BYTES};

/// What users have put, in bytes, less what they have deleted. Whose an entry is, nobody remembers: it need not be known
/// but while the store is more than half full.
#[derive(Default)]
pub(super) struct Shares {
    /// Guards the sums. Taken with the tree's lock held, for a look and a change.
    used: Mutex<HashMap<Vec<u8>, usize>>,
}

impl Shares {
    /// Takes what a change needs off a user's share: the change, or none and why it may not be made.
    pub(super) fn take(&self, user: &[u8], tree: &Tree, change: Change) -> (Vec<Change>, Result<(), Error>) {
        let growth = tree.growth(&change);
        let own = self.used(user, tree);
        let free = MAX_BYTES.saturating_sub(tree.bytes());
        if growth > 0 && own.saturating_add(growth.unsigned_abs()) > free {
            return (Vec::new(), Err(Error::Full));
        }
        self.add(user, growth, tree);
        (vec![change], Ok(()))
    }

    /// What a user has put: no more than there is, as others may have deleted some of it.
    fn used(&self, user: &[u8], tree: &Tree) -> usize {
        self.lock().get(user).copied().unwrap_or(0).min(tree.bytes())
    }

    /// A user has put so much more, or deleted so much.
    pub(super) fn add(&self, user: &[u8], growth: isize, tree: &Tree) {
        let used = self.used(user, tree).saturating_add_signed(growth);
        let mut all = self.lock();
        match used {
            0 => drop(all.remove(user)),
            used => drop(all.insert(user.to_vec(), used)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, usize>> {
        // Each change is one insertion.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
