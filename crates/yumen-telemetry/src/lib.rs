//! Metrics, access log and reason codes of Yumen
