//! Proofs: ours are theirs, hash by hash, and nothing else is taken for one.

use portcullis::tlog::{
    Frontier, Hash, ProofError, check_consistency, check_inclusion, consistency, inclusion,
    leaf_hash,
};
use proptest::prelude::*;
use tlog_tiles::{
    Error, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
};

use super::Log;

/// Our tiles, as their reader wants them.
struct Theirs<'a>(&'a Log);

impl TileReader for Theirs<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = |tile: &tlog_tiles::Tile| {
            let at = portcullis::tlog::TileAt {
                level: tile.level(),
                number: tile.level_index(),
                width: u16::try_from(tile.width()).unwrap(),
            };
            let hashes = self.0.tile(at);
            hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
        };
        Ok(tiles.iter().map(bytes).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn all(proof: &[Hash]) -> Vec<tlog_tiles::Hash> {
    proof.iter().copied().map(theirs).collect()
}

/// The root of the first entries of the same log.
fn root(size: u64) -> Hash {
    Log::of(size).frontier.root()
}

#[test]
fn every_proof_of_small_logs_is_the_one_that_others_make() {
    for size in 1..=40 {
        let log = Log::of(size);
        let tiles = Theirs(&log);
        let reader = TileHashReader::new(size, theirs(log.frontier.root()), &tiles);
        for index in 0..size {
            let ours = log.prove(&inclusion(index, size).unwrap());
            assert!(all(&ours) == prove_record(size, index, &reader).unwrap());
        }
        for old in 1..=size {
            let ours = log.prove(&consistency(old, size).unwrap());
            assert!(all(&ours) == prove_tree(size, old, &reader).unwrap());
        }
    }
}

#[test]
fn proofs_of_a_log_with_three_levels_of_tiles_are_the_ones_that_others_make() {
    let log = Log::of(70_001);
    let size = log.size();
    let whole = log.frontier.root();
    let tiles = Theirs(&log);
    let reader = TileHashReader::new(size, theirs(whole), &tiles);
    for index in [
        0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 69_887, 69_999, 70_000,
    ] {
        let ours = log.prove(&inclusion(index, size).unwrap());
        assert!(all(&ours) == prove_record(size, index, &reader).unwrap());
        let leaf = leaf_hash(format!("entry {index}").as_bytes());
        check_inclusion(leaf, index, (size, whole), &ours).unwrap();
        check_record(&all(&ours), size, theirs(whole), index, theirs(leaf)).unwrap();
    }
    for old in [1, 2, 255, 256, 257, 65_536, 65_537, 69_999, 70_000, 70_001] {
        let ours = log.prove(&consistency(old, size).unwrap());
        assert!(all(&ours) == prove_tree(size, old, &reader).unwrap());
        check_consistency((old, root(old)), (size, whole), &ours).unwrap();
        check_tree(&all(&ours), size, theirs(whole), old, theirs(root(old))).unwrap();
    }
}

#[test]
fn an_empty_log_is_the_beginning_of_every_log_and_has_no_entry() {
    assert_eq!(consistency(0, 7), Some(Vec::new()));
    check_consistency((0, Hash::of_nothing()), (7, root(7)), &[]).unwrap();
    assert_eq!(inclusion(0, 0), None);
    assert_eq!(consistency(8, 7), None);
    // RFC 6962, section 2.1: the hash of an empty list is the hash of an empty string.
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert_eq!(Frontier::default().root().to_string(), empty);
}

#[test]
fn a_frontier_is_kept_and_taken_up_again_anywhere() {
    for size in 0..70 {
        let log = Log::of(size);
        let kept = log.frontier.hashes().to_vec();
        let mut again = Frontier::new(size, kept).unwrap();
        again.push(leaf_hash(format!("entry {size}").as_bytes()), |_, _| {});
        assert_eq!(again.root(), root(size + 1));
    }
    assert_eq!(Frontier::new(3, vec![Hash::of_nothing()]), None);
}

proptest! {
    #[test]
    fn no_proof_is_taken_once_anything_of_it_is_changed(
        size in 2..300_u64, index in 0..300_u64, bent in 0..20_usize, byte in 0..32_usize,
    ) {
        let (index, log) = (index % size, Log::of(size));
        let whole = (size, log.frontier.root());
        let leaf = leaf_hash(format!("entry {index}").as_bytes());
        let proof = log.prove(&inclusion(index, size).unwrap());
        prop_assert!(check_inclusion(leaf, index, whole, &proof).is_ok());
        let mut other = proof.clone();
        let place = bent % other.len();
        let mut bytes = *other[place].as_bytes();
        bytes[byte] ^= 1;
        other[place] = Hash::from_bytes(bytes);
        prop_assert_eq!(check_inclusion(leaf, index, whole, &other), Err(ProofError::Root));
        prop_assert!(check_inclusion(leaf, index, whole, &proof[1..]).is_err());
        prop_assert!(check_inclusion(leaf, (index + 1) % size, whole, &proof).is_err());
        prop_assert!(check_inclusion(leaf_hash(b"another"), index, whole, &proof).is_err());

        let old = (index.max(1), root(index.max(1)));
        let proof = log.prove(&consistency(old.0, size).unwrap());
        prop_assert!(check_consistency(old, whole, &proof).is_ok());
        let place = bent % proof.len();
        let mut other = proof.clone();
        other[place] = Hash::from_bytes(bytes);
        prop_assert!(other == proof || check_consistency(old, whole, &other).is_err());
        prop_assert!(check_consistency(old, whole, &proof[1..]).is_err());
        prop_assert!(check_consistency((old.0, root(size)), whole, &proof).is_err());
        prop_assert!(check_consistency(old, (size, old.1), &proof).is_err());
        let longer: Vec<Hash> = proof.iter().copied().chain([leaf]).collect();
        prop_assert!(check_consistency(old, whole, &longer).is_err());
    }
}
