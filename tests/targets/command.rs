//! Programs that are run as they should be, and those that must not be run or believed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use portcullis::domain::target::{EnforcementClass, TargetKind};
use portcullis::targets::{
    Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole, KindSettings,
    Receipt, SettingsProblem, connector,
};
use toml::Value;

use super::{Case, Stand, environment};

/// The program that the README shows.
fn shown_program() -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```sh\n#!/bin/sh\n# vpn-access").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    format!("#!/bin/sh\n# vpn-access{text}")
}

pub(crate) struct CommandStand {
    connector: Box<dyn Connector>,
    made: Made,
}

/// A connector in the making.
struct Made {
    folder: tempfile::TempDir,
    environment: Environment,
    settings: toml::Table,
    value: &'static str,
}

impl Made {
    /// The catalogue that the README shows, with a program of this text.
    fn with(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = toml::toml! {
            up = ["up", "{object}", "{holder}", "{value}", "{epoch}"]
            down = ["down", "{object}", "{epoch}"]
            observe = ["list"]
            time_limit = "8s"
        };
        let mut made = Self {
            folder,
            environment: environment(),
            settings,
            value: "profile-7",
        };
        made.write("program", program, 0o700);
        made.set("program", made.path("program").display().to_string());
        let state = toml::Table::from_iter([(
            "STATE".to_owned(),
            made.path("").display().to_string().into(),
        )]);
        made.set("environment", state);
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        // Copied, because a program that somebody has open for writing is not run, and what this process has open, its
        // other children have for a moment, too.
        let first = self.path("first");
        std::fs::write(&first, text).unwrap();
        let copied = std::process::Command::new("cp")
            .arg(first)
            .arg(self.path(name))
            .status();
        assert!(copied.unwrap().success());
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    fn connector(&self) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        let settings = Value::Table(self.settings.clone());
        let role = toml::Table::from_iter([("value".to_owned(), self.value.into())]);
        let settings = KindSettings::read(TargetKind::Command, settings).unwrap();
        let role = KindRole::read(TargetKind::Command, Value::Table(role)).unwrap();
        let roles = BTreeMap::from([("readonly".parse().unwrap(), role)]);
        connector(settings, roles, &self.environment)
    }

    fn stand(self) -> CommandStand {
        CommandStand {
            connector: self.connector().unwrap(),
            made: self,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program has no clock that matters"
)]
fn machine_clock() -> DateTime<Utc> {
    Utc::now()
}

impl Stand for CommandStand {
    async fn set_up() -> Self {
        Made::with(&shown_program()).stand()
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        self.made.write(
            "away",
            "#!/bin/sh\necho 'the VPN cannot be reached' >&2\nexit 1\n",
            0o700,
        );
        let mut away = Made::with("");
        away.set("program", self.made.path("away").display().to_string());
        away.connector().unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        machine_clock()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::Password
    }

    async fn opens(&self, _credential: &Credential) -> bool {
        let live = self.traces().await;
        live.iter()
            .any(|name| self.made.read(name) == "ada profile-7\n")
    }

    async fn traces(&self) -> Vec<String> {
        let all = std::fs::read_dir(self.made.folder.path()).unwrap();
        let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "live"))
            .collect()
    }
}

fn gone(ended: Result<Down, Failure>) -> Receipt {
    match ended.unwrap() {
        Down::Gone(receipt) => receipt,
        Down::Until(..) => unreachable!("a program ends at once"),
    }
}

#[tokio::test]
async fn a_verified_end_says_what_was_run_and_read_back() {
    let stand = CommandStand::set_up().await;
    let case = Case::on(&stand).await;
    assert_eq!(stand.connector.class(), EnforcementClass::C);
    let object = stand
        .connector
        .up(case.access(1))
        .await
        .unwrap()
        .object
        .unwrap();
    let plan = stand.connector.plan(&case.access(1)).steps;
    assert!(
        plan[0].contains(&format!("program up {object} ada profile-7 1`")),
        "{plan:?}"
    );
    let receipt = gone(stand.connector.down(case.end(2, None)).await);
    assert_eq!(receipt.steps.len(), 2);
    assert_eq!(
        receipt.steps[1].what,
        format!("read back: it does not list `{object}`")
    );
    assert_eq!(receipt.unproved, None);
}

