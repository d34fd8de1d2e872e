//! A disk of one's own that is small, and full when a test says so. It takes root to have one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::Owner;

/// Takes the disk away when its standard input closes, which the kernel sees to even when the test process is killed.
const WATCHDOG: &str = r#"
mount -t tmpfs -o "size=$2,mode=0700" portcullis-test "$1" || exit 1
echo mounted
read -r word
umount -l "$1"
rm -rf "$1"
rmdir "$(dirname "$1")" 2>/dev/null
"#;

/// A file system in memory. Dropping it takes it away, also from those who still use it.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    /// In bytes, when it is not full.
    size: u64,
    watchdog: Child,
}

impl Disk {
    /// Why this machine has none; nothing where it does.
    pub(crate) fn lacks() -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        Self::mount(&folder.path().join("disk"), 1 << 20).err()
    }

    /// Puts one of so many bytes at this path, for the user that servers run as.
    pub(crate) fn mount(path: &Path, size: u64) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can mount a disk of its own".to_owned());
        }
        std::fs::create_dir_all(path).unwrap();
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(path)
            .arg(size.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let mut said = watchdog.stdout.take().unwrap();
        let mut word = [0; 8];
        if std::io::Read::read_exact(&mut said, &mut word).is_err() {
            drop(watchdog.wait());
            return Err("this machine does not let root mount a tmpfs".to_owned());
        }
        if let Some(owner) = Owner::harmless() {
            owner.own(path);
        }
        Ok(Self {
            path: path.to_owned(),
            size,
            watchdog,
        })
    }

    /// Leaves no more room than this on it.
    pub(crate) fn fill(&self, room: u64) {
        // Somebody may take some of it between the question and the change.
        let filled = (0..50).any(|_| {
            let is = rustix::fs::statvfs(&self.path).unwrap();
            self.resize((is.f_blocks - is.f_bfree) * is.f_frsize + room.max(is.f_frsize))
        });
        assert!(filled, "{} cannot be filled", self.path.display());
    }

    /// Gives it back the room that it had.
    pub(crate) fn clear(&self) {
        assert!(self.resize(self.size), "{}", self.path.display());
    }

    fn resize(&self, size: u64) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}")]);
        let resized = mount.arg(&self.path).stderr(Stdio::null()).status();
        resized.expect("mount is there").success()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            drop(writeln!(pipe, "stop"));
        }
        drop(self.watchdog.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_when_it_is_told_and_gone_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let disk = match Disk::mount(&path, 1 << 20) {
            Ok(disk) => disk,
            Err(why) => {
                eprintln!("not tried: {why}");
                return;
            }
        };
        let write = |name: &str| std::fs::write(path.join(name), vec![7; 64 << 10]);
        write("before").unwrap();
        disk.fill(0);
        assert_eq!(
            write("full").unwrap_err().kind(),
            std::io::ErrorKind::StorageFull
        );
        assert_eq!(std::fs::read(path.join("before")).unwrap().len(), 64 << 10);
        disk.clear();
        write("after").unwrap();
        drop(disk);
        assert!(!path.exists());
    }
}
