//! Which members of a queue are called next.

use super::super::ids::Ids;
use super::{Queue, Strategy};

/// The members to be called now, by their places, for a caller who may have those of these penalties: all of the lowest penalty for
/// ringall, else one. Those that were `tried` already come last, and those
/// who are wanted `elsewhere` not at all.
pub(super) fn choose(
    queue: &Queue,
    penalties: std::ops::RangeInclusive<i64>,
    tried: &[Vec<u8>],
    elsewhere: &[&[u8]],
    ids: &mut Ids,
    now: u64,
) -> Vec<usize> {
    let count = queue.members.len();
    let mut found: Vec<(u64, usize)> = Vec::new();
    for (at, member) in queue.members.iter().enumerate() {
        let penalty = i64::from(member.penalty);
        let is_free =
            member.is_available(&queue.config, now) && !elsewhere.contains(&member.interface.as_slice());
        if !is_free || !penalties.contains(&penalty) {
            continue;
        }
        let penalty = u64::from(member.penalty) * STEP;
        // How far behind the last one that was called it stands.
        let turn = (at + count - (queue.last_called + 1) % count.max(1)) % count.max(1);
        let rank = match queue.config.strategy {
            Strategy::RingAll => penalty,
            Strategy::Linear => at as u64,
            Strategy::RrMemory | Strategy::RrOrdered => penalty + turn as u64,
            Strategy::Random => penalty + ids.random() % STEP,
            Strategy::WRandom => ids.random() % ((u64::from(member.penalty) + 1) * STEP),
            Strategy::FewestCalls => penalty + u64::from(member.calls),
            // Who has waited longest comes first.
            Strategy::LeastRecent => penalty + member.last_call.min(STEP - 1),
        };
        let again = if tried.contains(&member.interface) { AGAIN } else { 0 };
        found.push((again + rank, at));
    }
    found.sort();
    match (queue.config.strategy, found.first()) {
        (_, None) => Vec::new(),
        (Strategy::RingAll, Some((lowest, _))) => {
            found.iter().filter(|(rank, _)| rank == lowest).map(|(_, at)| *at).collect()
        }
        (_, Some((_, at))) => vec![*at],
    }
}

/// One penalty outweighs everything else: Unix time in seconds is less than this for some centuries.
const STEP: u64 = 1 << 34;
/// And having been tried outweighs every penalty.
const AGAIN: u64 = 1 << 60;
