//! LEB128 integers and a bounds-checked reader.

use crate::error::{Result, StorageError};

pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The integer of up to eight bytes that fills `bytes`; None for anything else, which [`Reader`] reads or refuses.
#[inline]
pub(crate) fn whole_varint(bytes: &[u8]) -> Option<u64> {
    let (last, rest) = bytes.split_last()?;
    if rest.len() > 7 || last & 0x80 != 0 {
        return None;
    }
    let mut value = u64::from(*last) << (7 * rest.len());
    for (at, byte) in rest.iter().enumerate() {
        if byte & 0x80 == 0 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
    }
    Some(value)
}

/// Maps small magnitudes of either sign to small numbers.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads bytes that came from disk: every step checks that there is enough left, and errors with `Corrupted`.
#[derive(Clone)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    what: &'static str,
}

impl<'b> Reader<'b> {
    /// `what` names the bytes in errors.
    pub fn new(bytes: &'b [u8], what: &'static str) -> Reader<'b> {
        Reader { rest: bytes, what }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'b [u8]> {
        if count > self.rest.len() {
            return Err(self.corrupted("ends early"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("length was just checked"))
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupted("holds an overlong integer"))
    }

    pub fn varint_u32(&mut self) -> Result<u32> {
        u32::try_from(self.varint()?).map_err(|_| self.corrupted("holds an id above 32 bits"))
    }

    /// A count of things that take at least one byte each, so a wrong one cannot ask for much memory.
    pub fn length(&mut self) -> Result<usize> {
        let length = self.varint()?;
        if length > self.rest.len() as u64 {
            return Err(self.corrupted("holds a length beyond its end"));
        }
        Ok(length as usize)
    }

    pub fn text(&mut self, count: usize) -> Result<&'b str> {
        let bytes = self.bytes(count)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupted("holds text that is not UTF-8"))
    }

    pub fn corrupted(&self, problem: &str) -> StorageError {
        StorageError::Corrupted(format!("{} {problem}", self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_survive() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            assert_eq!(Reader::new(&out, "test").varint().unwrap(), value);
        }
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                write_varint(&mut out, value);
                assert_eq!(whole_varint(&out), (out.len() <= 8).then_some(value));
                assert_eq!(whole_varint(&out[..out.len() - 1]), None);
                out.push(0);
                assert_eq!(whole_varint(&out), None);
            }
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert!(Reader::new(&[0xff; 11], "test").varint().is_err());
        assert!(Reader::new(&[0x80], "test").varint().is_err());
    }
}
