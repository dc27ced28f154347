//! What a policy may use up in one call.

use std::time::Duration;

/// Bounds of one call. The defaults suit every policy that reads its input once or twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time of a call; held with a grain of 10 ms, and never shorter than this. Default 1 s.
    pub time: Duration,
    /// Bytes of linear memory, the input included. Default 64 MiB.
    pub memory: usize,
    /// Bytes of an answer, roughly. Default 1 MiB.
    pub answer: usize,
    /// Log lines that are kept of a call; the others are counted. Default 64.
    pub log_lines: usize,
    /// Bytes of a log line; the rest is cut off. Default 1024.
    pub log_line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(1), memory: 64 << 20, answer: 1 << 20, log_lines: 64, log_line: 1024 }
    }
}

/// Bytes as a person reads them: `64 MiB`, `1.5 KiB`.
pub(crate) fn humane_bytes(bytes: usize) -> String {
    let units = [(30_u32, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, unit)) = units.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    // Rounded up: what is more than a limit must not read like the limit.
    let tenths = (bytes.div_ceil(1 << (shift - 10)) * 10).div_ceil(1024);
    if tenths.is_multiple_of(10) {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_a_person_writes_them() {
        let table = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            ((16 << 20) + 1, "16.1 MiB"),
            (3 << 30, "3 GiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(humane_bytes(bytes), text);
        }
    }
}
