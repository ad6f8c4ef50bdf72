//! The coalescing rules, one test a rule and a reason: what fits, what does not, and what it is called.
//!
//! | module | what it asks |
//! |---|---|
//! | `refusal` | may this packet take part? |
//! | `join` | does it fit the train held for its flow? Its headers |
//! | `reorder` | the profile that waits for what is missing |
//! | `lro` | the profile under which less has to fit |
//! | `size` | does it fit? Its size, and the train's |
//! | `closing` | what lets a train go: a packet, a full table, the end |
//! | `udp` | the same questions where UDP has its own answers |
//! | `tunnel` | the same questions about what stands around a packet in a tunnel |
//! | `express` | is what is recognised at a glance the same? |
//! | `time` | what lets a train go: its deadline |

mod burst;
mod closing;
mod express;
mod join;
mod lro;
mod refusal;
mod reorder;
mod size;
mod time;
mod tunnel;
mod udp;
