//! A desktop of one's own: a session bus and a real GNOME Keyring on it, in a temporary folder, gone with the test.

use std::path::PathBuf;
use std::process::Command;

use super::process::{Server, folder};

/// A session bus, with or without a keyring on it.
#[derive(Debug)]
pub(crate) struct Desktop {
    folder: PathBuf,
    // Dropped first: what is on the bus goes before the bus.
    keyring_process: Option<Server>,
    _bus: Server,
}

impl Desktop {
    /// Somebody at a desktop whose keyring is unlocked.
    pub(crate) fn start() -> Self {
        let mut desktop = Self::without_keyring();
        let place = desktop.folder.join("home");
        std::fs::create_dir(&place).unwrap();
        // What a display manager does with the password at the sign-in.
        std::fs::write(place.join("password"), "only for tests").unwrap();
        let begin = format!(
            "export HOME={0} XDG_DATA_HOME={0} XDG_RUNTIME_DIR={0} DBUS_SESSION_BUS_ADDRESS='{1}'\n\
             exec gnome-keyring-daemon --foreground --unlock --components=secrets --control-directory={0} <{0}/password",
            place.display(),
            desktop.address()
        );
        let log = desktop.folder.join("keyring.log");
        let mut keyring = Server::start(&place, &log, "TERM", None, &["sh", "-c", &begin]);
        let ready = keyring.wait_until(|| {
            desktop
                .try_ask(
                    &["org.freedesktop.DBus", "/"],
                    &[
                        "org.freedesktop.DBus.NameHasOwner",
                        "string:org.freedesktop.secrets",
                    ],
                )
                .is_some_and(|answer| answer.contains("true"))
        });
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(
            ready.is_some(),
            "gnome-keyring-daemon did not start (`.ci/install` installs it):\n{}",
            said()
        );
        desktop.keyring_process = Some(keyring);
        desktop
    }

    /// A session bus where nobody keeps secrets, and nobody can be started who does.
    pub(crate) fn without_keyring() -> Self {
        let folder = folder("pcl-bus-", None);
        let config = folder.join("bus.conf");
        let rules = format!(
            "<busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\
             </busconfig>",
            folder.display()
        );
        std::fs::write(&config, rules).unwrap();
        let config = format!("--config-file={}", config.display());
        let mut bus = Server::start(
            &folder,
            &folder.join("bus.log"),
            "TERM",
            None,
            &["dbus-daemon", "--nofork", "--nopidfile", &config],
        );
        let ready = bus.wait_until(|| folder.join("bus").exists());
        assert!(
            ready.is_some(),
            "dbus-daemon did not start (`.ci/install` installs it)"
        );
        Self {
            folder,
            keyring_process: None,
            _bus: bus,
        }
    }

    /// For `DBUS_SESSION_BUS_ADDRESS`.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}/bus", self.folder.display())
    }

    /// Locks the keyring as a person does who goes away.
    pub(crate) fn lock(&self) {
        self.ask(&[
            "org.freedesktop.Secret.Service.Lock",
            "array:objpath:/org/freedesktop/secrets/aliases/default,/org/freedesktop/secrets/collection/login",
        ]);
    }

    /// How many of our entries the keyring holds.
    pub(crate) fn entries(&self) -> usize {
        let found = self.ask(&[
            "org.freedesktop.Secret.Service.SearchItems",
            "dict:string:string:application,portcullis",
        ]);
        found.matches("object path").count()
    }

    fn ask(&self, what: &[&str]) -> String {
        let service = ["org.freedesktop.secrets", "/org/freedesktop/secrets"];
        self.try_ask(&service, what).expect("the keyring answers")
    }

    fn try_ask(&self, whom: &[&str; 2], what: &[&str]) -> Option<String> {
        let output = Command::new("dbus-send")
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .args(["--session", "--print-reply", "--reply-timeout=5000"])
            .arg(format!("--dest={}", whom[0]))
            .arg(whom[1])
            .args(what)
            .output()
            .expect("dbus-send is there: `.ci/install` installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said)
    }
}
