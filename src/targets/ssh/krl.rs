//! OpenSSH's list of revoked keys (its `PROTOCOL.krl`): what a host must know of certificates that are over before they end.

use chrono::{DateTime, Utc};

const MAGIC: u64 = 0x5353_484b_524c_0a00;
const FORMAT: u32 = 1;
/// The section about certificates of one authority, and in it the part that names them by their key ids.
const CERTIFICATES: u8 = 1;
const KEY_IDS: u8 = 0x23;

/// The list for certificates of this authority, given as the blob of its public key. Later lists have higher versions.
pub(super) fn list(
    authority: &[u8],
    key_ids: &[String],
    version: u64,
    at: DateTime<Utc>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_be_bytes());
    bytes.extend(FORMAT.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(
        u64::try_from(at.timestamp())
            .unwrap_or_default()
            .to_be_bytes(),
    );
    // No flags, and nothing in what is reserved.
    bytes.extend(0_u64.to_be_bytes());
    string(&mut bytes, b"");
    string(&mut bytes, b"portcullis");
    if key_ids.is_empty() {
        return bytes;
    }
    let mut ids = Vec::new();
    for id in key_ids {
        string(&mut ids, id.as_bytes());
    }
    let mut section = Vec::new();
    string(&mut section, authority);
    string(&mut section, b"");
    section.push(KEY_IDS);
    string(&mut section, &ids);
    bytes.push(CERTIFICATES);
    string(&mut bytes, &section);
    bytes
}

/// Bytes with their length before them.
fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}
