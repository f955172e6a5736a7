//! Configuration of Yumen: text in, a valid immutable Config or a list of diagnostics out
