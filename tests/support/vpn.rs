//! A target that ends access and cannot always say so: what waits for its confirmation.

use std::os::unix::fs::PermissionsExt;

use chrono::TimeDelta;
use portcullis::client::{Client, GrantsQuery};
use portcullis::wire::{Approval, GrantView, NewRequest, Revocation};

use super::world::{Backend, CATALOGUE, POLICY, World, ask, key};

/// It ends access, and says what there is unless a file called `silent` is there.
const PROGRAM: &str = r#"#!/bin/sh
case $1 in
up)
    : >"$STATE/$2.live"
    echo "$2" >"$STATE/last"
    ;;
down) rm -f "$STATE/$2.live" ;;
list)
    if [ -e "$STATE/silent" ]; then
        echo "the VPN cannot be reached" >&2
        exit 1
    fi
    for live in "$STATE"/pcl_*.live; do
        [ ! -e "$live" ] || basename "$live" .live
    done
    ;;
esac
"#;

/// A world with a clock by hand and a target whose program the test silences.
pub(crate) struct Vpn {
    pub(crate) world: World,
    folder: tempfile::TempDir,
}

impl Vpn {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, "").await
    }

    /// With more in the file of settings.
    pub(crate) async fn with(backend: Backend, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (first, program) = (folder.path().join("first"), folder.path().join("program"));
        std::fs::write(&first, PROGRAM).unwrap();
        // Copied, because what this process has open for writing is not run.
        let copied = std::process::Command::new("cp")
            .args([&first, &program])
            .status();
        assert!(copied.unwrap().success());
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        let (state, program) = (folder.path().display(), program.display());
        let target = format!(
            "[target.vpn]\nkind = \"command\"\ndescription = \"the VPN\"\ntags = {{ env = \"prod\" }}\n\
             program = \"{program}\"\nup = [\"up\", \"{{object}}\"]\ndown = [\"down\", \"{{object}}\"]\nobserve = [\"list\"]\n\
             time_limit = \"8s\"\nenvironment = {{ STATE = \"{state}\" }}\n\
             [target.vpn.role.readonly]\ndescription = \"look\"\nvalue = \"profile-7\"\n"
        );
        let catalogue = format!("{CATALOGUE}\n{target}\n{more}");
        let world = World::with(backend, POLICY, &catalogue, Some(1_800_000_000_000)).await;
        Self { world, folder }
    }

    pub(crate) fn silent(&self) -> std::path::PathBuf {
        self.folder.path().join("silent")
    }

    /// An active grant on it.
    pub(crate) async fn granted(&self, engineer: &Client) -> GrantView {
        let new = NewRequest {
            target: "vpn".to_owned(),
            ..ask()
        };
        let request = engineer.submit(&new, &key()).await.unwrap();
        let approved = self
            .world
            .admin()
            .approve(&request.id, request.version, &Approval::default(), &key())
            .await
            .unwrap();
        let id = approved.grant.unwrap();
        self.world.grant_in(&id, &["active"]).await
    }

    /// A grant that was revoked while nobody can say that it is gone, after its first failed attempt.
    pub(crate) async fn stuck(&self, engineer: &Client) -> GrantView {
        let grant = self.granted(engineer).await;
        std::fs::write(self.silent(), "").unwrap();
        let revocation = Revocation {
            reason: "laptop stolen".to_owned(),
        };
        let admin = self.world.admin();
        admin
            .revoke(&grant.id, grant.version, &revocation, &key())
            .await
            .unwrap();
        let tried = async || {
            let grant = admin.grant(&grant.id).await.unwrap();
            (grant.attempts > 0).then_some(grant)
        };
        self.world.until("it was tried", tried).await
    }

    /// Something of the last grant is on the target again.
    pub(crate) fn leave_behind(&self) {
        let path = |name: &str| self.folder.path().join(name);
        let object = std::fs::read_to_string(path("last")).unwrap();
        std::fs::write(path(&format!("{}.live", object.trim())), "").unwrap();
    }

    /// What the figure for operators says. It is read where it comes from: all tests of a process share the figures.
    pub(crate) async fn counted(&self) -> i64 {
        let now = self.world.now().await;
        let mut tx = self.world.gate().store().read().await.unwrap();
        tx.overdue(now).await.unwrap()
    }

    /// What the filter lets through.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let query = GrantsQuery {
            q: Some("is:overdue".to_owned()),
            ..GrantsQuery::default()
        };
        let page = self.world.admin().grants(&query).await.unwrap();
        page.items.into_iter().map(|grant| grant.id).collect()
    }

    /// The target answers again, and what is tried again is due a moment later.
    pub(crate) async fn answers(&self, grant: &GrantView) -> GrantView {
        std::fs::remove_file(self.silent()).unwrap();
        let over = async || {
            self.world.pass(TimeDelta::seconds(1));
            let grant = self.world.admin().grant(&grant.id).await.unwrap();
            (grant.state != "closing").then_some(grant)
        };
        self.world.until("it is over", over).await
    }
}
