//! What runs on an adapter: what it can do, how tensors lie in memory, and the dispatches that an operation becomes, as
//! plain data. It knows neither graphs nor operations.

mod capabilities;
mod choices;
mod dispatch;
mod element;
mod lowering;
mod view;

pub use capabilities::{Capabilities, Needs};
pub use choices::Choices;
pub use dispatch::{Dispatch, Operand, Word, grid};
pub use element::Element;
pub use lowering::{Lowered, Lowering};
pub use view::View;
