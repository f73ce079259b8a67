//! Certificates of a CA of their own, for private servers and those who connect to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::Result;

/// A CA, a certificate of a server at `127.0.0.1` and `localhost`, and one of a client.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The file of the CA's certificate.
    pub ca: PathBuf,
    pub server: Pair,
    pub client: Pair,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

/// The files of a certificate and of its key, and one that holds both.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub both: PathBuf,
}

impl Certificates {
    /// Makes all of them, as files in this folder.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("CA of {}", folder.display()));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(broken)?;
        let ca = folder.join("ca.pem");
        write(&ca, &params.self_signed(&key).map_err(broken)?.pem())?;
        let issuer = Issuer::new(params, key);
        let server = issue(&issuer, &folder.join("server"))?;
        let client = issue(&issuer, &folder.join("client"))?;
        Ok(Self { ca, server, client, issuer: issuer.into() })
    }

    /// Another certificate of this CA, for the same names, as files whose names begin with `path`.
    pub fn issue(&self, path: &Path) -> Result<Pair> {
        issue(&self.issuer, path)
    }

    /// The same, with an end: in seconds since 1970.
    pub fn issue_until(&self, path: &Path, end: u64) -> Result<Pair> {
        let mut params = of_server()?;
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        sign(params, &self.issuer, path)
    }

    /// For a client that trusts the CA and shows the client's certificate.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(&self.ca).map_err(broken)?;
        roots.add(ca).map_err(broken)?;
        let certificate = CertificateDer::from_pem_file(&self.client.certificate);
        let key = PrivateKeyDer::from_pem_file(&self.client.key).map_err(broken)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.map_err(broken)?], key);
        Ok(config.map_err(broken)?.into())
    }
}

fn issue(issuer: &Issuer<'static, KeyPair>, path: &Path) -> Result<Pair> {
    sign(of_server()?, issuer, path)
}

fn of_server() -> Result<CertificateParams> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).map_err(broken)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn sign(
    mut params: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
    path: &Path,
) -> Result<Pair> {
    params.distinguished_name.push(DnType::CommonName, path.display().to_string());
    let key = KeyPair::generate().map_err(broken)?;
    let certificate = params.signed_by(&key, issuer).map_err(broken)?.pem();
    let key = key.serialize_pem();
    let pair = Pair {
        certificate: path.with_extension("pem"),
        key: path.with_extension("key"),
        both: path.with_extension("both.pem"),
    };
    write(&pair.certificate, &certificate)?;
    write(&pair.key, &key)?;
    write(&pair.both, &format!("{certificate}{key}"))?;
    Ok(pair)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn broken(error: impl std::fmt::Display) -> String {
    format!("making certificates: {error}")
}