#[tokio::test]
async fn without_a_list_an_end_is_called_unverified() {
    let mut made = Made::with(&shown_program());
    made.settings.remove("observe");
    let stand = made.stand();
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let receipt = gone(stand.connector.down(case.end(2, None)).await);
    assert!(receipt.unproved.unwrap().starts_with("unverified end"));
    let warnings = stand.connector.observe().await.unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_program_that_says_done_and_lists_otherwise_is_not_believed() {
    let stand = Made::with("#!/bin/sh\n[ \"$1\" != list ] || cat \"$STATE/listed\"\n").stand();
    let case = Case::on(&stand).await;
    let object = stand.connector.plan(&case.access(1)).object.unwrap();
    stand.made.write(
        "listed",
        "something of others\npcl_zzzzzz_0123456789\n",
        0o600,
    );
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(failure.message.contains("does not list"), "{failure}");
    assert_eq!(
        stand.connector.observe().await.unwrap().objects,
        [],
        "what is of others is theirs"
    );
    stand
        .made
        .write("listed", &format!("x\n  {object}  \n"), 0o600);
    stand.connector.up(case.access(1)).await.unwrap();
    let failure = stand.connector.down(case.end(2, None)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("still lists"),
        "{failure}"
    );
}

#[tokio::test]
async fn arguments_are_what_the_settings_say_and_no_shell_reads_them() {
    let hostile = [
        "$(touch owned)",
        "`touch owned`",
        "; touch owned",
        "| touch owned",
        "&& touch owned",
        "> owned",
        "'",
        "\"",
        "a b",
        "*",
        "~",
        "$HOME",
        "\\",
        "\n",
        "-rf",
        "--",
        "",
        "{{object}}",
        "ä",
        "\u{202e}",
        "%s%n",
        "$'\\x41'",
        "!!",
    ];
    let mut made = Made::with("#!/bin/sh\nprintf '%s\\0' \"$@\" >\"$STATE/arguments\"\n");
    made.settings.remove("observe");
    made.value = "$(touch owned) {holder} \"'";
    let mut up: Vec<Value> = hostile.iter().map(|text| (*text).into()).collect();
    up.extend(["--user={holder}:{value}", "{object}"].map(Value::from));
    made.set("up", up);
    let stand = made.stand();
    let case = Case::on(&stand).await;
    let object = stand
        .connector
        .up(case.access(1))
        .await
        .unwrap()
        .object
        .unwrap();
    let said = stand.made.read("arguments");
    let said: Vec<&str> = said.strip_suffix('\0').unwrap().split('\0').collect();
    let mut right: Vec<String> = hostile
        .iter()
        .map(|text| text.replace("{{", "{").replace("}}", "}"))
        .collect();
    right.extend(["--user=ada:$(touch owned) {holder} \"'".to_owned(), object]);
    assert_eq!(said, right);
    assert!(!stand.made.path("owned").exists() && !Path::new("/owned").exists());
}

#[tokio::test]
async fn the_environment_is_what_the_settings_say_and_a_secret_comes_on_standard_input() {
    let mut made = Made::with(
        "#!/bin/sh\ncat /proc/$$/environ >\"$STATE/environ\"\ncat /proc/$$/cmdline >\"$STATE/cmdline\"\ncat >\"$STATE/stdin\"\npwd >\"$STATE/pwd\"\n",
    );
    made.settings.remove("observe");
    made.write("secret", "s3cret of the VPN", 0o600);
    made.set("secret_file", made.path("secret").display().to_string());
    let stand = made.stand();
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let state = stand.made.path("").display().to_string();
    assert_eq!(stand.made.read("environ"), format!("STATE={state}\0"));
    assert_eq!(stand.made.read("stdin"), "s3cret of the VPN");
    assert_eq!(stand.made.read("pwd"), "/\n");
    assert!(!stand.made.read("cmdline").contains("s3cret"));
    stand.made.write("secret", "s3cret", 0o644);
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.message.contains("can be read by other people"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_has_started() {
    let text = "#!/bin/sh\ntrap '' TERM HUP INT\nsh -c 'trap \"\" TERM HUP INT; echo $$ >\"$STATE/child\"; sleep 600' &\nsleep 600\n";
    let mut made = Made::with(text);
    made.set("time_limit", "4s");
    let stand = made.stand();
    let case = Case::on(&stand).await;
    let began = Instant::now();
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("longer than 4s"),
        "{failure}"
    );
    assert!(began.elapsed() < Duration::from_mins(1));
    let child = stand.made.read("child");
    let child = PathBuf::from(format!("/proc/{}", child.trim()));
    let began = Instant::now();
    // Somebody has to wait for it before its number goes.
    let is_gone = || match std::fs::read_to_string(child.join("stat")) {
        Ok(stat) => stat
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    };
    while !is_gone() {
        assert!(began.elapsed() < Duration::from_mins(1), "it still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_that_never_stops_talking_is_killed() {
    let stand = Made::with("#!/bin/sh\nexec yes\n").stand();
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(failure.message.contains("wrote too much"), "{failure}");
}

#[tokio::test]
async fn exit_codes_say_whether_trying_again_helps() {
    for (code, stays) in [
        (1, false),
        (2, false),
        (65, true),
        (75, false),
        (77, true),
        (127, false),
    ] {
        let text = format!("#!/bin/sh\nprintf 'first\\nwhy \\033[31mred\\n\\n' >&2\nexit {code}\n");
        let stand = Made::with(&text).stand();
        let case = Case::on(&stand).await;
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert_eq!(failure.permanent, stays, "{failure}");
        let right = format!("exit code {code}: why  [31mred");
        assert!(failure.message.ends_with(&right), "{failure:?}");
    }
}

#[tokio::test]
async fn a_program_that_others_may_change_is_not_run() {
    let stand = Made::with("#!/bin/sh\ntouch \"$STATE/ran\"\n").stand();
    let case = Case::on(&stand).await;
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let (program, folder) = (
        stand.made.path("program"),
        stand.made.folder.path().to_owned(),
    );
    for (path, mode, why) in [
        (&program, 0o722, "others may change"),
        (&program, 0o702, "others may change"),
        (&program, 0o720, "others may change"),
        (&folder, 0o777, "others may change"),
        (&program, 0o600, "is no program"),
    ] {
        chmod(path, mode);
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert!(
            failure.permanent && failure.message.contains(why),
            "{failure}"
        );
        chmod(path, 0o700);
    }
    assert!(!stand.made.path("ran").exists());
    let mut made = Made::with("");
    made.set("program", "/nonexistent/program");
    let failure = made
        .connector()
        .unwrap()
        .up(case.access(1))
        .await
        .unwrap_err();
    assert!(
        failure.permanent && failure.message.contains("cannot be run"),
        "{failure}"
    );
    // A link is followed to what it means, and that is looked at.
    std::os::unix::fs::symlink(&program, folder.join("link")).unwrap();
    let mut made = Made::with("");
    made.set("program", folder.join("link").display().to_string());
    made.settings.remove("observe");
    made.connector().unwrap().up(case.access(1)).await.unwrap();
}
