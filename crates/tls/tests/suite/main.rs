//! Certificates and streams through the public interface, over real files and sockets.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod choice;
mod files;
mod reload;

use ostler_net::{Address, Listener};
use ostler_testing::{Encrypted, SelfSigned};
use ostler_tls::{CertificateFiles, Certificates, Tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinSet;

fn files(made: &SelfSigned) -> CertificateFiles {
    CertificateFiles { cert: made.cert.clone(), key: made.key.clone() }
}

fn certificates(made: &[&SelfSigned]) -> Certificates {
    Certificates::load(&made.iter().map(|made| files(made)).collect::<Vec<_>>()).unwrap()
}

/// What is in a certificate's file now.
fn der(made: &SelfSigned) -> Vec<u8> {
    CertificateDer::from_pem_file(&made.cert).unwrap().to_vec()
}

/// A listener that shakes hands with whoever comes.
struct Door {
    address: Address,
    _open: JoinSet<()>,
}

impl Door {
    async fn open(certificates: Certificates) -> Self {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().clone();
        let tls = Tls::new(certificates);
        let mut open = JoinSet::new();
        open.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                drop(tls.accept(stream).await);
            }
        });
        Self { address, _open: open }
    }

    async fn shown_to(&self, host: &str) -> Vec<u8> {
        Encrypted::connect(&self.address, host, &[]).await.unwrap().certificate
    }
}
