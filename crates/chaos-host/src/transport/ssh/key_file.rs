//! Private keys and certificates in files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chaos_core::{Failure, Secret};
use russh::keys::{Certificate, PrivateKey, PublicKey};
use tokio::sync::OnceCell;

use super::{home, user_file};
use crate::error::HostError;

/// A key file is a few kilobytes; what is larger is something else.
const KEY_FILE_MAX: u64 = 64 * 1024;
/// Rights of others that a private key must not have.
const OTHERS: u32 = 0o077;

/// A private key in a file, read once for all clones: a passphrase costs a tenth of a second of work.
#[derive(Clone)]
pub struct KeyFile {
    path: PathBuf,
    passphrase: Option<Secret>,
    certificate: Option<PathBuf>,
    /// Certificates that may be of this key or of another.
    candidates: Vec<PathBuf>,
    loaded: Arc<OnceCell<Loaded>>,
}

/// What a key file holds.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) certificate: Option<Certificate>,
}

/// Why a key file cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// There is none.
    Missing,
    /// It needs a passphrase and none was given.
    Locked,
    /// Anything else.
    Broken(Failure),
}

impl KeyFile {
    /// Names a private key; a leading `~` is the home of the current user.
    pub fn new(path: impl Into<PathBuf>, passphrase: Option<Secret>) -> Self {
        let path = home::expand(&path.into());
        Self { path, passphrase, certificate: None, candidates: Vec::new(), loaded: Arc::default() }
    }

    /// Names its certificate, where it is not beside the key as `KEY-cert.pub`.
    #[must_use]
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> Self {
        self.certificate = Some(home::expand(&path.into()));
        self
    }

    /// Names certificates of which the one that fits is used.
    pub(crate) fn candidates(mut self, paths: Vec<PathBuf>) -> Self {
        self.candidates = paths;
        self
    }

    /// Returns where the key is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn load(&self) -> Result<&Loaded, Unusable> {
        self.loaded
            .get_or_try_init(|| async {
                let file = self.clone();
                // Reading waits for a disk, and a passphrase is made slow on purpose.
                let reading = tokio::task::spawn_blocking(move || file.read());
                reading.await.map_err(|error| Unusable::Broken(Failure::new("read a key").source(error)))?
            })
            .await
    }

    fn read(&self) -> Result<Loaded, Unusable> {
        let text = self.text()?;
        let passphrase = self.passphrase.as_ref().map(Secret::expose);
        let key = match russh::keys::decode_secret_key(&text, passphrase) {
            Ok(key) => key,
            Err(error) => return Err(self.not_decoded(&text, error)),
        };
        let certificate = self.read_certificate()?.or_else(|| self.fitting(&key));
        Ok(Loaded { key: Arc::new(key), certificate })
    }

    fn text(&self) -> Result<String, Unusable> {
        let failed = |error: std::io::Error| {
            Unusable::Broken(Failure::new(format!("read the key `{}`", self.path.display())).source(error))
        };
        let about = match std::fs::metadata(&self.path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Unusable::Missing),
            Err(error) => return Err(failed(error)),
        };
        if !about.is_file() || about.len() > KEY_FILE_MAX {
            let what = format!("use `{}` as a key", self.path.display());
            return Err(Unusable::Broken(Failure::new(what).source("this is not a key file")));
        }
        let text = user_file::text(&self.path, KEY_FILE_MAX).map_err(failed)?;
        if PublicKey::from_openssh(text.trim()).is_ok() {
            let what = format!("use `{}` as a key", self.path.display());
            let failure = Failure::new(what).source("this is the public half of a key");
            return Err(Unusable::Broken(failure.hint("name the private half, the file without `.pub`")));
        }
        // As OpenSSH has it: only a file of our own can be closed to others by us.
        if about.uid() == nix::unistd::getuid().as_raw() && about.mode() & OTHERS != 0 {
            return Err(Unusable::Broken(self.too_open(about.mode())));
        }
        Ok(text)
    }

    fn too_open(&self, mode: u32) -> Failure {
        let path = self.path.display();
        Failure::new(format!("use the key `{path}`"))
            .source(format!("others may read it (mode {:04o})", mode & 0o7777))
            .hint(format!("`chmod 600 {path}`"))
    }

    fn not_decoded(&self, text: &str, error: russh::keys::Error) -> Unusable {
        let path = self.path.display();
        if is_locked(text, &error) {
            return match self.passphrase {
                None => Unusable::Locked,
                Some(_) => Unusable::Broken(
                    Failure::new(format!("open the key `{path}`"))
                        .source(format!("the passphrase of `{path}` is wrong")),
                ),
            };
        }
        // The library's messages tell formats and never content.
        Unusable::Broken(
            Failure::new(format!("read the key `{path}`"))
                .source(error)
                .hint("it must be a private key in a format of OpenSSH, PEM or PKCS 8"),
        )
    }

    fn fitting(&self, key: &PrivateKey) -> Option<Certificate> {
        let mut certificates = self.candidates.iter().flat_map(|path| certificate(path));
        certificates.find(|certificate| certificate.public_key() == key.public_key().key_data())
    }

    /// Returns the public key of it, where one can be had without a passphrase.
    pub(crate) fn public(&self) -> Option<PublicKey> {
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".pub");
        // An agent's user may name the public key itself, or keep only that one.
        let read = |path: &Path| user_file::text(path, KEY_FILE_MAX).ok();
        let texts = [read(beside.as_ref()), read(&self.path)];
        texts.iter().flatten().find_map(|text| PublicKey::from_openssh(text.trim()).ok())
    }

    fn read_certificate(&self) -> Result<Option<Certificate>, Unusable> {
        let (path, is_asked_for) = match &self.certificate {
            Some(path) => (path.clone(), true),
            None => (beside(&self.path), false),
        };
        if !is_asked_for && !path.exists() {
            return Ok(None);
        }
        certificate(&path).map(Some).map_err(|why| {
            Unusable::Broken(Failure::new(format!("read the certificate `{}`", path.display())).source(why))
        })
    }
}

impl Unusable {
    /// Returns the error for a key that was asked for by name.
    pub(crate) fn into_error(self, path: &Path) -> HostError {
        let path = path.display();
        HostError::Refused(match self {
            Self::Missing => Failure::new(format!("read the key `{path}`")).source("there is no such file"),
            Self::Locked => Failure::new(format!("open the key `{path}`"))
                .source("it needs a passphrase and none was given")
                .hint("give `passphrase`, or add the key to an agent: `ssh-add KEY`"),
            Self::Broken(failure) => failure,
        })
    }

    /// Returns why a key that was only found in passing was left out, or nothing when it is simply not there.
    pub(crate) fn in_passing(&self) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Locked => Some("it needs a passphrase".to_owned()),
            Self::Broken(failure) => {
                Some(failure.source.as_ref().map_or_else(|| failure.what.clone(), ToString::to_string))
            }
        }
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Returns the file where `ssh-keygen -s` puts the certificate of a key.
fn beside(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push("-cert.pub");
    name.into()
}

/// Reads a certificate, or says why not.
fn certificate(path: &Path) -> Result<Certificate, String> {
    let text = user_file::text(path, KEY_FILE_MAX).map_err(|error| error.to_string())?;
    Certificate::from_openssh(text.trim()).map_err(|error| error.to_string())
}

fn is_locked(text: &str, error: &russh::keys::Error) -> bool {
    let is_old_encrypted = text.contains("ENCRYPTED");
    let is_new_encrypted = PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted());
    matches!(error, russh::keys::Error::KeyIsEncrypted) || is_old_encrypted || is_new_encrypted
}
