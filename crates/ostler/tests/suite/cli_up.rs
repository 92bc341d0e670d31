//! `ostler up`: how it begins, what it says, and what it exits with.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::binary::{Directory, Ostler, free_ports};
use crate::raw::{Stuck, get};

const HELLO: &str = "[[server]]\nhost = \"hello.localhost\"\nbuiltin = \"echo\"\n";

#[test]
fn a_signal_drains_and_is_told_by_the_exit_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let ostler = Ostler::serve(HELLO);
        get(ostler.switchboard, "hello.localhost", "/").with(200);
        ostler.signal(signal);
        let (ended, log) = ostler.end();
        assert_eq!(ended, Some(code), "{log}");
        for words in ["server starting", "server ready", "draining", "server stopping", "server stopped"] {
            assert!(log.contains(words), "no {words:?} in\n{log}");
        }
        assert!(!log.contains("error"), "{log}");
    }
}

#[test]
fn children_are_asked_to_end_before_they_are_made_to() {
    // The shell writes its last words if it is asked; an Ostler behind it is what serves.
    let ostler = Ostler::serve(&format!(
        "[[server]]\nhost = \"child.localhost\"\nready = \"/health\"\ncwd = \"/\"\ncommand = [\"sh\", \"-c\", \"\"\"\n\
         trap 'wait; echo goodbye' TERM\n\
         OSTLER_SWITCHBOARD__LISTEN=127.0.0.1:$PORT OSTLER_ADMIN__LISTEN=127.0.0.1:0 OSTLER_MCP__LISTEN=[] \
         OSTLER_SWITCHBOARD__DEFAULT_HOST=a.localhost {} up & wait\"\"\"]\n",
        env!("CARGO_BIN_EXE_ostler")
    ));
    get(ostler.switchboard, "child.localhost", "/health").with(200);
    ostler.signal(Signal::TERM);
    let (code, log) = ostler.end();
    assert_eq!(code, Some(143), "{log}");
    assert!(log.contains("goodbye"), "{log}");
}

#[test]
fn a_stuck_client_of_the_admin_api_is_no_cut_response() {
    let ostler = Ostler::serve(HELLO);
    let mut client = TcpStream::connect(ostler.admin).unwrap();
    client.write_all(b"GET /servers HTTP/1.1\r\nHost: loc").unwrap();
    ostler.ask(&["ps"]).with(0);
    ostler.signal(Signal::TERM);
    let (code, log) = ostler.end();
    assert_eq!(code, Some(143), "{log}");
    drop(client);
}

#[test]
fn a_drain_on_request_is_success() {
    let ostler = Ostler::serve(HELLO);
    get(ostler.switchboard, "hello.localhost", "/").with(200);
    ostler.ask(&["drain"]).with(0).says("drained in").says("after 1 response");
    assert_eq!(ostler.end().0, Some(0));
}

#[test]
fn a_request_that_does_not_end_is_cut_at_the_deadline_and_the_exit_code_says_so() {
    let stuck = Stuck::new();
    let ostler = Ostler::serve(&stuck.server());
    let _request = stuck.request(ostler.switchboard);
    ostler.ask(&["drain", "--deadline", "20ms"]).with(3).says("1 aborted, 0 stuck");
    let (code, log) = ostler.end();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("drain deadline passed with 1 waiting for a response"), "{log}");
}

#[test]
fn a_second_signal_cuts_what_is_in_flight() {
    let stuck = Stuck::new();
    let ostler = Ostler::serve(&stuck.server());
    let _request = stuck.request(ostler.switchboard);
    ostler.signal(Signal::TERM);
    ostler.has_said("draining");
    ostler.signal(Signal::TERM);
    let (code, log) = ostler.end();
    assert_eq!(code, Some(3), "{log}");
}

#[test]
fn the_greeting_is_the_output_and_the_log_is_not() {
    let ostler = Ostler::serve(&format!(
        "{HELLO}[[server]]\nhost = \"shop.example\"\ncommand = [\"serve\", \"--port\", \"{{port}}\"]\nready = \"/up\"\n"
    ));
    let greeting = &ostler.greeting;
    for words in [
        "serves ostler.toml",
        "hello.localhost  echo (built in)",
        "shop.example     serve --port {port}  GET /up",
        &format!("curl http://hello.localhost:{}/", ostler.switchboard.port()),
        &format!("curl -H 'Host: shop.example' http://{}/", ostler.switchboard),
        &format!("ostler ps --admin {}", ostler.admin),
    ] {
        assert!(greeting.contains(words), "no {words:?} in\n{greeting}");
    }
    assert!(!greeting.contains('\u{1b}') && !greeting.contains("INFO"), "{greeting}");
}

#[test]
fn without_a_configuration_the_quickstart_is_served() {
    let listen = [
        ("OSTLER_SWITCHBOARD__LISTEN", "127.0.0.1:0"),
        ("OSTLER_ADMIN__LISTEN", "127.0.0.1:0"),
        ("OSTLER_MCP__LISTEN", "127.0.0.1:0"),
    ];
    let ostler = Ostler::up(Directory::new(), &["up"], &listen);
    for words in ["quickstart", "/mcp\n", "ostler call book_flight"] {
        assert!(ostler.greeting.contains(words), "no {words:?} in\n{}", ostler.greeting);
    }
    get(ostler.switchboard, "any-name.localhost", "/").with(200);
    ostler.ask(&["ps"]).with(0).says("any-name.localhost");
}

#[test]
fn a_typo_in_the_configuration_is_shown_with_what_was_meant() {
    let directory = Directory::new();
    directory.write("ostler.toml", "[pool]\nmax_servrs = 5\n");
    for command in ["up", "check", "ps"] {
        let ended = directory.run(&[command], &[]).with(2);
        assert_eq!(ended.stdout, "");
        ended.complains("ostler.toml:2").complains("max_servrs").complains("did you mean `max_servers`?");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_key_and_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (taken, free) in [("SWITCHBOARD", "ADMIN"), ("ADMIN", "SWITCHBOARD")] {
        let (taken, free) = (format!("OSTLER_{taken}__LISTEN"), format!("OSTLER_{free}__LISTEN"));
        let ended = Directory::new().run(&["up"], &[(&taken, &address), (&free, "127.0.0.1:0")]).with(1);
        assert_eq!(ended.stdout, "");
        let key = if taken.contains("ADMIN") { "admin.listen" } else { "switchboard.listen" };
        ended
            .complains(&format!("cannot listen on {address} (`{key}`)"))
            .complains("ddress already in use")
            .complains(&format!("{taken}=127.0.0.1:0"));
    }
}

#[test]
fn a_server_whose_name_leads_back_here_is_refused() {
    let directory = Directory::new();
    let port = free_ports();
    // A name that only the resolver knows to be 127.0.0.1, without asking the network.
    directory.write(
        "ostler.toml",
        &format!(
            "[switchboard]\nlisten = \"0.0.0.0:{port}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[server]]\nhost = \"shop.localhost\"\nurl = \"http://0x7f000001:{port}\"\n"
        ),
    );
    let ended = directory.run(&["up"], &[]).with(1);
    assert_eq!(ended.stdout, "");
    ended
        .complains(&format!("the `url` of shop.localhost, 0x7f000001:{port}, leads to Ostler itself"))
        .complains(&format!("listens on 0.0.0.0:{port}"));
}
