//! The state of the connection: how fresh what is shown can be, and what to tell about it. The client follows the
//! stream and tries again by itself; here is only what it told.

use std::time::{Duration, Instant};

use crate::client::Standing;
use crate::console::theme::{Glyph, Role};
use crate::console::widget::countdown;

/// The server speaks every 10 s; half of that again is the slack of a slow network.
const FRESH: Duration = Duration::from_secs(15);
/// The server ends each stream when its token does, every ten minutes; a reconnect this quick is not worth a word.
const QUIET: Duration = Duration::from_millis(1_500);

/// What the connection is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    #[default]
    Opening,
    /// The stream stands.
    Open,
    /// The stream is gone; the next try is at this moment.
    Waiting { until: Instant },
    /// Trying is useless until the person has signed in.
    SignedOut,
}

/// How the connection is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub glyph: Glyph,
    pub role: Role,
    /// The state in capitals, with what it is worth: `LIVE 38ms`, `STALE 0:42`.
    pub text: String,
}

/// The live connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    phase: Phase,
    epoch: Option<i64>,
    heard: Option<Instant>,
    lost: Option<Instant>,
    latency: Option<Duration>,
    why: String,
    /// What the node says of itself.
    standing: Standing,
}

impl Link {
    /// The stream stands. Says whether everything must be read again because it is not the record known so far.
    pub fn hello(&mut self, now: Instant, epoch: i64) -> bool {
        let other = self.epoch.replace(epoch) != Some(epoch);
        self.phase = Phase::Open;
        self.heard = Some(now);
        self.lost = None;
        other
    }

    /// The node says something else of itself, or is another one.
    pub fn stands(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// What the node is called that is talked to.
    pub fn node(&self) -> Option<&str> {
        self.standing.node.as_deref()
    }

    /// Says whether changes that were acknowledged may be lost.
    pub fn may_lose(&self) -> bool {
        self.standing.may_lose
    }

    /// The server said something.
    pub fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// How long an answer took.
    pub fn measured(&mut self, took: Duration) {
        self.latency = Some(took);
    }

    /// The stream is gone, and is tried again after a pause.
    pub fn lost(&mut self, now: Instant, why: &str, retry_in: Duration) {
        self.lost.get_or_insert(now);
        why.clone_into(&mut self.why);
        if self.phase != Phase::SignedOut {
            self.phase = Phase::Waiting {
                until: now + retry_in,
            };
        }
    }

    /// The sign-in is over.
    pub fn signed_out(&mut self, now: Instant, why: &str) {
        self.lost.get_or_insert(now);
        why.clone_into(&mut self.why);
        self.phase = Phase::SignedOut;
    }

    /// A person asked to try at once; says whether there is anything to try.
    pub fn hurry(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Open | Phase::Opening => false,
            Phase::Waiting { .. } | Phase::SignedOut => {
                self.phase = Phase::Waiting { until: now };
                true
            }
        }
    }

    /// Says whether nobody is signed in.
    pub fn is_signed_out(&self) -> bool {
        self.phase == Phase::SignedOut
    }

