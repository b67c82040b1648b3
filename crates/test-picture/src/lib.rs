//! test picture
