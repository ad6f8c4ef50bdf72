//! Links of different MTU: what is fragmented comes together again, and no bytes break anything.
//!
//! | module | what it tests |
//! |---|---|
//! | `fragment` | IPv4 fragments as routers make them |
//! | `hostile` | whatever the bytes are |
//! | `reassemble` | the oracle: a plain reassembler |

mod fragment;
mod hostile;
mod reassemble;
