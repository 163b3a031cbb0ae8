//! Every structure of the crate with its C name, its size and the offsets of its members.
//!
//! Reserved members are left out where a later kernel took some of their bytes.

use core::mem::offset_of;

use annulus_abi::*;

/// A structure.
pub struct Layout {
    /// Its C name, without `struct`.
    pub name: &'static str,
    /// Its size.
    pub bytes: usize,
    /// Its members' C names and offsets.
    pub members: Vec<(&'static str, usize)>,
}

/// `layout!(Type = "c_name": field = "c_member", …)`.
macro_rules! layout {
    ($type:ty = $name:literal: $($field:ident = $member:literal),* $(,)?) => {
        Layout {
            name: $name,
            bytes: size_of::<$type>(),
            members: vec![ $( ($member, offset_of!($type, $field)) ),* ],
        }
    };
}

/// Every structure of the crate that has a C name.
pub fn all() -> Vec<Layout> {
    let mut all = entries();
    all.extend(calls());
    all.extend(registrations());
    all.extend(questions());
    all.push(probe_head());
    all
}

fn entries() -> Vec<Layout> {
    vec![
        layout!(Sqe = "io_uring_sqe":
            opcode = "opcode", flags = "flags", ioprio = "ioprio", fd = "fd", off = "off",
            off = "addr2", off = "cmd_op", addr = "addr", addr = "splice_off_in", addr = "level",
            len = "len", op_flags = "rw_flags", op_flags = "poll_events", op_flags = "msg_flags",
            op_flags = "nop_flags", op_flags = "pipe_flags", user_data = "user_data",
            buf_index = "buf_index", buf_index = "buf_group", personality = "personality",
            file_index = "splice_fd_in", file_index = "file_index", file_index = "optlen",
            file_index = "addr_len", file_index = "zcrx_ifq_idx", addr3 = "addr3", addr3 = "cmd",
            addr3 = "attr_ptr", addr3 = "optval", pad = "attr_type_mask", pad = "__pad2"),
        layout!(Cqe = "io_uring_cqe":
            user_data = "user_data", res = "res", flags = "flags"),
        layout!(RecvmsgOut = "io_uring_recvmsg_out":
            namelen = "namelen", controllen = "controllen", payloadlen = "payloadlen",
            flags = "flags"),
        layout!(AttrPi = "io_uring_attr_pi":
            flags = "flags", app_tag = "app_tag", len = "len", addr = "addr", seed = "seed",
            rsvd = "rsvd"),
        layout!(IoTimespec = "io_timespec": sec = "tv_sec", nsec = "tv_nsec"),
        layout!(ZcrxCqe = "io_uring_zcrx_cqe": off = "off", pad = "__pad"),
    ]
}

fn calls() -> Vec<Layout> {
    vec![
        layout!(Params = "io_uring_params":
            sq_entries = "sq_entries", cq_entries = "cq_entries", flags = "flags",
            sq_thread_cpu = "sq_thread_cpu", sq_thread_idle = "sq_thread_idle",
            features = "features", wq_fd = "wq_fd", resv = "resv", sq_off = "sq_off",
            cq_off = "cq_off"),
        layout!(SqOffsets = "io_sqring_offsets":
            head = "head", tail = "tail", ring_mask = "ring_mask", ring_entries = "ring_entries",
            flags = "flags", dropped = "dropped", array = "array", user_addr = "user_addr"),
        layout!(CqOffsets = "io_cqring_offsets":
            head = "head", tail = "tail", ring_mask = "ring_mask", ring_entries = "ring_entries",
            overflow = "overflow", cqes = "cqes", flags = "flags", user_addr = "user_addr"),
        layout!(GetEventsArg = "io_uring_getevents_arg":
            sigmask = "sigmask", sigmask_bytes = "sigmask_sz", min_wait_usec = "min_wait_usec",
            ts = "ts"),
        layout!(RegWait = "io_uring_reg_wait":
            ts = "ts", min_wait_usec = "min_wait_usec", flags = "flags", sigmask = "sigmask",
            sigmask_bytes = "sigmask_sz", pad = "pad", pad2 = "pad2"),
        layout!(Timespec = "__kernel_timespec": sec = "tv_sec", nsec = "tv_nsec"),
    ]
}

fn registrations() -> Vec<Layout> {
    vec![
        layout!(FilesUpdate = "io_uring_files_update": offset = "offset", fds = "fds"),
        layout!(ResourceRegister = "io_uring_rsrc_register":
            nr = "nr", flags = "flags", resv2 = "resv2", data = "data", tags = "tags"),
        layout!(RingFdUpdate = "io_uring_rsrc_update":
            offset = "offset", resv = "resv", data = "data"),
        layout!(ResourceUpdate = "io_uring_rsrc_update2":
            offset = "offset", resv = "resv", data = "data", tags = "tags", nr = "nr",
            resv2 = "resv2"),
        layout!(FileIndexRange = "io_uring_file_index_range":
            off = "off", len = "len", resv = "resv"),
        layout!(CloneBuffers = "io_uring_clone_buffers":
            src_fd = "src_fd", flags = "flags", src_off = "src_off", dst_off = "dst_off",
            nr = "nr", pad = "pad"),
        layout!(BufReg = "io_uring_buf_reg":
            ring_addr = "ring_addr", ring_entries = "ring_entries", bgid = "bgid",
            flags = "flags", resv = "min_left"),
        layout!(BufRingEntry = "io_uring_buf":
            addr = "addr", len = "len", bid = "bid", resv = "resv"),
        layout!(BufRingEntry = "io_uring_buf_ring": resv = "tail"),
        layout!(BufStatus = "io_uring_buf_status":
            buf_group = "buf_group", head = "head", resv = "resv"),
        layout!(Napi = "io_uring_napi":
            busy_poll_to = "busy_poll_to", prefer_busy_poll = "prefer_busy_poll",
            opcode = "opcode", op_param = "op_param"),
        layout!(ClockRegister = "io_uring_clock_register": clockid = "clockid", resv = "__resv"),
        layout!(SyncCancel = "io_uring_sync_cancel_reg":
            addr = "addr", fd = "fd", flags = "flags", timeout = "timeout", opcode = "opcode"),
        layout!(Restriction = "io_uring_restriction":
            kind = "opcode", value = "register_op", value = "sqe_op", resv = "resv",
            resv2 = "resv2"),
        layout!(TaskRestriction = "io_uring_task_restriction":
            flags = "flags", nr_res = "nr_res", resv = "resv"),
        layout!(BpfCommand = "io_uring_bpf":
            cmd_type = "cmd_type", cmd_flags = "cmd_flags", resv = "resv", filter = "filter"),
        layout!(BpfFilter = "io_uring_bpf_filter":
            opcode = "opcode", flags = "flags", filter_len = "filter_len", pdu_size = "pdu_size",
            filter_ptr = "filter_ptr", resv2 = "resv2"),
        layout!(RegionDesc = "io_uring_region_desc":
            user_addr = "user_addr", size = "size", flags = "flags", id = "id",
            mmap_offset = "mmap_offset", resv = "__resv"),
        layout!(MemRegion = "io_uring_mem_region_reg":
            region_uptr = "region_uptr", flags = "flags", resv = "__resv"),
    ]
}

fn questions() -> Vec<Layout> {
    vec![
        layout!(ProbeOp = "io_uring_probe_op":
            op = "op", resv = "resv", flags = "flags", resv2 = "resv2"),
        layout!(QueryHeader = "io_uring_query_hdr":
            next_entry = "next_entry", query_data = "query_data", query_op = "query_op",
            size = "size", result = "result", resv = "__resv"),
        layout!(QueryOpcodes = "io_uring_query_opcode":
            nr_request_opcodes = "nr_request_opcodes", nr_register_opcodes = "nr_register_opcodes",
            feature_flags = "feature_flags", ring_setup_flags = "ring_setup_flags",
            enter_flags = "enter_flags", sqe_flags = "sqe_flags",
            nr_query_opcodes = "nr_query_opcodes"),
        layout!(QueryZcrx = "io_uring_query_zcrx":
            register_flags = "register_flags", area_flags = "area_flags",
            nr_ctrl_opcodes = "nr_ctrl_opcodes", features = "features",
            rq_hdr_size = "rq_hdr_size", rq_hdr_alignment = "rq_hdr_alignment"),
        layout!(QueryRingLayout = "io_uring_query_scq":
            hdr_size = "hdr_size", hdr_alignment = "hdr_alignment"),
        layout!(ZcrxQueue = "io_uring_zcrx_ifq_reg":
            if_idx = "if_idx", if_rxq = "if_rxq", rq_entries = "rq_entries", flags = "flags",
            area_ptr = "area_ptr", region_ptr = "region_ptr", offsets = "offsets",
            zcrx_id = "zcrx_id", rx_buf_len = "rx_buf_len", resv = "__resv"),
        layout!(ZcrxOffsets = "io_uring_zcrx_offsets":
            head = "head", tail = "tail", rqes = "rqes"),
        layout!(ZcrxArea = "io_uring_zcrx_area_reg":
            addr = "addr", len = "len", rq_area_token = "rq_area_token", flags = "flags",
            dmabuf_fd = "dmabuf_fd"),
        layout!(ZcrxRefill = "io_uring_zcrx_rqe": off = "off", len = "len"),
        layout!(ZcrxControl = "zcrx_ctrl": zcrx_id = "zcrx_id", op = "op", zcrx_fd = "zc_export"),
    ]
}

/// The structure that is only the head of an array in C, with its size there.
fn probe_head() -> Layout {
    Layout {
        name: "io_uring_probe",
        bytes: offset_of!(Probe, ops),
        members: vec![
            ("last_op", offset_of!(Probe, last_op)),
            ("ops_len", offset_of!(Probe, ops_len)),
            ("ops", offset_of!(Probe, ops)),
        ],
    }
}
