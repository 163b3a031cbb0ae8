//! `annulus serve` with certificates, as a process: curl, openssl, SIGHUP, refusals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::program::{Program, ready, skip};

struct Served {
    program: Program,
    port: String,
    files: tempfile::TempDir,
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| (at % 251) as u8).collect()
}

/// Writes a certificate for `name` that signs itself, and its key.
fn certify(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (chain, key) =
        (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (chain, key)
}

impl Served {
    fn start(names: &[&str], more: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::create_dir(files.path().join("site")).unwrap();
        fs::write(files.path().join("site/a.txt"), "alpha").unwrap();
        fs::write(files.path().join("site/large.bin"), large()).unwrap();
        let mut args = vec!["serve".to_owned(), files.path().join("site").display().to_string()];
        args.extend(["--addr", "127.0.0.1:0"].map(str::to_owned));
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        for name in names {
            let (chain, key) = certify(files.path(), name);
            args.extend(["--tls-cert".to_owned(), chain.display().to_string()]);
            args.extend(["--tls-key".to_owned(), key.display().to_string()]);
        }
        let mut program = Program::start(&args);
        let line = program.line();
        let address = line.strip_prefix("Listening on https://127.0.0.1:");
        let port = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { program, port, files }
    }

    /// curl's output for a host of this server.
    fn curl(&self, name: &str, path: &str, args: &[&str]) -> Output {
        let roots = self.files.path().join(format!("{name}.crt"));
        Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
            .args(["--resolve", &format!("{name}:{}:127.0.0.1", self.port), "--cacert"])
            .arg(roots)
            .args(args)
            .arg(format!("https://{name}:{}{path}", self.port))
            .output()
            .unwrap()
    }

    fn body(&self, name: &str, path: &str, args: &[&str]) -> Vec<u8> {
        let output = self.curl(name, path, args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found && ready()
}

#[test]
fn files_are_served_over_tls_by_both_protocols() {
    if !is_installed("curl") {
        return;
    }
    let served = Served::start(&["localhost"], &["--cores", "1", "--log"]);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let said = ["--write-out", " %{http_version} %{http_code}", flag];
        let text = |path| String::from_utf8(served.body("localhost", path, &said)).unwrap();
        assert_eq!(text("/a.txt"), format!("alpha {version} 200"));
        assert!(text("/nothing").ends_with(&format!(" {version} 404")));
        assert!(served.body("localhost", "/large.bin", &[flag]) == large());
        let part = served.body("localhost", "/large.bin", &[flag, "--range", "1000-500999"]);
        assert!(part == large()[1000..501_000], "{} bytes", part.len());
        let head = served.body("localhost", "/a.txt", &[flag, "--head"]);
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        assert!(head.contains("content-length: 5") && head.contains("accept-ranges: bytes"));
        let condition = format!("If-None-Match: {tag}");
        let said = ["--write-out", "%{http_code}", flag, "--header", &condition];
        assert_eq!(served.body("localhost", "/a.txt", &said), b"304");
        let said = ["--write-out", "%{http_code}", "--output", "/dev/null", flag, "--data", "x"];
        assert_eq!(served.body("localhost", "/a.txt", &said), b"405");
    }
    let (status, _) = served.program.end(libc::SIGTERM);
    assert!(status.success());
}

#[test]
fn the_host_chooses_the_certificate_and_a_signal_renews_it() {
    if !is_installed("curl") {
        return;
    }
    let mut served = Served::start(&["one.test", "two.test"], &["--cores", "1"]);
    for name in ["one.test", "two.test"] {
        assert_eq!(served.body(name, "/a.txt", &[]), b"alpha");
    }
    // The files have others now, and the server the old ones.
    let old = fs::read(served.files.path().join("two.test.crt")).unwrap();
    let (chain, key) = certify(served.files.path(), "two.test");
    assert!(!served.curl("two.test", "/a.txt", &[]).status.success());
    served.program.signal(libc::SIGHUP);
    assert_eq!(served.program.complaint(), "The certificates were read again.\n");
    assert_eq!(served.body("two.test", "/a.txt", &[]), b"alpha");
    assert_eq!(served.body("one.test", "/a.txt", &[]), b"alpha");
    // A key that belongs to another certificate changes nothing.
    let new = fs::read(&chain).unwrap();
    fs::write(&chain, &old).unwrap();
    served.program.signal(libc::SIGHUP);
    let complaint = served.program.complaint();
    assert!(complaint.contains("stay what they were"), "{complaint}");
    assert!(complaint.contains(&*key.to_string_lossy()), "{complaint}");
    fs::write(&chain, new).unwrap();
    assert_eq!(served.body("two.test", "/a.txt", &[]), b"alpha");
    let (status, _) = served.program.end(libc::SIGTERM);
    assert!(status.success());
}

#[test]
fn certificates_that_cannot_be_used_are_named_before_anything_listens() {
    if !ready() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = certify(directory.path(), "localhost");
    let (_, other) = certify(directory.path(), "other");
    let refusal = |chain: &Path, keys: &[&Path]| {
        let mut args = vec!["serve", "--addr", "127.0.0.1:0", "--tls-cert"];
        args.push(chain.to_str().unwrap());
        for key in keys {
            args.extend(["--tls-key", key.to_str().unwrap()]);
        }
        let (status, said) = Program::start(&args).wait();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    };
    let said = refusal(&chain, &[&other]);
    assert!(said.contains("not that of the certificate"), "{said}");
    assert!(said.contains("other.key:1") && said.contains("localhost.crt"), "{said}");
    let missing = directory.path().join("missing.crt");
    assert!(refusal(&missing, &[&key]).contains("missing.crt"));
    assert!(refusal(&chain, &[&key, &key]).contains("there are 1 and 2"));
}
