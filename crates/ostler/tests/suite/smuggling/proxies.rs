//! The proxies that are compared, each in front of a server of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::recorder::Recorder;
use crate::binary::{Directory, Ostler};

/// A running proxy. It ends when it is dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) recorder: Recorder,
    _running: Running,
}

#[expect(dead_code, reason = "they are held for their Drop")]
enum Running {
    Ostler(Ostler),
    Other(Other),
}

/// A program of somebody else's, in a directory of its own.
struct Other {
    process: Child,
    _directory: Directory,
}

impl Proxy {
    pub(super) fn ostler() -> Self {
        let recorder = Recorder::start();
        let directory = Directory::new();
        directory.write(
            "ostler.toml",
            &format!(
                "[switchboard]\nlisten = \"127.0.0.1:0\"\ndefault_host = \"default\"\nheader_timeout = \"300ms\"\n\
                 body_timeout = \"300ms\"\n\
                 [admin]\nlisten = \"127.0.0.1:0\"\n\
                 [[server]]\nhost = \"default\"\nurl = \"http://{}\"\n",
                recorder.address
            ),
        );
        let ostler = Ostler::up(directory, &["up"], &[]);
        Self { address: ostler.switchboard, recorder, _running: Running::Ostler(ostler) }
    }

    /// Set up as our own is: every host, a streaming body, connections kept on both sides.
    pub(super) fn nginx() -> Self {
        let recorder = Recorder::start();
        let address = free_address();
        let directory = Directory::new();
        let base = directory.path("");
        let config = format!(
            "daemon off; master_process off; pid {base}/pid; error_log {base}/error.log;\n\
             events {{}}\n\
             http {{ access_log off;\n\
             client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/fastcgi;\n\
             uwsgi_temp_path {base}/uwsgi; scgi_temp_path {base}/scgi;\n\
             client_header_timeout 300ms; client_body_timeout 300ms; lingering_close off;\n\
             upstream recorder {{ server {}; keepalive 8; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://recorder; proxy_http_version 1.1;\n\
             proxy_set_header Host $http_host; proxy_set_header Connection \"\"; proxy_request_buffering off; }} }} }}\n",
            recorder.address
        );
        let file = directory.write("nginx.conf", &config);
        let errors = directory.path("error.log");
        Self::other(
            directory,
            Command::new("nginx").args(["-c", &file, "-p", &base, "-e", &errors]),
            address,
            recorder,
        )
    }

    pub(super) fn haproxy() -> Self {
        let recorder = Recorder::start();
        let address = free_address();
        let directory = Directory::new();
        let config = format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 300ms\n timeout server 1s\n\
             \x20timeout http-request 300ms\n timeout http-keep-alive 5s\n retries 0\n\
             listen front\n bind {address}\n server recorder {}\n",
            recorder.address
        );
        let file = directory.write("haproxy.cfg", &config);
        Self::other(directory, Command::new("haproxy").args(["-db", "-f", &file]), address, recorder)
    }

    fn other(directory: Directory, command: &mut Command, address: SocketAddr, recorder: Recorder) -> Self {
        let log = fs::File::create(directory.path("log")).unwrap();
        let name = command.get_program().to_owned();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name:?}: {error}; install the package of that name"));
        let mut other = Other { process, _directory: directory };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = other.process.try_wait().unwrap() {
                let log = fs::read_to_string(other._directory.path("log")).unwrap();
                panic!("{name:?} ended with {status}: {log}");
            }
            std::thread::yield_now();
        }
        Self { address, recorder, _running: Running::Other(other) }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
