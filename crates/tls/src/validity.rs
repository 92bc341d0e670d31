//! When a certificate is valid.

use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use webpki::{EndEntityCert, KeyUsage};

/// How long before its end a certificate's end is warned about.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: SystemTime,
    /// Its last second.
    pub not_after: SystemTime,
}

/// Where a moment lies in a certificate's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Before its time.
    Early,
    /// In its time.
    Valid,
    /// In its last two weeks.
    Expiring,
    /// After its time: clients refuse it.
    Expired,
}

impl Validity {
    /// The validity of `certificate`, if it can be read.
    ///
    /// The parser tells a date only as what is wrong with another one, and it looks at dates first: so it is asked about
    /// the beginning of time and about its end.
    pub(crate) fn of(certificate: &EndEntityCert<'_>) -> Option<Self> {
        let verdict = |seconds| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).err()
        };
        let not_before = match verdict(0)? {
            webpki::Error::CertNotValidYet { not_before, .. } => not_before,
            // Valid since before 1970.
            _ => UnixTime::since_unix_epoch(Duration::ZERO),
        };
        let webpki::Error::CertExpired { not_after, .. } = verdict(u64::MAX)? else { return None };
        let system = |time: UnixTime| SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
        Some(Self { not_before: system(not_before), not_after: system(not_after) })
    }

    /// Where `now` lies in it.
    pub fn at(&self, now: SystemTime) -> Standing {
        if now < self.not_before {
            Standing::Early
        } else if now > self.not_after {
            Standing::Expired
        } else if now + SOON > self.not_after {
            Standing::Expiring
        } else {
            Standing::Valid
        }
    }
}
