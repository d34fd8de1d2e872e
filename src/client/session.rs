//! The sign-in of this person on one server: tokens in a private file, refreshed by one process at a time.
//!
//! A refresh token works once, and using it twice ends the sign-in. So a refresh happens under a lock on a file beside
//! the tokens, and what the file holds is read again first: another process may have been quicker.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use crate::client::device::Device;
use crate::client::keeping::{Keeping, KeptIn};
use crate::client::unheard::Unheard;
use crate::client::witness::WitnessFile;
use crate::client::{ClientError, ServerUrl, Servers};
use crate::config::DeviceKeyPlace;
use crate::secret::{self, Secret};
use crate::wire::Tokens;

/// Names the folder of everything that this program keeps for a person; for tests and demonstrations.
pub const HOME_ENV: &str = "PORTCULLIS_HOME";

/// The folder where sign-ins and kept keys live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The folder that the environment names, else `portcullis` in the user's state folder.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        if let Some(home) = env(HOME_ENV).filter(|home| !home.is_empty()) {
            return Ok(Self(PathBuf::from(home)));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| ClientError::Local {
            text: "your home folder is not known".to_owned(),
            hint: format!("set `HOME`, or `{HOME_ENV}` to a private folder"),
        })?;
        let folder = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self(folder.join("portcullis")))
    }

    /// A folder named by the caller.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a folder inside, and refuses one that other people can look into.
    pub fn private(&self, name: &str) -> Result<PathBuf, ClientError> {
        let folder = self.0.join(name);
        for folder in [&self.0, &folder] {
            make_private(folder)?;
        }
        Ok(folder)
    }
}

fn make_private(folder: &Path) -> Result<(), ClientError> {
    let shown = folder.display();
    let local = |text: String, hint: String| ClientError::Local { text, hint };
    let created = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    created.map_err(|error| {
        local(
            format!("the folder `{shown}` cannot be made: {}", words(&error)),
            format!("make it yourself, or set `{HOME_ENV}` to another one"),
        )
    })?;
    let about = fs::metadata(folder).map_err(|error| {
        local(
            format!("the folder `{shown}` cannot be read: {}", words(&error)),
            "check who owns it".to_owned(),
        )
    })?;
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(local(
            format!("the folder `{shown}` belongs to somebody else"),
            format!("set `{HOME_ENV}` to a folder of your own"),
        ));
    }
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(local(
            format!("other people can look into `{shown}` (its mode is {mode:04o})"),
            format!("run `chmod 700 {shown}`"),
        ));
    }
    Ok(())
}

/// What a token file holds.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    /// The server that the tokens are for.
    server: String,
    #[serde(flatten)]
    tokens: Tokens,
}

/// The sign-in of one person on one server. Copies share what they know.
#[derive(Clone)]
pub struct Session {
    /// Where the server is. The first address names everything that is kept.
    servers: Arc<Servers>,
    /// Where the tokens are kept; none for a session that lives in memory only.
    file: Option<PathBuf>,
    /// Where is kept what was seen of the server's log.
    witness: Option<WitnessFile>,
    /// Where keys are kept until there is an answer.
    unheard: Option<Arc<Unheard>>,
    known: Arc<Mutex<Option<Tokens>>>,
    /// The key that signs each call.
    device: Device,
    /// The token of a service account, which is all that it has.
    service: Option<Arc<Secret>>,
    /// Only one refresh at a time in this process; the file lock does the same between processes.
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("servers", &self.servers)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// The sign-in kept in the state folder, if there is one, with the key of the device in a file there.
    pub fn open(server: &ServerUrl, state: &StateDir) -> Result<Self, ClientError> {
        let servers = Servers::from(server.clone());
        Self::open_with(&servers, state, DeviceKeyPlace::File)
    }

    /// As `open`, for an installation with several addresses, with the key where it is wanted. Nothing is read before it
    /// is needed.
    pub fn open_with(
        servers: &Servers,
        state: &StateDir,
        device_key: DeviceKeyPlace,
    ) -> Result<Self, ClientError> {
        let server = servers.first();
        let stem = server.file_stem();
        let file = state.private("sessions")?.join(format!("{stem}.json"));
        // Apart from the tokens: a copy of those alone is worth nothing.
        let key = state.private("device")?.join(format!("{stem}.key"));
        let keeping = Keeping::new(device_key, key, &server.to_string());
        Ok(Self {
            witness: Some(WitnessFile::of(state, server)?),
            unheard: Some(Arc::new(Unheard::kept_in(
                state.private("unheard")?,
                server.to_string(),
            ))),
            ..Self::with(servers.clone(), Some(file), Device::kept(keeping))
        })
    }

