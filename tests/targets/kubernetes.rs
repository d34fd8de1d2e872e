//! Bindings that give and take, on a fake of the API (`support::fake_kubernetes`): no registry offers a real one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::target::{EnforcementClass, TargetKind};
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole,
    KindSettings, Receipt, SettingsProblem, connector,
};
use serde_json::{Value, json};
use toml::Table;

use super::{Case, Stand, environment};
use crate::support::certificates::Certificates;
use crate::support::fake_kubernetes::FakeKubernetes;
use crate::support::https::nobody;

pub(crate) struct KubernetesStand {
    connector: Box<dyn Connector>,
    fake: FakeKubernetes,
    _certificates: Certificates,
    folder: tempfile::TempDir,
    environment: Environment,
    settings: Table,
}

fn roles() -> Table {
    toml::toml! {
        readonly = { cluster_role = "view", namespace = "shop" }
        deployer = { role = "deployer", namespace = "shop" }
        auditor = { cluster_role = "view", cluster_wide = true }
        admin = { cluster_role = "cluster-admin", cluster_wide = true }
        elsewhere = { cluster_role = "view", namespace = "nowhere" }
    }
}

fn read(
    settings: &Table,
    roles: &Table,
    environment: &Environment,
) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
    let kind = TargetKind::Kubernetes;
    let roles = roles.iter().map(|(name, role)| {
        let role = KindRole::read(kind, role.clone()).unwrap();
        (name.parse().unwrap(), role)
    });
    let roles: BTreeMap<_, _> = roles.collect();
    let settings = KindSettings::read(kind, toml::Value::Table(settings.clone())).unwrap();
    connector(settings, roles, environment)
}

impl KubernetesStand {
    fn with(&self, key: &str, value: &str) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        let mut settings = self.settings.clone();
        settings.insert(key.to_owned(), value.into());
        read(&settings, &roles(), &self.environment)
    }

    fn with_roles(&self, roles: &Table) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        read(&self.settings, roles, &self.environment)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake has no clock that matters"
)]
fn machine_clock() -> DateTime<Utc> {
    Utc::now()
}

impl Stand for KubernetesStand {
    async fn set_up() -> Self {
        let certificates = Certificates::for_databases();
        let fake = FakeKubernetes::start(certificates.config("good")).await;
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "token-of-portcullis\n").unwrap();
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
        let mut settings = toml::toml! {
            allow_networks = ["127.0.0.0/8"]
            subject = "oidc:{holder}@example.com"
        };
        let server = format!("https://127.0.0.1:{}", fake.site.port);
        for (key, value) in [
            ("server", server),
            ("ca_file", certificates.authority().display().to_string()),
            ("token_file", token.display().to_string()),
        ] {
            settings.insert(key.to_owned(), value.into());
        }
        let environment = environment();
        Self {
            connector: read(&settings, &roles(), &environment).unwrap(),
            fake,
            _certificates: certificates,
            folder,
            environment,
            settings,
        }
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        let server = format!("https://127.0.0.1:{}", nobody());
        self.with("server", &server).unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        machine_clock()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::Password
    }

    async fn opens(&self, _credential: &Credential) -> bool {
        let right = "User oidc:ada@example.com has view in shop";
        self.traces().await.iter().any(|given| given == right)
    }

    /// What is remembered of an ended grant refuses late changes, and gives nothing.
    async fn traces(&self) -> Vec<String> {
        self.fake.cluster().given()
    }
}

fn gone(ended: Result<Down, Failure>) -> Receipt {
    match ended.unwrap() {
        Down::Gone(receipt) => receipt,
        Down::Until(..) => unreachable!("a binding can be emptied at once"),
    }
}

