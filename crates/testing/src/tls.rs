//! Certificates that a test makes for itself, and a client that takes any.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_net::{Address, Stream};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A self-signed certificate in files that go when it does.
#[derive(Debug)]
pub struct SelfSigned {
    /// The certificate's file.
    pub cert: PathBuf,
    /// Its key's file.
    pub key: PathBuf,
    _directory: TempDir,
}

/// A client's encrypted connection.
#[derive(Debug)]
pub struct Encrypted {
    /// What is sent and read in the clear.
    pub stream: TlsStream<Stream>,
    /// What the server has shown.
    pub certificate: Vec<u8>,
    /// What both sides have agreed on.
    pub protocol: Option<Vec<u8>>,
}

#[derive(Debug)]
struct TakesAny(CryptoProvider);

impl SelfSigned {
    /// For these hosts, valid now.
    ///
    /// # Panics
    /// When there is no room for its files.
    pub fn new(hosts: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        let made = Self { cert, key, _directory: directory };
        made.renew(hosts);
        made
    }

    /// For these hosts, valid until the end of 2001.
    ///
    /// # Panics
    /// When there is no room for its files.
    pub fn expired(hosts: &[&str]) -> Self {
        let made = Self::new(hosts);
        let mut params = params(hosts);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 12, 31);
        made.write(&params);
        made
    }

    /// For these hosts, valid from 2999 on.
    ///
    /// # Panics
    /// When there is no room for its files.
    pub fn early(hosts: &[&str]) -> Self {
        let made = Self::new(hosts);
        let mut params = params(hosts);
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(2999, 12, 31);
        made.write(&params);
        made
    }

    /// Writes another certificate and key into the same files.
    ///
    /// # Panics
    /// When there is no room for its files.
    pub fn renew(&self, hosts: &[&str]) {
        self.write(&params(hosts));
    }

    fn write(&self, params: &CertificateParams) {
        let pair = KeyPair::generate().unwrap();
        std::fs::write(&self.cert, params.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&self.key, pair.serialize_pem()).unwrap();
    }
}

fn params(hosts: &[&str]) -> CertificateParams {
    CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
}

impl Encrypted {
    /// Connects to `address` and asks for `host`, an address to ask for none, with `protocols` to choose from.
    ///
    /// # Errors
    /// The handshake failed.
    ///
    /// # Panics
    /// When nobody accepts there.
    pub async fn connect(address: &Address, host: &str, protocols: &[&str]) -> std::io::Result<Self> {
        Self::over(Stream::connect(address).await.unwrap(), host, protocols).await
    }

    /// The same over a stream that is connected already.
    ///
    /// # Errors
    /// The handshake failed.
    ///
    /// # Panics
    /// When `host` is no name of a host.
    pub async fn over(stream: Stream, host: &str, protocols: &[&str]) -> std::io::Result<Self> {
        let provider = ring::default_provider();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().unwrap()[0].to_vec();
        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
        Ok(Self { stream, certificate, protocol })
    }
}

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
