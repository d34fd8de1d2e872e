//! Every kind of tampering with a log that was exported: each is found, and what is wrong is named.

use std::path::PathBuf;

use portcullis::tlog::{
    Bundle, Checkpoint, Frontier, HEIGHT, Hash, Note, SigningKey, TileAt, leaf_hash,
};
use portcullis::wire::LogEntry;
use serde_json::json;

use crate::support::person::Person;

const ORIGIN: &str = "portcullis/audit/0123456789abcdef/1";

/// A log in a folder, written by somebody who has the key.
struct Log {
    folder: PathBuf,
    entries: Vec<Vec<u8>>,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn entry(index: u64, epoch: u32, who: &str) -> LogEntry {
    let at = "2026-11-23T04:00:00.000Z".parse::<chrono::DateTime<chrono::Utc>>();
    let at = at.unwrap() + chrono::TimeDelta::milliseconds(i64::try_from(index).unwrap());
    let id = format!("0190163d-8694-739b-aea5-{index:012}");
    let body =
        json!({"id": id, "code": "grant.revoked", "actor": {"kind": "principal", "name": who}});
    LogEntry::new((index, epoch), at, body.as_object().unwrap().clone())
}

impl Log {
    /// Two full bundles and a part of a third.
    fn new(folder: PathBuf) -> Self {
        let entries = (0..600).map(|index| entry(index, 1, "ada").encode().unwrap());
        let log = Self {
            folder,
            entries: entries.collect(),
        };
        log.write(&key(7));
        log
    }

    /// Writes everything anew, as the server would with these entries.
    fn write(&self, key: &SigningKey) {
        let _ = std::fs::remove_dir_all(&self.folder);
        let mut tree = Frontier::default();
        let mut levels = [Vec::new(), Vec::new()];
        for entry in &self.entries {
            tree.push(leaf_hash(entry), |node, hash| {
                if node.level.is_multiple_of(HEIGHT) {
                    levels[usize::from(node.level / HEIGHT)].push(hash);
                }
            });
        }
        for (level, hashes) in (0..).zip(&levels) {
            for (number, hashes) in (0..).zip(hashes.chunks(256)) {
                let at = TileAt {
                    level,
                    number,
                    width: u16::try_from(hashes.len()).unwrap(),
                };
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                self.put(&at.to_string(), &bytes);
                if level == 0 {
                    let from = usize::try_from(number * 256).unwrap();
                    let mut bundle = Bundle::default();
                    for entry in &self.entries[from..from + hashes.len()] {
                        assert!(bundle.push(entry));
                    }
                    self.put(&at.bundle_path(), &bundle.into_bytes());
                }
            }
        }
        self.sign(key, ORIGIN, tree.size(), tree.root());
    }

    fn sign(&self, key: &SigningKey, origin: &str, size: u64, root: Hash) {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        };
        let note = Note::new(checkpoint.to_string()).unwrap().signed(key);
        self.put("checkpoint", note.to_string().as_bytes());
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap()
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.get(name);
        change(&mut bytes);
        self.put(name, &bytes);
    }

    fn note(&self, from: &str, to: &str) {
        let text = String::from_utf8(self.get("checkpoint")).unwrap();
        assert!(text.contains(from), "{text}");
        self.put("checkpoint", text.replacen(from, to, 1).as_bytes());
    }

    /// The same entries but for one, with everything else as the server would have it.
    fn forge(&mut self, index: usize, entry: Vec<u8>, key: &SigningKey) {
        self.entries[index] = entry;
        self.write(key);
    }
}

const FIRST: &str = "tile/entries/000";
const LAST: &str = "tile/entries/002.p/88";
const LEAVES: &str = "tile/0/000";

type Tamper = fn(&mut Log);

