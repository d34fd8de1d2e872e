//! Numbers that people type: `1 3-5,7`.

/// More than this in one range is a slip of the finger.
const MOST: usize = 5_000;

/// The numbers in the order in which they were typed; what is none is left out.
pub(super) fn numbers(text: &str) -> Vec<usize> {
    let mut all = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        match word.split_once('-') {
            None => all.extend(word.parse::<usize>().ok()),
            Some((from, to)) => {
                if let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>())
                    && to.saturating_sub(from) < MOST
                {
                    all.extend(from..=to);
                }
            }
        }
    }
    all.retain(|number| *number > 0);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_are_numbers() {
        assert_eq!(numbers("1 3-5,7"), [1, 3, 4, 5, 7]);
        assert_eq!(numbers("0 x 5-2 -"), [] as [usize; 0]);
        assert_eq!(numbers("1-999999999999"), [] as [usize; 0]);
    }
}
