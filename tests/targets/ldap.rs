//! Memberships that a real `slapd` has, and those that it must not have.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::ids::GrantId;
use portcullis::domain::target::{EnforcementClass, TargetKind};
use portcullis::secret::random;
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, KindRole,
    KindSettings, Receipt, SettingsProblem, connector,
};

use super::{Case, Stand, environment};
use crate::support::slapd::{PASSWORD, ROOT, Slapd};

pub(crate) const GROUP: &str = "cn=readers,ou=groups,dc=example,dc=com";
const ADA: &str = "uid=ada,ou=people,dc=example,dc=com";
/// Somebody who is a member of everything, because a group needs one.
pub(crate) const SEED: &str = "uid=seed,ou=people,dc=example,dc=com";

pub(crate) struct LdapStand {
    connector: Box<dyn Connector>,
    pub(crate) slapd: Slapd,
    made: Made,
}

/// A connector in the making.
struct Made {
    folder: tempfile::TempDir,
    environment: Environment,
    settings: BTreeMap<&'static str, String>,
    group: String,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
        let settings = [
            ("host", "localhost".to_owned()),
            ("port", "1".to_owned()),
            ("ca_file", "/nowhere".to_owned()),
            ("bind_dn", format!("cn=portcullis,ou=services,{ROOT}")),
            ("password_file", password.display().to_string()),
            ("people", format!("ou=people,{ROOT}")),
            ("groups", format!("ou=groups,{ROOT}")),
        ];
        Self {
            folder,
            environment: environment(),
            settings: settings.into(),
            group: GROUP.to_owned(),
        }
    }

    fn with(&mut self, key: &'static str, value: impl Into<String>) -> &mut Self {
        self.settings.insert(key, value.into());
        self
    }

    fn at(&mut self, slapd: &Slapd) -> &mut Self {
        self.with("port", slapd.ldaps.to_string());
        self.with(
            "ca_file",
            slapd.certificates.authority().display().to_string(),
        )
    }

    fn connector(&self) -> Result<Box<dyn Connector>, Vec<SettingsProblem>> {
        let mut table = toml::Table::new();
        for (key, value) in &self.settings {
            let value = if *key == "port" {
                toml::Value::Integer(value.parse().unwrap())
            } else {
                toml::Value::String(value.clone())
            };
            table.insert((*key).to_owned(), value);
        }
        let role = toml::Table::from_iter([("group".to_owned(), self.group.clone().into())]);
        let settings = KindSettings::read(TargetKind::Ldap, toml::Value::Table(table)).unwrap();
        let role = KindRole::read(TargetKind::Ldap, toml::Value::Table(role)).unwrap();
        let roles = BTreeMap::from([("readonly".parse().unwrap(), role)]);
        connector(settings, roles, &self.environment)
    }

    /// The rules of access that the owner of the directory is told to make.
    fn rules(&self) -> String {
        self.connector().unwrap().preparation()[1].text.clone()
    }
}

fn entries() -> String {
    let mut text = format!(
        "dn: {ROOT}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n"
    );
    for unit in ["people", "groups", "services"] {
        text.push_str(&format!(
            "dn: ou={unit},{ROOT}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
        ));
    }
    for person in ["ada", "bob", "seed", "ada.x", "adax", "da"] {
        text.push_str(&format!(
            "dn: uid={person},ou=people,{ROOT}\nobjectClass: inetOrgPerson\nuid: {person}\ncn: {person}\nsn: {person}\n\n"
        ));
    }
    text.push_str(&format!(
        "dn: {GROUP}\nobjectClass: groupOfNames\ncn: readers\ndescription: who may read\nmember: {SEED}\n\n\
         dn: cn=portcullis,ou=services,{ROOT}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
         cn: portcullis\nuserPassword: {PASSWORD}\n\n"
    ));
    text
}

#[expect(
    clippy::disallowed_methods,
    reason = "the directory has no clock that matters"
)]
fn machine_clock() -> DateTime<Utc> {
    Utc::now()
}

