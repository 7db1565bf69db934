//! TLS to the server, with the meanings of `sslmode` that PostgreSQL's own clients give it.

use std::path::Path;
use std::sync::Arc;

use chaos_core::Failure;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How much TLS is asked for: `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// Only where the server refuses to do without.
    Allow,
    /// Where the server offers it.
    Prefer,
    /// Always; whose certificate it is does not matter, unless `sslrootcert` is given.
    Require,
    /// Always, with a certificate of a known authority.
    VerifyCa,
    /// Always, with a certificate of a known authority for this very host.
    VerifyFull,
}

impl TlsMode {
    /// Reads the value of `sslmode`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "disable" => Some(Self::Disable),
            "allow" => Some(Self::Allow),
            "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            "verify-ca" => Some(Self::VerifyCa),
            "verify-full" => Some(Self::VerifyFull),
            _ => None,
        }
    }

    fn check(self, has_root: bool) -> Check {
        match self {
            Self::VerifyFull => Check::AuthorityAndName,
            Self::VerifyCa => Check::Authority,
            Self::Require if has_root => Check::Authority,
            Self::Require | Self::Prefer | Self::Allow | Self::Disable => Check::Nothing,
        }
    }
}

/// What is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    AuthorityAndName,
}

/// Makes the connector for a mode. `root` is the value of `sslrootcert`: a PEM file, or `system`.
///
/// # Errors
/// When the authorities cannot be read.
pub fn connector(mode: TlsMode, root: Option<&str>) -> Result<MakeRustlsConnect, Failure> {
    // The provider is named here: a process-wide default may be missing, or be somebody else's.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let check = mode.check(root.is_some());
    let own = match root {
        Some(path) if path != "system" => read_certificates(Path::new(path))?,
        Some(_) | None => Vec::new(),
    };
    let authorities = match check {
        Check::Nothing => None,
        Check::Authority | Check::AuthorityAndName => Some(authorities(&own, &provider)?),
    };
    let verifier = Arc::new(Verifier { check, authorities, own, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Failure::new("set up TLS").source(source))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// The authorities of `sslrootcert`; none given: those of the system.
fn authorities(
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Failure> {
    let mut store = RootCertStore::empty();
    for certificate in own {
        store
            .add(certificate.clone())
            .map_err(|source| Failure::new("use a certificate of `sslrootcert`").source(source))?;
    }
    if own.is_empty() {
        // Certificates of the system that cannot be read are no obstacle: a missing one fails the handshake.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build().map_err(
        |source| {
            Failure::new("find certificate authorities to check the server with")
                .hint("give `sslrootcert=/path/to/ca.pem` in the URL")
                .source(source)
        },
    )
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed = |source: rustls::pki_types::pem::Error| {
        Failure::new(format!("read the certificates in `{}` (sslrootcert)", path.display())).source(source)
    };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if certificates.is_empty() {
        return Err(Failure::new(format!("find a certificate in `{}` (sslrootcert)", path.display())));
    }
    Ok(certificates)
}

/// Checks as much of a certificate as the mode asks for. Signatures of the handshake are always checked.
#[derive(Debug)]
struct Verifier {
    check: Check,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of `sslrootcert`.
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        // Many servers have a certificate that is its own authority, as the manual of the server shows how to make one.
        // A chain may not end in an authority, but here it is this very certificate that is trusted.
        if self.own.iter().any(|certificate| certificate == end_entity) {
            if self.check == Check::AuthorityAndName {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is compared last: with this error everything else was in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
