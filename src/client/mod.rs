//! The other end of `server`: a typed HTTP client, the sign-in it uses, and the live event stream.
//!
//! It never shows a change as done before the server has confirmed it, and never repeats one without its
//! idempotency key. To add an endpoint: its body in `wire`, one method in `calls.rs`.

mod backoff;
mod break_glass;
mod call;
mod calls;
mod device;
mod device_flow;
mod endings;
pub mod epochs;
mod error;
pub mod evidence;
mod follow;
mod here;
mod http;
mod keeping;
mod key;
pub mod keys;
mod log;
mod loopback;
mod nodes;
mod notices;
pub mod oidc;
mod oidc_page;
pub mod parts;
mod passkey;
mod passkey_page;
mod policies;
mod queries;
pub mod replay;
mod second_factor;
mod seen;
mod send;
mod server_url;
mod servers;
pub mod session;
mod shelf;
mod spoken;
pub mod sse;
mod step_up;
mod tries;
mod unheard;
pub mod verify;
pub mod watch;
pub mod witness;

pub use break_glass::BreakGlassQuery;
pub use error::{ClientError, NO_KEYRING};
pub use follow::{Cursor, Follow, Followed, RetryNow, follow, follow_matching};
pub use here::{device, has_browser, open_browser};
pub use http::http;
pub use keeping::KeptIn;
pub use key::IdempotencyKey;
pub use nodes::Standing;
pub use queries::{AuditQuery, ExportQuery, GrantsQuery, HistogramQuery, RequestsQuery};
pub use second_factor::NewTotp;
pub use seen::{Seen, SeenFile, SeenGrant, SeenRole, SeenTarget};
pub use send::{Channel, Client, Listener, Note};
pub use server_url::ServerUrl;
pub use servers::Servers;
pub use session::{Session, StateDir};
pub use shelf::{Shelf, ShelfFile, Shelving};
pub use step_up::{Asking, Chosen, Prover, StepUpNeeded};
