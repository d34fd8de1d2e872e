//! The one list of settings: their names, where else they may be set, what they mean. Parsing, the file that
//! `config init` writes and the reference in the README all come from it.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key in the file.
    pub name: &'static str,
    /// The environment variable that wins over the file.
    pub env: &'static str,
    /// The flag that wins over both, without its dashes; empty where there is none.
    pub flag: &'static str,
    /// What holds when it is set nowhere, in words.
    pub default: &'static str,
    /// A value as it may stand in the file.
    pub sample: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
}

/// Settings of the server, in the table `[server]` of `portcullis.toml`.
pub const SERVER: [Key; 10] = [
    Key {
        name: "data_dir",
        env: "PORTCULLIS_DATA_DIR",
        flag: "data-dir",
        default: "`portcullis` in the user's data folder",
        sample: "\"/var/lib/portcullis\"",
        about: "Where the server keeps its database and its keys. Relative to this file, unless it starts with `/` or `~/`.",
    },
    Key {
        name: "listen",
        env: "PORTCULLIS_LISTEN",
        flag: "listen",
        default: "`127.0.0.1:7700`",
        sample: "\"127.0.0.1:7700\"",
        about: "The address and port to listen on.",
    },
    Key {
        name: "public_url",
        env: "PORTCULLIS_PUBLIC_URL",
        flag: "public-url",
        default: "`http://` or `https://`, and the address above",
        sample: "\"https://portcullis.example.com\"",
        about: "How people reach the server; behind a proxy, the proxy's address.",
    },
    Key {
        name: "node_urls",
        env: "PORTCULLIS_NODE_URLS",
        flag: "node-urls",
        default: "none: clients use `public_url` only",
        sample: "\"https://pc-1.example.com,https://pc-2.example.com\"",
        about: "Where clients call single nodes directly, separated by commas; the same list on every node. Proofs of a device are good for these addresses and for `public_url`, and for no other.",
    },
    Key {
        name: "node",
        env: "PORTCULLIS_NODE",
        flag: "node",
        default: "the name of the machine",
        sample: "\"pc-1\"",
        about: "What this node is called: the header `Portcullis-Node` of each answer has it, and the console shows it.",
    },
    Key {
        name: "tls_certificate",
        env: "PORTCULLIS_TLS_CERTIFICATE",
        flag: "tls-certificate",
        default: "none: plain HTTP, for this machine only",
        sample: "\"tls/server.pem\"",
        about: "A PEM file with the server's certificate and those between it and its authority. The server then speaks TLS 1.3 and 1.2 itself. Relative to this file; taken over when it changes.",
    },
    Key {
        name: "tls_key",
        env: "PORTCULLIS_TLS_KEY",
        flag: "tls-key",
        default: "none",
        sample: "\"tls/server.key\"",
        about: "A PEM file with the key of that certificate, readable by the server only.",
    },
    Key {
        name: "database",
        env: "PORTCULLIS_DATABASE",
        flag: "database",
        default: "`sqlite`",
        sample: "\"sqlite\"",
        about: "`sqlite` for one node with its database in the data folder, or `postgres://user@host/name` for several. Hosts that stand in for each other have commas between them, as in `postgres://user@a,b:5433/name`.",
    },
    Key {
        name: "durability",
        env: "PORTCULLIS_DURABILITY",
        flag: "durability",
        default: "`available`",
        sample: "\"strict\"",
        about: "With `strict` a change is acknowledged only when a standby of the database has it too, and nothing is changed while no standby answers. With `available` it is acknowledged as soon as the primary has it, and what was acknowledged last can be lost with the primary unless PostgreSQL itself waits for a standby.",
    },
    Key {
        name: "log",
        env: "PORTCULLIS_LOG",
        flag: "log",
        default: "`info`",
        sample: "\"info\"",
        about: "How much to log: `error`, `warn`, `info`, `debug` or `trace`, also by module as in `info,sqlx=warn`.",
    },
];

