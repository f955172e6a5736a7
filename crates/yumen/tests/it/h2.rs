//! HTTP/2 with clients and with endpoints.

mod abuse;
mod clients;
mod endpoints;
mod rules;
