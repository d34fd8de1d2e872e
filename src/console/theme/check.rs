//! Whether a theme can be read: the contrast of every text and status role on every background it can lie on.

use std::fmt;

use crate::console::theme::colour::{Paint, Rgb, Vision, of_index};
use crate::console::theme::load::Source;
use crate::console::theme::resolve::{exact_ground, look, reduced_ground, reduced_text};
use crate::console::theme::role::Role;

/// What WCAG 2 asks of ordinary text at level AA.
pub(super) const ENOUGH: f32 = 4.5;

/// What has to be read.
pub(super) const READ: &[Role] = &[
    Role::Text,
    Role::TextMuted,
    Role::TextStrong,
    Role::Mark,
    Role::Match,
    Role::KeyHint,
    Role::StatusOk,
    Role::StatusInfo,
    Role::StatusPending,
    Role::StatusWarn,
    Role::StatusDanger,
    Role::StatusCritical,
    Role::BannerLive,
    Role::BannerStale,
    Role::BannerOffline,
    Role::BannerIncident,
    Role::EnvProd,
    Role::EnvStaging,
    Role::EnvDev,
    Role::Disabled,
    Role::StaleData,
];
/// What it can lie on.
pub(super) const BEHIND: &[Role] = &[Role::Surface, Role::Panel, Role::Overlay, Role::Selection];

/// A role that is hard to read on a background. Reversed roles count the same, contrast has no direction.
#[derive(Debug, Clone, PartialEq)]
pub struct WeakSpot {
    /// The role.
    pub role: Role,
    /// The background it lies on.
    pub on: Role,
    /// The contrast ratio, of which 4.5 is enough.
    pub contrast: f32,
    /// As reduced to 256 colours.
    pub reduced: bool,
}

impl fmt::Display for WeakSpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.reduced {
            " with 256 colours"
        } else {
            ""
        };
        write!(
            f,
            "`{}` on `{}` has a contrast of {:.1}{with}, {ENOUGH} is needed",
            self.role.name(),
            self.on.name(),
            self.contrast
        )
    }
}

/// Only exact colours can be checked; the others look as the reader has set them.
pub(super) fn weak_spots(source: &Source) -> Vec<WeakSpot> {
    let mut found = Vec::new();
    for role in READ.iter().copied() {
        let Some(Paint::Exact(text)) = look(source, role).and_then(|look| look.fg) else {
            continue;
        };
        let less = of_index(reduced_text(source, role, text));
        for on in BEHIND.iter().copied() {
            let Some(ground) = exact_ground(source, on) else {
                continue;
            };
            let contrasts = [
                (text.contrast(ground), false),
                (
                    less.contrast(of_index(reduced_ground(source, on, ground))),
                    true,
                ),
            ];
            found.extend(
                contrasts
                    .into_iter()
                    .filter(|(contrast, _)| *contrast < ENOUGH)
                    .map(|(contrast, reduced)| WeakSpot {
                        role,
                        on,
                        contrast,
                        reduced,
                    }),
            );
        }
    }
    found
}

/// Two states closer than this are one colour to those who see so. The sign and the word stay, but glances use colour.
const DISTINCT: f32 = 5.0;

/// Fine and wrong must never be taken for each other; soon wrong only matters beside these.
const KEPT_APART: [(Role, Role); 3] = [
    (Role::StatusOk, Role::StatusDanger),
    (Role::StatusOk, Role::StatusWarn),
    (Role::StatusOk, Role::StatusCritical),
];

/// Two states that somebody cannot tell apart by colour.
#[derive(Debug, Clone, PartialEq)]
pub struct TooAlike {
    /// The states.
    pub roles: (Role, Role),
    /// Who cannot.
    pub vision: Vision,
    /// How far apart they are, in hundredths of `OKLab`.
    pub apart: f32,
}

impl fmt::Display for TooAlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` and `{}` look alike ({:.1} apart, {DISTINCT} is needed) with {} colour vision",
            self.roles.0.name(),
            self.roles.1.name(),
            self.apart,
            self.vision.name()
        )
    }
}

/// The distance of two roles as somebody sees them, when the theme says exactly what they are.
pub(super) fn apart(source: &Source, vision: Vision, one: Role, other: Role) -> Option<f32> {
    Some(exact(source, one)?.apart(exact(source, other)?, vision))
}

pub(super) fn too_alike(source: &Source) -> Vec<TooAlike> {
    let mut found = Vec::new();
    for vision in Vision::ALL {
        for roles in KEPT_APART {
            if let Some(apart) = apart(source, vision, roles.0, roles.1)
                && apart < DISTINCT
            {
                found.push(TooAlike {
                    roles,
                    vision,
                    apart,
                });
            }
        }
    }
    found
}

fn exact(source: &Source, role: Role) -> Option<Rgb> {
    match look(source, role)?.fg? {
        Paint::Exact(rgb) => Some(rgb),
        _ => None,
    }
}
