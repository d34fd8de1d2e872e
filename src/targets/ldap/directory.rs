//! One connection to a directory: logged in, encrypted or local, and every answer turned into ours.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Mod, Scope, SearchEntry, SearchOptions,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::name::{begins, equals};
use super::record::{Edit, MARK, Person, Records};
use super::settings::{Settings, Tls};
use crate::secret::{distrust, read_private};
use crate::targets::Failure;

/// A server that is there answers in far less; one that is not should not use up the time of the call.
const CONNECT: Duration = Duration::from_secs(4);
/// What a directory calls an entry however it is renamed.
const UUID: &str = "entryUUID";

/// Result codes that we act on (RFC 4511, appendix A).
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const TOO_MANY: u32 = 4;
    pub(super) const NO_SUCH_VALUE: u32 = 16;
    pub(super) const VALUE_EXISTS: u32 = 20;
    pub(super) const NO_SUCH_ENTRY: u32 = 32;
    pub(super) const WRONG_PASSWORD: u32 = 49;
    pub(super) const NOT_ALLOWED: u32 = 50;
    pub(super) const AGAINST_SCHEMA: u32 = 65;
    /// Somebody has to change something before another try can help.
    pub(super) const STAY: [u32; 11] = [
        8,
        13,
        17,
        19,
        21,
        34,
        48,
        WRONG_PASSWORD,
        NOT_ALLOWED,
        AGAINST_SCHEMA,
        69,
    ];
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Done,
    /// Somebody was faster: what it was worked out from is not so any more.
    Outdated,
    /// The schema forbids it, as where a group must have a member.
    AgainstSchema,
}

/// A connection that is logged in.
pub(super) struct Directory<'a> {
    settings: &'a Settings,
    ldap: Ldap,
}

