//! Busy-polling of network cards while a ring waits.
//!
//! Owns: its settings. Does not own: whether that pays: it burns CPU, and the kernel accepts it
//! without any card that could be polled. Mirrors io_uring_register_napi(3),
//! io_uring_unregister_napi(3).

use annulus_abi::{Napi, NapiOp, NapiTracking, RegisterOp};

use super::RegisterError;
use crate::{CqeShape, Ring, SqeShape};

/// How to busy-poll.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "io_uring_napi")]
pub struct BusyPoll {
    /// How long to poll before a wait sleeps, in microseconds.
    pub timeout_us: u32,
    /// Whether polling is preferred to interrupts.
    pub prefer: bool,
    /// Which cards are polled.
    pub tracking: Tracking,
}

/// Which cards are polled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[doc(alias = "io_uring_napi_tracking_strategy")]
pub enum Tracking {
    /// Those of the sockets in use, found as they are used.
    #[default]
    Dynamic,
    /// Those that were added with [`Ring::add_napi_id`] (since 6.13).
    Static,
    /// None: busy-polling is off. Only reported.
    Inactive,
}

impl BusyPoll {
    fn asked(self) -> Napi {
        let tracking = match self.tracking {
            Tracking::Dynamic => NapiTracking::DYNAMIC,
            Tracking::Static => NapiTracking::STATIC,
            Tracking::Inactive => NapiTracking::INACTIVE,
        };
        Napi {
            busy_poll_to: self.timeout_us,
            prefer_busy_poll: u8::from(self.prefer),
            opcode: NapiOp::REGISTER,
            op_param: tracking.0,
            ..Napi::default()
        }
    }

    fn told(napi: &Napi) -> Self {
        let tracking = match NapiTracking(napi.op_param) {
            NapiTracking::DYNAMIC => Tracking::Dynamic,
            NapiTracking::STATIC => Tracking::Static,
            _ => Tracking::Inactive,
        };
        Self { timeout_us: napi.busy_poll_to, prefer: napi.prefer_busy_poll != 0, tracking }
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Busy-polls from now on (since 6.9) and returns the former settings.
    ///
    /// # Errors
    /// EINVAL on rings with `IOPOLL`, for [`Tracking::Inactive`], and on kernels built without it.
    #[doc(alias = "io_uring_register_napi")]
    pub fn register_napi(&mut self, how: BusyPoll) -> Result<BusyPoll, RegisterError> {
        let mut napi = how.asked();
        // SAFETY: one structure, read and written during the call.
        unsafe { self.register_one(RegisterOp::NAPI, &mut napi, 1) }?;
        Ok(BusyPoll::told(&napi))
    }

    /// Busy-polls no more and returns the former settings.
    ///
    /// # Errors
    /// As [`register_napi`](Self::register_napi).
    #[doc(alias = "io_uring_unregister_napi")]
    pub fn unregister_napi(&mut self) -> Result<BusyPoll, RegisterError> {
        let mut napi = Napi::default();
        // SAFETY: one structure, written during the call.
        unsafe { self.register_one(RegisterOp::UNREGISTER_NAPI, &mut napi, 1) }?;
        Ok(BusyPoll::told(&napi))
    }

    /// With [`Tracking::Static`], polls the card with this id (`SO_INCOMING_NAPI_ID` of a socket)
    /// too (since 6.13).
    ///
    /// # Errors
    /// EINVAL if it is no id or the tracking is another one, EEXIST if it is there.
    #[doc(alias = "IO_URING_NAPI_STATIC_ADD_ID")]
    pub fn add_napi_id(&mut self, id: u32) -> Result<(), RegisterError> {
        self.napi_id(NapiOp::STATIC_ADD_ID, id)
    }

    /// Polls the card with this id no more (since 6.13).
    ///
    /// # Errors
    /// ENOENT if it was not added, EINVAL as [`add_napi_id`](Self::add_napi_id).
    #[doc(alias = "IO_URING_NAPI_STATIC_DEL_ID")]
    pub fn remove_napi_id(&mut self, id: u32) -> Result<(), RegisterError> {
        self.napi_id(NapiOp::STATIC_DEL_ID, id)
    }

    fn napi_id(&mut self, opcode: NapiOp, id: u32) -> Result<(), RegisterError> {
        let mut napi = Napi { opcode, op_param: id, ..Napi::default() };
        // SAFETY: one structure, read and written during the call.
        unsafe { self.register_one(RegisterOp::NAPI, &mut napi, 1) }.map(drop)
    }
}
