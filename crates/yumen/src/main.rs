//! A cloud-native network gateway
fn main() {}
