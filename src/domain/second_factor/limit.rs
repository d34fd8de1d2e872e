//! How often something may be tried. The count is taken before the try is looked at, so tries side by side count, too.

use chrono::{DateTime, TimeDelta, Utc};

use super::SecondFactorRefusal;

/// So many tries in so much time, counted from the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub tries: i64,
    pub per: TimeDelta,
}

/// Codes of one person: a million codes of which three are right need five million tries for a one-in-two chance.
pub const SECOND_FACTOR: Limit = Limit {
    tries: 5,
    per: TimeDelta::minutes(15),
};
/// Passwords of one account.
pub const PASSWORD_OF_ACCOUNT: Limit = Limit {
    tries: 10,
    per: TimeDelta::minutes(15),
};
/// Passwords from one address. Behind a proxy all people have one address, so this is no lock-out but a brake.
pub const PASSWORD_FROM_ADDRESS: Limit = Limit {
    tries: 100,
    per: TimeDelta::minutes(15),
};

/// Step-ups that one person begins at the identity provider. There is nothing to guess; it is so that rows do not pile up.
pub const AT_PROVIDER: Limit = Limit {
    tries: 40,
    per: TimeDelta::minutes(15),
};

/// Sealed codes from one address. One cannot be guessed; this keeps a machine from trying all the same.
pub const SEALED_FROM_ADDRESS: Limit = Limit {
    tries: 10,
    per: TimeDelta::minutes(15),
};
/// After this a count of any kind is over, so that it says nothing any more.
pub const LONGEST_COUNT: TimeDelta = TimeDelta::minutes(15);

impl Limit {
    /// Whether the try with this number, of a count that began then, is one too many.
    pub fn check(
        self,
        count: i64,
        began_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), SecondFactorRefusal> {
        if count <= self.tries {
            return Ok(());
        }
        let left = (began_at + self.per - now).max(TimeDelta::seconds(1));
        Err(SecondFactorRefusal::TriedTooOften {
            wait: TimeDelta::seconds(left.num_seconds()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_forgotten_while_it_counts() {
        for limit in [
            SECOND_FACTOR,
            PASSWORD_OF_ACCOUNT,
            PASSWORD_FROM_ADDRESS,
            SEALED_FROM_ADDRESS,
        ] {
            assert!(limit.per <= LONGEST_COUNT, "{limit:?}");
        }
    }
}
