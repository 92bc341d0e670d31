//! What is wrong with certificates, and with listeners that need them.

use insta::assert_snapshot;
use ostler_testing::SelfSigned;

use crate::{config, findings, refusal};

#[test]
fn a_certificate_that_is_not_there_is_told_at_its_key() {
    let made = SelfSigned::new(&["a.localhost"]);
    let key = made.key.display();
    let text = format!(
        "[switchboard]\ntls_listen = \"127.0.0.1:0\"\n\n[[certificate]]\ncert = \"none.pem\"\nkey = \"{key}\"\n"
    );
    assert_snapshot!(refusal(&text), @r#"
    error: `certificate[0].cert`: cannot read the certificate `none.pem`
     --> ostler.toml:5:8
      |
    5 | cert = "none.pem"
      |        ^^^^^^^^^^ cannot be read
      |
      = note: No such file or directory (os error 2)
    "#);
}

#[test]
fn a_key_of_another_certificate_is_told_at_its_key() {
    let (made, other) = (SelfSigned::new(&["a.localhost"]), SelfSigned::new(&["a.localhost"]));
    std::fs::copy(&other.key, made.cert.with_file_name("other.pem")).unwrap();
    let directory = made.cert.parent().unwrap().display();
    let text = format!(
        "[switchboard]\ntls_listen = \"127.0.0.1:0\"\n\n[[certificate]]\ncert = \"{directory}/cert.pem\"\nkey = \"{directory}/other.pem\"\n"
    );
    let findings = findings(&text);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.location.to_string(), "ostler.toml:6:7");
    assert!(finding.message.starts_with("`certificate[0].key`: the key in"), "{}", finding.message);
}

#[test]
fn a_certificate_has_two_files() {
    assert_snapshot!(refusal("[switchboard]\ntls_listen = \"127.0.0.1:0\"\n\n[[certificate]]\n"), @r#"
    error: `certificate[0]` has no `cert`
     --> ostler.toml:4:1
      |
    4 | [[certificate]]
      | ^^^^^^^^^^^^^^^ this certificate
      |
      = help: cert = "cert.pem"

    error: `certificate[0]` has no `key`
     --> ostler.toml:4:1
      |
    4 | [[certificate]]
      | ^^^^^^^^^^^^^^^ this certificate
      |
      = help: key = "key.pem"

    error: 2 problems with the configuration `ostler.toml`
    "#);
}

#[test]
fn a_tls_listener_and_a_certificate_need_each_other() {
    assert_snapshot!(refusal("[switchboard]\ntls_listen = \"127.0.0.1:0\"\n"), @r#"
    error: `switchboard.tls_listen` needs a certificate
     --> ostler.toml:2:14
      |
    2 | tls_listen = "127.0.0.1:0"
      |              ^^^^^^^^^^^^^ nothing to show to clients
      |
      = help: add a [[certificate]] with cert = "cert.pem" and key = "key.pem"
    "#);
    let made = SelfSigned::new(&["a.localhost"]);
    let certificate =
        format!("[[certificate]]\ncert = \"{}\"\nkey = \"{}\"\n", made.cert.display(), made.key.display());
    assert!(refusal(&certificate).contains("no listener shows this certificate"));
    let right = config(&format!("[switchboard]\nlisten = []\ntls_listen = \"127.0.0.1:0\"\n{certificate}"));
    assert_eq!(right.certificates.len(), 1);
}
