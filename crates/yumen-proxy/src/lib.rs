//! The data path of Yumen: from an accepted connection to the last byte
