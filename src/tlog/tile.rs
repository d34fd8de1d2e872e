//! Tiles: how a tree is cut into files of 256 hashes, and entries into bundles of 256 (c2sp.org/tlog-tiles).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::hash::Hash;
use super::tree::{Node, root};

/// The levels of the tree that one tile spans.
pub const HEIGHT: u8 = 8;
/// The hashes of a full tile, and the entries of a full bundle.
pub const WIDTH: u64 = 1 << HEIGHT;

/// One tile: its level in tiles, its number on that level, and how many hashes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileAt {
    pub level: u8,
    pub number: u64,
    /// 1 to 256; fewer than that at the right edge of the log.
    pub width: u16,
}

impl TileAt {
    /// The tile in which the hashes below a node lie, in a log of this size. Nothing when the log has no such node.
    pub fn of(node: Node, size: u64) -> Option<Self> {
        let level = node.level / HEIGHT;
        // The hashes of this level of tiles that the log has.
        let all = size.checked_shr(u32::from(level * HEIGHT))?;
        let first = node.index.checked_shl(u32::from(node.level % HEIGHT))?;
        let number = first / WIDTH;
        let width = all.checked_sub(number * WIDTH)?.min(WIDTH);
        let last = first + (1 << (node.level % HEIGHT));
        (last <= number * WIDTH + width).then_some(Self {
            level,
            number,
            width: u16::try_from(width).ok()?,
        })
    }

    /// A tile as its address has it: `level`, then `N` or `N.p/W`.
    pub fn read(level: &str, rest: &str) -> Option<Self> {
        let (number, width) = read_number(rest)?;
        let plain = |text: &str| text == "0" || !text.starts_with('0');
        let level = level.parse().ok().filter(|_| plain(level))?;
        // A log has fewer than 2^63 entries.
        (level < 8).then_some(Self {
            level,
            number,
            width,
        })
    }

    /// Its address below `tile/entries/`: that of the bundle with the entries of a tile of level 0.
    pub fn bundle_path(&self) -> String {
        format!("tile/entries/{}", Numbered(self))
    }
}

/// Its address below the prefix of the log.
impl fmt::Display for TileAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, Numbered(self))
    }
}

struct Numbered<'a>(&'a TileAt);

impl fmt::Display for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TileAt { number, width, .. } = *self.0;
        let mut groups = vec![number % 1000];
        let mut rest = number / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            let (mark, end) = if place > 0 { ("x", "/") } else { ("", "") };
            write!(f, "{mark}{group:03}{end}")?;
        }
        if u64::from(width) < WIDTH {
            write!(f, ".p/{width}")?;
        }
        Ok(())
    }
}

/// The number of a tile and its width, from `x001/x234/067` or `x001/x234/067.p/9`.
fn read_number(text: &str) -> Option<(u64, u16)> {
    let (path, width) = match text.split_once(".p/") {
        None => (text, 256),
        Some((path, width)) => {
            let plain = !width.starts_with('0') && width.bytes().all(|byte| byte.is_ascii_digit());
            (
                path,
                width
                    .parse()
                    .ok()
                    .filter(|width| plain && (1..256).contains(width))?,
            )
        }
    };
    let groups: Vec<&str> = path.split('/').collect();
    let (last, before) = groups.split_last()?;
    let mut number: u64 = 0;
    for (place, group) in before
        .iter()
        .map(|group| group.strip_prefix('x'))
        .chain([Some(*last)])
        .enumerate()
    {
        let group = group
            .filter(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))?;
        let value: u64 = group.parse().ok()?;
        if place == 0 && value == 0 && !before.is_empty() {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(value)?;
    }
    Some((number, width))
}

/// The hashes of some tiles, from which nodes are computed.
#[derive(Debug, Clone, Default)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<Hash>>);

impl Tiles {
    /// The tiles that are needed for these rows of nodes, in a log of this size; nothing when it has not all of them.
    pub fn needed(rows: &[Vec<Node>], size: u64) -> Option<BTreeSet<TileAt>> {
        let nodes = rows.iter().flatten();
        nodes.map(|node| TileAt::of(*node, size)).collect()
    }

    /// Adds the hashes of a tile.
    pub fn insert(&mut self, at: TileAt, hashes: Vec<Hash>) {
        self.0.insert((at.level, at.number), hashes);
    }

    /// The hash of a node; nothing when its tile is not here, or is too narrow.
    pub fn hash(&self, node: Node) -> Option<Hash> {
        let within = node.level % HEIGHT;
        let first = node.index.checked_shl(u32::from(within))?;
        let tile = self.0.get(&(node.level / HEIGHT, first / WIDTH))?;
        let from = usize::try_from(first % WIDTH).ok()?;
        let mut row = tile.get(from..from + (1 << within))?.to_vec();
        while row.len() > 1 {
            let pairs = row.chunks_exact(2);
            row = pairs
                .filter_map(|pair| match pair {
                    [left, right] => Some(Hash::above(left, right)),
                    _ => None,
                })
                .collect();
        }
        row.first().copied()
    }

    /// The hashes of a proof from the rows of nodes that they are over.
    pub fn prove(&self, rows: &[Vec<Node>]) -> Option<Vec<Hash>> {
        let over = |row: &Vec<Node>| {
            let hashes: Option<Vec<Hash>> = row.iter().map(|node| self.hash(*node)).collect();
            hashes.map(|hashes| root(&hashes))
        };
        rows.iter().map(over).collect()
    }
}

/// The entries of a bundle, each after its length in two bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bundle(Vec<u8>);

impl Bundle {
    /// Appends an entry; `false` when it is longer than 65,535 bytes.
    #[must_use]
    pub fn push(&mut self, entry: &[u8]) -> bool {
        let Ok(length) = u16::try_from(entry.len()) else {
            return false;
        };
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(entry);
        true
    }

    /// The bytes to send or to write.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The entries that bytes hold. Nothing when the last one is cut off.
    pub fn read(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
        let mut out = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
            let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            out.push(entry);
            bytes = rest;
        }
        bytes.is_empty().then_some(out)
    }
}