/// What the server calls unusual, in the table `[signals]` of `portcullis.toml`.
pub const SIGNALS: [Key; 3] = [
    Key {
        name: "working_days",
        env: "PORTCULLIS_WORKING_DAYS",
        flag: "",
        default: "`mon-fri`",
        sample: "\"mon-fri\"",
        about: "The days on which people usually ask for access, as in `mon-fri` or `sun,tue-thu`. A request at another time gets the signal *off hours*.",
    },
    Key {
        name: "working_hours",
        env: "PORTCULLIS_WORKING_HOURS",
        flag: "",
        default: "`07:00-19:00`",
        sample: "\"07:00-19:00\"",
        about: "The hours of those days; `00:00-24:00` for all of them.",
    },
    Key {
        name: "utc_offset",
        env: "PORTCULLIS_UTC_OFFSET",
        flag: "",
        default: "`+00:00`",
        sample: "\"+01:00\"",
        about: "How far the clock of those hours is from UTC. It does not follow daylight saving.",
    },
];

/// The identity provider, in the table `[identity]` of `portcullis.toml`.
pub const IDENTITY: [Key; 12] = [
    Key {
        name: "issuer",
        env: "PORTCULLIS_IDENTITY_ISSUER",
        flag: "",
        default: "none: people sign in with one-time codes",
        sample: "\"https://id.example.com\"",
        about: "The OpenID provider that people sign in at, exactly as it calls itself.",
    },
    Key {
        name: "client_id",
        env: "PORTCULLIS_IDENTITY_CLIENT_ID",
        flag: "",
        default: "none",
        sample: "\"portcullis\"",
        about: "What the provider calls this server. Let it allow redirects to `http://127.0.0.1` on any port.",
    },
    Key {
        name: "client_secret",
        env: "PORTCULLIS_IDENTITY_CLIENT_SECRET",
        flag: "",
        default: "none",
        sample: "\"…\"",
        about: "What this server proves itself with; better in a file or in the environment.",
    },
    Key {
        name: "client_secret_file",
        env: "PORTCULLIS_IDENTITY_CLIENT_SECRET_FILE",
        flag: "",
        default: "none",
        sample: "\"oidc.secret\"",
        about: "A file with that secret, readable by the server only; it wins. Relative to this file.",
    },
    Key {
        name: "scopes",
        env: "PORTCULLIS_IDENTITY_SCOPES",
        flag: "",
        default: "`openid profile groups offline_access`",
        sample: "\"openid profile groups offline_access\"",
        about: "What the server asks for. With `offline_access` it can ask again what groups somebody has.",
    },
    Key {
        name: "name_claim",
        env: "PORTCULLIS_IDENTITY_NAME_CLAIM",
        flag: "",
        default: "`preferred_username`",
        sample: "\"preferred_username\"",
        about: "The claim that gives somebody's name at their first sign-in. It never says who somebody is: issuer and subject do.",
    },
    Key {
        name: "groups_claim",
        env: "PORTCULLIS_IDENTITY_GROUPS_CLAIM",
        flag: "",
        default: "`groups`",
        sample: "\"groups\"",
        about: "The claim with somebody's groups, in the ID token or at the userinfo endpoint.",
    },
    Key {
        name: "groups_max_age",
        env: "PORTCULLIS_IDENTITY_GROUPS_MAX_AGE",
        flag: "",
        default: "`5m`",
        sample: "\"5m\"",
        about: "How old the groups may be when access is given; then the provider is asked again. Taking access away never waits for it.",
    },
    Key {
        name: "gone_after",
        env: "PORTCULLIS_IDENTITY_GONE_AFTER",
        flag: "",
        default: "`15m`",
        sample: "\"15m\"",
        about: "When the provider confirms somebody no more, their sign-ins are over at once, and nothing new is given. What access they have ends after this time, unless they sign in again. A provider uses one word for a person who is gone and for a token that is over.",
    },
    Key {
        name: "device_flow",
        env: "PORTCULLIS_IDENTITY_DEVICE_FLOW",
        flag: "",
        default: "`false`",
        sample: "false",
        about: "Whether people may sign in on a machine without a browser (`portcullis login --device`), from device keys that they have enrolled.",
    },
    Key {
        name: "ca",
        env: "PORTCULLIS_IDENTITY_CA",
        flag: "",
        default: "the system's certificates",
        sample: "\"ca.pem\"",
        about: "Certificates that the provider's has to come from, as PEM. Relative to this file.",
    },
    Key {
        name: "allow_loopback",
        env: "PORTCULLIS_IDENTITY_ALLOW_LOOPBACK",
        flag: "",
        default: "`false`",
        sample: "false",
        about: "Allows a provider on this machine without TLS, for tests and demonstrations.",
    },
];

