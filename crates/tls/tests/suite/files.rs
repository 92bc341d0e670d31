//! What is wrong with files, and what certificates say of themselves.

use std::time::{Duration, SystemTime};

use ostler_testing::SelfSigned;
use ostler_tls::{CertificateError, CertificateFiles, Certificates, Part, Standing, Validity};

use crate::files;

#[test]
fn what_is_wrong_with_files_is_told_by_kind_and_path() {
    let (made, other) = (SelfSigned::new(&["a.localhost"]), SelfSigned::new(&["b.localhost"]));
    let right = files(&made);
    let none = made.cert.with_file_name("none.pem");
    let broken = made.cert.with_file_name("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();

    let load = |cert: &std::path::Path, key: &std::path::Path| {
        CertificateFiles { cert: cert.to_owned(), key: key.to_owned() }.load().map(|_| ())
    };
    let error = load(&none, &right.key).unwrap_err();
    assert!(
        matches!(&error, CertificateError::Unreadable { part: Part::Certificate, path, source } if *path == none && source.kind() == std::io::ErrorKind::NotFound)
    );
    let error = load(&right.cert, &none).unwrap_err();
    assert!(matches!(&error, CertificateError::Unreadable { part: Part::Key, path, .. } if *path == none));
    // Each in the place of the other.
    let error = load(&right.key, &right.cert).unwrap_err();
    assert!(
        matches!(&error, CertificateError::Missing { part: Part::Certificate, path } if *path == right.key)
    );
    let error = load(&right.cert, &right.cert).unwrap_err();
    assert!(matches!(&error, CertificateError::Missing { part: Part::Key, path } if *path == right.cert));
    let error = load(&right.cert, &other.key).unwrap_err();
    assert!(
        matches!(&error, CertificateError::KeyMismatch { cert, key } if *cert == right.cert && *key == other.key),
        "{error}"
    );
    for (cert, key, part) in [(&broken, &right.key, Part::Certificate), (&right.cert, &broken, Part::Key)] {
        let error = load(cert, key).unwrap_err();
        assert!(matches!(&error, CertificateError::Unusable { path, .. } if *path == broken), "{error}");
        assert_eq!(error.part(), part);
    }
    assert!(matches!(Certificates::load(&[]), Err(CertificateError::None)));
}

#[test]
fn one_file_may_hold_both() {
    let made = SelfSigned::new(&["a.localhost"]);
    let both = made.cert.with_file_name("both.pem");
    let text = std::fs::read_to_string(&made.key).unwrap() + &std::fs::read_to_string(&made.cert).unwrap();
    std::fs::write(&both, text).unwrap();
    let certificate = CertificateFiles { cert: both.clone(), key: both }.load().unwrap();
    assert_eq!(certificate.hosts(), ["a.localhost".parse().unwrap()]);
}

#[test]
fn a_certificate_tells_its_hosts_and_its_time() {
    let made = SelfSigned::expired(&["a.localhost", "*.b.localhost"]);
    let certificate = files(&made).load().unwrap();
    let hosts: Vec<_> = certificate.hosts().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a.localhost", "*.b.localhost"]);
    let validity = certificate.validity().unwrap();
    // 2001-01-01 and 2001-12-31, from midnight.
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(validity, Validity { not_before: at(978_307_200), not_after: at(1_009_756_800) });
    let day = Duration::from_secs(24 * 60 * 60);
    for (now, standing) in [
        (validity.not_before - day, Standing::Early),
        (validity.not_before, Standing::Valid),
        (validity.not_after - 15 * day, Standing::Valid),
        (validity.not_after - 13 * day, Standing::Expiring),
        (validity.not_after + day, Standing::Expired),
    ] {
        assert_eq!(validity.at(now), standing);
    }
    assert_eq!(validity.at(SystemTime::now()), Standing::Expired);
}
