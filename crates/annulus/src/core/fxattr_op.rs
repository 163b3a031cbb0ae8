//! Extended attributes of an open file.
//!
//! Owns: the operations with the memory of names and values. Mirrors fsetxattr(2), fgetxattr(2).

use std::ffi::CString;
use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::op::Operation;
use super::{Core, errors};

/// Sets an attribute.
pub(crate) struct SetXattrOf {
    pub(crate) handle: Handle,
    pub(crate) name: CString,
    pub(crate) value: Vec<u8>,
    pub(crate) flags: i32,
}

// SAFETY: name and value are on the heap and owned by this operation.
unsafe impl Operation for SetXattrOf {
    type Output = io::Result<()>;
    const OPCODE: Option<Opcode> = Some(Opcode::FSETXATTR);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (name, value) = (self.name.as_ptr(), self.value.as_ptr());
        // The length was checked when it was made.
        let (len, flags) = (self.value.len() as u32, self.flags);
        op::Fsetxattr { target, name, value, len, flags }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 { Err(errors::from_res(res)) } else { Ok(()) }
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}

/// The refusal of a read without room: the kernel would tell the length and write nothing.
pub(super) fn no_room(value: &Vec<u8>) -> Option<io::Error> {
    (value.capacity() == 0).then(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "there is no room for the value: give some")
    })
}

/// Reads an attribute into the capacity of a vector, which is not 0.
pub(crate) struct XattrOf {
    pub(crate) handle: Handle,
    pub(crate) name: CString,
    pub(crate) value: Vec<u8>,
}

// SAFETY: name and value are on the heap and owned by this operation.
unsafe impl Operation for XattrOf {
    type Output = io::Result<Vec<u8>>;
    const OPCODE: Option<Opcode> = Some(Opcode::FGETXATTR);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        no_room(&self.value)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (name, value) = (self.name.as_ptr(), self.value.as_mut_ptr());
        let len = u32::try_from(self.value.capacity()).unwrap_or(u32::MAX);
        op::Fgetxattr { target, name, value, len }.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(errors::from_res(res));
        }
        // SAFETY: the kernel wrote so many bytes from the start, within the capacity it was given,
        // which was not 0: such a read is refused.
        unsafe { self.value.set_len(res as usize) };
        Ok(self.value)
    }

    fn refuse(_this: Option<Self>, error: io::Error) -> Self::Output {
        Err(error)
    }
}
