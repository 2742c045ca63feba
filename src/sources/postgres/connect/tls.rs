//! How TLS is spoken with a server: whom to trust, and who we are.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::certificate::{Judge, Trusted};
use crate::sources::postgres::address::Fault;
use crate::sources::postgres::address::target::{Mode, Roots, Target};

/// What makes TLS connections to `target`.
pub(super) fn connector(target: &Target) -> Result<MakeRustlsConnect, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge = Judge { provider: Arc::clone(&provider), trusted: trusted(target)? };
    let ours = target.certificate.as_ref().map(|certificate| ours(certificate, target.key.as_deref(), &provider)).transpose()?;
    let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::DEFAULT_VERSIONS);
    let versions = versions.map_err(|_| Fault::Unfit("this build has no TLS"))?;
    let builder = versions.dangerous().with_custom_certificate_verifier(Arc::new(judge));
    Ok(MakeRustlsConnect::new(match ours {
        Some(ours) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(ours))),
        None => builder.with_no_client_auth(),
    }))
}

/// Our own certificate and its key. Whether it is of a version that WebPKI reads is the server's affair.
fn ours(certificate: &Path, key: Option<&Path>, provider: &CryptoProvider) -> Result<CertifiedKey, Fault> {
    let key = key.ok_or(Fault::Unfit("there is a certificate of ours, but no key for it: sslkey is missing"))?;
    let told = |why: String| Fault::File { path: key.to_owned(), why };
    let signing = provider.key_provider.load_private_key(private_key(key)?).map_err(|why| told(why.to_string()))?;
    let subject = certificates(certificate)?;
    // The two public keys are compared by hand: rustls reads no certificate of version 1.
    let named = subject.first().map(super::certificate::public_key).transpose().map_err(|why| told(why.to_string()))?;
    if signing.public_key().is_some() && signing.public_key().as_deref() != named.as_deref() {
        return Err(told(format!("it is not the key of {}", certificate.display())));
    }
    Ok(CertifiedKey::new(subject, signing))
}

/// The certificates to trust. Where there are some, they count whatever the mode, as libpq has it.
fn trusted(target: &Target) -> Result<Option<Trusted>, Fault> {
    let certificates = match &target.roots {
        Roots::System => system()?,
        Roots::Named(path) => certificates(path)?,
        Roots::Usual(Some(path)) if path.exists() => certificates(path)?,
        Roots::Usual(_) if target.mode < Mode::VerifyCa => return Ok(None),
        Roots::Usual(_) => {
            return Err(Fault::Unfit(
                "sslmode asks to verify the server, but there are no certificates to trust: name them with sslrootcert=FILE, or sslrootcert=system",
            ));
        }
    };
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(certificates.iter().cloned());
    Ok(Some(Trusted { certificates, anchors, name_counts: target.mode == Mode::VerifyFull }))
}

fn system() -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Fault::Unfit(
            "the system has no certificates to trust: install its ca-certificates, or name a file with sslrootcert=FILE",
        ));
    }
    Ok(found.certs)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = |why: String| Fault::File { path: path.to_owned(), why };
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|why| fault(why.to_string()))?;
    if found.is_empty() { Err(fault("there is no certificate in it".into())) } else { Ok(found) }
}

/// A private key, which nobody else may read.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    use std::os::unix::fs::MetadataExt;
    let fault = |why: String| Fault::File { path: path.to_owned(), why };
    let facts = std::fs::metadata(path).map_err(|why| fault(why.to_string()))?;
    let others = if facts.uid() == 0 { 0o037 } else { 0o077 };
    if facts.mode() & others != 0 {
        return Err(fault("others than its owner may read this key; chmod 600 it".into()));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|why| match why {
        rustls::pki_types::pem::Error::NoItemsFound => fault("there is no key in it that can be read; an encrypted one cannot".into()),
        why => fault(why.to_string()),
    })
}