/// What somebody does to a log that was exported, and what it is found as. Whoever has no key can do only so much;
/// from `with the key` on it is somebody who has it, and only those who saw the log before can tell.
const KINDS: [(&str, Tamper, &str); 36] = [
    (
        "a byte of an entry is flipped",
        |log| {
            log.edit(FIRST, |bytes| {
                *bytes.iter_mut().rfind(|byte| **byte == b'v').unwrap() = b'w';
            });
        },
        "log-leaf",
    ),
    (
        "a name is replaced",
        |log| log.edit(LAST, |bytes| swap(bytes, b"\"ada\"", b"\"eve\"")),
        "log-leaf",
    ),
    (
        "a moment is replaced",
        |log| {
            log.edit(FIRST, |bytes| {
                swap(bytes, b"T04:00:00.007Z", b"T03:00:00.007Z");
            });
        },
        "log-leaf",
    ),
    (
        "a moment is nonsense",
        |log| {
            log.edit(FIRST, |bytes| {
                swap(bytes, b"T04:00:00.007Z", b"T99:00:00.007Z");
            });
        },
        "log-moment",
    ),
    (
        "the index of an entry is changed",
        |log| log.edit(FIRST, |bytes| bytes[2 + 7] = 5),
        "log-index",
    ),
    (
        "the epoch of an entry is changed",
        |log| log.edit(FIRST, |bytes| bytes[2 + 11] = 9),
        "log-epoch",
    ),
    (
        "the schema of an entry is changed",
        |log| log.edit(FIRST, |bytes| swap(bytes, b"audit/1", b"audit/9")),
        "log-entry",
    ),
    (
        "the JSON of an entry is broken",
        |log| log.edit(FIRST, |bytes| swap(bytes, b"{\"actor\"", b"[\"actor\"")),
        "log-entry",
    ),
    (
        "an entry is written with a space more",
        |log| {
            log.edit(FIRST, |bytes| {
                swap_longer(bytes, b"{\"actor\":{", b"{\"actor\": {");
            });
        },
        "log-leaf",
    ),
    (
        "the length of an entry is changed",
        |log| log.edit(FIRST, |bytes| bytes[1] ^= 1),
        "log-bundle",
    ),
    (
        "an entry is taken out of the middle",
        |log| remove(log, 300),
        "log-missing",
    ),
    (
        "the first entry is taken out",
        |log| remove(log, 0),
        "log-missing",
    ),
    (
        "the last entry is taken out",
        |log| {
            log.edit(LAST, |bytes| {
                let all = split(bytes);
                *bytes = join(&all[..all.len() - 1]);
            });
        },
        "log-missing",
    ),
    (
        "an entry is put in",
        |log| {
            log.edit(LAST, |bytes| {
                let mut all = split(bytes);
                all.insert(3, all[3].clone());
                *bytes = join(&all);
            });
        },
        "log-bundle",
    ),
    (
        "an entry is put at the end",
        |log| {
            log.edit(LAST, |bytes| {
                let mut all = split(bytes);
                all.push(all[3].clone());
                *bytes = join(&all);
            });
        },
        "log-bundle",
    ),
    (
        "two entries change places",
        |log| {
            log.edit(FIRST, |bytes| {
                let mut all = split(bytes);
                all.swap(3, 4);
                *bytes = join(&all);
            });
        },
        "log-index",
    ),
    (
        "an entry is there twice, in place of another",
        |log| {
            log.edit(FIRST, |bytes| {
                let mut all = split(bytes);
                all[4] = all[3].clone();
                *bytes = join(&all);
            });
        },
        "log-index",
    ),
    (
        "two bundles change places",
        |log| {
            let (one, two) = (log.get(FIRST), log.get("tile/entries/001"));
            log.put(FIRST, &two);
            log.put("tile/entries/001", &one);
        },
        "log-index",
    ),
    (
        "a bundle is cut off",
        |log| log.edit(LAST, |bytes| bytes.truncate(bytes.len() - 7)),
        "log-bundle",
    ),
    (
        "a bundle is empty",
        |log| log.put(FIRST, b""),
        "log-missing",
    ),
    (
        "a bundle is random",
        |log| log.put(FIRST, &[0xff; 4000]),
        "log-bundle",
    ),
    (
        "a bundle is gone",
        |log| std::fs::remove_file(log.folder.join(FIRST)).unwrap(),
        "",
    ),
    (
        "an entry and its leaf are changed",
        |log| {
            forge_leaf(log, 5);
        },
        "log-rewritten",
    ),
    (
        "a leaf is changed",
        |log| log.edit(LEAVES, |bytes| bytes[33] ^= 1),
        "log-leaf",
    ),
    (
        "leaves are cut off",
        |log| log.edit(LEAVES, |bytes| bytes.truncate(32 * 7)),
        "log-leaf",
    ),
    (
        "the size in the checkpoint is larger",
        |log| log.note("\n600\n", "\n601\n"),
        "log-signature",
    ),
    (
        "the size in the checkpoint is smaller",
        |log| log.note("\n600\n", "\n512\n"),
        "log-signature",
    ),
    (
        "the origin in the checkpoint is another",
        |log| log.note("0123456789abcdef", "fedcba9876543210"),
        "log-signature",
    ),
    (
        "the signature is cut off",
        |log| log.edit("checkpoint", |bytes| bytes.truncate(bytes.len() - 9)),
        "log-signature",
    ),
    (
        "there is no signature",
        |log| {
            let text = String::from_utf8(log.get("checkpoint")).unwrap();
            log.put("checkpoint", text.split('—').next().unwrap().as_bytes());
        },
        "log-signature",
    ),
    (
        "the log is signed with another key",
        |log| log.write(&key(8)),
        "log-signature",
    ),
    (
        "with the key: another log is signed",
        |log| log.sign(&key(7), "portcullis/audit/other/1", 600, Hash::of_nothing()),
        "log-origin",
    ),
    (
        "with the key: another root is signed",
        |log| log.sign(&key(7), ORIGIN, 600, Hash::of_nothing()),
        "log-root",
    ),
    (
        "with the key: an entry is replaced",
        |log| log.forge(5, entry(5, 1, "eve").encode().unwrap(), &key(7)),
        "log-rewritten",
    ),
    (
        "with the key: the log is rolled back",
        |log| {
            log.entries.truncate(400);
            log.write(&key(7));
        },
        "log-shorter",
    ),
    (
        "with the key: a fork goes on from before",
        |log| {
            log.entries.truncate(400);
            log.entries
                .extend((400..700).map(|index| entry(index, 1, "eve").encode().unwrap()));
            log.write(&key(7));
        },
        "log-rewritten",
    ),
];

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes
        .windows(what.len())
        .position(|window| window == what)
        .unwrap()
}