#[tokio::test]
async fn a_binding_says_whose_it_is_and_an_end_what_was_read_back() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    assert_eq!(stand.connector.class(), EnforcementClass::C);
    let access = case.access(3);
    let up = stand.connector.up(access).await.unwrap();
    let object = up.object.unwrap();
    let plan = stand.connector.plan(&access).steps;
    assert_eq!(
        plan[0],
        format!(
            "bind User `oidc:ada@example.com` to ClusterRole `view` by RoleBinding `shop/{object}`"
        )
    );
    let binding = stand
        .fake
        .cluster()
        .bindings
        .values()
        .next()
        .unwrap()
        .clone();
    let metadata = &binding["metadata"];
    assert_eq!(
        metadata["labels"],
        json!({
            "app.kubernetes.io/managed-by": "portcullis",
            "portcullis.internal/installation": stand.environment.installation.as_str(),
            "portcullis.internal/object": object,
            "portcullis.internal/state": "live",
        })
    );
    assert_eq!(
        metadata["annotations"],
        json!({
            "portcullis.internal/epoch": "3",
            "portcullis.internal/ends-at": access.ends_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "portcullis.internal/subject": "User `oidc:ada@example.com`",
        })
    );
    let receipt = gone(stand.connector.down(case.end(4, None)).await);
    let steps: Vec<&str> = receipt
        .steps
        .iter()
        .map(|step| step.what.as_str())
        .collect();
    assert_eq!(
        steps,
        [
            format!("took User `oidc:ada@example.com` out of RoleBinding `shop/{object}`"),
            format!("read back: no binding `{object}` names anybody"),
        ]
    );
    assert_eq!(receipt.unproved, None);
}

#[tokio::test]
async fn a_later_end_is_written_and_an_older_one_is_refused() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let later = Access {
        ends_at: case.now + TimeDelta::hours(3),
        ..case.access(2)
    };
    stand.connector.up(later).await.unwrap();
    let ends_at = |stand: &KubernetesStand| {
        let cluster = stand.fake.cluster();
        let binding = cluster.bindings.values().next().unwrap();
        binding["metadata"]["annotations"]["portcullis.internal/ends-at"].clone()
    };
    let right = later.ends_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(ends_at(&stand), right);
    for failure in [
        stand.connector.up(case.access(1)).await.unwrap_err(),
        stand.connector.down(case.end(1, None)).await.unwrap_err(),
    ] {
        assert!(
            failure.permanent && failure.message.contains("a later change"),
            "{failure}"
        );
    }
    assert_eq!(ends_at(&stand), right);
}

#[tokio::test]
async fn a_grant_that_ended_before_it_began_cannot_begin() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    gone(stand.connector.down(case.end(2, None)).await);
    for epoch in [1, 2, 3] {
        assert!(
            stand
                .connector
                .up(case.access(epoch))
                .await
                .unwrap_err()
                .permanent
        );
    }
    assert_eq!(stand.traces().await, [""; 0]);
    assert_eq!(stand.connector.observe().await.unwrap().objects, []);
}

#[tokio::test]
async fn a_role_holds_in_its_namespace_and_in_the_whole_cluster_only_when_that_is_said() {
    let stand = KubernetesStand::set_up().await;
    for (role, right) in [
        ("deployer", "User oidc:ada@example.com has deployer in shop"),
        ("auditor", "User oidc:ada@example.com has view in *"),
    ] {
        let case = Case {
            role: role.parse().unwrap(),
            ..Case::on(&stand).await
        };
        stand.connector.up(case.access(1)).await.unwrap();
        assert_eq!(stand.traces().await, [right]);
        gone(stand.connector.down(case.end(2, None)).await);
        assert_eq!(stand.traces().await, [""; 0]);
    }
}

