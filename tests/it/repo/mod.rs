//! Repositories on real web servers: nginx with TLS, passwords, limits and failures, and S3.

mod files;
mod memory;
mod mirror;
mod nginx;
mod s3;
mod signed;
mod site;
mod transfers;
mod trust;
