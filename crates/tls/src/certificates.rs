//! The certificates of a listener, chosen by name and replaced one by one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use ostler_net::Routes;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::CertificateError;
use crate::files::{CertificateFiles, Stamp};
use crate::{Certificate, Standing};

/// The certificates of one or more listeners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What handshakes choose from. Replaced as a whole, so that each of them sees one state.
    choice: RwLock<Arc<Choice>>,
    /// In the order of the configuration. Locked by whoever refreshes.
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Choice {
    by_host: Routes<Arc<CertifiedKey>>,
    /// For clients that ask for no name, or for one that no certificate has.
    default: Arc<CertifiedKey>,
}

/// One certificate and what its files were when it was read.
#[derive(Debug)]
struct Entry {
    files: CertificateFiles,
    /// Taken before the last read of what could be read, right or wrong: a write during the read is seen next time.
    stamp: Stamp,
    /// Of files that could not be read and were told of. They are tried again each time, since a reason such as too many open
    /// files passes without a change of them.
    unreadable: Option<Stamp>,
    certificate: Certificate,
    /// As it was last told.
    standing: Standing,
}

/// What has become of one certificate.
#[derive(Debug)]
pub enum Refreshed {
    /// Its files have changed and the new one is in use.
    Replaced(CertificateFiles, Certificate),
    /// Its files have changed and are wrong; the one read before stays in use.
    Kept(CertificateFiles, CertificateError),
    /// Its time has begun, nears its end, or is over.
    Aged(CertificateFiles, Standing),
}

// === impl Certificates ===

impl Certificates {
    /// Reads every certificate. The first one is the default. Of two with the same host, the first is used for it.
    ///
    /// # Errors
    /// The first that is wrong, or [`CertificateError::None`].
    pub fn load(files: &[CertificateFiles]) -> Result<Self, CertificateError> {
        let entries = files.iter().map(Entry::load).collect::<Result<Vec<_>, _>>()?;
        let choice = Choice::of(&entries).ok_or(CertificateError::None)?;
        let shared = Shared { choice: RwLock::new(Arc::new(choice)), entries: Mutex::new(entries) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads again what has changed, and says what came of it. It blocks as long as reading does.
    pub fn refresh(&self) -> Vec<Refreshed> {
        let mut entries = self.entries();
        let mut refreshed = Vec::new();
        for entry in entries.iter_mut() {
            refreshed.extend(entry.refresh());
            refreshed.extend(entry.age());
        }
        if refreshed.iter().any(|one| matches!(one, Refreshed::Replaced(..)))
            && let Some(choice) = Choice::of(&entries)
        {
            *self.shared.choice.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(choice);
        }
        refreshed
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // What a panic left is a list of whole entries.
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let choice = Arc::clone(&self.shared.choice.read().unwrap_or_else(PoisonError::into_inner));
        let by_name = name.and_then(|name| choice.by_host.find(&name.to_ascii_lowercase()));
        Arc::clone(by_name.unwrap_or(&choice.default))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(client.server_name()))
    }
}

// === impl Choice ===

impl Choice {
    fn of(entries: &[Entry]) -> Option<Self> {
        let default = Arc::clone(&entries.first()?.certificate.key);
        let mut by_host = Routes::new();
        // From the last to the first, so that the first stays.
        for Entry { certificate, .. } in entries.iter().rev() {
            for host in certificate.hosts() {
                by_host.insert(host.clone(), Arc::clone(&certificate.key));
            }
        }
        Some(Self { by_host, default })
    }
}

// === impl Entry ===

impl Entry {
    fn load(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let stamp = files.stamp();
        let certificate = files.load()?;
        // Told by the first refresh if it is anything else.
        Ok(Self { files: files.clone(), stamp, unreadable: None, certificate, standing: Standing::Valid })
    }

    fn refresh(&mut self) -> Option<Refreshed> {
        let stamp = self.files.stamp();
        if stamp == self.stamp {
            return None;
        }
        let refreshed = match self.files.load() {
            Ok(certificate) => {
                self.certificate = certificate.clone();
                self.standing = Standing::Valid;
                Refreshed::Replaced(self.files.clone(), certificate)
            }
            Err(error @ CertificateError::Unreadable { .. }) => {
                let told = self.unreadable.replace(stamp) == Some(stamp);
                return (!told).then(|| Refreshed::Kept(self.files.clone(), error));
            }
            Err(error) => Refreshed::Kept(self.files.clone(), error),
        };
        (self.stamp, self.unreadable) = (stamp, None);
        Some(refreshed)
    }

    fn age(&mut self) -> Option<Refreshed> {
        let standing = self.certificate.validity()?.at(SystemTime::now());
        if standing == self.standing {
            return None;
        }
        self.standing = standing;
        Some(Refreshed::Aged(self.files.clone(), standing))
    }
}