    /// Whether a sign-in for a server is kept, without making anything.
    pub fn is_kept(server: &ServerUrl, state: &StateDir) -> bool {
        let file = format!("{}.json", server.file_stem());
        state.path().join("sessions").join(file).exists()
    }

    /// A sign-in that is forgotten with the process.
    pub fn in_memory(server: &ServerUrl) -> Self {
        Self::with(server.clone().into(), None, Device::in_memory())
    }

    fn with(servers: Servers, file: Option<PathBuf>, device: Device) -> Self {
        Self {
            servers: Arc::new(servers),
            file,
            witness: None,
            unheard: None,
            known: Arc::default(),
            device,
            service: None,
            refreshing: Arc::default(),
        }
    }

    /// A service account, by its token.
    pub fn of_service(servers: &Servers, token: Secret) -> Self {
        Self {
            service: Some(Arc::new(token)),
            ..Self::with(servers.clone(), None, Device::in_memory())
        }
    }

    /// Whether this is a machine with a service token.
    pub(super) fn is_service(&self) -> bool {
        self.service.is_some()
    }

    /// Where is kept what this machine saw of the server's log; nowhere for a session that lives in memory only.
    pub fn witness(&self) -> Option<&WitnessFile> {
        self.witness.as_ref()
    }

    /// The server that the sign-in is for, by its first address.
    pub fn server(&self) -> &ServerUrl {
        self.servers.first()
    }

