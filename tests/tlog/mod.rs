//! The tamper-evident log beside an implementation that others wrote: Cloudflare's `tlog_tiles` and `signed_note`.

mod notes;
mod proofs;
mod tiles;

use portcullis::tlog::{Frontier, HEIGHT, Hash, TileAt, Tiles, leaf_hash};

/// A log in memory: the hashes of every level of tiles.
#[derive(Default)]
struct Log {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl Log {
    fn of(size: u64) -> Self {
        let mut log = Self::default();
        for index in 0..size {
            log.push(format!("entry {index}").as_bytes());
        }
        log
    }

    fn push(&mut self, entry: &[u8]) {
        let levels = &mut self.levels;
        self.frontier.push(leaf_hash(entry), |node, hash| {
            if node.level.is_multiple_of(HEIGHT) {
                let level = usize::from(node.level / HEIGHT);
                levels.resize(levels.len().max(level + 1), Vec::new());
                levels[level].push(hash);
            }
        });
    }

    fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn tile(&self, at: TileAt) -> Vec<Hash> {
        let from = usize::try_from(at.number * 256).unwrap();
        self.levels[usize::from(at.level)][from..from + usize::from(at.width)].to_vec()
    }

    fn prove(&self, rows: &[Vec<portcullis::tlog::Node>]) -> Vec<Hash> {
        let mut tiles = Tiles::default();
        for at in Tiles::needed(rows, self.size()).unwrap() {
            tiles.insert(at, self.tile(at));
        }
        tiles.prove(rows).unwrap()
    }
}
