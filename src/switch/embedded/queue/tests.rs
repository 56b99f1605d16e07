//! Tests of choosing members.

use super::super::ids::Ids;
use super::*;

fn queue(strategy: Strategy, members: &[(&str, u32, u32, u64)]) -> Queue {
    let mut settings = QueuesConfig::default();
    let text = format!("[q]\nstrategy = {}\n", strategy.name());
    let source = crate::config::ini::memory::Memory::new(&[("queues.conf", text.as_bytes())]);
    let parsed =
        crate::config::ini::parse(&source, std::path::Path::new("queues.conf")).expect("it is there");
    settings.queues = QueuesConfig::read(&parsed.document, None, &mut Vec::new()).queues;
    let mut queue = Queues::new(Some(&settings), 0).list.remove(0);
    for (interface, penalty, calls, last_call) in members {
        let mut member = Member::new(interface.as_bytes(), 0);
        (member.penalty, member.calls, member.last_call) = (*penalty, *calls, *last_call);
        queue.members.push(member);
    }
    queue
}

#[test]
fn strategies_choose() {
    let check =
        |strategy, last: usize, members: &[(&str, u32, u32, u64)], tried: &[&str], expect: &[usize]| {
            let mut queue = queue(strategy, members);
            queue.last_called = last;
            let tried: Vec<Vec<u8>> = tried.iter().map(|name| name.as_bytes().to_vec()).collect();
            let chosen = strategy::choose(&queue, 0..=100, &tried, &[], &mut Ids::new(1), 1_000_000_000);
            assert_eq!(chosen, expect, "{strategy:?} {members:?}");
        };
    let three = &[("a", 0, 5, 900), ("b", 0, 2, 300), ("c", 1, 0, 100)];
    check(Strategy::RingAll, 0, three, &[], &[0, 1]);
    check(Strategy::Linear, 0, three, &[], &[0]);
    check(Strategy::Linear, 0, three, &["a"], &[1]);
    check(Strategy::RrMemory, 0, three, &[], &[1]);
    check(Strategy::RrMemory, 1, three, &[], &[0]);
    check(Strategy::FewestCalls, 0, three, &[], &[1]);
    check(Strategy::LeastRecent, 0, three, &[], &[1]);
    check(Strategy::LeastRecent, 0, three, &["a", "b"], &[2]);
    check(Strategy::RingAll, 0, &[], &[], &[]);
}

#[test]
fn who_is_paused_rests_or_is_gone_is_not_called() {
    let check = |change: fn(&mut Member), expect: bool| {
        let mut queue = queue(Strategy::RingAll, &[("a", 0, 0, 0)]);
        queue.config.wrapup = 10;
        change(&mut queue.members[0]);
        assert_eq!(queue.available(1_000_000_000) == 1, expect);
    };
    check(|_| {}, true);
    check(|member| member.paused = true, false);
    check(|member| member.last_call = 995, false);
    check(|member| member.last_call = 985, true);
    check(|member| member.status = DeviceState::Unavailable, false);
    check(|member| member.status = DeviceState::InUse, true);
    check(
        |member| {
            member.status = DeviceState::InUse;
            member.ring_in_use = false;
        },
        false,
    );
}