/// When a second factor has to be proved, in the table `[step_up]` of `portcullis.toml`.
pub const STEP_UP: [Key; 5] = [
    Key {
        name: "required",
        env: "PORTCULLIS_STEP_UP",
        flag: "",
        default: "`true`",
        sample: "true",
        about: "Whether approving, extending for others, incidents, locks and breaking the glass need a fresh proof of a second factor. With `false` only changes of one's own second factors do.",
    },
    Key {
        name: "max_age",
        env: "PORTCULLIS_STEP_UP_MAX_AGE",
        flag: "",
        default: "`5m`",
        sample: "\"5m\"",
        about: "How old such a proof may be when it is used, at most `15m`.",
    },
    Key {
        name: "acr_values",
        env: "PORTCULLIS_STEP_UP_ACR_VALUES",
        flag: "",
        default: "none",
        sample: "\"urn:example:mfa\"",
        about: "Makes a fresh sign-in at the identity provider a second factor: what it is asked for, with spaces between; its answer has to be one of them.",
    },
    Key {
        name: "amr",
        env: "PORTCULLIS_STEP_UP_AMR",
        flag: "",
        default: "none",
        sample: "\"otp hwk mfa\"",
        about: "The same by how the person signed in there: one of these has to be among it. Where both are set, both have to hold.",
    },
    Key {
        name: "policy_changes",
        env: "PORTCULLIS_POLICY_CHANGES",
        flag: "",
        default: "`apply` where `required`",
        sample: "\"apply\"",
        about: "When a changed `policy.cedar` or `time_zone` comes into use: with `apply` when an admin has said `portcullis policy apply`, with `file` as soon as it is written. What is in use is kept in the database, so that no restart goes round it.",
    },
];

/// What a policy's text cannot say about itself, in the table `[policy]` of `portcullis.toml`.
pub const POLICY: [Key; 1] = [Key {
    name: "time_zone",
    env: "",
    flag: "",
    default: "`UTC`",
    sample: "\"Europe/Berlin\"",
    about: "Whose clock `context.hour` and `context.weekday` are read from, daylight saving included. It is a part of the policy, and a change comes into use like one.",
}];

/// How long a sign-in lasts, and what it is bound to, in the table `[tokens]` of `portcullis.toml`.
pub const TOKENS: [Key; 3] = [
    Key {
        name: "sender_constrained",
        env: "PORTCULLIS_SENDER_CONSTRAINED",
        flag: "",
        default: "`true`",
        sample: "true",
        about: "Whether a sign-in works only with the key of the device that it was made on (DPoP, RFC 9449). Service tokens are not bound.",
    },
    Key {
        name: "idle",
        env: "PORTCULLIS_IDLE",
        flag: "",
        default: "`2h`",
        sample: "\"2h\"",
        about: "A sign-in that nobody uses for this long is over. An open console uses it.",
    },
    Key {
        name: "absolute",
        env: "PORTCULLIS_ABSOLUTE",
        flag: "",
        default: "`12h`",
        sample: "\"12h\"",
        about: "The longest that a sign-in lasts, however often it is used.",
    },
];

/// Who may sign in with a password of this server, in the table `[local_accounts]` of `portcullis.toml`.
pub const LOCAL_ACCOUNTS: [Key; 2] = [
    Key {
        name: "enabled",
        env: "PORTCULLIS_LOCAL_ACCOUNTS",
        flag: "",
        default: "`true`, and `false` where there is an identity provider",
        sample: "true",
        about: "Whether everybody may have a password here, see `portcullis account password`.",
    },
    Key {
        name: "break_glass",
        env: "",
        flag: "",
        default: "nobody",
        sample: "[\"ada\"]",
        about: "Who may have one even so, for the day the provider is down.",
    },
];

/// What holds for break-glass, in the table `[break_glass]` of `portcullis.toml`.
pub const BREAK_GLASS: [Key; 1] = [Key {
    name: "max",
    env: "PORTCULLIS_BREAK_GLASS_MAX",
    flag: "",
    default: "`1h`",
    sample: "\"1h\"",
    about: "The longest that break-glass gives access, also where policy would give it for longer. Nobody can prolong it.",
}];

