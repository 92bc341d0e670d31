//! One certificate with its key.

use std::sync::Arc;

use ostler_net::HostPattern;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use crate::CertificateFiles;
use crate::error::{CertificateError, Part};
use crate::validity::Validity;

/// A certificate with its key, as it was in its files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What is signed with.
    pub(crate) key: Arc<CertifiedKey>,
    hosts: Vec<HostPattern>,
    /// None when its dates make no sense.
    validity: Option<Validity>,
}

impl CertificateFiles {
    /// Reads a certificate and its key. It may be expired: that is for [`Certificate::validity`] to tell.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn load(&self) -> Result<Certificate, CertificateError> {
        let chain = self.chain()?;
        let unusable = |part: Part, why: String| CertificateError::Unusable {
            part,
            path: self.path(part).to_owned(),
            why,
        };
        let first = EndEntityCert::try_from(&chain[0])
            .map_err(|error| unusable(Part::Certificate, error.to_string()))?;
        // Names that are no hosts of ours are no reason to refuse the others.
        let hosts = first.valid_dns_names().filter_map(|name| name.parse().ok()).collect();
        let validity = Validity::of(&first);
        let key = PrivateKeyDer::from_pem_slice(&self.read(Part::Key)?)
            .map_err(|error| self.pem(Part::Key, &error))?;
        let key = match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
            Ok(key) => Arc::new(key),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let (cert, key) = (self.cert.clone(), self.key.clone());
                return Err(CertificateError::KeyMismatch { cert, key });
            }
            Err(error) => return Err(unusable(Part::Key, error.to_string())),
        };
        Ok(Certificate { key, hosts, validity })
    }

    /// At least one certificate.
    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let pem = self.read(Part::Certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|error| self.pem(Part::Certificate, &error))?;
        if chain.is_empty() {
            return Err(self.pem(Part::Certificate, &pem::Error::NoItemsFound));
        }
        Ok(chain)
    }

    fn pem(&self, part: Part, error: &pem::Error) -> CertificateError {
        let path = self.path(part).to_owned();
        match error {
            pem::Error::NoItemsFound => CertificateError::Missing { part, path },
            other => CertificateError::Unusable { part, path, why: other.to_string() },
        }
    }
}

impl Certificate {
    /// The host names that it is for. One without any is only of use as the default; neither addresses nor a wildcard right
    /// below the top, `*.localhost`, are among them: clients ask for no address by name, and refuse such a wildcard.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// When it is valid. None when its dates make no sense.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }
}