impl LdapStand {
    fn on(made: Made) -> Self {
        Self::on_with(made, "", "")
    }

    /// A server with more rules of access, which come first, and more entries.
    pub(crate) fn with(rules: &str, more: &str) -> Self {
        Self::on_with(Made::new(), rules, more)
    }

    fn on_with(mut made: Made, rules: &str, more: &str) -> Self {
        let rules = format!("{rules}{}", made.rules());
        let slapd = Slapd::start(&rules, &format!("{}{more}", entries()));
        let connector = made.at(&slapd).connector().unwrap();
        Self {
            connector,
            slapd,
            made,
        }
    }

    /// The target `staff` of a catalogue, for a server of our own.
    pub(crate) fn catalogue(&self) -> String {
        self.entry("staff", self.slapd.ldaps, GROUP)
    }

    /// A target of a catalogue where nodes reach the server at this port, and a role is to be a member of this group.
    pub(crate) fn entry(&self, name: &str, port: u16, group: &str) -> String {
        let mut text = format!("[target.{name}]\nkind = \"ldap\"\nport = {port}\n");
        for (key, value) in &self.made.settings {
            if *key != "port" {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        let group = toml::Value::from(group);
        text + &format!("[target.{name}.role.readonly]\ngroup = {group}\n")
    }

    /// The account that Portcullis has there.
    pub(crate) fn account(&self) -> &str {
        &self.made.settings["bind_dn"]
    }

    /// Whether `ada` is in the group.
    pub(crate) async fn lets_ada_in(&self) -> bool {
        self.is_member(ADA).await
    }

    async fn is_member(&self, who: &str) -> bool {
        self.slapd.has(GROUP, "member", who).await
    }

    async fn end(&self, case: &Case) -> Receipt {
        gone(self.connector.down(case.end(2, None)).await)
    }

    /// Another grant of the same holder.
    async fn another(&self) -> Case {
        Case::on(self).await
    }
}

impl Stand for LdapStand {
    async fn set_up() -> Self {
        Self::on(Made::new())
    }

    fn connector(&self) -> &dyn Connector {
        self.connector.as_ref()
    }

    fn unreachable(&self) -> Box<dyn Connector> {
        let mut made = Made::new();
        made.with(
            "ca_file",
            self.slapd.certificates.authority().display().to_string(),
        );
        // Read at each call, when what is made here is gone.
        made.with("password_file", self.made.settings["password_file"].clone());
        made.connector().unwrap()
    }

    async fn now(&self) -> DateTime<Utc> {
        machine_clock()
    }

    fn ask(&self) -> CredentialAsk<'_> {
        CredentialAsk::Password
    }

    async fn opens(&self, _credential: &Credential) -> bool {
        self.is_member(ADA).await
    }

    async fn traces(&self) -> Vec<String> {
        let groups = format!("ou=groups,{ROOT}");
        let members = self.slapd.all(&groups, "member").await.into_iter();
        let members = members.filter(|(_, member)| member != SEED);
        let lines = self.slapd.all(&groups, "description").await.into_iter();
        // What is remembered of an ended grant refuses late changes, and gives nothing.
        let lines = lines.filter(|(_, line)| line.starts_with("pcl_") && line.contains(" open "));
        members
            .chain(lines)
            .map(|(group, value)| format!("{group}: {value}"))
            .collect()
    }
}

fn gone(ended: Result<Down, Failure>) -> Receipt {
    match ended.unwrap() {
        Down::Gone(receipt) => receipt,
        Down::Until(..) => unreachable!("a directory can take everything back"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_makes_a_member_and_its_end_unmakes_it_with_a_receipt() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    assert_eq!(stand.connector.class(), EnforcementClass::C);
    stand.connector.up(case.access(1)).await.unwrap();
    assert!(stand.is_member(ADA).await);
    assert!(
        stand.slapd.has(ADA, "memberOf", GROUP).await,
        "the directory says so, too"
    );
    let Credential::OwnAccount(own) = stand
        .connector
        .credential(case.access(1), stand.ask())
        .await
        .unwrap()
    else {
        panic!("nothing is handed out");
    };
    assert_eq!(own.what, format!("`ada` is a member of `{GROUP}`"));
    let receipt = stand.end(&case).await;
    let steps: Vec<&str> = receipt
        .steps
        .iter()
        .map(|step| step.what.as_str())
        .collect();
    assert_eq!(
        steps,
        [
            format!("took `{ADA}` out of `{GROUP}`"),
            format!("read back: `{ADA}` is not a member of `{GROUP}`")
        ]
    );
    assert!(receipt.unproved.unwrap().contains("may stay open"));
    let lines = stand.slapd.all(GROUP, "description").await;
    assert!(
        lines.iter().any(|(_, line)| line == "who may read"),
        "what others wrote stays: {lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_one_of_two_grants_keeps_the_membership() {
    for first_to_end in [0, 1] {
        let stand = LdapStand::set_up().await;
        let cases = [Case::on(&stand).await, stand.another().await];
        for case in &cases {
            stand.connector.up(case.access(1)).await.unwrap();
        }
        let receipt = stand.end(&cases[first_to_end]).await;
        assert!(stand.is_member(ADA).await, "the other grant is live");
        assert!(
            receipt
                .steps
                .iter()
                .any(|step| step.what.contains("another grant")),
            "{receipt:?}"
        );
        let left = stand.connector.observe().await.unwrap().objects;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].grant, cases[1 - first_to_end].grant);
        stand.end(&cases[1 - first_to_end]).await;
        assert_eq!(stand.traces().await, [""; 0], "the last one takes it along");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_a_member_before_stays_one() {
    let stand = LdapStand::set_up().await;
    stand.slapd.add(GROUP, "member", ADA).await;
    let cases = [Case::on(&stand).await, stand.another().await];
    for case in &cases {
        stand.connector.up(case.access(1)).await.unwrap();
    }
    for case in &cases {
        let receipt = stand.end(case).await;
        assert!(stand.is_member(ADA).await);
        assert!(
            receipt
                .unproved
                .is_some_and(|why| why.contains("standing access"))
                || receipt
                    .steps
                    .iter()
                    .any(|step| step.what.contains("another grant"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_was_lost_and_made_again_is_handed_to_the_grant_that_is_left() {
    let stand = LdapStand::set_up().await;
    stand.slapd.add(GROUP, "member", ADA).await;
    let standing = Case::on(&stand).await;
    stand.connector.up(standing.access(1)).await.unwrap();
    stand.slapd.remove(GROUP, "member", ADA).await;
    let drift = stand
        .connector
        .observe()
        .await
        .unwrap()
        .objects
        .remove(0)
        .drift;
    assert_eq!(
        drift,
        [format!("`{ADA}` is not a member of `{GROUP}` any more")]
    );
    let given = stand.another().await;
    stand.connector.up(given.access(1)).await.unwrap();
    stand.end(&given).await;
    assert!(
        stand.is_member(ADA).await,
        "the first grant is live and needs it"
    );
    stand.end(&standing).await;
    assert!(!stand.is_member(ADA).await, "nobody but us has made it");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_on_one_group_do_not_take_from_each_other() {
    let stand = LdapStand::set_up().await;
    let mut other = Made::new();
    let other = other.at(&stand.slapd).connector().unwrap();
    let (ours, theirs) = (Case::on(&stand).await, stand.another().await);
    stand.connector.up(ours.access(1)).await.unwrap();
    other.up(theirs.access(1)).await.unwrap();
    stand.end(&ours).await;
    assert!(
        stand.is_member(ADA).await,
        "the other installation's grant is live"
    );
    assert_eq!(
        stand.connector.observe().await.unwrap().objects,
        [],
        "and is no orphan of ours"
    );
    let object = other.plan(&theirs.access(1)).object.unwrap();
    assert!(
        stand
            .connector
            .remove_orphan(&object)
            .await
            .unwrap_err()
            .permanent
    );
    gone(other.down(theirs.end(2, None)).await);
    assert!(!stand.is_member(ADA).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_grants_at_once_never_lose_a_membership_and_leave_none() {
    let stand = LdapStand::set_up().await;
    stand
        .slapd
        .add(GROUP, "member", "uid=bob,ou=people,dc=example,dc=com")
        .await;
    let template = Case::on(&stand).await;
    // Four at once, as workers have for one target; each holder has several grants that overlap.
    let rounds = futures_util::future::join_all((0..4).map(|worker| {
        let (stand, template) = (&stand, &template);
        async move {
            for round in 0..8 {
                let holder = if (worker + round) % 3 == 0 {
                    "bob"
                } else {
                    "ada"
                };
                let case = Case {
                    grant: GrantId::from_bits(u64::from_be_bytes(random().unwrap())),
                    role: template.role.clone(),
                    holder: holder.parse().unwrap(),
                    now: template.now,
                };
                stand.connector.up(case.access(1)).await.unwrap();
                let name = format!("uid={holder},ou=people,{ROOT}");
                assert!(
                    stand.is_member(&name).await,
                    "{name} while its grant is live"
                );
                gone(stand.connector.down(case.end(2, None)).await);
            }
        }
    }));
    rounds.await;
    assert!(
        stand.is_member("uid=bob,ou=people,dc=example,dc=com").await,
        "standing access stays"
    );
    stand
        .slapd
        .remove(GROUP, "member", "uid=bob,ou=people,dc=example,dc=com")
        .await;
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_end_moves_the_record_and_an_earlier_change_is_refused() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    let longer = Access {
        ends_at: case.now + TimeDelta::hours(2),
        ..case.access(3)
    };
    stand.connector.up(longer).await.unwrap();
    assert!(
        stand
            .connector
            .up(case.access(2))
            .await
            .unwrap_err()
            .permanent
    );
    let late = stand.connector.down(case.end(2, None)).await.unwrap_err();
    assert!(late.message.contains("a later change"), "{late}");
    assert!(stand.is_member(ADA).await);
    gone(stand.connector.down(case.end(4, None)).await);
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_renamed_meanwhile_is_taken_out_under_the_new_name() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    stand.slapd.rename(ADA, "uid=ada.k").await;
    let now_called = "uid=ada.k,ou=people,dc=example,dc=com";
    // As the overlay `refint` does it.
    stand.slapd.add(GROUP, "member", now_called).await;
    stand.slapd.remove(GROUP, "member", ADA).await;
    stand.end(&case).await;
    assert_eq!(stand.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_member_leaves_a_group_that_must_have_one() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    stand.slapd.remove(GROUP, "member", SEED).await;
    stand.end(&case).await;
    assert!(!stand.is_member(ADA).await);
    assert!(
        stand.is_member("cn=pcl_nobody").await,
        "a name of nobody stands in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_other_classes_work_the_same() {
    for (class, attribute, values) in [
        (
            "groupOfUniqueNames",
            "uniqueMember",
            vec![("uniqueMember", SEED)],
        ),
        ("posixGroup", "memberUid", vec![("gidNumber", "7000")]),
    ] {
        let mut made = Made::new();
        made.group = format!("cn=other,ou=groups,{ROOT}");
        made.with("member_attribute", attribute);
        let stand = LdapStand::on(made);
        let group = stand.made.group.clone();
        stand
            .slapd
            .make(
                &group,
                class,
                &[&[("cn", "other")], values.as_slice()].concat(),
            )
            .await;
        let case = Case::on(&stand).await;
        stand.connector.up(case.access(1)).await.unwrap();
        let member = if attribute == "memberUid" { "ada" } else { ADA };
        assert!(stand.slapd.has(&group, attribute, member).await, "{class}");
        stand.end(&case).await;
        assert!(!stand.slapd.has(&group, attribute, member).await, "{class}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_mean_something_to_a_directory_mean_nothing_more_here() {
    let hostile = [
        "*",
        "*)(uid=*",
        "*))(|(uid=*",
        "(&(objectClass=*))",
        "ada,ou=people",
        "ada\\",
        "\\2a",
        "a+cn=b",
        "#ada",
        " ada ",
        "a\"b",
        "<ada>;x",
        "cn=ada=",
        "ädä",
        "pcl_change 9",
        "a  b",
    ];
    // As RFC 4514 wants it: every byte may be written so.
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut name, byte| {
            name.push_str(&format!("\\{byte:02x}"));
            name
        })
    };
    let stand = LdapStand::set_up().await;
    for (number, name) in hostile.iter().enumerate() {
        let holder = format!("p{number}");
        let person = format!("cn={},ou=people,{ROOT}", escaped(name));
        let group = format!("cn={},ou=groups,{ROOT}", escaped(name));
        stand
            .slapd
            .make(
                &person,
                "inetOrgPerson",
                &[("cn", name), ("sn", name), ("uid", &holder)],
            )
            .await;
        stand
            .slapd
            .make(&group, "groupOfNames", &[("cn", name), ("member", SEED)])
            .await;
    }
    for (number, name) in hostile.iter().enumerate() {
        let mut made = Made::new();
        made.group = format!("cn={},ou=groups,{ROOT}", escaped(name));
        let connector = made.at(&stand.slapd).connector().unwrap();
        let case = Case {
            holder: format!("p{number}").parse().unwrap(),
            ..Case::on(&stand).await
        };
        let before = stand
            .slapd
            .all(&format!("ou=groups,{ROOT}"), "member")
            .await;
        connector.up(case.access(1)).await.unwrap();
        let during = stand
            .slapd
            .all(&format!("ou=groups,{ROOT}"), "member")
            .await;
        assert_eq!(
            during.len(),
            before.len() + 1,
            "{name}: exactly one membership more"
        );
        let person = format!("cn={},ou=people,{ROOT}", escaped(name));
        assert!(
            stand.slapd.has(&made.group, "member", &person).await,
            "{name}"
        );
        assert_eq!(
            connector.observe().await.unwrap().objects.len(),
            1,
            "{name}"
        );
        gone(connector.down(case.end(2, None)).await);
        let after = stand
            .slapd
            .all(&format!("ou=groups,{ROOT}"), "member")
            .await;
        assert_eq!(after, before, "{name}");
    }
    // What the server itself says that it was asked for, where the admin of this test asks for everything.
    let log = stand.slapd.log();
    let filters = log
        .lines()
        .filter_map(|line| line.split_once("filter="))
        .map(|(_, filter)| filter);
    let ours: Vec<&str> = filters
        .filter(|filter| !filter.contains("(objectClass=*)"))
        .collect();
    assert!(ours.len() > 40, "{}", ours.len());
    for filter in ours {
        let inner = filter.trim().trim_matches('"');
        let one = inner.matches('(').count() == 1 && inner.starts_with('(') && inner.ends_with(')');
        let kind = ["(uid=p", "(entryUUID=", "(description=pcl_"]
            .iter()
            .any(|kind| inner.starts_with(kind));
        assert!(one && kind, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_that_are_nobody_or_two_get_nothing() {
    let stand = LdapStand::set_up().await;
    for (holder, why) in [
        ("nobody", "has nobody whose"),
        ("twin", "more than one entry"),
    ] {
        if holder == "twin" {
            for number in ["1", "2"] {
                let name = format!("cn=twin{number},ou=people,{ROOT}");
                stand
                    .slapd
                    .make(
                        &name,
                        "inetOrgPerson",
                        &[("cn", number), ("sn", "twin"), ("uid", "twin")],
                    )
                    .await;
            }
        }
        let case = Case {
            holder: holder.parse().unwrap(),
            ..Case::on(&stand).await
        };
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert!(
            failure.permanent && failure.message.contains(why),
            "{failure}"
        );
        stand.end(&case).await;
        assert_eq!(stand.traces().await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_record_is_gone_is_not_called_gone_in_silence() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector.up(case.access(1)).await.unwrap();
    for (_, line) in stand.slapd.all(GROUP, "description").await {
        stand.slapd.remove(GROUP, "description", &line).await;
    }
    let receipt = stand.end(&case).await;
    assert!(
        stand.is_member(ADA).await,
        "nobody knows any more whose it is"
    );
    let unproved = receipt.unproved.unwrap();
    assert!(unproved.contains("standing access"), "{unproved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_somebody_has_changed_is_told() {
    let stand = LdapStand::set_up().await;
    stand
        .slapd
        .add(GROUP, "description", "pcl_abcdef_0123456789 open soon")
        .await;
    let warnings = stand.connector.observe().await.unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("pcl_abcdef_0123456789 open soon"),
        "{warnings:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_authority_is_believed_and_nothing_goes_in_clear_text() {
    let case = |slapd: &Slapd, tls: &'static str, certificate: &'static str| {
        let mut made = Made::new();
        made.at(slapd);
        if tls != "ldaps" {
            made.with("port", slapd.port.to_string());
        }
        made.with("tls", tls)
            .with("ca_file", slapd.certificates.name(certificate, "pem"));
        made
    };
    let rules = Made::new().rules();
    for (server, authority, why) in [
        (Some("good"), "ca", ""),
        (Some("good"), "stranger", "comes from no authority"),
        (Some("self"), "ca", "comes from no authority"),
        (Some("name"), "ca", "is for another name"),
        (Some("over"), "ca", "has expired"),
        (None, "ca", "offers no encrypted connection"),
    ] {
        let slapd = Slapd::start_with(&rules, &entries(), server);
        for tls in ["ldaps", "starttls"] {
            if server.is_none() && tls == "ldaps" {
                continue;
            }
            let made = case(&slapd, tls, authority);
            match made.connector().unwrap().observe().await {
                Ok(_) => assert_eq!(why, "", "{tls}"),
                Err(failure) => assert!(
                    !why.is_empty() && failure.message.contains(why) && !failure.permanent,
                    "{tls} {server:?} {authority}: {failure}"
                ),
            }
        }
        if !why.is_empty() {
            assert!(
                !slapd.log().contains("cn=portcullis"),
                "the password was sent"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_used_when_it_is_said_that_it_is_not_encrypted() {
    let stand = LdapStand::set_up().await;
    let mut made = Made::new();
    made.settings.remove("port");
    made.settings.remove("ca_file");
    made.with("host", stand.slapd.socket().display().to_string())
        .with("tls", "off");
    made.connector().unwrap().observe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_refused_is_a_failure_that_stays() {
    let stand = LdapStand::set_up().await;
    let case = Case::on(&stand).await;
    let password = stand.made.folder.path().join("password");
    for (text, why) in [("wrong", "the password of"), ("", "is empty")] {
        std::fs::write(&password, text).unwrap();
        let failure = stand.connector.up(case.access(1)).await.unwrap_err();
        assert!(
            failure.permanent && failure.message.contains(why),
            "{failure}"
        );
    }
    std::fs::write(&password, PASSWORD).unwrap();
    stand.connector.up(case.access(1)).await.unwrap();
}

#[test]
fn settings_that_cannot_work_are_all_named() {
    let mut made = Made::new();
    made.with("host", "ldap.example.com/x")
        .with("bind_dn", "portcullis")
        .with("member_attribute", "member;x");
    made.group = format!("cn=readers,ou=elsewhere,{ROOT}");
    let problems = made.connector().err().unwrap();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["host", "bind_dn", "member_attribute", "group"]);

    for (key, host, tls) in [
        ("tls", "ldap.example.com", "off"),
        ("tls", "/run/slapd/ldapi", "starttls"),
    ] {
        let mut made = Made::new();
        made.with("host", host).with("tls", tls);
        assert_eq!(made.connector().err().unwrap()[0].key, key);
    }
    let mut made = Made::new();
    made.settings.remove("ca_file");
    assert_eq!(made.connector().err().unwrap()[0].key, "ca_file");
}