/// What holds for the history, in the table `[audit]` of `portcullis.toml`.
pub const AUDIT: [Key; 2] = [
    Key {
        name: "retention",
        env: "PORTCULLIS_AUDIT_RETENTION",
        flag: "",
        default: "`365d`",
        sample: "\"365d\"",
        about: "How long every event stays at least, in days. `audit prune` takes nothing away that is younger.",
    },
    Key {
        name: "checkpoints",
        env: "PORTCULLIS_AUDIT_CHECKPOINTS",
        flag: "",
        default: "none",
        sample: "\"/mnt/worm/portcullis\"",
        about: "A folder to which every signed checkpoint of the log is added as a new file, and never changed: for storage that can be written once, or that another machine fetches. Each file is one for `audit verify --witness`. Relative to this file, unless it starts with `/` or `~/`.",
    },
];

/// What holds for notices, in the table `[notices]` of `portcullis.toml`.
pub const NOTICES: [Key; 2] = [
    Key {
        name: "ends_soon",
        env: "PORTCULLIS_NOTICES_ENDS_SOON",
        flag: "",
        default: "`10m`",
        sample: "\"10m\"",
        about: "How long before the end of a grant its holder is told, once for each end.",
    },
    Key {
        name: "give_up",
        env: "PORTCULLIS_NOTICES_GIVE_UP",
        flag: "",
        default: "`24h`",
        sample: "\"24h\"",
        about: "How long a notice that cannot be delivered is tried. That it was given up is an event, `notice.given_up`.",
    },
];

/// Settings of the console and the commands, in `console.toml`.
pub const CONSOLE: [Key; 10] = [
    Key {
        name: "url",
        env: "PORTCULLIS_SERVER",
        flag: "server",
        default: "`http://127.0.0.1:7700`",
        sample: "\"https://portcullis.example.com\"",
        about: "The server to talk to. Of an installation with several nodes, their addresses with commas between them: the first names the sign-in, and the others are asked when it does not answer.",
    },
    Key {
        name: "default_backend",
        env: "PORTCULLIS_BACKEND",
        flag: "backend",
        default: "the first `[[backend]]`, unless `url` is set",
        sample: "\"eu-1\"",
        about: "Which `[[backend]]` to talk to, by its name.",
    },
    Key {
        name: "theme",
        env: "PORTCULLIS_THEME",
        flag: "theme",
        default: "`auto`",
        sample: "\"auto\"",
        about: "The colours of the console: a name from `portcullis theme list`, the path of a file, or `auto` for what suits the terminal's background.",
    },
    Key {
        name: "color",
        env: "PORTCULLIS_COLOR",
        flag: "color",
        default: "`auto`",
        sample: "\"auto\"",
        about: "How many colours to use: `truecolor`, `256`, `16`, `none`, or `auto` for what the terminal seems to have. It wins over `NO_COLOR`.",
    },
    Key {
        name: "notify",
        env: "PORTCULLIS_NOTIFY",
        flag: "notify",
        default: "`desktop`",
        sample: "\"desktop\"",
        about: "How the console calls you to a request that waits for you while you look elsewhere: `off`, `bell` or `desktop`.",
    },
    Key {
        name: "quiet_hours",
        env: "PORTCULLIS_QUIET_HOURS",
        flag: "",
        default: "`none`",
        sample: "\"22:00-07:00\"",
        about: "When it does not call, in local time.",
    },
    Key {
        name: "ascii",
        env: "PORTCULLIS_ASCII",
        flag: "ascii",
        default: "`false`",
        sample: "false",
        about: "Draws with plain characters only, for fonts that lack the others.",
    },
    Key {
        name: "mouse",
        env: "PORTCULLIS_MOUSE",
        flag: "mouse",
        default: "`false`",
        sample: "false",
        about: "Takes the mouse; the terminal's own selection then needs Shift.",
    },
    Key {
        name: "read_only",
        env: "PORTCULLIS_READ_ONLY",
        flag: "readonly",
        default: "`false`",
        sample: "false",
        about: "Opens the console without any key that changes something.",
    },
    Key {
        name: "device_key",
        env: "PORTCULLIS_DEVICE_KEY",
        flag: "",
        default: "`auto`",
        sample: "\"auto\"",
        about: "Where the key of this device is kept: `keyring` for the desktop's, `file` for a private file, or `auto` for the keyring where one is unlocked. With `auto` a key stays where it is.",
    },
];
