//! Decides whether a host key is the right one.

use std::path::PathBuf;
use std::sync::Arc;

use chaos_core::Failure;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKeyOrCertificate};

use super::super::config::HostKey;
use super::super::resolve::Hop;
use super::entry::{self, Entry, Marker};
use super::write::NewKey;
use crate::error::HostError;

/// The key that a host proved to hold, and that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusted(pub(crate) KeyData);

/// How a host was judged.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// Its key.
    pub(crate) key: Trusted,
    /// Whether it is believed because nothing was known of the host.
    pub(crate) is_believed: bool,
    /// The same to be written down, where nothing was known of the host.
    pub(crate) new: Option<NewKey>,
}

impl From<Trusted> for Verdict {
    fn from(key: Trusted) -> Self {
        Self { key, is_believed: false, new: None }
    }
}

impl Trusted {
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }
}

/// All that is known of one host before it answers.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    host: String,
    name: String,
    rule: HostKey,
    entries: Arc<Vec<Entry>>,
    /// Keys of the same host without its port, which OpenSSH accepts too.
    portless: Arc<Vec<Entry>>,
    /// Where a new key is written.
    file: Option<PathBuf>,
    /// The key that this very host had when we connected first.
    before: Option<Trusted>,
}

impl Judge {
    /// Reads what the files of known hosts say of the host.
    pub(crate) fn new(hop: &Hop, before: Option<Trusted>) -> Result<Self, HostError> {
        let ((host, port), files) = (&hop.known_as, &hop.known_hosts);
        let name = entry::name(host, *port);
        let entries = read(files, &name)?;
        let portless = if *port == 22 { Vec::new() } else { read(files, &entry::name(host, 22))? };
        Ok(Self {
            host: host.to_lowercase(),
            name,
            rule: hop.host_key.clone(),
            entries: Arc::new(entries),
            portless: Arc::new(portless),
            file: files.first().cloned(),
            before,
        })
    }

    /// Returns the kinds of keys that are known of the host, so that it is asked for one of these first.
    pub(crate) fn known_algorithms(&self) -> Vec<Algorithm> {
        let known = |entry: &&Entry| entry.marker == Marker::Key;
        self.entries
            .iter()
            .chain(self.portless.iter())
            .filter(known)
            .map(|entry| entry.key.algorithm())
            .collect()
    }

    /// Returns whether certificates are worth asking for.
    pub(crate) fn has_authority(&self) -> bool {
        let is_pinned = matches!(self.rule, HostKey::Pinned(_));
        !is_pinned && self.entries.iter().any(|entry| entry.marker == Marker::Authority)
    }

    /// Decides on what the host presented.
    pub(crate) fn judge(&self, presented: &PublicKeyOrCertificate) -> Result<Verdict, HostError> {
        let verdict = match (presented, &self.rule) {
            (PublicKeyOrCertificate::PublicKey { key, .. }, _) => self.judge_key(key.key_data())?,
            // No authority vouches for another key than the one that is pinned.
            (PublicKeyOrCertificate::Certificate(certificate), HostKey::Pinned(_)) => {
                self.judge_key(certificate.public_key())?
            }
            (PublicKeyOrCertificate::Certificate(certificate), _) => {
                self.judge_certificate(certificate)?.into()
            }
        };
        match &self.before {
            Some(before) if *before != verdict.key => Err(self.changed_since(before, &verdict.key)),
            _ => Ok(verdict),
        }
    }

    fn judge_key(&self, key: &KeyData) -> Result<Verdict, HostError> {
        self.refuse_revoked(key)?;
        if let HostKey::Pinned(wanted) = &self.rule {
            return self.judge_pinned(wanted, key).map(Verdict::from);
        }
        let known: Vec<_> = self.entries.iter().filter(|entry| entry.marker == Marker::Key).collect();
        let is_known = known.iter().any(|entry| entry.key == *key);
        let is_known_without_port = known.is_empty()
            && self.portless.iter().any(|entry| entry.marker == Marker::Key && entry.key == *key);
        if is_known || is_known_without_port {
            return Ok(Trusted(key.clone()).into());
        }
        let of_this_kind = known.iter().find(|entry| same_kind(&entry.key, key));
        match (of_this_kind.or(known.first()), &self.rule) {
            (Some(entry), _) => Err(self.changed(entry, key)),
            (None, HostKey::AcceptNew) => Ok(self.accept_new(key)),
            (None, _) => Err(self.unknown(key)),
        }
    }

