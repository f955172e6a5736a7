//! Scripted peers and a process runner for the tests of Yumen
