//! What can have a look of its own, by meaning and not by widget, and where a role gets its look from when a theme
//! says nothing about it.

macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $role:ident = $name:literal $(> $parent:ident)?,)+) => {
        /// A meaning that has a look.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[doc = $doc])+ $role,)+
        }

        impl Role {
            /// Every role, in the order of the theme files.
            pub const ALL: &[Self] = &[$(Self::$role),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in theme files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$role => $name,)+
                }
            }

            /// The role it looks like when a theme leaves it out.
            pub fn parent(self) -> Option<Self> {
                match self {
                    $(Self::$role => roles!(@parent $($parent)?),)+
                }
            }
        }
    };
    (@parent) => { None };
    (@parent $parent:ident) => { Some(Self::$parent) };
}

roles! {
    /// The screen behind everything.
    Surface = "surface",
    /// A bordered part of the screen.
    Panel = "panel" > Surface,
    /// What lies over the rest: help, palette, prompts.
    Overlay = "overlay" > Panel,
    /// Ordinary text.
    Text = "text",
    /// Text that matters less.
    TextMuted = "text-muted" > Text,
    /// Text that matters more.
    TextStrong = "text-strong" > Text,
    /// Borders.
    Border = "border" > TextMuted,
    /// The border of the part that has the keys.
    BorderFocus = "border-focus" > Border,
    /// The selected row.
    Selection = "selection",
    /// Rows marked for a common act.
    Mark = "mark" > TextStrong,
    /// What a search found.
    Match = "match" > TextStrong,
    /// Keys in hints and help.
    KeyHint = "key-hint" > TextStrong,
    /// Fine, open, granted.
    StatusOk = "status-ok" > Text,
    /// Worth knowing.
    StatusInfo = "status-info" > Text,
    /// Waiting for somebody.
    StatusPending = "status-pending" > Text,
    /// Needs attention soon.
    StatusWarn = "status-warn" > TextStrong,
    /// Wrong or denied.
    StatusDanger = "status-danger" > StatusWarn,
    /// Needs attention at once.
    StatusCritical = "status-critical" > StatusDanger,
    /// The connection works.
    BannerLive = "banner-live" > StatusOk,
    /// What is shown may be old.
    BannerStale = "banner-stale" > StatusWarn,
    /// There is no connection.
    BannerOffline = "banner-offline" > StatusDanger,
    /// Incident mode.
    BannerIncident = "banner-incident" > StatusCritical,
    /// Production.
    EnvProd = "env-prod" > StatusDanger,
    /// Staging.
    EnvStaging = "env-staging" > StatusWarn,
    /// Development.
    EnvDev = "env-dev" > TextMuted,
    /// The border of a question that changes something.
    ConfirmBorder = "confirm-border" > StatusDanger,
    /// An action that cannot be taken.
    Disabled = "disabled" > TextMuted,
    /// Rows that may be old.
    StaleData = "stale-data" > TextMuted,
}
