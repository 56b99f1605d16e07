//! One question for several clients: identical actions that change nothing are asked once within a window.
//!
//! The first asks, and the others wait for its answer or take the one that is there. Nobody gets an answer to a question
//! that was asked longer than the window before their own: that is how stale a shared answer can be, and with a slow
//! upstream too. What went wrong is told to those who waited, since the same upstream would tell them the same; but it
//! is not kept for those who come later. Where the one who asked is gone without a word, the next asks.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::readonly::changes_nothing;
use crate::ami::Message;
use crate::switch::Presence;

/// What is being asked, and what was just answered. `E` is what went wrong where there is no answer.
pub(crate) struct Coalescer<E> {
    /// Guards the questions. Never held while someone waits; a question's own lock may be taken within it.
    questions: Mutex<Questions<E>>,
}

struct Questions<E> {
    window: Duration,
    by_key: HashMap<Vec<u8>, Entry<E>>,
    /// The size of all answers that are kept.
    bytes: usize,
}

struct Entry<E> {
    asked: Instant,
    question: Arc<Question<E>>,
    /// The size of its answer, once it is there.
    bytes: usize,
}

struct Question<E> {
    /// Guards what came of it. Held for a look and a copy.
    outcome: Mutex<Outcome<E>>,
    settled: Condvar,
}

#[derive(Clone)]
enum Outcome<E> {
    Open,
    Answered(Arc<Answer>),
    Failed(E),
    /// Whoever asked is gone and has said nothing.
    Abandoned,
}

/// What someone who wants to ask is to do.
pub(crate) enum Turn<'a, E: Clone> {
    /// Ask, and tell what came of it: others may be waiting.
    Ask(Asking<'a, E>),
    /// Take this answer.
    Shared(Arc<Answer>),
    /// The one who asked was told this.
    Failed(E),
    /// Ask, for oneself alone.
    Alone,
    /// Nobody waits for an answer any more.
    Gone,
}

/// The duty to tell what came of a question. Dropped, it says that nothing did.
pub(crate) struct Asking<'a, E: Clone> {
    coalescer: &'a Coalescer<E>,
    key: Vec<u8>,
    question: Arc<Question<E>>,
}

impl<E: Clone> Coalescer<E> {
    /// Questions within so long a time of each other are one; none are where it is zero.
    pub(crate) fn new(window: Duration) -> Coalescer<E> {
        let questions = Questions { window, by_key: HashMap::new(), bytes: 0 };
        Coalescer { questions: Mutex::new(questions) }
    }

    /// Sets another window.
    pub(crate) fn set_window(&self, window: Duration) {
        self.lock().window = window;
    }

    /// Wants to ask a server something, and waits so long at the most for another's answer to the same, while anybody waits for
    /// this one. An action that
    /// may change something is everybody's own.
    pub(crate) fn enter(
        &self,
        server: &[u8],
        message: &Message,
        now: Instant,
        patience: Duration,
        presence: Presence<'_>,
    ) -> Turn<'_, E> {
        if self.lock().window.is_zero() || !changes_nothing(message) {
            return Turn::Alone;
        }
        let key = key_of(server, message);
        loop {
            let mut questions = self.lock();
            questions.sweep(now);
            let Some(entry) = questions.by_key.get(&key) else {
                if questions.by_key.len() >= MAX_QUESTIONS {
                    return Turn::Alone;
                }
                let question =
                    Arc::new(Question { outcome: Mutex::new(Outcome::Open), settled: Condvar::new() });
                let entry = Entry { asked: now, question: question.clone(), bytes: 0 };
                questions.by_key.insert(key.clone(), entry);
                return Turn::Ask(Asking { coalescer: self, key, question });
            };
            let question = entry.question.clone();
            drop(questions);
            match question.wait(patience, presence) {
                Outcome::Answered(answer) => return Turn::Shared(answer),
                Outcome::Failed(error) => return Turn::Failed(error),
                Outcome::Open if presence.is_gone() => return Turn::Gone,
                Outcome::Open => return Turn::Alone,
                // It is out of the table already: this one asks now, or waits for the next who does.
                Outcome::Abandoned => {}
            }
        }
    }

    /// Lets go of answers that are too old to be given to anybody.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock().sweep(now);
    }

    /// Takes a question out of the table, or keeps it there with its answer.
    fn settle(&self, key: &[u8], question: &Arc<Question<E>>, outcome: Outcome<E>) {
        let mut questions = self.lock();
        let total = questions.bytes;
        // After the window another question may stand in its place.
        if let Some(entry) =
            questions.by_key.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.question, question))
        {
            match &outcome {
                Outcome::Answered(answer) if total + answer.size() <= MAX_BYTES => {
                    entry.bytes = answer.size();
                    questions.bytes += answer.size();
                }
                _ => drop(questions.by_key.remove(key)),
            }
        }
        drop(questions);
        *question.lock() = outcome;
        question.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Questions<E>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Questions<E> {
    fn sweep(&mut self, now: Instant) {
        let Questions { window, by_key, bytes } = self;
        by_key.retain(|_, entry| {
            let keep = now.saturating_duration_since(entry.asked) < *window;
            if !keep {
                *bytes -= entry.bytes;
            }
            keep
        });
    }
}