    /// Every address of the server.
    pub(super) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The file that remembers which of several nodes answered last.
    pub(super) fn hint(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| file.with_extension("node"))
    }

    /// Where keys are kept until there is an answer; nowhere for a session that lives in memory only.
    pub(super) fn unheard(&self) -> Option<&Unheard> {
        self.unheard.as_deref()
    }

    /// Proves that a call comes from this device: a `DPoP` header (RFC 9449) for this method and address, and for
    /// the access token that goes with it.
    pub async fn prove(
        &self,
        method: &str,
        address: &str,
        access: Option<&str>,
    ) -> Result<String, ClientError> {
        self.device.prove(method, address, access).await
    }

    /// What the key of this device is known by.
    pub async fn thumbprint(&self) -> Result<String, ClientError> {
        self.device.thumbprint().await
    }

    /// Where the key of this device is kept; nowhere for a service account, which has none.
    pub async fn key_kept_in(&self) -> Result<Option<KeptIn>, ClientError> {
        if self.is_service() {
            return Ok(None);
        }
        self.device.kept_in().await.map(Some)
    }

    /// Corrects the clock that proofs are made with.
    pub fn is_ahead(&self, seconds: i64) {
        self.device.is_ahead(seconds);
    }

    /// Who is signed in as far as this machine knows, without asking the server.
    pub fn tokens(&self) -> Result<Tokens, ClientError> {
        if let Some(tokens) = self.known() {
            return Ok(tokens);
        }
        let tokens = self.read()?.ok_or_else(|| self.not_signed_in())?;
        self.set_known(Some(tokens.clone()));
        Ok(tokens)
    }

    /// Keeps new tokens, in place of any others for this server.
    pub async fn store(&self, tokens: &Tokens) -> Result<(), ClientError> {
        let _turn = self.refreshing.lock().await;
        let _lock = self.lock().await?;
        self.write(tokens)
    }

    /// Forgets the tokens, here and in the file, and the key of this device where the keyring holds it.
    pub async fn forget(&self) -> Result<(), ClientError> {
        let _turn = self.refreshing.lock().await;
        let _lock = self.lock().await?;
        self.remove();
        self.device.forget().await;
        Ok(())
    }

    /// The access token to send.
    pub(super) fn access(&self) -> Result<Secret, ClientError> {
        if let Some(token) = &self.service {
            return Ok(Secret::clone(token));
        }
        self.tokens().map(|tokens| Secret::new(tokens.access_token))
    }

    /// Gets another access token than `stale`, by asking for one or from a process that was quicker.
    pub(super) async fn renew<F>(
        &self,
        stale: &Secret,
        ask: impl FnOnce(String) -> F,
    ) -> Result<Secret, ClientError>
    where
        F: Future<Output = Result<Tokens, ClientError>>,
    {
        if self.service.is_some() {
            return Err(ClientError::Local {
                text: format!("the service token is not good on `{}`", self.server()),
                hint: "its owner makes another one with `portcullis service-account rotate NAME`"
                    .to_owned(),
            });
        }
        let _turn = self.refreshing.lock().await;
        let _lock = self.lock().await?;
        let present = match &self.file {
            Some(_) => self.read()?,
            None => self.known(),
        };
        let Some(present) = present else {
            self.set_known(None);
            return Err(self.not_signed_in());
        };
        if present.access_token != stale.expose() {
            self.set_known(Some(present.clone()));
            return Ok(Secret::new(present.access_token));
        }
        match ask(present.refresh_token).await {
            Ok(tokens) => {
                self.write(&tokens)?;
                Ok(Secret::new(tokens.access_token))
            }
            Err(ClientError::Problem(problem)) if problem.status == 401 => {
                if problem.code.starts_with("proof-") {
                    // What is wrong is this machine or the server's address, not the sign-in.
                    return Err(ClientError::Problem(problem));
                }
                self.remove();
                Err(ClientError::NotSignedIn {
                    text: format!("your sign-in on `{}` is over", self.server()),
                })
            }
            Err(other) => Err(other),
        }
    }

    pub(super) fn not_signed_in(&self) -> ClientError {
        ClientError::NotSignedIn {
            text: format!("you are not signed in on `{}`", self.server()),
        }
    }

    fn known(&self) -> Option<Tokens> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_known(&self, tokens: Option<Tokens>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn read(&self) -> Result<Option<Tokens>, ClientError> {
        let Some(path) = self.file.as_ref().filter(|path| path.exists()) else {
            return Ok(None);
        };
        let again = format!("remove `{}` and run `portcullis login`", path.display());
        let text = secret::read_private(path).map_err(|error| ClientError::Local {
            text: format!("{error:#}"),
            hint: format!(
                "run `chmod 600 {}`; if others can use this machine, sign out and in again",
                path.display()
            ),
        })?;
        let damaged = |_| ClientError::Local {
            text: format!("the sign-in kept in `{}` is damaged", path.display()),
            hint: again.clone(),
        };
        let stored: Stored = serde_json::from_str(text.expose()).map_err(damaged)?;
        if stored.server != self.server().to_string() {
            let text = format!("`{}` holds the sign-in of another server", path.display());
            return Err(ClientError::Local { text, hint: again });
        }
        Ok(Some(stored.tokens))
    }

    fn write(&self, tokens: &Tokens) -> Result<(), ClientError> {
        if let Some(path) = &self.file {
            let stored = Stored {
                server: self.server().to_string(),
                tokens: tokens.clone(),
            };
            replace_private(path, &stored).map_err(|error| ClientError::Local {
                text: format!("the sign-in cannot be kept in `{}`: {}", path.display(), words(&error)),
                hint: "make room on the disk or check who owns the folder, then run `portcullis login`".to_owned(),
            })?;
        }
        self.set_known(Some(tokens.clone()));
        Ok(())
    }

    fn remove(&self) {
        if let Some(path) = &self.file {
            // A file that is already gone is what is wanted; one that stays holds tokens that are good no longer.
            let _ = fs::remove_file(path);
        }
        self.set_known(None);
    }

    /// Waits for the turn of this process. The lock goes with the file handle, also when the process is killed.
    async fn lock(&self) -> Result<Option<fs::File>, ClientError> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let path = path.with_extension("lock");
        let shown = path.display().to_string();
        let lock = tokio::task::spawn_blocking(move || {
            let file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let failed = |why: String| ClientError::Local {
            text: format!("`{shown}` cannot be locked: {why}"),
            hint: "check who owns the folder".to_owned(),
        };
        match lock.await {
            Ok(Ok(file)) => Ok(Some(file)),
            Ok(Err(error)) => Err(failed(words(&error))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Writes beside the file and renames, so that a crash leaves the old tokens or the new ones, never half of them.
fn replace_private(path: &Path, stored: &Stored) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".tokens-")
        .tempfile_in(folder)?;
    serde_json::to_writer(&mut file, stored)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error")
        .map_or(text.clone(), |(words, _)| words.to_lowercase())
}
