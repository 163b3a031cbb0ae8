//! Compares every constant with the C header `<linux/io_uring.h>` of this machine, where it has
//! one.
//!
//! Owns: finding out which names the header has, compiling a C program that prints their values,
//! and reading what it printed. A name that the header lacks, because it is older, is skipped and
//! said on standard error. `CPPFLAGS` is passed to the compiler, so a newer header can be compared
//! with `CPPFLAGS="-include /path/to/io_uring.h"`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use annulus_abi as abi;
use annulus_abi::{Opcode, RegisterOp};

/// What a C program needs to see all the names.
const INCLUDES: &str = "#include <stddef.h>\n#include <stdio.h>\n#include <linux/io_uring.h>\n";

/// The header after preprocessing, with its macros: what this machine knows.
pub struct Header {
    text: String,
    words: HashSet<String>,
}

impl Header {
    /// Reads the header, or says on standard error why it cannot be read.
    pub fn read() -> Option<Self> {
        let mut command = compiler();
        command.args(["-E", "-dD", "-x", "c", "-"]);
        let text = match output(command, INCLUDES) {
            Ok(text) => text,
            Err(why) => {
                say(&format!("skipped, no C compiler or header: {why}"));
                return None;
            }
        };
        let words =
            text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect();
        Some(Self { text, words })
    }

    /// Whether the name occurs anywhere.
    pub fn has(&self, name: &str) -> bool {
        self.words.contains(name)
    }

    /// Whether the structure is defined.
    pub fn has_struct(&self, name: &str) -> bool {
        self.body(name).is_some()
    }

    /// Whether the structure is defined and has the member.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.body(name).is_some_and(|body| {
            body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == member)
        })
    }

    /// The text between the braces of `struct name { … }`.
    fn body(&self, name: &str) -> Option<&str> {
        let head = format!("struct {name} {{");
        let start = self.text.find(&head)? + head.len();
        let mut depth = 1;
        for (index, c) in self.text[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(&self.text[start..start + index]);
            }
        }
        None
    }
}

/// Compiles a program that prints each C expression, runs it, and returns the values.
pub fn evaluate(expressions: &[String]) -> HashMap<String, u64> {
    let mut program = format!("{INCLUDES}int main(void) {{\n");
    for expression in expressions {
        program.push_str(&format!("printf(\"%llu\\n\", (unsigned long long)({expression}));\n"));
    }
    program.push_str("return 0; }\n");
    let directory = std::env::temp_dir();
    let name = format!("abi-{}-{}", std::process::id(), expressions.len());
    let executable = directory.join(name);
    let mut command = compiler();
    command.args(["-x", "c", "-", "-o"]).arg(&executable);
    output(command, &program).expect("the program of known names compiles");
    let printed = output(Command::new(&executable), "").expect("it runs");
    fs::remove_file(&executable).expect("it was written");
    let values = printed.lines().map(|line| line.parse().expect("a number"));
    expressions.iter().cloned().zip(values).collect()
}

/// Writes to standard error directly, where the harness does not swallow it.
pub fn say(text: &str) {
    let line = format!("annulus-abi: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}

fn compiler() -> Command {
    let mut command = Command::new("cc");
    let flags = std::env::var("CPPFLAGS").unwrap_or_default();
    command.args(flags.split_whitespace());
    command
}

fn output(mut command: Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let written = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() && written.is_ok() {
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Every constant of the crate that the C header names, with its value.
fn constants() -> Vec<(&'static str, u64)> {
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

#[test]
fn every_constant_has_the_value_of_the_c_header() {
    let Some(header) = Header::read() else { return };
    let (known, unknown): (Vec<_>, Vec<_>) =
        constants().into_iter().partition(|(name, _)| header.has(name));
    if let Some((first, _)) = unknown.first() {
        say(&format!(
            "skipped {} constants that this machine's header lacks, as {first}",
            unknown.len()
        ));
    }
    assert!(known.len() > 100, "even the oldest header has these");
    let expressions: Vec<_> = known.iter().map(|(name, _)| (*name).to_owned()).collect();
    let values = evaluate(&expressions);
    for (name, value) in known {
        assert_eq!(values[name], value, "{name}");
    }
}

#[test]
fn no_constant_is_listed_twice() {
    let mut seen = HashSet::new();
    for (name, _) in constants() {
        assert!(seen.insert(name), "{name}");
    }
}
