//! How much a process holds for its peers: one budget, and an account of it for each session.
//!
//! What a session has in its account is what its peer may make it hold: bytes that have come and were not
//! read, and bytes that the peer was told it may send. The sum of all accounts never exceeds the bound.
//!
//! Half of the bound is for the [`LEAST`] of each session, without which it could not work. Sessions share the
//! other half for more than that. There no session may have more than what is left. So one alone gets
//! half of it, and `n` sessions, all of which want more, get a part in `n + 1` each; one part is left for the
//! next session. One that has more than its part, because others have come, gives it back as its peer uses up what
//! it was told. Sessions that peers open count by source as well: those of one address have at most half of the bound
//! together, and half of what there is beyond their leasts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bound of a budget whose owner sets no other, in bytes.
pub const DEFAULT_BOUND: usize = 256 << 20;

/// What a session gets unless nothing at all is left, in bytes: 32 segments, which is what a peer may send
/// before it is told anything (kcptun wire, section 3.2).
pub const LEAST: usize = 32 * 1500;

/// The budget of a process; a copy is the same one.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    bound: usize,
    all: Sum,
    /// What all sessions hold.
    held: usize,
    /// The accounts of each source.
    sources: BTreeMap<IpAddr, Sum>,
}

/// What some accounts hold together, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    promised: usize,
    /// What of that is beyond the least of each.
    beyond: usize,
}

impl Sum {
    fn of(granted: usize) -> Sum {
        Sum {
            promised: granted,
            beyond: granted.saturating_sub(LEAST),
        }
    }

    fn add(&mut self, other: Sum) {
        self.promised += other.promised;
        self.beyond += other.beyond;
    }

    fn subtract(&mut self, other: Sum) {
        self.promised -= other.promised;
        self.beyond -= other.beyond;
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(DEFAULT_BOUND)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bound: usize) -> Budget {
        Budget(Arc::new(Mutex::new(Book {
            bound,
            all: Sum::default(),
            held: 0,
            sources: BTreeMap::new(),
        })))
    }

    /// Change the bound. What is promised already stays promised; no session gets more until that is below the bound.
    pub fn set_bound(&self, bound: usize) {
        self.book().bound = bound;
    }

    /// The bound, in bytes.
    pub fn bound(&self) -> usize {
        self.book().bound
    }

    /// The sum of all accounts, in bytes.
    pub fn promised(&self) -> usize {
        self.book().all.promised
    }

    /// What all sessions hold now, in bytes; those with fixed windows as well, whose settings bound them.
    pub fn held(&self) -> usize {
        self.book().held
    }

    /// Whether there is the least for one more session of this source.
    pub fn may_open(&self, source: IpAddr) -> bool {
        self.book().left(Some(source)).promised >= LEAST
    }

