//! What this process was started from, so that it can be started once more.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

/// A program with its arguments.
///
/// The path is that of the start, also when the file there is another one by now: that is how a new version comes to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    /// The first is its own name.
    arguments: Vec<OsString>,
}

impl Program {
    /// The program of this process. To be asked at the start: later, its file may have been replaced.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        let arguments: Vec<_> = env::args_os().collect();
        let running = env::current_exe()?;
        let path = arguments.first().and_then(|name| as_called(name, &running)).unwrap_or(running);
        Ok(Self { path, arguments })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its arguments, without its own name.
    pub(super) fn arguments(&self) -> &[OsString] {
        self.arguments.get(1..).unwrap_or_default()
    }

    /// Its own name, as it was called.
    pub(super) fn name(&self) -> &OsStr {
        self.arguments.first().map_or(self.path.as_os_str(), OsString::as_os_str)
    }
}

/// The path that `name` was found by, if that leads to the running file. Links on it are kept: they are what an update changes, while
/// the system tells only where they led.
fn as_called(name: &OsStr, running: &Path) -> Option<PathBuf> {
    let is_running = |path: &Path| {
        let file = |path: &Path| metadata(path).map(|file| (file.dev(), file.ino())).ok();
        file(path).is_some_and(|found| file(running) == Some(found))
    };
    if name.as_encoded_bytes().contains(&b'/') {
        return absolute(name).ok().filter(|path| is_running(path));
    }
    let directories = env::var_os("PATH")?;
    let mut candidates =
        env::split_paths(&directories).filter_map(|directory| absolute(directory.join(name)).ok());
    candidates.find(|path| is_running(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_led_to_the_program_is_kept() {
        let running = env::current_exe().unwrap();
        let link = env::temp_dir().join(format!("ostler-program-{}", std::process::id()));
        std::os::unix::fs::symlink(&running, &link).unwrap();
        assert_eq!(as_called(link.as_os_str(), &running), Some(link.clone()));
        std::fs::remove_file(&link).unwrap();
        assert_eq!(as_called(link.as_os_str(), &running), None);
    }

    #[test]
    fn a_name_that_leads_to_another_file_does_not_count() {
        let running = env::current_exe().unwrap();
        assert_eq!(as_called(OsStr::new("sh"), &running), None);
        assert_eq!(as_called(OsStr::new("/bin/sh"), &running), None);
        assert_eq!(as_called(OsStr::new("no-such-program"), &running), None);
    }
}
