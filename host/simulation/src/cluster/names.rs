//! Names that Kubernetes makes up.

/// The letters and digits that it uses: none that spells a word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many names of so many letters there are.
pub(super) const fn names(length: u32) -> u64 {
    27u64.pow(length)
}

/// A number as a name of so many letters; each has its own as long as they are below [`names`].
pub(super) fn name(mut number: u64, length: u32) -> String {
    let letter = |_| {
        let letter = LETTERS[usize::try_from(number % 27).unwrap_or(0)];
        number /= 27;
        char::from(letter)
    };
    (0..length).map(letter).collect()
}