    /// A new account with nothing in it, for a session that we opened (`None`) or that this source did.
    pub fn open(&self, source: Option<IpAddr>) -> Account {
        Account {
            budget: self.clone(),
            source,
            granted: 0,
            held: 0,
            left: self.book().left(source).beyond,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// What is free: of all, and of what there is beyond the leasts.
    fn left(&self, source: Option<IpAddr>) -> Sum {
        let half = self.bound / 2;
        let left = Sum {
            promised: self.bound.saturating_sub(self.all.promised),
            beyond: half.saturating_sub(self.all.beyond),
        };
        let Some(source) = source else { return left };
        let of_source = self.sources.get(&source).copied().unwrap_or_default();
        Sum {
            promised: left.promised.min(half.saturating_sub(of_source.promised)),
            // It may have half of what one session may have half of.
            beyond: left.beyond.min(half.saturating_sub(2 * of_source.beyond)),
        }
    }

    fn add(&mut self, source: Option<IpAddr>, granted: usize) {
        let sum = Sum::of(granted);
        self.all.add(sum);
        if let Some(source) = source.filter(|_| granted > 0) {
            self.sources.entry(source).or_default().add(sum);
        }
    }

    fn subtract(&mut self, source: Option<IpAddr>, granted: usize) {
        let sum = Sum::of(granted);
        self.all.subtract(sum);
        if let Some(source) = source
            && let Some(of_source) = self.sources.get_mut(&source)
        {
            of_source.subtract(sum);
            if *of_source == Sum::default() {
                self.sources.remove(&source);
            }
        }
    }
}

/// The part of one session. What is in it goes back when it is dropped.
#[derive(Debug)]
pub struct Account {
    budget: Budget,
    source: Option<IpAddr>,
    granted: usize,
    held: usize,
    /// What was free or in this account beyond the leasts, when we looked last.
    left: usize,
}

/// What a session wants its account to hold, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// It holds, or has promised to its peer, so much: that stays, as far as it has it already.
    pub kept: usize,
    /// It could use so much.
    pub all: usize,
}

impl Account {
    /// Bytes in it.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// What was free or in this account beyond the leasts when it changed last: it can have half of that.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Have as much of what is wanted as there is. Returns how much that is.
    pub fn resize(&mut self, wanted: Wanted) -> usize {
        let mut book = self.budget.book();
        book.subtract(self.source, self.granted);
        let left = book.left(self.source);
        self.left = left.beyond;
        let least = LEAST.min(left.promised);
        let most = least + (left.beyond / 2).min(left.promised - least);
        let kept = wanted.kept.min(self.granted);
        self.granted = wanted.all.min(most).max(kept);
        book.add(self.source, self.granted);
        self.granted
    }

    /// The session holds so many bytes.
    pub fn note_held(&mut self, held: usize) {
        if held != self.held {
            let mut book = self.budget.book();
            book.held = book.held - self.held + held;
            self.held = held;
        }
    }

