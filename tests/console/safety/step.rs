//! What can happen, one step after another, and scenes of steps that belong together.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Press(&'static str),
    Held(&'static str),
    Burst(&'static str),
    Any(char),
    Paste(String),
    Wait(u64),
    Click(u16, u16),
    Focus,
    Resize(u16, u16),
    /// Somebody else decides on a request.
    Decided(u64),
    /// A new request comes.
    Asked(u64),
    /// Somebody else takes a grant away.
    Revoked(u64),
    Lost,
    Live,
    Woke,
    /// The server answers what is on its way, with a refusal.
    Refused(&'static str),
    Unanswered,
    /// The server wants a second factor for what is on its way.
    WantsFactor,
    /// It takes the code that was typed, if there is one.
    TakesFactor,
    /// The server says that nobody is signed in.
    SignedOut,
    /// Somebody signs in, if the box is open.
    SignsIn,
    /// The server did what is on its way.
    Done,
    /// An answer comes that came before.
    Twice,
    /// From here on no question is answered.
    Silent,
    /// Everything asked meanwhile is answered as things were then, dry runs too; and so on from here.
    Late,
}

const KEYS: &[&str] = &[
    "a",
    "d",
    "e",
    "x",
    "y",
    "n",
    "Enter",
    "Esc",
    "Tab",
    "1",
    "2",
    "3",
    "j",
    "k",
    "g",
    "G",
    ".",
    "/",
    "?",
    "r",
    "f",
    "Backspace",
    "m",
    "4",
    "5",
    "6",
    "9",
    "s",
    "c",
    "b",
    "t",
    "7",
    "8",
    "X",
    "I",
    "W",
    "L",
    "u",
    "i",
    "Space",
    "v",
    "*",
    ":",
    "<",
    ">",
    "z",
];

fn step() -> impl Strategy<Value = Step> {
    let press = proptest::sample::select(KEYS);
    prop_oneof![
        30 => press.clone().prop_map(Step::Press),
        3 => press.clone().prop_map(Step::Held),
        3 => press.prop_map(Step::Burst),
        3 => any::<char>().prop_map(Step::Any),
        2 => "[ayxed1-9\n]{1,8}".prop_map(Step::Paste),
        20 => prop_oneof![Just(5_u64), Just(100), Just(340), Just(400), Just(900), Just(6_000)].prop_map(Step::Wait),
        2 => (0_u16..130, 0_u16..40).prop_map(|(x, y)| Step::Click(x, y)),
        1 => Just(Step::Focus),
        1 => (20_u16..200, 5_u16..60).prop_map(|(width, height)| Step::Resize(width, height)),
        2 => Just(Step::Resize(100, 30)),
        3 => (1_u64..6).prop_map(Step::Decided),
        2 => (3_u64..6).prop_map(Step::Asked),
        2 => (5_u64..7).prop_map(Step::Revoked),
        1 => Just(Step::Lost),
        3 => Just(Step::Live),
        1 => Just(Step::Woke),
        2 => Just(Step::Refused("conflict")),
        1 => Just(Step::Refused("not-allowed")),
        1 => Just(Step::Unanswered),
        3 => Just(Step::WantsFactor),
        3 => Just(Step::TakesFactor),
        3 => Just(Step::Done),
        2 => Just(Step::SignedOut),
        3 => Just(Step::SignsIn),
        1 => Just(Step::Twice),
        1 => Just(Step::Silent),
        3 => Just(Step::Late),
    ]
}

/// What people really do, with one thing in between that they did not expect.
pub(super) fn scene() -> impl Strategy<Value = Vec<Step>> {
    let scripts: [&[&'static str]; 27] = [
        &["Esc", "1", "a", "wait", "y"],
        &["Esc", "1", "j", "a", "wait", "y"],
        &["Esc", "1", "d", "wait", "3", "Enter"],
        &["Esc", "1", "e", "wait", "1", "m", "y"],
        &["Esc", "2", "e", "wait", "y"],
        &["Esc", "2", "x", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "2", "*", "x", "wait", "Tab", "1", "Enter", "3", "Enter",
        ],
        &["Esc", "Esc", "2", "*", "e", "wait", "3", "Enter"],
        &[
            "Esc", "Esc", "3", "*", "t", "wait", "Tab", "1", "Enter", "2", "Enter",
        ],
        &[
            "Esc", "Esc", "5", "*", "x", "wait", "Tab", "1", "Enter", "1", "Enter",
        ],
        &["Esc", "Esc", "2", "g", "j", "b", "wait", "y"],
        &["Esc", "Esc", "1", "c", "done", "c", "done"],
        &[
            "Esc", "1", "a", "wait", "y", "done", "u", "wait", "y", "1", "Enter",
        ],
        &[
            "Esc", "Esc", "silent", "2", "i", "wait", "Enter", "Esc", "Enter", "late", "wait", "2",
            "Enter",
        ],
        &["Esc", "Esc", "1", "*", "a", "wait", "2", "Enter"],
        &[
            "Esc", "Esc", "1", "g", "Space", "d", "wait", "Tab", "2", "Enter", "1", "Enter", "Esc",
        ],
        &["Esc", "Esc", "3", "t", "wait", "y", "1", "Enter"],
        &["Esc", "Esc", "5", "x", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "2", "L", "wait", "a", "b", "c", "Tab", "Tab", "d", "a", "v", "e",
            "Enter",
        ],
        &[
            "Esc", "Esc", "2", "i", "wait", "Enter", "wait", "Tab", "a", "b", "c", "Enter", "2",
            "Enter",
        ],
        &["Esc", "Esc", "1", "c", "u"],
        &["Esc", "Esc", "7", "x", "wait", "y"],
        &["Esc", "Esc", "7", "g", "X", "wait", "1", "Enter"],
        &["Esc", "Esc", "8", "x", "wait", "y"],
        &["Esc", "Esc", "9", "a", "wait", "y", "1", "Enter"],
        &[
            "Esc", "Esc", "1", "a", "wait", "y", "out", "wait", "in", "live", "wait", "y",
        ],
        &[
            "Esc", "Esc", "1", "a", "wait", "y", "factor", "wait", "1", "2", "Enter", "taken",
        ],
    ];
    let play = (
        proptest::sample::select(scripts.to_vec()),
        0_usize..12,
        step(),
    )
        .prop_map(|(script, at, surprise)| {
            let mut steps: Vec<Step> = Vec::new();
            for (place, text) in script.iter().enumerate() {
                if place == at {
                    steps.push(surprise.clone());
                }
                steps.push(match *text {
                    "wait" => Step::Wait(400),
                    "factor" => Step::WantsFactor,
                    "taken" => Step::TakesFactor,
                    "done" => Step::Done,
                    "silent" => Step::Silent,
                    "late" => Step::Late,
                    "out" => Step::SignedOut,
                    "in" => Step::SignsIn,
                    "live" => Step::Live,
                    key => Step::Press(key),
                });
            }
            steps
        });
    prop_oneof![3 => step().prop_map(|step| vec![step]), 1 => play]
}
