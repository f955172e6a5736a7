//! The admin API of Yumen over the Control port
