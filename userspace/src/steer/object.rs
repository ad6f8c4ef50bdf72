//! The XDP program, embedded, and the number of its layout.

use object::{Object, ObjectSection};
use sluice_common::abi;

use super::SteerError;

/// The XDP program as the build made it: an ELF object for the BPF machine, with BTF.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sluice-xdp.o"));

/// Makes sure that `object` was built for the layout of maps that this binary was built for.
pub(super) fn check_abi(object: &[u8]) -> Result<(), SteerError> {
    match abi_of(object)? {
        abi::ABI => Ok(()),
        found => Err(SteerError::Abi { found, expected: abi::ABI }),
    }
}

fn abi_of(object: &[u8]) -> Result<u32, SteerError> {
    let file = object::File::parse(object)
        .map_err(|error| SteerError::Object { reason: error.to_string() })?;
    let section = file.section_by_name(abi::ABI_SECTION);
    section
        .and_then(|section| section.data().ok())
        .and_then(|data| data.first_chunk().copied())
        // Program and binary run on the same machine, whose order the `bpfel` target has to be.
        .map(u32::from_le_bytes)
        .ok_or_else(|| SteerError::Object {
            reason: format!("it has no section {}: is it Sluice's?", abi::ABI_SECTION),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the number stands in the object.
    fn abi_at(object: &[u8]) -> usize {
        let file = object::File::parse(object).unwrap();
        let section = file.section_by_name(abi::ABI_SECTION).unwrap();
        section.file_range().unwrap().0 as usize
    }

    #[test]
    fn the_embedded_object_has_this_layout() {
        check_abi(OBJECT).unwrap();
    }

    #[test]
    fn another_layout_is_refused_with_both_numbers() {
        let mut object = OBJECT.to_vec();
        let at = abi_at(&object);
        object[at..at + 4].copy_from_slice(&77_u32.to_le_bytes());
        let error = check_abi(&object).unwrap_err();
        assert!(
            matches!(error, SteerError::Abi { found: 77, expected: abi::ABI }),
            "expected a layout error, got {error}"
        );
    }

    #[test]
    fn something_else_is_no_program() {
        assert!(matches!(check_abi(b"\x7fELF"), Err(SteerError::Object { .. })));
    }
}