impl<E: Clone> Question<E> {
    /// What came of it, or `Open` where that takes too long, or nobody waits any more.
    fn wait(&self, patience: Duration, presence: Presence<'_>) -> Outcome<E> {
        let mut left = patience;
        loop {
            let is_open = |outcome: &mut Outcome<E>| matches!(outcome, Outcome::Open);
            let slice = left.min(Presence::LOOK_EVERY);
            let waited = self.settled.wait_timeout_while(self.lock(), slice, is_open);
            let outcome = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
            left -= slice;
            if !matches!(outcome, Outcome::Open) || left.is_zero() || presence.is_gone() {
                return outcome;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outcome<E>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Clone> Asking<'_, E> {
    /// This is the answer, for all who wait and for those who come within the window.
    pub(crate) fn answer(self, answer: Arc<Answer>) {
        self.coalescer.settle(&self.key, &self.question, Outcome::Answered(answer));
    }

    /// There is no answer: those who wait are told why.
    pub(crate) fn fail(self, error: E) {
        self.coalescer.settle(&self.key, &self.question, Outcome::Failed(error));
    }
}

impl<E: Clone> Drop for Asking<'_, E> {
    fn drop(&mut self) {
        if matches!(*self.question.lock(), Outcome::Open) {
            self.coalescer.settle(&self.key, &self.question, Outcome::Abandoned);
        }
    }
}

/// What makes two questions the same: the server, and every line in its order, but for the ActionID and the `Server` that
/// chose. Names of headers ignore case.
fn key_of(server: &[u8], message: &Message) -> Vec<u8> {
    let mut key = server.to_vec();
    for line in message.lines().filter(|line| !line.is("ActionID") && !line.is("Server")) {
        // No line holds a line feed, and no name a colon.
        key.push(b'\n');
        match line.name {
            Some(name) => {
                key.extend(name.iter().map(u8::to_ascii_lowercase));
                key.push(b':');
                key.extend_from_slice(line.value);
            }
            None => key.extend_from_slice(line.text),
        }
    }
    key
}

/// The most questions that are open or remembered; who asks another one asks alone.
const MAX_QUESTIONS: usize = 256;

/// The most bytes of answers that are remembered. A larger answer still reaches all who waited for it.
const MAX_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::super::answer::tests::answer;
    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    fn message(text: &str) -> Message {
        text.split('|').filter_map(|line| line.split_once('=')).collect()
    }

    /// A list of so many bytes and some more: no one packet may be as large as what is kept of answers.
    fn an_answer(size: usize) -> Arc<Answer> {
        let item = |size: usize| format!("Event: Status\nActionID: $\nX: {}\n\n", "x".repeat(size));
        let items: String =
            std::iter::repeat_n(item(PIECE), size / PIECE).chain([item(size % PIECE)]).collect();
        let stream = format!(
            "Response: Success\nActionID: $\nEventList: start\n\n{items}Event: StatusComplete\nActionID: $\nEventList: Complete\n\n"
        );
        Arc::new(answer("Status", &stream))
    }

    const PIECE: usize = 1 << 20;

    /// What everybody is told who asks in turn; each who is to ask has the answer at once. `A`sk, `S`hared, a`L`one.
    fn check(script: &[(u64, &str, &str)], expect: &str) {
        let start = Instant::now();
        let coalescer = Coalescer::<()>::new(WINDOW);
        let mut told = String::new();
        for (at, server, text) in script {
            let now = start + Duration::from_millis(*at);
            told.push(
                match coalescer.enter(
                    server.as_bytes(),
                    &message(text),
                    now,
                    Duration::ZERO,
                    Presence::ALWAYS,
                ) {
                    Turn::Ask(asking) => {
                        asking.answer(an_answer(1));
                        'A'
                    }
                    Turn::Shared(_) => 'S',
                    Turn::Failed(()) => 'F',
                    Turn::Alone => 'L',
                    Turn::Gone => 'G',
                },
            );
        }
        assert_eq!(told, expect, "{script:?}");
    }

    #[test]
    fn identical_questions_are_one_within_the_window() {
        let status = "Action=Status|ActionID=1";
        check(
            &[(0, "a", status), (0, "a", status), (99, "a", status), (100, "a", status), (101, "a", status)],
            "ASSAS",
        );
        check(&[(50, "a", status), (0, "a", status)], "AS");
        check(&[(0, "a", status), (0, "b", status)], "AA");
        check(&[(0, "a", status), (1, "a", "Action=Status|ActionID=2"), (2, "a", "ACTION=Status")], "ASS");
        check(&[(0, "a", status), (1, "a", "Action=Status|Server=a")], "AS");
        check(
            &[(0, "a", status), (1, "a", "Action=Status|Channel=x"), (1, "a", "Action=Status|Channel=y")],
            "AAA",
        );
        check(
            &[(0, "a", "Action=Getvar|Variable=a|Channel=b"), (0, "a", "Action=Getvar|Channel=b|Variable=a")],
            "AA",
        );
        check(&[(0, "a", "Action=Status|X=a:b"), (0, "a", "Action=Status|X=a|b=")], "AA");
    }

    #[test]
    fn what_may_change_something_is_never_shared() {
        for own in
            ["Action=Originate|Channel=x", "Action=Getvar|Variable=DB(a/b)", "Action=Unknown", "ActionID=1"]
        {
            check(&[(0, "a", own), (0, "a", own)], "LL");
        }
        let none = Coalescer::<()>::new(Duration::ZERO);
        let enter = |at| none.enter(b"a", &message("Action=Status"), at, Duration::ZERO, Presence::ALWAYS);
        let now = Instant::now();
        assert!(matches!((enter(now), enter(now)), (Turn::Alone, Turn::Alone)));
    }

    /// Three wait while a fourth asks, and it ends so.
    fn wait_for(end: impl FnOnce(Asking<'_, &'static str>)) -> Vec<Result<usize, &'static str>> {
        let coalescer = Coalescer::new(WINDOW);
        let now = Instant::now();
        let status = message("Action=Status");
        let Turn::Ask(asking) = coalescer.enter(b"a", &status, now, Duration::MAX, Presence::ALWAYS) else {
            panic!("not the first")
        };
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        match coalescer.enter(b"a", &status, now, Duration::from_secs(60), Presence::ALWAYS) {
                            Turn::Shared(answer) => Ok(answer.size()),
                            Turn::Failed(error) => Err(error),
                            Turn::Ask(asking) => {
                                asking.answer(an_answer(2));
                                Err("asked")
                            }
                            Turn::Alone => Err("alone"),
                            Turn::Gone => Err("gone"),
                        }
                    })
                })
                .collect();
            // All three hold the question before it ends: two more handles than the table's and the asker's, and one.
            while Arc::strong_count(&asking.question) < 5 {
                std::thread::yield_now();
            }
            end(asking);
            waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect()
        })
    }

    #[test]
    fn those_who_wait_are_told_what_came_of_it() {
        let answer = an_answer(1);
        let size = answer.size();
        assert_eq!(wait_for(|asking| asking.answer(answer)), [Ok(size); 3]);
        assert_eq!(wait_for(|asking| asking.fail("refused")), [Err("refused"); 3]);
        let mut told = wait_for(|asking| drop(asking));
        told.sort();
        let size = an_answer(2).size();
        assert_eq!(told, [Ok(size), Ok(size), Err("asked")]);
        let large = an_answer(MAX_BYTES);
        let size = large.size();
        assert_eq!(wait_for(|asking| asking.answer(large)), [Ok(size); 3]);
    }

    #[test]
    fn one_who_is_gone_waits_for_nobody() {
        let coalescer = Coalescer::<()>::new(WINDOW);
        let (now, status) = (Instant::now(), message("Action=Status"));
        let Turn::Ask(_asking) = coalescer.enter(b"a", &status, now, Duration::ZERO, Presence::ALWAYS) else {
            panic!("not the first")
        };
        let gone = Presence::new(&|| true);
        assert!(matches!(coalescer.enter(b"a", &status, now, Duration::from_secs(3600), gone), Turn::Gone));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let coalescer = Coalescer::<()>::new(WINDOW);
        let now = Instant::now();
        let ask = |n: usize, at: Instant| {
            coalescer.enter(
                b"a",
                &message(&format!("Action=Status|X={n}")),
                at,
                Duration::ZERO,
                Presence::ALWAYS,
            )
        };
        let kept = || {
            let questions = coalescer.lock();
            (questions.by_key.len(), questions.bytes)
        };
        // A failure and an answer that is too large are not kept.
        let Turn::Ask(asking) = ask(0, now) else { panic!() };
        asking.fail(());
        assert_eq!(kept(), (0, 0));
        let Turn::Ask(asking) = ask(0, now) else { panic!() };
        asking.answer(an_answer(MAX_BYTES));
        assert_eq!(kept(), (0, 0));
        // Of answers as large as this one, not all fit.
        for n in 0..6 {
            let Turn::Ask(asking) = ask(n, now) else { panic!() };
            asking.answer(an_answer(MAX_BYTES / 5));
        }
        assert!((2..6).contains(&kept().0), "{}", kept().0);
        assert!(kept().1 <= MAX_BYTES);
        coalescer.sweep(now + WINDOW);
        assert_eq!(kept(), (0, 0));
        let open: Vec<_> = (0..MAX_QUESTIONS).map(|n| ask(n, now)).collect();
        assert!(matches!(ask(MAX_QUESTIONS, now), Turn::Alone));
        // One that is open and patience that is at an end; one too old to be joined, and its answer comes after all.
        assert!(matches!(ask(0, now), Turn::Alone));
        let Turn::Ask(again) = ask(0, now + WINDOW) else { panic!() };
        drop(open);
        assert_eq!(kept().0, 1);
        again.answer(an_answer(1));
        assert!(matches!(ask(0, now + WINDOW), Turn::Shared(_)));
    }
}
