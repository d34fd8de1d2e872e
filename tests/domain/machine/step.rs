//! What somebody does, or what happens, drawn out of numbers.

use portcullis::domain::grant::CloseKind;
use proptest::prelude::*;

use super::{GROUPS, PEOPLE, ROLES};

/// One thing that somebody does, or that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// What would come next if all went its way; the number decides where there is a choice.
    Proceed {
        who: usize,
        choice: u32,
    },
    Pass(u32),
    /// To about the end of a grant, in milliseconds from it.
    ReachEnd(usize, i64),
    /// To about the deadline of a request, in milliseconds from it.
    ReachDeadline(usize, i64),
    /// Somebody's groups become these, as bits.
    Regroup(usize, u8),
    Submit {
        who: usize,
        role: usize,
        minutes: u32,
        start_in: Option<u32>,
    },
    Approve {
        request: usize,
        who: usize,
        shorter: Option<u32>,
        role: Option<usize>,
        start_in: Option<u32>,
        stale: bool,
    },
    Deny {
        request: usize,
        who: usize,
        stale: bool,
    },
    Withdraw {
        request: usize,
        who: usize,
    },
    Claim {
        request: usize,
        who: usize,
    },
    Release {
        request: usize,
        who: usize,
    },
    Expire(usize),
    Activate(usize),
    Acknowledge {
        grant: usize,
        stale: bool,
    },
    RetryActivation(usize),
    FailActivation(usize),
    Extend {
        grant: usize,
        who: usize,
        minutes: u32,
    },
    Close {
        grant: usize,
        who: usize,
        kind: CloseKind,
        stale: bool,
    },
    RetryClose(usize),
    Confirm(usize),
    Credential {
        grant: usize,
        who: usize,
    },
    /// Somebody outside of the story locks this person, a role, a tag, the target or everything.
    Lock {
        what: usize,
        who: usize,
        minutes: Option<u32>,
    },
    Unlock(usize),
    BreakGlass {
        who: usize,
        role: usize,
        minutes: u32,
    },
    SignOff {
        nth: usize,
        who: usize,
        justified: bool,
        stale: bool,
    },
}

/// What policy says in one run, and everything that happens.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) ways: Vec<(u32, usize, u32, u32, u32)>,
    pub(crate) steps: Vec<Step>,
}

/// Any story: one to three ways, and up to sixty steps that favour the life of a grant.
///
/// Each step is drawn from one number: that is ten times faster than a strategy for each of its parts.
pub(crate) fn story() -> impl Strategy<Value = Story> {
    let numbers = |most| prop::collection::vec(any::<u64>(), 1..most);
    (numbers(4), numbers(60)).prop_map(|(ways, steps)| Story {
        ways: ways.into_iter().map(way).collect(),
        steps: steps.into_iter().map(step).collect(),
    })
}

/// Draws one choice after the other out of one number.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        let drawn = u32::try_from(self.0 % u64::from(end)).unwrap();
        self.0 /= u64::from(end);
        drawn
    }

    fn index(&mut self, end: usize) -> usize {
        self.below(u32::try_from(end).unwrap()) as usize
    }

    /// True once in so many times, and never for a number that has shrunk to nothing.
    fn rarely(&mut self, once_in: u32) -> bool {
        self.below(once_in) == once_in - 1
    }
}

fn way(number: u64) -> (u32, usize, u32, u32, u32) {
    let mut draw = Draw(number);
    let threshold = [1, 0, 1, 2, 2, 3][draw.index(6)];
    let group = draw.index(GROUPS.len());
    (
        threshold,
        group,
        30 + draw.below(210),
        draw.below(240),
        5 + draw.below(85),
    )
}

fn step(number: u64) -> Step {
    let mut draw = Draw(number);
    // Mostly the newest request or grant: one that has a future.
    let nth = |draw: &mut Draw| [0, 0, 0, 1, 1, 2][draw.index(6)];
    let (kind, nth, who) = (draw.below(90), nth(&mut draw), draw.index(PEOPLE));
    match kind {
        0 => Step::Pass(draw.below(120)),
        1..3 => Step::Pass(draw.below(2_400_000)),
        3..5 => Step::Regroup(who, u8::try_from(draw.below(8)).unwrap()),
        5..7 => Step::Submit {
            who,
            role: draw.index(ROLES.len()),
            minutes: 1 + draw.below(239),
            start_in: draw.rarely(5).then(|| draw.below(90)),
        },
        7..18 => Step::Approve {
            request: nth,
            who,
            stale: draw.rarely(10),
            shorter: draw.rarely(3).then(|| 1 + draw.below(239)),
            role: draw.rarely(3).then(|| draw.index(ROLES.len())),
            start_in: draw.rarely(10).then(|| draw.below(90)),
        },
        22 => Step::Deny {
            request: nth,
            who,
            stale: draw.rarely(10),
        },
        23 => Step::Withdraw { request: nth, who },
        24..26 => Step::Expire(nth),
        26..32 => Step::Activate(nth),
        32..39 => Step::Acknowledge {
            grant: nth,
            stale: draw.rarely(7),
        },
        39 => Step::RetryActivation(nth),
        40 => Step::FailActivation(nth),
        18..22 | 41..46 => Step::Extend {
            grant: nth,
            who,
            minutes: 1 + draw.below(119),
        },
        46..50 => Step::Close {
            grant: nth,
            who,
            // `end` twice as often: it needs the right moment, too.
            kind: [
                CloseKind::Return,
                CloseKind::End,
                CloseKind::End,
                CloseKind::Revoke,
            ][draw.index(4)],
            stale: draw.rarely(5),
        },
        50 => Step::RetryClose(nth),
        51..54 => Step::Confirm(nth),
        54..56 => Step::Credential { grant: nth, who },
        56..59 => Step::ReachEnd(nth, i64::from(draw.below(3)) - 1),
        59 => Step::ReachDeadline(nth, i64::from(draw.below(3)) - 1),
        60..62 => Step::Claim { request: nth, who },
        62 => Step::Release { request: nth, who },
        81..83 => Step::BreakGlass {
            who,
            role: draw.index(ROLES.len()),
            minutes: 1 + draw.below(75),
        },
        83..86 => Step::SignOff {
            nth,
            who,
            justified: !draw.rarely(4),
            stale: draw.rarely(8),
        },
        86 => Step::Lock {
            what: draw.index(5),
            who,
            minutes: draw.rarely(2).then(|| 1 + draw.below(60)),
        },
        87..90 => Step::Unlock(nth),
        _ => Step::Proceed {
            who,
            choice: draw.below(24),
        },
    }
}