    /// Says whether asking the server anything is hopeless for the moment.
    pub fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. } | Phase::SignedOut)
    }

    /// When what is shown changes next, apart from the seconds of an age.
    pub fn next_change(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { .. } => self.lost.map(|lost| lost + QUIET),
            Phase::Open => self.heard.map(|heard| heard + FRESH),
            Phase::Opening | Phase::SignedOut => None,
        }
    }

    /// Says whether access may be given on what is shown, and if not, why.
    pub fn decidable(&self, now: Instant) -> Result<(), String> {
        match (&self.phase, self.silence(now)) {
            (Phase::Open, Some(silence)) if silence < FRESH => match self.behind() {
                Some(behind) => Err(format!(
                    "nothing can be decided now, the server reads from a copy that may be {} old",
                    countdown::text(behind)
                )),
                None => Ok(()),
            },
            (Phase::SignedOut, _) => Err("nobody is signed in".to_owned()),
            (_, Some(silence)) => Err(format!(
                "needs live data, and this is {} old",
                countdown::text(silence)
            )),
            (_, None) => Err("needs live data, and nothing has come yet".to_owned()),
        }
    }

    /// How old what is shown may be; nothing while it is live.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let silence = self.silence(now)?;
        let quiet = self
            .lost
            .is_none_or(|lost| now.saturating_duration_since(lost) < QUIET);
        match self.behind() {
            Some(behind) => Some(behind + silence),
            None => (silence >= FRESH || !quiet).then_some(silence),
        }
    }

    /// How old the copy may be that the server reads from; nothing where it can write.
    fn behind(&self) -> Option<Duration> {
        self.standing.stale.map(Duration::from_secs)
    }

    /// The line below the tabs while something is wrong; `retry` is the key that tries again, `sign_in` the one that
    /// signs in.
    pub fn banner(&self, now: Instant, retry: &str, sign_in: &str) -> Option<String> {
        let why = if self.why.is_empty() {
            String::new()
        } else {
            format!(": {}", self.why)
        };
        let next = match self.phase {
            Phase::SignedOut => {
                return Some(format!("SIGN-IN NEEDED{why}; {sign_in} signs in here"));
            }
            Phase::Waiting { until } => match until.saturating_duration_since(now).as_secs() {
                0 => "trying".to_owned(),
                seconds => format!("retry in {seconds} s ({retry} now)"),
            },
            Phase::Opening => "trying".to_owned(),
            Phase::Open => {
                let silent = self.silence(now).filter(|silence| *silence >= FRESH);
                return match (silent, self.behind()) {
                    (Some(age), _) => Some(format!(
                        "LAGGING, the server is silent for {}",
                        countdown::text(age)
                    )),
                    (None, Some(behind)) => Some(format!(
                        "STALE {}, the server reads from a copy and cannot write: nothing can be decided now",
                        countdown::text(behind)
                    )),
                    (None, None) => None,
                };
            }
        };
        match (self.age(now), self.heard) {
            (Some(age), _) => Some(format!("STALE {}, {next}{why}", countdown::text(age))),
            (None, None) if self.lost.is_some() => Some(format!("OFFLINE, {next}{why}")),
            (None, _) => None,
        }
    }

    /// The word in the header.
    pub fn shown(&self, now: Instant) -> Shown {
        let shown = |glyph, role, text: String| Shown { glyph, role, text };
        match (&self.phase, self.age(now)) {
            (Phase::SignedOut, _) => shown(
                Glyph::StatusDanger,
                Role::BannerOffline,
                "SIGN-IN".to_owned(),
            ),
            (Phase::Open, None) => {
                let latency = self
                    .latency
                    .map(|took| format!(" {}ms", took.as_millis().max(1)))
                    .unwrap_or_default();
                shown(Glyph::Live, Role::BannerLive, format!("LIVE{latency}"))
            }
            (Phase::Open, Some(age)) => {
                let silent = self.silence(now).is_some_and(|silence| silence >= FRESH);
                let word = if silent { "LAGGING" } else { "STALE" };
                shown(
                    Glyph::StatusWarn,
                    Role::BannerStale,
                    format!("{word} {}", countdown::text(age)),
                )
            }
            (_, Some(age)) => shown(
                Glyph::StatusWarn,
                Role::BannerStale,
                format!("STALE {}", countdown::text(age)),
            ),
            (_, None) if self.heard.is_some() => {
                shown(Glyph::StatusInfo, Role::StatusInfo, "RESUMING".to_owned())
            }
            (_, None) if self.lost.is_some() => shown(
                Glyph::StatusDanger,
                Role::BannerOffline,
                "OFFLINE".to_owned(),
            ),
            (_, None) => shown(Glyph::StatusInfo, Role::StatusInfo, "CONNECTING".to_owned()),
        }
    }

    fn silence(&self, now: Instant) -> Option<Duration> {
        self.heard.map(|heard| now.saturating_duration_since(heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn silence_makes_the_data_stale_before_the_connection_dies() {
        let now = Instant::now();
        let mut link = Link::default();
        assert!(link.decidable(now).is_err(), "nothing has come yet");
        assert!(link.hello(now, 1));
        assert_eq!(link.decidable(now + seconds(14)), Ok(()));
        let late = now + seconds(16);
        assert_eq!(
            link.decidable(late),
            Err("needs live data, and this is 0:16 old".to_owned())
        );
        assert_eq!(link.shown(late).text, "LAGGING 0:16");
        link.lost(now + seconds(20), "the server was silent", seconds(4));
        assert_eq!(link.shown(now + seconds(22)).text, "STALE 0:22");
        assert_eq!(
            link.banner(now + seconds(22), "r", "I").unwrap(),
            "STALE 0:22, retry in 2 s (r now): the server was silent"
        );
    }

    #[test]
    fn the_planned_end_of_a_stream_is_not_worth_a_banner() {
        let now = Instant::now();
        let mut link = Link::default();
        link.hello(now, 1);
        link.lost(now + seconds(1), "ended", seconds(0));
        assert_eq!(link.banner(now + seconds(2), "r", "I"), None);
        assert!(
            link.decidable(now + seconds(2)).is_err(),
            "but nobody decides meanwhile"
        );
        assert!(link.banner(now + seconds(3), "r", "I").is_some());
    }

    #[test]
    fn another_epoch_means_reading_everything_again() {
        let now = Instant::now();
        let mut link = Link::default();
        assert!(link.hello(now, 1));
        assert!(!link.hello(now, 1));
        assert!(link.hello(now, 2));
    }

    #[test]
    fn a_sign_in_that_is_over_stays_said_until_somebody_tries_again() {
        let now = Instant::now();
        let mut link = Link::default();
        link.hello(now, 1);
        link.signed_out(now, "it was revoked");
        link.lost(now, "refused", seconds(1));
        assert_eq!(link.shown(now).text, "SIGN-IN");
        assert!(link.hurry(now));
        assert!(!link.hello(now + seconds(1), 1));
        assert_eq!(link.shown(now + seconds(1)).text, "LIVE");
    }

    #[test]
    fn a_copy_is_shown_with_its_age_and_nothing_is_decided_on_it() {
        let now = Instant::now();
        let mut link = Link::default();
        let standing = |stale| Standing {
            node: Some("pc-2".to_owned()),
            stale,
            may_lose: false,
        };
        link.stands(standing(Some(12)));
        link.hello(now, 1);
        assert_eq!(link.shown(now).text, "STALE 0:12");
        assert_eq!(
            link.banner(now + seconds(3), "r", "I").unwrap(),
            "STALE 0:12, the server reads from a copy and cannot write: nothing can be decided now"
        );
        assert_eq!(
            link.decidable(now).unwrap_err(),
            "nothing can be decided now, the server reads from a copy that may be 0:12 old"
        );
        link.stands(standing(None));
        link.heard(now + seconds(10));
        assert_eq!(link.banner(now + seconds(11), "r", "I"), None);
        assert_eq!(link.decidable(now + seconds(11)), Ok(()));
        assert_eq!(link.node(), Some("pc-2"));
    }
}
