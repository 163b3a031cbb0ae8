//! Operations on extended attributes of a path.
//!
//! Owns: the operations with the memory of their strings and values. Invariant: a value has exactly
//! the length that the kernel wrote.

use std::ffi::CString;
use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use rustix::buffer::spare_capacity;
use rustix::fs::XattrFlags;

use super::fxattr_op::no_room;
use super::key::Handle;
use super::name_op::{Aside, Failed};
use super::op::Operation;
use super::{Core, errors};

/// Reads an attribute into the spare room of `value`, which is empty and has some.
pub(crate) struct GetPathXattr {
    pub(crate) path: CString,
    pub(crate) name: CString,
    pub(crate) value: Vec<u8>,
}

// SAFETY: strings and value are on the heap and owned by this operation.
unsafe impl Operation for GetPathXattr {
    type Output = Result<Vec<u8>, Failed<Self>>;
    const OPCODE: Option<Opcode> = Some(Opcode::GETXATTR);

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn refusal(&self) -> Option<io::Error> {
        no_room(&self.value)
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let (path, name) = (self.path.as_ptr(), self.name.as_ptr());
        let len = self.value.capacity().min(u32::MAX as usize) as u32;
        op::Getxattr { path, name, value: self.value.as_mut_ptr(), len }.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(Failed::of(self, errors::from_res(res)));
        }
        // SAFETY: the kernel wrote `res` bytes from the start, within the capacity it was given,
        // which was not 0: such a read is refused.
        unsafe { self.value.set_len(res as usize) };
        Ok(self.value)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(Failed { error, op: this.map(Box::new) })
    }
}

impl Aside for GetPathXattr {
    const ON_RING: Opcode = Opcode::GETXATTR;

    fn detach(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn call(mut self) -> Self::Output {
        if let Some(error) = no_room(&self.value) {
            return Err(Failed::of(self, error));
        }
        let Self { path, name, value } = &mut self;
        match rustix::fs::getxattr(path.as_c_str(), name.as_c_str(), spare_capacity(value)) {
            Ok(_) => Ok(self.value),
            Err(errno) => Err(Failed::of(self, errno.into())),
        }
    }
}

/// Sets an attribute.
pub(crate) struct SetPathXattr {
    pub(crate) path: CString,
    pub(crate) name: CString,
    pub(crate) value: Vec<u8>,
    pub(crate) flags: i32,
}

// SAFETY: strings and value are on the heap and owned by this operation.
unsafe impl Operation for SetPathXattr {
    type Output = Result<(), Failed<Self>>;
    const OPCODE: Option<Opcode> = Some(Opcode::SETXATTR);

    fn handle(&self) -> Option<Handle> {
        None
    }

    /// The kernel is told 32 bits of the length; it takes 64 KiB at most.
    fn refusal(&self) -> Option<io::Error> {
        u32::try_from(self.value.len()).is_err().then(|| errors::from_res(-libc::E2BIG))
    }

    fn encode(&mut self, _target: Target, sqe: &mut Sqe) {
        let set = op::Setxattr {
            path: self.path.as_ptr(),
            name: self.name.as_ptr(),
            value: self.value.as_ptr(),
            len: self.value.len() as u32,
            flags: self.flags,
        };
        set.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res >= 0 {
            return Ok(());
        }
        Err(Failed::of(self, errors::from_res(res)))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(Failed { error, op: this.map(Box::new) })
    }
}

impl Aside for SetPathXattr {
    const ON_RING: Opcode = Opcode::SETXATTR;

    fn detach(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn call(self) -> Self::Output {
        let flags = XattrFlags::from_bits_retain(self.flags as u32);
        match rustix::fs::setxattr(&*self.path, &*self.name, &self.value, flags) {
            Ok(()) => Ok(()),
            Err(errno) => Err(Failed::of(self, errno.into())),
        }
    }
}

#[cfg(test)]
mod tests;