    /// The session's peer is at another address.
    pub fn move_to(&mut self, source: IpAddr) {
        let Some(old) = self.source.replace(source) else {
            self.source = None; // we opened it
            return;
        };
        let mut book = self.budget.book();
        book.subtract(Some(old), self.granted);
        book.add(Some(source), self.granted);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut book = self.budget.book();
        book.subtract(self.source, self.granted);
        book.held -= self.held;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    /// More than there is.
    fn all() -> Wanted {
        kept(0)
    }

    fn kept(kept: usize) -> Wanted {
        Wanted {
            kept,
            all: usize::MAX,
        }
    }

    #[test]
    fn sessions_that_want_more_come_to_have_equal_parts() {
        let budget = Budget::new(100 * LEAST);
        let mut accounts: Vec<_> = (0..9).map(|_| budget.open(None)).collect();
        for _ in 0..100 {
            for account in &mut accounts {
                account.resize(all());
            }
        }
        let part = LEAST + 50 * LEAST / 10;
        for account in &accounts {
            assert!(
                account.granted().abs_diff(part) < LEAST / 10,
                "{accounts:?}"
            );
        }
        // One that comes then has something at once, and gets an equal part soon.
        let mut late = budget.open(None);
        assert!(late.resize(all()) > LEAST + 2 * LEAST);
        drop(accounts);
        assert_eq!(late.resize(all()), LEAST + 25 * LEAST);
    }

    #[test]
    fn there_is_the_least_for_all_however_much_others_keep() {
        let budget = Budget::new(100 * LEAST);
        let mut accounts = Vec::new();
        for n in 0..50 {
            let mut account = budget.open(None);
            assert!(account.resize(kept(usize::MAX)) >= LEAST, "{n}");
            accounts.push(account);
        }
        assert!(accounts[0].granted() > 20 * LEAST);
    }

    #[test]
    fn one_source_has_half_however_many_sessions_it_opens() {
        let budget = Budget::new(100 * LEAST);
        let mut many: Vec<_> = (0..4096).map(|_| budget.open(Some(source(1)))).collect();
        for _ in 0..10 {
            for account in &mut many {
                account.resize(all());
            }
        }
        assert!(budget.promised() <= 50 * LEAST);
        assert!(!budget.may_open(source(1)) && budget.may_open(source(2)));
        let mut other = budget.open(Some(source(2)));
        assert!(other.resize(all()) >= LEAST + 25 * LEAST / 2);
    }

    #[test]
    fn what_was_promised_is_kept_and_the_rest_goes_back_to_others() {
        let budget = Budget::new(100 * LEAST);
        let mut first = budget.open(None);
        assert_eq!(first.resize(all()), 26 * LEAST);
        let mut second = budget.open(None);
        assert_eq!(second.resize(all()), LEAST + 25 * LEAST / 2);
        assert_eq!(first.resize(kept(24 * LEAST)), 24 * LEAST);
        let fair = LEAST + (50 * LEAST - 25 * LEAST / 2) / 2;
        assert_eq!(first.resize(kept(3 * LEAST)), fair);
        let small = Wanted {
            kept: 5 * LEAST,
            all: LEAST,
        };
        assert_eq!(first.resize(small), 5 * LEAST);
        assert_eq!(
            first.resize(kept(90 * LEAST)),
            fair,
            "nothing is kept that was not given"
        );
    }

    #[test]
    fn a_session_that_moves_takes_its_part_along() {
        let budget = Budget::new(100 * LEAST);
        let mut account = budget.open(Some(source(1)));
        account.resize(all());
        let granted = account.granted();
        account.move_to(source(2));
        let of = |n| {
            budget
                .book()
                .sources
                .get(&source(n))
                .map(|sum| sum.promised)
        };
        assert_eq!((of(1), of(2)), (None, Some(granted)));
        let mut ours = budget.open(None);
        ours.resize(all());
        ours.move_to(source(1));
        assert_eq!(of(1), None);
        drop((account, ours));
        assert!(budget.book().sources.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(Option<u8>),
        Close(usize),
        Resize(usize, Wanted),
        Hold(usize, usize),
        Move(usize, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || prop_oneof![0..LEAST, 0..20 * LEAST, Just(usize::MAX)];
        let wanted = (bytes(), bytes()).prop_map(|(kept, all)| Wanted { kept, all });
        prop_oneof![
            2 => proptest::option::of(0u8..4).prop_map(Step::Open),
            1 => (0usize..50).prop_map(Step::Close),
            6 => (0usize..50, wanted).prop_map(|(n, wanted)| Step::Resize(n, wanted)),
            1 => (0usize..50, 0usize..20_000).prop_map(|(n, held)| Step::Hold(n, held)),
            1 => (0usize..50, 0u8..4).prop_map(|(n, to)| Step::Move(n, to)),
        ]
    }

    proptest! {
        #[test]
        fn promises_never_exceed_the_bound_and_all_come_back(
            bound in 0..100 * LEAST,
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let budget = Budget::new(bound);
            let mut accounts: Vec<Account> = Vec::new();
            for step in steps {
                let count = accounts.len().max(1);
                match step {
                    Step::Open(from) => accounts.push(budget.open(from.map(source))),
                    Step::Close(n) => drop(accounts.drain((n % count).min(accounts.len())..)),
                    Step::Resize(n, wanted) => {
                        if let Some(account) = accounts.get_mut(n % count) {
                            let before = account.granted();
                            let granted = account.resize(wanted);
                            prop_assert!(granted >= wanted.kept.min(before));
                            prop_assert!(granted <= wanted.all.max(before));
                        }
                    }
                    Step::Hold(n, held) => {
                        if let Some(account) = accounts.get_mut(n % count) {
                            account.note_held(held);
                        }
                    }
                    Step::Move(n, to) => {
                        if let Some(account) = accounts.get_mut(n % count) {
                            account.move_to(source(to));
                        }
                    }
                }
                let sum: usize = accounts.iter().map(Account::granted).sum();
                prop_assert_eq!(budget.promised(), sum);
                prop_assert_eq!(budget.held(), accounts.iter().map(|it| it.held).sum::<usize>());
                prop_assert!(sum <= bound);
            }
            drop(accounts);
            prop_assert_eq!((budget.promised(), budget.held()), (0, 0));
            prop_assert!(budget.book().sources.is_empty());
        }
    }
}
