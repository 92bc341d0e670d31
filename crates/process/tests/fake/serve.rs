//! The server. Answers every request with what it was asked for by path: `/env`, `/args`, `/fds`, `/pid`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::switches::Switches;

pub(crate) fn run(switches: &Switches) -> ExitCode {
    if let Some(text) = switches.text("stderr") {
        eprintln!("{text}");
    }
    if let Some(status) = switches.number("exit") {
        return ExitCode::from(status as u8);
    }
    if switches.has("ignore-term") {
        ignore_term();
    }
    write_output(switches);
    start_relatives(switches);
    if switches.has("daemonize") {
        start(&["serve"], &switches.without(&["daemonize", "stderr", "grandchild", "orphan"]), true);
        return ExitCode::SUCCESS;
    }
    if switches.has("wrap") {
        let status = again(&["serve"], &switches.without(&["wrap"])).status();
        return ExitCode::from(u8::from(!status.is_ok_and(|status| status.success())));
    }
    if let Some(file) = switches.text("wait-for") {
        wait_for(Path::new(file));
    }
    if let Some(delay) = switches.duration("ready-after") {
        pause(delay);
    }
    if let Some(delay) = switches.duration("die-after") {
        std::thread::spawn(move || {
            pause(delay);
            eprintln!("dying as told");
            #[allow(clippy::disallowed_methods, reason = "a sudden end is what is asked for")]
            std::process::exit(3);
        });
    }
    if switches.has("never-ready") {
        park();
    }
    listen(switches)
}

/// Lives until killed, in a session of its own if so told.
pub(crate) fn linger(switches: &Switches) -> ExitCode {
    if switches.has("setsid") {
        // Fails for a leader of a group, which a spawned process is not.
        rustix::process::setsid().expect("a session of its own");
    }
    if switches.has("twice") {
        start(&["linger"], &switches.without(&["twice", "setsid"]), false);
        return ExitCode::SUCCESS;
    }
    if let Some(file) = switches.text("pid-file") {
        std::fs::write(file, std::process::id().to_string()).expect("the pid file");
    }
    ignore_term();
    park()
}

fn listen(switches: &Switches) -> ExitCode {
    if let Some(path) = switches.text("socket").or(std::env::var("SOCKET").ok().as_deref()) {
        let listener = UnixListener::bind(path).expect("the socket");
        listener.incoming().flatten().for_each(answer);
        return ExitCode::SUCCESS;
    }
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = switches.number("port").map(|port| port as u16).or(port).unwrap_or_default();
    let port = if switches.has("other-port") { 0 } else { port };
    let address = match switches.has("ipv6") {
        true => SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        false => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
    };
    match TcpListener::bind(address) {
        Ok(listener) => listener.incoming().flatten().for_each(answer),
        Err(error) => {
            eprintln!("cannot listen on {address}: {error}");
            return ExitCode::from(98);
        }
    }
    ExitCode::SUCCESS
}

fn answer(mut stream: impl Read + Write + Send + 'static) {
    std::thread::spawn(move || {
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(count) => request.extend_from_slice(&chunk[..count]),
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let body = body(request.split(' ').nth(1).unwrap_or_default());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    });
}

fn body(path: &str) -> String {
    match path {
        "/env" => std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect(),
        "/args" => std::env::args().map(|argument| format!("{argument}\n")).collect(),
        "/fds" => std::fs::read_dir("/proc/self/fd")
            .expect("the descriptors")
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(|target| format!("{}\n", target.display()))
            .collect(),
        _ => std::process::id().to_string(),
    }
}

fn write_output(switches: &Switches) {
    if switches.has("half-character") {
        let mut stdout = std::io::stdout();
        let euro = "€".as_bytes();
        for part in [&euro[..1], &euro[1..], b"\n"] {
            stdout.write_all(part).and_then(|()| stdout.flush()).expect("stdout");
            pause(Duration::from_millis(2));
        }
    }
    if let Some(length) = switches.number("long-line") {
        let chunk = vec![b'x'; 1 << 16];
        let mut left = length as usize;
        while left > 0 {
            let count = left.min(chunk.len());
            std::io::stdout().write_all(&chunk[..count]).expect("stdout");
            left -= count;
        }
        println!("\nafter the long line");
    }
    if let Some(lines) = switches.number("flood-stderr") {
        for number in 0..lines {
            eprintln!("line {number} of a flood");
        }
    }
}

fn start_relatives(switches: &Switches) {
    let Some(file) = switches.text("grandchild") else { return };
    let mut options = vec![format!("--pid-file={file}"), "--setsid".to_owned()];
    if switches.has("orphan") {
        options.push("--twice".to_owned());
    }
    start(&["linger"], &options, switches.has("scrub"));
    // Ready only when its relatives are, so that a test finds them there.
    wait_until(|| Path::new(file).exists());
}

#[allow(clippy::zombie_processes, reason = "leaving processes behind is what is asked for")]
fn start(command: &[&str], options: &[String], scrub: bool) {
    let mut next = again(command, options);
    if scrub && command == ["linger"] {
        next.env_clear();
    }
    next.stdin(Stdio::null()).spawn().expect("another process");
}

fn again(command: &[&str], options: &[String]) -> Command {
    let mut next = Command::new("/proc/self/exe");
    next.args(command).args(options);
    next
}

fn wait_for(file: &Path) {
    std::fs::write(file.with_extension("waiting"), "").expect("the file that says so");
    wait_until(|| file.exists());
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        pause(Duration::from_millis(1));
    }
}

fn ignore_term() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let _entered = runtime.enter();
    let kind = tokio::signal::unix::SignalKind::terminate();
    // Listening to it replaces its default, for good.
    drop(tokio::signal::unix::signal(kind).expect("a signal handler"));
}

#[allow(clippy::disallowed_methods, reason = "there is no runtime here")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}
