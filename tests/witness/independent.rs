//! Cosignatures beside an implementation that others wrote: Mullvad's `sigsum`, and witnesses that are in use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::tlog::{
    Checkpoint, Hash, Note, SigningKey, VerifyingKey, WitnessKey, WitnessSigner, leaf_hash,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sigsum::policy::{PolicyBuilder, SIGSUM_TEST_2025_3};
use sigsum::{InclusionProof, Leaf, SigsumSignature};

use super::Running;
use crate::support::world::ring as tls;

/// A proof of a public log, from the documentation of `sigsum` 0.3, with the signatures of eight witnesses.
const PUBLIC: &str = include_str!("sigsum-proof.txt");

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    bytes.as_ref().iter().fold(String::new(), digits)
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let read = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    pairs.iter().map(|pair| read(pair).unwrap()).collect()
}

/// The name that Sigsum gives to the log of a key.
fn sigsum_origin(key: &[u8]) -> String {
    let hash: [u8; 32] = sigsum::Hash::new(key).into();
    format!("sigsum.org/v1/tree/{}", hex(hash))
}

/// The bytes behind the name on the line of a signature, without the id.
fn signature(line: &str) -> Vec<u8> {
    let text = line.trim().rsplit(' ').next().unwrap();
    STANDARD.decode(text).unwrap()[4..].to_vec()
}

