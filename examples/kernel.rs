//! Timing a kernel on a shape of one's own: every variant is checked against the reference, then timed.
//!
//!     cargo run --release --example kernel

use parula::Gpu;
use parula::engine::ops::{Case, Conv2d, Fill, Padding, Window};
use parula::lab::bench::{Bencher, Effort, Layer, ceiling};

fn main() -> parula::Result<()> {
    let gpu = Gpu::open()?;
    let effort = Effort::new(true, gpu.capabilities().software);
    // What the adapter can do at all: multiply-adds, and bytes copied.
    let ceiling = ceiling(&gpu, effort)?;
    println!("{}: {:.0} GFLOP/s, {:.0} GB/s", gpu.report(), ceiling.gflops, ceiling.gbps);

    let convolution = Conv2d::new(Window::square(3, 1, Padding::Same));
    let inputs = [([4, 28, 28, 64].into(), Fill::Signed), ([3, 3, 64, 64].into(), Fill::Signed)];
    let layer = Layer::from(Case::new("3x3, 28x28x64", convolution, inputs));
    let mut bencher = Bencher::new(&gpu, effort)?;
    let mut timed = 0;
    for variant in layer.case.operation.variants() {
        match bencher.measure(&layer, variant, &ceiling, 0.0) {
            Ok(row) => {
                timed += 1;
                let share = 100.0 * row.share_of_ceiling;
                println!("{:>20} {:8.3} ms {share:4.0} %", row.variant, row.timing.ms);
            }
            // It needs what this adapter does not have, or takes other shapes.
            Err(reason) => println!("{:>20} {reason}", variant.name),
        }
    }
    assert!(timed > 0, "no variant could be timed");
    Ok(())
}
