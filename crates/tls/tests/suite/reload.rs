//! Certificates whose files change.

use std::time::Duration;

use ostler_scope::Scope;
use ostler_testing::{PATIENCE, SelfSigned};
use ostler_tls::{CertificateError, Refreshed, Standing};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::time::timeout;

use crate::{Door, certificates, der, files};

#[tokio::test]
async fn a_changed_certificate_is_shown_from_then_on_with_its_new_hosts() {
    let (first, made) = (SelfSigned::new(&["first.localhost"]), SelfSigned::new(&["a.localhost"]));
    let certificates = certificates(&[&first, &made]);
    let door = Door::open(certificates.clone()).await;
    assert!(certificates.refresh().is_empty());
    made.renew(&["b.localhost"]);
    assert!(door.shown_to("b.localhost").await == der(&first));
    let refreshed = certificates.refresh();
    assert!(
        matches!(&refreshed[..], [Refreshed::Replaced(changed, _)] if *changed == files(&made)),
        "{refreshed:?}"
    );
    assert!(door.shown_to("b.localhost").await == der(&made));
    assert!(door.shown_to("a.localhost").await == der(&first));
    assert!(certificates.refresh().is_empty());
}

#[tokio::test]
async fn a_broken_new_file_keeps_the_old_certificate_and_is_told_once() {
    let made = SelfSigned::new(&["a.localhost"]);
    let certificates = certificates(&[&made]);
    let door = Door::open(certificates.clone()).await;
    let (shown, key) = (der(&made), std::fs::read(&made.key).unwrap());
    // As it is between the two writes of whoever renews it.
    made.renew(&["a.localhost"]);
    std::fs::write(&made.key, key).unwrap();
    let refreshed = certificates.refresh();
    assert!(matches!(&refreshed[..], [Refreshed::Kept(..)]), "{refreshed:?}");
    assert!(certificates.refresh().is_empty());
    assert!(door.shown_to("a.localhost").await == shown);
    std::fs::remove_file(&made.key).unwrap();
    assert!(matches!(&certificates.refresh()[..], [Refreshed::Kept(..)]));
    assert!(door.shown_to("a.localhost").await == shown);
    made.renew(&["a.localhost"]);
    assert!(matches!(&certificates.refresh()[..], [Refreshed::Replaced(..)]));
    assert!(door.shown_to("a.localhost").await == der(&made));
}

#[test]
fn what_could_not_be_read_for_a_while_is_told_once_and_read_when_it_can_be() {
    let made = SelfSigned::new(&["a.localhost"]);
    let certificates = certificates(&[&made]);
    made.renew(&["a.localhost"]);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(0), ..limit }).unwrap();
    let (first, second) = (certificates.refresh(), certificates.refresh());
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(matches!(&first[..], [Refreshed::Kept(_, CertificateError::Unreadable { .. })]), "{first:?}");
    assert!(second.is_empty(), "{second:?}");
    assert!(matches!(&certificates.refresh()[..], [Refreshed::Replaced(..)]));
    assert!(certificates.refresh().is_empty());
}

#[test]
fn an_expired_certificate_is_told_once() {
    let made = SelfSigned::expired(&["a.localhost"]);
    let certificates = certificates(&[&made]);
    assert!(matches!(&certificates.refresh()[..], [Refreshed::Aged(_, Standing::Expired)]));
    assert!(certificates.refresh().is_empty());
    made.renew(&["a.localhost"]);
    assert!(matches!(&certificates.refresh()[..], [Refreshed::Replaced(..)]));
}

#[tokio::test]
async fn a_watched_certificate_follows_its_files() {
    let scope = Scope::root("test").open().unwrap();
    let made = SelfSigned::new(&["a.localhost"]);
    let certificates = certificates(&[&made]);
    certificates.watch(&scope, Duration::from_millis(5)).unwrap();
    let door = Door::open(certificates).await;
    let old = der(&made);
    assert!(door.shown_to("a.localhost").await == old);
    made.renew(&["a.localhost"]);
    let following = async { while door.shown_to("a.localhost").await == old {} };
    timeout(PATIENCE, following).await.expect("the old certificate is still shown");
    assert!(door.shown_to("a.localhost").await == der(&made));
    assert!(scope.halt().await.is_clean());
}