#[tokio::test]
async fn an_independent_verifier_takes_a_checkpoint_of_ours_and_what_our_witness_signed() {
    tls();
    let seed = [5; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
    let origin = sigsum_origin(&public);
    let key = SigningKey::from_seed(&origin, &seed).unwrap();
    // Its leaves have a form of their own; the tree over them is the same.
    let message = sigsum::Hash::new(b"a message");
    let checksum = sigsum::Hash::new(&message);
    let own = [b"sigsum.org/v1/tree-leaf\0".as_slice(), checksum.as_ref()].concat();
    let leaf = Leaf {
        digest: checksum.clone(),
        signature: <[u8; 64]>::try_from(pair.sign(&own).as_ref())
            .unwrap()
            .into(),
        keyhash: sigsum::Hash::new(public),
    };
    let bytes = [
        leaf.digest.as_ref(),
        leaf.signature.as_ref(),
        leaf.keyhash.as_ref(),
    ]
    .concat();
    let (first, second) = (leaf_hash(b"another"), leaf_hash(&bytes));
    let checkpoint = Checkpoint {
        origin: origin.clone(),
        size: 2,
        root: Hash::above(&first, &second),
    };
    let note = Note::new(checkpoint.to_string()).unwrap().signed(&key);
    // The witness signs it over HTTP, as it would for anybody.
    let folder = tempfile::tempdir().unwrap();
    let logs = [key.verifying().clone()];
    let running = Running::start(&folder.path().join("state"), &logs).await;
    let call = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = call.post(format!("{}/add-checkpoint", running.url()));
    let answer = call.body(format!("old 0\n\n{note}")).send().await.unwrap();
    let line = answer.text().await.unwrap();
    let cosigned = signature(&line);
    let (at, cosignature) = cosigned.split_first_chunk::<8>().unwrap();
    let shown = running.witness.key().to_string();
    let witness = STANDARD
        .decode(shown.splitn(3, '+').nth(2).unwrap())
        .unwrap();
    assert_eq!(witness[0], 4, "the kind that the specification has");
    let witness: [u8; 32] = witness[1..].try_into().unwrap();
    let log_signature = note.to_string();
    let log_signature = signature(log_signature.lines().last().unwrap());
    let proof = InclusionProof {
        leaf_index: 1,
        node_hashes: vec![(*first.as_bytes()).into()],
    };
    let ascii = |log_signature: &[u8], at: u64| {
        format!(
            "version=2\nlog={}\nleaf={} {}\n\nsize=2\nroot_hash={}\nsignature={}\ncosignature={} {at} {}\n\nleaf_index=1\nnode_hash={}\n",
            hex(sigsum::Hash::new(public)),
            hex(&leaf.keyhash),
            hex(&leaf.signature),
            hex(checkpoint.root.as_bytes()),
            hex(log_signature),
            hex(sigsum::Hash::new(witness)),
            hex(cosignature),
            hex(&proof.node_hashes[0]),
        )
    };
    let mut policy = PolicyBuilder::new();
    policy.add_log(public.into(), None).unwrap();
    let named = policy.add_witness("ours".to_owned(), witness.into(), None);
    named.unwrap().set_quorum("ours".to_owned()).unwrap();
    let policy = policy.build();
    let verify = |text: String| {
        let read = SigsumSignature::from_ascii(&text).unwrap();
        sigsum::verify(&message, &read, &[public.into()], &policy)
    };
    let at = u64::from_be_bytes(*at);
    verify(ascii(&log_signature, at)).unwrap();
    // It does notice what is wrong.
    let later = verify(ascii(&log_signature, at + 1))
        .unwrap_err()
        .to_string();
    assert!(later.contains("bad witness cosignature"), "{later}");
    // Cloudflare's reader takes the note with both, and knows the log's signature.
    let whole = format!("{note}{line}");
    let read = signed_note::Note::from_bytes(whole.as_bytes()).unwrap();
    let known = signed_note::StandardVerifier::new(&key.verifying().to_string()).unwrap();
    let list = signed_note::VerifierList::new(vec![Box::new(known)]);
    let (known, others) = read.verify(&list).unwrap();
    assert_eq!((known.len(), others.len()), (1, 1));
}

#[test]
fn we_verify_what_witnesses_in_use_have_signed() {
    let value = |name: &str| {
        let mut lines = PUBLIC.lines();
        lines.find_map(|line| line.strip_prefix(name)).unwrap()
    };
    let root: [u8; 32] = unhex(value("root_hash=")).try_into().unwrap();
    let checkpoint = Checkpoint {
        origin: format!("sigsum.org/v1/tree/{}", value("log=")),
        size: value("size=").parse().unwrap(),
        root: Hash::from_bytes(root),
    };
    let note = Note::new(checkpoint.to_string()).unwrap();
    let mut seen = 0;
    for line in PUBLIC.lines() {
        let Some(rest) = line.strip_prefix("cosignature=") else {
            continue;
        };
        let parts: Vec<&str> = rest.split(' ').collect();
        let hash: [u8; 32] = unhex(parts[0]).try_into().unwrap();
        let Some(witness) = SIGSUM_TEST_2025_3.get_witness_by_keyhash(&hash.into()) else {
            continue;
        };
        let key = WitnessKey::new(&witness.name, witness.pubkey.into()).unwrap();
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let at: u64 = parts[1].parse().unwrap();
        let id = u32::from_str_radix(key.to_string().split('+').nth(1).unwrap(), 16).unwrap();
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend(at.to_be_bytes());
        bytes.extend(unhex(parts[2]));
        let line = |bytes: &[u8]| format!("— {} {}\n", witness.name, STANDARD.encode(bytes));
        let (cosigned, when) = key.add(&note, &line(&bytes)).unwrap();
        assert_eq!(
            (when, key.seen_at(&cosigned)),
            (at, Ok(at)),
            "{}",
            witness.name
        );
        // Not at another moment, and not of another checkpoint.
        bytes[11] ^= 1;
        assert!(key.add(&note, &line(&bytes)).is_err());
        bytes[11] ^= 1;
        let other = Note::new(checkpoint.to_string().replace("tree", "trie")).unwrap();
        assert!(key.add(&other, &line(&bytes)).is_err());
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn a_key_of_a_witness_and_one_of_a_log_are_not_taken_for_each_other() {
    let signer = WitnessSigner::from_seed("w", &[1; 32]).unwrap();
    let (ours, log) = (
        signer.verifying().to_string(),
        SigningKey::from_seed("w", &[1; 32]).unwrap(),
    );
    assert!(ours.parse::<VerifyingKey>().is_err());
    assert!(log.verifying().to_string().parse::<WitnessKey>().is_err());
    // Nor is a plain signature a cosignature, where the bytes of the keys are the same.
    let note = Note::new("text\n".to_owned()).unwrap();
    let plain = note.clone().signed(&log);
    assert!(signer.verifying().seen_at(&plain).is_err());
    let line = signer.cosign(&note, 1_700_000_000);
    let cosigned = Note::read(&format!("{}\n{line}", note.unverified())).unwrap();
    assert!(cosigned.verify(log.verifying()).is_err());
    assert_eq!(signer.verifying().seen_at(&cosigned), Ok(1_700_000_000));
}
