//! Signed notes and checkpoints: others take ours, and we take theirs.

use portcullis::tlog::{Checkpoint, Hash, Note, NoteError, SigningKey, VerifyingKey};
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};

const ORIGIN: &str = "portcullis.example.org/audit/7/1";

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 70_001,
        root: Hash::of_nothing(),
    }
}

fn signed() -> Note {
    Note::new(checkpoint().to_string()).unwrap().signed(&key())
}

#[test]
fn others_verify_our_checkpoints() {
    let text = signed().to_string();
    let known = StandardVerifier::new(&key().verifying().to_string()).unwrap();
    let note = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
    let (verified, unverified) = note
        .verify(&VerifierList::new(vec![Box::new(known)]))
        .unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, 70_001));
    assert_eq!(theirs.hash().0, *Hash::of_nothing().as_bytes());
}

#[test]
fn we_verify_what_others_signed_and_notice_other_signatures() {
    // From the documentation of Go's `golang.org/x/mod/sumdb/note`.
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    theirs
        .add_sigs(&[&StandardSigner::new(private).unwrap()])
        .unwrap();
    let sent = String::from_utf8(theirs.to_bytes()).unwrap();
    let known: VerifyingKey = public.parse().unwrap();
    assert_eq!(known.to_string(), public);
    let note = Note::read(&sent).unwrap();
    assert_eq!(note.verify(&known), Ok(text));
    assert_eq!(note.to_string(), sent);
    let name = ORIGIN.to_owned();
    assert_eq!(
        note.verify(key().verifying()),
        Err(NoteError::Unsigned { name })
    );
    let changed = Note::read(&sent.replace("answer", "anchor")).unwrap();
    let name = "PeterNeumann".to_owned();
    assert_eq!(changed.verify(&known), Err(NoteError::Signature { name }));
}

#[test]
fn a_checkpoint_is_read_as_it_was_written() {
    let text = checkpoint().to_string();
    assert_eq!(text.parse(), Ok(checkpoint()));
    assert_eq!(format!("{text}an extension\n").parse(), Ok(checkpoint()));
    for wrong in [
        "",
        "\n",
        "origin\n7\n",
        "\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n07\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n-7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n7\n47DEQpj8HBSa\n",
        "origin\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "origin\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n",
        "origin\n99999999999999999999\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    ] {
        assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong:?}");
    }
}

#[test]
fn keys_that_are_not_what_they_say_are_refused() {
    let good = key().verifying().to_string();
    assert!(good.parse::<VerifyingKey>().is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    for wrong in [
        String::new(),
        name.to_owned(),
        format!("other+{rest}"),
        good.replace("+AR", "+BR").replacen("+A", "+C", 1),
        format!("with space+{rest}"),
        format!("{good}A"),
    ] {
        assert!(wrong.parse::<VerifyingKey>().is_err(), "{wrong}");
    }
    assert!(SigningKey::from_seed("two words", &[1; 32]).is_err());
}

#[test]
fn notes_with_control_characters_are_none() {
    assert_eq!(Note::new("no line feed".to_owned()), None);
    assert_eq!(Note::new("\u{1b}[31mred\n".to_owned()), None);
    assert_eq!(Note::read("text\n\n"), Err(NoteError::Form));
    assert_eq!(Note::read("text\n\n— name AAAA\n"), Err(NoteError::Form));
    assert_eq!(
        Note::read("text\n\n- name AAAAAAAA\n"),
        Err(NoteError::Form)
    );
}

proptest! {
    #[test]
    fn no_changed_byte_of_a_note_goes_unnoticed(place in 0..400_usize, byte in any::<u8>()) {
        let text = signed().to_string();
        let mut bytes = text.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(other) = String::from_utf8(bytes)
            && other != text
        {
            let read = Note::read(&other);
            let taken = read.as_ref().is_ok_and(|note| note.verify(key().verifying()).is_ok());
            prop_assert!(!taken, "{}", other);
        }
    }
}
