//! Tiles and bundles: their addresses are the ones of the format, and nothing else is read as one.

use portcullis::tlog::{Bundle, Node, TileAt};
use proptest::prelude::*;

#[test]
fn addresses_are_the_ones_that_others_write() {
    for (level, number, width) in [
        (0, 0, 256),
        (0, 0, 1),
        (1, 999, 255),
        (2, 1_000, 256),
        (0, 1_234_067, 256),
        (3, 1_234_067, 17),
    ] {
        let at = TileAt {
            level,
            number,
            width,
        };
        let theirs = tlog_tiles::Tile::new(8, level, number, u32::from(width), false).path();
        // Theirs is the older format, which names the height.
        assert_eq!(at.to_string(), theirs.replacen("tile/8/", "tile/", 1));
        let rest = at.to_string();
        let (level, rest) = rest.strip_prefix("tile/").unwrap().split_once('/').unwrap();
        assert_eq!(TileAt::read(level, rest), Some(at));
    }
    let at = TileAt {
        level: 0,
        number: 1_234_067,
        width: 9,
    };
    assert_eq!(at.bundle_path(), "tile/entries/x001/x234/067.p/9");
}

#[test]
fn what_no_address_has_is_not_read() {
    for (level, rest) in [
        ("00", "000"),
        ("8", "000"),
        ("-1", "000"),
        ("0", ""),
        ("0", "0"),
        ("0", "0000"),
        ("0", "x000/001"),
        ("0", "001/002"),
        ("0", "x001/x002"),
        ("0", "x001/-02"),
        ("0", "001.p/0"),
        ("0", "001.p/256"),
        ("0", "001.p/01"),
        ("0", "001.p/+1"),
        ("0", "001.p/"),
        ("0", "001/"),
        ("0", "x999/x999/x999/x999/x999/x999/x999/999"),
    ] {
        assert_eq!(TileAt::read(level, rest), None, "{level} {rest}");
    }
}

#[test]
fn a_node_lies_in_the_tile_of_its_level_if_the_log_is_long_enough() {
    let node = |level, index| Node { level, index };
    let at = |level, number, width| {
        Some(TileAt {
            level,
            number,
            width,
        })
    };
    assert_eq!(TileAt::of(node(0, 300), 301), at(0, 1, 45));
    assert_eq!(TileAt::of(node(0, 300), 300), None);
    assert_eq!(TileAt::of(node(7, 1), 256), at(0, 0, 256));
    assert_eq!(TileAt::of(node(7, 1), 255), None);
    assert_eq!(TileAt::of(node(8, 0), 256), at(1, 0, 1));
    assert_eq!(TileAt::of(node(9, 1), 1024), at(1, 0, 4));
    assert_eq!(TileAt::of(node(63, 1), u64::MAX), None);
}

proptest! {
    #[test]
    fn entries_come_out_of_a_bundle_as_they_went_in(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
    ) {
        let mut bundle = Bundle::default();
        for entry in &entries {
            prop_assert!(bundle.push(entry));
        }
        let mut bytes = bundle.into_bytes();
        prop_assert_eq!(Bundle::read(&bytes).unwrap(), entries);
        bytes.push(7);
        prop_assert!(Bundle::read(&bytes).is_none());
    }

    #[test]
    fn no_bytes_make_the_readers_fall(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
        let _ = Bundle::read(&bytes);
        let _ = TileAt::read("0", &text);
    }
}

#[test]
fn an_entry_that_is_too_long_for_a_bundle_is_refused() {
    assert!(Bundle::default().push(&vec![0; 65_535]));
    assert!(!Bundle::default().push(&vec![0; 65_536]));
}