fn swap(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = find(bytes, from);
    bytes[at..at + from.len()].copy_from_slice(to);
}

fn swap_longer(bytes: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let mut all = split(bytes);
    let at = find(&all[3], from);
    all[3].splice(at..at + from.len(), to.iter().copied());
    *bytes = join(&all);
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let all = Bundle::read(bytes).unwrap();
    all.into_iter().map(<[u8]>::to_vec).collect()
}

fn join(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = Bundle::default();
    assert!(entries.iter().all(|entry| bundle.push(entry)));
    bundle.into_bytes()
}

/// Without the key: the files as they would be with one entry less.
fn remove(log: &mut Log, index: usize) {
    let checkpoint = log.get("checkpoint");
    log.entries.remove(index);
    for (at, entry) in (0..).zip(&mut log.entries) {
        entry[..8].copy_from_slice(&u64::to_be_bytes(at));
    }
    log.write(&key(9));
    // The last bundle is found under the name that the checkpoint gives it.
    let last = log.get("tile/entries/002.p/87");
    log.put(LAST, &last);
    let leaves = log.get("tile/0/002.p/87");
    log.put("tile/0/002.p/88", &leaves);
    log.put("checkpoint", &checkpoint);
}

fn forge_leaf(log: &mut Log, index: usize) {
    let checkpoint = log.get("checkpoint");
    let other = entry(index as u64, 1, "eve").encode().unwrap();
    log.forge(index, other, &key(9));
    log.put("checkpoint", &checkpoint);
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_and_named() {
    let person = Person::at("http://127.0.0.1:1");
    let folder = person.home().join("log");
    let public = key(7).verifying().to_string();
    let seen = person.home().join("seen");
    for (kind, tamper, expected) in KINDS {
        let mut log = Log::new(folder.clone());
        let note = String::from_utf8(log.get("checkpoint")).unwrap();
        std::fs::write(&seen, format!("{public}\n{note}")).unwrap();
        let verify = [
            "audit",
            "verify",
            folder.to_str().unwrap(),
            "--witness",
            seen.to_str().unwrap(),
            "--json",
        ];
        let ran = person.run(&verify).await;
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        tamper(&mut log);
        let ran = person.run(&verify).await;
        if expected.is_empty() {
            assert_eq!(ran.code, 7, "{kind}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains(FIRST), "{kind}: {}", ran.err);
            continue;
        }
        assert_eq!(ran.code, 1, "{kind}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{kind}: {}", ran.err);
    }
}

#[test]
fn the_tampering_that_is_tried_is_of_thirty_kinds_and_more() {
    let mut kinds: Vec<&str> = KINDS.iter().map(|(kind, ..)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.len() >= 30 && kinds.len() == KINDS.len());
}
