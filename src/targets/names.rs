//! What our objects on targets are called: `pcl_<installation>_<ten digits of the grant>`.

use std::fmt;

use crate::domain::ids::GrantId;
use crate::secret::Key;

use super::Failure;

/// Crockford's base32 in lower case, as in grant ids: safe in every target's names without quoting.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Thirty bits: two installations that share a target differ with a chance of all but one in a billion.
const LETTERS: usize = 6;

/// The mark of one Portcullis installation, so that two of them on one target leave each other's objects alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Installation(String);

impl Installation {
    /// The mark that belongs to a master key: every node that holds the key finds the same one.
    pub fn of(key: &Key) -> Self {
        let bytes = key.derive("installation", &[]);
        let letter = |byte: &u8| {
            ALPHABET
                .get(usize::from(byte & 31))
                .copied()
                .map_or('0', char::from)
        };
        Self(bytes.iter().take(LETTERS).map(letter).collect())
    }

    /// The six characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of the object that stands for a grant on its target.
pub fn object_of(installation: &Installation, grant: &GrantId) -> String {
    format!("pcl_{installation}_{}", grant.digits())
}

/// The grant an object stands for; `None` when the object is not ours.
pub(super) fn grant_of(installation: &Installation, object: &str) -> Option<GrantId> {
    let digits = object
        .strip_prefix("pcl_")?
        .strip_prefix(installation.as_str())?
        .strip_prefix('_')?;
    let grant: GrantId = format!("G-{digits}").parse().ok()?;
    // Parsing forgives capitals and spaces, a name on a target does not.
    (object_of(installation, &grant) == object).then_some(grant)
}

/// The same for something that is about to be taken away: what is not ours is left alone.
pub(super) fn ours(installation: &Installation, object: &str) -> Result<GrantId, Failure> {
    grant_of(installation, object).ok_or_else(|| {
        Failure::permanent(format!(
            "`{}` is not an object of ours",
            object.escape_default()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_leads_back_to_its_grant() {
        let ours = Installation::of(&Key::new([1; 32]));
        let grant = GrantId::from_bits(77);
        let object = object_of(&ours, &grant);
        assert_eq!(grant_of(&ours, &object), Some(grant));
        assert_eq!(ours.as_str().len(), LETTERS);
    }

    #[test]
    fn objects_of_others_are_not_ours() {
        let ours = Installation::of(&Key::new([1; 32]));
        let theirs = object_of(
            &Installation::of(&Key::new([2; 32])),
            &GrantId::from_bits(77),
        );
        let capitals = object_of(&ours, &GrantId::from_bits(0x3ff)).to_uppercase();
        for object in [
            theirs.as_str(),
            capitals.as_str(),
            "postgres",
            "pcl_",
            &format!("pcl_{ours}_keeper"),
        ] {
            assert_eq!(grant_of(&ours, object), None, "{object}");
        }
    }
}
