//! What a server's certificate has to be, as libpq wants it.
//!
//! Without certificates to trust, any will do. With them: its chain must lead to one of them, or it must be one of them
//! itself (PostgreSQL's manual makes servers with self-signed certificates, which WebPKI alone refuses). Where the name
//! counts too: an alternative name, or in a certificate without any the common name.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
use x509_cert::der::{Decode, Encode};

/// The certificates that are trusted, and whether the name counts.
pub(super) struct Trusted {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) anchors: RootCertStore,
    pub(super) name_counts: bool,
}

/// Judges a server's certificate.
pub(super) struct Judge {
    pub(super) provider: Arc<CryptoProvider>,
    /// None: any certificate will do.
    pub(super) trusted: Option<Trusted>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("verifies", &self.trusted.is_some()).finish_non_exhaustive()
    }
}

impl Judge {
    fn judge(
        &self,
        trusted: &Trusted,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        if trusted.certificates.iter().any(|known| known == certificate) {
            in_time(&read(certificate)?, now)?;
        } else {
            let parsed = ParsedCertificate::try_from(certificate)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &trusted.anchors, between, now, algorithms)?;
        }
        if trusted.name_counts { named(certificate, name) } else { Ok(()) }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trusted) = &self.trusted {
            self.judge(trusted, certificate, between, name, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // By the key alone: certificates of version 1, which `openssl x509 -req` makes, are none to WebPKI.
        verify_tls13_signature_with_raw_key(message, &public_key(certificate)?, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The public key of a certificate of any version.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let key = read(certificate)?.tbs_certificate.subject_public_key_info.to_der();
    Ok(SubjectPublicKeyInfoDer::from(key.map_err(|_| CertificateError::BadEncoding)?))
}

fn read(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn in_time(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether the certificate is for `name`.
fn named(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let read = read(certificate)?;
    let extensions = read.tbs_certificate.extensions.as_deref().unwrap_or_default();
    if extensions.iter().any(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME) {
        return verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    }
    let common = common_name(&read).unwrap_or_default();
    if stands_for(&common, &name.to_str()) {
        return Ok(());
    }
    Err(CertificateError::NotValidForNameContext { expected: name.to_owned(), presented: vec![common] }.into())
}

/// The subject's common name.
fn common_name(certificate: &Certificate) -> Option<String> {
    let mut parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = &parts.rfind(|part| part.oid == COMMON_NAME)?.value;
    let text = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    text.or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned())).ok()
}

/// Whether a common name means `host`; its first label may be `*`, which stands for one label.
fn stands_for(common: &str, host: &str) -> bool {
    match (common.strip_prefix("*."), host.split_once('.')) {
        (Some(pattern), Some((label, domain))) => !label.is_empty() && pattern.contains('.') && pattern.eq_ignore_ascii_case(domain),
        _ => !common.is_empty() && common.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(stands_for("db.school.example", "DB.school.example"));
        assert!(stands_for("*.school.example", "db.school.example"));
        for (common, host) in [
            ("*.school.example", "a.db.school.example"),
            ("*.school.example", "school.example"),
            ("*.example", "school.example"),
            ("*", "db"),
            ("", ""),
            ("db", "dbs"),
        ] {
            assert!(!stands_for(common, host), "{common} {host}");
        }
    }
}
