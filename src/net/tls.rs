//! TLS for listeners: certificates, keys and versions become what rustls serves with.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::config::Tls;

/// Why TLS cannot be served with these files. The operator's fault: it names the file.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    text: String,
}

impl TlsError {
    pub(super) fn new(file: &Path, text: impl fmt::Display) -> TlsError {
        TlsError { file: file.to_owned(), text: text.to_string() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.text)
    }
}

impl std::error::Error for TlsError {}

/// Reads the files that the configuration names, relative ones below `dir`. RSA, ECDSA and Ed25519 keys will do.
///
/// # Errors
/// A file that cannot be read, holds no certificate or no key, or a key that belongs to another certificate.
pub fn load(settings: &Tls, dir: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = &dir.join(&settings.certfile);
    let chain = certificates(certificate)?;
    let key_file = &settings.privatekey.as_ref().map_or_else(|| certificate.clone(), |file| dir.join(file));
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?).map_err(|_| {
        TlsError::new(key_file, "there is no private key in it (a PEM block '... PRIVATE KEY')")
    })?;

    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    versions.extend((!settings.disable_v12).then_some(&version::TLS12));
    versions.extend((!settings.disable_v13).then_some(&version::TLS13));
    if versions.is_empty() {
        return Err(TlsError::new(
            certificate,
            "tlsdisablev12 and tlsdisablev13 together leave no version of TLS",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| TlsError::new(certificate, error))?;
    let builder = match settings.cafile.as_ref().filter(|_| settings.verify_client) {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let file = &dir.join(file);
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| TlsError::new(file, error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        TlsError::new(
            key_file,
            format_args!("the key cannot be used with {}: {error}", certificate.display()),
        )
    })?;
    // Nobody resumes a session that lasts: the cache would only cost memory.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The common name (CN) of a certificate's subject, in DER as it came over the wire.
pub fn common_name(certificate: &[u8]) -> Option<Vec<u8>> {
    // Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version?, serial, signature, issuer, validity, subject, ... } ... }
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut tbs, _) = element(certificate)? else { return None };
    if tbs.first() == Some(&VERSION) {
        tbs = element(tbs)?.2;
    }
    for _serial_signature_issuer_validity in 0..4 {
        tbs = element(tbs)?.2;
    }
    let (SEQUENCE, mut names, _) = element(tbs)? else { return None };
    let mut found = None;
    while !names.is_empty() {
        let (SET, mut set, rest) = element(names)? else { return None };
        names = rest;
        while !set.is_empty() {
            let (SEQUENCE, pair, rest) = element(set)? else { return None };
            set = rest;
            let (OBJECT_ID, id, value) = element(pair)? else { return None };
            if id == COMMON_NAME {
                found = Some(element(value)?.1.to_vec());
            }
        }
    }
    found
}

/// The first DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        // The long form: so many bytes of length. Four are more than any certificate needs.
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        length = rest.get(..count)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        rest = &rest[count..];
    }
    Some((tag, rest.get(..length)?, &rest[length..]))
}

/// The certificates of a file, to vouch for others.
pub(super) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(file)? {
        roots.add(root).map_err(|error| TlsError::new(file, error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::new(file, "there is no certificate in it (a PEM block 'CERTIFICATE')")),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let open = std::fs::File::open(file).map_err(|error| TlsError::new(file, error))?;
    let mut pem = Vec::new();
    open.take(MAX_PEM).read_to_end(&mut pem).map_err(|error| TlsError::new(file, error))?;
    Ok(pem)
}

/// The most that is read of a certificate's file: a chain takes some kilobytes, all public authorities some hundred.
const MAX_PEM: u64 = 1 << 20;

/// DER tags, and the identifier of the attribute CN (RFC 5280, appendix A.1).
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "tests/transcripts/configs/http-tls/cert.pem";

    fn here() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn good() -> Tls {
        Tls { certfile: CERTIFICATE.into(), ..Tls::default() }
    }

    #[test]
    fn one_file_holds_certificate_and_key() {
        load(&good(), here()).unwrap();
        load(&Tls { disable_v12: true, ..good() }, here()).unwrap();
        load(&Tls { cafile: Some(CERTIFICATE.into()), verify_client: true, ..good() }, here()).unwrap();
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let check = |settings: Tls, expect: &str| {
            let error = load(&settings, here()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(Tls { certfile: "nowhere.pem".into(), ..Tls::default() }, "nowhere.pem: ");
        check(Tls { certfile: "Cargo.toml".into(), ..Tls::default() }, "no certificate in it");
        check(Tls { privatekey: Some("Cargo.toml".into()), ..good() }, "no private key in it");
        check(Tls { disable_v12: true, disable_v13: true, ..good() }, "leave no version");
    }

    #[test]
    fn the_common_name_is_found_and_garbage_is_not() {
        let certificate = certificates(&here().join(CERTIFICATE)).unwrap().remove(0);
        assert!(common_name(&certificate).is_some_and(|name| !name.is_empty()));
        for length in 0..certificate.len().min(200) {
            assert_eq!(common_name(&certificate[..length]), None);
        }
        for at in 0..certificate.len().min(400) {
            let mut broken = certificate.to_vec();
            broken[at] ^= 0xff;
            let _ = common_name(&broken);
        }
    }
}
