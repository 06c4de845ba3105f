//! The page's modules: every `.js` below `page/`, but for `page/dev/`. A module's name is its path after `lesson/`.

macro_rules! modules {
    ($($name:literal)+) => {
        /// Names and texts.
        pub const MODULES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("page/", $name)))),+];
    };
}

modules! {
    "api.js"
    "bench.js"
    "compute.js"
    "device.js"
    "forward.js"
    "pixels.js"
    "plan.js"
    "program.js"
    "reference.js"
    "trainer.js"
}
