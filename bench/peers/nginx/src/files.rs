//! Files: one worker, with sendfile, whole segments, and files that stay open.

use std::io;
use std::process::Command;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    annulus_bench::serve_program(|address| {
        // It may not write where its package lies.
        let place = job.directory.display();
        let server = format!(
            "daemon off; master_process off; worker_processes 1; pid {place}/nginx.pid; \
             error_log stderr crit; events {{ worker_connections 1024; }} http {{ access_log off; \
             sendfile on; tcp_nopush on; keepalive_requests 100000000; \
             open_file_cache max=1000 inactive=60s; open_file_cache_min_uses 1; \
             client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; \
             fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; \
             scgi_temp_path {place}/scgi; server {{ listen {address}; root {place}; }} }}"
        );
        let file = job.directory.join("nginx.conf");
        // What cannot be written, nginx will miss.
        let _ = std::fs::write(&file, server);
        let mut command = Command::new("nginx");
        command.arg("-c").arg(file).arg("-e").arg("stderr");
        command
    })
}