#[tokio::test]
async fn what_the_cluster_refuses_is_said_and_nothing_is_given() {
    let stand = KubernetesStand::set_up().await;
    for (role, why) in [
        (
            "admin",
            "attempting to grant RBAC permissions not currently held",
        ),
        ("elsewhere", "namespaces \"nowhere\" not found"),
    ] {
        let case = Case {
            role: role.parse().unwrap(),
            ..Case::on(&stand).await
        };
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert!(
            failure.permanent && failure.message.contains(why),
            "{failure}"
        );
    }
    let case = Case::on(&stand).await;
    for (status, stays) in [(429, false), (500, false), (503, false), (422, true)] {
        stand.fake.cluster().next.push_back((status, Some("9")));
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert_eq!(failure.permanent, stays, "{failure}");
        let wait = (!stays).then_some(Duration::from_secs(9));
        assert_eq!(failure.not_before, wait, "{failure}");
    }
    stand.fake.cluster().token = "another".to_owned();
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("does not accept the token"),
        "{failure}"
    );
    std::fs::write(stand.folder.path().join("token"), "another").unwrap();
    stand.connector.up(case.access(1)).await.unwrap();
}

#[tokio::test]
async fn a_grant_ends_also_where_its_role_cannot_be_bound_any_more() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    stand.fake.cluster().bindable.clear();
    gone(stand.connector.down(case.end(2, None)).await);
    assert_eq!(stand.traces().await, [""; 0]);
    // Nor is one held up that could not even begin.
    let case = Case {
        role: "elsewhere".parse().unwrap(),
        ..Case::on(&stand).await
    };
    assert!(
        stand
            .connector
            .up(case.access(1))
            .await
            .unwrap_err()
            .permanent
    );
    gone(stand.connector.down(case.end(2, None)).await);
}

#[tokio::test]
async fn whoever_was_faster_is_seen_and_what_they_did_is_not_undone_blindly() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    // Everybody changes the same binding at once, and each change is refused or whole.
    let ups = (2..6).map(|epoch| stand.connector.up(case.access(epoch)));
    futures_util::future::join_all(ups).await;
    gone(stand.connector.down(case.end(9, None)).await);
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test]
async fn what_others_change_is_told_and_ends_with_the_grant() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    let object = stand
        .connector
        .up(case.access(1))
        .await
        .unwrap()
        .object
        .unwrap();
    let mallory =
        json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "mallory\u{1b}"});
    stand.fake.cluster().change(&object, |binding| {
        binding["subjects"] = json!([mallory]);
    });
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(
        seen[0].drift,
        [
            format!(
                "RoleBinding `shop/{object}` does not name User `oidc:ada@example.com` any more"
            ),
            format!("RoleBinding `shop/{object}` names User `mallory\\u{{1b}}`, too"),
        ]
    );
    gone(stand.connector.down(case.end(2, None)).await);
    assert_eq!(stand.traces().await, [""; 0]);
    // Somebody fills it again: nothing backs that, and it is found and emptied.
    stand.fake.cluster().change(&object, |binding| {
        binding["subjects"] = json!([mallory]);
    });
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(seen.len(), 1);
    stand.connector.remove_orphan(&object).await.unwrap();
    assert_eq!(stand.traces().await, [""; 0]);
    // And the end of the grant is not held up by that.
    gone(stand.connector.down(case.end(3, None)).await);
    let failure = stand.connector.remove_orphan("view").await.unwrap_err();
    assert!(failure.permanent, "{failure}");
}

#[tokio::test]
async fn what_is_of_others_is_left_alone() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    let object = stand.connector.plan(&case.access(1)).object.unwrap();
    let foreign = json!({"kind": "RoleBinding", "metadata": {"name": object, "namespace": "shop", "labels": {},
        "uid": "x", "resourceVersion": "1"}, "roleRef": {"name": "edit"}, "subjects": []});
    let key = (Some("shop".to_owned()), object);
    stand
        .fake
        .cluster()
        .bindings
        .insert(key.clone(), foreign.clone());
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        !failure.permanent && failure.message.contains("somebody else has a binding"),
        "{failure}"
    );
    assert_eq!(stand.connector.observe().await.unwrap().objects, []);
    assert_eq!(stand.fake.cluster().bindings[&key], foreign);
}