    fn judge_pinned(&self, wanted: &str, key: &KeyData) -> Result<Trusted, HostError> {
        let found = fingerprint(key);
        if found == wanted.trim().trim_end_matches('=') {
            return Ok(Trusted(key.clone()));
        }
        let source = format!("its key is {found}, and {wanted} is pinned");
        let hint =
            "somebody may be in between; change `host_key` only if you know that the host has a new key";
        Err(HostError::Refused(self.failure().source(source).hint(hint)))
    }

    fn judge_certificate(&self, certificate: &Certificate) -> Result<Trusted, HostError> {
        let key = certificate.public_key();
        self.refuse_revoked(key)?;
        self.refuse_revoked(certificate.signature_key())?;
        let authorities: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.marker == Marker::Authority)
            .map(|entry| entry.key.fingerprint(HashAlg::Sha256))
            .collect();
        let refused = |why: String| HostError::Refused(self.failure().source(why));
        if certificate.cert_type() != CertType::Host {
            return Err(refused("it presented the certificate of a user".to_owned()));
        }
        let is_for_host = certificate.valid_principals().iter().any(|name| entry::matches(name, &self.host));
        if !is_for_host {
            let names = certificate.valid_principals().join(", ");
            return Err(refused(format!("its certificate is for `{names}`, not for `{}`", self.host)));
        }
        certificate.validate(authorities.iter()).map_err(|error| {
            let authority = fingerprint(certificate.signature_key());
            refused(format!("its certificate by {authority} is not valid here or not now: {error}"))
        })?;
        Ok(Trusted(key.clone()))
    }

    fn refuse_revoked(&self, key: &KeyData) -> Result<(), HostError> {
        let revoked = |entry: &&Entry| entry.marker == Marker::Revoked && entry.key == *key;
        let Some(entry) = self.entries.iter().chain(self.portless.iter()).find(revoked) else {
            return Ok(());
        };
        let source = format!("its key {} is revoked in {}", fingerprint(key), entry.place());
        Err(HostError::Refused(self.failure().source(source).hint("do not connect to who holds this key")))
    }

    fn accept_new(&self, key: &KeyData) -> Verdict {
        // Who wants no file of known hosts wants nothing written.
        let new = self.file.as_ref().map(|file| NewKey {
            file: file.clone(),
            name: self.name.clone(),
            key: key.clone(),
        });
        Verdict { key: Trusted(key.clone()), is_believed: true, new }
    }

    fn changed(&self, known: &Entry, key: &KeyData) -> HostError {
        let (place, old, new) = (known.place(), fingerprint(&known.key), fingerprint(key));
        let source = format!("its key changed: {place} has {old}, and it presented {new}");
        let hint = format!(
            "somebody may be in between; if the host really has a new key, `ssh-keygen -R '{}' -f {}` and connect again",
            self.name,
            known.file.display()
        );
        HostError::Refused(self.failure().source(source).hint(hint))
    }

    fn changed_since(&self, before: &Trusted, now: &Trusted) -> HostError {
        let source = format!(
            "its key changed since this run connected first: it was {}, and now it is {}",
            before.fingerprint(),
            now.fingerprint()
        );
        HostError::Refused(self.failure().source(source).hint("is this still the same machine?"))
    }

    fn unknown(&self, key: &KeyData) -> HostError {
        let found = fingerprint(key);
        let (kind, name) = (key.algorithm(), &self.name);
        let source = format!("its host key is not known: {kind} {found}");
        let hint = format!(
            "compare the fingerprint with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub` there), then connect \
             once with `ssh`, or say `host_key: {found}` or `host_key: accept_new`; looked for `{name}`"
        );
        HostError::Refused(self.failure().source(source).hint(hint))
    }

    fn failure(&self) -> Failure {
        Failure::new(format!("trust the host `{}`", self.name))
    }
}

fn read(files: &[PathBuf], name: &str) -> Result<Vec<Entry>, HostError> {
    let mut entries = Vec::new();
    for file in files {
        entries.extend(entry::read(file, name).map_err(|error| {
            HostError::Refused(
                Failure::new(format!("read the known hosts in `{}`", file.display())).source(error),
            )
        })?);
    }
    Ok(entries)
}

fn same_kind(one: &KeyData, other: &KeyData) -> bool {
    one.algorithm() == other.algorithm()
}

/// Returns `SHA256:…` of a key.
pub(crate) fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
