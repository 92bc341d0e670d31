//! `ostler stop`.

use std::fmt::Write;
use std::process::ExitCode;

use http::Method;
use ostler_net::normalize_host;

use super::client::Client;
use super::failure::{Failure, print};
use super::words::{human_seconds, printable};
use crate::admin::{NO_SUCH_SERVER, StoppedView};

/// It waits for as long as the server's requests and its end take: the server's own budgets bound that.
pub(super) async fn run(client: Client, key: &str) -> Result<ExitCode, Failure> {
    let key = normalize_host(key).unwrap_or_else(|_| key.to_owned());
    let stopped: StoppedView = match client.ask(Method::DELETE, &path(&key), None).await {
        Err(Failure::Refused { problem, .. }) if problem == NO_SUCH_SERVER => {
            let message = format!("no server runs under the key `{}`", printable(&key));
            return Err(Failure::new(message).help("`ostler ps` lists those that do"));
        }
        other => other?,
    };
    let elapsed = human_seconds(stopped.elapsed_seconds);
    print(&format!("{} stopped in {elapsed}\n", printable(&stopped.key)))?;
    Ok(ExitCode::SUCCESS)
}

/// The path of a server. A key can be an IPv6 address in brackets, which stand in no path.
fn path(key: &str) -> String {
    let mut path = "/servers/".to_owned();
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            _ => write!(path, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_path() {
        assert_eq!(path("shop.localhost"), "/servers/shop.localhost");
        assert_eq!(path("[::1]"), "/servers/%5B%3A%3A1%5D");
        assert_eq!(path("a/../b?"), "/servers/a%2F..%2Fb%3F");
    }
}
