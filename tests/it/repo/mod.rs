//! Repositories on web servers: nginx with TLS, passwords, limits and failures, S3, and `dcos repo serve`.

mod files;
mod memory;
mod mirror;
mod nginx;
mod repair;
mod s3;
mod signed;
mod site;
mod transfers;
mod trust;