impl<'a> Directory<'a> {
    pub(super) async fn open(settings: &'a Settings) -> Result<Self, Failure> {
        let password = read_private(&settings.password_file)
            .map_err(|error| Failure::passing(format!("{error:#}")))?;
        let password = password.expose().trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            // A login without a password succeeds as nobody (RFC 4513 §5.1.2).
            let name = settings.password_file.display();
            return Err(Failure::permanent(format!("`{name}` is empty")));
        }
        let mut how = LdapConnSettings::new()
            .set_conn_timeout(CONNECT)
            .set_starttls(settings.tls == Tls::Starttls);
        if settings.tls != Tls::Off {
            how = how.set_config(trust(settings)?);
        }
        let opened = LdapConnAsync::with_settings(how, &settings.url()).await;
        let (connection, ldap) = opened.map_err(|error| broken(settings, &error))?;
        // It ends with the last handle, and what breaks it breaks the call that waits, which tells.
        tokio::spawn(async move { drop(connection.drive().await) });
        let mut directory = Self { settings, ldap };
        let bound = directory
            .ldap
            .simple_bind(&settings.bind_dn, password)
            .await;
        let bound = directory.heard(bound)?;
        if bound.rc != code::SUCCESS {
            return Err(directory.refused(&bound));
        }
        Ok(directory)
    }

    /// Says goodbye, which nobody has to hear.
    pub(super) async fn leave(mut self) {
        drop(self.ldap.unbind().await);
    }

    /// The one person with this name.
    pub(super) async fn person(&mut self, holder: &str) -> Result<Person, Failure> {
        let attribute = self.settings.holder_attribute.clone();
        let found = self.people(&equals(&attribute, holder)).await?;
        let mut exact = found
            .into_iter()
            .filter(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(holder)));
        match (exact.next(), exact.next()) {
            (Some((_, person)), None) => Ok(person),
            (None, _) => Err(Failure::permanent(format!(
                "{} has nobody whose `{attribute}` is `{holder}`",
                self.settings.place()
            ))),
            (Some(_), Some(_)) => Err(Failure::permanent(format!(
                "{} has more than one entry whose `{attribute}` is `{holder}`",
                self.settings.place()
            ))),
        }
    }

    /// Somebody whose name may have changed since; `None` when they are gone.
    pub(super) async fn person_again(&mut self, uuid: &str) -> Result<Option<Person>, Failure> {
        let found = self.people(&equals(UUID, uuid)).await?;
        Ok(found.into_iter().next().map(|(_, person)| person))
    }

    async fn people(&mut self, filter: &str) -> Result<Vec<(Vec<String>, Person)>, Failure> {
        let attribute = self.settings.holder_attribute.clone();
        let base = self.settings.people.clone();
        let found = self
            .search(&base, Scope::Subtree, filter, &[&attribute, UUID], 2)
            .await?;
        let by_name = self
            .settings
            .member_attribute
            .eq_ignore_ascii_case("memberUid");
        let people = found.unwrap_or_default().into_iter().filter_map(|entry| {
            let names = values(&entry, &attribute);
            let member = if by_name {
                names.first()?.clone()
            } else {
                entry.dn.clone()
            };
            let uuid = values(&entry, UUID).into_iter().next();
            Some((names, Person { uuid, member }))
        });
        Ok(people.collect())
    }

    /// What is kept on a group; `None` when there is no such group.
    pub(super) async fn records(&mut self, group: &str) -> Result<Option<Records>, Failure> {
        let state = self.settings.state_attribute.clone();
        let any = "(objectClass=*)";
        let found = self.search(group, Scope::Base, any, &[&state], 0).await?;
        let entry = found.and_then(|entries| entries.into_iter().next());
        Ok(entry.map(|entry| Records::read(values(&entry, &state))))
    }

    /// Everybody in a group and what is kept on it; `None` when there is no such group.
    pub(super) async fn members(
        &mut self,
        group: &str,
    ) -> Result<Option<(Vec<String>, Records)>, Failure> {
        let state = self.settings.state_attribute.clone();
        let member = self.settings.member_attribute.clone();
        let (any, wanted) = ("(objectClass=*)", [state.as_str(), member.as_str()]);
        let found = self.search(group, Scope::Base, any, &wanted, 0).await?;
        let entry = found.and_then(|entries| entries.into_iter().next());
        Ok(entry.map(|entry| {
            let records = Records::read(values(&entry, &state));
            (values(&entry, &member), records)
        }))
    }

    /// All groups with lines that begin so.
    pub(super) async fn groups(&mut self, start: &str) -> Result<Vec<(String, Records)>, Failure> {
        let state = self.settings.state_attribute.clone();
        let base = self.settings.groups.clone();
        let filter = begins(&state, start);
        let found = self
            .search(&base, Scope::Subtree, &filter, &[&state], 0)
            .await?;
        let Some(found) = found else {
            return Err(Failure::permanent(format!(
                "{} has no entry `{base}`, or does not show it to us",
                self.settings.place()
            )));
        };
        Ok(found
            .into_iter()
            .map(|entry| (entry.dn.clone(), Records::read(values(&entry, &state))))
            .collect())
    }

    /// All groups with something of ours on them.
    pub(super) async fn all_groups(&mut self) -> Result<Vec<(String, Records)>, Failure> {
        self.groups(MARK).await
    }

    /// Whether a group has this member, as the directory itself compares them.
    pub(super) async fn is_member(&mut self, group: &str, member: &str) -> Result<bool, Failure> {
        let attribute = self.settings.member_attribute.clone();
        let answer = self.ldap.compare(group, &attribute, member).await;
        let answer = self.heard(answer)?.0;
        match answer.rc {
            6 => Ok(true),
            // No such member, or no members at all. A group that is hidden is another matter: nothing is known then.
            5 | code::NO_SUCH_VALUE => Ok(false),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Makes one change of a group, whole or not at all.
    pub(super) async fn change(
        &mut self,
        group: &str,
        edit: Edit,
        stand_in: Option<String>,
    ) -> Result<Changed, Failure> {
        let state = self.settings.state_attribute.clone();
        let member = self.settings.member_attribute.clone();
        let mut changes = Vec::new();
        let mut note = |adds: bool, attribute: &str, values: Vec<String>| {
            let values: HashSet<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
            let attribute = attribute.as_bytes().to_vec();
            if !values.is_empty() {
                changes.push(if adds {
                    Mod::Add(attribute, values)
                } else {
                    Mod::Delete(attribute, values)
                });
            }
        };
        note(false, &state, edit.remove);
        note(true, &state, edit.add);
        note(true, &member, edit.joins);
        note(true, &member, stand_in.into_iter().collect());
        note(false, &member, edit.leaves);
        let answer = self.ldap.modify(group, changes).await;
        let answer = self.heard(answer)?;
        match answer.rc {
            code::SUCCESS => Ok(Changed::Done),
            code::NO_SUCH_VALUE | code::VALUE_EXISTS => Ok(Changed::Outdated),
            code::AGAINST_SCHEMA => Ok(Changed::AgainstSchema),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        limit: i32,
    ) -> Result<Option<Vec<SearchEntry>>, Failure> {
        let limits = SearchOptions::new().sizelimit(limit);
        let found = self
            .ldap
            .with_search_options(limits)
            .search(base, scope, filter, attributes.to_vec())
            .await;
        let ldap3::SearchResult(entries, answer) = self.heard(found)?;
        match answer.rc {
            code::SUCCESS => {}
            code::TOO_MANY if limit > 0 => {}
            code::NO_SUCH_ENTRY => return Ok(None),
            _ => return Err(self.refused(&answer)),
        }
        let entries = entries
            .into_iter()
            .filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(Some(entries.map(SearchEntry::construct).collect()))
    }

    fn heard<T>(&self, answer: Result<T, LdapError>) -> Result<T, Failure> {
        answer.map_err(|error| broken(self.settings, &error))
    }

    /// The directory has answered, and the answer is no.
    pub(super) fn refused(&self, answer: &ldap3::LdapResult) -> Failure {
        let Settings { bind_dn, .. } = self.settings;
        let place = self.settings.place();
        let why = match answer.rc {
            code::WRONG_PASSWORD => format!("the password of `{bind_dn}` is wrong"),
            code::NOT_ALLOWED => format!("`{bind_dn}` may not do that"),
            code::NO_SUCH_ENTRY => "there is no such entry".to_owned(),
            _ => answer.to_string(),
        };
        let message = format!("{place} refused: {why}");
        if code::STAY.contains(&answer.rc) {
            Failure::permanent(message)
        } else {
            Failure::passing(message)
        }
    }
}

/// Trusts the named authorities and nobody else.
fn trust(settings: &Settings) -> Result<Arc<ClientConfig>, Failure> {
    let Some(file) = &settings.ca_file else {
        return Err(Failure::permanent("there is no `ca_file`"));
    };
    let name = file.display();
    let wrong = |what: String| Failure::permanent(format!("`{name}` {what}"));
    let pem = std::fs::read(file)
        .map_err(|error| Failure::passing(format!("`{name}` cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| wrong("is not a file of certificates".into()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("has a certificate that cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::permanent(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The directory has not answered.
fn broken(settings: &Settings, error: &LdapError) -> Failure {
    let place = settings.place();
    let text = error.to_string();
    if let Some(why) = distrust(&text) {
        return Failure::passing(format!("the encrypted connection to {place} failed: {why}"));
    }
    match error {
        LdapError::Timeout { .. } => Failure::passing(format!(
            "{place} did not answer within {} seconds",
            CONNECT.as_secs()
        )),
        LdapError::LdapResult { result } => Failure::passing(format!(
            "{place} offers no encrypted connection, and nothing is sent without one: {}",
            result.text
        )),
        LdapError::Io { source } => {
            Failure::passing(format!("{place} cannot be reached: {source}"))
        }
        _ => Failure::passing(format!("the connection to {place} broke: {text}")),
    }
}

/// What an entry has of one attribute. Attributes have no case, and one value that is not text spoils no other.
fn values(entry: &SearchEntry, attribute: &str) -> Vec<String> {
    let named = |name: &String| name.eq_ignore_ascii_case(attribute);
    let texts: &HashMap<String, Vec<String>> = &entry.attrs;
    let texts = texts.iter().filter(|(name, _)| named(name));
    let bytes = entry.bin_attrs.iter().filter(|(name, _)| named(name));
    let bytes = bytes.flat_map(|(_, all)| {
        all.iter()
            .filter_map(|one| String::from_utf8(one.clone()).ok())
    });
    texts
        .flat_map(|(_, all)| all.clone())
        .chain(bytes)
        .collect()
}
