//! Many clients through one upstream whose connections are cut at random: every action has exactly one answer, its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::scene::{LIMIT, Setup};
use crate::support::fake::{Fake, Manner};
use crate::support::relay::Relay;

/// The load of the benchmark, in a size for every day.
const CLIENTS: usize = 24;
const ACTIONS: usize = 60;
/// Between two cuts.
const PAUSE: Duration = Duration::from_millis(40);

#[test]
fn every_action_has_exactly_one_answer_its_own() {
    let fake = Fake::start(Manner::default());
    let relay = Relay::to(fake.port()).expect("a claimed port is free");
    let gateway = Setup::before(relay.port()).ready();
    let (over, refused, cuts) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 88_172_645_463_325_252_u64;
            while !over.load(Ordering::SeqCst) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                cuts.fetch_add(usize::from(relay.cut_one(random)), Ordering::SeqCst);
                thread::sleep(PAUSE);
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|who| {
                let (gateway, refused) = (&gateway, &refused);
                scope.spawn(move || {
                    let mut client = gateway.client("boss");
                    for turn in 0..ACTIONS {
                        let mark = format!("{who}-{turn}");
                        // Many share an id, and some have none.
                        let id = (turn % 3 > 0).then(|| format!("{}", turn % 7));
                        let line = id.as_ref().map(|id| format!("ActionID: {id}\n")).unwrap_or_default();
                        let got = client.ask(&format!("Action: DBPut\n{line}Mark: {mark}"));
                        assert_eq!(got.get("ActionID"), id.as_deref(), "{}", got.text());
                        if got.is_success() {
                            assert_eq!(got.get("Mark"), Some(&*mark), "another's answer: {}", got.text());
                        } else {
                            assert!(got.is_error() && got.get("Mark").is_none(), "{}", got.text());
                            refused.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(PAUSE);
                        }
                    }
                    assert!(client.try_answer(Duration::from_millis(20)).is_none(), "one more answer");
                    assert!(client.events.is_empty(), "{:?}", client.events);
                })
            })
            .collect();
        let outcomes: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::SeqCst);
        outcomes
            .into_iter()
            .for_each(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
    let mut times = BTreeMap::new();
    for asked in fake.asked_for("DBPut") {
        *times.entry(asked.header("Mark").unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "asked more than once: {twice:?}");
    let (refused, cuts) = (refused.load(Ordering::SeqCst), cuts.load(Ordering::SeqCst));
    assert!(times.len() + refused >= CLIENTS * ACTIONS, "an answer from nowhere");
    assert!(cuts > 0 && refused < CLIENTS * ACTIONS, "{cuts} cuts, {refused} refused");
    gateway.wait_for("pbx");
    assert!(fake.wait(LIMIT, |fake| !fake.listeners().is_empty()));
    gateway.check();
}
