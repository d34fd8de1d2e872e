//! What breaks, and in which order: random, and the same again for the same seed.

use std::time::Duration;

use crate::support::link::Way;
use crate::support::namespace::End;
use crate::support::random::Random;

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeBlow {
    /// Dies, and is started again.
    Kill,
    /// Stands still, and goes on as if nothing had been.
    Freeze(Duration),
    /// Nobody reaches it.
    Clients(Way, Duration),
    /// It does not reach the database.
    Database(Way, Duration),
    /// The link of its network is down at one end.
    Link(End, Duration),
    /// Its clock jumps by so many seconds, and back.
    Clock(i64, Duration),
}

/// What happens to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseBlow {
    /// The primary dies.
    Kill(Return),
    /// The primary stands still, another takes its place, and then it goes on.
    Freeze(Duration, Return),
    /// No standby answers for a while.
    Standbys(Duration),
    /// One standby, or each of them, is cut off from the primary for a while.
    Apart(Who, Way, Duration),
    /// One standby is cut off, and the primary dies before that is over.
    Behind(Way, Duration, Return),
    /// The primary's disk has no more room than so many KiB for a while.
    Disk(u64, Duration),
}

impl DatabaseBlow {
    /// Whether another member becomes the primary.
    pub(super) fn is_failover(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Freeze(..) | Self::Behind(..))
    }
}

/// Which standbys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    One,
    All,
}

/// How the old primary comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    Rewound,
    Fresh,
    /// First it takes itself for the primary for a while.
    Second(Duration),
}

/// Something that happens after a pause.
pub(super) type Step<T> = (Duration, T);

/// Everything that is going to happen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// By node; what happens to one does not wait for the others.
    pub(super) nodes: Vec<Vec<Step<NodeBlow>>>,
    pub(super) database: Vec<Step<DatabaseBlow>>,
}

/// So many failovers and kills over these nodes, and other blows among them.
pub(super) fn plan(seed: u64, nodes: usize, failovers: usize, kills: usize) -> Plan {
    let mut random = Random::new(seed);
    let mut all: Vec<Vec<Step<NodeBlow>>> = vec![Vec::new(); nodes];
    for nth in 0..kills {
        let steps = &mut all[nth % nodes];
        steps.push((millis(&mut random, 50, 800), NodeBlow::Kill));
        if random.chance(4) {
            let blow = other(&mut random);
            steps.push((millis(&mut random, 200, 1_000), blow));
        }
    }
    let mut database = Vec::new();
    for nth in 0..failovers {
        let back = match random.below(3) {
            0 => Return::Rewound,
            1 => Return::Fresh,
            _ => Return::Second(millis(&mut random, 500, 2_000)),
        };
        let blow = match nth % 6 {
            0 | 2 => DatabaseBlow::Kill(back),
            4 => DatabaseBlow::Behind(way(&mut random), millis(&mut random, 500, 4_000), back),
            _ => DatabaseBlow::Freeze(millis(&mut random, 500, 2_000), back),
        };
        database.push((millis(&mut random, 200, 1_500), blow));
        if random.chance(8) {
            let blow = DatabaseBlow::Standbys(millis(&mut random, 2_000, 6_000));
            database.push((millis(&mut random, 200, 1_000), blow));
        }
        // Each of these at least once in ten.
        let blow = match nth % 5 {
            1 => {
                let who = if random.chance(2) { Who::One } else { Who::All };
                DatabaseBlow::Apart(who, way(&mut random), millis(&mut random, 1_000, 6_000))
            }
            3 => {
                let room = [0, 256, 4_096][random.below(3)];
                DatabaseBlow::Disk(room, millis(&mut random, 2_000, 5_000))
            }
            _ => continue,
        };
        database.push((millis(&mut random, 200, 1_000), blow));
    }
    Plan {
        nodes: all,
        database,
    }
}

fn way(random: &mut Random) -> Way {
    let ways = [
        Way::Cut,
        Way::Silent,
        Way::Mute,
        Way::Deaf,
        Way::Slow(Duration::from_millis(30)),
    ];
    ways[random.below(ways.len())]
}

fn other(random: &mut Random) -> NodeBlow {
    let way = way(random);
    match random.below(8) {
        0 | 1 => NodeBlow::Freeze(millis(random, 2_000, 6_000)),
        2 => NodeBlow::Clients(way, millis(random, 500, 5_000)),
        3 | 4 => NodeBlow::Database(way, millis(random, 500, 8_000)),
        5 => NodeBlow::Link(End::Here, millis(random, 500, 6_000)),
        6 => NodeBlow::Link(End::There, millis(random, 500, 6_000)),
        _ => {
            let seconds = [-3_600, -60, 60, 3_600][random.below(4)];
            NodeBlow::Clock(seconds, millis(random, 1_000, 4_000))
        }
    }
}

fn millis(random: &mut Random, from: usize, to: usize) -> Duration {
    Duration::from_millis(u64::try_from(from + random.below(to - from)).unwrap())
}

#[test]
fn a_seed_says_everything_that_happens() {
    let steps = plan(7, 3, 10, 50);
    assert_eq!(steps, plan(7, 3, 10, 50));
    assert_ne!(steps, plan(8, 3, 10, 50));
    let kills = |steps: &Vec<Step<NodeBlow>>| {
        let kill = |step: &&Step<NodeBlow>| step.1 == NodeBlow::Kill;
        steps.iter().filter(kill).count()
    };
    assert_eq!(steps.nodes.iter().map(kills).sum::<usize>(), 50);
    let count = |is: fn(DatabaseBlow) -> bool| {
        let blows = steps.database.iter().map(|step| step.1);
        blows.filter(|blow| is(*blow)).count()
    };
    assert_eq!(count(DatabaseBlow::is_failover), 10);
    assert_eq!(count(|blow| matches!(blow, DatabaseBlow::Apart(..))), 2);
    assert_eq!(count(|blow| matches!(blow, DatabaseBlow::Disk(..))), 2);
}
