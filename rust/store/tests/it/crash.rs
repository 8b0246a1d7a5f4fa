//! A kill at every system call that touches a file.
