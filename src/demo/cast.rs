//! Who appears in the demonstration and what they ask for.

use crate::wire::NewService;

/// The admin at the console: you.
pub(super) const ADMIN: &str = "kim";
/// An engineer whom nobody plays, for trying the commands.
pub(super) const GUEST: &str = "robin";
/// Decides a little, and leaves most to the console.
pub(super) const REVIEWER: &str = "grace";
/// The second opinion that an admin role takes.
pub(super) const SECOND_REVIEWER: &str = "edsger";
/// Gets readonly access without waiting.
pub(super) const ONCALL: &str = "linus";

/// Somebody in the demonstration, with product roles and groups.
#[derive(Debug)]
pub(super) struct Part {
    pub name: &'static str,
    pub roles: &'static [&'static str],
    pub groups: &'static [&'static str],
}

const fn engineer(name: &'static str) -> Part {
    Part {
        name,
        roles: &["requester"],
        groups: &["engineers"],
    }
}

const fn reviewer(name: &'static str) -> Part {
    Part {
        name,
        roles: &["requester", "reviewer"],
        groups: &["engineers", "reviewers"],
    }
}

/// Everybody who is played.
pub(super) const CAST: [Part; 8] = [
    reviewer(REVIEWER),
    reviewer(SECOND_REVIEWER),
    Part {
        name: ONCALL,
        roles: &["requester"],
        groups: &["engineers", "oncall"],
    },
    engineer("ada"),
    engineer("alan"),
    engineer("barbara"),
    engineer("katherine"),
    engineer("margaret"),
];

/// An engineer for the person who tries the commands.
pub(super) const GUEST_PART: Part = engineer(GUEST);

/// A machine of somebody's.
pub(super) fn machine() -> NewService {
    NewService {
        name: "deploy-bot".to_owned(),
        owner: REVIEWER.to_owned(),
        scopes: vec!["request:web-1/readonly".to_owned()],
        groups: vec!["engineers".to_owned()],
        expires: "30d".to_owned(),
    }
}

/// Something to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub target: &'static str,
    pub role: &'static str,
    pub duration: &'static str,
    pub reason: &'static str,
    pub ticket: Option<&'static str>,
}

const fn wish(
    target: &'static str,
    role: &'static str,
    duration: &'static str,
    reason: &'static str,
    ticket: Option<&'static str>,
) -> Wish {
    Wish {
        target,
        role,
        duration,
        reason,
        ticket,
    }
}

/// What engineers ask for as time goes by.
pub(super) const WISHES: [Wish; 16] = [
    wish(
        "orders-db",
        "readonly",
        "1h",
        "which orders got no payment since 03:00",
        Some("INC-4129"),
    ),
    wish(
        "orders-db",
        "readonly",
        "30m",
        "a customer says order 3187 was charged twice",
        Some("SUP-2210"),
    ),
    wish(
        "orders-db",
        "readwrite",
        "45m",
        "set 12 orders back to `new` after the courier outage",
        Some("INC-4130"),
    ),
    wish(
        "orders-db",
        "admin",
        "30m",
        "add the index on customer that the slow query log asks for",
        Some("CHG-981"),
    ),
    wish(
        "bastion",
        "readonly",
        "30m",
        "look at the disk that filled up tonight",
        Some("INC-4133"),
    ),
    wish(
        "bastion",
        "admin",
        "20m",
        "rotate the certificate of the mail relay, it ends tomorrow",
        Some("CHG-984"),
    ),
    wish(
        "orders-db",
        "readonly",
        "2h",
        "numbers for the quarterly report: orders by region",
        None,
    ),
    wish(
        "orders-db",
        "readwrite",
        "15m",
        "undo the discount that went to the wrong customers",
        Some("INC-4131"),
    ),
    wish(
        "web-1",
        "readonly",
        "1h",
        "follow the log while the new release warms up",
        Some("CHG-988"),
    ),
    wish(
        "web-1",
        "admin",
        "30m",
        "take the host out of rotation and restart it",
        Some("CHG-990"),
    ),
    wish(
        "orders-db",
        "readonly",
        "15m",
        "is order 4711 really in the south region",
        Some("SUP-2214"),
    ),
    wish(
        "bastion",
        "readonly",
        "2h",
        "on-call handover: show Margaret where the jobs run",
        None,
    ),
    wish(
        "web-1",
        "readonly",
        "20m",
        "the health check flaps every ten minutes",
        Some("INC-4135"),
    ),
    wish(
        "orders-db",
        "readonly",
        "3h",
        "compare yesterday's export with the table",
        Some("DATA-77"),
    ),
    wish(
        "web-1",
        "readonly",
        "4h",
        "load test tonight, watch memory and open files",
        Some("CHG-991"),
    ),
    wish(
        "orders-db",
        "admin",
        "1h",
        "rehearse the migration of the state column",
        Some("CHG-993"),
    ),
];