#[tokio::test]
async fn everything_is_listed_over_many_pages_and_old_ends_are_forgotten() {
    let stand = KubernetesStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let (key, live) = {
        let cluster = stand.fake.cluster();
        let (key, live) = cluster.bindings.iter().next().unwrap();
        (key.clone(), live.clone())
    };
    let stem = key.1.rsplit_once('_').unwrap().0.to_owned();
    for number in 0..230_u32 {
        let mut ended: Value = live.clone();
        let name = format!("{stem}_{number:0>10}");
        ended["metadata"]["name"] = name.clone().into();
        ended["metadata"]["labels"]["portcullis.internal/object"] = name.clone().into();
        ended["metadata"]["labels"]["portcullis.internal/state"] = "over".into();
        ended["metadata"]["resourceVersion"] = (1000 + number).to_string().into();
        ended.as_object_mut().unwrap().remove("subjects");
        let mut cluster = stand.fake.cluster();
        cluster.page = 50;
        cluster.bindings.insert((key.0.clone(), name), ended);
    }
    let seen = stand.connector.observe().await.unwrap().objects;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let cluster = stand.fake.cluster();
    assert_eq!(cluster.bindings.len(), 201);
    assert!(cluster.bindings.contains_key(&key));
    let youngest = (key.0, format!("{stem}_0000000229"));
    assert!(cluster.bindings.contains_key(&youngest));
}

#[tokio::test]
async fn who_binds_nothing_in_the_whole_cluster_needs_no_right_there() {
    let stand = KubernetesStand::set_up().await;
    stand.fake.cluster().everywhere = false;
    let case = Case::on(&stand).await;
    let failure = stand.connector.up(case.access(1)).await.unwrap_err();
    assert!(
        failure.permanent && failure.message.contains("may not list clusterrolebindings"),
        "{failure}"
    );
    let mut small = roles();
    small.retain(|_, role| role.get("cluster_wide").is_none());
    let connector = stand.with_roles(&small).unwrap();
    connector.up(case.access(1)).await.unwrap();
    gone(connector.down(case.end(2, None)).await);
    let rules = connector.preparation()[0].text.clone();
    assert!(!rules.contains("clusterrolebindings"), "{rules}");
    assert!(
        rules.contains("verbs: [bind]\n  resourceNames: [\"view\"]"),
        "{rules}"
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_answered_each_with_its_key() {
    let stand = KubernetesStand::set_up().await;
    for (key, value) in [
        ("server", "http://127.0.0.1:6443"),
        ("server", "https://10.0.0.1:6443"),
        ("server", "https://127.0.0.1:6443/?x"),
        ("subject", "ada"),
        ("subject", "{holder}{holder}"),
        ("subject", "system:{holder}"),
        ("subject", "a\n{holder}"),
    ] {
        let problems = stand.with(key, value).err().unwrap();
        assert_eq!(problems.len(), 1, "{value}: {problems:?}");
        assert_eq!(problems[0].key, key, "{problems:?}");
    }
    for (role, key) in [
        (r#"namespace = "shop""#, "cluster_role"),
        (r#"cluster_role = "view""#, "namespace"),
        (r#"cluster_role = "view", namespace = "Shop""#, "namespace"),
        (r#"cluster_role = "view", namespace = "../x""#, "namespace"),
        (
            r#"cluster_role = "../view", namespace = "shop""#,
            "cluster_role",
        ),
        (
            r#"cluster_role = "view", role = "view", namespace = "shop""#,
            "role",
        ),
        (r#"role = "view", cluster_wide = true"#, "role"),
        (
            r#"cluster_role = "view", namespace = "shop", cluster_wide = true"#,
            "cluster_wide",
        ),
    ] {
        let roles: Table = toml::from_str(&format!("readonly = {{ {role} }}")).unwrap();
        let problems = stand.with_roles(&roles).err().unwrap();
        assert_eq!(problems.len(), 1, "{role}: {problems:?}");
        assert_eq!(problems[0].key, key, "{problems:?}");
    }
}
