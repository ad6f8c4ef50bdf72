//! AF_XDP fast path.
