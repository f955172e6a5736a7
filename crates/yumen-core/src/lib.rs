//! The vocabulary of Yumen: values and ports, no I/O
