//! `[[certificate]]`: what TLS listeners show.

use std::path::{Path, PathBuf};

use ostler_tls::{CertificateError, CertificateFiles, Part};

use crate::problem::Problem;
use crate::report::Report;
use crate::section::section;

section! {
    /// A certificate of the TLS listeners. It is shown to clients that ask for a host that it names: the exact one first, then the
    /// longest wildcard. Those who ask for no host, or for one that no certificate names, are shown the first certificate.
    /// The files are read again when they change; wrong ones change nothing, and are told in the log.
    pub(crate) struct CertificateTable {
        /// The file, in PEM form, with the certificate and those that lead from it to an authority. A relative path begins at the
        /// directory of the configuration file.
        cert: Option<PathBuf>;

        /// The file, in PEM form, with its private key.
        key: Option<PathBuf>;
    }
}

/// The files of the certificate at `path`. Reported when they are not there or wrong: a listener could not start with them.
pub(crate) fn files(
    table: CertificateTable,
    path: &str,
    directory: &Path,
    report: &mut Report,
) -> Option<CertificateFiles> {
    for (key, value) in [("cert", &table.cert), ("key", &table.key)] {
        if value.is_none() && report.set(&format!("{path}.{key}")).is_none() {
            let problem = Problem::new(format!("{path}.{key}"), format!("`{path}` has no `{key}`"));
            let problem = match report.set(path) {
                Some(set) => problem.at(&set.value, "this certificate"),
                None => problem,
            };
            report.add(problem.help(format!("{key} = \"{key}.pem\"")));
        }
    }
    let files = CertificateFiles { cert: directory.join(table.cert?), key: directory.join(table.key?) };
    if let Err(error) = files.load() {
        report.add(wrong(path, &error, report));
        return None;
    }
    Some(files)
}

fn wrong(path: &str, error: &CertificateError, report: &Report) -> Problem {
    let key = match error.part() {
        Part::Certificate => format!("{path}.cert"),
        Part::Key => format!("{path}.key"),
    };
    let problem = Problem::new(&key, format!("`{key}`: {error}"));
    let (label, note) = match error {
        CertificateError::Unreadable { source, .. } => ("cannot be read", Some(source.to_string())),
        CertificateError::Missing { .. } => ("has none", None),
        CertificateError::Unusable { .. } => ("cannot be used", None),
        CertificateError::KeyMismatch { .. } => ("belongs to another certificate", None),
        CertificateError::None => ("is missing", None),
    };
    let problem = match report.set(&key) {
        Some(set) => problem.at(&set.value, label),
        None => problem,
    };
    match note {
        Some(note) => problem.note(note),
        None => problem,
    }
}
