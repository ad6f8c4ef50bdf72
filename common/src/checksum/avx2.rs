//! The same loops with registers twice as wide, for CPUs that have them.
//!
//! Sluice is built for every x86-64, and there registers have 16 bytes. What these loops add up, in which parts and why it
//! cannot overflow, is told in `kernel`, whose loops the tests compare with these. They are written in instructions: of
//! the loops of `kernel` the compiler makes three times as many for these registers.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_si256, _mm256_sub_epi32,
};

use super::kernel::{BLOCK, MOST, sum_words};

cpufeatures::new!(avx2, "avx2");

/// Bytes of a register.
const WIDTH: usize = 32;

/// Registers of a block.
const REGISTERS: usize = BLOCK / WIDTH;

/// Proof that this CPU, and the operating system on it, have AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// Asks the CPU the first time, and remembers.
    #[inline]
    pub(super) fn found() -> Option<Self> {
        avx2::get().then_some(Self(()))
    }

    /// As `kernel::sum_blocks`.
    #[inline]
    pub(super) fn sum(self, bytes: &[u8]) -> u64 {
        // SAFETY: AVX2 is all that is asked for, and there is no `Avx2` but where `found` has found it.
        #[expect(unsafe_code, reason = "the compiler does not know what CPU it will be")]
        unsafe {
            sum(bytes)
        }
    }

    /// As `kernel::copy_blocks`.
    #[inline]
    pub(super) fn copy(self, from: &[u8], to: &mut [u8]) -> u64 {
        // SAFETY: as above.
        #[expect(unsafe_code, reason = "the compiler does not know what CPU it will be")]
        unsafe {
            copy(from, to)
        }
    }
}

#[target_feature(enable = "avx2")]
fn sum(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut total = sum_words(rest);
    for blocks in blocks.chunks(MOST) {
        let mut lanes = Wide::new();
        for block in blocks {
            lanes.add(load(block));
        }
        total += lanes.total();
    }
    total
}

#[target_feature(enable = "avx2")]
fn copy(from: &[u8], to: &mut [u8]) -> u64 {
    let (blocks, rest) = from.as_chunks::<BLOCK>();
    let (out, out_rest) = to.as_chunks_mut::<BLOCK>();
    out_rest.copy_from_slice(rest);
    let mut total = sum_words(rest);
    for (blocks, out) in blocks.chunks(MOST).zip(out.chunks_mut(MOST)) {
        let mut lanes = Wide::new();
        for (block, out) in blocks.iter().zip(out) {
            let block = load(block);
            lanes.add(block);
            store(block, out);
        }
        total += lanes.total();
    }
    total
}

/// `kernel::Lanes` in registers.
struct Wide {
    whole: [__m256i; REGISTERS],
    upper: [__m256i; REGISTERS],
}

impl Wide {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new() -> Self {
        let zero = [_mm256_setzero_si256(); REGISTERS];
        Self { whole: zero, upper: zero }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(&mut self, block: [__m256i; REGISTERS]) {
        for ((whole, upper), words) in self.whole.iter_mut().zip(&mut self.upper).zip(block) {
            *whole = _mm256_add_epi32(*whole, words);
            *upper = _mm256_add_epi32(*upper, _mm256_srli_epi32::<16>(words));
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn total(self) -> u64 {
        let mut halves = self.upper;
        for (half, whole) in halves.iter_mut().zip(self.whole) {
            let lower = _mm256_sub_epi32(whole, _mm256_slli_epi32::<16>(*half));
            *half = _mm256_add_epi32(*half, lower);
        }
        let mut words = [0; BLOCK];
        store(halves, &mut words);
        let words = words.as_chunks::<4>().0.iter();
        u64::from(words.map(|word| u32::from_ne_bytes(*word)).sum::<u32>())
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(block: &[u8; BLOCK]) -> [__m256i; REGISTERS] {
    let (parts, _) = block.as_chunks::<WIDTH>();
    [0, 1].map(|part: usize| {
        // SAFETY: 32 bytes are read where a reference to 32 bytes points, at any alignment.
        #[expect(unsafe_code, reason = "loads of registers take pointers")]
        unsafe {
            _mm256_loadu_si256(parts[part].as_ptr().cast())
        }
    })
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(block: [__m256i; REGISTERS], out: &mut [u8; BLOCK]) {
    for (register, out) in block.into_iter().zip(out.as_chunks_mut::<WIDTH>().0) {
        // SAFETY: 32 bytes are written where the only reference to 32 bytes points, at any alignment.
        #[expect(unsafe_code, reason = "stores of registers take pointers")]
        unsafe {
            _mm256_storeu_si256(out.as_mut_ptr().cast(), register);
        }
    }
}