/// What reviewers write beside an approval.
pub(super) const APPROVALS: [&str; 4] = [
    "go ahead",
    "seen the ticket",
    "fine, hand it back when you are done",
    "ok, as in the runbook",
];

/// What reviewers write when they say no.
pub(super) const DENIALS: [&str; 4] = [
    "the dashboard answers this, no access needed",
    "too broad for the ticket, ask for readonly",
    "please wait for the change window at 22:00",
    "I cannot find this ticket",
];

/// Why nobody may change the web servers during the demonstration.
pub(super) const FREEZE: &str = "change freeze until the sale is over";

// What the opening is about.
pub(super) const CRASH: Wish = wish(
    "web-1",
    "readonly",
    "30m",
    "look at last night's crash",
    Some("INC-4126"),
);
pub(super) const TOTALS: Wish = wish(
    "orders-db",
    "readwrite",
    "2h",
    "correct some totals by hand",
    None,
);
pub(super) const COURIER: Wish = wish(
    "orders-db",
    "readwrite",
    "45m",
    "set 12 orders back to `new`",
    Some("INC-4125"),
);
pub(super) const LATENCY: Wish = wish(
    "orders-db",
    "readonly",
    "1h",
    "latency alarm on the orders page",
    Some("INC-4127"),
);
pub(super) const LOCKS: Wish = wish(
    "orders-db",
    "readonly",
    "2m",
    "one look at the locks",
    Some("INC-4127"),
);
pub(super) const STUCK: Wish = wish(
    "orders-db",
    "readonly",
    "1h",
    "INC-4127 stuck orders",
    Some("INC-4127"),
);
/// Taken before anybody had looked, and looked at since.
pub(super) const NIGHT: Wish = wish(
    "bastion",
    "admin",
    "15m",
    "INC-4121 mail queue fills the disk, nobody answers at this hour",
    Some("INC-4121"),
);
/// The same, and still to be looked at.
pub(super) const OUTAGE: Wish = wish(
    "orders-db",
    "admin",
    "30m",
    "INC-4127 checkout is down, a runaway index build blocks every order",
    Some("INC-4127"),
);
pub(super) const RELAY: Wish = wish(
    "bastion",
    "admin",
    "30m",
    "rotate the certificate of the mail relay",
    Some("CHG-981"),
);

/// A reason that wants to be more than text. What the server accepts of it must stay text everywhere.
pub(super) const HOSTILE: Wish = wish(
    "web-1",
    "readonly",
    "1h",
    "INC-4140 \u{202e}lenap eht ni ytiruces yb devorppa\u{202c} \\x1b[2J\\x1b[31mAPPROVED BY SECURITY\\x1b[0m \
    zero\u{200b}width\u{2066}isolate\u{2069} e\u{301}\u{302}\u{303}\u{304}\u{306} \u{feff}\n\
    portcullis approve --all --yes\n\
    Dear reviewer, this reason is long on purpose. It describes in great detail what happened on the night of the \
    incident, who was called, who did not answer, which of the three dashboards was red and which one was merely \
    orange, and why none of that can be written in a single short sentence. A console that shows it has to cut it to \
    the width of the column, to wrap it in the detail pane, and to leave everything else on the screen where it was.",
    None,
);

/// The same with real escape codes, which the server does not take at all.
pub(super) const ESCAPES: Wish = wish(
    "web-1",
    "readonly",
    "1h",
    "INC-4140 \u{1b}[2J\u{1b}[31mAPPROVED BY SECURITY\u{1b}[0m\u{1b}]0;root\u{7}",
    None,
);
