//! A strict, sans-I/O HTTP/1.1 codec for both roles
