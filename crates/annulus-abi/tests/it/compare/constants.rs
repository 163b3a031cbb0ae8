//! Every constant of the crate with its C name and its value, from the tables that the crate has of
//! itself, and by hand what is in no table.

use annulus_abi as abi;
use annulus_abi::{Opcode, RegisterOp};

/// Every constant of the crate that has a C name, with its value.
pub fn all() -> Vec<(&'static str, u64)> {
    let mut all = Vec::new();
    macro_rules! flags {
        ($($name:ident),*) => { $(
            for (c_name, bits, _) in abi::$name::TABLE {
                all.push((*c_name, u64::from(bits.bits())));
            }
        )* };
    }
    flags!(
        SqeFlags,
        CqeFlags,
        SetupFlags,
        Features,
        EnterFlags,
        SqFlags,
        CqFlags,
        RegWaitFlags,
        RecvSendFlags,
        AcceptFlags,
        PollFlags,
        CancelFlags,
        TimeoutFlags,
        FsyncFlags,
        MsgRingFlags,
        NopFlags,
        FixedFdFlags,
        SpliceFlags,
        UringCmdFlags,
        BufRegFlags,
        CloneFlags,
        RegionFlags,
        MemRegionFlags,
        ZcrxRegFlags,
        ZcrxFeatures,
        ZcrxAreaFlags,
        BpfFilterFlags
    );
    for (number, c_name) in Opcode::C_NAMES.iter().enumerate() {
        all.push((*c_name, number as u64));
    }
    for (number, (_, c_name, _)) in RegisterOp::TABLE.iter().enumerate() {
        all.push((*c_name, number as u64));
    }
    all.extend(single_constants());
    all
}

/// The constants that are in no table.
fn single_constants() -> Vec<(&'static str, u64)> {
    vec![
        ("IORING_FILE_INDEX_ALLOC", abi::FILE_INDEX_ALLOC.into()),
        ("IORING_REGISTER_USE_REGISTERED_RING", RegisterOp::USE_REGISTERED_RING.into()),
        ("IORING_OFF_SQ_RING", abi::MMAP_SQ_RING),
        ("IORING_OFF_CQ_RING", abi::MMAP_CQ_RING),
        ("IORING_OFF_SQES", abi::MMAP_SQES),
        ("IORING_OFF_PBUF_RING", abi::MMAP_PBUF_RING),
        ("IORING_OFF_PBUF_SHIFT", abi::MMAP_PBUF_SHIFT.into()),
        ("IORING_OFF_MMAP_MASK", abi::MMAP_MASK),
        ("IORING_CQE_BUFFER_SHIFT", abi::CqeFlags::BUFFER_SHIFT.into()),
        ("IORING_CQE_F_TSTAMP_HW", abi::CqeFlags::TSTAMP_HW.bits().into()),
        ("IORING_TIMESTAMP_TYPE_SHIFT", abi::CqeFlags::TIMESTAMP_TYPE_SHIFT.into()),
        ("IORING_NOTIF_USAGE_ZC_COPIED", abi::NOTIF_USAGE_ZC_COPIED.into()),
        ("IORING_TIMEOUT_CLOCK_MASK", abi::TimeoutFlags::CLOCK_MASK.bits().into()),
        ("IORING_TIMEOUT_UPDATE_MASK", abi::TimeoutFlags::UPDATE_MASK.bits().into()),
        ("IORING_MSG_DATA", abi::MsgRingCommand::DATA.0),
        ("IORING_MSG_SEND_FD", abi::MsgRingCommand::SEND_FD.0),
        ("SOCKET_URING_OP_SIOCINQ", abi::SocketOp::SIOCINQ.0.into()),
        ("SOCKET_URING_OP_SIOCOUTQ", abi::SocketOp::SIOCOUTQ.0.into()),
        ("SOCKET_URING_OP_GETSOCKOPT", abi::SocketOp::GETSOCKOPT.0.into()),
        ("SOCKET_URING_OP_SETSOCKOPT", abi::SocketOp::SETSOCKOPT.0.into()),
        ("SOCKET_URING_OP_TX_TIMESTAMP", abi::SocketOp::TX_TIMESTAMP.0.into()),
        ("SOCKET_URING_OP_GETSOCKNAME", abi::SocketOp::GETSOCKNAME.0.into()),
        ("IORING_RSRC_REGISTER_SPARSE", abi::ResourceRegister::SPARSE.into()),
        ("IORING_REGISTER_FILES_SKIP", i64::from(abi::FILES_SKIP) as u64),
        ("IO_URING_OP_SUPPORTED", abi::ProbeOp::SUPPORTED.into()),
        ("IORING_RW_ATTR_FLAG_PI", abi::AttrPi::TYPE),
        ("IORING_ZCRX_AREA_SHIFT", abi::ZcrxCqe::AREA_SHIFT.into()),
        ("IORING_ZCRX_AREA_MASK", abi::ZcrxCqe::AREA_MASK),
        ("IORING_RESTRICTION_REGISTER_OP", abi::RestrictionKind::REGISTER_OP.0.into()),
        ("IORING_RESTRICTION_SQE_OP", abi::RestrictionKind::SQE_OP.0.into()),
        ("IORING_RESTRICTION_SQE_FLAGS_ALLOWED", abi::RestrictionKind::SQE_FLAGS_ALLOWED.0.into()),
        (
            "IORING_RESTRICTION_SQE_FLAGS_REQUIRED",
            abi::RestrictionKind::SQE_FLAGS_REQUIRED.0.into(),
        ),
        ("IO_WQ_BOUND", abi::WorkerKind::Bound as u64),
        ("IO_WQ_UNBOUND", abi::WorkerKind::Unbound as u64),
        ("IO_URING_NAPI_REGISTER_OP", abi::NapiOp::REGISTER.0.into()),
        ("IO_URING_NAPI_STATIC_ADD_ID", abi::NapiOp::STATIC_ADD_ID.0.into()),
        ("IO_URING_NAPI_STATIC_DEL_ID", abi::NapiOp::STATIC_DEL_ID.0.into()),
        ("IO_URING_NAPI_TRACKING_DYNAMIC", abi::NapiTracking::DYNAMIC.0.into()),
        ("IO_URING_NAPI_TRACKING_STATIC", abi::NapiTracking::STATIC.0.into()),
        ("IO_URING_NAPI_TRACKING_INACTIVE", abi::NapiTracking::INACTIVE.0.into()),
        ("IO_URING_QUERY_OPCODES", abi::QueryOp::OPCODES.0.into()),
        ("IO_URING_QUERY_ZCRX", abi::QueryOp::ZCRX.0.into()),
        ("IO_URING_QUERY_SCQ", abi::QueryOp::SCQ.0.into()),
        ("IO_URING_BPF_CMD_FILTER", abi::BpfCommand::FILTER.into()),
        ("ZCRX_CTRL_FLUSH_RQ", abi::ZcrxControlOp::FLUSH_RQ.0.into()),
        ("ZCRX_CTRL_EXPORT", abi::ZcrxControlOp::EXPORT.0.into()),
    ]
}
